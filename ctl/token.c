/* token: the change that the text of a refusal names, and what is known of its address now. */
#include <getopt.h>
#include <stdio.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "look.h"
#include "schema.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* Of a refusal that was pasted. */
#define PASTED_BYTES_MAX 4096
/* Changes with a token that begins alike; the store tells of that one, too, and of one more. */
#define BESIDE_MAX (STORE_BESIDE_MAX - 2)

/* The fields of the change, as they come. */
struct field {
	struct field *next;
	struct sv name, value;
};

/* Another change with a token that begins alike. */
struct beside {
	char token[SCHEMA_TOKEN_MAX + 2];
	struct sv address;
	enum status from, to;
};

struct change_of {
	struct ctl *ctl;
	struct arena arena;
	const char *id;          /* that is looked for */
	struct field *first, **end;
	struct sv address;
	struct beside beside[BESIDE_MAX];
	size_t n;                /* of those beside */
	uint64_t all;
};

/* ---- what was typed ---- */

/* Without what stood around it: quotes, a comma, a full stop; and a hyphen at its end was cut off from the rest. */
static struct sv bare(struct sv word)
{
	while (word.n && !sv_is_alnum(*word.p))
		word = sv_skip(word, 1);
	while (word.n && !sv_is_alnum(word.p[word.n - 1]))
		word.n--;
	return word;
}

/* The word behind the last "token"; or the only one. Empty: there is none. */
static struct sv find_token(struct sv text)
{
	struct sv found = sv_make("", 0), last = found;
	size_t words = 0;

	while ((text = sv_trim(text)).n) {
		size_t n = strcspn(text.p, " \t\r\n");
		struct sv word = bare(sv_head(text, n < text.n ? n : text.n));
		text = sv_skip(text, n < text.n ? n : text.n);
		if (!word.n)
			continue;
		words++;
		if (sv_eq_nocase(last, SV("token")))
			found = word;
		last = word;
	}
	return found.n || words != 1 ? found : last;
}

static bool take_token(int argc, char **argv, struct buf *typed, struct sv *token_r, char id_r[SCHEMA_ID_MAX])
{
	for (int i = optind; i < argc; i++) {
		buf_add(typed, sv_of(argv[i]));
		buf_add_char(typed, ' ');
	}
	*token_r = find_token(sv_of(buf_cstr(typed)));
	if (token_r->n && token_r->n < SCHEMA_TOKEN_MAX && schema_token_decode(*token_r, id_r))
		return true;
	log_error("give the token of a rejection text, or the whole text in quotes, as in: nixie token 1HDQZ7R3C0");
	return false;
}

/* ---- reading ---- */

static void on_field(void *arg, struct sv name, struct sv value)
{
	struct change_of *c = arg;

	if (!value.n)
		return;
	struct field *f = arena_alloc(&c->arena, sizeof *f);
	*f = (struct field){ .name = arena_dup(&c->arena, name), .value = arena_dup(&c->arena, value) };
	if (sv_eq(name, SV("address")))
		c->address = f->value;
	*c->end = f;
	c->end = &f->next;
}

static void on_beside(void *arg, const struct journal_entry *e)
{
	struct change_of *c = arg;

	if (sv_eq(e->id, sv_of(c->id)) || c->all++ >= BESIDE_MAX)
		return;
	struct beside *b = &c->beside[c->n++];
	schema_token_encode(e->id, b->token);
	if (!strchr(b->token, '-'))
		memcpy(b->token + strlen(b->token), "-0", sizeof "-0"); /* the whole of it */
	b->address = arena_dup(&c->arena, e->address);
	b->from = e->from;
	b->to = e->to;
}

/* That of the only change whose token begins so: a double click takes the word before the hyphen only. */
static enum store_result read_change(struct change_of *c, bool cut, struct err *err)
{
	char id[SCHEMA_ID_MAX];
	enum store_result result = store_journal_entry(c->ctl->store, c->id, on_field, c, err);

