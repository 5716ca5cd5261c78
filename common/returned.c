#include "returned.h"

#include "buf.h"

/* Addresses of headers that are looked at */
#define ADDRESSES_MAX 100

static const char *const actions[] = { "unknown", "failed", "delayed", "relayed", "delivered", "expanded" };

const char *returned_kind_name(enum returned_kind kind)
{
	static const char *const names[RETURNED_KINDS] = { "ordinary", "dsn", "complaint", "autoreply", "challenge", "report" };

	return names[kind];
}

const char *returned_form_name(enum returned_form form)
{
	static const char *const names[] = { "", "rfc3464", "exim", "qmail", "text" };

	return names[form];
}

const char *returned_action_name(enum returned_action action)
{
	return actions[action];
}

/* ---- values ---- */

/* Up to a blank, a semicolon or a comment. */
static struct sv first_word(struct sv s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t' && s.p[n] != ';' && s.p[n] != '(')
		n++;
	return sv_head(s, n);
}

/* "type; value": the value; without a type all of it. */
static struct sv typed(struct sv field, struct sv *type_r)
{
	struct sv rest = field, type = sv_trim(sv_cut(&rest, ';'));

	*type_r = SV("");
	if (sv_find(field, ';') == field.n || sv_find(type, ' ') < type.n || sv_find(type, '@') < type.n)
		return field;
	*type_r = type;
	return sv_trim(rest);
}

static struct sv without_brackets(struct sv s)
{
	s = sv_trim(s);
	/* a comment behind it */
	size_t comment = sv_find_sv(s, SV(" ("));
	if (comment < s.n && s.p[s.n - 1] == ')')
		s = sv_head(s, comment);
	return sv_unbracket(s);
}

/* "+XX" with capital digits: the byte, -1 when it is none */
static int xtext_byte(struct sv s)
{
	if (s.n < 3 || s.p[0] != '+' || sv_hex(s.p[1]) < 0 || sv_hex(s.p[2]) < 0 || s.p[1] >= 'a' || s.p[2] >= 'a')
		return -1;
	return sv_hex(s.p[1]) * 16 + sv_hex(s.p[2]);
}

/* RFC 3461, 4: itself when it is no xtext. plausible, where it is not NULL: the bytes that may come out of it. */
static struct sv xtext(struct arena *arena, struct sv s, const char *plausible)
{
	struct buf b = { .p = arena_take(arena, s.n), .size = s.n };

	for (struct sv rest = s; rest.n;) {
		int byte = xtext_byte(rest);
		if (rest.p[0] == '+' && (byte <= 0 || byte > 0x7e || (plausible && !strchr(plausible, byte))))
			return s;
		buf_add_char(&b, byte > 0 ? (char)byte : rest.p[0]);
		rest = sv_skip(rest, byte > 0 ? 3 : 1);
	}
	return buf_sv(&b);
}

/* Servers write the address of ORCPT as xtext or plain, and "+40" may be a sub-address in plain: what nobody has
 * to encode, and what makes no address of one, is none. */
static struct sv xtext_address(struct arena *arena, struct sv s)
{
	struct sv decoded = xtext(arena, s, s.n && s.p[0] == '"' ? " \"\\+=@()<>,;:[]" : "+=@");

	if (sv_find(decoded, '@') < decoded.n && sv_find(sv_after_last(decoded, '@'), '@') == sv_after_last(decoded, '@').n &&
	    (decoded.p[0] == '"' || sv_find(decoded, '@') == decoded.n - sv_after_last(decoded, '@').n - 1))
		return decoded;
	return s;
}

/* "\x{20AC}" (RFC 6533, 3): how many bytes it takes, 0 when it is none of a character that may stand there */
static size_t unitext(struct sv s, uint32_t *c_r)
{
	size_t end = sv_find(sv_head(s, 11), '}');
	uint32_t c = 0;

	if (!sv_starts(s, SV("\\x{")) || end == sv_head(s, 11).n || end == 3)
		return 0;
	for (size_t i = 3; i < end; i++) {
		if (sv_hex(s.p[i]) < 0)
			return 0;
		c = c * 16 + (uint32_t)sv_hex(s.p[i]);
	}
	*c_r = c;
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : end + 1;
}

static struct sv utf8_address(struct arena *arena, struct sv s)
{
	struct buf b = { .p = arena_take(arena, s.n), .size = s.n };
	uint32_t c;

	while (s.n) {
		size_t n = unitext(s, &c);
		if (n)
			buf_add_utf8(&b, c);
		else
			buf_add_char(&b, s.p[0]);
		s = sv_skip(s, n ? n : 1);
	}
	return buf_sv(&b);
}

/* "rfc822; user@example.com" */
static struct sv recipient_address(struct arena *arena, struct sv field)
{
	struct sv type, address = without_brackets(typed(field, &type));

	return sv_eq_nocase(type, SV("utf-8")) ? utf8_address(arena, address) : xtext_address(arena, address);
}

static struct sv field_value(const struct mail_fields *fields, const char *name)
{
	return mail_field(fields, sv_of(name));
}

static struct sv value_of(const struct mail_fields *fields, const char *name)
{
	struct sv type;

	return typed(field_value(fields, name), &type);
}

/* The first line that says something, "<id>" of it */
static struct sv message_id(struct sv value)
{
	size_t from = sv_find(value, '<');
	struct sv id = sv_skip(value, from);

	return sv_find(id, '>') < id.n ? sv_head(id, sv_find(id, '>') + 1) : SV("");
}

/* ---- RFC 3464 ---- */

static enum returned_action action_of(const struct mail_fields *fields, struct enhanced status)
{
	struct sv word = first_word(field_value(fields, "Action"));

	for (enum returned_action a = ACTION_FAILED; a <= ACTION_EXPANDED; a++)
		if (sv_eq_nocase(word, sv_of(actions[a])))
			return a;
	return status.class_ == 5 ? ACTION_FAILED : status.class_ == 4 ? ACTION_DELAYED : status.class_ == 2 ? ACTION_DELIVERED : ACTION_UNKNOWN;
}

static struct returned_recipient *add_recipient(struct arena *arena, struct returned *r)
{
	r->recipients = arena_grow(arena, r->recipients, r->n_recipients, sizeof *r->recipients);
	struct returned_recipient *one = &r->recipients[r->n_recipients++];
	*one = (struct returned_recipient){ 0 };
	return one;
}

static void read_recipient(struct arena *arena, const struct mail_fields *fields, struct returned *r)
{
	struct sv final = field_value(fields, "Final-Recipient"), original = field_value(fields, "Original-Recipient");

	/* a block of something else */
	if (!final.n && !original.n)
		return;
	struct returned_recipient *one = add_recipient(arena, r);
	one->original = recipient_address(arena, original);
	one->final = recipient_address(arena, final);
	if (!enhanced_parse(first_word(field_value(fields, "Status")), &one->status))
		one->status = (struct enhanced){ 0 };
	one->action = action_of(fields, one->status);
	one->diagnostic = typed(field_value(fields, "Diagnostic-Code"), &one->diagnostic_type);
	one->reply = one->diagnostic;
	one->remote_mta = value_of(fields, "Remote-MTA");
	one->last_attempt = field_value(fields, "Last-Attempt-Date");
	one->will_retry_until = field_value(fields, "Will-Retry-Until");
}

static void read_dsn(const struct mail *mail, struct arena *arena, struct returned *r)
{
	r->kind = RETURNED_DSN;
	r->form = RETURNED_FORM_RFC3464;
	r->because = SV("message/delivery-status");
	r->reporting_mta = value_of(&mail->status, "Reporting-MTA");
	r->envelope_id = xtext(arena, field_value(&mail->status, "Original-Envelope-Id"), NULL);
	r->arrival = field_value(&mail->status, "Arrival-Date");
	/* some forget the line between what is said of the message and of the recipient */
	read_recipient(arena, &mail->status, r);
	for (size_t i = 0; i < mail->n_recipients; i++)
		read_recipient(arena, &mail->recipients[i], r);
}

/* ---- lines of a text ---- */

static struct sv text_line(struct sv *text)
{
	struct sv line = sv_cut(text, '\n');

	return line.n && line.p[line.n - 1] == '\r' ? sv_head(line, line.n - 1) : line;
}

/* The lines of a paragraph become one, with blanks between them, as far as a reply goes. */
static void add_line(struct arena *arena, struct returned_recipient *one, struct sv line)
{
	struct buf b = { .p = (char *)(uintptr_t)one->diagnostic.p, .n = one->diagnostic.n, .size = REPLY_TEXT_MAX };

	if (!b.p)
		b.p = arena_take(arena, REPLY_TEXT_MAX);
	if (b.n)
		buf_add_char(&b, ' ');
	buf_add(&b, sv_head(sv_trim(line), REPLY_TEXT_MAX - b.n));
	one->diagnostic = buf_sv(&b);
}

/* ---- qmail: the QSBMF ---- */

/* "192.0.2.1 does not like recipient. Remote host said: 550 ... Giving up on 192.0.2.1." */
static void read_qmail_reply(struct returned_recipient *one)
{
	struct sv said = SV("Remote host said: "), up = SV("Giving up on ");
	size_t at = sv_find_sv(one->diagnostic, said);

	one->reply = one->diagnostic;
	if (at == one->diagnostic.n)
		return;
	one->reply = sv_skip(one->diagnostic, at + said.n);
	size_t end = sv_find_sv(one->reply, up);
	struct sv host = sv_skip(one->reply, end + up.n);
	one->reply = sv_trim(sv_head(one->reply, end));
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	one->remote_mta = host;
}

/* Paragraphs: the introduction, "<address>:" each, and one that begins with "-" before the message. */
static void read_qmail_text(struct sv text, struct arena *arena, struct returned *r, struct mail_fields *original)
{
	struct returned_recipient *one = NULL;
	bool first = false;
	unsigned cut = 0;

	while (text.n) {
		struct sv line = text_line(&text);
		if (sv_trim(line).n == 0) {
			first = true;
			one = NULL;
		} else if (first && line.p[0] == '-') {
			(void)text_line(&text);
			mail_take_fields(arena, &text, original, &cut);
			return;
		} else if (first && line.p[0] == '<' && sv_ends_nocase(line, SV(">:")) && r->n_recipients < MAIL_RECIPIENTS_MAX) {
			one = add_recipient(arena, r);
			one->action = ACTION_FAILED;
			one->final = sv_make(line.p + 1, line.n - 3);
			first = false;
		} else if (one) {
			add_line(arena, one, line);
			read_qmail_reply(one);
		}
	}
}

/* False: it is none. Others begin so, too. */
static bool read_qmail(struct sv text, struct arena *arena, struct returned *r, struct mail_fields *original)
{
	struct mail_fields fields = { 0 };

	if (!sv_starts(text, SV("Hi. This is the ")))
		return false;
	read_qmail_text(text, arena, r, &fields);
	if (r->n_recipients == 0)
		return false;
	r->kind = RETURNED_DSN;
	r->form = RETURNED_FORM_QMAIL;
	r->because = SV("QSBMF");
	*original = fields;
	return true;
}

/* ---- Exim ---- */

/* "host mx.example [192.0.2.1] SMTP error from ...": Exim's own log begins behind the host */
static void read_exim_reply(struct returned_recipient *one)
{
	struct sv rest = one->diagnostic, host;

	one->reply = rest;
	if (!sv_take(&rest, SV("host ")))
		return;
	host = sv_cut(&rest, ' ');
	if (rest.n && rest.p[0] == '[' && sv_find_sv(rest, SV("] ")) < rest.n) {
		one->remote_mta = host;
		one->reply = sv_skip(rest, sv_find_sv(rest, SV("] ")) + 2);
	}
}

static struct returned_recipient *find_final(struct returned *r, struct sv address)
{
	for (size_t i = 0; i < r->n_recipients; i++)
		if (sv_eq_nocase(r->recipients[i].final, address))
			return &r->recipients[i];
	return NULL;
}

/* "(generated from alias@example.com)", "(ultimately generated from ...)" */
static bool take_generated(struct returned_recipient *one, struct sv line)
{
	static const struct sv from = { "generated from ", 15 };
	struct sv rest = line;

	if (!sv_take(&rest, SV("(")))
		return false;
	(void)sv_take(&rest, SV("ultimately "));
	if (!sv_take(&rest, from))
		return false;
	if (rest.n && rest.p[rest.n - 1] == ')')
		one->original = sv_head(rest, rest.n - 1);
	return true;
}

/* An address by two blanks, and by four what is said of it, for those that X-Failed-Recipients names. */
static void read_exim_text(struct sv text, struct arena *arena, struct returned *r)
{
	struct returned_recipient *one = NULL;

	while (text.n) {
		struct sv line = text_line(&text);
		if (sv_starts(line, SV("-----")))
			return;
		if (sv_starts(line, SV("    "))) {
			line = sv_trim(line);
			if (!one || take_generated(one, line))
				continue;
			add_line(arena, one, line);
			read_exim_reply(one);
		} else {
			one = sv_starts(line, SV("  ")) ? find_final(r, sv_trim(line)) : NULL;
			/* named twice: the first tells */
			one = one && one->diagnostic.n ? NULL : one;
		}
	}
}

static void read_exim(const struct mail *mail, struct arena *arena, struct returned *r)
{
	struct sv addresses[ADDRESSES_MAX];

	r->kind = RETURNED_DSN;
	r->form = RETURNED_FORM_EXIM;
	r->because = SV("X-Failed-Recipients");
	for (size_t i = 0; i < mail->headers.n; i++) {
		if (!sv_eq_nocase(mail->headers.v[i].name, SV("X-Failed-Recipients")))
			continue;
		size_t n = mail_addresses(arena, mail->headers.v[i].value, addresses, ADDRESSES_MAX);
		for (size_t k = 0; k < n && r->n_recipients < MAIL_RECIPIENTS_MAX; k++) {
			if (find_final(r, addresses[k]))
				continue;
			struct returned_recipient *one = add_recipient(arena, r);
			one->action = ACTION_FAILED;
			one->final = addresses[k];
		}
	}
	read_exim_text(mail_plain_text(mail), arena, r);
}

/* ---- RFC 5965 ---- */

static void read_feedback(const struct mail *mail, struct arena *arena, struct returned *r)
{
	static const char *const complaints[] = { "abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "miscategorized" };
	const struct mail_fields *f = &mail->feedback;

	r->because = SV("message/feedback-report");
	r->feedback_type = first_word(field_value(f, "Feedback-Type"));
	r->reported_domain = field_value(f, "Reported-Domain");
	r->source_ip = field_value(f, "Source-IP");
	r->original_from = without_brackets(field_value(f, "Original-Mail-From"));
	r->arrival = field_value(f, field_value(f, "Arrival-Date").n ? "Arrival-Date" : "Received-Date");
	r->envelope_id = xtext(arena, field_value(f, "Original-Envelope-Id"), NULL);
	r->reporting_mta = value_of(f, "Reporting-MTA");
	/* not-spam takes one back, auth-failure and dmarc are about signatures: nobody complains */
	r->kind = RETURNED_REPORT;
	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
		if (sv_eq_nocase(r->feedback_type, sv_of(complaints[i])))
			r->kind = RETURNED_COMPLAINT;
	for (size_t i = 0; i < f->n; i++) {
		struct sv address = without_brackets(f->v[i].value);
		if (!sv_eq_nocase(f->v[i].name, SV("Original-Rcpt-To")) || sv_find(address, '@') == address.n)
			continue;
		if (!sv_starts_nocase(address, SV("redacted")))
			add_recipient(arena, r)->original = address;
	}
	r->redacted = r->kind == RETURNED_COMPLAINT && r->n_recipients == 0;
}

/* ---- forms of rule files ---- */

static bool is_answer(const struct mail_fields *h)
{
	return field_value(h, "In-Reply-To").n || field_value(h, "References").n;
}

/* A list hands on what others sent. */
static bool is_list(const struct mail_fields *h)
{
	return field_value(h, "List-Id").n || field_value(h, "List-Unsubscribe").n;
}

/* What forms may look at. */
static struct form_mail form_mail(const struct mail *mail, struct arena *arena)
{
	struct form_mail m = { .mail = mail, .answer = is_answer(&mail->headers) };

	m.n_from = mail_addresses(arena, field_value(&mail->headers, "From"), m.from, FORM_FROMS_MAX);
	m.subject = mail_decode(arena, field_value(&mail->headers, "Subject"));
	return m;
}

static void take_form(struct arena *arena, const struct form *form, enum returned_kind kind, struct returned *r)
{
	r->kind = kind;
	r->by_form = form;
	r->because = arena_printf(arena, "form:%s", form->id);
}

/* The only address of the message's To: whom a bounce is about that does not name him. */
static struct sv only_recipient(struct arena *arena, const struct mail_fields *original)
{
	struct sv v[2];

	return mail_addresses(arena, field_value(original, "To"), v, 2) == 1 && !field_value(original, "Cc").n ? v[0] : SV("");
}

static bool names_nobody(const struct form_finding *f)
{
	return !f->recipient.n && !f->original.n;
}

static void take_reason(const struct form_finding *f, bool delayed, struct returned_recipient *one)
{
	one->action = delayed ? ACTION_DELAYED : ACTION_FAILED;
	if (!enhanced_parse(f->status, &one->status))
		one->status = (struct enhanced){ 0 };
	one->diagnostic = one->reply = f->reply;
	one->remote_mta = f->remote;
}

static void read_finding(struct arena *arena, const struct form_finding *f, bool delayed, const struct mail_fields *original, struct returned *r)
{
	struct returned_recipient *one = add_recipient(arena, r);

	one->final = without_brackets(f->recipient);
	one->original = without_brackets(f->original);
	if (!one->final.n && !one->original.n)
		one->original = only_recipient(arena, original);
	take_reason(f, delayed, one);
}

static bool read_bounce_form(const struct form_mail *m, struct forms *forms, struct arena *arena, struct returned *r, struct mail_fields *quoted)
{
	struct form_match found;
	unsigned cut = 0;

	if (!forms_match(forms, FORM_DSN, m, arena, &found))
		return false;
	take_form(arena, found.form, RETURNED_DSN, r);
	r->form = RETURNED_FORM_TEXT;
	/* empty lines in front of them */
	while (found.copy.n && quoted->n == 0)
		mail_take_fields(arena, &found.copy, quoted, &cut);
	/* a reason that is told of nobody is that of all whom a header names */
	if (r->n_recipients && found.n == 1 && names_nobody(&found.findings[0])) {
		for (size_t i = 0; i < r->n_recipients; i++)
			take_reason(&found.findings[0], found.form->delayed, &r->recipients[i]);
		return true;
	}
	r->n_recipients = 0;
	for (size_t i = 0; i < found.n; i++)
		read_finding(arena, &found.findings[i], found.form->delayed, quoted->n ? quoted : &m->mail->original, r);
	return true;
}

static bool read_answer_form(enum form_kind of, const struct form_mail *m, struct forms *forms, struct arena *arena, struct returned *r)
{
	struct form_match found;

	if (!forms_match(forms, of, m, arena, &found))
		return false;
	take_form(arena, found.form, of == FORM_CHALLENGE ? RETURNED_CHALLENGE : RETURNED_AUTOREPLY, r);
	return true;
}

/* RFC 3834: is it one, and does it say that it is none? */
static bool is_autoreply(const struct mail_fields *h, bool *none_r)
{
	struct sv word = first_word(field_value(h, "Auto-Submitted"));

	*none_r = sv_eq_nocase(word, SV("no"));
	return sv_eq_nocase(word, SV("auto-replied")) || (sv_eq_nocase(word, SV("auto-generated")) && is_answer(h));
}

static bool read_bounce(const struct mail *mail, struct forms *forms, struct arena *arena, struct returned *r, struct mail_fields *quoted)
{
	const struct form_mail m = form_mail(mail, arena);

	return read_bounce_form(&m, forms, arena, r, quoted);
}

/* What no standard of reports tells. */
static void read_other(const struct mail *mail, struct forms *forms, struct arena *arena, struct returned *r, struct mail_fields *quoted)
{
	const struct form_mail m = form_mail(mail, arena);
	bool none;

	if (read_bounce_form(&m, forms, arena, r, quoted) || read_answer_form(FORM_CHALLENGE, &m, forms, arena, r))
		return;
	if (is_autoreply(&mail->headers, &none)) {
		r->kind = RETURNED_AUTOREPLY;
		r->because = SV("Auto-Submitted");
	} else if (!none && !is_list(&mail->headers)) {
		(void)read_answer_form(FORM_AUTOREPLY, &m, forms, arena, r);
	}
}

/* Others name recipients in Exim's header, and write texts of their own. */
static bool said_nothing(const struct returned *r)
{
	for (size_t i = 0; i < r->n_recipients; i++)
		if (r->recipients[i].diagnostic.n)
			return false;
	return true;
}

/* ---- all ---- */

static struct sv original_id(const struct mail *mail, const struct mail_fields *original, enum returned_kind kind)
{
	struct sv written = field_value(original, "Message-ID"), id = message_id(written);

	/* people forward and answer what they like */
	if (kind == RETURNED_ORDINARY)
		return SV("");
	if (!id.n) /* some programs forget the brackets, and the log tells it so, too */
		id = first_word(written);
	return id.n ? id : message_id(field_value(&mail->headers, "In-Reply-To"));
}

void returned_read(const struct mail *mail, struct forms *forms, struct arena *arena, struct returned *r)
{
	struct mail_fields quoted = { 0 };

	*r = (struct returned){ .kind = RETURNED_ORDINARY };
	if (mail->has_status) {
		read_dsn(mail, arena, r);
		/* some name the recipients in the text only */
		if (r->n_recipients == 0)
			(void)read_bounce(mail, forms, arena, r, &quoted);
	} else if (mail->has_feedback) {
		read_feedback(mail, arena, r);
	} else if (sv_eq(mail->type, SV("multipart/report")) && sv_eq(mail->report_type, SV("disposition-notification"))) {
		/* a server that refuses by it */
		if (!read_bounce(mail, forms, arena, r, &quoted)) {
			r->kind = RETURNED_REPORT;
			r->because = SV("report-type");
		}
	} else if (field_value(&mail->headers, "X-Failed-Recipients").n) {
		read_exim(mail, arena, r);
		if (said_nothing(r))
			(void)read_bounce(mail, forms, arena, r, &quoted);
	} else if (!read_qmail(mail_plain_text(mail), arena, r, &quoted)) {
		read_other(mail, forms, arena, r, &quoted);
	}
	r->quoted = quoted.n ? quoted : mail->original;
	r->original_id = original_id(mail, &r->quoted, r->kind);
}
