/* doctor_postfix_parts: what the files about Postfix share. Only for doctor_postfix*.c. */
#ifndef NIXIE_DOCTOR_POSTFIX_PARTS_H
#define NIXIE_DOCTOR_POSTFIX_PARTS_H

#include "doctor.h"
#include "mailer.h"
#include "reach.h"

#define VALUE_MAX 4096

/* Who is asked, the higher the more it is ours. */
enum whose {
	ASKS_NOBODY, /* that we know: another one's service, which may well be there */
	ASKS_DEAD,   /* another one's, or meant for us: nothing answers */
	ASKS_MEANT,  /* meant for nixie-policyd, by its name, or where the chroot hides it */
	ASKS_OURS,
};

/* What an smtpd asks. */
struct asks {
	const struct mailer_service *service;
	const char *list; /* where it asks, or should */
	struct sv value; /* of the list */
	bool overridden;
	enum whose whose;
	bool early;      /* ours, and asked before there is a recipient */
	struct mailer_question question;
	struct mailer_walk walk; /* where the question is */
};

struct postfix {
	struct doctor *d;
	struct mailer mailer;
	char queue[CONFIG_STRING_MAX], owner[64];
	size_t asking; /* services that ask */
	const char *told_list; /* of the question that was told last */
	struct sv told_question;
	bool told_socket;
};

/* A socket as a service of Postfix sees it. path is borrowed. */
struct reach doctor_postfix_reach(const struct postfix *p, bool chroot, const char *path);
/* Is what Postfix names one of these endpoints of nixie.conf? */
bool doctor_postfix_is_one_of(const struct postfix *p, const struct strings *endpoints, bool chroot, struct sv named);

/* doctor_postfix_edit.c: the list with our question first, as a command. Returns room. */
const char *doctor_postfix_advise(struct postfix *p, const struct asks *a, char *room, size_t size);

/* doctor_postfix_sockets.c: what: the line of Postfix that names the socket. */
void doctor_postfix_socket(struct postfix *p, const char *check, const char *what, const struct reach *reach);
/* Those of the tables that nixie-policyd can be. */
void doctor_postfix_maps(struct postfix *p);

#endif
