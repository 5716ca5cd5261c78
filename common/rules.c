#include "rules.h"

#include "forms.h"
#include "rules_set.h"

bool host_under(struct sv host, struct sv suffix)
{
	if (!sv_ends_nocase(host, suffix))
		return false;
	return host.n == suffix.n || host.p[host.n - suffix.n - 1] == '.';
}

/* ---- the words of the text at hand ---- */

/* RFC 5321 has 64 + 1 + 255; what is longer is no address. */
#define ADDRESS_IN_BRACKETS_MAX 1024
/* A trace id has so many characters, so many digits and so many letters: no word has. */
#define TRACE_ID_MIN 12
#define TRACE_ID_EACH_MIN 4

/* An address in <>, how long it is, from its <; 0: it is none. Blanks and > stand in it
 * only between quotes, <"a b"@example.com>. */
static size_t address_at(struct sv words)
{
	bool quoted = false, at = false;

	for (size_t i = 1; i < words.n && i < ADDRESS_IN_BRACKETS_MAX; i++) {
		char c = words.p[i];
		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '@')
			at = true;
		else if (c == '>')
			return at ? i + 1 : 0;
		else if (c == ' ' || c == '<')
			return 0;
	}
	return 0;
}

/* A server's number for this message or this answer, "d2e1a72fcca58-7aa86f0e36ci115486b3a.42": letters
 * and digits mixed, with further numbers behind dots. How long it is; 0: it is none. looked_r: behind
 * what was looked at, none begins before that. */
static size_t trace_id_at(struct sv words, const char **looked_r)
{
	size_t n = 0, digits = 0, letters = 0;

	for (; n < words.n && (sv_is_alnum(words.p[n]) || words.p[n] == '-'); n++) {
		*looked_r = words.p + n + 1;
		if (words.p[n] == '-' && digits == 3 && n == 3)
			return 0; /* a reply's code */
		digits += sv_is_digit(words.p[n]);
		letters += words.p[n] != '-' && !sv_is_digit(words.p[n]);
	}
	if (n < TRACE_ID_MIN || digits < TRACE_ID_EACH_MIN || letters < TRACE_ID_EACH_MIN)
		return 0;
	while (n + 1 < words.n && words.p[n] == '.' && sv_is_digit(words.p[n + 1]))
		for (n++; n < words.n && sv_is_digit(words.p[n]); n++)
			;
	return n;
}

/* How long what is hidden from the rules is, from the front; 0: nothing is. */
static size_t hidden_at(struct sv words, const char **looked, struct sv *instead_r)
{
	static const struct sv address = { "<-@->", 5 }, trace_id = { "-#-", 3 };

	*instead_r = words.p[0] == '<' ? address : trace_id;
	if (words.p[0] == '<')
		return address_at(words);
	return words.p >= *looked && sv_is_alnum(words.p[0]) ? trace_id_at(words, looked) : 0;
}

/* The words, but for the addresses in <>: those are chosen by strangers, and <user-unknown@example.com>
 * must not say what it seems to say; and but for the numbers of messages, so that what is said again is
 * known again. */
static void take_text(struct ruleset *set, struct sv words)
{
	size_t n = 0;
	const char *looked = words.p;
	struct sv instead;

	set->n_hidden = 0;
	while (words.n && n < sizeof set->text) {
		size_t length = hidden_at(words, &looked, &instead);
		if (!length) {
			set->text[n++] = words.p[0];
			words = sv_skip(words, 1);
			continue;
		}
		if (instead.n > sizeof set->text - n)
			break;
		memcpy(set->text + n, instead.p, instead.n);
		n += instead.n;
		words = sv_skip(words, length);
		if (set->n_hidden < HIDDEN_MAX)
			set->hidden[set->n_hidden++] = (struct hidden){ n, (ptrdiff_t)length - (ptrdiff_t)instead.n };
	}
	set->text_n = n;
}

