/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * DNS over TLS by the strict profile (RFC 7858, RFC 8310 section 5): the server proves that it has
 * the name of the policy, by a certificate of which that is a subjectAltName and which leads to an
 * authority that this system trusts; or that it has a key whose SHA-256 is a pin of the policy, and
 * then nothing else of its certificate counts. Anything less ends the connection. There is nothing
 * to fall back to: a question meant for such a server is never sent in another way.
 *
 * The authorities are read at the start: the process that connects has no files. A session is kept
 * for each server, so that the next handshake is short; it was proved whose it is when it began.
 */

enum { PROBLEM_MAX = 200 };

struct tls_trust {
	SSL_CTX *context;
	const struct dns_policy *dns;
	SSL_SESSION *sessions[DNS_SERVERS_MAX];
};

struct tls {
	SSL *ssl;
	struct tls_trust *trust;
	unsigned number;
	bool wants_write;
	bool failed; /* by what the server sent */
	char problem[PROBLEM_MAX];
};

/* --- Trust --- */

/* Where systems keep the authorities they trust, in one file; the first that is there is read. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static int load_authorities(SSL_CTX *context, const char **ret_problem)
{
	const char *named = getenv(X509_get_default_cert_file_env());
	size_t count = sizeof(bundles) / sizeof(bundles[0]);

	if (named) {
		*ret_problem = "cannot read the certificates that SSL_CERT_FILE names";
		return SSL_CTX_load_verify_file(context, named) == 1 ? 0 : -ENOENT;
	}
	for (size_t i = 0; i < count; i++) {
		if (access(bundles[i], R_OK) < 0)
			continue;
		*ret_problem = "cannot read the certificates that this system trusts";
		return SSL_CTX_load_verify_file(context, bundles[i]) == 1 ? 0 : -EINVAL;
	}
	*ret_problem = "finds no certificates that this system trusts: install ca-certificates, or "
		       "name a file of them in SSL_CERT_FILE";
	return -ENOENT;
}

/* Whether the key of the certificate is one of the server's pins. */
static bool has_pinned_key(const struct dns_server *server, X509 *certificate)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned char *key = NULL;
	int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : -1;
	bool found = false;

	if (size <= 0)
		return false;
	SHA256(key, (size_t)size, digest);
	OPENSSL_free(key);
	for (size_t i = 0; i < server->n_pins; i++)
		found |= memcmp(digest, server->pins[i], DNS_PIN_SIZE) == 0;
	return found;
}

/* In the place of OpenSSL's own check, which it calls unless the server has pins. */
static int verify(X509_STORE_CTX *store, void *argument)
{
	int index = SSL_get_ex_data_X509_STORE_CTX_idx();
	const struct tls *tls = SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, index));
	const struct dns_server *server = &tls->trust->dns->upstream[tls->number];

	(void)argument;
	if (server->n_pins == 0)
		return X509_verify_cert(store);
	if (has_pinned_key(server, X509_STORE_CTX_get0_cert(store))) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* Keeps the session for the next connection. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	SSL_SESSION **kept = &tls->trust->sessions[tls->number];

	SSL_SESSION_free(*kept);
	*kept = session;
	return 1;
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, verify, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep_session);
	return context;
}

int tls_trust_new(
	const struct dns_policy *dns, struct tls_trust **ret_trust, const char **ret_problem)
{
	struct tls_trust *trust;
	bool tls = false, named = false;
	int error = 0;

	for (size_t i = 0; i < dns->n_upstream; i++) {
		tls |= dns->upstream[i].tls;
		named |= dns->upstream[i].tls && dns->upstream[i].n_pins == 0;
	}
	*ret_trust = NULL;
	if (!tls)
		return 0;
	*ret_problem = "has no memory for TLS";
	trust = calloc(1, sizeof(*trust));
	if (!trust)
		return -ENOMEM;
	trust->dns = dns;
	trust->context = make_context();
	if (!trust->context)
		error = -ENOMEM;
	else if (named)
		error = load_authorities(trust->context, ret_problem);
	ERR_clear_error();
	if (error)
		tls_trust_free(trust);
	else
		*ret_trust = trust;
	return error;
}

