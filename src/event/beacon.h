/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_BEACON_H
#define EGRESS_EVENT_BEACON_H

#include <stdbool.h>
#include <stdint.h>

/* Whether connections to one destination begin at regular intervals; beacon.c has the test. */

#define BEACON_STARTS 32
#define BEACON_SPAN_S 600

struct beacon {
	int64_t origin;                 /* microseconds since 1970, of the first one */
	uint32_t starts[BEACON_STARTS]; /* the latest, milliseconds behind it, in order */
	unsigned n_starts;
	uint32_t connections; /* all that began a second or more apart */
};

struct beacon_rhythm {
	double interval;  /* seconds, the mean */
	double variation; /* standard deviation of the intervals by their mean */
};

/* Takes the beginning of a connection, with a time since 1970; they may come out of order, and
 * again. */
void beacon_take(struct beacon *beacon, int64_t start);

/* Whether the latest beginnings, `least` of them and as many as take BEACON_SPAN_S, or all that are
 * kept, are at regular intervals. */
bool beacon_is_regular(
	const struct beacon *beacon, unsigned least, struct beacon_rhythm *ret_rhythm);

#endif
