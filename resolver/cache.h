/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CACHE_H
#define EGRESS_RESOLVER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/msg.h"
#include "rules/layers.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/name.h"

/* Bodies of replies by name and type, in memory of a fixed size. */
struct cache;

/* A cache whose bodies take at most `bytes`. 0 or -ENOMEM. */
int cache_new(size_t bytes, struct cache **ret_cache);
void cache_free(struct cache *cache);

/* Forgets everything. */
void cache_clear(struct cache *cache);

/* What is kept for a question. */
struct cached {
	struct mono expires;
	uint16_t stale_seconds; /* for so long after that it may still be served, if need be */
	uint16_t ahead_seconds; /* so long before it expires it may be asked for anew; 0: not */
	bool ask_policy;        /* each time: what it says of the name changes, or is to be told */
	enum verdict verdict;   /* of the name, for records; without an Extended Error, body.rule is
				   the rule that says so */
	struct msg_body body;

	/* Of what was found: */
	bool in_demand; /* it was given out several times since it was stored */
	struct record *record;
};

/* Where a question is looked for. */
struct cache_place {
	uint64_t hash;
	uint64_t slots; /* that it may be in: a bit each */
};

/*
 * A look-up in three steps, so that several can wait for their memory together: cache_place() finds
 * out where to look, cache_fetch() what there may be the one that is looked for, and has it
 * fetched; cache_find() looks at these, and does not find what is stored between the two. All that
 * is done between the steps for one question is done for the others, too. `hash` is one of the name
 * that a stranger can't foretell.
 */
struct cache_place cache_place(const struct cache *cache, uint64_t hash, uint16_t type);
void cache_fetch(const struct cache *cache, struct cache_place *place);

/* What is kept for (name, type), expired or not; false: nothing is. It is valid until the next
 * cache_store(). */
bool cache_find(const struct cache *cache, const struct cache_place *place, const struct name *name,
	uint16_t type, struct cached *ret_cached);

/* What was found is given out once more. */
void cache_given(const struct cached *cached);

/* What was found has no `ahead_seconds` any longer. */
void cache_asked_ahead(const struct cached *cached);

/* Keeps a copy, in the place of an older one. When the cache is full, what was not asked for in a
 * long time gives way. */
void cache_store(struct cache *cache, uint64_t hash, const struct name *name, uint16_t type,
	const struct cached *cached);

#endif
