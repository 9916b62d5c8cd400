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
 * Leases lie one behind the other in the order in which they came, so that new ones go where the
 * last one went. An index finds them: each has two buckets where it can be, chosen by its hash, and
 * goes into the emptier one. A bucket is a cache line of 12 slots, a byte of the hash for each,
 * which tells nearly all others apart, and where the lease is. So a lookup reads two lines and the
 * lease that it finds, one for what isn't there two lines. With two choices the buckets fill
 * evenly: the first is full when more than a quarter of the slots is left, and the index of a full
 * table leaves a third.
 *
 * The index starts small. When leases have taken three of eight slots, those that still stand are
 * moved together, and it is made anew, eight times as large as they need: each keeps its hash, so
 * none is computed again. At its full size nothing is moved any more. When all places were used, a
 * hand goes round and takes those whose leases have ended, a few steps for each new lease, so that
 * a table full of leases that stand costs no more than that.
 */

#define SLOTS 12
#define BUCKETS_MIN 2048 /* three eighths of it, and LEASES_STEP, leave a quarter free */
#define SPARE 8          /* slots for each lease in a new index */
#define STEPS 32         /* of the hand, for one lease */
#define AHEAD 16         /* leases whose buckets are fetched before they are put into a new index */

/* Memory of that size is backed by large pages, if the system has any for those who ask. */
#define LARGE ((size_t)2 << 20)

struct bucket {
	uint8_t tags[SLOTS]; /* 0: free, as are all behind it */
	uint32_t places[SLOTS];
	uint32_t unused;
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

/* Where the lease of an address can be. */
struct choice {
	struct bucket *buckets[2];
	uint8_t tag;
};

struct index {
	struct bucket *buckets;
	size_t n_buckets;
};

struct leases {
	struct index index;
	size_t n_buckets_max;
	struct lease *places;
	size_t n_places;
	size_t n_used; /* the first so many */
	size_t hand;   /* where to look next for one that is gone */
	uint32_t epoch;
};

/* --- Memory --- */

static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* One that is larger than the first will be filled at once, and has all its memory now: page by
 * page, read before it is written, it would be had twice. */
static int make_index(size_t n_buckets, struct index *ret_index)
{
	size_t size = n_buckets * sizeof(struct bucket);
	struct bucket *buckets = reserve(size);

	if (!buckets)
		return -ENOMEM;
	if (size >= LARGE)
		madvise(buckets, size, MADV_HUGEPAGE);
	if (n_buckets > BUCKETS_MIN)
		madvise(buckets, size, MADV_POPULATE_WRITE);
	*ret_index = (struct index){buckets, n_buckets};
	return 0;
}

static void free_index(struct index *index)
{
	if (index->buckets)
		munmap(index->buckets, index->n_buckets * sizeof(struct bucket));
}

/* Few leases are on small pages: those of an idle resolver cost what they need. */
static int make_places(struct leases *leases)
{
	size_t size = leases->n_places * sizeof(struct lease);

	leases->places = reserve(size);
	if (!leases->places)
		return -ENOMEM;
	if (size > 2 * LARGE)
		madvise((uint8_t *)leases->places + LARGE, size - LARGE, MADV_HUGEPAGE);
	return 0;
}

/* Gives the memory back of what is not used any more, but for what will be soon. */
static void release_places(struct leases *leases, size_t n_used)
{
	size_t kept = (2 * n_used * sizeof(struct lease) / LARGE + 1) * LARGE;
	size_t size = leases->n_used * sizeof(struct lease);

	if (size > kept)
		madvise((uint8_t *)leases->places + kept, size - kept, MADV_DONTNEED);
	leases->n_used = n_used;
}

static size_t buckets_min(const struct leases *leases)
{
	return leases->n_buckets_max < BUCKETS_MIN ? leases->n_buckets_max : BUCKETS_MIN;
}

static void next_epoch(struct leases *leases)
{
	leases->epoch++;
	leases->epoch += leases->epoch == 0;
}

int leases_new(size_t most, struct leases **ret_leases)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return -ENOMEM;
	leases->n_places = most;
	leases->n_buckets_max = most / (2 * SLOTS / 3) + 64;
	leases->epoch = 1;
	if (make_places(leases) != 0 || make_index(buckets_min(leases), &leases->index) != 0) {
		leases_free(leases);
		return -ENOMEM;
	}
	*ret_leases = leases;
	return 0;
}

void leases_free(struct leases *leases)
{
	if (!leases)
		return;
	free_index(&leases->index);
	if (leases->places)
		munmap(leases->places, leases->n_places * sizeof(struct lease));
	free(leases);
}

