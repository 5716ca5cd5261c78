/* Random histories through ledger and store, and through the model (model.h): both must
 * know the same of every address, message and day, however the facts fall into batches.
 * NIXIE_TEST_ROUNDS: so many histories instead of a few thousand. One that fails is
 * made smaller before it is shown. */
#include "chance.h"
#include "model.h"

#define STEPS_MAX 96
/* all of it in the past: no loss is in the future */
#define BASE_S INT64_C(1500000000)
#define DAY CLOCK_DAY_S
#define SPAN_DAYS(n) { .ms = INT64_C(86400000) * (n) }
#define SPAN_MONTHS(n) { .months = (n) }

/* ---- what there is ---- */

static const char *const addresses[] = { "a@x.example", "b@x.example", "c@y.example", "d@y.example" };
static const char *const messages[] = { "h1/postfix/A1", "h1/postfix/B2", "h1/postfix-out/A1", "h2/postfix/A1", "h2/postfix/C3", "h3/postfix/D4" };
static const char *const rules[] = { "", "rule.one", "rule.two", "my.rule" };

static const struct conversions presets[] = {
	{ .n = 2, .v = {
		{ .match = "dns.no-mx", .count = 4, .window = SPAN_MONTHS(12), .to = STATUS_HARD },
		{ .match = "mailbox.full", .count = 2, .min_span = SPAN_DAYS(3), .reset_on_delivery = true, .to = STATUS_HELD,
		  .term = SPAN_DAYS(15), .factor = 2, .max_term = SPAN_DAYS(180) } } },
	{ .n = 1, .v = { { .match = "my.rule", .count = 2, .window = SPAN_MONTHS(2), .to = STATUS_HARD } } },
	{ .n = 0 },
	{ .n = 3, .v = {
		{ .match = "my.rule", .count = 2, .window = SPAN_MONTHS(1), .to = STATUS_HELD, .term = SPAN_MONTHS(1), .factor = 3, .max_term = SPAN_MONTHS(12) },
		{ .match = "challenge", .count = 3, .window = SPAN_DAYS(30), .per = PER_DAY, .reset_on_delivery = true, .to = STATUS_HELD, .term = SPAN_DAYS(7) },
		{ .match = "dns.no-mx", .count = 2, .window = SPAN_MONTHS(2), .to = STATUS_HARD, .term = SPAN_MONTHS(1), .factor = 2 } } },
	{ .n = 2, .v = {
		{ .match = "mailbox.full", .count = 3, .window = SPAN_DAYS(10), .min_span = SPAN_DAYS(2), .reset_on_delivery = true, .to = STATUS_HELD,
		  .term = SPAN_DAYS(3), .factor = 2, .max_term = SPAN_DAYS(20) },
		{ .match = "mailbox.full", .count = 5, .window = SPAN_MONTHS(6), .reset_on_delivery = true, .to = STATUS_HARD } } },
};

static const enum category likely[] = { CATEGORY_DNS_NO_MX, CATEGORY_MAILBOX_FULL, CATEGORY_CHALLENGE, CATEGORY_RECIPIENT_UNKNOWN,
	CATEGORY_RECIPIENT_DISABLED, CATEGORY_NETWORK, CATEGORY_BLOCKED_REPUTATION };

/* ---- a history ---- */

struct step {
	enum { STEP_FACT, STEP_PERSON, STEP_PAROLE, STEP_LOST } kind;
	enum fact_kind fact;
	int64_t time_s, arrival_s;
	int message, address; /* of the tables above; address -1: none */
	enum category category;
	enum class class_;
	int code, rule;
	bool uncounted, never_deferred;
	enum status status;   /* a person's */
	int64_t until_s;
};

struct history {
	struct conversions conversions;
	bool any_order;       /* the order is not that of time: what depends on it is not compared */
	uint64_t cuts;        /* where a batch ends */
	size_t n;
	struct step steps[STEPS_MAX];
};

static struct fact fact_of(const struct step *s)
{
	struct fact f = { .kind = s->fact, .time_s = s->time_s, .arrival_s = s->arrival_s, .uncounted = s->uncounted,
		.never_deferred = s->never_deferred, .message = sv_of(messages[s->message]),
		.address = sv_of(s->address < 0 ? "" : addresses[s->address]), .sender = SV("s@example.org") };

	if (s->fact == FACT_DEFERRED || s->fact == FACT_FAILED)
		f.failure = (struct failure){ .class_ = s->class_, .code = s->code, .enhanced = { s->code / 100, 1, s->rule },
			.text = sv_of(category_name(s->category)), .remote = sv_of(messages[s->message]),
			.occurrence = { .category = s->category, .rule = sv_of(rules[s->rule]) } };
	return f;
}

static struct entry person_of(const struct step *s)
{
	return (struct entry){ .status = s->status, .reason = CATEGORY_OTHER, .origin = ORIGIN_MANUAL, .since_s = s->time_s,
		.until_s = s->until_s, .text = SV("asked"), .by = SV("anna") };
}

