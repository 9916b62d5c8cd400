/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What has been spent stays spent when the policy is read again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/guard.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

#define HEAD "version = 1\nname = \"g\"\n"
#define LAB "[[allow]]\nhost = \"*.lab.example\"\n"
#define FAR "[[allow]]\nhost = \"**.far.example\"\n"
#define NAMES "[budget]\nwildcard_names = 10\non_exceed = \"refuse\"\n"
#define BYTES "[limits]\nwildcard_bytes = \"100/minute\"\n"
#define QUERIES "[limits]\nqueries = \"20/minute\"\nqueries_per_client = \"10/minute\"\n"

enum { GUARDS = 4 };

static struct arena *arenas[GUARDS];
static struct compiled compiled[GUARDS];
static struct guard *guards[GUARDS];
static struct guard *latest;
static const struct mono at = {.ms = 1000000};

/* The policy as it is read for the n-th time; no more is spent than under the one before. */
static void make(unsigned n, const char *text)
{
	const struct compile_options options = {
		.policy = "p.toml", .text = text, .size = strlen(text)};

	assert_int_equal(arena_new((size_t)64 << 20, &arenas[n]), 0);
	assert_int_equal(compile_policy(arenas[n], &options, diag_new(arenas[n]), &compiled[n]), 0);
	assert_int_equal(guard_new(compiled[n].layers, &guards[n]), 0);
	if (latest)
		assert_int_equal(guard_inherit(guards[n], latest), 0);
	latest = guards[n];
}

static int tear_down(void **state)
{
	(void)state;
	latest = NULL;
	for (unsigned i = 0; i < GUARDS; i++) {
		guard_free(guards[i]);
		arena_free(arenas[i]);
		guards[i] = NULL;
		arenas[i] = NULL;
	}
	return 0;
}

/* How many of so many names, from `first` on, are refused under the n-th. */
static unsigned count_refused(unsigned n, const char *below, unsigned first, unsigned count)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < count; i++) {
		struct match_result result;
		struct name name;
		char text[64];

		snprintf(text, sizeof(text), "n%u.%s", first + i, below);
		assert_int_equal(name_from_text(text_of(text), &name), 0);
		match_name(compiled[n].match, &name, &result);
		refused += guard_name(guards[n], &name, &result, at).refused;
	}
	return refused;
}

static void names_stay_counted(void **state)
{
	(void)state;
	make(0, HEAD LAB NAMES);
	assert_int_equal(count_refused(0, "lab.example", 0, 8), 0);
	make(1, HEAD LAB NAMES);
	assert_int_equal(count_refused(1, "lab.example", 0, 8), 0);
	assert_int_equal(count_refused(1, "lab.example", 8, 10), 8);
	make(2, HEAD LAB NAMES);
	assert_int_equal(count_refused(2, "lab.example", 18, 10), 10);
	assert_int_equal(count_refused(2, "lab.example", 0, 10), 0);
}

static void bytes_stay_spent(void **state)
{
	unsigned refused;

	(void)state;
	make(0, HEAD LAB BYTES);
	refused = count_refused(0, "lab.example", 10, 90);
	assert_in_range(refused, 1, 89);
	make(1, HEAD LAB BYTES);
	assert_int_equal(count_refused(1, "lab.example", 110, 90), 90);
	/* Asked again within the minute. */
	assert_int_equal(count_refused(1, "far.example", 0, 10), 0);
}

static void queries_stay_spent(void **state)
{
	const struct inaddr client = inaddr_from_ip4((const uint8_t[]){192, 0, 2, 1});
	unsigned served = 0, of_client = 0;

	(void)state;
	make(0, HEAD LAB QUERIES);
	for (unsigned i = 0; i < 15; i++)
		served += guard_query(guards[0], at);
	for (unsigned i = 0; i < 7; i++)
		of_client += guard_client(guards[0], &client, at);
	make(1, HEAD LAB QUERIES);
	for (unsigned i = 0; i < 30; i++)
		served += guard_query(guards[1], at);
	for (unsigned i = 0; i < 30; i++)
		of_client += guard_client(guards[1], &client, at);
	assert_int_equal(served, 20);
	assert_int_equal(of_client, 10);
}

static void entries_are_known_by_what_they_say(void **state)
{
	(void)state;
	make(0, HEAD LAB NAMES);
	assert_int_equal(count_refused(0, "lab.example", 0, 10), 0);
	/* Another entry is in its place, with an account of its own. */
	make(1, HEAD FAR LAB NAMES);
	assert_int_equal(count_refused(1, "lab.example", 10, 5), 5);
	assert_int_equal(count_refused(1, "far.example", 0, 10), 0);
	assert_int_equal(count_refused(1, "far.example", 10, 5), 5);
	/* One that says something else is another one. */
	make(2, HEAD "[[allow]]\nhost = \"*.lab.example\"\nports = [\"tcp/80\"]\n" FAR NAMES);
	assert_int_equal(count_refused(2, "lab.example", 0, 10), 0);
	assert_int_equal(count_refused(2, "far.example", 10, 5), 5);
}

