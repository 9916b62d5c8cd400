/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_SYSCALLS_H
#define EGRESS_KERNEL_SYSCALLS_H

/* Which system calls a process may make, by what it is there for (seccomp(2)). */
enum syscalls_role {
	SYSCALLS_ALL,        /* not limited */
	SYSCALLS_SUPERVISOR, /* all but those that only an attacker would make */
	SYSCALLS_KEEPER,     /* netlink, sockets of its own, and the pipes it has */
	SYSCALLS_WORKER,     /* the sockets it has been given */
};

/*
 * Limits this process to its role's calls, for good; it must have set no_new_privs, or hold
 * CAP_SYS_ADMIN. A supervisor's other calls fail with EPERM. Those of a keeper or worker are not
 * made, and raise SIGSYS, with the call in si_syscall; a few that the C library tries just fail.
 * Calls of another architecture end the process. 0 or -errno.
 */
int syscalls_limit(enum syscalls_role role);

/* Looks up the names of all calls, for syscalls_name(). */
void syscalls_load_names(void);

/* The call's name, or "?"; may be used in a signal handler. */
const char *syscalls_name(int call);

/* Visits each call that a keeper or worker may make, or that is answered, by name; some come more
 * than once. 0 or the visitor's error, which ends it. */
int syscalls_visit(
	enum syscalls_role role, int (*visit)(void *context, const char *name), void *context);

#endif
