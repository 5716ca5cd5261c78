/* metrics: the text is read back by the rules of the exposition format 0.0.4, and every number is found again. */
#include "test.h"

#include "metrics.h"

#define SERIES_MAX 1000
#define FAMILIES_MAX 64

struct family { struct sv name, type; };
struct series { struct sv name, labels, value; };

static char text[METRICS_TEXT_MAX];
static struct family families[FAMILIES_MAX];
static struct series all[SERIES_MAX];
static size_t n_families, n_all;

static bool is_name(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(sv_is_alnum(s.p[i]) || s.p[i] == '_') || (i == 0 && sv_is_digit(s.p[i])))
			return false;
	return s.n > 0;
}

/* name="value",...: names of their rules, no bytes that need escaping */
static void check_labels(struct sv labels)
{
	while (labels.n) {
		WANT(is_name(sv_cut(&labels, '=')));
		WANT(sv_take(&labels, SV("\"")));
		struct sv value = sv_cut(&labels, '"');
		WANT(value.n > 0);
		for (size_t i = 0; i < value.n; i++)
			WANT(sv_is_alnum(value.p[i]) || strchr(".-+_", value.p[i]));
		WANT(labels.n == 0 || sv_take(&labels, SV(",")));
	}
}

/* The family of a sample is the last one that was announced. */
static void check_family(struct sv name)
{
	const struct family *f = &families[n_families - 1];
	struct sv rest = name;

	WANT(n_families > 0 && sv_take(&rest, f->name));
	if (sv_eq(f->type, SV("histogram")))
		WANT(sv_eq(rest, SV("_bucket")) || sv_eq(rest, SV("_sum")) || sv_eq(rest, SV("_count")));
	else
		WANT_TEXT(rest, "");
	WANT_INT(sv_ends_nocase(f->name, SV("_total")), sv_eq(f->type, SV("counter")));
}

static void read_sample(struct sv line)
{
	struct series s;
	struct sv value = line;

	s.labels = SV("");
	if (sv_find(line, '{') < line.n) {
		s.name = sv_cut(&value, '{');
		s.labels = sv_cut(&value, '}');
		WANT(sv_take(&value, SV(" ")));
		check_labels(s.labels);
	} else {
		s.name = sv_cut(&value, ' ');
	}
	s.value = value;
	WANT(is_name(s.name));
	WANT(value.n > 0);
	for (size_t i = 0; i < value.n; i++)
		WANT(sv_is_digit(value.p[i]) || value.p[i] == '.');
	check_family(s.name);
	for (size_t i = 0; i < n_all; i++)
		WANT(!sv_eq(all[i].name, s.name) || !sv_eq(all[i].labels, s.labels));
	WANT(n_all < SERIES_MAX);
	all[n_all++] = s;
}

/* HELP, TYPE and samples of a family follow each other; a family is there once. */
static void read_back(const struct metrics *m)
{
	struct buf b = BUF_ON(text);
	struct sv help = SV("");

	n_families = n_all = 0;
	metrics_write(m, &b);
	WANT(!b.full);
	struct sv rest = buf_sv(&b);
	WANT(rest.n && rest.p[rest.n - 1] == '\n');
	while (rest.n) {
		struct sv line = sv_cut(&rest, '\n');
		if (sv_take(&line, SV("# HELP "))) {
			help = sv_cut(&line, ' ');
			WANT(line.n > 0 && line.p[line.n - 1] == '.');
		} else if (sv_take(&line, SV("# TYPE "))) {
			struct sv name = sv_cut(&line, ' ');
			WANT_SV(name, help);
			WANT(is_name(name) && sv_starts(name, SV("nixie_")));
			WANT(sv_eq(line, SV("counter")) || sv_eq(line, SV("gauge")) || sv_eq(line, SV("histogram")));
			for (size_t i = 0; i < n_families; i++)
				WANT(!sv_eq(families[i].name, name));
			WANT(n_families < FAMILIES_MAX);
			families[n_families++] = (struct family){ name, line };
		} else {
			read_sample(line);
		}
	}
}

