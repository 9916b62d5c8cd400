/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_TALLY_H
#define EGRESS_RESOLVER_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/counter-name.h"
#include "rules/policy.h"

/*
 * What is counted and not recorded one by one, in memory of a fixed size that the parent and its
 * watchers share. The parent puts there what the kernel has counted by rule, and what it knows of
 * its other children; a watcher, which rules it has read records of, and what those came to. Each
 * number has one writer, and a watcher that is followed by another leaves its own to that.
 */
struct tally;

/* Rules that are told apart; those beyond are one, TALLY_OTHER. */
#define TALLY_RULES 4096
#define TALLY_OTHER "other"

/* Upper bounds of how long upstream servers take (counters_delays), but for one more of what takes
 * longer. */
#define TALLY_DELAYS 9

/* What the parent knows. */
enum tally_number {
	TALLY_QUERIES, /* as enum counter */
	TALLY_CACHED,
	TALLY_FRESH,
	TALLY_LOCAL,
	TALLY_REFUSED,
	TALLY_FAILED,
	TALLY_LEASES, /* there are now */
	TALLY_OPENED, /* leases so far */
	TALLY_CREWS,  /* started so far */
	TALLY_WATCHERS,
	TALLY_RELOADS,
	TALLY_RELOADS_FAILED,
	TALLY_STARTED, /* seconds since 1970 */
	TALLY_APPLIED, /* the same: when the policy in force came to be so */
	TALLY_WORKERS, /* that serve */
	TALLY_CPU_MS,  /* of all processes, those that have ended included */
	TALLY_NUMBERS,
};

/* One of the servers of [dns] upstream, by its place there. */
struct tally_server {
	uint64_t down; /* workers that say it is */
	uint64_t delays[TALLY_DELAYS + 1];
	uint64_t delays_us; /* in all */
};

struct tally_numbers {
	uint64_t values[TALLY_NUMBERS];
	struct tally_server servers[DNS_SERVERS_MAX];
};

/* What a watcher has seen. */
enum tally_seen {
	TALLY_BYTES_OUT, /* of flows that are over */
	TALLY_BYTES_IN,
	TALLY_FLOWS,
	TALLY_LOST_QUERIES, /* records: as enum event_loss */
	TALLY_LOST_LEASES,
	TALLY_LOST_CONNECTIONS,
	TALLY_LOST_FLOWS,
	TALLY_SOCKETS_FOUND,   /* of packets that were reported */
	TALLY_SOCKETS_GONE,    /* or never there, or another's by then */
	TALLY_SOCKETS_LIMITED, /* not asked for */
	TALLY_PERMITTED,       /* connections, as the metrics told last */
	TALLY_ALERTS,          /* of the first rule; there is room for TALLY_ALERT_RULES */
	TALLY_ALERT_RULES = 32,
	TALLY_SEEN = TALLY_ALERTS + TALLY_ALERT_RULES,
};

/* 0 or -errno. */
int tally_new(struct tally **ret_tally);

/* For this process alone. NULL is allowed. */
void tally_free(struct tally *tally);

/* --- The parent's --- */

/*
 * Reads the kernel's counters of the table, which takes CAP_NET_ADMIN, and wakes who reads if any
 * has changed. The first time, and the first time of another table, nothing counts that was there
 * before. 0 or -errno: then what was read before stays.
 */
int tally_read(struct tally *tally, const char *table);

void tally_publish(struct tally *tally, const struct tally_numbers *numbers);

/* --- A watcher's --- */

/* Readable when a counter has changed; tally_woken() makes it wait for the next. */
int tally_fd(const struct tally *tally);
void tally_woken(const struct tally *tally);

/* What the kernel had counted at a moment, by rule. */
struct tally_counts {
	size_t n_rules;
	struct {
		char id[COUNTER_ID];
		uint64_t count;
	} rules[TALLY_RULES];
};
void tally_look(const struct tally *tally, struct tally_counts *ret_counts);

/* Which reading the counts are of: it changes with each. */
uint32_t tally_round(const struct tally *tally);

void tally_numbers(const struct tally *tally, struct tally_numbers *ret_numbers);

/* A record of a connection came that was logged under that id. */
void tally_record(struct tally *tally, const char *id);

/* Called with each rule of which connections were counted and not recorded. */
typedef void tally_visit(void *context, const char *id, uint64_t count);

/*
 * Says of how many of the connections that had been counted by then no record came, those that were
 * said before apart; for after all records have been read that were there when the counts were
 * taken. Returns how many they are in all.
 */
uint64_t tally_settle(
	struct tally *tally, const struct tally_counts *counts, tally_visit *visit, void *context);

void tally_add(struct tally *tally, unsigned seen, uint64_t number);
uint64_t tally_seen(const struct tally *tally, unsigned seen);

/* Not less than it was, and what it is then: for differences of numbers that were read at different
 * moments. */
uint64_t tally_raise(struct tally *tally, unsigned seen, uint64_t number);

#endif