/* ---- showing one ---- */

static void show_span(const char *name, struct span span)
{
	if (span.months || span.ms)
		print_error(" %s=%dmo%jds", name, span.months, (intmax_t)(span.ms / 1000));
}

static void show_step(const struct step *s)
{
	static const char *const kinds[] = { "DELIVERED", "DEFERRED", "FAILED", "EXPIRED", "REMOVED" };
	char stamp[CLOCK_TEXT_MAX];

	clock_format_us(s->time_s * CLOCK_SECOND_US, stamp, sizeof stamp);
	print_error("  %s ", stamp);
	if (s->kind == STEP_LOST) {
		print_error("LOST lines (%jd)\n", (intmax_t)s->time_s);
		return;
	}
	if (s->kind != STEP_FACT) {
		print_error("%s %s %s until %jd\n", s->kind == STEP_PERSON ? "PERSON" : "PAROLE", addresses[s->address],
			status_name(s->status), (intmax_t)s->until_s);
		return;
	}
	print_error("%s %s/%jd %s", kinds[s->fact], messages[s->message], (intmax_t)s->arrival_s, s->address < 0 ? "-" : addresses[s->address]);
	if (s->fact == FACT_DEFERRED || s->fact == FACT_FAILED)
		print_error(" %s %s %d rule '%s'", category_name(s->category), class_name(s->class_), s->code, rules[s->rule]);
	print_error("%s%s (%jd)\n", s->uncounted ? " uncounted" : "", s->never_deferred ? " never-deferred" : "", (intmax_t)s->time_s);
}

static void show(const struct history *h)
{
	for (size_t i = 0; i < h->conversions.n; i++) {
		const struct conversion *c = &h->conversions.v[i];
		print_error("  conversion %s count=%u per=%s reset=%d to=%s factor=%u", c->match, c->count,
			c->per == PER_DAY ? "day" : "message", c->reset_on_delivery, status_name(c->to), c->factor);
		show_span("window", c->window);
		show_span("span", c->min_span);
		show_span("term", c->term);
		show_span("max", c->max_term);
		print_error("\n");
	}
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		const struct category_term *t = &h->conversions.terms[i];
		if (!t->term.months && !t->term.ms)
			continue;
		print_error("  term of %s factor=%u", category_name((enum category)i), t->factor);
		show_span("term", t->term);
		show_span("max", t->max_term);
		print_error("\n");
	}
	for (size_t i = 0; i < h->n; i++)
		show_step(&h->steps[i]);
}

#define PARTITIONS 3

/* ---- comparing ---- */

static char difference[1024];

static bool differ_int(const char *of, const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return false;
	(void)snprintf(difference, sizeof difference, "%s: %s is %jd, the model says %jd", of, what, (intmax_t)got, (intmax_t)want);
	return true;
}

static bool differ_sv(const char *of, const char *what, struct sv got, struct sv want)
{
	if (sv_eq(got, want))
		return false;
	(void)snprintf(difference, sizeof difference, "%s: %s is '%.*s', the model says '%.*s'", of, what, SV_ARG(got), SV_ARG(want));
	return true;
}

static bool differ_name(const char *of, const char *what, const char *got, const char *want)
{
	return differ_sv(of, what, sv_of(got), sv_of(want));
}

static bool differ_entry(const char *of, const struct entry *got, const struct entry *want, const struct history *h)
{
	if (differ_name(of, "status", status_name(got->status), status_name(want->status)))
		return true;
	if (want->status == STATUS_NONE)
		return false;
	/* what was hard by its class and becomes hard by an older conversion keeps what it tells */
	bool two_reasons = h->any_order && want->status == STATUS_HARD && h->conversions.n;
	if (!two_reasons && (differ_name(of, "reason", category_name(got->reason), category_name(want->reason)) ||
	    differ_int(of, "term", got->term, want->term)))
		return true;
	if (differ_int(of, "origin", got->origin, want->origin) || differ_int(of, "count", got->count, want->count) ||
	    differ_int(of, "first", got->first_s, want->first_s) || differ_int(of, "last", got->last_s, want->last_s) ||
	    differ_int(of, "until", got->until_s, want->until_s) || differ_int(of, "parole", got->parole_s, want->parole_s))
		return true;
	/* a soft one is soft since the first failure that was read */
	if (!two_reasons && !(h->any_order && want->status == STATUS_SOFT) && differ_int(of, "since", got->since_s, want->since_s))
		return true;
	/* the words are not kept with an occurrence: those of the late one tell of a conversion that it completed */
	return !h->any_order && (differ_int(of, "code", got->code, want->code) ||
		differ_int(of, "enhanced", got->enhanced.detail, want->enhanced.detail) ||
		differ_sv(of, "rule", got->rule, want->rule) || differ_sv(of, "text", got->text, want->text) ||
		differ_sv(of, "remote", got->remote, want->remote));
	/* not compared: by. A failure that suppresses anew leaves the person's name there */
}