/* Where in the words as they were said a place of the text is. */
static size_t place_said(const struct ruleset *set, size_t at, size_t n)
{
	ptrdiff_t place = (ptrdiff_t)at;

	for (size_t i = 0; i < set->n_hidden && set->hidden[i].end <= at; i++)
		place += set->hidden[i].longer;
	return place < 0 ? 0 : (size_t)place < n ? (size_t)place : n;
}

/* Which words, and rules, are worth trying. */
static void find_candidates(struct ruleset *set)
{
	prefilter_scan(set->prefilter, sv_make(set->text, set->text_n), set->possible);
	memcpy(set->candidates, set->always, (set->n / 64 + 1) * sizeof(uint64_t));
	for (size_t i = 0; i < set->n_words / 64 + 1; i++) {
		for (uint64_t rest = set->possible[i] & ~set->always_possible[i]; rest; rest &= rest - 1) {
			const struct word_list *list = set->words[i * 64 + (size_t)__builtin_ctzll(rest)].list;
			for (size_t j = 0; j < list->n_users; j++)
				set_bit(set->candidates, list->users[j]);
		}
	}
}

static void begin_text(struct ruleset *set)
{
	set->gave_up = set->provider_known = false;
	set->text_number++;
	if (!set->candidates)
		ruleset_index(set);
	if (set->text_number == (set->late ? RULES_MANY_TEXTS : 1)) /* who compiles all at once has many texts */
		ruleset_index_many(set);
	if (!set->plain)
		find_candidates(set);
}

/* ---- conditions ---- */

static bool any_code(const struct test *t, int code)
{
	char digits[3] = { (char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10) };

	for (size_t i = 0; i < t->n && code; i++) {
		const char *glob = t->codes[i].digits;
		if ((glob[0] == 'x' || glob[0] == digits[0]) && (glob[1] == 'x' || glob[1] == digits[1]) &&
		    (glob[2] == 'x' || glob[2] == digits[2]))
			return true;
	}
	return false;
}

static bool any_enhanced(const struct test *t, struct enhanced e)
{
	for (size_t i = 0; i < t->n && e.class_; i++) {
		const struct enhanced *glob = &t->enhanced[i];
		if ((glob->class_ == ANY_NUMBER || glob->class_ == e.class_) &&
		    (glob->subject == ANY_NUMBER || glob->subject == e.subject) &&
		    (glob->detail == ANY_NUMBER || glob->detail == e.detail))
			return true;
	}
	return false;
}

static bool any_relay(const struct test *t, struct sv relay)
{
	for (size_t i = 0; i < t->n; i++)
		if (host_under(relay, t->names[i]))
			return true;
	return false;
}

static bool any_provider(struct ruleset *set, const struct test *t, struct sv relay)
{
	if (!set->provider_known)
		set->provider = ruleset_provider(set, relay);
	set->provider_known = true;
	for (size_t i = 0; i < t->n && set->provider.n; i++)
		if (sv_eq(set->provider, t->names[i]))
			return true;
	return false;
}

/* The first word of the list that is found; MATCH_LIMIT_HIT when one before it gave up. */
static enum match_result try_words_of(struct ruleset *set, const struct word_list *list, struct sv *hit_r)
{
	enum match_result result = MATCH_NO;

	for (size_t i = list->first; i < list->first + list->n && result == MATCH_NO; i++) {
		if (!set->plain && !list->asked) {
			if (!prefilter_is_possible(set->prefilter, i))
				continue;
		} else if (!set->plain) {
			/* on to the next that is possible */
			uint64_t rest = set->possible[i / 64] >> (i % 64);
			if (!rest) {
				i |= 63;
				continue;
			}
			i += (size_t)__builtin_ctzll(rest);
			if (i >= list->first + list->n)
				break;
		}
		struct pattern *pattern = ruleset_pattern(set, i);
		result = pattern ? pattern_match(pattern, sv_make(set->text, set->text_n), hit_r) : MATCH_NO;
	}
	return result;
}

