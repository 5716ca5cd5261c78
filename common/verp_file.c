#include "verp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- templates ---- */

#define GROUP "{ for = \"bounces\"; address = \"bounces+{recipient}-{sig}@news.example\"; }"

/* Whose mail it is about, where that is not sent from the domain of the address. */
static bool parse_sender(const struct node *node, struct verp_template *to, struct err *err)
{
	struct address address;

	if (node_type(node) != NODE_STRING || address_parse_domain(sv_of(node_string(node)), &address) != ADDRESS_OK)
		return node_err(node, err, "sender: write the domain of the envelope senders whose mail it is about, e.g. \"news.example\"");
	memcpy(to->sender, address_domain(&address).p, address_domain(&address).n + 1);
	return true;
}

static bool parse_template(const struct node *item, struct verp_template *to, struct err *err)
{
	const struct node *use = node_get(item, "for"), *address = node_get(item, "address"), *sender = node_get(item, "sender");
	enum verp_use which;
	struct err why;

	for (size_t i = 0; i < node_count(item); i++)
		if (node_at(item, i) != use && node_at(item, i) != address && node_at(item, i) != sender)
			return node_err(node_at(item, i), err, "an address has no \"%s\"; it has for, address and sender", node_name(node_at(item, i)));
	if (!use || !address)
		return node_err(item, err, "it needs for and address, e.g. " GROUP);
	if (node_type(use) != NODE_STRING || !verp_use_by_name(sv_of(node_string(use)), &which))
		return node_err(use, err, "for: write \"bounces\", \"unsubscribe\" or \"complaints\"");
	if (node_type(address) != NODE_STRING)
		return node_err(address, err, "address: write a string, e.g. " GROUP);
	if (!verp_template_parse(which, sv_of(node_string(address)), to, &why))
		return node_err(address, err, "address: \"%.80s\": %s", node_string(address), why.text);
	return !sender || parse_sender(sender, to, err);
}

bool verp_templates_parse(const struct node *node, struct verp_templates *to, struct err *err)
{
	memset(to, 0, sizeof *to);
	if (!node_check_groups(node, "receive.addresses", GROUP, VERP_TEMPLATES_MAX, err))
		return false;
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		if (!parse_template(item, &to->v[i], err))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(to->v[j].text, to->v[i].text) == 0)
				return node_err(item, err, "the address %s is there already; an address is for one thing", to->v[i].text);
		to->n = i + 1;
	}
	return true;
}

bool verp_templates_sign(const struct verp_templates *templates)
{
	for (size_t i = 0; i < templates->n; i++)
		if (templates->v[i].sig)
			return true;
	return false;
}

/* ---- secrets ---- */

static bool check_rights(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, "%s is no file", path);
	if (st.st_mode & 07)
		return err_set(err, "%s can be read or written by everybody, and would be no secret; type: chmod o-rwx %s", path, path);
	return true;
}

static bool read_secrets(int fd, const char *path, struct verp_secrets *secrets, struct err *err)
{
	char text[VERP_SECRETS_MAX * (VERP_SECRET_MAX + 8)];
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, text + n, sizeof text - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	if (n == sizeof text)
		return err_set(err, "%s is too long for a list of %d secrets; take the oldest out, at the end", path, VERP_SECRETS_MAX);
	return verp_secrets_parse(sv_make(text, n), secrets, err) || err_prefix(err, "%s", path);
}

bool verp_secrets_read(const char *path, struct verp_secrets *secrets, struct err *err)
{
	memset(secrets, 0, sizeof *secrets);
	if (!*path)
		return true;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, "receive.secret-file: %s: %s", path, strerror(errno));
	bool ok = (check_rights(fd, path, err) && read_secrets(fd, path, secrets, err)) || err_prefix(err, "receive.secret-file");
	(void)close(fd);
	return ok;
}
