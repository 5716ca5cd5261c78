#include "http.h"

const char *http_reason(int status)
{
	static const struct { int status; const char *reason; } reasons[] = {
		{ 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 431, "Request Header Fields Too Large" }, { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

/* A line without its end, CR LF or LF. False: it has no end yet. */
static bool take_line(struct sv *rest, struct sv *line_r)
{
	size_t end = sv_find(*rest, '\n');

	if (end == rest->n)
		return false;
	*line_r = sv_head(*rest, end);
	*rest = sv_skip(*rest, end + 1);
	if (line_r->n && line_r->p[line_r->n - 1] == '\r')
		line_r->n--;
	return true;
}

static bool is_printable(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return true;
}

static int version_status(struct sv version)
{
	if (!sv_take(&version, SV("HTTP/")) || version.n != 3 || !sv_is_digit(version.p[0]) || version.p[1] != '.' || !sv_is_digit(version.p[2]))
		return 400;
	return version.p[0] == '1' ? 0 : 505;
}

/* "/metrics?x=y" or "http://host/metrics" to "/metrics" */
static struct sv path_of(struct sv target)
{
	if (sv_starts_nocase(target, SV("http://"))) {
		target = sv_skip(target, SV("http://").n);
		target = sv_skip(target, sv_find(target, '/'));
		if (!target.n)
			return SV("/");
	}
	return sv_head(target, sv_find(target, '?'));
}

static int parse_request_line(struct sv line, struct http_request *r)
{
	struct sv rest = line;
	struct sv method = sv_cut(&rest, ' ');
	struct sv target = sv_cut(&rest, ' ');

	int status = version_status(rest);
	if (!method.n || !target.n || !is_printable(method) || !is_printable(target))
		return 400;
	if (status)
		return status;
	r->head_only = sv_eq(method, SV("HEAD"));
	if (!r->head_only && !sv_eq(method, SV("GET")))
		return 405;
	r->path = path_of(target);
	return r->path.n && r->path.p[0] == '/' ? 0 : 400;
}

/* "Name: value", no blank before the colon and no line that goes on with the one before (RFC 9112, 5.1 and 5.2) */
static bool is_field(struct sv line)
{
	size_t colon = sv_find(line, ':');

	return colon > 0 && colon < line.n && is_printable(sv_head(line, colon)) && !memchr(line.p, 0, line.n) && !memchr(line.p, '\r', line.n);
}

enum http_result http_parse(struct sv bytes, struct http_request *r)
{
	struct sv rest = sv_head(bytes, HTTP_REQUEST_MAX), line;

	*r = (struct http_request){ .status = 0 };
	if (!take_line(&rest, &line)) {
		r->status = bytes.n >= HTTP_REQUEST_MAX ? 431 : 0;
		return r->status ? HTTP_REQUEST : HTTP_MORE;
	}
	int status = parse_request_line(line, r);
	while (!status && take_line(&rest, &line)) {
		if (line.n == 0)
			return HTTP_REQUEST;
		if (!is_field(line))
			status = 400;
	}
	if (!status && bytes.n < HTTP_REQUEST_MAX)
		return HTTP_MORE;
	*r = (struct http_request){ .head_only = r->head_only, .status = status ? status : 431 };
	return HTTP_REQUEST;
}

void http_add_head(struct buf *b, int status, const char *content_type, size_t body_bytes)
{
	buf_addf(b, "HTTP/1.1 %d %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, http_reason(status),
		status == 405 ? "Allow: GET, HEAD\r\n" : "", content_type, body_bytes);
}
