#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "conn.h"
#include "listen.h"
#include "log.h"
#include "schema.h"
#include "store.h"

#define EVENTS_MAX 256
/* After running out of descriptors, no new clients for so long. */
#define ACCEPT_PAUSE_MS 1000
/* An entry that changes between two questions about it is looked up so often. */
#define AGAIN_MAX 3

struct counts {
	uint64_t requests, rejected, would_reject, parole, store_failures, malformed, connections;
};

struct server {
	struct config *config;
	const struct config_args *args;
	struct address_options address_options;
	struct store *store;
	int epoll, signals;
	struct { int fd; const char *endpoint; } listeners[CONFIG_LIST_MAX];
	size_t n_listeners;
	bool listening;
	int64_t accept_pause_until_ms;
	struct conn *conns, *dead;
	size_t n_conns, n_waiting;
	unsigned store_generation;
	uint32_t store_events;
	bool stop;
	int64_t drain_until_ms;
	struct counts counts;
	struct log_limit malformed_limit, store_limit, accept_limit;
};

/* What an epoll event is about: a conn, or one of these. */
static char about_signals, about_store, about_listener;

struct question {
	struct server *server;
	struct conn *conn;
	struct decision refusal; /* for those to whom parole is not granted */
	int64_t until_s;         /* the term that is over */
	unsigned again;          /* looked up because the entry changed meanwhile */
	struct address address;
};

/* ---- connections ---- */

static void close_conn(struct server *s, struct conn *c)
{
	if (c->fd < 0)
		return;
	close(c->fd); /* leaves epoll by itself */
	c->fd = -1;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_conns--;
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
		free(c->in);
		free(c);
	}
}

static void set_events(struct server *s, struct conn *c)
{
	uint32_t want = (c->eof || conn_is_full(c) ? 0 : (uint32_t)EPOLLIN) | (c->out_n ? (uint32_t)EPOLLOUT : 0);
	struct epoll_event e = { .events = want, .data.ptr = c };

	if (c->fd < 0 || want == c->events)
		return;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0)
		c->events = want;
}

static void work(struct server *s, struct conn *c);

static void log_refusal(const struct conn *c, const struct decision *d, const char *action)
{
	char since[11];

	clock_format_date(d->since_s, since);
	log_info("action=%s recipient=<%s> sender=<%s> client=%s[%s] status=%s reason=%s by=%s since=%s token=%s instance=%s", action,
		c->recipient, c->sender, c->client_name, c->client_address, status_name(d->status), category_name(d->reason),
		decided_by_name(d->by), since, d->token, c->instance);
}

static void answer_without_store(struct server *s, struct conn *c, enum store_result result)
{
	struct decision d;

	s->counts.store_failures++;
	if (log_limited(&s->store_limit, "no answer from the store"))
		log_warning("recipient=<%s>: %s; answering %s", c->recipient,
			result == STORE_REFUSED ? "Redis refuses the question (rights, memory, read-only, or a key of another type): nixie doctor tells" : "Redis gave no answer in time",
			s->config->on_store_failure == FAILURE_DEFER ? "DEFER_IF_PERMIT" : "DUNNO");
	if (s->config->on_store_failure == FAILURE_DEFER)
		decide_defer(&d);
	else
		decide(&(const struct known){ .address = NULL }, 0, &d);
	conn_answer(c, d.reply);
}

static void refuse(struct server *s, struct conn *c, const struct decision *d)
{
	bool shadow = s->config->policyd_shadow;

	s->counts.rejected += !shadow;
	s->counts.would_reject += shadow;
	log_refusal(c, d, shadow ? "would-reject" : "reject");
	conn_answer(c, shadow ? "DUNNO" : d->reply);
}

/* The client that asked; NULL when it went away meanwhile. Frees the question. */
static struct conn *asked_by(struct question *q)
{
	struct conn *c = q->conn;

	q->server->n_waiting--;
	c->waiting = false;
	free(q);
	return c->fd < 0 ? NULL : c;
}

/* The message that asks: Exim's has no instance. */
static struct sv who_asks(const struct conn *c, struct buf *b)
{
	if (c->instance[0])
		return sv_of(c->instance);
	buf_addf(b, "%s %s", c->client_address, c->sender);
	return buf_sv(b);
}

