/* replay: what other rules would have made of old logs, or of the history in Redis. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "convert.h"
#include "json.h"
#include "ledger.h"
#include "log.h"
#include "map.h"
#include "reader_file.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* Lines that people are shown of each kind; --json has all. */
#define SHOWN_MAX 25

/* One set of rules and what comes of it. */
struct side {
	struct ruleset *rules;
	struct store *store;
	struct ledger ledger;
	/* of the address at hand, when the history in Redis is replayed */
	struct entry entry;
	struct window window;
};

/* Failures that one rule judged and another judges now. */
struct change {
	struct change *next;
	struct verdict before, after;
	uint64_t n;
	struct sv example;
};

struct replay {
	struct ctl *ctl;
	struct side sides[2]; /* before, after */
	struct reader reader;
	struct arena arena;
	struct map changes; /* "rule|rule" */
	struct change *first, *last;
	uint64_t failures, changed, suppressed, freed;
	size_t batch;
	struct sv address; /* of the history at hand */
	struct arena address_arena;
	bool failed;
};

static const char *rule_name(const struct verdict *v)
{
	return v->rule ? v->rule->id : "-";
}

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	return a->category == b->category && a->class_ == b->class_;
}

static void note_change(struct replay *r, const struct verdict *before, const struct verdict *after, struct sv text)
{
	char room[2 * RULE_ID_MAX + 64];
	struct buf key = BUF_ON(room);

	r->failures++;
	if (same_verdict(before, after))
		return;
	r->changed++;
	buf_addf(&key, "%s|%s|%d|%d|%d|%d", rule_name(before), rule_name(after), before->class_, after->class_, before->category, after->category);
	struct change *c = map_get(&r->changes, buf_sv(&key));
	if (!c) {
		c = arena_alloc(&r->arena, sizeof *c);
		*c = (struct change){ .before = *before, .after = *after, .example = arena_dup(&r->arena, sv_head(text, STATE_TEXT_MAX)) };
		map_put(&r->changes, arena_dup(&r->arena, buf_sv(&key)), c);
		if (r->last)
			r->last->next = c;
		else
			r->first = c;
		r->last = c;
	}
	c->n++;
}

/* ---- logs ---- */

static void add_fact(void *arg, const struct fact *fact)
{
	ledger_add(&((struct side *)arg)->ledger, fact);
}

static void commit(struct replay *r, struct side *side)
{
	struct err err;

	/* the store in memory refuses nothing */
	if (ledger_commit(&side->ledger, NULL, NULL, false, &err) != STORE_OK) {
		log_error("panic: %s", err.text);
		r->failed = true;
	}
}

static void take_record(void *arg, const struct record *rec)
{
	struct replay *r = arg;
	struct record other = *rec;

	for (int i = 0; i < 2 && rec->kind == RECORD_LOSS; i++)
		ledger_lost(&r->sides[i].ledger, SV("log"), rec->line.time_us / CLOCK_SECOND_US);
	record_facts(&r->reader, rec, add_fact, &r->sides[0]);
	if (rec->failed) {
		reader_judge(r->sides[1].rules, &other);
		if (rec->left_out == LEFT_OUT_NOT)
			note_change(r, &rec->verdict, &other.verdict, rec->said.text);
	}
	record_facts(&r->reader, &other, add_fact, &r->sides[1]);
	for (int i = 0; i < 2; i++)
		if (r->sides[i].ledger.n >= r->batch)
			commit(r, &r->sides[i]);
}

static void replay_files(struct replay *r, char *const *files, size_t n)
{
	struct reading reading;

	reading_start(&reading, &r->reader, files, n, true);
	for (size_t i = 0; i < n; i++) {
		uint64_t before = r->reader.counts.attempts;
		if (!reader_file(&reading, files[i], INT64_MAX, take_record, r))
			r->failed = true;
		else if (r->reader.counts.attempts == before) {
			log_error("%s: there is not one delivery in it; is it a log of Postfix or Exim?", files[i]);
			r->failed = true;
		}
	}
	reading_end(&reading);
	commit(r, &r->sides[0]);
	commit(r, &r->sides[1]);
}

/* ---- what became of the addresses ---- */

static void print_entry_json(struct json *json, const char *name, const struct entry *e)
{
	json_object(json, name);
	json_text(json, "status", sv_of(status_name(e->status)));
	if (e->status != STATUS_NONE) {
		json_text(json, "reason", sv_of(category_name(e->reason)));
		json_text(json, "rule", e->rule);
	}
	json_end_object(json);
}

static void print_address_json(struct sv address, const struct entry *before, const struct entry *after, bool is)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	json_text(&json, "change", is ? SV("suppressed") : SV("freed"));
	json_text(&json, "address", address);
	print_entry_json(&json, "before", before);
	print_entry_json(&json, "after", after);
	json_text(&json, "text", is ? after->text : before->text);
	json_end_object(&json);
	json_end_line(&json);
}

