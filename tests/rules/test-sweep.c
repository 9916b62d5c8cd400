/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rules/sweep.h"
#include "tests/rules/sketch.h"

enum { SIZE = 40, CLAIMS_MAX = 16, FIELDS = 3 };

/* A fixed sequence (Knuth's MMIX constants), so that a failure can be repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

/* A claim to a part of a small world, by the numbers of its addresses. */
struct small {
	unsigned first, last, owner;
};

/* Which fields an owner is in: any of the three, also none. */
static uint32_t fields_of(const void *context, uint32_t owner)
{
	(void)context;
	return owner * 5 % 8;
}

static uint32_t first_field(const void *context, uint32_t owner)
{
	(void)context;
	(void)owner;
	return 1;
}

/* Who has the address by the definition. */
static uint32_t winner_by_definition(
	const struct small *claims, unsigned n_claims, unsigned at, unsigned field)
{
	const struct small *best = NULL;

	for (const struct small *claim = claims; claim < claims + n_claims; claim++) {
		unsigned width = claim->last - claim->first;

		if (at < claim->first || at > claim->last ||
			!(fields_of(NULL, claim->owner) >> field & 1))
			continue;
		if (!best || width < best->last - best->first ||
			(width == best->last - best->first && claim->owner < best->owner))
			best = claim;
	}
	return best ? best->owner : SWEEP_NOBODY;
}

/* Walks the claims and holds each address against the definition. */
static void check_walk(struct sweep *sweep, const struct inaddr *addresses,
	const struct small *claims, unsigned n_claims)
{
	uint32_t winners[FIELDS];
	struct inaddr expected;
	struct range piece;
	bool begun = false;
	unsigned covered[SIZE] = {0};

	while (sweep_next(sweep, &piece, winners)) {
		if (begun)
			assert_int_equal(inaddr_compare(&piece.first, &expected), 0);
		begun = true;
		if (!inaddr_next(&piece.last, &expected))
			expected = (struct inaddr){{0}};
		for (unsigned at = 0; at < SIZE; at++) {
			if (!range_contains(&piece, &addresses[at]))
				continue;
			covered[at]++;
			for (unsigned field = 0; field < FIELDS; field++)
				assert_int_equal(winners[field],
					winner_by_definition(claims, n_claims, at, field));
		}
	}
	for (unsigned at = 0; at < SIZE; at++)
		for (unsigned i = 0; i < n_claims; i++)
			if (claims[i].first <= at && at <= claims[i].last &&
				fields_of(NULL, claims[i].owner) != 0)
				assert_int_equal(covered[at], 1);
}

static struct claims *pack(
	const struct inaddr *addresses, const struct small *claims, unsigned n_claims)
{
	struct claims *packed;

	assert_int_equal(claims_new(inaddr_is_ip4(&addresses[0]), n_claims, &packed), 0);
	for (unsigned i = 0; i < n_claims; i++)
		claims_add(packed,
			&(struct range){addresses[claims[i].first], addresses[claims[i].last]},
			claims[i].owner);
	assert_int_equal(claims_sort(packed), 0);
	return packed;
}

static void draw_claims(struct small *claims, unsigned n_claims)
{
	for (unsigned i = 0; i < n_claims; i++) {
		unsigned a = random_below(SIZE), b = random_below(SIZE);

		claims[i] = (struct small){a < b ? a : b, a < b ? b : a, random_below(10)};
	}
}

static void check_random(const struct inaddr *addresses)
{
	struct small claims[CLAIMS_MAX];
	unsigned n_claims = random_below(CLAIMS_MAX);
	struct claims *packed;
	struct sweep *sweep;

	draw_claims(claims, n_claims);
	packed = pack(addresses, claims, n_claims);
	assert_int_equal(sweep_new(packed, FIELDS, fields_of, NULL, &sweep), 0);
	check_walk(sweep, addresses, claims, n_claims);
	sweep_rewind(sweep);
	check_walk(sweep, addresses, claims, n_claims);
	sweep_free(sweep);
	claims_free(packed);
}

/* How many of `from` have an address of `near`, by the definition. */
static size_t near_by_definition(
	const struct small *from, unsigned n_from, const struct small *near, unsigned n_near)
{
	size_t count = 0;

	for (unsigned i = 0; i < n_from; i++) {
		bool found = false;

		for (unsigned j = 0; j < n_near; j++)
			found |= from[i].first <= near[j].last && near[j].first <= from[i].last;
		count += found;
	}
	return count;
}

static void check_near(const struct inaddr *addresses)
{
	struct small from[CLAIMS_MAX], near[CLAIMS_MAX];
	unsigned n_from = random_below(CLAIMS_MAX), n_near = random_below(3);
	struct claims *packed_from, *packed_near, *both;
	size_t expected;

	draw_claims(from, n_from);
	draw_claims(near, n_near);
	expected = near_by_definition(from, n_from, near, n_near);
	packed_from = pack(addresses, from, n_from);
	packed_near = pack(addresses, near, n_near);
	assert_int_equal(claims_add_near(NULL, packed_from, packed_near), expected);
	assert_int_equal(claims_count(packed_near), n_near);
	assert_int_equal(claims_new(inaddr_is_ip4(&addresses[0]), n_from + n_near, &both), 0);
	for (unsigned i = 0; i < n_near; i++)
		claims_add(both, &(struct range){addresses[near[i].first], addresses[near[i].last]},
			near[i].owner);
	assert_int_equal(claims_sort(both), 0);
	assert_int_equal(claims_add_near(both, packed_from, both), expected);
	assert_int_equal(claims_count(both), n_near + expected);
	claims_free(packed_from);
	claims_free(packed_near);
	claims_free(both);
}

