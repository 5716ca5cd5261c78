/* import: lists from elsewhere, checked as a whole and then written partition by partition. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "buf.h"
#include "clock.h"
#include "exchange.h"
#include "json.h"
#include "lists.h"
#include "log.h"
#include "schema.h"
#include "scope.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* Somebody else may change an entry at the same moment; not as often as this. */
#define CONFLICTS_MAX 10
/* So many records are written at once: in all, and in one partition, whose server does nothing else meanwhile. */
#define RECORDS_MAX 4096
#define PARTITION_RECORDS_MAX 250
/* Nobody waits at the door: a server that has much to do may take its time for so many. */
#define TIMEOUT_MS 30000
#define ERRORS_SHOWN_MAX 20
/* How often the clock and the signals are looked at. */
#define LOOK_RECORDS 1024

struct item {
	struct item *next;
	struct sv address;
	struct entry entry;
};

/* What is to be written to one partition with one call. */
struct part {
	struct transaction t;
	struct arena arena;
	struct item *first, **tail;
	size_t n;
	uint64_t outcomes[EXCHANGE_PROTECTED + 1], full; /* full: scopes that found no room */
};

/* What is written together. There are two: while one is on its way the next is read. */
struct batch {
	struct part *parts; /* of each partition */
	struct transaction **t; /* of those parts that have something */
	struct arena items;
	size_t n, waiting;
	bool sent;
};

struct import {
	struct ctl *ctl;
	const char *path; /* as it is shown */
	FILE *file;
	uint64_t size;
	struct rows rows;
	struct list list;
	bool dry_run, skip_errors, interrupted;
	int signals;
	char batch[128];
	struct progress progress;
	unsigned partitions;
	struct batch batches[2];
	struct batch *filling;
	bool unasked; /* the addresses are new, as those before them: who is not finds out when it is written */
	uint64_t records, skipped, errors, outcomes[EXCHANGE_PROTECTED + 1], full;
};

static uint64_t done(const struct import *m)
{
	uint64_t n = 0;

	for (int i = 0; i <= EXCHANGE_PROTECTED; i++)
		n += m->outcomes[i];
	return n;
}

/* ---- writing ---- */

/* Those for some senders are strengthened like an entry: each is a change of its own in the journal. full_r: so many found no room. */
static bool add_scopes(const struct import *m, struct transaction *t, struct account *a, struct sv wanted, uint64_t *full_r)
{
	struct scope s, is;
	bool any = false;

	while (scopes_next(&wanted, &s)) {
		struct entry before = a->entry;
		(void)scopes_find(before.scopes, &s, &is); /* else status none */
		const struct entry now = { .status = is.status, .until_s = is.until_s };
		enum exchange_outcome outcome = exchange_weigh(&now, &(struct entry){ .status = s.status, .until_s = s.until_s });
		if (outcome != EXCHANGE_NEW && outcome != EXCHANGE_CHANGED)
			continue;
		if (!scopes_put(t->arena, before.scopes, &s, &a->entry.scopes)) {
			++*full_r;
			continue;
		}
		account_scope_transition(t, a, &before, arena_printf(t->arena, "%s:%s", scope_kind_name(s.kind), s.value), is.status, s.status,
			m->list.reason ? sv_of(m->list.reason) : SV("import"), m->list.now_s);
		any = true;
	}
	return any;
}

static void put_entry(struct import *m, struct transaction *t, struct account *a, const struct entry *wanted)
{
	struct entry was = a->entry;

	a->entry = *wanted;
	a->entry.scopes = was.scopes;
	a->entry.revision = was.revision;
	if (was.status == wanted->status && was.since_s && was.since_s < wanted->since_s)
		a->entry.since_s = was.since_s;
	/* what failed here is not forgotten where the list knows nothing of it */
	a->entry.count = wanted->count ? wanted->count : was.count;
	a->entry.first_s = wanted->first_s ? wanted->first_s : was.first_s;
	a->entry.last_s = wanted->last_s ? wanted->last_s : was.last_s;
	a->entry.term = wanted->term ? wanted->term : was.term;
	/* behind the scopes: the token of the entry is that of its last change */
	account_transition(t, a, &was, m->list.reason ? sv_of(m->list.reason) : SV("import"), m->list.now_s);
}

