/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rules/backend.h"
#include "rules/compile.h"
#include "rules/decide.h"
#include "rules/explain.h"
#include "rules/judge.h"
#include "rules/ports.h"
#include "rules/scope.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/differential/drill.h"
#include "tests/differential/lab.h"

/*
 * differential [--seed N] [--policies N] [--probes N] [FIXTURE...]: what the compiler says is what
 * the kernel does.
 *
 * Theory of operation
 *
 * Each policy is drawn by chance, compiled here, and loaded. Each probe is judged by rules/judge.h,
 * which is what --explain shows, and sent as a real packet. What became of it is read three ways:
 * sendto() tells a local sender of a refusal; conntrack has a flow for what went its way, whose
 * mark names the rule; and the counters of the refusals' chains, which must be as many as were
 * foreseen for each.
 *
 * A probe with a name stands for a connection to an address that the answer for the name has: the
 * leases that rules/match.h gives are put into the maps, as the keeper does. The kernel cannot tell
 * such a connection from one to the bare address, so that is permitted if either is.
 *
 * A disagreement is made smaller by leaving out files, blocks and lines as long as it stays, and
 * printed as a fixture.
 */

#define ARENA_MAX ((size_t)256 << 20)
#define RULE_ROOM 128

enum { TRIES = 40, TRY_PAUSE_US = 5000, REFUSALS_MAX = 512, SAMPLE = 16 };

struct runner {
	struct lab *lab;
	struct setlink *link;
	char folder[64];
	size_t n_senders;
	const struct sender *senders;
	unsigned long n_policies, n_rejected, n_probes, n_refused, n_leased;
};

/* A drill on its way. */
struct trial {
	struct runner *runner;
	const struct drill *drill;
	struct arena *arena;
	struct diag *diag;
	struct compiled compiled;
	struct packet *packets;
	struct flow *flows;
	struct foreseen *foreseen;
	unsigned long refusals[REFUSALS_MAX]; /* foreseen, by index into the plan's */
	bool say;                             /* what is wrong */
};

/* What is foreseen of a probe, and what came of it. */
struct foreseen {
	bool skipped; /* cannot be sent, or is not answered */
	bool permitted;
	bool by_lease;
	uint32_t mark;    /* of the flow, when permitted */
	uint32_t refusal; /* index into the plan's, when refused or observed; or MATCH_NONE */
	char rule[RULE_ROOM];
	int sent; /* what lab_send() said */
};

static void disagree(const struct trial *trial, size_t index, const char *what, const char *found)
{
	const struct probe *probe = &trial->drill->probes[index];
	char address[INADDR_TEXT], name[NAME_TEXT];

	if (!trial->say)
		return;
	printf("# %s: %s %s %s %s: foreseen %s by %s, found %s\n", what,
		trial->runner->senders[probe->sender].what,
		probe->has_name ? name_to_text(&probe->name, name) : "",
		inaddr_to_text(&probe->address, address), probe->port,
		trial->foreseen[index].permitted ? "permitted" : "refused",
		trial->foreseen[index].rule, found);
}

/* --- What is foreseen --- */

static void read_port(const char *text, enum protocol *ret_protocol, uint16_t *ret_port)
{
	*ret_port = 0;
	if (strncmp(text, "tcp/", 4) == 0)
		*ret_protocol = PROTOCOL_TCP;
	else if (strncmp(text, "udp/", 4) == 0)
		*ret_protocol = PROTOCOL_UDP;
	else
		*ret_protocol =
			strcmp(text, "icmp/echo") == 0 ? PROTOCOL_ICMP_ECHO : PROTOCOL_OTHER;
	if (*ret_protocol == PROTOCOL_TCP || *ret_protocol == PROTOCOL_UDP)
		*ret_port = (uint16_t)atoi(text + 4);
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
	if (judgement.verdict == VERDICT_OBSERVE || judgement.verdict == VERDICT_REFUSE)
		foreseen->refusal = find_refusal(plan, foreseen->rule);
	if (judgement.verdict == VERDICT_OBSERVE)
		foreseen->mark = plan->observed_mark;
	else if (foreseen->permitted)
		foreseen->mark = find_mark(plan, foreseen->rule, judgement.verdict);
}

static int add_lease(
	const struct trial *trial, const struct match_lease *lease, const struct inaddr *address)
{
	const struct plan *plan = trial->compiled.plan;
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	struct setlink_element element = {
		.has_mark = true, .mark = lease->mark, .timeout = duration_seconds(3600)};
	const uint8_t *key = inaddr_raw(address, &element.key_size);

	memcpy(element.key, key, element.key_size);
	setlink_begin(trial->runner->link, plan->table);
	setlink_add(
		trial->runner->link, plan->groups[lease->group].family[family].leases, &element);
	return setlink_commit(trial->runner->link);
}

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
	disagree(trial, index, "look-up of the name", "another verdict");
	return false;
}

