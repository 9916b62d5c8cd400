/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_PENDING_H
#define EGRESS_RESOLVER_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/answer.h"
#include "resolver/engine.h"
#include "resolver/msg.h"
#include "src/base/clock.h"

/*
 * Questions whose answer is on its way, and who waits for it. The tables have a fixed size; a
 * question that finds them full is answered SERVFAIL.
 */

/* What a question waits for; each kind has a time-out of its own. */
enum pending_state {
	PENDING_UPSTREAM, /* a datagram from an upstream server */
	PENDING_STREAM,   /* its answer over TCP */
	PENDING_LEASE,    /* the keeper's acknowledgement */
	PENDING_STATES,
};

struct waiter {
	struct waiter *next;
	struct client client;
	struct msg_context context;
};

struct pending {
	struct name name;
	uint16_t type;

	enum pending_state state;
	struct mono deadline;
	unsigned upstream; /* the server asked */
	unsigned socket;   /* PENDING_UPSTREAM: where the answer must come in */
	unsigned tries;    /* questions sent so far */
	uint16_t id;       /* of the question that is out; 0: none is */

	/* PENDING_LEASE: the answer that the lease is for */
	struct answer *answer;
	struct answer_buffer buffer;
	uint32_t ttl;
	struct mono since; /* when the answer arrived */

	struct waiter *waiters;
	uint32_t generation;
	struct pending *same_hash;
	struct pending *earlier, *later; /* in the queue of its state, by deadline */
};

struct pending_table;

int pending_new(const struct hash_key *key, struct pending_table **ret_table);
void pending_free(struct pending_table *table);

/* The question already on its way, or NULL. */
struct pending *pending_find(struct pending_table *table, const struct name *name, uint16_t type);

/* A new one, in no state yet; NULL when the table is full. */
struct pending *pending_add(struct pending_table *table, const struct name *name, uint16_t type);

/* Takes it out; its waiters must be gone. */
void pending_remove(struct pending_table *table, struct pending *pending);

/* One more who waits. False when too many do. */
bool pending_wait(struct pending_table *table, struct pending *pending, const struct client *client,
	const struct msg_context *context);

/* The first of those who wait, taken off the list; NULL when nobody is left. It is valid until the
 * next pending_wait(). */
const struct waiter *pending_pop(struct pending_table *table, struct pending *pending);

/* Enters a state, from `now` until its time-out. */
void pending_enter(struct pending_table *table, struct pending *pending, enum pending_state state,
	struct mono now);

/* The one whose deadline comes first, or NULL. */
struct pending *pending_first(struct pending_table *table);

/* A question that waits for a datagram on that socket, or NULL. */
struct pending *pending_on_socket(struct pending_table *table, unsigned upstream, unsigned socket);

/* Draws an ID that no other question has, for the one about to be sent. 0 or -errno. */
int pending_draw_id(struct pending_table *table, struct pending *pending);

/* The question with that ID, or NULL. */
struct pending *pending_by_id(struct pending_table *table, uint16_t id);

/* A number for completions to come back with, and the question it belongs to while that still waits
 * in `state`, else NULL. */
uint32_t pending_ticket(const struct pending_table *table, const struct pending *pending);
struct pending *pending_by_ticket(
	struct pending_table *table, uint32_t ticket, enum pending_state state);

#endif
