/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/recent.h"

#include <stdatomic.h>

/*
 * A place holds the upper bits of a hash and the minute it was noted in; the lower bits say which
 * few places it may be in. The oldest of these gives way. What is forgotten counts as new again,
 * which costs whoever asks, and helps nobody.
 */

#define MS_PER_MINUTE 60000
#define MINUTE_BITS 12
#define MINUTE_MASK ((UINT64_C(1) << MINUTE_BITS) - 1)

enum { SETS = 8192, WAYS = 8 };

struct recent {
	_Atomic uint64_t places[SETS][WAYS];
};

size_t recent_size(void)
{
	return sizeof(struct recent);
}

static uint64_t minute_of(struct mono now)
{
	return (uint64_t)(now.ms / MS_PER_MINUTE) & MINUTE_MASK;
}

static uint64_t content(uint64_t hash, struct mono now)
{
	return (hash & ~MINUTE_MASK) | minute_of(now);
}

bool recent_has(const struct recent *recent, uint64_t hash, struct mono now)
{
	const _Atomic uint64_t *set = recent->places[hash % SETS];

	for (unsigned i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&set[i], memory_order_relaxed) == content(hash, now))
			return true;
	return false;
}

void recent_note(struct recent *recent, uint64_t hash, struct mono now)
{
	_Atomic uint64_t *set = recent->places[hash % SETS], *oldest = &set[0];
	uint64_t most = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t found = atomic_load_explicit(&set[i], memory_order_relaxed);
		uint64_t age = found ? (minute_of(now) - found) & MINUTE_MASK : MINUTE_MASK + 1;

		if (age > most) {
			most = age;
			oldest = &set[i];
		}
	}
	atomic_store_explicit(oldest, content(hash, now), memory_order_relaxed);
}
