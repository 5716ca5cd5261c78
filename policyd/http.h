/* http: as much of HTTP as a scraper and a health check need: one request in, one answer out, then the end.
 *
 * RFC 9112, HTTP/1.0 and 1.1, GET and HEAD. Fields are looked over and mean nothing; a body is not read.
 * Pure. */
#ifndef NIXIE_HTTP_H
#define NIXIE_HTTP_H

#include "buf.h"

/* Request line and fields */
#define HTTP_REQUEST_MAX ((size_t)8 * 1024)
#define HTTP_HEAD_MAX 256

enum http_result { HTTP_MORE, HTTP_REQUEST };

struct http_request {
	struct sv path;  /* borrowed; without host and query; empty when status is not 0 */
	bool head_only;  /* HEAD: an answer without its body */
	int status;      /* 0: answer it; else it has to be refused with 400, 405, 431 or 505 */
};

/* HTTP_MORE: the empty line behind the fields is not there yet, and may come. */
enum http_result http_parse(struct sv bytes, struct http_request *request_r);

/* Status line and fields of an answer with a body of so many bytes, at most HTTP_HEAD_MAX bytes. */
void http_add_head(struct buf *b, int status, const char *content_type, size_t body_bytes);
/* "Not Found" */
const char *http_reason(int status);

#endif