static void print_rule_of(const struct entry *e)
{
	if (e->status == STATUS_NONE)
		(void)fputs("nothing", stdout);
	else
		(void)printf("%s by %.*s", category_name(e->reason), SV_ARG(e->rule.n ? e->rule : SV("no rule")));
}

static void tell_address(struct replay *r, struct sv address, const struct entry *before, const struct entry *after)
{
	int64_t now_s = clock_now_s();
	bool was = entry_suppressed(before, now_s), is = entry_suppressed(after, now_s);
	uint64_t *count = is ? &r->suppressed : &r->freed;

	if (was == is)
		return;
	if (++*count > SHOWN_MAX && !r->ctl->json)
		return;
	if (r->ctl->json) {
		print_address_json(address, before, after, is);
		return;
	}
	(void)printf("%s%-10s%s  ", term_colour(stdout, is ? COLOUR_RED : COLOUR_GREEN), is ? "suppressed" : "freed", term_colour(stdout, COLOUR_PLAIN));
	term_clean(stdout, address);
	(void)fputs("  was ", stdout);
	print_rule_of(before);
	(void)fputs(", is ", stdout);
	print_rule_of(after);
	(void)printf("\n            %s", term_colour(stdout, COLOUR_DIM));
	term_clean(stdout, sv_head(is ? after->text : before->text, 110));
	(void)printf("%s\n", term_colour(stdout, COLOUR_PLAIN));
}

struct comparison {
	struct replay *r;
	int side;
};

/* Those of one store, against the other; who is in both is seen once. */
static bool compare_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct comparison *c = arg;
	struct arena arena = { 0 };
	struct entry other = { 0 };
	struct err err;

	if (store_entry(c->r->sides[1 - c->side].store, &arena, address, &other, &err) != STORE_OK)
		other = (struct entry){ 0 };
	if (c->side == 1)
		tell_address(c->r, address, &other, entry);
	else if (!entry_suppressed(&other, clock_now_s()))
		tell_address(c->r, address, entry, &other);
	arena_free(&arena);
	return true;
}

static void compare_stores(struct replay *r)
{
	struct err err;

	for (int side = 1; side >= 0; side--) {
		struct comparison c = { r, side };
		if (store_suppressed(r->sides[side].store, compare_entry, &c, &err) != STORE_OK)
			log_error("%s", err.text);
	}
}

/* ---- the history in Redis ---- */

static void end_address(struct replay *r)
{
	if (r->address.n)
		tell_address(r, r->address, &r->sides[0].entry, &r->sides[1].entry);
}

static void begin_address(struct replay *r, struct sv address)
{
	end_address(r);
	arena_reset(&r->address_arena);
	r->address = arena_dup(&r->address_arena, address);
	for (int i = 0; i < 2; i++) {
		r->sides[i].entry = (struct entry){ 0 };
		r->sides[i].window.n = 0;
	}
}

/* What the rules cannot see was seen when the failure was stored: it holds for both. */
static void judge_stored(const struct failure *stored, struct ruleset *rules, struct reply *reply, struct verdict *v)
{
	ruleset_classify_text(rules, stored->text, stored->enhanced, stored->remote, reply, v);
	if (stored->class_ == CLASS_SOFT && category_class(stored->occurrence.category) == CLASS_HARD && v->class_ == CLASS_HARD)
		v->class_ = CLASS_SOFT; /* several recipients, one answer */
	if (stored->occurrence.category == CATEGORY_DNS_FAILURE && !stored->occurrence.rule.n && v->category == CATEGORY_DOMAIN_UNKNOWN)
		*v = (struct verdict){ .category = CATEGORY_DNS_FAILURE, .class_ = CLASS_SOFT }; /* a relay of ours had no name */
}

static struct failure failure_kept(struct replay *r, const struct failure *stored, const struct verdict *v)
{
	struct failure f = *stored;

	f.class_ = v->class_;
	f.occurrence.category = v->category;
	f.occurrence.rule = sv_of(v->rule ? v->rule->id : "");
	f.occurrence.message = arena_dup(&r->address_arena, stored->occurrence.message);
	f.text = arena_dup(&r->address_arena, stored->text);
	f.remote = arena_dup(&r->address_arena, stored->remote);
	return f;
}

