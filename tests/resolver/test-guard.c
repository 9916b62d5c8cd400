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
#include "rules/list.h"
#include "rules/pattern.h"
#include "src/base/arena.h"

/* Layers and what names get in them, made by hand. */

enum { ENTRIES = 4, PROCESSES = 4 };

static struct host exact = {.kind = HOST_EXACT}, star = {.kind = HOST_ONE_LABEL};
static struct entry entries[2][ENTRIES];
static struct layer_entry in_layer[2][ENTRIES];
static struct layer of_policy[2];
static struct policy policies[2];
static struct layers layers;
static struct guard *guard;

/* Two layers of entries with a wildcard and no ceiling of their own. */
static int set_up(void **state)
{
	static const char *const ids[2][ENTRIES] = {{"allow-1", "allow-2", "allow-3", "allow-4"},
		{"o1:allow-1", "o1:allow-2", "o1:allow-3", "o1:allow-4"}};

	(void)state;
	memset(entries, 0, sizeof(entries));
	memset(policies, 0, sizeof(policies));
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < ENTRIES; j++) {
			entries[i][j].hosts = &star;
			entries[i][j].n_hosts = 1;
			entries[i][j].score = -1.0;
			in_layer[i][j] = (struct layer_entry){.entry = &entries[i][j],
				.id = ids[i][j],
				.verdict = VERDICT_PERMIT};
		}
		policies[i].score = (struct thresholds){.flag_at = 0.5, .refuse_at = 1.0};
		of_policy[i] = (struct layer){
			.policy = &policies[i], .entries = in_layer[i], .n_entries = ENTRIES};
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

static struct mono at = {.ms = 1000000};

static struct guard_finding ask_text(const struct match_result *result, const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return guard_name(guard, &name, result, at);
}

