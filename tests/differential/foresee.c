/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/foresee.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/decide.h"
#include "rules/explain.h"
#include "rules/judge.h"
#include "rules/scope.h"

/*
 * Theory of operation
 *
 * rules/judge.h, which is what --explain shows, says what becomes of a probe. All other parts that
 * have a say are held against it here, before the kernel is: the plan, the look-up of names, the
 * leases, --explain itself.
 *
 * A probe with a name stands for a connection to an address that the answer for the name has: the
 * leases that rules/match.h gives are put into the maps, as the keeper does. The kernel cannot tell
 * such a connection from one to the bare address, so that is permitted if either is.
 *
 * Leases stay when another policy is loaded, and open what they did as long as their mark is in
 * force: then the policy must still permit that name that address.
 */

enum { SAMPLE = 16 };

static void read_port(const char *text, enum protocol *ret_protocol, uint16_t *ret_port)
{
	uint64_t port = 0;

	if (strncmp(text, "tcp/", 4) == 0)
		*ret_protocol = PROTOCOL_TCP;
	else if (strncmp(text, "udp/", 4) == 0)
		*ret_protocol = PROTOCOL_UDP;
	else
		*ret_protocol =
			strcmp(text, "icmp/echo") == 0 ? PROTOCOL_ICMP_ECHO : PROTOCOL_OTHER;
	if (*ret_protocol == PROTOCOL_TCP || *ret_protocol == PROTOCOL_UDP)
		(void)text_to_number(text_of(text + 4), UINT16_MAX, &port);
	*ret_port = (uint16_t)port;
}

void foresee_packets(struct trial *trial)
{
	for (size_t i = 0; i < trial->drill->n_probes; i++) {
		const struct probe *probe = &trial->drill->probes[i];
		struct packet *packet = &trial->packets[i];

		*packet = (struct packet){
			.sender = probe->sender, .number = (unsigned)i, .to = probe->address};
		read_port(probe->port, &packet->protocol, &packet->port);
	}
}

static bool is_permitted(enum verdict verdict)
{
	return verdict != VERDICT_REFUSE;
}

static uint32_t find_refusal(const struct plan *plan, const char *rule)
{
	for (size_t i = 0; i < plan->n_refusals; i++)
		if (strcmp(plan->refusals[i].id, rule) == 0)
			return (uint32_t)i;
	return MATCH_NONE;
}

static uint32_t find_mark(const struct plan *plan, const char *rule, enum verdict verdict)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (strcmp(plan->rules[i].id, rule) == 0)
			return verdict == VERDICT_FLAG ? plan->rules[i].flag_mark
						       : plan->rules[i].mark;
	return 0;
}

/* A bare address, by the model. */
static void foresee_bare(
	const struct trial *trial, const struct packet *packet, struct foreseen *foreseen)
{
	const struct plan *plan = trial->compiled.plan;
	const struct question question = {
		.address = &packet->to, .protocol = packet->protocol, .port = packet->port};
	struct judgement judgement;

	judge(trial->compiled.layers, &question, &judgement);
	judgement_rule(trial->compiled.layers, &judgement, foreseen->rule);
	foreseen->permitted = is_permitted(judgement.verdict);
	foreseen->refusal = MATCH_NONE;
	foreseen->mark = 0;
	if (judgement.verdict == VERDICT_OBSERVE || judgement.verdict == VERDICT_REFUSE)
		foreseen->refusal = find_refusal(plan, foreseen->rule);
	if (judgement.verdict == VERDICT_OBSERVE)
		foreseen->mark = plan->observed_mark;
	else if (foreseen->permitted)
		foreseen->mark = find_mark(plan, foreseen->rule, judgement.verdict);
}

/* --- Leases --- */

/* The lease that the plan's map has for the probe's address; NULL: none. */
static struct held *find_held(
	const struct trial *trial, const struct plan *plan, size_t index, const char *map)
{
	for (size_t i = 0; i < trial->n_held; i++)
		if (trial->held[i].probe == index && strcmp(trial->held[i].map, map) == 0 &&
			strcmp(trial->held[i].table, plan->table) == 0)
			return &trial->held[i];
	return NULL;
}

static struct held *hold(struct trial *trial)
{
	size_t room = trial->held_room > 0 ? 2 * trial->held_room : 256;
	struct held *held;

	if (trial->n_held < trial->held_room)
		return &trial->held[trial->n_held++];
	held = reallocarray(trial->held, room, sizeof(*held));
	if (!held)
		return NULL;
	trial->held = held;
	trial->held_room = room;
	return &trial->held[trial->n_held++];
}

