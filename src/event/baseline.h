/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_BASELINE_H
#define EGRESS_EVENT_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What kinds of destinations the earlier sessions of a policy had, and how likely those of another
 * one are under that; baseline.c has the test.
 */

/* Distinct destinations by category. A full table counts further categories as its last row,
 * "other". */
#define CENSUS_ROWS 40
#define CENSUS_WORD 48

struct census {
	unsigned n_rows;
	uint32_t total;
	struct census_row {
		char word[CENSUS_WORD]; /* "unknown": of destinations without a category */
		uint32_t count;
	} rows[CENSUS_ROWS];
};

/* Adds so many of a category; NULL and "" are "unknown", what is too long is cut. */
void census_add(struct census *census, const char *category, uint32_t count);

/* Of a category, NULL and "" as above; 0 for one that it does not have. */
uint32_t census_count(const struct census *census, const char *category);

/* Sessions that are kept: the newest. Fewer than these two, and nothing is said. */
#define BASELINE_SESSIONS 128
#define BASELINE_SESSIONS_LEAST 5
#define BASELINE_DESTINATIONS_LEAST 30

/* Nothing is said of a session with fewer destinations. */
#define BASELINE_LOOK_FROM 20

/* No line is read that is longer. */
#define BASELINE_LINE 4096

struct baseline;

/* One without sessions. 0 or -ENOMEM. */
int baseline_new(struct baseline **ret_baseline);

/* NULL is allowed. */
void baseline_free(struct baseline *baseline);

/* Learns from a session. One without destinations is passed over. */
void baseline_add(struct baseline *baseline, const struct census *census);

/* Learns from a line of a file that may be anybody's: a record of kind "session" and phase "end".
 * 0; 1: it is passed over (it had alerts, or no destinations); -EINVAL: it is no such record. */
int baseline_read(struct baseline *baseline, const char *line, size_t size);

/* The same of a whole file's text: lines that are none are counted and passed over. */
void baseline_read_all(struct baseline *baseline, const char *text, size_t size, unsigned *ret_bad);

/* Sessions that it has learned from, at most BASELINE_SESSIONS. */
unsigned baseline_sessions(const struct baseline *baseline);

/* Whether it has enough to say something. */
bool baseline_is_ready(const struct baseline *baseline);

/*
 * How likely sessions like those before come, at any moment of theirs, to destinations as unusual
 * as these: if an alert is raised as soon as that is `alpha` or less, at most that share of such
 * sessions has one, however often it is asked. 1 if it is not ready, or there are too few.
 */
double baseline_likelihood(const struct baseline *baseline, const struct census *census);

/* The share of a category in the earlier sessions, 0 to 1. */
double baseline_share(const struct baseline *baseline, const char *category);

/* Which categories differ most, at most `most` of them, biggest difference first; returns how many
 * were written. */
struct baseline_change {
	char word[CENSUS_WORD];
	double before, now; /* shares */
};
unsigned baseline_changes(const struct baseline *baseline, const struct census *census,
	struct baseline_change *changes, unsigned most);

#endif