static enum match_result any_word_of(struct ruleset *set, struct word_list *list, struct sv *hit_r)
{
	if (list->text_number != set->text_number) {
		list->hit = sv_make(NULL, 0);
		list->result = try_words_of(set, list, &list->hit);
		list->text_number = set->text_number;
	}
	*hit_r = list->hit;
	return list->result;
}

static enum match_result any_word(struct ruleset *set, const struct test *t, struct sv *hit_r)
{
	enum match_result result = MATCH_NO;

	for (size_t i = 0; i < t->n && result == MATCH_NO; i++)
		result = any_word_of(set, t->lists[i], hit_r);
	return result;
}

static void report_limit(struct ruleset *set, const struct rule *rule)
{
	set->limit_hits++;
	set->gave_up = true;
	if (log_limited(&set->limit_log, "rule hit its match limit"))
		log_warning("rule %s (%s:%u) gave up on a text after %d steps; taken as no match",
			rule->id, rule->file, rule->line, MATCH_LIMIT);
}

static bool text_holds(struct ruleset *set, const struct compiled *c, const struct test *t, struct sv *hit_r)
{
	struct sv hit = sv_make(NULL, 0);
	enum match_result result = any_word(set, t, &hit);

	if (result == MATCH_LIMIT_HIT) { /* neither found nor known to be missing: the rule does not hold */
		report_limit(set, &c->rule);
		return false;
	}
	if (result == MATCH_YES)
		*hit_r = hit;
	return (result == MATCH_YES) != t->negated;
}

static bool test_holds(struct ruleset *set, const struct compiled *c, const struct test *t,
	const struct failure_text *f, struct sv *hit_r)
{
	switch (t->what) {
	case CONDITION_CODE:
		return any_code(t, f->reply->code) != t->negated;
	case CONDITION_ENHANCED:
		return any_enhanced(t, f->reply->enhanced) != t->negated;
	case CONDITION_PHASE:
		return ((t->mask >> f->reply->phase & 1) != 0) != t->negated;
	case CONDITION_SAID_BY:
		return ((t->mask & (f->reply->remote ? SAID_BY_SERVER : SAID_BY_MTA)) != 0) != t->negated;
	case CONDITION_MTA:
		return f->mta == MTA_UNKNOWN || ((t->mask >> f->mta & 1) != 0) != t->negated;
	case CONDITION_RELAY:
		return any_relay(t, f->relay) != t->negated;
	case CONDITION_PROVIDER:
		return any_provider(set, t, f->relay) != t->negated;
	case CONDITION_TEXT:
		return text_holds(set, c, t, hit_r);
	case CONDITION_COUNT:
		break;
	}
	return false;
}

/* The server has not heard of the recipient yet: whatever it says is not about the address. */
static bool before_recipient(enum phase phase)
{
	return phase == PHASE_CONNECT || phase == PHASE_HELO || phase == PHASE_MAIL;
}

static bool holds(struct ruleset *set, const struct compiled *c, const struct failure_text *f, struct sv *hit_r)
{
	struct sv negated;

	*hit_r = sv_make(NULL, 0);
	if (c->rule.disabled || (c->rule.class_ == CLASS_HARD && before_recipient(f->reply->phase)))
		return false;
	for (size_t i = 0; i < c->rule.n_conditions; i++)
		if (!test_holds(set, c, &c->tests[i], f, c->tests[i].negated ? &negated : hit_r))
			return false;
	return true;
}

/* ---- verdicts ---- */

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

/* The same words as they were said. */
static struct sv as_said(const struct ruleset *set, struct sv hit, const struct failure_text *f)
{
	struct sv words = f->reply->words;

	if (!hit.n)
		return sv_make(NULL, 0);
	size_t start = (size_t)(hit.p - set->text), from = place_said(set, start, words.n), to = place_said(set, start + hit.n, words.n);
	return sv_make(words.p + from, to > from ? to - from : 0);
}

static const struct blocklist *blocklist_named(struct ruleset *set, const struct rule *rule)
{
	struct sv hit;

	for (size_t i = 0; i < set->n_blocklists; i++) {
		enum match_result result = any_word_of(set, set->blocklists[i].words, &hit);
		if (result == MATCH_YES)
			return &set->blocklists[i].blocklist;
		if (result == MATCH_LIMIT_HIT)
			report_limit(set, rule);
	}
	return NULL;
}

