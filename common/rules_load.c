/* rules_load: rule files into a set of rules. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "forms_set.h"
#include "rule_values.h"
#include "rules_set.h"

/* A name that stands for something of another file, to be looked up when all are read. */
struct reference {
	struct reference *next;
	struct sv name;
	const char *file;
	unsigned line;
	struct word_list **list; /* where it goes; NULL: it only has to be there */
};

struct loader {
	struct ruleset *set;
	const char *file; /* that is being read, in the set's arena */
	size_t directory;
	struct arena arena;
	struct map blocklists, provider_names; /* of a name: struct named_list; of a provider's: anything */
	struct reference *word_names, *used_providers, *disabled;
};

static const char *keep(struct loader *l, const char *text)
{
	return arena_dup(&l->set->arena, sv_of(text)).p;
}

static struct reference *refer(struct loader *l, struct reference **list, struct sv name, const struct node *node)
{
	struct reference *r = arena_alloc(&l->arena, sizeof *r);

	*r = (struct reference){ .next = *list, .name = arena_dup(&l->arena, name), .file = l->file, .line = node_line(node) };
	return *list = r;
}

static bool reference_err(const struct reference *r, struct err *err, const char *what, const char *hint)
{
	return err_set(err, "%s:%u: %s \"%.*s\"; %s", r->file, r->line, what, SV_ARG(r->name), hint);
}

/* ---- words ---- */

static struct word_list *new_list(struct loader *l)
{
	return arena_alloc(&l->set->arena, sizeof(struct word_list));
}

/* regex and member are there as long as the set. */
static bool add_words(struct loader *l, struct word_list *list, struct sv regex, const char *member, const struct node *node, struct err *err)
{
	struct expression *e = arena_alloc(&l->set->arena, sizeof *e);
	size_t name = sv_find_sv(regex, SV("${"));

	if (name < regex.n && (name == 0 || regex.p[name - 1] != '\\')) /* as an expression it would never match */
		return node_err(node, err, "%s: \"${...}\" is a member by itself: write it alone in its quotes", member);
	*e = (struct expression){ .regex = regex, .list = list, .member = member, .file = l->file, .line = node_line(node) };
	return ruleset_add_expression(l->set, e, err);
}

static bool is_reference(struct sv text)
{
	return sv_starts(text, SV("${")) && text.p[text.n - 1] == '}';
}

/* text, not-text: a list of its own, and the named ones. */
static bool read_text(struct loader *l, const struct node *node, const struct rule_condition *written, struct test *t, struct err *err)
{
	struct word_list *own = new_list(l);

	t->lists = arena_alloc(&l->set->arena, (written->n + 1) * sizeof(struct word_list *));
	t->lists[t->n++] = own;
	for (size_t i = 0; i < written->n; i++) {
		struct sv text = written->values[i];
		if (is_reference(text)) {
			struct reference *r = refer(l, &l->word_names, sv_make(text.p + 2, text.n - 3), texts_node(node, i));
			r->list = &t->lists[t->n++];
		} else if (!add_words(l, own, text, condition_name(written), texts_node(node, i), err)) {
			return false;
		}
	}
	return true;
}

/* ---- conditions ---- */

static bool read_codes(struct loader *l, const struct node *node, const struct texts *texts, struct test *t, struct err *err)
{
	struct code_glob *codes = arena_alloc(&l->set->arena, texts->n * sizeof *codes + 1);

	for (size_t i = 0; i < texts->n; i++) {
		struct sv s = texts->v[i];
		bool ok = s.n == 3 && (s.p[0] == 'x' || (s.p[0] >= '2' && s.p[0] <= '5'));
		for (size_t j = 1; ok && j < 3; j++)
			ok = s.p[j] == 'x' || sv_is_digit(s.p[j]);
		if (!ok)
			return node_err(node, err, "%s: \"%.*s\": write three digits, x for any: \"550\" or \"5xx\"", node_name(node), SV_ARG(s));
		memcpy(codes[i].digits, s.p, 3);
	}
	t->codes = codes;
	t->n = texts->n;
	return true;
}

static bool read_part(struct sv part, int *value_r)
{
	uint64_t v;

	*value_r = ANY_NUMBER;
	if (sv_eq(part, SV("x")))
		return true;
	if (!sv_u64(part, 999, &v))
		return false;
	*value_r = (int)v;
	return true;
}

