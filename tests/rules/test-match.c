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

#include "rules/list.h"
#include "rules/match.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
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

/* A plan with its tables. */
struct made {
	struct arena *arena;
	const struct plan *plan;
	const struct match *match;
};

static struct made make_of(
	struct arena *arena, const struct policy *const *policies, size_t n_policies)
{
	struct made made = {.arena = arena};

	made.plan = sketch_plan_of(arena, sketch_layers(arena, policies, n_policies));
	assert_int_equal(match_make(arena, made.plan, &made.match), 0);
	return made;
}

static struct made make(struct arena *arena, const struct policy *policy)
{
	return make_of(arena, &policy, 1);
}

static const char *winners_text(const struct made *made, const struct match_ports *ports)
{
	static const char *const signs[] = {"", "?", "~", "!"};
	const char *text = signs[ports->verdict];

	for (size_t i = 0; i < made->plan->layers->n_layers; i++) {
		const struct layer *layer = &made->plan->layers->layers[i];
		bool known = ports->winner[i] != MATCH_NONE;

		text = arena_printf(made->arena, "%s%s%s%s", text, i > 0 ? "+" : "",
			known ? layer->entries[ports->winner[i]].id : "-",
			ports->wild >> i & 1 ? "*" : "");
		assert_true(known || !(ports->wild >> i & 1));
	}
	return text;
}

/*
 * "tcp-1=allow-1 tcp-2=?allow-2+o1:allow-1* rest=!-+- | allow-1": the winners of all layers in each
 * group and on the rest of the ports, with a sign before them where they flag (?), observe (~) or
 * refuse (!), and a star where one won by more than an exact name; then the rule.
 */
static const char *judged(const struct made *made, const char *name)
{
	struct name wire = sketch_name(name);
	struct match_result result, prepared;
	bool any = false, answered = match_name(made->match, &wire, &result);
	struct names_walk walk;
	const char *text = "";

	assert_int_equal(answered, result.answered);
	match_begin(made->match, &wire, &walk);
	match_prepare(made->match, &walk);
	assert_int_equal(match_prepared(made->match, &walk, &prepared), answered);
	assert_ptr_equal(prepared.rule, result.rule);
	assert_int_equal(result.n_groups, made->plan->n_groups);
	assert_int_equal(result.rest, result.groups[result.n_groups].verdict);
	assert_false(result.embedded);
	for (unsigned i = 0; i <= result.n_groups; i++) {
		text = arena_printf(made->arena, "%s%s=%s ", text,
			i < result.n_groups ? made->plan->groups[i].name : "rest",
			winners_text(made, &result.groups[i]));
		any |= result.groups[i].verdict != VERDICT_REFUSE;
	}
	assert_int_equal(any, result.answered);
	return arena_printf(made->arena, "%s| %s", text, result.rule);
}

static void expect(const struct made *made, const char *name, const char *text)
{
	assert_string_equal(judged(made, name), text);
}

/* --- Names --- */

static void test_kinds_of_hosts(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1", "*.one.example : tcp/1",
		"**.any.example : tcp/1", "api-*.example.com : tcp/1", "s3.*.example.com : tcp/1",
		"**.s4-*.example.com : tcp/1", NULL};
	static const struct {
		const char *name, *winner;
	} cases[] = {
		{"a.example", "allow-1"},
		{"A.EXAMPLE.", "allow-1"},
		{"b.a.example", "!-"},
		{"example", "!-"},
		{"one.example", "!-"},
		{"x.one.example", "allow-2*"},
		{"y.x.one.example", "!-"},
		{"any.example", "!-"},
		{"x.any.example", "allow-3*"},
		{"y.x.any.example", "allow-3*"},
		{"xany.example", "!-"},
		{"api-1.example.com", "allow-4*"},
		{"api1.example.com", "!-"},
		{"x.api-1.example.com", "!-"},
		{"s3.eu.example.com", "allow-5*"},
		{"s3.example.com", "!-"},
		{"s3.eu.west.example.com", "!-"},
		{"s4-1.example.com", "!-"},
		{"x.s4-1.example.com", "allow-6*"},
		{"y.x.s4-1.example.com", "allow-6*"},
		{"", "!-"},
	};
	struct made made = make(*state, sketch_policy(*state, lines));

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *winner = cases[i].winner;
		const char *text, *rule;

		rule = *winner == '!' ? PLAN_DEFAULT_DENY
				      : arena_strndup(*state, winner, strcspn(winner, "*"));
		text = arena_printf(*state, "tcp-1=%s rest=!- | %s", winner, rule);
		expect(&made, cases[i].name, text);
	}
}

