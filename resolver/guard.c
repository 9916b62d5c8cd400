/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/guard.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "resolver/guard-own.h"
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
 * The other has the names. Where entries and ceilings are the same it passes on as well; else the
 * names are copied: once before the new processes start, and once more when the old ones have
 * ended. So no reload gives back what was spent. A tally is known again by what its entry says
 * (rules/entry-hash.h), not by its place among others. Where the ceiling of names is another one,
 * it holds from then on.
 *
 * Names are counted for a session. There are two banks of places and counts, and the number of the
 * session says which of them is in use. The next session begins in the other one, which is emptied
 * first: whoever is still at work in the one before counts there. Who has been for all of a session
 * takes a place too many of the next one, never one too few. While a session lasts the ceilings of
 * [budget] may be raised; each tally has places in reserve for that. A session goes on when the
 * resolver is started anew: where there is a folder for such, the places are in a file
 * (guard-keep.c).
 */

#define NO_TALLY UINT32_MAX
#define AGAIN_BYTES 2 /* a question for a name that was asked in the same minute */

enum {
	RESERVE_MIN = 4096,
	RESERVE_MAX = 1 << 20,
};

static const char *const rule_words[RULES] = {
	[RULE_NAMES] = "wildcard_names", /* of an entry; see GUARD_OVER_BUDGET */
	[RULE_BYTES] = "wildcard_bytes",
	[RULE_ANSWER_BYTES] = "wildcard_answer_bytes",
	[RULE_SHAPE] = "name-shape",
};

/* --- Making one --- */

/* The smaller of the entry's ceiling and the budget's. */
static void set_ceiling(
	struct tally *tally, const struct layers *layers, const struct layer_entry *entry)
{
	uint32_t own = entry->entry->wildcard_names, common = layers->budget.wildcard_names;

	tally->of_budget = common > 0 && (own == 0 || common < own);
	tally->most = tally->of_budget ? common : own;
	if (!tally->of_budget)
		return;
	tally->reserve = tally->most < RESERVE_MAX / 4 ? 4 * tally->most : RESERVE_MAX;
	if (tally->reserve < RESERVE_MIN)
		tally->reserve = RESERVE_MIN;
	if (tally->reserve > UINT32_MAX - tally->most)
		tally->reserve = UINT32_MAX - tally->most;
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
	if (entry != &guard->unknown)
		set_ceiling(tally, layers, entry);
	tally->first = *n_places;
	tally->n_places = (size_t)tally->most + tally->reserve;
	tally->n_places += tally->n_places / 2 + 1;
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

size_t guard_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

void guard_leave_names(struct names *names)
{
	if (!names || --names->n_guards > 0)
		return;
	if (names->mapping)
		munmap(names->mapping, names->size);
	free(names);
}

/* Maps what is shared: zeros are empty places and nothing spent. */
static int map_shared(struct guard *guard, size_t n_places)
{
	struct names *names = calloc(1, sizeof(*names));
	size_t head = sizeof(struct session_head) + reverse_size();
	size_t spent = guard->n_tallies * sizeof(struct spent);
	size_t front = guard_pages(head + BANKS * spent);
	size_t bank = guard_pages(n_places * sizeof(_Atomic uint64_t));
	uint8_t *mapping;

	guard->names = names;
	if (!names)
		return -ENOMEM;
	names->n_guards = 1;
	names->size = front + BANKS * bank;
	names->bank_size = bank;
	names->mapping = mapping = map_zeros(names->size);
	if (!mapping)
		return -ENOMEM;
	names->pages = mapping + front;
	names->head = (void *)mapping;
	names->reverse = (void *)(mapping + sizeof(struct session_head));
	for (unsigned i = 0; i < BANKS; i++) {
		names->banks[i].places = (void *)(mapping + front + i * bank);
		names->banks[i].spent = (void *)(mapping + head + i * spent);
	}
	return 0;
}

void guard_leave_ledger(struct ledger *ledger)
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
		guard_leave_ledger(ledger);
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
struct tally **guard_sort_tallies(const struct guard *guard)
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
	struct tally **sorted = guard_sort_tallies(guard);
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
	guard_leave_ledger(guard->ledger);
	guard_leave_names(guard->names);
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
	reverse_note(guard->names->reverse, &guard->key, address, name, until);
}

bool guard_opener(const struct guard *guard, const struct inaddr *address, struct mono now,
	struct name *ret_name)
{
	return reverse_find(guard->names->reverse, &guard->key, address, now, ret_name);
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

static const char *rule_name(const struct tally *tally, unsigned rule)
{
	return rule == RULE_NAMES && tally->of_budget ? GUARD_OVER_BUDGET : tally->rules[rule];
}

/* The strictest finding stays, and of equals the first. */
static void note(struct spending *spending, uint32_t index, unsigned rule, bool refused)
{
	struct guard_finding *finding = &spending->finding;

	if (finding->rule && (finding->refused || !refused))
		return;
	finding->rule = rule_name(&spending->guard->tallies[index], rule);
	finding->over_budget = rule == RULE_NAMES && spending->guard->tallies[index].of_budget;
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

/* As it is in this session. */
uint32_t guard_ceiling(const struct guard *guard, const struct tally *tally)
{
	uint32_t raised = tally->of_budget ? atomic_load(&guard->names->head->raised) : 0;

	return tally->most + (raised < tally->reserve ? raised : tally->reserve);
}

/* Whether the name is in the tally, or is now. */
bool guard_count_name(struct guard *guard, uint32_t index, uint64_t hash)
{
	const struct tally *tally = &guard->tallies[index];
	unsigned bank = guard_bank(guard);
	struct spent *spent = &guard->names->banks[bank].spent[index];
	_Atomic uint64_t *places = guard->names->banks[bank].places + tally->first;

	for (size_t i = 0; i < tally->n_places; i++) {
		_Atomic uint64_t *place = &places[(hash + i) % tally->n_places];
		uint64_t found = atomic_load(place);

		if (found == 0) {
			if (!claim(spent, guard_ceiling(guard, tally)))
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
		!guard_count_name(guard, index, spending->name))
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
	spent = guard_spent(spending->guard, spending->found);
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
		_Atomic uint32_t *excess =
			&guard_spent(guard, (uint32_t)(*at / RULES))->excess[*at % RULES];
		uint32_t count = atomic_load(excess) > 0 ? atomic_exchange(excess, 0) : 0;

		if (count == 0)
			continue;
		*ret_excess = (struct guard_excess){
			.rule = rule_name(&guard->tallies[*at / RULES], *at % RULES),
			.count = count};
		++*at;
		return true;
	}
	return false;
}
