#include "claim.h"

#include "authres.h"
#include "campaign.h"
#include "rules.h"
#include "sent.h"
#include "verp.h"

/* Addresses of one header that are looked at */
#define ADDRESSES_MAX 16

static const struct { const char *name, *meaning; } proofs[] = {
	[PROOF_NONE] = { "", "" },
	[PROOF_SIGNATURE] = { "signature", "an address that was signed for this recipient" },
	[PROOF_MESSAGE] = { "message", "the name of a message that went to this recipient" },
	[PROOF_LOOP] = { "feedback-loop", "an authenticated feedback loop" },
	[PROOF_AUTHOR] = { "author", "the authenticated author asks for himself" },
};

const char *claim_proof_name(enum claim_proof proof)
{
	return proofs[proof].name;
}

const char *claim_proof_meaning(struct sv name)
{
	for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++)
		if (sv_eq(name, sv_of(proofs[i].name)))
			return proofs[i].meaning;
	return "";
}

/* ---- values ---- */

static struct sv key_of(const struct claim_input *in, struct arena *arena, struct sv text, enum address_form form)
{
	struct address_options options = config_address_options(in->config);
	struct address address;

	return address_parse(text, form, &options, &address) == ADDRESS_OK ? arena_dup(arena, address_key(&address)) : SV("");
}

static struct sv domain_of(struct sv address)
{
	struct sv domain = sv_after_last(address, '@');

	return domain.n < address.n ? domain : SV("");
}

static struct sv first_address(struct arena *arena, struct sv value)
{
	struct sv address = SV("");

	return mail_addresses(arena, value, &address, 1) ? address : SV("");
}

/* ---- signatures ---- */

static enum verp_result read_address(const struct claim_input *in, struct sv address, struct verp *verp)
{
	const struct config *c = in->config;

	return verp_read(&c->receive_addresses, in->secrets, address, in->now_s, c->receive_signature_lifetime, verp);
}

/* Of our own message, or where the mail came to: whoever knows such an address has it from that message. */
static void take_signature(const struct claim_input *in, struct arena *arena, struct sv address, struct evidence *e)
{
	struct verp verp;
	enum verp_result result = address.n && !e->proven ? read_address(in, address, &verp) : VERP_NONE;

	e->forged = e->forged || result == VERP_FORGED;
	e->expired = e->expired || result == VERP_EXPIRED;
	if (result != VERP_SIGNED)
		return;
	e->recipient = key_of(in, arena, verp_recipient(&verp), ADDRESS_INTERNAL);
	e->proven = e->recipient.n > 0;
	e->signed_domain = e->proven ? sv_of(verp.template->sender) : SV("");
	e->signed_day = verp.day;
	/* within what a forwarder wrapped around it (SRS) it stands no more as it was: then the message tells */
	if (e->proven && verp.use == VERP_BOUNCES && address.n <= ADDRESS_KEY_MAX && sv_eq_nocase(domain_of(address), domain_of(sv_of(verp.template->text))))
		e->sender = address;
}

static int fitness(enum verp_result result)
{
	static const int ranks[] = { [VERP_NONE] = 0, [VERP_PLAIN] = 1, [VERP_FORGED] = 2, [VERP_EXPIRED] = 3, [VERP_UNSIGNED] = 4, [VERP_SIGNED] = 5 };

	return ranks[result];
}

static void take_came_to(const struct claim_input *in, struct arena *arena, struct sv address, struct evidence *e)
{
	struct verp verp;
	enum verp_result result = address.n ? read_address(in, address, &verp) : VERP_NONE;

	take_signature(in, arena, address, e);
	if (fitness(result) <= fitness(e->came_to))
		return;
	e->came_to = result;
	e->use = verp.use;
	e->came_to_recipient = result == VERP_UNSIGNED || result == VERP_SIGNED ? key_of(in, arena, verp_recipient(&verp), ADDRESS_INTERNAL) : SV("");
	e->came_to_domain = sv_of(verp.template->sender);
	e->came_to_address = e->came_to_recipient.n ? address : SV("");
}

