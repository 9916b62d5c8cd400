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
	PENDING_UPSTREAM, /* an upstream server's answer */
	PENDING_LEASE,    /* the keeper's acknowledgement */
	PENDING_PROOF,    /* the keys that its answer is validated with */
	PENDING_STATES,
};

struct waiter {
	struct waiter *next;
	struct client client;
	struct msg_context context;
	uint8_t question[MSG_QUESTION_MAX]; /* the context's */
};

/* A question sent to an upstream server. */
struct attempt {
	uint8_t server;
	bool stream; /* over a connection; else a datagram */
	bool edns;
	bool cased;      /* with the capitals of `letters` */
	bool over;       /* the server gave an unusable answer, or none can come */
	bool blamed;     /* the server's silence has been noted */
	bool repeat;     /* asked again because of an answer, not for the lack of one */
	uint32_t socket; /* datagrams: where the answer must come in */
	struct mono at;
};

#define ATTEMPTS_MAX 12

struct proof;

struct pending {
	struct name name;
	uint16_t type;
	bool signatures; /* they are asked for, and the answer is validated */
	bool of_zone;    /* it is for a zone's keys, no client's: see resolver/prove.c */
	int16_t ede;     /* of_zone: what was wrong with the last answer */
	struct proof *proof;

	enum pending_state state;
	uint8_t queue;
	struct mono deadline;

	/* PENDING_UPSTREAM, see resolver/upstream.c */
	uint16_t id;       /* of the questions that are out; 0: none is */
	uint64_t letters;  /* which of theirs are capitals */
	struct mono until; /* no answer is waited for any longer */
	uint8_t tries;     /* servers chosen */
	uint8_t useless;   /* servers that are not asked again: bit 1 << server */
	uint8_t n_attempts;
	struct attempt attempts[ATTEMPTS_MAX];

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

/* The same of those for zones' keys. */
struct pending *pending_find_zone(
	struct pending_table *table, const struct name *name, uint16_t type);

/* A new one, in no state yet; NULL when the table is full. */
struct pending *pending_add(struct pending_table *table, const struct name *name, uint16_t type);

/* Whether so many questions are out that none should be asked that nobody waits for. */
bool pending_is_busy(const struct pending_table *table);

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

/* Enters PENDING_UPSTREAM, or waits on in it, from `now` for `span`, which may be rounded up. The
 * ticket stays. */
void pending_wait_upstream(struct pending_table *table, struct pending *pending,
	struct duration span, struct mono now);

/* The one whose deadline comes first, or NULL. */
struct pending *pending_first(struct pending_table *table);

/* The attempt that waits for the server's datagram on that socket, or NULL. */
struct attempt *pending_datagram(struct pending *pending, unsigned server, uint32_t socket);

/* A question that waits for one, or NULL; *ret_attempt is the attempt. */
struct pending *pending_on_socket(struct pending_table *table, unsigned server, uint32_t socket,
	struct attempt **ret_attempt);

/* Draws an ID that no other question has, and letters. 0 or -errno. */
int pending_draw_id(struct pending_table *table, struct pending *pending);

/* The question with that ID, or NULL. */
struct pending *pending_by_id(struct pending_table *table, uint16_t id);

/* A number for completions to come back with, and the question it belongs to while that still waits
 * in `state`, else NULL. */
uint32_t pending_ticket(const struct pending_table *table, const struct pending *pending);
struct pending *pending_by_ticket(
	struct pending_table *table, uint32_t ticket, enum pending_state state);

#endif