static enum exchange_outcome apply(struct import *m, struct transaction *t, struct account *a, const struct item *item, uint64_t *full_r)
{
	bool was_empty = entry_is_empty(&a->entry);
	enum exchange_outcome outcome = item->entry.status == STATUS_NONE ? EXCHANGE_THERE : exchange_weigh(&a->entry, &item->entry);
	bool scoped = add_scopes(m, t, a, item->entry.scopes, full_r);

	if (outcome == EXCHANGE_NEW || outcome == EXCHANGE_CHANGED) {
		put_entry(m, t, a, &item->entry);
		return was_empty ? EXCHANGE_NEW : EXCHANGE_CHANGED;
	}
	return !scoped ? outcome : was_empty ? EXCHANGE_NEW : EXCHANGE_CHANGED;
}

static void begin_part(const struct import *m, struct part *p, bool unasked)
{
	transaction_begin(&p->t, &p->arena);
	p->t.bulk = true;
	p->t.by = m->list.by;
	p->t.batch = sv_of(m->batch);
	p->t.soft_expiry = p->t.window_expiry = m->ctl->config.soft_expiry;
	memset(p->outcomes, 0, sizeof p->outcomes);
	p->full = 0;
	for (const struct item *i = p->first; i; i = i->next) {
		struct account *a = transaction_account(&p->t, i->address);
		a->loaded = a->absent = unasked;
	}
}

/* Returns whether all of them are new. */
static bool apply_part(struct import *m, struct part *p)
{
	for (const struct item *i = p->first; i; i = i->next)
		p->outcomes[apply(m, &p->t, transaction_account(&p->t, i->address), i, &p->full)]++;
	return p->outcomes[EXCHANGE_NEW] == p->n;
}

static void end_part(struct import *m, struct part *p)
{
	for (int i = 0; i <= EXCHANGE_PROTECTED; i++)
		m->outcomes[i] += p->outcomes[i];
	m->full += p->full;
	p->first = NULL;
	p->tail = &p->first;
	p->n = 0;
}

/* Those that have something. unasked: nobody is asked what there is. */
static enum store_result begin_batch(struct import *m, struct batch *b, bool unasked, struct err *err)
{
	enum store_result result = STORE_OK;

	b->n = 0;
	for (unsigned i = 0; i < m->partitions; i++) {
		if (!b->parts[i].n)
			continue;
		begin_part(m, &b->parts[i], unasked);
		b->t[b->n++] = &b->parts[i].t;
	}
	if (b->n && !unasked)
		result = store_load_all(m->ctl->store, b->t, b->n, err);
	if (result != STORE_OK)
		return result;
	bool all_new = true;
	for (unsigned i = 0; i < m->partitions; i++)
		if (b->parts[i].n)
			all_new = apply_part(m, &b->parts[i]) && all_new;
	m->unasked = all_new && !m->dry_run;
	return STORE_OK;
}

/* What was changed by others meanwhile is there afterwards, too. */
static enum store_result end_batch(struct import *m, struct batch *b, enum store_result result)
{
	for (unsigned i = 0; i < m->partitions; i++) {
		if (!b->parts[i].n)
			continue;
		if (m->dry_run || b->parts[i].t.result == STORE_OK)
			end_part(m, &b->parts[i]);
		else if (b->parts[i].t.result != STORE_CONFLICT)
			result = b->parts[i].t.result;
	}
	return result;
}

/* Once more, at once, what somebody else has changed. */
static enum store_result write_again(struct import *m, struct batch *b, struct err *err)
{
	enum store_result result = begin_batch(m, b, false, err);

	if (result != STORE_OK || !b->n)
		return result;
	return end_batch(m, b, store_commit_all(m->ctl->store, b->t, b->n, err));
}

/* Waits for the one that is on its way. */
static enum store_result finish_batch(struct import *m, struct batch *b, struct err *err)
{
	enum store_result result = STORE_OK;