void tls_trust_free(struct tls_trust *trust)
{
	if (!trust)
		return;
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++)
		SSL_SESSION_free(trust->sessions[i]);
	SSL_CTX_free(trust->context);
	free(trust);
}

/* --- Connections --- */

/* Has the handshake ask for the server's name, and accept no other. 0 or -ENOMEM. */
static int expect_name(SSL *ssl, const struct dns_server *server)
{
	char name[NAME_TEXT];

	if (server->name.length == 0)
		return 0;
	name_to_text(&server->name, name);
	SSL_set_hostflags(
		ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0
											 : -ENOMEM;
}

int tls_new(struct tls_trust *trust, unsigned number, int fd, struct tls **ret_tls)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int error;

	if (!tls)
		return -ENOMEM;
	tls->trust = trust;
	tls->number = number;
	tls->ssl = SSL_new(trust->context);
	error = tls->ssl && SSL_set_app_data(tls->ssl, tls) == 1 && SSL_set_fd(tls->ssl, fd) == 1
			? expect_name(tls->ssl, &trust->dns->upstream[number])
			: -ENOMEM;
	if (error) {
		tls_free(tls);
		return error;
	}
	SSL_set_connect_state(tls->ssl);
	if (trust->sessions[number])
		SSL_set_session(tls->ssl, trust->sessions[number]);
	*ret_tls = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	/* Else OpenSSL takes a session that was not ended in form for a bad one. Answers carry
	 * their length, so one that was cut off is seen anyway. */
	if (tls->ssl && !tls->failed && SSL_is_init_finished(tls->ssl))
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	free(tls);
}

static void set_problem(struct tls *tls, const char *problem)
{
	strncpy(tls->problem, problem, sizeof(tls->problem) - 1);
}

static int refuse(struct tls *tls)
{
	long result = SSL_get_verify_result(tls->ssl);

	if (result == X509_V_ERR_APPLICATION_VERIFICATION)
		set_problem(tls, "its key is none of the pins");
	else
		set_problem(tls, X509_verify_cert_error_string(result));
	return -EKEYREJECTED;
}

/* What became of a call that returned `result`. */
static int settle(struct tls *tls, int result)
{
	const char *reason;
	int saved = errno;

	tls->wants_write = false;
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		set_problem(tls, "the server ended the connection");
		return 0;
	case SSL_ERROR_SYSCALL:
		set_problem(tls, saved ? strerror(saved) : "the server ended the connection");
		return -ECONNRESET;
	default:
		tls->failed = true;
		reason = ERR_reason_error_string(ERR_peek_error());
		set_problem(tls, reason ? reason : "TLS failed");
		return -EPROTO;
	}
}

int tls_handshake(struct tls *tls)
{
	int result, error;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(tls->ssl);
	if (result == 1)
		return SSL_get_verify_result(tls->ssl) == X509_V_OK ? 0 : refuse(tls);
	error = settle(tls, result);
	if (error == -EPROTO && SSL_get_verify_result(tls->ssl) != X509_V_OK)
		return refuse(tls);
	return error ? error : -ECONNRESET;
}

int tls_read(struct tls *tls, void *bytes, size_t size)
{
	size_t got;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read_ex(tls->ssl, bytes, size, &got);
	return result == 1 ? (int)got : settle(tls, result);
}

int tls_write(struct tls *tls, const void *bytes, size_t size)
{
	size_t put;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_write_ex(tls->ssl, bytes, size, &put);
	return result == 1 ? (int)put : settle(tls, result);
}

bool tls_wants_write(const struct tls *tls)
{
	return tls->wants_write;
}

const char *tls_problem(const struct tls *tls)
{
	return tls->problem;
}

void tls_end(struct tls *tls)
{
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
}
