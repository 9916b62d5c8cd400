/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/namering.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "src/base/bytes.h"

/*
 * Theory of operation
 *
 * Names are written one behind the other into a ring of words: a word of check, then the name's
 * length and its bytes. A name's number says where it is: how many words had been given out before
 * it, plus 1. It is known as long as no more than the whole ring has been given out since then.
 *
 * An index by hash, of one number for each place and the rest of the hash with it, finds a name
 * that is there already: names that are asked for all the time are written once in half a ring.
 *
 * Which name a lease has is a number, in one of the eight slots of a line that the keyed hash of
 * address and map chooses; more bits of the hash tell leases apart. When all eight are taken the
 * one with the oldest name gives way.
 *
 * The keepers of two crews write here at once while one takes over from the other, and a keeper may
 * be killed at any point. So places and slots are single atomic words, and words of the ring are
 * given out by an atomic addition. What is written there is not ordered with anything: the check,
 * of the name's number and the keyed hash of its bytes, says whether all of it is there and nothing
 * has been written over it. If not, the name isn't known. A keeper that wrote nonsense would still
 * be held to the ring's bounds and to names of sound form.
 *
 * Who doesn't know the key, like whoever asks for names, can have old names give way, and have an
 * address shown with the other one of two names that have it, and no more. By chance, one in 2^29
 * for each lease that is looked for, it is shown with a name that it hasn't got, and closed when
 * that one is revoked; so it may be after 2^32 words, when numbers begin anew.
 */

#define WORD sizeof(uint32_t)

enum {
	INDEX = 16384,
	LINE = 8,      /* slots */
	LINES = 32768, /* for a quarter of LEASES_MAX */
};

/* What is shared. A place of the index and a slot have a number below, and above it bits of the
 * hash that chose them; 0: none. */
struct tables {
	_Alignas(64) _Atomic uint64_t head; /* words given out so far, and left out at the end */
	_Alignas(64) _Atomic uint64_t slots[LINES][LINE];
	_Atomic uint64_t index[INDEX];
	uint32_t words[];
};

struct namering {
	struct hash_key key;
	uint32_t n_words;
	struct tables *tables;
};

int namering_new(size_t bytes, const struct hash_key *key, struct namering **ret_ring)
{
	struct namering *ring = calloc(1, sizeof(*ring));
	void *tables;

	if (!ring)
		return -ENOMEM;
	tables = mmap(NULL, sizeof(*ring->tables) + bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tables == MAP_FAILED) {
		free(ring);
		return -ENOMEM;
	}
	ring->key = *key;
	ring->n_words = (uint32_t)(bytes / WORD);
	ring->tables = tables;
	*ret_ring = ring;
	return 0;
}

int namering_protect(const struct namering *ring)
{
	size_t size = sizeof(*ring->tables) + ring->n_words * WORD;

	return mprotect(ring->tables, size, PROT_READ) < 0 ? -errno : 0;
}

void namering_free(struct namering *ring)
{
	if (!ring)
		return;
	munmap(ring->tables, sizeof(*ring->tables) + ring->n_words * WORD);
	free(ring);
}

/* --- Entries --- */

static uint64_t load(const _Atomic uint64_t *entry)
{
	return atomic_load_explicit(entry, memory_order_relaxed);
}

static void store(_Atomic uint64_t *entry, uint64_t value)
{
	atomic_store_explicit(entry, value, memory_order_relaxed);
}

static uint64_t make_entry(uint64_t hash, uint32_t number)
{
	return hash >> 32 << 32 | number;
}

static bool has_hash(uint64_t entry, uint64_t hash)
{
	return entry >> 32 == hash >> 32;
}

/* --- Names --- */

static uint64_t hash_name(const struct namering *ring, const struct name *name)
{
	return hash_bytes(&ring->key, name->wire, name->length);
}

static uint32_t check_of(uint64_t hash, uint32_t number)
{
	return (uint32_t)(hash >> 32) ^ number;
}

/* How many words ago that number was given. */
static uint32_t age_of(const struct namering *ring, uint32_t number)
{
	return (uint32_t)load(&ring->tables->head) - (number - 1);
}

/* Words that a name of that length takes, with its check. */
static uint32_t words_of(uint8_t length)
{
	return 1 + (1 + length + (uint32_t)WORD - 1) / (uint32_t)WORD;
}

static uint32_t place_of(const struct namering *ring, uint32_t number)
{
	return (number - 1) & (ring->n_words - 1);
}

/* The bytes of the name with the number, and its check, in the ring: others may be writing there.
 * NULL when there can't be any. */
static const uint8_t *find(
	const struct namering *ring, uint32_t number, uint8_t *ret_length, uint32_t *ret_check)
{
	uint32_t at = place_of(ring, number);
	const volatile uint32_t *check = &ring->tables->words[at];
	const uint8_t *bytes = (const uint8_t *)(ring->tables->words + at + 1);
	uint8_t length;

	if (number == 0 || age_of(ring, number) - 1 >= ring->n_words || at + 1 >= ring->n_words)
		return NULL;
	length = *(const volatile uint8_t *)bytes;
	if (at + words_of(length) > ring->n_words)
		return NULL;
	*ret_length = length;
	*ret_check = *check;
	return bytes + 1;
}

