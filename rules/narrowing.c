/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/narrowing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rules/class.h"
#include "rules/entry-hash.h"
#include "rules/list.h"
#include "rules/lowering.h"
#include "rules/overlap.h"

/*
 * Theory of operation
 *
 * What a rule opens are the destinations that its entry decides in its layer and that the other
 * layers permit as well. That can shrink by
 *
 * - the entry itself, when it says something else;
 * - an entry that refuses, of any layer, when it comes or grows, or moves before one of its own
 *   kind that it is a match for; and the classes that a layer blocks;
 * - an entry that permits in another layer, when it goes: something wider decides there then, and
 *   refuses perhaps. (In its own layer an entry that goes leaves more to the others.)
 * - a layer that refuses from now on what it does not mention;
 * - an entry that permits, of its own layer, when it takes a name over and believes fewer of its
 *   addresses.
 *
 * So of all these that may have a destination in common with the rule (rules/overlap.h) the hashes
 * are added up, item by item. A pattern has to do with every name, a list with everything of its
 * kind, and so has an entry with very many items.
 *
 * A range has to do with names, since a layer without a host for a name judges its addresses. The
 * other way round names have to do with the rule of a range only where there are several layers:
 * with one, whoever is permitted a range is permitted it without a name.
 *
 * Ports must be common as well, but for this: a name is answered if it is permitted on any port.
 * With several layers one of them may refuse the name on a port and permit its address there, so
 * that it takes another port, and other entries, to have it answered. A rule is "coupled" where
 * that can be: then names count whatever their ports are, and those of its own layer too.
 */

#define ITEMS_MAX 65536 /* of an entry that are looked at one by one */

/* What a hash stands for. */
enum role {
	ROLE_REFUSES = 1,
	ROLE_PERMITS,
	ROLE_BEFORE, /* what stands before the entry */
	ROLE_TRAIT,
	ROLE_CLASSES,
	ROLE_BELIEVES, /* which addresses are, by those who believe public ones */
	ROLE_UNKNOWN,  /* a layer refuses it */
	ROLE_DEFAULT,  /* the rule of what nothing mentions */
	ROLE_OBSERVED,
	ROLE_VERDICT,
};

enum { ACTIONS = ACTION_DENY + 1 };

/* What is known of the layers while rules are hashed. */
struct narrowing {
	const struct lowering *lowering;
	const struct layers *layers;
	uint64_t *before;         /* for each entry: of what stands before it and does otherwise */
	struct overlap *refusing; /* of all layers */
	struct overlap *permitting[LAYERS_MAX]; /* of one, or NULL where nobody asks */
	bool narrows[LAYERS_MAX];               /* it refuses something */
	bool couples[LAYERS_MAX]; /* it may permit the address of a name that it refuses */
	uint64_t refusing_ranges; /* of all entries that refuse addresses */
	unsigned unknown_refused; /* layers that refuse the unknown */
};

/* A rule, as the indexes are asked about it. */
struct inquiry {
	const struct entry *entry;
	unsigned layer;
	size_t number; /* over all layers */
	bool is_named; /* names lead to it, even if it has only ranges */
	bool is_coupled;
	struct overlap_item by_name; /* its ports; no destination yet */
	struct overlap_item by_address;
};

static bool is_refused(enum verdict verdict)
{
	return verdict == VERDICT_REFUSE;
}

static bool has_list(const struct entry *entry, enum overlap_kind kind)
{
	for (size_t i = 0; i < entry->n_lists; i++)
		if (kind == OVERLAP_NAMES ? entry->lists[i]->n_names > 0
					  : entry->lists[i]->n_ranges > 0)
			return true;
	return false;
}

static bool has_ranges(const struct entry *entry)
{
	return entry->n_addresses > 0 || has_list(entry, OVERLAP_ADDRESSES);
}

/* --- What entries put into the indexes --- */

/* Hashes of an entry's items: what all of them have in common. */
struct manner {
	enum role role;
	uint64_t hash;
	struct overlap_item item; /* without destination and hash */
};

static int add_item(struct overlap *overlap, const struct manner *manner, enum overlap_kind kind,
	const struct host *host, const struct range *range, uint64_t hash)
{
	struct overlap_item item = manner->item;

	item.kind = kind;
	item.host = host;
	item.range = range;
	item.hash = hash_pair(manner->role, hash, manner->hash);
	return overlap_add(overlap, &item);
}

