/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_H
#define EGRESS_RULES_NFT_H

#include <stdio.h>

#include "rules/plan.h"

/* Writes the plan as a ruleset for `nft -f` (1.0.6 and later): one transaction, which can be loaded
 * any number of times, replaces what the policy says and keeps the leases. 0 or -EIO. */
int nft_write(const struct plan *plan, FILE *out);

#endif
