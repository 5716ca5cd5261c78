#include "rules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "conffile.h"
#include "log.h"
#include "map.h"
#include "match.h"
#include "prefilter.h"

struct texts {
	size_t n;
	struct sv v[RULE_LIST_MAX];
};

/* A rule with its conditions; an empty list is no condition. */
struct compiled {
	struct rule rule;
	struct sv *codes, *enhanced, *relays;
	size_t n_codes, n_enhanced, n_relays;
	unsigned phases; /* bit per enum phase; 0: no condition */
	struct patterns *text, *not_text; /* NULL: no condition */
};

/* Any of several regular expressions. */
struct patterns {
	size_t n, first; /* first: number of v[0] in the prefilter */
	struct pattern *v[RULE_LIST_MAX];
	bool always[RULE_LIST_MAX]; /* has no word that a text must have: try it on all */
};

struct ruleset {
	struct arena arena;
	struct map ids;
	struct compiled **rules;
	size_t n, size;
	struct prefilter *prefilter;
	size_t n_patterns;
	uint64_t *possible; /* a bit per pattern: its words are in this text */
	size_t *of_pattern; /* the rule of a pattern */
	uint64_t *candidates, *always; /* a bit per rule */
	bool plain;         /* no prefilter: for tests */
	size_t words_n;
	char words[REPLY_TEXT_MAX]; /* that are being classified */
	uint64_t limit_hits;
	struct log_limit limit_log;
};

/* ---- matching ---- */

/* "5xx" against 550 */
static bool code_matches(struct sv glob, int code)
{
	char digits[4];

	if (code == 0)
		return false;
	(void)snprintf(digits, sizeof digits, "%03d", code);
	for (size_t i = 0; i < 3; i++)
		if (glob.p[i] != 'x' && glob.p[i] != digits[i])
			return false;
	return true;
}

static bool part_matches(struct sv part, int value)
{
	uint64_t v;

	return sv_eq(part, SV("x")) || (sv_u64(part, 999, &v) && (int)v == value);
}

/* "x.1.1" against 5.1.1 */
static bool enhanced_matches(struct sv glob, struct enhanced e)
{
	if (e.class_ == 0)
		return false;
	struct sv c = sv_cut(&glob, '.'), s = sv_cut(&glob, '.');
	return part_matches(c, e.class_) && part_matches(s, e.subject) && part_matches(glob, e.detail);
}

bool host_under(struct sv host, struct sv suffix)
{
	if (!sv_ends_nocase(host, suffix))
		return false;
	return host.n == suffix.n || host.p[host.n - suffix.n - 1] == '.';
}

static bool quick_conditions_hold(const struct compiled *c, const struct failure_text *f)
{
	bool hit = c->n_codes == 0;

	for (size_t i = 0; i < c->n_codes && !hit; i++)
		hit = code_matches(c->codes[i], f->reply->code);
	if (!hit)
		return false;
	hit = c->n_enhanced == 0;
	for (size_t i = 0; i < c->n_enhanced && !hit; i++)
		hit = enhanced_matches(c->enhanced[i], f->reply->enhanced);
	if (!hit || (c->phases && !(c->phases & 1u << f->reply->phase)))
		return false;
	hit = c->n_relays == 0;
	for (size_t i = 0; i < c->n_relays && !hit; i++)
		hit = host_under(f->relay, c->relays[i]);
	return hit;
}

