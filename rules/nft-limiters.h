/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_LIMITERS_H
#define EGRESS_RULES_NFT_LIMITERS_H

#include "rules/nft-objects.h"

/* The limits of entries, and what all limits are written with. What is meant by a limit is said in
 * rules/nft-limits.c. */

enum {
	NFT_OBJECT_NAME = 64,
	NFT_DEFINITION = 96,
};

/* How a rule leads to the chain of a limit that is exceeded: one that is observed returns. */
const char *nft_exceeded(bool enforced);

/* How such a chain ends, for what opens connections and for what spends bytes or time. */
const char *nft_open_end(bool enforced);
const char *nft_spend_end(bool enforced);

/* "PREFIX-600-minute" */
const char *nft_rate_name(const char *prefix, const struct rate *rate, char out[NFT_OBJECT_NAME]);

/* "rate over 600/minute burst 600 packets": what is over it matches. */
const char *nft_rate_text(const struct rate *rate, char out[NFT_DEFINITION]);

void nft_visit_rate(const struct nft *nft, const char *about, const char *prefix,
	const struct rate *rate, nft_object_visitor *visit);
void nft_visit_quota(const struct nft *nft, const char *about, const char *name, uint64_t bytes,
	nft_object_visitor *visit);

/* Whether any entry limits new connections, or bytes or time. */
bool nft_limiters_open(const struct plan *plan);
bool nft_limiters_spend(const struct plan *plan);

/* Limits and quotas of the rules' entries, then those of further layers' entries, each once. */
void nft_visit_limiters(const struct nft *nft, nft_object_visitor *visit);

/* The maps `opening` and `spending`, as far as they are needed. */
void nft_visit_limiter_maps(const struct nft *nft, nft_object_visitor *visit);

/* Chains that must be there before the verdict maps with their names are read. */
void nft_add_limiter_chains(const struct nft *nft);

void nft_put_limiter_chains(const struct nft *nft);

#endif
