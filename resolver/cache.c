/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * Records are written one behind the other into a ring. A position in it is a count of units of 16
 * bytes that only grows; those from `tail` to `head` are in use. Each new record looks at a few of
 * the oldest, at the tail, until a reserve is free again: what was given out since it was written
 * is written anew at the head, the others are gone. So many names that are asked for once, a
 * stranger's under a wildcard, push out each other, and names in use stay. Only when the reserve is
 * used up, because hardly anything but names in use is left, they go in the order they came.
 * Who asks for the same names again and again holds them, up to the heat that all names end with:
 * each round of the ring costs a record one degree.
 *
 * The index is a table of buckets of one cache line, 8 slots each, found by the keyed hash of the
 * name, and the type. A slot holds 16 bits of the hash and the record's position, of which as many
 * bits are enough as tell apart those in use. A full bucket gives up its coolest record. So a
 * look-up touches one line of the index and, where the bits agree, one record; and a stranger who
 * can't know the key can't choose a bucket.
 *
 * The index begins small and grows with what it holds, so that of few records it lies in few lines
 * and pages. Growing looks at every record once; it is done a few times in all.
 *
 * Memory is mapped whole and touched only as it fills. From some thousand records on it is asked
 * for in large pages: else each look-up would wait for the tables of pages, too.
 */

#define CACHE_UNIT 16
#define LINE 64
#define BUCKET_SLOTS 8
#define LANES 4 /* tags in a word */
#define LANE_BITS 16
#define LANE_ONES UINT64_C(0x0001000100010001)
#define BUCKETS_MIN 256
#define GROWTH 4           /* times as many buckets, when half of the slots are in use */
#define UNITS_PER_SLOT 4   /* a slot of the index for every 64 bytes of records */
#define LARGE_BUCKETS 4096 /* of a cache that is in large pages from then on */
#define HEAT_MAX 3
#define DEMAND_MAX 2     /* times that it was given out since it was stored: then it is in demand */
#define RESERVE_SHARE 16 /* one part in so many of the ring is kept free */
#define STEPS_MAX 16     /* records looked at for a new one */
#define RECORD_MAX (sizeof(struct record) + NAME_WIRE_MAX + MSG_TTLS_MAX * 2 + MSG_MAX + CACHE_UNIT)
#define TYPE_FACTOR UINT64_C(0x9e3779b97f4a7c15) /* odd, and its bits are well mixed */

struct record {
	struct mono expires;
	const char *rule;
	uint32_t hash; /* of the question: its bucket */
	uint16_t units;
	uint16_t type;
	uint16_t size; /* of the records */
	uint16_t n_answers;
	uint16_t n_authorities;
	int16_t ede;
	uint16_t stale_seconds;
	uint8_t name_length; /* 0: nothing but the space to the ring's end */
	uint8_t rcode;
	uint8_t n_ttls;
	uint8_t heat : 2;
	uint8_t demand : 2;
	uint8_t ask_policy : 1;
	uint8_t authentic : 1;
	uint8_t verdict : 2;
	uint16_t ahead_seconds;
	/* then the places of TTLs, the name, the records */
	_Alignas(2) uint8_t bytes[];
};

struct bucket {
	_Alignas(LINE) uint64_t tags[BUCKET_SLOTS / LANES]; /* 16 bits of a hash each; 0: free */
	uint32_t positions[BUCKET_SLOTS];
};

_Static_assert(sizeof(struct bucket) == LINE, "a bucket is a cache line");

/* One of a bucket. */
struct slot {
	struct bucket *bucket; /* NULL: none */
	unsigned index;
};

struct cache {
	uint8_t *ring;
	struct bucket *buckets;
	uint32_t units;       /* the ring's size, a power of two */
	uint32_t n_buckets;   /* that there is room for, a power of two */
	uint32_t bucket_mask; /* of those in use */
	uint32_t n_used;      /* slots */
	uint32_t reserve;     /* units kept free */
	uint64_t head, tail;  /* positions */
	_Alignas(struct record) uint8_t moving[RECORD_MAX];
};

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* The head of a record that says there is none may lie a little beyond the ring's end. */
static size_t ring_bytes(const struct cache *cache)
{
	return (size_t)cache->units * CACHE_UNIT + sizeof(struct record);
}