/* The middle, the ends of the families, and around the IPv4-mapped block. */
static const char *const worlds[] = {"192.0.2.250", "0.0.0.0", "255.255.255.216",
	"::", "2001:db8::fff0", "::fffe:ffff:ffe8", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffd8",
	"2001:db8:0:0:ffff:ffff:ffff:fff0"};

static void test_random(void **state)
{
	struct inaddr addresses[SIZE];

	(void)state;
	random_state = 2;
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		addresses[0] = sketch_address(worlds[i]);
		for (unsigned j = 1; j < SIZE; j++)
			assert_true(inaddr_next(&addresses[j - 1], &addresses[j]));
		for (unsigned round = 0; round < 400; round++) {
			check_random(addresses);
			check_near(addresses);
		}
	}
}

static void expect_piece(struct sweep *sweep, const char *range, uint32_t winner)
{
	char text[INADDR_TEXT];
	struct range piece;
	uint32_t found;

	assert_true(sweep_next(sweep, &piece, &found));
	assert_string_equal(range_to_text(&piece, text), range);
	assert_int_equal(found, winner);
}

/* Widths of 128 bits are compared whole. */
static void test_wide(void **state)
{
	static const char *const ends[][2] = {{"2001::", "2003::ffff"}, {"2001::", "2002:ffff::"},
		{"2001::5", "2001:0:0:1::4"}, {"2001::5", "2001:0:0:1::3"}};
	struct claims *claims;
	struct sweep *sweep;
	struct range piece;
	uint32_t winner;

	(void)state;
	assert_int_equal(claims_new(false, 4, &claims), 0);
	for (uint32_t i = 0; i < 4; i++)
		claims_add(claims,
			&(struct range){sketch_address(ends[i][0]), sketch_address(ends[i][1])}, i);
	assert_int_equal(claims_sort(claims), 0);
	assert_int_equal(sweep_new(claims, 1, first_field, NULL, &sweep), 0);
	expect_piece(sweep, "2001::-2001::4", 1);
	expect_piece(sweep, "2001::5-2001:0:0:1::3", 3);
	expect_piece(sweep, "2001:0:0:1::4", 2);
	expect_piece(sweep, "2001:0:0:1::5-2002:ffff::", 1);
	expect_piece(sweep, "2002:ffff::1-2003::ffff", 0);
	assert_false(sweep_next(sweep, &piece, &winner));
	assert_false(sweep_next(sweep, &piece, &winner));
	sweep_free(sweep);
	claims_free(claims);
}

/* A range around the IPv4-mapped block is narrower by that: as wide as one that isn't. */
static void test_width_around_mapped(void **state)
{
	struct claims *claims;
	struct sweep *sweep;

	(void)state;
	assert_int_equal(claims_new(false, 2, &claims), 0);
	claims_add(claims,
		&(struct range){sketch_address("::fffe:ffff:fff0"), sketch_address("::1:0:0:1f")},
		0);
	claims_add(claims,
		&(struct range){sketch_address("::1:0:0:10"), sketch_address("::1:0:0:3f")}, 1);
	assert_int_equal(claims_sort(claims), 0);
	assert_int_equal(sweep_new(claims, 1, first_field, NULL, &sweep), 0);
	expect_piece(sweep, "::fffe:ffff:fff0-::1:0:0:f", 0);
	expect_piece(sweep, "::1:0:0:10/124", 0);
	expect_piece(sweep, "::1:0:0:20/123", 1);
	sweep_free(sweep);
	claims_free(claims);
}

/* In a pile of nested claims, and in claims that come in the wrong order. */
static void test_many(void **state)
{
	enum { MANY = 3000 };
	struct claims *claims;
	struct sweep *sweep;
	struct range piece;
	uint32_t winner;
	unsigned count = 0;

	(void)state;
	assert_int_equal(claims_new(true, MANY, &claims), 0);
	for (uint32_t i = MANY; i-- > 0;) {
		uint8_t first[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
		uint8_t last[4] = {11, 0, (uint8_t)((MANY - i) >> 8), (uint8_t)(MANY - i)};

		claims_add(
			claims, &(struct range){inaddr_from_ip4(first), inaddr_from_ip4(last)}, i);
	}
	assert_int_equal(claims_sort(claims), 0);
	assert_int_equal(sweep_new(claims, 1, first_field, NULL, &sweep), 0);
	for (; sweep_next(sweep, &piece, &winner); count++)
		assert_int_equal(winner, count < MANY ? count : 2 * MANY - 2 - count);
	assert_int_equal(count, 2 * MANY - 1);
	sweep_free(sweep);
	claims_free(claims);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_width_around_mapped),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