	if (b->sent)
		result = end_batch(m, b, store_commit_finish(m->ctl->store, b->t, b->n, err));
	b->sent = false;
	for (int i = 0; result == STORE_CONFLICT && i < CONFLICTS_MAX; i++) {
		(void)err_set(err, "the entries are being changed by others faster than they can be read");
		result = write_again(m, b, err);
	}
	if (result == STORE_OK) {
		b->waiting = 0;
		arena_reset(&b->items);
	}
	return result;
}

/* Sends what was read, when what was sent before has arrived. */
static enum store_result turn(struct import *m, struct err *err)
{
	struct batch *b = m->filling, *before = b == m->batches ? b + 1 : m->batches;
	enum store_result result = begin_batch(m, b, m->unasked, err), of_before = finish_batch(m, before, err);

	if (result == STORE_OK)
		result = of_before;
	if (result != STORE_OK)
		return result;
	if (m->dry_run) {
		(void)end_batch(m, b, STORE_OK);
	} else if (b->n) {
		store_commit_start(m->ctl->store, b->t, b->n, err);
		b->sent = true;
	}
	m->filling = before;
	return STORE_OK;
}

/* A copy: the record goes with the next one. */
static bool add_item(struct import *m, struct sv key, const struct entry *entry)
{
	struct batch *b = m->filling;
	struct item *item = arena_alloc(&b->items, sizeof *item);
	struct sv *texts[] = { &item->entry.rule, &item->entry.text, &item->entry.remote, &item->entry.by, &item->entry.batch, &item->entry.parole_by,
		&item->entry.scopes };

	item->entry = *entry;
	item->address = arena_dup(&b->items, key);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = arena_dup(&b->items, *texts[i]);
	struct part *p = &b->parts[store_partition_of(m->ctl->store, item->address)];
	*p->tail = item;
	p->tail = &item->next;
	b->waiting++;
	return ++p->n >= PARTITION_RECORDS_MAX || b->waiting >= RECORDS_MAX;
}

/* ---- reading ---- */

static void tell_error(struct import *m, const char *text, bool show)
{
	m->errors++;
	if (show && m->errors <= ERRORS_SHOWN_MAX)
		log_error("%s:%llu: %s", m->path, (unsigned long long)m->rows.record_line, text);
}

static bool find_key(struct import *m, struct sv address, struct address *address_r, struct err *err)
{
	char text[2 * ADDRESS_KEY_MAX], clean[ADDRESS_KEY_MAX];
	struct buf shown = BUF_ON(clean);

	buf_add_clean(&shown, sv_head(address, 100));
	if (address.n >= sizeof text || (address.n && memchr(address.p, 0, address.n)))
		return err_set(err, "%s: no address", buf_cstr(&shown));
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	/* what nixie export wrote is the key, without quotes */
	bool key = m->list.format == LIST_NIXIE && rows_has(&m->rows, "origin") && (text[0] != '@' || strrchr(text, '@') != text);
	struct address_options options = config_address_options(&m->ctl->config);
	if (key && address_parse(address, ADDRESS_INTERNAL, &options, address_r) == ADDRESS_OK)
		return true;
	if (verb_find_address(m->ctl, text, address_r, err))
		return true;
	if (!sv_eq(buf_sv(&shown), address)) /* the message has it as it is */
		return err_set(err, "%s: no address", buf_cstr(&shown));
	return false;
}

static void look(struct import *m, uint64_t records)
{
	struct signalfd_siginfo info;

	if (records % LOOK_RECORDS)
		return;
	m->interrupted = m->interrupted || read(m->signals, &info, sizeof info) == (ssize_t)sizeof info;
	progress_show(&m->progress, m->rows.bytes < m->size ? m->rows.bytes : m->size, m->size, records);
}

/* A pass over the list, to its end or until it is interrupted. write: else it is only looked through. */
static enum store_result pass(struct import *m, bool write, struct err *store_err)
{
	enum store_result result = STORE_OK;
	uint64_t records = 0;
	struct err err;
	enum rows_result row;