static bool read_enhanced(struct loader *l, const struct node *node, const struct texts *texts, struct test *t, struct err *err)
{
	struct enhanced *v = arena_alloc(&l->set->arena, texts->n * sizeof *v + 1);

	for (size_t i = 0; i < texts->n; i++) {
		struct sv rest = texts->v[i], class_ = sv_cut(&rest, '.'), subject = sv_cut(&rest, '.');
		if (!read_part(class_, &v[i].class_) || !read_part(subject, &v[i].subject) || !read_part(rest, &v[i].detail))
			return node_err(node, err, "%s: \"%.*s\": write a status such as \"5.1.1\", x for any number: \"x.1.1\"",
				node_name(node), SV_ARG(texts->v[i]));
	}
	t->enhanced = v;
	t->n = texts->n;
	return true;
}

/* The bit of a word that a condition knows, 0: none. */
static unsigned mask_of(enum condition what, struct sv word)
{
	enum phase phase;

	if (what == CONDITION_PHASE)
		return phase_by_name(word, &phase) ? 1u << phase : 0;
	if (what == CONDITION_SAID_BY)
		return sv_eq(word, SV("server")) ? SAID_BY_SERVER : sv_eq(word, SV("mta")) ? SAID_BY_MTA : 0;
	return sv_eq(word, SV("postfix")) ? 1u << MTA_POSTFIX : sv_eq(word, SV("exim")) ? 1u << MTA_EXIM : 0;
}

static bool read_mask(const struct node *node, const struct texts *texts, struct test *t, struct err *err)
{
	const char *choices = t->what == CONDITION_PHASE ? "connect, helo, mail, rcpt, data, end-of-data" :
		t->what == CONDITION_SAID_BY ? "server, mta" : "postfix, exim";

	for (size_t i = 0; i < texts->n; i++) {
		unsigned mask = mask_of(t->what, texts->v[i]);
		if (!mask)
			return node_err(node, err, "%s: \"%.*s\": write one of %s", node_name(node), SV_ARG(texts->v[i]), choices);
		t->mask |= mask;
	}
	return true;
}

static bool read_condition(struct loader *l, const struct node *node, struct compiled *c, enum condition what, bool negated, struct err *err)
{
	struct texts texts;

	if (!texts_read_some(node, &texts, err))
		return false;
	/* in the order in which they are looked at */
	size_t place = c->rule.n_conditions++;
	for (; place > 0 && (c->tests[place - 1].what > what || (c->tests[place - 1].what == what && c->tests[place - 1].negated > negated)); place--) {
		c->conditions[place] = c->conditions[place - 1];
		c->tests[place] = c->tests[place - 1];
	}
	struct test *t = &c->tests[place];
	*t = (struct test){ .what = what, .negated = negated };
	c->conditions[place] = (struct rule_condition){ what, negated, texts.n, texts_keep(&l->set->arena, &texts) };
	switch (what) {
	case CONDITION_CODE:
		return read_codes(l, node, &texts, t, err);
	case CONDITION_ENHANCED:
		return read_enhanced(l, node, &texts, t, err);
	case CONDITION_PHASE:
	case CONDITION_SAID_BY:
	case CONDITION_MTA:
		return read_mask(node, &texts, t, err);
	case CONDITION_PROVIDER:
		for (size_t i = 0; i < texts.n; i++)
			(void)refer(l, &l->used_providers, texts.v[i], texts_node(node, i));
		/* fall through */
	case CONDITION_RELAY:
		t->names = c->conditions[place].values;
		t->n = texts.n;
		return true;
	case CONDITION_TEXT:
		return read_text(l, node, &c->conditions[place], t, err);
	case CONDITION_COUNT:
		break;
	}
	return false;
}

static bool condition_by_name(struct sv name, enum condition *what_r, bool *negated_r)
{
	for (int i = 0; i < 2 * CONDITION_COUNT; i++) {
		struct rule_condition c = { .what = (enum condition)(i / 2), .negated = i % 2 };
		if (!sv_eq(name, sv_of(condition_name(&c))))
			continue;
		*what_r = c.what;
		*negated_r = c.negated;
		return true;
	}
	return false;
}

/* ---- a rule ---- */

