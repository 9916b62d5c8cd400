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
 * All waits of one kind are equally long, so a queue for each kind is in the order of deadlines by
 * itself, and the next deadline is the least of three heads.
 */

#define PENDING_MAX 4096 /* a power of two: the ticket's low bits */
#define WAITERS_MAX 16384
#define IDS_DRAWN 128

static const int64_t wait_ms[PENDING_STATES] = {
	[PENDING_UPSTREAM] = 700,
	[PENDING_STREAM] = 2000,
	[PENDING_LEASE] = 2000,
};

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
	struct pending *by_hash[PENDING_MAX];
	struct pending *by_id[UINT16_MAX + 1];
	struct queue queues[PENDING_STATES];
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

struct pending *pending_find(struct pending_table *table, const struct name *name, uint16_t type)
{
	struct pending *pending = *chain_of(table, name, type);

	while (pending && (pending->type != type || !name_equal(&pending->name, name)))
		pending = pending->same_hash;
	return pending;
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
	pending->tries = 0;
	pending->id = 0;
	pending->answer = NULL;
	pending->waiters = NULL;
	pending->same_hash = *chain;
	*chain = pending;
	return pending;
}

static void leave_queue(struct pending_table *table, struct pending *pending)
{
	if (pending->state == PENDING_STATES)
		return;
	struct queue *queue = &table->queues[pending->state];

	*(pending->earlier ? &pending->earlier->later : &queue->first) = pending->later;
	*(pending->later ? &pending->later->earlier : &queue->last) = pending->earlier;
	pending->state = PENDING_STATES;
}

static void release_id(struct pending_table *table, struct pending *pending)
{
	if (pending->id)
		table->by_id[pending->id] = NULL;
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

void pending_enter(struct pending_table *table, struct pending *pending, enum pending_state state,
	struct mono now)
{
	struct queue *queue = &table->queues[state];

	leave_queue(table, pending);
	if (state == PENDING_LEASE)
		release_id(table, pending);
	pending->state = state;
	pending->generation++;
	pending->deadline = mono_add(now, (struct duration){.ms = wait_ms[state]});
	pending->earlier = queue->last;
	pending->later = NULL;
	*(queue->last ? &queue->last->later : &queue->first) = pending;
	queue->last = pending;
}

struct pending *pending_first(struct pending_table *table)
{
	struct pending *first = NULL;

	for (unsigned i = 0; i < PENDING_STATES; i++) {
		struct pending *head = table->queues[i].first;
		if (head && (!first || mono_before(head->deadline, first->deadline)))
			first = head;
	}
	return first;
}

struct pending *pending_on_socket(struct pending_table *table, unsigned upstream, unsigned socket)
{
	struct pending *pending = table->queues[PENDING_UPSTREAM].first;

	while (pending && (pending->upstream != upstream || pending->socket != socket))
		pending = pending->later;
	return pending;
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
	pending->id = id;
	table->by_id[id] = pending;
	return 0;
}

struct pending *pending_by_id(struct pending_table *table, uint16_t id)
{
	return id ? table->by_id[id] : NULL;
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
