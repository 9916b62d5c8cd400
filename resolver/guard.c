/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/guard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "resolver/accounts.h"
#include "resolver/bucket.h"
#include "resolver/recent.h"
#include "resolver/reverse.h"
#include "resolver/shape.h"
#include "rules/suffix.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * An entry with wildcards has a tally, and so have names that no entry of the base matches, where
 * such are permitted. What it bounds:
 *
 * Different names, if there is a ceiling: a count, and places for keyed hashes of the names
 * counted. A name is looked for from the place its hash says, one place after the other; at the
 * first empty one it is put, once the count has let it in. So a tally never holds more than its
 * ceiling, and since it has some more places than that, an empty one always ends the search.
 * Nothing is ever taken out: a hash stays where it was put, and processes need no lock. Who loses
 * the race for a place goes on to the next. 64 bits of a keyed hash stand for a name: of a million
 * names two share one with a chance of one in 37 million, and then one name too many is let
 * through.
 *
 * Bytes: each domain has a bucket for what is asked and one for what is answered (accounts.c). The
 * domain is what a registry gave away, so that names which a provider gives its customers share
 * one: whoever runs the servers of a domain gets no more out by having many names in it. All
 * clients share one too, since their addresses are theirs to choose. A question takes the labels in
 * front of the domain in wire form, and one byte more, so that the figure in bits is never below
 * what the question can tell: which name, and which type. Asked again within the minute it takes
 * two bytes: which of the names known, of which a budget of 16 bits a question leaves fewer than
 * 2^11, and the type. Everything is taken before the question is sent, so it is gone whatever the
 * answer is.
 *
 * Shape: points for names that look like data (shape.c) are added to the entry's score.
 *
 * All that is shared lies in one mapping, whose pages cost memory only once they are touched: a
 * high ceiling costs no more than the names that come.
 */

#define NO_TALLY UINT32_MAX
#define AGAIN_BYTES 2 /* a question for a name that was asked in the same minute */

/* What a finding is about. */
enum { RULE_NAMES, RULE_BYTES, RULE_ANSWER_BYTES, RULE_SHAPE, RULES };

static const char *const rule_words[RULES] = {
	[RULE_NAMES] = "wildcard_names",
	[RULE_BYTES] = "wildcard_bytes",
	[RULE_ANSWER_BYTES] = "wildcard_answer_bytes",
	[RULE_SHAPE] = "name-shape",
};

/* What an entry's wildcards may spend. */
struct tally {
	const struct layer *layer;
	const struct layer_entry *entry;
	char *rules[RULES]; /* "allow-1 wildcard_names" */
	uint32_t most;      /* different names; 0: any number */
	size_t first;       /* of its places */
	size_t n_places;
	struct bucket_flow asked; /* in each domain */
	struct bucket_flow answered;
};

/* What they have spent. */
struct spent {
	_Atomic uint32_t count;
	atomic_bool told[RULES]; /* somebody was told that it is all */
};

/* The domain of names with a parent that was seen: finding it anew takes a microsecond. */
struct known_domain {
	uint64_t parent; /* keyed hash */
	uint8_t length;  /* of the domain; 0: nothing is here */
};

enum { DOMAINS_KNOWN = 256 };

struct guard {
	struct hash_key key;
	/* What stands for an entry where none of the base matches a name. */
	struct entry unknown_written;
	struct layer_entry unknown;
	size_t n_base;                              /* entries of the base */
	struct known_domain domains[DOMAINS_KNOWN]; /* each process's own */
	bool refuse;
	uint32_t *of_entry[LAYERS_MAX]; /* index of an entry's tally, or NO_TALLY; the last one is
					   what no entry matches */
	struct tally *tallies;
	size_t n_tallies;
	struct bucket_flow per_client;
	/* Shared: */
	void *mapping;
	size_t size;
	struct bucket *queries;
	struct accounts *accounts;
	struct recent *recent;
	struct reverse *reverse;
	struct spent *spent; /* of each tally */
	_Atomic uint64_t *places;
};

/* --- Making one --- */

