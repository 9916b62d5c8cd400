/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COUNTERS_H
#define EGRESS_RESOLVER_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolver/tally.h"
#include "rules/policy.h"
#include "src/base/clock.h"

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

/* In milliseconds. */
extern const unsigned counters_delays[TALLY_DELAYS];

struct counters {
	_Atomic uint64_t values[COUNTERS];
	atomic_bool down[DNS_SERVERS_MAX]; /* the upstream server does not answer */
	/* Its answers by how long they took, see counters_delays; and that in all, in milliseconds.
	 */
	_Atomic uint64_t delays[DNS_SERVERS_MAX][TALLY_DELAYS + 1];
	_Atomic uint64_t delays_ms[DNS_SERVERS_MAX];
	/* The keeper's page alone: */
	_Atomic uint64_t opened; /* leases so far */
	_Atomic uint64_t leases; /* now */
};

/* A page for each of `count` processes, all zeros. 0 or -ENOMEM. */
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

/* An answer of the server's took that long. */
void counters_note_delay(struct counters *counters, unsigned upstream, struct duration delay);

/* So many leases more, which are none then, and as many now. NULL: nobody reads them. */
void counters_note_leases(struct counters *counters, uint64_t *opened, uint64_t leases);

/* Sums of several pages. */
struct counter_sums {
	uint64_t values[COUNTERS];
	unsigned down[DNS_SERVERS_MAX]; /* workers that say so */
	uint64_t delays[DNS_SERVERS_MAX][TALLY_DELAYS + 1];
	uint64_t delays_ms[DNS_SERVERS_MAX];
	uint64_t opened;
	uint64_t leases;
};

/* What of them the metrics have (egress-resolver(8)). */
void counters_tell(const struct counter_sums *sums, struct tally_numbers *numbers);

/* Adds all of the pages. */
void counters_sum(const struct counter_pages *pages, struct counter_sums *sums);

#endif
