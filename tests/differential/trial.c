/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/counter-name.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/text.h"
#include "src/kernel/ruleset.h"
#include "tests/differential/foresee.h"
#include "tests/differential/load.h"

/*
 * Theory of operation
 *
 * Each policy is compiled here and loaded, and each probe sent as a real packet. What became of it
 * is read three ways: sendto() tells a local sender of a refusal; conntrack has a flow for what
 * went its way, whose mark names the rule; and the counters of the refusals' chains, which must be
 * as many as were foreseen for each.
 *
 * That an override can only narrow is tried in the kernel too, if the drill asks for it: each layer
 * is loaded alone, the base as it stands, an override over a base that permits everything, and
 * whatever the layers together let through each of them must.
 */

#define ARENA_MAX ((size_t)256 << 20)

enum { TRIES = 40, TRY_PAUSE_US = 5000 };

void trial_disagree(const struct trial *trial, size_t index, const char *what, const char *found)
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

/* --- What came of it --- */

/* Adds the packets that the counter of each refusal has, out of the table's listing. */
static void count_refusals(const struct plan *plan, char *listing, unsigned long *counts)
{
	static const char head[] = "\tcounter ", packets[] = "\t\tpackets ";
	char id[COUNTER_ID] = "";
	char *rest = listing, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, head, strlen(head)) == 0) {
			line[strlen(head) + strcspn(line + strlen(head), " ")] = '\0';
			counter_id(line + strlen(head), id);
		}
		if (strncmp(line, packets, strlen(packets)) != 0)
			continue;
		for (size_t i = 0; i < plan->n_refusals; i++)
			if (strcmp(plan->refusals[i].id, id) == 0)
				counts[i] += strtoul(line + strlen(packets), NULL, 10);
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

/* Whether the kernel let the probe through. */
static bool has_gone(const struct trial *trial, size_t index)
{
	const struct sender *sender = &trial->runner->senders[trial->packets[index].sender];

	return sender->is_client ? trial->flows[index].exists : trial->foreseen[index].sent == 0;
}

static bool check_flow(const struct trial *trial, size_t index, bool say)
{
	const struct foreseen *foreseen = &trial->foreseen[index];
	const struct flow *flow = &trial->flows[index];
	bool went = has_gone(trial, index);
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
		trial_disagree(trial, index, "the kernel", found);
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
		trial->runner->tally->n_probes++;
		trial->runner->tally->n_refused += !foreseen->permitted;
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

/* What became of a probe. */
struct fate {
	bool sent; /* by somebody in scope, in a way that tells */
	bool gone;
};

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

static enum outcome try_compiled(struct trial *trial, struct fate *fates)
{
	enum outcome outcome = DISAGREES;

	foresee_packets(trial);
	if (load_policy(trial) == 0)
		outcome = try_loaded(trial);
	load_remove(trial);
	for (size_t i = 0; outcome == AGREES && i < trial->drill->n_probes; i++) {
		const struct foreseen *foreseen = &trial->foreseen[i];

		fates[i].sent = foreseen->in_scope && !foreseen->skipped;
		fates[i].gone = has_gone(trial, i);
	}
	return outcome;
}

static enum outcome compile_and_try(struct trial *trial, struct fate *fates)
{
	int error = drill_unpack(trial->drill, trial->runner->folder) ? load_compile(trial) : -EIO;

	if (error == 0)
		return try_compiled(trial, fates);
	if (error == -EINVAL && diag_failed(trial->diag))
		return REJECTED;
	if (trial->say)
		printf("# it does not compile: %s\n", strerror(-error));
	return BROKEN;
}

static enum outcome try_drill(
	struct runner *runner, const struct drill *drill, bool say, struct fate *fates)
{
	struct trial trial = {.runner = runner, .drill = drill, .say = say};
	enum outcome outcome = BROKEN;

	if (arena_new(ARENA_MAX, &trial.arena) < 0)
		return BROKEN;
	trial.diag = diag_new(trial.arena);
	trial.packets = calloc(drill->n_probes + 1, sizeof(*trial.packets));
	trial.flows = calloc(drill->n_probes + 1, sizeof(*trial.flows));
	trial.foreseen = calloc(drill->n_probes + 1, sizeof(*trial.foreseen));
	if (trial.diag && trial.packets && trial.flows && trial.foreseen)
		outcome = compile_and_try(&trial, fates);
	free(trial.packets);
	free(trial.flows);
	free(trial.foreseen);
	free(trial.held);
	arena_free(trial.arena);
	runner->tally->n_policies += outcome == AGREES;
	runner->tally->n_rejected += outcome == REJECTED;
	return outcome;
}

/* --- Each layer alone --- */

static enum outcome try_layer(struct runner *runner, const struct drill *drill, size_t layer,
	bool say, const struct fate *together, struct fate *alone)
{
	struct drill part;
	enum outcome outcome;

	if (!drill_layer(drill, layer, &part))
		return BROKEN;
	outcome = try_drill(runner, &part, say, alone);
	for (size_t i = 0; outcome == AGREES && i < drill->n_probes; i++) {
		if (!together[i].sent || !alone[i].sent || !together[i].gone || alone[i].gone)
			continue;
		outcome = DISAGREES;
		if (say)
			printf("# layer %zu alone refuses probe %zu, which all let through\n",
				layer, i);
	}
	drill_clear(&part);
	return outcome;
}

/* A layer may be no policy of its own: as one that refuses a name on some ports, whose addresses
 * nobody else refuses then. */
static enum outcome try_layers(
	struct runner *runner, const struct drill *drill, bool say, const struct fate *together)
{
	struct fate *alone = calloc(drill->n_probes + 1, sizeof(*alone));
	enum outcome outcome = alone ? AGREES : BROKEN;

	runner->tally = &runner->layers;
	for (size_t i = 0; i <= drill->n_overrides && (outcome == AGREES || outcome == REJECTED);
		i++)
		outcome = try_layer(runner, drill, i, say, together, alone);
	runner->tally = &runner->policies;
	free(alone);
	return outcome == REJECTED ? AGREES : outcome;
}

enum outcome trial_run(struct runner *runner, const struct drill *drill, bool say)
{
	struct fate *fates = calloc(drill->n_probes + 1, sizeof(*fates));
	enum outcome outcome = BROKEN;

	runner->tally = &runner->policies;
	if (fates)
		outcome = try_drill(runner, drill, say, fates);
	if (outcome == AGREES && drill->by_layers)
		outcome = try_layers(runner, drill, say, fates);
	free(fates);
	return outcome;
}