static bool read_examples(struct loader *l, const struct node *node, const struct rule_example **v_r, size_t *n_r, struct err *err)
{
	struct texts texts;

	if (!texts_read(node, &texts, err))
		return false;
	struct rule_example *v = arena_alloc(&l->set->arena, texts.n * sizeof *v + 1);
	for (size_t i = 0; i < texts.n; i++) {
		struct sv relay = arena_dup(&l->set->arena, texts.v[i]);
		v[i].reply = sv_cut(&relay, '\t');
		v[i].relay = relay;
		v[i].line = node_line(texts_node(node, i));
	}
	*v_r = v;
	*n_r = texts.n;
	return true;
}

static bool read_member(struct loader *l, const struct node *node, struct compiled *c, struct err *err)
{
	const char *name = node_name(node);
	struct sv text = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");
	struct rule *rule = &c->rule;
	enum condition what;
	bool negated;

	if (condition_by_name(sv_of(name), &what, &negated))
		return read_condition(l, node, c, what, negated, err);
	if (strcmp(name, "id") == 0) /* new_rule() looked at it */
		return true;
	if (strcmp(name, "match") == 0)
		return read_examples(l, node, &rule->match, &rule->n_match, err);
	if (strcmp(name, "no-match") == 0)
		return read_examples(l, node, &rule->no_match, &rule->n_no_match, err);
	if (strcmp(name, "category") == 0) {
		if (!category_by_name(text, &rule->category))
			return node_err(node, err, "category: \"%.*s\" is none; nixie-rules(5) lists them", SV_ARG(sv_head(text, 60)));
		return true;
	}
	if (strcmp(name, "class") == 0) {
		if (!class_by_name(text, &rule->class_) || rule->class_ == CLASS_COMPLAINT)
			return node_err(node, err, "class: write \"hard\", \"soft\" or \"none\"");
		return true;
	}
	if (strcmp(name, "note") == 0 || strcmp(name, "url") == 0) {
		if (!text.n)
			return node_err(node, err, "%s: write a string", name);
		*(*name == 'n' ? &rule->note : &rule->url) = keep(l, text.p);
		return true;
	}
	return node_err(node, err, "a rule has no \"%s\"; it has id, category, code, enhanced, text, relay, provider, phase, said-by, mta, "
		"these with not- before them, class, note, url, match, no-match", name);
}

static bool check_rule(const struct node *node, const struct compiled *c, struct err *err)
{
	bool positive = false;

	if (!node_get(node, "category"))
		return node_err(node, err, "rule %s needs a category, e.g. category = \"recipient.unknown\";", c->rule.id);
	for (size_t i = 0; i < c->rule.n_conditions; i++)
		positive = positive || !c->conditions[i].negated;
	if (!positive)
		return node_err(node, err, "rule %s has no condition but negations: give it text, code, enhanced, relay, provider, phase, said-by or mta", c->rule.id);
	if (c->rule.category == CATEGORY_COMPLAINT)
		return node_err(node, err, "rule %s: complaints come from feedback loops, not from replies; choose another category", c->rule.id);
	/* what is not the recipient's fault must not be able to suppress anybody */
	if (c->rule.class_ == CLASS_HARD && category_fault(c->rule.category) != FAULT_RECIPIENT)
		return node_err(node, err, "rule %s: class = \"hard\" needs a category of the recipient's fault; %s is not one",
			c->rule.id, category_name(c->rule.category));
	return true;
}

static void append(struct ruleset *set, struct compiled *c)
{
	set->rules = xgrow(set->rules, set->n, &set->size, sizeof(struct compiled *));
	set->rules[set->n++] = c;
}

/* A rule of an earlier directory takes the place of this one, which has its id. */
static bool replace(struct loader *l, const struct node *node, struct compiled *earlier, struct err *err)
{
	struct ruleset *set = l->set;
	const struct rule_place first = { earlier->rule.id, earlier->rule.file, earlier->rule.line, earlier->directory,
		&earlier->rule.replaced_file, &earlier->rule.replaced_line, &earlier->replaced_directory };
	bool moves;

	if (!rule_place_take(&first, "rule", l->file, l->directory, node, &moves, err))
		return false;
	for (size_t i = 0; i < set->n && moves; i++)
		if (set->rules[i] == earlier)
			memmove(&set->rules[i], &set->rules[i + 1], (--set->n - i) * sizeof(struct compiled *));
	if (moves)
		append(set, earlier);
	return true;
}

