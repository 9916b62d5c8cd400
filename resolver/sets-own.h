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
 * is leased; sets-mend.c, repairing it; sets-open.c, transactions; sets-renew.c, leases with flows;
 * sets-list.c, what is asked about them; sets-cut.c, ending their flows; sets-session.c, what a
 * session has spent.
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

/* The running session, as far as the table says it. */
struct sets_session {
	struct hash_key key; /* that names are counted by */
	int64_t began;       /* seconds since 1970; 0: not known */
	uint64_t extended[SPENT_KEYS];
};

#define SETS_BYTES_QUOTA "budget-bytes"
#define SETS_LIMIT_QUOTA "limit-bytes"

/* A mark in force. */
struct sets_force {
	uint32_t mark;
	uint32_t rule;
	bool flagged;
};

/* A reading of the maps, and of the set of destinations, which counts as the last one. */
struct sets_reading {
	uint8_t number; /* of the last one, not 0 */
	bool active;
	bool background;
	struct setlink *link; /* of its own; NULL: not open */
	bool asked;           /* for the map: there is a part to be taken */
	uint16_t map;
	unsigned tries;   /* of the map */
	size_t n_read;    /* elements of it, in this try */
	size_t n_found;   /* that it had not found before */
	size_t n_new;     /* that were not on record */
	struct mono made; /* the next part, at the earliest */
	bool stale;       /* which leases were closed after */
	bool changed;     /* the map, in this try, by this keeper */
	struct mono due;  /* not before, in the background */
	struct duration spent;
	bool complete;
	bool missing; /* one of the maps */
	bool again;   /* others changed something meanwhile */
};

/* How far the record has been counted. */
struct sets_count {
	uint32_t epoch; /* in which; 0: not begun */
	size_t place;
	uint64_t counted;
};

struct sets {
	const struct plan *plan;
	struct setlink *link;
	struct conntrack *conntrack; /* NULL: not needed so far, or there is none */
	struct leases *leases;
	struct namering *names;            /* not its own */
	uint64_t maps[SETS_MAPS_MAX];      /* as `names` calls them */
	struct destinations *destinations; /* NULL: they are not counted */
	struct mono destinations_at;       /* those of the kernel are not read before, if many */
	int claims;                        /* the socket by which names are counted, or -1 */
	bool is_uncounted;                 /* the last name could not be, which was logged */
	bool counting_stopped;             /* the set of them is full */
	struct sets_session session;
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
	struct mono servers_at;  /* until then another keeper's servers may be asked; 0: no more */
	struct mono gone_since;  /* 0: it is there, or never was */
	bool was_there;
	bool table_gone; /* which was logged */
	bool map_gone[SETS_MAPS_MAX];
	struct mono full_until[SETS_MAPS_MAX]; /* no more leases fit in, as far as is known */
	struct lease witness[SETS_MAPS_MAX];   /* one of each map's leases, if it is known */
	struct sets_reading reading;
	unsigned repairs_left; /* of a large record, until one was not disturbed */
	bool unlisted;         /* nothing was read so far, or not all */
	bool forget;           /* something is not open that was said to be */
	bool retired;

	/* Leases, as counted last, and what is being counted */
	uint64_t n_leases;
	struct sets_count count;
	struct mono count_at; /* the next page of it */

	/* Flows */
	struct mono next_end; /* no lease ends before */
	struct mono renew_at; /* not before */
	struct mono seen_at;  /* when all flows were looked at */
	struct duration walk; /* what the last walk took */
	bool no_conntrack;    /* which was logged */

	/* The transaction */
	struct sets_change changes[SETS_CHANGES_MAX];
	size_t n_changes;
};

/* Which of the kernel's maps: by group and family. */
static inline uint16_t sets_map_number(size_t group, unsigned family)
{
	return (uint16_t)(group * PLAN_FAMILIES + family);
}

const char *sets_map_name(const struct sets *sets, uint16_t map);

/* What stands for a lease in the record and for the names of leases: see namering_lease(). */
uint64_t sets_hash(const struct sets *sets, uint16_t map, const struct inaddr *address);

/* What the mark is in force for, or NULL. */
const struct sets_force *sets_find_force(const struct sets *sets, uint32_t mark);

/* When a lease of the mark ends at the latest: its rule may expire. */
struct mono sets_force_ends(
	const struct sets *sets, const struct sets_force *force, struct mono now);

/* Takes note of what came of filling or reading the table. 0, also when it isn't there; or -errno.
 */
int sets_settle_table(struct sets *sets, int error);

/* Reads what is leased, and then opens again what should be there and isn't. What takes long is
 * left to sets_go_on_reading(). 0, also when the table isn't there; or -errno. */
int sets_learn(struct sets *sets);
int sets_go_on_reading(struct sets *sets, struct mono now);
void sets_stop_reading(struct sets *sets);

/* The same for good. */
void sets_end_reading(struct sets *sets);

/* Leases are about to be closed: what was just read may be out of date. */
void sets_spoil_part(struct sets *sets);

/* Starts to stamp leases with another number. */
void sets_number_reading(struct sets *sets);

/* No more readings for a while, after one that took `spent`. */
void sets_pause_reading(struct sets *sets, struct duration spent);

/* Looks whether the kernel has a lease that isn't on record, and records it. 0 or -errno. */
int sets_look_up(struct sets *sets, struct lease *lease);

/* Opens again what the reading did not find, whoever else changes rulesets; when there was anything
 * it is looked at again, soon. Whether nobody did, and all went well. */
bool sets_mend(struct sets *sets);

/* sets_learn() if reading doesn't take long; else looks for one lease of each map, and opens all of
 * them again if that is missing. */
int sets_check(struct sets *sets, struct mono now);

/* Takes note of a lease that the kernel has, to look for later. */
void sets_remember_witness(struct sets *sets, const struct lease *lease);

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

/* Learns from the table which session is running, or begins one in it. 0, -ENOENT or -errno. */
int sets_read_session(struct sets *sets);

/* What the session was extended by is in force, also when the policy's ceilings have been loaded
 * again. 0 or -errno. */
int sets_raise_again(struct sets *sets);

/* As many destinations as there may be. */
uint64_t sets_destinations_ceiling(const struct sets *sets);

/* Opens the socket by which names are counted. It or -errno. */
int sets_open_claims(uint32_t mark);

/* Reads the destinations that only the kernel has counted, into the record. */
void sets_learn_destinations(struct sets *sets);

/* Takes note of an element of the kernel's set of destinations. 0 or -EPROTO. */
int sets_record_destination(struct sets *sets, const struct setlink_element *element);

/* Leases that stand; and: some are about to be taken back. */
uint64_t sets_count_leases(const struct sets *sets, struct mono now);
void sets_begin_taking(struct sets *sets);

/* When sets_renew() has something to do. */
struct mono sets_renewal_due(const struct sets *sets);

/* Looks which leases have flows, and marks them. 0; -EOPNOTSUPP where this isn't told; or -errno.
 */
int sets_see_flows(struct sets *sets, struct mono now);

/* Addresses, as many as there may be. Zeros are an empty list. */
struct sets_addresses {
	struct inaddr *addresses;
	size_t count;
	size_t room;
};

/* 0 or -ENOMEM. */
int sets_addresses_add(struct sets_addresses *list, const struct inaddr *address);
void sets_addresses_free(struct sets_addresses *list);

/* Ends the connections to the addresses, whose order it changes, unless something but a lease
 * permits them: *ret_count. 0; -EOPNOTSUPP or -errno when that is not possible. */
int sets_cut_flows(struct sets *sets, struct sets_addresses *addresses, uint64_t *ret_count);

#endif