/* NULL: there is no such series */
static const struct series *find(const char *name, const char *labels)
{
	for (size_t i = 0; i < n_all; i++)
		if (sv_eq(all[i].name, sv_of(name)) && sv_eq(all[i].labels, sv_of(labels)))
			return &all[i];
	return NULL;
}

static void want_series(const char *name, const char *labels, const char *value)
{
	const struct series *s = find(name, labels);

	if (!s)
		test_fail("series", name, labels, __FILE__, __LINE__);
	else
		WANT_TEXT(s->value, value);
}

static void test_nothing_happened(void **state)
{
	static const struct metrics none = { 0 };

	(void)state;
	read_back(&none);
	want_series("nixie_build_info", "version=\"" NIXIE_VERSION "\"", "1");
	want_series("nixie_policy_requests_total", "protocol=\"policy\",outcome=\"dunno\"", "0");
	want_series("nixie_policy_requests_total", "protocol=\"socketmap\",outcome=\"other\"", "0");
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"+Inf\"", "0");
	want_series("nixie_policy_request_duration_seconds_sum", "", "0.000000");
	for (size_t i = 0; i < n_all; i++)
		WANT(!sv_starts(all[i].name, SV("nixie_policy_decisions")) && !sv_starts(all[i].name, SV("nixie_policy_would")));
}

static void test_every_number(void **state)
{
	struct metrics m = { .parole_granted = 1, .parole_refused = 2, .from_snapshot = 3, .cache_hits = 4, .cache_misses = 5,
		.cache_evictions = 7, .cache_invalidations = 8, .cache_flushes = 9, .connections_total = 10, .malformed = 11, .reloads = 12,
		.reloads_failed = 13, .connections = 14, .cache_entries = 15, .cache_bytes = 16, .cache_limit_bytes = 17, .store_up = true,
		.tracking_up = false, .shadow = true, .since_s = 1795348860 };
	static const struct { const char *name, *labels, *value; } rows[] = {
		{ "nixie_policy_parole_total", "result=\"granted\"", "1" }, { "nixie_policy_parole_total", "result=\"refused\"", "2" },
		{ "nixie_policy_snapshot_answers_total", "", "3" }, { "nixie_policy_cache_hits_total", "", "4" },
		{ "nixie_policy_cache_misses_total", "", "5" },
		{ "nixie_policy_cache_evictions_total", "", "7" }, { "nixie_policy_cache_invalidations_total", "", "8" },
		{ "nixie_policy_cache_flushes_total", "", "9" }, { "nixie_policy_connections_total", "", "10" },
		{ "nixie_policy_malformed_total", "", "11" }, { "nixie_policy_reloads_total", "result=\"ok\"", "12" },
		{ "nixie_policy_reloads_total", "result=\"refused\"", "13" }, { "nixie_policy_connections", "", "14" },
		{ "nixie_policy_cache_entries", "", "15" }, { "nixie_policy_cache_bytes", "", "16" },
		{ "nixie_policy_cache_limit_bytes", "", "17" }, { "nixie_policy_store_up", "", "1" }, { "nixie_policy_tracking_up", "", "0" },
		{ "nixie_policy_shadow", "", "1" }, { "nixie_policy_start_time_seconds", "", "1795348860" },
		{ "nixie_policy_requests_total", "protocol=\"policy\",outcome=\"reject\"", "2" },
		{ "nixie_policy_requests_total", "protocol=\"socketmap\",outcome=\"defer\"", "1" },
		{ "nixie_policy_requests_total", "protocol=\"policy\",outcome=\"dunno\"", "0" },
		{ "nixie_policy_decisions_total", "action=\"reject\",category=\"recipient.unknown\"", "2" },
		{ "nixie_policy_would_decide_total", "action=\"reject\",category=\"mailbox.full\"", "1" },
		{ "nixie_policy_store_errors_total", "kind=\"stalled\"", "1" }, { "nixie_policy_store_errors_total", "kind=\"timeout\"", "0" },
		{ "nixie_policy_store_duration_seconds_count", "", "1" },
	};

	(void)state;
	metrics_request(&m, METRICS_POLICY, METRICS_REJECT, 30);
	metrics_request(&m, METRICS_POLICY, METRICS_REJECT, 25);
	metrics_request(&m, METRICS_SOCKETMAP, METRICS_DEFER, 2000000);
	metrics_decided(&m, ACTION_REJECT, CATEGORY_RECIPIENT_UNKNOWN);
	metrics_decided(&m, ACTION_REJECT, CATEGORY_RECIPIENT_UNKNOWN);
	metrics_would_decide(&m, ACTION_REJECT, CATEGORY_MAILBOX_FULL);
	metrics_store_error(&m, METRICS_STALLED);
	histogram_add(&m.store, 150);
	read_back(&m);
	for (size_t i = 0; i < COUNT(rows); i++)
		want_series(rows[i].name, rows[i].labels, rows[i].value);
	WANT(!find("nixie_policy_would_decide_total", "action=\"reject\",category=\"recipient.unknown\""));
}

