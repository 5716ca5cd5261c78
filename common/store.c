#include "store.h"

#include "buf.h"
#include "clock.h"
#include "schema.h"
#include "sent.h"
#include "store_ops.h"

void transaction_begin(struct transaction *t, struct arena *arena)
{
	arena_reset(arena);
	t->arena = arena;
	t->partition = TRANSACTION_ANY;
	map_clear(&t->accounts);
	map_clear(&t->pendings);
	map_clear(&t->counters);
	map_clear(&t->tallies);
	map_clear(&t->unclassified);
	map_clear(&t->sent);
	map_clear(&t->told);
	t->asides = t->last_aside = NULL;
	t->alert = NULL;
	t->gap_source = sv_make("", 0);
	t->reader = NULL;
	t->from = t->to = NULL;
	t->now_s = clock_now_s();
	t->first_s = 0;
	t->first = t->last = NULL;
}

void transaction_settle(struct transaction *t, const struct store *store)
{
	size_t i = 0;
	const struct map_slot *first = map_next(&t->accounts, &i);

	if (t->partition == TRANSACTION_ANY)
		t->partition = first ? store_partition_of(store, first->key) : 0;
}

void transaction_free(struct transaction *t)
{
	map_free(&t->accounts);
	map_free(&t->pendings);
	map_free(&t->counters);
	map_free(&t->tallies);
	map_free(&t->unclassified);
	map_free(&t->sent);
	map_free(&t->told);
}

static struct account *add_account(struct transaction *t, struct sv key, uint64_t hash)
{
	struct account *account = arena_alloc(t->arena, sizeof *account);

	account->key = key;
	map_add(&t->accounts, key, hash, account);
	return account;
}

struct account *transaction_borrow(struct transaction *t, struct sv key, uint64_t hash)
{
	struct account *account = map_find(&t->accounts, key, hash);

	return account ? account : add_account(t, key, hash);
}

struct account *transaction_account(struct transaction *t, struct sv key)
{
	uint64_t hash = map_hash(key);
	struct account *account = map_find(&t->accounts, key, hash);

	return account ? account : add_account(t, arena_dup(t->arena, key), hash);
}

struct pending *transaction_pending(struct transaction *t, struct sv key)
{
	struct pending *pending = map_get(&t->pendings, key);

	if (pending)
		return pending;
	pending = arena_alloc(t->arena, sizeof *pending);
	pending->key = arena_dup(t->arena, key);
	map_put(&t->pendings, pending->key, pending);
	return pending;
}

void transaction_sent(struct transaction *t, int64_t time_s, struct sv print, struct sv address, bool tried)
{
	char room[SENT_BUCKET_MAX], day[9];
	struct buf name = BUF_ON(room);

	clock_format_day(time_s, day);
	sent_add_bucket(&name, sv_of(day), print);
	struct sent *s = map_get(&t->sent, buf_sv(&name));
	if (!s) {
		s = arena_alloc(t->arena, sizeof *s);
		s->key = arena_dup(t->arena, buf_sv(&name));
		map_put(&t->sent, s->key, s);
	}
	s->members = arena_grow(t->arena, s->members, s->n, sizeof *s->members);
	struct sv rest = sent_rest(print);
	s->members[s->n++] = arena_printf(t->arena, "%.*s%c%.*s", SV_ARG(rest), tried ? SENT_TRIED : SENT_WENT, SV_ARG(address));
}

struct told *transaction_told(struct transaction *t, struct sv id)
{
	struct told *told = map_get(&t->told, id);

	if (told)
		return told;
	told = arena_alloc(t->arena, sizeof *told);
	told->id = arena_dup(t->arena, id);
	map_put(&t->told, told->id, told);
	return told;
}

void transaction_aside(struct transaction *t, const struct aside *aside)
{
	struct aside *copy = arena_alloc(t->arena, sizeof *copy);
	struct sv *const texts[] = { &copy->kind, &copy->address, &copy->why, &copy->from, &copy->about, &copy->status, &copy->text, &copy->category,
		&copy->sender };

	*copy = *aside;
	copy->next = NULL;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = arena_dup(t->arena, sv_head(*texts[i], ASIDE_TEXT_MAX));
	*(t->last_aside ? &t->last_aside->next : &t->asides) = copy;
	t->last_aside = copy;
}

