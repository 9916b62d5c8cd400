/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SPECIMEN_H
#define EGRESS_RULES_SPECIMEN_H

#include <stddef.h>

#include "rules/layers.h"

struct arena;

/*
 * Names that stand for all names. What policies say of infinitely many names they say by finitely
 * many hosts; a set of names that has one for each host, and one for each pair of hosts that have
 * names in common, meets every difference there is (see the theory in specimen.c).
 */
struct specimens {
	struct name *names;
	size_t n_names;
};

/*
 * The specimens of the hosts of all layers of `stacks`, lists included; to be freed with
 * specimens_clear(). Patterns have none: what they match cannot be told from their text. 0,
 * -E2BIG when more than SPECIMEN_CROSSINGS_MAX pairs of wildcards cross each other, or a wildcard
 * begins with SPECIMEN_DEPTH_MAX times "*." or more, or -ENOMEM.
 */
int specimens_collect(
	const struct layers *const *stacks, size_t n_stacks, struct specimens *ret_specimens);
void specimens_clear(struct specimens *specimens);

#define SPECIMEN_CROSSINGS_MAX 100000

/* What stars are filled with, and the specimen of names that no host matches. */
#define SPECIMEN_FILLER "zq7x9w"
#define SPECIMEN_NOBODYS "zq7x9w-"

/* How many labels "**" is filled with at most, for specimens to meet what is said of each depth. */
enum { SPECIMEN_DEPTH = 2, SPECIMEN_DEPTH_MAX = 16 };

/* Of the hosts of all layers of `stacks`: SPECIMEN_DEPTH or more. 0, or -E2BIG: it is above
 * SPECIMEN_DEPTH_MAX, as in specimens_collect(). */
int specimens_depth(const struct layers *const *stacks, size_t n_stacks, unsigned *ret_depth);

/* The specimens of one host: one, or up to `depth` for a host with a "**". Returns how many. */
unsigned specimen_of(enum host_kind kind, const uint8_t *wire, uint8_t length, unsigned depth,
	struct name ret_names[SPECIMEN_DEPTH_MAX]);

#endif
