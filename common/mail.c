#include "mail.h"

#include <gmime/gmime.h>

#include "buf.h"
#include "plain.h"

/* ---- bytes ---- */

/* Bytes at the front that stay as they are: ASCII that is neither NUL nor may be the CR of CRLF. */
static size_t plain_run(struct sv s)
{
	size_t n = 0;

	while (n < s.n && (signed char)s.p[n] > 0 && s.p[n] != '\r')
		n++;
	return n;
}

/* The next piece of s as it comes out, and what of s it is: U+FFFD for what is no UTF-8 and for NUL, nothing for the CR of CRLF. */
static struct sv clean_piece(struct sv s, size_t *n_r)
{
	size_t n = plain_run(s);

	if (n == 0 && s.p[0])
		n = utf8_len(s);
	*n_r = n ? n : 1;
	if (s.p[0] == '\r' && s.n > 1 && s.p[1] == '\n')
		return SV("");
	return n ? sv_head(s, n) : SV("\xef\xbf\xbd");
}

static struct sv clean(struct arena *arena, struct sv s)
{
	struct buf b = { 0 };
	size_t n;

	for (struct sv rest = s; rest.n; rest = sv_skip(rest, n))
		b.size += clean_piece(rest, &n).n;
	b.p = arena_take(arena, b.size);
	for (struct sv rest = s; rest.n; rest = sv_skip(rest, n))
		buf_add(&b, clean_piece(rest, &n));
	return buf_sv(&b);
}

static struct sv lower(struct arena *arena, const char *a, const char *b)
{
	struct sv s = a ? arena_printf(arena, "%s%s%s", a, b ? "/" : "", b ? b : "") : SV("");
	char *p = (char *)(uintptr_t)s.p;

	for (size_t i = 0; i < s.n; i++)
		p[i] = sv_lower(p[i]);
	return clean(arena, s);
}

/* A line with its end. */
static struct sv take_line(struct sv *text)
{
	size_t at = sv_find(*text, '\n');
	struct sv line = sv_head(*text, at < text->n ? at + 1 : at);

	*text = sv_skip(*text, line.n);
	return line;
}

static struct sv without_end(struct sv line)
{
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	return line;
}

/* "Name:" at the front: the length of the name, 0 when there is none */
static size_t name_at(struct sv line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != ':' && (unsigned char)line.p[n] > ' ' && line.p[n] != 0x7f)
		n++;
	return n < line.n && line.p[n] == ':' ? n : 0;
}

static bool continues(struct sv line)
{
	return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* ---- before GMime ---- */

/* GMime keeps every header and every part, compares each line that begins with "--" with all boundaries that are open,
 * makes objects of the addresses in some headers at once, and calls itself for a group of addresses within a group. So it
 * gets no more of them than the limits allow. Which lines are headers is not known without parsing: each that has a colon
 * may be one, with the lines that continue it. */
struct tame {
	struct buf out;
	bool header, list, drop; /* what the line at hand continues: may be a header, with addresses; was left out */
	size_t length, lines, dashes, addresses;
	unsigned cut;
	bool behind, headers_cut; /* behind the empty line that ends the message's own headers; lines before it were left out */
};

/* Whatever follows: names are not compared here as GMime does. */
static bool is_list(struct sv line)
{
	static const char *const names[] = { "To", "Cc", "Bcc", "From", "Sender", "Reply-To" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (sv_starts_nocase(line, sv_of(names[i])))
			return true;
	return false;
}

/* How much of a line with addresses may stay. */
static size_t addresses_room(struct tame *t, struct sv line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] == ',' || line.p[i] == ':') && ++t->addresses > MAIL_ADDRESSES_MAX)
			return i;
	return line.n;
}

static void tame_begin(struct tame *t, struct sv line)
{
	bool many_dashes = sv_starts(line, SV("--")) && ++t->dashes > MAIL_DASHES_MAX;

	t->header = sv_find(line, ':') < line.n;
	t->length = 0;
	t->lines += t->header;
	t->list = t->header && is_list(line);
	bool many_lines = t->header && (t->lines > MAIL_LINES_MAX || (t->list && t->addresses >= MAIL_ADDRESSES_MAX));
	t->drop = many_dashes || many_lines;
	t->cut |= (many_dashes ? MAIL_CUT_PARTS : 0u) | (many_lines ? MAIL_CUT_LINES : 0u);
}

