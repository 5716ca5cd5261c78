/* What the verbs that change tell: each address, what speaks against it, how many, and how to take it back. */
#include <stdlib.h>

#include "ask.h"
#include "buf.h"
#include "change.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "look.h"

/* Those that are left out are named up to so many. */
#define LEFT_OUT_SHOWN_MAX 20
#define DOMAINS_SHOWN_MAX 5

/* ---- counting ---- */

static void count_domain(struct change_counts *c, struct sv key)
{
	struct sv domain = sv_after_last(key, '@');
	uint64_t *n = map_get(&c->domains, domain);

	if (!n && c->domains.n >= CHANGE_DOMAINS_MAX) {
		c->other_domains++;
		return;
	}
	if (!n) {
		n = arena_alloc(&c->arena, sizeof *n);
		map_put(&c->domains, arena_dup(&c->arena, domain), n);
	}
	++*n;
}

void change_count(struct change *change, const struct batch_item *item)
{
	struct change_counts *c = &change->counts;

	c->n[item->outcome]++;
	if (item->outcome != CHANGE_DONE)
		return;
	c->from[item->from]++;
	if (!change->scoped && item->from != STATUS_NONE && !entry_by_hand(&item->before))
		c->reasons[item->before.reason]++;
	c->whole_domains += item->key.n && *item->key.p == '@';
	if (change->pass == PASS_COUNT)
		count_domain(c, item->key);
}

uint64_t change_left_out(const struct change_counts *c)
{
	return c->n[CHANGE_ALLOWED] + c->n[CHANGE_PROTECTED] + c->n[CHANGE_SCOPED] + c->n[CHANGE_FULL] + c->n[CHANGE_LONGER];
}

/* ---- what speaks against a reset ---- */

static const char *advice(const struct batch_item *item)
{
	switch (item->from) {
	case STATUS_HARD:
		return "mail to dead addresses harms your reputation: free it only if you know that it takes mail again";
	case STATUS_HELD:
		return item->before.until_s ? "its term would have ended by itself" : "";
	case STATUS_SOFT:
		return "it was not suppressed, its mail flows; only its failures are forgotten";
	case STATUS_COMPLAINT:
		return "who gets mail again after a complaint complains again, and that harms your reputation";
	case STATUS_MANUAL:
		return "somebody decided that it gets no mail";
	case STATUS_NONE:
	case STATUS_ALLOW:
		break;
	}
	return "";
}

static void print_reply(const struct entry *e)
{
	char enhanced[ENHANCED_TEXT_MAX], last[11];

	enhanced_format(e->enhanced, enhanced);
	(void)printf("  %-9s ", entry_by_hand(e) && !e->code ? "reason" : "last");
	clock_format_date(e->last_s, last);
	(void)printf("%s%s", e->last_s ? last : "", e->last_s ? "  " : "");
	if (e->code)
		(void)printf("%d%s%s  ", e->code, *enhanced ? " " : "", enhanced);
	term_clean(stdout, e->text);
	if (e->remote.n) {
		(void)fputs("  (", stdout);
		term_clean(stdout, e->remote);
		(void)putchar(')');
	}
	(void)putchar('\n');
}

/* One or some lines before the line of the change. */
static void print_evidence(const struct batch_item *item)
{
	const struct entry *e = &item->before;
	char since[11], first[11], until[11];

	clock_format_date(e->since_s, since);
	term_clean(stdout, item->key);
	(void)printf(" is %s since %s", status_name(item->from), since);
	clock_format_date(e->until_s, until);
	if (e->until_s)
		(void)printf(" until %s", until);
	if (entry_by_hand(e))
		(void)fputs(", by hand", stdout);
	else
		(void)printf(", %s (%s)", category_name(e->reason), category_meaning(e->reason));
	if (e->by.n) {
		(void)fputs(", set by ", stdout);
		term_clean(stdout, e->by);
	}
	(void)putchar('\n');
	if (e->text.n)
		print_reply(e);
	clock_format_date(e->first_s, first);
	if (e->count)
		(void)printf("  failures  %lld%s%s\n", (long long)e->count, e->first_s ? " since " : "", e->first_s ? first : "");
	if (*advice(item))
		(void)printf("  but       %s\n", advice(item));
}

