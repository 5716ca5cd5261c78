/* rules forms: the forms of mail that comes back, and what is in one; and their examples, for rules test. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "returned.h"
#include "rule_text.h"
#include "rules_forms.h"
#include "term.h"
#include "verbs.h"

/* ---- list ---- */

static void form_json(struct json *j, const struct form *form)
{
	json_text(j, "id", sv_of(form->id));
	json_text(j, "kind", sv_of(form_kind_name(form->kind)));
	json_text(j, "file", sv_of(form->file));
	json_number(j, "line", form->line);
	json_bool(j, "disabled", form->disabled);
	if (form->replaced_file) {
		json_text(j, "replaced-file", sv_of(form->replaced_file));
		json_number(j, "replaced-line", form->replaced_line);
	}
}

static void list_json(const struct form *form)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	form_json(&j, form);
	json_end_object(&j);
	json_end_line(&j);
}

static void list_line(const struct form *form, int width)
{
	char place[NAME_MAX + 16];

	(void)snprintf(place, sizeof place, "%s:%u", rule_file_name(form->file), form->line);
	(void)printf("%-*s  %-9s  %s%s", width, form->id, form_kind_name(form->kind), place, form->disabled ? "  disabled" : "");
	if (form->replaced_file)
		(void)printf("  replaces %s:%u", rule_file_name(form->replaced_file), form->replaced_line);
	(void)putchar('\n');
}

static int list_forms(const struct ctl *ctl, const struct forms *forms)
{
	int width = 0;

	for (size_t i = 0; i < forms_count(forms); i++) {
		int n = (int)strlen(forms_form(forms, i)->id);
		width = n > width ? n : width;
	}
	for (size_t i = 0; i < forms_count(forms); i++) {
		if (ctl->json)
			list_json(forms_form(forms, i));
		else
			list_line(forms_form(forms, i), width);
	}
	if (!forms_count(forms) && !ctl->json)
		(void)puts("no form");
	return forms_count(forms) ? EXIT_OK : EXIT_NOT_FOUND;
}

/* ---- show ---- */

static void show_value(const char *name, struct sv value)
{
	if (!value.n)
		return;
	(void)printf("  %-15s ", name);
	term_clean(stdout, value);
	(void)putchar('\n');
}

static void show_values(const char *name, const struct form_values *values)
{
	for (size_t i = 0; i < values->n; i++)
		show_value(i ? "" : name, values->v[i]);
}

static void show_mails(const char *name, size_t n, const struct form_example *v)
{
	for (size_t i = 0; i < n; i++)
		for (struct sv rest = v[i].mail; rest.n; name = "")
			show_value(name, sv_cut(&rest, '\n'));
}

static void show_human(const struct form *form)
{
	(void)printf("%s%s%s\n  %-15s %s%s\n  %-15s %s:%u\n", term_colour(stdout, COLOUR_BOLD), form->id, term_colour(stdout, COLOUR_PLAIN), "kind",
		form_kind_name(form->kind), form->disabled ? ", but disabled" : "", "file", form->file, form->line);
	if (form->replaced_file)
		(void)printf("  %-15s %s:%u\n", "replaces", form->replaced_file, form->replaced_line);
	if (form->kind == FORM_DSN)
		show_value("action", sv_of(form->delayed ? "delayed" : "failed"));
	show_value("answer", sv_of(form->answer ? "true" : ""));
	for (enum form_member m = 0; m < FORM_MEMBERS; m++) {
		show_values(form_member_name(m, false), &form->members[m]);
		if (m < FORM_CONDITIONS)
			show_values(form_member_name(m, true), &form->not_members[m]);
	}
	show_value("note", sv_of(form->note ? form->note : ""));
	show_value("url", sv_of(form->url ? form->url : ""));
	show_mails("match", form->n_match, form->match);
	show_mails("no-match", form->n_no_match, form->no_match);
}

static void values_json(struct json *j, const char *name, const struct form_values *values)
{
	if (!values->n)
		return;
	json_list(j, name);
	for (size_t i = 0; i < values->n; i++)
		json_text(j, NULL, values->v[i]);
	json_end_list(j);
}