static void test_bare_wildcards(void **state)
{
	static const char *const lines[] = {"* : tcp/1", "** : tcp/2", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "example", "tcp-1=allow-1* tcp-2=allow-2* rest=!- | allow-1");
	expect(&made, "a.example", "tcp-1=!- tcp-2=allow-2* rest=!- | allow-2");
	expect(&made, "", "tcp-1=!- tcp-2=!- rest=!- | default-deny");
}

/* Each group from the most specific entry that has it; at a tie the earlier. */
static void test_groups_of_their_own(void **state)
{
	static const char *const lines[] = {"**.example : tcp/1 tcp/2 tcp/3 tcp/4",
		"**.b.example : tcp/1 tcp/2 tcp/3", "*.b.example : tcp/1 tcp/2",
		"a.b.example : tcp/1", "a.b.example : tcp/1 tcp/5", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "a.b.example",
		"tcp-1=allow-4 tcp-2=allow-3* tcp-3=allow-2* tcp-4=allow-1* tcp-5=allow-5 rest=!- "
		"| allow-4");
	expect(&made, "c.b.example",
		"tcp-1=allow-3* tcp-2=allow-3* tcp-3=allow-2* tcp-4=allow-1* tcp-5=!- rest=!- "
		"| allow-3");
	expect(&made, "c.c.b.example",
		"tcp-1=allow-2* tcp-2=allow-2* tcp-3=allow-2* tcp-4=allow-1* tcp-5=!- rest=!- "
		"| allow-2");
	expect(&made, "c.example",
		"tcp-1=allow-1* tcp-2=allow-1* tcp-3=allow-1* tcp-4=allow-1* tcp-5=!- rest=!- "
		"| allow-1");
}

/* Deny beats allow where both are as specific, and loses to what is more specific. */
static void test_deny(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1", "**.b.example : tcp/1",
		"c.b.example : tcp/1", "deny a.example", "deny *.b.example",
		"deny d.example : tcp/2", "d.example : tcp/1", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "a.example", "tcp-1=!deny-1 tcp-2=!deny-1 rest=!deny-1 | deny-1");
	expect(&made, "x.b.example", "tcp-1=!deny-2* tcp-2=!deny-2* rest=!deny-2* | deny-2");
	expect(&made, "x.x.b.example", "tcp-1=allow-2* tcp-2=!- rest=!- | allow-2");
	expect(&made, "c.b.example", "tcp-1=allow-3 tcp-2=!deny-2* rest=!deny-2* | allow-3");
	expect(&made, "d.example", "tcp-1=allow-4 tcp-2=!deny-3 rest=!- | allow-4");
}

