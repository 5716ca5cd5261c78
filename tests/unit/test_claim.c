#include "test.h"

#include <stdio.h>

#include "claim.h"
#include "rules.h"

#define NOW_S 1795309590

static struct config config;
static struct ruleset *rules;
static const struct verp_secrets secrets = { .n = 1, .v = { { .n = 20, .bytes = "a secret of 20 bytes" } } };

static void add_template(enum verp_use use, const char *text)
{
	struct verp_template *t = &config.receive_addresses.v[config.receive_addresses.n++];
	struct err err;

	assert_true(verp_template_parse(use, sv_of(text), t, &err));
	(void)snprintf(t->sender, sizeof t->sender, "shop.example");
}

static int set_up(void **state)
{
	static const char *const shipped = "conf/rules.d";
	struct err err;

	(void)state;
	rules = ruleset_load(&shipped, 1, &err);
	assert_non_null(rules);
	config.receive_shared = 1;
	config.receive_remember = config.receive_signature_lifetime = (struct span){ .ms = (int64_t)90 * CLOCK_DAY_S * 1000 };
	config.receive_authserv_id = (struct strings){ .n = 1, .v = { "mx.shop.example" } };
	config.receive_recipient_headers = (struct strings){ .n = 1, .v = { "X-Reader" } };
	config.receive_feedback_loops = (struct feedback_loops){ .n = 1, .v = { { .dkim = "loop.example", .n_recipients = 1 } }, .n_domains = 1,
		.domains = { "reader.example" } };
	add_template(VERP_BOUNCES, "bounces+{recipient}-{sig}@shop.example");
	add_template(VERP_BOUNCES, "bounces@shop.example");
	add_template(VERP_UNSUBSCRIBE, "leave+{recipient}-{sig}@shop.example");
	add_template(VERP_UNSUBSCRIBE, "leave@shop.example");
	return 0;
}

/* The mail with %B and %U as signed addresses of reader@reader.example, for bounces and to unsubscribe. */
static struct sv filled_in(const char *text, char *room, size_t size)
{
	struct buf b = { .p = room, .size = size };
	char address[VERP_ADDRESS_MAX + 1];

	for (; *text; text++) {
		if (*text == '%') {
			const struct verp_template *t = verp_signing(&config.receive_addresses, *++text == 'U' ? VERP_UNSUBSCRIBE : VERP_BOUNCES);
			assert_int_equal(verp_make(t, &secrets, SV("reader@reader.example"), NOW_S, address), VERP_MADE);
			buf_add(&b, sv_of(address));
		} else {
			buf_add_char(&b, *text);
		}
	}
	assert_false(b.full);
	return buf_sv(&b);
}

#define REPORT(type) "Content-Type: multipart/report; report-type=" type "; boundary=b\n\n--b\nContent-Type: message/" type "\n\n"
#define DSN(final) "From: x@mx.example\n" REPORT("delivery-status") "Reporting-MTA: dns; mx\n\n" RECIPIENT(final)
#define RECIPIENT(final) "Final-Recipient: rfc822; " final "\nAction: failed\nStatus: 5.1.1\n\n"
#define ARF(head, rcpt) "From: x@loop.example\n" head REPORT("feedback-report") "Feedback-Type: abuse\nVersion: 1\n" rcpt "\n"
#define QUOTED "--b\nContent-Type: message/rfc822\n\nMessage-ID: <a@shop.example>\n"
#define END "\nHi\n--b--\n"
#define AR "Authentication-Results: mx.shop.example; "
#define LOOP AR "dkim=pass header.d=loop.example\n"
#define TO_LEAVE "From: r@reader.example\nTo: leave@shop.example\n\nbye\n"
#define DMARC AR "dmarc=pass header.from=reader.example\n"

