/* A configuration file: what is taken is within its limits, what is not says where it is wrong. */
#include "fuzz.h"

#include "config.h"

FUZZ_LIBCONFIG_LEAKS

static bool is_terminated(const char *p)
{
	return memchr(p, 0, CONFIG_STRING_MAX) != NULL;
}

static void check_option(const struct config_option *o, const struct config *config)
{
	const void *p = (const char *)config + o->offset;
	const struct strings *strings = p;
	const struct conversions *conversions = p;
	const struct span *span = p;
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
	case OPTION_BOOL:
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