static bool read_rule(struct loader *l, const struct node *node, struct err *err)
{
	struct ruleset *set = l->set;

	if (node_type(node) != NODE_GROUP)
		return node_err(node, err, "rules: each member is a group { id = ...; category = ...; text = ...; }");
	struct sv name;
	if (!rule_id_read(node, "a rule", &name, err))
		return false;
	struct compiled *earlier = map_get(&set->ids, name);
	if (earlier)
		return replace(l, node, earlier, err);
	if (set->n == RULES_MAX)
		return node_err(node, err, "more than %d rules", RULES_MAX);
	struct compiled *c = arena_alloc(&set->arena, sizeof *c);
	c->rule = (struct rule){ .id = keep(l, name.p), .file = l->file, .line = node_line(node), .conditions = c->conditions };
	c->directory = l->directory;
	for (size_t i = 0; i < node_count(node); i++)
		if (!read_member(l, node_at(node, i), c, err))
			return false;
	if (!node_get(node, "class"))
		c->rule.class_ = category_class(c->rule.category);
	if (!check_rule(node, c, err))
		return false;
	append(set, c);
	map_put(&set->ids, sv_of(c->rule.id), c);
	return true;
}

/* ---- words, providers, blocklists, disable ---- */

/* A group with a name; *texts_r is its list of that member. */
static bool read_named(const struct node *node, const char *what, const char *member, struct sv *name_r, struct texts *texts_r, struct err *err)
{
	const struct node *name = node_type(node) == NODE_GROUP ? node_get(node, "name") : NULL;
	const struct node *list = node_type(node) == NODE_GROUP ? node_get(node, member) : NULL;

	if (!name || !list || node_type(name) != NODE_STRING || !*node_string(name))
		return node_err(node, err, "%s: each member is a group { name = \"...\"; %s = [ ... ]; }", what, member);
	for (size_t i = 0; i < node_count(node); i++) {
		const char *n = node_name(node_at(node, i));
		if (strcmp(n, "name") != 0 && strcmp(n, member) != 0 && !(strcmp(n, "url") == 0 && strcmp(what, "blocklists") == 0))
			return node_err(node_at(node, i), err, "%s: there is no \"%s\" here", what, n);
	}
	*name_r = sv_of(node_string(name));
	return texts_read(list, texts_r, err);
}

static bool read_list(struct loader *l, const struct node *node, const struct texts *texts, struct named_list *list, struct err *err)
{
	const struct node *text = node_get(node, "text");
	unsigned *lines = arena_alloc(&l->set->arena, texts->n * sizeof *lines + 1);

	list->words = new_list(l);
	list->told.n = texts->n;
	list->told.values = texts_keep(&l->set->arena, texts);
	list->told.lines = lines;
	for (size_t i = 0; i < texts->n; i++) {
		const struct node *item = texts_node(text, i);
		lines[i] = node_line(item);
		if (is_reference(texts->v[i]))
			return node_err(item, err, "text: a list cannot name another: %.*s", SV_ARG(texts->v[i]));
		if (!add_words(l, list->words, list->told.values[i], "text", item, err))
			return false;
	}
	return true;
}

/* Is the name free? In an earlier directory it is the operator's own, and this one is passed over: *list_r is NULL. */
static bool take_name(struct loader *l, struct map *map, const char *kind, const struct node *node, struct sv name,
	struct named_list **list_r, struct err *err)
{
	struct ruleset *set = l->set;
	struct named_list *other = map_get(map, name);

	*list_r = NULL;
	if (other && other->directory == l->directory)
		return node_err(node, err, "the name \"%s\" is taken at %s:%u; choose another", other->told.name, other->told.file,
			other->told.line);
	if (other && !other->told.replaced_file) {
		other->told.replaced_file = l->file;
		other->told.replaced_line = node_line(node);
	}
	if (other)
		return true;
	struct named_list *list = *list_r = arena_alloc(&set->arena, sizeof *list);
	*list = (struct named_list){ .directory = l->directory,
		.told = { .kind = kind, .name = keep(l, name.p), .file = l->file, .line = node_line(node) } };
	map_put(map, sv_of(list->told.name), list);
	set->lists = xgrow(set->lists, set->n_lists, &set->lists_size, sizeof(struct named_list *));
	set->lists[set->n_lists++] = list;
	return true;
}

