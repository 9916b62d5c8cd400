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
#define BUCKETS_MAX (LEASES_MAX / BUCKET)
#define SPARE 4 /* places for each lease in a new table */

struct leases {
	struct hash_key key;
	struct lease (*buckets)[BUCKET];
	size_t n_buckets;
	size_t n_used; /* places that ever held a lease */
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
	return 0;
}

static void free_buckets(struct leases *leases)
{
	if (leases->buckets)
		munmap(leases->buckets, leases->n_buckets * sizeof(leases->buckets[0]));
}

int leases_new(const struct hash_key *key, struct leases **ret_leases)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return -ENOMEM;
	leases->key = *key;
	if (make_buckets(leases, BUCKETS_MIN) != 0) {
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
	struct leases fresh = {.key = leases->key};

	if (make_buckets(&fresh, BUCKETS_MIN) != 0) {
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

struct lease *leases_take(
	struct leases *leases, uint16_t map, const struct inaddr *address, struct mono now)
{
	uint8_t bytes[sizeof(*address) + sizeof(map)];
	struct lease *buckets[2], *place[2], *lease;
	unsigned n_free[2];
	uint64_t hash;

	memcpy(bytes, address, sizeof(*address));
	memcpy(bytes + sizeof(*address), &map, sizeof(map));
	hash = hash_bytes(&leases->key, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 2; i++) {
		buckets[i] = leases->buckets[(uint32_t)(hash >> 32 * i) % leases->n_buckets];
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
	struct leases fresh = {.key = leases->key};
	const struct lease *places = leases->buckets[0];
	size_t n_buckets = BUCKETS_MIN, wanted;

	if (leases->n_buckets == BUCKETS_MAX || leases->n_used <= leases->n_buckets * BUCKET / 2)
		return;
	wanted = count_standing(leases, now) * SPARE / BUCKET;
	while (n_buckets < wanted && n_buckets < BUCKETS_MAX)
		n_buckets *= 2;
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
