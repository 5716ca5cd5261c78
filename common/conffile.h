/* conffile: a configuration or rule file as a tree of values that know their file and line.
 *
 * The only includer of libconfig. The tree owns everything; nodes and strings
 * are valid until conffile_free(). */
#ifndef NIXIE_CONFFILE_H
#define NIXIE_CONFFILE_H

#include "err.h"
#include "sv.h"

/* A file of rules or options is small; a larger one is a mistake or an attack. */
#define CONFFILE_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct conffile;
struct node; /* borrowed */

enum node_type { NODE_GROUP, NODE_LIST, NODE_STRING, NODE_NUMBER, NODE_BOOL, NODE_OTHER };

/* NULL and *err on failure: file, line and what is wrong. */
struct conffile *conffile_read(const char *path, struct err *err);
/* name stands for the file in messages */
struct conffile *conffile_read_text(const char *name, const char *text, struct err *err);
void conffile_free(struct conffile *file);

const struct node *conffile_root(const struct conffile *file);

enum node_type node_type(const struct node *node);
const char *node_type_name(const struct node *node);
/* "" for members of a list */
const char *node_name(const struct node *node);
unsigned node_line(const struct node *node);

/* Members of a group or list; NULL when there is none. */
const struct node *node_get(const struct node *group, const char *name);
const struct node *node_at(const struct node *node, size_t i);
size_t node_count(const struct node *node);

/* Only on the matching type. */
const char *node_string(const struct node *node);
int64_t node_number(const struct node *node);
bool node_bool(const struct node *node);

/* Is it a list of groups, max of them at most? False and *err: no. example: one of them, such as "{ a = ...; }". */
bool node_check_groups(const struct node *node, const char *name, const char *example, size_t max, struct err *err) NIXIE_MUST_CHECK;

/* "file:line: <text>". Always returns false. */
bool node_err(const struct node *node, struct err *err, const char *format, ...) NIXIE_PRINTF(3, 4);

#endif