static void tame_line(struct tame *t, struct sv line)
{
	t->headers_cut = t->headers_cut || (!t->behind && t->cut);
	t->behind = t->behind || sv_eq(line, SV("\n")) || sv_eq(line, SV("\r\n"));
	if (!continues(line))
		tame_begin(t, line);
	if (t->drop)
		return;
	size_t room = MAIL_LINE_MAX - t->length, room_for_addresses = t->list ? addresses_room(t, line) : room;
	if (room > room_for_addresses)
		room = room_for_addresses;
	if (line.n <= room) {
		buf_add(&t->out, line);
	} else {
		t->cut |= MAIL_CUT_LINES;
		/* an empty line would end the headers */
		if (room)
			buf_add(&t->out, sv_head(line, room));
		if (room)
			buf_add_char(&t->out, '\n');
		t->drop = t->header;
	}
	t->length = t->header ? t->length + line.n : 0;
}

static struct sv tame(struct arena *arena, struct sv bytes, struct mail *mail)
{
	struct sv rest = sv_head(bytes, MAIL_BYTES_MAX);
	struct tame t = { .out = { .p = arena_take(arena, rest.n + 2), .size = rest.n + 2 } };
	unsigned cut = rest.n < bytes.n ? MAIL_CUT_BYTES : 0;

	while (rest.n)
		tame_line(&t, take_line(&rest));
	/* a message that is nothing but headers is one */
	buf_add(&t.out, SV("\n\n"));
	mail->cut |= t.cut | cut;
	mail->headers_cut = t.headers_cut || (!t.behind && mail->cut);
	return buf_sv(&t.out);
}

/* ---- fields ---- */

/* A line end, with the blanks that continue the line, is one blank. */
static struct sv unfold(struct arena *arena, struct sv raw)
{
	struct sv s = clean(arena, raw);
	char *p = (char *)(uintptr_t)s.p;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool end = p[i] == '\n' || p[i] == '\r';
		while (end && i + 1 < s.n && strchr("\r\n\t ", p[i + 1]))
			i++;
		p[n++] = end ? ' ' : p[i];
	}
	return sv_trim(sv_make(s.p, n));
}

static void add_field(struct arena *arena, struct mail_fields *fields, struct sv name, struct sv value, unsigned *cut)
{
	if (fields->n == MAIL_FIELDS_MAX || name.n + value.n > MAIL_LINE_MAX) {
		*cut |= MAIL_CUT_LINES;
		return;
	}
	fields->v = arena_grow(arena, fields->v, fields->n, sizeof *fields->v);
	fields->v[fields->n++] = (struct mail_field){ clean(arena, name), unfold(arena, value) };
}

void mail_take_fields(struct arena *arena, struct sv *text, struct mail_fields *fields_r, unsigned *cut)
{
	*fields_r = (struct mail_fields){ 0 };
	while (text->n) {
		struct sv line = take_line(text), more;
		if (without_end(line).n == 0)
			return;
		size_t name = name_at(line);
		while (continues(*text)) {
			more = take_line(text);
			/* no field: a line of blanks, which some write in place of an empty one */
			if (without_end(sv_trim(more)).n == 0)
				break;
			line.n += more.n;
		}
		/* what is no field is passed over, as a line that a gateway broke */
		if (name)
			add_field(arena, fields_r, sv_head(line, name), sv_skip(line, name + 1), cut);
	}
}

struct sv mail_field(const struct mail_fields *fields, struct sv name)
{
	for (size_t i = 0; i < fields->n; i++)
		if (sv_eq_nocase(fields->v[i].name, name))
			return fields->v[i].value;
	return SV("");
}

static void take_headers(struct arena *arena, GMimeObject *object, struct mail_fields *fields, unsigned *cut)
{
	GMimeHeaderList *list = g_mime_object_get_header_list(object);
	int n = g_mime_header_list_get_count(list);

	for (int i = 0; i < n && fields->n < MAIL_FIELDS_MAX; i++) {
		GMimeHeader *header = g_mime_header_list_get_header_at(list, i);
		add_field(arena, fields, sv_of(g_mime_header_get_name(header)), sv_of(g_mime_header_get_raw_value(header)), cut);
	}
	if (n > MAIL_FIELDS_MAX)
		*cut |= MAIL_CUT_LINES;
}

/* ---- parts ---- */

struct walk {
	struct arena *arena;
	struct mail *mail;
	size_t parts;
	char *room; /* for the content of one part */
};