/* Globs compete with wildcards over longer and shorter suffixes. */
static void test_globs_and_wildcards(void **state)
{
	static const char *const lines[] = {"**.b.example : tcp/1", "foo.bar.*.example : tcp/1",
		"x-*.b.example : tcp/1", "*.b.example : tcp/1", "**.yy*.b.example : tcp/1",
		"*.yy*.b.example : tcp/1", "deny *.zz*.b.example : tcp/1",
		"*.zz*.b.example : tcp/1", "u.*.example : tcp/1", "*.vv.example : tcp/1", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	/* three literal labels against two */
	expect(&made, "foo.bar.b.example", "tcp-1=allow-2* rest=!- | allow-2");
	/* two each, more literal characters */
	expect(&made, "x-1.b.example", "tcp-1=allow-3* rest=!- | allow-3");
	expect(&made, "u.vv.example", "tcp-1=allow-9* rest=!- | allow-9");
	/* equal but for the stars: one label before any depth */
	expect(&made, "1.b.example", "tcp-1=allow-4* rest=!- | allow-4");
	expect(&made, "1.yy1.b.example", "tcp-1=allow-6* rest=!- | allow-6");
	expect(&made, "1.2.yy1.b.example", "tcp-1=allow-5* rest=!- | allow-5");
	expect(&made, "1.zz1.b.example", "tcp-1=!deny-1* rest=!- | deny-1");
}

static void test_patterns(void **state)
{
	static const char *const lines[] = {"/^[a-z]+[.]example$/ : tcp/1 tcp/2",
		"/^a/ : tcp/2 tcp/3", "deny /^ab/ : tcp/3", "abc.example : tcp/3",
		"deny /^(a+)+$/ : tcp/4", "/^(a+)+$/ : tcp/5", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));
	char long_name[64];

	expect(&made, "b.example",
		"tcp-1=allow-1* tcp-2=allow-1* tcp-3=!- tcp-4=!- tcp-5=!- rest=!- | allow-1");
	expect(&made, "ac.example",
		"tcp-1=allow-1* tcp-2=allow-1* tcp-3=allow-2* tcp-4=!- tcp-5=!- rest=!- | allow-1");
	expect(&made, "ab.example",
		"tcp-1=allow-1* tcp-2=allow-1* tcp-3=!deny-1* tcp-4=!- tcp-5=!- rest=!- | allow-1");
	expect(&made, "abc.example",
		"tcp-1=allow-1* tcp-2=allow-1* tcp-3=allow-3 tcp-4=!- tcp-5=!- rest=!- | allow-1");
	expect(&made, "a",
		"tcp-1=!- tcp-2=allow-2* tcp-3=allow-2* tcp-4=!deny-2* tcp-5=allow-4* "
		"rest=!- | allow-2");
	/* one that gives up denies, and does not allow */
	memset(long_name, 'a', 60);
	strcpy(long_name + 60, ".b");
	expect(&made, long_name,
		"tcp-1=!- tcp-2=allow-2* tcp-3=allow-2* tcp-4=!deny-2* tcp-5=!- "
		"rest=!- | allow-2");
}

static void test_lists(void **state)
{
	static const char *const lines[] = {"deny @a.example,**.b.example,x-*.c.example",
		"@**.example,a.b.example : tcp/1", "deny @10.0.0.0/8", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "a.example", "tcp-1=!deny-1 rest=!deny-1 | deny-1");
	expect(&made, "a.b.example", "tcp-1=allow-1 rest=!deny-1* | allow-1");
	expect(&made, "c.b.example", "tcp-1=!deny-1* rest=!deny-1* | deny-1");
	expect(&made, "x-1.c.example", "tcp-1=!deny-1* rest=!deny-1* | deny-1");
	expect(&made, "c.example", "tcp-1=allow-1* rest=!- | allow-1");
}

static void test_scores(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1 ; score=0.7",
		"deny b.example : tcp/1 ; score=0.2", "c.example : tcp/1 ; score=1.5", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "a.example", "tcp-1=?allow-1 rest=!- | allow-1");
	expect(&made, "b.example", "tcp-1=deny-1 rest=!- | deny-1");
	expect(&made, "c.example", "tcp-1=!allow-2 rest=!- | allow-2");
}

/* The strictest of the layers' verdicts, and the rule of the layer that it is put down to. */
static void test_layers(void **state)
{
	static const char *const base[] = {"**.example : tcp/1 tcp/2", "deny x.example", NULL};
	static const char *const narrow[] = {"*.example : tcp/1", "a.b.example : tcp/1", NULL};
	static const char *const neutral[] = {"deny c.example", NULL};
	const struct policy *policies[] = {sketch_policy(*state, base),
		sketch_policy(*state, narrow), sketch_policy(*state, neutral)};
	struct made made = make_of(*state, policies, 3);

	expect(&made, "a.example",
		"tcp-1=allow-1*+o1:allow-1*+- tcp-2=!allow-1*+-+- rest=!-+-+- | allow-1");
	expect(&made, "a.b.example",
		"tcp-1=allow-1*+o1:allow-2+- tcp-2=!allow-1*+-+- rest=!-+-+- | allow-1");
	expect(&made, "c.example",
		"tcp-1=!allow-1*+o1:allow-1*+o2:deny-1 "
		"tcp-2=!allow-1*+-+o2:deny-1 rest=!-+-+o2:deny-1 | o2:deny-1");
	expect(&made, "b.b.example",
		"tcp-1=!allow-1*+-+- tcp-2=!allow-1*+-+- rest=!-+-+- | o1:default-deny");
	expect(&made, "x.example",
		"tcp-1=!deny-1+o1:allow-1*+- tcp-2=!deny-1+-+- "
		"rest=!deny-1+-+- | deny-1");
}