static bool bit(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static enum match_result match_any(const struct ruleset *set, const struct patterns *patterns, struct sv words, struct sv *hit_r)
{
	enum match_result result = MATCH_NO;

	for (size_t i = 0; i < patterns->n && result == MATCH_NO; i++)
		if (set->plain || patterns->always[i] || bit(set->possible, patterns->first + i))
			result = pattern_match(patterns->v[i], words, hit_r);
	return result;
}

static enum match_result match_counted(struct ruleset *set, const struct compiled *c,
	const struct patterns *patterns, struct sv words, struct sv *hit_r)
{
	enum match_result result = match_any(set, patterns, words, hit_r);

	if (result == MATCH_LIMIT_HIT) {
		set->limit_hits++;
		if (log_limited(&set->limit_log, "rule hit its match limit"))
			log_warning("rule %s (%s:%u) gave up on a text after %d steps; taken as no match",
				c->rule.id, c->rule.file, c->rule.line, MATCH_LIMIT);
	}
	return result;
}

/* The server has not heard of the recipient yet: whatever it says is not about the address. */
static bool before_recipient(enum phase phase)
{
	return phase == PHASE_CONNECT || phase == PHASE_HELO || phase == PHASE_MAIL;
}

/* The words, but for the addresses in <>: those are chosen by strangers, and
 * <user-unknown@example.com> must not say what it seems to say. */
static void mask_addresses(struct ruleset *set, struct sv words)
{
	set->words_n = words.n < sizeof set->words ? words.n : sizeof set->words;
	if (set->words_n)
		memcpy(set->words, words.p, set->words_n);
	for (size_t i = 0; i < set->words_n; i++) {
		struct sv rest = sv_make(set->words + i + 1, set->words_n - i - 1);
		size_t end = set->words[i] == '<' ? sv_find(rest, '>') : rest.n;
		struct sv inside = sv_head(rest, end);
		if (end == rest.n || sv_find(inside, '@') == inside.n || sv_find(inside, ' ') < inside.n)
			continue;
		for (size_t j = 0; j < inside.n; j++)
			if (inside.p[j] != '@')
				set->words[i + 1 + j] = '-';
	}
}

static bool holds(struct ruleset *set, const struct compiled *c, const struct failure_text *f, struct sv *hit_r)
{
	struct sv words = sv_make(set->words, set->words_n);

	*hit_r = sv_make(NULL, 0);
	if (!quick_conditions_hold(c, f) || (c->rule.class_ == CLASS_HARD && before_recipient(f->reply->phase)))
		return false;
	if (c->text && match_counted(set, c, c->text, words, hit_r) != MATCH_YES)
		return false;
	/* a negation that gave up is taken as matched: the rule does not hold */
	return !c->not_text || match_counted(set, c, c->not_text, words, NULL) == MATCH_NO;
}

static void on_word(void *arg, size_t pattern)
{
	struct ruleset *set = arg;

	set_bit(set->possible, pattern);
	set_bit(set->candidates, set->of_pattern[pattern]);
}

/* Which patterns and rules are worth trying. */
static void find_candidates(struct ruleset *set, struct sv words)
{
	char lower[REPLY_TEXT_MAX];
	size_t n = words.n < sizeof lower ? words.n : sizeof lower;

	for (size_t i = 0; i < n; i++)
		lower[i] = sv_lower(words.p[i]);
	memset(set->possible, 0, (set->n_patterns / 64 + 1) * sizeof *set->possible);
	memcpy(set->candidates, set->always, (set->n / 64 + 1) * sizeof *set->candidates);
	prefilter_scan(set->prefilter, sv_make(lower, n), on_word, set);
}

/* The first rule from i on that is worth trying; set->n when there is none. */
static size_t next_candidate(const struct ruleset *set, size_t i)
{
	if (set->plain)
		return i;
	while (i < set->n) {
		uint64_t rest = set->candidates[i / 64] >> (i % 64);
		if (rest)
			return i + (size_t)__builtin_ctzll(rest);
		i = (i / 64 + 1) * 64;
	}
	return set->n;
}

void ruleset_classify(struct ruleset *set, const struct failure_text *failure, struct verdict *v)
{
	mask_addresses(set, failure->reply->words);
	if (!set->plain)
		find_candidates(set, sv_make(set->words, set->words_n));
	for (size_t i = next_candidate(set, 0); i < set->n; i = next_candidate(set, i + 1)) {
		const struct compiled *c = set->rules[i];
		if (!holds(set, c, failure, &v->matched))
			continue;
		if (v->matched.n) /* the same place in the words as they were said */
			v->matched.p = failure->reply->words.p + (v->matched.p - set->words);
		v->rule = &c->rule;
		v->category = c->rule.category;
		v->class_ = c->rule.class_;
		return;
	}
	*v = (struct verdict){ .category = CATEGORY_OTHER, .class_ = category_class(CATEGORY_OTHER) };
}

void ruleset_set_plain(struct ruleset *set, bool plain)
{
	set->plain = plain;
}

void ruleset_classify_text(struct ruleset *set, struct sv text, struct enhanced dsn, struct sv relay,
	struct reply *reply_r, struct verdict *verdict_r)
{
	reply_parse(text, dsn, reply_r);
	struct failure_text f = { reply_r, relay.n ? relay : reply_r->host };
	ruleset_classify(set, &f, verdict_r);
}

/* ---- loading ---- */

static struct ruleset *new_set(void)
{
	struct ruleset *set = xalloc(sizeof *set);

	set->prefilter = prefilter_new();
	return set;
}

/* The tables that classifying needs, when all rules are there. */
static struct ruleset *finish(struct ruleset *set)
{
	set->possible = arena_alloc(&set->arena, (set->n_patterns / 64 + 1) * sizeof *set->possible);
	set->of_pattern = arena_alloc(&set->arena, (set->n_patterns + 1) * sizeof *set->of_pattern);
	set->candidates = arena_alloc(&set->arena, (set->n / 64 + 1) * sizeof *set->candidates);
	set->always = arena_alloc(&set->arena, (set->n / 64 + 1) * sizeof *set->always);
	for (size_t i = 0; i < set->n; i++) {
		const struct compiled *c = set->rules[i];
		bool always = !c->text;
		for (size_t j = 0; c->text && j < c->text->n; j++) {
			set->of_pattern[c->text->first + j] = i;
			always = always || c->text->always[j];
		}
		/* a negation is looked at only where the rest holds */
		for (size_t j = 0; c->not_text && j < c->not_text->n; j++)
			set->of_pattern[c->not_text->first + j] = i;
		if (always)
			set_bit(set->always, i);
	}
	return set;
}

static const char *keep(struct ruleset *set, const char *text)
{
	return arena_dup(&set->arena, sv_of(text)).p;
}

/* A string, or a list of strings */
static bool read_texts(const struct node *node, struct texts *out, struct err *err)
{
	size_t n = node_type(node) == NODE_LIST ? node_count(node) : 1;

	out->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct node *item = node_type(node) == NODE_LIST ? node_at(node, i) : node;
		if (node_type(item) != NODE_STRING || !*node_string(item))
			return node_err(item, err, "%s: write a string that is not empty, or a list of such", node_name(node));
		if (out->n == RULE_LIST_MAX)
			return node_err(item, err, "%s: more than %d members; make two rules", node_name(node), RULE_LIST_MAX);
		out->v[out->n++] = sv_of(node_string(item));
	}
	return true;
}

