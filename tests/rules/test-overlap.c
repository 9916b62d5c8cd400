/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/host.h"
#include "rules/overlap.h"
#include "src/base/arena.h"
#include "tests/rules/sketch.h"

static int setup(void **state)
{
	return arena_new(64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* A fixed sequence (Knuth's MMIX constants), so that a failure can be repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

static const char *const texts[] = {"example", "a.example", "b.example", "a.b.example", "*.example",
	"**.example", "*.b.example", "**.b.example", "a*.example", "*b.example", "a.*.example",
	"*c.*", "10.0.0.0/8", "10.1.0.0/16", "10.16.0.0/12", "10.17.0.0-10.18.0.5", "10.0.0.1",
	"0.0.0.0/0", "::/0", "2001:db8::/33", "2001:db8:8000::/33", "2001:db8::1",
	"::fffe:0:0-::1:0:0:5"};

enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

/* All of them as entries of one policy, from which items are drawn. */
static struct policy *make_world(struct arena *arena)
{
	const char *lines[TEXTS + 1] = {0};

	for (unsigned i = 0; i < TEXTS; i++)
		lines[i] = texts[i];
	return sketch_policy(arena, lines);
}

static struct overlap_item draw_item(const struct policy *world, unsigned n_groups)
{
	const struct entry *entry = &world->entries[random_below(TEXTS)];
	struct overlap_item item = {
		.kind = entry->n_hosts > 0 ? OVERLAP_NAMES : OVERLAP_ADDRESSES,
		.trait = random_below(3),
		.hash = (uint64_t)random_below(1u << 30) << 30 | 1,
	};

	if (random_below(12) > 0) {
		item.host = entry->n_hosts > 0 ? &entry->hosts[0] : NULL;
		item.range = entry->n_hosts > 0 ? NULL : &entry->addresses[0].range;
	}
	item.rest = random_below(4) == 0;
	for (unsigned i = 0; i < 3; i++)
		item.groups |= UINT64_C(1) << random_below(n_groups);
	if (item.rest && random_below(2) == 0)
		item.groups = 0;
	return item;
}

/* By the definition. */
static bool counts(const struct overlap_item *item, const struct overlap_item *query)
{
	if (item->kind != query->kind ||
		(!(item->groups & query->groups) && !(item->rest && query->rest)) ||
		(query->trait != 0 && item->trait == query->trait))
		return false;
	if (item->host && query->host)
		return host_overlaps(item->host, query->host);
	if (item->range && query->range)
		return inaddr_is_ip4(&item->range->first) == inaddr_is_ip4(&query->range->first) &&
		       inaddr_compare(&item->range->first, &query->range->last) <= 0 &&
		       inaddr_compare(&query->range->first, &item->range->last) <= 0;
	return true;
}

/* Whether the item is part of the sum that the others come to as well. */
static bool is_counted(const struct overlap_item *items, unsigned n_items, unsigned which,
	const struct overlap_item *query)
{
	struct overlap *all, *others;
	uint64_t difference;

	assert_int_equal(overlap_new(&all), 0);
	assert_int_equal(overlap_new(&others), 0);
	for (unsigned i = 0; i < n_items; i++) {
		struct overlap_item item = items[i];

		assert_int_equal(overlap_add(all, &item), 0);
		/* Something else in its place, so that cells are the same. */
		item.hash += i == which ? 2 : 0;
		assert_int_equal(overlap_add(others, &item), 0);
	}
	difference = overlap_sum(all, query) - overlap_sum(others, query);
	overlap_free(all);
	overlap_free(others);
	return difference != 0;
}

/* Few items: exactly those that overlap. */
static void test_few_are_looked_at_closely(void **state)
{
	const struct policy *world = make_world(*state);
	unsigned counted = 0;

	random_state = 3;
	for (unsigned round = 0; round < 3000; round++) {
		struct overlap_item items[8], query = draw_item(world, 4);
		unsigned n_items = 1 + random_below(8), which;

		for (unsigned i = 0; i < n_items; i++)
			items[i] = draw_item(world, 4);
		which = random_below(n_items);
		assert_int_equal(
			is_counted(items, n_items, which, &query), counts(&items[which], &query));
		counted += counts(&items[which], &query);
	}
	assert_true(counted > 300);
}

/* Many, with more combinations of ports than are told apart: none is left out. */
static void test_many_are_counted(void **state)
{
	const struct policy *world = make_world(*state);
	static struct overlap_item items[600];

	random_state = 4;
	for (unsigned round = 0; round < 200; round++) {
		struct overlap_item query = draw_item(world, 60);
		unsigned which = random_below(600);

		for (unsigned i = 0; i < 600; i++)
			items[i] = draw_item(world, 60);
		if (counts(&items[which], &query))
			assert_true(is_counted(items, 600, which, &query));
	}
}

/* What was told apart once counts still when it isn't any more. */
static void test_merged_keep_their_ports(void **state)
{
	const struct policy *world = make_world(*state);
	struct overlap_item item = {
		.kind = OVERLAP_NAMES, .host = &world->entries[1].hosts[0], .hash = 1};
	struct overlap *overlap;

	assert_int_equal(overlap_new(&overlap), 0);
	for (unsigned i = 0; i < 64; i++) {
		item.groups = UINT64_C(1) << i;
		assert_int_equal(overlap_add(overlap, &item), 0);
		assert_int_equal(overlap_sum(overlap, &item), 1);
	}
	item.groups = 0;
	item.rest = true;
	assert_int_equal(overlap_add(overlap, &item), 0);
	for (unsigned i = 0; i < 64; i++) {
		struct overlap_item query = item;

		query.rest = false;
		query.groups = UINT64_C(1) << i;
		assert_int_equal(overlap_sum(overlap, &query), 65);
	}
	assert_int_equal(overlap_sum(overlap, &item), 65);
	overlap_free(overlap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_few_are_looked_at_closely, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merged_keep_their_ports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
