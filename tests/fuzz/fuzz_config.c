/* A configuration file: what is taken is within its limits, what is not says where it is wrong. */
#include "fuzz.h"

#include "config.h"
#include "decide.h"

FUZZ_LIBCONFIG_LEAKS

static bool is_terminated(const char *p)
{
	return memchr(p, 0, CONFIG_STRING_MAX) != NULL;
}

/* What the answers say of this entry is one line that Postfix takes, and never as permission. */
static void check_reply(const struct answers *answers, const struct entry *e)
{
	const struct known known = { e, NULL, { .address = SV("news@shop.example"), .login = SV("login"), .context = SV("context") } };
	char transport[DECIDE_TRANSPORT_MAX];
	struct decision d;

	decide(&known, answers, 1795252322, &d);
	decide_no_parole(&d);
	MUST(strlen("action=") + strlen(d.reply) <= 500);
	for (const char *p = d.reply; *p; p++)
		MUST(*p >= ' ' && *p <= '~');
	const char *text = strchr(d.reply, ' ');
	MUST(d.action == ACTION_DUNNO ? strcmp(d.reply, "DUNNO") == 0 : text && text[1]);
	MUST((*d.reply >= '4' && *d.reply <= '5') || (*d.reply >= 'A' && *d.reply <= 'Z'));
	if (d.action != ACTION_DUNNO && !action_takes_operand(d.action))
		MUST(strstr(d.reply, " " DECIDE_MARK ": "));
	decide_transport(&d, transport, sizeof transport);
	MUST(!transport[0] || (!d.shadow && strchr(transport, ':')));
}

static void check_answers(const struct answers *answers)
{
	MUST(answers->n <= ANSWERS_MAX && answers->n_from <= ANSWERS_FROM_MAX);
	for (size_t i = 0; i < answers->n; i++) {
		const struct answer *a = &answers->v[i];
		MUST(a->from + a->n_from <= answers->n_from && memchr(a->text, 0, sizeof a->text));
		MUST(!a->has_action || a->action < ACTION_PAROLE);
		MUST(a->code == 0 || (a->code >= 400 && a->code <= 599 && a->code != 421 && a->code != 521));
	}
	for (int status = STATUS_SOFT; status <= STATUS_MANUAL; status++) {
		for (int reason = 0; reason < CATEGORY_COUNT; reason += status) {
			const struct entry e = { .status = (enum status)status, .reason = (enum category)reason, .since_s = STATE_TIME_MAX_S,
				.until_s = reason % 2 ? STATE_TIME_MAX_S : 1, .token = SV("1795252321000-0") };
			check_reply(answers, &e);
		}
	}
}

static void check_addresses(const struct verp_templates *templates)
{
	static const struct verp_secrets secrets = { .n = 1, .v = { { .n = VERP_SECRET_MIN, .bytes = "0123456789abcdef" } } };
	const struct span lifetime = { .ms = 1 };
	char address[VERP_ADDRESS_MAX + 1];
	struct verp verp;

	MUST(templates->n <= VERP_TEMPLATES_MAX);
	for (size_t i = 0; i < templates->n; i++) {
		const struct verp_template *t = &templates->v[i];
		MUST(memchr(t->text, 0, sizeof t->text) && strchr(t->text, '@') && t->use < VERP_USES && (t->recipient || !t->sig));
		enum verp_made made = verp_make(t, &secrets, SV("a@b"), 1795252321, address);
		MUST(made == (t->sig ? VERP_MADE : VERP_NO_SIG)); /* there is room for a short one always */
		MUST(!t->sig || verp_read(templates, &secrets, sv_of(address), 1795252321, lifetime, &verp) == VERP_SIGNED);
	}
}