static const struct {
	const char *name, *mail, *came_to, *sent; /* whom the message went to, with "," between them */
	const char *want; /* "<effect> <proof> <address>[ other][ <scope>]" of each, with "; " between them */
} table[] = {
	{ "nothing is known", DSN("reader@reader.example") QUOTED END, "", "", "1  reader@reader.example" },
	{ "by its message", DSN("reader@reader.example") QUOTED END, "", "reader@reader.example", "1 message reader@reader.example" },
	{ "of somebody else", DSN("victim@reader.example") QUOTED END, "", "evil@evil.example", "1 message evil@evil.example other" },
	{ "of two", DSN("reader@reader.example") QUOTED END, "", "reader@reader.example,evil@evil.example", "1  reader@reader.example" },
	{ "another name of the domain", DSN("reader@mx.reader.example") QUOTED END, "", "reader@reader.example", "1 message reader@reader.example" },
	{ "another domain that ends so", DSN("reader@notreader.example") QUOTED END, "", "reader@reader.example", "1 message reader@reader.example other" },
	{ "no address at all", DSN("\001\002") QUOTED END, "", "reader@reader.example", "1 message reader@reader.example" },
	{ "several behind one", DSN("a@in.example") RECIPIENT("b@in.example") QUOTED END, "", "reader@reader.example", "1 message reader@reader.example other" },
	{ "signed", DSN("reader@reader.example") QUOTED END, "%B", "", "1 signature reader@reader.example" },
	{ "signed, of somebody else", DSN("victim@reader.example") QUOTED END, "%B", "", "1 signature reader@reader.example other" },
	{ "signed within the message", DSN("reader@reader.example") QUOTED "Return-Path: <%B>\n" END, "", "", "1 signature reader@reader.example" },
	{ "forged", DSN("victim@reader.example") QUOTED END, "bounces+victim=reader.example-aaaaaaaaaaaaaaaaaaa@shop.example", "",
	  "1  victim@reader.example" },
	{ "a loop", ARF(LOOP, "Original-Rcpt-To: <reader@reader.example>\n") QUOTED "Return-Path: <news@shop.example>\n" END, "", "",
	  "2 feedback-loop reader@reader.example sender:shop.example" },
	{ "no loop of ours", ARF("", "Original-Rcpt-To: <reader@reader.example>\n") QUOTED END, "", "", "2  reader@reader.example" },
	{ "a loop of others", ARF(LOOP, "Original-Rcpt-To: <victim@other.example>\n") QUOTED END, "", "", "2  victim@other.example" },
	{ "redacted, by a header", ARF(LOOP, "") QUOTED "X-Reader: reader@reader.example\n" END, "", "", "2 feedback-loop reader@reader.example" },
	{ "a header that the message contradicts", ARF(LOOP, "") QUOTED "X-Reader: victim@reader.example\n" END, "", "evil@reader.example",
	  "2  victim@reader.example" },
	{ "a header that the signature contradicts", ARF(LOOP, "") QUOTED "X-Reader: victim@reader.example\nList-Unsubscribe: <mailto:%U>\n" END, "", "",
	  "2  victim@reader.example sender:shop.example" },
	{ "the scope within a forwarder's address",
	  ARF(LOOP, "Original-Rcpt-To: <reader@reader.example>\n") QUOTED "Return-Path: <SRS0=HHHH=TT=shop.example=bounces@evil.example>\nFrom: n@shop.example\n"
	  "List-Unsubscribe: <mailto:%U>\n" END, "", "", "2 signature reader@reader.example sender:shop.example" },
	{ "a signature of another sender", ARF("", "Original-Mail-From: <news@other.example>\n") QUOTED "Return-Path: <news@other.example>\n"
	  "From: n@other.example\nList-Unsubscribe: <mailto:%U>\n" END, "", "", "2 signature reader@reader.example sender:shop.example" },
	{ "a signature of the domain above the sender's", ARF("", "") QUOTED "Return-Path: <x@news.shop.example>\nList-Unsubscribe: <mailto:%U>\n" END,
	  "", "", "2 signature reader@reader.example sender:news.shop.example" },
	{ "a loop that tells of another sender", ARF(LOOP, "Original-Rcpt-To: <reader@reader.example>\n") QUOTED "Return-Path: <x@other.example>\n" END,
	  "", "", "2 feedback-loop reader@reader.example sender:other.example" },
	{ "unsubscribes, signed", "From: x@y.example\n\nbye\n", "%U", "", "3 signature reader@reader.example sender:shop.example" },
	{ "a bounce address is none to unsubscribe", "From: x@y.example\n\nbye\n", "%B", "", "" },
	{ "an author", DMARC "From: r@reader.example\nTo: leave@shop.example\n\nbye\n", "leave@shop.example", "",
	  "3 author r@reader.example sender:shop.example" },
	{ "an author who wrote to somebody else", DMARC "From: r@reader.example\nTo: x@evil.example\n\nbye\n", "leave@shop.example", "",
	  "3   sender:shop.example" },
	{ "an author of two To", DMARC "From: r@reader.example\nTo: leave@shop.example\nTo: x@evil.example\n\nbye\n", "leave@shop.example", "",
	  "3   sender:shop.example" },
	{ "an author whose signature has no To", DMARC "DKIM-Signature: v=1; d=reader.example; h=From:Date:Subject:X-To; b=to\n" TO_LEAVE, "leave@shop.example", "",
	  "3   sender:shop.example" },
	{ "a second signature has", DMARC "DKIM-Signature: v=1; d=reader.example; h=From:To\nDKIM-Signature: d=x.example; h=From; x=h=To\n" TO_LEAVE,
	  "leave@shop.example", "", "3   sender:shop.example" },
	{ "an author whose signature has To", DMARC "DKIM-Signature: v=1; d=reader.example; h = From :\n  tO : Subject; b=x\n" TO_LEAVE, "leave@shop.example", "",
	  "3 author r@reader.example sender:shop.example" },
	{ "two h", DMARC "DKIM-Signature: v=1; d=reader.example; h=From; h=To; b=x\n" TO_LEAVE, "leave@shop.example", "", "3   sender:shop.example" },
	{ "it came from his domain's server", AR "spf=pass smtp.mailfrom=\"a@b\"@reader.example; dmarc=pass header.from=reader.example\n"
	  "DKIM-Signature: h=From\n" TO_LEAVE, "leave@shop.example", "", "3 author r@reader.example sender:shop.example" },
	{ "it came from another one", AR "spf=pass smtp.mailfrom=\"@reader.example\"@evil.example; dmarc=pass header.from=reader.example\n"
	  "DKIM-Signature: h=From\n" TO_LEAVE, "leave@shop.example", "", "3   sender:shop.example" },
	{ "two authors", DMARC "From: v@reader.example, r@reader.example\nTo: leave@shop.example\n\nbye\n", "leave@shop.example", "",
	  "3   sender:shop.example" },
	{ "two From", DMARC "From: v@reader.example\nFrom: r@reader.example\nTo: leave@shop.example\n\nbye\n", "leave@shop.example", "",
	  "3   sender:shop.example" },
	{ "an author for somebody else", DMARC "From: r@reader.example\nTo: leave@shop.example\n\nbye\n",
	  "leave+victim=reader.example-aaaaaaaaaaaaaaaaaaa@shop.example", "", "3 author r@reader.example sender:shop.example" },
	{ "ordinary mail", "From: x@y.example\n\n550 reader@reader.example\n", "bounces@shop.example", "reader@reader.example", "" },
};

