/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_RECENT_H
#define EGRESS_RESOLVER_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"

/* Which things there were in this minute of the clock, by keyed hashes, in memory of a fixed size
 * that processes may share. Memory of zeros remembers nothing. */
struct recent;

/* Bytes that a table takes. */
size_t recent_size(void);

/* Whether it was noted in this minute and is not forgotten. */
bool recent_has(const struct recent *recent, uint64_t hash, struct mono now);

/* When there are too many, others are forgotten. */
void recent_note(struct recent *recent, uint64_t hash, struct mono now);

#endif