int cache_new(size_t bytes, struct cache **ret_cache)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->units = 1024;
	while (cache->units < 1u << 30 && (size_t)cache->units * 2 * CACHE_UNIT <= bytes)
		cache->units *= 2;
	cache->reserve = cache->units / RESERVE_SHARE;
	cache->n_buckets = cache->units / UNITS_PER_SLOT / BUCKET_SLOTS;
	cache->bucket_mask = (cache->n_buckets < BUCKETS_MIN ? cache->n_buckets : BUCKETS_MIN) - 1;
	cache->ring = map(ring_bytes(cache));
	cache->buckets = map(cache->n_buckets * sizeof(*cache->buckets));
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
		munmap(cache->ring, ring_bytes(cache));
	if (cache->buckets)
		munmap(cache->buckets, cache->n_buckets * sizeof(*cache->buckets));
	free(cache);
}

void cache_clear(struct cache *cache)
{
	madvise(cache->buckets, (cache->bucket_mask + 1) * sizeof(*cache->buckets), MADV_DONTNEED);
	madvise(cache->ring, ring_bytes(cache), MADV_DONTNEED);
	cache->n_used = 0;
	cache->head = 0;
	cache->tail = 0;
}

/* --- Looking up --- */

static struct bucket *bucket_of(const struct cache *cache, uint64_t hash)
{
	return &cache->buckets[hash & cache->bucket_mask];
}

static unsigned tag_of(uint64_t hash)
{
	return (unsigned)(hash >> (64 - LANE_BITS)) | 1;
}

static unsigned tag_in(struct slot slot)
{
	return (unsigned)(slot.bucket->tags[slot.index / LANES] >> slot.index % LANES * LANE_BITS) &
	       UINT16_MAX;
}

static void set_tag(struct slot slot, unsigned tag)
{
	uint64_t *word = &slot.bucket->tags[slot.index / LANES];
	unsigned shift = slot.index % LANES * LANE_BITS;

	*word = (*word & ~((uint64_t)UINT16_MAX << shift)) | (uint64_t)tag << shift;
}

static uint32_t *position_in(struct slot slot)
{
	return &slot.bucket->positions[slot.index];
}

static struct record *record_at(const struct cache *cache, uint64_t position)
{
	size_t offset = (size_t)(position & (cache->units - 1)) * CACHE_UNIT;

	return (struct record *)(void *)(cache->ring + offset);
}

static const uint8_t *name_in(const struct record *record)
{
	return record->bytes + record->n_ttls * sizeof(uint16_t);
}

/* The lanes of a word that are zero: the highest bit of each. */
static inline uint64_t zero_lanes(uint64_t word)
{
	const uint64_t low = LANE_ONES * (UINT16_MAX >> 1);

	return ~(((word & low) + low) | word | low);
}

/* The slots of the bucket that have the tag: a bit each, for take_slot(). */
static inline uint64_t match_slots(const struct bucket *bucket, unsigned tag)
{
	_Static_assert(BUCKET_SLOTS == 2 * LANES, "two words of tags");

	return zero_lanes(bucket->tags[0] ^ tag * LANE_ONES) >> (LANE_BITS - 1) |
	       zero_lanes(bucket->tags[1] ^ tag * LANE_ONES) >> (LANE_BITS - 2);
}

/* Takes one out of these. */
static inline struct slot take_slot(struct bucket *bucket, uint64_t *slots)
{
	unsigned bit = (unsigned)__builtin_ctzll(*slots);

	*slots &= *slots - 1;
	return (struct slot){bucket, bit / LANE_BITS + bit % LANE_BITS * LANES};
}

struct cache_place cache_place(const struct cache *cache, uint64_t hash, uint16_t type)
{
	struct cache_place place = {.hash = hash ^ type * TYPE_FACTOR};

	__builtin_prefetch(bucket_of(cache, place.hash));
	return place;
}

void cache_fetch(const struct cache *cache, struct cache_place *place)
{
	struct bucket *bucket = bucket_of(cache, place->hash);
	uint64_t left = place->slots = match_slots(bucket, tag_of(place->hash));

	while (left != 0) {
		const uint8_t *record =
			(const uint8_t *)record_at(cache, *position_in(take_slot(bucket, &left)));

		__builtin_prefetch(record);
		__builtin_prefetch(record + LINE);
	}
}

