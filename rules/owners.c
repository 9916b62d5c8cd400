/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/list.h"
#include "rules/sweep.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * A table is, for each family, the addresses at which the owner changes, in order, and who has them
 * from there on: eight bytes a change for IPv4. The last at or before an address is found by
 * halving.
 *
 * What all-port entries and classes have is the same for every group and lies in one table, that of
 * the rest of the ports. A group has a table of its own only if entries with addresses name its
 * ports, and only where the owner is another one than the rest's; groups with the same such entries
 * share it. It is made from their claims and those of the rest that touch them, by a sweep in which
 * the latter compete in two fields: among themselves, and with all.
 *
 * In a sweep (rules/sweep.h) the owner with the lowest number wins between equally narrow ranges.
 * So classes have number 0, the deny entries the next ones, and then come the allow entries.
 */

enum { NO_TABLE = 255, GROUPS = PLAN_GROUPS_MAX + 1 };

enum field { FIELD_REST, FIELD_ALL, FIELDS };

/* Where the owner changes, of one family. */
struct changes {
	uint32_t *first4; /* one of the two */
	struct inaddr *first6;
	uint32_t *owners;
	size_t count;
};

struct table {
	struct changes families[PLAN_FAMILIES];
};

struct owners {
	unsigned n_groups;
	uint8_t table_of[GROUPS];
	struct table *tables;
	size_t bytes;
};

/* What tables are made of. */
struct ground {
	struct arena *arena;
	const struct layer *layer;
	const struct group_set *sets; /* by entry */
	unsigned n_groups;
	uint32_t *entries; /* those with addresses, by their numbers in sweeps, less one */
	size_t n_entries;
	size_t n_ranges;
	struct claims *rest[PLAN_FAMILIES]; /* sorted */
};

static bool has_group(const struct ground *ground, size_t index, unsigned group)
{
	const struct group_set *set = &ground->sets[ground->entries[index]];

	return group == ground->n_groups ? set->rest : set->groups >> group & 1;
}

static bool is_of_rest(const struct ground *ground, size_t index)
{
	return has_group(ground, index, ground->n_groups);
}

static size_t count_ranges(const struct entry *entry)
{
	size_t count = entry->n_addresses;

	for (size_t i = 0; i < entry->n_lists; i++)
		count += entry->lists[i]->n_ranges;
	return count;
}

/* Finds the entries that have addresses, those that deny first. */
static void number_entries(struct ground *ground, enum action action)
{
	for (size_t i = 0; i < ground->layer->n_entries; i++) {
		const struct entry *entry = ground->layer->entries[i].entry;
		size_t n_ranges = count_ranges(entry);

		if (entry->action != action || n_ranges == 0)
			continue;
		ground->entries[ground->n_entries++] = (uint32_t)i;
		ground->n_ranges += n_ranges;
	}
}

/* --- What is claimed --- */

static void claim_range(
	struct claims *claims, enum plan_family family, const struct range *range, size_t number)
{
	if (inaddr_is_ip4(&range->first) == (family == PLAN_IP4))
		claims_add(claims, range, (uint32_t)number);
}

static void claim_entry(
	const struct ground *ground, size_t index, enum plan_family family, struct claims *claims)
{
	const struct entry *entry = ground->layer->entries[ground->entries[index]].entry;

	for (size_t i = 0; i < entry->n_addresses; i++)
		claim_range(claims, family, &entry->addresses[i].range, index + 1);
	for (size_t i = 0; i < entry->n_lists; i++)
		for (size_t j = 0; j < entry->lists[i]->n_ranges; j++)
			claim_range(claims, family, &entry->lists[i]->ranges[j].range, index + 1);
}

static void claim_classes(
	const struct ground *ground, enum plan_family family, struct claims *claims)
{
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; i < n_prefixes; i++) {
		struct range range = prefix_to_range(&prefixes[i].prefix);

		if (ground->layer->block & 1u << prefixes[i].class)
			claim_range(claims, family, &range, 0);
	}
}

/* The claims of the rest, sorted. 0 or -ENOMEM. */
static int claim_rest(
	const struct ground *ground, enum plan_family family, struct claims **ret_claims)
{
	struct claims *claims;
	size_t n_prefixes;
	int error;

	class_prefixes(&n_prefixes);
	error = claims_new(family == PLAN_IP4, ground->n_ranges + n_prefixes, &claims);
	if (error < 0)
		return error;
	claim_classes(ground, family, claims);
	for (size_t i = 0; i < ground->n_entries; i++)
		if (is_of_rest(ground, i))
			claim_entry(ground, i, family, claims);
	error = claims_sort(claims);
	if (error < 0) {
		claims_free(claims);
		return error;
	}
	*ret_claims = claims;
	return 0;
}

