/* watch: what the reader looks out for besides the lines: jumps of failures (the
 * brake, surge.h) and rates over their limits, as alerts in the store.
 *
 * Jumps are noticed from the facts as they are added to the ledger. What the window
 * held, and what is usual, is read from the counters in the store at the start, and
 * what is usual again with each day of the log; so a restart forgets nothing. Alerts
 * of other readers count here too, and are looked at every WATCH_MS. */
#ifndef NIXIE_WATCH_H
#define NIXIE_WATCH_H

#include "ledger.h"

#define WATCH_MS 5000
/* Rates are compared with their limits so often. */
#define WATCH_RATES_MS 30000
/* So many days before tell what is usual. */
#define WATCH_USUAL_DAYS 7

struct watch;

/* name: of this reader, the same after a restart, and of no other; borrowed. */
struct watch *watch_new(struct store *store, const struct config *config, const char *name);
void watch_free(struct watch *watch);
/* For the ledger */
struct surge *watch_surge(struct watch *watch);

/* Begins anew where the log is at event_s: windows and what is usual from the store. */
enum store_result watch_begin(struct watch *watch, int64_t event_s, struct err *err) NIXIE_MUST_CHECK;

/* After each batch: tells what opened and closed. live: the log is read to its end, so the clock's
 * time is that of the log. A store that does not answer is asked again later. */
void watch_turn(struct watch *watch, int64_t event_s, bool live);
/* The alert about a log, by its name in the store, if it is open; NULL: it is not. Valid until the next watch_* call. */
const struct alert *watch_log_alert(const struct watch *watch, enum alert_kind kind, struct sv log);
/* What is the case with a log just now: opens its alert, keeps it or closes it. */
void watch_log(struct watch *watch, const struct alert *alert, bool open);

void watch_reload(struct watch *watch);

#endif