/* Where it came to: what the caller says, else what servers note of it; last what the author wrote. */
static void gather_came_to(const struct claim_input *in, struct arena *arena, struct evidence *e)
{
	static const char *const headers[] = { "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To" };
	struct sv addresses[ADDRESSES_MAX];

	take_came_to(in, arena, in->came_to, e);
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		/* who says where it came to knows better than a header, which proves only what is signed */
		if (in->came_to.n && e->came_to == VERP_SIGNED)
			return;
		size_t n = mail_addresses(arena, mail_field(&in->mail->headers, sv_of(headers[i])), addresses, ADDRESSES_MAX);
		for (size_t k = 0; k < n; k++) {
			struct verp verp;
			if (!in->came_to.n || read_address(in, addresses[k], &verp) == VERP_SIGNED)
				take_came_to(in, arena, addresses[k], e);
		}
	}
}

/* "<mailto:unsubscribe+...@news.example?subject=x>, <https://...>" (RFC 2369) */
static void gather_unsubscribe(const struct claim_input *in, struct arena *arena, struct sv value, struct evidence *e)
{
	for (int i = 0; i < ADDRESSES_MAX && value.n; i++) {
		struct sv one = sv_cut(&value, ',');
		(void)sv_cut(&one, '<');
		one = sv_cut(&one, '>');
		struct sv address = sv_skip(one, sizeof "mailto:" - 1);
		if (sv_starts_nocase(one, SV("mailto:")))
			take_signature(in, arena, sv_cut(&address, '?'), e);
	}
}

/* ---- our own message ---- */

static void gather_named(const struct claim_input *in, struct arena *arena, const struct mail_fields *original, struct evidence *e)
{
	for (size_t i = 0; i < in->config->receive_recipient_headers.n && e->n_named < CLAIM_NAMED_MAX; i++) {
		struct sv value = sv_trim(mail_field(original, sv_of(in->config->receive_recipient_headers.v[i])));
		struct sv address = value.n ? first_address(arena, value) : value;
		struct verp verp;
		enum verp_result result = address.n ? read_address(in, address, &verp) : VERP_NONE;
		take_signature(in, arena, address, e);
		bool within = result != VERP_NONE && result != VERP_PLAIN;
		struct sv key = within ? key_of(in, arena, verp_recipient(&verp), ADDRESS_INTERNAL) : key_of(in, arena, address, ADDRESS_EXTERNAL);
		if (key.n)
			e->named[e->n_named++] = key;
	}
}

static void add_print(struct arena *arena, struct sv print, struct evidence *e)
{
	if (print.n && e->n_prints < CLAIM_PRINTS_MAX)
		e->prints[e->n_prints++] = arena_dup(arena, print);
}

/* "from a by b (Postfix) with ESMTPS id 4D2kXJ1; Thu, ...": the queue id */
static struct sv queue_id_of(struct sv received)
{
	size_t at = sv_find_sv(received, SV(" id "));
	struct sv id = sv_skip(received, at == received.n ? at : at + 4);

	for (size_t n = 0; n < id.n; n++)
		if (id.p[n] == ' ' || id.p[n] == ';' || id.p[n] == '\t')
			return sv_head(id, n);
	return id;
}

static void gather_prints(struct arena *arena, const struct returned *returned, struct evidence *e)
{
	char room[SENT_PRINT_MAX];

	add_print(arena, sent_print(returned->original_id, room), e);
	for (size_t i = 0; i < returned->quoted.n; i++)
		if (sv_eq_nocase(returned->quoted.v[i].name, SV("Received")))
			add_print(arena, sent_print_of_queue_id(queue_id_of(returned->quoted.v[i].value), room), e);
}

static struct sv campaign_of(const struct claim_input *in, struct arena *arena, const struct mail_fields *original)
{
	char room[CAMPAIGN_MAX];
	unsigned best = 0, rank;
	struct sv campaign = SV("");

