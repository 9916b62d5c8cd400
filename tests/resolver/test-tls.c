/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/tls.h"
#include "rules/dns-server.h"

/* Connections to servers that prove who they are, and to others. The test is the server, on the
 * other end of a socket pair, and makes the certificates. */

enum { TURNS_MAX = 100, DAY = 24 * 3600 };

static EVP_PKEY *authority_key, *stranger_key;
static X509 *authority, *stranger;
static char authority_path[] = "/tmp/egress-test-tls-XXXXXX";

/* --- Certificates --- */

static void add_extension(X509 *certificate, int kind, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* For `key`, from now on until `days` have passed; signed by `issuer`, or by itself. */
static X509 *make_certificate(EVP_PKEY *key, const char *name, long days, const char *alternative,
	X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -2L * DAY);
	X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(certificate, key);
	if (alternative)
		add_extension(certificate, NID_subject_alt_name, alternative);
	else
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256()) > 0);
	return certificate;
}

/* --- The server --- */

struct server {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
};

static struct server make_server(
	X509 *issuer, EVP_PKEY *issuer_key, const char *alternative, long days)
{
	struct server server = {.context = SSL_CTX_new(TLS_server_method()), .fd = -1};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate =
		make_certificate(key, "dns.example", days, alternative, issuer, issuer_key);

	assert_int_equal(SSL_CTX_use_certificate(server.context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server.context, key), 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return server;
}

static void hang_up(struct server *server)
{
	SSL_free(server->ssl);
	server->ssl = NULL;
	close(server->fd);
}

static void free_server(struct server *server)
{
	hang_up(server);
	SSL_CTX_free(server->context);
}

/* The pin of the server's key. */
static void put_pin(const struct server *server, struct dns_server *policy)
{
	unsigned char *key = NULL;
	int size = i2d_X509_PUBKEY(
		X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(server->context)), &key);

	SHA256(key, (size_t)size, policy->pins[policy->n_pins++]);
	OPENSSL_free(key);
}

/* --- The client --- */

static struct dns_server upstream;
static struct dns_policy dns = {.upstream = &upstream, .n_upstream = 1};

static struct tls_trust *trust_of(const char *text)
{
	struct tls_trust *trust;
	const char *problem;

	assert_int_equal(dns_server_from_text(text_of(text), &upstream, &problem), 0);
	assert_int_equal(tls_trust_new(&dns, &trust, &problem), 0);
	assert_non_null(trust);
	return trust;
}

/* Both sides of the handshake in turns: what came of it at the client's. */
static int shake(struct tls *tls, struct server *server)
{
	int error = -EAGAIN;

	for (unsigned i = 0; i < TURNS_MAX && error == -EAGAIN; i++) {
		error = tls_handshake(tls);
		SSL_do_handshake(server->ssl);
	}
	return error;
}

static struct tls *connect_to(struct tls_trust *trust, struct server *server, int *ret_fd)
{
	struct tls *tls;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	server->fd = ends[1];
	server->ssl = SSL_new(server->context);
	SSL_set_fd(server->ssl, ends[1]);
	SSL_set_accept_state(server->ssl);
	*ret_fd = ends[0];
	assert_int_equal(tls_new(trust, 0, ends[0], &tls), 0);
	return tls;
}

/* A connection as the policy has it to such a server: what becomes of the handshake. */
static int try_once(
	const char *policy, struct server server, const char *problem, struct tls_trust *other)
{
	struct tls_trust *trust = other ? other : trust_of(policy);
	struct tls *tls;
	int fd, error;
	char byte;

	tls = connect_to(trust, &server, &fd);
	error = shake(tls, &server);
	if (problem && !strstr(tls_problem(tls), problem))
		fail_msg("%s: %s", policy, tls_problem(tls));
	if (error)
		assert_true(SSL_read(server.ssl, &byte, 1) <= 0);
	tls_free(tls);
	close(fd);
	free_server(&server);
	if (!other)
		tls_trust_free(trust);
	return error;
}