static const struct occurrence *find(const struct occurrence *o, const struct window *window)
{
	for (size_t i = 0; i < window->n; i++) {
		const struct occurrence *w = &window->v[i];
		if (w->category == o->category && w->first_s == o->first_s && w->last_s == o->last_s &&
		    sv_eq(w->rule, o->rule) && sv_eq(w->message, o->message))
			return w;
	}
	return NULL;
}

static bool differ_window(const char *of, const struct window *got, const struct model_state *want)
{
	if (differ_int(of, "number of occurrences in the window", (int64_t)got->n, (int64_t)want->n))
		return true;
	for (size_t i = 0; i < want->n; i++) {
		if (find(&want->window[i], got))
			continue;
		(void)snprintf(difference, sizeof difference, "%s: occurrence %.*s %jd..%jd is not in the window (there: %.*s %jd..%jd)", of,
			SV_ARG(want->window[i].message), (intmax_t)want->window[i].first_s, (intmax_t)want->window[i].last_s,
			SV_ARG(got->v[i].message), (intmax_t)got->v[i].first_s, (intmax_t)got->v[i].last_s);
		return true;
	}
	for (size_t i = 1; i < got->n; i++)
		if (differ_int(of, "order of the window", got->v[i - 1].last_s <= got->v[i].last_s, true))
			return true;
	return false;
}

static bool differ_pending(const char *of, const struct pending *got, const struct model_message *want)
{
	size_t n = 0;

	if (got->recipients && want && differ_int(of, "arrival", got->arrival_s, want->arrival_s))
		return true;
	for (const struct pending_recipient *r = got->recipients; r; r = r->next, n++) {
		const struct model_recipient *w = NULL;
		for (size_t i = 0; want && i < want->n; i++)
			w = sv_eq(want->recipients[i].address, r->address) ? &want->recipients[i] : w;
		if (differ_int(of, "pending recipient known", true, w != NULL) ||
		    differ_int(of, "attempts", (int64_t)r->attempts, (int64_t)w->attempts) ||
		    differ_int(of, "pending code", r->failure.code, w->failure.code) ||
		    differ_int(of, "pending class", r->failure.class_, w->failure.class_) ||
		    differ_int(of, "pending category", r->failure.occurrence.category, w->failure.occurrence.category) ||
		    differ_sv(of, "pending rule", r->failure.occurrence.rule, w->failure.occurrence.rule) ||
		    differ_sv(of, "pending text", r->failure.text, w->failure.text) ||
		    differ_int(of, "pending first", r->failure.occurrence.first_s, w->failure.occurrence.first_s) ||
		    differ_int(of, "pending last", r->failure.occurrence.last_s, w->failure.occurrence.last_s))
			return true;
	}
	return differ_int(of, "number of pending recipients", (int64_t)n, want ? (int64_t)want->n : 0);
}

/* The store's counters are taken from those of the model: nothing must be left. */
struct counting {
	struct model *model;
	const char *dimension;
	bool any_order, differs;
};

static void take_count(void *arg, struct sv day, struct sv name, int64_t value)
{
	struct counting *c = arg;
	char key[128];

	(void)snprintf(key, sizeof key, "%.*s%s|%.*s", SV_ARG(day), c->dimension, SV_ARG(name));
	if (c->differs || (c->any_order && strstr(key, "|soft-to-hard")))
		return;
	for (size_t i = 0; i < c->model->n_counters; i++) {
		if (strcmp(c->model->counters[i].name, key) != 0)
			continue;
		c->differs = differ_int("counter", key, value, c->model->counters[i].value);
		c->model->counters[i].value = 0;
		return;
	}
	c->differs = differ_int("counter", key, value, 0);
}

static bool differ_counts(struct store *store, struct model *model, bool any_order)
{
	struct err err = { "" };
	struct counting c = { model, "", any_order, false };

	WANT_INT(store_counts(store, SV(""), take_count, &c, &err), STORE_OK);
	c.dimension = ":rule";
	WANT_INT(store_counts(store, SV("rule"), take_count, &c, &err), STORE_OK);
	for (size_t i = 0; i < model->n_counters && !c.differs; i++)
		if (!any_order || !strstr(model->counters[i].name, "|soft-to-hard"))
			c.differs = differ_int("counter", model->counters[i].name, 0, model->counters[i].value);
	return c.differs;
}

static const struct model_address *address_in(const struct model *model, const char *key)
{
	for (size_t i = 0; i < model->n_addresses; i++)
		if (sv_eq(model->addresses[i].key, sv_of(key)))
			return &model->addresses[i];
	return NULL;
}