	for (size_t i = 0; i < original->n; i++) {
		struct buf b = BUF_ON(room);
		struct sv header = arena_printf(arena, "%.*s: %.*s", SV_ARG(original->v[i].name), SV_ARG(original->v[i].value));
		if (campaign_read(&in->config->campaign_headers, header, &b, &rank) && (!best || rank < best)) {
			best = rank;
			campaign = arena_dup(arena, buf_sv(&b));
		}
	}
	return campaign;
}

/* May the sender be what the message tells? Who complains by a signature of one sender can write the names of all others into it. */
static bool may_be_sender(const struct claim_input *in, const struct evidence *e, struct sv key)
{
	struct sv domain = domain_of(key);

	if (!key.n || in->returned->kind != RETURNED_COMPLAINT || !e->signed_domain.n)
		return key.n > 0;
	return host_under(domain, e->signed_domain) || host_under(e->signed_domain, domain);
}

static void gather_original(const struct claim_input *in, struct arena *arena, struct evidence *e)
{
	const struct mail_fields *original = &in->returned->quoted;
	struct sv from[] = { in->returned->original_from, sv_unbracket(mail_field(original, SV("Return-Path"))),
		first_address(arena, mail_field(original, SV("Sender"))), first_address(arena, mail_field(original, SV("From"))) };

	take_signature(in, arena, from[0], e);
	take_signature(in, arena, from[1], e);
	gather_named(in, arena, original, e);
	gather_unsubscribe(in, arena, mail_field(original, SV("List-Unsubscribe")), e);
	gather_prints(arena, in->returned, e);
	for (size_t i = 0; i < sizeof from / sizeof *from && !e->sender.n; i++)
		if (from[i].n <= ADDRESS_KEY_MAX && may_be_sender(in, e, key_of(in, arena, from[i], ADDRESS_EXTERNAL)))
			e->sender = from[i];
	e->campaign = campaign_of(in, arena, original);
}

/* The value of a header that is there once. Empty: of several, who has signed which? */
static struct sv only_field(const struct mail_fields *headers, struct sv name)
{
	size_t n = 0;

	for (size_t i = 0; i < headers->n; i++)
		n += sv_eq_nocase(headers->v[i].name, name);
	return n == 1 ? mail_field(headers, name) : SV("");
}

/* Of one From with one address. */
static struct sv author_of(const struct claim_input *in, struct arena *arena)
{
	struct sv addresses[2];

	if (mail_addresses(arena, only_field(&in->mail->headers, SV("From")), addresses, 2) != 1)
		return SV("");
	return key_of(in, arena, addresses[0], ADDRESS_EXTERNAL);
}

/* Did the author write it to there? His domain's signature says nothing of where a mail is sent, and what he wrote to
 * others anybody can send on to us; its To tells, where that is signed. */
static bool is_addressed(const struct claim_input *in, struct arena *arena, const struct evidence *e)
{
	struct sv addresses[ADDRESSES_MAX];
	size_t n = mail_addresses(arena, only_field(&in->mail->headers, SV("To")), addresses, ADDRESSES_MAX);

	for (size_t i = 0; i < n; i++) {
		struct verp verp;
		if (read_address(in, addresses[i], &verp) != VERP_NONE && verp.use == e->use && sv_eq(sv_of(verp.template->sender), e->came_to_domain))
			return true;
	}
	return false;
}

static void gather_authenticated(const struct claim_input *in, struct arena *arena, struct evidence *e)
{
	const struct config *c = in->config;

	/* a second From or To, or a result that is not so good, may be among those */
	e->headers_cut = in->mail->headers_cut;
	if (e->headers_cut)
		return;
	struct sv author = author_of(in, arena);
	for (size_t i = 0; i < c->receive_feedback_loops.n && !e->loop; i++) {
		const struct feedback_loop *loop = &c->receive_feedback_loops.v[i];
		if (feedback_loop_is_from(loop, author) && authres_dkim_pass(&in->mail->headers, &c->receive_authserv_id, sv_of(loop->dkim)))
			e->loop = loop;
	}
	if (author.n && authres_from_pass(&in->mail->headers, &c->receive_authserv_id, domain_of(author)))
		e->author = author;
	e->addressed = e->author.n && e->came_to != VERP_NONE && is_addressed(in, arena, e) &&
		authres_to_holds(&in->mail->headers, &c->receive_authserv_id, domain_of(author));
}