static void take_bounce(void *arg, struct sv address, const struct bounce *bounce)
{
	static struct reply reply;
	struct replay *r = arg;
	struct verdict v[2];

	if (bounce->unsubscribed || bounce->failure.class_ == CLASS_COMPLAINT) /* no rule judged it */
		return;
	if (!sv_eq(address, r->address))
		begin_address(r, address);
	for (int i = 0; i < 2; i++) {
		struct side *side = &r->sides[i];
		judge_stored(&bounce->failure, side->rules, &reply, &v[i]);
		struct failure f = failure_kept(r, &bounce->failure, &v[i]);
		if (f.class_ != CLASS_NONE)
			(void)convert_failure(&side->entry, &side->window, &f, &r->ctl->config.conversions);
	}
	note_change(r, &v[0], &v[1], bounce->failure.text);
}

static int replay_redis(struct replay *r)
{
	struct store *store = store_redis(&r->ctl->config);
	struct err err;
	int code = EXIT_OK;

	if (store_histories(store, take_bounce, r, &err) != STORE_OK)
		code = verb_store_failed(&err);
	else
		end_address(r);
	store_free(store);
	return code;
}

/* ---- ---- */

static void print_verdict_json(struct json *json, const char *name, const struct verdict *v)
{
	json_object(json, name);
	json_text(json, "class", sv_of(class_name(v->class_)));
	json_text(json, "category", sv_of(category_name(v->category)));
	json_text(json, "rule", sv_of(rule_name(v)));
	json_end_object(json);
}

static void print_change(const struct replay *r, const struct change *c)
{
	struct json json = JSON_ON(stdout);

	if (!r->ctl->json) {
		(void)printf("%8llu x %s %s (%s) -> %s %s (%s)\n           %s", (unsigned long long)c->n, class_name(c->before.class_),
			category_name(c->before.category), rule_name(&c->before), class_name(c->after.class_), category_name(c->after.category),
			rule_name(&c->after), term_colour(stdout, COLOUR_DIM));
		term_clean(stdout, sv_head(c->example, 110));
		(void)printf("%s\n", term_colour(stdout, COLOUR_PLAIN));
		return;
	}
	json_object(&json, NULL);
	json_text(&json, "change", SV("verdict"));
	json_number(&json, "count", (int64_t)c->n);
	print_verdict_json(&json, "before", &c->before);
	print_verdict_json(&json, "after", &c->after);
	json_text(&json, "example", c->example);
	json_end_object(&json);
	json_end_line(&json);
}

static void print_summary(const struct replay *r)
{
	struct json json = JSON_ON(stdout);

	if (!r->ctl->json) {
		if (r->suppressed > SHOWN_MAX || r->freed > SHOWN_MAX)
			(void)puts("... --json lists them all");
		(void)printf("%llu failure%s, %llu judged otherwise: %llu more address%s would be suppressed, %llu freed. Nothing was changed.\n",
			(unsigned long long)r->failures, term_plural(r->failures), (unsigned long long)r->changed, (unsigned long long)r->suppressed,
			r->suppressed == 1 ? "" : "es", (unsigned long long)r->freed);
		return;
	}
	json_object(&json, NULL);
	json_number(&json, "failures", (int64_t)r->failures);
	json_number(&json, "changed", (int64_t)r->changed);
	json_number(&json, "suppressed", (int64_t)r->suppressed);
	json_number(&json, "freed", (int64_t)r->freed);
	json_end_object(&json);
	json_end_line(&json);
}

static int run(struct replay *r, char *const *files, size_t n)
{
	int code = EXIT_OK;

	for (int i = 0; i < 2; i++) {
		r->sides[i].store = store_memory(1);
		ledger_init(&r->sides[i].ledger, r->sides[i].store, &r->ctl->config);
	}
	reader_init(&r->reader, &r->ctl->config, r->sides[0].rules);
	if (n > 0) {
		replay_files(r, files, n);
		compare_stores(r);
	} else {
		code = replay_redis(r);
	}
	for (const struct change *c = r->first; code == EXIT_OK && c; c = c->next)
		print_change(r, c);
	if (code == EXIT_OK)
		print_summary(r);
	reader_free(&r->reader);
	for (int i = 0; i < 2; i++) {
		ledger_free(&r->sides[i].ledger);
		store_free(r->sides[i].store);
	}
	map_free(&r->changes);
	arena_free(&r->arena);
	arena_free(&r->address_arena);
	return code == EXIT_OK && r->failed ? EXIT_NOT_FOUND : code;
}

int verb_replay(struct ctl *ctl, int argc, char **argv)
{
	struct ruleset *before, *after;
	int code;

	if (!verb_load_both(ctl, argc, argv, "replay", &after, &before, &code))
		return code;
	struct replay *r = xalloc(sizeof *r);
	r->ctl = ctl;
	r->batch = (size_t)ctl->config.logtail_batch;
	r->sides[0].rules = before;
	r->sides[1].rules = after;
	code = run(r, argv + optind, (size_t)(argc - optind));
	free(r);
	ruleset_free(before);
	ruleset_free(after);
	return code;
}
