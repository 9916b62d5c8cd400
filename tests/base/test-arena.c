/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"

static struct arena *new_arena(size_t limit)
{
	struct arena *arena = NULL;

	assert_int_equal(arena_new(limit, &arena), 0);
	assert_non_null(arena);
	return arena;
}

static void gives_zeroed_aligned_memory_that_stays(void **state)
{
	struct arena *arena = new_arena(1 << 22);
	unsigned char *kept[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		size_t size = 1 + i * 37;

		kept[i] = arena_alloc(arena, size);
		assert_non_null(kept[i]);
		assert_int_equal((uintptr_t)kept[i] % alignof(max_align_t), 0);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(kept[i][j], 0);
		memset(kept[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < 300; i++) {
		for (size_t j = 0; j < 1 + i * 37; j++)
			assert_int_equal(kept[i][j], i & 0xff);
	}
	arena_free(arena);
}

static void empty_allocations_are_not_null(void **state)
{
	struct arena *arena = new_arena(1000);
	void *a = arena_alloc(arena, 0);
	void *b = arena_array(arena, 0, 8);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	arena_free(arena);
}

static void holds_the_limit(void **state)
{
	struct arena *arena = new_arena(100);

	(void)state;
	assert_null(arena_alloc(arena, 101));
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 64));
	assert_int_equal(arena_used(arena), 64);
	assert_null(arena_alloc(arena, 37));
	assert_non_null(arena_alloc(arena, 36));
	assert_int_equal(arena_used(arena), 100);
	assert_null(arena_alloc(arena, 0));
	assert_null(arena_strndup(arena, "", 0));
	arena_reset(arena);
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_alloc(arena, 100));
	arena_free(arena);
}

static void alignment_counts_for_the_limit(void **state)
{
	struct arena *arena = new_arena(32);

	(void)state;
	assert_non_null(arena_strndup(arena, "", 0));
	assert_null(arena_alloc(arena, 32));
	assert_null(arena_alloc(arena, 31));
	assert_non_null(arena_alloc(arena, 16));
	assert_true(arena_used(arena) <= 32);
	arena_free(arena);
}

static void refuses_sizes_that_overflow(void **state)
{
	struct arena *arena = new_arena(SIZE_MAX);

	(void)state;
	assert_null(arena_array(arena, SIZE_MAX / 2, 3));
	assert_null(arena_array(arena, (size_t)1 << 33, (size_t)1 << 33));
	assert_null(arena_alloc(arena, SIZE_MAX));
	assert_null(arena_alloc(arena, SIZE_MAX - 8));
	assert_null(arena_strndup(arena, "x", SIZE_MAX));
	assert_int_equal(arena_used(arena), 0);
	arena_free(arena);
}

static void arrays_have_room_for_all(void **state)
{
	struct arena *arena = new_arena(1 << 20);
	uint64_t *numbers = arena_array(arena, 5000, sizeof(*numbers));
	char *behind = arena_strndup(arena, "behind", 6);

	(void)state;
	assert_non_null(numbers);
	for (size_t i = 0; i < 5000; i++) {
		assert_int_equal(numbers[i], 0);
		numbers[i] = UINT64_MAX;
	}
	assert_string_equal(behind, "behind");
	arena_free(arena);
}

static void copies_and_formats_strings(void **state)
{
	struct arena *arena = new_arena(1 << 16);
	char *copy = arena_strndup(arena, "abcdef", 3);
	char *none = arena_strndup(arena, NULL, 0);
	char *text = arena_printf(arena, "%s-%d", "x", 42);
	char *more = arena_printf(arena, "%5000d", 7);

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(none, "");
	assert_string_equal(text, "x-42");
	assert_int_equal(strlen(more), 5000);
	assert_int_equal(more[4999], '7');
	assert_null(arena_printf(arena, "%65536d", 7));
	arena_free(arena);
}

