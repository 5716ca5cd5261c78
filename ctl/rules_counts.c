/* rules stats, rules unknown: what the rules did, from the counters in Redis. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "rule_draft.h"
#include "store.h"
#include "term.h"
#include "unknown.h"
#include "verbs.h"

#define BAR_WIDTH 16

/* False: *code_r is the exit code. as_rules_r may be NULL: no such option. */
static bool take_options(struct ctl *ctl, int argc, char **argv, const char *verb, uint64_t *limit_r, bool *as_rules_r, int *code_r)
{
	const char *limit = NULL;
	const struct verb_option own[] = { { "limit", &limit, NULL }, { as_rules_r ? "as-rules" : NULL, NULL, as_rules_r }, { NULL, NULL, NULL } };

	if (!verb_options(ctl, argc, argv, verb, own, code_r))
		return false;
	*code_r = EXIT_USAGE;
	if (limit && !sv_u64(sv_of(limit), 1000000, limit_r)) {
		log_error("--limit %s: write a number", limit);
		return false;
	}
	if (optind < argc) {
		log_error("%s: there is no argument here", argv[optind]);
		return false;
	}
	*code_r = EXIT_OK;
	return true;
}

static int by_bytes(struct sv a, struct sv b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* ---- stats ---- */

struct hits {
	struct sv rule;
	int64_t by_class[CLASS_COMPLAINT + 1], all;
	char last_day[9];
};

struct all_hits {
	struct arena arena;
	struct map map;
	size_t n;
	int64_t most;
};

static void add_hits(void *arg, struct sv day, struct sv name, int64_t value)
{
	struct all_hits *all = arg;
	struct sv rule = sv_cut(&name, '|');
	enum class class_;

	if (!class_by_name(name, &class_))
		return;
	struct hits *h = map_get(&all->map, rule);
	if (!h) {
		h = arena_alloc(&all->arena, sizeof *h);
		h->rule = arena_dup(&all->arena, rule);
		map_put(&all->map, h->rule, h);
		all->n++;
	}
	h->by_class[class_] += value;
	h->all += value;
	all->most = h->all > all->most ? h->all : all->most;
	if (day.n == 8 && memcmp(day.p, h->last_day, 8) > 0)
		memcpy(h->last_day, day.p, 8);
}

static int by_hits(const void *a, const void *b)
{
	const struct hits *x = *(struct hits *const *)a, *y = *(struct hits *const *)b;

	return x->all != y->all ? (x->all < y->all ? 1 : -1) : by_bytes(x->rule, y->rule);
}

static void print_hits(const struct ctl *ctl, const struct ruleset *rules, const struct hits *h, int64_t most)
{
	const struct rule *rule = ruleset_find(rules, h->rule);
	bool none = sv_eq(h->rule, SV("-"));
	char last[16];

	(void)snprintf(last, sizeof last, "%.4s-%.2s-%.2s", h->last_day, h->last_day + 4, h->last_day + 6);
	if (ctl->json) {
		struct json json = JSON_ON(stdout);
		json_object(&json, NULL);
		json_text(&json, "rule", h->rule);
		json_number(&json, "hard", h->by_class[CLASS_HARD]);
		json_number(&json, "soft", h->by_class[CLASS_SOFT]);
		json_number(&json, "none", h->by_class[CLASS_NONE]);
		json_text(&json, "last", sv_of(last));
		if (rule)
			json_text(&json, "category", sv_of(category_name(rule->category)));
		json_end_object(&json);
		json_end_line(&json);
		return;
	}
	(void)printf("%9lld %9lld %9lld  %s  ", (long long)h->by_class[CLASS_HARD], (long long)h->by_class[CLASS_SOFT],
		(long long)h->by_class[CLASS_NONE], last);
	term_bar(stdout, (uint64_t)h->all, (uint64_t)most, BAR_WIDTH);
	(void)printf("  %-19s  ", none ? "other" : rule ? category_name(rule->category) : "(gone)");
	term_clean(stdout, none ? SV("no rule: nixie rules unknown") : h->rule);
	(void)putchar('\n');
}

int rules_stats(struct ctl *ctl, int argc, char **argv)
{
	struct all_hits all = { .n = 0 };
	struct err err;
	uint64_t limit = UINT64_MAX;
	int code;

	if (!take_options(ctl, argc, argv, "rules stats", &limit, NULL, &code))
		return code;
	struct ruleset *rules = cli_load_rules(&ctl->config, &err);
	if (!rules) {
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	code = store_counts(ctl->store, SV("rule"), add_hits, &all, &err) == STORE_OK ? EXIT_OK : verb_store_failed(&err);
	if (code == EXIT_OK && !ctl->json)
		(void)printf("%s%9s %9s %9s  %-10s  %*s  %-19s  rule%s\n", term_colour(stdout, COLOUR_BOLD), "hard", "soft", "none", "last",
			BAR_WIDTH, "", "category today", term_colour(stdout, COLOUR_PLAIN));
	if (code == EXIT_OK) {
		struct hits **v = xalloc((all.n + 1) * sizeof *v);
		struct map_slot *slot;
		size_t n = 0, unused = 0;
		for (size_t i = 0; (slot = map_next(&all.map, &i));)
			v[n++] = slot->value;
		qsort(v, n, sizeof *v, by_hits);
		for (size_t i = 0; i < n && i < limit; i++)
			print_hits(ctl, rules, v[i], all.most);
		for (size_t i = 0; i < ruleset_count(rules); i++)
			unused += map_get(&all.map, sv_of(ruleset_rule(rules, i)->id)) == NULL;
		if (!ctl->json)
			(void)printf("final failures by rule; %zu of %zu rules had none\n", unused, ruleset_count(rules));
		free(v);
	}
	map_free(&all.map);
	arena_free(&all.arena);
	ruleset_free(rules);
	return code;
}

/* ---- unknown ---- */

static void print_text(const struct ctl *ctl, const struct unknown *t)
{
	char month[8];

	(void)snprintf(month, sizeof month, "%.4s-%.2s", t->last_month, t->last_month + 4);
	if (ctl->json) {
		struct json json = JSON_ON(stdout);
		json_object(&json, NULL);
		json_number(&json, "count", t->n);
		json_text(&json, "last", sv_of(month));
		json_text(&json, "text", t->text);
		json_text(&json, "example", t->example);
		json_end_object(&json);
		json_end_line(&json);
		return;
	}
	(void)printf("%9lld  %s  ", (long long)t->n, month);
	term_clean(stdout, t->text);
	(void)printf("\n                    %s", term_colour(stdout, COLOUR_DIM));
	term_clean(stdout, t->example);
	(void)printf("%s\n", term_colour(stdout, COLOUR_PLAIN));
}

static struct rule_draft draft_of(const struct unknown *t)
{
	return (struct rule_draft){ t->text, t->example, t->n };
}

/* The good ones first: what is a comment behind them needs no care for its commas. */
static void print_as_rules(struct unknown *const *v, size_t n)
{
	size_t n_good = 0, number = 0;

	for (size_t i = 0; i < n; i++) {
		struct rule_draft draft = draft_of(v[i]);
		n_good += rule_draft_is_good(&draft);
	}
	(void)puts("# Choose the category of each: until then the file is refused; nixie-rules(5) lists them.\n"
		"# Look the expressions over, then: nixie rules test, nixie rules lint, nixie replay\nrules = (");
	for (int good = 1; good >= 0; good--) {
		if (!good && n_good < n)
			(void)puts("# These say too little by themselves to make a rule of:");
		for (size_t i = 0; i < n; i++) {
			struct rule_draft draft = draft_of(v[i]);
			if (rule_draft_is_good(&draft) != good)
				continue;
			number++;
			rule_draft_print(stdout, &draft, number, number == 1, number == n_good);
		}
	}
	(void)puts(");");
}

static void print_texts(const struct ctl *ctl, const struct unknowns *all, uint64_t limit, bool as_rules)
{
	size_t n = all->n, shown = n < limit ? n : (size_t)limit;

	if (as_rules)
		print_as_rules(all->v, shown);
	for (size_t i = 0; i < shown && !as_rules; i++)
		print_text(ctl, all->v[i]);
	if (!ctl->json && !as_rules)
		(void)printf("%zu kind%s of replies that no rule knows%s\n", n, term_plural(n), n ? "; --as-rules makes rules of them" : "");
}

int rules_unknown(struct ctl *ctl, int argc, char **argv)
{
	struct unknowns all;
	struct err err;
	uint64_t limit = 20;
	bool as_rules = false;
	int code;

	if (!take_options(ctl, argc, argv, "rules unknown", &limit, &as_rules, &code))
		return code;
	if (as_rules && ctl->json) {
		log_error("--as-rules writes a rule file, --json does not: choose one of them");
		return EXIT_USAGE;
	}
	if (unknown_read(&all, ctl->store, NULL, NULL, &err) == STORE_OK)
		print_texts(ctl, &all, limit, as_rules);
	else
		code = verb_store_failed(&err);
	unknown_free(&all);
	return code;
}
