/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/guard.h"

/* Layers and what names get in them, made by hand. */

enum { ENTRIES = 4, PROCESSES = 4 };

static struct host exact = {.kind = HOST_EXACT}, star = {.kind = HOST_ONE_LABEL};
static struct entry entries[2][ENTRIES];
static struct layer_entry in_layer[2][ENTRIES];
static struct layer of_policy[2];
static struct layers layers;
static struct guard *guard;

/* Two layers of entries with a wildcard and no ceiling of their own. */
static int set_up(void **state)
{
	static const char *const ids[2][ENTRIES] = {{"allow-1", "allow-2", "allow-3", "allow-4"},
		{"o1:allow-1", "o1:allow-2", "o1:allow-3", "o1:allow-4"}};

	(void)state;
	memset(entries, 0, sizeof(entries));
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < ENTRIES; j++) {
			entries[i][j].hosts = &star;
			entries[i][j].n_hosts = 1;
			in_layer[i][j] =
				(struct layer_entry){&entries[i][j], ids[i][j], VERDICT_PERMIT};
		}
		of_policy[i] = (struct layer){.entries = in_layer[i], .n_entries = ENTRIES};
	}
	layers = (struct layers){.layers = of_policy, .n_layers = 2};
	guard = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guard_free(guard);
	return 0;
}

static void make(void)
{
	assert_int_equal(guard_new(&layers, &guard), 0);
}

/* A name that the entry of the first layer decides on ports of one group, by a wildcard. */
static struct match_result decided_by(uint32_t entry)
{
	struct match_result result = {.answered = true, .n_groups = 1};

	result.groups[1].verdict = VERDICT_REFUSE;
	for (unsigned i = 0; i < LAYERS_MAX; i++)
		result.groups[0].winner[i] = MATCH_NONE;
	result.groups[0].winner[0] = entry;
	result.groups[0].wild = 1;
	return result;
}

static struct guard_finding ask(const struct match_result *result, unsigned number)
{
	struct name name;
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.com", number);
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return guard_name(guard, &name, result);
}

/* How many of so many names, from `first` on, come up against a ceiling. */
static unsigned count_over(const struct match_result *result, unsigned first, unsigned count)
{
	unsigned over = 0;

	for (unsigned i = 0; i < count; i++)
		over += ask(result, first + i).rule != NULL;
	return over;
}

static void without_a_ceiling_nothing_is_counted(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	layers.budget.refuse = true;
	make();
	assert_int_equal(count_over(&result, 0, 1000), 0);
}

static void different_names_are_counted_and_the_known_stay(void **state)
{
	struct match_result result = decided_by(1), other = decided_by(2);
	struct guard_finding finding;

	(void)state;
	entries[0][1].wildcard_names = 10;
	layers.budget.refuse = true;
	make();
	assert_int_equal(count_over(&result, 0, 10), 0);
	finding = ask(&result, 10);
	assert_string_equal(finding.rule, "allow-2 wildcard_names");
	assert_true(finding.refused);
	assert_true(finding.first);
	finding = ask(&result, 11);
	assert_true(finding.refused);
	assert_false(finding.first);
	assert_int_equal(count_over(&result, 10, 100), 100);
	assert_int_equal(count_over(&result, 0, 10), 0);
	assert_int_equal(count_over(&other, 0, 100), 0);
}

static void a_flag_refuses_nothing_and_is_told_once(void **state)
{
	struct match_result result = decided_by(0);
	unsigned first = 0;

	(void)state;
	entries[0][0].wildcard_names = 3;
	make();
	assert_int_equal(count_over(&result, 0, 3), 0);
	for (unsigned i = 3; i < 100; i++) {
		struct guard_finding finding = ask(&result, i);

		assert_non_null(finding.rule);
		assert_false(finding.refused);
		first += finding.first;
	}
	assert_int_equal(first, 1);
}

static void the_smaller_of_two_ceilings_holds(void **state)
{
	struct match_result result[3];

	(void)state;
	entries[0][0].wildcard_names = 5;
	entries[0][1].wildcard_names = 20;
	layers.budget.wildcard_names = 10;
	make();
	for (unsigned i = 0; i < 3; i++)
		result[i] = decided_by(i);
	assert_int_equal(count_over(&result[0], 0, 30), 25);
	assert_int_equal(count_over(&result[1], 0, 30), 20);
	assert_int_equal(count_over(&result[2], 0, 30), 20);
}

