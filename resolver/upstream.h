/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_UPSTREAM_H
#define EGRESS_RESOLVER_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/answer.h"
#include "resolver/engine.h"
#include "resolver/pending.h"
#include "src/base/clock.h"

/* Asks the upstream servers the engine's questions: which server, when another one, when over TCP,
 * until there is an answer or no more to try. Without sockets: see struct engine_io. */
struct upstream;

/* Where questions end. Of each that upstream_ask() was given, answered() or failed() is told once,
 * possibly within that call. */
struct upstream_sink {
	void *context;

	/* Reads what a server sent to the question. */
	enum answer_status (*read)(void *context, struct pending *pending, const uint8_t *bytes,
		size_t size, struct mono now);

	/* read() said ANSWER_READY. */
	void (*answered)(void *context, struct pending *pending, struct mono now);

	/* No server gave a usable answer. */
	void (*failed)(void *context, struct pending *pending, enum ede ede, const char *rule,
		struct mono now);
};

/* For the servers of `dns`; what is passed must stay. 0 or -ENOMEM. */
int upstream_new(const struct dns_policy *dns, const struct engine_io *io,
	struct pending_table *table, const struct upstream_sink *sink,
	struct upstream **ret_upstream);
void upstream_free(struct upstream *upstream);

/* Asks for `pending`, which is in no state. There must be a server. */
void upstream_ask(struct upstream *upstream, struct pending *pending, struct mono now);

/* What the engine is told of servers, see resolver/engine.h. */
void upstream_reply(struct upstream *upstream, unsigned server, unsigned socket,
	const uint8_t *bytes, size_t size, struct mono now);
void upstream_unreachable(
	struct upstream *upstream, unsigned server, unsigned socket, struct mono now);
void upstream_stream_reply(struct upstream *upstream, unsigned server, uint32_t ticket,
	const uint8_t *bytes, size_t size, struct mono now);
void upstream_stream_failed(struct upstream *upstream, unsigned server, uint32_t ticket,
	enum engine_stream_failure why, struct mono now);

/* The deadline of a question has passed that waits for a server. */
void upstream_timed_out(struct upstream *upstream, struct pending *pending, struct mono now);

#endif