/* ---- one address ---- */

static const char *result_name(const struct change *change, const struct batch_item *item)
{
	static const char *const names[] = { "changed", "already", "passed-over", "unknown", "allowed", "protected", "protected", "full", "longer" };

	return item->outcome == CHANGE_DONE && change->pass == PASS_DRY_RUN ? "would-change" : names[item->outcome];
}

static void tell_json(const struct change *change, const struct batch_item *item)
{
	struct json json = JSON_ON(stdout);
	bool done = item->outcome == CHANGE_DONE;

	json_object(&json, NULL);
	json_text(&json, "address", item->key);
	if (change->scoped)
		json_text(&json, "scope", sv_of(change->scope_text));
	json_text(&json, "from", sv_of(status_name(item->from)));
	json_text(&json, "to", sv_of(status_name(done ? change->to : item->from)));
	json_text(&json, "result", sv_of(result_name(change, item)));
	if (done && change->pass == PASS_WRITE)
		json_text(&json, "batch", sv_of(change->id));
	if (!entry_is_empty(&item->before))
		look_before_json(&json, item->key, &item->before);
	json_end_object(&json);
	json_end_line(&json);
}

/* ", by alice (asked by phone)" */
static void add_who(struct buf *b, const struct entry *e)
{
	if (e->by.n) {
		buf_add(b, SV(", by "));
		buf_add(b, e->by);
	}
	if (e->text.n) {
		buf_add(b, SV(" ("));
		buf_add(b, sv_head(e->text, 100));
		buf_add(b, SV(")"));
	}
}

static const char *protection(const struct change *change, enum status is)
{
	if (is == STATUS_ALLOW)
		return "allowed, never to be suppressed,";
	if (is == STATUS_COMPLAINT)
		return "protected: they complained about our mail (complaint)";
	return change->to == STATUS_ALLOW ? "protected: do-not-mail, somebody asked not to get mail," : "protected: do-not-mail";
}

/* Of one or some; among many there are always some that a person decided about, and nobody means those. */
static const char *force_advice(const struct change *change)
{
	return change->targets.n > ASK_UNASKED_MAX ? "" : "; --force does it all the same";
}

/* Why, who and since when. */
static void tell_protected(const struct change *change, const struct batch_item *item)
{
	char room[512], since[11];
	struct buf b = BUF_ON(room);
	struct scope s;

	clock_format_date(item->before.since_s, since);
	if (change->scoped) {
		(void)scopes_find(item->before.scopes, &change->scope, &s);
		clock_format_date(s.since_s, since);
	} else {
		add_who(&b, &item->before);
	}
	log_error("%.*s is %s%s%s since %s%s%s", SV_ARG(item->key), protection(change, item->from), change->scoped ? " for " : "",
		change->scoped ? change->scope_text : "", since, buf_cstr(&b), force_advice(change));
}

/* What is set for some senders only is not taken away with the rest: how it is. */
static void tell_unknown(const struct change *change, const struct batch_item *item)
{
	struct sv scopes = item->before.scopes;
	struct scope s;

	if (change->scoped)
		log_error("%.*s: nothing is set for %s", SV_ARG(item->key), change->scope_text);
	else if (scopes_next(&scopes, &s))
		log_error("%.*s: it is suppressed for some senders only; use --scope %s:%s", SV_ARG(item->key), scope_kind_name(s.kind), s.value);
	else
		log_error("%.*s: nothing is known of it%s", SV_ARG(item->key), change->forget ? "" : " that could be reset (of a history that is left: nixie history, nixie remove)");
}

