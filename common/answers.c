#include "answers.h"

#include <stdio.h>

#include "address.h"
#include "decide.h"

/* What stands behind the word: nothing, the mark and an explanation, or what the action works with. */
enum behind { NO_TEXT, EXPLANATION, OPERAND };

static const struct {
	const char *word, *name;
	enum behind behind;
	const char *example; /* of an operand */
} actions[] = {
	[ACTION_DUNNO] = { "DUNNO", "dunno", NO_TEXT, NULL },
	[ACTION_REJECT] = { "REJECT", "reject", EXPLANATION, NULL },
	[ACTION_DEFER] = { "DEFER", "defer", EXPLANATION, NULL },
	[ACTION_DEFER_IF_PERMIT] = { "DEFER_IF_PERMIT", "defer-if-permit", EXPLANATION, NULL },
	[ACTION_DEFER_IF_REJECT] = { "DEFER_IF_REJECT", "defer-if-reject", EXPLANATION, NULL },
	[ACTION_HOLD] = { "HOLD", "hold", EXPLANATION, NULL },
	[ACTION_DISCARD] = { "DISCARD", "discard", EXPLANATION, NULL },
	[ACTION_REDIRECT] = { "REDIRECT", "redirect", OPERAND, "postmaster@example.com" },
	[ACTION_FILTER] = { "FILTER", "filter", OPERAND, "smtp:[127.0.0.1]:10025" },
	[ACTION_BCC] = { "BCC", "bcc", OPERAND, "postmaster@example.com" },
	[ACTION_PREPEND] = { "PREPEND", "prepend", OPERAND, "X-Nixie: ${category}" },
	[ACTION_WARN] = { "WARN", "warn", EXPLANATION, NULL },
	[ACTION_INFO] = { "INFO", "info", EXPLANATION, NULL },
	[ACTION_PAROLE] = { "DUNNO", "parole", NO_TEXT, NULL },
};

#define WORDS "DUNNO, REJECT, DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT, a code such as 550 or 450, HOLD, DISCARD, REDIRECT, FILTER, BCC, PREPEND, WARN, INFO"

static const struct {
	struct sv name;
	size_t max;
} facts_table[FACT_COUNT] = {
	[FACT_CATEGORY] = { { "category", 8 }, sizeof "blocked.reputation" - 1 },
	[FACT_STATUS] = { { "status", 6 }, sizeof "complaint" - 1 },
	[FACT_SINCE] = { { "since", 5 }, sizeof "2026-11-21" - 1 },
	[FACT_UNTIL] = { { "until", 5 }, sizeof ", awaiting the fate of another message" - 1 },
	[FACT_TOKEN] = { { "token", 5 }, SCHEMA_TOKEN_MAX - 1 },
	[FACT_SCOPE] = { { "scope", 5 }, sizeof " (the whole domain)" - 1 },
};

const char *action_word(enum action action)
{
	return actions[action].word;
}

const char *action_name(enum action action)
{
	return actions[action].name;
}

bool action_takes_operand(enum action action)
{
	return actions[action].behind == OPERAND;
}

size_t answers_fact_max(enum answer_fact fact)
{
	return facts_table[fact].max;
}

_Static_assert(CATEGORY_COUNT <= 32, "categories are a set of 32 bits");

/* ---- texts ---- */

/* Takes the next piece off the text: plain bytes, or a placeholder, whose name is returned in
 * *piece_r, "" where it does not end. */
static bool next_is_placeholder(struct sv *text, struct sv *piece_r)
{
	if (sv_take(text, SV("${"))) {
		bool ends = sv_find(*text, '}') < text->n;
		*piece_r = sv_cut(text, '}');
		piece_r->n = ends ? piece_r->n : 0;
		return true;
	}
	size_t n = sv_find_sv(*text, SV("${"));
	*piece_r = sv_head(*text, n);
	*text = sv_skip(*text, n);
	return false;
}

static bool fact_by_name(struct sv name, enum answer_fact *fact_r)
{
	for (int i = 0; i < FACT_COUNT; i++) {
		if (sv_eq(name, facts_table[i].name)) {
			*fact_r = (enum answer_fact)i;
			return true;
		}
	}
	return false;
}

