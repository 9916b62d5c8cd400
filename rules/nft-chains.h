/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_CHAINS_H
#define EGRESS_RULES_NFT_CHAINS_H

#include <stdbool.h>

#include "rules/nft-text.h"

/* Chain judge and all that it leads to, but for limits. */
void nft_put_chains(const struct nft *nft);

/* Whether any layer enforces what it says: else nothing at all is refused. */
bool nft_refuses(const struct plan *plan);

/* Chains that must be there before the verdict maps with their names are read. */
void nft_add_refusal_chains(const struct nft *nft);

#endif
