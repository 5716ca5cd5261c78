#include "test.h"

#include "proto.h"

#define REQUEST "request=smtpd_access_policy\n"

/* As Postfix 3.7 sends it. */
static const char real[] = REQUEST "protocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\nclient_name=h.example\n"
	"client_port=54321\nreverse_client_name=h.example\nserver_address=192.0.2.5\nserver_port=25\nhelo_name=h\n"
	"sender=s@a.example\nrecipient=u@b.example\nrecipient_count=0\nqueue_id=\ninstance=4d2.65a1b2c3.9e8f7.0\nsize=0\netrn_domain=\n"
	"stress=\nsasl_method=PLAIN\nsasl_username=anna\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n"
	"ccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\nencryption_cipher=AES\nencryption_keysize=256\npolicy_context=submission\n\n";

static enum proto_result parse(struct sv bytes, struct request *r, size_t *used, const char **problem)
{
	*used = 4711;
	*problem = NULL;
	return proto_parse(bytes, r, used, problem);
}

static void want_real(const struct request *r)
{
	WANT_TEXT(r->state, "RCPT");
	WANT_TEXT(r->recipient, "u@b.example");
	WANT_TEXT(r->sender, "s@a.example");
	WANT_TEXT(r->client_address, "192.0.2.1");
	WANT_TEXT(r->client_name, "h.example");
	WANT_TEXT(r->instance, "4d2.65a1b2c3.9e8f7.0");
	WANT_TEXT(r->login, "anna");
	WANT_TEXT(r->context, "submission");
}

static void a_real_request(void **state)
{
	struct request r;
	const char *problem;
	size_t used;

	(void)state;
	WANT_INT(parse(sv_of(real), &r, &used, &problem), PROTO_REQUEST);
	WANT_INT(used, strlen(real));
	want_real(&r);
}

static void good_ones(void **state)
{
	static const struct { const char *name, *text, *want_recipient, *want_sender; } table[] = {
		{ "least", REQUEST "\n", "", "" },
		{ "any order", "recipient=a@b\nsender=c@d\n" REQUEST "\n", "a@b", "c@d" },
		{ "= in a value", REQUEST "recipient=bounces+a=b.example@c.example\n\n", "bounces+a=b.example@c.example", "" },
		{ "value is =", REQUEST "recipient==\n\n", "=", "" },
		{ "twice: the last one counts", REQUEST "recipient=a@b\nrecipient=c@d\n\n", "c@d", "" },
		{ "twice, the last one empty", REQUEST "recipient=a@b\nrecipient=\n\n", "", "" },
		{ "request= twice", REQUEST REQUEST "recipient=a@b\n\n", "a@b", "" },
		{ "names of the future", REQUEST "x-y.z=1\nRecipient=no@b\nrecipient =no@b\n recipient=no@b\nrecipient=a@b\n\n", "a@b", "" },
		{ "CR is part of the value", REQUEST "recipient=a@b\r\n\n", "a@b\r", "" },
		{ "bytes that are not ASCII", REQUEST "recipient=\xff\xc3\xa9@b\n\n", "\xff\xc3\xa9@b", "" },
		{ "null sender", REQUEST "sender=\nrecipient=a@b\n\n", "a@b", "" },
	};

	(void)state;
	EACH(row, table) {
		struct request r;
		const char *problem;
		size_t used;
		WANT_INT(parse(sv_of(row->text), &r, &used, &problem), PROTO_REQUEST);
		WANT_INT(used, strlen(row->text));
		WANT_TEXT(r.recipient, row->want_recipient);
		WANT_TEXT(r.sender, row->want_sender);
	}
}

static void bad_ones(void **state)
{
	static const struct { const char *name; struct sv text; const char *want; } table[] = {
		{ "empty", { "\n", 1 }, "" },
		{ "empty, more behind", { "\n" REQUEST "\n", 30 }, "" },
		{ "no =", { REQUEST "recipient\n\n", 39 }, "name=value" },
		{ "no name", { REQUEST "=a@b\n\n", 34 }, "name=value" },
		{ "another protocol", { "request=other\n\n", 15 }, "smtpd_access_policy" },
		{ "right, then another", { REQUEST "request=other\n\n", 43 }, "smtpd_access_policy" },
		{ "no request", { "recipient=a@b\n\n", 15 }, "request=" },
		{ "NUL", { REQUEST "recipient=a\0b\n\n", 43 }, "NUL" },
		{ "CRLF", { "request=smtpd_access_policy\r\n\r\n\n", 32 }, "smtpd_access_policy" },
		{ "HTTP", { "GET / HTTP/1.1\n\n", 16 }, "name=value" },
	};

	(void)state;
	EACH(row, table) {
		struct request r;
		const char *problem;
		size_t used;
		WANT_INT(parse(row->text, &r, &used, &problem), PROTO_BAD);
		WANT(problem);
		WANT_PART(problem, row->want);
	}
}

