/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/leases.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * A lease has two buckets of 16 places where it can be, chosen by a keyed hash, and goes into the
 * emptier one, where the most places were never used; when all were, into one whose lease has
 * ended. Nothing is moved or collected while the table is in use. A byte of the hash for each
 * place, at the head of the bucket, tells nearly all others apart: so a lookup reads two short runs
 * of memory and the lease that it finds. With two choices the buckets fill evenly: the first is
 * full when an eighth of the table is left. So a large one has a quarter more places than leases
 * that it is for.
 *
 * The table starts small, since every lease in a large one costs a page. When half of its places
 * have been used it is made anew for those that still stand, four times as large as they need.
 */

#define BUCKET 16
#define BUCKETS_MIN 2048 /* half of it, and LEASES_STEP, leave a quarter free */
#define SPARE 4          /* places for each lease in a new table */

/* Tables of that size are backed by large pages, if the system has any for those who ask: each
 * lease is somewhere else. */
#define LARGE ((size_t)16 << 20)

struct bucket {
	uint8_t tags[BUCKET]; /* 0: the place was never used */
	struct lease places[BUCKET];
};

/* Where the lease of an address can be. */
struct choice {
	struct bucket *buckets[2];
	uint8_t tag;
};

struct leases {
	struct hash_key key;
	struct bucket *buckets;
	size_t n_buckets;
	size_t n_buckets_max;
	size_t n_used; /* places that ever held a lease */
	uint32_t epoch;
};

static int make_buckets(struct leases *leases, size_t n_buckets)
{
	size_t size = n_buckets * sizeof(leases->buckets[0]);
	void *buckets = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buckets == MAP_FAILED)
		return -ENOMEM;
	if (size >= LARGE)
		madvise(buckets, size, MADV_HUGEPAGE);
	leases->buckets = buckets;
	leases->n_buckets = n_buckets;
	leases->n_used = 0;
	leases->epoch++;
	leases->epoch += leases->epoch == 0;
	return 0;
}

static size_t buckets_min(const struct leases *leases)
{
	return leases->n_buckets_max < BUCKETS_MIN ? leases->n_buckets_max : BUCKETS_MIN;
}

/* An empty one that may take the place of `leases`. */
static struct leases successor(const struct leases *leases)
{
	return (struct leases){
		.key = leases->key, .n_buckets_max = leases->n_buckets_max, .epoch = leases->epoch};
}

static void free_buckets(struct leases *leases)
{
	if (leases->buckets)
		munmap(leases->buckets, leases->n_buckets * sizeof(leases->buckets[0]));
}

int leases_new(const struct hash_key *key, size_t most, struct leases **ret_leases)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return -ENOMEM;
	leases->key = *key;
	leases->n_buckets_max = most < BUCKET ? 1 : most / BUCKET + most / BUCKET / 4;
	if (make_buckets(leases, buckets_min(leases)) != 0) {
		free(leases);
		return -ENOMEM;
	}
	*ret_leases = leases;
	return 0;
}

void leases_free(struct leases *leases)
{
	if (!leases)
		return;
	free_buckets(leases);
	free(leases);
}

void leases_clear(struct leases *leases)
{
	struct leases fresh = successor(leases);

	if (make_buckets(&fresh, buckets_min(leases)) != 0) {
		memset(leases->buckets, 0, leases->n_buckets * sizeof(leases->buckets[0]));
		leases->n_used = 0;
		return;
	}
	free_buckets(leases);
	*leases = fresh;
}

static bool is_gone(const struct lease *lease, struct mono now)
{
	return !lease->known || lease->expires.ms + LEASES_LINGER_MS <= now.ms;
}

static uint64_t hash_lease(const struct leases *leases, uint16_t map, const struct inaddr *address)
{
	uint8_t bytes[sizeof(*address) + sizeof(map)];

	memcpy(bytes, address, sizeof(*address));
	memcpy(bytes + sizeof(*address), &map, sizeof(map));
	return hash_bytes(&leases->key, bytes, sizeof(bytes));
}

static struct choice choose_buckets(const struct leases *leases, uint64_t hash)
{
	struct choice choice;

	for (unsigned i = 0; i < 2; i++)
		choice.buckets[i] =
			&leases->buckets[(hash >> 32 * i & UINT32_MAX) * leases->n_buckets >> 32];
	/* Bits that hardly matter for the choice. */
	choice.tag = (uint8_t)(hash ^ hash >> 32);
	choice.tag += choice.tag == 0;
	return choice;
}

/* The highest bit of each of the 8 tags that is equal to `tag`, the first tag's the lowest. */
static uint64_t equal_tags(const uint8_t tags[8], uint8_t tag)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
	uint64_t word;

	memcpy(&word, tags, sizeof(word));
	word = le64toh(word) ^ tag * ones;
	return ~(((word & low) + low) | word | low);
}

/* Which of the 8 the first one is. */
static unsigned first_equal(uint64_t equal)
{
	return (unsigned)__builtin_ctzll(equal) / 8;
}

