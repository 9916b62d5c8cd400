/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_LINK_H
#define EGRESS_RULES_NFT_LINK_H

#include <stdio.h>

#include "rules/plan.h"

/*
 * Writes the table of family netdev, named as the plan's own, that drops the frames of packet
 * sockets on the named interfaces, `count` of them: a ruleset for `nft -f` as nft_write() has it.
 * It is for plans that say so (drops_raw). 0; -EINVAL when an interface's name cannot stand in a
 * ruleset; or -EIO.
 */
int nft_write_link(const struct plan *plan, const char *const *interfaces, size_t count, FILE *out);

#endif