static void check_loops(const struct feedback_loops *loops)
{
	MUST(loops->n <= FEEDBACK_LOOPS_MAX && loops->n_domains <= FEEDBACK_DOMAINS_MAX);
	for (size_t i = 0; i < loops->n; i++) {
		const struct feedback_loop *loop = &loops->v[i];
		MUST(loop->dkim[0] && memchr(loop->dkim, 0, sizeof loop->dkim) && loop->recipients + loop->n_recipients <= loops->n_domains);
		for (unsigned j = 0; j < loop->n_recipients; j++)
			MUST(feedback_loop_covers(loops, loop, sv_of(loops->domains[loop->recipients + j])));
	}
}

static void check_option(const struct config_option *o, const struct config *config)
{
	const void *p = (const char *)config + o->offset;
	const struct strings *strings = p;
	const struct conversions *conversions = p;
	const struct span *span = p;
	const enum status_change *changes = p;
	int words = 0;

	switch (o->type) {
	case OPTION_STRING:
		MUST(is_terminated(p));
		break;
	case OPTION_STRINGS:
		MUST(strings->n <= CONFIG_LIST_MAX);
		for (size_t i = 0; i < strings->n; i++)
			MUST(is_terminated(strings->v[i]));
		break;
	case OPTION_NUMBER:
	case OPTION_MODE:
	case OPTION_MS:
	case OPTION_BYTES:
	case OPTION_SHARE:
		MUST(*(const int64_t *)p >= o->min && *(const int64_t *)p <= o->max);
		break;
	case OPTION_ENUM:
		while (o->words[words])
			words++;
		MUST(*(const int *)p >= 0 && *(const int *)p < words);
		break;
	case OPTION_SPAN:
		MUST(span->months >= 0 && span->ms >= 0 && !(span->months && span->ms));
		break;
	case OPTION_CONVERSIONS:
		MUST(conversions->n <= CONVERSIONS_MAX);
		for (size_t i = 0; i < conversions->n; i++) {
			const struct conversion *c = &conversions->v[i];
			MUST(c->match[0] && memchr(c->match, 0, sizeof c->match));
			MUST(c->count >= 1 && c->count <= WINDOW_MAX);
			MUST(c->to == STATUS_HARD || (c->to == STATUS_HELD && (c->term.ms > 0 || c->term.months > 0)));
		}
		break;
	case OPTION_ANSWERS:
		check_answers(p);
		break;
	case OPTION_STATUS_FILTER:
		for (size_t i = 0; i < CATEGORY_COUNT; i++)
			MUST(changes[i] == CHANGE_NOTHING || changes[i] == CHANGE_TO_DEFER || changes[i] == CHANGE_TO_BOUNCE);
		break;
	case OPTION_ADDRESSES:
		check_addresses(p);
		break;
	case OPTION_FEEDBACK_LOOPS:
		check_loops(p);
		break;
	case OPTION_BOOL:
	case OPTION_TERMS:
		break;
	}
}

static void check_values(struct sv text)
{
	struct span span;
	int64_t bytes;

	if (config_parse_span(text, &span)) {
		MUST(span.months >= 0 && span.months <= 12 * 36500 && span.ms >= 0);
		/* dates stay representable from now on */
		MUST(clock_after_us(INT64_C(1795252321000000), span) >= INT64_C(1795252321000000));
		MUST(clock_before_us(INT64_C(1795252321000000), span) <= INT64_C(1795252321000000));
	}
	if (config_parse_bytes(text, &bytes))
		MUST(bytes >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	char *text = fuzz_string(sv_make((const char *)data, size));
	struct err err = { "" };

	check_values(sv_make((const char *)data, size));
	if (!strstr(text, "@include")) { /* libconfig would open files */
		memset(&config, 0x5a, sizeof config);
		if (config_parse("fuzz.conf", text, &config, &err)) {
			for (size_t i = 0; i < config_options_n; i++)
				check_option(&config_options[i], &config);
		} else {
			MUST(strncmp(err.text, "fuzz.conf:", 10) == 0);
			MUST(config.redis_address[0] == 0x5a); /* untouched */
		}
	}
	free(text);
	return 0;
}
