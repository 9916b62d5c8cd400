/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/tally.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/kernel/kernel-counters.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * The ruleset reports no more than some connections a second of each rule, and counts all of them,
 * in a counter that is called after the rule (rules/counter-name.h). So what was counted and not
 * recorded is known exactly, whatever kept the records: the rate, a full socket, or nobody who
 * read.
 *
 * A packet is reported before it is counted, and the kernel sends a report at once
 * (src/kernel/nflog.c). So all reports of what was counted at a moment can be read after it, and
 * if more have been read than that, too little is said, and the rest the next time; never too much.
 *
 * A counter that has less than before was made anew, by who took the table away or set it back: it
 * counts from zero. Counters of rules that are no more stay as they were. What rules beyond
 * TALLY_RULES refuse is counted together, and nothing is said of how much of it was recorded.
 *
 * The watcher may be taken over. The parent reads nothing from here that it did not write: it has
 * its own record of what it counted.
 */

enum {
	BATCH_BYTES = 1 << 14,
	READS_MAX = 4,                  /* of a ruleset that changes meanwhile */
	RECORDED_MAX = 2 * TALLY_RULES, /* with those that the parent has not read yet */
};

struct shared {
	/* The parent's */
	_Atomic uint32_t round;     /* readings of the counters so far */
	_Atomic uint32_t n_counted; /* rows are set before they are counted here */
	struct {
		char id[COUNTER_ID];
		_Atomic uint64_t count;
	} counted[TALLY_RULES];
	_Atomic uint64_t values[TALLY_NUMBERS];
	struct {
		_Atomic uint64_t down;
		_Atomic uint64_t delays[TALLY_DELAYS + 1];
		_Atomic uint64_t delays_us;
	} servers[DNS_SERVERS_MAX];

	/* The watcher's */
	uint32_t n_recorded;
	struct {
		char id[COUNTER_ID];
		uint64_t recorded;
		uint64_t told; /* not recorded, as was said */
	} recorded[RECORDED_MAX];
	_Atomic uint64_t seen[TALLY_SEEN];
};

/* What the parent knows of a row: the counter's value at the last reading, and as the reading that
 * goes on finds it. */
struct counted {
	uint64_t last;
	uint64_t found;
	bool is_there;
};

struct tally {
	struct shared *shared;
	int event;
	struct netlink *netlink; /* NULL: not opened yet */
	char table[128];         /* that was read last; "": none */
	bool fresh;              /* counting begins with what is there now */
	uint32_t n_counted;
	uint32_t next; /* behind the row that was found last */
	struct counted counted[TALLY_RULES];
	uint32_t last_recorded; /* that tally_record() found */
};

int tally_new(struct tally **ret_tally)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return -ENOMEM;
	tally->fresh = true;
	tally->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tally->shared = mmap(NULL, sizeof(*tally->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally->event < 0 || tally->shared == MAP_FAILED) {
		int error = -errno;

		if (tally->shared == MAP_FAILED)
			tally->shared = NULL;
		tally_free(tally);
		return error;
	}
	*ret_tally = tally;
	return 0;
}

void tally_free(struct tally *tally)
{
	if (!tally)
		return;
	if (tally->shared)
		munmap(tally->shared, sizeof(*tally->shared));
	fd_closep(&tally->event);
	netlink_close(tally->netlink);
	free(tally);
}

/* --- The parent's --- */

/* The row of the id, a new one if there is none; the last one is for what finds no room. The kernel
 * tells its counters in the same order mostly, so the one behind the last row is looked at first.
 */
static uint32_t row_of(struct tally *tally, const char *id)
{
	struct shared *shared = tally->shared;
	uint32_t count = tally->n_counted;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = (tally->next + i) % count;

		if (strcmp(shared->counted[row].id, id) == 0)
			return row;
	}
	if (count == TALLY_RULES)
		return TALLY_RULES - 1;
	snprintf(shared->counted[count].id, COUNTER_ID, "%s",
		count < TALLY_RULES - 1 ? id : TALLY_OTHER);
	tally->n_counted = count + 1;
	atomic_store_explicit(&shared->n_counted, tally->n_counted, memory_order_release);
	return count;
}

static int on_counter(void *context, const char *name, uint64_t packets, uint64_t bytes)
{
	struct tally *tally = context;
	char id[COUNTER_ID];
	uint32_t row = row_of(tally, counter_id(name, id));
	struct counted *counted = &tally->counted[row];

	(void)bytes;
	tally->next = row + 1;
	counted->found += packets;
	counted->is_there = true;
	return 0;
}

static int walk(struct tally *tally, const char *table)
{
	int error = -EINTR;

	for (unsigned i = 0; i < READS_MAX && error == -EINTR; i++) {
		for (uint32_t row = 0; row < TALLY_RULES; row++)
			tally->counted[row].found = tally->counted[row].is_there = 0;
		error = kernel_counters_walk(tally->netlink, table, on_counter, tally);
	}
	return error;
}

/* Adds what has come to the row since the last reading. Whether anything has. */
static bool take_row(struct tally *tally, uint32_t row)
{
	struct counted *counted = &tally->counted[row];
	_Atomic uint64_t *count = &tally->shared->counted[row].count;
	uint64_t more = counted->found - counted->last;

	if (counted->found < counted->last)
		more = counted->found;
	counted->last = counted->found;
	if (tally->fresh || more == 0)
		return false;
	atomic_fetch_add_explicit(count, more, memory_order_relaxed);
	return true;
}

