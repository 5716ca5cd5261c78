/* receive: what a mail that came back says and did, for people and for programs. */
#include <stdio.h>

#include "ask.h"
#include "json.h"
#include "receive.h"
#include "term.h"

/* What a server says of an address, and the rules of it. */
struct judged {
	struct receive_one one;
	struct sv address;   /* the key of whom it is about; else the text, and */
	const char *problem; /* why it is no address */
};

static void judge(struct receive *x, const struct returned_recipient *recipient, struct judged *j)
{
	struct address_options options = config_address_options(&x->ctl->config);
	struct address address;

	*j = (struct judged){ .address = receive_about(x, recipient) };
	enum address_result result = address_parse(j->address, ADDRESS_EXTERNAL, &options, &address);
	if (result == ADDRESS_OK)
		j->address = arena_dup(&x->arena, address_key(&address));
	else
		j->problem = address_problem(result);
	receive_judge(x, recipient, &j->one);
}

/* ---- for people ---- */

static void print_pair(const char *name, struct sv value)
{
	if (!value.n)
		return;
	(void)printf("  %-10s ", name);
	term_clean(stdout, value);
	(void)putchar('\n');
}

static void print_recipient(struct receive *x, const struct returned_recipient *recipient)
{
	char status[ENHANCED_TEXT_MAX];
	struct judged j;

	judge(x, recipient, &j);
	enhanced_format(recipient->status, status);
	(void)fputs("  ", stdout);
	term_clean(stdout, j.address);
	if (x->returned.kind == RETURNED_DSN)
		(void)printf("  %s%s%s", returned_action_name(recipient->action), *status ? " " : "", status);
	if (j.one.failure)
		(void)printf("  %s  %s  %s", class_name(j.one.verdict.class_), category_name(j.one.verdict.category), j.one.verdict.rule ? j.one.verdict.rule->id : "-");
	if (j.problem)
		(void)printf("  (%s)", j.problem);
	(void)putchar('\n');
	if (recipient->diagnostic.n) {
		(void)fputs("    ", stdout);
		term_clean(stdout, recipient->diagnostic);
		(void)putchar('\n');
	}
}

/* Of what is only read, nothing comes: it would. */
static const char *outcome_name(const struct receive *x, enum receive_outcome outcome)
{
	return !x->dry_run ? receive_outcome_name(outcome) : outcome == RECEIVE_COUNTED ? "proven" : "unproven";
}

/* What came of it, and why: of whom a message of ours is proven to have gone to, or not. */
static void print_claim(const struct receive *x, const struct receive_one *one)
{
	const struct claim *claim = &one->claim;

	(void)printf("  %-10s ", outcome_name(x, one->outcome));
	term_clean(stdout, claim->address.n ? claim->address : SV("(nobody named)"));
	if (claim->effect == CLAIM_UNSUBSCRIBE) /* the kind of the mail does not say so */
		(void)fputs("  unsubscribe", stdout);
	if (claim->proof)
		(void)printf("  %s", claim_proof_name(claim->proof));
	if (claim->scope.n) {
		(void)fputs("  ", stdout);
		term_clean(stdout, claim->scope);
	}
	if (claim->other)
		(void)fputs("  (it is about somebody behind that address: soft)", stdout);
	if (*claim->why && one->outcome != RECEIVE_TOLD)
		(void)printf("  (%s)", claim->why);
	(void)putchar('\n');
}

void receive_show(struct receive *x)
{
	const struct returned *r = &x->returned;

	term_clean(stdout, sv_of(x->where));
	(void)printf(": %s%s%s%s", term_colour(stdout, COLOUR_BOLD), returned_kind_name(r->kind), term_colour(stdout, COLOUR_PLAIN), r->form ? " " : "");
	(void)fputs(returned_form_name(r->form), stdout);
	if (r->because.n) {
		(void)fputs(", by ", stdout);
		term_clean(stdout, r->because);
	}
	(void)putchar('\n');
	print_pair("from", mail_decode(&x->arena, mail_field(&x->mail.headers, SV("From"))));
	print_pair("subject", mail_decode(&x->arena, mail_field(&x->mail.headers, SV("Subject"))));
	print_pair("about", r->original_id);
	print_pair("envelope", r->envelope_id);
	print_pair("server", r->reporting_mta);
	print_pair("feedback", r->feedback_type);
	if (r->redacted)
		print_pair("recipient", SV("redacted"));
	for (unsigned i = 0; i < MAIL_CUTS; i++)
		if (x->mail.cut & 1u << i)
			print_pair("too much", sv_of(mail_cut_name(i)));
	for (size_t i = 0; i < r->n_recipients; i++)
		print_recipient(x, &r->recipients[i]);
	for (size_t i = 0; i < x->n_ones; i++)
		print_claim(x, &x->ones[i]);
	if (x->outcome == RECEIVE_AGAIN)
		(void)printf("  %-10s it was received before\n", receive_outcome_name(x->outcome));
}

