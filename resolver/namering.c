/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/namering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * Names are written one behind the other into a ring of words: the name's number, then its length
 * and its bytes. The number says where it is: how many words had been written before it, plus 1. It
 * is known as long as no more than the whole ring has been written since then. Numbers begin anew
 * after 2^32 words; the number at the place tells most of such strays, and what the rest would show
 * is another name that was asked for.
 *
 * An index by hash, of one number for each place, finds a name that is there already: names that
 * are asked for all the time are written once in half a ring.
 */

#define WORD sizeof(uint32_t)
#define INDEX 16384

struct namering {
	struct hash_key key;
	uint64_t head; /* words written so far, and left out at the end */
	uint32_t n_words;
	uint32_t *words;
	uint32_t *index;
};

static uint32_t *map_words(size_t n_words)
{
	void *words = mmap(NULL, n_words * WORD, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return words == MAP_FAILED ? NULL : words;
}

int namering_new(size_t bytes, const struct hash_key *key, struct namering **ret_ring)
{
	struct namering *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	ring->key = *key;
	ring->n_words = (uint32_t)(bytes / WORD);
	ring->words = map_words(ring->n_words);
	ring->index = map_words(INDEX);
	if (!ring->words || !ring->index) {
		namering_free(ring);
		return -ENOMEM;
	}
	*ret_ring = ring;
	return 0;
}

void namering_free(struct namering *ring)
{
	if (!ring)
		return;
	if (ring->words)
		munmap(ring->words, ring->n_words * WORD);
	if (ring->index)
		munmap(ring->index, INDEX * WORD);
	free(ring);
}

/* How many words ago that number was given. */
static uint32_t age_of(const struct namering *ring, uint32_t number)
{
	return (uint32_t)ring->head - (number - 1);
}

/* Words that a name of that length takes, with its number. */
static uint32_t words_of(uint8_t length)
{
	return 1 + (1 + length + (uint32_t)WORD - 1) / (uint32_t)WORD;
}

bool namering_get(const struct namering *ring, uint32_t number, struct name *ret_name)
{
	uint32_t at = (number - 1) & (ring->n_words - 1);
	const struct name *name = (const struct name *)&ring->words[at + 1];

	if (number == 0 || age_of(ring, number) - 1 >= ring->n_words || ring->words[at] != number)
		return false;
	if (at + 1 >= ring->n_words || at + words_of(name->length) > ring->n_words)
		return false;
	ret_name->length = name->length;
	memcpy(ret_name->wire, name->wire, name->length);
	return true;
}

/* Writes a name behind the others; one that doesn't fit before the end goes to the beginning. */
static uint32_t append(struct namering *ring, const struct name *name)
{
	uint32_t at, number;

	if ((uint32_t)ring->head == UINT32_MAX)
		ring->head++; /* its number would be 0 */
	at = (uint32_t)ring->head & (ring->n_words - 1);
	if (at + words_of(name->length) > ring->n_words) {
		ring->head += ring->n_words - at;
		at = 0;
	}
	number = (uint32_t)ring->head + 1;
	ring->words[at] = number;
	memcpy(&ring->words[at + 1], name, 1 + (size_t)name->length);
	ring->head += words_of(name->length);
	return number;
}

uint32_t namering_put(struct namering *ring, const struct name *name)
{
	uint32_t *slot = &ring->index[hash_bytes(&ring->key, name->wire, name->length) % INDEX];
	struct name there;

	if (*slot != 0 && age_of(ring, *slot) <= ring->n_words / 2 &&
		namering_get(ring, *slot, &there) && name_equal(&there, name))
		return *slot;
	*slot = append(ring, name);
	return *slot;
}