static void on_lookup(void *arg, enum store_result result, const struct entry *entry, const struct entry *domain);

static void on_parole(void *arg, enum store_result result, bool granted)
{
	struct question *q = arg, asked = *q;
	struct server *s = q->server;
	char room[sizeof q->conn->sender + 80];
	struct buf b = BUF_ON(room);

	if (result == STORE_CONFLICT && q->conn->fd >= 0 && q->again++ < AGAIN_MAX) { /* delivered meanwhile, or reset */
		store_lookup(s->store, address_key(&q->address), on_lookup, q);
		return;
	}
	struct sv who = who_asks(q->conn, &b);
	struct conn *c = asked_by(q);
	if (!c) {
		if (granted)
			store_parole_back(s->store, address_key(&asked.address), asked.until_s, who);
		return;
	}
	if (result != STORE_OK) {
		answer_without_store(s, c, result);
	} else if (granted) {
		s->counts.parole++;
		log_info("action=parole recipient=<%s> sender=<%s> client=%s[%s] instance=%s: its term is over, this message shows whether it takes mail",
			c->recipient, c->sender, c->client_name, c->client_address, c->instance);
		conn_answer(c, "DUNNO");
	} else {
		s->counts.rejected++;
		log_info("action=reject recipient=<%s> sender=<%s> client=%s[%s] instance=%s: another message is out on parole",
			c->recipient, c->sender, c->client_name, c->client_address, c->instance);
		conn_answer(c, asked.refusal.reply);
	}
	work(s, c);
}

/* Is this the message that was let through already? It may be asked about twice. */
static bool is_on_parole(const struct conn *c, const struct entry *entry)
{
	char room[sizeof c->sender + 80];
	struct buf b = BUF_ON(room);

	return entry->parole_s && (entry->status == STATUS_HELD || entry->status == STATUS_HARD) && entry->parole_by.n &&
		sv_eq(entry->parole_by, who_asks(c, &b));
}

static void on_lookup(void *arg, enum store_result result, const struct entry *entry, const struct entry *domain)
{
	struct question *q = arg;
	struct server *s = q->server;
	int64_t now_s = clock_now_s();
	struct conn *c = q->conn;
	struct decision d;

	const struct known known = { result == STORE_OK ? entry : NULL, domain,
		{ sv_of(c->sender), sv_of(c->login), sv_of(c->context) } };
	decide(&known, now_s, &d);
	if (d.action == ACTION_PAROLE && !s->config->policyd_shadow && c->fd >= 0) {
		char room[sizeof c->sender + 80];
		struct buf b = BUF_ON(room);
		q->refusal = d;
		q->until_s = entry->until_s;
		store_parole(s->store, address_key(&q->address), entry, now_s, who_asks(c, &b), on_parole, q);
		return;
	}
	c = asked_by(q);
	if (!c)
		return;
	if (result != STORE_OK && result != STORE_ABSENT)
		answer_without_store(s, c, result);
	else if (d.action == ACTION_REJECT && !(d.by == BY_ADDRESS && is_on_parole(c, entry)))
		refuse(s, c, &d);
	else
		conn_answer(c, "DUNNO");
	work(s, c);
}

/* Leaves an answer in `out`, now or when the store has told. */
static void ask(struct server *s, struct conn *c, const struct request *r)
{
	struct address address;

	s->counts.requests++;
	conn_note(c, r);
	/* an empty state is taken for RCPT: who asks by hand means that */
	bool decides = r->recipient.n && (r->state.n == 0 || sv_eq(r->state, SV("RCPT")));
	if (!decides || address_parse(r->recipient, ADDRESS_INTERNAL, &s->address_options, &address) != ADDRESS_OK) {
		conn_answer(c, "DUNNO");
		return;
	}
	struct question *q = xalloc(sizeof *q);
	*q = (struct question){ .server = s, .conn = c, .address = address };
	c->waiting = true;
	s->n_waiting++;
	store_lookup(s->store, address_key(&q->address), on_lookup, q);
}

