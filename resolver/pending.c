/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/*
 * Theory of operation
 *
 * A question is found by (name, type) to join duplicates, by its ID when a datagram comes, and by
 * its ticket when the keeper or a TCP connection completes. A ticket is the place in the table and
 * a count that grows with every change of state, so a completion that comes too late finds nothing.
 *
 * All waits in one queue are equally long, so it is in the order of deadlines by itself, and the
 * next deadline is the least of the queues' heads. Leases have one queue, and proofs; answers of
 * servers, which are waited for as long as the server usually takes, have one for each of a few
 * lengths.
 */

#define PENDING_MAX 4096 /* a power of two: the ticket's low bits */
#define WAITERS_MAX 16384
#define IDS_DRAWN 128
#define BUSY_SHARE 4 /* one part in so many of the table is in use */

enum { QUEUE_LEASE, QUEUE_PROOF, QUEUE_UPSTREAM, QUEUES = 19 };

static const int64_t wait_ms[QUEUES] = {2000, 5000, 25, 50, 100, 150, 200, 250, 300, 400, 600, 800,
	1000, 1250, 1500, 2000, 2500, 3000, 4000};

struct queue {
	struct pending *first, *last;
};

struct pending_table {
	struct hash_key key;
	struct pending entries[PENDING_MAX];
	struct waiter waiters[WAITERS_MAX];
	struct pending *free_entries; /* linked by same_hash */
	struct waiter *free_waiters;
	uint32_t entries_used; /* those behind it were never handed out */
	uint32_t waiters_used;
	uint32_t n_pending;
	struct pending *by_hash[PENDING_MAX];
	uint16_t by_id[UINT16_MAX + 1]; /* place in the table, counted from 1; 0: free */
	struct queue queues[QUEUES];
	uint16_t ids[IDS_DRAWN];
	unsigned ids_left;
};

int pending_new(const struct hash_key *key, struct pending_table **ret_table)
{
	struct pending_table *table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (table == MAP_FAILED)
		return -ENOMEM;
	table->key = *key;
	*ret_table = table;
	return 0;
}

void pending_free(struct pending_table *table)
{
	if (table)
		munmap(table, sizeof(*table));
}

static struct pending **chain_of(
	struct pending_table *table, const struct name *name, uint16_t type)
{
	return &table->by_hash[msg_hash_question(&table->key, name, type) % PENDING_MAX];
}

static struct pending *find(
	struct pending_table *table, const struct name *name, uint16_t type, bool of_zone)
{
	struct pending *pending = *chain_of(table, name, type);

	while (pending && (pending->type != type || pending->of_zone != of_zone ||
				  !name_equal(&pending->name, name)))
		pending = pending->same_hash;
	return pending;
}

struct pending *pending_find(struct pending_table *table, const struct name *name, uint16_t type)
{
	return find(table, name, type, false);
}

struct pending *pending_find_zone(
	struct pending_table *table, const struct name *name, uint16_t type)
{
	return find(table, name, type, true);
}

static struct pending *take_entry(struct pending_table *table)
{
	struct pending *entry = table->free_entries;

	if (entry) {
		table->free_entries = entry->same_hash;
		return entry;
	}
	if (table->entries_used == PENDING_MAX)
		return NULL;
	return &table->entries[table->entries_used++];
}

struct pending *pending_add(struct pending_table *table, const struct name *name, uint16_t type)
{
	struct pending *pending = take_entry(table);

	if (!pending)
		return NULL;
	struct pending **chain = chain_of(table, name, type);

	pending->name = *name;
	pending->type = type;
	pending->state = PENDING_STATES;
	pending->signatures = false;
	pending->of_zone = false;
	pending->ede = EDE_NONE;
	pending->proof = NULL;
	pending->tries = 0;
	pending->useless = 0;
	pending->n_attempts = 0;
	pending->id = 0;
	pending->answer = NULL;
	pending->waiters = NULL;
	pending->same_hash = *chain;
	*chain = pending;
	table->n_pending++;
	return pending;
}

bool pending_is_busy(const struct pending_table *table)
{
	return table->n_pending > PENDING_MAX / BUSY_SHARE;
}

static void leave_queue(struct pending_table *table, struct pending *pending)
{
	if (pending->state == PENDING_STATES)
		return;
	struct queue *queue = &table->queues[pending->queue];

	*(pending->earlier ? &pending->earlier->later : &queue->first) = pending->later;
	*(pending->later ? &pending->later->earlier : &queue->last) = pending->earlier;
	pending->state = PENDING_STATES;
}

static void release_id(struct pending_table *table, struct pending *pending)
{
	if (pending->id)
		table->by_id[pending->id] = 0;
	pending->id = 0;
}

void pending_remove(struct pending_table *table, struct pending *pending)
{
	struct pending **link = chain_of(table, &pending->name, pending->type);

	while (*link != pending)
		link = &(*link)->same_hash;
	*link = pending->same_hash;
	leave_queue(table, pending);
	release_id(table, pending);
	pending->generation++;
	table->n_pending--;
	pending->same_hash = table->free_entries;
	table->free_entries = pending;
}

