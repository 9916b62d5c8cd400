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
 * A ring has one process that writes and one that reads at a time. `head` counts the records that
 * were put there, `tail` those that were taken; each is written by one side alone, in a cache line
 * of its own. Both stay in the shared memory, so that who takes over from a process that was killed
 * goes on where it was.
 *
 * Neither side needs the other to be sound. An index is always cut to the ring's size, so what a
 * wrong `tail` does to who writes is that records are lost, or written over. Who reads compares
 * `head` with its own count once, copies the record, and judges the copy: a head that can't be is
 * passed over as a whole. Who writes nonsense for ever keeps nobody else from being read, as the
 * reader turns from ring to ring.
 *
 * A process that speaks with strangers keeps its own ring and the flag below, and no other ring.
 *
 * A reader that has found nothing says that it sleeps and looks again; a writer that has put a
 * record there looks whether it does, and then writes to the eventfd, once. Between the two steps
 * on each side is a full barrier, so that one of them sees the other (the flag is what Dekker's
 * algorithm needs). While the reader is awake a record costs no system call. Who writes many at a
 * time looks once for all of them, since the barrier costs as much as the rest.
 */

_Static_assert((RING_RECORDS & (RING_RECORDS - 1)) == 0, "an index is cut by a mask");

enum { LINE = 64, FETCHED = 3 * LINE };

struct ring {
	_Alignas(64) _Atomic uint64_t head; /* who writes */
	_Atomic uint64_t lost;
	_Alignas(64) _Atomic uint64_t tail; /* who reads */
	_Atomic uint64_t told;              /* of `lost` */
	_Alignas(64) struct event events[RING_RECORDS];
};

/* The first page: the rings follow, each in pages of its own. */
struct shared {
	_Atomic uint32_t asleep;
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

/* Of a query, most of what there is, no more lines of memory are touched than it needs. */
static void copy(struct event *to, const struct event *from)
{
	bytes_copy(to, from, event_size(from));
	if (from->kind != EVENT_QUERY)
		bytes_copy(&to->user, &from->user, EVENT_REST);
}

static void ring_bell(struct rings *rings)
{
	const uint64_t one = 1;

	/* When the counter is full it is readable anyway. */
	if (atomic_exchange(&rings->shared->asleep, 0) != 0)
		while (write(rings->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void ring_add(struct rings *rings, unsigned ring, const struct event *event)
{
	struct ring *at = ring_at(rings, ring);
	uint64_t head = atomic_load_explicit(&at->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&at->tail, memory_order_acquire) >= RING_RECORDS) {
		atomic_fetch_add_explicit(&at->lost, 1, memory_order_relaxed);
		return;
	}
	copy(&at->events[head & (RING_RECORDS - 1)], event);
	atomic_store_explicit(&at->head, head + 1, memory_order_release);
}

void ring_tell(struct rings *rings)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&rings->shared->asleep, memory_order_relaxed) != 0)
		ring_bell(rings);
}

void ring_put(struct rings *rings, unsigned ring, const struct event *event)
{
	ring_add(rings, ring, event);
	ring_tell(rings);
}

bool ring_has_room(const struct rings *rings, unsigned ring)
{
	const struct ring *at = ring_at(rings, ring);

	return atomic_load_explicit(&at->head, memory_order_relaxed) -
		       atomic_load_explicit(&at->tail, memory_order_acquire) <
	       RING_RECORDS;
}

/* --- Who reads --- */

/* Has a record fetched as far as a query with a name of usual length has it. */
static inline void fetch(const struct event *event)
{
	for (size_t at = 0; at < FETCHED; at += LINE)
		__builtin_prefetch((const uint8_t *)event + at);
}

/* No more of the name than it has, whatever that says by now where it was read from. */
static void take_copy(struct event *to, const struct event *from)
{
	bytes_copy(to, from, offsetof(struct event, name) + sizeof(to->name.length));
	bytes_copy(to->name.wire, from->name.wire, to->name.length);
	if (to->kind == EVENT_QUERY)
		event_clear_rest(to);
	else
		bytes_copy(&to->user, &from->user, EVENT_REST);
}

int ring_take(struct rings *rings, unsigned ring, struct event *ret_event)
{
	struct ring *at = ring_at(rings, ring);
	uint64_t tail = atomic_load_explicit(&at->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&at->head, memory_order_acquire);
	const struct event *from;

	if (head == tail)
		return 0;
	if (head - tail > RING_RECORDS) {
		atomic_fetch_add_explicit(&at->lost, 1, memory_order_relaxed);
		atomic_store_explicit(&at->tail, head, memory_order_release);
		return -EPROTO;
	}
	from = &at->events[tail & (RING_RECORDS - 1)];
	fetch(&at->events[(tail + 2) & (RING_RECORDS - 1)]);
	take_copy(ret_event, from);
	atomic_store_explicit(&at->tail, tail + 1, memory_order_release);
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

bool rings_sleep(struct rings *rings)
{
	atomic_store(&rings->shared->asleep, 1);
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < rings->count; i++) {
		struct ring *ring = ring_at(rings, i);

		if (atomic_load_explicit(&ring->head, memory_order_relaxed) !=
			atomic_load_explicit(&ring->tail, memory_order_relaxed)) {
			rings_wake(rings);
			return false;
		}
	}
	return true;
}

void rings_wake(struct rings *rings)
{
	uint64_t rung;

	atomic_store(&rings->shared->asleep, 0);
	while (read(rings->fd, &rung, sizeof(rung)) < 0 && errno == EINTR)
		;
}
