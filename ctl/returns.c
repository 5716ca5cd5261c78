#include "returns.h"

#include "clock.h"

const char *returns_kind_name(int kind)
{
	return kind == RETURNS_UNSUBSCRIBE ? "unsubscribe" : returned_kind_name((enum returned_kind)kind);
}

/* "dsn|counted" of a day; what another version has counted besides is no kind of this one. */
static void on_count(void *arg, struct sv day, struct sv name, int64_t value)
{
	struct returns *r = arg;
	struct sv kind = sv_cut(&name, '|');

	(void)day;
	for (int k = 0; k < RETURNS_KINDS; k++)
		for (int o = 0; o < (int)RETURNS_OUTCOMES && sv_eq(kind, sv_of(returns_kind_name(k))); o++)
			if (sv_eq(name, sv_of(receive_outcome_name((enum receive_outcome)o)))) {
				r->n[k][o] += value;
				r->kinds[k] += value;
				r->outcomes[o] += value;
				r->mails += value;
			}
}

enum store_result returns_read(struct returns *r, struct store *store, int64_t from_s, int64_t to_s, struct err *err)
{
	char first[9], last[9];

	*r = (struct returns){ .mails = 0 };
	clock_format_day(from_s, first);
	clock_format_day(to_s - 1, last);
	return store_counts_of(store, sv_of(first), sv_of(last), SV("mail"), on_count, r, err);
}