static bool read_words(struct loader *l, const struct node *node, struct err *err)
{
	struct texts texts;
	struct sv name;
	struct named_list *list;

	if (!read_named(node, "words", "text", &name, &texts, err))
		return false;
	if (!rule_name_ok(name))
		return node_err(node, err, "words: name: write at most %d small letters, digits, dots and hyphens", RULE_ID_MAX);
	if (!take_name(l, &l->set->words_by_name, "words", node, name, &list, err))
		return false;
	return !list || read_list(l, node, &texts, list, err);
}

static bool read_provider(struct loader *l, const struct node *node, struct err *err)
{
	struct arena *arena = &l->set->arena;
	struct texts texts;
	struct sv name;

	if (!read_named(node, "providers", "relay", &name, &texts, err))
		return false;
	if (!rule_name_ok(name))
		return node_err(node, err, "providers: name: write at most %d small letters, digits, dots and hyphens", RULE_ID_MAX);
	struct sv *kept = arena_alloc(arena, sizeof *kept);
	*kept = arena_dup(arena, name);
	map_put(&l->provider_names, *kept, kept);
	for (size_t i = 0; i < texts.n; i++) {
		char *suffix = arena_alloc(arena, texts.v[i].n + 1);
		for (size_t j = 0; j < texts.v[i].n; j++)
			suffix[j] = sv_lower(texts.v[i].p[j]);
		const struct provider_suffix *other = map_get(&l->set->providers, sv_make(suffix, texts.v[i].n));
		if (other && other->directory == l->directory)
			return node_err(texts_node(node_get(node, "relay"), i), err, "relay: %s is %.*s's already", suffix, SV_ARG(other->provider));
		if (other)
			continue;
		struct provider_suffix *mine = arena_alloc(arena, sizeof *mine);
		*mine = (struct provider_suffix){ *kept, l->directory };
		map_put(&l->set->providers, sv_make(suffix, texts.v[i].n), mine);
	}
	return true;
}

static bool read_blocklist(struct loader *l, const struct node *node, struct err *err)
{
	struct ruleset *set = l->set;
	struct texts texts;
	struct sv name;
	struct named_list *list;

	if (!read_named(node, "blocklists", "text", &name, &texts, err))
		return false;
	const struct node *url = node_get(node, "url");
	if (url && node_type(url) != NODE_STRING)
		return node_err(url, err, "url: write a string");
	if (!take_name(l, &l->blocklists, "blocklists", node, name, &list, err))
		return false;
	if (!list)
		return true;
	if (!read_list(l, node, &texts, list, err))
		return false;
	set->blocklists = xgrow(set->blocklists, set->n_blocklists, &set->blocklists_size, sizeof *set->blocklists);
	set->blocklists[set->n_blocklists++] = (struct named_blocklist){ { list->told.name, url ? keep(l, node_string(url)) : NULL }, list->words };
	return true;
}

static bool read_form(struct loader *l, const struct node *node, struct err *err)
{
	return forms_read(l->set->forms, node, l->file, l->directory, err);
}

static bool read_disable(struct loader *l, const struct node *node, struct err *err)
{
	struct texts texts;

	if (!texts_read(node, &texts, err))
		return false;
	for (size_t i = 0; i < texts.n; i++)
		(void)refer(l, &l->disabled, texts.v[i], texts_node(node, i));
	return true;
}

/* ---- files ---- */

static bool read_file(struct loader *l, const struct conffile *file, const char *name, struct err *err)
{
	static const struct {
		const char *name;
		bool (*read)(struct loader *l, const struct node *node, struct err *err);
	} lists[] = {
		{ "rules", read_rule }, { "words", read_words }, { "providers", read_provider }, { "blocklists", read_blocklist },
		{ "forms", read_form },
	};
	const struct node *root = conffile_root(file);

	l->file = keep(l, name);
	for (size_t i = 0; i < node_count(root); i++) {
		const struct node *list = node_at(root, i);
		size_t which = 0;
		if (strcmp(node_name(list), "disable") == 0) {
			if (!read_disable(l, list, err))
				return false;
			continue;
		}
		while (which < sizeof lists / sizeof *lists && strcmp(node_name(list), lists[which].name) != 0)
			which++;
		if (which == sizeof lists / sizeof *lists || node_type(list) != NODE_LIST)
			return node_err(list, err, "a rule file holds rules = ( { ... }, { ... } ); and beside it words, providers, blocklists, "
				"forms = ( { ... } ); disable = [ \"id\" ]; and nothing else");
		for (size_t j = 0; j < node_count(list); j++)
			if (!lists[which].read(l, node_at(list, j), err))
				return false;
	}
	return true;
}

