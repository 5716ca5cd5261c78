#include "period.h"

#include "clock.h"
#include "config.h"

enum period_place period_place(const struct period *p, int64_t time_s)
{
	if (time_s < p->since_s)
		return PERIOD_BEFORE;
	return time_s < p->until_s ? PERIOD_INSIDE : PERIOD_AFTER;
}

bool period_parse(struct sv text, int64_t *time_s_r, struct err *err)
{
	int64_t time_us;
	struct span span;

	if (text.n && *text.p == '-' && config_parse_span(sv_skip(text, 1), &span))
		return err_set(err, "%.*s: write %.*s, which is so long ago", SV_ARG(text), SV_ARG(sv_skip(text, 1)));
	if (config_parse_span(text, &span))
		time_us = clock_before_us(clock_now_us(), span);
	else if (!clock_parse_date(text, &time_us))
		return err_set(err, "%.*s is no time: write 2026-11-01, 2026-11-01T09:00:00Z or how long ago, such as 30d", SV_ARG(sv_head(text, 100)));
	*time_s_r = time_us / CLOCK_SECOND_US;
	return true;
}

enum record_kind period_line(const struct period *p, struct reader *r, struct sv bytes, struct stamp_anchor *anchor, struct record *rec,
	enum period_place *place_r)
{
	struct reader_counts before = r->counts;
	enum record_kind kind = reader_line(r, bytes, anchor, rec);

	bool parsed = r->counts.unparsed == before.unparsed;
	*place_r = period_place(p, parsed ? rec->line.time_us / CLOCK_SECOND_US : anchor->time_s);
	if (*place_r == PERIOD_INSIDE)
		return kind;
	r->counts = before;
	r->counts.lines++;
	r->counts.outside++;
	return RECORD_NONE;
}
