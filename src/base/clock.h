/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_CLOCK_H
#define EGRESS_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A point on CLOCK_MONOTONIC, in milliseconds. The kernel's set time-outs run on the same clock:
 * neither counts the time a machine sleeps. */
struct mono {
	int64_t ms;
};

/* A span of time, in milliseconds. */
struct duration {
	int64_t ms;
};

/* The present. It never runs backwards. */
struct mono clock_now(void);

/* Days from 1970-01-01 to a date since then, of a month from 1 to 12; of a day that the month
 * hasn't, to the one so many days after its first. By Howard Hinnant's days_from_civil. */
uint64_t clock_days(unsigned year, unsigned month, unsigned day);

static inline struct duration duration_seconds(int64_t seconds)
{
	return (struct duration){.ms = seconds * 1000};
}

static inline struct mono mono_add(struct mono at, struct duration span)
{
	return (struct mono){.ms = at.ms + span.ms};
}

/* later - earlier; negative when they are the other way round. */
static inline struct duration mono_between(struct mono earlier, struct mono later)
{
	return (struct duration){.ms = later.ms - earlier.ms};
}

static inline bool mono_before(struct mono a, struct mono b)
{
	return a.ms < b.ms;
}

#endif