static struct guard_finding ask(const struct match_result *result, unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.com", number);
	return ask_text(result, text);
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

/* Of each rule, whoever asks; and only what came since it was asked for. */
static void what_is_not_told_of_is_counted(void **state)
{
	struct match_result result = decided_by(1), other = decided_by(0);
	struct guard_excess excess = {.count = 7};
	size_t index = 0;

	(void)state;
	entries[0][0].wildcard_names = 3;
	entries[0][1].wildcard_names = 5;
	make();
	assert_int_equal(count_over(&result, 0, 6), 1);
	assert_false(guard_take_excess(guard, &index, &excess));
	assert_int_equal(excess.count, 7);
	assert_int_equal(count_over(&result, 5, 40), 40);
	assert_int_equal(count_over(&other, 0, 5), 2);
	index = 0;
	assert_true(guard_take_excess(guard, &index, &excess));
	assert_string_equal(excess.rule, "allow-1 wildcard_names");
	assert_int_equal(excess.count, 1);
	assert_true(guard_take_excess(guard, &index, &excess));
	assert_string_equal(excess.rule, "allow-2 wildcard_names");
	assert_int_equal(excess.count, 40);
	assert_false(guard_take_excess(guard, &index, &excess));
	index = 0;
	assert_false(guard_take_excess(guard, &index, &excess));
}

static void patterns_and_lists_are_counted_too(void **state)
{
	struct list list = {.digest = 1};
	struct list *lists[] = {&list};
	struct pattern *patterns[1];
	struct match_result result;
	const char *problem;
	struct arena *arena;
	size_t offset;

	(void)state;
	assert_int_equal(arena_new(1 << 20, &arena), 0);
	assert_int_equal(pattern_make(arena, text_of("^n$"), (struct place){.line = 1},
				 &patterns[0], &problem, &offset),
		0);
	layers.budget.wildcard_names = 2;
	for (unsigned i = 0; i < 2; i++) {
		entries[0][i].hosts = &exact;
		entries[0][i].patterns = patterns;
		entries[0][i].lists = lists;
		entries[0][i].n_patterns = i == 0;
		entries[0][i].n_lists = i == 1;
	}
	make();
	for (unsigned i = 0; i < 2; i++) {
		result = decided_by(i);
		assert_int_equal(count_over(&result, 0, 10), 8);
	}
	arena_free(arena);
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

static struct rate a_minute(uint32_t count)
{
	return (struct rate){.count = count, .seconds = 60};
}

/* "n1.example.com" takes 4 bytes: its label, the label's length, and one for the question. */
static void bytes_are_counted_in_each_domain(void **state)
{
	struct match_result result = decided_by(0), other = decided_by(1);
	struct guard_finding finding;

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(12);
	make();
	assert_int_equal(count_over(&result, 0, 3), 0);
	finding = ask(&result, 3);
	assert_string_equal(finding.rule, "allow-1 wildcard_bytes");
	assert_true(finding.refused && finding.passing && finding.first);
	finding = ask(&result, 3);
	assert_true(finding.refused && !finding.first);
	/* Other domains, other entries. */
	assert_null(ask_text(&result, "abcdefghij.example.net").rule);
	assert_non_null(ask_text(&result, "a.example.net").rule);
	assert_null(ask_text(&result, "abcdefghij.example.co.uk").rule);
	assert_null(ask_text(&other, "n9.example.com").rule);
	/* It fills evenly: 5 seconds a byte. */
	at.ms += 19999;
	assert_true(ask(&result, 3).refused);
	at.ms += 1;
	assert_false(ask(&result, 3).refused);
	assert_true(ask(&result, 4).refused);
}

/* Where a policy permits what it does not know. */
static void unknown_names_have_a_budget_too(void **state)
{
	struct match_result result = decided_by(MATCH_NONE);
	struct guard_finding finding;

	(void)state;
	result.groups[0].wild = 0;
	result.groups[1].winner[0] = MATCH_NONE;
	layers.unknown_bytes = a_minute(8);
	layers.budget.wildcard_names = 1; /* is about wildcards that are written */
	make();
	assert_int_equal(count_over(&result, 0, 2), 0);
	finding = ask(&result, 2);
	assert_string_equal(finding.rule, "default-permit wildcard_bytes");
	assert_true(finding.refused);
	assert_null(ask_text(&result, "a.example.net").rule);
	/* An entry has the name on some port. */
	result.groups[1].winner[0] = 0;
	assert_null(ask(&result, 3).rule);
	guard_free(guard);
	of_policy[0].unknown = VERDICT_REFUSE;
	make();
	result.groups[1].winner[0] = MATCH_NONE;
	assert_int_equal(count_over(&result, 0, 10), 0);
}

/* The customers of a provider have its domain's budget together. */
static void a_domain_is_what_a_registry_gave(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(6);
	make();
	assert_null(ask_text(&result, "abcd.github.io").rule);
	assert_non_null(ask_text(&result, "b.github.io").rule);
	assert_null(ask_text(&result, "abcd.example.co.uk").rule);
	assert_null(ask_text(&result, "abcd.example2.co.uk").rule);
}

static void a_name_asked_again_takes_two_bytes_for_a_minute(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(20);
	at.ms = 60000 * 100;
	make();
	assert_null(ask_text(&result, "abcdefghij.example.com").rule); /* 12 */
	for (unsigned i = 0; i < 4; i++)
		assert_null(ask_text(&result, "abcdefghij.example.com").rule);
	assert_non_null(ask_text(&result, "abcdefghij.example.com").rule);
	/* In another minute it is new again: 20 bytes, less 12. */
	at.ms += 60000;
	assert_null(ask_text(&result, "abcdefghij.example.com").rule);
	assert_non_null(ask_text(&result, "abcdefg.example.com").rule);
}

/* What was refused was not asked: it takes all it takes the next time. */
static void a_refused_name_stays_new(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(13);
	at.ms = 60000 * 200;
	make();
	assert_null(ask_text(&result, "abcdef.example.com").rule); /* 8 */
	assert_non_null(ask_text(&result, "ghijkl.example.com").rule);
	assert_non_null(ask_text(&result, "ghijkl.example.com").rule);
	assert_null(ask_text(&result, "abcdef.example.com").rule); /* 2 */
}

static void an_entry_with_several_groups_pays_once(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(8);
	make();
	result.n_groups = 2;
	result.groups[2] = result.groups[1];
	result.groups[1] = result.groups[0];
	assert_int_equal(count_over(&result, 0, 2), 0);
	assert_int_equal(count_over(&result, 2, 2), 2);
}

static void answers_are_counted_apart(void **state)
{
	struct match_result result = decided_by(0);
	struct guard_finding finding;
	struct name name;

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(100);
	in_layer[0][0].wildcard_answer_bytes = a_minute(50);
	make();
	assert_int_equal(name_from_text(text_of("n1.example.com"), &name), 0);
	assert_null(guard_answer(guard, &name, &result, 50, at).rule);
	finding = guard_answer(guard, &name, &result, 1, at);
	assert_string_equal(finding.rule, "allow-1 wildcard_answer_bytes");
	assert_true(finding.refused && finding.passing);
	assert_int_equal(count_over(&result, 0, 10), 0);
	/* More than it ever holds. */
	at.ms += 3600000;
	assert_non_null(guard_answer(guard, &name, &result, 51, at).rule);
	assert_null(guard_answer(guard, &name, &result, 50, at).rule);
	result.groups[0].wild = 0;
	assert_null(guard_answer(guard, &name, &result, 1000, at).rule);
}

static void a_layer_that_observes_refuses_no_bytes(void **state)
{
	struct match_result result = decided_by(0);

	(void)state;
	in_layer[0][0].wildcard_bytes = a_minute(4);
	policies[0].observe = true;
	make();
	assert_null(ask(&result, 0).rule);
	assert_non_null(ask(&result, 1).rule);
	assert_false(ask(&result, 2).refused);
}

#define HEX40 "0f9601708c09a2a91e11272da4ab79fc949f1aa8"

static void what_looks_like_data_is_judged_by_score(void **state)
{
	struct match_result result = decided_by(0);
	struct guard_finding finding;

	(void)state;
	make();
	finding = ask_text(&result, HEX40 ".example.com");
	assert_string_equal(finding.rule, "allow-1 name-shape");
	assert_true(finding.refused && !finding.passing && finding.first);
	/* 1.6 points of 32 digits: to be told of. */
	result = decided_by(1);
	finding = ask_text(&result, "002d734450b3be6f5d0cb4939aa0a4bc.example.com");
	assert_string_equal(finding.rule, "allow-2 name-shape");
	assert_false(finding.refused);
	entries[0][1].score = -2.0;
	assert_null(ask_text(&result, "002d734450b3be6f5d0cb4939aa0a4bd.example.com").rule);
	/* A registered domain is not the asker's choice. */
	result = decided_by(2);
	assert_null(ask_text(&result, "www." HEX40 ".com").rule);
	entries[0][3].score = -9.0;
	result = decided_by(3);
	assert_null(ask_text(&result, HEX40 "." HEX40 ".example.com").rule);
	result.groups[0].wild = 0;
	entries[0][3].score = -1.0;
	assert_null(ask_text(&result, HEX40 "." HEX40 ".example.com").rule);
}

static struct inaddr client_number(unsigned number)
{
	return inaddr_from_ip4(
		(uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number});
}

static void clients_are_limited_each(void **state)
{
	struct inaddr a = client_number(1), b = client_number(2);
	struct inaddr net = inaddr_from_ip6((uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 1});
	struct inaddr loopback = inaddr_from_ip4((uint8_t[]){127, 0, 0, 1});

	(void)state;
	layers.limits.queries_per_client = (struct rate){.count = 2, .seconds = 1};
	make();
	for (unsigned i = 0; i < 2; i++) {
		assert_true(guard_client(guard, &a, at));
		assert_true(guard_client(guard, &b, at));
		/* Addresses that one host has its choice of. */
		net.bytes[10] = (uint8_t)i;
		assert_true(guard_client(guard, &net, at));
		loopback.bytes[13] = (uint8_t)i;
		assert_true(guard_client(guard, &loopback, at));
	}
	net.bytes[10] = 9;
	loopback.bytes[13] = 9;
	assert_false(guard_client(guard, &a, at));
	assert_false(guard_client(guard, &b, at));
	assert_false(guard_client(guard, &net, at));
	assert_false(guard_client(guard, &loopback, at));
	net.bytes[7] = 1;
	assert_true(guard_client(guard, &net, at));
	at.ms += 500;
	assert_true(guard_client(guard, &a, at));
	assert_false(guard_client(guard, &a, at));
}

/* However many there are, whoever has spent all of its own gets no more by that. */
static void strangers_gain_nothing_by_filling_the_table(void **state)
{
	struct inaddr own = client_number(0), other;
	unsigned passed = 0;

	(void)state;
	layers.limits.queries_per_client = (struct rate){.count = 3, .seconds = 3600};
	make();
	for (unsigned i = 0; i < 3; i++)
		assert_true(guard_client(guard, &own, at));
	for (unsigned i = 1; i < 100000; i++) {
		other = client_number(i);
		passed += guard_client(guard, &other, at);
		if (i % 1000 == 0)
			assert_false(guard_client(guard, &own, at));
	}
	assert_true(passed > 4000 && passed <= 8192);
	/* Idle ones give way. */
	at.ms += 3600000;
	for (unsigned i = 100000; i < 100100; i++) {
		other = client_number(i);
		assert_true(guard_client(guard, &other, at));
	}
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
		TEST(what_is_not_told_of_is_counted),
		TEST(patterns_and_lists_are_counted_too),
		TEST(every_layer_and_group_counts),
		TEST(a_ceiling_may_be_any_number),
		TEST(processes_spend_from_one_account),
		TEST(bytes_are_counted_in_each_domain),
		TEST(unknown_names_have_a_budget_too),
		TEST(a_domain_is_what_a_registry_gave),
		TEST(a_name_asked_again_takes_two_bytes_for_a_minute),
		TEST(a_refused_name_stays_new),
		TEST(an_entry_with_several_groups_pays_once),
		TEST(answers_are_counted_apart),
		TEST(a_layer_that_observes_refuses_no_bytes),
		TEST(what_looks_like_data_is_judged_by_score),
		TEST(clients_are_limited_each),
		TEST(strangers_gain_nothing_by_filling_the_table),
		TEST(queries_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