	m->records = m->skipped = m->errors = 0;
	if (!rows_open(&m->rows, m->file, &err)) { /* it was open before */
		tell_error(m, err.text, true);
		return STORE_OK;
	}
	while (result == STORE_OK && !m->interrupted && m->rows.bytes < m->size && (row = rows_next(&m->rows, &err)) != ROWS_END) {
		struct sv text;
		struct entry entry;
		struct address address;
		enum list_result taken = row == ROWS_ONE ? list_take(&m->list, &m->rows, &text, &entry, &err) : LIST_BAD;
		look(m, ++records);
		if (taken == LIST_BAD || !find_key(m, text, &address, &err)) {
			tell_error(m, err.text, !write);
			continue;
		}
		if (taken == LIST_SKIPPED) {
			m->skipped++;
			continue;
		}
		m->records++;
		if (write && add_item(m, address_key(&address), &entry))
			result = turn(m, store_err);
	}
	if (result == STORE_OK && write && !m->interrupted)
		result = turn(m, store_err);
	return result;
}

/* ---- the file ---- */

/* What cannot be wound back lies in a file without a name meanwhile. */
static FILE *spool(FILE *from, const char *path)
{
	const char *directory = getenv("TMPDIR");
	static char bytes[65536];
	size_t n;
	int fd = open(directory && *directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *to = fd >= 0 ? fdopen(fd, "w+") : tmpfile();

	if (!to) {
		log_error("%s is kept in a temporary file while it is checked, and there can be none: %m; set TMPDIR", path);
		return NULL;
	}
	while ((n = fread(bytes, 1, sizeof bytes, from)) > 0)
		if (fwrite(bytes, 1, n, to) != n)
			break;
	if (ferror(from) || fflush(to) != 0 || ferror(to)) {
		log_error("%s cannot be copied to a temporary file: %m; set TMPDIR", path);
		(void)fclose(to);
		return NULL;
	}
	return to;
}

static bool open_file(struct import *m, const char *path)
{
	struct stat st;
	bool standard = strcmp(path, "-") == 0;
	FILE *from = standard ? stdin : fopen(path, "re");

	m->path = standard ? "standard input" : path;
	if (!from || fstat(fileno(from), &st) != 0 || S_ISDIR(st.st_mode)) {
		log_error("%s cannot be read: %s", m->path, from ? "it is a directory" : strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode) || standard) {
		m->file = spool(from, m->path);
		if (!standard)
			(void)fclose(from);
		if (!m->file || fstat(fileno(m->file), &st) != 0)
			return false;
	} else {
		m->file = from;
	}
	m->size = (uint64_t)st.st_size;
	return true;
}

/* The format, by the header or the first record. */
static bool find_format(struct import *m, const char *format)
{
	struct err err = { "" };

	if (!rows_open(&m->rows, m->file, &err) || (!(m->rows.shape == ROWS_CSV && m->rows.header) && rows_next(&m->rows, &err) != ROWS_ONE)) {
		log_error("%s: %s", m->path, *err.text ? err.text : "the list is empty");
		return false;
	}
	if (format)
		return true;
	if (list_recognise(&m->rows, &m->list.format, &err))
		return true;
	log_error("%s: %s", m->path, err.text);
	return false;
}

/* ---- what is said ---- */

static void say_json(const struct import *m)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	json_text(&json, "format", sv_of(list_name(m->list.format)));
	json_bool(&json, "dry-run", m->dry_run);
	json_text(&json, "batch", sv_of(m->batch));
	json_number(&json, "new", (int64_t)m->outcomes[EXCHANGE_NEW]);
	json_number(&json, "changed", (int64_t)m->outcomes[EXCHANGE_CHANGED]);
	json_number(&json, "there", (int64_t)m->outcomes[EXCHANGE_THERE]);
	json_number(&json, "protected", (int64_t)m->outcomes[EXCHANGE_PROTECTED]);
	if (m->full)
		json_number(&json, "no-room", (int64_t)m->full);
	json_number(&json, "skipped", (int64_t)m->skipped);
	json_number(&json, "errors", (int64_t)m->errors);
	json_end_object(&json);
	json_end_line(&json);
}

