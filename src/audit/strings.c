/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/strings.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"

enum { KEPT_MAX = 1 << 14, BUCKETS = 2 * KEPT_MAX };

struct strings {
	struct hash_key key;
	struct arena *arena;
	size_t count;
	const char *buckets[BUCKETS]; /* linear probing */
};

int strings_new(size_t bytes, struct strings **ret_strings)
{
	struct strings *strings = calloc(1, sizeof(*strings));
	int error = strings ? hash_key_draw(&strings->key) : -ENOMEM;

	if (!error)
		error = arena_new(bytes, &strings->arena);
	if (error)
		strings_free(strings);
	else
		*ret_strings = strings;
	return error;
}

void strings_free(struct strings *strings)
{
	if (!strings)
		return;
	arena_free(strings->arena);
	free(strings);
}

const char *strings_keep(struct strings *strings, const char *text)
{
	const size_t size = strlen(text);
	uint64_t at;
	const char **bucket;

	if (size == 0)
		return "";
	for (at = hash_bytes(&strings->key, text, size);; at++) {
		bucket = &strings->buckets[at % BUCKETS];
		if (!*bucket)
			break;
		if (strcmp(*bucket, text) == 0)
			return *bucket;
	}
	if (strings->count == KEPT_MAX)
		return NULL;
	*bucket = arena_strndup(strings->arena, text, size);
	strings->count += *bucket != NULL;
	return *bucket;
}

bool strings_were_short(const struct strings *strings)
{
	return arena_was_short(strings->arena);
}
