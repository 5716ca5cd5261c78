/* doctor: mail that comes back: the secret, whether Postfix hands it over, what is remembered, and whether any comes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"
#include "figures.h"
#include "program.h"
#include "reach.h"
#include "returns.h"
#include "verp_file.h"

/* Who runs nixie receive: contrib/postfix/master.cf.nixie */
#define RECEIVER "nixie"
#define DAYS 7
/* Of so many deliveries some mail comes back. */
#define DELIVERIES_MIN 10000
#define ASIDE_MIN 20
/* nixie-redis(7), "Mail that comes back": bytes of one that is remembered, and so many a day and partition */
#define SENT_BYTES 50
#define SENT_BYTES_MANY 150
#define SENT_PACKED 500000
#define TABLES_MAX 32

/* ---- the secret ---- */

static void check_secret(struct doctor *d, struct verp_secrets *secrets)
{
	const char *file = d->config->receive_secret_file;
	const struct reach reach = { .user = RECEIVER, .path = file, .how = REACH_READ };
	struct obstacle o;
	struct err err, unknown;
	char advice[3 * PATH_MAX];

	if (!*file)
		return;
	if (!verp_secrets_read(file, secrets, &err)) {
		(void)snprintf(advice, sizeof advice, "(umask 027; nixie verp --new-secret >%s) && chgrp " RECEIVER " %s, where there is none yet", file, file);
		doctor_tell(d, FINDING_ERROR, "secret", sv_find_sv(sv_of(err.text), SV("type:")) < strlen(err.text) ? "mail that comes back stays in the queue until then" : advice,
			"%s", err.text);
	} else if (reach_try(&reach, &o, &unknown) && o.error == EACCES) {
		(void)snprintf(advice, sizeof advice, o.last || !o.path[0] ? "chgrp " RECEIVER " %s && chmod g+r %s" : "chmod o+x %s", o.last || !o.path[0] ? file : o.path, file);
		doctor_tell(d, FINDING_ERROR, "secret", advice, "%s: user " RECEIVER ", as whom nixie receive runs, may not %s %s", file,
			o.last ? "read" : "enter", o.path[0] ? o.path : file);
	} else {
		doctor_tell(d, FINDING_OK, "secret", "", "%zu in %s", secrets->n, file);
	}
}

/* ---- the way through Postfix ---- */

struct way {
	struct doctor *d;
	struct mailer mailer;
	const struct verp_template *template;
	struct sv address; /* one of the template */
};

/* The next table of a list: "regexp:/etc/postfix/x", "inline:{ a = b }". */
static struct sv next_table(struct sv *list)
{
	size_t depth = 0, n = 0;

	while (list->n && (list->p[0] == ' ' || list->p[0] == ',' || list->p[0] == '\t'))
		*list = sv_skip(*list, 1);
	while (n < list->n && (depth || (list->p[n] != ' ' && list->p[n] != ',' && list->p[n] != '\t'))) {
		depth += list->p[n] == '{';
		depth -= list->p[n] == '}' && depth;
		n++;
	}
	struct sv table = sv_head(*list, n);
	*list = sv_skip(*list, n);
	return table;
}

/* What the tables of a parameter have for a key: as postmap -q tells it; "": nothing. */
static struct sv look_up(struct way *w, const char *parameter, struct sv key)
{
	struct arena *arena = &w->mailer.arena;
	struct sv rest = mailer_value(&w->mailer, parameter), answer = SV("");

	for (int i = 0; i < TABLES_MAX && !answer.n; i++) {
		struct sv table = next_table(&rest);
		struct err err;
		if (!table.n)
			break;
		/* it asks nixie-policyd about addresses, and knows none of ours */
		if (sv_starts(table, SV("socketmap:")))
			continue;
		const char *const argv[] = { "postmap", "-c", w->mailer.directory ? w->mailer.directory : "/etc/postfix", "-q",
			arena_printf(arena, "%.*s", SV_ARG(key)).p, arena_printf(arena, "%.*s", SV_ARG(table)).p, NULL };
		/* a status of 1 is that there is nothing */
		if (!program_output(arena, argv, &answer, &err))
			answer = SV("");
	}
	return sv_trim(sv_head(answer, sv_find(answer, '\n')));
}

/* The address, then without its extension, then its domain. */
static struct sv look_up_address(struct way *w, const char *parameter, struct sv address)
{
	struct sv domain = sv_after_last(address, '@'), answer = look_up(w, parameter, address);
	struct sv delimiters = mailer_value(&w->mailer, "recipient_delimiter");
	struct sv local = sv_head(address, address.n - domain.n - 1);

