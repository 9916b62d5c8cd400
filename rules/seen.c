/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/seen.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A hash table with open addressing, at most two thirds full, of indices into an array of what was
 * added; a part of the hash beside the index spares most looks at the array. The hash is keyed,
 * since who writes a million hosts should not choose which of them collide.
 */

struct item {
	const void *bytes;
	const struct place *place;
	uint32_t size;
	uint32_t kind;
};

struct slot {
	uint32_t number; /* of the item, from 1; 0: empty */
	uint32_t tag;    /* the hash's high half */
};

struct seen {
	struct hash_key key;
	struct slot *slots;
	size_t mask;
	struct item *items;
	size_t count;
};

int seen_new(struct arena *arena, size_t count, struct seen **ret_seen)
{
	struct seen *seen = arena_alloc(arena, sizeof(*seen));
	size_t size = 4;
	int error = 0;

	if (!seen || count > UINT32_MAX / 4)
		return -ENOMEM;
	while (size * 2 < count * 3)
		size *= 2;
	seen->mask = size - 1;
	seen->slots = arena_array(arena, size, sizeof(struct slot));
	seen->items = arena_array(arena, count, sizeof(struct item));
	if (!seen->slots || !seen->items)
		return -ENOMEM;
	/* One thing collides with none. */
	if (count > 1)
		error = hash_key_draw(&seen->key);
	if (error < 0)
		return error;
	*ret_seen = seen;
	return 0;
}

static bool is_equal(const struct item *item, unsigned kind, const void *bytes, size_t size)
{
	return item->kind == kind && item->size == size && memcmp(item->bytes, bytes, size) == 0;
}

/* The slot of the thing, or the empty one where it belongs. *ret_tag is its hash's. */
static struct slot *find_slot(
	const struct seen *seen, unsigned kind, const void *bytes, size_t size, uint32_t *ret_tag)
{
	uint64_t hash = hash_bytes(&seen->key, bytes, size);
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = (size_t)hash & seen->mask;

	*ret_tag = tag;
	while (seen->slots[at].number > 0) {
		struct slot *slot = &seen->slots[at];

		if (slot->tag == tag && is_equal(&seen->items[slot->number - 1], kind, bytes, size))
			return slot;
		at = (at + 1) & seen->mask;
	}
	return &seen->slots[at];
}

const struct place *seen_add(
	struct seen *seen, unsigned kind, const void *bytes, size_t size, const struct place *place)
{
	uint32_t tag;
	struct slot *slot = find_slot(seen, kind, bytes, size, &tag);

	if (slot->number > 0)
		return seen->items[slot->number - 1].place;
	seen->items[seen->count++] = (struct item){bytes, place, (uint32_t)size, kind};
	*slot = (struct slot){(uint32_t)seen->count, tag};
	return NULL;
}

const struct place *seen_find(
	const struct seen *seen, unsigned kind, const void *bytes, size_t size)
{
	uint32_t tag;
	const struct slot *slot = find_slot(seen, kind, bytes, size, &tag);

	return slot->number > 0 ? seen->items[slot->number - 1].place : NULL;
}
