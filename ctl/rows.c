#include "rows.h"

#include <stdlib.h>

#include "buf.h"

/* ---- bytes ---- */

static int get(struct rows *r)
{
	int c = getc_unlocked(r->from);

	r->bytes += c != EOF;
	r->line += c == '\n';
	return c;
}

static void put_back(struct rows *r, int c)
{
	if (c == EOF)
		return;
	r->bytes--;
	r->line -= c == '\n';
	(void)ungetc(c, r->from);
}

static void skip_line(struct rows *r)
{
	int c;

	do
		c = get(r);
	while (c != '\n' && c != EOF);
}

/* One byte of the record's text. False: there is no room. */
static bool keep(struct rows *r, int c)
{
	if (r->used == sizeof r->store)
		return false;
	r->store[r->used++] = (char)c;
	return true;
}

static struct sv kept_since(const struct rows *r, size_t at)
{
	return sv_make(r->store + at, r->used - at);
}

static enum rows_result too_long(struct rows *r, struct err *err)
{
	skip_line(r);
	(void)err_set(err, "more than %d bytes or %d fields in one record; is a quote missing?", ROWS_BYTES_MAX, ROWS_FIELDS_MAX);
	return ROWS_BAD;
}

static bool add_field(struct rows *r, struct sv name, struct sv value)
{
	if (r->n == ROWS_FIELDS_MAX)
		return false;
	r->names[r->n] = name;
	r->values[r->n++] = value;
	return true;
}

/* ---- lines ---- */

static enum rows_result next_line(struct rows *r, struct err *err)
{
	for (;;) {
		int c;
		r->used = r->n = 0;
		r->record_line = r->line;
		while ((c = get(r)) != EOF && c != '\n' && c != '\r')
			if (!keep(r, c))
				return too_long(r, err);
		struct sv text = sv_trim(kept_since(r, 0));
		if (text.n && text.p[0] != '#') {
			(void)add_field(r, SV("address"), text);
			return ROWS_ONE;
		}
		if (c == EOF)
			return ROWS_END;
	}
}

/* ---- CSV ---- */

enum field_end { FIELD_MORE, FIELD_LAST, FIELD_LONG, FIELD_OPEN, FIELD_BEHIND };

static enum field_end end_of(struct rows *r, int c)
{
	if (c == (unsigned char)r->delimiter)
		return FIELD_MORE;
	if (c == '\r') { /* CR LF, or CR alone */
		int next = get(r);
		if (next != '\n')
			put_back(r, next);
	}
	return FIELD_LAST;
}

static bool ends(const struct rows *r, int c)
{
	return c == (unsigned char)r->delimiter || c == '\n' || c == '\r' || c == EOF;
}

static enum field_end read_quoted(struct rows *r)
{
	int c;

	for (;;) {
		c = get(r);
		if (c == EOF)
			return FIELD_OPEN;
		if (c == '"' && (c = get(r)) != '"')
			break;
		if (!keep(r, c))
			return FIELD_LONG;
	}
	while (c == ' ')
		c = get(r);
	return ends(r, c) ? end_of(r, c) : FIELD_BEHIND;
}

static enum field_end read_field(struct rows *r, struct sv *field_r)
{
	size_t at = r->used;
	enum field_end end;
	int c = get(r);

	if (c == '"') {
		end = read_quoted(r);
		*field_r = kept_since(r, at);
		return end;
	}
	for (; !ends(r, c); c = get(r))
		if (!keep(r, c))
			return FIELD_LONG;
	*field_r = kept_since(r, at);
	return end_of(r, c);
}

static enum rows_result read_record(struct rows *r, struct err *err)
{
	enum field_end end = FIELD_MORE;

	r->used = r->n = 0;
	r->record_line = r->line;
	while (end == FIELD_MORE) {
		struct sv field = sv_make("", 0);
		end = read_field(r, &field);
		if (end == FIELD_LONG || (end <= FIELD_LAST && !add_field(r, sv_make("", 0), field)))
			return too_long(r, err);
	}
	if (end == FIELD_OPEN)
		(void)err_set(err, "the list ends within quotes");
	if (end == FIELD_BEHIND) {
		skip_line(r);
		(void)err_set(err, "text behind a closing quote; a quote within quotes is written twice");
	}
	return end == FIELD_LAST ? ROWS_ONE : ROWS_BAD;
}

