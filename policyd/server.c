#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "cli.h"
#include "clock.h"
#include "listeners.h"
#include "log.h"
#include "presence.h"
#include "privileges.h"
#include "protocol.h"
#include "restart.h"
#include "snapshot.h"

#define EVENTS_MAX 512
/* After running out of descriptors, no new clients for so long. */
#define ACCEPT_PAUSE_MS 1000

struct server {
	struct service service;
	const struct config_args *args;
	int epoll, signals;
	struct listeners listeners;
	bool listening[2];
	int64_t accept_pause_until_ms;
	struct conn *conns, *dead;
	size_t n_clients;
	unsigned store_generation;
	uint32_t store_events;
	int64_t now_ms; /* of this turn */
	bool stop;
	int64_t drain_until_ms;
	struct restart restart;
	struct presence presence;
	struct snapshot snapshot;
	struct log_limit malformed_limit, accept_limit;
};

/* What an epoll event is about: a conn, or one of these. */
static char about_signals, about_store, about_watch, about_listener;

/* Whom the door answers. */
static struct server *the_server;

/* ---- connections ---- */

static void close_conn(struct server *s, struct conn *c)
{
	if (c->fd < 0)
		return;
	/* close() does not take it out of epoll while a child, spawned to try a configuration, has it too */
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	c->fd = -1;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->service.metrics.connections--;
	s->n_clients -= c->protocol->clients_max == 0;
	/* others of this turn may still point here; a question under way does longer */
	c->next = s->dead;
	s->dead = c;
}

static void bury_dead(struct server *s)
{
	struct conn **at = &s->dead;

	while (*at) {
		struct conn *c = *at;
		if (c->waiting) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_free(c);
	}
}

static void set_events(struct server *s, struct conn *c)
{
	bool reads = !c->eof && !c->last && !conn_is_full(c);
	uint32_t want = (reads ? (uint32_t)EPOLLIN : 0) | (c->out ? (uint32_t)EPOLLOUT : 0);
	struct epoll_event e = { .events = want, .data.ptr = c };

	if (c->fd < 0 || want == c->events)
		return;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0)
		c->events = want;
}

static void refuse_to_understand(struct server *s, struct conn *c, const char *problem)
{
	s->service.metrics.malformed++;
	if (log_limited(&s->malformed_limit, "malformed requests"))
		log_warning("malformed %s request, connection closed: %s; is something else than %s talking to this socket?",
			c->protocol->name, problem, c->protocol->client);
	close_conn(s, c);
}

/* Everything that can be done with these bytes of a connection; returns what is left of them. */
static struct sv take_requests(struct server *s, struct conn *c, struct sv bytes)
{
	while (c->fd >= 0 && !c->waiting && !c->out && !c->last && !restart_due(&s->restart)) {
		size_t used = 0;
		const char *problem = "";
		if (bytes.n == 0)
			break;
		enum protocol_result result = c->protocol->take(&s->service, c, bytes, &used, &problem);
		bytes = sv_skip(bytes, used);
		if (result == PROTOCOL_BAD)
			refuse_to_understand(s, c, problem);
		else if (result == PROTOCOL_LAST)
			c->last = true;
		else if (result == PROTOCOL_WAITS)
			c->waiting = true;
		if (result == PROTOCOL_MORE)
			break;
	}
	return bytes;
}

static void work(struct server *s, struct conn *c, struct sv bytes)
{
	bytes = take_requests(s, c, bytes);
	if (c->fd < 0)
		return;
	if (bytes.n || c->in)
		conn_keep(c, bytes);
	if (!c->waiting && !c->out && !restart_due(&s->restart)) {
		if (c->eof && c->in_n && !c->last)
			refuse_to_understand(s, c, "it ends in the middle");
		else if (c->eof || c->last)
			close_conn(s, c);
	}
	set_events(s, c);
}

static void serve(struct server *s, struct conn *c, uint32_t events)
{
	struct sv bytes = conn_waiting(c);

	if (c->fd < 0)
		return;
	if (c->out && conn_write(c) == CONN_IO_END) {
		close_conn(s, c);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		enum conn_io io = conn_read(c, &bytes);
		if (io == CONN_IO_END)
			c->eof = true;
		/* hung up on both sides: nobody is there to answer */
		if (events & (EPOLLHUP | EPOLLERR) && io != CONN_IO_SOME && (c->waiting || c->out || !bytes.n)) {
			close_conn(s, c);
			return;
		}
	}
	work(s, c, bytes);
}