/* The claims of the group's own entries and, with `near`, those of the rest that touch them. */
static int claim_group(const struct ground *ground, unsigned group, enum plan_family family,
	const struct claims *near, struct claims **ret_claims)
{
	const struct claims *rest = ground->rest[family];
	size_t room = ground->n_ranges + (near ? claims_add_near(NULL, rest, near) : 0);
	struct claims *claims;
	int error = claims_new(family == PLAN_IP4, room, &claims);

	if (error < 0)
		return error;
	for (size_t i = 0; i < ground->n_entries; i++)
		if (has_group(ground, i, group) && !is_of_rest(ground, i))
			claim_entry(ground, i, family, claims);
	if (near)
		claims_add_near(claims, rest, near);
	error = claims_sort(claims);
	if (error < 0) {
		claims_free(claims);
		return error;
	}
	*ret_claims = claims;
	return 0;
}

/* --- Tables --- */

static uint32_t field_of_rest(const void *context, uint32_t number)
{
	(void)context;
	(void)number;
	return 1 << FIELD_REST;
}

static uint32_t fields_of_group(const void *context, uint32_t number)
{
	const struct ground *ground = context;
	bool rest = number == 0 || is_of_rest(ground, number - 1);

	return 1u << FIELD_ALL | (rest ? 1u << FIELD_REST : 0);
}

/* The owner to be told of a piece: nobody in a group's table where the rest's says who. */
static uint32_t owner_of(const struct ground *ground, const uint32_t *winners, bool is_group)
{
	uint32_t number = winners[is_group ? FIELD_ALL : FIELD_REST];

	if (number == SWEEP_NOBODY || (is_group && number == winners[FIELD_REST]))
		return OWNERS_NONE;
	return number == 0 ? OWNERS_CLASS : ground->entries[number - 1];
}

