/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/namering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

static const struct hash_key key = {{5, 6}};

static struct namering *ring;

static int set_up(void **state)
{
	(void)state;
	return namering_new(4096, &key, &ring);
}

static int tear_down(void **state)
{
	(void)state;
	namering_free(ring);
	return 0;
}

static struct name numbered(unsigned number)
{
	struct name name;
	char text[64];

	/* Of many lengths */
	snprintf(text, sizeof(text), "n%u.%.*s.test", number, 1 + (int)(number % 23),
		"abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static uint32_t put(unsigned number)
{
	struct name name = numbered(number);
	uint32_t given = namering_put(ring, &name);

	assert_int_not_equal(given, 0);
	return given;
}

static bool is_there(uint32_t given, unsigned number)
{
	struct name wanted = numbered(number), found;

	if (!namering_get(ring, given, &found))
		return false;
	assert_true(name_equal(&found, &wanted));
	return true;
}

static void a_name_is_found_by_its_number(void **state)
{
	uint32_t first = put(1), second = put(2);

	(void)state;
	assert_int_not_equal(first, second);
	assert_true(is_there(first, 1));
	assert_true(is_there(second, 2));
}

static void a_name_keeps_its_number(void **state)
{
	uint32_t first = put(1);

	(void)state;
	put(2);
	assert_int_equal(put(1), first);
}

static void what_was_never_given_is_not_found(void **state)
{
	struct name name;

	(void)state;
	put(1);
	for (uint32_t number = 0; number < 3000; number++)
		if (number != 1)
			assert_false(namering_get(ring, number, &name));
	assert_false(namering_get(ring, UINT32_MAX, &name));
}

static void the_longest_name_fits(void **state)
{
	struct name name = {.length = NAME_WIRE_MAX}, found;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t given;

		memset(name.wire, (int)('a' + i % 26), sizeof(name.wire));
		given = namering_put(ring, &name);
		assert_true(namering_get(ring, given, &found));
		assert_true(name_equal(&found, &name));
		put(i);
	}
}

/* What is found is always the right one, and what was put last is found. */
static void the_oldest_give_way(void **state)
{
	uint32_t given[5000];
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		given[i] = put(i);
		assert_true(is_there(given[i], i));
		assert_true(i < 40 || is_there(given[i - 40], i - 40));
		assert_false(i >= 200 && is_there(given[i - 200], i - 200));
	}
	for (unsigned i = 0; i < 5000; i++)
		known += is_there(given[i], i);
	assert_in_range(known, 50, 200);
}

/* A name that is asked for all the time is always known. */
static void one_in_use_stays(void **state)
{
	uint32_t given = put(7);

	(void)state;
	for (unsigned i = 100; i < 5000; i++) {
		put(i);
		if (i % 20 == 0) {
			assert_true(is_there(given, 7));
			given = put(7);
		}
	}
	assert_true(is_there(given, 7));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_found_by_its_number),
		TEST(a_name_keeps_its_number),
		TEST(what_was_never_given_is_not_found),
		TEST(the_longest_name_fits),
		TEST(the_oldest_give_way),
		TEST(one_in_use_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