/* The door has found out. */
static bool answered(void *arg, const struct decision *decision)
{
	struct conn *c = arg;

	c->waiting = false;
	if (c->fd < 0)
		return false;
	c->protocol->answer(c, decision);
	work(the_server, c, conn_waiting(c));
	return true;
}

/* ---- listening ---- */

/* few: of the protocols that may have a few clients only; else of the others. */
static void set_listening(struct server *s, bool few, bool on)
{
	for (size_t i = 0; i < s->listeners.n && s->listening[few] != on; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &about_listener };
		if ((s->listeners.v[i].protocol->clients_max != 0) != few)
			continue;
		if (epoll_ctl(s->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listeners.v[i].fd, &e) != 0)
			log_error("epoll: %m");
	}
	s->listening[few] = on;
}

static struct conn *add_conn(struct server *s, int fd, const struct protocol *protocol)
{
	struct conn *c = xalloc(sizeof *c);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = fd;
	c->protocol = protocol;
	c->events = e.events;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
		close(fd);
		free(c);
		return NULL;
	}
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	s->service.metrics.connections++;
	s->n_clients += protocol->clients_max == 0;
	return c;
}

/* Of a protocol that may have a few clients only: the oldest has had its time. */
static void make_room(struct server *s, const struct protocol *protocol)
{
	struct conn *oldest = NULL;
	unsigned n = 0;

	for (struct conn *c = s->conns; c && protocol->clients_max; c = c->next) {
		if (c->protocol == protocol) {
			oldest = c;
			n++;
		}
	}
	if (oldest && n >= protocol->clients_max)
		close_conn(s, oldest);
}

/* Those of a protocol that may have a few only, scrapers, are beside the others. */
static bool has_room(const struct server *s)
{
	return s->n_clients < (size_t)s->service.config->policyd_max_connections;
}

static void accept_all(struct server *s)
{
	for (size_t i = 0; i < s->listeners.n; i++) {
		const struct listener *l = &s->listeners.v[i];
		while (has_room(s) || l->protocol->clients_max) {
			int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd >= 0) {
				make_room(s, l->protocol);
				(void)add_conn(s, fd, l->protocol);
				s->service.metrics.connections_total++;
				continue;
			}
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
				if (log_limited(&s->accept_limit, "no descriptors for new connections"))
					log_warning("cannot take more connections: %m; raise LimitNOFILE, %llu are open",
						(unsigned long long)s->service.metrics.connections);
				s->accept_pause_until_ms = s->now_ms + ACCEPT_PAUSE_MS;
			}
			break;
		}
	}
}

static void regulate_listening(struct server *s)
{
	bool may = s->now_ms >= s->accept_pause_until_ms && !s->stop;

	if (!has_room(s) && s->listening[0] && log_limited(&s->accept_limit, "policyd.max-connections reached"))
		log_warning("policyd.max-connections (%lld) are open; others wait, and Postfix takes that for a service that hangs",
			(long long)s->service.config->policyd_max_connections);
	set_listening(s, false, may && has_room(s));
	set_listening(s, true, may);
}

/* What opening the sockets needed is not needed for anything else. */
static bool drop_privileges(struct server *s, struct err *err)
{
	const struct config *config = s->service.config;
	bool root = geteuid() == 0;
	struct identity identity;

	if (!*config->policyd_user) {
		if (root)
			log_warning("running as root; set policyd.user, or User= in the unit, to one who may do less, such as nixie");
		return true;
	}
	if (!privileges_find(config->policyd_user, config->policyd_group, &identity, err))
		return false;
	if (root && !listeners_give(&s->listeners, identity.uid, *config->policyd_group ? identity.gid : (gid_t)-1, err))
		return false;
	if (!privileges_become(&identity, err)) {
		if (root || !s->restart.before)
			return false;
		log_warning("%s; going on as before", err->text); /* a restart is no time to stop for that */
	}
	if (*config->path && access(config->path, R_OK) != 0)
		log_warning("%s: %m: the user %s cannot reload it", config->path, config->policyd_user);
	return true;
}