static void tell_left_out(const struct change *change, const struct batch_item *item)
{
	switch ((enum change_outcome)item->outcome) {
	case CHANGE_UNKNOWN:
		tell_unknown(change, item);
		break;
	case CHANGE_ALLOWED:
		log_error("%.*s is allowed, not suppressed; use nixie remove", SV_ARG(item->key));
		break;
	case CHANGE_PROTECTED:
		tell_protected(change, item);
		break;
	case CHANGE_SCOPED:
		log_error("%.*s is protected for some senders; nixie check shows them%s", SV_ARG(item->key), force_advice(change));
		break;
	case CHANGE_FULL:
		log_error("%.*s: %d scopes are set already; suppress it for all instead", SV_ARG(item->key), SCOPES_MAX);
		break;
	case CHANGE_LONGER:
		log_error("%.*s is %s%s, which is longer; --force gives it this term all the same", SV_ARG(item->key), status_name(item->before.status),
			item->before.until_s ? " until later" : " for ever");
		break;
	case CHANGE_DONE:
	case CHANGE_ALREADY:
	case CHANGE_PASSED:
	case CHANGE_OUTCOMES:
		break;
	}
}

static void print_change(const struct change *change, const struct batch_item *item)
{
	bool dry = change->pass == PASS_DRY_RUN;
	char since[11];

	clock_format_date(item->before.since_s, since);
	if (item->outcome == CHANGE_DONE && change->to == STATUS_NONE && !change->forget && item->from != STATUS_NONE && !change->scoped &&
	    change->targets.n <= ASK_UNASKED_MAX)
		print_evidence(item);
	term_clean(stdout, item->key);
	if (change->scoped) {
		(void)fputs(" (", stdout);
		term_clean(stdout, sv_of(change->scope_text));
		(void)putchar(')');
	}
	if (item->outcome == CHANGE_ALREADY)
		(void)printf(": is %s already, since %s\n", status_name(item->from), since);
	else if (item->from == STATUS_NONE && change->to == STATUS_NONE)
		(void)printf(": %s%s\n", dry ? "would be " : "", change->forget ? "forgotten, with its history" : "its failures are forgotten");
	else
		(void)printf(": %s -> %s\n", status_name(item->from), status_name(change->to));
}

void change_tell(const struct change *change, const struct batch_item *item)
{
	const struct change_counts *c = &change->counts;
	bool fine = item->outcome == CHANGE_DONE || item->outcome == CHANGE_ALREADY;

	if (change->pass == PASS_COUNT || item->outcome == CHANGE_PASSED)
		return;
	if (change->ctl->json)
		tell_json(change, item);
	else if (fine && (change->pass == PASS_DRY_RUN || change->targets.n <= ASK_UNASKED_MAX))
		print_change(change, item);
	if (!fine && change_left_out(c) + c->n[CHANGE_UNKNOWN] <= LEFT_OUT_SHOWN_MAX)
		tell_left_out(change, item);
}

/* ---- many of them ---- */

static int by_count(const void *a, const void *b)
{
	const struct map_slot *x = a, *y = b;
	uint64_t n = *(const uint64_t *)x->value, m = *(const uint64_t *)y->value;
	int order = memcmp(x->key.p, y->key.p, x->key.n < y->key.n ? x->key.n : y->key.n);

	return n > m ? -1 : n < m ? 1 : order ? order : x->key.n < y->key.n ? -1 : 1;
}

static void print_domains(const struct change_counts *c, uint64_t all)
{
	struct map_slot *sorted = xalloc((c->domains.n + 1) * sizeof *sorted), *slot;
	char number[ASK_NUMBER_MAX];
	size_t n = 0;
	uint64_t shown = 0;

	for (size_t i = 0; (slot = map_next(&c->domains, &i));)
		sorted[n++] = *slot;
	qsort(sorted, n, sizeof *sorted, by_count);
	(void)fputs("  domains   ", stderr);
	for (size_t i = 0; i < n && i < DOMAINS_SHOWN_MAX; i++) {
		uint64_t of = *(const uint64_t *)sorted[i].value;
		shown += of;
		(void)fputs(i ? ", " : "", stderr);
		term_clean(stderr, sorted[i].key);
		(void)fprintf(stderr, " %s", ask_number(of, number));
	}
	if (all > shown)
		(void)fprintf(stderr, ", others %s", ask_number(all - shown, number));
	(void)fputc('\n', stderr);
	free(sorted);
}

