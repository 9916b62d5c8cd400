/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/leases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * A lease has two buckets of 16 places where it can be, chosen by a keyed hash, and goes into the
 * emptier one. So a lookup reads two short runs of memory, nothing is moved or collected while the
 * table is in use, and the place of a lease that ended is simply used again. With two choices the
 * buckets fill evenly: the first is full when the table is, but for some percent.
 *
 * The table starts small, since every lease in a large one costs a page. When half of its places
 * have been used it is made anew for those that still stand, four times as large as they need.
 */

#define BUCKET 16
#define BUCKETS_MIN 2048 /* half of it, and LEASES_STEP, leave a quarter free */
#define SPARE 4          /* places for each lease in a new table */

struct leases {
	struct hash_key key;
	struct lease (*buckets)[BUCKET];
	size_t n_buckets;
	size_t n_buckets_max;
	size_t n_used; /* places that ever held a lease */
	uint32_t epoch;
};

static int make_buckets(struct leases *leases, size_t n_buckets)
{
	void *buckets = mmap(NULL, n_buckets * sizeof(leases->buckets[0]), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buckets == MAP_FAILED)
		return -ENOMEM;
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
	leases->n_buckets_max = most < BUCKET ? 1 : most / BUCKET;
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

static struct lease *find(
	struct lease *bucket, uint16_t map, const struct inaddr *address, struct mono now)
{
	for (unsigned i = 0; i < BUCKET; i++)
		if (!is_gone(&bucket[i], now) && bucket[i].map == map &&
			inaddr_compare(&bucket[i].address, address) == 0)
			return &bucket[i];
	return NULL;
}

/* A free place of the bucket, or NULL, and how many there are. */
static struct lease *find_free(struct lease *bucket, struct mono now, unsigned *ret_free)
{
	struct lease *place = NULL;

	*ret_free = 0;
	for (unsigned i = 0; i < BUCKET; i++) {
		if (!is_gone(&bucket[i], now))
			continue;
		place = &bucket[i];
		++*ret_free;
	}
	return place;
}

/* The two buckets where the lease of the address can be. */
static void choose_buckets(const struct leases *leases, uint16_t map, const struct inaddr *address,
	struct lease *ret_buckets[2])
{
	uint8_t bytes[sizeof(*address) + sizeof(map)];
	uint64_t hash;

	memcpy(bytes, address, sizeof(*address));
	memcpy(bytes + sizeof(*address), &map, sizeof(map));
	hash = hash_bytes(&leases->key, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 2; i++)
		ret_buckets[i] = leases->buckets[(uint32_t)(hash >> 32 * i) % leases->n_buckets];
}

struct lease *leases_find(
	struct leases *leases, uint16_t map, const struct inaddr *address, struct mono now)
{
	struct lease *buckets[2], *lease;

	choose_buckets(leases, map, address, buckets);
	lease = find(buckets[0], map, address, now);
	if (!lease)
		lease = find(buckets[1], map, address, now);
	return lease && mono_before(now, lease->expires) ? lease : NULL;
}

struct lease *leases_take(
	struct leases *leases, uint16_t map, const struct inaddr *address, struct mono now)
{
	struct lease *buckets[2], *place[2], *lease;
	unsigned n_free[2];

	choose_buckets(leases, map, address, buckets);
	for (unsigned i = 0; i < 2; i++) {
		lease = find(buckets[i], map, address, now);
		if (lease)
			return lease;
	}
	for (unsigned i = 0; i < 2; i++)
		place[i] = find_free(buckets[i], now, &n_free[i]);
	lease = place[n_free[1] > n_free[0]];
	if (lease && lease->expires.ms == 0)
		leases->n_used++;
	if (lease)
		*lease = (struct lease){.address = *address, .map = map};
	return lease;
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
	struct lease *all = leases->buckets[0];

	for (; places > 0 && *at < leases_places(leases); places--) {
		struct lease *lease = &all[(*at)++];

		if (lease->known && mono_before(now, lease->expires))
			return lease;
	}
	return NULL;
}

static size_t count_standing(const struct leases *leases, struct mono now)
{
	const struct lease *places = leases->buckets[0];
	size_t count = 0;

	for (size_t i = 0; i < leases->n_buckets * BUCKET; i++)
		count += !is_gone(&places[i], now);
	return count;
}

void leases_settle(struct leases *leases, struct mono now)
{
	struct leases fresh = successor(leases);
	const struct lease *places = leases->buckets[0];
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
	for (size_t i = 0; i < leases->n_buckets * BUCKET; i++) {
		struct lease *place;

		if (is_gone(&places[i], now))
			continue;
		place = leases_take(&fresh, places[i].map, &places[i].address, now);
		if (place)
			*place = places[i];
	}
	free_buckets(leases);
	*leases = fresh;
}