static bool take_over_conn(void *arg, int fd, struct sv protocol, struct sv in, struct sv out)
{
	struct server *s = arg;
	const struct protocol *spoken = listeners_protocol(protocol);
	struct conn *c = spoken ? add_conn(s, fd, spoken) : NULL;

	if (!c)
		return false;
	c->last = out.n && c->protocol->one_request;
	if (out.n)
		conn_send(c, out);
	conn_keep(c, in);
	work(s, c, conn_waiting(c));
	return true;
}

/* ---- signals ---- */

static void reload(struct server *s)
{
	struct config *next = xalloc(sizeof *next);
	struct err err;

	cli_notify("RELOADING=1");
	if (config_load(s->args, next, &err) && maps_load(&s->service, next, &err)) {
		config_reload(s->service.config, next);
		store_set_timeout(s->service.store, s->service.config->policyd_deadline_ms);
		door_reload(s->service.door);
		s->service.metrics.reloads++;
		log_info("reloaded");
	} else {
		s->service.metrics.reloads_failed++;
		log_error("reload refused, the old configuration stays: %s", err.text);
	}
	free(next);
	cli_notify("READY=1");
}

static void take_signals(struct server *s)
{
	struct signalfd_siginfo signal;

	while (read(s->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
		if (signal.ssi_signo == SIGHUP) {
			reload(s);
		} else if (signal.ssi_signo == SIGUSR2) {
			restart_try(&s->restart);
		} else if (signal.ssi_signo == SIGCHLD) {
			restart_reap(&s->restart);
			snapshot_reap(&s->snapshot);
		} else if (!s->stop) {
			cli_notify("STOPPING=1");
			s->stop = true;
			s->drain_until_ms = s->now_ms + SERVER_DRAIN_MS;
		}
	}
}

static bool open_epoll(struct server *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &about_signals };

	s->signals = cli_signals((const int[]){ SIGUSR2, SIGCHLD, 0 });
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->signals < 0 || s->epoll < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &e) != 0)
		return false;
	e.data.ptr = &about_watch;
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, store_watch_fd(s->service.store), &e) == 0;
}

/* ---- the loop ---- */