int tally_read(struct tally *tally, const char *table)
{
	const uint64_t one = 1;
	bool changed = false;
	int error = tally->netlink ? 0 : netlink_open(BATCH_BYTES, &tally->netlink);

	if (strcmp(table, tally->table) != 0)
		tally->fresh = true;
	if (!error)
		error = walk(tally, table);
	if (error)
		return error;
	for (uint32_t row = 0; row < tally->n_counted; row++)
		if (tally->counted[row].is_there)
			changed |= take_row(tally, row);
	atomic_fetch_add_explicit(&tally->shared->round, 1, memory_order_release);
	tally->fresh = false;
	snprintf(tally->table, sizeof(tally->table), "%s", table);
	if (changed && write(tally->event, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static void publish(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

void tally_publish(struct tally *tally, const struct tally_numbers *numbers)
{
	struct shared *shared = tally->shared;

	for (unsigned i = 0; i < TALLY_NUMBERS; i++)
		publish(&shared->values[i], numbers->values[i]);
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++) {
		const struct tally_server *server = &numbers->servers[i];

		publish(&shared->servers[i].down, server->down);
		publish(&shared->servers[i].delays_us, server->delays_us);
		for (unsigned j = 0; j <= TALLY_DELAYS; j++)
			publish(&shared->servers[i].delays[j], server->delays[j]);
	}
}

/* --- A watcher's --- */

int tally_fd(const struct tally *tally)
{
	return tally->event;
}

void tally_woken(const struct tally *tally)
{
	uint64_t count;

	(void)!read(tally->event, &count, sizeof(count));
}

static uint64_t load(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

uint32_t tally_round(const struct tally *tally)
{
	return atomic_load_explicit(&tally->shared->round, memory_order_acquire);
}

void tally_look(const struct tally *tally, struct tally_counts *ret_counts)
{
	const struct shared *shared = tally->shared;

	ret_counts->n_rules = atomic_load_explicit(&shared->n_counted, memory_order_acquire);
	for (size_t i = 0; i < ret_counts->n_rules; i++) {
		memcpy(ret_counts->rules[i].id, shared->counted[i].id, COUNTER_ID);
		ret_counts->rules[i].count = load(&shared->counted[i].count);
	}
}

void tally_numbers(const struct tally *tally, struct tally_numbers *ret_numbers)
{
	const struct shared *shared = tally->shared;

	for (unsigned i = 0; i < TALLY_NUMBERS; i++)
		ret_numbers->values[i] = load(&shared->values[i]);
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++) {
		struct tally_server *server = &ret_numbers->servers[i];

		server->down = load(&shared->servers[i].down);
		server->delays_us = load(&shared->servers[i].delays_us);
		for (unsigned j = 0; j <= TALLY_DELAYS; j++)
			server->delays[j] = load(&shared->servers[i].delays[j]);
	}
}

/* The watcher's row of the id, from `first` on and around; a new one if there is none. */
static uint32_t recorded_row(struct shared *shared, const char *id, uint32_t first)
{
	uint32_t count = shared->n_recorded;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = (first + i) % count;

		if (strcmp(shared->recorded[row].id, id) == 0)
			return row;
	}
	if (count == RECORDED_MAX)
		return RECORDED_MAX - 1;
	snprintf(shared->recorded[count].id, COUNTER_ID, "%s",
		count < RECORDED_MAX - 1 ? id : TALLY_OTHER);
	shared->n_recorded = count + 1;
	return count;
}

void tally_record(struct tally *tally, const char *id)
{
	struct shared *shared = tally->shared;

	tally->last_recorded = recorded_row(shared, id, tally->last_recorded);
	shared->recorded[tally->last_recorded].recorded++;
}

uint64_t tally_settle(
	struct tally *tally, const struct tally_counts *counts, tally_visit *visit, void *context)
{
	struct shared *shared = tally->shared;
	uint64_t all = 0;

	for (uint32_t i = 0; i < counts->n_rules && i < TALLY_RULES - 1; i++) {
		uint32_t row = recorded_row(shared, counts->rules[i].id, i);
		uint64_t known = shared->recorded[row].recorded + shared->recorded[row].told;

		if (counts->rules[i].count <= known ||
			strcmp(counts->rules[i].id, COUNTER_PERMIT) == 0)
			continue;
		shared->recorded[row].told =
			counts->rules[i].count - shared->recorded[row].recorded;
		all += counts->rules[i].count - known;
		visit(context, counts->rules[i].id, counts->rules[i].count - known);
	}
	return all;
}

void tally_add(struct tally *tally, unsigned seen, uint64_t number)
{
	if (seen < TALLY_SEEN)
		atomic_fetch_add_explicit(&tally->shared->seen[seen], number, memory_order_relaxed);
}

uint64_t tally_seen(const struct tally *tally, unsigned seen)
{
	return seen < TALLY_SEEN ? load(&tally->shared->seen[seen]) : 0;
}

uint64_t tally_raise(struct tally *tally, unsigned seen, uint64_t number)
{
	if (seen < TALLY_SEEN && number > tally_seen(tally, seen))
		publish(&tally->shared->seen[seen], number);
	return tally_seen(tally, seen);
}
