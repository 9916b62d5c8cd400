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
#include "rules/match.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/sketch.h"

/*
 * The tables of rules/match.h against the language's definition, rules/judge.h: random layers,
 * random names out of few labels, addresses at and around the edges of few prefixes.
 */

enum { ROUNDS = 300, NAMES = 16, ADDRESSES = 6 };

/* A fixed sequence (Knuth's MMIX constants), anew in each round, so that a failure can be
 * repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof((array)[0]))]

/* --- Random layers --- */

/* A name of up to `most` labels out of few, so that they meet often. */
static const char *random_name(struct arena *arena, unsigned most)
{
	static const char *const labels[] = {"a", "b", "ab", "ba-b"};
	const char *name = PICK(labels);

	for (unsigned i = random_below(most); i > 0; i--)
		name = arena_printf(arena, "%s.%s", name, PICK(labels));
	return name;
}

/* In every other round there are no globs or patterns, so that what siblings got counts. */
static bool is_plain;

static const char *random_host(struct arena *arena)
{
	static const char *const fronts[] = {"", "", "*.", "**.", "a*.", "*b.", "**.a*.", "*.a*.",
		"a*b.", "a.*.", "*.*.", "b.a*.b.", "**.*."};
	unsigned form = random_below(20);

	if (form == 0)
		return "*";
	if (form == 1)
		return "**";
	return arena_printf(arena, "%s%s", is_plain ? fronts[random_below(4)] : PICK(fronts),
		random_name(arena, 3));
}

static const char *random_range(void)
{
	static const char *const ranges[] = {"10.0.0.0/30", "10.0.0.1", "10.0.0.0/8",
		"10.0.0.2-10.0.0.5", "192.0.2.0/24", "192.0.2.128/25", "9.9.8.0/23", "9.9.9.0/24",
		"9.9.9.0/30", "0.0.0.0/0", "::/0", "2001:db8::/126", "2001:db8::1", "2001:db8::/32",
		"2a00::/16", "2a00::/127", "64:ff9b::a00:0/126"};

	return PICK(ranges);
}

static const char *random_destination(struct arena *arena)
{
	static const char *const patterns[] = {"/^a/", "/b$/", "/^(a|b)[.]/", "/-/"};

	switch (random_below(8)) {
	case 0:
		return is_plain ? random_host(arena) : PICK(patterns);
	case 1:
		return arena_printf(arena, "@%s,%s,%s,%s", random_host(arena), random_host(arena),
			random_range(), random_range());
	case 2:
	case 3:
		return random_range();
	default:
		return random_host(arena);
	}
}

static const char *random_line(struct arena *arena)
{
	static const char *const ports[] = {
		"tcp/1", "tcp/2", "tcp/1-3", "udp/1", "icmp/echo", "tcp/2-4"};
	static const char *const keys[] = {"", "", "", " ; score=0.7", " ; score=-2.0",
		" ; score=2.0", " ; score=4.0", " ; addresses=any",
		" ; addresses=10.0.0.0/31,2001:db8::/64"};
	bool deny = random_below(3) == 0;
	const char *line = deny ? "deny" : "allow";

	for (unsigned i = 1 + random_below(3); i > 0; i--)
		line = arena_printf(arena, "%s %s", line, random_destination(arena));
	if (!deny || random_below(2)) {
		line = arena_printf(arena, "%s :", line);
		for (unsigned i = 1 + random_below(2); i > 0; i--)
			line = arena_printf(arena, "%s %s", line, PICK(ports));
	}
	return arena_printf(arena, "%s%s", line, PICK(keys));
}

static const struct policy *random_policy(struct arena *arena)
{
	const char *lines[8] = {0};
	struct policy *policy;

	for (unsigned i = random_below(8); i > 0; i--)
		lines[i - 1] = random_line(arena);
	policy = sketch_policy(arena, lines);
	if (random_below(3) == 0) {
		policy->denylist = policy->has_mode = true;
		policy->score.refuse_at = 3.0;
		policy->score.flag_at = random_below(2) ? 0.5 : 2.5;
	}
	policy->observe = random_below(5) == 0;
	policy->has_allow |= random_below(5) == 0;
	policy->block = random_below(3) == 0 ? 0
			: random_below(2)    ? CLASS_ALL
					     : 1u << CLASS_PRIVATE;
	return policy;
}

