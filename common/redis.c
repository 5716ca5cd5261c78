#include "redis.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "redis_value.h"

/* Redis 7 takes INT_MAX arguments */
#define ARGC_MAX ((size_t)INT_MAX)
#define TOLD_MS 60000

enum state { STATE_DOWN, STATE_CONNECTING, STATE_SECURING, STATE_GREETING, STATE_READY };

struct question {
	redis_callback *callback; /* NULL: answered by the clock already, the reply is dropped */
	void *arg;
	int64_t asked_ms;
};

struct redis {
	struct redis_options options;
	char *host; /* of options.address, terminated */
	int port;   /* 0: Unix socket */
	redisContext *context;
	struct tls_session *session; /* NULL: in the clear */
	struct arena answer; /* the one that is being read */
	struct { char *p; size_t n, done, size; } out; /* of a session; else hiredis has it */
	enum state state;
	struct question *queue; /* a ring */
	size_t head, n, size;   /* size: a power of two */
	size_t overdue;         /* questions from head on that were answered by the clock */
	int64_t retry_ms, retry_pause_ms;
	unsigned generation;
	unsigned watched_generation; /* of the descriptor that epoll has, and its events */
	short watched;
	bool output; /* bytes to write */
	bool in_service;
	bool doomed; /* to be dropped when the callbacks have returned */
	bool spent;  /* was lost, and is not made anew */
	bool hung;   /* an answer was overdue when it was given up, and it has not been ready since */
	bool waited_for; /* somebody waits, and will tell what is wrong */
	struct log_limit limit;
	char problem[512], told[512]; /* told: the last that was logged, then */
	int64_t told_ms;
};

/* ---- questions ---- */

static struct question *question_at(struct redis *r, size_t i)
{
	return &r->queue[(r->head + i) & (r->size - 1)];
}

static void push(struct redis *r, redis_callback *callback, void *arg)
{
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 256;
		struct question *queue = xalloc(size * sizeof *queue);
		for (size_t i = 0; i < r->n; i++)
			queue[i] = *question_at(r, i);
		free(r->queue);
		r->queue = queue;
		r->size = size;
		r->head = 0;
	}
	*question_at(r, r->n++) = (struct question){ callback, arg, clock_mono_ms() };
}

static struct question pop(struct redis *r)
{
	struct question q = *question_at(r, 0);

	r->head = (r->head + 1) & (r->size - 1);
	r->n--;
	if (r->overdue)
		r->overdue--;
	return q;
}

static void answer_all_with_nothing(struct redis *r)
{
	while (r->n) {
		struct question q = pop(r);
		if (q.callback)
			q.callback(q.arg, NULL);
	}
}

/* ---- connection ---- */

static void note_problem(struct redis *r, const char *what, const char *advice)
{
	(void)snprintf(r->problem, sizeof r->problem, "%s at %s: %s%s%s", r->options.name, r->options.address, what,
		*advice ? "; " : "", advice);
}

/* The same once a minute. */
static bool is_news(struct redis *r)
{
	int64_t now_ms = clock_mono_ms();

	if (r->told_ms && now_ms - r->told_ms < TOLD_MS && strcmp(r->told, r->problem) == 0)
		return false;
	memcpy(r->told, r->problem, sizeof r->told);
	r->told_ms = now_ms;
	return log_limited(&r->limit, "Redis connection problems");
}

static void hang_up(struct redis *r)
{
	tls_close(r->session);
	if (r->context)
		redisFree(r->context);
	arena_reset(&r->answer);
	r->session = NULL;
	r->context = NULL;
	r->out.n = r->out.done = 0;
}

static void drop(struct redis *r)
{
	bool was_ready = r->state == STATE_READY;

	hang_up(r);
	r->state = STATE_DOWN;
	r->output = false;
	r->doomed = false;
	r->spent = r->options.once;
	r->hung |= r->overdue > 0;
	r->generation++;
	if (was_ready)
		r->retry_pause_ms = 0;
	/* jitter, so that the daemons of a fleet do not come back all at once */
	r->retry_ms = clock_mono_ms() + r->retry_pause_ms + (r->retry_pause_ms ? rand() % r->retry_pause_ms : 0);
	r->retry_pause_ms = r->retry_pause_ms ? r->retry_pause_ms * 2 : REDIS_RETRY_MIN_MS;
	if (r->retry_pause_ms > REDIS_RETRY_MAX_MS)
		r->retry_pause_ms = REDIS_RETRY_MAX_MS;
	if (!r->waited_for && !r->options.quiet && is_news(r))
		log_warning("%s", r->problem);
	answer_all_with_nothing(r);
	if (r->options.lost)
		r->options.lost(r->options.arg);
}