static struct server good_server(void)
{
	return make_server(authority, authority_key, "DNS:dns.example", 1);
}

/* --- Tests --- */

static void who_proves_the_name_is_believed(void **state)
{
	(void)state;
	assert_int_equal(try_once("tls://192.0.2.1#dns.example", good_server(), "", NULL), 0);
	assert_int_equal(try_once("tls://192.0.2.1#DNS.example", good_server(), "", NULL), 0);
	assert_int_equal(
		try_once("tls://192.0.2.1#a.dns.example",
			make_server(authority, authority_key, "DNS:*.dns.example", 1), "", NULL),
		0);
}

static void who_does_not_is_refused(void **state)
{
	static const struct {
		const char *alternative;
		bool strange;
		long days;
		const char *problem;
	} wrong[] = {
		{"DNS:other.example", false, 1, "ostname mismatch"},
		/* Its subject has the name: that is nobody's promise. */
		{"email:dns@dns.example", false, 1, "ostname mismatch"},
		{"DNS:*.example.net", false, 1, "ostname mismatch"},
		{"DNS:d*.example", false, 1, "ostname mismatch"},
		{"DNS:dns.example", false, -1, "expired"},
		{"DNS:dns.example", true, 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct server server = make_server(wrong[i].strange ? stranger : authority,
			wrong[i].strange ? stranger_key : authority_key, wrong[i].alternative,
			wrong[i].days);

		assert_int_equal(
			try_once("tls://192.0.2.1#dns.example", server, wrong[i].problem, NULL),
			-EKEYREJECTED);
	}
	assert_int_equal(try_once("tls://192.0.2.1#dns.example",
				 make_server(NULL, NULL, "DNS:dns.example", 1), "", NULL),
		-EKEYREJECTED);
}

static void old_versions_are_refused(void **state)
{
	struct server server = good_server();

	(void)state;
	SSL_CTX_set_security_level(server.context, 0);
	SSL_CTX_set_max_proto_version(server.context, TLS1_1_VERSION);
	assert_int_not_equal(try_once("tls://192.0.2.1#dns.example", server, NULL, NULL), 0);
	server = good_server();
	SSL_CTX_set_max_proto_version(server.context, TLS1_2_VERSION);
	assert_int_equal(try_once("tls://192.0.2.1#dns.example", server, "", NULL), 0);
}

/* Whatever else the certificate says. */
static void a_pinned_key_is_believed(void **state)
{
	static const char *const policy = "tls://192.0.2.1#pin-sha256="
					  "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
	struct server server = make_server(stranger, stranger_key, "DNS:other.example", -1);
	struct tls_trust *trust = trust_of(policy);

	(void)state;
	put_pin(&server, &upstream);
	assert_int_equal(try_once(policy, server, "", trust), 0);
	tls_trust_free(trust);
	assert_int_equal(try_once(policy, good_server(), "its key is none of the pins", NULL),
		-EKEYREJECTED);
}

static void no_answer_comes_without_tls(void **state)
{
	struct tls_trust *trust = trust_of("tls://192.0.2.1#dns.example");
	struct server server = good_server();
	struct tls *tls;
	int fd;

	(void)state;
	tls = connect_to(trust, &server, &fd);
	assert_int_equal(tls_handshake(tls), -EAGAIN);
	assert_false(tls_wants_write(tls));
	assert_int_equal(send(server.fd, "\0\14\1\2\201\200\0\0\0\0\0\0\0\0", 14, 0), 14);
	assert_int_equal(tls_handshake(tls), -EPROTO);
	assert_true(strlen(tls_problem(tls)) > 0);
	tls_free(tls);
	close(fd);
	hang_up(&server);
	/* One that hangs up. */
	tls = connect_to(trust, &server, &fd);
	assert_int_equal(tls_handshake(tls), -EAGAIN);
	hang_up(&server);
	assert_int_equal(tls_handshake(tls), -ECONNRESET);
	tls_free(tls);
	close(fd);
	SSL_CTX_free(server.context);
	tls_trust_free(trust);
}

static void bytes_go_both_ways_and_end(void **state)
{
	struct tls_trust *trust = trust_of("tls://192.0.2.1#dns.example");
	struct server server = good_server();
	struct tls *tls;
	char bytes[10];
	int fd;

	(void)state;
	tls = connect_to(trust, &server, &fd);
	assert_int_equal(shake(tls, &server), 0);
	assert_string_equal(
		SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name), "dns.example");
	assert_int_equal(tls_read(tls, bytes, 10), -EAGAIN);
	assert_int_equal(tls_write(tls, "question", 8), 8);
	assert_int_equal(SSL_read(server.ssl, bytes, 10), 8);
	assert_int_equal(SSL_write(server.ssl, "reply", 5), 5);
	assert_int_equal(tls_read(tls, bytes, 10), 5);
	assert_memory_equal(bytes, "reply", 5);
	tls_end(tls);
	assert_int_equal(SSL_read(server.ssl, bytes, 10), 0);
	SSL_shutdown(server.ssl);
	assert_int_equal(tls_read(tls, bytes, 10), 0);
	tls_free(tls);
	close(fd);
	free_server(&server);
	tls_trust_free(trust);
}