static void test_observing(void **state)
{
	static const char *const base[] = {"a.example : tcp/1", "deny b.example", NULL};
	static const char *const enforcing[] = {"** : tcp/1", "deny c.example", NULL};
	struct policy *observing = sketch_policy(*state, base);
	const struct policy *policies[] = {observing, sketch_policy(*state, enforcing)};
	struct made made;

	observing->observe = true;
	made = make_of(*state, policies, 2);
	expect(&made, "a.example", "tcp-1=allow-1+o1:allow-1* rest=!-+- | allow-1");
	expect(&made, "b.example", "tcp-1=~deny-1+o1:allow-1* rest=!deny-1+- | deny-1");
	expect(&made, "c.example", "tcp-1=!-+o1:deny-1 rest=!-+o1:deny-1 | o1:deny-1");
	expect(&made, "d.example", "tcp-1=~-+o1:allow-1* rest=!-+- | default-deny");
}

static void test_denylist(void **state)
{
	static const char *const lines[] = {"deny **.ads.example", "ok.ads.example : tcp/1", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct made made;

	policy->denylist = true;
	policy->score.refuse_at = 3.0;
	policy->score.flag_at = 2.0;
	made = make(*state, policy);
	expect(&made, "a.example", "tcp-1=- rest=- | default-permit");
	expect(&made, "a.ads.example", "tcp-1=!deny-1* rest=!deny-1* | deny-1");
	expect(&made, "ok.ads.example", "tcp-1=allow-1 rest=!deny-1* | allow-1");
}

static void test_embedded(void **state)
{
	static const char *const lines[] = {"db.internal : tcp/1", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct name db = sketch_name("DB.internal"), other = sketch_name("x.internal");
	struct made made;

	sketch_embedded(*state, policy, "db.internal 192.0.2.1 2001:db8::1");
	sketch_embedded(*state, policy, "unlisted.internal 192.0.2.2");
	sketch_embedded(*state, policy, "db.internal 192.0.2.3");
	made = make(*state, policy);
	assert_ptr_equal(match_host(made.match, &db), &policy->dns.hosts[0]);
	assert_null(match_host(made.match, &other));
	other = sketch_name("unlisted.internal");
	assert_ptr_equal(match_host(made.match, &other), &policy->dns.hosts[1]);
	expect(&made, "unlisted.internal", "tcp-1=!- rest=!- | default-deny");
	other = sketch_name("");
	assert_null(match_host(made.match, &other));
}

/* The longest names there are, one of many labels and one of long labels. */
static void test_longest_names(void **state)
{
	const char *lines[] = {NULL, NULL, "**.a : tcp/2", NULL};
	char many[254], wide[254];
	struct made made;

	for (int i = 0; i < 253; i++) {
		many[i] = i % 2 ? '.' : 'a';
		wide[i] = i % 64 == 63 ? '.' : 'w';
	}
	many[253] = wide[253] = '\0';
	lines[0] = arena_printf(*state, "%s : tcp/1", many);
	lines[1] = arena_printf(*state, "*%s : tcp/1", strchr(wide, '.'));
	made = make(*state, sketch_policy(*state, lines));
	expect(&made, many, "tcp-1=allow-1 tcp-2=allow-3* rest=!- | allow-1");
	expect(&made, wide, "tcp-1=allow-2* tcp-2=!- rest=!- | allow-2");
}

/* A name of so many letters, one in so many of them a dot instead: its last ones are the same for
 * all. */
static const char *dotted_name(struct arena *arena, size_t size, size_t share)
{
	char *name = arena_printf(arena, "%*s", (int)size, "");

	for (size_t i = 0; i < size; i++)
		name[size - 1 - i] = i % share == share - 1 ? '.' : (char)('a' + i % 23);
	if (name[0] == '.')
		name[0] = 'z';
	return name;
}

/* Wildcards and globs over suffixes of all sizes and numbers of labels are found, and nothing is
 * found where all but the first byte of a suffix is the same. */
static void test_suffix_sizes(void **state)
{
	static const size_t shares[] = {2, 3, 8, 64};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		for (size_t size = 1; size <= 248; size += 1 + size / 16) {
			const char *suffix = dotted_name(*state, size, shares[i]);
			const char *lines[] = {NULL, NULL, NULL};
			struct made made;

			lines[0] = arena_printf(*state, "**.%s : tcp/1", suffix);
			lines[1] = arena_printf(*state, "x*.%s : tcp/2", suffix);
			made = make(*state, sketch_policy(*state, lines));
			expect(&made, arena_printf(*state, "xx.%s", suffix),
				"tcp-1=allow-1* tcp-2=allow-2* rest=!- | allow-1");
			expect(&made, arena_printf(*state, "xx.9%s", suffix + 1),
				"tcp-1=!- tcp-2=!- rest=!- | default-deny");
		}
	}
}

/* --- Many names --- */

/* The name of number `i`, 25 bytes or so as a record of a list. */
static const char *many_name(unsigned i, char text[64])
{
	snprintf(text, 64, "%s%x.tracking-%u.net", i % 3 ? "" : "a.", i * 2654435761u, i % 1000);
	return text;
}

/* A list of many names: each is found, neighbours of it are not, also where several are prepared
 * before the first is asked about; each costs at most 12 bytes beside its own, and looking up
 * allocates nothing. */
static void test_many_names(void **state)
{
	enum { NAMES = 100000 };
	static const char *const lines[] = {"deny @a.example", "** : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	size_t size, n_names, n_walked = 0, before, own = 0;
	struct match_result result;
	struct list *list;
	struct made made;
	char *text, line[64];
	FILE *file = open_memstream(&text, &size);

	for (unsigned i = 0; i < NAMES; i++)
		fprintf(file, "%s\n", many_name(i, line));
	fclose(file);
	assert_int_equal(list_parse(*state, "many", (struct text){text, size}, (struct place){0},
				 diag_new(*state), &list),
		0);
	policy->entries[1].lists[0] = list;
	made = make(*state, policy);
	match_measure(made.match, &size, &n_names);
	own = list->size;
	assert_int_equal(n_names, NAMES + 1);
	assert_in_range(size, own + (size_t)4 * NAMES, own + (size_t)12 * NAMES);

	before = arena_used(*state);
	for (unsigned i = 0; i < NAMES; i++) {
		struct name there = sketch_name(many_name(i, line));
		struct name missing = sketch_name(many_name(NAMES + i, line));
		struct names_walk walks[2];

		match_begin(made.match, &there, &walks[0]);
		match_begin(made.match, &missing, &walks[1]);
		match_prepare(made.match, &walks[0]);
		match_prepare(made.match, &walks[1]);
		assert_true(walks[0].sought && !walks[0].ready);
		assert_true(walks[1].sought);
		n_walked += walks[1].ready;
		assert_false(match_prepared(made.match, &walks[0], &result));
		assert_string_equal(result.rule, "deny-1");
		assert_true(match_prepared(made.match, &walks[1], &result));
		assert_false(match_name(made.match, &there, &result));
		assert_true(match_name(made.match, &missing, &result));
	}
	assert_int_equal(arena_used(*state), before);
	/* Of the others some have the tag of one that is there. */
	assert_in_range(n_walked, NAMES * 9 / 10, NAMES);
	free(text);
}

/* Many entries for one name make no long chain: what can never win is left out. */
static void test_many_entries_of_one_name(void **state)
{
	enum { ENTRIES = 20000 };
	const char **lines = arena_array(*state, ENTRIES + 1, sizeof(*lines));
	struct made made;
	size_t bytes, n_names;

	for (unsigned i = 0; i < ENTRIES; i++)
		lines[i] = i + 1 < ENTRIES ? "a.example **.b.example : tcp/1"
					   : "a.example *.b.example : tcp/2";
	made = make(*state, sketch_policy(*state, lines));
	expect(&made, "a.example", "tcp-1=allow-1 tcp-2=allow-20000 rest=!- | allow-1");
	expect(&made, "a.b.example", "tcp-1=allow-1* tcp-2=allow-20000* rest=!- | allow-1");
	match_measure(made.match, &bytes, &n_names);
	assert_int_equal(n_names, 4);
}

/* Wildcards over suffixes of more numbers of labels than a walk has hashes for, all beside globs.
 */
static void test_many_depths(void **state)
{
	enum { DEPTHS = 12 };
	const char *lines[2 * DEPTHS + 1] = {NULL}, *suffix = "z", *expected = "";
	struct made made;

	for (unsigned i = 0; i < DEPTHS; i++) {
		lines[2 * i] = arena_printf(*state, "**.%s : tcp/%u", suffix, 10 + 2 * i);
		lines[2 * i + 1] = arena_printf(*state, "b*.%s : tcp/%u", suffix, 11 + 2 * i);
		expected = arena_printf(*state, "%stcp-%u=allow-%u* tcp-%u=!- ", expected,
			10 + 2 * i, 2 * i + 1, 11 + 2 * i);
		suffix = arena_printf(*state, "a.%s", suffix);
	}
	made = make(*state, sketch_policy(*state, lines));
	expect(&made, suffix, arena_printf(*state, "%srest=!- | allow-1", expected));
	for (unsigned i = 0; i < DEPTHS; i++) {
		const char *end = suffix + 2 * (DEPTHS - i);
		struct name name = sketch_name(arena_printf(*state, "b1.%s", end));
		struct match_result result;

		assert_true(match_name(made.match, &name, &result));
		for (unsigned j = 0; j < 2 * DEPTHS; j++) {
			bool takes = j % 2 == 0 ? j <= 2 * i : j == 2 * i + 1;

			assert_int_equal(result.groups[j].winner[0], takes ? j : MATCH_NONE);
		}
	}
}

/* More globs than there are numbers for in the table's own places: what was added before them is
 * found as it was. */
static void test_many_globs(void **state)
{
	enum { GLOBS = 5000 };
	static const char *const lines[] = {
		"a.example **.b.example : tcp/1", "*.c.example : tcp/1", "deny @a.d.example", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct list *list;
	struct made made;
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	for (unsigned i = 0; i < GLOBS; i++)
		fprintf(file, "x-*.g%u.example\n", i);
	fclose(file);
	assert_int_equal(list_parse(*state, "globs", (struct text){text, size}, (struct place){0},
				 diag_new(*state), &list),
		0);
	free(text);
	policy->entries[2].lists[0] = list;
	sketch_embedded(*state, policy, "db.internal 192.0.2.1");
	made = make(*state, policy);
	expect(&made, "a.example", "tcp-1=allow-1 rest=!- | allow-1");
	expect(&made, "x.x.b.example", "tcp-1=allow-1* rest=!- | allow-1");
	expect(&made, "x.c.example", "tcp-1=allow-2* rest=!- | allow-2");
	expect(&made, "x.x.c.example", "tcp-1=!- rest=!- | default-deny");
	for (unsigned i = 0; i < GLOBS; i++) {
		struct name name = sketch_name(arena_printf(*state, "x-1.g%u.example", i));
		struct match_result result;

		assert_false(match_name(made.match, &name, &result));
		assert_string_equal(result.rule, "deny-1");
	}
	expect(&made, "x-1.g5000.example", "tcp-1=!- rest=!- | default-deny");
	assert_ptr_equal(match_host(made.match, &policy->dns.hosts[0].name), &policy->dns.hosts[0]);
}

/* A repeated name is left out only for those behind it: what is denied on some ports stays denied
 * there, and `*` goes before an earlier `**`. */
static void test_what_is_left_out(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1 tcp/2", "deny a.example : tcp/2",
		"**.b.example : tcp/1", "*.b.example : tcp/1", "deny **.b.example : tcp/2",
		"*.b.example : tcp/2", "deny a.example", NULL};
	struct made made = make(*state, sketch_policy(*state, lines));

	expect(&made, "a.example", "tcp-1=!deny-3 tcp-2=!deny-1 rest=!deny-3 | deny-3");
	expect(&made, "x.b.example", "tcp-1=allow-3* tcp-2=!deny-2* rest=!- | allow-3");
}

/* --- Addresses --- */

/* The leases that an address needs, "tcp-1=allow-1 tcp-2=?allow-2" with '?' for the mark that
 * reports, "nothing" where it needs none, "refused" where it must not be answered. */
static const char *answered_as(
	const struct made *made, const char *name, const char *address, bool embedded)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	struct name wire = sketch_name(name);
	struct inaddr to = sketch_address(address);
	struct match_result result;
	const char *text = "";
	unsigned n_leases = 77;

	match_name(made->match, &wire, &result);
	result.embedded = embedded;
	if (!match_answer(made->match, &result, &to, leases, &n_leases)) {
		assert_int_equal(n_leases, 77);
		return "refused";
	}
	for (unsigned i = 0; i < n_leases; i++) {
		const struct plan_rule *rule = &made->plan->rules[leases[i].rule];
		bool reported = leases[i].mark != rule->mark;

		if (reported)
			assert_int_equal(leases[i].mark, rule->flag_mark);
		text = arena_printf(made->arena, "%s%s%s=%s%s", text, i > 0 ? " " : "",
			made->plan->groups[leases[i].group].name, reported ? "?" : "", rule->id);
	}
	return n_leases > 0 ? text : "nothing";
}

static const char *answered(const struct made *made, const char *name, const char *address)
{
	return answered_as(made, name, address, false);
}

static void test_believed(void **state)
{
	static const char *const lines[] = {"public.example : tcp/1",
		"any.example : tcp/1 ; addresses=any",
		"listed.example : tcp/1 ; addresses=10.1.0.0/16,203.0.112.7", "10.2.0.0/16 : tcp/2",
		NULL};
	static const struct {
		const char *name, *address, *leases;
	} cases[] = {
		{"public.example", "9.1.2.3", "tcp-1=allow-1"},
		{"public.example", "10.1.0.1", "refused"},
		{"public.example", "64:ff9b::10.1.0.1", "refused"},
		{"public.example", "2002:a01:1::", "refused"},
		{"public.example", "10.2.0.1", "nothing"},
		{"any.example", "10.1.0.1", "tcp-1=allow-2"},
		{"listed.example", "10.1.0.1", "tcp-1=allow-3"},
		{"listed.example", "203.0.112.7", "tcp-1=allow-3"},
		{"listed.example", "9.1.2.3", "refused"},
		{"other.example", "9.1.2.3", "refused"},
		{"other.example", "10.2.0.1", "nothing"},
	};
	struct policy *policy = sketch_policy(*state, lines);
	struct made made;

	policy->block = CLASS_ALL;
	made = make(*state, policy);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			answered(&made, cases[i].name, cases[i].address), cases[i].leases);
	assert_string_equal(
		answered_as(&made, "public.example", "10.1.0.1", true), "tcp-1=allow-1");
}