/* A connection to an address of a name: opens what the answer would open. False: a disagreement
 * before anything is sent. */
static bool foresee_name(const struct trial *trial, size_t index, struct foreseen *foreseen)
{
	const struct packet *packet = &trial->packets[index];
	const struct question question = {.name = &trial->drill->probes[index].name,
		.address = &packet->to,
		.protocol = packet->protocol,
		.port = packet->port};
	struct match_lease leases[PLAN_GROUPS_MAX];
	struct match_result result;
	struct judgement judgement;
	unsigned n_leases = 0, group;
	bool in_group =
		plan_find_group(trial->compiled.plan, packet->protocol, packet->port, &group);
	bool is_leased = false;

	match_name(trial->compiled.match, question.name, &result);
	if (!check_name(trial, index, &result))
		return false;
	judge(trial->compiled.layers, &question, &judgement);
	if (result.answered &&
		match_answer(trial->compiled.match, &result, &packet->to, leases, &n_leases))
		for (unsigned i = 0; i < n_leases; i++) {
			if (add_lease(trial, &leases[i], &packet->to) < 0)
				return false;
			if (!in_group || leases[i].group != group)
				continue;
			is_leased = true;
			foreseen->mark = leases[i].mark;
		}
	if (is_leased != (is_permitted(judgement.verdict) && is_leased) ||
		(!is_leased && !foreseen->permitted && result.answered &&
			is_permitted(judgement.verdict))) {
		disagree(trial, index, "lease", is_leased ? "a lease" : "no lease");
		return false;
	}
	if (!is_leased)
		return true;
	foreseen->by_lease = true;
	foreseen->permitted = true;
	foreseen->refusal = MATCH_NONE;
	trial->runner->n_leased++;
	judgement_rule(trial->compiled.layers, &judgement, foreseen->rule);
	if (judgement.verdict != VERDICT_OBSERVE &&
		foreseen->mark !=
			find_mark(trial->compiled.plan, foreseen->rule, judgement.verdict)) {
		disagree(trial, index, "lease", "the mark of another rule");
		return false;
	}
	return true;
}

/* Whether --explain, and the plan, say what the model does of a bare address. */
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
	error = explain(&trial->compiled, destination, as, false, nowhere, &permitted);
	fclose(nowhere);
	if (error == 0 && permitted == foreseen->permitted)
		return true;
	disagree(trial, index, "--explain", error < 0 ? "an error" : "another verdict");
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
	disagree(trial, index, "the plan", decision_rule(trial->compiled.plan, decision));
	return false;
}

/* What the base alone refuses stays refused. */
static bool check_narrowing(const struct trial *trial, size_t index)
{
	const struct packet *packet = &trial->packets[index];
	const struct question question = {
		.address = &packet->to, .protocol = packet->protocol, .port = packet->port};

	for (size_t i = 0; i < trial->compiled.layers->n_layers; i++) {
		struct finding finding = judge_layer(&trial->compiled.layers->layers[i], &question);

		if (trial->foreseen[index].permitted && !is_permitted(finding.verdict)) {
			disagree(trial, index, "narrowing", "a layer that refuses");
			return false;
		}
	}
	return true;
}

static bool foresee(struct trial *trial, size_t index)
{
	const struct probe *probe = &trial->drill->probes[index];
	struct packet *packet = &trial->packets[index];
	struct foreseen *foreseen = &trial->foreseen[index];
	const struct scope *scope = &trial->compiled.plan->policy->scope;
	unsigned family = inaddr_is_ip4(&probe->address) ? 0 : 1;
	bool in_scope;

	*packet = (struct packet){
		.sender = probe->sender, .number = (unsigned)index, .to = probe->address};
	read_port(probe->port, &packet->protocol, &packet->port);
	foreseen->refusal = MATCH_NONE;
	foresee_bare(trial, packet, foreseen);
	if (!check_plan(trial, index) || !check_narrowing(trial, index))
		return false;
	if (probe->has_name && !foresee_name(trial, index, foreseen))
		return false;
	if (scope_has(scope, &trial->runner->senders[probe->sender].as[family], &in_scope) < 0)
		return false;
	if (scope_is_given(scope) && !in_scope) {
		foreseen->permitted = true;
		foreseen->mark = 0;
		foreseen->refusal = MATCH_NONE;
		strcpy(foreseen->rule, "out-of-scope");
	}
	return check_explain(trial, index);
}