static size_t judge(struct ruleset *set, const struct failure_text *failure, struct verdict *verdicts_r, size_t max)
{
	size_t n = 0;

	set->matched = sv_make(NULL, 0);
	begin_text(set);
	for (size_t i = next_candidate(set, 0); i < set->n && n < max; i = next_candidate(set, i + 1)) {
		const struct compiled *c = set->rules[i];
		struct sv hit;
		if (!holds(set, c, failure, &hit))
			continue;
		struct verdict *v = &verdicts_r[n++];
		set->matched = hit;
		*v = (struct verdict){ .category = c->rule.category, .class_ = c->rule.class_, .rule = &c->rule,
			.matched = as_said(set, hit, failure) };
		/* what came before might have meant something soft */
		if (set->gave_up && v->class_ == CLASS_HARD)
			v->class_ = CLASS_SOFT;
		if (category_fault(v->category) == FAULT_SENDER)
			v->blocklist = blocklist_named(set, &c->rule);
	}
	return n;
}

size_t ruleset_classify_all(struct ruleset *set, const struct failure_text *failure, struct verdict *verdicts_r, size_t max)
{
	take_text(set, failure->reply->words);
	return judge(set, failure, verdicts_r, max);
}

/* ---- what was judged before ---- */

struct remembered {
	struct verdict verdict;
	size_t from, n; /* of the words that matched, in the text */
};

_Static_assert(sizeof(struct remembered) <= MEMO_VALUE_MAX, "a verdict has room in the memo");

/* All that a rule can look at: of the relay no more than the suffix that rules know. Too long: empty, and not kept. */
static struct sv key_of(const struct ruleset *set, const struct failure_text *f, char room[MEMO_KEY_MAX])
{
	const struct reply *r = f->reply;
	struct sv relay = ruleset_relay(set, f->relay)->suffix;
	const struct { int code; struct enhanced e; enum phase phase; enum mta mta; uint32_t remote, relay_n; } fixed =
		{ r->code, r->enhanced, r->phase, f->mta, r->remote, (uint32_t)relay.n };

	if (sizeof fixed + relay.n + set->text_n > MEMO_KEY_MAX)
		return sv_make(room, 0);
	memcpy(room, &fixed, sizeof fixed);
	if (relay.n)
		memcpy(room + sizeof fixed, relay.p, relay.n);
	memcpy(room + sizeof fixed + relay.n, set->text, set->text_n);
	return sv_make(room, sizeof fixed + relay.n + set->text_n);
}

void ruleset_classify(struct ruleset *set, const struct failure_text *failure, struct verdict *v)
{
	char room[MEMO_KEY_MAX];

	take_text(set, failure->reply->words);
	struct sv key = set->plain || set->no_memo ? sv_make(room, 0) : key_of(set, failure, room);
	const struct remembered *before = key.n ? memo_get(set->memo, key) : NULL;
	if (before) {
		*v = before->verdict;
		v->matched = as_said(set, sv_make(set->text + before->from, before->n), failure);
		return;
	}
	if (judge(set, failure, v, 1) == 0)
		*v = (struct verdict){ .category = CATEGORY_OTHER, .class_ = category_class(CATEGORY_OTHER) };
	if (!key.n || set->gave_up) /* a pattern that gives up is to be counted each time */
		return;
	struct remembered now = { *v, set->matched.n ? (size_t)(set->matched.p - set->text) : 0, set->matched.n };
	now.verdict.matched = sv_make(NULL, 0);
	memo_put(set->memo, key, &now, sizeof now);
}

bool ruleset_condition_holds(struct ruleset *set, const struct rule *rule, size_t condition,
	const struct failure_text *failure, struct sv *hit_r)
{
	const struct compiled *c = map_get(&set->ids, sv_of(rule->id));
	struct sv hit = sv_make(NULL, 0);

	take_text(set, failure->reply->words);
	begin_text(set);
	bool result = test_holds(set, c, &c->tests[condition], failure, &hit);
	if (hit_r)
		*hit_r = as_said(set, hit, failure);
	return result;
}

