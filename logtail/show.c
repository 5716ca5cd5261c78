#include "show.h"

#include <limits.h>
#include <stdlib.h>

#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "log.h"
#include "report.h"

void show_start(struct show *s, const struct config *config)
{
	*s = (struct show){ .out = stdout, .config = config };
	progress_start(&s->progress, stderr, "reading");
}

void show_progress(struct show *s, uint64_t done, uint64_t total, uint64_t lines)
{
	if (!s->live)
		progress_show(&s->progress, done, total, lines);
}

/* With the configuration where there is a file; one without a file has where the server is. */
static void tell_command(const struct show *s)
{
	char path[PATH_MAX];
	struct sv redis = sv_of(s->config->redis_address);
	bool local = sv_take(&redis, SV("unix:"));

	(void)fprintf(s->out, "\n%sAsk nixie%s: %s", term_colour(s->out, COLOUR_BOLD), term_colour(s->out, COLOUR_PLAIN), cli_command());
	if (realpath(s->config->path, path))
		(void)fprintf(s->out, " -c %s list\n", path);
	else
		(void)fprintf(s->out, " -o redis.address=%s%s list\n", local ? "unix:" : "", local && realpath(redis.p, path) ? path : redis.p);
}

/* The line for main.cf, for each socket of nixie-policyd. */
static void tell_postfix(const struct show *s)
{
	char path[PATH_MAX];

	(void)fprintf(s->out, "\n%sLet Postfix ask%s: in main.cf put this in front of your smtpd_recipient_restrictions:\n",
		term_colour(s->out, COLOUR_BOLD), term_colour(s->out, COLOUR_PLAIN));
	for (size_t i = 0; i < s->config->policyd_listen.n; i++) {
		struct sv endpoint = sv_of(s->config->policyd_listen.v[i]);
		bool local = sv_take(&endpoint, SV("unix:"));
		const char *absolute = local && realpath(endpoint.p, path) ? path : endpoint.p;
		(void)fprintf(s->out, "  check_policy_service { %s%s, timeout=10s, default_action=DUNNO },%s\n",
			local ? "unix:" : "", absolute, local ? "   (an smtpd without chroot)" : "");
	}
	tell_command(s);
	(void)fprintf(s->out, "\n%sLive events%s (^C ends)\n", term_colour(s->out, COLOUR_BOLD), term_colour(s->out, COLOUR_PLAIN));
}

void show_caught_up(struct show *s, struct store *store, uint64_t done, uint64_t lines)
{
	struct err err;

	if (s->live)
		return;
	progress_end(&s->progress, done, lines);
	(void)fputc('\n', s->out);
	if (report_summary(store, s->out, &err) != STORE_OK)
		log_warning("%s", err.text);
	tell_postfix(s);
	(void)fflush(s->out);
	s->live = true;
}

static void event_word(FILE *out, const struct fact *f)
{
	enum colour colour = COLOUR_YELLOW;
	const char *word = "deferred";

	if (f->kind == FACT_DELIVERED) {
		colour = COLOUR_GREEN;
		word = "delivered";
	} else if (f->kind == FACT_FAILED || f->kind == FACT_EXPIRED) {
		colour = f->failure.class_ == CLASS_HARD ? COLOUR_RED : COLOUR_YELLOW;
		word = class_name(f->failure.class_);
	}
	(void)fprintf(out, "%s%-9s%s ", term_colour(out, colour), word, term_colour(out, COLOUR_PLAIN));
}

void show_event(void *show, const struct fact *f, const struct account *a)
{
	struct show *s = show;
	char time[CLOCK_TEXT_MAX];

	if (!s->live || (f->kind == FACT_EXPIRED && !f->recipient) || f->kind == FACT_REMOVED)
		return;
	clock_format_us(f->time_s * CLOCK_SECOND_US, time, sizeof time);
	(void)fprintf(s->out, "%s ", time);
	event_word(s->out, f);
	term_clean(s->out, f->address.n ? f->address : SV("(no usable address)"));
	if (f->kind != FACT_DELIVERED) {
		(void)fprintf(s->out, "  %s (rule ", category_name(f->failure.occurrence.category));
		term_clean(s->out, f->failure.occurrence.rule.n ? f->failure.occurrence.rule : SV("none"));
		(void)fputs(")", s->out);
	}
	for (const struct transition *t = a ? a->transitions : NULL; t; t = t->next)
		(void)fprintf(s->out, "  %s -> %s%s%s", status_name(t->from), term_colour(s->out, COLOUR_BOLD),
			status_name(t->to), term_colour(s->out, COLOUR_PLAIN));
	(void)fputc('\n', s->out);
	(void)fflush(s->out);
}
