/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_ATTACH_H
#define EGRESS_RUN_ATTACH_H

#include <stddef.h>
#include <sys/types.h>

/* A process that runs already, and what it shares with others: what of it is to be observed. */

enum { ATTACH_CGROUP = 4096, ATTACH_REASON = 256 };

struct attach {
	int process; /* pidfd */
	int network; /* its network namespace; -1: it is the caller's own */
	int user;    /* the user namespace that owns that, where it is to be joined first; -1 */
	/* Of the control groups' unified hierarchy, as [scope] cgroups has it: what tells it from
	 * others where the network is the caller's own; else "". */
	char cgroup[ATTACH_CGROUP];
	char *command;    /* its arguments, each ended by a NUL; to be freed */
	char **arguments; /* the same, ended by NULL; to be freed */
};

/*
 * Finds it. 0, or -errno with the reason: -ESRCH, -EPERM, or -ENOTSUP when nothing tells it from
 * the rest of the machine. To be closed when it was found.
 */
int attach_find(pid_t pid, struct attach *ret_attach, char reason[ATTACH_REASON]);
void attach_close(struct attach *attach);

/* Makes this process, which has no threads, one of the namespaces, with the right to change the
 * ruleset there. 0 or -errno. */
int attach_enter(const struct attach *attach);

#endif
