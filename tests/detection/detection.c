/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * detection [-s SEED] [-n SESSIONS] [-b BASELINE] [-c] [-m] PROFILES
 *
 * Draws sessions of agents, with leaks and without, and prints how many of them raise which alerts.
 * Each kind of agent has a baseline of BASELINE earlier sessions, drawn anew for every GROUP of the
 * SESSIONS that are looked at. The categories are those of the folder PROFILES. With -c the figures
 * are compared with what the manual promises, as TAP; with -m they are rows of a table for mdoc(7).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/category.h"
#include "rules/load.h"
#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/event/session.h"
#include "tests/detection/kinds.h"

enum { GROUP = 10 };

/* Sessions that had an alert of a rule, or of any. */
struct outcome {
	unsigned sessions;
	unsigned any;
	unsigned by_rule[ALERT_RULES];
};

struct options {
	uint64_t seed;
	unsigned sessions; /* of each kind, and of each kind with each leak */
	unsigned baseline;
	bool checks;
	bool manual;
	const char *profiles;
};

struct measurement {
	struct options options;
	struct chance chance;
	const struct categories *categories;
	struct outcome usual[KINDS];
	struct outcome leaking[LEAKS];
};

/* --- A session --- */

struct raised {
	bool rules[ALERT_RULES];
};

static void on_alert(void *context, const struct alert *alert)
{
	struct raised *raised = context;

	raised->rules[alert->rule] = true;
}

static bool is_any(const struct raised *raised)
{
	bool any = false;

	for (unsigned i = 0; i < ALERT_RULES; i++)
		any |= raised->rules[i];
	return any;
}

static void play(
	const struct measurement *measurement, const struct script *script, struct session *session)
{
	for (size_t i = 0; i < script->n_records; i++) {
		const struct event *event = &script->records[i];
		struct session_note note = {
			.category = category_find(measurement->categories, &event->name)};

		session_take(session, event, &note);
	}
	session_end(session, script->records[script->n_records - 1].time);
}

/* What the session raises; its destinations, if they are wanted. */
static void judge(struct measurement *measurement, const struct kind *kind, const struct leak *leak,
	const struct baseline *baseline, struct raised *raised, struct census *ret_census)
{
	struct session_config config = {
		.policy = "detection",
		.baseline = baseline,
		.names = {shape_score, suffix_domain},
		.on_alert = on_alert,
		.context = raised,
	};
	struct session_figures figures;
	struct session *session;
	struct script script;

	if (session_new(&config, &session) < 0)
		abort();
	kinds_draw(kind, leak, &measurement->chance, &script);
	play(measurement, &script, session);
	session_figures(session, &figures);
	if (ret_census)
		*ret_census = figures.categories;
	script_end(&script);
	session_free(session);
}

/* Sessions that raised an alert aren't learned from, as the resolver does it. */
static struct baseline *learn(struct measurement *measurement, const struct kind *kind)
{
	struct baseline *baseline;

	if (baseline_new(&baseline) < 0)
		abort();
	while (baseline_sessions(baseline) < measurement->options.baseline) {
		struct raised raised = {{false}};
		struct census census;

		judge(measurement, kind, NULL, baseline, &raised, &census);
		if (!is_any(&raised))
			baseline_add(baseline, &census);
	}
	return baseline;
}

/* --- All of them --- */

static void count(struct outcome *outcome, const struct raised *raised)
{
	for (unsigned i = 0; i < ALERT_RULES; i++)
		outcome->by_rule[i] += raised->rules[i];
	outcome->any += is_any(raised);
	outcome->sessions++;
}

/* One session of the kind, with the leak or without. */
static void measure(struct measurement *measurement, const struct kind *kind,
	const struct leak *leak, const struct baseline *baseline, struct outcome *outcome)
{
	struct raised raised = {{false}};

	judge(measurement, kind, leak, baseline, &raised, NULL);
	count(outcome, &raised);
}

static void measure_kind(struct measurement *measurement, unsigned kind)
{
	for (unsigned i = 0; i < measurement->options.sessions; i += GROUP) {
		struct baseline *baseline = learn(measurement, &kinds[kind]);

		for (unsigned j = i; j < i + GROUP && j < measurement->options.sessions; j++) {
			measure(measurement, &kinds[kind], NULL, baseline,
				&measurement->usual[kind]);
			for (unsigned leak = 0; leak < LEAKS; leak++)
				measure(measurement, &kinds[kind], &leaks[leak], baseline,
					&measurement->leaking[leak]);
		}
		baseline_free(baseline);
	}
}

/* --- What is said of it --- */

/* The rules in question; budgets are not. */
static const enum alert_rule rules[] = {ALERT_CATEGORIES, ALERT_ENCODED_NAMES, ALERT_UPLOAD,
	ALERT_RATIO, ALERT_UPLOAD_BURST, ALERT_BEACON, ALERT_REFUSALS};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static double percent(unsigned count, const struct outcome *outcome)
{
	return 100.0 * count / outcome->sessions;
}