static void drop_broken(struct redis *r, const char *what)
{
	bool denied = strcmp(what, strerror(EACCES)) == 0, greeted = r->state == STATE_GREETING;

	note_problem(r, what, denied ? "use sudo, or join the group that may use the socket (nixie)" :
		greeted && r->port && !r->session ? "is redis.address right, or is that a port for TLS (redis.tls)?" :
		"is redis-server running, and is redis.address right?");
	drop(r);
}

static void on_auth(void *arg, const struct value *reply)
{
	struct redis *r = arg;

	if (!reply)
		return;
	if (value_type(reply) == VALUE_ERROR)
		redis_reject(r, "%.*s; check redis.user, redis.password and redis.database", SV_ARG(value_text(reply)));
}

static size_t digits_of(size_t n)
{
	size_t digits = 1;

	while (n /= 10)
		digits++;
	return digits;
}

/* "$12\r\n"; returns what is behind it */
static char *put_length(char *to, char type, size_t n)
{
	size_t digits = digits_of(n);

	*to++ = type;
	for (size_t i = digits; i-- > 0; n /= 10)
		to[i] = (char)('0' + n % 10);
	to[digits] = '\r';
	to[digits + 1] = '\n';
	return to + digits + 2;
}

static void put_out(struct redis *r, const char *bytes, size_t n)
{
	while (r->out.size - r->out.n < n)
		r->out.p = xgrow(r->out.p, r->out.size, &r->out.size, 1);
	memcpy(r->out.p + r->out.n, bytes, n);
	r->out.n += n;
}

/* The command as Redis reads it (RESP): a batch has thousands of words, for which hiredis' own formatter takes long. */
static void send_raw(struct redis *r, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	size_t n = 3 + digits_of(argc);

	for (size_t i = 0; i < argc; i++)
		n += 5 + digits_of(argv[i].n) + argv[i].n;
	char *bytes = xalloc(n), *to = put_length(bytes, '*', argc);
	for (size_t i = 0; i < argc; i++) {
		to = put_length(to, '$', argv[i].n);
		if (argv[i].n)
			memcpy(to, argv[i].p, argv[i].n);
		to += argv[i].n;
		*to++ = '\r';
		*to++ = '\n';
	}
	push(r, callback, arg);
	if (r->session)
		put_out(r, bytes, n);
	else if (redisAppendFormattedCommand(r->context, bytes, n) != REDIS_OK)
		r->doomed = true;
	r->output = true;
	free(bytes);
}

static void greet(struct redis *r)
{
	char number[24];

	r->state = STATE_GREETING;
	if (r->options.password[0]) {
		struct sv argv[] = { SV("AUTH"), sv_of(r->options.user), sv_of(r->options.password) };
		if (r->options.user[0]) {
			send_raw(r, 3, argv, on_auth, r);
		} else {
			argv[1] = argv[2];
			send_raw(r, 2, argv, on_auth, r);
		}
	}
	if (r->options.database) {
		(void)snprintf(number, sizeof number, "%lld", (long long)r->options.database);
		struct sv argv[] = { SV("SELECT"), sv_of(number) };
		send_raw(r, 2, argv, on_auth, r);
	}
	if (r->options.greeting)
		r->options.greeting(r->options.arg);
	else
		redis_ready_now(r);
}

static void dial(struct redis *r)
{
	r->context = r->port ? redisConnectNonBlock(r->host, r->port) : redisConnectUnixNonBlock(r->host);
	r->generation++;
	if (!r->context || r->context->err) {
		char what[160];
		(void)snprintf(what, sizeof what, "%s", r->context ? r->context->errstr : "out of memory");
		drop_broken(r, what);
		return;
	}
	(void)fcntl(r->context->fd, F_SETFD, FD_CLOEXEC); /* a program that is executed makes its own */
	values_read(r->context->reader, &r->answer);
	r->state = STATE_CONNECTING;
	r->retry_ms = clock_mono_ms(); /* since when it is connecting */
}