static struct waiter *take_waiter(struct pending_table *table)
{
	struct waiter *waiter = table->free_waiters;

	if (waiter) {
		table->free_waiters = waiter->next;
		return waiter;
	}
	if (table->waiters_used == WAITERS_MAX)
		return NULL;
	return &table->waiters[table->waiters_used++];
}

bool pending_wait(struct pending_table *table, struct pending *pending, const struct client *client,
	const struct msg_context *context)
{
	struct waiter *waiter = take_waiter(table);

	if (!waiter)
		return false;
	waiter->client = *client;
	waiter->context = *context;
	waiter->context.question = waiter->question;
	memcpy(waiter->question, context->question, context->question_size);
	waiter->next = pending->waiters;
	pending->waiters = waiter;
	return true;
}

const struct waiter *pending_pop(struct pending_table *table, struct pending *pending)
{
	struct waiter *waiter = pending->waiters;

	if (!waiter)
		return NULL;
	pending->waiters = waiter->next;
	waiter->next = table->free_waiters;
	table->free_waiters = waiter;
	return waiter;
}

static void enter_queue(
	struct pending_table *table, struct pending *pending, unsigned number, struct mono now)
{
	struct queue *queue = &table->queues[number];

	pending->queue = (uint8_t)number;
	pending->deadline = mono_add(now, (struct duration){.ms = wait_ms[number]});
	pending->earlier = queue->last;
	pending->later = NULL;
	*(queue->last ? &queue->last->later : &queue->first) = pending;
	queue->last = pending;
}

void pending_enter(struct pending_table *table, struct pending *pending, enum pending_state state,
	struct mono now)
{
	leave_queue(table, pending);
	release_id(table, pending);
	pending->state = state;
	pending->generation++;
	enter_queue(table, pending, state == PENDING_PROOF ? QUEUE_PROOF : QUEUE_LEASE, now);
}

void pending_wait_upstream(
	struct pending_table *table, struct pending *pending, struct duration span, struct mono now)
{
	unsigned queue = QUEUE_UPSTREAM;

	while (queue + 1 < QUEUES && wait_ms[queue] < span.ms)
		queue++;
	leave_queue(table, pending);
	pending->state = PENDING_UPSTREAM;
	enter_queue(table, pending, queue, now);
}

struct pending *pending_first(struct pending_table *table)
{
	struct pending *first = NULL;

	for (unsigned i = 0; i < QUEUES; i++) {
		struct pending *head = table->queues[i].first;
		if (head && (!first || mono_before(head->deadline, first->deadline)))
			first = head;
	}
	return first;
}

struct attempt *pending_datagram(struct pending *pending, unsigned server, uint32_t socket)
{
	for (unsigned i = 0; i < pending->n_attempts; i++) {
		struct attempt *attempt = &pending->attempts[i];

		if (!attempt->stream && !attempt->over && attempt->server == server &&
			attempt->socket == socket)
			return attempt;
	}
	return NULL;
}

struct pending *pending_on_socket(
	struct pending_table *table, unsigned server, uint32_t socket, struct attempt **ret_attempt)
{
	for (unsigned i = QUEUE_UPSTREAM; i < QUEUES; i++) {
		struct pending *pending = table->queues[i].first;

		for (; pending; pending = pending->later) {
			*ret_attempt = pending_datagram(pending, server, socket);
			if (*ret_attempt)
				return pending;
		}
	}
	return NULL;
}

/* The next random number of a stock that one system call fills. */
static int draw(struct pending_table *table, uint16_t *ret_id)
{
	if (table->ids_left == 0) {
		ssize_t got = getrandom(table->ids, sizeof(table->ids), 0);
		if (got != sizeof(table->ids))
			return got < 0 ? -errno : -EIO;
		table->ids_left = IDS_DRAWN;
	}
	*ret_id = table->ids[--table->ids_left];
	return 0;
}

int pending_draw_id(struct pending_table *table, struct pending *pending)
{
	uint16_t id = 0;

	release_id(table, pending);
	do { /* at most one ID in 16 is taken */
		int error = draw(table, &id);
		if (error)
			return error;
	} while (id == 0 || table->by_id[id]);
	for (unsigned i = 0; i < 4; i++) {
		uint16_t letters = 0;
		int error = draw(table, &letters);

		if (error)
			return error;
		pending->letters = pending->letters << 16 | letters;
	}
	pending->id = id;
	table->by_id[id] = (uint16_t)(pending - table->entries + 1);
	return 0;
}

struct pending *pending_by_id(struct pending_table *table, uint16_t id)
{
	uint16_t place = table->by_id[id];

	return place > 0 ? &table->entries[place - 1] : NULL;
}

uint32_t pending_ticket(const struct pending_table *table, const struct pending *pending)
{
	return pending->generation * PENDING_MAX + (uint32_t)(pending - table->entries);
}

struct pending *pending_by_ticket(
	struct pending_table *table, uint32_t ticket, enum pending_state state)
{
	struct pending *pending = &table->entries[ticket % PENDING_MAX];

	if (pending->state != state || pending_ticket(table, pending) != ticket)
		return NULL;
	return pending;
}
