/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rules/codes.h"
#include "rules/match.h"
#include "rules/plan.h"
#include "src/base/arena.h"
#include "tests/rules/chance.h"
#include "tests/rules/layered.h"

/* Whose limits hold for which rules, and what is said where the kernel cannot hold them. */

static int setup(void **state)
{
	return arena_new((size_t)512 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

struct warnings {
	struct arena *arena;
	const char *text; /* a line for each */
};

static void add_warning(void *context, const struct diag_message *message)
{
	struct warnings *warnings = context;

	if (message->code == CODE_LIMITER)
		warnings->text = arena_printf(warnings->arena, "%s%s:%u: %s\n", warnings->text,
			message->place.file, message->place.line, message->text);
}

static const struct plan *lower(
	struct arena *arena, const struct layers *layers, const char **ret_said)
{
	struct diag *diag = diag_new(arena);
	struct warnings warnings = {arena, ""};
	const struct plan *plan;

	assert_int_equal(plan_make(arena, layers, diag, &plan), 0);
	diag_visit(diag, add_warning, &warnings);
	*ret_said = warnings.text;
	return plan;
}

/* "allow-1: o1:allow-2\n": each rule with the entries that limit it, if any do. */
static const char *limited_text(struct arena *arena, const struct plan *plan)
{
	const char *text = "";

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		if (rule->n_limiters == 0)
			continue;
		text = arena_printf(arena, "%s%s:", text, rule->id);
		for (size_t j = 0; j < rule->n_limiters; j++)
			text = arena_printf(
				arena, "%s %s", text, plan->limiters[rule->limiters[j]].entry->id);
		text = arena_printf(arena, "%s\n", text);
	}
	return text;
}

#define LIMIT "connections = '5/minute'\n"

static const struct {
	const char *base;
	const char *override;
	const char *limited;
	const char *other; /* who is warned of to permit another part, or NULL */
} rows[] = {
	/* The same, wider and narrower. */
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nhost = 'a.example'\n" LIMIT,
		"allow-1: o1:allow-1\n", NULL},
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nhost = '*.example'\nbroad = true\n" LIMIT,
		"allow-1: o1:allow-1\n", NULL},
	{"[[allow]]\nhost = '*.example'\nbroad = true\n", "[[allow]]\nhost = 'a.example'\n" LIMIT,
		"allow-1: o1:allow-1\n", NULL},
	{"[[allow]]\nip = '9.0.0.0/8'\n", "[[allow]]\nip = '9.1.0.0/16'\n" LIMIT,
		"allow-1: o1:allow-1\n", NULL},
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nhost_pattern = 'x'\nbytes = '1 kB'\n",
		"allow-1: o1:allow-1\n", NULL},
	/* One for several rules. */
	{"[[allow]]\nhost = 'a.example'\n[[allow]]\nip = '9.0.0.0/8'\n",
		"[[allow]]\nhost = 'a.example'\nip = '9.0.0.0/8'\nexpires = 2027-01-01\n",
		"allow-1: o1:allow-1\nallow-2: o1:allow-1\n", NULL},
	/* Nothing in common: other names, addresses, ports. */
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nhost = 'b.example'\n" LIMIT, "", NULL},
	{"[[allow]]\nip = '9.0.0.0/8'\n", "[[allow]]\nip = '8.0.0.0/8'\n" LIMIT, "", NULL},
	{"[[allow]]\nip = '9.0.0.0/8'\n", "[[allow]]\nip = '9.0.0.0/8'\nports = '80'\n" LIMIT, "",
		NULL},
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nip = '9.0.0.0/8'\n" LIMIT, "", NULL},
	{"[[allow]]\nip = '9.0.0.0/8'\n", "[[allow]]\nhost = 'a.example'\n" LIMIT, "", NULL},
	/* Each has its own part. */
	{"[[allow]]\nhost = 'a.example'\n[[allow]]\nip = '9.0.0.0/8'\n",
		"[[allow]]\nhost = 'a.example'\n[[allow]]\nip = '9.0.0.0/8'\n" LIMIT,
		"allow-2: o1:allow-2\n", NULL},
	{"[[allow]]\nhost = 'a.example'\n[[allow]]\nhost = 'b.example'\n",
		"[[allow]]\nhost = 'a.example'\n" LIMIT
		"[[allow]]\nhost = '*.example'\nbroad = true\n",
		"allow-1: o1:allow-1\n", NULL},
	/* Parts that cannot be told apart. */
	{"[[allow]]\nhost = ['a.example', 'b.example']\n",
		"[[allow]]\nhost = 'a.example'\n" LIMIT "[[allow]]\nhost = 'b.example'\n", "",
		"o1:allow-2"},
	{"[[allow]]\nhost = '*.example'\nbroad = true\n",
		"[[allow]]\nhost = 'a.example'\n" LIMIT
		"[[allow]]\nhost = '*.example'\nbroad = true\n",
		"", "o1:allow-2"},
	{"[[allow]]\nip = '9.0.0.0/8'\n",
		"[[allow]]\nip = '9.1.0.0/16'\n" LIMIT "[[allow]]\nip = '9.0.0.0/8'\n", "",
		"o1:allow-2"},
	{"[[allow]]\nip = '9.0.0.0/8'\n", "mode = 'denylist'\n[[allow]]\nip = '9.1.0.0/16'\n" LIMIT,
		"", "default-permit"},
	{"[[allow]]\nhost = 'a.example'\n",
		"mode = 'denylist'\n[[allow]]\nhost = 'a.example'\n" LIMIT, "allow-1: o1:allow-1\n",
		NULL},
	{"[[allow]]\nhost = 'a.example'\nports = ['80', '443']\n",
		"[[allow]]\nhost = 'a.example'\n" LIMIT
		"[[allow]]\nhost = 'a.example'\nports = '80'\n",
		"", "o1:allow-2"},
	{"[[allow]]\nhost = 'a.example'\n",
		"[[allow]]\nhost = 'a.example'\n[[allow]]\nhost = 'a.example'\n" LIMIT, "",
		"o1:allow-1"},
	/* A name that the override answers on another port has addresses on this one. */
	{"[[allow]]\nhost = 'a.example'\nports = ['80', '443']\n",
		"[[allow]]\nhost = 'a.example'\nports = '80'\n[[allow]]\nip = '9.0.0.0/8'\n" LIMIT,
		"", "o1:allow-1"},
	/* Whoever refuses limits nothing. */
	{"[[allow]]\nhost = 'a.example'\n",
		"[[allow]]\nhost = 'a.example'\n" LIMIT "[[deny]]\nhost = 'b.example'\n",
		"allow-1: o1:allow-1\n", NULL},
	{"[[allow]]\nhost = 'a.example'\n", "[[allow]]\nhost = 'a.example'\nscore = 5\n" LIMIT, "",
		NULL},
	/* An override's own rule has its own limits. */
	{"mode = 'denylist'\n", "[[allow]]\nhost = 'a.example'\n" LIMIT, "", NULL},
	/* Without limits. */
	{"[[allow]]\nhost = 'a.example'\n" LIMIT, "[[allow]]\nhost = 'a.example'\n", "", NULL},
};

