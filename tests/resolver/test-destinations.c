/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "resolver/destinations.h"

static struct destinations *make(uint32_t most)
{
	struct destinations *destinations = NULL;

	assert_int_equal(destinations_new(most, &destinations), 0);
	return destinations;
}

static void what_was_added_is_there(void **state)
{
	struct destinations *destinations = make(1000);

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_false(destinations_has(destinations, 1 + 12345 * i));
		destinations_add(destinations, 1 + 12345 * i);
		assert_true(destinations_has(destinations, 1 + 12345 * i));
	}
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(destinations_has(destinations, 1 + 12345 * i));
		assert_false(destinations_has(destinations, 2 + 12345 * i));
	}
	destinations_clear(destinations);
	for (uint32_t i = 0; i < 1000; i++)
		assert_false(destinations_has(destinations, 1 + 12345 * i));
	destinations_add(destinations, 7);
	assert_true(destinations_has(destinations, 7));
	destinations_free(destinations);
}

/* 4 places in all: what begins at one may lie in any. */
static void marks_of_one_place_keep_apart(void **state)
{
	struct destinations *destinations = make(2);

	(void)state;
	destinations_add(destinations, 3);
	destinations_add(destinations, 7);
	assert_true(destinations_has(destinations, 3));
	assert_true(destinations_has(destinations, 7));
	assert_false(destinations_has(destinations, 11));
	/* It is full; what is in it may come again. */
	destinations_add(destinations, 11);
	destinations_add(destinations, 3);
	assert_false(destinations_has(destinations, 11));
	assert_true(destinations_has(destinations, 3));
	destinations_free(destinations);
}

static void a_ceiling_may_be_any_number(void **state)
{
	static const uint32_t ceilings[] = {1, 2, 3, 65536, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		struct destinations *destinations = make(ceilings[i]);

		assert_false(destinations_has(destinations, 1));
		destinations_add(destinations, INT32_MAX);
		assert_true(destinations_has(destinations, INT32_MAX));
		assert_false(destinations_has(destinations, 1));
		destinations_free(destinations);
	}
}

static void a_mark_has_31_bits_and_is_never_0(void **state)
{
	const struct hash_key keys[] = {{{1, 2}}, {{3, 4}}};
	uint32_t all = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct name name;
		char text[32];

		snprintf(text, sizeof(text), "n%u.example.com", i);
		assert_int_equal(name_from_text(text_of(text), &name), 0);
		uint32_t mark = destinations_mark(&keys[0], &name);
		assert_in_range(mark, 1, INT32_MAX);
		assert_int_equal(mark, destinations_mark(&keys[0], &name));
		assert_int_not_equal(mark, destinations_mark(&keys[1], &name));
		all |= mark;
	}
	assert_int_equal(all, INT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_there),
		cmocka_unit_test(marks_of_one_place_keep_apart),
		cmocka_unit_test(a_ceiling_may_be_any_number),
		cmocka_unit_test(a_mark_has_31_bits_and_is_never_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
