/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_ENCODED_H
#define EGRESS_EVENT_ENCODED_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/name.h"

/* Names that look like data, by the domain they are below; encoded.c has what does. */

#define ENCODED_DOMAINS 64
#define ENCODED_LINES 512 /* a power of two */
#define ENCODED_LINE 8    /* names in each */

struct encoded_domain {
	struct name domain;  /* length 0: none */
	uint32_t names;      /* that look like data */
	uint32_t refused;    /* of them */
	double score;        /* the highest */
	struct name example; /* that has it */
	bool told;           /* left to the caller */
};

struct encoded {
	struct hash_key key;
	/* Hashes of names that were looked at, the latest first in each line. */
	uint64_t recent[ENCODED_LINES][ENCODED_LINE];
	struct encoded_domain domains[ENCODED_DOMAINS];
	uint64_t names; /* below all domains, those that had no room included */
};

/* How names are looked at: shape_score() and suffix_domain() of rules/. */
struct encoded_means {
	double (*score)(const struct name *name, unsigned fixed);
	struct name (*domain)(const struct name *name);
};

/* 0, or -errno of getrandom(2). */
int encoded_begin(struct encoded *encoded);

/* Takes a name that was asked for. The row of its domain, if it looks like data and was not asked
 * for lately; else NULL. */
struct encoded_domain *encoded_take(struct encoded *encoded, const struct encoded_means *means,
	const struct name *name, bool refused);

#endif
