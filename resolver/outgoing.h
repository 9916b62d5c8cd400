/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_OUTGOING_H
#define EGRESS_RESOLVER_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/engine.h"
#include "resolver/loop.h"

/* UDP sockets to the upstream servers, each of which the keeper opens. */
struct outgoing;

/* For the upstream servers of `dns`. Tickets of its requests have the top bit clear. 0 or -errno.
 */
int outgoing_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	const struct hash_key *key, struct outgoing **ret_outgoing);
void outgoing_free(struct outgoing *outgoing);

/* Sends a question to an upstream server from one of its sockets, drawn by chance; *ret_socket is
 * that one's number, which no other will have for a long time. 0, -ENOTCONN when it has none, or
 * -errno. */
int outgoing_ask(struct outgoing *outgoing, unsigned upstream, const uint8_t *bytes, size_t size,
	unsigned *ret_socket);

/* The keeper's answer to a request for a socket; takes `fd`. */
void outgoing_opened(
	struct outgoing *outgoing, const struct channel_reply *reply, int fd, struct mono now);

/* Whether the keeper has answered for each of the sockets once. */
bool outgoing_is_settled(const struct outgoing *outgoing);

/* An event of WATCH_UPSTREAM: hands what came to the engine. */
void outgoing_event(
	struct outgoing *outgoing, struct watch watch, struct engine *engine, struct mono now);

/* Asks for sockets that are missing or due to be replaced, when it is time. */
void outgoing_tick(struct outgoing *outgoing, struct mono now);

/* In how many milliseconds it wants outgoing_tick() to be called, or -1. */
int outgoing_wait(const struct outgoing *outgoing, struct mono now);

#endif
