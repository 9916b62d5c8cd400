/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LISTEN_H
#define EGRESS_RESOLVER_LISTEN_H

#include <stddef.h>

#include "src/base/inaddr.h"

/* The sockets that clients reach the resolver by: for each worker a UDP and a TCP one on each
 * address. */
struct listeners;

/*
 * Opens them for `workers` workers on `endpoints`. Those that `old` (may be NULL) has for the same
 * address are taken over with all that waits in them. Without IPv6 in the kernel [::1] is left out.
 * 0 or -errno: then *ret_failed is the index of the endpoint that can't be had, or n_endpoints when
 * it isn't the fault of one.
 */
int listeners_open(const struct endpoint *endpoints, size_t n_endpoints, unsigned workers,
	const struct listeners *old, struct listeners **ret_listeners, size_t *ret_failed);

/* Closes them here; who has copies keeps them. NULL is allowed. */
void listeners_close(struct listeners *listeners);

/* One worker's sockets: listeners_count() each of UDP and TCP, in the order of the endpoints. */
size_t listeners_count(const struct listeners *listeners);
const int *listeners_udp(const struct listeners *listeners, unsigned worker);
const int *listeners_tcp(const struct listeners *listeners, unsigned worker);

#endif