static int add_lease(
	struct trial *trial, const struct plan *plan, const struct match_lease *lease, size_t index)
{
	const struct inaddr *address = &trial->packets[index].to;
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	const char *map = plan->groups[lease->group].family[family].leases;
	struct setlink_element element = {
		.has_mark = true, .mark = lease->mark, .timeout = duration_seconds(3600)};
	const uint8_t *key = inaddr_raw(address, &element.key_size);
	struct held *held = find_held(trial, plan, index, map);

	memcpy(element.key, key, element.key_size);
	setlink_begin(trial->runner->link, plan->table);
	if (held)
		setlink_delete(trial->runner->link, map, &element);
	else
		held = hold(trial);
	if (!held)
		return -ENOMEM;
	*held = (struct held){index, plan->table, map, lease->mark};
	setlink_add(trial->runner->link, map, &element);
	return setlink_commit(trial->runner->link);
}

static bool has_leases(const struct plan *plan, const char *map)
{
	for (size_t group = 0; group < plan->n_groups; group++)
		for (unsigned family = 0; family < PLAN_FAMILIES; family++)
			if (strcmp(plan->groups[group].family[family].leases, map) == 0)
				return true;
	return false;
}

void foresee_swept(struct trial *trial, const struct plan *plan)
{
	size_t n_left = 0;

	for (size_t i = 0; i < trial->n_held; i++)
		if (strcmp(trial->held[i].table, plan->table) != 0 ||
			has_leases(plan, trial->held[i].map))
			trial->held[n_left++] = trial->held[i];
	trial->n_held = n_left;
}

static bool is_live(const struct plan *plan, uint32_t mark)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].mark == mark || plan->rules[i].flag_mark == mark)
			return true;
	return mark == plan->observed_mark;
}

uint32_t foresee_held(const struct trial *trial, size_t index)
{
	const struct plan *plan = trial->compiled.plan;
	const struct packet *packet = &trial->packets[index];
	unsigned family = inaddr_is_ip4(&packet->to) ? PLAN_IP4 : PLAN_IP6, group;
	const struct held *held;

	if (!plan_find_group(plan, packet->protocol, packet->port, &group))
		return 0;
	held = find_held(trial, plan, index, plan->groups[group].family[family].leases);
	return held && is_live(plan, held->mark) ? held->mark : 0;
}

int foresee_lease(struct trial *trial, const struct compiled *compiled, size_t index)
{
	const struct probe *probe = &trial->drill->probes[index];
	struct match_lease leases[PLAN_GROUPS_MAX];
	struct match_result result;
	unsigned n_leases = 0;
	int error = 0;

	if (!probe->has_name || !match_name(compiled->match, &probe->name, &result) ||
		!match_answer(compiled->match, &result, &probe->address, leases, &n_leases))
		return 0;
	for (unsigned i = 0; i < n_leases && error == 0; i++)
		error = add_lease(trial, compiled->plan, &leases[i], index);
	return error;
}

/* --- Names --- */

/* Whether rules/match.h says of the name, on the port of the probe, what the model does. */
static bool check_name(const struct trial *trial, size_t index, const struct match_result *result)
{
	const struct packet *packet = &trial->packets[index];
	const struct question question = {.name = &trial->drill->probes[index].name,
		.protocol = packet->protocol,
		.port = packet->port};
	struct judgement judgement;
	enum verdict verdict = result->rest;
	unsigned group;

	judge(trial->compiled.layers, &question, &judgement);
	if (plan_find_group(trial->compiled.plan, packet->protocol, packet->port, &group))
		verdict = result->groups[group].verdict;
	if (verdict == judgement.verdict)
		return true;
	trial_disagree(trial, index, "look-up of the name", "another verdict");
	return false;
}

/* The mark of the lease that rules/match.h gives in the port group; 0: none. */
static uint32_t given_mark(
	const struct trial *trial, size_t index, const struct match_result *result, unsigned group)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	unsigned n_leases = 0;

	if (!result->answered || !match_answer(trial->compiled.match, result,
					 &trial->packets[index].to, leases, &n_leases))
		return 0;
	for (unsigned i = 0; i < n_leases; i++)
		if (leases[i].group == group)
			return leases[i].mark;
	return 0;
}

/* Whether the lease is what the model says of a connection to an address of the name. */
static bool check_lease(const struct trial *trial, size_t index, const struct judgement *judgement,
	uint32_t given, uint32_t held)
{
	const struct plan *plan = trial->compiled.plan;
	bool permitted = is_permitted(judgement->verdict);
	char rule[RULE_ROOM];

	if (held != 0 && !permitted) {
		trial_disagree(trial, index, "lease",
			given != 0 ? "a lease" : "a lease of a policy before in force");
		return false;
	}
	judgement_rule(trial->compiled.layers, judgement, rule);
	if (given == 0 || judgement->verdict == VERDICT_OBSERVE ||
		given == find_mark(plan, rule, judgement->verdict))
		return true;
	trial_disagree(trial, index, "lease", "the mark of another rule");
	return false;
}

