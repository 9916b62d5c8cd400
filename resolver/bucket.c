/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/bucket.h"

/*
 * Theory of operation
 *
 * All of a bucket's state is the time at which it will be full again, so that one compare and swap
 * takes tokens out. Each pushes that time on by what it costs; it may not be further away than what
 * the bucket holds. What one costs is rounded up to whole nanoseconds: never more than the rate
 * says is let through.
 */

#define NS_PER_MS 1000000
#define NS_PER_SECOND 1000000000

struct bucket_flow bucket_flow(struct rate rate)
{
	int64_t unit = (int64_t)rate.seconds * NS_PER_SECOND;
	int64_t cost = rate.count > 0 ? (unit + rate.count - 1) / rate.count : 0;

	return (struct bucket_flow){.cost = cost, .room = cost * rate.count};
}

bool bucket_draw(
	_Atomic int64_t *full_at, struct bucket_flow flow, uint32_t amount, struct mono now)
{
	int64_t present = now.ms * NS_PER_MS, next;
	int64_t seen = atomic_load_explicit(full_at, memory_order_relaxed);

	if (flow.cost == 0)
		return true;
	if (amount > flow.room / flow.cost)
		return false;
	do {
		next = (seen > present ? seen : present) + amount * flow.cost;
		if (next - present > flow.room)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		full_at, &seen, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void bucket_init(struct bucket *bucket, struct rate rate)
{
	bucket->flow = bucket_flow(rate);
	atomic_init(&bucket->full_at, 0);
}

bool bucket_take(struct bucket *bucket, struct mono now)
{
	return bucket_draw(&bucket->full_at, bucket->flow, 1, now);
}

bool bucket_is_full(int64_t full_at, struct mono now)
{
	return full_at <= now.ms * NS_PER_MS;
}
