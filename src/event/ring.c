/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/bytes.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * A ring has one process that writes and one that reads at a time. `head` counts the bytes that
 * were put there, `tail` those that were taken; each is written by one side alone, in a cache line
 * of its own. Both stay in the shared memory, so that who takes over from a process that was killed
 * goes on where it was.
 *
 * A record takes no more bytes than it has: the lengths of its texts, what every record has, its
 * rule, its name and, unless it is of a query, the rest. So a query is a line or two of memory, of
 * which both sides touch no more, and a ring has room for many. A record is in one piece; where the
 * end of the ring is too near for one, a mark says that the next is at the beginning.
 *
 * Neither side needs the other to be sound. A place is always cut to the ring's size, so what a
 * wrong `tail` does to who writes is that records are lost, or written over. Who reads compares
 * `head` with its own count once, copies lengths and record, and judges the copies: a head that
 * can't be, and a record that would reach beyond it or beyond the ring, are passed over with all
 * that is there. Who writes nonsense for ever keeps nobody else from being read, as the reader
 * turns from ring to ring.
 *
 * A process that speaks with strangers keeps its own ring and the flag below, and no other ring.
 *
 * A reader that has found nothing says that it sleeps and looks again; a writer that has put a
 * record there looks whether it does, and then writes to the eventfd, once. Between the two steps
 * on each side is a full barrier, so that one of them sees the other (the flag is what Dekker's
 * algorithm needs). A reader that expects more sleeps for a while, whatever comes, unless a ring
 * fills. While the reader is awake a record costs no system call. Who writes many at a time looks
 * once for all of them, since the barrier costs as much as the rest.
 */

_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0, "a place is cut by a mask");

enum {
	ALIGNED = 8,           /* places are multiples of it */
	MARK = RING_BYTES / 4, /* that is in a ring wakes who lingers */
	TO_BEGINNING = 0xff,   /* in place of a rule's length */
};

/* States of who reads. */
enum { AWAKE, ASLEEP, LINGERS };

/* Before each record. */
struct lengths {
	uint8_t rule;
	uint8_t name;
	uint8_t unused[6];
};

#define HEAD offsetof(struct event, rule)
#define RECORD_MOST (sizeof(struct lengths) + sizeof(struct event) + ALIGNED)

_Static_assert(sizeof(struct lengths) == ALIGNED, "there is room for it at any place");
_Static_assert(EVENT_RULE - 1 < TO_BEGINNING, "no rule is that long");
_Static_assert(RECORD_MOST *(RING_RECORDS + 1) <= RING_BYTES, "that many have room");

struct ring {
	_Alignas(64) _Atomic uint64_t head; /* who writes */
	_Atomic uint64_t lost;
	_Alignas(64) _Atomic uint64_t tail; /* who reads */
	_Atomic uint64_t told;              /* of `lost` */
	_Alignas(64) uint8_t bytes[RING_BYTES];
};

/* The first page: the rings follow, each in pages of its own. */
struct shared {
	_Atomic uint32_t reader; /* its state */
};

struct rings {
	struct shared *shared;
	size_t page;
	size_t stride; /* from one ring to the next */
	unsigned count;
	int fd;
};

static struct ring *ring_at(const struct rings *rings, unsigned index)
{
	return (struct ring *)(void *)((uint8_t *)rings->shared + rings->page +
				       index * rings->stride);
}

static size_t size_of(const struct rings *rings)
{
	return rings->page + rings->count * rings->stride;
}

int rings_new(unsigned count, struct rings **ret_rings)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	void *shared;
	int error;

	if (!rings)
		return -ENOMEM;
	rings->count = count;
	rings->page = (size_t)sysconf(_SC_PAGESIZE);
	rings->stride = (sizeof(struct ring) + rings->page - 1) / rings->page * rings->page;
	rings->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared = mmap(NULL, size_of(rings), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rings->fd >= 0 && shared != MAP_FAILED) {
		rings->shared = shared;
		*ret_rings = rings;
		return 0;
	}
	error = -errno;
	if (shared != MAP_FAILED)
		rings->shared = shared;
	rings_free(rings);
	return error;
}

