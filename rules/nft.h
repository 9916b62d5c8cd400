/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_H
#define EGRESS_RULES_NFT_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/plan.h"

struct nft_options {
	/* False: the interval maps (`addresses`, `refused`) are declared and neither emptied nor
	 * filled, for whoever fills them by other ways. */
	bool elements;
	/* 0: those maps are called as in the plan; else ".N" is appended to their names. */
	unsigned generation;
};

/*
 * Writes the plan as a ruleset for `nft -f` (1.0.6 and later): one transaction, which can be loaded
 * any number of times, replaces what the policy says and keeps the leases, the destinations counted
 * and what was spent of limits. Nothing is held in memory that grows with the policy. `options` may
 * be NULL: all elements, names as in the plan. 0; -EINVAL when a name of the scope cannot stand in
 * a ruleset (an interface or control group with a quote or a control character); or -EIO.
 */
int nft_write(const struct plan *plan, const struct nft_options *options, FILE *out);

/* The names of the sets that are there for the resolver to fill, whether a rule asks them or not:
 * into `out`, ended by NULL. */
#define NFT_RESOLVER_SETS (2 + PLAN_FAMILIES)
void nft_resolver_sets(const struct plan *plan, const char *out[NFT_RESOLVER_SETS + 1]);

/* As many bytes of its rule's id an element of an interval map has as its comment, at most. */
#define NFT_ELEMENT_COMMENT_MAX 80

/* The name of one of the plan's interval maps under the options, into `out` (NFT_NAME bytes);
 * returns `out`. */
#define NFT_NAME 128
const char *nft_map_name(const struct nft_options *options, const char *name, char *out);

#endif