static bool parse_endpoint(struct redis *r)
{
	struct sv a = sv_of(r->options.address);
	uint64_t port = 0;
	size_t colon = a.n;

	r->host = xalloc(a.n + 1);
	if (sv_take(&a, SV("unix:"))) {
		memcpy(r->host, a.p, a.n);
		return true;
	}
	if (!sv_take(&a, SV("inet:")))
		return false;
	colon = a.n;
	while (colon > 0 && a.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !sv_u64(sv_skip(a, colon), 65535, &port))
		return false;
	struct sv host = sv_head(a, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') /* [::1] */
		host = sv_make(host.p + 1, host.n - 2);
	memcpy(r->host, host.p, host.n);
	r->port = (int)port;
	return true;
}

struct redis *redis_new(const struct redis_options *options)
{
	struct redis *r = xalloc(sizeof *r);

	r->options = *options;
	if (!r->options.name)
		r->options.name = "Redis";
	if (!parse_endpoint(r))
		note_problem(r, "not an address", "write unix:PATH or inet:HOST:PORT");
	return r;
}

void redis_free(struct redis *r)
{
	if (!r)
		return;
	answer_all_with_nothing(r);
	hang_up(r);
	arena_free(&r->answer);
	free(r->out.p);
	free(r->queue);
	free(r->host);
	free(r);
}

bool redis_is_ready(const struct redis *r)
{
	return r->state == STATE_READY;
}

void redis_ready_now(struct redis *r)
{
	if (r->state != STATE_GREETING)
		return;
	r->state = STATE_READY;
	r->hung = false;
	if (r->problem[0] && !r->options.quiet)
		log_info("%s at %s: connected", r->options.name, r->options.address);
	r->problem[0] = '\0';
}

void redis_reject(struct redis *r, const char *format, ...)
{
	char what[384];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(what, sizeof what, format, ap);
	va_end(ap);
	note_problem(r, what, "");
	r->doomed = r->context != NULL;
}

const char *redis_address(const struct redis *r)
{
	return r->options.address;
}

const char *redis_problem(const struct redis *r)
{
	return r->problem;
}

void redis_set_timeout(struct redis *r, int64_t timeout_ms)
{
	r->options.timeout_ms = timeout_ms;
}

void redis_set_impatient(struct redis *r)
{
	r->options.impatient = true;
}

bool redis_command(struct redis *r, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	bool is_greeting = r->state == STATE_GREETING && r->in_service;
	bool hangs = r->options.impatient && (r->overdue || (r->hung && r->state != STATE_READY && !is_greeting));

	if ((r->state != STATE_READY && r->state != STATE_GREETING) || r->doomed || hangs || argc > ARGC_MAX) {
		callback(arg, NULL);
		return false;
	}
	send_raw(r, argc, argv, callback, arg);
	return true;
}

int redis_fd(const struct redis *r)
{
	return r->context ? r->context->fd : -1;
}

unsigned redis_generation(const struct redis *r)
{
	return r->generation;
}

void redis_watch(struct redis *r, int epoll, void *data)
{
	int fd = redis_fd(r);
	short events = redis_events(r);
	struct epoll_event e = { .data.ptr = data };

	e.events = (events & POLLIN ? (uint32_t)EPOLLIN : 0) | (events & POLLOUT ? (uint32_t)EPOLLOUT : 0);
	if (r->generation != r->watched_generation) {
		/* the old descriptor was closed, and left epoll with that */
		if (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0 && errno == EEXIST)
			(void)epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e);
	} else if (fd >= 0 && events != r->watched) {
		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e);
	}
	r->watched_generation = r->generation;
	r->watched = events;
}

short redis_revents(uint32_t e)
{
	return (short)((e & EPOLLIN ? POLLIN : 0) | (e & EPOLLOUT ? POLLOUT : 0) | (e & EPOLLERR ? POLLERR : 0) |
		(e & EPOLLHUP ? POLLHUP : 0));
}

short redis_events(const struct redis *r)
{
	if (!r->context)
		return 0;
	if (r->state == STATE_CONNECTING)
		return POLLOUT;
	if (r->session)
		return tls_events(r->session, r->output);
	return (short)(POLLIN | (r->output ? POLLOUT : 0));
}