	if (!cut || (result != STORE_OK && result != STORE_ABSENT))
		return result;
	enum store_result found = store_journal_beside(c->ctl->store, c->id, on_beside, c, err);
	if (found != STORE_OK || result == STORE_OK || c->all != 1)
		return found != STORE_OK ? found : result;
	if (!schema_token_decode(sv_of(c->beside[0].token), id))
		return STORE_ABSENT;
	c->n = c->all = 0;
	return store_journal_entry(c->ctl->store, id, on_field, c, err);
}

/* ---- telling ---- */

static void print_name(const char *name)
{
	(void)printf("  %-9s ", name);
}

/* "hard since 2026-09-21, recipient.unknown (no such user or mailbox)" */
static void print_entry(const struct entry *e)
{
	char day[11];

	clock_format_date(e->since_s, day);
	(void)printf("%s%s%s", status_name(e->status), e->since_s ? " since " : "", e->since_s ? day : "");
	clock_format_date(e->until_s, day);
	if (e->until_s)
		(void)printf(" until %s", day);
	if (entry_by_hand(e))
		(void)fputs(", by hand", stdout);
	else if (e->status != STATUS_NONE)
		(void)printf(", %s (%s)", category_name(e->reason), category_meaning(e->reason));
}

static void print_field(struct change_of *c, const struct field *f)
{
	char name[32], time[CLOCK_TEXT_MAX];
	struct entry before;
	uint64_t time_s;

	(void)snprintf(name, sizeof name, "%.*s", SV_ARG(sv_head(f->name, sizeof name - 1)));
	print_name(name);
	if (sv_eq(f->name, SV("before"))) {
		schema_unpack_entry(&c->arena, f->value, &before);
		print_entry(&before);
	} else if (sv_eq(f->name, SV("time")) && sv_u64(f->value, STATE_TIME_MAX_S, &time_s)) {
		clock_format_us((int64_t)time_s * CLOCK_SECOND_US, time, sizeof time);
		(void)fputs(time, stdout);
	} else {
		term_clean(stdout, f->value);
	}
	(void)putchar('\n');
}

/* As a shell takes it for one word. */
static void print_word(struct sv word)
{
	char room[4 * STATE_TEXT_MAX];
	struct buf b = BUF_ON(room);
	bool plain = true;

	for (size_t i = 0; i < word.n; i++) {
		plain = plain && (sv_is_alnum(word.p[i]) || strchr("@.-_+=:/%", word.p[i]));
		buf_add(&b, word.p[i] == '\'' ? SV("'\\''") : sv_make(word.p + i, 1));
	}
	(void)fputs(plain ? "" : "'", stdout);
	term_clean(stdout, buf_sv(&b));
	(void)fputs(plain ? "" : "'", stdout);
}

static void print_next(struct sv address, bool suppressed)
{
	static const char *const verbs[] = { "check", "history", "reset" };

	for (size_t i = 0; i < (suppressed ? 3 : 2); i++) {
		print_name(i ? "" : "next");
		(void)printf("nixie %s ", verbs[i]);
		print_word(address);
		(void)putchar('\n');
	}
}

/* One that is empty where there is none. */
static bool read_entry(struct change_of *c, struct sv key, struct entry *e_r, enum store_result *result, struct err *err)
{
	*e_r = (struct entry){ .status = STATUS_NONE };
	*result = store_entry(c->ctl->store, &c->arena, key, e_r, err);
	if (*result == STORE_ABSENT)
		*result = STORE_OK;
	return *result == STORE_OK;
}

static enum store_result print_now(struct change_of *c, struct err *err)
{
	struct sv domain_key = arena_printf(&c->arena, "@%.*s", SV_ARG(sv_after_last(c->address, '@')));
	struct entry now, domain;
	enum store_result result;