static int add_names(
	struct overlap *overlap, const struct manner *manner, const struct entry *entry)
{
	bool closely = entry->n_hosts <= ITEMS_MAX;
	int error = 0;

	for (size_t i = 0; error == 0 && i < entry->n_hosts; i++)
		error = add_item(overlap, manner, OVERLAP_NAMES, closely ? &entry->hosts[i] : NULL,
			NULL, entry_hash_host(&entry->hosts[i]));
	for (size_t i = 0; error == 0 && i < entry->n_patterns; i++)
		error = add_item(overlap, manner, OVERLAP_NAMES, NULL, NULL,
			entry_hash_pattern(entry->patterns[i]));
	for (size_t i = 0; error == 0 && i < entry->n_lists; i++)
		if (entry->lists[i]->n_names > 0)
			error = add_item(overlap, manner, OVERLAP_NAMES, NULL, NULL,
				entry_hash_list(entry->lists[i]));
	return error;
}

static int add_ranges(
	struct overlap *overlap, const struct manner *manner, const struct entry *entry)
{
	bool closely = entry->n_addresses <= ITEMS_MAX;
	int error = 0;

	for (size_t i = 0; error == 0 && i < entry->n_addresses; i++) {
		const struct range *range = &entry->addresses[i].range;

		error = add_item(overlap, manner, OVERLAP_ADDRESSES, NULL, closely ? range : NULL,
			entry_hash_range(range));
	}
	for (size_t i = 0; error == 0 && i < entry->n_lists; i++)
		if (entry->lists[i]->n_ranges > 0)
			error = add_item(overlap, manner, OVERLAP_ADDRESSES, NULL, NULL,
				entry_hash_list(entry->lists[i]));
	return error;
}

/* Of those that believe the same. */
static uint64_t trait_of(const struct entry *entry)
{
	return hash_pair(ROLE_TRAIT, entry_hash_believed(entry), 0) | 1;
}

/* Which addresses the entry's names may not have, if that is refused. */
static uint64_t hash_disbelief(const struct layer *layer, const struct entry *entry)
{
	bool is_public = entry->believed == BELIEVED_PUBLIC;

	if (entry->believed == BELIEVED_ANY || !entry_has_names(entry))
		return 0;
	return hash_pair(ROLE_BELIEVES, entry_hash_believed(entry), is_public ? layer->block : 0) +
	       layer->policy->observe;
}

static struct manner manner_of(const struct narrowing *narrowing, unsigned layer, size_t index)
{
	const struct layer *of = &narrowing->layers->layers[layer];
	const struct layer_entry *it = &of->entries[index];
	size_t number = narrowing->lowering->first[layer] + index;
	bool refuses = is_refused(it->verdict);
	struct manner manner = {
		.role = refuses ? ROLE_REFUSES : ROLE_PERMITS,
		.hash = entry_hash_ports(it->entry) + narrowing->before[number],
		.item.groups = narrowing->lowering->groups[number],
		.item.rest = it->entry->all_ports,
	};

	if (!refuses) {
		manner.hash += hash_disbelief(of, it->entry);
		manner.item.trait = trait_of(it->entry);
	}
	return manner;
}

static int add_entry(
	struct overlap *overlap, const struct narrowing *narrowing, unsigned layer, size_t index)
{
	const struct entry *entry = narrowing->layers->layers[layer].entries[index].entry;
	struct manner manner = manner_of(narrowing, layer, index);
	int error = add_names(overlap, &manner, entry);

	return error < 0 ? error : add_ranges(overlap, &manner, entry);
}

/* Whether the entry refuses some destination: as a whole, or the addresses of its names that it
 * does not believe. */
static bool entry_narrows(const struct layer *layer, const struct layer_entry *it)
{
	enum believed believed = it->entry->believed;

	if (is_refused(it->verdict))
		return true;
	return entry_has_names(it->entry) && !layer->policy->observe &&
	       (believed == BELIEVED_LISTED || (believed == BELIEVED_PUBLIC && layer->block != 0));
}

