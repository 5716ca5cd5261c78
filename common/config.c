#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_parts.h"
#include "log.h"
#include "tls.h"
#include "verp_file.h"

/* ---- the file ---- */

static const struct config_option *find_option(struct sv name)
{
	for (size_t i = 0; i < config_options_n; i++)
		if (sv_eq(name, sv_of(config_options[i].name)))
			return &config_options[i];
	return NULL;
}

/* A scalar as the text that config_set_text() takes; quotes do not matter to an operator. */
static bool node_as_text(const struct node *node, const struct config_option *o, char *text, size_t size, struct err *err)
{
	switch (node_type(node)) {
	case NODE_STRING:
		if (strlen(node_string(node)) >= size)
			return node_err(node, err, "%s is too long", o->name);
		memcpy(text, node_string(node), strlen(node_string(node)) + 1);
		return true;
	case NODE_NUMBER:
		if (o->type != OPTION_NUMBER && o->type != OPTION_BYTES)
			break;
		(void)snprintf(text, size, "%lld", (long long)node_number(node));
		return true;
	case NODE_BOOL:
		if (o->type != OPTION_BOOL)
			break;
		(void)snprintf(text, size, "%s", node_bool(node) ? "true" : "false");
		return true;
	case NODE_GROUP:
	case NODE_LIST:
	case NODE_OTHER:
		break;
	}
	return node_err(node, err, "%s is %s; write it as in: %s = \"%s\";", o->name, node_type_name(node),
		node_name(node), o->default_ ? o->default_ : "");
}

static bool set_node(const struct config_option *o, const struct node *node, struct config *config, struct err *err)
{
	char text[CONFIG_STRING_MAX * 4];
	struct err why;

	if (o->type == OPTION_CONVERSIONS)
		return config_set_conversions(node, &config->conversions, err);
	if (o->type == OPTION_TERMS)
		return config_set_terms(node, config->conversions.terms, err);
	if (o->type == OPTION_ANSWERS)
		return answers_parse(node, &config->policyd_answers, err);
	if (o->type == OPTION_STATUS_FILTER)
		return config_set_status_filter(node, config->status_filter, err);
	if (o->type == OPTION_ADDRESSES)
		return verp_templates_parse(node, &config->receive_addresses, err);
	if (o->type == OPTION_FEEDBACK_LOOPS)
		return feedback_loops_parse(node, &config->receive_feedback_loops, err);
	if (o->type == OPTION_STRINGS && node_type(node) == NODE_LIST) {
		struct strings *to = (struct strings *)((char *)config + o->offset);
		memset(to, 0, sizeof *to);
		for (size_t i = 0; i < node_count(node); i++) {
			const struct node *item = node_at(node, i);
			if (node_type(item) != NODE_STRING)
				return node_err(item, err, "%s: each member is a string", o->name);
			if (!config_add_string(o, sv_of(node_string(item)), to, &why))
				return node_err(item, err, "%s", why.text);
		}
		return true;
	}
	if (!node_as_text(node, o, text, sizeof text, err))
		return false;
	if (!config_set_text(o, sv_of(text), config, &why))
		return node_err(node, err, "%s", why.text);
	return true;
}

static bool read_group(const struct node *group, const char *prefix, struct config *config, struct err *err)
{
	for (size_t i = 0; i < node_count(group); i++) {
		const struct node *node = node_at(group, i);
		char name[128];
		(void)snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", node_name(node));
		const struct config_option *o = find_option(sv_of(name));
		if (o) {
			if (!set_node(o, node, config, err))
				return false;
		} else if (node_type(node) == NODE_GROUP && *prefix == '\0') {
			if (!read_group(node, node_name(node), config, err))
				return false;
		} else {
			return node_err(node, err, "there is no option \"%s\"; nixie.conf(5) lists them all", name);
		}
	}
	return true;
}

static void set_defaults(struct config *config)
{
	struct err err;

	memset(config, 0, sizeof *config);
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		if (o->default_ && !config_set_text(o, sv_of(o->default_), config, &err))
			log_fatal("panic: default of %s: %s", o->name, err.text);
	}
	config_ship_conversions(&config->conversions);
}

struct tls *config_tls(const struct config *config)
{
	const struct tls_options options = { config->redis_tls_ca_file, config->redis_tls_cert_file, config->redis_tls_key_file,
		config->redis_tls_server_name };

	return config->redis_tls ? tls_new(&options) : NULL;
}

static bool check_tls_together(const struct config *config, struct err *err)
{
	bool any = *config->redis_tls_ca_file || *config->redis_tls_cert_file || *config->redis_tls_key_file || *config->redis_tls_server_name;

	if (any && !config->redis_tls)
		return err_set(err, "redis.tls is false, and other options of TLS are set; set it to true, or leave them out");
	if (!*config->redis_tls_cert_file != !*config->redis_tls_key_file)
		return err_set(err, "redis.tls-cert-file and redis.tls-key-file: set both, or neither");
	if (config->redis_tls && sv_starts(sv_of(config->redis_address), SV("unix:")))
		return err_set(err, "redis.tls is true, and redis.address is a Unix socket, on which nobody can listen in; set it to false");
	struct tls *tls = config_tls(config);
	bool ok = !tls || !*tls_problem(tls) || err_set(err, "%s", tls_problem(tls));
	tls_free(tls);
	return ok;
}