static void say_number(const char *name, uint64_t n, const char *meaning)
{
	(void)printf("  %-10s %llu%s%s\n", name, (unsigned long long)n, n && *meaning ? "  " : "", n ? meaning : "");
}

static void say(const struct import *m)
{
	if (m->ctl->json) {
		say_json(m);
		return;
	}
	term_clean(stdout, sv_of(m->path));
	(void)printf(" (%s)%s\n", list_title(m->list.format), m->dry_run ? ": nothing was changed, this would be" : "");
	say_number("new", m->outcomes[EXCHANGE_NEW], "");
	say_number("changed", m->outcomes[EXCHANGE_CHANGED], "was known, and weaker");
	say_number("there", m->outcomes[EXCHANGE_THERE], "as strong already, left alone");
	say_number("protected", m->outcomes[EXCHANGE_PROTECTED], "complaint, do-not-mail or allowed: left alone");
	if (m->full)
		say_number("no room", m->full, "do-not-mail or complaints for some senders, left out: an address has 16 at most");
	say_number("skipped", m->skipped, "soft or not the address's fault: no reason to suppress");
	say_number("errors", m->errors, "left out");
	if (m->dry_run && m->outcomes[EXCHANGE_NEW])
		(void)puts("an address that the list has twice, far apart, is counted twice here");
	uint64_t changes = m->outcomes[EXCHANGE_NEW] + m->outcomes[EXCHANGE_CHANGED];
	if (!m->dry_run && changes > m->partitions * strtoull(SCHEMA_JOURNAL_MAX, NULL, 10))
		(void)puts("the journal is shorter than this list: only the newest of these changes can be taken back");
	if (!m->dry_run && changes)
		(void)printf("take this back with: nixie undo --batch %s%s\n", m->batch, ask_not(changes));
}

static void say_refused(const struct import *m)
{
	if (m->errors > ERRORS_SHOWN_MAX)
		log_error("%s: and %llu more", m->path, (unsigned long long)(m->errors - ERRORS_SHOWN_MAX));
	log_error("%s: %llu error%s in %llu records: nothing was imported; mend them, or leave them out with --skip-errors", m->path,
		(unsigned long long)m->errors, term_plural(m->errors), (unsigned long long)(m->records + m->skipped + m->errors));
}

/* ---- ---- */

static void make_batch(struct import *m, struct batch *b)
{
	b->parts = xalloc(m->partitions * sizeof *b->parts);
	b->t = xalloc(m->partitions * sizeof(struct transaction *));
	for (unsigned i = 0; i < m->partitions; i++)
		b->parts[i].tail = &b->parts[i].first;
}

static void free_batch(struct import *m, struct batch *b)
{
	for (unsigned i = 0; i < m->partitions; i++) {
		transaction_free(&b->parts[i].t);
		arena_free(&b->parts[i].arena);
	}
	free(b->parts);
	free(b->t);
	arena_free(&b->items);
}

static enum store_result write_batches(struct import *m, struct err *err)
{
	for (int i = 0; i < 2; i++)
		make_batch(m, &m->batches[i]);
	m->filling = &m->batches[0];
	m->unasked = !m->dry_run;
	progress_start(&m->progress, isatty(STDERR_FILENO) ? stderr : NULL, m->dry_run ? "comparing" : "importing");
	enum store_result result = pass(m, true, err), last = STORE_OK;
	for (int i = 0; i < 2; i++) /* also of a list that goes no further: what is on its way is counted */
		if (m->batches[i].sent)
			last = finish_batch(m, &m->batches[i], err);
	progress_end(&m->progress, m->rows.bytes, m->records + m->skipped + m->errors);
	for (int i = 0; i < 2; i++)
		free_batch(m, &m->batches[i]);
	return result == STORE_OK ? last : result;
}

