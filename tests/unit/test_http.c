/* http: one request, whole, cut anywhere, or none. */
#include "test.h"

#include "http.h"

static const struct {
	const char *name, *bytes;
	enum http_result result;
	int status;
	const char *path;
	bool head_only;
} requests[] = {
	{ "as Prometheus asks", "GET /metrics HTTP/1.1\r\nHost: mx:9125\r\nUser-Agent: Prometheus/2.42\r\nAccept: text/plain;version=0.0.4\r\n\r\n",
	  HTTP_REQUEST, 0, "/metrics", false },
	{ "HTTP/1.0 without a field", "GET /health HTTP/1.0\r\n\r\n", HTTP_REQUEST, 0, "/health", false },
	{ "lines of LF", "GET /metrics HTTP/1.1\nHost: x\n\n", HTTP_REQUEST, 0, "/metrics", false },
	{ "a query", "GET /metrics?name=x HTTP/1.1\r\n\r\n", HTTP_REQUEST, 0, "/metrics", false },
	{ "absolute", "GET http://mx:9125/ready HTTP/1.1\r\n\r\n", HTTP_REQUEST, 0, "/ready", false },
	{ "absolute without a path", "GET http://mx:9125 HTTP/1.1\r\n\r\n", HTTP_REQUEST, 0, "/", false },
	{ "HEAD", "HEAD /metrics HTTP/1.1\r\n\r\n", HTTP_REQUEST, 0, "/metrics", true },
	{ "more behind it", "GET / HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", HTTP_REQUEST, 0, "/", false },
	{ "nothing", "", HTTP_MORE, 0, "", false },
	{ "half a line", "GET /metr", HTTP_MORE, 0, "", false },
	{ "a field that goes on", "GET /metrics HTTP/1.1\r\nHost: x", HTTP_MORE, 0, "/metrics", false },
	{ "no empty line", "GET /metrics HTTP/1.1\r\nHost: x\r\n", HTTP_MORE, 0, "/metrics", false },
	{ "POST is said at once", "POST /metrics HTTP/1.1\r\n", HTTP_REQUEST, 405, "", false },
	{ "lower case is another method", "get /metrics HTTP/1.1\r\n", HTTP_REQUEST, 405, "", false },
	{ "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_REQUEST, 505, "", false },
	{ "no version", "GET /metrics\r\n", HTTP_REQUEST, 400, "", false },
	{ "three blanks", "GET /a b HTTP/1.1\r\n", HTTP_REQUEST, 400, "", false },
	{ "a control", "GET /\x01 HTTP/1.1\r\n", HTTP_REQUEST, 400, "", false },
	{ "no slash", "GET metrics HTTP/1.1\r\n\r\n", HTTP_REQUEST, 400, "", false },
	{ "another protocol", "request=smtpd_access_policy\n", HTTP_REQUEST, 400, "", false },
	{ "TLS", "\x16\x03\x01\x02\n", HTTP_REQUEST, 400, "", false },
	{ "no field", "GET / HTTP/1.1\r\nx\r\n", HTTP_REQUEST, 400, "", false },
	{ "a blank before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", HTTP_REQUEST, 400, "", false },
	{ "a folded line", "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", HTTP_REQUEST, 400, "", false },
	{ "a CR within", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HTTP_REQUEST, 400, "", false },
};

static void test_requests(void **state)
{
	(void)state;
	EACH(row, requests) {
		struct http_request r;
		WANT_INT(http_parse(sv_of(row->bytes), &r), row->result);
		WANT_INT(r.status, row->status);
		WANT_TEXT(r.path, row->path);
		WANT_INT(r.head_only, row->head_only);
	}
}

/* However it arrives, it is one request, when its last byte is there. */
static void test_cut_anywhere(void **state)
{
	static const char whole[] = "GET /metrics?x HTTP/1.1\r\nHost: mx\r\nAccept: */*\r\n\r\n";
	struct http_request r;

	(void)state;
	for (size_t n = 0; n < sizeof whole - 1; n++)
		WANT_INT(http_parse(sv_make(whole, n), &r), HTTP_MORE);
	WANT_INT(http_parse(sv_make(whole, sizeof whole - 1), &r), HTTP_REQUEST);
	WANT_TEXT(r.path, "/metrics");
}

static void test_too_long(void **state)
{
	static char bytes[HTTP_REQUEST_MAX + 100];
	struct buf b = BUF_ON(bytes);
	struct http_request r;

	(void)state;
	memset(bytes, 'a', sizeof bytes);
	WANT_INT(http_parse(sv_make(bytes, HTTP_REQUEST_MAX - 1), &r), HTTP_MORE);
	WANT_INT(http_parse(sv_make(bytes, HTTP_REQUEST_MAX), &r), HTTP_REQUEST);
	WANT_INT(r.status, 431);
	buf_add(&b, SV("HEAD / HTTP/1.1\r\n"));
	while (b.n < HTTP_REQUEST_MAX)
		buf_add(&b, SV("a: b\r\n"));
	WANT_INT(http_parse(sv_make(bytes, HTTP_REQUEST_MAX - 1), &r), HTTP_MORE);
	WANT_INT(http_parse(buf_sv(&b), &r), HTTP_REQUEST);
	WANT_INT(r.status, 431);
	WANT_TEXT(r.path, "");
	WANT_INT(r.head_only, 1);
}

static void test_heads(void **state)
{
	char room[HTTP_HEAD_MAX];
	struct buf b = BUF_ON(room);

	(void)state;
	http_add_head(&b, 200, "text/plain; version=0.0.4; charset=utf-8", 12345);
	WANT_TEXT(buf_sv(&b), "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 12345\r\n"
		"Connection: close\r\n\r\n");
	buf_reset(&b);
	http_add_head(&b, 405, "text/plain", 0);
	WANT_PART(buf_cstr(&b), "\r\nAllow: GET, HEAD\r\n");
	for (int status = 0; status < 600; status++) {
		buf_reset(&b);
		http_add_head(&b, status, "text/plain; version=0.0.4; charset=utf-8", SIZE_MAX);
		WANT(!b.full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_too_long), cmocka_unit_test(test_heads),
	};

	return RUN(tests);
}
