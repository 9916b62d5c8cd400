/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_HOOKS_H
#define EGRESS_RULES_NFT_HOOKS_H

#include "rules/nft-text.h"

/* A chain that hangs on a hook of the kernel, and those that only it leads to. */
struct nft_hook {
	const char *chain;
	bool (*is_needed)(const struct plan *plan);
	void (*put)(const struct nft *nft);
};

/* All that there may be; *ret_count of them. One that a policy does not need must not stay from the
 * policy before: empty, with its policy of drop, it would end what is not in scope any more. */
const struct nft_hook *nft_hooks(size_t *ret_count);

/* The chains that several hooks lead to, other than judge. */
void nft_put_shared_chains(const struct nft *nft);

/* Whether all names of the scope can stand in a ruleset. */
bool nft_scope_is_quotable(const struct scope *scope);

#endif