static void test_rules(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said, *limited;
		const struct plan *plan =
			lower(*state, layered_two(*state, rows[i].base, rows[i].override), &said);

		limited = limited_text(*state, plan);
		if (strcmp(limited, rows[i].limited) != 0)
			fail_msg("row %zu: %s", i, limited);
		if (rows[i].other &&
			!strstr(said, arena_printf(*state, "of which '%s' permits another",
					      rows[i].other)))
			fail_msg("row %zu: %s", i, said);
		if (!rows[i].other && *said)
			fail_msg("row %zu: %s", i, said);
	}
}

static void test_warning(void **state)
{
	const char *said;

	lower(*state, layered_two(*state, rows[13].base, rows[13].override), &said);
	assert_string_equal(said,
		"o1.toml:2: 'o1:allow-1' limits a part of what 'allow-1' opens, of which "
		"'o1:allow-2' permits another: connections are told apart by 'allow-1' only, so "
		"those limits are not enforced there\n");
}

/* What an entry has spent is found again wherever it stands, and is not another's. */
static void test_tags(void **state)
{
	static const char base[] = "[[allow]]\nhost = ['a.example']\n[[allow]]\nip = '9.0.0.0/8'\n";
	static const char one[] = "[[allow]]\nhost = 'a.example'\n" LIMIT;
	static const char two[] = "[[allow]]\nip = '9.0.0.0/8'\n" LIMIT;
	const char *said;
	const struct plan *plan = lower(
		*state, layered_two(*state, base, arena_printf(*state, "%s%s", one, two)), &said);
	uint32_t tags[] = {plan->limiters[0].tag, plan->limiters[1].tag};

	assert_int_equal(plan->n_limiters, 2);
	assert_int_not_equal(tags[0], tags[1]);
	assert_true(tags[0] >> 31 != 0 && tags[1] >> 31 != 0);
	plan = lower(
		*state, layered_two(*state, base, arena_printf(*state, "%s%s", two, one)), &said);
	assert_int_equal(plan->n_limiters, 2);
	assert_string_equal(plan->limiters[0].entry->id, "o1:allow-2");
	assert_int_equal(plan->limiters[0].tag, tags[0]);
	assert_int_equal(plan->limiters[1].tag, tags[1]);
}

static void test_three_layers(void **state)
{
	static const char same[] = "[[allow]]\nhost = 'a.example'\n" LIMIT;
	const char *const texts[] = {same, same, same, NULL};
	const char *said;
	const struct plan *plan = lower(*state, layered(*state, texts), &said);

	assert_string_equal(limited_text(*state, plan), "allow-1: o1:allow-1 o2:allow-1\n");
	assert_int_not_equal(plan->limiters[0].tag, plan->limiters[1].tag);
}