static void refuse_to_understand(struct server *s, struct conn *c, const char *problem)
{
	s->counts.malformed++;
	if (log_limited(&s->malformed_limit, "malformed requests"))
		log_warning("malformed request, connection closed: %s; is something else than Postfix talking to this socket?", problem);
	close_conn(s, c);
}

/* Everything that can be done for a connection now. Not while a question is under way,
 * and not when on_lookup() got here through ask(): then the caller's loop goes on. */
static void work(struct server *s, struct conn *c)
{
	static struct conn *busy;

	if (busy == c)
		return;
	struct conn *outer = busy;
	busy = c;
	while (c->fd >= 0 && !c->waiting) {
		struct request r;
		size_t used;
		const char *problem;
		if (c->out_n) {
			enum conn_io io = conn_write(c);
			if (io == CONN_IO_END)
				close_conn(s, c);
			if (io != CONN_IO_SOME)
				break;
		}
		enum proto_result result = proto_parse(sv_make(c->in, c->in_n), &r, &used, &problem);
		if (result == PROTO_BAD) {
			refuse_to_understand(s, c, problem);
			break;
		}
		if (result == PROTO_MORE) {
			if (c->eof && c->in_n)
				refuse_to_understand(s, c, "it ends in the middle");
			else if (c->eof)
				close_conn(s, c);
			break;
		}
		ask(s, c, &r);
		conn_consume(c, used);
	}
	busy = outer;
	set_events(s, c);
}

static void serve(struct server *s, struct conn *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		enum conn_io io = conn_read(c);
		if (io == CONN_IO_END)
			c->eof = true;
		/* hung up on both sides: nobody is there to answer */
		if (events & (EPOLLHUP | EPOLLERR) && io != CONN_IO_SOME && (c->waiting || !c->in_n)) {
			close_conn(s, c);
			return;
		}
	}
	work(s, c);
}

/* ---- listening ---- */

static void set_listening(struct server *s, bool on)
{
	for (size_t i = 0; i < s->n_listeners && s->listening != on; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &about_listener };
		if (epoll_ctl(s->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listeners[i].fd, &e) != 0)
			log_error("epoll: %m");
	}
	s->listening = on;
}

static void add_conn(struct server *s, int fd)
{
	struct conn *c = xalloc(sizeof *c);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = fd;
	c->events = e.events;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
		close(fd);
		free(c);
		return;
	}
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	s->n_conns++;
	s->counts.connections++;
}

static void accept_all(struct server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		while (s->n_conns < (size_t)s->config->policyd_max_connections) {
			int fd = accept4(s->listeners[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd >= 0) {
				add_conn(s, fd);
				continue;
			}
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
				if (log_limited(&s->accept_limit, "no descriptors for new connections"))
					log_warning("cannot take more connections: %m; raise LimitNOFILE, %zu are open", s->n_conns);
				s->accept_pause_until_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
			}
			break;
		}
	}
}

static void regulate_listening(struct server *s)
{
	bool room = s->n_conns < (size_t)s->config->policyd_max_connections &&
		clock_mono_ms() >= s->accept_pause_until_ms && !s->stop;

	if (!room && s->listening && s->n_conns >= (size_t)s->config->policyd_max_connections &&
	    log_limited(&s->accept_limit, "policyd.max-connections reached"))
		log_warning("policyd.max-connections (%zu) are open; others wait", s->n_conns);
	set_listening(s, room);
}

static bool open_listeners(struct server *s, struct err *err)
{
	for (size_t i = 0; i < s->config->policyd_listen.n; i++) {
		const char *endpoint = s->config->policyd_listen.v[i];
		int fd = listen_open(endpoint, (unsigned)s->config->policyd_socket_mode, err);
		if (fd < 0)
			return false;
		s->listeners[s->n_listeners].fd = fd;
		s->listeners[s->n_listeners++].endpoint = endpoint;
		log_info("listening on %s", endpoint);
	}
	return true;
}

/* ---- signals ---- */

static void reload(struct server *s)
{
	struct config *next = xalloc(sizeof *next);
	struct err err;

	cli_notify("RELOADING=1");
	if (config_load(s->args, next, &err)) {
		config_reload(s->config, next);
		store_set_timeout(s->store, s->config->policyd_deadline_ms);
		log_info("reloaded");
	} else {
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
		} else if (!s->stop) {
			cli_notify("STOPPING=1");
			s->stop = true;
			s->drain_until_ms = clock_mono_ms() + SERVER_DRAIN_MS;
		}
	}
}

