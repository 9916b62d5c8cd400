/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/beacon.h"

#include <math.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A program that reports to its master, or asks it for orders, connects at regular intervals. What
 * is looked at is how much the intervals between the latest beginnings vary: their standard
 * deviation by their mean, 0 for a clock, 1 for connections by chance (of exponential intervals).
 * Up to 0.3 they are regular. A jitter of +-J % that is drawn evenly makes it J / 173, so that is
 * found up to some +-50 %.
 *
 * Of sets of 11 intervals by chance 1 in 15,000 varies as little (of 7, 1 in 500; of 15, 1 in
 * 400,000): that is the false alarm of one look at a destination that is connected to by chance,
 * and there is a look at each connection. What people and programs do comes in bursts, and varies
 * more than chance does: egress-anomalies(7) has what was measured.
 *
 * Who waits for a job by asking again and again is as regular, and not for long: beginnings have to
 * go on so for BEACON_SPAN_S, or for as many as are kept.
 *
 * Beginnings within TOGETHER_MS are one: programs open several connections at a time. Intervals
 * below INTERVAL_LEAST_S are no beacon but work: a download in pieces, a test that is waited for.
 */

enum {
	TOGETHER_MS = 1000,
	INTERVAL_LEAST_S = 5,
};

static const double variation_most = 0.3;

/* Where a beginning belongs among those that are kept. */
static unsigned find_place(const struct beacon *beacon, uint32_t at)
{
	unsigned place = beacon->n_starts;

	while (place > 0 && beacon->starts[place - 1] > at)
		place--;
	return place;
}

static bool is_close(uint32_t a, uint32_t b)
{
	return (a > b ? a - b : b - a) < TOGETHER_MS;
}

/* Whether it was a new one. */
static bool insert(struct beacon *beacon, uint32_t at)
{
	unsigned place = find_place(beacon, at);

	if ((place > 0 && is_close(beacon->starts[place - 1], at)) ||
		(place < beacon->n_starts && is_close(beacon->starts[place], at)))
		return false;
	if (beacon->n_starts < BEACON_STARTS) {
		memmove(&beacon->starts[place + 1], &beacon->starts[place],
			(beacon->n_starts - place) * sizeof(beacon->starts[0]));
		beacon->n_starts++;
	} else if (place > 0) {
		/* The first one makes room. */
		place--;
		memmove(&beacon->starts[0], &beacon->starts[1], place * sizeof(beacon->starts[0]));
	} else {
		return false;
	}
	beacon->starts[place] = at;
	return true;
}

void beacon_take(struct beacon *beacon, int64_t start)
{
	int64_t behind;

	if (beacon->n_starts == 0)
		beacon->origin = start;
	behind = (start - beacon->origin) / 1000;
	/* One that was there before the first that was told, and what comes after 49 days. */
	if (behind < 0 || behind > UINT32_MAX || !insert(beacon, (uint32_t)behind))
		return;
	if (beacon->connections < UINT32_MAX)
		beacon->connections++;
}

/* Where the latest beginnings start that are looked at; n_starts: there are too few. */
static unsigned find_first(const struct beacon *beacon, unsigned least)
{
	unsigned n = beacon->n_starts, first;

	if (least < 3 || n < least)
		return n;
	for (first = n - least; first > 0; first--)
		if (beacon->starts[n - 1] - beacon->starts[first] >= BEACON_SPAN_S * 1000)
			return first;
	if (n == BEACON_STARTS || beacon->starts[n - 1] - beacon->starts[0] >= BEACON_SPAN_S * 1000)
		return 0;
	return n;
}

bool beacon_is_regular(
	const struct beacon *beacon, unsigned least, struct beacon_rhythm *ret_rhythm)
{
	unsigned first = find_first(beacon, least), last = beacon->n_starts - 1;
	double mean, squares = 0, deviation;

	if (first == beacon->n_starts)
		return false;
	mean = (double)(beacon->starts[last] - beacon->starts[first]) / (last - first);
	for (unsigned i = first + 1; i <= last; i++) {
		double off = beacon->starts[i] - beacon->starts[i - 1] - mean;

		squares += off * off;
	}
	deviation = sqrt(squares / (last - first - 1));
	if (mean < INTERVAL_LEAST_S * 1000.0 || deviation > variation_most * mean)
		return false;
	ret_rhythm->interval = mean / 1000;
	ret_rhythm->variation = deviation / mean;
	return true;
}
