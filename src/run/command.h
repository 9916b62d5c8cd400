/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_COMMAND_H
#define EGRESS_RUN_COMMAND_H

#include <sys/types.h>

#include "rules/policy.h"

/* The exit statuses of who runs a command and can't, as env(1) and timeout(1) have them. */
enum {
	COMMAND_FAILED = 125, /* what was to be done before */
	COMMAND_NOT_EXECUTABLE = 126,
	COMMAND_NOT_FOUND = 127,
};

/*
 * This process becomes the command `arguments` (ended by NULL), in the namespaces of process
 * `warden`, and in a user namespace below in which it is who it was and may do nothing to them.
 * `complain` is told why not, before the process ends with one of the above.
 */
void command_become(char *const *arguments, pid_t warden, const struct dns_policy *dns,
	void (*complain)(const char *what, int error)) __attribute__((noreturn));

#endif