/* NULL where a policy cannot be enforced as it came out. */
static const struct layers *random_layers(struct arena *arena)
{
	const struct policy *policies[3];
	size_t n_policies = 1 + random_below(3);
	const struct layers *layers = NULL;

	for (size_t i = 0; i < n_policies; i++)
		policies[i] = random_policy(arena);
	layers_make(arena, policies, n_policies, 1, diag_new(arena), &layers);
	return layers;
}

static struct inaddr random_address(void)
{
	static const char *const addresses[] = {"10.0.0.0", "10.0.0.1", "10.0.0.3", "10.0.0.4",
		"10.0.0.6", "10.1.0.0", "192.0.2.127", "192.0.2.128", "192.0.3.0", "9.9.7.255",
		"9.9.8.0", "9.9.9.3", "9.9.9.4", "9.9.10.0", "0.0.0.0", "255.255.255.255",
		"::", "::1", "2001:db8::", "2001:db8::1", "2001:db8::4", "2001:db9::", "2a00::1",
		"2a00::2", "2a01::", "64:ff9b::a00:1", "2002:a00:1::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

	return sketch_address(PICK(addresses));
}

/* --- What judge() says --- */

struct trial {
	unsigned round;
	const struct plan *plan;
	const struct match *match;
	struct match_memo *memo;
	const char *name_text;
	struct name name;
	struct match_result result;
};

#define CHECK(trial, group, what)                                                                  \
	do {                                                                                       \
		if (!(what))                                                                       \
			fail_msg("round %u, '%s', group %u: %s", (trial)->round,                   \
				(trial)->name_text, group, #what);                                 \
	} while (0)

/* A port of the group; behind the groups a protocol that is in none. */
static struct judgement judge_group(const struct trial *trial, unsigned group,
	const struct name *name, const struct inaddr *address, bool embedded)
{
	struct question question = {
		.name = name,
		.address = address,
		.embedded = embedded,
		.protocol = PROTOCOL_OTHER,
	};
	struct judgement judgement;

	if (group < trial->plan->n_groups) {
		question.protocol = trial->plan->groups[group].ports[0].protocol;
		question.port = trial->plan->groups[group].ports[0].first;
	}
	judge(trial->plan->layers, &question, &judgement);
	return judgement;
}

static bool is_by_name(const struct finding *finding)
{
	return finding->kind == FOUND_HOST || finding->kind == FOUND_PATTERN;
}

static bool is_wild(const struct finding *finding)
{
	return finding->kind == FOUND_PATTERN ||
	       (finding->kind == FOUND_HOST && finding->host.kind != HOST_EXACT);
}

static void check_ports(const struct trial *trial, unsigned group)
{
	const struct layers *layers = trial->plan->layers;
	const struct match_ports *ports = &trial->result.groups[group];
	struct judgement judgement = judge_group(trial, group, &trial->name, NULL, false);

	CHECK(trial, group, ports->verdict == judgement.verdict);
	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct finding *finding = &judgement.layers[i];

		if (finding->entry)
			CHECK(trial, group,
				finding->entry == &layers->layers[i].entries[ports->winner[i]]);
		else
			CHECK(trial, group, ports->winner[i] == MATCH_NONE);
		CHECK(trial, group, (ports->wild >> i & 1) == is_wild(finding));
	}
}

static void check_name(struct trial *trial)
{
	const struct match_result *result = &trial->result;
	struct judgement judgement;
	char id[RULE_ID_MAX];
	unsigned best = 0;
	bool answered;

	answered = match_recall(
		trial->match, random_below(3) ? trial->memo : NULL, &trial->name, &trial->result);
	for (unsigned i = 0; i <= trial->plan->n_groups; i++) {
		check_ports(trial, i);
		if (result->groups[i].verdict < result->groups[best].verdict)
			best = i;
	}
	CHECK(trial, best, result->n_groups == trial->plan->n_groups);
	CHECK(trial, best, result->rest == result->groups[result->n_groups].verdict);
	CHECK(trial, best, answered == result->answered);
	CHECK(trial, best, answered == (result->groups[best].verdict != VERDICT_REFUSE));
	judgement = judge_group(trial, best, &trial->name, NULL, false);
	CHECK(trial, best,
		strcmp(result->rule, judgement_rule(trial->plan->layers, &judgement, id)) == 0);
}

/* The rule of the first layer whose winner is an entry that has one, or NULL, and that winner. */
static const struct plan_rule *find_rule(const struct plan *plan, const struct judgement *judgement,
	const struct finding **ret_finding)
{
	for (size_t i = 0; i < plan->layers->n_layers; i++) {
		const struct finding *finding = &judgement->layers[i];

		for (size_t j = 0; j < plan->n_rules && finding->entry; j++) {
			if (plan->rules[j].entry != finding->entry)
				continue;
			*ret_finding = finding;
			return &plan->rules[j];
		}
	}
	return NULL;
}

/* Checks the lease for the group, NULL for none. Returns whether the address can be reached. */
static bool check_lease(const struct trial *trial, unsigned group, const struct inaddr *address,
	const struct match_lease *lease)
{
	struct judgement full =
		judge_group(trial, group, &trial->name, address, trial->result.embedded);
	struct judgement bare = judge_group(trial, group, NULL, address, false);
	const struct finding *finding = NULL;
	const struct plan_rule *rule = find_rule(trial->plan, &full, &finding);
	bool reported;

	if (full.verdict == VERDICT_REFUSE) {
		CHECK(trial, group, !lease);
		return false;
	}
	if (group < trial->plan->n_groups && bare.verdict == VERDICT_REFUSE)
		CHECK(trial, group, lease);
	if (!lease) {
		CHECK(trial, group,
			group == trial->plan->n_groups || !rule ||
				full.verdict == VERDICT_OBSERVE ||
				(full.verdict == bare.verdict && !is_by_name(finding)));
		return bare.verdict != VERDICT_REFUSE;
	}
	CHECK(trial, group, rule == &trial->plan->rules[lease->rule]);
	CHECK(trial, group, full.verdict != bare.verdict || is_by_name(finding));
	CHECK(trial, group, full.verdict != VERDICT_OBSERVE || bare.verdict != VERDICT_OBSERVE);
	reported = full.verdict != VERDICT_PERMIT && rule->flag_mark != 0;
	CHECK(trial, group, lease->mark == (reported ? rule->flag_mark : rule->mark));
	if (full.verdict == VERDICT_FLAG)
		CHECK(trial, group, rule->flag_mark != 0);
	return true;
}

static void check_address(struct trial *trial)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	struct inaddr address = random_address();
	unsigned n_leases = 0, next = 0;
	bool answered, reachable = false;

