/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/overlap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/host.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * Each item lies at a path in a tree: an exact host at its name, read from the root; a wildcard at
 * the name behind its last '*'; a range at the longest prefix around it whose length is a multiple
 * of four bits. Two of one kind can overlap only if one's path begins with the other's. So each
 * path has two lists, of the items at it and of those at or below it: what may overlap with a query
 * is below its path, or at one of the paths above. An exact host has nothing below it but itself.
 * Paths are found by their hashes; if two fall on one, they only seem to overlap.
 *
 * A list does not hold items but cells: the sum of all items with the same ports and trait. While a
 * cell has few, they are remembered and each is looked at closely. A list with too many cells
 * becomes a single one. So no list is long, whatever the policy: time is linear in its size.
 */

enum {
	PATHS_MAX = 129,  /* a name of 127 labels and the root; 33 of an address */
	CELLS_MAX = 64,   /* of a list */
	CLOSELY_MAX = 16, /* items of a cell that are looked at one by one */
	NIBBLE = 4,
	TABLE_MIN = 64, /* nodes */
};

/* Numbers begin with 1 everywhere: 0 is the end of a list. */
struct cell {
	uint64_t groups;
	uint64_t trait;
	uint64_t sum;
	uint32_t count;
	uint32_t refs; /* of the first items */
	uint32_t next;
	bool rest;
	bool merged; /* of all items, the list's only cell */
};

struct ref {
	uint32_t item;
	uint32_t next;
};

struct node {
	uint64_t key; /* 0: free */
	uint32_t at;  /* lists of cells */
	uint32_t below;
};

/* An array that grows. */
struct pool {
	void *items;
	uint32_t count;
	uint32_t room;
};

struct overlap {
	struct pool cells;
	struct pool refs;
	struct pool items;
	struct node *table;
	size_t size; /* a power of two */
	size_t n_nodes;
	uint32_t all[OVERLAP_KINDS];  /* list of the items that have a path */
	uint32_t wide[OVERLAP_KINDS]; /* and of those that may overlap with anything */
};

static const struct hash_key path_keys[OVERLAP_KINDS] = {
	[OVERLAP_NAMES] = {{0x6f7665726c617070, 0x696e672d6e616d65}},
	[OVERLAP_ADDRESSES] = {{0x6f7665726c617070, 0x696e672d61646472}},
};

static uint64_t path_hash(enum overlap_kind kind, const void *bytes, size_t size)
{
	uint64_t hash = hash_bytes(&path_keys[kind], bytes, size);

	return hash != 0 ? hash : 1;
}

static unsigned name_paths(const struct host *host, uint64_t *paths)
{
	struct name name = {.length = host->length};
	unsigned labels;

	memcpy(name.wire, host->wire, host->length);
	if (host->kind != HOST_EXACT)
		name = host_suffix(host->kind, host->wire, host->length);
	labels = name_labels(&name);
	for (unsigned i = 0; i <= labels; i++) {
		unsigned offset = name_label_offset(&name, i);

		paths[i] = path_hash(OVERLAP_NAMES, name.wire + offset, name.length - offset);
	}
	return labels + 1;
}

static unsigned common_nibbles(const struct range *range)
{
	for (unsigned i = 0; i < sizeof(range->first.bytes); i++) {
		uint8_t differ = range->first.bytes[i] ^ range->last.bytes[i];

		if (differ != 0)
			return 2 * i + (differ >> NIBBLE == 0);
	}
	return 2 * sizeof(range->first.bytes);
}

static uint64_t prefix_hash(const struct inaddr *address, unsigned nibbles)
{
	uint8_t prefix[1 + sizeof(address->bytes)] = {(uint8_t)nibbles};

	memcpy(prefix + 1, address->bytes, (nibbles + 1) / 2);
	if (nibbles % 2 == 1)
		prefix[1 + nibbles / 2] &= 0xf0;
	return path_hash(OVERLAP_ADDRESSES, prefix, 1 + (nibbles + 1) / 2);
}

/* Hashes of the paths from the item's own up to the root. Returns how many. */
static unsigned item_paths(const struct overlap_item *item, uint64_t paths[PATHS_MAX])
{
	unsigned nibbles;

	if (item->host)
		return name_paths(item->host, paths);
	nibbles = common_nibbles(item->range);
	for (unsigned i = 0; i <= nibbles; i++)
		paths[i] = prefix_hash(&item->range->first, nibbles - i);
	return nibbles + 1;
}

