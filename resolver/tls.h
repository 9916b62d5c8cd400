/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_TLS_H
#define EGRESS_RESOLVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"

/* DNS over TLS: who is trusted, and connections to the servers that are asked that way. */

/* What all connections share: it is made before a process loses its files, and used in one. */
struct tls_trust;

/* For the servers of `dns`, which must stay. *ret_trust is NULL when none is asked by TLS. 0, or
 * -errno with *ret_problem: a sentence without its subject. */
int tls_trust_new(
	const struct dns_policy *dns, struct tls_trust **ret_trust, const char **ret_problem);
void tls_trust_free(struct tls_trust *trust);

/* A connection. */
struct tls;

/* To the server `number` of the policy, over a connected socket, or one that is being connected,
 * which stays the caller's and must outlive it. 0 or -errno. */
int tls_new(struct tls_trust *trust, unsigned number, int fd, struct tls **ret_tls);
void tls_free(struct tls *tls);

/* Goes on with the handshake. 0 when the server has proved who it is; -EAGAIN; -EKEYREJECTED: it
 * is not the one that was meant; -EPROTO; -ECONNRESET. */
int tls_handshake(struct tls *tls);

/* How many bytes, at least one; 0 at the end of the stream; -EAGAIN; or -errno. */
int tls_read(struct tls *tls, void *bytes, size_t size);
int tls_write(struct tls *tls, const void *bytes, size_t size);

/* Whether what got -EAGAIN waits until the socket can be written to, rather than read. */
bool tls_wants_write(const struct tls *tls);

/* Why a handshake failed, or another call. It stays until the connection is freed. */
const char *tls_problem(const struct tls *tls);

/* Tells the server that nothing more comes. */
void tls_end(struct tls *tls);

#endif
