/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/reverse.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/*
 * Theory of operation
 *
 * An address may be in the few places that its keyed hash says. A place has a count that is odd
 * while somebody writes: who writes makes it so first, and leaves the place alone if somebody else
 * does; who reads believes what it read if the count was even, and is the same afterwards. A
 * process that dies while it writes takes its place along until the policy is read again.
 */

enum { SETS = 1024, WAYS = 4 };

/* What is looked for, and then the name, which is long: who doesn't want it doesn't read it. */
struct head {
	struct inaddr address;
	struct mono until;
};

struct opened {
	struct head head;
	struct name name;
};

enum { WORDS = (sizeof(struct opened) + sizeof(uint64_t) - 1) / sizeof(uint64_t) };

struct place {
	_Atomic uint64_t count;
	_Atomic uint64_t words[WORDS];
};

struct reverse {
	struct place places[SETS][WAYS];
};

size_t reverse_size(void)
{
	return sizeof(struct reverse);
}

/* The first `size` bytes of what is in a place. False: it is being written. */
static bool read_place(const struct place *place, void *ret_opened, size_t size)
{
	uint64_t words[WORDS];
	uint64_t count = atomic_load_explicit(&place->count, memory_order_acquire);

	for (unsigned i = 0; i * sizeof(words[0]) < size; i++)
		words[i] = atomic_load_explicit(&place->words[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (count % 2 != 0 || atomic_load_explicit(&place->count, memory_order_relaxed) != count)
		return false;
	memcpy(ret_opened, words, size);
	return true;
}

static void write_place(struct place *place, const struct opened *opened)
{
	uint64_t words[WORDS] = {0};
	uint64_t count = atomic_load_explicit(&place->count, memory_order_relaxed);

	memcpy(words, opened, sizeof(*opened));
	if (count % 2 != 0 || !atomic_compare_exchange_strong(&place->count, &count, count + 1))
		return;
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < WORDS; i++)
		atomic_store_explicit(&place->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&place->count, count + 2, memory_order_release);
}

static size_t set_of(const struct hash_key *key, const struct inaddr *address)
{
	return hash_bytes(key, address->bytes, sizeof(address->bytes)) % SETS;
}

void reverse_note(struct reverse *reverse, const struct hash_key *key, const struct inaddr *address,
	const struct name *name, struct mono until)
{
	struct place *set = reverse->places[set_of(key, address)], *first = &set[0];
	struct opened opened = {.head = {*address, until}, .name = *name};
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < WAYS; i++) {
		struct head found;

		if (!read_place(&set[i], &found, sizeof(found)))
			continue;
		if (inaddr_compare(&found.address, address) == 0) {
			first = &set[i];
			break;
		}
		if (found.until.ms < least) {
			least = found.until.ms;
			first = &set[i];
		}
	}
	write_place(first, &opened);
}

bool reverse_find(const struct reverse *reverse, const struct hash_key *key,
	const struct inaddr *address, struct mono now, struct name *ret_name)
{
	const struct place *set = reverse->places[set_of(key, address)];

	for (unsigned i = 0; i < WAYS; i++) {
		struct opened found;

		if (!read_place(&set[i], &found, sizeof(found)) ||
			inaddr_compare(&found.head.address, address) != 0 ||
			!mono_before(now, found.head.until))
			continue;
		*ret_name = found.name;
		return true;
	}
	return false;
}