/* Of what was fetched some may have changed since: it is looked at again. */
static struct slot find(const struct cache *cache, const struct cache_place *place,
	const struct name *name, uint16_t type)
{
	struct bucket *bucket = bucket_of(cache, place->hash);
	uint64_t left = place->slots;

	while (left != 0) {
		struct slot slot = take_slot(bucket, &left);
		const struct record *record = record_at(cache, *position_in(slot));

		if (tag_in(slot) == tag_of(place->hash) && record->type == type &&
			record->name_length == name->length &&
			memcmp(name_in(record), name->wire, name->length) == 0)
			return slot;
	}
	return (struct slot){NULL, 0};
}

bool cache_find(const struct cache *cache, const struct cache_place *place, const struct name *name,
	uint16_t type, struct cached *ret_cached)
{
	struct slot slot = find(cache, place, name, type);

	if (!slot.bucket)
		return false;
	struct record *record = record_at(cache, *position_in(slot));
	*ret_cached = (struct cached){
		.expires = record->expires,
		.stale_seconds = record->stale_seconds,
		.ahead_seconds = record->ahead_seconds,
		.ask_policy = record->ask_policy,
		.verdict = (enum verdict)record->verdict,
		.body = {.rule = record->rule,
			.ede = record->ede,
			.rcode = record->rcode,
			.authentic = record->authentic,
			.n_ttls = record->n_ttls,
			.n_answers = record->n_answers,
			.n_authorities = record->n_authorities,
			.size = record->size,
			.records = name_in(record) + record->name_length,
			.ttls = (const uint16_t *)(const void *)record->bytes},
		.in_demand = record->demand == DEMAND_MAX,
		.record = record,
	};
	return true;
}

void cache_given(const struct cached *cached)
{
	struct record *record = cached->record;

	if (record->heat < HEAT_MAX)
		record->heat++;
	if (record->demand < DEMAND_MAX)
		record->demand++;
}

void cache_asked_ahead(const struct cached *cached)
{
	cached->record->ahead_seconds = 0;
}

/* --- Storing --- */

/* What it takes to put so many units at the head in one piece: what does not fit before the ring's
 * end is left empty. */
static uint64_t units_taken(const struct cache *cache, uint64_t units)
{
	uint64_t left = cache->units - (cache->head & (cache->units - 1));

	return units > left ? left + units : units;
}

static bool has_room(const struct cache *cache, uint64_t units)
{
	return cache->units - (cache->head - cache->tail) >= units_taken(cache, units);
}

/* Takes the units, for which there must be room. */
static uint64_t claim(struct cache *cache, uint64_t units)
{
	uint64_t empty = units_taken(cache, units) - units, position;

	if (empty > 0) {
		record_at(cache, cache->head)->units = (uint16_t)empty;
		record_at(cache, cache->head)->name_length = 0;
	}
	position = cache->head + empty;
	cache->head = position + units;
	return position;
}

/* The slot of the record at the tail; none for one that another took the place of. */
static struct slot tail_slot(const struct cache *cache)
{
	const struct record *record = record_at(cache, cache->tail);
	struct slot slot = {bucket_of(cache, record->hash), 0};

	for (; slot.index < BUCKET_SLOTS && record->name_length > 0; slot.index++)
		if (tag_in(slot) != 0 && *position_in(slot) == (uint32_t)cache->tail)
			return slot;
	return (struct slot){NULL, 0};
}

/* Frees the record at the tail, or, if it may, writes it anew at the head. */
static void take_from_tail(struct cache *cache, bool may_move)
{
	struct record *record = record_at(cache, cache->tail);
	struct slot slot = tail_slot(cache);
	uint16_t units = record->units;

	if (slot.bucket && record->heat > 0 && may_move) {
		record->heat--;
		memcpy(cache->moving, record, (size_t)units * CACHE_UNIT);
		cache->tail += units;
		if (has_room(cache, units)) {
			*position_in(slot) = (uint32_t)claim(cache, units);
			memcpy(record_at(cache, *position_in(slot)), cache->moving,
				(size_t)units * CACHE_UNIT);
			return;
		}
	} else {
		cache->tail += units;
	}
	if (slot.bucket) {
		set_tag(slot, 0);
		cache->n_used--;
	}
}

/* Spreads what is in a bucket over those that it becomes. Each of them has what was in one, so
 * there is room. */
static void split(struct cache *cache, uint32_t index)
{
	struct slot slot = {&cache->buckets[index], 0};

	for (; slot.index < BUCKET_SLOTS; slot.index++) {
		struct slot other = slot;
		uint32_t hash;

		if (tag_in(slot) == 0)
			continue;
		hash = record_at(cache, *position_in(slot))->hash;
		if ((hash & cache->bucket_mask) == index)
			continue;
		other.bucket = bucket_of(cache, hash);
		set_tag(other, tag_in(slot));
		*position_in(other) = *position_in(slot);
		set_tag(slot, 0);
	}
}

