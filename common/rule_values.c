#include "rule_values.h"

const struct node *texts_node(const struct node *node, size_t i)
{
	return node_type(node) == NODE_LIST ? node_at(node, i) : node;
}

bool texts_read(const struct node *node, struct texts *texts_r, struct err *err)
{
	size_t n = node_type(node) == NODE_LIST ? node_count(node) : 1;

	texts_r->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct node *item = texts_node(node, i);
		if (node_type(item) != NODE_STRING || !*node_string(item))
			return node_err(item, err, "%s: write a string that is not empty, or a list of such", node_name(node));
		if (texts_r->n == RULE_LIST_MAX)
			return node_err(item, err, "%s: more than %d members; make two of it", node_name(node), RULE_LIST_MAX);
		texts_r->v[texts_r->n++] = sv_of(node_string(item));
	}
	return true;
}

bool texts_read_some(const struct node *node, struct texts *texts_r, struct err *err)
{
	if (!texts_read(node, texts_r, err))
		return false;
	return texts_r->n > 0 || node_err(node, err, "%s: the list is empty: write a member, or leave it out", node_name(node));
}

const struct sv *texts_keep(struct arena *arena, const struct texts *texts)
{
	struct sv *v = arena_alloc(arena, texts->n * sizeof *v + 1);

	for (size_t i = 0; i < texts->n; i++)
		v[i] = arena_dup(arena, texts->v[i]);
	return v;
}

bool rule_name_ok(struct sv name)
{
	bool ok = name.n > 0 && name.n <= RULE_ID_MAX;

	for (size_t i = 0; ok && i < name.n; i++)
		ok = (sv_is_alnum(name.p[i]) && sv_lower(name.p[i]) == name.p[i]) || name.p[i] == '.' || name.p[i] == '-';
	return ok;
}

bool rule_id_read(const struct node *group, const char *what, struct sv *id_r, struct err *err)
{
	const struct node *id = node_get(group, "id");

	*id_r = sv_of(id && node_type(id) == NODE_STRING ? node_string(id) : "");
	if (!id)
		return node_err(group, err, "%s needs an id, e.g. id = \"example.no-such-user\";", what);
	return rule_name_ok(*id_r) || node_err(id, err, "id: write at most %d small letters, digits, dots and hyphens", RULE_ID_MAX);
}

bool rule_place_take(const struct rule_place *first, const char *what, const char *file, size_t directory, const struct node *node,
	bool *moves_r, struct err *err)
{
	bool replaced = *first->replaced_file != NULL;

	*moves_r = false;
	if (first->directory == directory)
		return node_err(node, err, "id \"%s\" is taken by the %s at %s:%u; choose another", first->id, what, first->file, first->line);
	if (replaced && *first->replaced_directory == directory)
		return node_err(node, err, "id \"%s\" is taken by the %s at %s:%u; choose another", first->id, what, *first->replaced_file,
			*first->replaced_line);
	if (replaced) /* by a directory in between: its place is where it has to be */
		return true;
	*first->replaced_file = file;
	*first->replaced_line = node_line(node);
	*first->replaced_directory = directory;
	return *moves_r = true;
}
