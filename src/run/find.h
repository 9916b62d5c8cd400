/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_FIND_H
#define EGRESS_RUN_FIND_H

#include <sys/types.h>

/* Which policy a command runs under when none is named. */

struct find_places {
	const char
		*folder; /* where to begin: absolute; this and each folder above it is looked in */
	const char *config; /* $XDG_CONFIG_HOME; NULL or not absolute: `home`/.config */
	const char *home;   /* $HOME; may be NULL */
	const char *system; /* the system's, "/etc/egress/egress.toml" */
	uid_t uid;          /* who runs it */
};

#define FIND_NAME "egress.toml"

/*
 * The first of: FIND_NAME in `folder` or the nearest folder above it, the user's
 * egress/egress.toml, the system's. 0 with its path (to be freed); -ENOENT when there is none;
 * -EACCES with the path of one that belongs neither to the user nor to root, so that somebody else
 * would decide; or another -errno, with the path of one that cannot be looked at, or with NULL.
 */
int find_policy(const struct find_places *places, char **ret_path);

#endif