/* The content of a part, decoded, in UTF-8 where it is text: at most max bytes of it. */
static struct sv content(struct walk *w, GMimePart *part, size_t max)
{
	GMimeDataWrapper *wrapper = g_mime_part_get_content(part);
	GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(part));
	const char *charset = type ? g_mime_content_type_get_parameter(type, "charset") : NULL;
	GMimeFilter *filters[2] = { NULL, NULL };
	size_t n = 0;

	if (!wrapper)
		return SV("");
	if (!w->room)
		w->room = arena_take(w->arena, MAIL_REPORT_MAX);
	GMimeStream *stream = g_mime_stream_filter_new(g_mime_data_wrapper_get_stream(wrapper));
	(void)g_mime_stream_reset(g_mime_data_wrapper_get_stream(wrapper));
	filters[0] = g_mime_filter_basic_new(g_mime_data_wrapper_get_encoding(wrapper), FALSE);
	/* NULL: a character set that nobody knows; clean() makes of it what can be read */
	if (charset && g_ascii_strcasecmp(charset, "utf-8") != 0 && g_ascii_strcasecmp(charset, "us-ascii") != 0)
		filters[1] = g_mime_filter_charset_new(charset, "UTF-8");
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
		if (filters[i]) {
			(void)g_mime_stream_filter_add(GMIME_STREAM_FILTER(stream), filters[i]);
			g_object_unref(filters[i]);
		}
	ssize_t got;
	while (n < max && (got = g_mime_stream_read(stream, w->room + n, max - n)) > 0)
		n += (size_t)got;
	g_object_unref(stream);
	if (n == max)
		w->mail->cut |= MAIL_CUT_TEXT;
	return clean(w->arena, sv_make(w->room, n));
}

/* The fields of the message, and behind each empty line those of a recipient */
static void take_status(struct walk *w, GMimePart *part)
{
	struct mail *mail = w->mail;
	struct sv text = content(w, part, MAIL_REPORT_MAX);
	struct mail_fields fields;

	if (mail->has_status)
		return;
	mail->has_status = true;
	mail_take_fields(w->arena, &text, &mail->status, &mail->cut);
	/* where the empty line behind the headers of the part is missing, they are there */
	take_headers(w->arena, GMIME_OBJECT(part), &mail->status, &mail->cut);
	while (text.n) {
		mail_take_fields(w->arena, &text, &fields, &mail->cut);
		if (fields.n == 0)
			continue;
		if (mail->n_recipients == MAIL_RECIPIENTS_MAX) {
			mail->cut |= MAIL_CUT_RECIPIENTS;
			break;
		}
		mail->recipients = arena_grow(w->arena, mail->recipients, mail->n_recipients, sizeof fields);
		mail->recipients[mail->n_recipients++] = fields;
	}
}

/* One block of fields: a feedback report, the headers of the message it is about. */
static void take_block(struct walk *w, GMimePart *part, bool *has, struct mail_fields *fields)
{
	struct sv text = content(w, part, MAIL_TEXT_MAX);

	if (*has)
		return;
	*has = true;
	/* an empty line in front of it is a gateway's */
	while (text.n && fields->n == 0)
		mail_take_fields(w->arena, &text, fields, &w->mail->cut);
	take_headers(w->arena, GMIME_OBJECT(part), fields, &w->mail->cut);
}

static void take_text(struct walk *w, GMimePart *part, bool html)
{
	struct mail *mail = w->mail;

	if (mail->n_texts == MAIL_TEXTS_MAX) {
		mail->cut |= MAIL_CUT_PARTS;
		return;
	}
	struct sv text = content(w, part, MAIL_TEXT_MAX);
	mail->texts[mail->n_texts++] = (struct mail_text){ html ? plain_of_html(w->arena, text) : text, html };
}

static bool is_any(struct sv type, const struct sv *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq(type, names[i]))
			return true;
	return false;
}

static void take_part(struct walk *w, GMimePart *part, struct sv type)
{
	static const struct sv status[] = { { "message/delivery-status", 23 }, { "message/global-delivery-status", 30 } };
	static const struct sv original[] = { { "text/rfc822-headers", 19 }, { "text/rfc822-header", 18 }, { "message/rfc822-headers", 22 },
		{ "message/global-headers", 22 }, { "message/rfc822", 14 }, { "message/global", 14 } };

	if (is_any(type, status, sizeof status / sizeof *status))
		take_status(w, part);
	else if (sv_eq(type, SV("message/feedback-report")))
		take_block(w, part, &w->mail->has_feedback, &w->mail->feedback);
	else if (is_any(type, original, sizeof original / sizeof *original))
		take_block(w, part, &w->mail->has_original, &w->mail->original);
	else if (sv_starts(type, SV("text/")))
		take_text(w, part, sv_eq(type, SV("text/html")));
}

static struct sv type_of(struct walk *w, GMimeObject *object)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	const char *written = g_mime_object_get_header(object, "Content-Type");

	/* RFC 2045, 5.2; some write "text" */
	if (written && !strchr(written, '/'))
		return SV("text/plain");
	return type ? lower(w->arena, g_mime_content_type_get_media_type(type), g_mime_content_type_get_media_subtype(type)) : SV("");
}

static void take_original(struct walk *w, GMimeMessage *message)
{
	if (!message || w->mail->has_original)
		return;
	w->mail->has_original = true;
	take_headers(w->arena, GMIME_OBJECT(message), &w->mail->original, &w->mail->cut);
	/* GMime has these with the part that the message consists of */
	if (g_mime_message_get_mime_part(message))
		take_headers(w->arena, g_mime_message_get_mime_part(message), &w->mail->original, &w->mail->cut);
}