static enum rows_result next_csv(struct rows *r, struct err *err)
{
	do {
		int c = get(r);
		if (c == EOF)
			return ROWS_END;
		put_back(r, c);
		if (read_record(r, err) == ROWS_BAD)
			return ROWS_BAD;
	} while (r->n == 1 && r->values[0].n == 0); /* an empty line */
	if (r->header && r->n != r->columns) {
		(void)err_set(err, "%zu fields, the header has %zu", r->n, r->columns);
		return ROWS_BAD;
	}
	for (size_t i = 0; r->header && i < r->n; i++)
		r->names[i] = r->column_names[i];
	return ROWS_ONE;
}

/* ---- JSON ---- */

enum token { TOKEN_END, TOKEN_BAD, TOKEN_LONG, TOKEN_TEXT, TOKEN_WORD, TOKEN_OPEN_OBJECT = '{', TOKEN_CLOSE_OBJECT = '}', TOKEN_OPEN_ARRAY = '[',
	TOKEN_CLOSE_ARRAY = ']', TOKEN_COLON = ':', TOKEN_COMMA = ',' };

static bool keep_utf8(struct rows *r, uint32_t u)
{
	char room[4];
	struct buf b = BUF_ON(room);

	buf_add_utf8(&b, u);
	for (size_t i = 0; i < b.n; i++)
		if (!keep(r, (unsigned char)room[i]))
			return false;
	return true;
}

static bool read_hex(struct rows *r, uint32_t *u_r)
{
	*u_r = 0;
	for (int i = 0; i < 4; i++) {
		int c = get(r), digit = c == EOF ? -1 : sv_hex((char)c);
		if (digit < 0) {
			put_back(r, c);
			return false;
		}
		*u_r = *u_r * 16 + (uint32_t)digit;
	}
	return true;
}

/* Behind "\u" */
static enum token read_unicode(struct rows *r)
{
	uint32_t u, low;

	if (!read_hex(r, &u) || (u >= 0xdc00 && u < 0xe000))
		return TOKEN_BAD;
	if (u >= 0xd800 && u < 0xdc00) {
		if (get(r) != '\\' || get(r) != 'u' || !read_hex(r, &low) || low < 0xdc00 || low > 0xdfff)
			return TOKEN_BAD;
		u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
	}
	return keep_utf8(r, u) ? TOKEN_TEXT : TOKEN_LONG;
}

static enum token read_escape(struct rows *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int c = get(r);
	const char *at = c == EOF || c == 0 ? NULL : strchr(from, c);

	if (c == 'u')
		return read_unicode(r);
	if (!at) {
		put_back(r, c);
		return TOKEN_BAD;
	}
	return keep(r, to[at - from]) ? TOKEN_TEXT : TOKEN_LONG;
}

static enum token read_string(struct rows *r)
{
	enum token token = TOKEN_TEXT;
	int c;

	while (token == TOKEN_TEXT && (c = get(r)) != '"') {
		if (c == EOF || c < ' ') {
			put_back(r, c);
			return TOKEN_BAD;
		}
		if (c == '\\')
			token = read_escape(r);
		else if (!keep(r, c))
			token = TOKEN_LONG;
	}
	return token;
}

/* A number, true, false, null: nobody here counts with it. */
static enum token read_word(struct rows *r, int c)
{
	size_t at = r->used;

