/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_NAMERING_H
#define EGRESS_RESOLVER_NAMERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * The names that were put there last, and which of them leases have; in memory of a fixed size: the
 * oldest give way. It is shared by the processes that are forked after it was made, which may use
 * it at once. For listing and revoking: nothing is permitted by it.
 */
struct namering;

/* What keepers use: names enough for some tens of thousands. */
#define NAMERING_BYTES ((size_t)2 << 20)

/* With `bytes` of names, a power of two from 4096 to 1 << 30, of which none is touched before it is
 * used. 0 or -ENOMEM. */
int namering_new(size_t bytes, const struct hash_key *key, struct namering **ret_ring);

/* In this process, which only reads: what it would write is an error from here on. 0 or -errno. */
int namering_protect(const struct namering *ring);

/* For this process alone: others keep it. */
void namering_free(struct namering *ring);

/* A number for the name, which is the same in all processes: mostly the one it had the last time,
 * if that is still known and not about to give way. 0 is none: not known. */
uint32_t namering_put(struct namering *ring, const struct name *name);

/* Has the memory be fetched where namering_put_expected() will look, which takes what this returns
 * for the name: to be called some work before. */
uint64_t namering_expect(const struct namering *ring, const struct name *name);
uint32_t namering_put_expected(struct namering *ring, const struct name *name, uint64_t expected);

/* The name that got the number, as long as it is known, in the form that name_read() gives it. */
bool namering_get(const struct namering *ring, uint32_t number, struct name *ret_name);

/* Whether that is the name that got the number, and known. */
bool namering_has(const struct namering *ring, uint32_t number, const struct name *name);

/* What stands for a map of a table below, in all processes. */
uint64_t namering_map(const struct namering *ring, const char *table, const char *map);

/* What stands for the lease of the address in a map, in all processes. Has the memory be fetched
 * where the two functions below will look: to be called some work before. */
uint64_t namering_lease(const struct namering *ring, uint64_t map, const struct inaddr *address);

/* Takes note of the name that the lease has now. 0 is passed over. */
void namering_assign(struct namering *ring, uint64_t lease, uint32_t number);

/* The number of the name that the lease was given last, which may have given way; 0: not known. */
uint32_t namering_assigned(const struct namering *ring, uint64_t lease);

#endif
