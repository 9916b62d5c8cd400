/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ACCOUNTS_H
#define EGRESS_RESOLVER_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/bucket.h"

/*
 * Token buckets by key, any number of keys in memory of a fixed size, which processes may share:
 * what is spent in each domain under a wildcard, and by each client. Memory of zeros is a table of
 * full buckets.
 */
struct accounts;

/* Bytes that a table takes. */
size_t accounts_size(void);

/*
 * Takes `amount` out of the bucket of `key`, a keyed hash; all calls for a key have the same flow,
 * until the policy has another one: then what was spent still takes as long to fill up. False, and
 * nothing taken: there is not so much in it, or the table has no room for one more bucket that
 * isn't full.
 */
bool accounts_take(struct accounts *accounts, uint64_t key, struct bucket_flow flow,
	uint32_t amount, struct mono now);

#endif