static const struct model_message *message_in(const struct model *model, const char *key)
{
	for (size_t i = 0; i < model->n_messages; i++)
		if (sv_eq(model->messages[i].key, sv_of(key)))
			return &model->messages[i];
	return NULL;
}

/* The addresses of one partition; the recipients pending there are added to those of the others. */
static bool differ_partition(struct store *store, unsigned partition, struct model *model, const struct history *h,
	struct transaction *t, struct pending *all)
{
	struct err err = { "" };
	bool differs = false;

	t->partition = partition;
	for (size_t i = 0; i < COUNT(addresses); i++)
		if (store_partition_of(store, sv_of(addresses[i])) == partition)
			transaction_account(t, sv_of(addresses[i]))->needs_window = true;
	for (size_t i = 0; i < COUNT(messages); i++)
		(void)transaction_pending(t, sv_of(messages[i]));
	WANT_INT(store_load(store, t, &err), STORE_OK);
	for (size_t i = 0; i < COUNT(addresses) && !differs; i++) {
		const struct account *a = map_get(&t->accounts, sv_of(addresses[i]));
		const struct model_address *m = address_in(model, addresses[i]);
		static struct model_state s;
		if (m)
			model_state(model, m, &s);
		else
			s = (struct model_state){ 0 };
		if (a)
			differs = differ_entry(addresses[i], &a->entry, &s.entry, h) || differ_window(addresses[i], a->window, &s);
	}
	for (size_t i = 0; i < COUNT(messages); i++) {
		const struct pending *p = transaction_pending(t, sv_of(messages[i]));
		for (struct pending_recipient *r = p->recipients, *next; r; r = next) {
			next = r->next;
			r->next = all[i].recipients;
			all[i].recipients = r;
			all[i].arrival_s = p->arrival_s;
		}
	}
	return differs;
}

static bool differ_all(struct store *store, unsigned partitions, struct model *model, const struct history *h)
{
	struct arena arenas[PARTITIONS] = { { 0 } };
	struct transaction t[PARTITIONS] = { { 0 } };
	struct pending all[COUNT(messages)] = { 0 };
	bool differs = false;

	for (unsigned p = 0; p < partitions; p++) {
		transaction_begin(&t[p], &arenas[p]);
		differs = differs || differ_partition(store, p, model, h, &t[p], all);
	}
	for (size_t i = 0; i < COUNT(messages) && !differs; i++)
		differs = differ_pending(messages[i], &all[i], message_in(model, messages[i]));
	differs = differs || differ_counts(store, model, h->any_order);
	for (unsigned p = 0; p < partitions; p++) {
		transaction_free(&t[p]);
		arena_free(&arenas[p]);
	}
	return differs;
}

/* ---- running ---- */

static void commit(struct ledger *ledger)
{
	struct err err = { "" };

	WANT_INT(ledger_commit(ledger, NULL, NULL, false, &err), STORE_OK);
}

/* What the other programs do to an entry. */
static void meddle(struct store *store, const struct step *s)
{
	struct arena arena = { 0 };
	struct transaction t = { 0 };
	struct err err = { "" };

	transaction_begin(&t, &arena);
	struct account *a = transaction_account(&t, sv_of(addresses[s->address]));
	a->needs_window = true;
	WANT_INT(store_load(store, &t, &err), STORE_OK);
	a->changed = true;
	if (s->kind == STEP_PERSON)
		a->entry = person_of(s);
	else if (entry_awaits_parole(&a->entry, s->time_s))
		a->entry.parole_s = s->time_s;
	WANT_INT(store_commit(store, &t, &err), STORE_OK);
	transaction_free(&t);
	arena_free(&arena);
}

/* batch 0: where the history cuts */
static void run_ledger(struct store *store, const struct history *h, size_t batch)
{
	static struct config config;
	struct ledger ledger;

	config.conversions = h->conversions;
	config.soft_expiry = (struct span)SPAN_DAYS(30);
	ledger_init(&ledger, store, &config);
	for (size_t i = 0; i < h->n; i++) {
		const struct step *s = &h->steps[i];
		if (s->kind == STEP_FACT) {
			struct fact f = fact_of(s);
			ledger_add(&ledger, &f);
		} else if (s->kind == STEP_LOST) {
			ledger_lost(&ledger, SV("h1:/var/log/mail.log"), s->time_s);
		} else {
			commit(&ledger);
			meddle(store, s);
		}
		if (batch ? ledger.n == batch : (h->cuts >> i % 64 & 1) != 0)
			commit(&ledger);
	}
	commit(&ledger);
	ledger_free(&ledger);
}

static void run_model(struct model *model, const struct history *h)
{
	model_begin(model, &h->conversions);
	for (size_t i = 0; i < h->n; i++) {
		const struct step *s = &h->steps[i];
		if (s->kind == STEP_FACT) {
			struct fact f = fact_of(s);
			model_fact(model, &f);
		} else if (s->kind == STEP_PERSON) {
			struct entry e = person_of(s);
			model_person(model, sv_of(addresses[s->address]), &e, s->time_s);
		} else if (s->kind == STEP_LOST) {
			model_lost(model, s->time_s);
		} else {
			model_parole(model, sv_of(addresses[s->address]), s->time_s);
		}
	}
}

