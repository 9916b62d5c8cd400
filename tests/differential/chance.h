/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_CHANCE_H
#define EGRESS_TESTS_DIFFERENTIAL_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Chance that is the same for the same seed (SplitMix64). */
struct chance {
	uint64_t state;
};

uint64_t chance_draw(struct chance *chance);

/* 0 to n - 1. */
unsigned chance_below(struct chance *chance, unsigned n);

/* True once in n times. */
bool chance_one_in(struct chance *chance, unsigned n);

/* One of an array of strings. */
#define chance_of(chance, array) ((array)[chance_below(chance, sizeof(array) / sizeof((array)[0]))])

#endif
