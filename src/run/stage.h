/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_STAGE_H
#define EGRESS_RUN_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "rules/plan.h"
#include "src/run/link.h"

/* What a command is to run in. */
struct stage_config {
	const struct plan *plan; /* made for a network namespace of its own */
	/* The files that the resolver reads it from, and descriptors of those that have no name,
	 * which it must inherit; -1: none. */
	const char *policy;
	int policy_fd;
	const char *added;
	int added_fd;
	const char *const *overrides;
	size_t n_overrides;
	const char *const *profile_dirs;
	size_t n_profile_dirs;
	const char *resolver; /* the program */
	const char *user;     /* whom it becomes */
	bool verbose;         /* what it logs goes to standard error */
	/* Loads the plan's ruleset and compares what the kernel has. 0, or -errno with what it was
	 * in *ret_message (to be freed, may be NULL). */
	int (*load)(const struct plan *plan, char **ret_message);
};

/* The processes of a run but for the command's. */
struct stage {
	pid_t porter;
	pid_t warden;
	int warden_end; /* of what the warden says (src/run/step.h) */
	struct link link;
};

/* Why there is none. */
#define STAGE_REASON 4608
struct stage_failure {
	char reason[STAGE_REASON];
};

/* Sets it all up, and proves that it works. 0, or -errno with the reason: then nothing is left. */
int stage_start(
	const struct stage_config *config, struct stage *ret_stage, struct stage_failure *ret_why);

/* Ends what keeps it up. Whoever is left in it has no way out any more, nor names. */
void stage_end(struct stage *stage);

/* Whether the process is one of the stage's own. */
bool stage_has(const struct stage *stage, pid_t pid);

#endif
