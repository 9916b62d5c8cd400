/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/judge.h"
#include "rules/plan.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/sketch.h"

static int setup(void **state)
{
	return arena_new(256 << 20, (struct arena **)state);
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

/* The plan of a base, given by its lines. */
static const struct plan *plan_of(struct arena *arena, const char *const *lines)
{
	struct policy *policy = sketch_policy(arena, lines);

	policy->block = CLASS_ALL;
	return sketch_plan(arena, policy);
}

/* What an entry says counts, and all of it. */
static void test_what_is_said(void **state)
{
	static const char *const lines[] = {"b.example", "b.example : tcp/444", "*.example",
		"**.example", "example", "b*.example", "/b.example/", "@b.example", "10.0.0.0/8",
		"10.0.0.0/9", "@10.0.0.0/8", "b.example 10.0.0.0/8", "b.example a.example",
		"b.example ; addresses=any", "b.example ; addresses=10.0.0.0/8",
		"b.example ; addresses=10.0.0.0/9", "b.example ; expires=999",
		"b.example ; expires=1000", "deny b.example : tcp/443 ; score=0.2"};
	enum { LINES = sizeof(lines) / sizeof(lines[0]) };
	uint32_t marks[LINES];

	for (size_t i = 0; i < LINES; i++) {
		const struct plan *plan = plan_of(*state, (const char *const[]){lines[i], NULL});

		marks[i] = plan->rules[0].mark;
		assert_int_not_equal(marks[i], 0);
		assert_int_equal(marks[i] >> 31, 0);
		assert_int_equal(plan->rules[0].flag_mark, 0);
		for (size_t j = 0; j < i; j++)
			if (i + 1 < LINES)
				assert_int_not_equal(marks[i], marks[j]);
	}
	/* Whether it is an allow or a deny that permits is all the same. */
	assert_int_equal(marks[LINES - 1], marks[0]);
}

/* Rules that say the same have marks of their own all the same. */
static void test_twins(void **state)
{
	static const char *const lines[] = {"b.example", "b.example", "b.example", NULL};
	const struct plan *plan = plan_of(*state, lines);

	for (size_t i = 0; i < plan->n_rules; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(plan->rules[i].mark, plan->rules[j].mark);
}

/* Without entries that differ in what they believe nothing in a single layer without denials has
 * to do with anything else. */
static void test_others_do_not_matter(void **state)
{
	static const char *const before[] = {"a.example b.example 10.0.0.0/8 : tcp/443 tcp/80",
		"b.example : tcp/443", "b.example : tcp/443", NULL};
	static const char *const after[] = {"*.example : udp/1 tcp/80", "b.example : tcp/443",
		"10.0.0.0/8 b.example a.example : tcp/80 tcp/443", NULL};
	const struct plan *a = plan_of(*state, before);
	const struct plan *b = plan_of(*state, after);

	assert_int_equal(a->rules[0].mark, b->rules[2].mark);
	assert_int_equal(a->rules[1].mark, b->rules[1].mark);
	/* Leases of an installed version must stay good. */
	assert_int_equal(a->rules[1].mark, 0x1c038a31);
}

/* What a further line does to the mark of a rule in a single layer. */
static void test_denials(void **state)
{
	static const struct {
		const char *rule;
		const char *further;
		bool changes;
	} cases[] = {
		{"a.example", "deny a.example", true},
		{"a.example", "deny b.example", false},
		{"a.example", "deny *.example", true},
		{"a.example", "deny *.a.example", false},
		{"a.example", "deny **.example", true},
		{"a.example", "deny b*.example", false},
		{"a.example", "deny a*.example", true},
		{"a.example", "deny example", false},
		{"a.example", "deny /x/", true},
		{"a.example", "deny @z.invalid", true},
		{"a.example", "deny 10.0.0.0/8", true},
		{"a.example", "deny @10.0.0.0/8", true},
		{"a.example", "deny 10.0.0.0/8 : tcp/80", false},
		{"a.example", "deny a.example : tcp/443 ; score=0.2", false},
		{"*.example", "deny b.example", true},
		{"*.example", "deny a.b.example", false},
		{"**.example", "deny a.b.example", true},
		{"*.example", "deny example", false},
		{"*.b.example", "deny **.example", true},
		{"a-*.example", "deny *-b.example", true},
		{"a-*.example", "deny b-*.example", false},
		{"a-*.example", "deny a-*.example.net", false},
		{"/x/", "deny z.invalid", true},
		{"@a.example", "deny z.invalid", true},
		{"@a.example", "deny 10.0.0.0/8", true},
		{"10.0.0.0/8", "deny a.example", false},
		{"10.0.0.0/8", "deny 10.1.0.0/16", true},
		{"10.1.0.0/16", "deny 10.0.0.0/8", true},
		{"10.1.0.0/16", "deny 10.1.255.255-11.0.0.0", true},
		{"10.1.0.0/16", "deny 10.2.0.0/15", false},
		{"10.1.0.0/16", "deny @10.2.0.0/15", true},
		{"@10.1.0.0/16", "deny 10.2.0.0/15", true},
		{"@10.1.0.0/16", "deny a.example", false},
		{"10.1.0.0/16 : tcp/1-100", "deny 10.1.0.0/24 : tcp/100-101", true},
		{"10.1.0.0/16 : tcp/1-100", "deny 10.1.0.0/24 : tcp/101", false},
		{"::/0", "deny 10.0.0.0/8", false},
		{"2001:db8::/32", "deny ::/0", true},
		{"2001:db8::/33", "deny 2001:db8:8000::/33", false},
		{"a.example", "b.example ; addresses=any", false},
		{"*.example", "b.example ; addresses=any", true},
		{"*.example", "b.example ; addresses=public", false},
		{"*.example ; addresses=any", "b.example ; addresses=10.0.0.0/8", true},
		{"10.0.0.0/8", "b.example ; addresses=any", false},
		{"deny 10.0.0.0/8 ; score=0.2", "deny 10.1.0.0/16", true},
		{"deny 10.0.0.0/8 ; score=0.2", "deny 11.1.0.0/16", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const before[] = {cases[i].rule, NULL};
		const char *const after[] = {cases[i].rule, cases[i].further, NULL};
		bool changed = plan_of(*state, before)->rules[0].mark !=
			       plan_of(*state, after)->rules[0].mark;

		if (changed != cases[i].changes)
			fail_msg("%s with %s: %d", cases[i].rule, cases[i].further, changed);
	}
}

static void test_classes(void **state)
{
	static const char *const lines[] = {
		"a.example", "10.0.0.0/8 172.16.0.0/12", "192.0.2.0/24", "@192.0.2.0/24", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *open = sketch_plan(*state, policy), *closed;

	policy->block = 1u << CLASS_PRIVATE;
	closed = sketch_plan(*state, policy);
	assert_int_not_equal(open->rules[0].mark, closed->rules[0].mark);
	assert_int_not_equal(open->rules[1].mark, closed->rules[1].mark);
	assert_int_equal(open->rules[2].mark, closed->rules[2].mark);
	assert_int_not_equal(open->rules[3].mark, closed->rules[3].mark);
}

/* The mark of the base's first rule under an override. */
static uint32_t mark_under(
	struct arena *arena, const char *rule, const char *const *override, double unknown)
{
	const char *const lines[] = {rule, NULL};
	struct policy *policies[] = {sketch_policy(arena, lines), sketch_policy(arena, override)};

	policies[1]->score.unknown = unknown;
	policies[1]->has_allow = true;
	return sketch_plan_of(
		arena, sketch_layers(arena, (const struct policy *const *)policies, 2))
		->rules[0]
		.mark;
}

/* What a further line of an override does to a rule of the base. */
static void test_overrides(void **state)
{
	static const struct {
		const char *rule;
		const char *further;
		double unknown;
		bool changes;
	} cases[] = {
		{"a.example", "a.example", 1.0, true},
		{"a.example", "b.example", 1.0, false},
		{"a.example", "a.example", 0.0, false}, /* it refuses nothing */
		{"a.example", "10.0.0.0/8", 1.0, true},
		{"10.0.0.0/8", "a.example", 1.0, true},
		{"10.0.0.0/8", "deny a.example", 0.0, true},
		{"10.0.0.0/8", "10.1.0.0/16", 1.0, true},
		{"10.0.0.0/8", "11.0.0.0/8", 1.0, false},
		{"a.example", "a.example : tcp/80", 1.0, false},
		{"a.example", "deny a.example", 1.0, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const none[] = {NULL};
		const char *const some[] = {cases[i].further, NULL};
		bool changed = mark_under(*state, cases[i].rule, none, cases[i].unknown) !=
			       mark_under(*state, cases[i].rule, some, cases[i].unknown);

		if (changed != cases[i].changes)
			fail_msg("%s with %s: %d", cases[i].rule, cases[i].further, changed);
	}
}

/* An override that lists nothing takes everything away. */
static void test_override_that_refuses_all(void **state)
{
	static const char *const none[] = {NULL};

	assert_int_not_equal(mark_under(*state, "a.example", none, 0.0),
		mark_under(*state, "a.example", none, 1.0));
}

enum { BASE_OBSERVES = 1, OVER_OBSERVES = 2, OVER_BLOCKS = 4, OVER_BLOCKS_MORE = 8 };

/* A base and an override, and whether what changes between two of them changes the mark of the
 * base's first rule. */
struct stack {
	const char *base[4];
	const char *over[4];
	double base_unknown, over_unknown;
	unsigned more;
};

static uint32_t stack_mark(struct arena *arena, const struct stack *stack)
{
	struct policy *base = sketch_policy(arena, stack->base);
	struct policy *over = sketch_policy(arena, stack->over);

	base->score.unknown = stack->base_unknown;
	base->observe = stack->more & BASE_OBSERVES;
	over->score.unknown = stack->over_unknown;
	over->observe = stack->more & OVER_OBSERVES;
	over->block = stack->more / OVER_BLOCKS;
	return sketch_plan_of(
		arena, sketch_layers(arena, (const struct policy *const[]){base, over}, 2))
		->rules[0]
		.mark;
}

static void test_stacks(void **state)
{
	static const struct {
		struct stack before, after;
		bool changes;
	} cases[] = {
		/* The override believes other answers, or does so from another place. */
		{{{"a.example"}, {"a.example ; addresses=10.0.0.0/8"}, 1, 1, 0},
			{{"a.example"}, {"a.example ; addresses=10.0.0.0/9"}, 1, 1, 0}, true},
		{{{"a.example"}, {"a.example ; addresses=any", "a.example"}, 1, 0, OVER_BLOCKS},
			{{"a.example"}, {"a.example", "a.example ; addresses=any"}, 1, 0,
				OVER_BLOCKS},
			true},
		{{{"a.example"}, {"a.example", "a.example"}, 1, 0, OVER_BLOCKS},
			{{"a.example"}, {"a.example", "a.example"}, 1, 0,
				OVER_BLOCKS | OVER_BLOCKS_MORE},
			true},
		/* It only observed that it doesn't believe them. */
		{{{"a.example"}, {"a.example ; addresses=10.0.0.0/8"}, 1, 0, OVER_OBSERVES},
			{{"a.example"}, {"a.example ; addresses=10.0.0.0/8"}, 1, 0, 0}, true},
		{{{"a.example ; addresses=10.0.0.0/8"}, {"b.example"}, 1, 0, BASE_OBSERVES},
			{{"a.example ; addresses=10.0.0.0/8"}, {"b.example"}, 1, 0, 0}, true},
		/* The name is answered because of another port than the rule's. */
		{{{"a.example : tcp/1", "a.example : tcp/2"},
			 {"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 1, 1, 0},
			{{"a.example : tcp/1"}, {"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 1, 1,
				0},
			true},
		{{{"a.example : tcp/1"}, {"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 0, 1, 0},
			{{"a.example : tcp/1"}, {"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 1, 1,
				0},
			true},
		{{{"a.example : tcp/1", "deny z.example"},
			 {"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 0, 1, 0},
			{{"a.example : tcp/1", "deny z.example"},
				{"10.0.0.0/8 : tcp/1", "a.example : tcp/2"}, 1, 1, 0},
			true},
		/* No name needs another port. */
		{{{"a.example : tcp/1", "a.example : tcp/2"}, {"a.example : tcp/1 tcp/2"}, 1, 1, 0},
			{{"a.example : tcp/1"}, {"a.example : tcp/1 tcp/2"}, 1, 1, 0}, false},
		{{{"a.example : tcp/1"}, {"a.example : tcp/1"}, 0, 1, 0},
			{{"a.example : tcp/1"}, {"a.example : tcp/1"}, 1, 1, 0}, false},
		/* A name that the base doesn't know leads to its range. */
		{{{"10.0.0.0/8 : tcp/1"}, {"a.example : tcp/1"}, 0, 1, 0},
			{{"10.0.0.0/8 : tcp/1"}, {"a.example : tcp/1"}, 1, 1, 0}, true},
		{{{"10.0.0.0/8"}, {"a.example"}, 0, 1, 0},
			{{"10.0.0.0/8", "a.example ; addresses=11.0.0.0/8"}, {"a.example"}, 0, 1,
				0},
			true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((stack_mark(*state, &cases[i].before) != stack_mark(*state, &cases[i].after)) !=
			cases[i].changes)
			fail_msg("case %zu", i);
}

/* Between entries that are a match for each other their order decides. */
static void test_order_of_what_differs(void **state)
{
	static const char *const before[] = {
		"a.example ; addresses=any", "a.example ; addresses=10.0.0.0/8", NULL};
	static const char *const after[] = {
		"a.example ; addresses=10.0.0.0/8", "a.example ; addresses=any", NULL};
	static const char *const mild[] = {"10.0.0.0/8", "10.0.0.0/8 ; score=2", NULL};
	static const char *const hard[] = {"10.0.0.0/8 ; score=2", "10.0.0.0/8", NULL};
	static const char *const far[] = {"11.0.0.0/8 ; score=2", "10.0.0.0/8", NULL};
	static const char *const far_too[] = {"10.0.0.0/8", "11.0.0.0/8 ; score=2", NULL};

	assert_int_not_equal(
		plan_of(*state, before)->rules[0].mark, plan_of(*state, after)->rules[1].mark);
	assert_int_not_equal(
		plan_of(*state, mild)->rules[0].mark, plan_of(*state, hard)->rules[0].mark);
	assert_int_equal(
		plan_of(*state, far)->rules[0].mark, plan_of(*state, far_too)->rules[0].mark);
}

static void test_default_permit(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const names[] = {"deny a.example", NULL};
	static const char *const one[] = {"deny 10.0.0.0/8", NULL};
	static const char *const two[] = {"deny 10.0.0.0/8", "deny 11.0.0.0/8", NULL};
	static const char *const *const lines[] = {none, names, one, two};
	uint32_t marks[4];

	for (unsigned i = 0; i < 4; i++) {
		struct policy *policy = sketch_policy(*state, lines[i]);
		const struct plan *plan;

		policy->score.unknown = 0.0;
		plan = sketch_plan(*state, policy);
		assert_string_equal(plan->rules[plan->n_rules - 1].id, "default-permit");
		marks[i] = plan->rules[plan->n_rules - 1].mark;
	}
	assert_int_equal(marks[0], marks[1]);
	assert_int_not_equal(marks[1], marks[2]);
	assert_int_not_equal(marks[2], marks[3]);
}

static void test_flag_marks(void **state)
{
	static const char *const lines[] = {"a.example", "b.example ; score=0.7", NULL};
	static const char *const over_lines[] = {"**.example ; score=0.7", NULL};
	struct policy *base = sketch_policy(*state, lines);
	struct policy *over = sketch_policy(*state, over_lines);
	const struct plan *plan = sketch_plan(*state, base);

	assert_int_equal(plan->rules[0].flag_mark, 0);
	assert_int_not_equal(plan->rules[1].flag_mark, 0);
	assert_int_not_equal(plan->rules[1].flag_mark, plan->rules[1].mark);
	plan = sketch_plan_of(
		*state, sketch_layers(*state, (const struct policy *const[]){base, over}, 2));
	assert_int_not_equal(plan->rules[0].flag_mark, 0);
}

/* New whenever something else refuses. */
static void test_observed_mark(void **state)
{
	static const char *const one[] = {"a.example", "deny 10.0.0.0/8", NULL};
	static const char *const two[] = {"deny 10.0.0.0/8 : tcp/80", "a.example", NULL};
	struct policy *policies[] = {sketch_policy(*state, one), sketch_policy(*state, two)};
	uint32_t marks[2];

	for (unsigned i = 0; i < 2; i++) {
		const struct plan *plan;

		policies[i]->observe = true;
		plan = sketch_plan(*state, policies[i]);
		marks[i] = plan->observed_mark;
		for (size_t j = 0; j < plan->n_rules; j++)
			assert_int_not_equal(marks[i], plan->rules[j].mark);
	}
	assert_int_not_equal(marks[0], 0);
	assert_int_not_equal(marks[0], marks[1]);
}

/* --- Edits at random --- */

enum { LINES_MAX = 6, LAYERS = 2 };

/* A base and an override, before they are policies. */
struct draft {
	const char *lines[LAYERS][LINES_MAX + 2];
	unsigned n_lines[LAYERS];
	unsigned block[LAYERS];
	double unknown[LAYERS];
	bool observe[LAYERS];
	unsigned n_layers;
};

static const char *const names[] = {"x.example", "a.x.example", "b.x.example", "ab.x.example",
	"a.b.x.example", "y.example", "other.invalid"};
static const char *const addresses[] = {"10.0.0.1", "10.1.0.1", "10.1.2.3", "192.168.0.1",
	"203.0.114.1", "203.0.115.1", "2002:a00:1::1", "2001:4860::1"};
static const struct port_range ports[] = {
	{PROTOCOL_TCP, 1, 1}, {PROTOCOL_TCP, 2, 2}, {PROTOCOL_TCP, 3, 3}, {PROTOCOL_UDP, 9, 9}};

enum {
	NAMES = sizeof(names) / sizeof(names[0]),
	ADDRESSES = sizeof(addresses) / sizeof(addresses[0]),
	PORTS = sizeof(ports) / sizeof(ports[0]),
};

/* With `odd` perhaps one whose score or believed addresses make its place among others matter. */
static const char *draw_line(struct arena *arena, bool odd)
{
	static const char *const destinations[] = {"x.example", "a.x.example", "b.x.example",
		"*.x.example", "**.x.example", "**.example", "a*.x.example", "*b.x.example",
		"*.b.x.example", "/^a/", "/x/", "@a.x.example", "@**.b.x.example,10.1.0.0/16",
		"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "@10.1.0.0/24", "203.0.114.0/23",
		"203.0.114.0/24", "::/0", "0.0.0.0/0", "2001:4860::/32"};
	static const char *const port_texts[] = {
		" : tcp/1", " : tcp/2", " : tcp/1 tcp/2", " : tcp/1-3", " : tcp/3"};
	static const char *const keys[] = {" ; score=0.7", " ; score=0.2", " ; score=2",
		" ; addresses=any", " ; addresses=10.0.0.0/8", " ; addresses=203.0.114.0/24"};
	bool deny = random_below(3) == 0;
	const char *line = arena_printf(
		arena, "%s%s", deny ? "deny " : "allow ", destinations[random_below(22)]);

	if (random_below(3) == 0)
		line = arena_printf(arena, "%s %s", line, destinations[random_below(22)]);
	if (!deny || random_below(3) == 0)
		line = arena_printf(arena, "%s%s", line, port_texts[random_below(5)]);
	if (odd && random_below(3) == 0)
		line = arena_printf(arena, "%s%s", line, keys[random_below(6)]);
	return line;
}

static struct draft draw_draft(struct arena *arena, bool odd)
{
	static const double unknowns[] = {1.0, 1.0, 0.6, 0.0};
	struct draft draft = {.n_layers = 1 + random_below(LAYERS)};

	for (unsigned i = 0; i < LAYERS; i++) {
		draft.n_lines[i] = random_below(LINES_MAX);
		for (unsigned j = 0; j < draft.n_lines[i]; j++)
			draft.lines[i][j] = draw_line(arena, odd);
		draft.block[i] = random_below(2) ? CLASS_ALL : 0;
		draft.unknown[i] = unknowns[random_below(4)];
		draft.observe[i] = random_below(8) == 0;
	}
	return draft;
}

static void shuffle(const char **lines, unsigned n_lines)
{
	for (unsigned i = 1; i < n_lines; i++) {
		unsigned j = random_below(i + 1);
		const char *kept = lines[i];

		lines[i] = lines[j];
		lines[j] = kept;
	}
}

/* Changes one thing. */
static void edit(struct draft *draft, struct arena *arena)
{
	unsigned layer = random_below(draft->n_layers);
	unsigned *n_lines = &draft->n_lines[layer], last;

	switch (random_below(8)) {
	case 0:
		draft->block[layer] ^= 1u << random_below(CLASS_COUNT);
		break;
	case 1:
		draft->unknown[layer] = random_below(2) ? 1.0 : 0.0;
		break;
	case 2:
		draft->observe[layer] = !draft->observe[layer];
		break;
	case 3:
		draft->n_layers = LAYERS + 1 - draft->n_layers;
		break;
	case 4:
		if (*n_lines == 0)
			break;
		last = --*n_lines;
		draft->lines[layer][random_below(last + 1)] = draft->lines[layer][last];
		draft->lines[layer][last] = NULL;
		break;
	case 5:
		shuffle(draft->lines[layer], *n_lines);
		break;
	default:
		draft->lines[layer][*n_lines] = draw_line(arena, true);
		draft->lines[layer][++*n_lines] = NULL;
	}
}

/* For messages: the draft at hand, before and after its edit. */
static char draft_text[4096], edited_text[4096];

static void write_draft(const struct draft *draft, char *out, size_t size)
{
	FILE *file = fmemopen(out, size, "w");

	for (unsigned i = 0; i < draft->n_layers; i++) {
		fprintf(file, "layer %u block %x unknown %g observe %d\n", i, draft->block[i],
			draft->unknown[i], draft->observe[i]);
		for (unsigned j = 0; j < draft->n_lines[i]; j++)
			fprintf(file, "\t%s\n", draft->lines[i][j]);
	}
	fclose(file);
}

static const struct plan *make_plan(struct arena *arena, const struct draft *draft)
{
	const struct policy *policies[LAYERS];
	const struct layers *layers;

	for (unsigned i = 0; i < draft->n_layers; i++) {
		struct policy *policy = sketch_policy(arena, draft->lines[i]);

		policy->block = draft->block[i];
		policy->score.unknown = draft->unknown[i];
		policy->observe = draft->observe[i];
		policies[i] = policy;
	}
	if (layers_make(arena, policies, draft->n_layers, 1, diag_new(arena), &layers) < 0)
		return NULL;
	return sketch_plan_of(arena, layers);
}

/* Whether the name is permitted on some port, and so resolved. */
static bool is_answered(const struct layers *layers, const struct name *name)
{
	for (unsigned i = 0; i < PORTS; i++) {
		struct question question = {
			.name = name, .protocol = ports[i].protocol, .port = ports[i].first};
		struct judgement judgement;

		judge(layers, &question, &judgement);
		if (judgement.verdict < VERDICT_REFUSE)
			return true;
	}
	return false;
}

static bool is_refused(const struct layers *layers, const struct question *question)
{
	struct judgement judgement;

	judge(layers, question, &judgement);
	return judgement.verdict == VERDICT_REFUSE;
}

static uint32_t mark_of(const struct plan *plan, const struct layer_entry *entry)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].entry == entry)
			return plan->rules[i].mark;
	fail_msg("%s is no rule", entry ? entry->id : PLAN_DEFAULT_PERMIT);
	return 0;
}

/* The mark that flows to the destination have. */
static uint32_t carried_mark(
	const struct plan *plan, const struct question *question, const struct judgement *judgement)
{
	bool observed = judgement->verdict == VERDICT_OBSERVE;

	for (size_t i = 0; i < plan->layers->n_layers; i++)
		if (judgement->layers[i].entry && (!observed || question->name))
			return mark_of(plan, judgement->layers[i].entry);
	return observed ? plan->observed_mark : mark_of(plan, NULL);
}

static bool has_mark(const struct plan *plan, uint32_t mark)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].mark == mark)
			return true;
	return plan->observed_mark == mark;
}

/* What was open, with a mark that stays, must be open still, if only as a bare address; `stays`
 * tells whether the name is still answered. Returns 1 if it was open with a mark that stays. */
static unsigned check_question(const struct plan *before, const struct plan *after,
	const struct question *question, bool stays)
{
	struct question bare = *question;
	struct judgement judgement;
	char rule[RULE_ID_MAX], name[NAME_TEXT], address[INADDR_TEXT];

	bare.name = NULL;
	judge(before->layers, question, &judgement);
	if (judgement.verdict == VERDICT_REFUSE ||
		!has_mark(after, carried_mark(before, question, &judgement)))
		return 0;
	if ((!stays || is_refused(after->layers, question)) && is_refused(after->layers, &bare))
		fail_msg("%s %s port %u was open by %s and is not, and the mark stays:\n%s%s",
			question->name ? name_to_text(question->name, name) : "-",
			inaddr_to_text(question->address, address), question->port,
			judgement_rule(before->layers, &judgement, rule), draft_text, edited_text);
	return 1;
}

/* Of all addresses on all ports, with a name or without. */
static unsigned check_name(
	const struct plan *before, const struct plan *after, const struct name *name)
{
	bool stays = !name || is_answered(after->layers, name);
	unsigned kept = 0;

	if (name && !is_answered(before->layers, name))
		return 0;
	for (unsigned i = 0; i < ADDRESSES * PORTS; i++) {
		struct inaddr address = sketch_address(addresses[i % ADDRESSES]);
		struct question question = {
			.name = name,
			.address = &address,
			.protocol = ports[i / ADDRESSES].protocol,
			.port = ports[i / ADDRESSES].first,
		};

		kept += check_question(before, after, &question, stays);
	}
	return kept;
}

static unsigned check_edit(const struct plan *before, const struct plan *after)
{
	unsigned kept = check_name(before, after, NULL);

	for (unsigned i = 0; i < NAMES; i++) {
		struct name name = sketch_name(names[i]);

		kept += check_name(before, after, &name);
	}
	return kept;
}

static void test_marks_stay_only_while_nothing_shrinks(void **state)
{
	unsigned kept = 0;

	random_state = 5;
	for (unsigned round = 0; round < 600; round++) {
		struct draft draft = draw_draft(*state, true);
		const struct plan *before = make_plan(*state, &draft), *after;

		write_draft(&draft, draft_text, sizeof(draft_text));
		edit(&draft, *state);
		write_draft(&draft, edited_text, sizeof(edited_text));
		after = make_plan(*state, &draft);
		if (before && after)
			kept += check_edit(before, after);
		arena_reset(*state);
	}
	/* It is no property of marks that never stay. */
	assert_true(kept > 10000);
}

static int compare_marks(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* All marks of a plan, sorted. */
static uint32_t *sorted_marks(struct arena *arena, const struct plan *plan)
{
	uint32_t *marks = arena_array(arena, 2 * plan->n_rules + 1, sizeof(*marks));

	for (size_t i = 0; i < plan->n_rules; i++) {
		marks[2 * i] = plan->rules[i].mark;
		marks[2 * i + 1] = plan->rules[i].flag_mark;
	}
	marks[2 * plan->n_rules] = plan->observed_mark;
	qsort(marks, 2 * plan->n_rules + 1, sizeof(*marks), compare_marks);
	return marks;
}

static void test_order_does_not_matter(void **state)
{
	random_state = 6;
	for (unsigned round = 0; round < 200; round++) {
		struct draft draft = draw_draft(*state, false);
		const struct plan *a = make_plan(*state, &draft), *b;

		for (unsigned i = 0; i < draft.n_layers; i++)
			shuffle(draft.lines[i], draft.n_lines[i]);
		b = make_plan(*state, &draft);
		if (a) {
			assert_int_equal(a->n_rules, b->n_rules);
			assert_memory_equal(sorted_marks(*state, a), sorted_marks(*state, b),
				(2 * a->n_rules + 1) * sizeof(uint32_t));
		}
		arena_reset(*state);
	}
}

/* The same where there is more than is looked at closely: many items on one path, and more
 * combinations of ports than are told apart. */
static void test_order_of_many_does_not_matter(void **state)
{
	enum { MANY = 2000 };
	const char **lines = arena_array(*state, MANY + 2, sizeof(*lines));
	const struct plan *a, *b;

	random_state = 7;
	lines[0] = "**.example 10.0.0.0/8 : tcp/1-12";
	for (unsigned i = 1; i <= MANY; i++) {
		lines[i] = arena_printf(
			*state, "deny h%u.example 10.%u.%u.0/24 :", i, i / 256, i % 256);
		for (unsigned bit = 0; bit < 12; bit++)
			if (i >> bit & 1)
				lines[i] = arena_printf(*state, "%s tcp/%u", lines[i], bit + 1);
	}
	a = plan_of(*state, lines);
	shuffle(lines, MANY + 1);
	b = plan_of(*state, lines);
	assert_int_equal(a->rules[0].mark, b->rules[0].mark);
	for (unsigned i = 0; i <= MANY; i++)
		if (strncmp(lines[i], "deny h7.", 8) == 0)
			lines[i] = "deny h7.example : tcp/12";
	assert_int_not_equal(a->rules[0].mark, plan_of(*state, lines)->rules[0].mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_do_not_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_override_that_refuses_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stacks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_of_what_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_permit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flag_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_marks_stay_only_while_nothing_shrinks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_does_not_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_order_of_many_does_not_matter, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
