/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_UDP_H
#define EGRESS_RESOLVER_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/loop.h"

struct client;

/* Clients that ask by UDP: queries in and replies out, in batches. */
struct udp;

/* For `n_sockets` listening sockets, which stay the caller's and are known by their index. 0 or
 * -errno. */
int udp_new(
	const int *sockets, size_t n_sockets, const struct query_sink *sink, struct udp **ret_udp);
void udp_free(struct udp *udp);

/* Hands a batch of the queries that wait at a listener to the sink, and sends the replies that it
 * has at once. Queries longer than a message may be that nobody was told to send (RFC 6891 section
 * 6.2.3) are dropped. Whether the batch was full, so that more may wait. */
bool udp_receive(struct udp *udp, uint32_t listener, struct mono now);

/* Keeps a reply to be sent by udp_flush(), or sends it when there are many. */
void udp_reply(struct udp *udp, const struct client *client, const uint8_t *bytes, size_t size);

/* Sends what was kept. What the socket doesn't take is lost. */
void udp_flush(struct udp *udp);

#endif
