/* alerts: what jumped, or is over its limit, and what was. */
#include "alerts.h"

#include <getopt.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

static void add_alert(void *arg, const struct alert *alert)
{
	struct alerts *all = arg;

	all->v = xgrow(all->v, all->n, &all->size, sizeof *all->v);
	all->v[all->n++] = (struct known_alert){ *alert, alert_id(&all->arena, alert).p };
}

static int by_opening(const void *a, const void *b)
{
	const struct known_alert *x = a, *y = b;
	int order = (x->alert.opened_s < y->alert.opened_s) - (x->alert.opened_s > y->alert.opened_s);

	if (!order)
		order = (int)x->alert.kind - (int)y->alert.kind;
	if (!order)
		order = (x->alert.value.n == 0) - (y->alert.value.n == 0);
	return order ? order : strcmp(x->id, y->id);
}

enum store_result alerts_read_open(struct store *store, struct alerts *all_r, struct err *err)
{
	*all_r = (struct alerts){ .n = 0 };
	enum store_result result = store_alerts(store, &all_r->arena, add_alert, all_r, err);

	if (result == STORE_OK && all_r->n)
		qsort(all_r->v, all_r->n, sizeof *all_r->v, by_opening);
	return result;
}

void alerts_free(struct alerts *all)
{
	arena_free(&all->arena);
	free(all->v);
}

/* The brake holds readers back; all others only say something. */
static const char *colour_of(FILE *to, const struct alert *a)
{
	return term_colour(to, a->kind == ALERT_HARD ? COLOUR_RED : COLOUR_YELLOW);
}

static void print_text(FILE *to, const struct alert *a)
{
	char room[ALERT_TEXT_MAX];
	struct buf text = BUF_ON(room);

	alert_text(a, &text); /* clean already */
	(void)fwrite(text.p, 1, text.n, to);
}

static const char *time_text(int64_t time_s, char text_r[CLOCK_TEXT_MAX])
{
	/* what stands in the store may be anything */
	clock_format_us((time_s < STATE_TIME_MAX_S ? time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, text_r, CLOCK_TEXT_MAX);
	return text_r;
}

/* ---- as JSON ---- */

static void json_time(struct json *json, const char *name, int64_t time_s)
{
	char text[CLOCK_TEXT_MAX];

	if (time_s)
		json_text(json, name, sv_of(time_text(time_s, text)));
}

static void json_permille(struct json *json, const char *name, int64_t permille)
{
	if (permille)
		json_number(json, name, permille);
}

/* time and event: of the log, else 0 and NULL */
static void print_json(const struct alert *a, struct sv id, int64_t time_s, const char *event)
{
	struct json json = JSON_ON(stdout);
	char room[ALERT_TEXT_MAX];
	struct buf text = BUF_ON(room);

	json_object(&json, NULL);
	json_time(&json, "time", time_s);
	if (event)
		json_text(&json, "event", sv_of(event));
	json_text(&json, "alert", id);
	json_text(&json, "kind", sv_of(alert_kind_name(a->kind)));
	json_text(&json, "dimension", a->dimension);
	json_member(&json, "value", a->value);
	json_time(&json, "since", a->since_s);
	json_time(&json, "opened", a->opened_s);
	json_time(&json, "seen", a->seen_s);
	json_time(&json, "until", a->until_s);
	json_number(&json, "count", a->count);
	json_number(&json, "of", a->base);
	json_permille(&json, "usual-permille", a->usual_permille);
	json_permille(&json, "limit-permille", a->limit_permille);
	json_member(&json, "by", a->by);
	alert_text(a, &text);
	json_text(&json, "text", buf_sv(&text));
	json_end_object(&json);
	json_end_line(&json);
}

/* ---- those that are open ---- */

static void print_time(const char *name, int64_t time_s)
{
	char text[CLOCK_TEXT_MAX];

	if (time_s)
		(void)printf("  %-9s %s\n", name, time_text(time_s, text));
}

static void print_paragraph(const struct known_alert *known)
{
	const struct alert *a = &known->alert;

	(void)printf("%s%s%s: ", colour_of(stdout, a), known->id, term_colour(stdout, COLOUR_PLAIN));
	print_text(stdout, a);
	(void)putchar('\n');
	print_time("opened", a->opened_s);
	print_time("last seen", a->seen_s);
	print_time("until", a->until_s);
	if (a->by.n) {
		(void)printf("  %-9s ", "by");
		term_clean(stdout, a->by);
		(void)putchar('\n');
	}
}

static int show_open(struct ctl *ctl)
{
	struct alerts all;
	struct err err;
	int code = EXIT_NOT_FOUND;

	if (alerts_read_open(ctl->store, &all, &err) != STORE_OK)
		code = verb_store_failed(&err);
	else if (all.n)
		code = EXIT_OK;
	else if (!ctl->json)
		(void)puts("no alert is open");
	for (size_t i = 0; code == EXIT_OK && i < all.n; i++) {
		if (ctl->json)
			print_json(&all.v[i].alert, sv_of(all.v[i].id), 0, NULL);
		else
			print_paragraph(&all.v[i]);
	}
	alerts_free(&all);
	return code;
}

bool alerts_print_lines(struct store *store, FILE *to, struct err *err)
{
	struct alerts all;
	bool ok = alerts_read_open(store, &all, err) == STORE_OK;

	for (size_t i = 0; ok && i < all.n; i++) {
		(void)fprintf(to, "%salert%s: ", colour_of(to, &all.v[i].alert), term_colour(to, COLOUR_PLAIN));
		print_text(to, &all.v[i].alert);
		(void)fputc('\n', to);
	}
	alerts_free(&all);
	return ok;
}

/* ---- all that was ---- */

struct history {
	bool json;
	uint64_t n;
	struct arena arena;
};

static void print_event(const struct alert *a, struct sv id, int64_t time_s, const char *event)
{
	char time[CLOCK_TEXT_MAX];

	(void)printf("%s  %s%-6s%s  %.*s", time_text(time_s, time), strcmp(event, "open") == 0 ? colour_of(stdout, a) : "", event,
		term_colour(stdout, COLOUR_PLAIN), SV_ARG(id));
	if (!alert_is_of_log(a->kind))
		(void)printf("  %lld of %lld", (long long)a->count, (long long)a->base);
	if (a->by.n) {
		(void)fputs(", by ", stdout);
		term_clean(stdout, a->by);
	}
	(void)putchar('\n');
}

static void on_event(void *arg, int64_t time_s, bool open, const struct alert *a)
{
	struct history *h = arg;
	struct sv id = alert_id(&h->arena, a);
	const char *event = open ? "open" : "closed";

	h->n++;
	if (h->json)
		print_json(a, id, time_s, event);
	else
		print_event(a, id, time_s, event);
}

static int show_log(struct ctl *ctl)
{
	struct history h = { .json = ctl->json };
	struct err err;
	int code = EXIT_OK;

	if (store_alert_log(ctl->store, on_event, &h, &err) != STORE_OK)
		code = verb_store_failed(&err);
	else if (h.n == 0)
		code = EXIT_NOT_FOUND;
	if (code == EXIT_NOT_FOUND && !ctl->json)
		(void)puts("there was no alert yet");
	arena_free(&h.arena);
	return code;
}

int verb_alerts(struct ctl *ctl, int argc, char **argv)
{
	bool log = false;
	const struct verb_option own[] = { { "log", NULL, &log }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "alerts", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here", argv[optind]);
		return EXIT_USAGE;
	}
	return log ? show_log(ctl) : show_open(ctl);
}
