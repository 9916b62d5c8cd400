/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_STREAMS_H
#define EGRESS_RESOLVER_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/engine.h"
#include "resolver/loop.h"

struct tls_trust;

/* Questions to upstream servers over TCP and TLS: a connection to each at most, which the keeper
 * opens, for many questions at once and one after the other. */
struct streams;

/* Set in the tickets of all its requests to the keeper. */
#define STREAMS_TICKET (UINT32_C(1) << 31)

/* Questions that may be out on a connection. */
#define STREAMS_QUESTIONS_MAX 256

/* `trust` is for the servers that are asked by TLS. 0 or -ENOMEM. */
int streams_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	struct tls_trust *trust, struct streams **ret_streams);
void streams_free(struct streams *streams);

/* Asks a server; streams_tick() sends it. The engine is told the end under `ticket`. 0; -EAGAIN
 * when too much is out to it; or -errno. */
int streams_ask(struct streams *streams, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
	size_t size);

/* The keeper's answer to a request for a socket; takes `fd`. */
void streams_opened(struct streams *streams, const struct channel_reply *reply, int fd,
	struct engine *engine, struct mono now);

/* An event of WATCH_STREAM. */
void streams_event(
	struct streams *streams, struct watch watch, struct engine *engine, struct mono now);

/* Sends what there is to send, and ends connections that are idle or silent. Returns in how many
 * milliseconds it wants to be called again, or -1. */
int streams_tick(struct streams *streams, struct engine *engine, struct mono now);

#endif