static int write_list(struct import *m)
{
	struct err err = { "" };

	if (m->ctl->config.redis_timeout_ms < TIMEOUT_MS)
		store_set_timeout(m->ctl->store, TIMEOUT_MS);
	m->partitions = store_partitions(m->ctl->store, &err);
	if (!m->partitions)
		return verb_store_failed(&err);
	enum store_result result = write_batches(m, &err);
	if (result == STORE_OK && !m->interrupted) {
		say(m);
		return EXIT_OK;
	}
	int code = result == STORE_OK ? EXIT_NOT_FOUND : verb_store_failed(&err);
	log_error("%s after %llu of the list's addresses%s; to go on run it again: what is there is left alone", m->interrupted ? "interrupted" : "stopped",
		(unsigned long long)done(m), m->dry_run ? ", of which nothing was changed" : "");
	if (!m->dry_run && done(m))
		log_error("or take them back with: nixie undo --batch %s%s", m->batch, ask_not(done(m)));
	return code;
}

/* Looks through the list, and writes it when it is good. */
static int check_and_write(struct import *m)
{
	struct err err;

	progress_start(&m->progress, isatty(STDERR_FILENO) ? stderr : NULL, "checking ");
	(void)pass(m, false, &err);
	progress_end(&m->progress, m->rows.bytes, m->records + m->skipped + m->errors);
	if (m->interrupted) {
		log_error("interrupted: nothing was imported");
		return EXIT_NOT_FOUND;
	}
	if (m->errors && !m->skip_errors) {
		say_refused(m);
		return EXIT_NOT_FOUND;
	}
	if (!m->records && !m->skipped && !m->errors) {
		log_error("%s: the list has no address in it%s", m->path, m->rows.bytes ? ", only a header, comments or blank lines" : "");
		return EXIT_NOT_FOUND;
	}
	return write_list(m);
}

static int run(struct import *m, const char *path, const char *format)
{
	struct err err;

	if (!open_file(m, path) || !find_format(m, format))
		return EXIT_NOT_FOUND;
	m->signals = cli_signals(NULL); /* from here on ^C is looked for: what is written is told */
	m->list.rules = cli_load_rules(&m->ctl->config, &err);
	if (!m->list.rules) {
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	int code = check_and_write(m);
	ruleset_free(m->list.rules);
	return code;
}

static bool take_words(struct import *m, const char *format, const char *as)
{
	if (format && !list_by_name(format, &m->list.format)) {
		log_error("--format %s: write nixie, ses, sendgrid, mailgun, postmark, sparkpost, mailchimp or plain", format);
		return false;
	}
	m->list.plain = STATUS_MANUAL;
	if (as && (!status_by_name(sv_of(as), &m->list.plain) || m->list.plain < STATUS_HARD)) {
		log_error("--as %s: write manual, hard, complaint or allow", as);
		return false;
	}
	return true;
}

int verb_import(struct ctl *ctl, int argc, char **argv)
{
	const char *format = NULL, *as = NULL, *reason = NULL, *batch = NULL;
	struct import *m = xalloc(sizeof *m);
	const struct verb_option own[] = { { "format", &format, NULL }, { "as", &as, NULL }, { "reason", &reason, NULL }, { "batch", &batch, NULL },
		{ "dry-run", NULL, &m->dry_run }, { "skip-errors", NULL, &m->skip_errors }, { NULL, NULL, NULL } };
	int code;

	m->ctl = ctl;
	if (verb_options(ctl, argc, argv, "import", own, &code)) {
		code = EXIT_USAGE;
		if (optind + 1 != argc) {
			log_error("name one list: nixie import FILE, or nixie import - for standard input");
		} else if (take_words(m, format, as)) {
			m->list.reason = reason;
			m->list.by = verb_who();
			m->list.now_s = clock_now_s();
			if (batch)
				(void)snprintf(m->batch, sizeof m->batch, "%s", batch);
			else
				(void)snprintf(m->batch, sizeof m->batch, "import-%lld-%ld", (long long)m->list.now_s, (long)getpid());
			code = run(m, argv[optind], format);
		}
	}
	if (m->file)
		(void)fclose(m->file);
	free(m);
	return code;
}
