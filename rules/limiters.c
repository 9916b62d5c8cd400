/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/limiters.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "rules/codes.h"
#include "rules/entry-hash.h"
#include "rules/host.h"
#include "rules/list.h"
#include "rules/lowering.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A connection has the mark of one rule: of the entry that permits it in the first layer that has
 * one for it. In further layers other entries permit it as well, and what limits one of those has
 * to hold too. By the mark the kernel cannot tell which they were. But where all that a rule opens
 * is permitted by one and the same entry of a further layer, that entry's limits hold for all of
 * the rule's connections. This is so where
 *
 * - no other entry of the layer that permits may have a destination in common with the rule, and
 * the layer refuses what none matches; or
 * - the rule has exact names only, and the entry alone has all of them in the layer.
 *
 * Whether two entries have a destination in common is asked generously. On a port that both have:
 * names with names, and ranges with ranges; and the names of one with the ranges of the other where
 * the other's layer may judge such a name by its addresses. That is where another of its entries
 * has the name, on other ports, so that the name is answered, or where it permits what it does not
 * know.
 *
 * Elsewhere the limits of the further layer's entry are not enforced, which is a warning: to split
 * the first policy's entry helps.
 */

#define COMPARISONS_MAX (UINT64_C(1) << 27)
#define TAG_BIT UINT32_C(0x80000000) /* no mark has it */

/* Any two numbers do, as long as they stay: what was spent is found again by the tag. */
static const struct hash_key tag_key = {{0x6567726573732d6c, 0x696d697465722d31}};

struct search {
	struct lowering *lowering;
	struct plan *plan;
	struct diag *diag;
	uint32_t *limiters; /* for each entry: its limiter, or LOWERING_NONE */
	bool *warned;       /* for each entry */
	uint64_t comparisons;
};

/* An entry of some layer. */
struct party {
	const struct layer_entry *it;
	const struct entry *entry;
	size_t number; /* over all layers */
	uint64_t groups;
};

static struct party party_of(const struct search *search, unsigned layer, size_t index)
{
	const struct layer_entry *it = &search->plan->layers->layers[layer].entries[index];
	size_t number = search->lowering->first[layer] + index;

	return (struct party){it, it->entry, number, search->lowering->groups[number]};
}

static bool is_limited(const struct entry *entry)
{
	return entry->connections.count > 0 || entry->bytes > 0 || entry->expires != INT64_MAX;
}

static bool is_refused(const struct party *party)
{
	return party->it->verdict == VERDICT_REFUSE;
}

/* Counts so many comparisons; false when there were too many. */
static bool may_compare(struct search *search, size_t a, size_t b)
{
	search->comparisons += 1 + (uint64_t)a * b;
	return search->comparisons < COMPARISONS_MAX;
}

/* --- Whether two entries meet --- */

/* Whether it has names that are not looked at one by one. */
static bool has_any_names(const struct entry *entry)
{
	return entry_has_names(entry) && entry->n_patterns + entry->n_lists > 0;
}

static bool has_listed_ranges(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_lists; i++)
		if (entry->lists[i]->n_ranges > 0)
			return true;
	return false;
}

static bool has_ranges(const struct entry *entry)
{
	return entry->n_addresses > 0 || has_listed_ranges(entry);
}

static bool names_meet(struct search *search, const struct entry *a, const struct entry *b)
{
	if (!entry_has_names(a) || !entry_has_names(b))
		return false;
	if (has_any_names(a) || has_any_names(b))
		return true;
	if (!may_compare(search, a->n_hosts, b->n_hosts))
		return false;
	for (size_t i = 0; i < a->n_hosts; i++)
		for (size_t j = 0; j < b->n_hosts; j++)
			if (host_overlaps(&a->hosts[i], &b->hosts[j]))
				return true;
	return false;
}

static bool overlaps(const struct range *a, const struct range *b)
{
	return inaddr_compare(&a->first, &b->last) <= 0 && inaddr_compare(&b->first, &a->last) <= 0;
}

static bool ranges_meet(struct search *search, const struct entry *a, const struct entry *b)
{
	if (!has_ranges(a) || !has_ranges(b))
		return false;
	if (has_listed_ranges(a) || has_listed_ranges(b))
		return true;
	if (!may_compare(search, a->n_addresses, b->n_addresses))
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		for (size_t j = 0; j < b->n_addresses; j++)
			if (overlaps(&a->addresses[i].range, &b->addresses[j].range))
				return true;
	return false;
}