void claim_gather(const struct claim_input *in, struct arena *arena, struct evidence *e)
{
	*e = (struct evidence){ .came_to = VERP_NONE };
	gather_came_to(in, arena, e);
	if (in->returned->kind != RETURNED_ORDINARY)
		gather_original(in, arena, e);
	gather_authenticated(in, arena, e);
}

/* ---- judging ---- */

static const char unread_headers[] = "it has more headers, or longer ones, than are read, and who wrote it is told by all of them";

struct judging {
	const struct claim_input *in;
	const struct evidence *e;
	const struct sv *sent;
	size_t n_sent;
	struct arena *arena;
	struct claims *claims;
};

static struct claim *add_claim(struct judging *j, enum claim_effect effect)
{
	j->claims->v = arena_grow(j->arena, j->claims->v, j->claims->n, sizeof *j->claims->v);
	struct claim *claim = &j->claims->v[j->claims->n++];
	*claim = (struct claim){ .effect = effect, .why = "", .address = SV(""), .scope = SV("") };
	return claim;
}

static void hold(struct claim *claim, enum claim_proof proof, struct sv address)
{
	claim->proof = proof;
	claim->address = address;
	claim->why = "";
}

/* One mailbox, though a server has its own name for its domain */
static bool same_person(struct sv a, struct sv b)
{
	struct sv x = domain_of(a), y = domain_of(b);

	return sv_eq(a, b) || (x.n && y.n && sv_eq(sv_head(a, a.n - x.n), sv_head(b, b.n - y.n)) && (host_under(x, y) || host_under(y, x)));
}

static const struct sv *find_sent(const struct judging *j, struct sv key)
{
	for (size_t i = 0; key.n && i < j->n_sent; i++)
		if (same_person(j->sent[i], key))
			return &j->sent[i];
	return NULL;
}

static bool too_many(const struct judging *j)
{
	return j->n_sent > (size_t)j->in->config->receive_shared;
}

/* Why there is no proof: what is nearest to one. */
static const char *problem_of(const struct judging *j)
{
	if (j->e->expired)
		return "its signature is too old (receive.signature-lifetime)";
	if (j->e->forged)
		return "its signature is not ours";
	if (too_many(j))
		return "that message went to more recipients than receive.shared, each of whom knows its Message-ID";
	if (j->n_sent)
		return "that message went to somebody else";
	if (!j->e->n_prints)
		return "it names no message of ours, and has no signed address";
	if (j->in->unasked && !span_is_zero(j->in->config->receive_remember))
		return "its Message-ID may be proof: nobody asked Redis";
	return span_is_zero(j->in->config->receive_remember) ? "it has no signed address, and receive.remember is off"
		: "no message of that name is remembered (receive.remember)";
}

/* ---- a DSN ---- */

struct named {
	struct sv original, final;
};

static struct named named_by(const struct judging *j, const struct returned_recipient *r)
{
	return (struct named){ key_of(j->in, j->arena, r->original, ADDRESS_EXTERNAL), key_of(j->in, j->arena, r->final, ADDRESS_EXTERNAL) };
}

/* Only the server that we gave it to speaks of the one that we wrote to; another name is of somebody behind him. */
static bool is_other(const struct named *named, struct sv address)
{
	return named->final.n ? !same_person(named->final, address) : named->original.n && !same_person(named->original, address);
}

static bool names(const struct named *named, struct sv address)
{
	return (named->final.n && same_person(named->final, address)) || (named->original.n && same_person(named->original, address));
}