static bool layer_narrows(const struct layer *layer)
{
	if (is_refused(layer->unknown) || (layer->block != 0 && is_refused(layer->class_verdict)))
		return true;
	for (size_t i = 0; i < layer->n_entries; i++)
		if (entry_narrows(layer, &layer->entries[i]))
			return true;
	return false;
}

/* Whether the layer may refuse a name and permit its address. */
static bool layer_couples(const struct layer *layer)
{
	if (!is_refused(layer->unknown))
		return false;
	for (size_t i = 0; i < layer->n_entries; i++)
		if (!is_refused(layer->entries[i].verdict) && has_ranges(layer->entries[i].entry))
			return true;
	return layer->block != 0 && !is_refused(layer->class_verdict);
}

/* Whether the layer's entries differ in which answers they believe. */
static bool has_traits(const struct layer *layer)
{
	for (size_t i = 1; i < layer->n_entries; i++)
		if (trait_of(layer->entries[i].entry) != trait_of(layer->entries[0].entry))
			return true;
	return false;
}

static int add_layer(struct narrowing *narrowing, unsigned index)
{
	const struct layer *layer = &narrowing->layers->layers[index];
	bool is_asked = narrowing->layers->n_layers > 1 || has_traits(layer);
	int error = is_asked ? overlap_new(&narrowing->permitting[index]) : 0;

	narrowing->narrows[index] = layer_narrows(layer);
	narrowing->couples[index] = layer_couples(layer);
	narrowing->unknown_refused += is_refused(layer->unknown);
	for (size_t i = 0; error == 0 && i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (is_refused(it->verdict) && has_ranges(it->entry))
			narrowing->refusing_ranges +=
				hash_pair(ROLE_REFUSES, entry_hash(it->entry), 0);
		if (is_refused(it->verdict))
			error = add_entry(narrowing->refusing, narrowing, index, i);
		else if (is_asked)
			error = add_entry(narrowing->permitting[index], narrowing, index, i);
	}
	return error;
}

/* --- What the indexes say of a rule --- */

/* The sum over all names of the rule, or all its ranges, of what they overlap with. */
static uint64_t sum_of_items(
	const struct overlap *overlap, const struct inquiry *inquiry, enum overlap_kind kind)
{
	const struct entry *entry = inquiry->entry;
	bool names = kind == OVERLAP_NAMES;
	struct overlap_item query = names ? inquiry->by_name : inquiry->by_address;
	uint64_t sum = 0;

	if ((names && entry->n_patterns > 0) || has_list(entry, kind))
		return overlap_sum(overlap, &query);
	for (size_t i = 0; i < (names ? entry->n_hosts : entry->n_addresses); i++) {
		query.host = names ? &entry->hosts[i] : NULL;
		query.range = names ? NULL : &entry->addresses[i].range;
		sum += overlap_sum(overlap, &query);
	}
	return sum;
}

/* What in the index may decide about a destination of the rule. */
static uint64_t sum_of_overlaps(const struct overlap *overlap, const struct inquiry *inquiry)
{
	uint64_t sum = sum_of_items(overlap, inquiry, OVERLAP_NAMES) +
		       sum_of_items(overlap, inquiry, OVERLAP_ADDRESSES);

	if (entry_has_names(inquiry->entry))
		sum += overlap_sum(overlap, &inquiry->by_address);
	if (has_ranges(inquiry->entry) && inquiry->is_named)
		sum += overlap_sum(overlap, &inquiry->by_name);
	return sum;
}

/* The names that other entries of the layer may take over from the rule, and believe other
 * addresses of. Entries that believe the same take nothing away. */
static uint64_t sum_of_disbelief(const struct overlap *own, struct inquiry inquiry)
{
	uint64_t sum;

	inquiry.by_name.trait = trait_of(inquiry.entry);
	sum = sum_of_items(own, &inquiry, OVERLAP_NAMES);
	/* A range is permitted to any name. */
	inquiry.by_name.trait = trait_of(&(struct entry){.believed = BELIEVED_ANY});
	if (has_ranges(inquiry.entry) && inquiry.is_named)
		sum += overlap_sum(own, &inquiry.by_name);
	return sum;
}

