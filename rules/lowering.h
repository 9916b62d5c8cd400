/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LOWERING_H
#define EGRESS_RULES_LOWERING_H

#include "rules/plan.h"

struct arena;

/* A plan in the making: what the steps of plan_make() have to know of each other. The entries of
 * all layers are numbered through. */

#define LOWERING_NONE UINT32_MAX

struct lowering {
	struct arena *arena;
	struct plan *plan;
	size_t first[LAYERS_MAX + 1]; /* number of a layer's first entry; the last: how many */
	uint64_t *groups;             /* for each entry: bit 1 << group */
	uint32_t *rules;              /* for each entry: its rule, or LOWERING_NONE */
	uint32_t default_permit;      /* rule, or LOWERING_NONE */
};

#endif