/* Whether the layer may judge names of the other entry by their addresses, on one of the ports. */
static bool judges_by_address(
	struct search *search, unsigned layer, uint64_t groups, const struct entry *other)
{
	const struct layer *judge = &search->plan->layers->layers[layer];

	if (judge->unknown != VERDICT_REFUSE)
		return true;
	for (size_t i = 0; i < judge->n_entries && may_compare(search, 1, 1); i++) {
		struct party answering = party_of(search, layer, i);

		if (!is_refused(&answering) && (groups & ~answering.groups) != 0 &&
			names_meet(search, answering.entry, other))
			return true;
	}
	return false;
}

/* Whether a rule of one layer and an entry of another may have a destination in common. */
static bool parties_meet(struct search *search, unsigned rule_layer, const struct party *rule,
	unsigned layer, const struct party *other)
{
	const struct entry *a = rule->entry, *b = other->entry;
	uint64_t groups = rule->groups & other->groups;

	if (!may_compare(search, 1, 1) || (groups == 0 && !(a->all_ports && b->all_ports)))
		return false;
	if (names_meet(search, a, b) || ranges_meet(search, a, b))
		return true;
	if (entry_has_names(a) && has_ranges(b) && judges_by_address(search, layer, groups, a))
		return true;
	return has_ranges(a) && entry_has_names(b) &&
	       judges_by_address(search, rule_layer, groups, b);
}

/* --- Whether an entry permits all of a rule --- */

static bool has_name(struct search *search, const struct entry *entry, const struct host *name)
{
	if (!may_compare(search, 1, entry->n_hosts))
		return false;
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (entry->hosts[i].kind == HOST_EXACT && host_overlaps(&entry->hosts[i], name))
			return true;
	return false;
}

static bool has_exact_names_only(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (entry->hosts[i].kind != HOST_EXACT)
			return false;
	return entry->n_addresses + entry->n_patterns + entry->n_lists == 0;
}

/* Whether another entry of the layer that permits has one of the rule's names, perhaps in a list.
 */
static bool shares_names(
	struct search *search, unsigned layer, const struct party *rule, const struct party *entry)
{
	for (size_t i = 0; i < search->plan->layers->layers[layer].n_entries; i++) {
		struct party other = party_of(search, layer, i);

		if (other.it == entry->it || is_refused(&other))
			continue;
		if (!may_compare(search, 1, 1) || other.entry->n_lists > 0)
			return true;
		for (size_t j = 0; j < rule->entry->n_hosts; j++)
			if (has_name(search, other.entry, &rule->entry->hosts[j]))
				return true;
	}
	return false;
}

/* Whether the entry wins whatever the rule opens, in its layer, by name. */
static bool has_all_names(
	struct search *search, unsigned layer, const struct party *rule, const struct party *entry)
{
	if (!has_exact_names_only(rule->entry) || (rule->groups & ~entry->groups) != 0)
		return false;
	for (size_t i = 0; i < rule->entry->n_hosts; i++)
		if (!has_name(search, entry->entry, &rule->entry->hosts[i]))
			return false;
	return !shares_names(search, layer, rule, entry);
}

static bool refuses_the_rest(const struct layer *layer)
{
	return layer->unknown >= VERDICT_OBSERVE &&
	       (layer->block == 0 || layer->class_verdict >= VERDICT_OBSERVE);
}

/* Who else in the layer may permit what the rule opens: an id, or NULL for nobody. */
static const char *find_other(struct search *search, const struct plan_rule *owner,
	const struct party *rule, unsigned layer, const struct party *entry)
{
	const struct layer *judge = &search->plan->layers->layers[layer];

	if (has_all_names(search, layer, rule, entry))
		return NULL;
	for (size_t i = 0; i < judge->n_entries; i++) {
		struct party other = party_of(search, layer, i);

		if (other.it != entry->it && !is_refused(&other) &&
			parties_meet(search, owner->layer, rule, layer, &other))
			return other.it->id;
	}
	return refuses_the_rest(judge) ? NULL : PLAN_DEFAULT_PERMIT;
}

/* --- Limiters --- */

static bool is_taken(const struct plan *plan, uint32_t tag)
{
	for (size_t i = 0; i < plan->n_limiters; i++)
		if (plan->limiters[i].tag == tag)
			return true;
	return false;
}

static uint32_t draw_tag(const struct plan *plan, const struct entry *entry, unsigned layer)
{
	uint64_t seed[3] = {entry_hash(entry), layer, 0};
	uint32_t tag;

	do {
		tag = (uint32_t)hash_bytes(&tag_key, seed, sizeof(seed)) | TAG_BIT;
		seed[2]++;
	} while (is_taken(plan, tag));
	return tag;
}