static uint64_t sum_of_permitting(const struct narrowing *narrowing, const struct inquiry *inquiry)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < narrowing->layers->n_layers; i++) {
		if (!narrowing->permitting[i] || !narrowing->narrows[i])
			continue;
		sum += i == inquiry->layer && !inquiry->is_coupled
			       ? sum_of_disbelief(narrowing->permitting[i], *inquiry)
			       : sum_of_overlaps(narrowing->permitting[i], inquiry);
	}
	return sum;
}

/* The classes that the entry has addresses of, or may lead to. */
static unsigned entry_classes(const struct entry *entry)
{
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);
	unsigned classes = 0;

	if (entry_has_names(entry) || has_list(entry, OVERLAP_ADDRESSES) ||
		entry->n_addresses > ITEMS_MAX)
		return CLASS_ALL;
	for (size_t i = 0; i < n_prefixes; i++) {
		struct range range = prefix_to_range(&prefixes[i].prefix);

		for (size_t j = 0; j < entry->n_addresses; j++) {
			const struct range *own = &entry->addresses[j].range;

			if (range_contains(own, &range.first) ||
				range_contains(&range, &own->first))
				classes |= 1u << prefixes[i].class;
		}
	}
	return classes;
}

static uint64_t sum_of_classes(const struct narrowing *narrowing, unsigned classes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < narrowing->layers->n_layers; i++) {
		const struct layer *layer = &narrowing->layers->layers[i];

		if (is_refused(layer->class_verdict) && (layer->block & classes) != 0)
			sum += hash_pair(ROLE_CLASSES, layer->block & classes, 0);
	}
	return sum;
}

/* Layers that refuse what they do not mention, times a constant. Its own layer mentions what the
 * rule opens, unless that is reached by another name or port. */
static uint64_t sum_of_unknown(const struct narrowing *narrowing, const struct inquiry *inquiry)
{
	const struct layer *own = &narrowing->layers->layers[inquiry->layer];
	bool is_mentioned =
		!inquiry->is_coupled && !(inquiry->is_named && has_ranges(inquiry->entry));
	unsigned count = narrowing->unknown_refused;

	if (is_mentioned)
		count -= is_refused(own->unknown);
	return count * hash_pair(ROLE_UNKNOWN, 0, 0);
}

static struct inquiry inquire(const struct narrowing *narrowing, unsigned layer, size_t index)
{
	struct inquiry inquiry = {
		.entry = narrowing->layers->layers[layer].entries[index].entry,
		.layer = layer,
		.number = narrowing->lowering->first[layer] + index,
		.is_named = narrowing->layers->n_layers > 1,
		.by_address = manner_of(narrowing, layer, index).item,
	};

	for (unsigned i = 0; i < narrowing->layers->n_layers; i++)
		inquiry.is_coupled |= inquiry.is_named && narrowing->couples[i] &&
				      (i != layer || has_ranges(inquiry.entry));
	inquiry.by_address.kind = OVERLAP_ADDRESSES;
	inquiry.by_address.trait = 0;
	inquiry.by_name = inquiry.by_address;
	inquiry.by_name.kind = OVERLAP_NAMES;
	if (inquiry.is_coupled) {
		inquiry.by_name.groups = UINT64_MAX;
		inquiry.by_name.rest = true;
	}
	return inquiry;
}

static uint64_t hash_rule(const struct narrowing *narrowing, const struct inquiry *inquiry)
{
	const struct layer *layer = &narrowing->layers->layers[inquiry->layer];
	const struct entry *entry = inquiry->entry;

	return entry_hash(entry) + hash_disbelief(layer, entry) +
	       narrowing->before[inquiry->number] +
	       sum_of_classes(narrowing, entry_classes(entry)) +
	       sum_of_unknown(narrowing, inquiry) + sum_of_overlaps(narrowing->refusing, inquiry) +
	       sum_of_permitting(narrowing, inquiry);
}

static uint64_t hash_default(const struct narrowing *narrowing)
{
	return hash_pair(ROLE_DEFAULT, narrowing->refusing_ranges,
		       sum_of_classes(narrowing, CLASS_ALL)) +
	       narrowing->unknown_refused * hash_pair(ROLE_UNKNOWN, 0, 0);
}

/* --- The order of entries --- */

/* Entries of one layer and action that are a match for each other are decided by their order. It
 * says something only where they do not all do the same: a deny that permits by its score, an allow
 * that refuses, entries that believe different answers. */
