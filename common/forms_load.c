/* forms_load: forms of rule files into a set of them. */
#include <stdlib.h>

#include "buf.h"
#include "forms_set.h"
#include "rule_values.h"

const char *form_kind_name(enum form_kind kind)
{
	static const char *const names[FORM_KINDS] = { "dsn", "challenge", "autoreply" };

	return names[kind];
}

const char *form_member_name(enum form_member member, bool negated)
{
	static const char *const names[FORM_MEMBERS] = { "not-from", "not-header", "not-subject", "not-text", "not-recipients", "not-copy" };

	return names[member] + (negated ? 0 : 4);
}

size_t forms_count(const struct forms *forms)
{
	return forms->n;
}

const struct form *forms_form(const struct forms *forms, size_t i)
{
	return &forms->forms[i]->form;
}

const struct form *forms_find(const struct forms *forms, struct sv id)
{
	const struct compiled_form *c = map_get(&forms->ids, id);

	return c ? &c->form : NULL;
}

const char *forms_broken(const struct forms *forms)
{
	return forms->broken.text;
}

uint64_t forms_limit_hits(const struct forms *forms)
{
	return forms->limit_hits;
}

bool forms_disable(struct forms *forms, struct sv id)
{
	struct compiled_form *c = map_get(&forms->ids, id);

	if (c)
		c->form.disabled = true;
	return c != NULL;
}

/* ---- members ---- */

/* The names that groups may have, and where: in what tells of recipients. */
static bool check_groups(enum form_member member, const struct pattern *pattern, struct err *err)
{
	static const char *const names[] = { "recipient", "original", "reply", "status", "remote" };
	const char *name;

	for (size_t i = 0; (name = pattern_group(pattern, i)); i++) {
		bool known = false;
		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			known = known || strcmp(name, names[k]) == 0;
		if (!known || (member != FORM_TEXT && member != FORM_RECIPIENTS))
			return err_set(err, "there is no group %s here; in text and recipients there are recipient, original, reply, status, remote", name);
	}
	return true;
}

/* What many expressions need: an address, without the punctuation of a sentence around it, in ASCII or not; and lines up to an
 * empty one. An address begins where no byte of one is before it, and gives nothing back: a long text costs its length. */
#define LOCAL "a-z0-9!#$%&*+/=?^_`{|}~.\\-"
#define PUNCTUATION "\\xe3\\x80.|\\xef\\xbc.|\\xe2\\x80."
#define WIDE "(?!" PUNCTUATION "|\\xc2\\xa0)[\\xc2-\\xf4][\\x80-\\xbf]++"
#define LABEL "(?:[a-z0-9_-]++|" WIDE ")++"

static const struct { const char *name, *regex; } shorthands[] = {
	{ "${address}", "(?:(?<![" LOCAL "\\x80-\\xff])|(?<=" PUNCTUATION "))(?!')(?:[" LOCAL "]++|'(?=[a-z0-9])|" WIDE ")++@" LABEL "(?:[.]" LABEL ")*+" },
	{ "${paragraph}", "[^\\n]+(?:\\n(?![ \\t]*$)[^\\n]+){0,19}" },
};

/* With what the shorthands stand for. */
static struct sv spell_out(struct sv regex, struct buf *b)
{
	while (regex.n) {
		size_t i = 0, n = sizeof shorthands / sizeof *shorthands;
		while (i < n && !sv_take(&regex, sv_of(shorthands[i].name)))
			i++;
		buf_add(b, i < n ? sv_of(shorthands[i].regex) : sv_head(regex, 1));
		regex = sv_skip(regex, i < n ? 0 : 1);
	}
	/* too long, and refused for it, rather than cut off */
	b->n = b->full ? b->size : b->n;
	return buf_sv(b);
}

struct sv form_expression(struct arena *arena, enum form_member member, struct sv value)
{
	char room[MATCH_PATTERN_MAX + 1];
	struct buf b = BUF_ON(room);

	if (member == FORM_HEADER) {
		(void)sv_cut(&value, ':');
		value = sv_trim(value);
	}
	return arena_dup(arena, spell_out(value, &b));
}

