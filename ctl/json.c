#include "json.h"

#include <inttypes.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"

static void add_string(struct json *j, struct sv text)
{
	char usual[1024];
	size_t size = 6 * text.n + 2; /* every byte as \u00NN, and the quotes */
	struct buf b = { .p = size <= sizeof usual ? usual : xalloc(size), .size = size };

	buf_add_json(&b, text);
	(void)fwrite(b.p, 1, b.n, j->to);
	if (b.p != usual)
		free(b.p);
}

static void begin(struct json *j, const char *name)
{
	if (j->comma)
		(void)fputc(',', j->to);
	j->comma = true;
	if (name) {
		add_string(j, sv_of(name));
		(void)fputc(':', j->to);
	}
}

static void open_bracket(struct json *j, const char *name, char bracket)
{
	begin(j, name);
	(void)fputc(bracket, j->to);
	j->comma = false;
}

static void close_bracket(struct json *j, char bracket)
{
	(void)fputc(bracket, j->to);
	j->comma = true;
}

void json_object(struct json *j, const char *name)
{
	open_bracket(j, name, '{');
}

void json_end_object(struct json *j)
{
	close_bracket(j, '}');
}

void json_list(struct json *j, const char *name)
{
	open_bracket(j, name, '[');
}

void json_end_list(struct json *j)
{
	close_bracket(j, ']');
}

void json_text(struct json *j, const char *name, struct sv text)
{
	begin(j, name);
	add_string(j, text);
}

void json_member(struct json *j, const char *name, struct sv text)
{
	if (text.n)
		json_text(j, name, text);
}

void json_number(struct json *j, const char *name, int64_t value)
{
	begin(j, name);
	(void)fprintf(j->to, "%" PRId64, value);
}

void json_tenths(struct json *j, const char *name, int64_t tenths)
{
	begin(j, name);
	(void)fprintf(j->to, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

void json_thousandths(struct json *j, const char *name, int64_t thousandths)
{
	begin(j, name);
	(void)fprintf(j->to, "%" PRId64 ".%03" PRId64, thousandths / 1000, thousandths % 1000);
}

void json_bool(struct json *j, const char *name, bool value)
{
	begin(j, name);
	(void)fputs(value ? "true" : "false", j->to);
}

void json_end_line(struct json *j)
{
	(void)fputc('\n', j->to);
	j->comma = false;
}
