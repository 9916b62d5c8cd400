/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_BUCKET_H
#define EGRESS_RESOLVER_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/clock.h"

/*
 * A token bucket: it holds as many events as its rate has in one unit of time, and fills evenly. In
 * memory that processes share it is exact for all of them together.
 */
struct bucket {
	int64_t cost;            /* of one event, in nanoseconds of filling; 0: no bound */
	int64_t room;            /* what it holds */
	_Atomic int64_t full_at; /* when it will be full again, on the clock of struct mono */
};

/* A full one; without a rate (count 0) one that never runs empty. */
void bucket_init(struct bucket *bucket, struct rate rate);

/* Takes one event out. False, and nothing taken: it is empty. */
bool bucket_take(struct bucket *bucket, struct mono now);

#endif