void leases_clear(struct leases *leases)
{
	struct index fresh;

	if (make_index(buckets_min(leases), &fresh) == 0) {
		free_index(&leases->index);
		leases->index = fresh;
	} else {
		memset(leases->index.buckets, 0, leases->index.n_buckets * sizeof(struct bucket));
	}
	release_places(leases, 0);
	next_epoch(leases);
}

/* --- The index --- */

static struct choice choose_buckets(const struct index *index, uint64_t hash)
{
	struct choice choice;

	for (unsigned i = 0; i < 2; i++)
		choice.buckets[i] =
			&index->buckets[(hash >> 32 * i & UINT32_MAX) * index->n_buckets >> 32];
	/* Bits that hardly matter for the choice. */
	choice.tag = (uint8_t)(hash ^ hash >> 32);
	choice.tag += choice.tag == 0;
	return choice;
}

/* The highest bit of each of the 8 bytes that is equal to `tag`, the first byte's the lowest. */
static uint64_t equal_tags(const void *tags, uint8_t tag)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
	uint64_t word;

	memcpy(&word, tags, sizeof(word));
	word = le64toh(word) ^ tag * ones;
	return ~(((word & low) + low) | word | low);
}

/* The same of the bucket's tags from the first, and from the ninth on. */
static uint64_t equal_in(const struct bucket *bucket, unsigned first, uint8_t tag)
{
	uint64_t equal = equal_tags(bucket->tags + first, tag);

	return first == 0 ? equal : equal & UINT32_MAX;
}

/* Which of the 8 the first one is. */
static unsigned first_equal(uint64_t equal)
{
	return (unsigned)__builtin_ctzll(equal) / 8;
}

/* The first free slot, SLOTS if there is none. */
static unsigned first_free(const struct bucket *bucket)
{
	for (unsigned first = 0; first < SLOTS; first += 8) {
		uint64_t free = equal_in(bucket, first, 0);

		if (free != 0)
			return first + first_equal(free);
	}
	return SLOTS;
}

/* Where a new one goes, which is free, or NULL. */
static struct bucket *emptier(const struct choice *choice, unsigned *ret_slot)
{
	unsigned free[2] = {first_free(choice->buckets[0]), first_free(choice->buckets[1])};
	unsigned which = free[1] < free[0];

	*ret_slot = free[which];
	return free[which] < SLOTS ? choice->buckets[which] : NULL;
}

static void put(const struct choice *choice, struct bucket *bucket, unsigned slot, size_t place)
{
	bucket->tags[slot] = choice->tag;
	bucket->places[slot] = (uint32_t)place;
}

/* Takes the place out of the bucket, if it is there: the last one takes its slot. */
static void take_out(struct bucket *bucket, size_t place)
{
	unsigned n_taken = first_free(bucket);

	for (unsigned i = 0; i < n_taken; i++) {
		if (bucket->places[i] != place)
			continue;
		bucket->tags[i] = bucket->tags[n_taken - 1];
		bucket->places[i] = bucket->places[n_taken - 1];
		bucket->tags[n_taken - 1] = 0;
		return;
	}
}

/* --- Leases --- */

static bool is_gone(const struct lease *lease, struct mono now)
{
	return !lease->known || lease->expires.ms + LEASES_LINGER_MS <= now.ms;
}

/* Its place, if the bucket has it, also when it ended long ago; or NULL. */
static struct lease *find_in(const struct leases *leases, const struct bucket *bucket, uint8_t tag,
	uint16_t map, const struct inaddr *address)
{
	for (unsigned first = 0; first < SLOTS; first += 8) {
		uint64_t left = equal_in(bucket, first, tag);

		for (; left != 0; left &= left - 1) {
			struct lease *lease =
				&leases->places[bucket->places[first + first_equal(left)]];

			if (lease->map == map && inaddr_equal(&lease->address, address))
				return lease;
		}
	}
	return NULL;
}

static struct lease *find(const struct leases *leases, const struct choice *choice, uint16_t map,
	const struct inaddr *address)
{
	struct lease *lease = find_in(leases, choice->buckets[0], choice->tag, map, address);

	return lease ? lease : find_in(leases, choice->buckets[1], choice->tag, map, address);
}

/* A place whose lease is gone, which the index forgets; n_places when the hand did not come to one.
 */
