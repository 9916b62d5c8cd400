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
#include "rules/entry-hash.h"
#include "rules/shape.h"
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
 * Shape: points for names that look like data (rules/shape.c) are added to the entry's score.
 *
 * All that is shared lies in two mappings, whose pages cost memory only once they are touched: a
 * high ceiling costs no more than the names that come. One is the ledger, with what fills up again:
 * it passes from guard to guard as the policy is read again, and for a while both spend from it.
 * The other has the names, which are copied: once before the new processes start, and once more
 * when the old ones have ended. So no reload gives back what was spent. A tally is known again by
 * what its entry says (rules/entry-hash.h), not by its place among others. Where the ceiling of
 * names is another one, it holds from then on.
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
	uint64_t id; /* the same for as long as the entry says the same */
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
	atomic_bool told[RULES];        /* somebody was told that it is all */
	_Atomic uint32_t excess[RULES]; /* what came after that, and nobody was told of */
};

/* The domain of names with a parent that was seen: finding it anew takes a microsecond. */
struct known_domain {
	uint64_t parent; /* keyed hash */
	uint8_t length;  /* of the domain; 0: nothing is here */
};

enum { DOMAINS_KNOWN = 256 };

/* What fills up again, in memory that is shared; and the key of all that is counted. */
struct ledger {
	unsigned n_guards; /* that use it, in the parent */
	struct hash_key key;
	void *mapping;
	size_t size;
	_Atomic int64_t *queries; /* see bucket_draw() */
	struct accounts *accounts;
	struct recent *recent;
};

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
	struct bucket_flow queries;
	struct ledger *ledger;
	/* Shared: */
	void *mapping;
	size_t size;
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
	tally->id = hash_pair('t', (uint64_t)(layer - layers->layers),
		entry == &guard->unknown ? 0 : entry_hash(entry->entry));
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

static void *map_zeros(size_t size)
{
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mapping == MAP_FAILED ? NULL : mapping;
}

/* Maps what is shared: zeros are empty places and nothing spent. */
static int map_shared(struct guard *guard, size_t n_places)
{
	size_t places = reverse_size();
	size_t spent = places + n_places * sizeof(*guard->places);
	uint8_t *mapping;

	guard->size = spent + guard->n_tallies * sizeof(*guard->spent);
	mapping = map_zeros(guard->size);
	if (!mapping)
		return -ENOMEM;
	guard->mapping = mapping;
	guard->reverse = (void *)mapping;
	guard->places = (void *)(mapping + places);
	guard->spent = (void *)(mapping + spent);
	return 0;
}

static void ledger_leave(struct ledger *ledger)
{
	if (!ledger || --ledger->n_guards > 0)
		return;
	if (ledger->mapping)
		munmap(ledger->mapping, ledger->size);
	free(ledger);
}

static int ledger_new(struct ledger **ret_ledger)
{
	const size_t head = 64; /* a line of its own */
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	uint8_t *mapping;
	int error;

	if (!ledger)
		return -ENOMEM;
	ledger->n_guards = 1;
	ledger->size = head + accounts_size() + recent_size();
	ledger->mapping = mapping = map_zeros(ledger->size);
	error = mapping ? hash_key_draw(&ledger->key) : -ENOMEM;
	if (error) {
		ledger_leave(ledger);
		return error;
	}
	ledger->queries = (void *)mapping;
	ledger->accounts = (void *)(mapping + head);
	ledger->recent = (void *)(mapping + head + accounts_size());
	*ret_ledger = ledger;
	return 0;
}

static int compare_tallies(const void *a, const void *b)
{
	const struct tally *const *left = a, *const *right = b;

	if ((*left)->id != (*right)->id)
		return (*left)->id < (*right)->id ? -1 : 1;
	return *left < *right ? -1 : *left > *right;
}

/* The tallies by their ids; to be freed. NULL: no memory. */
static struct tally **sort_tallies(const struct guard *guard)
{
	struct tally **sorted = calloc(guard->n_tallies + 1, sizeof(struct tally *));

	for (size_t i = 0; sorted && i < guard->n_tallies; i++)
		sorted[i] = &guard->tallies[i];
	if (sorted)
		qsort(sorted, guard->n_tallies, sizeof(struct tally *), compare_tallies);
	return sorted;
}

