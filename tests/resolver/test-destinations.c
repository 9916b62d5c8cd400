/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "resolver/destinations.h"

static const struct hash_key key = {{1, 2}}, other_key = {{3, 4}};

static struct destinations *make(uint32_t most)
{
	struct destinations *destinations = NULL;

	assert_int_equal(destinations_new(most, &destinations), 0);
	return destinations;
}

static struct destination address(uint32_t number)
{
	const uint8_t bytes[4] = {
		11, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	const struct inaddr from = inaddr_from_ip4(bytes);
	struct destination destination;

	memcpy(destination.bytes, from.bytes, sizeof(destination.bytes));
	return destination;
}

static struct destination named(const struct hash_key *by, unsigned number, bool unknown)
{
	struct name name;
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.com", number);
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return destination_of_name(by, &name, unknown);
}

static void what_was_added_is_there(void **state)
{
	struct destinations *destinations = make(1000);

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		const struct destination one = i % 2 ? address(i) : named(&key, i, false);

		assert_false(destinations_has(destinations, &one));
		destinations_add(destinations, &one, i % 4 == 1);
		destinations_add(destinations, &one, true);
		assert_true(destinations_has(destinations, &one));
	}
	for (uint32_t i = 0; i < 1000; i++) {
		const struct destination one = i % 2 ? address(i) : named(&key, i, false);
		const struct destination none = i % 2 ? named(&key, i, false) : address(i);

		assert_true(destinations_has(destinations, &one));
		assert_false(destinations_has(destinations, &none));
	}
	assert_int_equal(destinations_count(destinations).all, 1000);
	assert_int_equal(destinations_count(destinations).unknown, 250);
	destinations_clear(destinations);
	assert_int_equal(destinations_count(destinations).all, 0);
	for (uint32_t i = 1; i < 1000; i += 2) {
		const struct destination one = address(i);

		assert_false(destinations_has(destinations, &one));
	}
	destinations_free(destinations);
}

/* A name that was counted without a category is the same when it has one. */
static void a_category_does_not_make_another_name(void **state)
{
	const struct destination known = named(&key, 1, false), unknown = named(&key, 1, true);
	struct destinations *destinations = make(10);

	(void)state;
	assert_memory_not_equal(known.bytes, unknown.bytes, sizeof(known.bytes));
	destinations_add(destinations, &unknown, true);
	assert_true(destinations_has(destinations, &known));
	destinations_add(destinations, &known, false);
	assert_int_equal(destinations_count(destinations).all, 1);
	assert_int_equal(destinations_count(destinations).unknown, 1);
	destinations_free(destinations);
}

static void what_finds_no_room_is_not_there(void **state)
{
	enum { MOST = 1 << 16 };
	struct destinations *destinations = make(1);
	const struct destination more = address(MOST), first = address(0);

	(void)state;
	for (uint32_t i = 0; i < MOST; i++) {
		const struct destination one = address(i);

		destinations_add(destinations, &one, false);
	}
	assert_int_equal(destinations_count(destinations).all, MOST);
	destinations_add(destinations, &more, false);
	destinations_add(destinations, &first, false);
	assert_false(destinations_has(destinations, &more));
	assert_true(destinations_has(destinations, &first));
	destinations_free(destinations);
}

static void a_ceiling_may_be_any_number(void **state)
{
	static const uint32_t ceilings[] = {1, 2, 3, 65536, UINT32_MAX};
	const struct destination one = address(1), two = named(&key, 1, true);

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		struct destinations *destinations = make(ceilings[i]);

		assert_false(destinations_has(destinations, &one));
		destinations_add(destinations, &one, false);
		destinations_add(destinations, &two, true);
		assert_true(destinations_has(destinations, &one));
		assert_true(destinations_has(destinations, &two));
		destinations_free(destinations);
	}
}

static void names_and_addresses_are_told_apart(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		const struct destination known = named(&key, i, false), bare = address(i);
		const struct destination unknown = named(&key, i, true);
		const struct destination other = named(&other_key, i, false);
		const struct inaddr back = destination_address(&bare);
		bool is_unknown = true;

		assert_true(destination_is_name(&known, &is_unknown));
		assert_false(is_unknown);
		assert_true(destination_is_name(&unknown, &is_unknown));
		assert_true(is_unknown);
		assert_false(destination_is_name(&bare, &is_unknown));
		assert_true(inaddr_is_ip4(&back));
		assert_memory_equal(back.bytes, bare.bytes, sizeof(back.bytes));
		assert_memory_not_equal(known.bytes, other.bytes, sizeof(known.bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_there),
		cmocka_unit_test(a_category_does_not_make_another_name),
		cmocka_unit_test(what_finds_no_room_is_not_there),
		cmocka_unit_test(a_ceiling_may_be_any_number),
		cmocka_unit_test(names_and_addresses_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