/* A signed address is about one recipient: the one of the DSN who bears his name, or else the first. */
static void judge_signed_dsn(struct judging *j)
{
	const struct returned *r = j->in->returned;
	struct claim *claim = NULL;
	bool found = false;

	for (size_t i = 0; i < r->n_recipients && !found; i++) {
		if (r->recipients[i].action != ACTION_FAILED)
			continue;
		struct named named = named_by(j, &r->recipients[i]);
		found = names(&named, j->e->recipient);
		if (claim && !found)
			continue;
		claim = claim ? claim : add_claim(j, CLAIM_FAILURE);
		hold(claim, PROOF_SIGNATURE, j->e->recipient);
		claim->recipient = &r->recipients[i];
		claim->other = is_other(&named, j->e->recipient);
	}
}

static const struct sv *find_named(const struct judging *j, const struct named *named)
{
	const struct sv *sent = too_many(j) ? NULL : find_sent(j, named->original);

	return sent || too_many(j) ? sent : find_sent(j, named->final);
}

/* Is one of those that failed somebody whom we wrote to? */
static bool names_ours(const struct judging *j)
{
	const struct returned *r = j->in->returned;

	for (size_t i = 0; i < r->n_recipients; i++) {
		struct named named = named_by(j, &r->recipients[i]);
		if (r->recipients[i].action == ACTION_FAILED && find_named(j, &named))
			return true;
	}
	return false;
}

static void judge_dsn(struct judging *j)
{
	const struct returned *r = j->in->returned;
	/* several behind one alias are one message that failed; beside the one whom we wrote to they are nobody's */
	bool forwarded = names_ours(j);

	if (j->e->proven) {
		judge_signed_dsn(j);
		return;
	}
	for (size_t i = 0; i < r->n_recipients; i++) {
		if (r->recipients[i].action != ACTION_FAILED)
			continue;
		struct named named = named_by(j, &r->recipients[i]);
		const struct sv *sent = find_named(j, &named);
		bool alone = !sent && j->n_sent == 1 && !too_many(j);
		if (alone && forwarded)
			continue;
		forwarded = forwarded || alone;
		struct claim *claim = add_claim(j, CLAIM_FAILURE);
		claim->recipient = &r->recipients[i];
		claim->address = named.original.n ? named.original : named.final;
		claim->why = problem_of(j);
		if (sent || alone)
			hold(claim, PROOF_MESSAGE, sent ? *sent : j->sent[0]);
		claim->other = claim->proof && is_other(&named, claim->address);
	}
}

/* ---- a complaint ---- */

static struct sv scope_of_sender(const struct judging *j, struct sv domain)
{
	return domain.n ? arena_printf(j->arena, "sender:%.*s", SV_ARG(domain)) : SV("");
}

/* A reader can change a header of what he got and send it to himself, to complain: what is known of the message is
 * stronger. */
static bool may_be_named(const struct judging *j, struct sv named)
{
	return !named.n || (j->e->proven ? same_person(named, j->e->recipient) : !j->n_sent || find_sent(j, named));
}

/* Whose complaint it is, and who says so. What it names must not be somebody else than we wrote to. by_header: it is
 * our own message that names him, not the loop. */
static void judge_complainer(const struct judging *j, struct claim *claim, struct sv named, bool by_header)
{
	const struct evidence *e = j->e;
	struct sv known = e->proven ? e->recipient : j->n_sent == 1 ? j->sent[0] : SV("");

	claim->address = named.n ? named : known;
	claim->why = problem_of(j);
	if (by_header && !may_be_named(j, named)) {
		claim->why = "that message went to somebody else";
		return;
	}
	if (e->proven && (!named.n || same_person(named, e->recipient)))
		hold(claim, PROOF_SIGNATURE, e->recipient);
	else if (e->loop && claim->address.n && feedback_loop_covers(&j->in->config->receive_feedback_loops, e->loop, domain_of(claim->address)))
		hold(claim, PROOF_LOOP, claim->address);
	else if (!e->proven && !too_many(j) && j->n_sent && (named.n ? find_sent(j, named) != NULL : j->n_sent == 1))
		hold(claim, PROOF_MESSAGE, named.n ? *find_sent(j, named) : j->sent[0]);
	else if (e->proven)
		claim->why = "that message went to somebody else";
	else if (e->loop && claim->address.n)
		claim->why = "the feedback loop may not speak of that address (receive.feedback-loops)";
	else if (e->loop)
		claim->why = "it does not tell who complains, and the message is not known";
	else if (j->in->config->receive_feedback_loops.n && e->headers_cut)
		claim->why = unread_headers;
	else if (j->in->config->receive_feedback_loops.n && !e->expired && !e->forged && !j->n_sent)
		claim->why = "no feedback loop has signed it, as far as receive.authserv-id tells";
}

