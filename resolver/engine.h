/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ENGINE_H
#define EGRESS_RESOLVER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "resolver/channel.h"
#include "resolver/guard.h"
#include "rules/compile.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/inaddr.h"

/*
 * The way of a query without sockets: messages, time and completions go in, messages and requests
 * come out through `struct engine_io`. The worker drives it with sockets, tests/replay with a
 * script.
 */
struct engine;

/* Who asked, as the caller of engine_query() knows it; carried along and handed back with the
 * reply. */
struct client {
	bool stream;         /* TCP */
	uint32_t socket;     /* which listener, or which connection */
	uint32_t generation; /* of the connection, so that a reply never reaches its successor */
	struct inaddr local; /* UDP, by a listener on all addresses: the one it came to */
	socklen_t size;      /* UDP: of the address */
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} address;
};

/* What the administrator is told. */
enum engine_report {
	ENGINE_OBSERVED, /* a name was answered that only observing layers refuse */
	ENGINE_WILDCARD, /* the first name beyond an entry's wildcard_names */
};

/* What the engine asks of the world. Calls must not call back into the engine. */
struct engine_io {
	void *context;

	/* Seconds since 1970. Only called if entries expire. */
	int64_t (*time)(void *context);

	/* Something to tell, with the rule it is about. May come with every query. */
	void (*report)(
		void *context, enum engine_report what, const struct name *name, const char *rule);

	/* Sends a reply to a client; what can't be sent is lost, as UDP is. */
	void (*reply)(
		void *context, const struct client *client, const uint8_t *bytes, size_t size);

	/* Sends a question to an upstream server by UDP; *ret_socket names the socket its answer
	 * must come in by. 0 or -errno. */
	int (*ask)(void *context, unsigned upstream, const uint8_t *bytes, size_t size,
		unsigned *ret_socket);

	/* The same over TCP (without the length in front): engine_stream_reply() or
	 * engine_stream_failed() follows with the ticket. 0 or -errno. */
	int (*ask_stream)(void *context, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
		size_t size);

	/* Gives up an ask_stream(): no completion may follow. */
	void (*cancel_stream)(void *context, uint32_t ticket);

	/* Asks the keeper for a lease: engine_leased() follows with the ticket. 0 or -errno. */
	int (*lease)(void *context, const struct channel_request *request);
};

struct engine_config {
	struct compiled compiled;
	struct guard *guard; /* which must stay; others may spend from it too */
	struct hash_key key;
	struct engine_io io;
	size_t cache_bytes; /* 0: the default, 16 MiB */
};

int engine_new(const struct engine_config *config, struct engine **ret_engine);
void engine_free(struct engine *engine);

/* A message of a client. Every well-formed query gets exactly one reply, now or later. */
void engine_query(struct engine *engine, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now);

/* A datagram from an upstream server, on the socket that ask() named. */
void engine_reply(struct engine *engine, unsigned upstream, unsigned socket, const uint8_t *bytes,
	size_t size, struct mono now);

/* A UDP socket reported an error of the peer (ICMP): questions out on it try the next server. */
void engine_unreachable(struct engine *engine, unsigned upstream, unsigned socket, struct mono now);

void engine_stream_reply(
	struct engine *engine, uint32_t ticket, const uint8_t *bytes, size_t size, struct mono now);
void engine_stream_failed(struct engine *engine, uint32_t ticket, struct mono now);

/* The keeper's answer to lease(). An unknown or stale ticket is ignored. */
void engine_leased(struct engine *engine, const struct channel_reply *reply, struct mono now);

/* Does what is due at `now`. Returns in how many milliseconds it wants to be called again, -1 for
 * not at all. */
int engine_tick(struct engine *engine, struct mono now);

#endif
