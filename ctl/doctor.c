/* doctor: is everything as it should be, and what to do where it is not. Changes nothing. */
#include "doctor.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "json.h"
#include "log.h"
#include "term.h"

static const struct {
	const char *name;
	enum colour colour;
} levels[FINDINGS] = {
	[FINDING_OK] = { "ok", COLOUR_GREEN }, [FINDING_WARNING] = { "warning", COLOUR_YELLOW }, [FINDING_ERROR] = { "error", COLOUR_RED },
};

static void tell_json(const struct doctor *d, enum finding finding, const char *check, const char *text, const char *advice)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	json_text(&j, "group", sv_of(d->group));
	json_text(&j, "check", sv_of(check));
	json_text(&j, "level", sv_of(levels[finding].name));
	json_text(&j, "text", sv_of(text));
	if (*advice)
		json_text(&j, "advice", sv_of(advice));
	json_end_object(&j);
	json_end_line(&j);
}

void doctor_tell(struct doctor *d, enum finding finding, const char *check, const char *advice, const char *format, ...)
{
	char text[2 * ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	int n = d->about ? snprintf(text, sizeof text, "%.100s: ", d->about) : 0;
	(void)vsnprintf(text + n, sizeof text - (size_t)n, format, ap);
	va_end(ap);
	d->n[finding]++;
	if (d->json) {
		tell_json(d, finding, check, text, advice);
		return;
	}
	if (d->told_group != d->group)
		(void)printf("%s%s%s%s\n", d->told_group ? "\n" : "", term_colour(stdout, COLOUR_BOLD), d->group, term_colour(stdout, COLOUR_PLAIN));
	d->told_group = d->group;
	(void)printf("%s%-7s%s  %-12s  ", term_colour(stdout, levels[finding].colour), levels[finding].name,
		term_colour(stdout, COLOUR_PLAIN), check);
	term_clean(stdout, sv_of(text));
	(void)putchar('\n');
	if (*advice) {
		(void)printf("%25s", "");
		term_clean(stdout, sv_of(advice));
		(void)putchar('\n');
	}
	(void)fflush(stdout); /* what comes next may take its time */
}

void doctor_add_quoted(struct buf *to, struct sv text)
{
	buf_add_char(to, '\'');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'')
			buf_add(to, SV("'\\''"));
		else
			buf_add_char(to, text.p[i]);
	}
	buf_add_char(to, '\'');
}

void doctor_add_word(struct buf *to, struct sv text)
{
	bool plain = text.n > 0;

	for (size_t i = 0; i < text.n; i++)
		plain = plain && (sv_is_alnum(text.p[i]) || (text.p[i] && strchr("%+,-./:=@_", text.p[i])));
	if (plain)
		buf_add(to, text);
	else
		doctor_add_quoted(to, text);
}

const char *doctor_age(int64_t seconds, char age_r[DOCTOR_AGE_MAX])
{
	static const struct { int64_t from_s, unit_s; const char *unit; } units[] = {
		{ 2 * CLOCK_DAY_S, CLOCK_DAY_S, "days" }, { 7200, 3600, "h" }, { 120, 60, "min" }, { INT64_MIN, 1, "s" },
	};
	size_t i = 0;

	while (seconds < units[i].from_s)
		i++;
	(void)snprintf(age_r, DOCTOR_AGE_MAX, "%" PRId64 " %s", seconds / units[i].unit_s, units[i].unit);
	return age_r;
}

static void sum_up(const struct doctor *d)
{
	enum finding worst = d->n[FINDING_ERROR] ? FINDING_ERROR : d->n[FINDING_WARNING] ? FINDING_WARNING : FINDING_OK;

	(void)printf("\n%s%zu error%s, %zu warning%s%s, %zu ok\n", term_colour(stdout, levels[worst].colour), d->n[FINDING_ERROR],
		term_plural(d->n[FINDING_ERROR]), d->n[FINDING_WARNING], term_plural(d->n[FINDING_WARNING]), term_colour(stdout, COLOUR_PLAIN), d->n[FINDING_OK]);
}

int verb_doctor(struct ctl *ctl, int argc, char **argv)
{
	struct doctor d = { .config = &ctl->config };
	const char *postfix = NULL, *exim = NULL;
	const struct verb_option own[] = { { "postfix", &postfix, NULL }, { "exim", &exim, NULL }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "doctor", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here", argv[optind]);
		return EXIT_USAGE;
	}
	d.json = ctl->json;
	d.group = "nixie";
	doctor_tell(&d, FINDING_OK, "config", "", "%s", strcmp(ctl->config.path, "options") == 0 ? "no file; the defaults" : ctl->config.path);
	doctor_versions(&d);
	int rules = doctor_rules(&d);
	doctor_daemons(&d);
	doctor_units(&d);
	d.group = "Redis";
	int server = doctor_server(&d);
	if (server == EXIT_OK)
		doctor_alerts(&d);
	d.group = "Logs";
	doctor_logs(&d, server == EXIT_OK);
	if (server == EXIT_OK)
		doctor_gaps(&d);
	d.group = "Policy service";
	doctor_policyd(&d);
	d.group = "Postfix";
	if (!postfix || strcmp(postfix, "none") != 0)
		doctor_postfix(&d, postfix);
	d.group = "Exim";
	if (!exim || strcmp(exim, "none") != 0)
		doctor_exim(&d, exim);
	d.group = "Mail that comes back";
	doctor_mail(&d, server == EXIT_OK, postfix);
	if (!d.json)
		sum_up(&d);
	if (rules != EXIT_OK || server != EXIT_OK)
		return server != EXIT_OK ? server : rules;
	return d.n[FINDING_WARNING] + d.n[FINDING_ERROR] ? EXIT_FAULTS : EXIT_OK;
}
