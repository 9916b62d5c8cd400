/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_LIMITS_H
#define EGRESS_RULES_NFT_LIMITS_H

#include "rules/nft-text.h"

/* What becomes of a packet that a rule permits. Each is "accept" where nothing stands against it,
 * or leads to a chain that nft_put_limit_chains() writes. */

/* Of a flow that was permitted before. */
const char *nft_ongoing_verdict(const struct plan *plan);

/* Of a new flow to an address that a name stands for. */
const char *nft_leased_verdict(const struct plan *plan);

/* Of a new flow to an address that was permitted as such. */
const char *nft_bare_verdict(const struct plan *plan);

void nft_put_limit_chains(const struct nft *nft);

#endif
