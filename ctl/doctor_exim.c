/* doctor: does Exim ask nixie-policyd, and does nixie-logtail read its log. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "doctor.h"
#include "program.h"
#include "reach.h"

#define EXIM_USER "Debian-exim"

/* Of `exim -bP NAME`: "NAME = VALUE". */
static struct sv value_of(struct arena *arena, const char *const *argv)
{
	struct sv said, line;
	struct err err;

	if (!program_output(arena, argv, &said, &err))
		return SV("");
	line = sv_cut(&said, '\n');
	(void)sv_cut(&line, '=');
	return sv_trim(line);
}

static void check_question(struct doctor *d, struct sv config)
{
	static const char advice[] = "include contrib/exim/nixie-acl.conf in the ACL that acl_smtp_rcpt names, before the first accept: contrib/exim/README.md";
	char path[CONFIG_STRING_MAX];
	struct obstacle o;
	struct err err;

	if (sv_find_sv(config, SV("readsocket")) == config.n) {
		doctor_tell(d, FINDING_WARNING, "exim", advice, "its configuration asks no policy service: mail to suppressed addresses is accepted");
		return;
	}
	for (size_t i = 0; i < d->config->policyd_listen.n; i++) {
		struct sv listen = sv_of(d->config->policyd_listen.v[i]);
		if (!sv_take(&listen, SV("unix:")) || sv_find_sv(config, listen) == config.n)
			continue;
		(void)snprintf(path, sizeof path, "%.*s", SV_ARG(listen));
		const struct reach reach = { .user = EXIM_USER, .path = path, .how = REACH_CONNECT };
		if (reach_try(&reach, &o, &err) && o.error == EACCES)
			doctor_tell(d, FINDING_ERROR, "exim", "a directory that user " EXIM_USER " may enter, and policyd.socket-mode = \"0666\" or its group",
				"user " EXIM_USER " may not connect to %s%s%s", path, o.path[0] ? ": the rights are missing at " : "", o.path);
		else
			doctor_tell(d, FINDING_OK, "exim", "", "asks at %s", path);
		return;
	}
	doctor_tell(d, FINDING_ERROR, "exim", "set NIXIE_SOCKET in Exim's configuration to the path of a socket of policyd.listen",
		"its configuration asks at a socket where nixie-policyd does not listen (policyd.listen)");
}

static void check_log(struct doctor *d, struct sv pattern, struct sv selector)
{
	char path[2 * CONFIG_STRING_MAX], advice[2 * CONFIG_STRING_MAX + 128];
	size_t at = sv_find_sv(pattern, SV("%s"));
	struct sv first = sv_head(pattern, sv_find(pattern, ':'));

	at = sv_find_sv(first, SV("%s"));
	if (at < first.n) {
		(void)snprintf(path, sizeof path, "%.*smain%.*s", SV_ARG(sv_head(first, at)), SV_ARG(sv_skip(first, at + 2)));
		(void)snprintf(advice, sizeof advice, "in nixie.conf: logtail: { files = [ \"%s\" ]; }; then restart nixie-logtail", path);
		bool reads = doctor_reads(d->config, path);
		doctor_tell(d, reads ? FINDING_OK : FINDING_ERROR, "maillog", reads ? "" : advice, "Exim logs into %s, which %s", path,
			reads ? "nixie-logtail reads" : "logtail.files does not name");
	}
	if (sv_find_sv(selector, SV("+received_recipients")) == selector.n && sv_find_sv(selector, SV("+all")) == selector.n)
		doctor_tell(d, FINDING_WARNING, "maillog", "log_selector = +received_recipients +sender_on_delivery (Debian: MAIN_LOG_SELECTOR)",
			"Exim does not log how many recipients a message has: a refusal behind DATA that names nobody suppresses nobody");
}

void doctor_exim(struct doctor *d, const char *file)
{
	const char *program = program_exists("exim4") ? "exim4" : "exim", *option = file ? "-C" : "-bP";
	const char *const config[] = { program, option, file ? file : "config", file ? "-bP" : NULL, "config", NULL };
	const char *const log[] = { program, option, file ? file : "log_file_path", file ? "-bP" : NULL, "log_file_path", NULL };
	const char *const selector[] = { program, option, file ? file : "log_selector", file ? "-bP" : NULL, "log_selector", NULL };
	struct arena arena = { 0 };
	struct sv text;
	struct err err;

	if (!program_exists(program)) {
		doctor_tell(d, file ? FINDING_ERROR : FINDING_OK, "exim", file ? "apt install exim4-daemon-light" : "", "none is installed on this host");
		return;
	}
	if (program_output(&arena, config, &text, &err)) {
		check_question(d, text);
		check_log(d, value_of(&arena, log), value_of(&arena, selector));
	} else {
		doctor_tell(d, FINDING_ERROR, "exim", "exim4 -bV tells what is wrong; as another user than root it shows no more than that",
			"the configuration cannot be read: %s", err.text);
	}
	arena_free(&arena);
}