	trial->result.embedded = random_below(4) == 0;
	answered = match_answer(trial->match, &trial->result, &address, leases, &n_leases);
	for (unsigned i = 0; i <= trial->plan->n_groups; i++) {
		bool leased = answered && next < n_leases && leases[next].group == i;

		reachable |= check_lease(trial, i, &address, leased ? &leases[next] : NULL);
		next += leased;
	}
	CHECK(trial, 0, next == n_leases);
	CHECK(trial, 0, answered == reachable);
}

static void check_layers(struct arena *arena, unsigned round, const struct layers *layers)
{
	struct trial trial = {.round = round, .plan = sketch_plan_of(arena, layers)};

	assert_int_equal(match_make(arena, trial.plan, &trial.match), 0);
	assert_int_equal(match_memo_new(trial.match, &trial.memo), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		trial.name_text = i > 0 ? random_name(arena, 4) : "";
		trial.name = sketch_name(trial.name_text);
		check_name(&trial);
		for (unsigned j = 0; j < ADDRESSES; j++)
			check_address(&trial);
	}
	match_memo_free(trial.memo);
}

static void test_against_judge(void **state)
{
	unsigned n_left_out = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct layers *layers;
		struct arena *arena;

		random_state = round;
		is_plain = round % 2 == 1;
		assert_int_equal(arena_new((size_t)1 << 26, &arena), 0);
		layers = random_layers(arena);
		if (layers)
			check_layers(arena, round, layers);
		else
			n_left_out++;
		arena_free(arena);
	}
	assert_true(n_left_out < ROUNDS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
