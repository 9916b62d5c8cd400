/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_DESTINATIONS_H
#define EGRESS_RESOLVER_DESTINATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/name.h"

/* The keeper's record of what the kernel counts against [budget] destinations: marks, each of which
 * stands for a name or a bare address. */
struct destinations;

/* For at most `most` of them. 0 or -ENOMEM. */
int destinations_new(uint32_t most, struct destinations **ret_destinations);
void destinations_free(struct destinations *destinations);

/* Forgets all of them. */
void destinations_clear(struct destinations *destinations);

/* What stands for a name: 31 bits of its keyed hash, and never 0. */
uint32_t destinations_mark(const struct hash_key *key, const struct name *name);

bool destinations_has(const struct destinations *destinations, uint32_t mark);

/* What finds no room is not remembered: it is counted again, which does nothing. */
void destinations_add(struct destinations *destinations, uint32_t mark);

#endif