static bool differs_with(const struct history *h, size_t batch, unsigned partitions)
{
	static struct model model;
	struct store *store = store_memory(partitions);

	run_model(&model, h);
	run_ledger(store, h, batch);
	bool differs = differ_all(store, partitions, &model, h);
	store_free(store);
	return differs;
}

/* Histories that cannot be, and what is wrong on the other side; see each. */
static bool left_out(const struct history *h)
{
	bool held[COUNT(addresses)] = { false };
	unsigned pending[COUNT(messages)] = { 0 };

	for (size_t i = 0; i < h->n; i++) {
		const struct step *s = &h->steps[i];
		if (s->kind == STEP_FACT) {
			unsigned bit = s->address < 0 ? 0 : 1u << s->address, *of = &pending[s->message];
			/* the whole life of the message was seen, and an older one's recipients are pending: the reader knows better */
			if (s->never_deferred && *of)
				return true;
			*of = s->fact == FACT_DEFERRED ? *of | bit : s->fact == FACT_REMOVED || s->fact == FACT_EXPIRED ? 0 : *of & ~bit;
		}
		if (s->address < 0)
			continue;
		/* a delivery does not free whom a person held for a time: the model is not told of such deliveries */
		if (s->kind == STEP_PERSON)
			held[s->address] = s->status == STATUS_HELD;
		else if (s->kind == STEP_FACT && s->fact == FACT_DELIVERED && held[s->address])
			return true;
	}
	return false;
}

/* Two messages under one queue id: a partition that hears nothing of the second keeps the recipients
 * of the first, until their time is over. */
static bool reuses_ids(const struct history *h)
{
	int64_t arrival[COUNT(messages)] = { 0 };

	for (size_t i = 0; i < h->n; i++) {
		const struct step *s = &h->steps[i];
		if (s->kind != STEP_FACT || !s->arrival_s)
			continue;
		if (arrival[s->message] && arrival[s->message] != s->arrival_s)
			return true;
		arrival[s->message] = s->arrival_s;
	}
	return false;
}

static bool differs(const struct history *h)
{
	static const struct { size_t batch; unsigned partitions; const char *name; } cuts[] = { { 1, 1, "batches of 1" },
		{ STEPS_MAX + 1, 1, "one batch" }, { 0, 1, "some batches" }, { 0, PARTITIONS, "some batches, partitions" } };

	for (size_t i = 0; i < COUNT(cuts) && !left_out(h); i++) {
		if (cuts[i].partitions > 1 && reuses_ids(h))
			continue;
		if (differs_with(h, cuts[i].batch, cuts[i].partitions)) {
			(void)snprintf(difference + strlen(difference), sizeof difference - strlen(difference), " (%s)", cuts[i].name);
			return true;
		}
	}
	return false;
}

static void without(struct history *h, size_t at, size_t n)
{
	memmove(h->steps + at, h->steps + at + n, (h->n - at - n) * sizeof *h->steps);
	h->n -= n;
}

/* Removes what is not needed for the difference, the larger pieces first. */
static void shrink(struct history *h)
{
	static struct history less;

	for (size_t piece = h->n / 2; piece > 0;) {
		bool smaller = false;
		for (size_t at = 0; at + piece <= h->n;) {
			less = *h;
			without(&less, at, piece);
			if (differs(&less)) {
				*h = less;
				smaller = true;
			} else {
				at++;
			}
		}
		if (!smaller || piece > 1)
			piece /= 2;
	}
	for (size_t i = h->conversions.n; i-- > 0;) {
		less = *h;
		less.conversions.n--;
		memmove(less.conversions.v + i, less.conversions.v + i + 1, (less.conversions.n - i) * sizeof *less.conversions.v);
		if (differs(&less))
			*h = less;
	}
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		less = *h;
		less.conversions.terms[i] = (struct category_term){ 0 };
		if (differs(&less))
			*h = less;
	}
}

/* ---- making one ---- */

/* A message as the maker of histories knows it. */
struct letter {
	bool open, begun;       /* begun: its first line was seen */
	bool alias;             /* it was sent to another address, which is told beside (attribute-to = both) */
	bool deferred;
	bool stale;             /* somebody is pending for an older one: nothing told that it had left the queue */
	int64_t arrival_s;
	size_t n;
	struct { int address; bool pending; int64_t last_s; } to[3];
};

struct maker {
	struct history *h;
	int64_t now_s;
	struct letter letters[COUNT(messages)];
	struct step like;       /* what the next step is about, where its time was chosen for that; kind of a fact */
	bool has_like;
	int64_t touched_s[COUNT(addresses)]; /* delivered, failed, or changed by somebody */
};

