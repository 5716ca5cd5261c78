#include "lint.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"
#include "term.h"

static const char *const level_names[LINT_LEVELS] = { "error", "warning", "remark" };

static void tell_json(enum lint_level level, const char *check, struct lint_place place, const char *text)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	json_text(&j, "level", sv_of(level_names[level]));
	json_text(&j, "check", sv_of(check));
	json_text(&j, place.form ? "form" : "rule", sv_of(place.owner));
	json_text(&j, "file", sv_of(place.file));
	json_number(&j, "line", place.line);
	json_text(&j, "text", sv_of(text));
	json_end_object(&j);
	json_end_line(&j);
}

void lint_tell(struct lint_told *told, enum lint_level level, const char *check, struct lint_place place, const char *format, ...)
{
	static const enum colour colours[LINT_LEVELS] = { COLOUR_RED, COLOUR_YELLOW, COLOUR_DIM };
	static char text[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	told->n[level]++;
	if (told->json) {
		tell_json(level, check, place, text);
		return;
	}
	(void)printf("%s:%u: %s%s%s: %s%s: ", place.file, place.line, term_colour(stdout, colours[level]), level_names[level],
		term_colour(stdout, COLOUR_PLAIN), place.form ? "form " : "", place.owner);
	term_clean(stdout, sv_of(text));
	(void)printf(" [%s]\n", check);
}

static void sum_up_json(const struct lint_told *told, size_t n_rules, size_t n_forms)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	json_number(&j, "rules", (int64_t)n_rules);
	json_number(&j, "forms", (int64_t)n_forms);
	json_number(&j, "errors", (int64_t)told->n[LINT_ERROR]);
	json_number(&j, "warnings", (int64_t)told->n[LINT_WARNING]);
	json_number(&j, "remarks", (int64_t)told->n[LINT_REMARK]);
	json_end_object(&j);
	json_end_line(&j);
}

void lint_sum_up(const struct lint_told *told, size_t n_rules, size_t n_forms)
{
	const size_t *n = told->n;
	bool clean = n[LINT_ERROR] + n[LINT_WARNING] == 0;

	if (told->json) {
		sum_up_json(told, n_rules, n_forms);
		return;
	}
	(void)printf("%zu rule%s, %zu form%s: %s%zu error%s, %zu warning%s%s, %zu remark%s\n", n_rules, term_plural(n_rules), n_forms,
		term_plural(n_forms), term_colour(stdout, clean ? COLOUR_GREEN : COLOUR_RED), n[LINT_ERROR], term_plural(n[LINT_ERROR]),
		n[LINT_WARNING], term_plural(n[LINT_WARNING]), term_colour(stdout, COLOUR_PLAIN), n[LINT_REMARK], term_plural(n[LINT_REMARK]));
}
