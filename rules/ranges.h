/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_RANGES_H
#define EGRESS_RULES_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/plan.h"
#include "src/base/inaddr.h"

struct arena;

/* Addresses of one family: ranges that are sorted, disjoint, and have something between them. */
struct ranges {
	struct range *ranges;
	size_t n_ranges;
};

/* Whether a range has more addresses than a prefix of that length in its family. */
bool range_is_wider(const struct range *range, unsigned length);

/* All addresses of the family. 0 or -ENOMEM, as all of these. */
int ranges_all(struct arena *arena, enum plan_family family, struct ranges *ret_ranges);

/* Of any ranges, those of the family. */
int ranges_of(struct arena *arena, enum plan_family family, const struct range *from, size_t count,
	struct ranges *ret_ranges);

/* What the classes in `mask` (rules/class.h) have, and what has such an address embedded. */
int ranges_of_classes(
	struct arena *arena, enum plan_family family, unsigned mask, struct ranges *ret_ranges);

/* What the plan lets through without a name, on the ports of a group or of DECIDE_REST. */
int ranges_permitted(struct arena *arena, const struct plan *plan, unsigned group,
	enum plan_family family, struct ranges *ret_ranges);

/* `from` without what `without` has. */
int ranges_subtract(struct arena *arena, const struct ranges *from, const struct ranges *without,
	struct ranges *ret_ranges);

/* All else of the family. */
int ranges_complement(struct arena *arena, enum plan_family family, const struct ranges *ranges,
	struct ranges *ret_ranges);

bool ranges_equal(const struct ranges *a, const struct ranges *b);

/* The fewest prefixes that are the same addresses, in order. */
int ranges_prefixes(struct arena *arena, const struct ranges *ranges, struct prefix **ret_prefixes,
	size_t *ret_count);

#endif
