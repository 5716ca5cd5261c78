/* A log: every line through header, message, linking, rules and ledger. */
#include "fuzz.h"

#include "campaign.h"
#include "ledger.h"
#include "line_forms.h"
#include "loss.h"
#include "reader.h"
#include "schema.h"

static struct config config;
static struct ruleset *rules;

static const char rule_file[] = "rules = ("
	"{ id = \"t.unknown\"; category = \"recipient.unknown\"; enhanced = \"5.1.1\"; },"
	"{ id = \"t.full\"; category = \"mailbox.full\"; text = \"full\"; },"
	"{ id = \"t.no-mx\"; category = \"dns.no-mx\"; text = \"no mx\"; } );";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err err;

	(void)argc, (void)argv;
	rules = ruleset_parse("fuzz.conf", rule_file, &err);
	if (!rules || !clock_set_zone("UTC") ||
	    !config_parse("fuzz.conf", "attribute-to = \"both\"; logtail: { link-memory = \"64KiB\"; };", &config, &err))
		abort();
	return 0;
}

struct check {
	struct ledger *ledger;
	struct arena *arena;
	const struct record *record;
	size_t facts, counted;
};

static void check_fact(void *arg, const struct fact *f)
{
	struct check *c = arg;
	const struct failure *failure = &f->failure;

	c->facts++;
	c->counted += !f->uncounted;
	MUST(!c->record->said.ambiguous);
	MUST(f->message.n > 0 && f->message.n <= 600);
	MUST(f->campaign.n <= CAMPAIGN_MAX && !sv_eq(f->campaign, SV("*")));
	for (size_t i = 0; i < f->campaign.n; i++)
		MUST((unsigned char)f->campaign.p[i] >= ' ' && f->campaign.p[i] == sv_lower(f->campaign.p[i]));
	MUST(memchr(f->message.p, '|', f->message.n) == NULL); /* it stands between such in a window */
	if (f->address.n) {
		const struct address_options options = config_address_options(&config);
		struct address a;
		MUST(address_parse(f->address, ADDRESS_INTERNAL, &options, &a) == ADDRESS_OK);
		MUST(sv_eq(address_key(&a), f->address));
	}
	if (f->kind == FACT_FAILED || f->kind == FACT_DEFERRED || (f->kind == FACT_EXPIRED && f->recipient)) {
		struct occurrence o = failure->occurrence, back;
		o.message = f->message;
		o.first_s = f->time_s > 0 ? f->time_s : 0;
		o.last_s = f->time_s;
		MUST(schema_window_parse(schema_window_member(c->arena, &o), o.last_s, &back));
		MUST(back.category == o.category && sv_eq(back.rule, o.rule) && sv_eq(back.message, o.message));
		MUST(back.first_s == o.first_s);
	}
	ledger_add(c->ledger, f);
}

static void check_record(struct sv bytes, const struct record *r)
{
	const struct mta_line *p = &r->said;
	const struct sv pieces[] = { r->line.message, p->queue_id, p->to, p->orig_to, p->relay_host, p->relay_ip,
		p->delay_text, p->dsn_text, p->text, p->sender, p->client, p->login, p->orig_queue_id, p->message_id, p->header };
	/* Exim's own log leaves these to us, and other headers may the host */
	const struct sv named[] = { r->line.process, p->instance, p->status_text };

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		MUST(fuzz_inside(pieces[i], bytes));
	for (size_t i = 0; i < sizeof named / sizeof *named && r->mta != MTA_EXIM; i++)
		MUST(fuzz_inside(named[i], bytes));
	MUST(sv_eq(p->daemon, SV("retry")) || fuzz_inside(p->daemon, bytes)); /* that one is inferred */
	MUST(r->line.host.n > 0 && r->line.host.n <= 255 && p->queue_id.n >= 5 && p->queue_id.n <= 30);
	MUST(p->relay_port <= 65535 && p->delay_us >= -1);
	MUST(r->kind != RECORD_DELIVERY || (p->status < DELIVERY_STATUS_COUNT && delivery_status_name(p->status)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record record;
	struct sv rest = sv_make((const char *)data, size);
	struct stamp_anchor anchor = { .time_s = 1795252321 };
	struct store *store = store_memory(1);
	struct arena arena = { 0 };
	struct reader reader;
	struct ledger ledger;
	struct err err = { "" };

	reader_init(&reader, &config, rules);
	ledger_init(&ledger, store, &config);
	while (rest.n) {
		struct sv line = sv_cut(&rest, '\n');
		struct check check = { &ledger, &arena, &record, 0, 0 };
		if (reader_line(&reader, line, &anchor, &record) == RECORD_NONE)
			continue;
		if (record.kind == RECORD_LOSS) {
			MUST(record.lost >= 0 && record.lost <= LOSS_LINES_MAX);
			continue;
		}
		check_record(line, &record);
		record_facts(&reader, &record, check_fact, &check);
		MUST(record.times <= LINE_REPEATED_MAX && check.facts <= 2 * record.times + 1 && check.counted <= record.times + 1);
		MUST(reader.links.bytes <= reader.links.bytes_max || reader.links.map.n <= 1);
		if (ledger.n > 3)
			MUST(ledger_commit(&ledger, NULL, NULL, false, &err) == STORE_OK && ledger.n == 0);
	}
	MUST(ledger_commit(&ledger, NULL, NULL, false, &err) == STORE_OK);
	ledger_free(&ledger);
	reader_free(&reader);
	store_free(store);
	arena_free(&arena);
	return 0;
}
