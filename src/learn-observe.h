/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_OBSERVE_H
#define EGRESS_LEARN_OBSERVE_H

#include <stdint.h>

struct arena;
struct categories;
struct digest;
struct draft;

/* How what was observed becomes a draft. */
struct observe {
	uint64_t fold; /* so many siblings become a wildcard; 0: none do */
	const char *name;
	const struct categories *categories; /* may be NULL */
};

/* A draft of a finished digest, which must outlive it. 0 or -ENOMEM. */
int observe_draft(struct arena *arena, const struct observe *observe, const struct digest *digest,
	struct draft *ret_draft);

#endif