static void grow(struct cache *cache)
{
	uint32_t n_buckets = cache->bucket_mask + 1;

	if (cache->n_used < n_buckets * BUCKET_SLOTS / 4 || n_buckets == cache->n_buckets)
		return;
	cache->bucket_mask = n_buckets * GROWTH > cache->n_buckets ? cache->n_buckets - 1
								   : n_buckets * GROWTH - 1;
	/* A kernel without large pages does as well, only slower. */
	if (cache->bucket_mask >= LARGE_BUCKETS) {
		madvise(cache->ring, ring_bytes(cache), MADV_HUGEPAGE);
		madvise(cache->buckets, cache->n_buckets * sizeof(*cache->buckets), MADV_HUGEPAGE);
	}
	for (uint32_t i = 0; i < n_buckets; i++)
		split(cache, i);
}

static void make_room(struct cache *cache, uint64_t units)
{
	for (unsigned i = 0; i < STEPS_MAX && cache->tail < cache->head; i++) {
		if (has_room(cache, cache->reserve + units))
			return;
		take_from_tail(cache, true);
	}
	while (!has_room(cache, units))
		take_from_tail(cache, false);
}

static unsigned heat_of(const struct cache *cache, struct slot slot)
{
	return record_at(cache, *position_in(slot))->heat;
}

/* The slot for a new record, which is found by `place`: a free one, else the coolest record's. */
static struct slot choose(const struct cache *cache, const struct cache_place *place)
{
	struct slot slot = {bucket_of(cache, place->hash), 0}, coolest = slot;
	uint64_t left = match_slots(slot.bucket, 0);

	if (left != 0)
		return take_slot(slot.bucket, &left);
	for (slot.index = 1; slot.index < BUCKET_SLOTS; slot.index++)
		if (heat_of(cache, slot) < heat_of(cache, coolest))
			coolest = slot;
	return coolest;
}

static void fill(struct record *record, const struct name *name, const struct cached *cached)
{
	const struct msg_body *body = &cached->body;
	uint8_t *at = record->bytes;

	record->expires = cached->expires;
	record->stale_seconds = cached->stale_seconds;
	record->ahead_seconds = cached->ahead_seconds;
	record->ask_policy = cached->ask_policy;
	record->verdict = cached->verdict & 3;
	record->demand = 0;
	record->rule = body->rule;
	record->ede = body->ede;
	record->rcode = body->rcode;
	record->authentic = body->authentic;
	record->n_ttls = body->n_ttls;
	record->n_answers = body->n_answers;
	record->n_authorities = body->n_authorities;
	record->size = body->size;
	record->name_length = name->length;
	memcpy(at, body->ttls, body->n_ttls * sizeof(*body->ttls));
	at += body->n_ttls * sizeof(*body->ttls);
	memcpy(at, name->wire, name->length);
	memcpy(at + name->length, body->records, body->size);
}

static size_t units_of(const struct name *name, const struct msg_body *body)
{
	size_t size = sizeof(struct record) + body->n_ttls * sizeof(*body->ttls) + name->length +
		      body->size;

	return (size + CACHE_UNIT - 1) / CACHE_UNIT;
}

void cache_store(struct cache *cache, uint64_t hash, const struct name *name, uint16_t type,
	const struct cached *cached)
{
	struct cache_place place = cache_place(cache, hash, type);
	size_t units = units_of(name, &cached->body);
	uint8_t heat = 0;

	if (units > cache->units / 2)
		return;
	make_room(cache, units);
	grow(cache);
	cache_fetch(cache, &place);
	struct slot slot = find(cache, &place, name, type);
	if (slot.bucket)
		heat = (uint8_t)heat_of(cache, slot);
	else
		slot = choose(cache, &place);
	if (tag_in(slot) == 0)
		cache->n_used++;
	uint64_t position = claim(cache, units);
	struct record *record = record_at(cache, position);
	fill(record, name, cached);
	record->hash = (uint32_t)place.hash;
	record->units = (uint16_t)units;
	record->type = type;
	record->heat = heat & HEAT_MAX;
	set_tag(slot, tag_of(place.hash));
	*position_in(slot) = (uint32_t)position;
}