static const char *const tally_names[] = { "attempts", "delivered", "deferred", "soft", "hard", "complaint", "throttled", "blocked", "failing",
	"mail-soft", "mail-hard" };

const char *tally_name(enum tally_counter counter)
{
	return tally_names[counter];
}

/* "20261121", "202611210912", and ":dimension" behind it */
static void add_period(struct transaction *t, struct buf *key, int64_t time_s, bool minute, struct sv dimension)
{
	/* most facts are of the minute of the one before */
	if (!t->period[0] || t->minute != time_s / 60) {
		clock_format_minute(time_s, t->period);
		t->minute = time_s / 60;
	}
	buf_add(key, sv_make(t->period, minute ? 12 : 8));
	if (dimension.n)
		buf_add_char(key, ':');
	buf_add(key, dimension);
}

static void count_in(struct transaction *t, int64_t time_s, bool minute, struct sv dimension, struct sv name, int64_t delta)
{
	char room[192];
	struct buf key = BUF_ON(room);

	add_period(t, &key, time_s, minute, dimension);
	size_t period_n = key.n;
	buf_add_char(&key, '|');
	buf_add(&key, name);
	struct counter *counter = map_get(&t->counters, buf_sv(&key));
	if (!counter) {
		counter = arena_alloc(t->arena, sizeof *counter);
		struct sv kept = arena_dup(t->arena, buf_sv(&key));
		counter->period = sv_head(kept, period_n);
		counter->name = sv_skip(kept, period_n + 1);
		map_put(&t->counters, kept, counter);
	}
	counter->delta += delta;
}

/* Is that minute still kept? */
static bool keeps_minute(const struct transaction *t, int64_t time_s, int hours)
{
	return time_s > t->now_s - hours * INT64_C(3600);
}

void transaction_count(struct transaction *t, int64_t time_s, struct sv dimension, struct sv name, int64_t delta)
{
	count_in(t, time_s, false, dimension, name, delta);
	if (!t->totals_only && keeps_minute(t, time_s, dimension.n ? SCHEMA_HOURS_MINUTE_DIMENSIONS : SCHEMA_HOURS_MINUTES))
		count_in(t, time_s, true, dimension, name, delta);
}

static void tally_in(struct transaction *t, int64_t time_s, bool minute, struct sv dimension, struct sv value, const int64_t n[TALLY_COUNTERS])
{
	char room[384];
	struct buf key = BUF_ON(room);

	add_period(t, &key, time_s, minute, sv_make("", 0));
	size_t period_n = key.n;
	buf_add_char(&key, ':');
	buf_add(&key, dimension);
	buf_add_char(&key, '|');
	buf_add(&key, sv_head(value, SCHEMA_VALUE_MAX));
	struct tally *tally = map_get(&t->tallies, buf_sv(&key));
	if (!tally) {
		tally = arena_alloc(t->arena, sizeof *tally);
		struct sv kept = arena_dup(t->arena, buf_sv(&key));
		*tally = (struct tally){ .period = sv_head(kept, period_n), .dimension = sv_head(sv_skip(kept, period_n + 1), dimension.n),
			.value = sv_skip(kept, period_n + dimension.n + 2) };
		map_put(&t->tallies, kept, tally);
	}
	for (int i = 0; i < TALLY_COUNTERS; i++)
		tally->n[i] += n[i];
}

void transaction_tally(struct transaction *t, int64_t time_s, struct sv dimension, struct sv value, const int64_t n[TALLY_COUNTERS])
{
	if (!value.n || t->totals_only)
		return;
	tally_in(t, time_s, false, dimension, value, n);
	if (keeps_minute(t, time_s, SCHEMA_HOURS_MINUTE_DIMENSIONS))
		tally_in(t, time_s, true, dimension, value, n);
}

void transaction_unclassified(struct transaction *t, int64_t time_s, struct sv text, struct sv example)
{
	char day[9];

	clock_format_day(time_s, day);
	struct sv key = arena_printf(t->arena, "%.6s|%.*s", day, SV_ARG(text));
	struct unclassified *u = map_get(&t->unclassified, key);
	if (!u) {
		u = arena_alloc(t->arena, sizeof *u);
		*u = (struct unclassified){ .month = sv_head(key, 6), .text = sv_skip(key, 7), .example = arena_dup(t->arena, example) };
		map_put(&t->unclassified, key, u);
	}
	u->delta++;
}