static void take_object(struct walk *w, GMimeObject *object, int depth)
{
	if (!object)
		return;
	if (++w->parts > MAIL_PARTS_MAX) {
		w->mail->cut |= MAIL_CUT_PARTS;
	} else if (GMIME_IS_MULTIPART(object)) {
		int n = g_mime_multipart_get_count(GMIME_MULTIPART(object));
		if (depth == MAIL_DEPTH_MAX)
			w->mail->cut |= MAIL_CUT_DEPTH;
		for (int i = 0; i < n && depth < MAIL_DEPTH_MAX && w->parts <= MAIL_PARTS_MAX; i++)
			take_object(w, g_mime_multipart_get_part(GMIME_MULTIPART(object), i), depth + 1);
	} else if (GMIME_IS_MESSAGE_PART(object)) {
		take_original(w, g_mime_message_part_get_message(GMIME_MESSAGE_PART(object)));
	} else if (GMIME_IS_PART(object)) {
		take_part(w, GMIME_PART(object), type_of(w, object));
	}
}

/* ---- the message ---- */

static void start(void)
{
	static bool started;

	if (!started)
		g_mime_init();
	started = true;
}

void mail_parse(struct sv bytes, struct arena *arena, struct mail *mail_r)
{
	struct walk w = { .arena = arena, .mail = mail_r };
	unsigned cut = 0;

	start();
	*mail_r = (struct mail){ 0 };
	struct sv tamed = tame(arena, bytes, mail_r);
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(tamed.p, tamed.n);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	GMimeObject *part = message ? g_mime_message_get_mime_part(message) : NULL;
	if (message)
		take_headers(arena, GMIME_OBJECT(message), &mail_r->headers, &cut);
	if (part)
		take_headers(arena, part, &mail_r->headers, &cut);
	mail_r->cut |= cut;
	mail_r->headers_cut = mail_r->headers_cut || cut;
	if (part) {
		GMimeContentType *type = g_mime_object_get_content_type(part);
		mail_r->type = type_of(&w, part);
		mail_r->report_type = lower(arena, type ? g_mime_content_type_get_parameter(type, "report-type") : NULL, NULL);
		take_object(&w, part, 0);
	}
	if (message)
		g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(stream);
}

/* ---- values ---- */

static bool says_something(struct sv text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return true;
	return false;
}

struct sv mail_plain_text(const struct mail *mail)
{
	struct sv html = SV("");

	for (size_t i = 0; i < mail->n_texts; i++) {
		struct sv text = mail->texts[i].text;
		if (!says_something(text))
			continue;
		if (!mail->texts[i].html)
			return text;
		html = html.n ? html : text;
	}
	return html;
}

struct sv mail_decode(struct arena *arena, struct sv value)
{
	start();
	char *text = g_mime_utils_header_decode_text(NULL, arena_printf(arena, "%.*s", SV_ARG(value)).p);
	struct sv decoded = unfold(arena, sv_of(text));

	g_free(text);
	return decoded;
}

/* Groups within groups are no deeper than a header is long: mail_parse() sees to it. */
static size_t take_list(struct arena *arena, InternetAddressList *list, struct sv *v_r, size_t max)
{
	size_t found = 0;

	for (int i = 0; list && i < internet_address_list_length(list) && found < max; i++) {
		InternetAddress *one = internet_address_list_get_address(list, i);
		if (INTERNET_ADDRESS_IS_MAILBOX(one)) {
			const char *address = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one));
			if (address && *address)
				v_r[found++] = clean(arena, sv_of(address));
		} else if (INTERNET_ADDRESS_IS_GROUP(one)) {
			found += take_list(arena, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(one)), v_r + found, max - found);
		}
	}
	return found;
}

size_t mail_addresses(struct arena *arena, struct sv value, struct sv *v_r, size_t max)
{
	start();
	InternetAddressList *list = internet_address_list_parse(NULL, arena_printf(arena, "%.*s", SV_ARG(sv_head(value, MAIL_LINE_MAX))).p);
	size_t found = take_list(arena, list, v_r, max);

	if (list)
		g_object_unref(list);
	return found;
}

int64_t mail_time(struct sv value)
{
	char text[128];

	start();
	(void)snprintf(text, sizeof text, "%.*s", SV_ARG(value));
	GDateTime *date = g_mime_utils_header_decode_date(text);
	int64_t time_s = date ? g_date_time_to_unix(date) : 0;
	if (date)
		g_date_time_unref(date);
	return time_s > 0 ? time_s : 0;
}

const char *mail_cut_name(unsigned bit)
{
	static const char *const names[MAIL_CUTS] = { "bytes", "lines", "parts", "depth", "text", "recipients" };

	return bit < MAIL_CUTS ? names[bit] : "";
}