/* Its place among the bucket's, also when it ended long ago; or NULL. */
static struct lease *find_in(
	struct bucket *bucket, uint8_t tag, uint16_t map, const struct inaddr *address)
{
	for (unsigned half = 0; half < BUCKET; half += 8) {
		uint64_t left = equal_tags(bucket->tags + half, tag);

		for (; left != 0; left &= left - 1) {
			struct lease *place = &bucket->places[half + first_equal(left)];

			if (place->map == map && inaddr_compare(&place->address, address) == 0)
				return place;
		}
	}
	return NULL;
}

static struct lease *find(const struct choice *choice, uint16_t map, const struct inaddr *address)
{
	struct lease *lease = find_in(choice->buckets[0], choice->tag, map, address);

	return lease ? lease : find_in(choice->buckets[1], choice->tag, map, address);
}

/* The first place of the bucket that was never used, BUCKET if there is none. */
static unsigned first_unused(const struct bucket *bucket)
{
	for (unsigned half = 0; half < BUCKET; half += 8) {
		uint64_t unused = equal_tags(bucket->tags + half, 0);

		if (unused != 0)
			return half + first_equal(unused);
	}
	return BUCKET;
}

/* A place of the bucket whose lease is gone, BUCKET if there is none. */
static unsigned first_gone(const struct bucket *bucket, struct mono now)
{
	unsigned at = 0;

	while (at < BUCKET && !is_gone(&bucket->places[at], now))
		at++;
	return at;
}

/* A place for one that has none, or NULL. Places are taken into use in their order. */
static struct lease *find_room(struct leases *leases, const struct choice *choice, struct mono now)
{
	unsigned at[2] = {first_unused(choice->buckets[0]), first_unused(choice->buckets[1])};
	unsigned which = at[1] < at[0];

	if (at[which] < BUCKET) {
		leases->n_used++;
	} else {
		at[0] = first_gone(choice->buckets[0], now);
		at[1] = first_gone(choice->buckets[1], now);
		which = at[0] == BUCKET;
	}
	if (at[which] == BUCKET)
		return NULL;
	choice->buckets[which]->tags[at[which]] = choice->tag;
	return &choice->buckets[which]->places[at[which]];
}

uint64_t leases_expect(const struct leases *leases, uint16_t map, const struct inaddr *address)
{
	uint64_t hash = hash_lease(leases, map, address);
	struct choice choice = choose_buckets(leases, hash);

	for (unsigned i = 0; i < 2; i++)
		__builtin_prefetch(choice.buckets[i]->tags);
	return hash;
}

struct lease *leases_find(
	struct leases *leases, uint16_t map, const struct inaddr *address, struct mono now)
{
	struct choice choice = choose_buckets(leases, hash_lease(leases, map, address));
	struct lease *lease = find(&choice, map, address);

	return lease && lease->known && mono_before(now, lease->expires) ? lease : NULL;
}

struct lease *leases_take_expected(struct leases *leases, uint64_t expected, uint16_t map,
	const struct inaddr *address, struct mono now)
{
	struct choice choice = choose_buckets(leases, expected);
	struct lease *lease = find(&choice, map, address);

	if (lease && !is_gone(lease, now))
		return lease;
	if (!lease)
		lease = find_room(leases, &choice, now);
	if (lease)
		*lease = (struct lease){.address = *address, .map = map};
	return lease;
}

struct lease *leases_take(
	struct leases *leases, uint16_t map, const struct inaddr *address, struct mono now)
{
	return leases_take_expected(leases, hash_lease(leases, map, address), map, address, now);
}

static struct lease *place_at(const struct leases *leases, size_t at)
{
	return &leases->buckets[at / BUCKET].places[at % BUCKET];
}

size_t leases_places(const struct leases *leases)
{
	return leases->n_buckets * BUCKET;
}

size_t leases_most(const struct leases *leases)
{
	return leases->n_used;
}

uint32_t leases_epoch(const struct leases *leases)
{
	return leases->epoch;
}

struct lease *leases_walk(struct leases *leases, size_t *at, size_t places, struct mono now)
{
	for (; places > 0 && *at < leases_places(leases); places--) {
		struct lease *lease = place_at(leases, (*at)++);

		if (lease->known && mono_before(now, lease->expires))
			return lease;
	}
	return NULL;
}

static size_t count_standing(const struct leases *leases, struct mono now)
{
	size_t count = 0;

	for (size_t i = 0; i < leases_places(leases); i++)
		count += !is_gone(place_at(leases, i), now);
	return count;
}

void leases_settle(struct leases *leases, struct mono now)
{
	struct leases fresh = successor(leases);
	size_t n_buckets = buckets_min(leases), wanted;

	if (leases->n_buckets == leases->n_buckets_max ||
		leases->n_used <= leases->n_buckets * BUCKET / 2)
		return;
	wanted = count_standing(leases, now) * SPARE / BUCKET;
	while (n_buckets < wanted && n_buckets < leases->n_buckets_max)
		n_buckets *= 2;
	if (n_buckets > leases->n_buckets_max)
		n_buckets = leases->n_buckets_max;
	if (make_buckets(&fresh, n_buckets) != 0)
		return;
	for (size_t i = 0; i < leases_places(leases); i++) {
		const struct lease *lease = place_at(leases, i);
		struct lease *place;

		if (is_gone(lease, now))
			continue;
		place = leases_take(&fresh, lease->map, &lease->address, now);
		if (place)
			*place = *lease;
	}
	free_buckets(leases);
	*leases = fresh;
}