/* The smaller of the entry's ceiling and the budget's; 0: none. */
static uint32_t ceiling(const struct layers *layers, const struct layer_entry *entry)
{
	uint32_t own = entry->entry->wildcard_names, common = layers->budget.wildcard_names;

	return own == 0 || (common > 0 && common < own) ? common : own;
}

static int add_tally(struct guard *guard, const struct layers *layers, const struct layer *layer,
	const struct layer_entry *entry, size_t *n_places)
{
	struct tally *tally = &guard->tallies[guard->n_tallies++];

	for (unsigned i = 0; i < RULES; i++) {
		if (asprintf(&tally->rules[i], "%s %s", entry->id, rule_words[i]) >= 0)
			continue;
		tally->rules[i] = NULL;
		return -ENOMEM;
	}
	tally->layer = layer;
	tally->entry = entry;
	tally->most = entry == &guard->unknown ? 0 : ceiling(layers, entry);
	tally->first = *n_places;
	tally->n_places = (size_t)tally->most + tally->most / 2 + 1;
	tally->asked = bucket_flow(entry->wildcard_bytes);
	tally->answered = bucket_flow(entry->wildcard_answer_bytes);
	*n_places += tally->n_places;
	return 0;
}

static int add_layer(
	struct guard *guard, const struct layers *layers, size_t index, size_t *n_places)
{
	const struct layer *layer = &layers->layers[index];
	uint32_t *of_entry = calloc(layer->n_entries + 1, sizeof(*of_entry));
	int error = 0;

	if (!of_entry)
		return -ENOMEM;
	guard->of_entry[index] = of_entry;
	for (size_t i = 0; i < layer->n_entries && !error; i++) {
		const struct layer_entry *entry = &layer->entries[i];

		of_entry[i] = NO_TALLY;
		if (entry->verdict == VERDICT_REFUSE || !entry_has_wildcards(entry->entry))
			continue;
		of_entry[i] = (uint32_t)guard->n_tallies;
		error = add_tally(guard, layers, layer, entry, n_places);
	}
	of_entry[layer->n_entries] = NO_TALLY;
	if (index > 0 || error || layer->unknown == VERDICT_REFUSE)
		return error;
	of_entry[layer->n_entries] = (uint32_t)guard->n_tallies;
	return add_tally(guard, layers, layer, &guard->unknown, n_places);
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
	size_t accounts = sizeof(struct bucket);
	size_t recent = accounts + accounts_size();
	size_t reverse = recent + recent_size();
	size_t places = reverse + reverse_size();
	size_t spent = places + n_places * sizeof(*guard->places);
	uint8_t *mapping;

	guard->size = spent + guard->n_tallies * sizeof(*guard->spent);
	mapping = mmap(NULL, guard->size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return -ENOMEM;
	guard->mapping = mapping;
	guard->queries = (void *)mapping;
	guard->accounts = (void *)(mapping + accounts);
	guard->recent = (void *)(mapping + recent);
	guard->reverse = (void *)(mapping + reverse);
	guard->places = (void *)(mapping + places);
	guard->spent = (void *)(mapping + spent);
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
	guard->n_base = layers->layers[0].n_entries;
	guard->unknown_written.score = layers->layers[0].unknown_score;
	guard->unknown = (struct layer_entry){.entry = &guard->unknown_written,
		.id = PLAN_DEFAULT_PERMIT,
		.verdict = layers->layers[0].unknown,
		.wildcard_bytes = layers->unknown_bytes,
		.wildcard_answer_bytes = layers->unknown_answer_bytes};
	guard->per_client = bucket_flow(layers->limits.queries_per_client);
	guard->tallies = calloc(count_entries(layers) + 2, sizeof(*guard->tallies));
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
		for (unsigned j = 0; j < RULES; j++)
			free(guard->tallies[i].rules[j]);
	free(guard->tallies);
	for (size_t i = 0; i < LAYERS_MAX; i++)
		free(guard->of_entry[i]);
	free(guard);
}

/* --- Queries --- */

bool guard_query(struct guard *guard, struct mono now)
{
	return bucket_take(guard->queries, now);
}

/* What stands for a client: of an IPv6 address its network, whose addresses are one host's to
 * choose; of this host's own nothing, as a process may send from any of 127.0.0.0/8. */
static struct inaddr client_of(const struct inaddr *address)
{
	struct inaddr client = *address;

