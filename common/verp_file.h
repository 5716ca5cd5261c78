/* verp_file: what verp.h needs from files: templates of the configuration, and secrets. */
#ifndef NIXIE_VERP_FILE_H
#define NIXIE_VERP_FILE_H

#include "conffile.h"
#include "verp.h"

/* receive.addresses: a list of groups { for = "bounces"; address = TEMPLATE; } */
bool verp_templates_parse(const struct node *node, struct verp_templates *templates_r, struct err *err) NIXIE_MUST_CHECK;

/* Has one of them a {sig}? */
bool verp_templates_sign(const struct verp_templates *templates);

/* The secrets of a file that nobody can read but its owner and group. path "": none. */
bool verp_secrets_read(const char *path, struct verp_secrets *secrets_r, struct err *err) NIXIE_MUST_CHECK;

#endif