static struct sv *keep_texts(struct ruleset *set, const struct texts *texts)
{
	struct sv *v = arena_alloc(&set->arena, texts->n * sizeof *v);

	for (size_t i = 0; i < texts->n; i++)
		v[i] = arena_dup(&set->arena, texts->v[i]);
	return v;
}

static bool read_patterns(struct ruleset *set, const struct node *node, struct patterns **patterns_r, struct err *err)
{
	struct texts texts;
	struct err why;

	if (!read_texts(node, &texts, err))
		return false;
	if (*patterns_r)
		return node_err(node, err, "%s: is there twice", node_name(node));
	struct patterns *p = *patterns_r = arena_alloc(&set->arena, sizeof *p);
	p->first = set->n_patterns;
	for (size_t i = 0; i < texts.n; i++) {
		struct literal_set words;
		p->v[i] = pattern_compile(texts.v[i], &why);
		if (!p->v[i])
			return node_err(node_type(node) == NODE_LIST ? node_at(node, i) : node, err, "%s: %s", node_name(node), why.text);
		literal_required(texts.v[i], &words);
		p->always[i] = words.n == 0;
		prefilter_add(set->prefilter, &words);
		set->n_patterns++;
		p->n++;
	}
	return true;
}

static bool read_codes(struct ruleset *set, const struct node *node, struct compiled *c, struct err *err)
{
	struct texts texts;

	if (!read_texts(node, &texts, err))
		return false;
	for (size_t i = 0; i < texts.n; i++) {
		struct sv t = texts.v[i];
		bool ok = t.n == 3 && (t.p[0] == 'x' || (t.p[0] >= '2' && t.p[0] <= '5'));
		for (size_t j = 1; ok && j < 3; j++)
			ok = t.p[j] == 'x' || sv_is_digit(t.p[j]);
		if (!ok)
			return node_err(node, err, "code: \"%.*s\": write three digits, x for any: \"550\" or \"5xx\"", SV_ARG(t));
	}
	c->codes = keep_texts(set, &texts);
	c->n_codes = texts.n;
	return true;
}