static void mails_json(struct json *j, const char *name, size_t n, const struct form_example *v)
{
	json_list(j, name);
	for (size_t i = 0; i < n; i++)
		json_text(j, NULL, v[i].mail);
	json_end_list(j);
}

static void show_json(const struct form *form)
{
	struct json json = JSON_ON(stdout), *j = &json;

	json_object(j, NULL);
	form_json(j, form);
	if (form->kind == FORM_DSN)
		json_text(j, "action", sv_of(form->delayed ? "delayed" : "failed"));
	json_bool(j, "answer", form->answer);
	for (enum form_member m = 0; m < FORM_MEMBERS; m++) {
		values_json(j, form_member_name(m, false), &form->members[m]);
		if (m < FORM_CONDITIONS)
			values_json(j, form_member_name(m, true), &form->not_members[m]);
	}
	json_member(j, "note", sv_of(form->note ? form->note : ""));
	json_member(j, "url", sv_of(form->url ? form->url : ""));
	mails_json(j, "match", form->n_match, form->match);
	mails_json(j, "no-match", form->n_no_match, form->no_match);
	json_end_object(j);
	json_end_line(j);
}

int rules_forms(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "rules forms", NULL, &code);

	if (!rules)
		return code;
	if (optind == argc)
		code = list_forms(ctl, ruleset_forms(rules));
	for (int i = optind; i < argc; i++) {
		const struct form *form = forms_find(ruleset_forms(rules), sv_of(argv[i]));
		if (!form) {
			log_error("no form has the id %s; nixie rules forms has them all", argv[i]);
			code = EXIT_NOT_FOUND;
			continue;
		}
		(ctl->json ? show_json : show_human)(form);
	}
	ruleset_free(rules);
	return code;
}

/* ---- examples ---- */

static void tell(const struct form_run *run, const struct form *form, unsigned line, const char *check, bool failure, const char *why)
{
	struct json j = JSON_ON(stdout);

	if (!run->json) {
		(void)printf("%s:%u: %s%s%s %s\n", form->file, line, term_colour(stdout, failure ? COLOUR_RED : COLOUR_YELLOW), form->id,
			term_colour(stdout, COLOUR_PLAIN), why);
		return;
	}
	json_object(&j, NULL);
	json_text(&j, "level", failure ? SV("failure") : SV("warning"));
	json_text(&j, "check", sv_of(check));
	json_text(&j, "form", sv_of(form->id));
	json_text(&j, "file", sv_of(form->file));
	json_number(&j, "line", line);
	json_text(&j, "why", sv_of(why));
	json_end_object(&j);
	json_end_line(&j);
}

static void try_mail(struct form_run *run, const struct form *form, const struct form_example *example, bool should)
{
	static struct arena arena;
	static struct mail mail;
	struct returned returned;

	mail_parse(example->mail, &arena, &mail);
	returned_read(&mail, ruleset_forms(run->rules), &arena, &returned);
	run->examples++;
	if ((returned.by_form == form) != should) {
		const char *why = should ? arena_printf(&arena, "should take this mail: it is %s%s%.*s", returned_kind_name(returned.kind),
					   returned.because.n ? ", by " : "", SV_ARG(returned.because)).p : "should not take this mail";
		run->failures++;
		tell(run, form, example->line, should ? "match" : "no-match", true, why);
	}
	arena_free(&arena);
}

void rules_test_forms(struct form_run *run)
{
	const struct forms *forms = ruleset_forms(run->rules);
	const char *shipped = cli_shipped_rules();

	for (size_t i = 0; i < forms_count(forms); i++) {
		const struct form *form = forms_form(forms, i);
		if (form->disabled)
			continue;
		run->forms++;
		if (form->n_match == 0) {
			bool failure = run->strict || (*shipped && sv_starts(sv_of(form->file), sv_of(shipped)));
			*(failure ? &run->failures : &run->warnings) += 1;
			tell(run, form, form->line, "no-example", failure, failure ? "has no example in match" : "has no example in match (a warning)");
		}
		for (size_t k = 0; k < form->n_match; k++)
			try_mail(run, form, &form->match[k], true);
		for (size_t k = 0; k < form->n_no_match; k++)
			try_mail(run, form, &form->no_match[k], false);
	}
}