	for (; c != EOF && (sv_is_digit((char)c) || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E'); c = get(r))
		if (!keep(r, c))
			return TOKEN_LONG;
	put_back(r, c);
	if (r->used == at) {
		(void)get(r);
		return TOKEN_BAD;
	}
	if (sv_eq(kept_since(r, at), SV("null")))
		r->used = at;
	return TOKEN_WORD;
}

static enum token next_token(struct rows *r)
{
	int c;

	do
		c = get(r);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
	if (c == EOF)
		return TOKEN_END;
	if (c != 0 && strchr("{}[]:,", c))
		return (enum token)c;
	return c == '"' ? read_string(r) : read_word(r, c);
}

/* Where brackets of a list are open, nobody knows what the next line is. */
static enum rows_result bad_json(struct rows *r, enum token token, struct err *err)
{
	for (size_t i = 0; i < r->depth; i++)
		r->lost = r->lost || r->levels[i].array;
	if (r->depth)
		r->record_line = r->levels[r->depth - 1].line;
	else
		r->record_line = r->line;
	if (token == TOKEN_LONG)
		(void)err_set(err, "more than %d bytes or %d fields in one record", ROWS_BYTES_MAX, ROWS_FIELDS_MAX);
	else
		(void)err_set(err, token == TOKEN_END ? "the list ends within an object or an array" : "this is no JSON%s", r->lost ? "; what follows cannot be read" : "");
	r->depth = 0;
	if (token != TOKEN_END)
		skip_line(r);
	return ROWS_BAD;
}

static struct rows_level *top(struct rows *r)
{
	return r->depth ? &r->levels[r->depth - 1] : NULL;
}

static bool open_level(struct rows *r, bool array)
{
	const struct rows_level *around = top(r);

	if (r->depth == ROWS_DEPTH_MAX || (around && around->want != WANT_VALUE))
		return false;
	r->levels[r->depth++] = (struct rows_level){ .line = r->line, .fields = r->n, .bytes = r->used, .array = array, .fresh = true,
		.want = array ? WANT_VALUE : WANT_KEY };
	return true;
}

/* A value of the level on top is complete. */
static void value_done(struct rows *r)
{
	if (r->depth) {
		top(r)->want = WANT_COMMA;
		top(r)->fresh = false;
	}
}

/* *one_r: it was a record. */
static bool close_level(struct rows *r, bool array, bool *one_r)
{
	const struct rows_level *level = top(r);

	if (!level || level->array != array || (level->want != WANT_COMMA && !(level->fresh && level->want == (array ? WANT_VALUE : WANT_KEY))))
		return false;
	struct rows_level closed = *level;
	r->depth--;
	*one_r = !array && !closed.wraps && (r->depth == 0 || top(r)->array);
	for (size_t i = 0; *one_r && i < r->depth; i++)
		r->levels[i].wraps = true;
	if (*one_r) {
		r->record_line = closed.line;
		memmove(r->names, r->names + closed.fields, (r->n - closed.fields) * sizeof *r->names);
		memmove(r->values, r->values + closed.fields, (r->n - closed.fields) * sizeof *r->values);
		r->n -= closed.fields;
	} else if (!array) {
		r->n = closed.fields;
		r->used = closed.bytes;
	}
	value_done(r);
	return true;
}

/* Texts of an array that is the value of a member are one text. */
static enum token take_value(struct rows *r, size_t at)
{
	struct rows_level *level = top(r);
	bool listed = level->array && r->depth > 1 && !r->levels[r->depth - 2].array;

	if (!level->array) {
		r->values[r->n - 1] = kept_since(r, at);
	} else if (listed && level->fresh) {
		r->values[r->n - 1] = kept_since(r, at);
		level->listing = true;
	} else if (level->listing) {
		struct sv *value = &r->values[r->n - 1];
		if (!keep(r, ','))
			return TOKEN_LONG;
		memmove(r->store + at + 1, r->store + at, r->used - at - 1);
		r->store[at] = ',';
		value->n = r->used - (size_t)(value->p - r->store);
	} else {
		r->used = at;
	}
	value_done(r);
	return TOKEN_TEXT;
}

/* Returns TOKEN_BAD or TOKEN_LONG where it does not belong there. */
static enum token take_scalar(struct rows *r, enum token token, size_t at)
{
	struct rows_level *level = top(r);

	if (level && level->want == WANT_VALUE)
		return take_value(r, at);
	if (!level || level->want != WANT_KEY || token != TOKEN_TEXT)
		return TOKEN_BAD;
	if (!add_field(r, kept_since(r, at), sv_make("", 0)))
		return TOKEN_LONG;
	level->want = WANT_COLON;
	return TOKEN_TEXT;
}

static enum token take_mark(struct rows *r, enum token token)
{
	struct rows_level *level = top(r);

	if (!level || level->want != (token == TOKEN_COLON ? WANT_COLON : WANT_COMMA))
		return TOKEN_BAD;
	level->fresh = false;
	level->want = token == TOKEN_COLON || level->array ? WANT_VALUE : WANT_KEY;
	return token;
}

static enum token take_token(struct rows *r, enum token token, size_t at, bool *one_r)
{
	switch (token) {
	case TOKEN_OPEN_OBJECT:
	case TOKEN_OPEN_ARRAY:
		return open_level(r, token == TOKEN_OPEN_ARRAY) ? token : TOKEN_BAD;
	case TOKEN_CLOSE_OBJECT:
	case TOKEN_CLOSE_ARRAY:
		return close_level(r, token == TOKEN_CLOSE_ARRAY, one_r) ? token : TOKEN_BAD;
	case TOKEN_COLON:
	case TOKEN_COMMA:
		return take_mark(r, token);
	case TOKEN_TEXT:
	case TOKEN_WORD:
		return take_scalar(r, token, at);
	case TOKEN_END:
	case TOKEN_BAD:
	case TOKEN_LONG:
		break;
	}
	return token;
}

static enum rows_result next_json(struct rows *r, struct err *err)
{
	bool one = false;

	/* the record of the last time */
	r->n = r->depth ? top(r)->fields : 0;
	r->used = r->depth ? top(r)->bytes : 0;
	while (!r->lost) {
		size_t at = r->used;
		enum token token = next_token(r);
		if (token == TOKEN_END && r->depth == 0)
			return ROWS_END;
		token = take_token(r, token, at, &one);
		if (token == TOKEN_END || token == TOKEN_BAD || token == TOKEN_LONG)
			return bad_json(r, token, err);
		if (one)
			return ROWS_ONE;
	}
	return ROWS_END;
}

/* ---- ---- */

static char find_delimiter(struct sv line)
{
	static const char all[] = ",;\t";
	size_t best = 0;
	char found = 0;

	for (const char *d = all; *d; d++) {
		size_t n = 0;
		bool quoted = false;
		for (size_t i = 0; i < line.n; i++) {
			quoted = quoted != (line.p[i] == '"');
			n += !quoted && line.p[i] == *d;
		}
		if (n > best) {
			best = n;
			found = *d;
		}
	}
	return found;
}

static bool read_header(struct rows *r, struct err *err)
{
	if (!r->header)
		return true;
	r->header = false; /* it is no record yet */
	enum rows_result result = next_csv(r, err);
	r->header = true;
	if (result == ROWS_END)
		return err_set(err, "the list is empty");
	if (result == ROWS_BAD)
		return err_prefix(err, "line %llu", (unsigned long long)r->record_line);
	memcpy(r->header_store, r->store, r->used);
	r->columns = r->n;
	for (size_t i = 0; i < r->n; i++)
		r->column_names[i] = r->names[i] = sv_trim(sv_make(r->header_store + (r->values[i].p - r->store), r->values[i].n));
	return true;
}

bool rows_open(struct rows *r, FILE *from, struct err *err)
{
	r->from = from;
	r->line = 1;
	r->bytes = 0;
	r->n = r->columns = r->depth = r->used = 0;
	r->lost = false;
	rewind(from);
	struct sv text = sv_make(r->store, fread(r->store, 1, sizeof r->store, from));
	size_t mark = sv_starts(text, SV("\xef\xbb\xbf")) ? 3 : 0;
	if (memchr(text.p, 0, text.n))
		return err_set(err, "this is no text in UTF-8; save it as CSV in UTF-8");
	text = sv_skip(text, mark);
	while (text.n && (text.p[0] == ' ' || text.p[0] == '\t' || text.p[0] == '\r' || text.p[0] == '\n'))
		text = sv_skip(text, 1);
	if (!text.n)
		return err_set(err, "the list is empty");
	struct sv line = sv_head(text, sv_find(text, '\n'));
	line = sv_head(line, sv_find(line, '\r'));
	bool address = sv_find(sv_head(line, sv_find(line, ',')), '@') < sv_find(line, ',');
	r->delimiter = find_delimiter(line);
	r->header = line.p[0] != '#' && !address;
	r->shape = text.p[0] == '{' || text.p[0] == '[' ? ROWS_JSON : r->header || (r->delimiter && line.p[0] != '#') ? ROWS_CSV : ROWS_LINES;
	if (!r->delimiter)
		r->delimiter = ',';
	if (fseek(from, (long)mark, SEEK_SET) != 0)
		return err_set(err, "cannot be read from its beginning: %m");
	r->bytes = mark;
	return r->shape != ROWS_CSV || read_header(r, err);
}

enum rows_result rows_next(struct rows *r, struct err *err)
{
	switch (r->shape) {
	case ROWS_LINES:
		return next_line(r, err);
	case ROWS_CSV:
		return next_csv(r, err);
	case ROWS_JSON:
		break;
	}
	return next_json(r, err);
}

static size_t find(const struct rows *r, const char *name)
{
	size_t i = 0;

	while (i < r->n && !sv_eq_nocase(r->names[i], sv_of(name)))
		i++;
	return i;
}

struct sv rows_value(const struct rows *r, const char *name)
{
	size_t i = find(r, name);

	return i < r->n ? r->values[i] : sv_make("", 0);
}

bool rows_has(const struct rows *r, const char *name)
{
	return find(r, name) < r->n;
}