static void every_split_point(void **state)
{
	static char two[2 * sizeof real];
	size_t n = strlen(real);

	(void)state;
	memcpy(two, real, n);
	memcpy(two + n, REQUEST "\n", sizeof REQUEST);
	for (size_t split = 0; split < n; split++) {
		struct request r;
		const char *problem;
		size_t used = 4711;
		char row[32];
		(void)snprintf(row, sizeof row, "split at %zu", split);
		test_row = row;
		WANT_INT(proto_parse(sv_make(two, split), &r, &used, &problem), PROTO_MORE);
		WANT_INT(used, 4711);
		/* the rest, and more of the next one, at once */
		size_t more = n + split % (sizeof REQUEST);
		WANT_INT(proto_parse(sv_make(two, more), &r, &used, &problem), PROTO_REQUEST);
		WANT_INT(used, n);
		want_real(&r);
	}
	test_row = "";
}

static void byte_by_byte(void **state)
{
	struct request r;
	const char *problem;
	size_t used;

	(void)state;
	for (size_t i = 0; i < strlen(real); i++)
		WANT_INT(proto_parse(sv_make(real, i), &r, &used, &problem), PROTO_MORE);
	WANT_INT(proto_parse(sv_of(real), &r, &used, &problem), PROTO_REQUEST);
	want_real(&r);
}

static void several_at_once(void **state)
{
	static const char text[] = REQUEST "recipient=1@b\n\n" REQUEST "sender=x@y\nrecipient=2@b\n\n" REQUEST "\n" REQUEST "reci";
	static const char *const want[] = { "1@b", "2@b", "" };
	struct sv rest = sv_make(text, sizeof text - 1);
	struct request r;
	const char *problem;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		WANT_INT(proto_parse(rest, &r, &used, &problem), PROTO_REQUEST);
		WANT_TEXT(r.recipient, want[i]);
		WANT_TEXT(r.sender, i == 1 ? "x@y" : ""); /* nothing is left over from the one before */
		rest = sv_skip(rest, used);
	}
	WANT_INT(proto_parse(rest, &r, &used, &problem), PROTO_MORE);
	WANT_TEXT(rest, REQUEST "reci");
}

static void too_long(void **state)
{
	static char text[PROTO_REQUEST_MAX + 100];
	struct request r;
	const char *problem;
	size_t used;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, REQUEST "recipient=", sizeof REQUEST + 9);
	WANT_INT(parse(sv_make(text, PROTO_REQUEST_MAX - 1), &r, &used, &problem), PROTO_MORE);
	WANT_INT(parse(sv_make(text, PROTO_REQUEST_MAX), &r, &used, &problem), PROTO_BAD);
	WANT_PART(problem, "longer than 16384");
	memcpy(text + PROTO_REQUEST_MAX - 2, "\n\n", 2);
	WANT_INT(parse(sv_make(text, PROTO_REQUEST_MAX), &r, &used, &problem), PROTO_REQUEST);
	WANT_INT(used, PROTO_REQUEST_MAX);
	/* 16 KiB of half a line, then nothing: no memory is held for ever */
	memset(text, 'x', sizeof text);
	for (size_t n = 0; n < PROTO_REQUEST_MAX; n += 1000)
		WANT_INT(proto_parse(sv_make(text, n), &r, &used, &problem), PROTO_MORE);
	WANT_INT(proto_parse(sv_make(text, PROTO_REQUEST_MAX), &r, &used, &problem), PROTO_BAD);
}

/* What cannot become a request is refused before its end comes: it may never come. */
static void said_as_soon_as_it_can_be(void **state)
{
	static const struct { const char *name, *text; } table[] = {
		{ "a line that is none", "GET / HTTP/1.1\n" }, { "the second line", REQUEST "recipient\n" },
		{ "another protocol", "request=other\n" }, { "no name", "=\n" },
	};

	(void)state;
	EACH(row, table) {
		struct request r;
		const char *problem;
		size_t used;
		WANT_INT(parse(sv_of(row->text), &r, &used, &problem), PROTO_BAD);
		WANT(problem);
		WANT_INT(parse(sv_make(row->text, strlen(row->text) - 1), &r, &used, &problem), PROTO_MORE);
	}
}

static void nothing(void **state)
{
	struct request r;
	const char *problem;
	size_t used;

	(void)state;
	WANT_INT(parse(sv_make(NULL, 0), &r, &used, &problem), PROTO_MORE);
	WANT_INT(parse(SV(""), &r, &used, &problem), PROTO_MORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_request),
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(every_split_point),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(too_long),
		cmocka_unit_test(said_as_soon_as_it_can_be),
		cmocka_unit_test(nothing),
	};

	return RUN(tests);
}
