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

bool entry_suppressed(const struct entry *entry, int64_t now_s)
{
	switch (entry->status) {
	case STATUS_HARD:
	case STATUS_HELD:
	case STATUS_COMPLAINT:
	case STATUS_MANUAL:
		return entry->until_s == 0 || now_s < entry->until_s;
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
