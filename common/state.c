#include "state.h"

static const char *const status_names[] = { "none", "soft", "held", "hard", "complaint", "manual", "allow" };
static const char *const origin_names[] = { "log", "dsn", "feedback", "manual", "import", "api" };

const char *status_name(enum status status)
{
	return status_names[status];
}

bool status_by_name(struct sv name, enum status *status_r)
{
	for (int i = STATUS_NONE; i <= STATUS_ALLOW; i++) {
		if (sv_eq(name, sv_of(status_names[i]))) {
			*status_r = (enum status)i;
			return true;
		}
	}
	return false;
}

const char *origin_name(enum origin origin)
{
	return origin_names[origin];
}

bool origin_by_name(struct sv name, enum origin *origin_r)
{
	for (int i = ORIGIN_LOG; i <= ORIGIN_API; i++) {
		if (sv_eq(name, sv_of(origin_names[i]))) {
			*origin_r = (enum origin)i;
			return true;
		}
	}
	return false;
}

bool entry_is_empty(const struct entry *entry)
{
	return entry->status == STATUS_NONE && entry->scopes.n == 0;
}

void entry_clear(struct entry *entry)
{
	*entry = (struct entry){ .revision = entry->revision, .scopes = entry->scopes };
}

static bool term_is_over(const struct entry *entry, int64_t now_s)
{
	return entry->until_s != 0 && now_s >= entry->until_s;
}

bool entry_by_failures(const struct entry *entry)
{
	return entry->origin == ORIGIN_LOG || entry->origin == ORIGIN_DSN;
}

bool entry_by_hand(const struct entry *entry)
{
	return entry->status == STATUS_MANUAL || entry->status == STATUS_ALLOW ||
		(entry->status != STATUS_NONE && entry->origin == ORIGIN_MANUAL && entry->reason == CATEGORY_OTHER);
}

static bool has_parole(const struct entry *entry)
{
	return (entry->status == STATUS_HARD || entry->status == STATUS_HELD) && entry_by_failures(entry);
}

/* One message is out. A stamp from a clock that was ahead holds nobody up. */
static bool is_out(const struct entry *entry, int64_t now_s)
{
	return entry->parole_s != 0 && entry->parole_s <= now_s + STATE_CLOCK_SLACK_S && now_s - entry->parole_s < STATE_PAROLE_S;
}

bool entry_awaits_parole(const struct entry *entry, int64_t now_s)
{
	return has_parole(entry) && term_is_over(entry, now_s) && !is_out(entry, now_s);
}

bool entry_suppressed(const struct entry *entry, int64_t now_s)
{
	/* after a term: while one message is out on parole the others wait for its fate */
	return status_suppresses(entry->status) && (!term_is_over(entry, now_s) || (has_parole(entry) && is_out(entry, now_s)));
}

size_t entry_extract_bytes(const struct entry *entry)
{
	return sizeof *entry + entry->token.n + entry->parole_by.n + entry->scopes.n;
}

static char *put(char *to, struct sv *s)
{
	if (s->n)
		memcpy(to, s->p, s->n);
	*s = sv_make(to, s->n);
	return to + s->n;
}

struct entry *entry_extract(const struct entry *entry, void *room)
{
	struct entry *e = room;

	*e = *entry;
	e->rule = e->text = e->remote = e->by = e->batch = SV("");
	char *to = put((char *)(e + 1), &e->token);
	to = put(to, &e->parole_by);
	(void)put(to, &e->scopes);
	return e;
}

bool status_suppresses(enum status status)
{
	switch (status) {
	case STATUS_HARD:
	case STATUS_HELD:
	case STATUS_COMPLAINT:
	case STATUS_MANUAL:
		return true;
	case STATUS_NONE:
	case STATUS_SOFT:
	case STATUS_ALLOW:
		break;
	}
	return false;
}

bool status_protected(enum status status)
{
	return status == STATUS_COMPLAINT || status == STATUS_MANUAL;
}
