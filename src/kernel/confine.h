/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_CONFINE_H
#define EGRESS_KERNEL_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "src/kernel/syscalls.h"

/* Who a process becomes and what it may still do. */
struct confine {
	uid_t uid;
	gid_t gid;
	bool keep_net_admin; /* CAP_NET_ADMIN, and nothing else; false: no capability at all */
	bool empty_root;     /* no files: a root directory that holds nothing, and Landlock */
	enum syscalls_role syscalls;
};

/*
 * Gives up every privilege but those named, for good: bounding, inheritable and ambient sets
 * emptied, supplementary groups dropped, no_new_privs set, not dumpable, killed when the parent
 * dies. Works for root, in a user namespace that has but one user (who then stays the same), and
 * for a process without privileges that asks for none; the latter two may keep the bounding set,
 * which no_new_privs makes useless, and the user's own groups. Files are out of reach by two means,
 * of which the kernel or the process may lack one. 0, or -errno when any step failed (-EPERM: a
 * right it takes is missing; -ESRCH: the parent died meanwhile): then the process must end.
 */
int confine_self(const struct confine *confine);

/*
 * For the process that starts and supervises such ones, and stays who it is: of the capabilities it
 * has it keeps those that this takes, it can't gain others, can't be traced, and can't make the
 * calls that SYSCALLS_SUPERVISOR lacks, as nothing that it starts can. 0 or -errno.
 */
int confine_supervisor(void);

/* Takes all capabilities out of the bounding set but those, which no program that is executed from
 * here on can have then. 0 or -errno: some may be out. */
int confine_bounds(const int *keeps, size_t n_keeps);

/* The user of that name or decimal number, and its group. A number that no user has stands for
 * itself, and for the group of the same number. 0, -ENOENT or -ENOMEM. */
int confine_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

#endif
