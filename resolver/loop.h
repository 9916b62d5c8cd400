/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LOOP_H
#define EGRESS_RESOLVER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"

struct client;
struct engine_message;

/* What the parts of the worker's event loop share. */

/* Who an event of the loop's epoll descriptor is for. */
enum watch_kind {
	WATCH_CHANNEL,  /* the keeper */
	WATCH_LEASH,    /* the parent */
	WATCH_UDP,      /* a listening UDP socket */
	WATCH_ACCEPT,   /* a listening TCP socket */
	WATCH_CLIENT,   /* a client's TCP connection */
	WATCH_UPSTREAM, /* a UDP socket to an upstream server */
	WATCH_STREAM,   /* a TCP connection to an upstream server */
	WATCH_KINDS,
};

struct watch {
	enum watch_kind kind;
	uint32_t index;      /* among those of its kind, below 1 << 24 */
	uint32_t generation; /* of what is at that index: events of a predecessor are told by it */
};

/* Adds the descriptor, or changes what is waited for (EPOLLIN and so on, level-triggered). Closing
 * it ends the watch if no other process has it; else watch_end() must. 0 or -errno. */
int watch_start(int epoll, int fd, struct watch watch, uint32_t events);
int watch_change(int epoll, int fd, struct watch watch, uint32_t events);
void watch_end(int epoll, int fd);

/* Waits for events; the count of those in the outputs, 0 also when a signal came, or -errno. */
#define LOOP_EVENTS 64
int watch_wait(int epoll, int timeout_ms, struct watch ret_watches[LOOP_EVENTS],
	uint32_t ret_events[LOOP_EVENTS]);

/* The sooner of two waits in milliseconds, of which -1 is forever. */
int wait_sooner(int a, int b);

/* How long from now to `then`, for a wait. */
int wait_until(struct mono now, struct mono then);

/* Where clients' messages go. */
struct query_sink {
	void *context;

	/* One, whose reply comes by a call of its own. False: it is no query, and gets none. */
	bool (*query)(void *context, const struct client *client, const uint8_t *bytes, size_t size,
		struct mono now);

	/* Several, up to ENGINE_BATCH, with room for their replies: engine_queries(). */
	void (*queries)(
		void *context, struct engine_message *messages, unsigned count, struct mono now);
};

#endif
