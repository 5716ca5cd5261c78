#include "listeners.h"

#include <stdio.h>
#include <unistd.h>

#include "log.h"

static const struct protocol *const protocols[] = { &protocol_policy, &protocol_maps, &protocol_metrics };
#define PROTOCOLS (sizeof protocols / sizeof *protocols)

const struct protocol *listeners_protocol(struct sv name)
{
	for (size_t p = 0; p < PROTOCOLS; p++)
		if (sv_eq(name, sv_of(protocols[p]->name)))
			return protocols[p];
	return NULL;
}

static void add(struct listeners *all, int fd, const char *endpoint, bool passed, const struct protocol *protocol)
{
	struct listener *l = &all->v[all->n++];

	*l = (struct listener){ .fd = fd, .passed = passed, .protocol = protocol };
	(void)snprintf(l->endpoint, sizeof l->endpoint, "%s", endpoint);
	log_info("listening on %s for %s", endpoint, protocol->name);
}

/* What a restart before us handed over is taken as it is. */
static bool open_one(struct listeners *all, const char *endpoint, const struct protocol *protocol, const struct config *config,
	struct restart *restart, struct err *err)
{
	int fd = restart_take_listener(restart, endpoint);

	if (fd < 0)
		fd = listen_open(endpoint, (unsigned)config->policyd_socket_mode, err);
	if (fd >= 0)
		add(all, fd, endpoint, false, protocol);
	return fd >= 0;
}

/* Sockets that were passed to us, now or to a program before us: in place of those of the configuration. */
static bool take_passed(struct listeners *all, const struct activation *passed, const struct protocol *protocol, struct restart *restart)
{
	size_t before = all->n, k = 0;
	char endpoint[CONFIG_STRING_MAX];
	int fd;

	for (size_t i = 0; i < passed->n; i++) {
		if (strcmp(passed->v[i].name, protocol->name) != 0)
			continue;
		(void)snprintf(endpoint, sizeof endpoint, "passed:%s:%zu", protocol->name, k++);
		add(all, passed->v[i].fd, endpoint, true, protocol);
	}
	while (passed->n == 0) {
		(void)snprintf(endpoint, sizeof endpoint, "passed:%s:%zu", protocol->name, k++);
		if ((fd = restart_take_listener(restart, endpoint)) < 0)
			break;
		add(all, fd, endpoint, true, protocol);
	}
	return all->n > before;
}

bool listeners_open(struct listeners *all, const struct config *config, const struct activation *passed, struct restart *restart, struct err *err)
{
	bool ok = true;

	for (size_t p = 0; p < PROTOCOLS && ok; p++) {
		const struct strings *endpoints = (const struct strings *)(const void *)((const char *)config + protocols[p]->listen);
		if (take_passed(all, passed, protocols[p], restart))
			continue;
		for (size_t i = 0; i < endpoints->n && ok; i++) {
			ok = open_one(all, endpoints->v[i], protocols[p], config, restart, err);
			if (!ok && restart->before) { /* those that were open go on */
				log_error("%s; going on without it", err->text);
				ok = true;
			}
		}
	}
	return ok;
}

bool listeners_give(const struct listeners *all, uid_t uid, gid_t gid, struct err *err)
{
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].passed && !listen_give(all->v[i].endpoint, uid, gid, err))
			return false;
	return true;
}

void listeners_close(struct listeners *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].passed)
			close(all->v[i].fd);
		else
			listen_close(all->v[i].fd, all->v[i].endpoint);
	all->n = 0;
}