void ruleset_classify_text(struct ruleset *set, struct sv text, struct enhanced dsn, struct sv relay,
	struct reply *reply_r, struct verdict *verdict_r)
{
	reply_parse(text, dsn, reply_r);
	struct failure_text f = { reply_r, relay.n ? relay : reply_r->host, MTA_UNKNOWN };
	ruleset_classify(set, &f, verdict_r);
}

/* ---- what is in a set ---- */

/* The longest suffix that a rule or a provider names; what else they name is a suffix of that. */
static const struct relay_suffix *look_up_relay(const struct ruleset *set, struct sv host)
{
	static const struct relay_suffix unknown = { { "", 0 }, { "", 0 } };
	char lower[256];

	if (host.n > sizeof lower)
		return &unknown;
	for (size_t i = 0; i < host.n; i++)
		lower[i] = sv_lower(host.p[i]);
	for (struct sv rest = sv_make(lower, host.n); rest.n; (void)sv_cut(&rest, '.')) {
		const struct relay_suffix *suffix = map_get(&set->relays, rest);
		if (suffix)
			return suffix;
	}
	return &unknown;
}

const struct relay_suffix *ruleset_relay(const struct ruleset *set, struct sv host)
{
	if (host.n == 0 || host.n > sizeof set->recent_relays->host)
		return look_up_relay(set, host);
	uint64_t hash = map_hash(host);
	struct recent_relay *recent = &set->recent_relays[hash % RECENT_RELAYS];
	if (!sv_eq(sv_make(recent->host, recent->n), host)) {
		recent->suffix = look_up_relay(set, host);
		recent->n = host.n;
		memcpy(recent->host, host.p, host.n);
	}
	return recent->suffix;
}

struct sv ruleset_provider(const struct ruleset *set, struct sv host)
{
	return ruleset_relay(set, host)->provider;
}

struct sv ruleset_next_provider(const struct ruleset *set, size_t *i)
{
	const struct map_slot *slot = map_next(&set->providers, i);
	const struct provider_suffix *p = slot ? slot->value : NULL;

	return p ? p->provider : sv_make("", 0);
}

void ruleset_set_plain(struct ruleset *set, bool plain)
{
	set->plain = plain;
}

void ruleset_set_memo(struct ruleset *set, bool memo)
{
	set->no_memo = !memo;
}

size_t ruleset_count(const struct ruleset *set)
{
	return set->n;
}

const struct rule *ruleset_rule(const struct ruleset *set, size_t i)
{
	return &set->rules[i]->rule;
}

struct forms *ruleset_forms(struct ruleset *set)
{
	return set->forms;
}

const struct rule *ruleset_find(const struct ruleset *set, struct sv id)
{
	const struct compiled *c = map_get(&set->ids, id);

	return c ? &c->rule : NULL;
}

size_t ruleset_list_count(const struct ruleset *set)
{
	return set->n_lists;
}

const struct rule_list *ruleset_list(const struct ruleset *set, size_t i)
{
	return &set->lists[i]->told;
}

const struct rule_list *ruleset_words(const struct ruleset *set, struct sv name)
{
	const struct named_list *list = map_get(&set->words_by_name, name);

	return list ? &list->told : NULL;
}

const char *ruleset_broken(const struct ruleset *set)
{
	return set->broken.text[0] ? set->broken.text : forms_broken(set->forms);
}

uint64_t ruleset_limit_hits(const struct ruleset *set)
{
	return set->limit_hits;
}

const char *condition_name(const struct rule_condition *condition)
{
	static const char *const names[] = { "not-code", "not-enhanced", "not-phase", "not-said-by", "not-mta",
		"not-relay", "not-provider", "not-text" };

	return names[condition->what] + (condition->negated ? 0 : 4);
}