static void print_statuses(const struct change *change)
{
	char number[ASK_NUMBER_MAX];
	bool any = false;

	(void)fputs("  status    ", stderr);
	for (int i = 0; i <= STATUS_ALLOW; i++) {
		if (!change->counts.from[i])
			continue;
		(void)fprintf(stderr, "%s%s -> %s %s", any ? ", " : "", status_name((enum status)i), status_name(change->to),
			ask_number(change->counts.from[i], number));
		any = true;
	}
	(void)fputc('\n', stderr);
}

/* Of a reset: what they failed for. */
static void print_against(const struct change_counts *c)
{
	char number[ASK_NUMBER_MAX];
	bool any = false;

	for (int i = 0; i < CATEGORY_COUNT; i++) {
		if (!c->reasons[i])
			continue;
		(void)fprintf(stderr, "%s%s %s", any ? ", " : "  failed    ", category_name((enum category)i), ask_number(c->reasons[i], number));
		any = true;
	}
	if (any)
		(void)fputc('\n', stderr);
	if (c->from[STATUS_HARD])
		(void)fprintf(stderr, "  but       %s of them are hard: mail to dead addresses harms your reputation\n", ask_number(c->from[STATUS_HARD], number));
}

static void print_left_out(const struct change *change, FILE *to)
{
	const struct change_counts *c = &change->counts;
	const struct { enum change_outcome outcome; const char *why; } rows[] = {
		{ CHANGE_PROTECTED, change->targets.chosen ? "protected (--status hard or --status held leaves them out)" :
			change->targets.n > ASK_UNASKED_MAX ? "protected (nixie check tells by whom)" : "protected (--force changes them, too)" },
		{ CHANGE_SCOPED, "protected for some senders (nixie check shows them)" },
		{ CHANGE_ALLOWED, "allowed, not suppressed (nixie remove)" }, { CHANGE_UNKNOWN, "not known" }, { CHANGE_FULL, "with too many scopes" },
		{ CHANGE_LONGER, "suppressed for longer (--force changes them, too)" },
		{ CHANGE_ALREADY, "so already" } };
	char number[ASK_NUMBER_MAX];
	bool any = false;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!c->n[rows[i].outcome])
			continue;
		(void)fprintf(to, "%s%s %s", any ? ", " : "left out: ", ask_number(c->n[rows[i].outcome], number), rows[i].why);
		any = true;
	}
	if (any)
		(void)fputc('\n', to);
}

void change_overview(const struct change *change)
{
	const struct change_counts *c = &change->counts;
	char number[ASK_NUMBER_MAX];

	(void)fprintf(stderr, "%s addresses would change\n", ask_number(c->n[CHANGE_DONE], number));
	print_statuses(change);
	print_domains(c, c->n[CHANGE_DONE]);
	if (c->whole_domains)
		(void)fprintf(stderr, "  whole     %s of them stand%s for a whole domain, as @example.com: nixie check shows it\n", ask_number(c->whole_domains, number),
			c->whole_domains == 1 ? "s" : "");
	if (change->to == STATUS_NONE && !change->scoped && !change->forget)
		print_against(c);
	print_left_out(change, stderr);
}

void change_summary(const struct change *change)
{
	const struct change_counts *c = &change->counts;
	uint64_t n = c->n[CHANGE_DONE], left = change_left_out(c) + c->n[CHANGE_UNKNOWN];
	char number[ASK_NUMBER_MAX];

	if (left > LEFT_OUT_SHOWN_MAX)
		log_error("and %s more are left out", ask_number(left - LEFT_OUT_SHOWN_MAX, number));
	if (change->ctl->json)
		return;
	if (change->targets.n > 1 && (n || change->targets.n > ASK_UNASKED_MAX)) {
		(void)printf("%s address%s %s\n", ask_number(n, number), n == 1 ? "" : "es", change->pass == PASS_DRY_RUN ? "would change; nothing was changed" : "changed");
		if (change->targets.chosen && c->whole_domains)
			(void)printf("%s of them %s for a whole domain\n", ask_number(c->whole_domains, number), c->whole_domains == 1 ? "is" : "are");
		print_left_out(change, stdout);
	}
	if (change->pass == PASS_WRITE && n)
		(void)printf("take this back%s with: nixie undo --batch %s%s\n", change->forget ? " (but not the histories, which are gone)" : "", change->id,
			ask_not(n));
}
