/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LEASES_H
#define EGRESS_RESOLVER_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/clock.h"
#include "src/base/inaddr.h"

/*
 * The keeper's own record of what is in the kernel's lease maps, in memory of a bounded size. A
 * lease is asked for with a hash of its map and address, whose key no stranger knows.
 */
struct leases;

/* As many as one of the kernel's maps holds (rules/nft.c), for all maps together. */
#define LEASES_MAX (1u << 20)

/* How long after its end a lease may still be found in the kernel, whose clock ticks otherwise. */
#define LEASES_LINGER_MS 10000

struct lease {
	struct inaddr address;
	uint64_t hash;
	struct mono expires; /* until then at least */
	uint32_t mark;       /* that the kernel has it with */
	uint32_t name;       /* whose it is (struct namering); 0: not known */
	uint16_t map;
	bool known;   /* the kernel has it, or may still have it */
	uint8_t seen; /* the reading of the kernel's maps that found it last */
	bool flows;   /* there was one to it when that was last looked for */
};

/* For `most` leases, LEASES_MAX or fewer. 0 or -ENOMEM. */
int leases_new(size_t most, struct leases **ret_leases);
void leases_free(struct leases *leases);

/* Forgets all of them. */
void leases_clear(struct leases *leases);

/* Makes the table fit what is in it, when it is time: no place is where it was. After it, room for
 * LEASES_STEP more is left unless the table has its full size. */
void leases_settle(struct leases *leases, struct mono now);

#define LEASES_STEP 8192

/*
 * The place of the lease of `address` in map number `map`, for the caller to fill in: as it was
 * left, or a new one, not `known`, in place of one that ended LEASES_LINGER_MS ago or longer. NULL
 * when there is no room.
 */
struct lease *leases_take(struct leases *leases, uint64_t hash, uint16_t map,
	const struct inaddr *address, struct mono now);

/* Has the memory be fetched where leases_take() will look: to be called some work before. */
void leases_fetch(const struct leases *leases, uint64_t hash);

/* The lease of `address` in map number `map` that stands at `now`, or NULL. */
struct lease *leases_find(struct leases *leases, uint64_t hash, uint16_t map,
	const struct inaddr *address, struct mono now);

/*
 * The first lease from place *at on that stands at `now`; *at is then the place behind it. NULL
 * with *at at the end of `places` more, or of those in use, which leases_places() is: as many as
 * there are leases, or more, since ended ones count for a while. Taking a lease meanwhile is
 * allowed. Places are others when leases_epoch() is, which is never 0.
 */
struct lease *leases_walk(struct leases *leases, size_t *at, size_t places, struct mono now);
size_t leases_places(const struct leases *leases);
uint32_t leases_epoch(const struct leases *leases);

#endif