static bool read_enhanced(struct ruleset *set, const struct node *node, struct compiled *c, struct err *err)
{
	struct texts texts;

	if (!read_texts(node, &texts, err))
		return false;
	for (size_t i = 0; i < texts.n; i++) {
		struct sv rest = texts.v[i];
		uint64_t v;
		for (int part = 0; part < 3; part++) {
			struct sv p = part < 2 ? sv_cut(&rest, '.') : rest;
			if (!sv_eq(p, SV("x")) && !sv_u64(p, 999, &v))
				return node_err(node, err, "enhanced: \"%.*s\": write a status such as \"5.1.1\", x for any number: \"x.1.1\"", SV_ARG(texts.v[i]));
		}
	}
	c->enhanced = keep_texts(set, &texts);
	c->n_enhanced = texts.n;
	return true;
}

static bool read_phases(const struct node *node, struct compiled *c, struct err *err)
{
	struct texts texts;
	enum phase phase;

	if (!read_texts(node, &texts, err))
		return false;
	for (size_t i = 0; i < texts.n; i++) {
		if (!phase_by_name(texts.v[i], &phase))
			return node_err(node, err, "phase: \"%.*s\": write one of connect, helo, mail, rcpt, data, end-of-data", SV_ARG(texts.v[i]));
		c->phases |= 1u << phase;
	}
	return true;
}

static bool read_examples(struct ruleset *set, const struct node *node, const struct rule_example **v_r,
	size_t *n_r, struct err *err)
{
	struct texts texts;

	if (!read_texts(node, &texts, err))
		return false;
	struct rule_example *v = arena_alloc(&set->arena, texts.n * sizeof *v);
	for (size_t i = 0; i < texts.n; i++) {
		struct sv relay = arena_dup(&set->arena, texts.v[i]);
		v[i].reply = sv_cut(&relay, '\t');
		v[i].relay = relay;
		v[i].line = node_line(node_type(node) == NODE_LIST ? node_at(node, i) : node);
	}
	*v_r = v;
	*n_r = texts.n;
	return true;
}

static bool read_id(struct ruleset *set, const struct node *node, struct compiled *c, struct err *err)
{
	struct sv id = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");
	bool ok = id.n > 0 && id.n <= RULE_ID_MAX;

	for (size_t i = 0; ok && i < id.n; i++)
		ok = (sv_is_alnum(id.p[i]) && sv_lower(id.p[i]) == id.p[i]) || id.p[i] == '.' || id.p[i] == '-';
	if (!ok)
		return node_err(node, err, "id: write at most %d small letters, digits, dots and hyphens", RULE_ID_MAX);
	const struct compiled *other = map_get(&set->ids, id);
	if (other)
		return node_err(node, err, "id \"%s\" is taken by the rule at %s:%u; choose another",
			node_string(node), other->rule.file, other->rule.line);
	c->rule.id = keep(set, id.p);
	return true;
}