/* Of entries that say the same each is its own: the first, the second, and so on. */
static int tell_apart(struct guard *guard)
{
	struct tally **sorted = sort_tallies(guard);
	uint64_t same = 0;
	unsigned number = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < guard->n_tallies; i++) {
		number = i > 0 && sorted[i]->id == same ? number + 1 : 0;
		same = sorted[i]->id;
		if (number > 0)
			sorted[i]->id = hash_pair('n', same, number);
	}
	free(sorted);
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
	guard->queries = bucket_flow(layers->limits.queries);
	error = guard->tallies ? ledger_new(&guard->ledger) : -ENOMEM;
	if (!error)
		guard->key = guard->ledger->key;
	for (size_t i = 0; i < layers->n_layers && !error; i++)
		error = add_layer(guard, layers, i, &n_places);
	if (!error)
		error = tell_apart(guard);
	if (!error)
		error = map_shared(guard, n_places);
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
	ledger_leave(guard->ledger);
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
	return bucket_draw(guard->ledger->queries, guard->queries, 1, now);
}

bool guard_client(struct guard *guard, const struct inaddr *address, struct mono now)
{
	struct inaddr client;

	if (guard->per_client.cost == 0)
		return true;
	client = inaddr_client(address);
	return accounts_take(guard->ledger->accounts,
		hash_bytes(&guard->key, &client, sizeof(client)), guard->per_client, 1, now);
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
	unsigned label = name_label_offset(name, 1), above = name->length - label;
	uint64_t hash = hash_bytes(&guard->key, name->wire + label, above);
	struct known_domain *known = &guard->domains[hash % DOMAINS_KNOWN];

	if (known->length > 0 && known->parent == hash)
		return known->length;
	struct name domain = suffix_domain(name);
	if (domain.length <= above)
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
	const uint64_t account[] = {spending->domain, tally->id, rule};
	uint64_t key = hash_bytes(&spending->guard->key, account, sizeof(account));

	if (flow.cost > 0 && !accounts_take(spending->guard->ledger->accounts, key, flow,
				     spending->bytes, spending->now))
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
	struct spent *spent;

	if (!finding->rule)
		return *finding;
	spent = &spending->guard->spent[spending->found];
	finding->first = !atomic_exchange(&spent->told[spending->rule], true);
	if (!finding->first)
		atomic_fetch_add(&spent->excess[spending->rule], 1);
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
	again = recent_has(guard->ledger->recent, spending.name, now);
	spending.bytes = again ? AGAIN_BYTES : name->length - domain + 1;
	spend_all(&spending, result, spend_name);
	if (!again && !spending.finding.refused)
		recent_note(guard->ledger->recent, spending.name, now);
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

bool guard_take_excess(struct guard *guard, size_t *at, struct guard_excess *ret_excess)
{
	for (; *at < guard->n_tallies * RULES; ++*at) {
		_Atomic uint32_t *excess = &guard->spent[*at / RULES].excess[*at % RULES];
		uint32_t count = atomic_load(excess) > 0 ? atomic_exchange(excess, 0) : 0;

		if (count == 0)
			continue;
		*ret_excess = (struct guard_excess){
			.rule = guard->tallies[*at / RULES].rules[*at % RULES], .count = count};
		++*at;
		return true;
	}
	return false;
}

/* --- From one reading of the policy to the next --- */

static bool has_same_bounds(const struct tally *a, const struct tally *b)
{
	return a->most == b->most && a->asked.cost == b->asked.cost &&
	       a->answered.cost == b->answered.cost;
}

/* What was told need not be told again; names that were counted are. */
static void inherit_tally(
	struct guard *guard, uint32_t index, const struct guard *old, const struct tally *from)
{
	const struct spent *spent = &old->spent[from - old->tallies];

	for (unsigned i = 0; i < RULES; i++)
		if (has_same_bounds(&guard->tallies[index], from) && atomic_load(&spent->told[i]))
			atomic_store(&guard->spent[index].told[i], true);
	if (guard->tallies[index].most == 0 || atomic_load(&spent->count) == 0)
		return;
	for (size_t i = 0; i < from->n_places; i++) {
		uint64_t hash = atomic_load(&old->places[from->first + i]);

		if (hash != 0 && !count_name(guard, index, hash))
			return;
	}
}

/* The tally of that id, or NULL. */
static const struct tally *find_tally(struct tally *const *sorted, size_t count, uint64_t id)
{
	size_t first = 0;

	while (count > 0) {
		size_t half = count / 2;

		if (sorted[first + half]->id == id)
			return sorted[first + half];
		if (sorted[first + half]->id < id) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return NULL;
}

int guard_inherit(struct guard *guard, const struct guard *old)
{
	struct tally **sorted = sort_tallies(old);

	if (!sorted)
		return -ENOMEM;
	if (guard->ledger != old->ledger) {
		ledger_leave(guard->ledger);
		guard->ledger = old->ledger;
		guard->ledger->n_guards++;
		guard->key = guard->ledger->key;
	}
	for (uint32_t i = 0; i < guard->n_tallies; i++) {
		const struct tally *from = find_tally(sorted, old->n_tallies, guard->tallies[i].id);

		if (from)
			inherit_tally(guard, i, old, from);
	}
	free(sorted);
	return 0;
}
