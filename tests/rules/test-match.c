/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/match.h"
#include "src/base/arena.h"
#include "tests/rules/sketch.h"

static int setup(void **state)
{
	return arena_new((size_t)1 << 30, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const struct match *make(struct arena *arena, const struct policy *policy)
{
	const struct match *match;

	assert_int_equal(match_make(arena, sketch_plan(arena, policy), &match), 0);
	return match;
}

/* "tcp-80=allow-1 tcp-443=allow-2; allow-1": the grants in the groups' order, and the rule. */
static const char *grants_text(
	struct arena *arena, const struct plan *plan, const struct match *match, const char *name)
{
	struct name wire = sketch_name(name);
	struct match_result result;
	const char *text = "";

	if (!match_name(match, &wire, &result)) {
		assert_int_equal(result.n_grants, 0);
		return "refused";
	}
	for (unsigned group = 0; group < plan->n_groups; group++)
		for (unsigned i = 0; i < result.n_grants; i++)
			if (result.grants[i].group == group)
				text = arena_printf(arena, "%s%s=%s ", text,
					plan->groups[group].name,
					plan->rules[result.grants[i].rule].id);
	return arena_printf(arena, "%s; %s", text, plan->rules[result.rule].id);
}

static void test_kinds_of_hosts(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1", "*.one.example : tcp/1",
		"**.any.example : tcp/1", "example.com : tcp/1", "* : tcp/2", "** : tcp/3", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	static const struct {
		const char *name, *grants;
	} cases[] = {
		{"a.example", "tcp-1=allow-1 tcp-3=allow-6 ; allow-1"},
		{"A.EXAMPLE.", "tcp-1=allow-1 tcp-3=allow-6 ; allow-1"},
		{"b.a.example", "tcp-3=allow-6 ; allow-6"},
		{"example", "tcp-2=allow-5 tcp-3=allow-6 ; allow-5"},
		{"one.example", "tcp-3=allow-6 ; allow-6"},
		{"x.one.example", "tcp-1=allow-2 tcp-3=allow-6 ; allow-2"},
		{"y.x.one.example", "tcp-3=allow-6 ; allow-6"},
		{"any.example", "tcp-3=allow-6 ; allow-6"},
		{"x.any.example", "tcp-1=allow-3 tcp-3=allow-6 ; allow-3"},
		{"y.x.any.example", "tcp-1=allow-3 tcp-3=allow-6 ; allow-3"},
		{"xany.example", "tcp-3=allow-6 ; allow-6"},
		{"", "refused"},
	};
	const struct plan *plan = sketch_plan(*state, policy);
	const struct match *match = make(*state, policy);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			grants_text(*state, plan, match, cases[i].name), cases[i].grants);

	policy->n_allow = 4;
	assert_string_equal(
		grants_text(*state, plan, make(*state, policy), "b.a.example"), "refused");
}

/* Each group from the most specific entry that has it; at a tie the earlier. */
static void test_who_wins(void **state)
{
	static const char *const lines[] = {"**.example : tcp/1 tcp/2 tcp/3 tcp/4",
		"**.b.example : tcp/1 tcp/2 tcp/3", "*.b.example : tcp/1 tcp/2",
		"a.b.example : tcp/1", "a.b.example : tcp/1 tcp/5", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan = sketch_plan(*state, policy);
	const struct match *match = make(*state, policy);

	assert_string_equal(grants_text(*state, plan, match, "a.b.example"),
		"tcp-1=allow-4 tcp-2=allow-2 tcp-3=allow-2 tcp-4=allow-1 tcp-5=allow-5 ; allow-4");
	assert_string_equal(grants_text(*state, plan, match, "c.b.example"),
		"tcp-1=allow-2 tcp-2=allow-2 tcp-3=allow-2 tcp-4=allow-1 ; allow-2");
	assert_string_equal(grants_text(*state, plan, match, "c.c.b.example"),
		"tcp-1=allow-2 tcp-2=allow-2 tcp-3=allow-2 tcp-4=allow-1 ; allow-2");
	assert_string_equal(grants_text(*state, plan, match, "c.example"),
		"tcp-1=allow-1 tcp-2=allow-1 tcp-3=allow-1 tcp-4=allow-1 ; allow-1");
}

static void test_embedded(void **state)
{
	static const char *const lines[] = {"db.internal : tcp/1", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct name db = sketch_name("DB.internal"), other = sketch_name("x.internal");
	const struct match *match;

	sketch_embedded(*state, policy, "db.internal 192.0.2.1 2001:db8::1");
	sketch_embedded(*state, policy, "unlisted.internal 192.0.2.2");
	match = make(*state, policy);
	assert_ptr_equal(match_host(match, &db), &policy->dns.hosts[0]);
	assert_null(match_host(match, &other));
	other = sketch_name("unlisted.internal");
	assert_ptr_equal(match_host(match, &other), &policy->dns.hosts[1]);
	assert_string_equal(
		grants_text(*state, sketch_plan(*state, policy), match, "unlisted.internal"),
		"refused");
	other = sketch_name("");
	assert_null(match_host(match, &other));
}

/* The longest names there are, one of many labels and one of long labels. */
static void test_longest_names(void **state)
{
	const char *lines[] = {NULL, NULL, "**.a : tcp/2", NULL};
	char many[254], wide[254];
	struct policy *policy;
	const struct plan *plan;

	for (int i = 0; i < 253; i++) {
		many[i] = i % 2 ? '.' : 'a';
		wide[i] = i % 64 == 63 ? '.' : 'w';
	}
	many[253] = wide[253] = '\0';
	lines[0] = arena_printf(*state, "%s : tcp/1", many);
	lines[1] = arena_printf(*state, "*%s : tcp/1", strchr(wide, '.'));
	policy = sketch_policy(*state, lines);
	plan = sketch_plan(*state, policy);
	assert_string_equal(grants_text(*state, plan, make(*state, policy), many),
		"tcp-1=allow-1 tcp-2=allow-3 ; allow-1");
	assert_string_equal(
		grants_text(*state, plan, make(*state, policy), wide), "tcp-1=allow-2 ; allow-2");
}

/* A fixed sequence (Knuth's MMIX constants), so that a failure can be repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

/* A name of up to four labels out of few, so that they meet often. */
static const char *random_name(struct arena *arena, unsigned most)
{
	static const char *const labels[] = {"a", "b", "ab", "longer"};
	unsigned n_labels = 1 + random_below(most);
	const char *name = labels[random_below(4)];

	for (unsigned i = 1; i < n_labels; i++)
		name = arena_printf(arena, "%s.%s", name, labels[random_below(4)]);
	return name;
}

static const char *random_line(struct arena *arena)
{
	static const char *const kinds[] = {"", "*.", "**."};
	const char *line = "";

	for (unsigned i = 1 + random_below(3); i > 0; i--)
		line = arena_printf(
			arena, "%s%s%s ", line, kinds[random_below(3)], random_name(arena, 3));
	line = arena_printf(arena, "%s:", line);
	for (unsigned i = 1 + random_below(3); i > 0; i--)
		line = arena_printf(arena, "%s tcp/%u", line, 1 + random_below(5));
	return line;
}

/* How specifically the host matches, by the words of the manual: 0 for not at all, else exact
 * first, then literal labels, then literal characters. */
static unsigned specificity(const struct host *host, const struct name *name)
{
	struct name literal = {.length = host->length};
	unsigned below;

	memcpy(literal.wire, host->wire, host->length);
	if (!name_is_below(name, &literal))
		return 0;
	below = name_labels(name) - name_labels(&literal);
	if (host->kind == HOST_EXACT)
		return below == 0 ? 1u << 20 : 0;
	if (below == 0 || (host->kind == HOST_ONE_LABEL && below != 1))
		return 0;
	return 1 + (name_labels(&literal) << 10) + host->length;
}

/* The rule of the most specific entry that has the group (any with UINT64_MAX); -1: none. */
static int best_rule(const struct plan *plan, uint64_t groups, const struct name *name)
{
	unsigned best = 0;
	int rule = -1;

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct entry *entry = plan->rules[i].entry;

		if (!(plan->rule_groups[i] & groups))
			continue;
		for (size_t j = 0; j < entry->n_hosts; j++) {
			unsigned specific = specificity(&entry->hosts[j], name);

			if (specific > best) {
				best = specific;
				rule = (int)i;
			}
		}
	}
	return rule;
}

static void check_name(const struct plan *plan, const struct match *match, const struct name *name)
{
	struct match_result result;
	bool permitted = match_name(match, name, &result);
	unsigned expected = 0;

	for (unsigned group = 0; group < plan->n_groups; group++) {
		int rule = best_rule(plan, UINT64_C(1) << group, name);
		int found = -1;

		expected += rule >= 0;
		for (unsigned i = 0; i < result.n_grants; i++)
			if (result.grants[i].group == group)
				found = (int)result.grants[i].rule;
		assert_int_equal(found, rule);
	}
	assert_int_equal(result.n_grants, expected);
	assert_int_equal(permitted, expected > 0);
	if (permitted)
		assert_int_equal(result.rule, best_rule(plan, UINT64_MAX, name));
}

static void test_random_against_definition(void **state)
{
	random_state = 3;
	for (unsigned round = 0; round < 1000; round++) {
		const char *lines[13] = {0};
		unsigned n_lines = random_below(13);
		struct policy *policy;
		const struct plan *plan;
		const struct match *match;

		for (unsigned i = 0; i < n_lines; i++)
			lines[i] = random_line(*state);
		policy = sketch_policy(*state, lines);
		plan = sketch_plan(*state, policy);
		assert_int_equal(match_make(*state, plan, &match), 0);
		for (unsigned i = 0; i < 60; i++) {
			struct name name = sketch_name(random_name(*state, 4));

			check_name(plan, match, &name);
		}
		arena_reset(*state);
	}
}

/* One entry of many names: each is found, neighbours of it are not, and a name costs at most 32
 * bytes beside its own. */
static void test_many_names(void **state)
{
	static const char *const lines[] = {": tcp/443", NULL};
	enum { NAMES = 100000 };
	struct policy *policy = sketch_policy(*state, lines);
	struct host *hosts = arena_array(*state, NAMES, sizeof(*hosts));
	const struct match *match;
	const struct plan *plan;
	struct match_result result;
	struct name name;
	char text[64];
	size_t before;

	for (unsigned i = 0; i < NAMES; i++) {
		uint8_t *wire;

		snprintf(text, sizeof(text), "host-%u.zone-%u.example.com", i, i % 1000);
		name = sketch_name(text);
		wire = arena_alloc(*state, name.length);
		memcpy(wire, name.wire, name.length);
		hosts[i] = (struct host){.kind = HOST_EXACT, .wire = wire, .length = name.length};
	}
	policy->allow[0].hosts = hosts;
	policy->allow[0].n_hosts = NAMES;
	plan = sketch_plan(*state, policy);
	before = arena_used(*state);
	assert_int_equal(match_make(*state, plan, &match), 0);
	assert_true(arena_used(*state) - before <= (size_t)32 * NAMES);

	before = arena_used(*state);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(text, sizeof(text), "host-%u.zone-%u.example.com", i, i % 1000);
		name = sketch_name(text);
		assert_true(match_name(match, &name, &result));
		snprintf(text, sizeof(text), "host-%u.zone-%u.example.com", i, i % 1000 + 1);
		name = sketch_name(text);
		assert_false(match_name(match, &name, &result));
	}
	assert_int_equal(arena_used(*state), before);
}

/* Many entries for one name make no long chain: what can never win is left out. */
static void test_many_entries_of_one_name(void **state)
{
	enum { ENTRIES = 50000 };
	const char **lines = arena_array(*state, ENTRIES + 1, sizeof(*lines));
	const struct match *match;
	const struct plan *plan;
	struct name name = sketch_name("a.example");
	struct match_result result;

	for (unsigned i = 0; i < ENTRIES; i++)
		lines[i] = i + 1 < ENTRIES ? "a.example : tcp/1" : "a.example : tcp/2";
	plan = sketch_plan(*state, sketch_policy(*state, lines));
	assert_int_equal(match_make(*state, plan, &match), 0);
	assert_true(match_name(match, &name, &result));
	assert_int_equal(result.n_grants, 2);
	assert_int_equal(result.grants[0].rule, 0);
	assert_int_equal(result.grants[1].rule, ENTRIES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds_of_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embedded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_against_definition, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_entries_of_one_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