static struct step *add_step(struct maker *m)
{
	struct step *s = &m->h->steps[m->h->n++];

	*s = (struct step){ .time_s = m->now_s, .address = -1 };
	return s;
}

static struct span any_span(const struct maker *m, const struct step *since)
{
	static const struct span spans[] = { SPAN_DAYS(1), SPAN_DAYS(3), SPAN_MONTHS(12), SPAN_DAYS(15), SPAN_MONTHS(1) };
	const struct conversions *all = &m->h->conversions;

	if (all->n && below(3)) {
		const struct conversion *c = &all->v[below((unsigned)all->n)];
		for (size_t i = 0; i < all->n; i++)
			if (strcmp(all->v[i].match, category_name(since->category)) == 0 || strcmp(all->v[i].match, rules[since->rule]) == 0)
				c = &all->v[i];
		const struct span of[] = { c->window, c->min_span, c->term, c->max_term };
		struct span s = of[below(4)];
		if (s.months || s.ms)
			return s;
	}
	return spans[below(COUNT(spans))];
}

/* Time goes on: a little, or to where a window, span or term that began earlier ends, to the second. */
static void go_on(struct maker *m)
{
	/* never an hour: clocks that change make two arrivals an hour apart one */
	static const int64_t some[] = { 0, 0, 0, 1, 5, 60, 3700, 40000, DAY, 2 * DAY, 5 * DAY, 20 * DAY };

	if (m->h->n && below(3) == 0) {
		const struct step *s = &m->h->steps[below((unsigned)m->h->n)];
		int64_t to_s = model_moment_s(s->time_s, 1, any_span(m, s)) + (int64_t)below(3) - 1;
		if (to_s >= m->now_s) {
			m->now_s = to_s;
			m->like = *s;
			m->has_like = s->address >= 0;
			return;
		}
	}
	m->has_like = m->h->n && below(3) == 0;
	if (m->has_like)
		m->like = m->h->steps[m->h->n - 1];
	m->has_like = m->has_like && m->like.address >= 0;
	m->now_s += some[below(COUNT(some))];
}

/* Not complaint: no rule may have that. */
static enum category any_category(void)
{
	enum category any = (enum category)below(CATEGORY_COUNT);

	return below(5) || any == CATEGORY_COMPLAINT ? likely[below(COUNT(likely))] : any;
}

static void describe(struct step *s)
{
	s->category = any_category();
	s->class_ = category_class(s->category);
	if (category_fault(s->category) == FAULT_RECIPIENT && below(12) == 0)
		s->class_ = (enum class)below(3);
	else if (below(30) == 0)
		s->class_ = below(2) ? CLASS_SOFT : CLASS_NONE;
	static const int codes[] = { 550, 450, 552, 0, 421 };
	s->code = codes[below(COUNT(codes))];
	s->rule = (int)below(COUNT(rules));
}

static void open_letter(struct maker *m, struct letter *l)
{
	int64_t before_s = l->arrival_s;

	bool stale = l->stale;
	for (size_t i = 0; i < l->n; i++)
		stale |= l->open && l->to[i].pending;
	*l = (struct letter){ .open = true, .stale = stale, .begun = !stale && below(2), .n = 1 + below(3) };
	l->arrival_s = m->now_s - (int64_t)below(3);
	if (before_s && l->arrival_s - before_s <= LEDGER_ARRIVAL_SLACK_S)
		l->arrival_s = before_s + LEDGER_ARRIVAL_SLACK_S + 1;
	if (m->now_s < l->arrival_s)
		m->now_s = l->arrival_s;
	l->alias = l->n == 1 && below(10) == 0;
	if (m->has_like)
		l->n = 1;
	unsigned first = m->has_like ? (unsigned)m->like.address : below(COUNT(addresses));
	for (size_t i = 0; i < l->n; i++) {
		l->to[i].address = (int)((first + i) % COUNT(addresses));
		l->to[i].pending = true;
	}
}

static void close_letter(struct maker *m, struct letter *l, enum fact_kind kind)
{
	l->open = false;
	if (!below(4) && kind == FACT_REMOVED) /* the line was lost */
		return;
	struct step *s = add_step(m);
	s->fact = kind;
	s->message = (int)(l - m->letters);
	s->never_deferred = kind == FACT_REMOVED && l->begun && !l->deferred;
	l->stale = false;
	for (size_t i = 0; i < l->n; i++)
		if (kind == FACT_EXPIRED && l->to[i].pending && m->touched_s[l->to[i].address] < l->to[i].last_s)
			m->touched_s[l->to[i].address] = l->to[i].last_s;
}

static bool may_expire(const struct maker *m, const struct letter *l)
{
	/* a second address is counted when it expires, though the first one is */
	for (size_t i = 0; i < l->n; i++)
		if (l->alias || (l->to[i].pending && l->to[i].last_s <= m->touched_s[l->to[i].address]))
			return false;
	return true;
}