bool namering_get(const struct namering *ring, uint32_t number, struct name *ret_name)
{
	uint32_t check;
	struct name name;
	const uint8_t *bytes = find(ring, number, &name.length, &check);

	if (!bytes)
		return false;
	bytes_copy(name.wire, bytes, name.length);
	if (check != check_of(hash_name(ring, &name), number) || !name_is_sound(&name))
		return false;
	ret_name->length = name.length;
	bytes_copy(ret_name->wire, name.wire, name.length);
	return true;
}

static bool has(
	const struct namering *ring, uint32_t number, const struct name *name, uint64_t hash)
{
	uint32_t check;
	uint8_t length;
	const uint8_t *bytes = find(ring, number, &length, &check);

	return bytes && length == name->length && memcmp(bytes, name->wire, length) == 0 &&
	       check == check_of(hash, number);
}

bool namering_has(const struct namering *ring, uint32_t number, const struct name *name)
{
	return has(ring, number, name, hash_name(ring, name));
}

/* Takes words that follow each other: those at the end, where they don't, are left out. */
static uint32_t take_words(struct namering *ring, uint32_t count)
{
	uint32_t number;

	do
		number = 1 + (uint32_t)atomic_fetch_add_explicit(
				     &ring->tables->head, count, memory_order_relaxed);
	while (number == 0 || place_of(ring, number) + count > ring->n_words);
	return number;
}

static uint32_t append(struct namering *ring, const struct name *name, uint64_t hash)
{
	uint32_t number = take_words(ring, words_of(name->length));
	uint32_t *words = &ring->tables->words[place_of(ring, number)];

	words[0] = check_of(hash, number);
	bytes_copy(&words[1], name, 1 + (size_t)name->length);
	return number;
}

uint64_t namering_expect(const struct namering *ring, const struct name *name)
{
	uint64_t hash = hash_name(ring, name);

	__builtin_prefetch(&ring->tables->index[hash % INDEX], 1);
	return hash;
}

uint32_t namering_put(struct namering *ring, const struct name *name)
{
	return namering_put_expected(ring, name, hash_name(ring, name));
}

uint32_t namering_put_expected(struct namering *ring, const struct name *name, uint64_t expected)
{
	uint64_t hash = expected;
	_Atomic uint64_t *place = &ring->tables->index[hash % INDEX];
	uint64_t entry = load(place);
	uint32_t number = (uint32_t)entry;

	if (number != 0 && has_hash(entry, hash) && age_of(ring, number) <= ring->n_words / 2 &&
		has(ring, number, name, hash))
		return number;
	number = append(ring, name, hash);
	store(place, make_entry(hash, number));
	return number;
}

/* --- Leases --- */

uint64_t namering_map(const struct namering *ring, const char *table, const char *map)
{
	struct hash_key key = ring->key;

	key.k[0] ^= hash_bytes(&ring->key, table, strlen(table));
	return hash_bytes(&key, map, strlen(map));
}

uint64_t namering_lease(const struct namering *ring, uint64_t map, const struct inaddr *address)
{
	uint64_t words[2], lease;
	struct hash_state hash = hash_begin(&ring->key);

	memcpy(words, address, sizeof(words));
	hash = hash_word(hash, words[0]);
	hash = hash_word(hash, words[1]);
	hash = hash_word(hash, map);
	lease = hash_end(hash, 0, sizeof(words) + sizeof(map));
	__builtin_prefetch(ring->tables->slots[lease % LINES]);
	return lease;
}

/* The slot that gives way. */
static _Atomic uint64_t *find_oldest(const struct namering *ring, _Atomic uint64_t *line)
{
	_Atomic uint64_t *found = line;
	uint32_t oldest = 0;

	for (unsigned i = 0; i < LINE; i++) {
		uint32_t age = age_of(ring, (uint32_t)load(&line[i]));

		if (age < oldest)
			continue;
		oldest = age;
		found = &line[i];
	}
	return found;
}

void namering_assign(struct namering *ring, uint64_t lease, uint32_t number)
{
	_Atomic uint64_t *line = ring->tables->slots[lease % LINES];
	uint64_t entry = make_entry(lease, number), there = 0;
	unsigned i = 0;

	for (; i < LINE; i++) {
		there = load(&line[i]);
		if (there == 0 || has_hash(there, lease))
			break;
	}
	if (number != 0 && there != entry)
		store(i < LINE ? &line[i] : find_oldest(ring, line), entry);
}

uint32_t namering_assigned(const struct namering *ring, uint64_t lease)
{
	const _Atomic uint64_t *line = ring->tables->slots[lease % LINES];

	for (unsigned i = 0; i < LINE; i++) {
		uint64_t entry = load(&line[i]);

		if (entry != 0 && has_hash(entry, lease))
			return (uint32_t)entry;
	}
	return 0;
}
