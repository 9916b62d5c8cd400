/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/destinations.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * An open table of 64 bits for each, with half as many places again as it may hold, so that an
 * empty one ends each search. A name's bits are its keyed hash, an address's are made of it with a
 * key of this process, so that nobody chooses what collides: of a million two are taken for one
 * with a chance of one in 37 million. Its pages cost memory only once they are touched.
 */
struct destinations {
	struct hash_key key;
	struct destinations_count count;
	uint32_t most;
	size_t n_places;
	uint64_t *places; /* 0: empty */
};

enum {
	MOST_MIN = 1 << 16,
	MOST_MAX = 1 << 24,
	NAME_KNOWN = 0, /* in the second byte of a name's */
	NAME_UNKNOWN = 1,
	NAME_AT = 8, /* its hash */
};

/* The first byte of names. */
#define NAME_FIRST 0x01

static uint64_t *map_places(size_t n_places)
{
	void *places = mmap(NULL, n_places * sizeof(uint64_t), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return places == MAP_FAILED ? NULL : places;
}

int destinations_new(uint32_t most, struct destinations **ret_destinations)
{
	struct destinations *destinations = calloc(1, sizeof(*destinations));
	int error = destinations ? hash_key_draw(&destinations->key) : -ENOMEM;

	if (!error) {
		destinations->most = most < MOST_MIN ? MOST_MIN : most > MOST_MAX ? MOST_MAX : most;
		destinations->n_places = (size_t)destinations->most + destinations->most / 2 + 1;
		destinations->places = map_places(destinations->n_places);
		error = destinations->places ? 0 : -ENOMEM;
	}
	if (error)
		free(destinations);
	else
		*ret_destinations = destinations;
	return error;
}

void destinations_free(struct destinations *destinations)
{
	if (!destinations)
		return;
	munmap(destinations->places, destinations->n_places * sizeof(uint64_t));
	free(destinations);
}

void destinations_clear(struct destinations *destinations)
{
	madvise(destinations->places, destinations->n_places * sizeof(uint64_t), MADV_DONTNEED);
	destinations->count = (struct destinations_count){0};
}

struct destination destination_of_name(
	const struct hash_key *key, const struct name *name, bool unknown)
{
	struct destination destination = {
		.bytes = {NAME_FIRST, unknown ? NAME_UNKNOWN : NAME_KNOWN}};
	uint64_t hash = hash_bytes(key, name->wire, name->length);

	memcpy(destination.bytes + NAME_AT, &hash, sizeof(hash));
	return destination;
}

bool destination_is_name(const struct destination *destination, bool *ret_unknown)
{
	static const uint8_t zeros[NAME_AT - 2];
	const uint8_t *bytes = destination->bytes;

	if (bytes[0] != NAME_FIRST || bytes[1] > NAME_UNKNOWN ||
		memcmp(bytes + 2, zeros, sizeof(zeros)) != 0)
		return false;
	*ret_unknown = bytes[1] == NAME_UNKNOWN;
	return true;
}

struct inaddr destination_address(const struct destination *destination)
{
	return inaddr_from_ip6(destination->bytes);
}

/* Never 0. */
static uint64_t digest(
	const struct destinations *destinations, const struct destination *destination)
{
	uint64_t bits;
	bool unknown;

	if (destination_is_name(destination, &unknown))
		memcpy(&bits, destination->bytes + NAME_AT, sizeof(bits));
	else
		bits = hash_bytes(&destinations->key, destination->bytes, DESTINATION_BYTES);
	return bits + (bits == 0);
}

/* The place of what has the digest, or the empty one where it would be. */
static size_t find(const struct destinations *destinations, uint64_t bits)
{
	size_t at = bits % destinations->n_places;

	while (destinations->places[at] != 0 && destinations->places[at] != bits)
		at = (at + 1) % destinations->n_places;
	return at;
}

bool destinations_has(
	const struct destinations *destinations, const struct destination *destination)
{
	uint64_t bits = digest(destinations, destination);

	return destinations->places[find(destinations, bits)] == bits;
}

void destinations_add(
	struct destinations *destinations, const struct destination *destination, bool unknown)
{
	uint64_t bits = digest(destinations, destination);
	size_t at = find(destinations, bits);

	if (destinations->places[at] == bits || destinations->count.all == destinations->most)
		return;
	destinations->places[at] = bits;
	destinations->count.all++;
	destinations->count.unknown += unknown;
}

struct destinations_count destinations_count(const struct destinations *destinations)
{
	return destinations->count;
}
