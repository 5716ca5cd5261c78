/* json: objects and lists of JSON, written to a stream as they come.
 *
 * Members have a name; those of a list, and the outermost object, have NULL. */
#ifndef NIXIE_JSON_H
#define NIXIE_JSON_H

#include <stdio.h>

#include "sv.h"

struct json {
	FILE *to;
	bool comma; /* something stands in front on this level */
};

#define JSON_ON(stream) ((struct json){ (stream), false })

void json_object(struct json *json, const char *name);
void json_end_object(struct json *json);
void json_list(struct json *json, const char *name);
void json_end_list(struct json *json);

void json_text(struct json *json, const char *name, struct sv text);
/* The same, but nothing where the text is empty. */
void json_member(struct json *json, const char *name, struct sv text);
void json_number(struct json *json, const char *name, int64_t value);
/* 123 is 12.3 */
void json_tenths(struct json *json, const char *name, int64_t tenths);
/* 123 is 0.123 */
void json_thousandths(struct json *json, const char *name, int64_t thousandths);
void json_bool(struct json *json, const char *name, bool value);

/* Ends the line behind the outermost object; the next one may begin. */
void json_end_line(struct json *json);

#endif
