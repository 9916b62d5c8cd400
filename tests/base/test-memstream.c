/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/memstream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The linker puts these in the place of realloc(3) (Makefile.inc). */
void *__real_realloc(void *block, size_t size); /* NOLINT(bugprone-reserved-identifier) */
void *__wrap_realloc(void *block, size_t size); /* NOLINT(bugprone-reserved-identifier) */

static unsigned until_failure; /* the so-many-th call from now; 0: none */

/* NOLINTNEXTLINE(bugprone-reserved-identifier) */
void *__wrap_realloc(void *block, size_t size)
{
	if (until_failure > 0 && --until_failure == 0)
		return NULL;
	return __real_realloc(block, size);
}

/* Writes as many lines; the result of closing. */
static int write_lines(unsigned count, char **ret_text, size_t *ret_size)
{
	FILE *out = memstream_open(ret_text, ret_size);

	assert_non_null(out);
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "line %06u\n", i);
	return fclose(out);
}

static void text_is_whole(void **state)
{
	static const unsigned counts[] = {1, 85, 86, 1000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char *text = NULL, line[24];
		size_t size = 0;

		assert_int_equal(write_lines(counts[i], &text, &size), 0);
		assert_int_equal(size, 12 * counts[i]);
		assert_int_equal(strlen(text), size);
		for (unsigned n = 0; n < counts[i]; n++) {
			snprintf(line, sizeof(line), "line %06u\n", n);
			assert_memory_equal(text + 12 * n, line, 12);
		}
		free(text);
	}
}

static void nothing_is_an_empty_text(void **state)
{
	char *text = NULL;
	size_t size = 1;

	(void)state;
	assert_int_equal(write_lines(0, &text, &size), 0);
	assert_int_equal(size, 0);
	assert_string_equal(text, "");
	free(text);
}

/* Room for a buffer of stdio(3), for twice as much and so on: each of the first ones is refused. */
static void no_memory_is_told_by_closing(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 6; n++) {
		static char untouched[] = "untouched";
		char *text = untouched;
		size_t size = 4711;

		until_failure = n;
		assert_int_equal(write_lines(100000, &text, &size), EOF);
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(until_failure, 0);
		assert_ptr_equal(text, untouched);
		assert_int_equal(size, 4711);
	}
}

/* Closing an empty stream takes the first byte of memory. */
static void no_memory_for_an_empty_text(void **state)
{
	char *text = NULL;
	size_t size = 0;

	(void)state;
	until_failure = 1;
	assert_int_equal(write_lines(0, &text, &size), EOF);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_whole),
		cmocka_unit_test(nothing_is_an_empty_text),
		cmocka_unit_test(no_memory_is_told_by_closing),
		cmocka_unit_test(no_memory_for_an_empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
