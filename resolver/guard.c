/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/guard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "resolver/bucket.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * An entry with a ceiling has a tally: a count, and places for keyed hashes of the names counted. A
 * name is looked for from the place its hash says, one place after the other; at the first empty
 * one it is put, once the count has let it in. So a tally never holds more than its ceiling, and
 * since it has some more places than that, an empty one always ends the search. Nothing is ever
 * taken out: a hash stays where it was put, and processes need no lock. Who loses the race for a
 * place goes on to the next.
 *
 * 64 bits of a keyed hash stand for a name: of a million names two share one with a chance of one
 * in 37 million, and then one name too many is let through.
 *
 * All that is shared lies in one mapping, whose pages cost memory only once they are touched: a
 * high ceiling costs no more than the names that come.
 */

#define NO_TALLY UINT32_MAX

/* What an entry's wildcards may spend. */
struct tally {
	char *rule; /* "allow-1 wildcard_names" */
	uint32_t most;
	size_t first; /* of its places */
	size_t n_places;
};

/* What they have spent. */
struct spent {
	_Atomic uint32_t count;
	atomic_bool told; /* somebody was told that it is all */
};

struct guard {
	struct hash_key key;
	bool refuse;
	uint32_t *of_entry[LAYERS_MAX]; /* index of an entry's tally, or NO_TALLY */
	struct tally *tallies;
	size_t n_tallies;
	/* Shared: */
	void *mapping;
	size_t size;
	struct bucket *queries;
	struct spent *spent; /* of each tally */
	_Atomic uint64_t *places;
};

/* --- Making one --- */

/* Whether names that the policy does not list may be an entry's. */
static bool has_wildcard(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (entry->hosts[i].kind != HOST_EXACT)
			return true;
	return entry->n_patterns > 0 || entry->n_lists > 0;
}

/* The smaller of the entry's ceiling and the budget's; 0: none. */
static uint32_t ceiling(const struct layers *layers, const struct layer_entry *entry)
{
	uint32_t own = entry->entry->wildcard_names, common = layers->budget.wildcard_names;

	if (entry->verdict == VERDICT_REFUSE || !has_wildcard(entry->entry))
		return 0;
	return own == 0 || (common > 0 && common < own) ? common : own;
}

static int add_tally(struct guard *guard, const char *id, uint32_t most, size_t *n_places)
{
	struct tally *tally = &guard->tallies[guard->n_tallies];

	if (asprintf(&tally->rule, "%s wildcard_names", id) < 0) {
		tally->rule = NULL;
		return -ENOMEM;
	}
	tally->most = most;
	tally->first = *n_places;
	tally->n_places = (size_t)most + most / 2 + 1;
	*n_places += tally->n_places;
	guard->n_tallies++;
	return 0;
}

static int add_layer(
	struct guard *guard, const struct layers *layers, size_t index, size_t *n_places)
{
	const struct layer *layer = &layers->layers[index];
	uint32_t *of_entry = calloc(layer->n_entries + 1, sizeof(*of_entry));
	int error = of_entry ? 0 : -ENOMEM;

	guard->of_entry[index] = of_entry;
	for (size_t i = 0; i < layer->n_entries && !error; i++) {
		uint32_t most = ceiling(layers, &layer->entries[i]);

		of_entry[i] = most > 0 ? (uint32_t)guard->n_tallies : NO_TALLY;
		if (most > 0)
			error = add_tally(guard, layer->entries[i].id, most, n_places);
	}
	return error;
}

static size_t count_entries(const struct layers *layers)
{
	size_t count = 0;

	for (size_t i = 0; i < layers->n_layers; i++)
		count += layers->layers[i].n_entries;
	return count;
}

