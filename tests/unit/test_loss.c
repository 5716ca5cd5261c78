#include "test.h"

#include "loss.h"

/* A line of the log, and how many lines it says are lost; -1: it does not. */
static const struct {
	const char *name, *process, *message;
	int64_t lines;
} table[] = {
	{ "journald", "systemd-journald", "Suppressed 1234 messages from postfix.service", 1234 },
	{ "a cgroup", "systemd-journald", "Suppressed 7 messages from /system.slice/system-postfix.slice/postfix@-.service", 7 },
	{ "name cut", "systemd-journal", "Suppressed 2 messages from exim4.service", 2 },
	{ "of one who has logged in", "systemd-journald", "Suppressed 7 messages from session-2.scope", -1 },
	{ "of a user's own services", "systemd-journald", "Suppressed 7 messages from user@1000.service", -1 },
	{ "no service", "journal", "Suppressed 2 messages from /init.scope", 2 },
	{ "in a container", "systemd-journald", "Suppressed 9 messages from docker.service", 9 },
	{ "another service", "systemd-journald", "Suppressed 9 messages from nginx.service", -1 },
	{ "to syslog", "systemd-journald", "Forwarding to syslog missed 12 messages.", 12 },
	{ "the kernel's", "systemd-journald", "Missed 12 kernel messages", -1 },
	{ "no number", "systemd-journald", "Suppressed messages from postfix.service", -1 },
	{ "many", "systemd-journald", "Suppressed 99999999999999999999999999 messages from postfix.service", LOSS_LINES_MAX },
	{ "begins", "rsyslogd", "imjournal: begin to drop messages due to rate-limiting", 0 },
	{ "ends", "rsyslogd", "imjournal: 1234 messages lost due to rate-limiting (20000 allowed within 600 seconds)", 1234 },
	{ "a process", "rsyslogd", "imuxsock[pid: 42, name: /usr/lib/postfix/sbin/smtp]: 123 messages lost due to rate-limiting (200 allowed within 5 seconds)", 123 },
	{ "its name", "rsyslogd", "imuxsock[pid: 42, name: smtp] from <postfix/smtp:42>: begin to drop messages due to rate-limiting", 0 },
	{ "old", "rsyslogd-2177", "imuxsock lost 77 messages from pid 42 due to rate-limiting", 77 },
	{ "other words", "rsyslogd", "[origin software=\"rsyslogd\"] start", -1 },
	{ "not at its beginning", "rsyslogd", "action 'x' said: imjournal: begin to drop messages due to rate-limiting", -1 },
	{ "empty", "rsyslogd", "", -1 },
	{ "cut", "rsyslogd", "imuxsock[pid: 42", -1 },
	/* strangers' words */
	{ "a reply", "postfix/smtp", "4F5C6: to=<a@b.example>, status=deferred (Suppressed 1234 messages from postfix.service)", -1 },
	{ "a reply alone", "postfix/smtp", "Suppressed 1234 messages from postfix.service", -1 },
	{ "Exim", "exim", "imjournal: begin to drop messages due to rate-limiting", -1 },
	{ "a name of theirs", "postfix/rsyslogd", "imjournal: begin to drop messages due to rate-limiting", -1 },
};

static void notices(void **state)
{
	(void)state;
	EACH(row, table) {
		struct line line = { .process = sv_of(row->process), .message = sv_of(row->message) };
		int64_t lines = -1;
		bool told = loss_told(&line, &lines);
		WANT_INT(told ? lines : -1, row->lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(notices) };

	return RUN(tests);
}
