/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NARROWING_H
#define EGRESS_RULES_NARROWING_H

#include <stdint.h>

struct lowering;

/* For each rule of the plan a hash of what it opens and of all that could take some of it away: as
 * long as the hash stays, the rule has not shrunk. *ret_observed is the same of all that is let
 * through because a layer only observes. 0 or -ENOMEM. */
int narrowing_hash(const struct lowering *lowering, uint64_t *ret_hashes, uint64_t *ret_observed);

#endif