/* Maps what is shared: zeros are empty places and nothing spent. */
static int map_shared(struct guard *guard, const struct layers *layers, size_t n_places)
{
	size_t places = sizeof(struct bucket);
	size_t spent = places + n_places * sizeof(*guard->places);

	guard->size = spent + guard->n_tallies * sizeof(*guard->spent);
	guard->mapping = mmap(NULL, guard->size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (guard->mapping == MAP_FAILED) {
		guard->mapping = NULL;
		return -ENOMEM;
	}
	guard->queries = guard->mapping;
	guard->places = (void *)((uint8_t *)guard->mapping + places);
	guard->spent = (void *)((uint8_t *)guard->mapping + spent);
	bucket_init(guard->queries, layers->limits.queries);
	return 0;
}

int guard_new(const struct layers *layers, struct guard **ret_guard)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	size_t n_places = 0;
	int error;

	if (!guard)
		return -ENOMEM;
	guard->refuse = layers->budget.refuse;
	guard->tallies = calloc(count_entries(layers) + 1, sizeof(*guard->tallies));
	error = guard->tallies ? hash_key_draw(&guard->key) : -ENOMEM;
	for (size_t i = 0; i < layers->n_layers && !error; i++)
		error = add_layer(guard, layers, i, &n_places);
	if (!error)
		error = map_shared(guard, layers, n_places);
	if (error) {
		guard_free(guard);
		return error;
	}
	*ret_guard = guard;
	return 0;
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	if (guard->mapping)
		munmap(guard->mapping, guard->size);
	for (size_t i = 0; i < guard->n_tallies; i++)
		free(guard->tallies[i].rule);
	free(guard->tallies);
	for (size_t i = 0; i < LAYERS_MAX; i++)
		free(guard->of_entry[i]);
	free(guard);
}

/* --- Spending --- */

bool guard_query(struct guard *guard, struct mono now)
{
	return bucket_take(guard->queries, now);
}

/* One more, if that is not too many. */
static bool claim(struct spent *spent, uint32_t most)
{
	uint32_t count = atomic_load(&spent->count);

	do {
		if (count >= most)
			return false;
	} while (!atomic_compare_exchange_weak(&spent->count, &count, count + 1));
	return true;
}

/* Whether the hash is in the tally, or is now. */
static bool spend(struct guard *guard, uint32_t index, uint64_t hash)
{
	const struct tally *tally = &guard->tallies[index];
	struct spent *spent = &guard->spent[index];

	for (size_t i = 0; i < tally->n_places; i++) {
		_Atomic uint64_t *place =
			&guard->places[tally->first + (hash + i) % tally->n_places];
		uint64_t found = atomic_load(place);

		if (found == 0) {
			if (!claim(spent, tally->most))
				return false;
			if (atomic_compare_exchange_strong(place, &found, hash))
				return true;
			atomic_fetch_sub(&spent->count, 1);
		}
		if (found == hash)
			return true;
	}
	return false;
}

/* Spends from one entry's tally; into the finding, if that is empty. */
static void spend_from(
	struct guard *guard, uint32_t index, uint64_t hash, struct guard_finding *finding)
{
	if (index == NO_TALLY || spend(guard, index, hash))
		return;
	finding->rule = guard->tallies[index].rule;
	finding->refused = guard->refuse;
	finding->first = !atomic_exchange(&guard->spent[index].told, true);
}

struct guard_finding guard_name(
	struct guard *guard, const struct name *name, const struct match_result *result)
{
	struct guard_finding finding = {.rule = NULL};
	uint64_t hash;

	if (guard->n_tallies == 0)
		return finding;
	hash = hash_bytes(&guard->key, name->wire, name->length);
	hash = hash > 0 ? hash : 1;
	for (unsigned i = 0; i <= result->n_groups && !finding.rule; i++) {
		const struct match_ports *ports = &result->groups[i];

		if (ports->verdict == VERDICT_REFUSE)
			continue;
		for (unsigned j = 0; j < LAYERS_MAX && !finding.rule; j++)
			if (ports->wild & 1u << j)
				spend_from(guard, guard->of_entry[j][ports->winner[j]], hash,
					&finding);
	}
	return finding;
}