/* Whether two items with paths overlap, looked at closely. */
static bool do_overlap(const struct overlap_item *a, const struct overlap_item *b)
{
	if (a->host)
		return host_overlaps(a->host, b->host);
	return inaddr_is_ip4(&a->range->first) == inaddr_is_ip4(&b->range->first) &&
	       inaddr_compare(&a->range->first, &b->range->last) <= 0 &&
	       inaddr_compare(&b->range->first, &a->range->last) <= 0;
}

/* A new number, or 0 when there is no memory. Moves what is in the pool. */
static uint32_t pool_take(struct pool *pool, size_t size)
{
	if (pool->count == pool->room) {
		uint32_t room = pool->room > 0 ? 2 * pool->room : 64;
		void *items = room > pool->room ? reallocarray(pool->items, room, size) : NULL;

		if (!items)
			return 0;
		pool->items = items;
		pool->room = room;
		pool->count += pool->count == 0;
	}
	return pool->count++;
}

static struct cell *cell_at(const struct overlap *overlap, uint32_t number)
{
	return (struct cell *)overlap->cells.items + number;
}

static struct ref *ref_at(const struct overlap *overlap, uint32_t number)
{
	return (struct ref *)overlap->refs.items + number;
}

static const struct overlap_item *item_at(const struct overlap *overlap, uint32_t number)
{
	return (const struct overlap_item *)overlap->items.items + number;
}

int overlap_new(struct overlap **ret_overlap)
{
	struct overlap *overlap = calloc(1, sizeof(*overlap));

	if (overlap)
		overlap->table = calloc(TABLE_MIN, sizeof(*overlap->table));
	if (!overlap || !overlap->table) {
		free(overlap);
		return -ENOMEM;
	}
	overlap->size = TABLE_MIN;
	*ret_overlap = overlap;
	return 0;
}

void overlap_free(struct overlap *overlap)
{
	if (!overlap)
		return;
	free(overlap->cells.items);
	free(overlap->refs.items);
	free(overlap->items.items);
	free(overlap->table);
	free(overlap);
}

/* The path's place in a table: its node, or a free one. */
static struct node *find_node(struct node *table, size_t size, uint64_t key)
{
	size_t at = key & (size - 1);

	while (table[at].key != 0 && table[at].key != key)
		at = (at + 1) & (size - 1);
	return &table[at];
}

static int grow_table(struct overlap *overlap)
{
	size_t size = 2 * overlap->size;
	struct node *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < overlap->size; i++)
		if (overlap->table[i].key != 0)
			*find_node(table, size, overlap->table[i].key) = overlap->table[i];
	free(overlap->table);
	overlap->table = table;
	overlap->size = size;
	return 0;
}

static struct node *take_node(struct overlap *overlap, uint64_t key)
{
	struct node *node;

	if (2 * overlap->n_nodes >= overlap->size && grow_table(overlap) < 0)
		return NULL;
	node = find_node(overlap->table, overlap->size, key);
	overlap->n_nodes += node->key == 0;
	node->key = key;
	return node;
}

/* Makes one cell of all in the list. */
static void merge_cells(struct overlap *overlap, uint32_t head)
{
	struct cell *merged = cell_at(overlap, head);

	for (uint32_t i = merged->next; i != 0; i = cell_at(overlap, i)->next) {
		const struct cell *cell = cell_at(overlap, i);

		merged->groups |= cell->groups;
		merged->rest |= cell->rest;
		merged->sum += cell->sum;
	}
	merged->next = 0;
	merged->trait = 0;
	merged->count = CLOSELY_MAX + 1;
	merged->merged = true;
}

/* The cell of the list that the item goes into, or NULL when there is no memory. */
static struct cell *take_cell(
	struct overlap *overlap, uint32_t *head, const struct overlap_item *item)
{
	uint32_t length = 0, number;

