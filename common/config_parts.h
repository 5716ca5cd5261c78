/* config_parts: what the files of the configuration share. Only for config*.c. */
#ifndef NIXIE_CONFIG_PARTS_H
#define NIXIE_CONFIG_PARTS_H

#include "conffile.h"
#include "config.h"

#define HOUR_MS INT64_C(3600000)

/* config_values.c: sets an option from text, as strings in the file and all values of -o are. */
bool config_set_text(const struct config_option *o, struct sv text, struct config *config, struct err *err) NIXIE_MUST_CHECK;
/* How much of struct config it is. */
size_t config_option_size(const struct config_option *o);
/* One more member of a list. */
bool config_add_string(const struct config_option *o, struct sv text, struct strings *to, struct err *err) NIXIE_MUST_CHECK;

/* config_lists.c: what the file says of each. */
bool config_set_conversions(const struct node *node, struct conversions *to, struct err *err) NIXIE_MUST_CHECK;
bool config_set_terms(const struct node *node, struct category_term to[CATEGORY_COUNT], struct err *err) NIXIE_MUST_CHECK;
bool config_set_status_filter(const struct node *node, enum status_change to[CATEGORY_COUNT], struct err *err) NIXIE_MUST_CHECK;
/* Where the file says nothing. */
void config_ship_conversions(struct conversions *to);

#endif
