#include "forms_set.h"

#include "buf.h"
#include "reply.h"
#include "rules.h"

static void gave_up(struct forms *forms, const struct compiled_form *c)
{
	forms->limit_hits++;
	if (log_limited(&forms->limit_log, "patterns that gave up"))
		log_warning("form %s (%s:%u): a pattern takes too many steps on a mail, and is no match; bound what it repeats", c->form.id,
			c->form.file, c->form.line);
}

/* NULL: it is broken, and forms->broken tells why. */
static struct pattern *pattern_of(struct forms *forms, const struct compiled_form *c, enum form_member member, struct form_test *t)
{
	struct err why;

	if (!t->pattern && !form_test_compile(t, member, &why) && !forms->broken.text[0])
		(void)err_set(&forms->broken, "%s:%u: %s: %s", c->form.file, t->line, form_member_name(member, false), why.text);
	return t->pattern;
}

static bool matches(struct forms *forms, const struct compiled_form *c, enum form_member member, struct form_test *t, struct sv text, struct sv *hit_r)
{
	struct pattern *pattern = pattern_of(forms, c, member, t);
	enum match_result result = pattern ? pattern_match(pattern, text, hit_r) : MATCH_NO;

	if (result == MATCH_LIMIT_HIT)
		gave_up(forms, c);
	return result == MATCH_YES;
}

/* ---- conditions ---- */

/* "boss@example.com": this address; "mailer-daemon@": of any domain, or of none; else a domain and what is below it */
static bool is_from(struct sv address, struct sv value)
{
	struct sv domain = sv_after_last(address, '@');
	struct sv local = domain.n < address.n ? sv_head(address, address.n - domain.n - 1) : address;

	if (value.p[value.n - 1] == '@')
		return sv_eq_nocase(local, sv_head(value, value.n - 1));
	if (sv_find(value, '@') < value.n)
		return sv_eq_nocase(address, value);
	return domain.n < address.n && host_under(domain, value);
}

static bool from_holds(const struct form_mail *mail, struct sv value)
{
	for (size_t i = 0; i < mail->n_from; i++)
		if (is_from(mail->from[i], value))
			return true;
	return false;
}

static bool header_holds(struct forms *forms, const struct compiled_form *c, struct form_test *t, const struct mail_fields *headers)
{
	for (size_t i = 0; i < headers->n; i++)
		if (sv_eq_nocase(headers->v[i].name, t->name) && matches(forms, c, FORM_HEADER, t, headers->v[i].value, NULL))
			return true;
	return false;
}

/* Any of the tests of a member? Of the text `text` is looked at. */
static bool any(struct forms *forms, const struct compiled_form *c, enum form_member member, size_t n, struct form_test *tests,
	const struct form_mail *mail, struct sv text)
{
	bool holds = false;

	for (size_t i = 0; i < n && !holds; i++) {
		if (member == FORM_FROM)
			holds = from_holds(mail, tests[i].name);
		else if (member == FORM_HEADER)
			holds = header_holds(forms, c, &tests[i], &mail->mail->headers);
		else
			holds = matches(forms, c, member, &tests[i], member == FORM_SUBJECT ? mail->subject : text, NULL);
	}
	return holds;
}

/* All but the text */
static bool envelope_holds(struct forms *forms, const struct compiled_form *c, const struct form_mail *mail)
{
	const struct form *form = &c->form;

	if (form->answer && !mail->answer)
		return false;
	for (enum form_member m = FORM_FROM; m < FORM_TEXT; m++)
		if (form->members[m].n && !any(forms, c, m, form->members[m].n, c->tests[m], mail, SV("")))
			return false;
	for (enum form_member m = FORM_FROM; m < FORM_TEXT; m++)
		if (any(forms, c, m, form->not_members[m].n, c->not_tests[m], mail, SV("")))
			return false;
	return true;
}

/* ---- what a text says ---- */

/* On one line, as far as a reply goes. */
static struct sv one_line(struct arena *arena, struct sv text)
{
	struct buf b = { .p = NULL };
	struct sv s = sv_trim(text);

	if (!s.n)
		return SV("");
	b.size = s.n < REPLY_TEXT_MAX ? s.n : REPLY_TEXT_MAX;
	b.p = arena_take(arena, b.size);
	for (size_t i = 0; i < s.n && b.n < b.size; i++) {
		bool blank = (unsigned char)s.p[i] <= ' ';
		if (!blank || (b.n && b.p[b.n - 1] != ' '))
			buf_add_char(&b, blank ? ' ' : s.p[i]);
	}
	return sv_trim(buf_sv(&b));
}

static bool find(struct forms *forms, const struct compiled_form *c, enum form_member member, struct form_test *t, struct sv text, size_t from,
	struct sv *hit_r, struct form_finding *finding_r)
{
	static const char *const names[] = { "recipient", "original", "reply", "status", "remote" };
	struct sv groups[sizeof names / sizeof *names];
	struct pattern *pattern = pattern_of(forms, c, member, t);