void account_transition(struct transaction *t, struct account *account, const struct entry *before, struct sv why, int64_t time_s)
{
	struct transition *step = arena_alloc(t->arena, sizeof *step);

	*step = (struct transition){ .from = before->status, .to = account->entry.status, .reason = account->entry.reason,
		.rule = account->entry.rule, .remote = account->entry.remote, .why = arena_dup(t->arena, why), .time_s = time_s,
		.before = schema_pack_entry(t->arena, before) };
	if (account->last_transition)
		account->last_transition->next = step;
	else
		account->transitions = step;
	account->last_transition = step;
	step->address = account->key;
	step->number = t->last ? t->last->number + 1 : 1;
	if (t->last)
		t->last->later = step;
	else
		t->first = step;
	t->last = step;
	account->changed = true;
}

void account_scope_transition(struct transaction *t, struct account *account, const struct entry *before, struct sv scope,
	enum status from, enum status to, struct sv why, int64_t time_s)
{
	account_transition(t, account, before, why, time_s);
	struct transition *step = account->last_transition;
	step->from = from;
	step->to = to;
	step->scope = scope;
	step->reason = to == STATUS_COMPLAINT ? CATEGORY_COMPLAINT : CATEGORY_OTHER;
	step->rule = step->remote = sv_make("", 0);
}

void store_free(struct store *store)
{
	if (store)
		store->ops->free(store);
}

enum store_result store_load_all(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	return store->ops->load(store, t, n, err);
}

enum store_result store_load(struct store *store, struct transaction *t, struct err *err)
{
	return store_load_all(store, &t, 1, err);
}

enum store_result store_commit_all(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	store_commit_start(store, t, n, err);
	return store_commit_finish(store, t, n, err);
}

void store_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	store->ops->commit_start(store, t, n, err);
}

enum store_result store_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	return store->ops->commit_finish(store, t, n, err);
}

enum store_result store_commit(struct store *store, struct transaction *t, struct err *err)
{
	return store_commit_all(store, &t, 1, err);
}

bool store_keeps_tallies(const struct store *store)
{
	return !store->totals_only;
}

unsigned store_partitions(struct store *store, struct err *err)
{
	return store->ops->partitions(store, err);
}

unsigned store_partition_of(const struct store *store, struct sv key)
{
	return schema_partition(key, store->partitions);
}

enum store_result store_positions(struct store *store, struct sv source, struct position *positions_r, struct err *err)
{
	return store->ops->positions(store, source, positions_r, err);
}

enum store_result store_sent(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max, store_sent_callback *callback,
	void *arg, struct err *err)
{
	return store->ops->sent(store, prints, n, since_s, max, callback, arg, err);
}

enum store_result store_asides(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg, struct err *err)
{
	return store->ops->asides(store, arena, callback, arg, err);
}

enum store_result store_counts(struct store *store, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err)
{
	return store->ops->counts(store, SV(""), SV(""), dimension, callback, arg, err);
}

enum store_result store_counts_of(struct store *store, struct sv first, struct sv last, struct sv dimension, store_count_callback *callback,
	void *arg, struct err *err)
{
	return store->ops->counts(store, first, last, dimension, callback, arg, err);
}

enum store_result store_hours(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg, struct err *err)
{
	return store->ops->hours(store, from_s, to_s, callback, arg, err);
}

enum store_result store_period(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err)
{
	return store->ops->period(store, period, dimension, callback, arg, err);
}

enum store_result store_alerts(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg, struct err *err)
{
	return store->ops->alerts(store, arena, callback, arg, err);
}

/* What is about no account, in partition 0 */
static enum store_result commit_alone(struct store *store, struct transaction t, struct err *err)
{
	struct arena arena = { 0 };

	t.arena = &arena;
	enum store_result result = store_commit(store, &t, err);
	transaction_free(&t);
	arena_free(&arena);
	return result;
}

