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

struct anchors;
struct counters;
struct event;

/* Who asked, as the caller of engine_query() knows it; carried along and handed back with the
 * reply. */
struct client {
	bool stream;         /* TCP */
	uint32_t socket;     /* which listener, or which connection */
	uint32_t generation; /* of the connection, so that a reply never reaches its successor */
	struct inaddr local; /* UDP, by a listener on all addresses: the one it came to */
	struct inaddr peer;  /* TCP: who is at the other end */
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
	ENGINE_WILDCARD, /* the first name beyond what an entry's wildcards may have */
};

/* The same of an upstream server. */
enum engine_server_report {
	ENGINE_SERVER_DOWN,     /* it does not answer, and others are asked first */
	ENGINE_SERVER_UP,       /* it answers again */
	ENGINE_SERVER_NO_CASE,  /* it changes the letters of questions: they no longer protect */
	ENGINE_SERVER_NO_EDNS,  /* it can't read questions with EDNS, and gets others */
	ENGINE_SERVER_MISMATCH, /* messages with the ID of a question, but not its answer; not
				   more often than once a minute */
};

/* Why a question over a connection failed. */
enum engine_stream_failure {
	ENGINE_STREAM_BROKEN,    /* no connection, or it ended, or nothing came */
	ENGINE_STREAM_CLOSED,    /* the server closed one that had worked: it may be asked again */
	ENGINE_STREAM_UNTRUSTED, /* TLS: the server isn't the one that was meant */
};

/* What the engine asks of the world. Calls must not call back into the engine. */
struct engine_io {
	void *context;

	/* Seconds since 1970. Only called if entries expire, for clients with cookies,
	 * and for signatures. */
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

	/* The same over TCP or TLS (without the length in front), as the server is meant to be
	 * asked: engine_stream_reply() or engine_stream_failed() follows with the ticket, be it
	 * long after the answer has come from elsewhere. 0 or -errno. */
	int (*ask_stream)(void *context, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
		size_t size);

	/* Something to tell of an upstream server, which happened that often. NULL: nobody wants to
	 * know. */
	void (*report_server)(
		void *context, enum engine_server_report what, unsigned upstream, unsigned count);

	/* A server's answer took that long. NULL: nobody wants to know. */
	void (*report_delay)(void *context, unsigned upstream, struct duration delay);

	/* A query that was answered, where they are recorded; may come with each of them. */
	void (*record)(void *context, const struct event *event);

	/* Asks the keeper for a lease: engine_leased() follows with the ticket. 0 or -errno. */
	int (*lease)(void *context, const struct channel_request *request);
};

/* Which queries are recorded. */
enum engine_recording {
	ENGINE_RECORD_NONE,
	ENGINE_RECORD_UNUSUAL, /* those that are not simply permitted, or not from the cache */
	ENGINE_RECORD_ALL,
};

struct engine_config {
	struct compiled compiled;
	struct guard *guard; /* which must stay; others may spend from it too */
	struct hash_key key;
	struct hash_key cookie_key; /* the same in all workers */
	struct engine_io io;
	struct counters *counters;     /* NULL: nobody reads them */
	const struct anchors *anchors; /* for DNSSEC: see resolver/anchor.h; NULL: none */
	size_t cache_bytes;            /* 0: the default, 16 MiB */
	enum engine_recording recording;
};

int engine_new(const struct engine_config *config, struct engine **ret_engine);
void engine_free(struct engine *engine);

/* A message of a client. */
struct engine_message {
	const struct client *client;
	const uint8_t *bytes;
	size_t size;
	uint8_t *reply;    /* room for a reply: by UDP MSG_UDP_EDNS bytes, by TCP MSG_MAX. May be
			      where the message lies */
	size_t reply_size; /* output; 0: there is none, or it comes later, by io.reply() */
};

#define ENGINE_BATCH 64

/* At most ENGINE_BATCH messages that came together. Every well-formed query gets exactly one reply,
 * now or later. */
void engine_queries(
	struct engine *engine, struct engine_message *messages, unsigned count, struct mono now);

/* A single one, whose reply comes by io.reply() also if it comes at once. False: it is no query,
 * and gets none. */
bool engine_query(struct engine *engine, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now);

/* A datagram from an upstream server, on the socket that ask() named. */
void engine_reply(struct engine *engine, unsigned upstream, unsigned socket, const uint8_t *bytes,
	size_t size, struct mono now);

/* A UDP socket reported an error of the peer (ICMP): questions out on it try the next server. */
void engine_unreachable(struct engine *engine, unsigned upstream, unsigned socket, struct mono now);

/* What came of an ask_stream(). Replies have the ID of the question already. */
void engine_stream_reply(struct engine *engine, unsigned upstream, uint32_t ticket,
	const uint8_t *bytes, size_t size, struct mono now);
void engine_stream_failed(struct engine *engine, unsigned upstream, uint32_t ticket,
	enum engine_stream_failure why, struct mono now);

/* The keeper's answer to lease(). An unknown or stale ticket is ignored. */
void engine_leased(struct engine *engine, const struct channel_reply *reply, struct mono now);

/* What was answered so far may not be answered again from memory: leases of it were taken back. */
void engine_forget(struct engine *engine);

/* Does what is due at `now`. Returns in how many milliseconds it wants to be called again, -1 for
 * not at all. */
int engine_tick(struct engine *engine, struct mono now);

#endif