/* "Name: pattern" */
static bool split_header(const struct node *node, struct sv value, struct sv *name_r, struct sv *regex_r, struct err *err)
{
	struct sv rest = value, name = sv_cut(&rest, ':');

	for (size_t i = 0; i < name.n; i++)
		if (!sv_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
			name.n = 0;
	if (name.n == 0 || sv_find(value, ':') == value.n)
		return node_err(node, err, "header: \"%.*s\": write the name of a header, a colon and an expression, \"X-Loop: nobody@\"",
			SV_ARG(sv_head(value, 60)));
	*name_r = name;
	*regex_r = sv_trim(rest);
	return true;
}

bool form_test_compile(struct form_test *t, enum form_member member, struct err *err)
{
	char room[MATCH_PATTERN_MAX + 1];
	struct buf b = BUF_ON(room);
	struct pattern *pattern = pattern_compile_lines(spell_out(t->regex, &b), err);

	if (!pattern)
		return false;
	if (check_groups(member, pattern, err)) {
		t->pattern = pattern;
		return true;
	}
	pattern_free(pattern);
	return false;
}

/* value is there as long as the forms. */
static bool read_value(const struct forms *forms, const struct node *node, enum form_member member, struct sv value, struct form_test *t, struct err *err)
{
	struct err why;

	t->line = node_line(node);
	if (member == FORM_FROM)
		t->name = value;
	else
		t->regex = value;
	if (member == FORM_HEADER && !split_header(node, value, &t->name, &t->regex, err))
		return false;
	if (member == FORM_FROM || forms->late || form_test_compile(t, member, &why))
		return true;
	return node_err(node, err, "%s: %s", form_member_name(member, false), why.text);
}

static bool read_values(struct forms *forms, const struct node *node, enum form_member member, struct form_values *values_r,
	struct form_test **tests_r, struct err *err)
{
	struct texts texts;

	if (!texts_read_some(node, &texts, err))
		return false;
	if (texts.n > FORM_PATTERNS_MAX)
		return node_err(node, err, "%s: more than %d members; make two forms of it", node_name(node), FORM_PATTERNS_MAX);
	*tests_r = arena_alloc(&forms->arena, texts.n * sizeof **tests_r);
	values_r->v = texts_keep(&forms->arena, &texts);
	for (size_t i = 0; i < texts.n; i++) {
		values_r->n = i + 1; /* so that what is there of it is freed */
		if (!read_value(forms, texts_node(node, i), member, values_r->v[i], &(*tests_r)[i], err))
			return false;
	}
	return true;
}

static bool read_examples(struct forms *forms, const struct node *node, const struct form_example **v_r, size_t *n_r, struct err *err)
{
	struct texts texts;

	if (!texts_read(node, &texts, err))
		return false;
	const struct sv *mails = texts_keep(&forms->arena, &texts);
	struct form_example *v = arena_alloc(&forms->arena, texts.n * sizeof *v + 1);
	for (size_t i = 0; i < texts.n; i++)
		v[i] = (struct form_example){ mails[i], node_line(texts_node(node, i)) };
	*v_r = v;
	*n_r = texts.n;
	return true;
}

static bool read_kind(const struct node *node, struct sv text, enum form_kind *kind_r, struct err *err)
{
	for (enum form_kind kind = 0; kind < FORM_KINDS; kind++)
		if (sv_eq(text, sv_of(form_kind_name(kind)))) {
			*kind_r = kind;
			return true;
		}
	return node_err(node, err, "kind: write \"dsn\", \"challenge\" or \"autoreply\"");
}

/* Those that are no list. False in *known_r: it is none of them. */
static bool read_single(struct forms *forms, const struct node *node, struct form *form, bool *known_r, struct err *err)
{
	const char *name = node_name(node);
	struct sv text = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");

	*known_r = true;
	if (strcmp(name, "id") == 0) /* rule_id_read() looked at it */
		return true;
	if (strcmp(name, "kind") == 0)
		return read_kind(node, text, &form->kind, err);
	if (strcmp(name, "action") == 0) {
		form->delayed = sv_eq(text, SV("delayed"));
		return form->delayed || sv_eq(text, SV("failed")) || node_err(node, err, "action: write \"failed\" or \"delayed\"");
	}
	if (strcmp(name, "answer") == 0) {
		form->answer = node_type(node) == NODE_BOOL && node_bool(node);
		return form->answer || node_err(node, err, "answer: write true, or leave it out");
	}
	if (strcmp(name, "note") == 0 || strcmp(name, "url") == 0) {
		*(*name == 'n' ? &form->note : &form->url) = arena_dup(&forms->arena, text).p;
		return text.n || node_err(node, err, "%s: write a string", name);
	}
	*known_r = false;
	return true;
}

static bool read_member(struct forms *forms, const struct node *node, struct compiled_form *c, struct err *err)
{
	const char *name = node_name(node);
	bool known;

	if (!read_single(forms, node, &c->form, &known, err))
		return false;
	if (known)
		return true;
	for (enum form_member m = 0; m < FORM_MEMBERS; m++) {
		if (strcmp(name, form_member_name(m, false)) == 0)
			return read_values(forms, node, m, &c->form.members[m], &c->tests[m], err);
		if (m < FORM_CONDITIONS && strcmp(name, form_member_name(m, true)) == 0)
			return read_values(forms, node, m, &c->form.not_members[m], &c->not_tests[m], err);
	}
	if (strcmp(name, "match") == 0)
		return read_examples(forms, node, &c->form.match, &c->form.n_match, err);
	if (strcmp(name, "no-match") == 0)
		return read_examples(forms, node, &c->form.no_match, &c->form.n_no_match, err);
	return node_err(node, err, "a form has no \"%s\"; it has id, kind, from, header, subject, text, these with not- before them, answer, "
		"recipients, copy, action, note, url, match, no-match", name);
}

/* ---- a form ---- */

static bool check_form(const struct node *node, const struct form *form, struct err *err)
{
	bool some = false;

	if (!node_get(node, "kind"))
		return node_err(node, err, "form %s needs a kind: \"dsn\", \"challenge\" or \"autoreply\"", form->id);
	for (enum form_member m = 0; m < FORM_CONDITIONS; m++)
		some = some || form->members[m].n > 0;
	if (!some)
		return node_err(node, err, "form %s has no condition but negations: give it from, header, subject or text", form->id);
	if (form->kind != FORM_DSN && (form->members[FORM_RECIPIENTS].n || form->members[FORM_COPY].n || node_get(node, "action")))
		return node_err(node, err, "form %s: recipients, copy and action are for kind = \"dsn\"", form->id);
	return true;
}

static void append(struct forms *forms, struct compiled_form *c)
{
	forms->forms = xgrow(forms->forms, forms->n, &forms->size, sizeof(struct compiled_form *));
	forms->forms[forms->n++] = c;
}

/* A form of an earlier directory takes the place of this one, which has its id. */
static bool replace(struct forms *forms, const struct node *node, struct compiled_form *earlier, const char *file, size_t directory, struct err *err)
{
	struct form *form = &earlier->form;
	const struct rule_place first = { form->id, form->file, form->line, earlier->directory, &form->replaced_file, &form->replaced_line,
		&earlier->replaced_directory };
	bool moves;

	if (!rule_place_take(&first, "form", file, directory, node, &moves, err))
		return false;
	for (size_t i = 0; i < forms->n && moves; i++)
		if (forms->forms[i] == earlier)
			memmove(&forms->forms[i], &forms->forms[i + 1], (--forms->n - i) * sizeof(struct compiled_form *));
	if (moves)
		append(forms, earlier);
	return true;
}

static void free_tests(const struct form_values *values, struct form_test *const *tests, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < values[i].n; k++)
			pattern_free(tests[i][k].pattern);
}

