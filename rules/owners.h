/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_OWNERS_H
#define EGRESS_RULES_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/layers.h"
#include "rules/plan.h"

struct arena;

/* Which of a layer's entries, or a blocked class, has an address where no host decides. Read only
 * once made. */
struct owners;

/* In place of an entry: a blocked class; nothing. */
#define OWNERS_CLASS (UINT32_MAX - 1)
#define OWNERS_NONE UINT32_MAX

/* Port groups, and the ports of no group. */
struct group_set {
	uint64_t groups;
	bool rest;
};

/* The plan's groups have its numbers; the ports of none of them are group n_groups. `sets` are the
 * groups of the layer's entries. 0, with *ret_owners NULL where all addresses are equal; -ENOMEM.
 */
int owners_make(struct arena *arena, const struct layer *layer, const struct group_set *sets,
	unsigned n_groups, const struct owners **ret_owners);

/* An index into the layer's entries, OWNERS_CLASS or OWNERS_NONE. */
uint32_t owners_find(const struct owners *owners, unsigned group, const struct inaddr *address);

/* Memory it takes, in bytes. */
size_t owners_bytes(const struct owners *owners);

#endif
