/* page: a report as one page of HTML that needs nothing else: no script, no network. */
#ifndef NIXIE_PAGE_H
#define NIXIE_PAGE_H

#include "verbs.h"

/* Rows of a list of bars, and of the table beneath it; of alerts. */
#define PAGE_BARS_MAX 10
#define PAGE_ROWS_MAX 25
#define PAGE_ALERTS_MAX 20
/* All of it; a year of a busy server makes a quarter of that. */
#define PAGE_BYTES_MAX 1048576

/* Figures from from_s up to to_s, whole days, and of the 3 and 12 months that end there. "-" is standard output; a file is there
 * as a whole or not at all. Returns an exit code, after a message; EXIT_NOT_FOUND: the page says that there are no results. */
int page_write(struct ctl *ctl, const char *path, int64_t from_s, int64_t to_s);

#endif