/* --- What came of it --- */

/* Adds the packets that the chain of each refusal has counted, out of the table's listing. */
static void count_refusals(const struct plan *plan, char *listing, unsigned long *counts)
{
	char chain[256] = "", *rest = listing, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *counter = strstr(line, "counter packets ");

		sscanf(line, " chain %255s {", chain);
		for (size_t i = 0; counter && i < plan->n_refusals; i++)
			if (strcmp(plan->refusals[i].chain, chain) == 0)
				counts[i] +=
					strtoul(counter + strlen("counter packets "), NULL, 10);
	}
}

/* Whether the counters are what was foreseen. */
static bool check_counters(const struct trial *trial, bool say)
{
	const struct plan *plan = trial->compiled.plan;
	unsigned long counts[REFUSALS_MAX] = {0};
	char *listing = NULL;
	bool same = true;

	if (ruleset_read(plan->table, &listing) < 0)
		return false;
	count_refusals(plan, listing, counts);
	free(listing);
	for (size_t i = 0; i < plan->n_refusals; i++) {
		if (counts[i] == trial->refusals[i])
			continue;
		same = false;
		if (say && trial->say)
			printf("# %s: foreseen %lu packets, counted %lu\n", plan->refusals[i].id,
				trial->refusals[i], counts[i]);
	}
	return same;
}

static bool check_flow(const struct trial *trial, size_t index, bool say)
{
	const struct foreseen *foreseen = &trial->foreseen[index];
	const struct flow *flow = &trial->flows[index];
	bool is_client = trial->runner->senders[trial->packets[index].sender].is_client;
	bool went = is_client ? flow->exists : foreseen->sent == 0;
	char found[64];

	if (foreseen->skipped)
		return true;
	if (went == foreseen->permitted && flow->exists == went &&
		(!went || flow->mark == foreseen->mark))
		return true;
	snprintf(found, sizeof(found), "%s, %s with mark 0x%x, not 0x%x",
		went ? "permitted" : "refused", flow->exists ? "a flow" : "no flow", flow->mark,
		foreseen->mark);
	if (say)
		disagree(trial, index, "the kernel", found);
	return false;
}

static bool check_all(const struct trial *trial, bool say)
{
	bool well = true;

	if (lab_flows(trial->runner->lab, trial->packets, trial->drill->n_probes, trial->flows) < 0)
		return false;
	for (size_t i = 0; i < trial->drill->n_probes && (well || say); i++)
		well = check_flow(trial, i, say) && well;
	return check_counters(trial, say) && well;
}

/* Nobody forwards multicast here. */
static bool is_sendable(const struct trial *trial, const struct packet *packet)
{
	enum address_class class;

	return !trial->runner->senders[packet->sender].is_client ||
	       !class_find(&packet->to, 1u << CLASS_MULTICAST, &class);
}

static void send_all(struct trial *trial)
{
	for (size_t i = 0; i < trial->drill->n_probes; i++) {
		struct foreseen *foreseen = &trial->foreseen[i];

		foreseen->sent = -EADDRNOTAVAIL;
		if (is_sendable(trial, &trial->packets[i]))
			foreseen->sent = lab_send(trial->runner->lab, &trial->packets[i]);
		foreseen->skipped = foreseen->sent < 0 && foreseen->sent != -EPERM;
		if (foreseen->skipped)
			continue;
		trial->runner->n_probes++;
		trial->runner->n_refused += !foreseen->permitted;
		if (foreseen->refusal != MATCH_NONE && foreseen->refusal < REFUSALS_MAX)
			trial->refusals[foreseen->refusal]++;
	}
}

/* What passes from namespace to namespace may take a moment. */
static bool check_patiently(struct trial *trial)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (check_all(trial, false))
			return true;
		usleep(TRY_PAUSE_US);
	}
	return check_all(trial, true);
}

/* --- A drill --- */

enum outcome { AGREES, DISAGREES, REJECTED, BROKEN };

static int compile_drill(struct trial *trial)
{
	char base[128], overrides[DRILL_OVERRIDES_MAX][128];
	const char *files[DRILL_OVERRIDES_MAX], *folder = trial->runner->folder;
	struct compile_options options = {.policy = base,
		.overrides = files,
		.n_overrides = trial->drill->n_overrides,
		.profile_dirs = &folder,
		.n_profile_dirs = 1};

	snprintf(base, sizeof(base), "%s/base.toml", folder);
	for (size_t i = 0; i < trial->drill->n_overrides; i++) {
		snprintf(overrides[i], sizeof(overrides[i]), "%s/o%zu.toml", folder, i + 1);
		files[i] = overrides[i];
	}
	if (!drill_unpack(trial->drill, folder))
		return -EIO;
	return compile_policy(trial->arena, &options, trial->diag, &trial->compiled);
}