void answers_expand(const char *text, const struct sv facts[FACT_COUNT], struct buf *to)
{
	struct sv rest = sv_of(text), piece;
	enum answer_fact fact;

	while (rest.n) {
		bool placeholder = next_is_placeholder(&rest, &piece);
		if (!placeholder)
			buf_add(to, piece);
		else if (fact_by_name(piece, &fact))
			buf_add(to, facts[fact]);
	}
}

static bool check_placeholders(const struct node *node, const char *text, struct err *err)
{
	struct sv rest = sv_of(text), piece;
	enum answer_fact fact;
	size_t longest = 0;

	while (rest.n) {
		bool placeholder = next_is_placeholder(&rest, &piece);
		if (placeholder && !fact_by_name(piece, &fact))
			return node_err(node, err, "text: there is no ${%.*s}; write ${category}, ${status}, ${since}, ${until}, ${token} or ${scope}",
				SV_ARG(sv_head(piece, 40)));
		longest += placeholder ? facts_table[fact].max : piece.n;
	}
	if (longest > ANSWERS_TEXT_MAX)
		return node_err(node, err, "text: it can take %zu bytes, with all that it tells; a reply has room for %d, shorten it", longest, ANSWERS_TEXT_MAX);
	return true;
}

static bool check_printable(const struct node *node, const char *text, struct err *err)
{
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			return node_err(node, err, "text: the byte 0x%02x in it is no printable ASCII; a reply is one line of that, write others in other words",
				(unsigned)(unsigned char)*p);
	return true;
}

/* ---- what an action works with ---- */

static bool is_header(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 0x7f && text[n] != ':' && text[n] != '$')
		n++;
	return n > 0 && text[n] == ':' && sv_trim(sv_of(text + n + 1)).n > 0;
}

static bool is_address(const char *text)
{
	static const struct address_options plain = { .keep_case = true };
	struct address address;

	return !strpbrk(text, " \t<>,;$") && address_parse(sv_of(text), ADDRESS_EXTERNAL, &plain, &address) == ADDRESS_OK;
}

/* "transport:destination"; without a destination each recipient's domain is meant */
static bool is_filter(const char *text)
{
	size_t n = 0;

	while (sv_is_alnum(text[n]) || (text[n] && strchr("_-.", text[n])))
		n++;
	return n > 0 && text[n] == ':' && !strpbrk(text, " \t$");
}

static bool check_operand(const struct node *item, const struct answer *a, struct err *err)
{
	bool ok = a->action == ACTION_PREPEND ? is_header(a->text) : a->action == ACTION_FILTER ? is_filter(a->text) : is_address(a->text);
	const struct node *node = node_get(item, a->text[0] ? "text" : "action");

	if (ok)
		return true;
	return node_err(node, err, "%s needs %s in text, as in: action = \"%s\"; text = \"%s\";", action_word(a->action),
		a->action == ACTION_PREPEND ? "a header" : a->action == ACTION_FILTER ? "transport:destination" : "an address",
		action_word(a->action), actions[a->action].example);
}

/* ---- members ---- */

/* Calls `one` with the string, or with each of the list. */
static bool each_string(const struct node *node, struct answers *to, bool (*one)(const struct node *, const char *, struct answers *, struct err *),
	const char *name, const char *example, struct err *err)
{
	bool list = node_type(node) == NODE_LIST;
	size_t n = list ? node_count(node) : 1;

	if (n == 0)
		return node_err(node, err, "%s: an empty list; leave it out where any will do", name);
	for (size_t i = 0; i < n; i++) {
		const struct node *item = list ? node_at(node, i) : node;
		if (node_type(item) != NODE_STRING)
			return node_err(item, err, "%s: write a string, or a list of them, such as %s", name, example);
		if (!one(item, node_string(item), to, err))
			return false;
	}
	return true;
}

/* The group that is being read is the one behind the last. */
static struct answer *new_answer(struct answers *answers)
{
	return &answers->v[answers->n];
}

static bool add_status(const struct node *node, const char *text, struct answers *to, struct err *err)
{
	enum status status;

	if (!status_by_name(sv_of(text), &status) || status == STATUS_NONE || status == STATUS_ALLOW)
		return node_err(node, err, "status: \"%.40s\" is none that is asked here; write soft, held, hard, complaint or manual", text);
	new_answer(to)->statuses |= UINT32_C(1) << status;
	return true;
}