	if (inaddr_is_ip4(address) && address->bytes[12] == 127)
		return (struct inaddr){{0}};
	if (!inaddr_is_ip4(address))
		memset(client.bytes + 8, 0, 8);
	return client;
}

bool guard_client(struct guard *guard, const struct inaddr *address, struct mono now)
{
	struct inaddr client;

	if (guard->per_client.cost == 0)
		return true;
	client = client_of(address);
	return accounts_take(guard->accounts, hash_bytes(&guard->key, &client, sizeof(client)),
		guard->per_client, 1, now);
}

/* --- Open addresses --- */

void guard_opened(struct guard *guard, const struct inaddr *address, const struct name *name,
	struct mono until)
{
	reverse_note(guard->reverse, &guard->key, address, name, until);
}

bool guard_opener(const struct guard *guard, const struct inaddr *address, struct mono now,
	struct name *ret_name)
{
	return reverse_find(guard->reverse, &guard->key, address, now, ret_name);
}

/* --- Names and answers --- */

/* Length of the domain that the name is of, in wire form; see suffix_domain(). */
static unsigned domain_length(struct guard *guard, const struct name *name)
{
	struct name parent = name_parent(name), domain;
	uint64_t hash = hash_bytes(&guard->key, parent.wire, parent.length);
	struct known_domain *known = &guard->domains[hash % DOMAINS_KNOWN];

	if (known->length > 0 && known->parent == hash)
		return known->length;
	domain = suffix_domain(name);
	if (domain.length <= parent.length)
		*known = (struct known_domain){hash, domain.length};
	return domain.length;
}

static uint64_t hash_domain(struct guard *guard, const struct name *name, unsigned length)
{
	return hash_bytes(&guard->key, name->wire + name->length - length, length);
}

/* A name, or an answer, on its way through the tallies. */
struct spending {
	struct guard *guard;
	struct mono now;
	uint64_t name;   /* keyed hashes */
	uint64_t domain; /* of the domain */
	uint32_t bytes;
	double shape;
	struct guard_finding finding;
	uint32_t found; /* the tally that the finding is of */
	unsigned rule;
};

/* The strictest finding stays, and of equals the first. */
static void note(struct spending *spending, uint32_t index, unsigned rule, bool refused)
{
	struct guard_finding *finding = &spending->finding;

	if (finding->rule && (finding->refused || !refused))
		return;
	finding->rule = spending->guard->tallies[index].rules[rule];
	finding->refused = refused;
	finding->passing = rule == RULE_BYTES || rule == RULE_ANSWER_BYTES;
	spending->found = index;
	spending->rule = rule;
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

/* Whether the name is in the tally, or is now. */
static bool count_name(struct guard *guard, uint32_t index, uint64_t hash)
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

static void judge_shape(struct spending *spending, uint32_t index)
{
	const struct tally *tally = &spending->guard->tallies[index];
	enum verdict verdict;

	if (spending->shape <= 0)
		return;
	verdict = layer_verdict(tally->layer, tally->entry->entry->score + spending->shape);
	if (verdict > tally->entry->verdict)
		note(spending, index, RULE_SHAPE, verdict == VERDICT_REFUSE);
}

/* Takes bytes from the bucket that the tally has for the domain. */
static void take_bytes(struct spending *spending, uint32_t index, unsigned rule)
{
	const struct tally *tally = &spending->guard->tallies[index];
	struct bucket_flow flow = rule == RULE_BYTES ? tally->asked : tally->answered;
	const uint64_t account[] = {spending->domain, index, rule};
	uint64_t key = hash_bytes(&spending->guard->key, account, sizeof(account));

	if (flow.cost > 0 && !accounts_take(spending->guard->accounts, key, flow, spending->bytes,
				     spending->now))
		note(spending, index, rule, !tally->layer->policy->observe);
}

static void spend_name(struct spending *spending, uint32_t index)
{
	struct guard *guard = spending->guard;

	judge_shape(spending, index);
	if (!spending->finding.refused && guard->tallies[index].most > 0 &&
		!count_name(guard, index, spending->name))
		note(spending, index, RULE_NAMES, guard->refuse);
	if (!spending->finding.refused)
		take_bytes(spending, index, RULE_BYTES);
}

static void spend_answer(struct spending *spending, uint32_t index)
{
	take_bytes(spending, index, RULE_ANSWER_BYTES);
}

/* Whether an entry of the layer decides by a wildcard in one of the groups up to `last`. */
static bool is_counted(
	const struct match_result *result, unsigned last, unsigned layer, uint32_t winner)
{
	for (unsigned i = 0; i < last; i++)
		if (result->groups[i].verdict != VERDICT_REFUSE &&
			result->groups[i].wild & 1u << layer &&
			result->groups[i].winner[layer] == winner)
			return true;
	return false;
}

/* Whether no entry of the base matches the name, on any port. */
static bool is_unknown(const struct match_result *result)
{
	for (unsigned i = 0; i <= result->n_groups; i++)
		if (result->groups[i].winner[0] != MATCH_NONE)
			return false;
	return true;
}

/* Spends from the tally of each entry that decides by a wildcard, once, until one refuses. */
static void spend_all(struct spending *spending, const struct match_result *result,
	void (*spend)(struct spending *spending, uint32_t index))
{
	const struct guard *guard = spending->guard;

	if (is_unknown(result) && guard->of_entry[0][guard->n_base] != NO_TALLY)
		spend(spending, guard->of_entry[0][guard->n_base]);
	for (unsigned i = 0; i <= result->n_groups && !spending->finding.refused; i++) {
		const struct match_ports *ports = &result->groups[i];

		if (ports->verdict == VERDICT_REFUSE)
			continue;
		for (unsigned j = 0; ports->wild >> j != 0; j++) {
			uint32_t winner = ports->winner[j], index;

			if (!(ports->wild & 1u << j) || is_counted(result, i, j, winner))
				continue;
			index = guard->of_entry[j][winner];
			if (index != NO_TALLY)
				spend(spending, index);
			if (spending->finding.refused)
				return;
		}
	}
}

static bool is_wild(const struct match_result *result)
{
	for (unsigned i = 0; i <= result->n_groups; i++)
		if (result->groups[i].verdict != VERDICT_REFUSE && result->groups[i].wild)
			return true;
	return is_unknown(result);
}

static struct guard_finding finish(struct spending *spending)
{
	struct guard_finding *finding = &spending->finding;

	if (finding->rule)
		finding->first = !atomic_exchange(
			&spending->guard->spent[spending->found].told[spending->rule], true);
	return *finding;
}

struct guard_finding guard_name(struct guard *guard, const struct name *name,
	const struct match_result *result, struct mono now)
{
	struct spending spending = {.guard = guard, .now = now};
	unsigned domain;
	bool again;

	if (!is_wild(result))
		return spending.finding;
	domain = domain_length(guard, name);
	spending.name = hash_bytes(&guard->key, name->wire, name->length);
	spending.name += spending.name == 0;
	spending.domain = hash_domain(guard, name, domain);
	spending.shape = shape_score(name, domain);
	again = recent_has(guard->recent, spending.name, now);
	spending.bytes = again ? AGAIN_BYTES : name->length - domain + 1;
	spend_all(&spending, result, spend_name);
	if (!again && !spending.finding.refused)
		recent_note(guard->recent, spending.name, now);
	return finish(&spending);
}

struct guard_finding guard_answer(struct guard *guard, const struct name *name,
	const struct match_result *result, size_t size, struct mono now)
{
	struct spending spending = {.guard = guard, .now = now, .bytes = (uint32_t)size};

	if (!is_wild(result))
		return spending.finding;
	spending.domain = hash_domain(guard, name, domain_length(guard, name));
	spend_all(&spending, result, spend_answer);
	return finish(&spending);
}