static int load_drill(const struct trial *trial)
{
	char *text = NULL, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int error = out ? backend_find("nft")->write(trial->compiled.plan, out) : -ENOMEM;

	if (out)
		fclose(out);
	if (error == 0)
		error = ruleset_load(text, false, &message);
	if (error < 0 && trial->say)
		printf("# nft refuses the ruleset: %s\n", message ? message : strerror(-error));
	free(text);
	free(message);
	return error;
}

static enum outcome try_loaded(struct trial *trial)
{
	if (lab_forget(trial->runner->lab) < 0)
		return BROKEN;
	for (size_t i = 0; i < trial->drill->n_probes; i++)
		if (!foresee(trial, i))
			return DISAGREES;
	send_all(trial);
	return check_patiently(trial) ? AGREES : DISAGREES;
}

static enum outcome try_compiled(struct trial *trial)
{
	enum outcome outcome;
	char *message = NULL;

	if (load_drill(trial) < 0)
		return DISAGREES;
	outcome = try_loaded(trial);
	ruleset_remove(trial->compiled.plan->table, &message);
	free(message);
	return outcome;
}

static enum outcome try_drill(struct runner *runner, const struct drill *drill, bool say)
{
	struct trial trial = {.runner = runner, .drill = drill, .say = say};
	enum outcome outcome = BROKEN;
	int error;

	if (arena_new(ARENA_MAX, &trial.arena) < 0)
		return BROKEN;
	trial.diag = diag_new(trial.arena);
	trial.packets = calloc(drill->n_probes + 1, sizeof(*trial.packets));
	trial.flows = calloc(drill->n_probes + 1, sizeof(*trial.flows));
	trial.foreseen = calloc(drill->n_probes + 1, sizeof(*trial.foreseen));
	error = trial.diag && trial.foreseen ? compile_drill(&trial) : -ENOMEM;
	if (error == 0)
		outcome = try_compiled(&trial);
	else if (error == -EINVAL && diag_failed(trial.diag))
		outcome = REJECTED;
	else if (say)
		printf("# it does not compile: %s\n", strerror(-error));
	free(trial.packets);
	free(trial.flows);
	free(trial.foreseen);
	arena_free(trial.arena);
	return outcome;
}

/* --- Making it smaller --- */

/* Keeps `smaller` in the place of `drill` if it still disagrees. */
static bool adopt(struct runner *runner, struct drill *drill, struct drill *smaller)
{
	if (try_drill(runner, smaller, false) != DISAGREES) {
		drill_clear(smaller);
		return false;
	}
	drill_clear(drill);
	*drill = *smaller;
	return true;
}

/* Halves the probes, then takes them away one by one. */
static void minimise_probes(struct runner *runner, struct drill *drill)
{
	for (size_t step = drill->n_probes; step > 0; step /= 2)
		for (size_t i = 0; i + step <= drill->n_probes && drill->n_probes > step;) {
			struct drill smaller;

			if (!drill_with(drill, 0, drill->files[0].text, &smaller))
				return;
			memmove(smaller.probes + i, smaller.probes + i + step,
				(smaller.n_probes - i - step) * sizeof(struct probe));
			smaller.n_probes -= step;
			if (!adopt(runner, drill, &smaller))
				i += step;
		}
}

/* Where the part that begins at `start` ends: a block, up to an empty line, or a line. */
static char *part_end(char *start, bool block)
{
	char *end = strstr(start + 1, block ? "\n\n" : "\n");

	return end ? end + 1 : start + strlen(start);
}

static void minimise_file(struct runner *runner, struct drill *drill, size_t index, bool block)
{
	for (size_t at = 0; at < strlen(drill->files[index].text);) {
		char *text = strdup(drill->files[index].text), *end;
		struct drill smaller;
		bool well;

		if (!text)
			return;
		end = part_end(text + at, block);
		memmove(text + at, end, strlen(end) + 1);
		well = drill_with(drill, index, text, &smaller);
		if (!well || !adopt(runner, drill, &smaller))
			at = (size_t)(part_end(drill->files[index].text + at, block) -
				      drill->files[index].text);
		free(text);
	}
}

static void minimise(struct runner *runner, struct drill *drill)
{
	minimise_probes(runner, drill);
	for (size_t i = drill->n_files; i-- > 1;) {
		struct drill smaller;

		if (drill_without(drill, i, &smaller))
			adopt(runner, drill, &smaller);
	}
	for (size_t i = 0; i < drill->n_files; i++) {
		minimise_file(runner, drill, i, true);
		minimise_file(runner, drill, i, false);
	}
}