	for (number = *head; number != 0; number = cell_at(overlap, number)->next) {
		struct cell *cell = cell_at(overlap, number);

		if (cell->merged || (cell->groups == item->groups && cell->rest == item->rest &&
					    cell->trait == item->trait))
			return cell;
		length++;
	}
	if (length == CELLS_MAX) {
		merge_cells(overlap, *head);
		return cell_at(overlap, *head);
	}
	number = pool_take(&overlap->cells, sizeof(struct cell));
	if (number == 0)
		return NULL;
	*cell_at(overlap, number) = (struct cell){
		.groups = item->groups, .rest = item->rest, .trait = item->trait, .next = *head};
	*head = number;
	return cell_at(overlap, number);
}

/* Adds an item to a list. Its number is 0 where it has no path. */
static int list_add(
	struct overlap *overlap, uint32_t *head, const struct overlap_item *item, uint32_t number)
{
	struct cell *cell = take_cell(overlap, head, item);
	uint32_t ref;

	if (!cell)
		return -ENOMEM;
	cell->sum += item->hash;
	cell->groups |= item->groups;
	cell->rest |= item->rest;
	if (cell->count > CLOSELY_MAX || ++cell->count > CLOSELY_MAX || number == 0)
		return 0;
	ref = pool_take(&overlap->refs, sizeof(struct ref));
	if (ref == 0)
		return -ENOMEM;
	*ref_at(overlap, ref) = (struct ref){.item = number, .next = cell->refs};
	cell->refs = ref;
	return 0;
}

static int add_at_paths(struct overlap *overlap, const struct overlap_item *item)
{
	uint32_t number = pool_take(&overlap->items, sizeof(*item));
	uint64_t paths[PATHS_MAX];
	unsigned n_paths = item_paths(item, paths);
	int error = 0;

	if (number == 0)
		return -ENOMEM;
	((struct overlap_item *)overlap->items.items)[number] = *item;
	for (unsigned i = 0; error == 0 && i < n_paths; i++) {
		struct node *node = take_node(overlap, paths[i]);

		if (!node)
			return -ENOMEM;
		error = list_add(overlap, &node->below, item, number);
		if (error == 0 && i == 0)
			error = list_add(overlap, &node->at, item, number);
	}
	return error;
}

int overlap_add(struct overlap *overlap, const struct overlap_item *item)
{
	if (!item->host && !item->range)
		return list_add(overlap, &overlap->wide[item->kind], item, 0);
	if (list_add(overlap, &overlap->all[item->kind], item, 0) < 0)
		return -ENOMEM;
	return add_at_paths(overlap, item);
}

static uint64_t cell_sum(
	const struct overlap *overlap, const struct cell *cell, const struct overlap_item *query)
{
	uint64_t sum = 0;

	if (cell->refs == 0 || cell->count > CLOSELY_MAX || (!query->host && !query->range))
		return cell->sum;
	for (uint32_t i = cell->refs; i != 0; i = ref_at(overlap, i)->next) {
		const struct overlap_item *item = item_at(overlap, ref_at(overlap, i)->item);

		if (do_overlap(item, query))
			sum += item->hash;
	}
	return sum;
}

static uint64_t list_sum(
	const struct overlap *overlap, uint32_t head, const struct overlap_item *query)
{
	uint64_t sum = 0;

	for (uint32_t i = head; i != 0; i = cell_at(overlap, i)->next) {
		const struct cell *cell = cell_at(overlap, i);

		if (!(cell->groups & query->groups) && !(cell->rest && query->rest))
			continue;
		if (query->trait == 0 || cell->trait != query->trait)
			sum += cell_sum(overlap, cell, query);
	}
	return sum;
}

uint64_t overlap_sum(const struct overlap *overlap, const struct overlap_item *query)
{
	uint64_t sum = list_sum(overlap, overlap->wide[query->kind], query);
	uint64_t paths[PATHS_MAX];
	unsigned n_paths;
	bool is_exact = query->host && query->host->kind == HOST_EXACT;

	if (overlap->all[query->kind] == 0)
		return sum;
	if (!query->host && !query->range)
		return sum + list_sum(overlap, overlap->all[query->kind], query);
	n_paths = item_paths(query, paths);
	for (unsigned i = 0; i < n_paths; i++) {
		const struct node *node = find_node(overlap->table, overlap->size, paths[i]);

		sum += list_sum(overlap, i == 0 && !is_exact ? node->below : node->at, query);
	}
	return sum;
}
