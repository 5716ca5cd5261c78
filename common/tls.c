#include "tls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"

#define PROBLEM_MAX 512

#ifdef NIXIE_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tls {
	SSL_CTX *ctx;
	char problem[PROBLEM_MAX];
	char server_name[256];
};

struct tls_session {
	struct tls *tls;
	SSL *ssl;
	/* what the last reading or writing waits for that is not what its name says */
	bool read_wants_out, write_wants_in, handshake_wants_out;
	char error[PROBLEM_MAX];
};

bool tls_supported(void)
{
	return true;
}

/* ---- whom to trust ---- */

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "no reason given";
}

static void blame(struct tls *t, const char *option, const char *path)
{
	if (!t->problem[0])
		(void)snprintf(t->problem, sizeof t->problem, "%s: \"%.200s\": %s; it must be a PEM file that this user may read", option, path, reason());
}

/* A key with a passphrase is of no use to a daemon: nobody is asked for it. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return 0;
}

static void load(struct tls *t, const struct tls_options *o)
{
	SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
	if (!*o->ca_file && SSL_CTX_set_default_verify_paths(t->ctx) != 1)
		blame(t, "redis.tls-ca-file", "");
	if (*o->ca_file && SSL_CTX_load_verify_locations(t->ctx, o->ca_file, NULL) != 1)
		blame(t, "redis.tls-ca-file", o->ca_file);
	if (*o->cert_file && SSL_CTX_use_certificate_chain_file(t->ctx, o->cert_file) != 1)
		blame(t, "redis.tls-cert-file", o->cert_file);
	if (*o->key_file && SSL_CTX_use_PrivateKey_file(t->ctx, o->key_file, SSL_FILETYPE_PEM) != 1)
		blame(t, "redis.tls-key-file", o->key_file);
	if (*o->cert_file && *o->key_file && SSL_CTX_check_private_key(t->ctx) != 1)
		blame(t, "redis.tls-key-file", o->key_file);
}

struct tls *tls_new(const struct tls_options *options)
{
	struct tls *t = xalloc(sizeof *t);

	(void)snprintf(t->server_name, sizeof t->server_name, "%s", options->server_name);
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1) {
		(void)snprintf(t->problem, sizeof t->problem, "OpenSSL cannot be used: %s", reason());
		return t;
	}
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	load(t, options);
	ERR_clear_error();
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

const char *tls_problem(const struct tls *t)
{
	return t->problem;
}

/* ---- a connection ---- */

/* The name, or the address, that its certificate must be for. */
static bool expect(SSL *ssl, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
		return true;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls_session *tls_open(struct tls *t, int fd, const char *host)
{
	struct tls_session *s = xalloc(sizeof *s);

	s->tls = t;
	s->handshake_wants_out = true;
	if (t->problem[0]) {
		memcpy(s->error, t->problem, sizeof s->error);
		return s;
	}
	s->ssl = SSL_new(t->ctx);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1 || !expect(s->ssl, *t->server_name ? t->server_name : host))
		(void)snprintf(s->error, sizeof s->error, "no TLS session: %s", reason());
	else
		SSL_set_connect_state(s->ssl);
	return s;
}

void tls_close(struct tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	free(s);
}

static const char *advice(int error, long verified)
{
	if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return "; set redis.tls-server-name to a name that its certificate has";
	if (verified != X509_V_OK)
		return "; is redis.tls-ca-file that of its CA?";
	if (error == SSL_R_WRONG_VERSION_NUMBER)
		return "; is that the port for TLS (tls-port)?";
	return error == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED || error == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE ||
		error == SSL_R_TLSV1_ALERT_UNKNOWN_CA || error == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ?
		"; are redis.tls-cert-file and redis.tls-key-file what it wants of its clients?" : "";
}

static enum tls_result fail(struct tls_session *s)
{
	long verified = SSL_get_verify_result(s->ssl);

	(void)snprintf(s->error, sizeof s->error, "TLS: %s%s%s%s", reason(), verified != X509_V_OK ? ": " : "",
		verified != X509_V_OK ? X509_verify_cert_error_string(verified) : "", advice(ERR_GET_REASON(ERR_peek_last_error()), verified));
	ERR_clear_error();
	return TLS_FAILED;
}

/* What came of a call of OpenSSL that did not do it all. */
static enum tls_result settle(struct tls_session *s, int result, bool *wants_in, bool *wants_out)
{
	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		if (wants_in)
			*wants_in = true;
		return TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (wants_out)
			*wants_out = true;
		return TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		return TLS_CLOSED;
	default:
		/* OpenSSL 3 calls it an error when the other side goes without a word, as Redis does */
		return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? TLS_CLOSED : fail(s);
	}
}

enum tls_result tls_handshake(struct tls_session *s)
{
	if (s->error[0])
		return TLS_FAILED;
	ERR_clear_error();
	s->handshake_wants_out = false;
	int result = SSL_do_handshake(s->ssl);
	return result == 1 ? TLS_DONE : settle(s, result, NULL, &s->handshake_wants_out);
}

enum tls_result tls_read(struct tls_session *s, char to[TLS_RECORD_MAX], size_t *n_r)
{
	ERR_clear_error();
	s->read_wants_out = false;
	int result = SSL_read_ex(s->ssl, to, TLS_RECORD_MAX, n_r);
	return result == 1 ? TLS_DONE : settle(s, result, NULL, &s->read_wants_out);
}

enum tls_result tls_write(struct tls_session *s, struct sv bytes, size_t *n_r)
{
	ERR_clear_error();
	s->write_wants_in = false;
	int result = SSL_write_ex(s->ssl, bytes.p, bytes.n, n_r);
	return result == 1 ? TLS_DONE : settle(s, result, &s->write_wants_in, NULL);
}

short tls_events(const struct tls_session *s, bool output)
{
	if (!s->ssl || !SSL_is_init_finished(s->ssl))
		return s->handshake_wants_out ? POLLOUT : POLLIN;
	return (short)(POLLIN | (s->read_wants_out || (output && !s->write_wants_in) ? POLLOUT : 0));
}

const char *tls_error(const struct tls_session *s)
{
	return s->error;
}

#else

static const char without[] = "this program was built without TLS (OpenSSL)";

bool tls_supported(void)
{
	return false;
}

struct tls *tls_new(const struct tls_options *options)
{
	(void)options;
	return xalloc(1);
}

void tls_free(struct tls *t)
{
	free(t);
}

const char *tls_problem(const struct tls *t)
{
	(void)t;
	return without;
}

struct tls_session *tls_open(struct tls *t, int fd, const char *host)
{
	(void)t, (void)fd, (void)host;
	return xalloc(1);
}

void tls_close(struct tls_session *s)
{
	free(s);
}

enum tls_result tls_handshake(struct tls_session *s)
{
	(void)s;
	return TLS_FAILED;
}

enum tls_result tls_read(struct tls_session *s, char to[TLS_RECORD_MAX], size_t *n_r)
{
	(void)s, (void)to, (void)n_r;
	return TLS_FAILED;
}

enum tls_result tls_write(struct tls_session *s, struct sv bytes, size_t *n_r)
{
	(void)s, (void)bytes, (void)n_r;
	return TLS_FAILED;
}

short tls_events(const struct tls_session *s, bool output)
{
	(void)s, (void)output;
	return POLLOUT;
}

const char *tls_error(const struct tls_session *s)
{
	(void)s;
	return without;
}

#endif
