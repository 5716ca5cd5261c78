/* config: options that are lists of groups, and have no other home: conversions, terms, the status filter. */
#include "config_parts.h"

/* ---- conversions ---- */

static const struct conversion shipped_conversions[] = {
	{ .match = "dns.no-mx", .count = 4, .window = { .months = 12 }, .to = STATUS_HARD },
	{ .match = "mailbox.full", .count = 2, .min_span = { .ms = 72 * HOUR_MS }, .reset_on_delivery = true,
	  .to = STATUS_HELD, .term = { .ms = 15 * 24 * HOUR_MS }, .factor = 2, .max_term = { .ms = 180 * 24 * HOUR_MS } },
};

void config_ship_conversions(struct conversions *to)
{
	to->n = sizeof shipped_conversions / sizeof *shipped_conversions;
	memcpy(to->v, shipped_conversions, sizeof shipped_conversions);
}

static bool node_span(const struct node *node, struct span *span_r, struct err *err)
{
	if (node_type(node) != NODE_STRING || !config_parse_span(sv_of(node_string(node)), span_r))
		return node_err(node, err, "%s: write a time such as \"3 days\" or \"12 months\"", node_name(node));
	return true;
}

/* Sure for every month: spans of different units overlap. */
static bool span_surely_shorter(const struct span *a, const struct span *b)
{
	const int64_t day_ms = 24 * HOUR_MS;

	if (!a->ms && !b->ms)
		return a->months < b->months;
	return a->ms + a->months * 31 * day_ms < b->ms + b->months * 28 * day_ms;
}

static bool check_max_term(const struct node *item, const struct span *term, const struct span *max_term, struct err *err)
{
	if (!node_get(item, "max-term") || !span_surely_shorter(max_term, term))
		return true;
	return node_err(node_get(item, "max-term"), err, "max-term is shorter than term; write one that is as long at least, or leave it out");
}

static bool node_factor(const struct node *node, unsigned *factor_r, struct err *err)
{
	if (node_type(node) != NODE_NUMBER || node_number(node) < 1 || node_number(node) > TERM_FACTOR_MAX)
		return node_err(node, err, "factor: write a number from 1 to %d", TERM_FACTOR_MAX);
	*factor_r = (unsigned)node_number(node);
	return true;
}

static bool conversion_member(const struct node *node, struct conversion *c, struct err *err)
{
	const char *name = node_name(node);
	const char *text = node_type(node) == NODE_STRING ? node_string(node) : "";

	if (strcmp(name, "window") == 0)
		return node_span(node, &c->window, err);
	if (strcmp(name, "span") == 0)
		return node_span(node, &c->min_span, err);
	if (strcmp(name, "term") == 0)
		return node_span(node, &c->term, err);
	if (strcmp(name, "max-term") == 0)
		return node_span(node, &c->max_term, err);
	if (strcmp(name, "factor") == 0)
		return node_factor(node, &c->factor, err);
	if (strcmp(name, "match") == 0) {
		if (*text == '\0' || strlen(text) >= sizeof c->match)
			return node_err(node, err, "match: write a category such as \"mailbox.full\", or a rule id");
		memcpy(c->match, text, strlen(text) + 1);
	} else if (strcmp(name, "count") == 0) {
		if (node_type(node) != NODE_NUMBER || node_number(node) < 1 || node_number(node) > WINDOW_MAX)
			return node_err(node, err, "count: write a number from 1 to %d", WINDOW_MAX);
		c->count = (unsigned)node_number(node);
	} else if (strcmp(name, "per") == 0) {
		if (strcmp(text, "message") != 0 && strcmp(text, "day") != 0)
			return node_err(node, err, "per: write \"message\" or \"day\"");
		c->per = *text == 'd' ? PER_DAY : PER_MESSAGE;
	} else if (strcmp(name, "reset-on-delivery") == 0) {
		if (node_type(node) != NODE_BOOL)
			return node_err(node, err, "reset-on-delivery: write true or false, without quotes");
		c->reset_on_delivery = node_bool(node);
	} else if (strcmp(name, "to") == 0) {
		if (strcmp(text, "held") != 0 && strcmp(text, "hard") != 0)
			return node_err(node, err, "to: write \"held\" or \"hard\"");
		c->to = strcmp(text, "held") == 0 ? STATUS_HELD : STATUS_HARD;
	} else {
		return node_err(node, err, "a conversion has no \"%s\"; it has match, count, window, span, per, reset-on-delivery, to, term, factor, max-term", name);
	}
	return true;
}