static void report(struct runner *runner, struct drill *drill)
{
	try_drill(runner, drill, true);
	printf("# made smaller:\n");
	fflush(stdout);
	minimise(runner, drill);
	try_drill(runner, drill, true);
	drill_print(drill, stdout);
	fflush(stdout);
}

/* --- */

static bool run_fixture(struct runner *runner, const char *path)
{
	struct drill drill;
	FILE *in = fopen(path, "re");
	enum outcome outcome;

	if (!in || !drill_read(in, &drill)) {
		printf("# %s is no fixture\n", path);
		if (in)
			fclose(in);
		return false;
	}
	fclose(in);
	for (size_t i = 0; i < drill.n_probes; i++)
		if (drill.probes[i].sender >= runner->n_senders)
			drill.probes[i].sender = 0;
	outcome = try_drill(runner, &drill, true);
	drill_clear(&drill);
	return outcome == AGREES;
}

static bool run_policy(struct runner *runner, uint64_t seed, unsigned long number, size_t n_probes)
{
	struct chance chance = {seed * 1000003 + number};
	const struct draw draw = {.n_probes = n_probes,
		.n_senders = runner->n_senders,
		.cgroups = lab_has_cgroups(runner->lab)};
	struct drill drill;
	enum outcome outcome;

	if (!drill_draw(&chance, &draw, &drill))
		return false;
	outcome = try_drill(runner, &drill, false);
	runner->n_policies += outcome == AGREES;
	runner->n_rejected += outcome == REJECTED;
	if (outcome == DISAGREES || outcome == BROKEN) {
		printf("# seed %llu, policy %lu\n", (unsigned long long)seed, number);
		report(runner, &drill);
	}
	drill_clear(&drill);
	return outcome == AGREES || outcome == REJECTED;
}

struct order {
	uint64_t seed;
	unsigned long first;
	unsigned long n_policies;
	size_t n_probes;
};

static bool run_order(struct runner *runner, const struct order *order)
{
	bool well = true;

	for (unsigned long i = order->first; well && runner->n_policies < order->n_policies; i++)
		well = run_policy(runner, order->seed, i, order->n_probes);
	printf("# seed %llu: %lu policies (%lu more rejected by the compiler), %lu probes: %lu "
	       "foreseen to be refused, %lu opened by leases\n",
		(unsigned long long)order->seed, runner->n_policies, runner->n_rejected,
		runner->n_probes, runner->n_refused, runner->n_leased);
	return well;
}

static int open_runner(struct runner *runner)
{
	int error = lab_open(&runner->lab);

	if (error < 0)
		return error;
	runner->senders = lab_senders(runner->lab, &runner->n_senders);
	strcpy(runner->folder, "/tmp/egress-differential-XXXXXX");
	if (!mkdtemp(runner->folder))
		return -errno;
	return setlink_open(&runner->link);
}

static void close_runner(struct runner *runner)
{
	char command[128];

	setlink_close(runner->link);
	lab_close(runner->lab);
	snprintf(command, sizeof(command), "rm -rf %s", runner->folder);
	if (runner->folder[0] && system(command) != 0)
		printf("# %s is left\n", runner->folder);
}

int main(int argc, char **argv)
{
	struct order order = {.seed = (uint64_t)time(NULL), .n_policies = 10, .n_probes = 200};
	struct runner runner = {.n_policies = 0};
	int option, error, test = 0;

	while ((option = getopt(argc, argv, "s:f:n:p:")) != -1) {
		unsigned long number = strtoul(optarg ? optarg : "", NULL, 10);

		if (option == 's')
			order.seed = number;
		else if (option == 'f')
			order.first = number;
		else if (option == 'n')
			order.n_policies = number;
		else if (option == 'p')
			order.n_probes = number < LAB_PACKETS_MAX ? number : LAB_PACKETS_MAX;
		else
			return 2;
	}
	error = open_runner(&runner);
	if (error < 0) {
		printf("1..0 # SKIP no namespaces for it: %s\n", strerror(-error));
		return 0;
	}
	for (; optind < argc; optind++)
		printf("%sok %d - %s\n", run_fixture(&runner, argv[optind]) ? "" : "not ", ++test,
			argv[optind]);
	if (order.n_policies > 0)
		printf("%sok %d - policies by chance\n", run_order(&runner, &order) ? "" : "not ",
			++test);
	printf("1..%d\n", test);
	close_runner(&runner);
	return 0;
}