static bool read_member(struct ruleset *set, const struct node *node, struct compiled *c, struct err *err)
{
	const char *name = node_name(node);
	struct sv text = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");

	if (strcmp(name, "id") == 0)
		return read_id(set, node, c, err);
	if (strcmp(name, "code") == 0)
		return read_codes(set, node, c, err);
	if (strcmp(name, "enhanced") == 0)
		return read_enhanced(set, node, c, err);
	if (strcmp(name, "phase") == 0)
		return read_phases(node, c, err);
	if (strcmp(name, "text") == 0)
		return read_patterns(set, node, &c->text, err);
	if (strcmp(name, "not-text") == 0)
		return read_patterns(set, node, &c->not_text, err);
	if (strcmp(name, "match") == 0)
		return read_examples(set, node, &c->rule.match, &c->rule.n_match, err);
	if (strcmp(name, "no-match") == 0)
		return read_examples(set, node, &c->rule.no_match, &c->rule.n_no_match, err);
	if (strcmp(name, "relay") == 0) {
		struct texts texts;
		if (!read_texts(node, &texts, err))
			return false;
		c->relays = keep_texts(set, &texts);
		c->n_relays = texts.n;
		return true;
	}
	if (strcmp(name, "category") == 0) {
		if (!category_by_name(text, &c->rule.category))
			return node_err(node, err, "category: \"%.*s\" is none; nixie-rules(5) lists them", SV_ARG(sv_head(text, 60)));
		return true;
	}
	if (strcmp(name, "class") == 0) {
		if (!class_by_name(text, &c->rule.class_) || c->rule.class_ == CLASS_COMPLAINT)
			return node_err(node, err, "class: write \"hard\", \"soft\" or \"none\"");
		return true;
	}
	if (strcmp(name, "note") == 0 || strcmp(name, "url") == 0) {
		if (!text.n)
			return node_err(node, err, "%s: write a string", name);
		*(*name == 'n' ? &c->rule.note : &c->rule.url) = keep(set, text.p);
		return true;
	}
	return node_err(node, err, "a rule has no \"%s\"; it has id, category, code, enhanced, text, not-text, relay, phase, class, note, url, match, no-match", name);
}

static bool check_rule(const struct node *node, const struct compiled *c, struct err *err)
{
	if (!c->rule.id)
		return node_err(node, err, "a rule needs an id, e.g. id = \"example.no-such-user\";");
	if (!node_get(node, "category"))
		return node_err(node, err, "rule %s needs a category, e.g. category = \"recipient.unknown\";", c->rule.id);
	if (!c->text && !c->n_codes && !c->n_enhanced && !c->n_relays && !c->phases)
		return node_err(node, err, "rule %s has no condition: give it text, code, enhanced, relay or phase", c->rule.id);
	if (c->rule.category == CATEGORY_COMPLAINT)
		return node_err(node, err, "rule %s: complaints come from feedback loops, not from replies; choose another category", c->rule.id);
	/* what is not the recipient's fault must not be able to suppress anybody */
	if (c->rule.class_ == CLASS_HARD && category_fault(c->rule.category) != FAULT_RECIPIENT)
		return node_err(node, err, "rule %s: class = \"hard\" needs a category of the recipient's fault; %s is not one",
			c->rule.id, category_name(c->rule.category));
	return true;
}

static void patterns_free(struct patterns *patterns)
{
	for (size_t i = 0; patterns && i < patterns->n; i++)
		pattern_free(patterns->v[i]);
}

static void compiled_free(struct compiled *c)
{
	patterns_free(c->text);
	patterns_free(c->not_text);
}

static void append(struct ruleset *set, struct compiled *c)
{
	if (set->n == set->size) {
		size_t size = set->size ? set->size * 2 : 256;
		struct compiled **v = xalloc(size * sizeof *v);
		if (set->n)
			memcpy(v, set->rules, set->n * sizeof *v);
		free(set->rules);
		set->rules = v;
		set->size = size;
	}
	set->rules[set->n++] = c;
	map_put(&set->ids, sv_of(c->rule.id), c);
}