int redis_timeout_ms(const struct redis *r)
{
	int64_t now_ms = clock_mono_ms(), at_ms;

	if (r->state == STATE_DOWN && r->spent)
		return -1;
	if (r->doomed && r->context)
		return 0;
	if (r->state == STATE_DOWN)
		at_ms = r->retry_ms;
	else if (r->state < STATE_GREETING)
		at_ms = r->retry_ms + r->options.timeout_ms;
	else if (r->n > r->overdue)
		at_ms = r->queue[(r->head + r->overdue) & (r->size - 1)].asked_ms + r->options.timeout_ms;
	else if (r->n)
		at_ms = r->queue[r->head].asked_ms + REDIS_STALL_FACTOR * r->options.timeout_ms;
	else
		return -1;
	int64_t wait_ms = at_ms - now_ms;
	return wait_ms < 0 ? 0 : wait_ms > 60000 ? 60000 : (int)wait_ms;
}

/* ---- service ---- */

static void drop_unencrypted(struct redis *r)
{
	note_problem(r, tls_error(r->session), "");
	drop(r);
}

static void secure(struct redis *r)
{
	switch (tls_handshake(r->session)) {
	case TLS_DONE:
		greet(r);
		break;
	case TLS_CLOSED:
		note_problem(r, "the connection was closed in the TLS handshake", "is that the port for TLS (tls-port)?");
		drop(r);
		break;
	case TLS_FAILED:
		drop_unencrypted(r);
		break;
	case TLS_AGAIN:
		break;
	}
}

