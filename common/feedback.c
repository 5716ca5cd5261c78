#include "feedback.h"

#define GROUP "{ dkim = \"arf.mail.yahoo.com\"; recipients = [ \"yahoo.com\" ]; }"

static bool set_domain(const struct node *node, const char *name, char to[ADDRESS_DOMAIN_MAX + 1], struct err *err)
{
	const char *text = node_type(node) == NODE_STRING ? node_string(node) : "";
	struct address address;

	if (address_parse_domain(sv_of(text), &address) != ADDRESS_OK)
		return node_err(node, err, "%s: \"%.60s\" is no domain; write one such as \"yahoo.com\"", name, text);
	if (sv_find(address_domain(&address), '.') == address_domain(&address).n)
		return node_err(node, err, "%s: \"%.60s\" is all of a top-level domain; write one such as \"yahoo.com\"", name, text);
	memcpy(to, address.key + address.at + 1, address_domain(&address).n + 1);
	return true;
}

static bool set_from(const struct node *node, char to[ADDRESS_KEY_MAX + 1], struct err *err)
{
	const struct address_options fold = { .keep_case = false };
	const char *text = node_type(node) == NODE_STRING ? node_string(node) : "";
	struct address address;

	if (address_parse(sv_of(text), ADDRESS_EXTERNAL, &fold, &address) != ADDRESS_OK)
		return node_err(node, err, "from: \"%.60s\" is no address; write the one in From of its reports, such as \"staff@hotmail.com\"", text);
	memcpy(to, address.key, address.n + 1);
	return true;
}

static bool add_recipient(const struct node *node, struct feedback_loops *to, struct feedback_loop *loop, struct err *err)
{
	if (to->n_domains == FEEDBACK_DOMAINS_MAX)
		return node_err(node, err, "recipients: more than %d of them in all groups", FEEDBACK_DOMAINS_MAX);
	if (!set_domain(node, "recipients", to->domains[to->n_domains], err))
		return false;
	to->n_domains++;
	loop->n_recipients++;
	return true;
}

static bool set_recipients(const struct node *node, struct feedback_loops *to, struct feedback_loop *loop, struct err *err)
{
	if (node_type(node) == NODE_STRING)
		return add_recipient(node, to, loop, err);
	if (node_type(node) != NODE_LIST || node_count(node) == 0)
		return node_err(node, err, "recipients: write a list of domains, such as [ \"yahoo.com\", \"aol.com\" ]; leave it out where it may speak of all");
	for (size_t i = 0; i < node_count(node); i++)
		if (!add_recipient(node_at(node, i), to, loop, err))
			return false;
	return true;
}

static bool parse_loop(const struct node *item, struct feedback_loops *to, struct err *err)
{
	struct feedback_loop *loop = &to->v[to->n];

	loop->recipients = (unsigned)to->n_domains;
	for (size_t i = 0; i < node_count(item); i++) {
		const struct node *node = node_at(item, i);
		if (strcmp(node_name(node), "dkim") == 0) {
			if (!set_domain(node, "dkim", loop->dkim, err))
				return false;
		} else if (strcmp(node_name(node), "from") == 0) {
			if (!set_from(node, loop->from, err))
				return false;
		} else if (strcmp(node_name(node), "recipients") == 0) {
			if (!set_recipients(node, to, loop, err))
				return false;
		} else {
			return node_err(node, err, "a feedback loop has no \"%s\"; it has dkim, from and recipients", node_name(node));
		}
	}
	return loop->dkim[0] || node_err(item, err, "it needs dkim, the domain that signs its reports, e.g. " GROUP);
}

bool feedback_loops_parse(const struct node *node, struct feedback_loops *to, struct err *err)
{
	memset(to, 0, sizeof *to);
	if (!node_check_groups(node, "receive.feedback-loops", GROUP, FEEDBACK_LOOPS_MAX, err))
		return false;
	for (size_t i = 0; i < node_count(node); i++, to->n++)
		if (!parse_loop(node_at(node, i), to, err))
			return false;
	return true;
}

bool feedback_loop_is_from(const struct feedback_loop *loop, struct sv author)
{
	return !loop->from[0] || sv_eq_nocase(author, sv_of(loop->from));
}

bool feedback_loop_covers(const struct feedback_loops *loops, const struct feedback_loop *loop, struct sv domain)
{
	for (unsigned i = 0; i < loop->n_recipients; i++) {
		struct sv of = sv_of(loops->domains[loop->recipients + i]);
		if (sv_ends_nocase(domain, of) && (domain.n == of.n || domain.p[domain.n - of.n - 1] == '.'))
			return true;
	}
	return loop->n_recipients == 0;
}