static void print_row(
	const struct measurement *measurement, const char *name, const struct outcome *outcome)
{
	bool manual = measurement->options.manual;

	printf(manual ? ".It %s Ta %u Ta %.1f" : "%-26s %8u %6.1f", name, outcome->sessions,
		percent(outcome->any, outcome));
	for (unsigned i = 0; i < RULES; i++)
		printf(manual ? " Ta %.1f" : " %6.1f",
			percent(outcome->by_rule[rules[i]], outcome));
	printf("\n");
}

static void print_table(const struct measurement *measurement)
{
	if (!measurement->options.manual) {
		printf("Seed %llu, baselines of %u sessions; sessions in 100 with an alert\n",
			(unsigned long long)measurement->options.seed,
			measurement->options.baseline);
		printf("%-26s %8s %6s", "", "sessions", "any");
		for (unsigned i = 0; i < RULES; i++)
			printf(" %.6s", alert_kind(rules[i])->id);
		printf("\n");
	}
	for (unsigned i = 0; i < KINDS; i++)
		print_row(measurement, kinds[i].name, &measurement->usual[i]);
	for (unsigned i = 0; i < LEAKS; i++)
		print_row(measurement, leaks[i].name, &measurement->leaking[i]);
}

/* --- Its bounds --- */

/* At least, or at most, so many sessions in 100, of a kind or of a leak. */
static const struct bound {
	const char *name;
	enum alert_rule rule; /* ALERT_RULES: any */
	double least, most;
} bounds[] = {
	{"documentation reader", ALERT_RULES, 0, 5},
	{"documentation reader", ALERT_CATEGORIES, 0, 1},
	{"CI job", ALERT_RULES, 0, 12},
	{"CI job", ALERT_CATEGORIES, 0, 1},
	{"coding agent", ALERT_RULES, 0, 15},
	{"coding agent", ALERT_CATEGORIES, 0, 1},
	{"open-ended destinations", ALERT_CATEGORIES, 70, 100},
	{"encoded names", ALERT_ENCODED_NAMES, 95, 100},
	{"one large upload", ALERT_UPLOAD, 95, 100},
	{"upload in pieces", ALERT_RATIO, 95, 100},
	{"upload in pieces", ALERT_UPLOAD_BURST, 75, 100},
	{"beacon", ALERT_BEACON, 95, 100},
	{"slow leak", ALERT_RATIO, 55, 100},
};

static const struct outcome *find_outcome(const struct measurement *measurement, const char *name)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &measurement->usual[i];
	for (unsigned i = 0; i < LEAKS; i++)
		if (strcmp(leaks[i].name, name) == 0)
			return &measurement->leaking[i];
	abort();
}

static int check_bounds(const struct measurement *measurement)
{
	unsigned count = sizeof(bounds) / sizeof(bounds[0]), failed = 0;

	printf("1..%u\n", count);
	for (unsigned i = 0; i < count; i++) {
		const struct bound *bound = &bounds[i];
		const struct outcome *outcome = find_outcome(measurement, bound->name);
		bool any = bound->rule == ALERT_RULES;
		double seen = percent(any ? outcome->any : outcome->by_rule[bound->rule], outcome);
		bool holds = seen >= bound->least && seen <= bound->most;

		printf("%s %u - %s: %s in %.1f %%, of %.0f to %.0f\n", holds ? "ok" : "not ok",
			i + 1, bound->name, any ? "any alert" : alert_kind(bound->rule)->id, seen,
			bound->least, bound->most);
		failed += !holds;
	}
	return failed > 0;
}

/* --- The program --- */

static int read_options(int argc, char **argv, struct options *ret_options)
{
	struct options options = {.seed = 1, .sessions = 200, .baseline = 20};
	int option;

	while ((option = getopt(argc, argv, "s:n:b:cm")) >= 0)
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			options.sessions = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			options.baseline = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			options.checks = true;
			break;
		case 'm':
			options.manual = true;
			break;
		default:
			return -1;
		}
	if (optind + 1 != argc || options.sessions == 0 || options.baseline > BASELINE_SESSIONS)
		return -1;
	options.profiles = argv[optind];
	*ret_options = options;
	return 0;
}

static int load(struct measurement *measurement, struct arena *arena)
{
	struct load_options options = {
		.profile_dirs = &measurement->options.profiles, .n_profile_dirs = 1};
	struct diag *diag = diag_new(arena);
	int error = diag ? category_load(arena, &options, diag, &measurement->categories) : -1;

	return error || !measurement->categories ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct measurement measurement = {.categories = NULL};
	struct arena *arena;
	int status = 0;

	if (read_options(argc, argv, &measurement.options) < 0) {
		fprintf(stderr, "usage: detection [-s SEED] [-n SESSIONS] [-b BASELINE] [-c] [-m] "
				"PROFILES\n");
		return 2;
	}
	measurement.chance.state = measurement.options.seed;
	if (arena_new((size_t)64 << 20, &arena) < 0 || load(&measurement, arena) < 0) {
		fprintf(stderr, "no categories in %s\n", measurement.options.profiles);
		return 1;
	}
	for (unsigned i = 0; i < KINDS; i++)
		measure_kind(&measurement, i);
	if (measurement.options.checks)
		status = check_bounds(&measurement);
	else
		print_table(&measurement);
	arena_free(arena);
	return status;
}
