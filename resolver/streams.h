/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_STREAMS_H
#define EGRESS_RESOLVER_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/engine.h"
#include "resolver/loop.h"

/* Questions to upstream servers over TCP, a connection each, which the keeper opens. */
struct streams;

#define STREAMS_MAX 64

/* Set in the tickets of all its requests to the keeper. */
#define STREAMS_TICKET (UINT32_C(1) << 31)

/* 0 or -ENOMEM. */
int streams_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	struct streams **ret_streams);
void streams_free(struct streams *streams);

/* Asks a server. The engine is told the end under `ticket`, unless it cancels. 0; -EAGAIN when
 * STREAMS_MAX questions are out; or -errno. */
int streams_ask(struct streams *streams, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
	size_t size);
void streams_cancel(struct streams *streams, uint32_t ticket);

/* The keeper's answer to a request for a socket; takes `fd`. */
void streams_opened(struct streams *streams, const struct channel_reply *reply, int fd,
	struct engine *engine, struct mono now);

/* An event of WATCH_STREAM. */
void streams_event(
	struct streams *streams, struct watch watch, struct engine *engine, struct mono now);

#endif