static void another_ceiling_holds_at_once(void **state)
{
	(void)state;
	make(0, HEAD LAB NAMES);
	assert_int_equal(count_refused(0, "lab.example", 0, 10), 0);
	make(1, HEAD LAB "[budget]\nwildcard_names = 4\non_exceed = \"refuse\"\n");
	assert_int_equal(count_refused(1, "lab.example", 20, 5), 5);
	make(2, HEAD LAB "[budget]\nwildcard_names = 12\non_exceed = \"refuse\"\n");
	assert_int_equal(count_refused(2, "lab.example", 40, 20), 12);
}

/* Processes of the old policy finish what they have begun. */
static void what_the_old_one_counts_meanwhile_counts(void **state)
{
	(void)state;
	make(0, HEAD LAB NAMES);
	make(1, HEAD LAB NAMES);
	assert_int_equal(count_refused(0, "lab.example", 0, 6), 0);
	assert_int_equal(count_refused(1, "lab.example", 20, 2), 0);
	assert_int_equal(guard_inherit(guards[1], guards[0]), 0);
	guard_free(guards[0]);
	guards[0] = NULL;
	assert_int_equal(count_refused(1, "lab.example", 40, 5), 3);
	/* The ledger outlives the guard that made it. */
	assert_true(guard_query(guards[1], at));
}

/* Where the policy is the same both count into one account, whoever is at work. */
static void the_same_policy_has_one_account(void **state)
{
	(void)state;
	make(0, HEAD LAB NAMES);
	make(1, HEAD LAB NAMES);
	assert_int_equal(count_refused(0, "lab.example", 0, 6), 0);
	assert_int_equal(count_refused(1, "lab.example", 20, 6), 2);
	assert_int_equal(count_refused(0, "lab.example", 40, 6), 6);
	guard_new_session(guards[1]);
	assert_int_equal(count_refused(0, "lab.example", 40, 6), 0);
	assert_int_equal(count_refused(1, "lab.example", 60, 6), 2);
}

static void a_new_session_begins_with_none(void **state)
{
	struct guard_names names;

	(void)state;
	make(0, HEAD LAB NAMES);
	for (unsigned session = 0; session < 5; session++) {
		assert_int_equal(count_refused(0, "lab.example", 20 * session, 15), 5);
		assert_true(guard_names(guards[0], &names));
		assert_int_equal(names.used, 10);
		assert_string_equal(names.entry, "allow-1");
		guard_new_session(guards[0]);
		assert_true(guard_names(guards[0], &names));
		assert_int_equal(names.used, 0);
	}
}

static void a_ceiling_is_raised_for_a_session(void **state)
{
	struct guard_names names;

	(void)state;
	make(0, HEAD LAB NAMES);
	assert_int_equal(guard_extend(guards[0], 3), 0);
	assert_int_equal(count_refused(0, "lab.example", 0, 20), 7);
	assert_int_equal(guard_extend(guards[0], 2), 0);
	/* Another policy goes on with it. */
	make(1, HEAD FAR LAB NAMES);
	assert_int_equal(count_refused(1, "lab.example", 20, 20), 18);
	assert_true(guard_names(guards[1], &names));
	assert_int_equal(names.of, 15);
	assert_int_equal(names.raised, 5);
	assert_int_equal(guard_extend(guards[1], 0), -ERANGE);
	assert_int_equal(guard_extend(guards[1], UINT64_MAX), -ERANGE);
	assert_int_equal(guard_extend(guards[1], 1 << 21), -ERANGE);
	guard_new_session(guards[1]);
	assert_int_equal(count_refused(1, "lab.example", 0, 20), 10);
	make(2, HEAD LAB);
	assert_int_equal(guard_extend(guards[2], 1), -ENODATA);
	assert_false(guard_names(guards[2], &names));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_policy_has_one_account),
		TEST(a_new_session_begins_with_none),
		TEST(a_ceiling_is_raised_for_a_session),
		TEST(names_stay_counted),
		TEST(bytes_stay_spent),
		TEST(queries_stay_spent),
		TEST(entries_are_known_by_what_they_say),
		TEST(another_ceiling_holds_at_once),
		TEST(what_the_old_one_counts_meanwhile_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