	if (!pattern)
		return false;
	enum match_result result = pattern_find(pattern, text, from, hit_r, sizeof names / sizeof *names, names, groups);
	if (result == MATCH_LIMIT_HIT)
		gave_up(forms, c);
	*finding_r = (struct form_finding){ sv_trim(groups[0]), sv_trim(groups[1]), groups[2], sv_trim(groups[3]), sv_trim(groups[4]) };
	return result == MATCH_YES;
}

static bool is_known(const struct form_match *m, const struct form_finding *finding)
{
	for (size_t i = 0; i < m->n; i++)
		if (sv_eq_nocase(m->findings[i].recipient, finding->recipient) && sv_eq_nocase(m->findings[i].original, finding->original))
			return true;
	return false;
}

/* What is said of all is said of each of whom nothing else is. */
static void add_finding(struct arena *arena, struct form_match *m, struct form_finding finding, const struct form_finding *all)
{
	finding.reply = one_line(arena, finding.reply.n ? finding.reply : all->reply);
	finding.status = finding.status.n ? finding.status : all->status;
	finding.remote = finding.remote.n ? finding.remote : all->remote;
	m->findings = arena_grow(arena, m->findings, m->n, sizeof *m->findings);
	m->findings[m->n++] = finding;
}

static void find_recipients(struct forms *forms, const struct compiled_form *c, struct form_test *t, struct sv text,
	const struct form_finding *all, struct arena *arena, struct form_match *m)
{
	struct form_finding finding;
	struct sv hit;

	for (size_t from = 0; from <= text.n && m->n < MAIL_RECIPIENTS_MAX;) {
		if (!find(forms, c, FORM_RECIPIENTS, t, text, from, &hit, &finding))
			return;
		if ((finding.recipient.n || finding.original.n) && !is_known(m, &finding))
			add_finding(arena, m, finding, all);
		size_t end = (size_t)(hit.p + hit.n - text.p);
		from = hit.n && end > from ? end : from + 1;
	}
}

/* Where the copy of the message begins, of the places that its patterns find the first one: the text before it. */
static struct sv before_copy(struct forms *forms, const struct compiled_form *c, struct sv text, struct sv *copy_r)
{
	struct sv hit, before = text;

	*copy_r = SV("");
	for (size_t i = 0; i < c->form.members[FORM_COPY].n; i++) {
		if (!matches(forms, c, FORM_COPY, &c->tests[FORM_COPY][i], before, &hit))
			continue;
		size_t at = (size_t)(hit.p - text.p);
		before = sv_head(text, at);
		*copy_r = sv_skip(text, at + hit.n);
	}
	return before;
}

/* Does the text of a form hold for this one? */
static bool text_holds(struct forms *forms, const struct compiled_form *c, const struct form_mail *mail, struct sv whole,
	struct arena *arena, struct form_match *m)
{
	const struct form *form = &c->form;
	struct form_finding all = { .reply = SV("") };
	struct sv hit, text = before_copy(forms, c, whole, &m->copy);
	bool held = form->members[FORM_TEXT].n == 0;

	for (size_t i = 0; i < form->members[FORM_TEXT].n && !held; i++)
		held = find(forms, c, FORM_TEXT, &c->tests[FORM_TEXT][i], text, 0, &hit, &all);
	if (!held || any(forms, c, FORM_TEXT, form->not_members[FORM_TEXT].n, c->not_tests[FORM_TEXT], mail, text))
		return false;
	for (size_t i = 0; i < form->members[FORM_RECIPIENTS].n && m->n == 0; i++)
		find_recipients(forms, c, &c->tests[FORM_RECIPIENTS][i], text, &all, arena, m);
	if (form->members[FORM_RECIPIENTS].n)
		return m->n > 0;
	if (form->kind == FORM_DSN)
		add_finding(arena, m, all, &all);
	return true;
}

/* ---- forms ---- */

static bool form_holds(struct forms *forms, const struct compiled_form *c, const struct form_mail *mail, struct arena *arena, struct form_match *m)
{
	const struct form *form = &c->form;
	const struct form_finding nobody = { .reply = { "", 0 } };
	bool asks = form->members[FORM_TEXT].n || form->not_members[FORM_TEXT].n || form->members[FORM_RECIPIENTS].n;

	*m = (struct form_match){ .form = form };
	if (!envelope_holds(forms, c, mail))
		return false;
	for (size_t i = 0; i < mail->mail->n_texts; i++)
		if (text_holds(forms, c, mail, sv_head(mail->mail->texts[i].text, MAIL_TEXT_MAX), arena, m))
			return true;
	if (!asks && m->n == 0 && form->kind == FORM_DSN)
		add_finding(arena, m, nobody, &nobody);
	return !asks;
}

bool forms_match(struct forms *forms, enum form_kind kind, const struct form_mail *mail, struct arena *arena, struct form_match *match_r)
{
	for (size_t i = 0; i < forms->n; i++) {
		const struct compiled_form *c = forms->forms[i];
		if (c->form.kind == kind && !c->form.disabled && form_holds(forms, c, mail, arena, match_r))
			return true;
	}
	return false;
}
