/* A message of any bytes, all the way: its facts are bounded valid UTF-8, what comes of them lies within what they are, the
 * shipped forms and rules judge it, and nothing is proven that the message cannot prove. Runs at the top of the tree. */
#include "fuzz.h"

#include "claim.h"
#include "rules.h"
#include "verp.h"

#define NOW INT64_C(1795348800)

FUZZ_LIBCONFIG_LEAKS

static const char config_file[] = "receive: { secret-file = \"/nowhere\"; remember = \"30 days\"; shared = 2; recipient-headers = [ \"X-Return\" ]; authserv-id = [ \"mx.n.example\" ];"
	"addresses = ( { for = \"bounces\"; address = \"b+{recipient}-{sig}@n.example\"; }, { for = \"bounces\"; address = \"b+{recipient}@n.example\"; },"
	"{ for = \"unsubscribe\"; address = \"u+{recipient}-{sig}@n.example\"; }, { for = \"complaints\"; address = \"fbl@n.example\"; } );"
	"feedback-loops = ( { dkim = \"f.example\"; recipients = [ \"f.example\" ]; }, { dkim = \"any.example\"; } ); };";

static struct config config;
static struct verp_secrets secrets;
static struct ruleset *rules;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *const directories[] = { "conf/rules.d" };
	struct err err;

	(void)argc, (void)argv;
	rules = ruleset_load(directories, 1, &err);
	if (!rules || !config_parse("fuzz.conf", config_file, &config, &err) ||
	    !verp_secrets_parse(SV("not to be guessed, not even by a fuzzer"), &secrets, &err)) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return 0;
}

static void check_text(struct sv s)
{
	MUST(!s.n || !memchr(s.p, '\0', s.n));
	for (size_t n; s.n; s = sv_skip(s, n)) {
		n = utf8_len(s);
		MUST(n > 0);
	}
}

static void check_fields(const struct mail_fields *fields)
{
	/* the headers of a part stand behind the fields in it */
	MUST(fields->n <= MAIL_FIELDS_MAX);
	for (size_t i = 0; i < fields->n; i++) {
		/* three bytes for each that is no UTF-8 */
		MUST(fields->v[i].name.n + fields->v[i].value.n <= 3 * MAIL_LINE_MAX);
		check_text(fields->v[i].name);
		check_text(fields->v[i].value);
	}
}

static void check_mail(const struct mail *mail)
{
	MUST(mail->cut < 1u << MAIL_CUTS);
	MUST(mail->n_texts <= MAIL_TEXTS_MAX && mail->n_recipients <= MAIL_RECIPIENTS_MAX);
	for (size_t i = 0; i < mail->n_texts; i++) {
		MUST(mail->texts[i].text.n <= 3 * MAIL_TEXT_MAX + 1);
		check_text(mail->texts[i].text);
	}
	check_text(mail->type);
	check_text(mail->report_type);
	check_fields(&mail->headers);
	check_fields(&mail->status);
	check_fields(&mail->feedback);
	check_fields(&mail->original);
	for (size_t i = 0; i < mail->n_recipients; i++)
		check_fields(&mail->recipients[i]);
	MUST(mail->has_status || (mail->n_recipients == 0 && mail->status.n == 0));
}

static void check_returned(const struct returned *r)
{
	MUST(r->kind < RETURNED_KINDS && (r->kind == RETURNED_DSN) == (r->form != RETURNED_FORM_NONE));
	MUST(r->n_recipients <= MAIL_RECIPIENTS_MAX + 1);
	MUST((r->kind == RETURNED_ORDINARY) == (r->because.n == 0));
	MUST((r->by_form != NULL) == sv_starts(r->because, SV("form:")));
	MUST((r->form == RETURNED_FORM_TEXT) == (r->by_form && r->by_form->kind == FORM_DSN));
	check_text(r->original_id);
	check_text(r->envelope_id);
	check_text(r->feedback_type);
	for (size_t i = 0; i < r->n_recipients; i++) {
		const struct returned_recipient *one = &r->recipients[i];
		struct enhanced e = one->status;
		MUST(e.class_ == 0 || e.class_ == 2 || e.class_ == 4 || e.class_ == 5);
		MUST(one->original.n <= 3 * MAIL_LINE_MAX && one->final.n <= 3 * MAIL_LINE_MAX);
		MUST(fuzz_inside(one->reply, one->diagnostic));
	}
}