static bool read_rule(struct ruleset *set, const struct node *node, const char *file, struct err *err)
{
	struct compiled *c = arena_alloc(&set->arena, sizeof *c);
	bool has_class = false;

	if (node_type(node) != NODE_GROUP)
		return node_err(node, err, "rules: each member is a group { id = ...; category = ...; text = ...; }");
	if (set->n == RULES_MAX)
		return node_err(node, err, "more than %d rules", RULES_MAX);
	c->rule.file = file;
	c->rule.line = node_line(node);
	for (size_t i = 0; i < node_count(node); i++) {
		if (!read_member(set, node_at(node, i), c, err)) {
			compiled_free(c);
			return false;
		}
		has_class = has_class || strcmp(node_name(node_at(node, i)), "class") == 0;
	}
	if (!has_class)
		c->rule.class_ = category_class(c->rule.category);
	if (!check_rule(node, c, err)) {
		compiled_free(c);
		return false;
	}
	append(set, c);
	return true;
}

static bool read_file(struct ruleset *set, const struct conffile *file, const char *name, struct err *err)
{
	const struct node *root = conffile_root(file);
	const char *kept = keep(set, name);

	for (size_t i = 0; i < node_count(root); i++) {
		const struct node *rules = node_at(root, i);
		if (strcmp(node_name(rules), "rules") != 0 || node_type(rules) != NODE_LIST)
			return node_err(rules, err, "a rule file holds rules = ( { ... }, { ... } ); and nothing else");
		for (size_t j = 0; j < node_count(rules); j++)
			if (!read_rule(set, node_at(rules, j), kept, err))
				return false;
	}
	return true;
}

static bool read_path(struct ruleset *set, const char *path, struct err *err)
{
	struct conffile *file = conffile_read(path, err);
	bool ok = file && read_file(set, file, path, err);

	conffile_free(file);
	return ok;
}

static int is_rule_file(const struct dirent *entry)
{
	struct sv name = sv_of(entry->d_name);

	return name.n > 5 && name.p[0] != '.' && sv_ends_nocase(name, SV(".conf"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool read_directory(struct ruleset *set, const char *directory, struct err *err)
{
	struct dirent **entries;
	bool ok = true;
	int n = scandir(directory, &entries, is_rule_file, by_bytes);

	if (n < 0)
		return err_set(err, "%s: cannot read the rule directory: %m", directory);
	for (int i = 0; i < n; i++) {
		char path[4096];
		if (ok && (size_t)snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name) >= sizeof path)
			ok = err_set(err, "%s: the path is too long", directory);
		ok = ok && read_path(set, path, err);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

struct ruleset *ruleset_load(const char *const *directories, size_t n, struct err *err)
{
	struct ruleset *set = new_set();

	for (size_t i = 0; i < n; i++) {
		if (directories[i][0] && !read_directory(set, directories[i], err)) {
			ruleset_free(set);
			return NULL;
		}
	}
	return finish(set);
}

struct ruleset *ruleset_parse(const char *name, const char *text, struct err *err)
{
	struct ruleset *set = new_set();
	struct conffile *file = conffile_read_text(name, text, err);
	bool ok = file && read_file(set, file, name, err);

	conffile_free(file);
	if (ok)
		return finish(set);
	ruleset_free(set);
	return NULL;
}

void ruleset_free(struct ruleset *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		compiled_free(set->rules[i]);
	free(set->rules);
	map_free(&set->ids);
	prefilter_free(set->prefilter);
	arena_free(&set->arena);
	free(set);
}

size_t ruleset_count(const struct ruleset *set)
{
	return set->n;
}

const struct rule *ruleset_rule(const struct ruleset *set, size_t i)
{
	return &set->rules[i]->rule;
}

bool ruleset_has(const struct ruleset *set, struct sv id)
{
	return map_get(&set->ids, id) != NULL;
}

uint64_t ruleset_limit_hits(const struct ruleset *set)
{
	return set->limit_hits;
}
