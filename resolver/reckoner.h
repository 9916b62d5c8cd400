/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_RECKONER_H
#define EGRESS_RESOLVER_RECKONER_H

#include <stdint.h>

#include "resolver/tally.h"

/* In the watcher: finds out how many connections the kernel has counted of which no record came. */
struct reckoner;

/* The tally must stay. 0 or -ENOMEM. */
int reckoner_new(struct tally *tally, struct reckoner **ret_reckoner);

/* NULL is allowed. */
void reckoner_free(struct reckoner *reckoner);

/* A record came that was logged under the id. */
void reckoner_record(struct reckoner *reckoner, const char *id);

/* So many records did not come, of whatever rules. */
void reckoner_miss(struct reckoner *reckoner, uint64_t count);

/* Takes note of what has been counted, if anything has since the last time. To be called before
 * records are read. */
void reckoner_look(struct reckoner *reckoner);

/* All records have been read that were there when it looked: calls `visit` for each rule with
 * connections that have no record. Returns how many have none whatever was counted, for no rule. */
uint64_t reckoner_settle(struct reckoner *reckoner, tally_visit *visit, void *context);

#endif
