/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_OPTIONS_H
#define EGRESS_RUN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "src/options.h"

/* The command line of egress-run(1). */

/* Options that take a word, at most once; that take one any number of times; and that take none. */
enum run_word { RUN_POLICY, RUN_USER, RUN_LINK, RUN_SAVE, RUN_PID, RUN_WORDS };
enum run_list {
	RUN_OVERRIDE,
	RUN_PROFILE,
	RUN_PROFILE_DIR,
	RUN_ALLOW,
	RUN_PUBLISH,
	RUN_LOOPBACK,
	RUN_REPORT,
	RUN_LISTS
};
enum run_flag { RUN_WAIT, RUN_VERBOSE, RUN_OBSERVE, RUN_FAIL, RUN_QUIET, RUN_FLAGS };

struct run_request {
	const char *words[RUN_WORDS];
	const char **lists[RUN_LISTS]; /* each has room for all arguments */
	size_t n_lists[RUN_LISTS];
	bool flags[RUN_FLAGS];
	char *const *arguments; /* the command, ended by NULL; not with RUN_PID */
	pid_t process;          /* with RUN_PID */
	const char *cgroup;     /* what tells that from others of its network; NULL: nothing has to
				 */
};

extern const struct command run_options;

#define run_complain(...) options_complain(&run_options, __VA_ARGS__)

/*
 * Reads the command line. 0; 1 when --help or --version has been shown and nothing is left to do;
 * or -errno, which has been said. *ret_request is to be freed in each case.
 */
int run_read_options(int argc, char **argv, struct run_request *ret_request);

void run_free_options(struct run_request *request);

#endif
