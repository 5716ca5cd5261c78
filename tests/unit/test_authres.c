#include "test.h"

#include "authres.h"
#include "config.h"

static const struct strings ids = { .n = 2, .v = { "mx.example.com", "Second" } };

/* Headers one on a line. */
static struct mail_fields fields(const char *text)
{
	static struct mail_field v[8];
	struct mail_fields f = { 0, v };
	struct sv rest = sv_of(text);

	while (rest.n) {
		struct sv value = sv_cut(&rest, '\n'), name = sv_cut(&value, ':');
		v[f.n++] = (struct mail_field){ name, sv_trim(value) };
	}
	return f;
}

#define AR "Authentication-Results: "

static void signatures(void **state)
{
	static const struct {
		const char *name, *headers;
		bool want; /* for yahoo.example */
	} table[] = {
		{ "pass", AR "mx.example.com; dkim=pass header.d=yahoo.example", true },
		{ "capitals", "authentication-results: MX.Example.COM; DKIM=Pass Header.D=Yahoo.EXAMPLE", true },
		{ "a name of the list's end", AR "second; dkim=pass header.d=yahoo.example", true },
		{ "below", AR "mx.example.com; dkim=pass header.d=arf.mail.yahoo.example", true },
		{ "above", AR "mx.example.com; dkim=pass header.d=example", false },
		{ "one that ends so", AR "mx.example.com; dkim=pass header.d=notyahoo.example", false },
		{ "what OpenDKIM writes", AR "mx.example.com;\tdkim=pass (2048-bit key; unprotected) header.d=yahoo.example header.i=@yahoo.example "
		  "header.a=rsa-sha256 header.s=s2048 header.b=XJh+d/9=;\tdkim-atps=neutral", true },
		{ "what rspamd writes", AR "mx.example.com; dkim=pass header.d=yahoo.example header.s=s1 header.b=\"a/b;c\"; "
		  "spf=pass (mx.example.com: domain of x@y.example designates 192.0.2.1 as permitted sender) smtp.mailfrom=x@y.example; "
		  "dmarc=pass (policy=reject) header.from=yahoo.example", true },
		{ "the second signature", AR "mx.example.com; dkim=fail reason=\"bad signature\" header.d=yahoo.example; dkim=pass header.d=yahoo.example", true },
		{ "version", AR "mx.example.com 1; dkim/1=pass header.d=yahoo.example", true },
		{ "comments and blanks everywhere", AR "(a (b\\) c) mx) \"mx.example.com\" (x) 1 (y) ; (z) dkim (1) / (2) 1 (3) = (4) pass (5) reason (6) = (7) \"so; so\" (8) "
		  "header (9) . (10) d (11) = (12) \"yahoo.example\" (13) ; ", true },
		{ "a dot behind", AR "mx.example.com; dkim=pass header.d=yahoo.example.", true },
		{ "fail", AR "mx.example.com; dkim=fail header.d=yahoo.example", false },
		{ "neutral", AR "mx.example.com; dkim=neutral header.d=yahoo.example", false },
		{ "a word that begins so", AR "mx.example.com; dkim=passed header.d=yahoo.example", false },
		{ "another method", AR "mx.example.com; spf=pass header.d=yahoo.example", false },
		{ "of another", AR "mx.example.com; dkim=pass header.d=evil.example", false },
		{ "by i, without d", AR "mx.example.com; dkim=pass header.i=@yahoo.example", false },
		{ "d of another result", AR "mx.example.com; dkim=pass header.d=evil.example; dkim=fail header.d=yahoo.example", false },
		{ "two d", AR "mx.example.com; dkim=pass header.d=evil.example header.d=yahoo.example", false },
		{ "d of the wrong kind", AR "mx.example.com; dkim=pass smtp.d=yahoo.example", false },
		{ "an address for a domain", AR "mx.example.com; dkim=pass header.d=x@yahoo.example", false },
		{ "in a comment", AR "mx.example.com; dkim=pass (header.d=yahoo.example) header.d=evil.example", false },
		{ "in quotes", AR "mx.example.com; dkim=pass reason=\"; dkim=pass header.d=yahoo.example\" header.d=evil.example", false },
		{ "in a quoted local part", AR "mx.example.com; spf=pass smtp.mailfrom=\"x; dkim=pass header.d=yahoo.example\"@evil.example", false },
		{ "a comment that does not end", AR "mx.example.com; dkim=pass header.d=yahoo.example; (x", false },
		{ "nor this one", AR "mx.example.com; dkim=pass header.d=yahoo.example (x", false },
		{ "quotes that do not end", AR "mx.example.com; dkim=pass header.d=yahoo.example header.b=\"x", false },
		{ "nonsense behind", AR "mx.example.com; dkim=pass header.d=yahoo.example; what is this", false },
		{ "nonsense before", AR "mx.example.com; =; dkim=pass header.d=yahoo.example", false },
		{ "another version of all", AR "mx.example.com 2; dkim=pass header.d=yahoo.example", false },
		{ "another version of the method", AR "mx.example.com; dkim/2=pass header.d=yahoo.example", false },
		{ "of another server", AR "mx.evil.example; dkim=pass header.d=yahoo.example", false },
		{ "a name that begins as ours", AR "mx.example.com.evil.example; dkim=pass header.d=yahoo.example", false },
		{ "ours as a comment", AR "mx.evil.example (mx.example.com); dkim=pass header.d=yahoo.example", false },
		{ "no name", AR "; dkim=pass header.d=yahoo.example", false },
		{ "no semicolon", AR "mx.example.com dkim=pass header.d=yahoo.example", false },
		{ "none", AR "mx.example.com; none", false },
		{ "nothing", AR, false },
		{ "none at all", "Subject: mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "below one of a stranger", AR "mx.evil.example; dkim=fail header.d=yahoo.example\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", true },
		{ "the topmost of ours alone", AR "mx.example.com; dkim=fail header.d=yahoo.example\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "whichever name it has", AR "second; none\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "even where that is broken", AR "mx.example.com\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "a filter's each, above the server's line", AR "mx.example.com; dmarc=pass header.from=x.example\n" AR
		  "mx.example.com; dkim=pass header.d=yahoo.example\nReceived: by mx.example.com", true },
		{ "below it a stranger's", AR "mx.example.com; dmarc=pass header.from=x.example\nReceived: by mx.example.com\n" AR
		  "mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "below it the topmost", "Received: by mx.example.com\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", true },
		{ "and it alone", "Received: by mx.example.com\n" AR "mx.example.com; none\n" AR "mx.example.com; dkim=pass header.d=yahoo.example", false },
		{ "one of several is broken", AR "mx.example.com; dkim=pass header.d=yahoo.example\n" AR "mx.example.com; what is this\nReceived: by mx", false },
		{ "a header that is like it", "ARC-Authentication-Results: i=1; mx.example.com; dkim=pass header.d=yahoo.example", false },
	};

	(void)state;
	EACH(row, table) {
		struct mail_fields f = fields(row->headers);
		WANT_INT(authres_dkim_pass(&f, &ids, SV("yahoo.example")), row->want);
	}
}

static void who_wrote_it(void **state)
{
	static const struct {
		const char *name, *headers, *from;
		bool want;
	} table[] = {
		{ "DMARC", AR "mx.example.com; dmarc=pass header.from=user.example", "user.example", true },
		{ "DMARC with its policy", AR "mx.example.com; dmarc=pass (p=none dis=none) header.from=User.Example", "user.example", true },
		{ "IDN", AR "mx.example.com; dmarc=pass header.from=b\xc3\xbc" "cher.example", "xn--bcher-kva.example", true },
		{ "DMARC of another", AR "mx.example.com; dmarc=pass header.from=evil.example", "user.example", false },
		{ "DMARC of one below", AR "mx.example.com; dmarc=pass header.from=x.user.example", "user.example", false },
		{ "DMARC of one above", AR "mx.example.com; dmarc=pass header.from=user.example", "x.user.example", false },
		{ "DMARC without a domain", AR "mx.example.com; dmarc=pass", "user.example", false },
		{ "DMARC fails", AR "mx.example.com; dmarc=fail header.from=user.example", "user.example", false },
		{ "whatever DKIM says", AR "mx.example.com; dkim=pass header.d=user.example; dmarc=fail header.from=user.example", "user.example", false },
		{ "in any order", AR "mx.example.com; dmarc=fail header.from=user.example; dkim=pass header.d=user.example", "user.example", false },
		{ "DMARC twice", AR "mx.example.com; dmarc=pass header.from=user.example; dmarc=fail header.from=user.example", "user.example", false },
		{ "twice the other way", AR "mx.example.com; dmarc=fail header.from=user.example; dmarc=pass header.from=user.example", "user.example", false },
		{ "no policy, and signed", AR "mx.example.com; dmarc=none header.from=user.example; dkim=pass header.d=user.example", "user.example", true },
		{ "no policy, not signed", AR "mx.example.com; dmarc=none header.from=user.example", "user.example", false },
		{ "signed", AR "mx.example.com; dkim=pass header.d=user.example", "user.example", true },
		{ "signed by the domain above", AR "mx.example.com; dkim=pass header.d=user.example", "mail.user.example", true },
		{ "signed by one below: of whom?", AR "mx.example.com; dkim=pass header.d=mail.user.example", "user.example", false },
		{ "signed by a top-level domain", AR "mx.example.com; dkim=pass header.d=example", "user.example", false },
		{ "signed by another", AR "mx.example.com; dkim=pass header.d=evil.example", "user.example", false },
		{ "no domain", AR "mx.example.com; dmarc=pass header.from=user.example", "", false },
		{ "an address", AR "mx.example.com; dmarc=pass header.from=user.example", "x@user.example", false },
	};

	(void)state;
	EACH(row, table) {
		struct mail_fields f = fields(row->headers);
		WANT_INT(authres_from_pass(&f, &ids, sv_of(row->from)), row->want);
	}
}

/* What is as long as this may have lost its end in the middle of a name: yahoo.example[.evil.example]. */
static void too_long_to_be_whole(void **state)
{
	static char text[MAIL_LINE_MAX];

	(void)state;
	for (size_t n = 10; n < sizeof text - 100; n *= 2) {
		(void)snprintf(text, sizeof text, AR "mx.example.com; (%0*d) dkim=pass header.d=yahoo.example", (int)n, 0);
		struct mail_fields f = fields(text);
		WANT_INT(authres_dkim_pass(&f, &ids, SV("yahoo.example")), n < MAIL_LINE_MAX / 2 - 100);
	}
}

static void without_a_name_of_ours_nothing_is_believed(void **state)
{
	static const struct strings none = { .n = 0 };
	struct mail_fields f = fields(AR "mx.example.com; dkim=pass header.d=user.example; dmarc=pass header.from=user.example");

	(void)state;
	WANT(authres_dkim_pass(&f, &ids, SV("user.example")) && authres_from_pass(&f, &ids, SV("user.example")));
	WANT(!authres_dkim_pass(&f, &none, SV("user.example")) && !authres_from_pass(&f, &none, SV("user.example")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures),
		cmocka_unit_test(who_wrote_it),
		cmocka_unit_test(too_long_to_be_whole),
		cmocka_unit_test(without_a_name_of_ours_nothing_is_believed),
	};

	return RUN(tests);
}