static bool open_epoll(struct server *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &about_signals };

	s->signals = cli_signals();
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	return s->signals >= 0 && s->epoll >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &e) == 0;
}

/* ---- the loop ---- */

/* Writes this turn's questions at once, and tells epoll what the store waits for. */
static void attend_store(struct server *s)
{
	store_service(s->store, 0);
	struct epoll_event e = { .data.ptr = &about_store };
	short events = store_events(s->store);
	int fd = store_fd(s->store);
	e.events = (events & POLLIN ? (uint32_t)EPOLLIN : 0) | (events & POLLOUT ? (uint32_t)EPOLLOUT : 0);
	if (store_generation(s->store) != s->store_generation) {
		s->store_generation = store_generation(s->store);
		s->store_events = e.events;
		/* the old descriptor was closed, and left epoll with that */
		if (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0 && errno == EEXIST)
			(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
	} else if (fd >= 0 && e.events != s->store_events) {
		s->store_events = e.events;
		(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
	}
}

static int wait_ms(const struct server *s)
{
	int ms = store_timeout_ms(s->store);

	if (!s->listening || s->stop)
		ms = ms < 0 || ms > 100 ? 100 : ms;
	return ms;
}

static short poll_bits(uint32_t events)
{
	return (short)((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0) |
		(events & EPOLLERR ? POLLERR : 0) | (events & EPOLLHUP ? POLLHUP : 0));
}

static void turn(struct server *s)
{
	struct epoll_event events[EVENTS_MAX];

	attend_store(s);
	regulate_listening(s);
	int n = epoll_wait(s->epoll, events, EVENTS_MAX, wait_ms(s));
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &about_signals)
			take_signals(s);
		else if (events[i].data.ptr == &about_store)
			store_service(s->store, poll_bits(events[i].events));
		else if (events[i].data.ptr == &about_listener)
			accept_all(s);
		else
			serve(s, events[i].data.ptr, events[i].events);
	}
	bury_dead(s);
}

static bool drained(const struct server *s)
{
	bool busy = s->n_waiting > 0;

	for (const struct conn *c = s->conns; c && !busy; c = c->next)
		busy = c->out_n > 0;
	return !busy || clock_mono_ms() >= s->drain_until_ms;
}

static void close_listeners(struct server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		listen_close(s->listeners[i].fd, s->listeners[i].endpoint);
	s->n_listeners = 0;
}

static void finish(struct server *s)
{
	close_listeners(s);
	store_free(s->store); /* answers what is still asked, with nothing */
	while (s->conns)
		close_conn(s, s->conns);
	bury_dead(s);
	if (s->signals >= 0)
		close(s->signals);
	if (s->epoll >= 0)
		close(s->epoll);
	log_info("stopped: connections=%llu requests=%llu rejected=%llu would-reject=%llu parole=%llu store-failures=%llu malformed=%llu",
		(unsigned long long)s->counts.connections, (unsigned long long)s->counts.requests,
		(unsigned long long)s->counts.rejected, (unsigned long long)s->counts.would_reject, (unsigned long long)s->counts.parole,
		(unsigned long long)s->counts.store_failures, (unsigned long long)s->counts.malformed);
}

int server_run(struct config *config, const struct config_args *args)
{
	struct server s = { .config = config, .args = args, .signals = -1, .epoll = -1,
		.address_options = config_address_options(config) };
	struct err err = { "cannot take signals" };
	int code = EXIT_OK;

	s.store = store_redis(config);
	store_set_timeout(s.store, config->policyd_deadline_ms);
	if (!open_epoll(&s) || !open_listeners(&s, &err)) {
		log_fatal("%s", err.text);
		code = EXIT_CONFIG;
	} else {
		set_listening(&s, true);
		cli_notify("READY=1");
		while (!s.stop)
			turn(&s);
		log_info("draining: %zu connections, %zu questions", s.n_conns, s.n_waiting);
		set_listening(&s, false);
		close_listeners(&s);
		while (!drained(&s))
			turn(&s);
	}
	finish(&s);
	return code;
}