	for (size_t i = 0; i < delimiters.n && !answer.n; i++) {
		size_t at = sv_find(local, delimiters.p[i]);
		if (at > 0 && at < local.n)
			answer = look_up(w, parameter, arena_printf(&w->mailer.arena, "%.*s@%.*s", (int)at, local.p, SV_ARG(domain)));
	}
	return answer.n ? answer : look_up(w, parameter, strcmp(parameter, "transport_maps") == 0 ? domain : arena_printf(&w->mailer.arena, "@%.*s", SV_ARG(domain)));
}

static bool has_service(const struct mailer *m, struct sv name)
{
	for (size_t i = 0; i < m->n_services; i++)
		if (sv_eq(m->services[i].name, name))
			return true;
	return false;
}

static void tell_nowhere(struct way *w)
{
	char advice[VERP_TEXT_MAX + 400];
	struct sv text = sv_of(w->template->text);
	size_t n = sv_find(text, '{');

	if (n < text.n)
		n = n && text.p[n - 1] == '+' ? n - 1 : n;
	(void)snprintf(advice, sizeof advice, "put a line for %s%.*s%s into nixie-virtual, and name that in virtual_alias_maps: contrib/postfix/README.md, Mail that comes back",
		n < text.n ? "all that begins with " : "", (int)n, text.p, n < text.n ? "+" : "");
	doctor_tell(w->d, FINDING_WARNING, "way", advice, "no table of Postfix has %.*s: mail that comes back to %s does not get to nixie receive",
		SV_ARG(w->address), w->template->text);
}

/* aliases(5), which takes a mail by its local part, without extension: |"nixie receive" */
static struct sv look_up_alias(struct way *w)
{
	struct sv local = sv_head(w->address, sv_find(w->address, '@')), delimiters = mailer_value(&w->mailer, "recipient_delimiter");

	for (size_t i = 0; i < delimiters.n; i++)
		local = sv_head(local, sv_find(local, delimiters.p[i]));
	struct sv answer = local.n ? look_up(w, "alias_maps", local) : local;
	return sv_find_sv(answer, SV("nixie")) < answer.n ? answer : SV("");
}

static void check_way(struct way *w)
{
	struct sv to = look_up_address(w, "virtual_alias_maps", w->address);
	struct sv first = to.n ? sv_trim(sv_head(to, sv_find(to, ','))) : w->address;
	struct sv transport = look_up_address(w, "transport_maps", first), service = sv_head(transport, sv_find(transport, ':'));
	char advice[] = "append contrib/postfix/master.cf.nixie to master.cf, then postfix reload";

	if (!transport.n && sv_eq(sv_after_last(first, '@'), SV("nixie.invalid")))
		doctor_tell(w->d, FINDING_ERROR, "way", "transport_maps = inline:{ { nixie.invalid = nixie-receive: } } in main.cf, before what is there: contrib/postfix/README.md",
			"%s goes to %.*s, which transport_maps of Postfix does not have: it comes back once more", w->template->text, SV_ARG(first));
	else if (transport.n && service.n && !has_service(&w->mailer, service))
		doctor_tell(w->d, FINDING_ERROR, "way", advice, "%s goes to the transport %.*s, which master.cf does not have: all that comes back waits", w->template->text,
			SV_ARG(service));
	else if (transport.n)
		doctor_tell(w->d, FINDING_OK, "way", "", "%s goes to %.*s", w->template->text, SV_ARG(transport));
	else if (to.n)
		doctor_tell(w->d, FINDING_OK, "way", "", "%s goes to %.*s: is that where nixie receive is?", w->template->text, SV_ARG(to));
	else if ((to = look_up_alias(w)).n)
		doctor_tell(w->d, FINDING_OK, "way", "", "%s goes to %.*s", w->template->text, SV_ARG(to));
	else
		tell_nowhere(w);
}

/* Of each template that an address can be made of. */
static void check_ways(struct doctor *d, const struct verp_secrets *secrets, const char *directory)
{
	const struct verp_templates *templates = &d->config->receive_addresses;
	struct way *w = xalloc(sizeof *w);
	struct err err;

	w->d = d;
	/* what is wrong with the configuration of Postfix is told there */
	bool open = mailer_open(&w->mailer, directory, &err);
	for (size_t i = 0; open && i < templates->n; i++) {
		char room[VERP_ADDRESS_MAX + 1];
		w->template = &templates->v[i];
		if (!w->template->recipient)
			w->address = sv_of(w->template->text);
		else if (verp_make(w->template, secrets, SV("nixie.doctor@example.com"), clock_now_s(), room) == VERP_MADE)
			w->address = sv_of(room);
		else
			continue;
		check_way(w);
	}
	mailer_free(&w->mailer);
	free(w);
}

/* ---- what is remembered, and what came ---- */

static int64_t days_of(struct span span)
{
	return span.months * 30 + span.ms / (CLOCK_DAY_S * 1000);
}

