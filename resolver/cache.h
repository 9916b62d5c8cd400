/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CACHE_H
#define EGRESS_RESOLVER_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/name.h"

struct answer;

/* Answers by name and type, in memory of a fixed size. */
struct cache;

/* A cache whose answers take at most `bytes`. 0 or -ENOMEM. */
int cache_new(size_t bytes, const struct hash_key *key, struct cache **ret_cache);
void cache_free(struct cache *cache);

/*
 * The answer to (name, type) that is still good at `now`, or NULL; *ret_expires says until when. It
 * is valid until the next cache_store().
 */
const struct answer *cache_find(struct cache *cache, const struct name *name, uint16_t type,
	struct mono now, struct mono *ret_expires);

/* Keeps a copy until `expires`, in the place of an older one. When the cache is full the oldest
 * answers give way. */
void cache_store(struct cache *cache, const struct name *name, uint16_t type,
	const struct answer *answer, struct mono now, struct mono expires);

#endif