/* An override narrows what a name of the base opens by its own addresses and classes. */
static void test_override_of_addresses(void **state)
{
	static const char *const base[] = {"a.example : tcp/1 tcp/2", NULL};
	static const char *const over[] = {"deny 192.0.2.0/24", "deny 198.51.100.0/24 : tcp/2",
		"deny 192.0.3.0/24 ; score=0.7", NULL};
	struct policy *override = sketch_policy(*state, over);
	const struct policy *policies[] = {sketch_policy(*state, base), override};
	struct made made;

	override->block = 1u << CLASS_PRIVATE;
	made = make_of(*state, policies, 2);
	assert_string_equal(answered(&made, "a.example", "9.1.2.3"), "tcp-1=allow-1 tcp-2=allow-1");
	assert_string_equal(answered(&made, "a.example", "192.0.2.1"), "refused");
	assert_string_equal(answered(&made, "a.example", "198.51.100.1"), "tcp-1=allow-1");
	assert_string_equal(answered(&made, "a.example", "10.0.0.1"), "refused");
	assert_string_equal(
		answered(&made, "a.example", "192.0.3.1"), "tcp-1=?allow-1 tcp-2=?allow-1");

	/* One that allows addresses only refuses all names. */
	override->has_allow = true;
	made = make_of(*state, policies, 2);
	assert_string_equal(answered(&made, "a.example", "9.1.2.3"), "refused");
}

