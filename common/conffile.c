#include "conffile.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"

struct conffile {
	config_t config;
	char *name;
};

/* struct node is libconfig's config_setting_t under a name of ours */
static config_setting_t *setting(const struct node *node)
{
	return (config_setting_t *)(uintptr_t)node;
}

static const struct node *node_of(const config_setting_t *s)
{
	return (const struct node *)s;
}

static struct conffile *new_file(const char *name)
{
	struct conffile *file = xalloc(sizeof *file);

	file->name = xalloc(strlen(name) + 1);
	memcpy(file->name, name, strlen(name) + 1);
	config_init(&file->config);
	return file;
}

/* Nodes find their way back to the file's name through libconfig's hook; reading
 * replaces the root, so it is set afterwards. */
static struct conffile *name_root(struct conffile *file)
{
	config_setting_set_hook(config_root_setting(&file->config), file->name);
	return file;
}

void conffile_free(struct conffile *file)
{
	if (!file)
		return;
	config_destroy(&file->config);
	free(file->name);
	free(file);
}

static struct conffile *fail_syntax(struct conffile *file, struct err *err)
{
	const char *in = config_error_file(&file->config);
	const char *text = config_error_text(&file->config);

	bool twice = text && strcmp(text, "duplicate setting name") == 0;

	err_set(err, twice ? "%s:%d: %s: this name is there already, further up: put it there, a group is written once" :
		"%s:%d: %s; look for a missing \";\", quote or bracket on this line or the one before, or for a comma behind the last of a list",
		in ? in : file->name, config_error_line(&file->config), text ? text : "cannot be read");
	conffile_free(file);
	return NULL;
}

struct conffile *conffile_read_text(const char *name, const char *text, struct err *err)
{
	struct conffile *file = new_file(name);

	if (config_read_string(&file->config, text) != CONFIG_TRUE)
		return fail_syntax(file, err);
	return name_root(file);
}

struct conffile *conffile_read(const char *path, struct err *err)
{
	struct stat st;
	/* not to wait at a FIFO for somebody who writes */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (!in) {
		err_set(err, "%s: cannot open: %s", path, strerror(errno));
		return NULL;
	}
	bool regular = fstat(fileno(in), &st) == 0 && (S_ISREG(st.st_mode) || strcmp(path, "/dev/null") == 0);
	if (!regular || (size_t)st.st_size > CONFFILE_BYTES_MAX) {
		err_set(err, "%s: not a regular file of at most %zu bytes", path, CONFFILE_BYTES_MAX);
		fclose(in);
		return NULL;
	}
	struct conffile *file = new_file(path);
	int ok = config_read(&file->config, in);
	fclose(in);
	return ok == CONFIG_TRUE ? name_root(file) : fail_syntax(file, err);
}

const struct node *conffile_root(const struct conffile *file)
{
	return node_of(config_root_setting(&file->config));
}

enum node_type node_type(const struct node *node)
{
	switch (config_setting_type(setting(node))) {
	case CONFIG_TYPE_GROUP:
		return NODE_GROUP;
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_ARRAY:
		return NODE_LIST;
	case CONFIG_TYPE_STRING:
		return NODE_STRING;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return NODE_NUMBER;
	case CONFIG_TYPE_BOOL:
		return NODE_BOOL;
	default:
		return NODE_OTHER;
	}
}

const char *node_type_name(const struct node *node)
{
	static const char *const names[] = { "a group { }", "a list", "a string", "a whole number",
		"true or false", "something else" };

	return names[node_type(node)];
}

const char *node_name(const struct node *node)
{
	const char *name = config_setting_name(setting(node));

	return name ? name : "";
}

unsigned node_line(const struct node *node)
{
	return config_setting_source_line(setting(node));
}

const struct node *node_get(const struct node *group, const char *name)
{
	return node_of(config_setting_get_member(setting(group), name));
}

const struct node *node_at(const struct node *node, size_t i)
{
	return node_of(config_setting_get_elem(setting(node), (unsigned)i));
}

size_t node_count(const struct node *node)
{
	int n = config_setting_length(setting(node));

	return n > 0 ? (size_t)n : 0;
}

const char *node_string(const struct node *node)
{
	const char *s = config_setting_get_string(setting(node));

	return s ? s : "";
}

int64_t node_number(const struct node *node)
{
	return config_setting_get_int64(setting(node));
}

bool node_bool(const struct node *node)
{
	return config_setting_get_bool(setting(node)) != 0;
}

bool node_err(const struct node *node, struct err *err, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	config_setting_t *root = setting(node);
	const char *file = config_setting_source_file(root);
	while (!file && config_setting_parent(root))
		root = config_setting_parent(root);
	if (!file)
		file = config_setting_get_hook(root);
	return err_set(err, "%s:%u: %s", file ? file : "configuration", node_line(node), text);
}

bool node_check_groups(const struct node *node, const char *name, const char *example, size_t max, struct err *err)
{
	if (node_type(node) != NODE_LIST)
		return node_err(node, err, "%s: write a list ( %s, ... )", name, example);
	for (size_t i = 0; i < node_count(node); i++) {
		if (node_type(node_at(node, i)) != NODE_GROUP)
			return node_err(node_at(node, i), err, "%s: each member is a group %s", name, example);
		if (i == max)
			return node_err(node_at(node, i), err, "%s has more than %zu members", name, max);
	}
	return true;
}
