/* activation: sockets that systemd, or another who starts us, has opened (sd_listen_fds(3)).
 *
 * They are descriptors 3, 4, ...; LISTEN_FDS says how many, LISTEN_PID for whom, LISTEN_FDNAMES
 * what each is for. Such a socket is listened on in place of those of the configuration that are for the
 * same; its file belongs to who made it, and stays. */
#ifndef NIXIE_ACTIVATION_H
#define NIXIE_ACTIVATION_H

#include <sys/types.h>

#include "err.h"

#define ACTIVATION_FIRST_FD 3
#define ACTIVATION_MAX 16
#define ACTIVATION_NAME_MAX 256 /* as systemd.socket(5) has it */

struct activation {
	size_t n; /* 0: none was passed */
	struct {
		int fd;
		char name[ACTIVATION_NAME_MAX];
	} v[ACTIVATION_MAX];
};

/* What the three variables say; each may be NULL. pid: ours; meant for another process is for nobody here. False: they make
 * no sense. Pure. */
bool activation_parse(const char *listen_pid, const char *listen_fds, const char *listen_fdnames, pid_t pid,
	struct activation *activation_r, struct err *err) NIXIE_MUST_CHECK;

/* The same of the environment, which they are taken out of. Each must be a stream socket that is listened on,
 * and have one of these names (NULL-ended); they become non-blocking and are closed by exec. */
bool activation_take(const char *const *names, struct activation *activation_r, struct err *err) NIXIE_MUST_CHECK;

#endif
