#include "campaign.h"

/* Behind " from " a host, or "local": "h[ip]; from=<" */
static bool is_origin(struct sv s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != ';')
		n++;
	return n > 0 && sv_starts(sv_skip(s, n), SV("; from=<"));
}

bool campaign_cut(struct sv *header)
{
	static const struct sv mark = { " from ", 6 };
	struct sv rest = *header;
	size_t found = 0, end = 0, at;

	while ((at = sv_find_sv(rest, mark)) < rest.n) {
		struct sv behind = sv_skip(rest, at + mark.n);
		if (is_origin(behind)) {
			end = (size_t)(rest.p - header->p) + at;
			found++;
		}
		rest = sv_skip(rest, at + 1);
	}
	*header = sv_head(*header, end);
	return found == 1;
}

/* The bytes at the front that are one character of a campaign's name; 0: something else */
static size_t character(struct sv s)
{
	size_t n = utf8_len(s);
	unsigned char c = (unsigned char)s.p[0];
	bool c1_control = n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0;

	return c < 0x20 || c == 0x7f || c1_control ? 0 : n;
}

static bool is_fold(struct sv s)
{
	return s.n > 1 && s.p[0] == '?' && (s.p[1] == '?' || s.p[1] == ' ');
}

static void add_clean(struct buf *to, struct sv s)
{
	size_t start = to->n;
	bool blank = false;

	while (s.n) {
		size_t n = character(s);
		bool fold = is_fold(s);
		struct sv one = n ? sv_head(s, n) : SV("?");
		char lower = sv_lower(one.p[0]);
		s = sv_skip(s, fold ? 2 : n ? n : 1);
		if (fold || lower == ' ') {
			blank = to->n > start;
			continue;
		}
		if (to->n + blank + one.n > CAMPAIGN_MAX)
			return;
		if (blank)
			buf_add_char(to, ' ');
		blank = false;
		buf_add(to, one.n == 1 ? sv_make(&lower, 1) : one);
	}
}

/* "The spring list <spring.example.org>"; what was cut off in the log may be the end of it */
static void add_list_id(struct buf *to, struct sv value)
{
	struct sv id = sv_after_last(value, '<');

	add_clean(to, id.n < value.n ? sv_head(id, sv_find(id, '>')) : value);
}

static void add_feedback_id(struct buf *to, struct sv value)
{
	struct sv sender = sv_after_last(value, ':');
	struct sv rest = sv_head(value, value.n - sender.n);

	while (rest.n && !to->n)
		add_clean(to, sv_cut(&rest, ':'));
	if (!to->n || !sv_trim(sender).n || to->n == CAMPAIGN_MAX) /* a sender alone is no campaign */
		return;
	buf_add_char(to, ':');
	add_clean(to, sender);
}

static unsigned rank_of(const struct strings *headers, struct sv name)
{
	for (size_t i = 0; i < headers->n; i++)
		if (sv_eq_nocase(name, sv_of(headers->v[i])))
			return (unsigned)i + 1;
	return 0;
}

bool campaign_read(const struct strings *headers, struct sv header, struct buf *campaign, unsigned *rank_r)
{
	size_t colon = sv_find(header, ':');
	struct sv name = sv_head(header, colon), value = sv_skip(header, colon + 1);

	buf_reset(campaign);
	*rank_r = rank_of(headers, name);
	if (!*rank_r)
		return false;
	if (sv_eq_nocase(name, SV("List-Id")))
		add_list_id(campaign, value);
	else if (sv_eq_nocase(name, SV("Feedback-ID")))
		add_feedback_id(campaign, value);
	else
		add_clean(campaign, value);
	/* under that name stands in counters what there are too many of */
	return campaign->n > 0 && !sv_eq(buf_sv(campaign), SV("*"));
}
