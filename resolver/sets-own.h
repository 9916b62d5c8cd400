/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SETS_OWN_H
#define EGRESS_RESOLVER_SETS_OWN_H

#include "resolver/destinations.h"
#include "resolver/leases.h"
#include "resolver/namering.h"
#include "resolver/sets.h"
#include "src/kernel/conntrack.h"
#include "src/kernel/setlink.h"

/*
 * What the files of struct sets share: sets.c, the table and the marks; sets-read.c, reading what
 * is leased, and repairing it; sets-open.c, transactions; sets-renew.c, leases with flows;
 * sets-list.c, what is asked about them.
 */

enum {
	SETS_CHANGES_MAX = LEASES_STEP, /* leases in one transaction */
	SETS_ELEMENTS_PER_CHANGE = 3,
	SETS_TICK_MS = 10, /* of the kernel's clock, at most */
	SETS_MAPS_MAX = PLAN_GROUPS_MAX * PLAN_FAMILIES,
};

/* What a lease was before the transaction. */
struct sets_change {
	struct lease *place;
	struct lease before;
};

/* A mark in force. */
struct sets_force {
	uint32_t mark;
	uint32_t rule;
	bool flagged;
};

struct sets {
	const struct plan *plan;
	struct setlink *link;
	struct conntrack *conntrack; /* NULL: not needed so far, or there is none */
	struct leases *leases;
	struct namering *names;
	struct destinations *destinations; /* NULL: they are not counted */
	struct hash_key destinations_key;
	bool counting_stopped; /* the set of them is full */
	uint32_t mark;
	uint32_t uid;
	bool in_place;               /* an element that is added again is refreshed */
	struct sets_force *in_force; /* sorted by mark */
	size_t n_in_force;

	/* The table */
	uint32_t generation; /* of all rulesets as last read or changed by this; 0: not known */
	unsigned n_restarts; /* transactions that met another one, since the last look */
	struct mono look_at;
	struct mono learn_at;    /* not before: reading takes time */
	struct mono complete_at; /* from then on what isn't in `leases` isn't in the kernel */
	struct mono gone_since;  /* 0: it is there, or never was */
	bool was_there;
	bool table_gone; /* which was logged */
	bool map_gone[SETS_MAPS_MAX];
	struct mono full_until[SETS_MAPS_MAX]; /* no more leases fit in, as far as is known */
	struct lease witness[SETS_MAPS_MAX];   /* one of each map's leases, if it is known */
	uint8_t reading;                       /* number of the last one, not 0 */
	unsigned repairs_left;                 /* of a large record, until one was not disturbed */
	bool forget;                           /* something is not open that was said to be */
	bool retired;

	/* Flows */
	struct mono next_end; /* no lease ends before */
	struct mono renew_at; /* not before */
	struct mono seen_at;  /* when all flows were looked at */
	struct duration walk; /* what the last walk took */
	bool no_conntrack;    /* which was logged */

	/* The transaction */
	struct sets_change changes[SETS_CHANGES_MAX];
	size_t n_changes;
	uint32_t counted[SETS_CHANGES_MAX]; /* destinations that it adds */
	size_t n_counted;
};

/* Which of the kernel's maps: by group and family. */
static inline uint16_t sets_map_number(size_t group, unsigned family)
{
	return (uint16_t)(group * PLAN_FAMILIES + family);
}

const char *sets_map_name(const struct sets *sets, uint16_t map);

/* What the mark is in force for, or NULL. */
const struct sets_force *sets_find_force(const struct sets *sets, uint32_t mark);

/* When a lease of the mark ends at the latest: its rule may expire. */
struct mono sets_force_ends(
	const struct sets *sets, const struct sets_force *force, struct mono now);

/* Puts the mark into the table, and what else it needs. 0, -ENOENT or -errno. */
int sets_put_mark(struct sets *sets);

/* Takes note of what came of filling or reading the table. 0, also when it isn't there; or -errno.
 */
int sets_settle_table(struct sets *sets, int error);

/* Reads what is leased, and opens again what should be there and isn't. 0, also when the table
 * isn't there; or -errno. */
int sets_learn(struct sets *sets);

/* The same if reading doesn't take long; else looks for one lease of each map, and opens all of
 * them again if that is missing. */
int sets_check(struct sets *sets, struct mono now);

/* Takes note of a lease that the kernel has, to look for later. */
void sets_remember_witness(struct sets *sets, const struct lease *lease);

/* Looks now whether somebody else changed the table, as sets_look() does when it is due. */
int sets_look_now(struct sets *sets, struct mono now);

/* sets_commit() that leaves the changes to be undone. */
int sets_send(struct sets *sets);
void sets_undo(struct sets *sets);

/* sets_begin() that leaves each lease in its place. */
void sets_begin_walk(struct sets *sets);

/* Collects: opens the lease with the mark until `expires`; `certain`: it isn't there. */
void sets_collect(struct sets *sets, struct lease *lease, uint32_t mark, struct mono expires,
	struct mono now, bool certain);

/* Whether there is no room left for one more change. */
bool sets_is_full(const struct sets *sets);

/* When sets_renew() has something to do. */
struct mono sets_renewal_due(const struct sets *sets);

/* Looks which leases have flows, and marks them. 0; -EOPNOTSUPP where this isn't told; or -errno.
 */
int sets_see_flows(struct sets *sets, struct mono now);

#endif