static uint32_t number4(const struct inaddr *address)
{
	const uint8_t *bytes = address->bytes + 12;

	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void put_change(struct changes *changes, const struct inaddr *first, uint32_t owner)
{
	if (changes->first4)
		changes->first4[changes->count] = number4(first);
	if (changes->first6)
		changes->first6[changes->count] = *first;
	if (changes->owners)
		changes->owners[changes->count] = owner;
	changes->count++;
}

/* Runs the sweep once; without memory the changes are only counted. */
static void collect(
	const struct ground *ground, struct sweep *sweep, bool is_group, struct changes *changes)
{
	uint32_t winners[FIELDS], holder = OWNERS_NONE;
	struct inaddr behind;
	struct range piece;
	bool more = false;

	changes->count = 0;
	sweep_rewind(sweep);
	while (sweep_next(sweep, &piece, winners)) {
		uint32_t owner = owner_of(ground, winners, is_group);

		if (owner != holder)
			put_change(changes, &piece.first, owner);
		holder = owner;
		more = inaddr_next(&piece.last, &behind);
	}
	if (holder != OWNERS_NONE && more)
		put_change(changes, &behind, OWNERS_NONE);
}

static int make_changes(const struct ground *ground, const struct claims *claims, bool is_group,
	enum plan_family family, struct owners *owners, struct changes *ret_changes)
{
	struct changes changes = {.count = 0};
	struct sweep *sweep;
	size_t size = family == PLAN_IP4 ? sizeof(*changes.first4) : sizeof(*changes.first6);
	void *first;
	int error = sweep_new(claims, is_group ? FIELDS : 1,
		is_group ? fields_of_group : field_of_rest, ground, &sweep);

	if (error < 0)
		return error;
	collect(ground, sweep, is_group, &changes);
	owners->bytes += changes.count * (size + sizeof(*changes.owners));
	first = arena_array(ground->arena, changes.count + 1, size);
	changes.owners = arena_array(ground->arena, changes.count + 1, sizeof(*changes.owners));
	if (first && changes.owners) {
		changes.first4 = family == PLAN_IP4 ? first : NULL;
		changes.first6 = family == PLAN_IP4 ? NULL : first;
		collect(ground, sweep, is_group, &changes);
		*ret_changes = changes;
	} else {
		error = -ENOMEM;
	}
	sweep_free(sweep);
	return error;
}

static int make_group(const struct ground *ground, unsigned group, enum plan_family family,
	struct owners *owners, struct changes *ret_changes)
{
	struct claims *own = NULL, *all = NULL;
	int error = claim_group(ground, group, family, NULL, &own);

	if (error == 0)
		error = claim_group(ground, group, family, own, &all);
	if (error == 0)
		error = make_changes(ground, all, true, family, owners, ret_changes);
	claims_free(own);
	claims_free(all);
	return error;
}

static int make_table(
	const struct ground *ground, unsigned group, struct owners *owners, struct table *ret_table)
{
	int error = 0;

	for (unsigned i = 0; i < PLAN_FAMILIES && error == 0; i++) {
		struct changes *changes = &ret_table->families[i];

		if (group == ground->n_groups)
			error = make_changes(ground, ground->rest[i], false, (enum plan_family)i,
				owners, changes);
		else
			error = make_group(ground, group, (enum plan_family)i, owners, changes);
	}
	return error;
}

/* --- Which tables there are --- */

/* Whether all entries with addresses have either both groups or none. */
static bool is_alike(const struct ground *ground, unsigned a, unsigned b)
{
	for (size_t i = 0; i < ground->n_entries; i++)
		if (has_group(ground, i, a) != has_group(ground, i, b))
			return false;
	return true;
}

static bool needs_table(const struct ground *ground, unsigned group)
{
	bool is_rest = group == ground->n_groups;

	for (size_t i = 0; i < ground->n_entries; i++)
		if (has_group(ground, i, group) && is_of_rest(ground, i) == is_rest)
			return true;
	return is_rest && ground->layer->block != 0 &&
	       ground->layer->class_verdict != ground->layer->unknown;
}

/* The table of the rest is the last. Returns how many there are. */
static unsigned choose_tables(const struct ground *ground, uint8_t table_of[GROUPS])
{
	unsigned n_tables = 0;

	for (unsigned g = 0; g <= ground->n_groups; g++) {
		table_of[g] = NO_TABLE;
		if (!needs_table(ground, g))
			continue;
		for (unsigned other = 0; other < g && g < ground->n_groups; other++)
			if (table_of[other] != NO_TABLE && is_alike(ground, g, other))
				table_of[g] = table_of[other];
		if (table_of[g] == NO_TABLE)
			table_of[g] = (uint8_t)n_tables++;
	}
	return n_tables;
}

static int make_tables(const struct ground *ground, const struct owners **ret_owners)
{
	struct owners *owners = arena_alloc(ground->arena, sizeof(*owners));
	unsigned n_tables;
	int error = 0;

	if (!owners)
		return -ENOMEM;
	owners->n_groups = ground->n_groups;
	n_tables = choose_tables(ground, owners->table_of);
	owners->tables = arena_array(ground->arena, n_tables, sizeof(*owners->tables));
	owners->bytes = sizeof(*owners) + n_tables * sizeof(*owners->tables);
	if (!owners->tables)
		return -ENOMEM;
	for (unsigned g = 0, next = 0; g <= ground->n_groups && error == 0; g++)
		if (owners->table_of[g] == next)
			error = make_table(ground, g, owners, &owners->tables[next++]);
	if (error == 0)
		*ret_owners = n_tables > 0 ? owners : NULL;
	return error;
}

int owners_make(struct arena *arena, const struct layer *layer, const struct group_set *sets,
	unsigned n_groups, const struct owners **ret_owners)
{
	struct ground ground = {.arena = arena, .layer = layer, .sets = sets, .n_groups = n_groups};
	int error = -ENOMEM;

	ground.entries = calloc(layer->n_entries + 1, sizeof(*ground.entries));
	if (ground.entries) {
		number_entries(&ground, ACTION_DENY);
		number_entries(&ground, ACTION_ALLOW);
		error = claim_rest(&ground, PLAN_IP4, &ground.rest[PLAN_IP4]);
	}
	if (error == 0)
		error = claim_rest(&ground, PLAN_IP6, &ground.rest[PLAN_IP6]);
	if (error == 0)
		error = make_tables(&ground, ret_owners);
	claims_free(ground.rest[PLAN_IP4]);
	claims_free(ground.rest[PLAN_IP6]);
	free(ground.entries);
	return error;
}

/* --- Looking up --- */

/* Whether change `index` is at or before the address. */
static bool is_before(
	const struct changes *changes, size_t index, const struct inaddr *address, uint32_t number)
{
	if (changes->first4)
		return changes->first4[index] <= number;
	return inaddr_compare(&changes->first6[index], address) <= 0;
}

static uint32_t find(const struct changes *changes, const struct inaddr *address)
{
	uint32_t number = number4(address);
	size_t low = 0, high = changes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (is_before(changes, middle, address, number))
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? changes->owners[low - 1] : OWNERS_NONE;
}

uint32_t owners_find(const struct owners *owners, unsigned group, const struct inaddr *address)
{
	enum plan_family family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	uint8_t own = owners->table_of[group], rest = owners->table_of[owners->n_groups];
	uint32_t owner = OWNERS_NONE;

	if (own != NO_TABLE)
		owner = find(&owners->tables[own].families[family], address);
	if (owner == OWNERS_NONE && rest != NO_TABLE && rest != own)
		owner = find(&owners->tables[rest].families[family], address);
	return owner;
}

size_t owners_bytes(const struct owners *owners)
{
	return owners->bytes;
}