static bool add_category(const struct node *node, const char *text, struct answers *to, struct err *err)
{
	enum category category;

	if (!category_by_name(sv_of(text), &category))
		return node_err(node, err, "category: there is no \"%.40s\"; write one such as \"mailbox.full\", nixie-rules(5) lists them", text);
	new_answer(to)->categories |= UINT32_C(1) << category;
	return true;
}

static bool add_from(const struct node *node, const char *text, struct answers *to, struct err *err)
{
	if (to->n_from == ANSWERS_FROM_MAX)
		return node_err(node, err, "from: more than %d of them in all groups; a policy context can stand for many senders", ANSWERS_FROM_MAX);
	if (!scope_parse(sv_of(text), &to->from[to->n_from]))
		return node_err(node, err, "from: \"%.60s\" is no scope; write sender:shop.example (a domain), login:NAME or context:NAME", text);
	to->n_from++;
	new_answer(to)->n_from++;
	return true;
}

/* A code that Postfix takes for a refusal, and that does not end the connection. */
static bool set_code(const struct node *node, struct sv text, struct answer *a, struct err *err)
{
	uint64_t code;

	if (!sv_u64(text, 999, &code) || text.n != 3 || code < 400 || code > 599)
		return node_err(node, err, "action: %.*s would accept the mail, whatever the restrictions behind it say; write \"DUNNO\", or a code such as 450 or 550",
			SV_ARG(sv_head(text, 20)));
	if (code == 421 || code == 521)
		return node_err(node, err, "action: %.3s ends the connection, for all other recipients too; write %s", text.p, code == 421 ? "450" : "550");
	a->code = (int)code;
	a->action = code < 500 ? ACTION_DEFER : ACTION_REJECT;
	return true;
}

static bool set_word(const struct node *node, struct sv text, struct answer *a, struct err *err)
{
	static const struct sv permits[] = { { "OK", 2 }, { "RELAY", 5 }, { "PERMIT", 6 } };

	for (size_t i = 0; i < sizeof permits / sizeof *permits; i++)
		if (sv_eq_nocase(text, permits[i]))
			return node_err(node, err, "action: %s would accept the mail, whatever the restrictions behind it say; write \"DUNNO\"", permits[i].p);
	for (int i = ACTION_DUNNO; i < ACTION_PAROLE; i++) {
		if (sv_eq_nocase(text, sv_of(actions[i].word))) {
			a->action = (enum action)i;
			return true;
		}
	}
	return node_err(node, err, "action: \"%.*s\" is none of them; write one of " WORDS, SV_ARG(sv_head(text, 40)));
}

static bool set_action(const struct node *node, struct answer *a, struct err *err)
{
	char digits[24];
	struct sv text = sv_of(digits);
	size_t n = 0;

	if (node_type(node) == NODE_NUMBER)
		(void)snprintf(digits, sizeof digits, "%lld", (long long)node_number(node));
	else if (node_type(node) == NODE_STRING)
		text = sv_of(node_string(node));
	else
		return node_err(node, err, "action: write one of " WORDS);
	text.n = strlen(text.p);
	while (n < text.n && sv_is_digit(text.p[n]))
		n++;
	a->has_action = true;
	return text.n && n == text.n ? set_code(node, text, a, err) : set_word(node, text, a, err);
}

static bool set_text(const struct node *node, struct answer *a, struct err *err)
{
	const char *text = node_type(node) == NODE_STRING ? node_string(node) : "";

	if (!sv_trim(sv_of(text)).n)
		return node_err(node, err, "text: write some words, or leave it out for the usual ones");
	if (!check_printable(node, text, err) || !check_placeholders(node, text, err))
		return false;
	memcpy(a->text, text, strlen(text) + 1); /* a placeholder is no longer than what it stands for */
	return true;
}

