/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_FLATTEN_H
#define EGRESS_RULES_FLATTEN_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"

/*
 * Somebody's claim to a range of addresses, in competition with others: the narrowest claim (fewest
 * addresses) has an address; of equally narrow ones the one with the lowest `rank`, then the one
 * given first.
 */
struct claim {
	struct range range;
	uint32_t rank;
	uint32_t owner; /* not looked at but to join neighbours of one owner */
};

/* Addresses of one owner. */
struct territory {
	struct range range;
	uint32_t owner;
};

/* The sorted, disjoint territories that the claims, all of one family, come to, neighbours of one
 * owner joined: *ret_territories is to be freed. 0 or -ENOMEM. */
int flatten(const struct claim *claims, size_t n_claims, struct territory **ret_territories,
	size_t *ret_count);

#endif
