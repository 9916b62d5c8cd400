/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/refusals.h"

#include <stdio.h>
#include <string.h>

/*
 * Theory of operation
 *
 * Something that looks for a way out tries many doors: so a burst is as many refusals in a minute
 * as the threshold says, 50 by default, of at least 5 destinations. One program that tries the same
 * host again and again is no burst before it is twenty times as many: retries are what most
 * refusals of an ordinary day are, and a client that knows no pause makes some hundred a minute.
 *
 * A burst is one alert, and the figures in it should be those of the burst rather than of its first
 * second: it is told once refusals have stopped for two seconds, or ten seconds after the threshold
 * was passed. Until a minute has had less than half of the threshold it is the same burst.
 *
 * Destinations and rules are counted in a few rows by the scheme of Metwally, Agrawal and El Abbadi
 * ("space saving", 2005): what is not there takes the row with the lowest count, and goes on from
 * it. So whatever has a large part of the refusals is there, with a count that may be too large by
 * what the row had before.
 */

enum {
	LEAST_DESTINATIONS = 5,
	RETRIES = 20,
	QUIET_US = 2000000,
	WAIT_US = 10000000,
	SHOWN_DESTINATIONS = 4,
	SHOWN_RULES = 3,
};

#define SECOND_US 1000000

/* --- Rows --- */

static struct refusals_row *find_row(struct refusals_row *rows, unsigned count, uint64_t hash)
{
	for (unsigned i = 0; i < count; i++)
		if (rows[i].hash == hash)
			return &rows[i];
	return NULL;
}

static struct refusals_row *lowest(struct refusals_row *rows, unsigned count)
{
	struct refusals_row *row = &rows[0];

	for (unsigned i = 1; i < count; i++)
		if (rows[i].count < row->count)
			row = &rows[i];
	return row;
}

static void count_row(struct refusals_row *rows, unsigned *count, unsigned most, uint64_t hash,
	const char *text, uint64_t number)
{
	struct refusals_row *row = find_row(rows, *count, hash);

	if (!row && *count < most) {
		row = &rows[(*count)++];
		row->count = 0;
	}
	if (!row)
		row = lowest(rows, *count);
	if (row->hash != hash || row->count == 0)
		snprintf(row->text, sizeof(row->text), "%s", text);
	row->hash = hash;
	row->count += number;
}

/* Rules are the policy's, so any hash does. */
static uint64_t hash_rule(const char *rule)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *rule; rule++)
		hash = (hash ^ (uint8_t)*rule) * 0x100000001b3;
	return hash;
}

/* --- The minute --- */

static void forget(struct refusals *refusals)
{
	refusals->n_destinations = 0;
	refusals->n_rules = 0;
	refusals->began = 0;
	refusals->told = false;
}

/* Seconds that have passed since the latest one are empty. */
static void advance(struct refusals *refusals, int64_t second)
{
	int64_t passed = second - refusals->second;

	if (passed <= 0)
		return;
	for (int64_t i = 1; i <= passed && i <= REFUSALS_SECONDS; i++) {
		uint32_t *bucket = &refusals->seconds[(refusals->second + i) % REFUSALS_SECONDS];

		refusals->total -= *bucket;
		*bucket = 0;
	}
	refusals->second = second;
	if (refusals->total == 0)
		forget(refusals);
}

void refusals_take(struct refusals *refusals, int64_t time, uint64_t count, const char *rule,
	uint64_t hash, const char *text)
{
	int64_t second = (time > 0 ? time : 0) / SECOND_US;
	uint32_t *bucket;

	advance(refusals, second);
	/* What comes late counts as the oldest that still does. */
	if (second <= refusals->second - REFUSALS_SECONDS)
		second = refusals->second - REFUSALS_SECONDS + 1;
	bucket = &refusals->seconds[(second > 0 ? second : 0) % REFUSALS_SECONDS];
	if (count > UINT32_MAX - *bucket)
		count = UINT32_MAX - *bucket;
	*bucket += (uint32_t)count;
	refusals->total += count;
	if (time > refusals->latest)
		refusals->latest = time;
	if (text)
		count_row(refusals->destinations, &refusals->n_destinations, REFUSALS_DESTINATIONS,
			hash, text, count);
	if (rule[0])
		count_row(refusals->rules, &refusals->n_rules, REFUSALS_RULES, hash_rule(rule),
			rule, count);
}

/* --- The alert --- */

static bool is_burst(const struct refusals *refusals, uint32_t threshold)
{
	if (threshold == 0 || refusals->total < threshold)
		return false;
	return refusals->n_destinations >= LEAST_DESTINATIONS ||
	       refusals->total >= (uint64_t)threshold * RETRIES;
}

/* A sentence for each of the highest rows, at most `most`. */
static void add_rows(struct alert *alert, const char *what, const struct refusals_row *rows,
	unsigned count, unsigned most)
{
	uint64_t below = UINT64_MAX;
	unsigned at = 0;

	for (unsigned shown = 0; shown < most && shown < count; shown++) {
		const struct refusals_row *best = NULL;

		/* The next one in the order of counts, and of rows where these are equal. */
		for (unsigned i = 0; i < count; i++) {
			bool is_after = rows[i].count < below || (rows[i].count == below && i > at);

			if (shown == 0 || is_after)
				best = best && best->count >= rows[i].count ? best : &rows[i];
		}
		if (!best)
			return;
		below = best->count;
		at = (unsigned)(best - rows);
		alert_add(alert, "%s%s: %llu", what, best->text, (unsigned long long)best->count);
	}
}

static void make_alert(
	struct refusals *refusals, int64_t now, uint32_t threshold, struct alert *ret_alert)
{
	bool all = refusals->n_destinations < REFUSALS_DESTINATIONS;

	alert_begin(ret_alert, ALERT_REFUSALS, now);
	ret_alert->value = (double)refusals->total;
	ret_alert->threshold = threshold;
	alert_add(ret_alert, "%llu refusals within %d s, of %s%u destinations",
		(unsigned long long)refusals->total, REFUSALS_SECONDS, all ? "" : "at least ",
		refusals->n_destinations);
	add_rows(ret_alert, "", refusals->destinations, refusals->n_destinations,
		SHOWN_DESTINATIONS);
	add_rows(ret_alert, "rule ", refusals->rules, refusals->n_rules, SHOWN_RULES);
	refusals->told = true;
}

bool refusals_pass(struct refusals *refusals, int64_t now, uint32_t threshold, bool over,
	struct alert *ret_alert)
{
	advance(refusals, (now > 0 ? now : 0) / SECOND_US);
	if (refusals->told && refusals->total < threshold / 2 + 1)
		forget(refusals);
	if (refusals->told)
		return false;
	if (refusals->began == 0 && is_burst(refusals, threshold))
		refusals->began = now;
	if (refusals->began == 0)
		return false;
	if (!over && now - refusals->latest < QUIET_US && now - refusals->began < WAIT_US)
		return false;
	make_alert(refusals, now, threshold, ret_alert);
	return true;
}