enum store_result store_alert(struct store *store, const struct alert *alert, enum alert_event event, struct err *err)
{
	return commit_alone(store, (struct transaction){ .alert = alert, .alert_event = event }, err);
}

enum store_result store_gap(struct store *store, struct sv source, int64_t time_s, struct err *err)
{
	return commit_alone(store, (struct transaction){ .gap_source = source, .gap_s = time_s }, err);
}

enum store_result store_gaps(struct store *store, store_gap_callback *callback, void *arg, struct err *err)
{
	return store->ops->gaps(store, callback, arg, err);
}

enum store_result store_reader(struct store *store, const struct reader_state *state, struct err *err)
{
	return commit_alone(store, (struct transaction){ .reader = state }, err);
}

enum store_result store_readers(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err)
{
	return store->ops->readers(store, arena, callback, arg, err);
}

enum store_result store_doors(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err)
{
	return store->ops->doors(store, arena, callback, arg, err);
}

enum store_result store_suppressed_count(struct store *store, uint64_t *n_r, struct err *err)
{
	return store->ops->suppressed_count(store, false, n_r, err);
}

enum store_result store_scoped_count(struct store *store, uint64_t *n_r, struct err *err)
{
	return store->ops->suppressed_count(store, true, n_r, err);
}

enum store_result store_alert_log(struct store *store, store_alert_log_callback *callback, void *arg, struct err *err)
{
	return store->ops->alert_log(store, callback, arg, err);
}

enum store_result store_unclassified(struct store *store, store_unclassified_callback *callback, void *arg, struct err *err)
{
	return store->ops->unclassified(store, callback, arg, err);
}

enum store_result store_histories(struct store *store, store_bounce_callback *callback, void *arg, struct err *err)
{
	return store->ops->histories(store, INT64_MIN, SV(""), callback, arg, err);
}

enum store_result store_histories_since(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg,
	struct err *err)
{
	return store->ops->histories(store, since_s, domain, callback, arg, err);
}

enum store_result store_history(struct store *store, struct sv address, store_bounce_callback *callback, void *arg, struct err *err)
{
	return store->ops->history(store, address, callback, arg, err);
}

enum store_result store_suppressed(struct store *store, store_entry_callback *callback, void *arg, struct err *err)
{
	return store_suppressed_some(store, &SUPPRESSED_ALL, callback, arg, err);
}

enum store_result store_suppressed_some(struct store *store, const struct suppressed_some *some, store_entry_callback *callback,
	void *arg, struct err *err)
{
	return store->ops->suppressed(store, some, callback, arg, err);
}

int suppressed_compare(const struct suppressed_place *a, const struct suppressed_place *b)
{
	if (a->since_s != b->since_s)
		return a->since_s < b->since_s ? -1 : 1;
	int order = memcmp(a->address.p, b->address.p, a->address.n < b->address.n ? a->address.n : b->address.n);
	return order ? order : (a->address.n > b->address.n) - (a->address.n < b->address.n);
}

bool suppressed_is_meant(const struct suppressed_some *some, const struct suppressed_place *place)
{
	return place->since_s >= some->since_s && place->since_s < some->until_s && (!some->after || suppressed_compare(place, some->after) > 0) &&
		(!some->domain.n || sv_eq_nocase(sv_after_last(place->address, '@'), some->domain));
}

enum store_result store_entries(struct store *store, store_entry_callback *callback, void *arg, struct err *err)
{
	return store->ops->entries(store, callback, arg, err);
}

enum store_result store_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err)
{
	return store->ops->entry(store, arena, address, entry_r, err);
}

enum store_result store_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg, struct err *err)
{
	return store->ops->journal_entry(store, id, callback, arg, err);
}

enum store_result store_journal_beside(struct store *store, const char *id, store_journal_callback *callback, void *arg, struct err *err)
{
	return store->ops->journal_beside(store, id, callback, arg, err);
}

enum store_result store_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err)
{
	return store->ops->journal(store, callback, arg, err);
}

enum store_result store_journal_end(struct store *store, struct journal_place *places_r, struct err *err)
{
	return store->ops->journal_end(store, places_r, err);
}

enum store_result store_journal_next(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg, struct err *err)
{
	return store->ops->journal_next(store, places, callback, arg, err);
}