static void judge_complaint(struct judging *j)
{
	const struct returned *r = j->in->returned;
	bool sender_only = j->in->config->receive_complaint_scope == COMPLAINT_SCOPE_SENDER;
	struct sv sender = domain_of(key_of(j->in, j->arena, j->e->sender, ADDRESS_EXTERNAL));
	struct sv scope = sender_only ? scope_of_sender(j, sender.n ? sender : j->e->signed_domain) : SV("");

	for (size_t i = 0; i < r->n_recipients; i++) {
		struct claim *claim = add_claim(j, CLAIM_COMPLAINT);
		judge_complainer(j, claim, key_of(j->in, j->arena, r->recipients[i].original, ADDRESS_EXTERNAL), false);
		claim->scope = scope;
	}
	if (r->n_recipients)
		return;
	struct claim *claim = add_claim(j, CLAIM_COMPLAINT);
	judge_complainer(j, claim, j->e->n_named ? j->e->named[0] : SV(""), true);
	claim->scope = scope;
}

/* ---- answers ---- */

/* To the author it is a person's affair; at the bounce address it is a message that was not delivered to a reader. */
static void judge_answer(struct judging *j)
{
	if (j->e->came_to == VERP_NONE || j->e->use != VERP_BOUNCES)
		return;
	struct sv whom = j->e->proven ? j->e->recipient : j->n_sent == 1 && !too_many(j) ? j->sent[0] : SV("");
	if (whom.n)
		hold(add_claim(j, CLAIM_FAILURE), j->e->proven ? PROOF_SIGNATURE : PROOF_MESSAGE, whom);
}

static void judge_unsubscribe(struct judging *j)
{
	const struct evidence *e = j->e;

	if (e->came_to == VERP_NONE || e->use != VERP_UNSUBSCRIBE)
		return;
	struct claim *claim = add_claim(j, CLAIM_UNSUBSCRIBE);
	claim->scope = scope_of_sender(j, e->came_to_domain);
	if (e->came_to == VERP_SIGNED) {
		hold(claim, PROOF_SIGNATURE, e->came_to_recipient);
	} else if (e->author.n && e->addressed && (!e->came_to_recipient.n || same_person(e->came_to_recipient, e->author))) {
		hold(claim, PROOF_AUTHOR, e->author);
	} else {
		claim->address = e->came_to_recipient;
		claim->why = e->expired || e->forged ? problem_of(j) :
			e->headers_cut ? unread_headers :
			e->author.n && !e->addressed ? "its author did not write it to that address (To), or has not signed that he did" :
			"the address is not signed, and nothing proves who wrote it (receive.authserv-id)";
	}
}

void claim_judge(const struct claim_input *in, const struct evidence *e, const struct sv *sent, size_t n_sent, struct arena *arena, struct claims *claims)
{
	struct judging j = { in, e, sent, n_sent, arena, claims };

	*claims = (struct claims){ 0 };
	switch (in->returned->kind) {
	case RETURNED_DSN:
		judge_dsn(&j);
		break;
	case RETURNED_COMPLAINT:
		judge_complaint(&j);
		break;
	case RETURNED_AUTOREPLY:
	case RETURNED_CHALLENGE:
		judge_answer(&j);
		break;
	case RETURNED_ORDINARY:
		judge_unsubscribe(&j);
		if (e->loop && e->came_to != VERP_NONE && e->use == VERP_COMPLAINTS)
			add_claim(&j, CLAIM_COMPLAINT)->why = "it comes from a feedback loop, and is no report (RFC 5965)";
		break;
	case RETURNED_REPORT:
	case RETURNED_KINDS:
		break;
	}
}
