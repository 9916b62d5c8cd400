/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_ARENA_H
#define EGRESS_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Memory with one lifetime: many allocations, one release. Never frees one by one. What a library
 * allocates can be tied to it: see arena_defer(). */
struct arena;

/* A new arena that will hold at most `limit` bytes of allocations. 0, or -ENOMEM. */
int arena_new(size_t limit, struct arena **ret_arena);

/* Releases the arena and everything allocated from it. NULL is allowed. */
void arena_free(struct arena *arena);

/* For __attribute__((cleanup)): releases *arena. */
void arena_freep(struct arena **arena);

/* `size` zeroed bytes, aligned for any type; NULL when the limit or the machine's memory is
 * reached. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` zeroed objects of `size` bytes each; NULL also when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of the first `length` bytes of `text`; NULL as arena_alloc(). */
char *arena_strndup(struct arena *arena, const char *text, size_t length);

/* A formatted, NUL-terminated string; NULL as arena_alloc(). */
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/* Has `release(pointer)` called when the arena is freed or reset, the last deferred first, while
 * the arena's memory is still there. 0; or -ENOMEM, and then `pointer` stays the caller's. */
int arena_defer(struct arena *arena, void (*release)(void *pointer), void *pointer);

/* Forgets all allocations and keeps the memory for the next ones. */
void arena_reset(struct arena *arena);

/* Bytes handed out since the last reset, the gaps that alignment leaves included; this is what
 * the limit holds. */
size_t arena_used(const struct arena *arena);

/* Whether an allocation that the limit allows has failed since the arena is there. */
bool arena_was_short(const struct arena *arena);

#endif
