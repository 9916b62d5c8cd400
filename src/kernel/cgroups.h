/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_CGROUPS_H
#define EGRESS_KERNEL_CGROUPS_H

#include <stddef.h>
#include <stdint.h>

/* Control groups of version 2 by their numbers, which are those of their folders (cgroups(7)). */

/* Room for a path, with its NUL. */
#define CGROUPS_PATH 384

/* Groups that are looked at in one walk. */
#define CGROUPS_MAX 8192

struct cgroups_wanted {
	uint64_t id;
	char path[CGROUPS_PATH]; /* "/system.slice/cron.service", "/"; "": not found */
};

/*
 * Fills in the paths of the wanted groups, as they are below the place where control groups are
 * mounted (/sys/fs/cgroup, or its folder `unified`). One whose path has no room, or has a character
 * that isn't printable ASCII, or a blank, is not found, nor is what is below it; nor what comes
 * behind CGROUPS_MAX others. 0; -ENOENT: control groups are not mounted; or another -errno.
 */
int cgroups_find(struct cgroups_wanted *wanted, size_t n_wanted);

/* The same below that folder. */
int cgroups_find_below(int folder, struct cgroups_wanted *wanted, size_t n_wanted);

#endif