static void attempt(struct maker *m, struct letter *l)
{
	unsigned i = below((unsigned)l->n), what = below(20);

	if (!l->to[i].pending)
		return;
	struct step *s = add_step(m);
	s->message = (int)(l - m->letters);
	/* of several recipients it depends on the batch whose arrival is kept */
	s->arrival_s = l->arrival_s + (l->deferred && l->n == 1 ? (int64_t)below(5) - 2 : 0);
	s->address = l->to[i].address;
	s->fact = what < 4 ? FACT_DELIVERED : what < 10 ? FACT_DEFERRED : FACT_FAILED;
	if (s->fact != FACT_DELIVERED)
		describe(s);
	if (m->has_like && m->like.kind == STEP_FACT && m->like.code && below(4)) {
		s->category = m->like.category;
		s->class_ = m->like.class_;
		s->rule = m->like.rule;
	}
	if (s->fact == FACT_DEFERRED)
		l->deferred = true;
	s->never_deferred = l->begun && !l->deferred;
	if (below(40) == 0) { /* not usable */
		s->address = -1;
		return;
	}
	l->to[i].pending = s->fact == FACT_DEFERRED;
	l->to[i].last_s = m->now_s;
	if (s->fact != FACT_DEFERRED)
		m->touched_s[l->to[i].address] = m->now_s;
	if (l->alias) {
		struct step *alias = add_step(m);
		*alias = *s;
		alias->uncounted = true;
		alias->address = (l->to[0].address + 1) % (int)COUNT(addresses);
		if (s->fact != FACT_DEFERRED)
			m->touched_s[alias->address] = m->now_s;
	}
}

static void meddling(struct maker *m)
{
	struct step *s = add_step(m);

	s->address = m->has_like ? m->like.address : (int)below(COUNT(addresses));
	m->touched_s[s->address] = m->now_s;
	s->kind = below(2) ? STEP_PAROLE : STEP_PERSON;
	if (s->kind == STEP_PAROLE)
		return;
	static const enum status statuses[] = { STATUS_MANUAL, STATUS_ALLOW, STATUS_COMPLAINT, STATUS_HELD, STATUS_HARD };
	s->status = statuses[below(COUNT(statuses))];
	if (s->status == STATUS_HELD)
		s->until_s = m->now_s + (int64_t)(1 + below(20)) * DAY;
}

static void make_step(struct maker *m)
{
	struct letter *l = &m->letters[below(COUNT(m->letters))];

	go_on(m);
	if (!l->open || below(30) == 0 || (m->has_like && l->to[0].address != m->like.address && below(2)))
		open_letter(m, l);
	unsigned what = m->has_like && m->like.kind == STEP_PAROLE && below(2) ? 5 : below(20);
	bool pending = false;
	for (size_t i = 0; i < l->n; i++)
		pending |= l->to[i].pending;
	if (what == 0 && below(4) == 0)
		add_step(m)->kind = STEP_LOST;
	else if (what == 0)
		meddling(m);
	else if (!pending)
		close_letter(m, l, FACT_REMOVED);
	else if (what == 1 && may_expire(m, l))
		close_letter(m, l, FACT_EXPIRED);
	else
		attempt(m, l);
}

static void make_conversions(struct conversions *c)
{
	static const struct span terms[] = { SPAN_DAYS(30), SPAN_MONTHS(1), SPAN_DAYS(5) };

	*c = presets[below(COUNT(presets))];
	for (int i = 0; i < CATEGORY_COUNT; i++)
		if (category_class((enum category)i) == CLASS_HARD && below(3) == 0)
			c->terms[i] = (struct category_term){ terms[below(COUNT(terms))], below(2) ? (struct span)SPAN_DAYS(90) : (struct span){ 0 }, below(4) };
}

static void make(struct history *h)
{
	struct maker m = { .h = h, .now_s = BASE_S + (int64_t)below(400 * (unsigned)DAY) };

	memset(h, 0, sizeof *h);
	make_conversions(&h->conversions);
	for (int i = 0; i < 64; i++)
		h->cuts |= (uint64_t)(below(4) == 0) << i;
	size_t n = 2 + below(STEPS_MAX - 3);
	while (h->n < n && h->n + 1 < STEPS_MAX)
		make_step(&m);
}

static struct step *edge_step(struct maker *m, enum fact_kind kind, enum category category, int rule)
{
	struct step *s = add_step(m);

	*s = (struct step){ .fact = kind, .time_s = m->now_s, .arrival_s = m->now_s, .message = (int)(m->h->n % COUNT(messages)),
		.category = category, .class_ = category_class(category), .code = 550, .rule = rule };
	return s;
}