/* A connection to an address of a name. */
static bool foresee_name(const struct trial *trial, size_t index, struct foreseen *foreseen)
{
	const struct packet *packet = &trial->packets[index];
	const struct question question = {.name = &trial->drill->probes[index].name,
		.address = &packet->to,
		.protocol = packet->protocol,
		.port = packet->port};
	struct match_result result;
	struct judgement judgement;
	uint32_t given = 0, held = foresee_held(trial, index);
	unsigned group;

	match_name(trial->compiled.match, question.name, &result);
	if (!check_name(trial, index, &result))
		return false;
	judge(trial->compiled.layers, &question, &judgement);
	if (plan_find_group(trial->compiled.plan, packet->protocol, packet->port, &group))
		given = given_mark(trial, index, &result, group);
	if (!check_lease(trial, index, &judgement, given, held))
		return false;
	if (held == 0 && !foreseen->permitted && result.answered &&
		is_permitted(judgement.verdict)) {
		trial_disagree(trial, index, "lease", "no lease");
		return false;
	}
	if (held == 0)
		return true;
	foreseen->permitted = true;
	foreseen->refusal = MATCH_NONE;
	foreseen->mark = held;
	trial->runner->tally->n_leased++;
	judgement_rule(trial->compiled.layers, &judgement, foreseen->rule);
	return true;
}

/* --- The compiler's other parts --- */

/* Whether --explain says what the model does of a bare address, or of one out of scope. */
static bool check_explain(const struct trial *trial, size_t index)
{
	const struct probe *probe = &trial->drill->probes[index];
	const struct foreseen *foreseen = &trial->foreseen[index];
	unsigned family = inaddr_is_ip4(&probe->address) ? 0 : 1;
	const struct explain_as *as = &trial->runner->senders[probe->sender].as[family];
	char text[INADDR_TEXT], destination[INADDR_TEXT + 32];
	const char *slash = strchr(probe->port, '/');
	bool permitted;
	FILE *nowhere;
	int error;

	if (probe->has_name || !slash || index % SAMPLE != 0)
		return true;
	inaddr_to_text(&probe->address, text);
	if (strcmp(probe->port, "icmp/echo") == 0)
		snprintf(destination, sizeof(destination), "icmp/%s", text);
	else
		snprintf(destination, sizeof(destination),
			family == 0 ? "%.3s/%s:%s" : "%.3s/[%s]:%s", probe->port, text, slash + 1);
	nowhere = fopen("/dev/null", "we");
	if (!nowhere)
		return false;
	error = explain(&trial->compiled, destination, as, false, nowhere, &permitted);
	fclose(nowhere);
	if (error == 0 && permitted == foreseen->permitted)
		return true;
	trial_disagree(trial, index, "--explain", error < 0 ? "an error" : "another verdict");
	return false;
}

static bool check_plan(const struct trial *trial, size_t index)
{
	const struct packet *packet = &trial->packets[index];
	const struct foreseen *foreseen = &trial->foreseen[index];
	struct decision decision;
	unsigned group;

	if (!plan_find_group(trial->compiled.plan, packet->protocol, packet->port, &group))
		group = DECIDE_REST;
	decision = decide(trial->compiled.plan, group, &packet->to);
	if (is_permitted(decision.verdict) == foreseen->permitted &&
		strcmp(decision_rule(trial->compiled.plan, decision), foreseen->rule) == 0)
		return true;
	trial_disagree(trial, index, "the plan", decision_rule(trial->compiled.plan, decision));
	return false;
}

bool foresee(struct trial *trial, size_t index)
{
	const struct probe *probe = &trial->drill->probes[index];
	struct foreseen *foreseen = &trial->foreseen[index];
	const struct scope *scope = &trial->compiled.plan->policy->scope;
	unsigned family = inaddr_is_ip4(&probe->address) ? 0 : 1;

	foresee_bare(trial, &trial->packets[index], foreseen);
	if (!check_plan(trial, index))
		return false;
	if (probe->has_name && !foresee_name(trial, index, foreseen))
		return false;
	foreseen->in_scope = true;
	if (scope_is_given(scope) &&
		scope_has(scope, &trial->runner->senders[probe->sender].as[family],
			&foreseen->in_scope) < 0)
		return false;
	if (!foreseen->in_scope) {
		foreseen->permitted = true;
		foreseen->mark = 0;
		foreseen->refusal = MATCH_NONE;
		strcpy(foreseen->rule, "out-of-scope");
	}
	return check_explain(trial, index);
}