static uint32_t limiter_of(struct search *search, unsigned layer, const struct party *entry)
{
	struct plan *plan = search->plan;
	uint32_t *limiter = &search->limiters[entry->number];

	if (*limiter == LOWERING_NONE) {
		uint32_t tag = draw_tag(plan, entry->entry, layer);

		*limiter = (uint32_t)plan->n_limiters;
		plan->limiters[plan->n_limiters++] =
			(struct plan_limiter){.entry = entry->it, .layer = layer, .tag = tag};
	}
	return *limiter;
}

static void warn(struct search *search, const struct plan_rule *rule, const struct party *entry,
	const char *other)
{
	if (search->warned[entry->number])
		return;
	search->warned[entry->number] = true;
	diag_warning(search->diag, CODE_LIMITER, entry->entry->place,
		"'%s' limits a part of what '%s' opens, of which '%s' permits another: connections "
		"are told apart by '%s' only, so those limits are not enforced there",
		entry->it->id, rule->id, other, rule->id);
}

/* The entries of one further layer. At most one of them permits all of the rule. 0 or -ENOMEM. */
static int limit_by_layer(struct search *search, struct plan_rule *rule, unsigned layer)
{
	const struct layer *judge = &search->plan->layers->layers[layer];
	size_t index = (size_t)(rule->entry - search->plan->layers->layers[rule->layer].entries);
	struct party party = party_of(search, rule->layer, index);

	for (size_t i = 0; i < judge->n_entries; i++) {
		struct party entry = party_of(search, layer, i);
		const char *other;

		if (!is_limited(entry.entry) || is_refused(&entry) ||
			!parties_meet(search, rule->layer, &party, layer, &entry))
			continue;
		other = find_other(search, rule, &party, layer, &entry);
		if (other) {
			warn(search, rule, &entry, other);
			continue;
		}
		if (!rule->limiters)
			rule->limiters = arena_array(
				search->lowering->arena, LAYERS_MAX, sizeof(*rule->limiters));
		if (!rule->limiters)
			return -ENOMEM;
		rule->limiters[rule->n_limiters++] = limiter_of(search, layer, &entry);
		return 0;
	}
	return 0;
}

static bool has_limits(const struct layer *layer)
{
	for (size_t i = 0; i < layer->n_entries; i++)
		if (is_limited(layer->entries[i].entry))
			return true;
	return false;
}

static int limit_by_layers(struct search *search)
{
	struct plan *plan = search->plan;
	int error = 0;

	for (unsigned layer = 1; layer < plan->layers->n_layers; layer++) {
		if (!has_limits(&plan->layers->layers[layer]))
			continue;
		for (size_t i = 0; i < plan->n_rules && error == 0; i++)
			if (plan->rules[i].entry && plan->rules[i].layer < layer)
				error = limit_by_layer(search, &plan->rules[i], layer);
	}
	return error;
}

/* Makes room for all entries of overrides that have limits. */
static int make_room(struct search *search)
{
	const struct lowering *lowering = search->lowering;
	struct plan *plan = search->plan;
	size_t count = 0, n_entries = lowering->first[plan->layers->n_layers];

	for (unsigned i = 1; i < plan->layers->n_layers; i++)
		for (size_t j = 0; j < plan->layers->layers[i].n_entries; j++)
			count += is_limited(plan->layers->layers[i].entries[j].entry);
	if (count == 0)
		return 0;
	plan->limiters = arena_array(lowering->arena, count, sizeof(*plan->limiters));
	search->limiters = calloc(n_entries + 1, sizeof(*search->limiters));
	search->warned = calloc(n_entries + 1, sizeof(*search->warned));
	if (!plan->limiters || !search->limiters || !search->warned)
		return -ENOMEM;
	for (size_t i = 0; i < n_entries; i++)
		search->limiters[i] = LOWERING_NONE;
	return 0;
}

int limiters_make(struct lowering *lowering, struct diag *diag)
{
	struct search search = {.lowering = lowering, .plan = lowering->plan, .diag = diag};
	int error = make_room(&search);

	if (error == 0 && search.limiters)
		error = limit_by_layers(&search);
	free(search.limiters);
	free(search.warned);
	if (error < 0 || search.comparisons < COMPARISONS_MAX)
		return error;
	diag_error(diag, CODE_TOO_LARGE, (struct place){.file = lowering->plan->policy->file},
		"the limits of overrides concern too many entries");
	return -EINVAL;
}
