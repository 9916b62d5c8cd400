/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/text.h"
#include "tests/differential/child.h"
#include "tests/differential/drill.h"
#include "tests/differential/lab.h"
#include "tests/differential/shrink.h"
#include "tests/differential/trial.h"

/*
 * differential [-s SEED] [-f FIRST] [-n POLICIES] [-p PROBES] [-c COMPILER [-a EVERY]] [-l EVERY]
 * [FIXTURE...]: what the compiler says is what the kernel does.
 *
 * Theory of operation
 *
 * Policies and destinations are drawn by chance (drill.h) and tried in the kernel (trial.c). One in
 * so many (-a) is loaded by COMPILER --apply, over none, one or two others, and the one before it
 * over as many as a text; of one in so many (-l) each layer is tried alone too.
 *
 * A disagreement is made smaller by leaving out files, blocks and lines as long as it stays, and
 * printed as a fixture.
 */

enum { APPLY_EVERY = 4, LAYERS_EVERY = 2 };

struct order {
	uint64_t seed;
	uint64_t first;
	uint64_t n_policies;
	uint64_t n_probes;
	uint64_t apply_every;  /* 0: none is */
	uint64_t layers_every; /* 0: none is */
};

static void report(struct runner *runner, struct drill *drill)
{
	trial_run(runner, drill, true);
	printf("# made smaller:\n");
	fflush(stdout);
	shrink(runner, drill);
	trial_run(runner, drill, true);
	drill_print(drill, stdout);
	fflush(stdout);
}

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
	outcome = trial_run(runner, &drill, true);
	drill_clear(&drill);
	return outcome == AGREES;
}

static bool is_turn(uint64_t number, uint64_t every)
{
	return every > 0 && number % every == 0;
}

static bool run_policy(struct runner *runner, const struct order *order, uint64_t number)
{
	struct chance chance = {order->seed * 1000003 + number};
	const struct draw draw = {
		.n_probes = order->n_probes,
		.n_senders = runner->n_senders,
		.cgroups = lab_has_cgroups(runner->lab),
		.applied = runner->program && is_turn(number, order->apply_every),
		.before = is_turn(number, order->apply_every) ||
			  is_turn(number + 1, order->apply_every),
	};
	struct drill drill;
	enum outcome outcome;

	if (!drill_draw(&chance, &draw, &drill))
		return false;
	drill.by_layers = drill.n_overrides > 0 && is_turn(number, order->layers_every);
	outcome = trial_run(runner, &drill, false);
	if (outcome == DISAGREES || outcome == BROKEN) {
		printf("# seed %llu, policy %llu\n", (unsigned long long)order->seed,
			(unsigned long long)number);
		report(runner, &drill);
	}
	drill_clear(&drill);
	return outcome == AGREES || outcome == REJECTED;
}

static void print_tally(const struct runner *runner, const struct order *order)
{
	const struct tally *policies = &runner->policies, *layers = &runner->layers;

	printf("# seed %llu: %lu policies (%lu more rejected by the compiler), %lu probes: %lu "
	       "foreseen to be refused, %lu opened by leases\n",
		(unsigned long long)order->seed, policies->n_policies, policies->n_rejected,
		policies->n_probes, policies->n_refused, policies->n_leased);
	printf("# %lu loaded by --apply, %lu of them over the table of another policy; %lu so as "
	       "a text; %lu leases outlived that\n",
		policies->n_applied, policies->n_applied_over, policies->n_text_over,
		policies->n_outlived);
	printf("# %lu layers tried alone (%lu more rejected), %lu probes: none refused what all "
	       "let through\n",
		layers->n_policies, layers->n_rejected, layers->n_probes);
}

static bool run_order(struct runner *runner, const struct order *order)
{
	bool well = true;

	for (uint64_t i = order->first; well && runner->policies.n_policies < order->n_policies;
		i++)
		well = run_policy(runner, order, i);
	if (well)
		print_tally(runner, order);
	return well;
}

static int open_runner(struct runner *runner)
{
	int error = lab_open(&runner->lab);

	if (error < 0)
		return error;
	runner->senders = lab_senders(runner->lab, &runner->n_senders);
	strcpy(runner->folder, "/tmp/egress-differential-XXXXXX");
	if (!mkdtemp(runner->folder)) {
		error = -errno;
		runner->folder[0] = '\0';
		return error;
	}
	return setlink_open(&runner->link);
}

static void close_runner(struct runner *runner)
{
	const char *const remove[] = {"rm", "-rf", runner->folder, NULL};

	setlink_close(runner->link);
	lab_close(runner->lab);
	if (runner->folder[0] && child_run(remove, NULL) < 0)
		printf("# %s is left\n", runner->folder);
}

/* 0 or -EINVAL. */
static int read_option(int option, struct order *order, struct runner *runner)
{
	const struct {
		int option;
		uint64_t max;
		uint64_t *number;
	} numbers[] = {
		{'s', UINT64_MAX, &order->seed},
		{'f', UINT32_MAX, &order->first},
		{'n', UINT32_MAX, &order->n_policies},
		{'p', LAB_PACKETS_MAX, &order->n_probes},
		{'a', UINT32_MAX, &order->apply_every},
		{'l', UINT32_MAX, &order->layers_every},
	};

	if (option == 'c') {
		runner->program = optarg;
		return 0;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].option == option)
			return text_to_number(text_of(optarg), numbers[i].max, numbers[i].number);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct order order = {
		.seed = (uint64_t)time(NULL),
		.n_policies = 10,
		.n_probes = 200,
		.apply_every = APPLY_EVERY,
		.layers_every = LAYERS_EVERY,
	};
	struct runner runner = {.program = NULL};
	int option, error, test = 0;
	bool well, all_well = true;

	while ((option = getopt(argc, argv, "s:f:n:p:a:l:c:")) != -1)
		if (read_option(option, &order, &runner) < 0)
			return 2;
	error = open_runner(&runner);
	if (error < 0) {
		printf("1..0 # SKIP no namespaces for it: %s\n", strerror(-error));
		return 0;
	}
	for (; optind < argc; optind++) {
		well = run_fixture(&runner, argv[optind]);
		printf("%sok %d - %s\n", well ? "" : "not ", ++test, argv[optind]);
		all_well = all_well && well;
	}
	runner.policies = runner.layers = (struct tally){.n_policies = 0};
	if (order.n_policies > 0) {
		well = run_order(&runner, &order);
		printf("%sok %d - policies by chance\n", well ? "" : "not ", ++test);
		all_well = all_well && well;
	}
	printf("1..%d\n", test);
	close_runner(&runner);
	return all_well ? 0 : 1;
}
