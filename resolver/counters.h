/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COUNTERS_H
#define EGRESS_RESOLVER_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"

/*
 * What the workers count, in memory that they share with the parent: a page each, so that none has
 * to wait for another. A page has one writer, its worker, and no step of counting costs more than
 * an addition; the parent reads what is there at the moment.
 */
enum counter {
	COUNTER_QUERIES, /* well-formed or not; the rest are the answers to them */
	COUNTER_CACHED,  /* from memory, stale ones included */
	COUNTER_FRESH,   /* what a server has just answered, or [dns.hosts] */
	COUNTER_LOCAL,   /* of names and types that no server is asked for */
	COUNTER_REFUSED, /* by the policy */
	COUNTER_FAILED,  /* no answer to be had, a limit, a malformed query */
	COUNTERS,
};

struct counters {
	_Atomic uint64_t values[COUNTERS];
	atomic_bool down[DNS_SERVERS_MAX]; /* the upstream server does not answer */
};

/* A page for each of `count` workers, all zeros. 0 or -ENOMEM. */
struct counter_pages;
int counters_new(unsigned count, struct counter_pages **ret_pages);
void counters_free(struct counter_pages *pages);

/* A worker's own. */
struct counters *counters_of(const struct counter_pages *pages, unsigned worker);

/* One more; only for who writes the page. */
static inline void counters_add(struct counters *counters, enum counter which, uint64_t number)
{
	uint64_t before = atomic_load_explicit(&counters->values[which], memory_order_relaxed);

	atomic_store_explicit(&counters->values[which], before + number, memory_order_relaxed);
}

static inline void counters_note_server(struct counters *counters, unsigned upstream, bool down)
{
	atomic_store_explicit(&counters->down[upstream], down, memory_order_relaxed);
}

/* Sums of several pages. */
struct counter_sums {
	uint64_t values[COUNTERS];
	unsigned down[DNS_SERVERS_MAX]; /* workers that say so */
};

/* Adds all of the pages. */
void counters_sum(const struct counter_pages *pages, struct counter_sums *sums);

#endif