/* Buckets are cumulative, a bound belongs to the bucket below it, and the last one has all. */
static void test_histogram(void **state)
{
	struct metrics m = { 0 };
	uint64_t before = 0, n;

	(void)state;
	for (size_t i = 0; i < METRICS_BOUNDS; i++) {
		histogram_add(&m.latency, metrics_bounds_us[i]);
		histogram_add(&m.latency, metrics_bounds_us[i] + 1);
	}
	read_back(&m);
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"2.5e-05\"", "1");
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"5e-05\"", "3");
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"0.0025\"", "13");
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"1\"", "29");
	want_series("nixie_policy_request_duration_seconds_bucket", "le=\"+Inf\"", "30");
	want_series("nixie_policy_request_duration_seconds_count", "", "30");
	want_series("nixie_policy_request_duration_seconds_sum", "", "3.888865");
	for (size_t i = 0; i < n_all; i++) {
		if (!sv_eq(all[i].name, SV("nixie_policy_request_duration_seconds_bucket")))
			continue;
		WANT(sv_u64(all[i].value, UINT64_MAX, &n) && n >= before);
		before = n;
	}
	WANT_INT(histogram_count(&m.latency), 30);
}

static void test_quantiles(void **state)
{
	struct histogram h = { 0 }, then;

	(void)state;
	WANT_INT(histogram_quantile_us(&h, 500), 0);
	for (int i = 0; i < 100; i++)
		histogram_add(&h, 30);
	then = h;
	WANT_INT(histogram_quantile_us(&h, 500), 37); /* the middle of 25..50 */
	WANT_INT(histogram_quantile_us(&h, 1000), 50);
	for (int i = 0; i < 98; i++)
		histogram_add(&h, 700);
	histogram_add(&h, 5000000);
	histogram_add(&h, 5000000);
	h = histogram_since(&h, &then);
	WANT_INT(histogram_count(&h), 100);
	WANT_INT(histogram_quantile_us(&h, 490), 750);
	WANT_INT(histogram_quantile_us(&h, 980), 1000);
	WANT_INT(histogram_quantile_us(&h, 990), 1000000); /* more than that is all that is known */
}

/* However much happened: it has room. */
static void test_all_there_is(void **state)
{
	static struct metrics m;

	(void)state;
	memset(&m, 0xff, sizeof m);
	m.store_up = m.tracking_up = m.shadow = true;
	m.since_s = INT64_MAX;
	read_back(&m);
	want_series("nixie_policy_cache_bytes", "", "18446744073709551615");
	for (unsigned a = 0; a < METRICS_ACTIONS; a++) {
		char labels[80];
		(void)snprintf(labels, sizeof labels, "action=\"%s\",category=\"%s\"", action_name((enum action)a), category_name(CATEGORY_OTHER));
		want_series("nixie_policy_decisions_total", labels, "18446744073709551615");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_happened), cmocka_unit_test(test_every_number), cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_quantiles), cmocka_unit_test(test_all_there_is),
	};

	return RUN(tests);
}