/* The next connection goes on with the session of the last, in both versions. */
static void sessions_are_resumed(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (unsigned v = 0; v < 2; v++) {
		struct tls_trust *trust = trust_of("tls://192.0.2.1#dns.example");
		struct server server = good_server();

		SSL_CTX_set_max_proto_version(server.context, versions[v]);
		for (int i = 0; i < 3; i++) {
			char byte;
			int fd;
			struct tls *tls = connect_to(trust, &server, &fd);

			assert_int_equal(shake(tls, &server), 0);
			assert_int_equal(SSL_session_reused(server.ssl), i > 0);
			assert_int_equal(SSL_write(server.ssl, "x", 1), 1);
			assert_int_equal(tls_read(tls, &byte, 1), 1);
			tls_free(tls);
			hang_up(&server);
			close(fd);
		}
		SSL_CTX_free(server.context);
		tls_trust_free(trust);
	}
}

static void there_must_be_somebody_to_trust(void **state)
{
	struct tls_trust *trust;
	const char *problem;

	(void)state;
	assert_int_equal(setenv("SSL_CERT_FILE", "/nowhere/at.all", 1), 0);
	assert_int_equal(
		dns_server_from_text(text_of("tls://192.0.2.1#dns.example"), &upstream, &problem),
		0);
	assert_true(tls_trust_new(&dns, &trust, &problem) < 0);
	assert_non_null(strstr(problem, "SSL_CERT_FILE"));
	assert_int_equal(dns_server_from_text(text_of("192.0.2.1"), &upstream, &problem), 0);
	assert_int_equal(tls_trust_new(&dns, &trust, &problem), 0);
	assert_null(trust);
	assert_int_equal(setenv("SSL_CERT_FILE", authority_path, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_proves_the_name_is_believed),
		cmocka_unit_test(who_does_not_is_refused),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_pinned_key_is_believed),
		cmocka_unit_test(no_answer_comes_without_tls),
		cmocka_unit_test(bytes_go_both_ways_and_end),
		cmocka_unit_test(sessions_are_resumed),
		cmocka_unit_test(there_must_be_somebody_to_trust),
	};
	FILE *file;
	int failed, fd = mkstemp(authority_path);

	authority_key = EVP_EC_gen("P-256");
	authority = make_certificate(authority_key, "authority", 9, NULL, NULL, NULL);
	stranger_key = EVP_EC_gen("P-256");
	stranger = make_certificate(stranger_key, "authority", 9, NULL, NULL, NULL);
	file = fdopen(fd, "w");
	if (!file || PEM_write_X509(file, authority) != 1 || fclose(file) != 0)
		return 99;
	setenv("SSL_CERT_FILE", authority_path, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(authority_path);
	X509_free(authority);
	X509_free(stranger);
	EVP_PKEY_free(authority_key);
	EVP_PKEY_free(stranger_key);
	return failed;
}