static void finish_connecting(struct redis *r)
{
	int error = 0;
	socklen_t size = sizeof error;
	struct pollfd p = { r->context->fd, POLLOUT, 0 };

	if (poll(&p, 1, 0) == 0)
		return;
	if (getsockopt(r->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
		drop_broken(r, strerror(error ? error : errno));
		return;
	}
	r->context->flags |= REDIS_CONNECTED;
	if (r->options.tls) {
		r->session = tls_open(r->options.tls, r->context->fd, r->host);
		r->state = STATE_SECURING;
		secure(r);
	} else {
		greet(r);
	}
}

static bool write_encrypted(struct redis *r)
{
	enum tls_result result = TLS_DONE;
	size_t n;

	while (result == TLS_DONE && r->out.done < r->out.n) {
		result = tls_write(r->session, sv_make(r->out.p + r->out.done, r->out.n - r->out.done), &n);
		if (result == TLS_DONE)
			r->out.done += n;
	}
	if (r->out.done == r->out.n)
		r->out.done = r->out.n = 0;
	r->output = r->out.n > 0;
	return result == TLS_DONE || result == TLS_AGAIN;
}

static bool write_out(struct redis *r)
{
	int done = 0;

	if (r->session)
		return write_encrypted(r);
	if (redisBufferWrite(r->context, &done) != REDIS_OK)
		return false;
	r->output = !done;
	return true;
}

/* A record, or what the socket has. */
static bool read_in(struct redis *r)
{
	char record[TLS_RECORD_MAX];
	size_t n;

	if (!r->session)
		return redisBufferRead(r->context) == REDIS_OK;
	switch (tls_read(r->session, record, &n)) {
	case TLS_DONE:
		return redisReaderFeed(r->context->reader, record, n) == REDIS_OK;
	case TLS_AGAIN:
		return true;
	case TLS_CLOSED:
	case TLS_FAILED:
		break;
	}
	return false;
}

static const char *why_broken(const struct redis *r)
{
	return r->context->err ? r->context->errstr : r->session ? "Server closed the connection" : "unexpected answer";
}

static bool is_refusal(struct redis *r, const struct value *reply)
{
	if (!r->options.refusal || value_type(reply) != VALUE_ERROR || !r->options.refusal(r->options.arg, reply))
		return false;
	if (!r->doomed) /* nobody has said why */
		redis_reject(r, "%.*s", SV_ARG(value_text(reply)));
	return true;
}

static bool is_message(const struct redis *r, const struct value *v)
{
	return r->options.message && value_count(v) && sv_eq(value_text(value_at(v, 0)), SV("message"));
}

static void answer(struct redis *r, const struct value *reply)
{
	struct question q = pop(r);
	bool refused = is_refusal(r, reply);

	if (q.callback)
		q.callback(q.arg, refused ? NULL : reply);
}

static bool take_replies(struct redis *r)
{
	void *reply;

	while (redisGetReplyFromReader(r->context, &reply) == REDIS_OK && reply) {
		bool is_answer = !is_message(r, reply);
		if (is_answer && r->n == 0) /* to nothing: the server is not what we think */
			return false;
		if (is_answer)
			answer(r, reply);
		else
			r->options.message(r->options.arg, reply);
		arena_reset(&r->answer);
		if (r->doomed)
			return true;
	}
	return r->context->err == 0;
}

static void check_time(struct redis *r)
{
	int64_t now_ms = clock_mono_ms();

	if (r->state == STATE_DOWN) {
		if (now_ms >= r->retry_ms && !r->spent)
			dial(r);
		return;
	}
	if (r->state == STATE_CONNECTING || r->state == STATE_SECURING) {
		if (now_ms - r->retry_ms >= r->options.timeout_ms)
			drop_broken(r, r->state == STATE_SECURING ? "no TLS handshake within redis.timeout" : "no connection within redis.timeout");
		return;
	}
	while (r->overdue < r->n) {
		struct question *q = question_at(r, r->overdue);
		if (now_ms - q->asked_ms < r->options.timeout_ms)
			break;
		redis_callback *callback = q->callback;
		q->callback = NULL;
		r->overdue++;
		if (callback)
			callback(q->arg, NULL);
	}
	/* its late answer would be dropped, and the connection never be ready */
	if (r->state == STATE_GREETING && r->overdue) {
		note_problem(r, "does not answer within redis.timeout", "is it overloaded, or saving?");
		drop(r);
		return;
	}
	if (r->n && now_ms - question_at(r, 0)->asked_ms >= REDIS_STALL_FACTOR * r->options.timeout_ms) {
		note_problem(r, "no answer for a long time", "the connection is given up and made anew");
		drop(r);
	}
}

/* Whoever serves us may have been away for longer than the timeout: what came meanwhile is not late. */
static short look(const struct redis *r)
{
	struct pollfd p = { redis_fd(r), redis_events(r), 0 };

	return p.fd >= 0 && redis_timeout_ms(r) == 0 && poll(&p, 1, 0) > 0 ? p.revents : 0;
}

void redis_service(struct redis *r, short revents)
{
	if (r->in_service) /* a callback called us */
		return;
	r->in_service = true;
	if (!revents)
		revents = look(r);
	if (r->state == STATE_CONNECTING && (revents || r->port == 0))
		finish_connecting(r);
	else if (r->state == STATE_SECURING && revents)
		secure(r);
	if (r->state >= STATE_GREETING) {
		bool readable = revents & (POLLIN | POLLHUP | POLLERR) || (r->session && revents);
		bool ok = !readable || (read_in(r) && take_replies(r));
		if (ok && r->output && !r->doomed)
			ok = write_out(r);
		if (r->doomed)
			drop(r);
		else if (!ok && r->session && tls_error(r->session)[0])
			drop_unencrypted(r);
		else if (!ok)
			drop_broken(r, why_broken(r));
	}
	check_time(r);
	r->in_service = false;
}

/* One turn of waiting: at most limit_ms. */
static void turn(struct redis *r, int64_t limit_ms)
{
	redis_service(r, 0); /* writes what there is to write */
	struct pollfd p = { redis_fd(r), redis_events(r), 0 };
	int wait_ms = redis_timeout_ms(r);
	if (wait_ms < 0 || wait_ms > limit_ms)
		wait_ms = (int)limit_ms;
	(void)poll(&p, p.fd >= 0 ? 1 : 0, wait_ms);
	redis_service(r, p.revents);
}

void redis_wait(struct redis *r)
{
	while (r->n > r->overdue && r->context)
		turn(r, r->options.timeout_ms);
}

bool redis_wait_ready(struct redis *r, int64_t timeout_ms)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms, left_ms = timeout_ms;

	r->waited_for = true;
	while (r->state != STATE_READY && left_ms >= 0) {
		turn(r, left_ms);
		if (r->state == STATE_DOWN) /* refused: waiting on is the caller's decision */
			break;
		left_ms = end_ms - clock_mono_ms();
	}
	r->waited_for = false;
	return r->state == STATE_READY;
}