static void reset_keeps_memory_and_gives_it_zeroed(void **state)
{
	struct arena *arena = new_arena(1 << 20);
	unsigned char *first = arena_alloc(arena, 100);
	unsigned char *big = arena_alloc(arena, 100000);
	unsigned char *again;

	(void)state;
	memset(first, 0xaa, 100);
	memset(big, 0xaa, 100000);
	for (int life = 0; life < 3; life++) {
		arena_reset(arena);
		again = arena_alloc(arena, 100);
		assert_ptr_equal(again, first);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(again[i], 0);
		again = arena_alloc(arena, 100000);
		assert_ptr_equal(again, big);
		for (size_t i = 0; i < 100000; i++)
			assert_int_equal(again[i], 0);
		memset(first, 0xbb, 100);
		memset(big, 0xbb, 100000);
	}
	arena_free(arena);
}

static void reset_finds_the_chunk_that_fits(void **state)
{
	struct arena *arena = new_arena(1 << 24);
	unsigned char *small = arena_alloc(arena, 4000);
	unsigned char *middle = arena_alloc(arena, 7000);
	unsigned char *big = arena_alloc(arena, 3000000);

	(void)state;
	arena_reset(arena);
	assert_ptr_equal(arena_alloc(arena, 4000), small);
	assert_ptr_equal(arena_alloc(arena, 3000000), big);
	assert_ptr_equal(arena_alloc(arena, 7000), middle);
	arena_free(arena);
}

static void freep_forgets(void **state)
{
	struct arena *arena = new_arena(100);

	(void)state;
	arena_freep(&arena);
	assert_null(arena);
	arena_freep(&arena);
	arena_free(NULL);
}

static void works_as_a_cleanup(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		__attribute__((cleanup(arena_freep))) struct arena *arena = new_arena(100);

		assert_non_null(arena_alloc(arena, 50));
	}
}

/* Released things, in their order. */
static char released[8];

static void release(void *pointer)
{
	const char *name = pointer;

	released[strlen(released)] = *name;
}

static void releases_the_last_first(void **state)
{
	struct arena *arena = new_arena(1 << 16);

	(void)state;
	memset(released, 0, sizeof(released));
	for (const char *name = "abc"; *name; name++) {
		char *copy = arena_strndup(arena, name, 1);

		assert_int_equal(arena_defer(arena, release, copy), 0);
		assert_non_null(arena_alloc(arena, 5000));
	}
	assert_string_equal(released, "");
	arena_free(arena);
	assert_string_equal(released, "cba");
}

static void reset_releases_once(void **state)
{
	struct arena *arena = new_arena(1000);

	(void)state;
	memset(released, 0, sizeof(released));
	assert_int_equal(arena_defer(arena, release, arena_strndup(arena, "a", 1)), 0);
	arena_reset(arena);
	assert_string_equal(released, "a");
	arena_reset(arena);
	assert_int_equal(arena_defer(arena, release, arena_strndup(arena, "b", 1)), 0);
	arena_free(arena);
	assert_string_equal(released, "ab");
}

static void what_cannot_be_deferred_stays_the_callers(void **state)
{
	struct arena *arena = new_arena(8);
	char name[] = "x";

	(void)state;
	memset(released, 0, sizeof(released));
	assert_int_equal(arena_defer(arena, release, name), -ENOMEM);
	arena_free(arena);
	assert_string_equal(released, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zeroed_aligned_memory_that_stays),
		cmocka_unit_test(empty_allocations_are_not_null),
		cmocka_unit_test(holds_the_limit),
		cmocka_unit_test(alignment_counts_for_the_limit),
		cmocka_unit_test(refuses_sizes_that_overflow),
		cmocka_unit_test(arrays_have_room_for_all),
		cmocka_unit_test(copies_and_formats_strings),
		cmocka_unit_test(reset_keeps_memory_and_gives_it_zeroed),
		cmocka_unit_test(reset_finds_the_chunk_that_fits),
		cmocka_unit_test(releases_the_last_first),
		cmocka_unit_test(reset_releases_once),
		cmocka_unit_test(what_cannot_be_deferred_stays_the_callers),
		cmocka_unit_test(freep_forgets),
		cmocka_unit_test(works_as_a_cleanup),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