static struct sv tell(const struct claims *claims, char *room, size_t size)
{
	struct buf b = { .p = room, .size = size };

	for (size_t i = 0; i < claims->n; i++) {
		const struct claim *c = &claims->v[i];
		assert_int_equal(c->proof == PROOF_NONE, *c->why != '\0');
		buf_addf(&b, "%s%d %s %.*s%s%s%.*s", i ? "; " : "", (int)c->effect, claim_proof_name(c->proof), SV_ARG(c->address), c->other ? " other" : "",
			c->scope.n ? " " : "", SV_ARG(c->scope));
	}
	return buf_sv(&b);
}

static void claims_of(size_t i, struct arena *arena)
{
	char text[4096], to[512], told[512];
	struct mail mail;
	struct returned returned;
	struct evidence evidence;
	struct claims claims;
	struct sv sent[4], rest = sv_of(table[i].sent);
	size_t n = 0;

	mail_parse(filled_in(table[i].mail, text, sizeof text), arena, &mail);
	returned_read(&mail, ruleset_forms(rules), arena, &returned);
	const struct claim_input in = { &config, &secrets, &mail, &returned, filled_in(table[i].came_to, to, sizeof to), NOW_S, false };
	while (rest.n)
		sent[n++] = sv_cut(&rest, ',');
	claim_gather(&in, arena, &evidence);
	claim_judge(&in, &evidence, sent, n, arena, &claims);
	struct sv got = tell(&claims, told, sizeof told);
	if (!sv_eq(got, sv_of(table[i].want)))
		fail_msg("%s: \"%.*s\" instead of \"%s\"", table[i].name, SV_ARG(got), table[i].want);
}

static void what_it_claims(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		claims_of(i, &arena);
		arena_reset(&arena);
	}
	arena_free(&arena);
	ruleset_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(what_it_claims, set_up) };

	return RUN(tests);
}