/* Names that the policy lists itself, and those that nothing is asked about. */
static void only_what_wildcards_permit_is_counted(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	layers.budget.wildcard_names = 1;
	entries[0][1].hosts = &exact;
	in_layer[0][2].verdict = VERDICT_REFUSE;
	make();
	result.groups[0].wild = 0;
	assert_int_equal(count_over(&result, 0, 10), 0);
	result = decided_by(1);
	assert_int_equal(count_over(&result, 0, 10), 0);
	result = decided_by(2);
	assert_int_equal(count_over(&result, 0, 10), 0);
	result = decided_by(0);
	result.groups[0].verdict = VERDICT_REFUSE;
	assert_int_equal(count_over(&result, 0, 10), 0);
	result.groups[0].verdict = VERDICT_FLAG;
	assert_int_equal(count_over(&result, 0, 10), 9);
}

static void patterns_and_lists_are_counted_too(void **state)
{
	struct match_result result;

	(void)state;
	layers.budget.wildcard_names = 2;
	for (unsigned i = 0; i < 2; i++) {
		entries[0][i].hosts = &exact;
		entries[0][i].n_patterns = i == 0;
		entries[0][i].n_lists = i == 1;
	}
	make();
	for (unsigned i = 0; i < 2; i++) {
		result = decided_by(i);
		assert_int_equal(count_over(&result, 0, 10), 8);
	}
}

static void every_layer_and_group_counts(void **state)
{
	struct match_result result = decided_by(0);
	struct guard_finding finding;

	(void)state;
	entries[0][1].wildcard_names = 4;
	entries[1][3].wildcard_names = 2;
	layers.budget.refuse = true;
	make();
	result.n_groups = 2;
	result.groups[2] = result.groups[1];
	result.groups[1] = result.groups[0];
	result.groups[1].winner[0] = 1;
	assert_int_equal(count_over(&result, 0, 3), 0);
	result.groups[0].winner[1] = 3;
	result.groups[0].wild |= 1 << 1;
	assert_int_equal(count_over(&result, 0, 2), 0);
	finding = ask(&result, 2);
	assert_string_equal(finding.rule, "o1:allow-4 wildcard_names");
	result.groups[0].winner[1] = 2;
	assert_int_equal(count_over(&result, 0, 4), 0);
	finding = ask(&result, 4);
	assert_string_equal(finding.rule, "allow-2 wildcard_names");
	/* The ports of no group are one. */
	result.groups[2] = result.groups[1];
	result.n_groups = 1;
	assert_int_equal(count_over(&result, 0, 4), 0);
	result.groups[1] = result.groups[2];
	result.groups[0].verdict = VERDICT_REFUSE;
	finding = ask(&result, 4);
	assert_string_equal(finding.rule, "allow-2 wildcard_names");
}

static void a_ceiling_may_be_any_number(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	entries[0][0].wildcard_names = UINT32_MAX;
	entries[0][1].wildcard_names = 1;
	make();
	assert_int_equal(count_over(&result, 0, 1000), 0);
	result = decided_by(1);
	assert_int_equal(count_over(&result, 0, 2), 1);
}

/* Each asks for all names, and all together get as many as there may be. */
static void processes_spend_from_one_account(void **state)
{
	enum { CEILING = 5000, NAMES = 20000 };
	struct match_result result = decided_by(0);
	_Atomic uint32_t *passed = mmap(NULL, (NAMES + 1) * sizeof(*passed), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_Atomic uint32_t *n_ready = passed + NAMES;
	unsigned count = 0;
	pid_t children[PROCESSES];

	(void)state;
	assert_ptr_not_equal(passed, MAP_FAILED);
	entries[0][0].wildcard_names = CEILING;
	layers.budget.refuse = true;
	make();
	for (unsigned i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] > 0)
			continue;
		/* All at once for the same names, so that they meet. */
		++*n_ready;
		while (*n_ready < PROCESSES)
			sched_yield();
		for (unsigned j = 0; j < NAMES; j++)
			if (!ask(&result, j).refused)
				passed[j]++;
		_exit(0);
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	for (unsigned i = 0; i < NAMES; i++)
		count += passed[i] > 0;
	assert_int_equal(count, CEILING);
	munmap(passed, (NAMES + 1) * sizeof(*passed));
}

static void queries_are_limited(void **state)
{
	(void)state;
	layers.limits.queries = (struct rate){.count = 2, .seconds = 1};
	make();
	assert_true(guard_query(guard, (struct mono){5000}));
	assert_true(guard_query(guard, (struct mono){5000}));
	assert_false(guard_query(guard, (struct mono){5000}));
	assert_true(guard_query(guard, (struct mono){5500}));
	assert_false(guard_query(guard, (struct mono){5500}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_ceiling_nothing_is_counted),
		TEST(different_names_are_counted_and_the_known_stay),
		TEST(a_flag_refuses_nothing_and_is_told_once),
		TEST(the_smaller_of_two_ceilings_holds),
		TEST(only_what_wildcards_permit_is_counted),
		TEST(patterns_and_lists_are_counted_too),
		TEST(every_layer_and_group_counts),
		TEST(a_ceiling_may_be_any_number),
		TEST(processes_spend_from_one_account),
		TEST(queries_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
