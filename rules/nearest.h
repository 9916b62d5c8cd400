/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NEAREST_H
#define EGRESS_RULES_NEAREST_H

#include <stdbool.h>

#include "src/base/text.h"

/* The search for the word that somebody meant. Starts empty: {.word = word}. */
struct nearest {
	struct text word;
	const char *found; /* NULL while none is near */
	unsigned distance;
};

/* Offers a candidate: it is taken if it is near the word, and nearer than those before. */
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
