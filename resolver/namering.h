/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_NAMERING_H
#define EGRESS_RESOLVER_NAMERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/name.h"

/* The names that were put there last, in memory of a fixed size: the oldest give way. */
struct namering;

/* With `bytes` of names, a power of two from 4096 to 1 << 30, of which none is touched before it is
 * used. 0 or -ENOMEM. */
int namering_new(size_t bytes, const struct hash_key *key, struct namering **ret_ring);
void namering_free(struct namering *ring);

/* A number for the name, never 0: mostly the one it had the last time, if that is still known and
 * not about to give way. */
uint32_t namering_put(struct namering *ring, const struct name *name);

/* The name that got the number, as long as it is known. */
bool namering_get(const struct namering *ring, uint32_t number, struct name *ret_name);

#endif