static bool answer_member(const struct node *node, struct answers *to, struct err *err)
{
	const char *name = node_name(node);
	struct answer *a = new_answer(to);

	if (strcmp(name, "status") == 0)
		return each_string(node, to, add_status, name, "[ \"hard\", \"held\" ]", err);
	if (strcmp(name, "category") == 0)
		return each_string(node, to, add_category, name, "\"mailbox.full\"", err);
	if (strcmp(name, "from") == 0)
		return each_string(node, to, add_from, name, "\"sender:shop.example\"", err);
	if (strcmp(name, "action") == 0)
		return set_action(node, a, err);
	if (strcmp(name, "text") == 0)
		return set_text(node, a, err);
	if (strcmp(name, "shadow") != 0)
		return node_err(node, err, "an answer has no \"%s\"; it has the conditions status, category, from, and action, text, shadow", name);
	if (node_type(node) != NODE_BOOL)
		return node_err(node, err, "shadow: write true or false, without quotes");
	a->shadow = node_bool(node) ? SHADOW_ON : SHADOW_OFF;
	return true;
}

/* ---- groups ---- */

static bool is_unconditional(const struct answer *a)
{
	return !a->statuses && !a->categories && !a->n_from;
}

/* What one member alone cannot tell. */
static bool check_answer(const struct node *item, const struct answer *a, struct err *err)
{
	bool soft = a->statuses & UINT32_C(1) << STATUS_SOFT;

	if (a->has_action && action_takes_operand(a->action) && !check_operand(item, a, err))
		return false;
	if (a->text[0] && a->has_action && a->action == ACTION_DUNNO)
		return node_err(node_get(item, "text"), err, "DUNNO has no text; leave it out, or write action = \"WARN\" to have it logged");
	if (a->text[0] && !a->has_action && soft)
		return node_err(node_get(item, "text"), err, "a soft entry is answered DUNNO, which has no text; write an action, too");
	if (a->categories && a->statuses == UINT32_C(1) << STATUS_MANUAL)
		return node_err(node_get(item, "category"), err, "a person's do-not-mail has no category: this never matches; leave it out");
	return true;
}

static bool parse_answer(const struct node *item, struct answers *to, struct err *err)
{
	struct answer *a = new_answer(to);

	*a = (struct answer){ .line = node_line(item), .from = (unsigned)to->n_from };
	for (size_t i = 0; i < node_count(item); i++)
		if (!answer_member(node_at(item, i), to, err))
			return false;
	if (!check_answer(item, a, err))
		return false;
	to->n++;
	return true;
}

bool answers_parse(const struct node *node, struct answers *to, struct err *err)
{
	to->n = to->n_from = 0;
	if (!node_check_groups(node, "policyd.answers", "{ status = ...; action = ...; }", ANSWERS_MAX, err))
		return false;
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		if (i && is_unconditional(&to->v[i - 1]))
			return node_err(item, err, "the answer before it, on line %u, has no condition: this one is never reached; put that one last", to->v[i - 1].line);
		if (!parse_answer(item, to, err))
			return false;
	}
	return true;
}

/* ---- match ---- */

static bool is_from(const struct answers *answers, const struct answer *a, const struct sender *sender)
{
	for (unsigned i = 0; i < a->n_from; i++)
		if (scope_is_of(&answers->from[a->from + i], sender))
			return true;
	return a->n_from == 0;
}

/* Does it let mail pass that is refused otherwise? */
static bool spares(const struct answer *a)
{
	return a->shadow == SHADOW_ON ||
		(a->has_action && a->action != ACTION_REJECT && a->action != ACTION_DEFER && a->action != ACTION_DISCARD);
}

const struct answer *answers_find(const struct answers *answers, const struct entry *entry, const struct sender *sender)
{
	static const struct answer nothing = { .has_action = true, .action = ACTION_DUNNO, .text = "" };
	uint32_t status_bit = UINT32_C(1) << entry->status, category_bit = entry_by_hand(entry) ? 0 : UINT32_C(1) << entry->reason;

	for (size_t i = 0; i < answers->n; i++) {
		const struct answer *a = &answers->v[i];
		if ((a->statuses && !(a->statuses & status_bit)) || (a->categories && !(a->categories & category_bit)))
			continue;
		if (is_from(answers, a, sender))
			return a;
		if (sender->unknown && spares(a)) /* it may be one of those */
			return &nothing;
	}
	return NULL;
}

bool answers_all_shadow(const struct answers *answers)
{
	for (size_t i = 0; i < answers->n; i++)
		if (answers->v[i].shadow == SHADOW_OFF)
			return false;
	return answers->shadow;
}
