/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The tables by which names are looked up against the language's definition, which looks at every
 * entry: the input is a policy, a NUL, and lines of names and addresses to ask about. */

#include <errno.h>
#include <string.h>

#include "rules/judge.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/text.h"
#include "tests/fuzz/fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)
#define NOW INT64_C(1798761600) /* 2027-01-01 */

enum { QUESTIONS_MAX = 16, GROUPS_LOOKED_AT = 8 };

struct trial {
	const struct plan *plan;
	const struct match *match;
	struct name name;
	struct match_result result;
};

/* On a port of the group, the first; behind the groups by a protocol that is in none. */
static struct judgement ask_judge(const struct trial *trial, unsigned group,
	const struct name *name, const struct inaddr *address)
{
	struct question question = {.name = name, .address = address, .protocol = PROTOCOL_OTHER};
	struct judgement judgement;

	if (group < trial->plan->n_groups) {
		question.protocol = trial->plan->groups[group].ports[0].protocol;
		question.port = trial->plan->groups[group].ports[0].first;
	}
	judge(trial->plan->layers, &question, &judgement);
	return judgement;
}

static void check_group(const struct trial *trial, unsigned group)
{
	const struct layers *layers = trial->plan->layers;
	const struct match_ports *ports = &trial->result.groups[group];
	struct judgement judgement = ask_judge(trial, group, &trial->name, NULL);

	fuzz_require(ports->verdict == judgement.verdict, "both give a name the same verdict");
	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct layer_entry *entry = judgement.layers[i].entry;

		fuzz_require(entry ? ports->winner[i] < layers->layers[i].n_entries &&
					     entry == &layers->layers[i].entries[ports->winner[i]]
				   : ports->winner[i] == MATCH_NONE,
			"both by the same entry");
	}
}

static void check_address(const struct trial *trial, const struct inaddr *address)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	unsigned n_leases = 0;
	bool answered, reached = false;

	answered = match_answer(trial->match, &trial->result, address, leases, &n_leases);
	fuzz_require(answered || n_leases == 0, "what is not answered is not leased");
	for (unsigned i = 0; i < n_leases; i++) {
		struct judgement judgement =
			ask_judge(trial, leases[i].group, &trial->name, address);

		fuzz_require(judgement.verdict != VERDICT_REFUSE, "no lease for what is refused");
		fuzz_require(i == 0 || leases[i].group > leases[i - 1].group,
			"a lease for a group at most");
	}
	for (unsigned i = 0; i <= trial->plan->n_groups && !reached; i++)
		reached = ask_judge(trial, i, &trial->name, address).verdict != VERDICT_REFUSE;
	fuzz_require(answered == reached, "an address is answered that may be reached");
}

/* A line is a name, or an address that the last name has. */
static void ask(struct trial *trial, struct text line)
{
	bool permitted = false;
	struct inaddr address;

	if (inaddr_from_text(line, &address) == 0) {
		if (trial->name.length > 0)
			check_address(trial, &address);
		return;
	}
	if (name_from_text(line, &trial->name) < 0) {
		trial->name.length = 0;
		return;
	}
	match_name(trial->match, &trial->name, &trial->result);
	fuzz_require(trial->result.n_groups == trial->plan->n_groups, "all groups are judged");
	for (unsigned i = 0; i <= trial->result.n_groups; i++) {
		check_group(trial, i);
		permitted |= trial->result.groups[i].verdict != VERDICT_REFUSE;
	}
	fuzz_require(trial->result.answered == permitted, "answered is permitted on some port");
}

static void try_policy(struct arena *arena, struct text policy, struct text questions)
{
	struct compiled compiled;
	const struct compile_options options = {
		.policy = "policy.toml", .text = policy.start, .size = policy.length, .now = NOW};
	struct trial trial = {.name = {.length = 0}};
	struct text line;

	if (compile_policy(arena, &options, diag_new(arena), &compiled) < 0 ||
		compiled.plan->n_groups > GROUPS_LOOKED_AT)
		return;
	trial.plan = compiled.plan;
	trial.match = compiled.match;
	for (unsigned i = 0; i < QUESTIONS_MAX && questions.length > 0; i++) {
		text_cut(questions, '\n', &line, &questions);
		ask(&trial, line);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text all = {(const char *)data, size}, policy, questions;
	struct arena *arena;

	if (!text_cut(all, '\0', &policy, &questions))
		return 0;
	fuzz_require(arena_new(ARENA_MAX, &arena) == 0, "memory for an arena");
	try_policy(arena, policy, questions);
	arena_free(arena);
	return 0;
}
