/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "resolver/answer.h"

/*
 * Theory of operation
 *
 * Records are written one behind the other into a ring; a new one overwrites the oldest. The
 * position in the ring is a count of units of 16 bytes that only grows, so a record is still there
 * as long as the head has not moved a whole ring past it.
 *
 * The index is a table of buckets of one cache line, 8 slots each, found by the keyed hash of
 * (name, type). A slot holds 32 bits of the hash and the record's position; a slot whose record was
 * overwritten is free. A full bucket gives up its oldest record. So a look-up touches one line of
 * the index and, where the 20 bits agree, one record; nothing is ever freed or moved, and a
 * stranger who can't know the key can't choose a bucket.
 *
 * Memory is mapped whole and touched only as it fills.
 */

#define CACHE_UNIT 16
#define BUCKET_SLOTS 8
#define UNITS_PER_SLOT 8 /* a slot of the index for every 128 bytes of records */

struct record {
	struct mono expires;
	uint16_t type;
	uint8_t name_length;
	/* then the name, then the answer, each at a multiple of 8 */
	_Alignas(8) uint8_t bytes[];
};

struct slot {
	uint64_t tag : 20; /* 0: never used */
	uint64_t position : 44;
};

struct cache {
	struct hash_key key;
	uint8_t *ring;
	struct slot (*buckets)[BUCKET_SLOTS];
	uint32_t units; /* the ring's size, a power of two */
	uint32_t bucket_mask;
	uint64_t head;    /* the next record's position */
	uint64_t written; /* units in use since the start, at most `units` */
};

struct locus {
	struct slot *bucket;
	uint64_t tag;
};

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

int cache_new(size_t bytes, const struct hash_key *key, struct cache **ret_cache)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->key = *key;
	cache->units = 1024;
	while (cache->units < 1u << 30 && (size_t)cache->units * 2 * CACHE_UNIT <= bytes)
		cache->units *= 2;
	uint32_t buckets = cache->units / UNITS_PER_SLOT / BUCKET_SLOTS;
	cache->bucket_mask = buckets - 1;
	cache->ring = map((size_t)cache->units * CACHE_UNIT);
	cache->buckets = map(buckets * sizeof(*cache->buckets));
	if (!cache->ring || !cache->buckets) {
		cache_free(cache);
		return -ENOMEM;
	}
	*ret_cache = cache;
	return 0;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->ring)
		munmap(cache->ring, (size_t)cache->units * CACHE_UNIT);
	if (cache->buckets)
		munmap(cache->buckets, (cache->bucket_mask + 1) * sizeof(*cache->buckets));
	free(cache);
}

static struct locus locate(const struct cache *cache, const struct name *name, uint16_t type)
{
	uint64_t hash = msg_hash_question(&cache->key, name, type);

	return (struct locus){
		.bucket = cache->buckets[hash & cache->bucket_mask],
		.tag = (hash >> 44) | 1,
	};
}

static struct record *record_at(const struct cache *cache, uint64_t position)
{
	size_t offset = (size_t)(position & (cache->units - 1)) * CACHE_UNIT;

	return (struct record *)(void *)(cache->ring + offset);
}

/* How many units ago the record of a slot was written; beyond `written` it is no more. */
static uint64_t age(const struct cache *cache, const struct slot *slot)
{
	return cache->head - slot->position;
}

static bool slot_lives(const struct cache *cache, const struct slot *slot)
{
	return slot->tag != 0 && age(cache, slot) <= cache->written;
}

static size_t answer_offset(size_t name_length)
{
	return (name_length + 7) & ~(size_t)7;
}

static struct slot *find(const struct cache *cache, const struct locus *locus,
	const struct name *name, uint16_t type)
{
	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		struct slot *slot = &locus->bucket[i];
		if (slot->tag != locus->tag || !slot_lives(cache, slot))
			continue;
		const struct record *record = record_at(cache, slot->position);
		if (record->type == type && record->name_length == name->length &&
			memcmp(record->bytes, name->wire, name->length) == 0)
			return slot;
	}
	return NULL;
}

const struct answer *cache_find(struct cache *cache, const struct name *name, uint16_t type,
	struct mono now, struct mono *ret_expires)
{
	struct locus locus = locate(cache, name, type);
	const struct slot *slot = find(cache, &locus, name, type);

	if (!slot)
		return NULL;
	const struct record *record = record_at(cache, slot->position);
	if (!mono_before(now, record->expires))
		return NULL;
	*ret_expires = record->expires;
	return (const struct answer *)(const void *)(record->bytes + answer_offset(name->length));
}

/* The slot for a new record: that of the same question, else a free one, else the oldest. */
static struct slot *choose(const struct cache *cache, const struct locus *locus,
	const struct name *name, uint16_t type)
{
	struct slot *chosen = find(cache, locus, name, type);

	for (unsigned i = 0; i < BUCKET_SLOTS && !chosen; i++) {
		if (!slot_lives(cache, &locus->bucket[i]))
			chosen = &locus->bucket[i];
	}
	if (chosen)
		return chosen;
	chosen = &locus->bucket[0];
	for (unsigned i = 1; i < BUCKET_SLOTS; i++) {
		if (age(cache, &locus->bucket[i]) > age(cache, chosen))
			chosen = &locus->bucket[i];
	}
	return chosen;
}

/* Takes `units` of the ring in one piece; what does not fit before its end is left empty. */
static uint64_t claim(struct cache *cache, uint64_t units)
{
	uint64_t left = cache->units - (cache->head & (cache->units - 1));
	uint64_t skip = units > left ? left : 0;
	uint64_t position = cache->head + skip;
	uint64_t written = cache->written + skip + units;

	cache->head = position + units;
	cache->written = written < cache->units ? written : cache->units;
	return position;
}

void cache_store(struct cache *cache, const struct name *name, uint16_t type,
	const struct answer *answer, struct mono now, struct mono expires)
{
	size_t size = sizeof(struct record) + answer_offset(name->length) + answer_size(answer);

	if (!mono_before(now, expires))
		return;
	struct locus locus = locate(cache, name, type);
	struct slot *slot = choose(cache, &locus, name, type);
	uint64_t position = claim(cache, (size + CACHE_UNIT - 1) / CACHE_UNIT);
	struct record *record = record_at(cache, position);

	record->expires = expires;
	record->type = type;
	record->name_length = name->length;
	memcpy(record->bytes, name->wire, name->length);
	memcpy(record->bytes + answer_offset(name->length), answer, answer_size(answer));
	slot->tag = locus.tag;
	slot->position = position;
}