/* To the second: where a window or a span ends, then where the term does. */
static void make_edge(struct history *h)
{
	struct maker m = { .h = h, .now_s = BASE_S + (int64_t)below(1500 * (unsigned)DAY) };
	int64_t start_s = m.now_s;

	memset(h, 0, sizeof *h);
	make_conversions(&h->conversions);
	const struct conversion *c = h->conversions.n ? &h->conversions.v[below((unsigned)h->conversions.n)] : NULL;
	enum category category = CATEGORY_RECIPIENT_DISABLED;
	int rule = c && strcmp(c->match, "my.rule") == 0 ? 3 : 0;
	struct span term = c ? c->term : h->conversions.terms[category].term;
	if (c && !category_by_name(sv_of(c->match), &category))
		category = CATEGORY_CHALLENGE;
	for (unsigned i = 1; c && i < c->count; i++, m.now_s++)
		(void)edge_step(&m, FACT_FAILED, category, rule);
	struct span edge = c && below(2) ? c->min_span : c ? c->window : (struct span){ 0 };
	int64_t then_s = model_moment_s(start_s, 1, edge) + (int64_t)below(3) - 1;
	m.now_s = then_s > m.now_s ? then_s : m.now_s;
	if (below(4) == 0) /* perhaps in the same second as the last one */
		(void)edge_step(&m, FACT_DELIVERED, category, rule), h->steps[h->n - 1].time_s = m.now_s - (int64_t)below(2);
	if (below(4) == 0) {
		struct step *lost = add_step(&m);
		lost->kind = STEP_LOST;
		lost->time_s = start_s + (int64_t)below(4) - 1;
	}
	(void)edge_step(&m, FACT_FAILED, category, rule);
	if (!term.months && !term.ms)
		term = (struct span)SPAN_DAYS(1);
	m.now_s = model_moment_s(m.now_s, 1, term) + (int64_t)below(3) - 1;
	for (unsigned n = 1 + below(3); n > 0; n--, m.now_s += below(2)) {
		unsigned what = below(4);
		struct step *s = edge_step(&m, what == 0 ? FACT_DELIVERED : FACT_FAILED, what == 1 ? CATEGORY_NETWORK : category, what == 1 ? 0 : rule);
		s->kind = what == 2 ? STEP_PAROLE : STEP_FACT;
	}
}

/* Failures only, each second another, and the logs of the hosts read one after the other or mixed. */
static void make_mixed(struct history *h)
{
	static struct history in_order;
	struct maker m = { .h = &in_order, .now_s = BASE_S + (int64_t)below(400 * (unsigned)DAY) };
	size_t at[COUNT(messages)] = { 0 };
	int64_t start_s = m.now_s;
	int host = 0;

	memset(&in_order, 0, sizeof in_order);
	in_order.conversions = presets[below(2) * 2];
	in_order.any_order = true;
	in_order.cuts = 0x8421084210842108u << below(5);
	size_t n = 2 + below(20);
	while (in_order.n < n) {
		int64_t before_s = m.now_s++;
		go_on(&m);
		if (m.now_s > start_s + 330 * DAY) /* what is older than the window is not waited for */
			m.now_s = before_s + 1;
		struct step *s = add_step(&m);
		s->fact = FACT_FAILED;
		s->message = (int)below(COUNT(messages));
		s->arrival_s = m.now_s;
		s->address = (int)below(2);
		describe(s);
	}
	*h = in_order;
	for (h->n = 0; h->n < n;) {
		host = below(3) ? host : (int)below(COUNT(messages));
		while (at[host] < n && in_order.steps[at[host]].message != host)
			at[host]++;
		if (at[host] < n)
			h->steps[h->n++] = in_order.steps[at[host]++];
		else
			host = (int)below(COUNT(messages));
	}
}

/* ---- tests ---- */

static unsigned rounds(unsigned usual)
{
	const char *text = getenv("NIXIE_TEST_ROUNDS");

	return text ? (unsigned)strtoul(text, NULL, 10) : usual;
}

static void check(struct history *h)
{
	if (!differs(h))
		return;
	shrink(h);
	(void)differs(h);
	print_error("%s\n%s\n", seed_row, difference);
	show(h);
	test_row = "";
	fail();
}

static void compare(void (*maker)(struct history *h), unsigned usual)
{
	static struct history h;

	set_seed();
	for (unsigned i = rounds(usual); i > 0; i--) {
		(void)snprintf(seed_row, sizeof seed_row, "NIXIE_TEST_SEED=%" PRIu64, random_state);
		maker(&h);
		check(&h);
	}
	test_row = "";
}

static void in_the_order_of_time(void **state)
{
	(void)state;
	compare(make, 1200);
}

static void to_the_second(void **state)
{
	(void)state;
	compare(make_edge, 3000);
}

static void in_another_order(void **state)
{
	(void)state;
	compare(make_mixed, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_order_of_time),
		cmocka_unit_test(to_the_second),
		cmocka_unit_test(in_another_order),
	};

	return RUN(tests);
}
