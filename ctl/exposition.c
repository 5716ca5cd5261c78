#include "exposition.h"

#include <inttypes.h>
#include <stdarg.h>

#include "buf.h"
#include "json.h"

static const char *type_name(enum exposition_type type)
{
	return type == EXPOSITION_COUNTER ? "counter" : "gauge";
}

void exposition_family(struct exposition *x, enum exposition_type type, const char *help, const char *name, ...)
{
	va_list arguments;

	va_start(arguments, name);
	(void)vsnprintf(x->name, sizeof x->name, name, arguments);
	va_end(arguments);
	x->type = type;
	if (!x->json)
		(void)fprintf(x->to, "# HELP %s %s\n# TYPE %s %s\n", x->name, help, x->name, type_name(type));
}

/* Controls of ASCII, and those of U+0080 to U+009F, which terminals obey too */
static bool is_control(struct sv value, size_t len)
{
	unsigned char c = (unsigned char)*value.p;

	return len == 1 ? c < 0x20 || c == 0x7f : len == 2 && c == 0xc2 && (unsigned char)value.p[1] < 0xa0;
}

static void write_value(FILE *to, struct sv value)
{
	while (value.n) {
		size_t len = utf8_len(value);
		char c = *value.p;
		bool escaped = len == 0 || c == '%' || is_control(value, len);
		if (escaped)
			(void)fprintf(to, "%%%02X", (unsigned)(unsigned char)c);
		else
			(void)fprintf(to, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)len, value.p);
		value = sv_skip(value, escaped ? 1 : len);
	}
}

static void write_text(const struct exposition *x, const struct exposition_label *labels)
{
	const char *between = "{";

	(void)fputs(x->name, x->to);
	for (size_t i = 0; labels && i < EXPOSITION_LABELS_MAX && labels[i].name; i++) {
		(void)fprintf(x->to, "%s%s=\"", between, labels[i].name);
		write_value(x->to, labels[i].value);
		(void)fputc('"', x->to);
		between = ",";
	}
	(void)fputs(*between == ',' ? "} " : " ", x->to);
}

static void write_json(const struct exposition *x, const struct exposition_label *labels, int64_t value, bool permille)
{
	struct json json = JSON_ON(x->to);

	json_object(&json, NULL);
	json_text(&json, "metric", sv_of(x->name));
	json_text(&json, "type", sv_of(type_name(x->type)));
	json_object(&json, "labels");
	for (size_t i = 0; labels && i < EXPOSITION_LABELS_MAX && labels[i].name; i++)
		json_text(&json, labels[i].name, labels[i].value);
	json_end_object(&json);
	(permille ? json_thousandths : json_number)(&json, "value", value);
	json_end_object(&json);
	json_end_line(&json);
}

static void add(const struct exposition *x, const struct exposition_label *labels, int64_t value, bool permille)
{
	if (x->json) {
		write_json(x, labels, value, permille);
		return;
	}
	write_text(x, labels);
	if (permille)
		(void)fprintf(x->to, "%" PRId64 ".%03" PRId64 "\n", value / 1000, value % 1000);
	else
		(void)fprintf(x->to, "%" PRId64 "\n", value);
}

void exposition_add(struct exposition *x, const struct exposition_label *labels, int64_t value)
{
	add(x, labels, value, false);
}

void exposition_add_permille(struct exposition *x, const struct exposition_label *labels, int64_t permille)
{
	add(x, labels, permille, true);
}

void exposition_one(struct exposition *x, enum exposition_type type, const char *name, const char *help, int64_t value)
{
	exposition_family(x, type, help, "%s", name);
	exposition_add(x, NULL, value);
}
