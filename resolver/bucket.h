/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_BUCKET_H
#define EGRESS_RESOLVER_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/clock.h"

/* How a token bucket fills: it holds as much as its rate has in one unit of time, and fills
 * evenly. */
struct bucket_flow {
	int64_t cost; /* of one token, in nanoseconds of filling; 0: no bound */
	int64_t room; /* what it holds */
};

struct bucket_flow bucket_flow(struct rate rate);

/*
 * Takes `amount` out of a bucket, all of whose state is when it will be full again, on the clock of
 * struct mono (0: it is full). False, and nothing taken: there is not so much in it. In memory that
 * processes share it is exact for all of them together.
 */
bool bucket_draw(
	_Atomic int64_t *full_at, struct bucket_flow flow, uint32_t amount, struct mono now);

/* A bucket with its flow. */
struct bucket {
	struct bucket_flow flow;
	_Atomic int64_t full_at;
};

/* A full one; without a rate (count 0) one that never runs empty. */
void bucket_init(struct bucket *bucket, struct rate rate);

/* Takes one event out. False, and nothing taken: it is empty. */
bool bucket_take(struct bucket *bucket, struct mono now);

/* Whether a bucket is full at `now`: as if nothing had ever been taken out. */
bool bucket_is_full(int64_t full_at, struct mono now);

#endif
