#include "whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "ledger.h"
#include "log.h"
#include "order.h"
#include "reader_file.h"
#include "report.h"

static void print_counts(const struct reader *r)
{
	const struct reader_counts *c = &r->counts;

	(void)fprintf(stderr, "lines=%llu attempts=%llu", (unsigned long long)c->lines, (unsigned long long)c->attempts);
	for (int i = 0; i < DELIVERY_STATUS_COUNT; i++)
		if (c->status[i])
			(void)fprintf(stderr, " %s=%llu", delivery_status_name((enum delivery_status)i), (unsigned long long)c->status[i]);
	(void)fprintf(stderr, " rejected=%llu ambiguous=%llu not-syslog=%llu", (unsigned long long)c->rejected,
		(unsigned long long)c->ambiguous, (unsigned long long)c->unparsed);
	if (c->outside)
		(void)fprintf(stderr, " outside=%llu", (unsigned long long)c->outside);
	if (c->losses)
		(void)fprintf(stderr, " losses=%llu lost-lines=%llu", (unsigned long long)c->losses, (unsigned long long)c->lost);
	(void)fputc('\n', stderr);
	if (c->unparsed && c->unparsed == c->lines)
		log_warning("no line is in a form that is understood: is it a mail log? (nixie-logtail(8), \"Forms of a line\")");
}

/* All files, in their order. False: one could not be read. */
static bool read_all(struct reader *reader, const struct whole *whole, bool show, record_callback *callback, void *arg)
{
	struct reading reading;
	struct order_file *v = order_files(whole->files, whole->n_files);
	bool ok = true;

	reading_start(&reading, reader, whole->files, whole->n_files, show);
	reading.period = whole->period;
	for (size_t i = 0; i < whole->n_files; i++)
		ok = reader_file(&reading, v[i].path, v[i].before_s, callback, arg) && ok;
	reading_end(&reading);
	free(v);
	return ok;
}

/* ---- --parse ---- */

static void text_member(struct buf *b, const char *name, struct sv value)
{
	if (!value.n)
		return;
	buf_addf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
	buf_add_json(b, value);
}

static void print_record(void *arg, const struct record *rec)
{
	static char room[8 * LINE_BYTES_MAX];
	struct buf b = BUF_ON(room);
	char time[CLOCK_TEXT_MAX];
	const struct mta_line *p = &rec->said;
	struct reply said;
	int code = rec->reply.code;

	(void)arg;
	if (rec->kind != RECORD_DELIVERY && rec->kind != RECORD_STATUS)
		return;
	if (!rec->failed) {
		reply_parse(p->text, p->dsn, &said);
		code = said.code;
	}
	clock_format_us(rec->line.time_us, time, sizeof time);
	buf_add_char(&b, '{');
	text_member(&b, "time", sv_of(time));
	text_member(&b, "host", rec->line.host);
	text_member(&b, "process", rec->line.process);
	text_member(&b, "queue_id", p->queue_id);
	if (rec->kind == RECORD_DELIVERY) {
		buf_add(&b, SV(",\"to\":"));
		buf_add_json(&b, p->to); /* also the empty one */
	}
	text_member(&b, "orig_to", p->orig_to);
	text_member(&b, "relay_host", p->relay_host);
	text_member(&b, "relay_ip", p->relay_ip);
	if (p->relay_port)
		buf_addf(&b, ",\"relay_port\":%u", p->relay_port);
	if (p->delay_text.n && p->delay_us >= 0)
		buf_addf(&b, ",\"delay\":%.10g", (double)p->delay_us / 1e6);
	text_member(&b, "dsn", p->dsn_text);
	if (code)
		buf_addf(&b, ",\"code\":%d", code);
	text_member(&b, "status", p->status_text);
	text_member(&b, "text", p->text);
	if (p->event == EVENT_EXPIRED || (rec->link && rec->link->has_sender)) {
		buf_add(&b, SV(",\"sender\":"));
		buf_add_json(&b, p->event == EVENT_EXPIRED ? p->sender : rec->link->sender);
	}
	if (rec->link)
		text_member(&b, "campaign", rec->link->campaign);
	if (rec->failed) {
		text_member(&b, "category", sv_of(category_name(rec->verdict.category)));
		text_member(&b, "class", sv_of(class_name(rec->verdict.class_)));
		text_member(&b, "rule", sv_of(rec->verdict.rule ? rec->verdict.rule->id : ""));
	}
	if (p->ambiguous)
		buf_add(&b, SV(",\"ambiguous\":true"));
	if (rec->left_out != LEFT_OUT_NOT)
		text_member(&b, "not_counted", sv_of(left_out_name(rec->left_out)));
	if (rec->times != 1)
		buf_addf(&b, ",\"times\":%u", rec->times);
	buf_add(&b, SV("}\n"));
	(void)fwrite(b.p, 1, b.n, stdout);
}

int whole_parse(const struct config *config, struct ruleset *rules, const struct whole *whole)
{
	struct reader *reader = xalloc(sizeof *reader);

	reader_init(reader, config, rules);
	/* a person who looks at the lines themselves needs no progress */
	bool ok = read_all(reader, whole, isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO), print_record, NULL);
	if (fflush(stdout) != 0 && errno != EPIPE) {
		log_error("cannot write the output: %m");
		ok = false;
	}
	print_counts(reader);
	reader_free(reader);
	free(reader);
	return ok ? EXIT_OK : EXIT_NOT_FOUND;
}

/* ---- --dry-run ---- */

struct dry_run {
	struct reader *reader;
	struct ledger ledger;
	size_t batch;
};

static void add_fact(void *arg, const struct fact *fact)
{
	struct dry_run *d = arg;

	ledger_add(&d->ledger, fact);
}

static void commit(struct dry_run *d)
{
	struct err err;

	/* the store in memory refuses nothing */
	if (ledger_commit(&d->ledger, NULL, NULL, false, &err) != STORE_OK)
		log_error("panic: %s", err.text);
}

static void take_record(void *arg, const struct record *rec)
{
	struct dry_run *d = arg;

	if (rec->kind == RECORD_LOSS)
		ledger_lost(&d->ledger, SV("log"), rec->line.time_us / CLOCK_SECOND_US);
	record_facts(d->reader, rec, add_fact, d);
	if (d->ledger.n >= d->batch)
		commit(d);
}

int whole_dry_run(const struct config *config, struct ruleset *rules, const struct whole *whole)
{
	struct dry_run d = { .reader = xalloc(sizeof *d.reader), .batch = (size_t)config->logtail_batch };
	struct store *store = store_memory(1);
	struct err err;

	reader_init(d.reader, config, rules);
	ledger_init(&d.ledger, store, config);
	bool ok = read_all(d.reader, whole, true, take_record, &d);
	commit(&d);
	if (report_summary(store, stdout, &err) != STORE_OK)
		log_error("%s", err.text);
	(void)fputs("\nNothing was written anywhere: this was a dry run.\n", stdout);
	(void)fflush(stdout);
	print_counts(d.reader);
	ledger_free(&d.ledger);
	store_free(store);
	reader_free(d.reader);
	free(d.reader);
	return ok ? EXIT_OK : EXIT_NOT_FOUND;
}