static bool order_matters(const struct layer *layer, enum action action)
{
	const struct layer_entry *first = NULL;

	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (it->entry->action != action)
			continue;
		if (first && (is_refused(first->verdict) != is_refused(it->verdict) ||
				     trait_of(first->entry) != trait_of(it->entry)))
			return true;
		first = first ? first : it;
	}
	return false;
}

/* Hashes what stands before the entries of that action and does otherwise. */
static int hash_order(
	struct narrowing *narrowing, unsigned layer, enum action action, struct overlap *earlier)
{
	const struct layer *of = &narrowing->layers->layers[layer];
	int error = 0;

	for (size_t i = 0; error == 0 && i < of->n_entries; i++) {
		struct inquiry inquiry = inquire(narrowing, layer, i);
		uint64_t sum;

		if (inquiry.entry->action != action)
			continue;
		inquiry.by_name.trait = trait_of(inquiry.entry);
		inquiry.by_address.trait = inquiry.by_name.trait;
		sum = sum_of_items(earlier, &inquiry, OVERLAP_NAMES) +
		      sum_of_items(earlier, &inquiry, OVERLAP_ADDRESSES);
		if (sum != 0 && !is_refused(of->entries[i].verdict))
			narrowing->before[inquiry.number] = hash_pair(ROLE_BEFORE, sum, 0);
		error = add_entry(earlier, narrowing, layer, i);
	}
	return error;
}

static int hash_orders(struct narrowing *narrowing)
{
	int error = 0;

	for (unsigned i = 0; error == 0 && i < narrowing->layers->n_layers * ACTIONS; i++) {
		enum action action = i % ACTIONS ? ACTION_DENY : ACTION_ALLOW;
		struct overlap *earlier;

		if (!order_matters(&narrowing->layers->layers[i / ACTIONS], action))
			continue;
		error = overlap_new(&earlier);
		if (error < 0)
			return error;
		error = hash_order(narrowing, i / ACTIONS, action, earlier);
		overlap_free(earlier);
	}
	return error;
}

static int hash_rules(struct narrowing *narrowing, uint64_t *hashes)
{
	const struct plan *plan = narrowing->lowering->plan;
	int error = hash_orders(narrowing);

	if (error == 0)
		error = overlap_new(&narrowing->refusing);
	for (unsigned i = 0; error == 0 && i < narrowing->layers->n_layers; i++)
		error = add_layer(narrowing, i);
	if (error < 0)
		return error;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];
		struct inquiry inquiry;

		if (!rule->entry) {
			hashes[i] = hash_default(narrowing);
			continue;
		}
		inquiry = inquire(narrowing, rule->layer,
			(size_t)(rule->entry - narrowing->layers->layers[rule->layer].entries));
		hashes[i] = hash_rule(narrowing, &inquiry);
	}
	return 0;
}

static uint64_t hash_observed(const struct narrowing *narrowing)
{
	const struct layers *layers = narrowing->layers;
	uint64_t sum = 0;

	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct layer *layer = &layers->layers[i];

		sum += hash_pair(ROLE_CLASSES, layer->block, layer->class_verdict);
		sum += hash_pair(ROLE_UNKNOWN, layer->unknown, 0);
		for (size_t j = 0; j < layer->n_entries; j++)
			sum += hash_pair(ROLE_VERDICT,
				entry_hash(layer->entries[j].entry) +
					narrowing->before[narrowing->lowering->first[i] + j],
				layer->entries[j].verdict);
	}
	return hash_pair(ROLE_OBSERVED, sum, 0);
}

int narrowing_hash(const struct lowering *lowering, uint64_t *ret_hashes, uint64_t *ret_observed)
{
	size_t n_entries = lowering->first[lowering->plan->layers->n_layers];
	struct narrowing narrowing = {
		.lowering = lowering,
		.layers = lowering->plan->layers,
		.before = calloc(n_entries + 1, sizeof(uint64_t)),
	};
	int error = narrowing.before ? hash_rules(&narrowing, ret_hashes) : -ENOMEM;

	if (error == 0)
		*ret_observed = hash_observed(&narrowing);
	free(narrowing.before);
	overlap_free(narrowing.refusing);
	for (unsigned i = 0; i < LAYERS_MAX; i++)
		overlap_free(narrowing.permitting[i]);
	return error;
}