/* --- At random: what judge() says of connections --- */

struct trial {
	struct arena *arena;
	const struct layers *layers;
	const struct plan *plan;
	const struct match *match;
	const char *said;
	size_t held;
	size_t warned;
};

static bool is_limiter(
	const struct plan *plan, const struct plan_rule *rule, const struct layer_entry *entry)
{
	for (size_t i = 0; i < rule->n_limiters; i++)
		if (plan->limiters[rule->limiters[i]].entry == entry)
			return true;
	return false;
}

/* Nobody's limit holds for what he does not permit, unless he only observes. */
static void check_limiters(struct trial *trial, const struct plan_rule *rule,
	const struct judgement *judgement, const char *question)
{
	for (size_t i = 0; i < rule->n_limiters; i++) {
		const struct plan_limiter *limiter = &trial->plan->limiters[rule->limiters[i]];
		const struct layer *layer = &trial->layers->layers[limiter->layer];

		if (judgement->layers[limiter->layer].entry != limiter->entry &&
			!layer->policy->observe)
			fail_msg("%s limits %s: %s", limiter->entry->id, rule->id, question);
		trial->held++;
	}
}

/* A connection that has the rule's mark. */
static void check_connection(
	struct trial *trial, const struct plan_rule *rule, const struct question *question)
{
	const char *text = chance_question_text(trial->arena, question);
	struct judgement judgement;

	judge(trial->layers, question, &judgement);
	check_limiters(trial, rule, &judgement, text);
	for (unsigned i = rule->layer + 1; i < trial->layers->n_layers; i++) {
		const struct layer_entry *entry = judgement.layers[i].entry;

		if (!entry || entry->entry->connections.count == 0 ||
			entry->verdict == VERDICT_REFUSE || is_limiter(trial->plan, rule, entry))
			continue;
		if (!strstr(trial->said,
			    arena_printf(trial->arena, "'%s' limits a part of", entry->id)))
			fail_msg("%s does not limit %s: %s", entry->id, rule->id, text);
		trial->warned++;
	}
}

static const struct plan_rule *find_rule(const struct trial *trial, const struct judgement *of)
{
	unsigned layer;

	if (of->verdict >= VERDICT_OBSERVE || !judgement_layer(trial->layers, of, &layer))
		return NULL;
	for (size_t i = 0; i < trial->plan->n_rules; i++)
		if (trial->plan->rules[i].entry &&
			trial->plan->rules[i].entry == of->layers[layer].entry)
			return &trial->plan->rules[i];
	return NULL;
}

static void check_bare(struct trial *trial, const struct question *question)
{
	struct judgement judgement;
	const struct plan_rule *rule;

	judge(trial->layers, question, &judgement);
	rule = find_rule(trial, &judgement);
	if (rule)
		check_connection(trial, rule, question);
}

static void check_name(struct trial *trial, struct question question)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	struct match_result result;
	unsigned n_leases;

	if (!match_name(trial->match, question.name, &result) ||
		!match_answer(trial->match, &result, question.address, leases, &n_leases))
		return;
	for (unsigned i = 0; i < n_leases; i++) {
		const struct port_range *ports = &trial->plan->groups[leases[i].group].ports[0];

		question.protocol = ports->protocol;
		question.port = ports->first;
		question.embedded = false;
		check_connection(trial, &trial->plan->rules[leases[i].rule], &question);
	}
}

static void check_policy(struct trial *trial, struct chance *chance)
{
	for (unsigned i = 0; i < 60; i++) {
		struct chance_room room;
		struct question question = chance_question(chance, &room);

		if (!question.address)
			continue;
		if (question.name)
			check_name(trial, question);
		else
			check_bare(trial, &question);
	}
}

/* A policy with a short override, or itself as one. NULL when one of them is wrong. */
static const struct layers *draw_layers(struct chance *chance, struct arena *arena)
{
	const char *texts[] = {chance_policy(chance, arena, 4), NULL, NULL};
	const struct layers *layers;
	const char *said;

	texts[1] = chance_below(chance, 3) == 0 ? texts[0] : chance_policy(chance, arena, 2);
	return layered_try(arena, texts, &layers, &said) == 0 ? layers : NULL;
}

static void test_at_random(void **state)
{
	struct chance chance = chance_new();
	size_t held = 0, warned = 0;

	for (unsigned i = 0; i < 2500; i++) {
		struct trial trial = {.arena = *state};

		arena_reset(*state);
		trial.layers = draw_layers(&chance, *state);
		if (!trial.layers)
			continue;
		trial.plan = lower(*state, trial.layers, &trial.said);
		assert_int_equal(match_make(*state, trial.plan, &trial.match), 0);
		check_policy(&trial, &chance);
		held += trial.held;
		warned += trial.warned;
	}
	print_message("%zu held, %zu warned of\n", held, warned);
	assert_true(held > 30);
	assert_true(warned > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_three_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
