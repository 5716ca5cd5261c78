/* doctor: can Postfix reach the sockets that it names: those of its questions, and those of its tables. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor_postfix_parts.h"

/* ---- can it reach the socket ---- */

static const char *advise_rights(const struct postfix *p, const struct obstacle *o, char *room, size_t size)
{
	char parent[PATH_MAX];

	(void)snprintf(parent, sizeof parent, "%s", o->path);
	char *slash = strrchr(parent, '/');
	bool nixies = sv_eq(sv_after_last(sv_of(o->path), '/'), SV("nixie"));
	if (slash && slash > parent)
		*slash = '\0';
	if (!o->path[0])
		(void)snprintf(room, size, "the modes allow it: look for access lists (getfacl) and for AppArmor or SELinux (dmesg)");
	else if (o->last)
		(void)snprintf(room, size, "chgrp %s %s && chmod g+s %s; policyd.socket-mode = \"0660\" in nixie.conf; then systemctl restart nixie-policyd", p->owner,
			parent, parent);
	else if (nixies || o->error == ENOENT)
		(void)snprintf(room, size, "install -d -o nixie -g %s -m 2750 %s, then systemctl restart nixie-policyd", p->owner, o->path);
	else
		(void)snprintf(room, size, "chmod o+x %s", o->path);
	return room;
}

void doctor_postfix_socket(struct postfix *p, const char *check, const char *what, const struct reach *reach)
{
	struct obstacle o;
	struct err err;
	char advice[3 * PATH_MAX], path[PATH_MAX];

	reach_path(reach, path);
	if (!reach_try(reach, &o, &err)) {
		doctor_tell(p->d, FINDING_WARNING, check, "postconf mail_owner: is this the user of Postfix?", "%s", err.text);
		return;
	}
	if (o.error == ECONNREFUSED || (o.error == ENOENT && o.last))
		return; /* that nobody listens is told already */
	const char *how = o.guessed ? " (by the modes; as root it is tried)" : "";
	if (o.error == 0 && !p->told_socket)
		doctor_tell(p->d, FINDING_OK, check, "", "user %s reaches %s%s%s", p->owner, path, reach->root ? ", also in the chroot" : "", how);
	else if (o.error == ENOENT)
		doctor_tell(p->d, FINDING_ERROR, check, advise_rights(p, &o, advice, sizeof advice), "%s: there is no directory %s", what, o.path);
	else if (o.error == EACCES && o.path[0])
		doctor_tell(p->d, FINDING_ERROR, check, advise_rights(p, &o, advice, sizeof advice),
			"%s: user %s may not %s %s, which has mode %04o%s", what, p->owner, o.last ? "write to" : "enter", o.path, o.mode, how);
	else if (o.error)
		doctor_tell(p->d, FINDING_ERROR, check, advise_rights(p, &o, advice, sizeof advice), "%s: user %s cannot connect to %s: %s", what, p->owner,
			path, strerror(o.error));
	p->told_socket = true;
}

/* ---- maps ---- */

/* "socketmap:unix:nixie/maps:transport" of a parameter. */
static void check_map(struct postfix *p, const char *parameter, struct sv value)
{
	static const struct sv begin = { "socketmap:", 10 };
	size_t at = sv_find_sv(value, begin), n = 0;
	char endpoint[CONFIG_STRING_MAX], advice[PATH_MAX + 128], path[PATH_MAX];

	if (at == value.n)
		return;
	struct sv rest = sv_skip(value, at + begin.n);
	while (n < rest.n && !strchr(" ,\t}", rest.p[n]))
		n++;
	struct sv named = sv_head(rest, n);
	named = sv_head(named, named.n - sv_after_last(named, ':').n - 1); /* without the map's name */
	bool ours = doctor_postfix_is_one_of(p, &p->d->config->policyd_maps, false, named);
	if (!ours && sv_find_sv(named, SV("nixie")) == named.n)
		return;
	bool local = sv_take(&named, SV("unix:"));
	(void)snprintf(endpoint, sizeof endpoint, "%.*s", SV_ARG(named));
	const struct reach reach = doctor_postfix_reach(p, false, endpoint);
	reach_path(&reach, path);
	if (!ours) {
		(void)snprintf(advice, sizeof advice, "in nixie.conf: policyd: { maps = [ \"%s%s\" ]; }; then restart nixie-policyd", local ? "unix:" : "",
			local ? path : endpoint);
		doctor_tell(p->d, FINDING_ERROR, "maps", advice, "%s asks at %s, where nixie-policyd does not listen (policyd.maps): %s", parameter, path,
			sv_eq(sv_of(parameter), SV("transport_maps")) ? "all mail waits" : "it is as if it were not there");
		return;
	}
	p->told_socket = false;
	if (local)
		doctor_postfix_socket(p, "maps", parameter, &reach);
}

void doctor_postfix_maps(struct postfix *p)
{
	static const char *const parameters[] = { "transport_maps", "smtp_delivery_status_filter", "smtpd_recipient_restrictions" };
	bool used = false;

	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
		struct sv value = mailer_value(&p->mailer, parameters[i]);
		used = used || sv_find_sv(value, SV("socketmap:")) < value.n;
		check_map(p, parameters[i], value);
	}
	if (p->d->config->policyd_maps.n && !used)
		doctor_tell(p->d, FINDING_OK, "maps", "", "Postfix asks none of policyd.maps: neither transport_maps nor another table names it");
}
