/* tls: encrypted connections, by OpenSSL; its only includer.
 *
 * TLS 1.2 and later, over a connected socket that does not block. The other side
 * must show a certificate that the CA vouches for, and that is for the name it was
 * connected by. Built without OpenSSL nothing here works, and says so: nobody
 * gets a connection in the clear who asked for another. */
#ifndef NIXIE_TLS_H
#define NIXIE_TLS_H

#include "sv.h"

/* A record is read in one piece: what is left over waits in the socket, where poll(2) sees it. */
#define TLS_RECORD_MAX 16384

struct tls;         /* whom to trust, and who we are */
struct tls_session; /* a connection */

struct tls_options {
	const char *ca_file;              /* "": those that the system trusts */
	const char *cert_file, *key_file; /* "": we show none */
	const char *server_name;          /* "": the host of the address */
};

enum tls_result {
	TLS_DONE,
	TLS_AGAIN,  /* when the socket is as tls_events() says */
	TLS_CLOSED, /* by the other side */
	TLS_FAILED, /* tls_error() */
};

/* Built with OpenSSL? */
bool tls_supported(void);

/* Always something; what is wrong with the files is in tls_problem() and in every session. */
struct tls *tls_new(const struct tls_options *options);
void tls_free(struct tls *tls);
const char *tls_problem(const struct tls *tls); /* with what to do; "": nothing */

/* The descriptor stays the caller's. host: of the address. */
struct tls_session *tls_open(struct tls *tls, int fd, const char *host);
void tls_close(struct tls_session *session);
enum tls_result tls_handshake(struct tls_session *session);
enum tls_result tls_read(struct tls_session *session, char to[TLS_RECORD_MAX], size_t *n_r);
/* At least some of it, when TLS_DONE. */
enum tls_result tls_write(struct tls_session *session, struct sv bytes, size_t *n_r);
/* What to poll for: to be read from, and with output to be written to, unless TLS itself wants another thing first. */
short tls_events(const struct tls_session *session, bool output);
const char *tls_error(const struct tls_session *session); /* with what to do, perhaps; "": nothing */

#endif
