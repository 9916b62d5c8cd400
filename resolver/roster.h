/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ROSTER_H
#define EGRESS_RESOLVER_ROSTER_H

#include <stdint.h>

#include "src/base/clock.h"
#include "src/kernel/cgroups.h"

/*
 * Paths of control groups, in memory of a fixed size that the parent and its watchers share: a
 * watcher, which has no files, asks for them by number, and the parent looks now and then. Who is
 * followed by another watcher leaves it what is known.
 */
struct roster;

/* Paths that are remembered, and numbers that may be asked for at a time. */
#define ROSTER_ROWS 256
#define ROSTER_ASKED 16

/* 0 or -errno. */
int roster_new(struct roster **ret_roster);

/* For this process alone. NULL is allowed. */
void roster_free(struct roster *roster);

/* --- A watcher's --- */

enum roster_state {
	ROSTER_KNOWN,
	ROSTER_NONE,    /* there is none, or it can't be told */
	ROSTER_AWAITED, /* it is asked for from now on */
};

/* The path of the group, which is not 0; written only if it is known. */
enum roster_state roster_get(struct roster *roster, uint64_t id, char path[CGROUPS_PATH]);

/* --- The parent's --- */

/* Looks for what was asked, if anything was and it is time to; what a look costs is a hundredth of
 * the time between two at most. */
void roster_serve(struct roster *roster, struct mono now);

#endif