/* Writes this turn's questions at once, and tells epoll what the store waits for. */
static void attend_store(struct server *s)
{
	store_service(s->service.store, 0);
	struct epoll_event e = { .data.ptr = &about_store };
	short events = store_events(s->service.store);
	int fd = store_fd(s->service.store);
	e.events = (events & POLLIN ? (uint32_t)EPOLLIN : 0) | (events & POLLOUT ? (uint32_t)EPOLLOUT : 0);
	if (store_generation(s->service.store) != s->store_generation) {
		s->store_generation = store_generation(s->service.store);
		s->store_events = e.events;
		/* the old descriptor was closed, and left epoll with that */
		if (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0 && errno == EEXIST)
			(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
	} else if (fd >= 0 && e.events != s->store_events) {
		s->store_events = e.events;
		(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
	}
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int wait_ms(const struct server *s)
{
	int ms = sooner(store_timeout_ms(s->service.store), store_watch_timeout_ms(s->service.store));

	ms = sooner(ms, presence_timeout_ms(&s->presence));
	return !s->listening[0] || s->stop || restart_due(&s->restart) ? sooner(ms, 100) : ms;
}

static short poll_bits(uint32_t events)
{
	return (short)((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0) |
		(events & EPOLLERR ? POLLERR : 0) | (events & EPOLLHUP ? POLLHUP : 0));
}

/* Before anybody is answered: what has changed, and whether we have been away for too long to know. */
static void hear_changes(struct server *s, const struct epoll_event *events, int n)
{
	bool due = n == EVENTS_MAX || store_watch_timeout_ms(s->service.store) == 0;

	for (int i = 0; i < n && !due; i++)
		due = events[i].data.ptr == &about_watch;
	if (due)
		store_watch_service(s->service.store);
}

static void turn(struct server *s)
{
	struct epoll_event events[EVENTS_MAX];

	attend_store(s);
	regulate_listening(s);
	int n = epoll_wait(s->epoll, events, EVENTS_MAX, wait_ms(s));
	int64_t now_us = clock_mono_us();
	s->now_ms = now_us / 1000;
	door_turn(s->service.door, now_us);
	hear_changes(s, events, n);
	for (int i = 0; i < n; i++) {
		void *about = events[i].data.ptr;
		if (about == &about_signals)
			take_signals(s);
		else if (about == &about_store)
			store_service(s->service.store, poll_bits(events[i].events));
		else if (about == &about_listener)
			accept_all(s);
		else if (about != &about_watch)
			serve(s, about, events[i].events);
	}
	bury_dead(s);
}

static bool busy(const struct server *s)
{
	bool busy = door_waiting(s->service.door) > 0 || presence_waits(&s->presence);

	for (const struct conn *c = s->conns; c && !busy; c = c->next)
		busy = c->out != NULL;
	return busy;
}

/* Everything that is open goes to the next program in our place. */
static void hand_over(struct server *s)
{
	cli_notify("RELOADING=1");
	for (size_t i = 0; i < s->listeners.n; i++)
		restart_give_listener(&s->restart, s->listeners.v[i].fd, s->listeners.v[i].endpoint);
	for (const struct conn *c = s->conns; c; c = c->next)
		restart_give_conn(&s->restart, c->fd, c->protocol->name, conn_waiting(c), sv_skip(sv_make(c->out, c->out_n), c->out_at));
	snapshot_stop(&s->snapshot); /* the file of five minutes ago is good enough, and nobody waits */
	restart_now(&s->restart);
	cli_notify("READY=1"); /* it was not to be */
	for (struct conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		work(s, c, conn_waiting(c));
	}
}

static void run(struct server *s)
{
	while (!s->stop) {
		turn(s);
		snapshot_attend(&s->snapshot, s->now_ms);
		presence_attend(&s->presence, s->now_ms);
		if (restart_due(&s->restart) && door_waiting(s->service.door) == 0)
			hand_over(s);
	}
	log_info("draining: %llu connections, %zu questions", (unsigned long long)s->service.metrics.connections, door_waiting(s->service.door));
	regulate_listening(s);
	listeners_close(&s->listeners);
	presence_end(&s->presence);
	while (busy(s) && s->now_ms < s->drain_until_ms)
		turn(s);
	snapshot_end(&s->snapshot);
}

static void finish(struct server *s)
{
	const struct metrics *m = &s->service.metrics;

	listeners_close(&s->listeners);
	store_free(s->service.store); /* answers what is still asked, with nothing */
	while (s->conns)
		close_conn(s, s->conns);
	bury_dead(s);
	if (s->signals >= 0)
		close(s->signals);
	if (s->epoll >= 0)
		close(s->epoll);
	log_info("stopped: connections=%llu requests=%llu rejected=%llu would-reject=%llu parole=%llu store-failures=%llu malformed=%llu",
		(unsigned long long)m->connections_total, (unsigned long long)metrics_requests(m),
		(unsigned long long)metrics_decisions(m->decided), (unsigned long long)metrics_decisions(m->would_decide),
		(unsigned long long)m->parole_granted, (unsigned long long)metrics_store_failures(m), (unsigned long long)m->malformed);
	door_free(s->service.door);
	ruleset_free(s->service.rules);
	restart_free(&s->restart);
}

int server_run(struct config *config, const struct config_args *args, const struct activation *passed, char **argv)
{
	struct server s = { .service = { .config = config, .metrics.since_s = clock_now_s() }, .args = args, .signals = -1, .epoll = -1,
		.now_ms = clock_mono_ms() };
	struct err err = { "cannot take signals" };
	int code = EXIT_OK;

	the_server = &s;
	restart_begin(&s.restart, argv);
	s.service.store = store_redis(config);
	store_set_timeout(s.service.store, config->policyd_deadline_ms);
	store_set_impatient(s.service.store);
	s.service.door = door_new(config, s.service.store, &s.service.metrics, answered);
	snapshot_begin(&s.snapshot, config->policyd_snapshot, door_cache(s.service.door), s.now_ms);
	if (!open_epoll(&s) || !maps_load(&s.service, config, &err) || !listeners_open(&s.listeners, config, passed, &s.restart, &err) || !drop_privileges(&s, &err)) {
		log_fatal("%s", err.text);
		code = EXIT_CONFIG;
	} else {
		regulate_listening(&s);
		store_wait(s.service.store, config->policyd_deadline_ms); /* else the first questions would have no answer */
		presence_begin(&s.presence, &s.service);
		restart_take_conns(&s.restart, take_over_conn, &s);
		cli_notify("READY=1");
		run(&s);
	}
	finish(&s);
	return code;
}