static size_t reclaim_place(struct leases *leases, struct mono now)
{
	for (unsigned i = 0; i < STEPS && i < leases->n_places; i++) {
		size_t at = leases->hand;
		struct choice choice;

		leases->hand = at + 1 < leases->n_places ? at + 1 : 0;
		if (!is_gone(&leases->places[at], now))
			continue;
		choice = choose_buckets(&leases->index, leases->places[at].hash);
		take_out(choice.buckets[0], at);
		take_out(choice.buckets[1], at);
		return at;
	}
	return leases->n_places;
}

/* A place for one that has none, or NULL. */
static struct lease *find_room(struct leases *leases, const struct choice *choice, struct mono now)
{
	size_t at = leases->n_used < leases->n_places ? leases->n_used : reclaim_place(leases, now);
	struct bucket *bucket;
	unsigned slot;

	if (at == leases->n_places)
		return NULL;
	bucket = emptier(choice, &slot);
	if (!bucket)
		return NULL;
	put(choice, bucket, slot, at);
	leases->n_used += at == leases->n_used;
	return &leases->places[at];
}

void leases_fetch(const struct leases *leases, uint64_t hash)
{
	struct choice choice = choose_buckets(&leases->index, hash);

	for (unsigned i = 0; i < 2; i++)
		__builtin_prefetch(choice.buckets[i]->tags, 1);
}

struct lease *leases_find(struct leases *leases, uint64_t hash, uint16_t map,
	const struct inaddr *address, struct mono now)
{
	struct choice choice = choose_buckets(&leases->index, hash);
	struct lease *lease = find(leases, &choice, map, address);

	return lease && lease->known && mono_before(now, lease->expires) ? lease : NULL;
}

struct lease *leases_take(struct leases *leases, uint64_t hash, uint16_t map,
	const struct inaddr *address, struct mono now)
{
	struct choice choice = choose_buckets(&leases->index, hash);
	struct lease *lease = find(leases, &choice, map, address);

	if (lease && !is_gone(lease, now))
		return lease;
	if (!lease)
		lease = find_room(leases, &choice, now);
	if (lease)
		*lease = (struct lease){.address = *address, .hash = hash, .map = map};
	return lease;
}

size_t leases_places(const struct leases *leases)
{
	return leases->n_used;
}

uint32_t leases_epoch(const struct leases *leases)
{
	return leases->epoch;
}

struct lease *leases_walk(struct leases *leases, size_t *at, size_t places, struct mono now)
{
	for (; places > 0 && *at < leases->n_used; places--) {
		struct lease *lease = &leases->places[(*at)++];

		if (lease->known && mono_before(now, lease->expires))
			return lease;
	}
	return NULL;
}

static size_t count_standing(const struct leases *leases, struct mono now)
{
	size_t count = 0;

	for (size_t i = 0; i < leases->n_used; i++)
		count += !is_gone(&leases->places[i], now);
	return count;
}

/* Moves what stands together. */
static void compact(struct leases *leases, struct mono now)
{
	size_t n_left = 0;

	for (size_t i = 0; i < leases->n_used; i++) {
		if (is_gone(&leases->places[i], now))
			continue;
		if (n_left != i)
			leases->places[n_left] = leases->places[i];
		n_left++;
	}
	release_places(leases, n_left);
}

/* Puts all of them into the index, which is empty; what it had no room for would be forgotten. */
static void fill_index(struct leases *leases)
{
	for (size_t i = 0; i < leases->n_used; i++) {
		struct choice choice = choose_buckets(&leases->index, leases->places[i].hash);
		unsigned slot;
		struct bucket *bucket = emptier(&choice, &slot);

		if (i + AHEAD < leases->n_used)
			leases_fetch(leases, leases->places[i + AHEAD].hash);
		if (bucket)
			put(&choice, bucket, slot, i);
		else
			leases->places[i].known = false;
	}
}

void leases_settle(struct leases *leases, struct mono now)
{
	size_t n_buckets = buckets_min(leases), wanted;
	struct index fresh;

	if (leases->index.n_buckets == leases->n_buckets_max ||
		leases->n_used <= leases->index.n_buckets * SLOTS * 3 / 8)
		return;
	wanted = count_standing(leases, now) * SPARE / SLOTS;
	while (n_buckets < wanted && n_buckets < leases->n_buckets_max)
		n_buckets *= 2;
	if (n_buckets > leases->n_buckets_max)
		n_buckets = leases->n_buckets_max;
	if (make_index(n_buckets, &fresh) != 0)
		return;
	free_index(&leases->index);
	leases->index = fresh;
	compact(leases, now);
	fill_index(leases);
	next_epoch(leases);
}