/* What is reachable by default needs no lease, unless a rule has the name. */
static void test_reachable_by_default(void **state)
{
	static const char *const lines[] = {"known.example : tcp/1", "deny 192.0.2.0/24",
		"192.0.2.7 : tcp/1", "deny **.bad.example", "8.8.4.0/24 : tcp/2", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct made made;

	policy->denylist = true;
	policy->score.refuse_at = 3.0;
	policy->score.flag_at = 2.0;
	policy->block = 1u << CLASS_PRIVATE;
	made = make(*state, policy);
	assert_string_equal(answered(&made, "a.example", "9.1.2.3"), "nothing");
	assert_string_equal(answered(&made, "a.example", "8.8.4.4"), "nothing");
	assert_string_equal(answered(&made, "a.example", "10.0.0.1"), "refused");
	assert_string_equal(answered(&made, "a.example", "192.0.2.1"), "refused");
	assert_string_equal(answered(&made, "a.example", "192.0.2.7"), "nothing");
	assert_string_equal(answered(&made, "known.example", "9.1.2.3"), "tcp-1=allow-1");
	assert_string_equal(answered(&made, "known.example", "192.0.2.1"), "tcp-1=allow-1");
	assert_string_equal(answered(&made, "x.bad.example", "9.1.2.3"), "refused");
}

/* What an observing layer would refuse is left to the kernel, which records it, unless another
 * layer refuses the address there. */
static void test_observed(void **state)
{
	static const char *const base[] = {"a.example : tcp/1", NULL};
	static const char *const enforcing[] = {"** : tcp/1", NULL};
	static const char *const denying[] = {"deny 192.0.2.0/24", NULL};
	struct policy *observing = sketch_policy(*state, base);
	struct policy *permitting = sketch_policy(*state, enforcing);
	const struct policy *policies[] = {observing, sketch_policy(*state, denying)};
	struct made made;

	observing->observe = true;
	permitting->score.unknown = 0.0;
	made = make_of(*state, policies, 2);
	assert_string_equal(answered(&made, "a.example", "9.1.2.3"), "tcp-1=allow-1");
	assert_string_equal(answered(&made, "b.example", "9.1.2.3"), "nothing");
	assert_string_equal(answered(&made, "b.example", "192.0.2.1"), "refused");
	policies[1] = sketch_policy(*state, enforcing);
	made = make_of(*state, policies, 2);
	assert_string_equal(answered(&made, "b.example", "9.1.2.3"), "tcp-1=o1:allow-1");
	policies[0] = permitting;
	policies[1] = observing;
	made = make_of(*state, policies, 2);
	assert_string_equal(answered(&made, "b.example", "9.1.2.3"), "nothing");
}

/* What all groups have in common is held once. */
static void test_shared_addresses(void **state)
{
	enum { GROUPS = 40, PREFIXES = 10000 };
	const char *lines[GROUPS + 2] = {0};
	size_t bytes, names, size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	struct made made;

	fputs("deny @9.9.9.9", file);
	for (unsigned i = 0; i < PREFIXES; i++)
		fprintf(file, ",10.%u.%u.0/24", i / 128, i % 128 * 2);
	fclose(file);
	lines[0] = text;
	for (unsigned i = 0; i < GROUPS; i++)
		lines[1 + i] = arena_printf(*state, "10.0.%u.0/25 : tcp/%u", i, i + 1);
	made = make(*state, sketch_policy(*state, lines));
	match_measure(made.match, &bytes, &names);
	assert_in_range(bytes, PREFIXES * 16, PREFIXES * 16 + GROUPS * 512);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds_of_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bare_wildcards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deny, setup, teardown),
		cmocka_unit_test_setup_teardown(test_globs_and_wildcards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scores, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denylist, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embedded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_suffix_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_entries_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_depths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_globs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_override_of_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reachable_by_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