/* Who may send through this server, or to its users, knows the names of his own messages. */
static void check_senders(struct doctor *d)
{
	for (size_t i = 0; i < d->config->receive_addresses.n; i++)
		if (d->config->receive_addresses.v[i].use == VERP_BOUNCES)
			return;
	if (!span_is_zero(d->config->receive_remember))
		doctor_tell(d, FINDING_WARNING, "remember", "receive: { addresses = ( { for = \"bounces\"; address = \"bounces@news.example\"; } ); }; in nixie.conf",
			"receive.addresses has no bounce address: the messages of all senders are remembered, also of strangers, who could make up bounces of them");
}

static void check_remember(struct doctor *d, unsigned partitions, int64_t delivered)
{
	int64_t days = days_of(d->config->receive_remember), each = delivered / DAYS;
	int64_t bytes = partitions && each / partitions > SENT_PACKED ? SENT_BYTES_MANY : SENT_BYTES;

	if (span_is_zero(d->config->receive_remember) && !verp_templates_sign(&d->config->receive_addresses))
		doctor_tell(d, FINDING_WARNING, "remember", "receive: { remember = \"30 days\"; }; in nixie.conf, or signed addresses (nixie verp): nixie(7), MAIL THAT COMES BACK",
			"receive.remember is off, and no address of receive.addresses has {sig}: nothing proves a bounce that comes as mail");
	else if (span_is_zero(d->config->receive_remember))
		doctor_tell(d, FINDING_OK, "remember", "", "no messages (receive.remember): what names one of ours is no proof, signed addresses are");
	else
		doctor_tell(d, FINDING_OK, "remember", "", "receive.remember is %" PRId64 " days: of %" PRId64 " deliveries a day some %.1f MiB in Redis%s", days, each,
			(double)each * (double)(days + 1) * (double)bytes / 1048576,
			bytes == SENT_BYTES ? "" : ", a third of it with zset-max-listpack-entries 1024: nixie-redis(7), Mail that comes back");
}

static void check_came(struct doctor *d, const struct returns *r, int64_t delivered)
{
	int64_t counted = r->outcomes[RECEIVE_COUNTED], aside = r->outcomes[RECEIVE_ASIDE];

	if (!r->mails && delivered >= DELIVERIES_MIN)
		doctor_tell(d, FINDING_WARNING, "came back", "does it get here? Send a mail to one of receive.addresses and look into nixie report; how mail gets to nixie receive: "
			"contrib/postfix/README.md, contrib/exim/README.md",
			"no mail has come back for %d days, though %" PRId64 " messages were delivered", DAYS, delivered);
	else if (aside >= ASIDE_MIN && aside > counted + r->outcomes[RECEIVE_TOLD])
		doctor_tell(d, FINDING_WARNING, "came back", "nixie aside", "%" PRId64 " of %" PRId64 " mails of %d days prove nothing, %" PRId64 " were counted", aside, r->mails,
			DAYS, counted);
	else
		doctor_tell(d, FINDING_OK, "came back", "", "%" PRId64 " mail%s in %d days, %" PRId64 " counted, %" PRId64 " aside", r->mails, r->mails == 1 ? "" : "s", DAYS,
			counted, aside);
}

/* used: nothing is told where it is not, and no such mail came. */
static void check_data(struct doctor *d, bool used)
{
	struct store *store = store_redis(d->config);
	int64_t now_s = clock_now_s(), to_s = now_s - now_s % CLOCK_DAY_S + CLOCK_DAY_S, from_s = to_s - DAYS * CLOCK_DAY_S;
	struct figures figures = { .n = 0 };
	struct returns returns = { .mails = 0 };
	struct err err;
	unsigned partitions = store_partitions(store, &err);

	if (!partitions || figures_read(&figures, store, BY_NONE, from_s, to_s, &err) != STORE_OK || returns_read(&returns, store, from_s, to_s, &err) != STORE_OK) {
		doctor_tell(d, FINDING_ERROR, "came back", "", "%s", err.text);
	} else if (used || returns.mails) {
		int64_t delivered = figures_total(&figures).n[FIGURE_DELIVERED];
		check_remember(d, partitions, delivered);
		check_senders(d);
		check_came(d, &returns, delivered);
	}
	figures_free(&figures);
	store_free(store);
}

void doctor_mail(struct doctor *d, bool reachable, const char *directory)
{
	bool used = config_receives(d->config) || *d->config->receive_secret_file;
	struct verp_secrets *secrets = xalloc(sizeof *secrets);

	if (used)
		check_secret(d, secrets);
	if (d->config->receive_addresses.n && (directory ? strcmp(directory, "none") != 0 : mailer_here()))
		check_ways(d, secrets, directory);
	if (reachable)
		check_data(d, used);
	free(secrets);
}