/* What one option alone cannot tell. */
static bool check_endpoints_differ(const struct config *config, struct err *err)
{
	const struct { const char *name; const struct strings *list; } lists[] = {
		{ "policyd.listen", &config->policyd_listen }, { "policyd.maps", &config->policyd_maps }, { "policyd.metrics", &config->policyd_metrics },
	};
	const size_t n = sizeof lists / sizeof *lists;

	for (size_t a = 0; a < n; a++)
		for (size_t i = 0; i < lists[a].list->n; i++)
			for (size_t b = a; b < n; b++)
				for (size_t j = b == a ? i + 1 : 0; j < lists[b].list->n; j++)
					if (strcmp(lists[a].list->v[i], lists[b].list->v[j]) == 0)
						return err_set(err, "%s is in %s and in %s; each socket is for one of them", lists[a].list->v[i],
							lists[a].name, b == a ? "it again" : lists[b].name);
	return true;
}

static bool check_together(const struct config *config, struct err *err)
{
	if (!check_tls_together(config, err))
		return false;
	if (config->redis_user[0] && !config->redis_password[0])
		return err_set(err, "redis.user is set and redis.password is not; set both, or neither");
	if (config->policyd_listen.n == 0 || config->logtail_files.n == 0)
		return err_set(err, "%s is an empty list; leave it out to have the default",
			config->policyd_listen.n ? "logtail.files" : "policyd.listen");
	if (verp_templates_sign(&config->receive_addresses) && !config->receive_secret_file[0])
		return err_set(err, "receive.addresses has a {sig}, and receive.secret-file is not set; write secret-file = \"/etc/nixie/secrets\", "
			"and make it: (umask 027; nixie verp --new-secret >/etc/nixie/secrets)");
	if (config->receive_feedback_loops.n && config->receive_authserv_id.n == 0)
		return err_set(err, "receive.feedback-loops is set, and receive.authserv-id is not: nobody would say whose report it is; "
			"write the name under which your server writes Authentication-Results");
	return check_endpoints_differ(config, err);
}

static bool finish(struct config *config, struct config *config_r, const char *where, struct err *err)
{
	if (!check_together(config, err))
		return err_prefix(err, "%s", where);
	(void)snprintf(config->path, sizeof config->path, "%s", where);
	*config_r = *config;
	return true;
}

bool config_parse(const char *name, const char *text, struct config *config_r, struct err *err)
{
	struct config *config = xalloc(sizeof *config);
	struct conffile *file = conffile_read_text(name, text, err);

	set_defaults(config);
	bool ok = file && read_group(conffile_root(file), "", config, err) && finish(config, config_r, name, err);
	conffile_free(file);
	free(config);
	return ok;
}

bool config_args_add(struct config_args *args, const char *override, struct err *err)
{
	if (args->n_overrides == sizeof args->overrides / sizeof *args->overrides)
		return err_set(err, "too many -o options");
	args->overrides[args->n_overrides++] = override;
	return true;
}

static bool apply_overrides(const struct config_args *args, struct config *config, struct err *err)
{
	for (size_t i = 0; i < args->n_overrides; i++) {
		struct sv value = sv_of(args->overrides[i]);
		struct sv name = sv_cut(&value, '=');
		const struct config_option *o = find_option(name);
		if (!o || sv_find(sv_of(args->overrides[i]), '=') == strlen(args->overrides[i]))
			return err_set(err, "-o %.100s: write -o NAME=VALUE with a name from nixie.conf(5)", args->overrides[i]);
		if (!config_set_text(o, value, config, err))
			return err_prefix(err, "-o");
	}
	return true;
}

bool config_load(const struct config_args *args, struct config *config_r, struct err *err)
{
	struct config *config = xalloc(sizeof *config);
	struct conffile *file = NULL;
	const char *path = args->path;
	bool ok = true;

	set_defaults(config);
	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		path = CONFIG_DEFAULT_PATH;
	if (path) {
		file = conffile_read(path, err);
		ok = file && read_group(conffile_root(file), "", config, err);
	}
	ok = ok && apply_overrides(args, config, err) && finish(config, config_r, path ? path : "options", err);
	conffile_free(file);
	free(config);
	return ok;
}

void config_reload(struct config *running, const struct config *next)
{
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		size_t size = config_option_size(o);
		char *to = (char *)running + o->offset;
		const char *from = (const char *)next + o->offset;
		if (memcmp(to, from, size) == 0)
			continue;
		if (o->reload)
			memcpy(to, from, size);
		else
			log_warning("%s has changed in the configuration; it takes effect at the next restart", o->name);
	}
}

bool config_receives(const struct config *c)
{
	return !span_is_zero(c->receive_remember) || c->receive_addresses.n || c->receive_feedback_loops.n;
}

struct address_options config_address_options(const struct config *config)
{
	return (struct address_options){ .keep_case = config->local_part == LOCAL_KEEP_CASE,
		.subaddress = config->subaddress_delimiter[0] };
}
