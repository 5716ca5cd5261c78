#include "lint_lists.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "conffile.h"
#include "rule_text.h"

static const struct node *item(const struct node *list, size_t i)
{
	return node_type(list) == NODE_LIST ? node_at(list, i) : list;
}

static void read_list(struct named_lists *lists, const char *file, const char *kind, const struct node *node)
{
	const struct node *name = node_get(node, "name"), *text = node_get(node, "text");
	struct arena *arena = &lists->arena;

	if (!name || !text)
		return;
	struct named_list *l = arena_alloc(arena, sizeof *l);
	*l = (struct named_list){ .next = lists->first, .kind = kind, .name = arena_dup(arena, sv_of(node_string(name))), .file = file,
		.n = node_type(text) == NODE_LIST ? node_count(text) : 1 };
	l->values = arena_alloc(arena, l->n * sizeof *l->values + 1);
	l->lines = arena_alloc(arena, l->n * sizeof *l->lines + 1);
	for (size_t i = 0; i < l->n; i++) {
		l->values[i] = arena_dup(arena, sv_of(node_string(item(text, i))));
		l->lines[i] = node_line(item(text, i));
	}
	if (strcmp(kind, "words") == 0) {
		if (map_get(&lists->words, l->name)) /* an earlier directory's counts */
			return;
		map_put(&lists->words, l->name, l);
	}
	lists->first = l;
}

static void read_file(struct named_lists *lists, const char *path)
{
	static const char *const kinds[] = { "words", "blocklists" };
	struct err err;
	struct conffile *file = conffile_read(path, &err);

	if (!file)
		return;
	const char *name = arena_dup(&lists->arena, sv_of(path)).p;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct node *list = node_get(conffile_root(file), kinds[i]);
		for (size_t j = 0; list && j < node_count(list); j++)
			read_list(lists, name, kinds[i], node_at(list, j));
	}
	conffile_free(file);
}

static int is_rule_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && sv_ends_nocase(sv_of(entry->d_name), SV(".conf"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void named_lists_read(const struct rule_directories *directories, struct named_lists *lists_r)
{
	*lists_r = (struct named_lists){ .first = NULL };
	for (size_t i = 0; i < directories->n; i++) {
		struct dirent **entries;
		int n = scandir(directories->v[i], &entries, is_rule_file, by_bytes);
		for (int j = 0; j < n; j++) {
			char path[4096];
			if ((size_t)snprintf(path, sizeof path, "%s/%s", directories->v[i], entries[j]->d_name) < sizeof path)
				read_file(lists_r, path);
			free(entries[j]);
		}
		if (n >= 0)
			free(entries);
	}
}

void named_lists_free(struct named_lists *lists)
{
	map_free(&lists->words);
	map_free(&lists->required);
	map_free(&lists->branches);
	arena_free(&lists->arena);
}

const struct named_list *named_lists_find(const struct named_lists *lists, struct sv value)
{
	if (!rule_value_is_list(value))
		return NULL;
	return map_get(&lists->words, sv_make(value.p + 2, value.n - 3));
}