void rings_free(struct rings *rings)
{
	if (!rings)
		return;
	if (rings->shared)
		munmap(rings->shared, size_of(rings));
	fd_closep(&rings->fd);
	free(rings);
}

void rings_keep(struct rings *rings, unsigned ring)
{
	uint8_t *own = (uint8_t *)ring_at(rings, ring);
	uint8_t *first = (uint8_t *)ring_at(rings, 0);
	uint8_t *end = (uint8_t *)ring_at(rings, rings->count);

	if (own > first)
		munmap(first, (size_t)(own - first));
	if (end > own + rings->stride)
		munmap(own + rings->stride, (size_t)(end - own) - rings->stride);
}

int rings_fd(const struct rings *rings)
{
	return rings->fd;
}

/* --- Who writes --- */

static void ring_bell(struct rings *rings)
{
	const uint64_t one = 1;

	/* When the counter is full it is readable anyway. */
	if (atomic_exchange(&rings->shared->reader, AWAKE) != AWAKE)
		while (write(rings->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

/* Bytes in the ring, as who writes has it. */
static uint64_t used_of(const struct ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed) -
	       atomic_load_explicit(&ring->tail, memory_order_acquire);
}

static size_t place_of(uint64_t count)
{
	return count & (RING_BYTES - ALIGNED);
}

/* What a record takes, its lengths included. */
static size_t size_with(struct lengths lengths, uint8_t kind)
{
	size_t size = sizeof(lengths) + HEAD + lengths.rule + lengths.name;

	if (kind != EVENT_QUERY)
		size += EVENT_REST;
	return (size + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
}

static void copy_out(uint8_t *at, struct lengths lengths, const struct event *event)
{
	memcpy(at, &lengths, sizeof(lengths));
	memcpy(at + sizeof(lengths), event, HEAD);
	at += sizeof(lengths) + HEAD;
	bytes_copy(at, event->rule, lengths.rule);
	at += lengths.rule;
	bytes_copy(at, event->name.wire, lengths.name);
	if (event->kind != EVENT_QUERY)
		bytes_copy(at + lengths.name, &event->user, EVENT_REST);
}

void ring_add(struct rings *rings, unsigned ring, const struct event *event)
{
	const struct lengths lengths = {
		.rule = (uint8_t)strnlen(event->rule, EVENT_RULE - 1),
		.name = event->name.length,
	};
	struct ring *at = ring_at(rings, ring);
	uint64_t head = atomic_load_explicit(&at->head, memory_order_relaxed);
	uint64_t used = used_of(at);
	size_t size = size_with(lengths, event->kind), place = place_of(head);
	size_t skipped = RING_BYTES - place < size ? RING_BYTES - place : 0;

	if (used > RING_BYTES || RING_BYTES - used < skipped + size) {
		atomic_fetch_add_explicit(&at->lost, 1, memory_order_relaxed);
		return;
	}
	if (skipped > 0) {
		memcpy(at->bytes + place, &(struct lengths){.rule = TO_BEGINNING}, ALIGNED);
		place = 0;
	}
	copy_out(at->bytes + place, lengths, event);
	atomic_store_explicit(&at->head, head + skipped + size, memory_order_release);
}

void ring_tell(struct rings *rings, unsigned ring)
{
	uint32_t reader;

	atomic_thread_fence(memory_order_seq_cst);
	reader = atomic_load_explicit(&rings->shared->reader, memory_order_relaxed);
	if (reader == ASLEEP || (reader == LINGERS && used_of(ring_at(rings, ring)) >= MARK))
		ring_bell(rings);
}

void ring_put(struct rings *rings, unsigned ring, const struct event *event)
{
	ring_add(rings, ring, event);
	ring_tell(rings, ring);
}

bool ring_has_room(const struct rings *rings, unsigned ring)
{
	/* The last one may not fit before the end. */
	return used_of(ring_at(rings, ring)) <= RING_BYTES - 2 * RECORD_MOST;
}

/* --- Who reads --- */

/* What is there can't be. */
static int pass_over(struct ring *ring, uint64_t head)
{
	atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, head, memory_order_release);
	return -EPROTO;
}

/* Whoever writes may change what is copied meanwhile, but neither where it goes nor how much. */
static size_t take_copy(const uint8_t *from, size_t left, struct event *ret_event)
{
	struct lengths lengths;
	size_t size;

	memcpy(&lengths, from, sizeof(lengths));
	if (lengths.rule >= EVENT_RULE || left < sizeof(lengths) + HEAD)
		return 0;
	memcpy(ret_event, from + sizeof(lengths), HEAD);
	size = size_with(lengths, ret_event->kind);
	if (size > left)
		return 0;
	from += sizeof(lengths) + HEAD;
	bytes_copy(ret_event->rule, from, lengths.rule);
	ret_event->rule[lengths.rule] = '\0';
	from += lengths.rule;
	ret_event->name.length = lengths.name;
	bytes_copy(ret_event->name.wire, from, lengths.name);
	if (ret_event->kind == EVENT_QUERY)
		event_clear_rest(ret_event);
	else
		bytes_copy(&ret_event->user, from + lengths.name, EVENT_REST);
	return size;
}

int ring_take(struct rings *rings, unsigned ring, struct event *ret_event)
{
	struct ring *at = ring_at(rings, ring);
	uint64_t tail = atomic_load_explicit(&at->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&at->head, memory_order_acquire);
	size_t place = place_of(tail), room = RING_BYTES - place, skipped = 0, size;
	uint64_t left = head - tail;

	if (left == 0)
		return 0;
	if (left > RING_BYTES || left < ALIGNED)
		return pass_over(at, head);
	if (*(const volatile uint8_t *)(at->bytes + place) == TO_BEGINNING) {
		if (left <= room)
			return pass_over(at, head);
		skipped = room;
		left -= room;
		place = 0;
		room = RING_BYTES;
	}
	size = take_copy(at->bytes + place, left < room ? (size_t)left : room, ret_event);
	if (size == 0)
		return pass_over(at, head);
	atomic_store_explicit(&at->tail, tail + skipped + size, memory_order_release);
	return 1;
}

uint64_t ring_lost(struct rings *rings, unsigned ring)
{
	struct ring *at = ring_at(rings, ring);
	uint64_t lost = atomic_load_explicit(&at->lost, memory_order_relaxed);
	uint64_t told = atomic_load_explicit(&at->told, memory_order_relaxed);

	if (lost != told)
		atomic_store_explicit(&at->told, lost, memory_order_relaxed);
	/* Who counts backwards gets no more said of it than once. */
	return lost > told ? lost - told : lost < told ? 1 : 0;
}

/* Says what who reads is about to do, unless some ring has `least` bytes meanwhile. */
static bool fall_asleep(struct rings *rings, uint32_t state, uint64_t least)
{
	atomic_store(&rings->shared->reader, state);
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < rings->count; i++) {
		if (used_of(ring_at(rings, i)) >= least) {
			rings_wake(rings);
			return false;
		}
	}
	return true;
}

bool rings_sleep(struct rings *rings)
{
	return fall_asleep(rings, ASLEEP, 1);
}

bool rings_linger(struct rings *rings)
{
	return fall_asleep(rings, LINGERS, MARK);
}

void rings_wake(struct rings *rings)
{
	uint64_t rung;

	atomic_store(&rings->shared->reader, AWAKE);
	while (read(rings->fd, &rung, sizeof(rung)) < 0 && errno == EINTR)
		;
}
