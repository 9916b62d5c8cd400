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
 * A hash table with open addressing, at most half full. The hash is keyed, since who writes a
 * million hosts should not choose which of them collide.
 */

struct slot {
	const void *bytes; /* NULL: empty */
	const struct place *place;
	uint32_t size;
	uint32_t kind;
};

struct seen {
	struct hash_key key;
	struct slot *slots;
	size_t mask;
};

int seen_new(struct arena *arena, size_t count, struct seen **ret_seen)
{
	struct seen *seen = arena_alloc(arena, sizeof(*seen));
	size_t size = 2;
	int error;

	if (!seen || count > SIZE_MAX / 4)
		return -ENOMEM;
	while (size < 2 * count)
		size *= 2;
	seen->mask = size - 1;
	seen->slots = arena_array(arena, size, sizeof(struct slot));
	if (!seen->slots)
		return -ENOMEM;
	error = hash_key_draw(&seen->key);
	if (error < 0)
		return error;
	*ret_seen = seen;
	return 0;
}

static bool is_equal(const struct slot *slot, unsigned kind, const void *bytes, size_t size)
{
	return slot->kind == kind && slot->size == size && memcmp(slot->bytes, bytes, size) == 0;
}

const struct place *seen_add(
	struct seen *seen, unsigned kind, const void *bytes, size_t size, const struct place *place)
{
	size_t at = (size_t)hash_bytes(&seen->key, bytes, size) & seen->mask;
	struct slot *slot = &seen->slots[at];

	while (slot->bytes && !is_equal(slot, kind, bytes, size)) {
		at = (at + 1) & seen->mask;
		slot = &seen->slots[at];
	}
	if (slot->bytes)
		return slot->place;
	*slot = (struct slot){bytes, place, (uint32_t)size, kind};
	return NULL;
}
