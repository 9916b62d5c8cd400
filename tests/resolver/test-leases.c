/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "resolver/leases.h"
#include "src/base/hash.h"

static const struct hash_key key = {{5, 6}};
static const struct mono start = {1000000};

static struct leases *leases;

static int set_up(void **state)
{
	(void)state;
	return leases_new(LEASES_MAX, &leases);
}

static int tear_down(void **state)
{
	(void)state;
	leases_free(leases);
	return 0;
}

static struct mono after(int64_t ms)
{
	return (struct mono){start.ms + ms};
}

static struct inaddr numbered(uint32_t number)
{
	return inaddr_from_ip4((uint8_t[]){(uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number});
}

static uint64_t hash_of(uint16_t map, const struct inaddr *address)
{
	struct hash_key of_map = {{key.k[0] ^ map, key.k[1]}};

	return hash_bytes(&of_map, address, sizeof(*address));
}

/* Opens it as the keeper does. False when there is no room. */
static bool open_lease(uint16_t map, uint32_t number, uint32_t mark, struct mono expires)
{
	struct inaddr address = numbered(number);
	struct lease *lease = leases_take(leases, hash_of(map, &address), map, &address, start);

	if (!lease)
		return false;
	lease->known = true;
	lease->mark = mark;
	lease->expires = expires;
	return true;
}

static struct lease *take(uint16_t map, uint32_t number, struct mono now)
{
	struct inaddr address = numbered(number);

	return leases_take(leases, hash_of(map, &address), map, &address, now);
}

static void a_new_place_is_not_known(void **state)
{
	const struct lease *lease = take(3, 7, start);
	struct inaddr address = numbered(7);

	(void)state;
	assert_non_null(lease);
	assert_false(lease->known);
	assert_int_equal(lease->map, 3);
	assert_int_equal(inaddr_compare(&lease->address, &address), 0);
}

static void a_lease_is_found_by_map_and_address(void **state)
{
	(void)state;
	assert_true(open_lease(1, 7, 100, after(1000)));
	assert_true(open_lease(2, 7, 200, after(1000)));
	assert_true(open_lease(1, 8, 300, after(1000)));
	assert_int_equal(take(1, 7, start)->mark, 100);
	assert_int_equal(take(2, 7, start)->mark, 200);
	assert_int_equal(take(1, 8, start)->mark, 300);
	assert_false(take(2, 8, start)->known);
}

static void the_same_address_has_a_lease_in_every_map(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < UINT16_MAX; i++) {
		leases_settle(leases, start);
		assert_true(open_lease((uint16_t)i, 7, i, after(1000)));
	}
	for (uint32_t i = 0; i < UINT16_MAX; i++)
		assert_int_equal(take((uint16_t)i, 7, start)->mark, i);
}

/* The kernel may hold it a little longer than was counted. */
static void a_lease_that_ended_lingers(void **state)
{
	(void)state;
	assert_true(open_lease(1, 7, 100, after(1000)));
	assert_true(take(1, 7, after(1000))->known);
	assert_true(take(1, 7, after(1000 + LEASES_LINGER_MS - 1))->known);
	assert_false(take(1, 7, after(1000 + LEASES_LINGER_MS))->known);
}

static void a_place_not_filled_in_is_free(void **state)
{
	(void)state;
	assert_non_null(take(1, 7, start));
	assert_false(take(1, 7, start)->known);
}

static void clearing_forgets_all(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		leases_settle(leases, start);
		assert_true(open_lease(1, i, i, after(1000)));
	}
	leases_clear(leases);
	for (uint32_t i = 0; i < 20000; i++)
		assert_false(take(1, i, start)->known);
}

static void settling_keeps_what_stands(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		leases_settle(leases, start);
		assert_true(open_lease(i % 5, i, i, after(1000 + i)));
	}
	for (uint32_t i = 0; i < 100000; i++) {
		const struct lease *lease = take(i % 5, i, start);

		assert_true(lease->known);
		assert_int_equal(lease->mark, i);
		assert_int_equal(lease->expires.ms, after(1000 + i).ms);
	}
}

static void settling_leaves_room_for_a_step(void **state)
{
	uint32_t number = 0;

	(void)state;
	for (unsigned step = 0; step < 20; step++) {
		leases_settle(leases, start);
		for (unsigned i = 0; i < LEASES_STEP; i++)
			assert_true(open_lease(1, number++, 1, after(1000)));
	}
}

/* Years of addresses that come and go fit where those of an hour do. */
static void places_are_used_again(void **state)
{
	struct mono now = start;

	(void)state;
	for (uint32_t i = 0; i < 4 * LEASES_MAX; i++) {
		struct inaddr address = numbered(i);
		struct lease *lease;

		now.ms++;
		leases_settle(leases, now);
		lease = leases_take(leases, hash_of(1, &address), 1, &address, now);
		assert_non_null(lease);
		assert_false(lease->known);
		lease->known = true;
		lease->expires = mono_add(now, (struct duration){5000});
	}
}

/* What it is for finds room, and no more: what stands is never pushed out. */
static void a_full_table_refuses(void **state)
{
	uint32_t opened = 0, standing = 0, number;

	(void)state;
	for (number = 0; number < 2 * LEASES_MAX; number++) {
		leases_settle(leases, start);
		opened += open_lease(1, number, 1, after(1000));
	}
	assert_int_equal(opened, LEASES_MAX);
	for (number = 0; number < 2 * LEASES_MAX; number++) {
		const struct lease *lease = take(1, number, start);

		standing += lease && lease->known;
	}
	assert_int_equal(standing, opened);
	/* When their time is over there is room again. */
	assert_non_null(take(1, number, after(1000 + LEASES_LINGER_MS)));
}

enum { FEW = 1000 };

/* At each moment FEW leases stand: who comes gets the place of one that ended, wherever that is,
 * and all others are found. */
static void a_full_table_gives_places_of_those_that_ended(void **state)
{
	struct mono now = start;

	(void)state;
	leases_free(leases);
	assert_int_equal(leases_new(FEW, &leases), 0);
	for (uint32_t i = 0; i < 50 * FEW; i++) {
		struct lease *lease;

		now.ms += (FEW + LEASES_LINGER_MS) / FEW;
		leases_settle(leases, now);
		lease = take(1, i, now);
		assert_non_null(lease);
		assert_false(lease->known);
		lease->known = true;
		lease->mark = i;
		lease->expires = mono_add(now, (struct duration){FEW});
		if (i % 97 != 0)
			continue;
		for (uint32_t j = i >= FEW ? i - FEW + 1 : 0; j <= i; j++) {
			lease = take(1, j, now);
			assert_true(lease && lease->known);
			assert_int_equal(lease->mark, j);
		}
	}
	assert_true(leases_places(leases) <= FEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_place_is_not_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_lease_is_found_by_map_and_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_same_address_has_a_lease_in_every_map, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lease_that_ended_lingers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_place_not_filled_in_is_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clearing_forgets_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settling_keeps_what_stands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settling_leaves_room_for_a_step, set_up, tear_down),
		cmocka_unit_test_setup_teardown(places_are_used_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_table_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_table_gives_places_of_those_that_ended, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
