/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/bucket.h"

/*
 * Theory of operation
 *
 * All of a bucket's state is the time at which it will be full again, so that one compare and swap
 * takes an event out. An event pushes that time on by what it costs; it may not be further away
 * than what the bucket holds. What one event costs is rounded up to whole nanoseconds: never more
 * than the rate says is let through.
 */

#define NS_PER_MS 1000000
#define NS_PER_SECOND 1000000000

void bucket_init(struct bucket *bucket, struct rate rate)
{
	int64_t unit = (int64_t)rate.seconds * NS_PER_SECOND;

	bucket->cost = rate.count > 0 ? (unit + rate.count - 1) / rate.count : 0;
	bucket->room = bucket->cost * rate.count;
	atomic_init(&bucket->full_at, 0);
}

bool bucket_take(struct bucket *bucket, struct mono now)
{
	int64_t present = now.ms * NS_PER_MS, next;
	int64_t full_at = atomic_load_explicit(&bucket->full_at, memory_order_relaxed);

	if (bucket->cost == 0)
		return true;
	do {
		next = (full_at > present ? full_at : present) + bucket->cost;
		if (next - present > bucket->room)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&bucket->full_at, &full_at, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}
