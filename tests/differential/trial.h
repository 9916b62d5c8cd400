/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_TRIAL_H
#define EGRESS_TESTS_DIFFERENTIAL_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "src/kernel/setlink.h"
#include "tests/differential/drill.h"
#include "tests/differential/lab.h"

/* What was tried. */
struct tally {
	unsigned long n_policies;
	unsigned long n_rejected; /* by the compiler */
	unsigned long n_probes;
	unsigned long n_refused;      /* foreseen to be */
	unsigned long n_leased;       /* opened by leases */
	unsigned long n_applied;      /* policies that --apply loaded */
	unsigned long n_applied_over; /* of them, over the table of another */
	unsigned long n_text_over;    /* policies that were loaded so as a text */
	unsigned long n_outlived;     /* leases of a policy before, not given anew */
};

/* Where drills are tried. */
struct runner {
	struct lab *lab;
	struct setlink *link;
	const char *program; /* egress-compile; NULL: what is to be applied is loaded as a text */
	char folder[64];
	size_t n_senders;
	const struct sender *senders;
	struct tally policies; /* with all of their layers */
	struct tally layers;   /* each alone */
	struct tally *tally;   /* the one of the two that is counted in */
};

#define RULE_ROOM 128

/* What is foreseen of a probe, and what came of it. */
struct foreseen {
	bool skipped; /* cannot be sent, or is not answered */
	bool permitted;
	bool in_scope;
	uint32_t mark;    /* of the flow, when permitted */
	uint32_t refusal; /* index into the plan's, when refused or observed; or MATCH_NONE */
	char rule[RULE_ROOM];
	int sent; /* what lab_send() said */
};

/* A lease that a table has. */
struct held {
	size_t probe;
	const char *table;
	const char *map;
	uint32_t mark;
};

enum { REFUSALS_MAX = 512 };

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
	const char *tables_before[DRILL_BEFORE_MAX]; /* NULL: that policy was never loaded */
	struct held *held;
	size_t n_held, held_room;
	unsigned long refusals[REFUSALS_MAX]; /* foreseen, by index into the plan's */
	bool say;                             /* what is wrong */
};

/* Prints that a probe went another way than foreseen. */
void trial_disagree(const struct trial *trial, size_t index, const char *what, const char *found);

enum outcome { AGREES, DISAGREES, REJECTED, BROKEN };

/* Tries a drill, and what it asks for beside it. `say`: prints what is wrong. */
enum outcome trial_run(struct runner *runner, const struct drill *drill, bool say);

#endif
