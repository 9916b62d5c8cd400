/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_OUTPUT_H
#define EGRESS_LEARN_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct command;
struct draft;

/* Where a draft goes. */
struct learn_output {
	const struct command *command;
	const char *path; /* NULL: standard output */
	const char *const *profile_dirs;
	size_t n_profile_dirs;
	bool merges; /* into a policy that is there; else that is an error */
	bool yes;    /* without asking */
};

/* Checks that the draft compiles, and writes it, or adds it to the policy that is there: what is
 * added is shown on standard error, and written if somebody agrees. The exit status; what went
 * wrong has been said. */
int learn_write(const struct learn_output *output, const struct draft *draft);

#endif
