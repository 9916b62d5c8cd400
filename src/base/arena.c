/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * An arena is a list of chunks, each a malloc of its own, so that what was handed out never moves.
 * Allocations are cut from the current chunk. When one doesn't fit, the chunks behind the current
 * one, which a reset left empty, are searched for room; only then a new chunk is made, twice the
 * size of the last up to CHUNK_MAX, or the allocation's own size if that is more. What is left at
 * the end of a chunk is given up until the next reset.
 *
 * A chunk of several MiB is one large table. It is put on the kernel's large pages, if there are
 * any, before it is touched: a table that is read at random is else read at the price of a miss of
 * the TLB each time. What it takes stays the same, since all of it is handed out, and zeroed.
 *
 * The limit holds what is handed out, not what the chunks take. Memory is zeroed when it is handed
 * out, since a reset keeps the old bytes. Under AddressSanitizer everything not handed out is
 * poisoned, and a gap is left behind each allocation.
 *
 * What is deferred is a list in the arena's own memory, the last first. A reset ends the lives of
 * those things as well, since nobody could release them afterwards.
 */

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 16
#define poison(start, size) __asan_poison_memory_region(start, size)
#define unpoison(start, size) __asan_unpoison_memory_region(start, size)
#else
#define GAP 0
#define poison(start, size) ((void)(start), (void)(size))
#define unpoison(start, size) ((void)(start), (void)(size))
#endif

enum {
	CHUNK_MIN = 4096,
	CHUNK_MAX = 1 << 20,
	LARGE_PAGE = 1 << 21,
};

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char bytes[];
};

struct deferred {
	void (*release)(void *pointer);
	void *pointer;
	struct deferred *before;
};

struct arena {
	size_t limit;
	size_t used;
	size_t grow; /* size of the next chunk */
	struct chunk *first;
	struct chunk *current;
	struct deferred *deferred; /* the last one */
	bool short_of_memory;
};

int arena_new(size_t limit, struct arena **ret_arena)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;

	arena->limit = limit;
	arena->grow = CHUNK_MIN;
	*ret_arena = arena;
	return 0;
}

static void release_deferred(struct arena *arena)
{
	while (arena->deferred) {
		struct deferred *last = arena->deferred;

		arena->deferred = last->before;
		last->release(last->pointer);
	}
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;

	release_deferred(arena);
	for (struct chunk *chunk = arena->first, *next; chunk; chunk = next) {
		next = chunk->next;
		unpoison(chunk->bytes, chunk->size);
		free(chunk);
	}
	free(arena);
}

void arena_freep(struct arena **arena)
{
	arena_free(*arena);
	*arena = NULL;
}

/* Bytes to skip in the chunk so that the next one is aligned. */
static size_t chunk_padding(const struct chunk *chunk, size_t align)
{
	return -chunk->used & (align - 1);
}

static bool chunk_fits(const struct chunk *chunk, size_t size, size_t align)
{
	size_t padding = chunk_padding(chunk, align);
	size_t left = chunk->size - chunk->used;

	return left >= padding && left - padding >= size;
}

/* Memory for a chunk; of a large one, all but the end on large pages. A kernel that has none does
 * as well, only slower. */
static void *get_memory(size_t size)
{
	void *memory;

	if (size < 2 * (size_t)LARGE_PAGE)
		return malloc(size);
	if (posix_memalign(&memory, LARGE_PAGE, size) != 0)
		return NULL;
	madvise(memory, size & -(size_t)LARGE_PAGE, MADV_HUGEPAGE);
	return memory;
}

/* An empty chunk with room for `size` bytes, linked in behind the current one. */
static struct chunk *chunk_new(struct arena *arena, size_t size)
{
	size_t room = size > arena->grow ? size : arena->grow;
	struct chunk *chunk;

	if (room > SIZE_MAX / 2)
		return NULL;
	chunk = get_memory(sizeof(*chunk) + room);
	if (!chunk) {
		arena->short_of_memory = true;
		return NULL;
	}

	if (arena->grow < CHUNK_MAX)
		arena->grow *= 2;
	chunk->size = room;
	chunk->used = 0;
	poison(chunk->bytes, chunk->size);

	struct chunk **link = arena->current ? &arena->current->next : &arena->first;

	chunk->next = *link;
	*link = chunk;
	return chunk;
}

/* Takes the first empty chunk with room from behind the current one, and links it in right there.
 */
static struct chunk *chunk_reuse(struct arena *arena, size_t size)
{
	if (!arena->current)
		return NULL;

	for (struct chunk **link = &arena->current->next; *link; link = &(*link)->next) {
		struct chunk *chunk = *link;

		if (chunk->size < size)
			continue;
		*link = chunk->next;
		chunk->next = arena->current->next;
		arena->current->next = chunk;
		return chunk;
	}
	return NULL;
}

static void *allocate(struct arena *arena, size_t size, size_t align)
{
	struct chunk *chunk = arena->current;

	if (size == 0)
		size = 1;
	if (size > arena->limit - arena->used || size > SIZE_MAX - GAP)
		return NULL;

	if (!chunk || !chunk_fits(chunk, size + GAP, align)) {
		chunk = chunk_reuse(arena, size + GAP);
		if (!chunk)
			chunk = chunk_new(arena, size + GAP);
		if (!chunk)
			return NULL;
		arena->current = chunk;
	}

	size_t padding = chunk_padding(chunk, align);

	if (padding > arena->limit - arena->used - size)
		return NULL;

	void *start = chunk->bytes + chunk->used + padding;

	chunk->used += padding + size + GAP;
	arena->used += padding + size;
	unpoison(start, size);
	return memset(start, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return allocate(arena, size, alignof(max_align_t));
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t product;

	if (__builtin_mul_overflow(count, size, &product))
		return NULL;
	return arena_alloc(arena, product);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy;

	if (length == SIZE_MAX)
		return NULL;
	copy = allocate(arena, length + 1, 1);
	if (copy && length > 0)
		memcpy(copy, text, length);
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	va_list again;
	char *text = NULL;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, arguments);
	if (length >= 0)
		text = allocate(arena, (size_t)length + 1, 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}

int arena_defer(struct arena *arena, void (*release)(void *pointer), void *pointer)
{
	struct deferred *deferred = arena_alloc(arena, sizeof(*deferred));

	if (!deferred)
		return -ENOMEM;
	deferred->release = release;
	deferred->pointer = pointer;
	deferred->before = arena->deferred;
	arena->deferred = deferred;
	return 0;
}

void arena_reset(struct arena *arena)
{
	release_deferred(arena);
	for (struct chunk *chunk = arena->first; chunk; chunk = chunk->next) {
		chunk->used = 0;
		poison(chunk->bytes, chunk->size);
	}
	arena->current = arena->first;
	arena->used = 0;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}

bool arena_was_short(const struct arena *arena)
{
	return arena->short_of_memory;
}