static void free_form(struct compiled_form *c)
{
	free_tests(c->form.members, c->tests, FORM_MEMBERS);
	free_tests(c->form.not_members, c->not_tests, FORM_CONDITIONS);
}

bool forms_read(struct forms *forms, const struct node *node, const char *file, size_t directory, struct err *err)
{
	struct sv id;

	if (node_type(node) != NODE_GROUP)
		return node_err(node, err, "forms: each member is a group { id = ...; kind = ...; from = ...; text = ...; }");
	if (!rule_id_read(node, "a form", &id, err))
		return false;
	struct compiled_form *earlier = map_get(&forms->ids, id);
	if (earlier)
		return replace(forms, node, earlier, file, directory, err);
	if (forms->n == FORMS_MAX)
		return node_err(node, err, "more than %d forms", FORMS_MAX);
	struct compiled_form *c = arena_alloc(&forms->arena, sizeof *c);
	c->form = (struct form){ .id = arena_dup(&forms->arena, id).p, .file = file, .line = node_line(node) };
	c->directory = directory;
	append(forms, c); /* so that it is freed */
	for (size_t i = 0; i < node_count(node); i++)
		if (!read_member(forms, node_at(node, i), c, err))
			return false;
	map_put(&forms->ids, sv_of(c->form.id), c);
	return check_form(node, &c->form, err);
}

struct forms *forms_new(bool late)
{
	struct forms *forms = xalloc(sizeof *forms);

	forms->late = late;
	return forms;
}

void forms_free(struct forms *forms)
{
	if (!forms)
		return;
	for (size_t i = 0; i < forms->n; i++)
		free_form(forms->forms[i]);
	free(forms->forms);
	map_free(&forms->ids);
	arena_free(&forms->arena);
	free(forms);
}
