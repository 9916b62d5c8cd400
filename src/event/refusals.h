/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_REFUSALS_H
#define EGRESS_EVENT_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/event/alert.h"

/* Refusals of the last minute, and whether they are a burst; refusals.c has the thresholds. */

#define REFUSALS_SECONDS 60
#define REFUSALS_DESTINATIONS 24
#define REFUSALS_RULES 8
#define REFUSALS_TEXT 96

struct refusals_row {
	uint64_t hash; /* of what it counts */
	uint64_t count;
	char text[REFUSALS_TEXT];
};

struct refusals {
	int64_t second;                     /* the latest, since 1970 */
	uint32_t seconds[REFUSALS_SECONDS]; /* refusals, by the second modulo that */
	uint64_t total;                     /* of them */
	struct refusals_row destinations[REFUSALS_DESTINATIONS];
	struct refusals_row rules[REFUSALS_RULES];
	unsigned n_destinations; /* distinct ones, as far as there are rows */
	unsigned n_rules;
	int64_t latest; /* microseconds since 1970 */
	int64_t began;  /* when the threshold was passed; 0: it isn't */
	bool told;      /* of this burst */
};

/* Takes `count` refusals of that time by the rule; `hash` tells the destination from others, and
 * `text` says what it is; NULL: it isn't known. */
void refusals_take(struct refusals *refusals, int64_t time, uint64_t count, const char *rule,
	uint64_t hash, const char *text);

/* Time is `now`, and no refusals were in between. True: there was a burst, in *ret_alert, which is
 * told once. `threshold` is how many a minute may have; with `over` nothing more will come. */
bool refusals_pass(struct refusals *refusals, int64_t now, uint32_t threshold, bool over,
	struct alert *ret_alert);

#endif
