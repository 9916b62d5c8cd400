/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/destinations.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * An open table with half as many places again as it may hold, so that an empty one ends each
 * search; a mark is itself the hash. Its pages cost memory only once they are touched.
 */
struct destinations {
	uint32_t most;
	uint32_t count;
	size_t n_places;
	uint32_t *places; /* 0: empty */
};

static uint32_t *map_places(size_t n_places)
{
	void *places = mmap(NULL, n_places * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return places == MAP_FAILED ? NULL : places;
}

int destinations_new(uint32_t most, struct destinations **ret_destinations)
{
	struct destinations *destinations = calloc(1, sizeof(*destinations));

	if (!destinations)
		return -ENOMEM;
	destinations->most = most;
	destinations->n_places = (size_t)most + most / 2 + 1;
	destinations->places = map_places(destinations->n_places);
	if (!destinations->places) {
		free(destinations);
		return -ENOMEM;
	}
	*ret_destinations = destinations;
	return 0;
}

void destinations_free(struct destinations *destinations)
{
	if (!destinations)
		return;
	munmap(destinations->places, destinations->n_places * sizeof(uint32_t));
	free(destinations);
}

void destinations_clear(struct destinations *destinations)
{
	madvise(destinations->places, destinations->n_places * sizeof(uint32_t), MADV_DONTNEED);
	destinations->count = 0;
}

uint32_t destinations_mark(const struct hash_key *key, const struct name *name)
{
	uint32_t mark = (uint32_t)hash_bytes(key, name->wire, name->length) & INT32_MAX;

	return mark > 0 ? mark : 1;
}

/* The place of a mark, or the empty one where it would be. */
static size_t find(const struct destinations *destinations, uint32_t mark)
{
	size_t at = mark % destinations->n_places;

	while (destinations->places[at] != 0 && destinations->places[at] != mark)
		at = (at + 1) % destinations->n_places;
	return at;
}

bool destinations_has(const struct destinations *destinations, uint32_t mark)
{
	return destinations->places[find(destinations, mark)] == mark;
}

void destinations_add(struct destinations *destinations, uint32_t mark)
{
	size_t at = find(destinations, mark);

	if (destinations->places[at] == mark || destinations->count == destinations->most)
		return;
	destinations->places[at] = mark;
	destinations->count++;
}