	if (!read_entry(c, c->address, &now, &result, err) || !read_entry(c, domain_key, &domain, &result, err))
		return result;
	bool suppressed = entry_suppressed(&now, clock_now_s());
	print_name("now");
	if (!suppressed)
		(void)fputs(now.status == STATUS_NONE ? "not suppressed" : "not suppressed: ", stdout);
	if (now.status != STATUS_NONE)
		print_entry(&now);
	if (now.scopes.n)
		(void)fputs("; for some senders otherwise", stdout);
	if (!sv_eq(domain_key, c->address) && entry_suppressed(&domain, clock_now_s()))
		(void)printf("; but the whole domain is %s", status_name(domain.status));
	(void)putchar('\n');
	print_next(c->address, suppressed);
	return STORE_OK;
}

static void print_beside(const struct change_of *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct beside *b = &c->beside[i];
		(void)printf("  %-15s ", b->token);
		term_clean(stdout, b->address);
		(void)printf(": %s -> %s\n", status_name(b->from), status_name(b->to));
	}
	if (c->all > c->n)
		(void)puts("  and more");
}

static enum store_result print_text(struct change_of *c, struct err *err)
{
	for (const struct field *f = c->first; f; f = f->next)
		print_field(c, f);
	enum store_result result = print_now(c, err);
	if (result == STORE_OK && c->n) {
		(void)puts("  but       is that the whole token? A double click stops at a hyphen; these begin alike:");
		print_beside(c);
	}
	return result;
}

static void json_field(struct change_of *c, struct json *json, const struct field *f)
{
	char name[32], time[CLOCK_TEXT_MAX];
	struct entry before;
	uint64_t time_s;

	(void)snprintf(name, sizeof name, "%.*s", SV_ARG(sv_head(f->name, sizeof name - 1)));
	if (sv_eq(f->name, SV("before"))) {
		schema_unpack_entry(&c->arena, f->value, &before);
		look_before_json(json, c->address, &before);
	} else if (sv_eq(f->name, SV("time")) && sv_u64(f->value, STATE_TIME_MAX_S, &time_s)) {
		clock_format_us((int64_t)time_s * CLOCK_SECOND_US, time, sizeof time);
		json_text(json, name, sv_of(time));
	} else {
		json_text(json, name, f->value);
	}
}

static void print_json(struct change_of *c)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	for (const struct field *f = c->first; f; f = f->next)
		json_field(c, &json, f);
	if (c->n)
		json_list(&json, "beside");
	for (size_t i = 0; i < c->n; i++) {
		json_object(&json, NULL);
		json_text(&json, "token", sv_of(c->beside[i].token));
		json_text(&json, "address", c->beside[i].address);
		json_end_object(&json);
	}
	if (c->n)
		json_end_list(&json);
	json_end_object(&json);
	json_end_line(&json);
}

static int not_found(const struct change_of *c, struct sv token)
{
	if (!c->n) {
		log_error("no change has the token %.*s; it may be older than the journal", SV_ARG(token));
	} else {
		log_error("%.*s is the first part of several tokens; which one is it?", SV_ARG(token));
		if (!c->ctl->json)
			print_beside(c);
	}
	return EXIT_NOT_FOUND;
}

int verb_token(struct ctl *ctl, int argc, char **argv)
{
	char room[PASTED_BYTES_MAX], id[SCHEMA_ID_MAX];
	struct buf typed = BUF_ON(room);
	struct change_of c = { .ctl = ctl, .id = id, .end = &c.first };
	struct sv token;
	struct err err;
	int code;

	if (!verb_options(ctl, argc, argv, "token", NULL, &code))
		return code;
	if (!take_token(argc, argv, &typed, &token, id))
		return EXIT_USAGE;
	enum store_result result = read_change(&c, sv_find(token, '-') == token.n, &err);
	if (result == STORE_ABSENT) {
		code = not_found(&c, token);
	} else {
		if (result == STORE_OK && ctl->json)
			print_json(&c);
		else if (result == STORE_OK)
			result = print_text(&c, &err);
		code = result == STORE_OK ? EXIT_OK : verb_store_failed(&err);
	}
	arena_free(&c.arena);
	return code;
}