void receive_show_sum(const struct receive *x)
{
	bool first = true;

	(void)printf("%llu message%s%s", (unsigned long long)x->messages, term_plural(x->messages), x->messages ? ":" : "");
	for (size_t i = 0; i < RETURNED_KINDS; i++)
		if (x->kinds[i]) {
			(void)printf("%s %llu %s", first ? "" : ",", (unsigned long long)x->kinds[i], returned_kind_name((enum returned_kind)i));
			first = false;
		}
	first = true;
	for (size_t i = RECEIVE_COUNTED; i < RECEIVE_OUTCOMES; i++)
		if (x->outcomes[i]) {
			(void)printf("%s %llu %s", first ? ";" : ",", (unsigned long long)x->outcomes[i], outcome_name(x, (enum receive_outcome)i));
			first = false;
		}
	(void)putchar('\n');
}

void receive_show_undo(const struct receive *x)
{
	if (!x->dry_run && x->of_files)
		(void)printf("take this back with: nixie undo --batch %s%s\n", x->own_batch, ask_not(x->of_files));
}

/* ---- JSON ---- */

static void add_recipient(struct receive *x, struct json *json, const struct returned_recipient *recipient)
{
	char status[ENHANCED_TEXT_MAX];
	struct judged j;

	judge(x, recipient, &j);
	enhanced_format(recipient->status, status);
	json_object(json, NULL);
	json_member(json, j.problem ? "no-address" : "address", j.address);
	json_member(json, "original", recipient->original);
	json_member(json, "final", recipient->final);
	if (x->returned.kind == RETURNED_DSN)
		json_text(json, "action", sv_of(returned_action_name(recipient->action)));
	json_member(json, "status", sv_of(status));
	json_member(json, "diagnostic-type", recipient->diagnostic_type);
	json_member(json, "diagnostic", recipient->diagnostic);
	json_member(json, "remote-mta", recipient->remote_mta);
	json_member(json, "last-attempt", recipient->last_attempt);
	json_member(json, "retry-until", recipient->will_retry_until);
	if (j.one.failure) {
		json_text(json, "class", sv_of(class_name(j.one.verdict.class_)));
		json_text(json, "category", sv_of(category_name(j.one.verdict.category)));
		if (j.one.verdict.rule)
			json_text(json, "rule", sv_of(j.one.verdict.rule->id));
	}
	json_end_object(json);
}

static void add_claim(struct receive *x, struct json *json, const struct receive_one *one)
{
	static const char *const effects[] = { "nothing", "failure", "complaint", "unsubscribe" };
	const struct claim *claim = &one->claim;

	json_object(json, NULL);
	json_text(json, "effect", sv_of(effects[claim->effect]));
	json_member(json, "address", claim->address);
	json_member(json, "proof", sv_of(claim_proof_name(claim->proof)));
	json_member(json, "scope", claim->scope);
	json_bool(json, "other", claim->other);
	json_member(json, "why", sv_of(claim->why));
	if (!x->dry_run)
		json_text(json, "outcome", sv_of(receive_outcome_name(one->outcome)));
	if (!x->dry_run && one->outcome == RECEIVE_COUNTED)
		json_text(json, "status", sv_of(status_name(one->status)));
	json_end_object(json);
}

void receive_show_json(struct receive *x)
{
	struct json json = JSON_ON(stdout), *j = &json;
	const struct returned *r = &x->returned;

	json_object(j, NULL);
	json_text(j, "where", sv_of(x->where));
	json_text(j, "kind", sv_of(returned_kind_name(r->kind)));
	json_member(j, "form", sv_of(returned_form_name(r->form)));
	json_member(j, "because", r->because);
	json_member(j, "message-id", mail_field(&x->mail.headers, SV("Message-ID")));
	json_member(j, "from", mail_decode(&x->arena, mail_field(&x->mail.headers, SV("From"))));
	json_member(j, "subject", mail_decode(&x->arena, mail_field(&x->mail.headers, SV("Subject"))));
	json_member(j, "original-message-id", r->original_id);
	json_member(j, "envelope-id", r->envelope_id);
	json_member(j, "reporting-mta", r->reporting_mta);
	json_member(j, "arrival", r->arrival);
	json_member(j, "feedback-type", r->feedback_type);
	json_member(j, "reported-domain", r->reported_domain);
	json_member(j, "source-ip", r->source_ip);
	json_member(j, "original-from", r->original_from);
	json_bool(j, "redacted", r->redacted);
	json_list(j, "cut");
	for (unsigned i = 0; i < MAIL_CUTS; i++)
		if (x->mail.cut & 1u << i)
			json_text(j, NULL, sv_of(mail_cut_name(i)));
	json_end_list(j);
	json_list(j, "recipients");
	for (size_t i = 0; i < r->n_recipients; i++)
		add_recipient(x, j, &r->recipients[i]);
	json_end_list(j);
	if (!x->dry_run)
		json_text(j, "outcome", sv_of(receive_outcome_name(x->outcome)));
	if (!x->dry_run && x->outcome == RECEIVE_COUNTED)
		json_text(j, "batch", x->batch);
	json_list(j, "claims");
	for (size_t i = 0; i < x->n_ones; i++)
		add_claim(x, j, &x->ones[i]);
	json_end_list(j);
	json_end_object(j);
	json_end_line(j);
}
