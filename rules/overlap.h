/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_OVERLAP_H
#define EGRESS_RULES_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"

/*
 * An index of hosts and address ranges, each with a hash, to add up the hashes of all those that
 * may have a destination in common with another one. Sums do not depend on the order of adding. An
 * item that overlaps is never left out; one that doesn't may be counted.
 */
struct overlap;

enum overlap_kind { OVERLAP_NAMES, OVERLAP_ADDRESSES, OVERLAP_KINDS };

struct overlap_item {
	enum overlap_kind kind;
	const struct host *host;   /* one of the two, which stays; both NULL: it may overlap */
	const struct range *range; /* whatever is of its kind */
	uint64_t groups;           /* ports: bit 1 << group */
	bool rest;                 /* and those of no group */
	uint64_t trait;            /* items of a query's own trait are left out; 0: has none */
	uint64_t hash;             /* not looked at in a query */
};

int overlap_new(struct overlap **ret_overlap);
void overlap_free(struct overlap *overlap);

/* 0 or -ENOMEM. */
int overlap_add(struct overlap *overlap, const struct overlap_item *item);

/* The sum of the hashes of the items of the query's kind that may overlap with it. */
uint64_t overlap_sum(const struct overlap *overlap, const struct overlap_item *query);

#endif