static void check_rules(const struct returned *r)
{
	struct reply reply;
	struct verdict verdict;

	for (size_t i = 0; i < r->n_recipients; i++) {
		const struct returned_recipient *one = &r->recipients[i];
		ruleset_classify_text(rules, one->reply, one->status, one->remote_mta, &reply, &verdict);
		MUST((int)verdict.category >= 0 && verdict.category < CATEGORY_COUNT);
	}
}

static void check_key(struct sv key)
{
	const struct address_options options = config_address_options(&config);
	struct address address;

	MUST(address_parse(key, ADDRESS_INTERNAL, &options, &address) == ADDRESS_OK);
}

/* What is proven has an address, and what could prove it. sent: whom the messages that it names went to */
static void check_claim(const struct claim *c, const struct evidence *e, const struct sv *sent, size_t n_sent)
{
	bool went = false;

	for (size_t i = 0; i < n_sent; i++)
		went = went || sv_eq(c->address, sent[i]);
	MUST(c->effect != CLAIM_NOTHING);
	MUST((c->proof == PROOF_NONE) == (strlen(c->why) > 0));
	if (c->address.n)
		check_key(c->address);
	/* the secret is not known */
	MUST(c->proof != PROOF_SIGNATURE);
	MUST(c->proof != PROOF_MESSAGE || (went && n_sent <= (size_t)config.receive_shared));
	MUST(c->proof != PROOF_LOOP || (e->loop && c->address.n));
	MUST(c->proof != PROOF_AUTHOR || (e->author.n && sv_eq(c->address, e->author)));
}

static void check_claims(const struct mail *mail, const struct returned *returned, struct arena *arena)
{
	static const struct sv sent[] = { { "gone@reader.example", 19 }, { "a@b.c", 5 }, { "reader@provider.example", 23 } };
	const struct claim_input in = { .config = &config, .secrets = &secrets, .mail = mail, .returned = returned, .now_s = NOW };
	struct evidence e;
	struct claims claims;

	claim_gather(&in, arena, &e);
	MUST(!e.proven && e.n_prints <= CLAIM_PRINTS_MAX && e.n_named <= CLAIM_NAMED_MAX);
	MUST(e.came_to != VERP_SIGNED && e.came_to != VERP_EXPIRED);
	for (size_t i = 0; i < e.n_named; i++)
		check_key(e.named[i]);
	for (size_t n = 0; n <= sizeof sent / sizeof *sent; n++) {
		claim_judge(&in, &e, sent, n, arena, &claims);
		MUST(claims.n <= MAIL_RECIPIENTS_MAX + 1);
		for (size_t i = 0; i < claims.n; i++)
			check_claim(&claims.v[i], &e, sent, n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct forms *forms = ruleset_forms(rules);
	uint64_t limit_hits = forms_limit_hits(forms);
	struct mail mail;
	struct returned returned;
	struct sv v[4], bytes = sv_make((const char *)data, size), rest = bytes;
	struct mail_fields fields;
	unsigned cut = 0;

	mail_parse(bytes, &arena, &mail);
	check_mail(&mail);
	returned_read(&mail, forms, &arena, &returned);
	check_returned(&returned);
	MUST(forms_limit_hits(forms) == limit_hits);
	check_rules(&returned);
	check_claims(&mail, &returned, &arena);
	for (size_t i = 0; i < mail.headers.n; i++) {
		check_text(mail_decode(&arena, mail.headers.v[i].value));
		size_t n = mail_addresses(&arena, mail.headers.v[i].value, v, 4);
		MUST(n <= 4);
		for (size_t k = 0; k < n; k++)
			check_text(v[k]);
	}
	mail_take_fields(&arena, &rest, &fields, &cut);
	MUST(fuzz_inside(rest, bytes));
	check_fields(&fields);
	arena_reset(&arena);
	return 0;
}