static bool read_path(struct loader *l, const char *path, struct err *err)
{
	struct conffile *file = conffile_read(path, err);
	bool ok = file && read_file(l, file, path, err);

	conffile_free(file);
	return ok;
}

static int is_rule_file(const struct dirent *entry)
{
	struct sv name = sv_of(entry->d_name);

	return name.n > 5 && name.p[0] != '.' && sv_ends_nocase(name, SV(".conf"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool read_directory(struct loader *l, const char *directory, struct err *err)
{
	struct dirent **entries;
	bool ok = true;
	int n = scandir(directory, &entries, is_rule_file, by_bytes);

	if (n < 0)
		return err_set(err, "%s: cannot read the rule directory: %m", directory);
	for (int i = 0; i < n; i++) {
		char path[4096];
		if (ok && (size_t)snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name) >= sizeof path)
			ok = err_set(err, "%s: the path is too long", directory);
		ok = ok && read_path(l, path, err);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

/* ---- when all are read ---- */

static bool resolve(struct loader *l, struct err *err)
{
	for (struct reference *r = l->word_names; r; r = r->next) {
		const struct named_list *list = map_get(&l->set->words_by_name, r->name);
		*r->list = list ? list->words : NULL;
		if (!list)
			return reference_err(r, err, "there are no words of the name", "write words = ( { name = \"...\"; text = [ ... ]; } ); in a rule file");
	}
	for (struct reference *r = l->used_providers; r; r = r->next)
		if (!map_get(&l->provider_names, r->name))
			return reference_err(r, err, "there is no provider", "write providers = ( { name = \"...\"; relay = [ ... ]; } ); in a rule file");
	for (struct reference *r = l->disabled; r; r = r->next) {
		struct compiled *c = map_get(&l->set->ids, r->name);
		if (c)
			c->rule.disabled = true;
		if (!forms_disable(l->set->forms, r->name) && !c)
			return reference_err(r, err, "disable: no rule or form has the id", "nixie rules list and nixie rules forms show them");
	}
	return true;
}

static struct loader new_loader(bool late)
{
	struct loader l = { .set = xalloc(sizeof *l.set) };

	l.set->late = late;
	l.set->prefilter = prefilter_new();
	l.set->memo = memo_new();
	l.set->forms = forms_new(late);
	return l;
}

/* The set, or NULL when it is not good. */
static struct ruleset *finish(struct loader *l, bool ok, struct err *err)
{
	ok = ok && resolve(l, err);
	if (ok)
		ruleset_index_relays(l->set);
	else
		ruleset_free(l->set);
	map_free(&l->blocklists);
	map_free(&l->provider_names);
	arena_free(&l->arena);
	return ok ? l->set : NULL;
}

static struct ruleset *load(const char *const *directories, size_t n, bool late, struct err *err)
{
	struct loader l = new_loader(late);
	bool ok = true;

	for (; l.directory < n && ok; l.directory++)
		ok = !directories[l.directory][0] || read_directory(&l, directories[l.directory], err);
	return finish(&l, ok, err);
}

struct ruleset *ruleset_load(const char *const *directories, size_t n, struct err *err)
{
	return load(directories, n, false, err);
}

struct ruleset *ruleset_load_late(const char *const *directories, size_t n, struct err *err)
{
	return load(directories, n, true, err);
}

static struct ruleset *parse(const char *name, const char *text, bool late, struct err *err)
{
	struct loader l = new_loader(late);
	struct conffile *file = conffile_read_text(name, text, err);
	bool ok = file && read_file(&l, file, name, err);

	conffile_free(file);
	return finish(&l, ok, err);
}

struct ruleset *ruleset_parse(const char *name, const char *text, struct err *err)
{
	return parse(name, text, false, err);
}

struct ruleset *ruleset_parse_late(const char *name, const char *text, struct err *err)
{
	return parse(name, text, true, err);
}

void ruleset_free(struct ruleset *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n_words; i++)
		pattern_free(set->words[i].pattern);
	free(set->words);
	free(set->blocklists);
	free(set->lists);
	free(set->rules);
	map_free(&set->ids);
	map_free(&set->words_by_name);
	map_free(&set->providers);
	map_free(&set->relays);
	prefilter_free(set->prefilter);
	memo_free(set->memo);
	forms_free(set->forms);
	arena_free(&set->arena);
	free(set);
}
