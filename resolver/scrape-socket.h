/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SCRAPE_SOCKET_H
#define EGRESS_RESOLVER_SCRAPE_SOCKET_H

#include "rules/policy.h"

/* The listening socket of [metrics] listen, which the parent opens and holds. */
struct scrape_socket;

/* Of a policy that has one: `before`, which may be NULL, if that listens there already; it then has
 * one holder more. 0 or -errno. */
int scrape_socket_open(const struct metrics_policy *metrics, struct scrape_socket *before,
	struct scrape_socket **ret_socket);

/* For one of its holders; the last one takes the file of a unix socket away. NULL is allowed. */
void scrape_socket_close(struct scrape_socket *socket);

/* The descriptor, which does not block; -1 of NULL. */
int scrape_socket_fd(const struct scrape_socket *socket);

/* Where it listens, for a message, into `out`, which it returns. */
#define SCRAPE_SOCKET_TEXT 128
const char *scrape_socket_text(const struct metrics_policy *metrics, char out[SCRAPE_SOCKET_TEXT]);

#endif