bool config_set_conversions(const struct node *node, struct conversions *to, struct err *err)
{
	if (!node_check_groups(node, "conversions", "{ match = ...; to = ...; }", CONVERSIONS_MAX, err))
		return false;
	to->n = 0;
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		struct conversion c = { .line = node_line(item) };
		for (size_t j = 0; j < node_count(item); j++)
			if (!conversion_member(node_at(item, j), &c, err))
				return false;
		if (!c.match[0] || c.to == STATUS_NONE)
			return node_err(item, err, "a conversion needs match and to, e.g. { match = \"mailbox.full\"; count = 2; span = \"3 days\"; to = \"held\"; term = \"15 days\"; }");
		if (c.to == STATUS_HELD && c.term.ms == 0 && c.term.months == 0)
			return node_err(item, err, "to = \"held\" needs a term, e.g. term = \"15 days\"");
		if (c.count == 0 && c.min_span.ms == 0 && c.min_span.months == 0)
			return node_err(item, err, "a conversion needs count or span, or every single failure would convert; e.g. count = 4; window = \"12 months\";");
		if (!check_max_term(item, &c.term, &c.max_term, err))
			return false;
		c.count = c.count ? c.count : 1;
		to->v[to->n++] = c;
	}
	return true;
}

/* ---- terms ---- */

static bool term_member(const struct node *node, struct category_term *t, enum category *category_r, struct err *err)
{
	const char *name = node_name(node);

	if (strcmp(name, "term") == 0)
		return node_span(node, &t->term, err);
	if (strcmp(name, "max-term") == 0)
		return node_span(node, &t->max_term, err);
	if (strcmp(name, "factor") == 0)
		return node_factor(node, &t->factor, err);
	if (strcmp(name, "category") != 0)
		return node_err(node, err, "a term has no \"%s\"; it has category, term, factor, max-term", name);
	if (node_type(node) != NODE_STRING || !category_by_name(sv_of(node_string(node)), category_r))
		return node_err(node, err, "category: write one that is hard, such as \"recipient.disabled\"; nixie-rules(5) lists them");
	if (category_class(*category_r) != CLASS_HARD)
		return node_err(node, err, "category: %s is not hard; what soft failures lead to is a matter of conversions", node_string(node));
	return true;
}

bool config_set_terms(const struct node *node, struct category_term to[CATEGORY_COUNT], struct err *err)
{
	if (!node_check_groups(node, "terms", "{ category = ...; term = ...; }", CATEGORY_COUNT, err))
		return false;
	memset(to, 0, CATEGORY_COUNT * sizeof *to);
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		struct category_term t = { .factor = 1 };
		enum category category = CATEGORY_COUNT;
		for (size_t j = 0; j < node_count(item); j++)
			if (!term_member(node_at(item, j), &t, &category, err))
				return false;
		if (category == CATEGORY_COUNT || (t.term.ms == 0 && t.term.months == 0))
			return node_err(item, err, "a term needs category and term, e.g. { category = \"recipient.disabled\"; term = \"180 days\"; }");
		if (!check_max_term(item, &t.term, &t.max_term, err))
			return false;
		if (to[category].factor)
			return node_err(item, err, "%s has a term already", category_name(category));
		to[category] = t;
	}
	return true;
}

/* ---- the status filter ---- */

static bool filter_member(const struct node *node, enum category *category_r, enum status_change *to_r, struct err *err)
{
	const char *name = node_name(node);
	struct sv text = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");

	if (strcmp(name, "category") == 0) {
		if (!category_by_name(text, category_r))
			return node_err(node, err, "category: write one such as \"mailbox.full\"; nixie-rules(5) lists them");
	} else if (strcmp(name, "to") == 0) {
		*to_r = sv_eq(text, SV("defer")) ? CHANGE_TO_DEFER : sv_eq(text, SV("bounce")) ? CHANGE_TO_BOUNCE : CHANGE_NOTHING;
		if (*to_r == CHANGE_NOTHING)
			return node_err(node, err, "to: write \"defer\" or \"bounce\"");
	} else {
		return node_err(node, err, "a member of status-filter has no \"%s\"; it has category and to", name);
	}
	return true;
}

bool config_set_status_filter(const struct node *node, enum status_change to[CATEGORY_COUNT], struct err *err)
{
	if (!node_check_groups(node, "status-filter", "{ category = ...; to = ...; }", CATEGORY_COUNT, err))
		return false;
	memset(to, 0, CATEGORY_COUNT * sizeof *to);
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		enum category category = CATEGORY_COUNT;
		enum status_change change = CHANGE_NOTHING;
		for (size_t j = 0; j < node_count(item); j++)
			if (!filter_member(node_at(item, j), &category, &change, err))
				return false;
		if (category == CATEGORY_COUNT || change == CHANGE_NOTHING)
			return node_err(item, err, "it needs category and to, e.g. { category = \"mailbox.full\"; to = \"bounce\"; }");
		if (to[category])
			return node_err(item, err, "%s is there already", category_name(category));
		to[category] = change;
	}
	return true;
}
