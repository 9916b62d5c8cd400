/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SWEEP_H
#define EGRESS_RULES_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"

/*
 * Who has which addresses, of those who claim ranges of them: the narrowest claim (fewest
 * addresses) has an address, and of equally narrow ones the owner with the lowest number. Owners
 * compete in fields, of which each has a winner of its own.
 */

/* Claims of one family: 12 bytes each for IPv4, 40 for IPv6. */
struct claims;

int claims_new(bool ip4, size_t room, struct claims **ret_claims);
void claims_free(struct claims *claims);
size_t claims_count(const struct claims *claims);

/* The range is of the family, and there is room. */
void claims_add(struct claims *claims, const struct range *range, uint32_t owner);

/* Sorts by first address, as the functions below need it. 0 or -ENOMEM. */
int claims_sort(struct claims *claims);

/* Adds to `to` those of `from` that share an address with one of `near`; both are sorted, all three
 * of one family. With `to` NULL it only counts; `to` may also be `near`, with room for all. Returns
 * how many. */
size_t claims_add_near(struct claims *to, const struct claims *from, const struct claims *near);

#define SWEEP_FIELDS_MAX 32
#define SWEEP_NOBODY UINT32_MAX

/* A walk over the addresses in order. */
struct sweep;

/* (*fields)(context, owner) has bit 1 << field for each field that the owner competes in, at least
 * one. The claims are sorted, and stay. 0 or -ENOMEM. */
int sweep_new(const struct claims *claims, unsigned n_fields,
	uint32_t (*fields)(const void *context, uint32_t owner), const void *context,
	struct sweep **ret_sweep);
void sweep_free(struct sweep *sweep);

/* Back to the first address. */
void sweep_rewind(struct sweep *sweep);

/*
 * The next piece of the line: addresses with the same claims on them. Pieces follow each other
 * without a gap, from the first address that is claimed to the last. `ret_winners` gets the owner
 * in each field, or SWEEP_NOBODY. False: that was all.
 */
bool sweep_next(struct sweep *sweep, struct range *ret_range, uint32_t *ret_winners);

#endif
