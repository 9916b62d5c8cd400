/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_MOUNTS_H
#define EGRESS_RUN_MOUNTS_H

#include <sys/types.h>

#include "rules/policy.h"

/*
 * Gives this process a mount namespace of its own, in which names are looked up by DNS alone, on
 * the loopback, and the places are hidden where a program outside would look something up, connect
 * or run something for it; root can't write the kernel's settings. Needs CAP_SYS_ADMIN in the user
 * namespace; who is in a user namespace below it can't undo any of it. `uid` is the user's outside.
 * 0, or -errno with what it was about in *ret_what (to be freed, may be NULL).
 */
int mounts_enter(const struct dns_policy *dns, uid_t uid, char **ret_what);

/* The places, for whoever lists them: calls `visit` with each and the reason. */
void mounts_visit(uid_t uid, void (*visit)(void *context, const char *path, const char *reason),
	void *context);

/* The path of a socket that an environment variable like $DBUS_SESSION_BUS_ADDRESS or $TMUX names,
 * to be freed; NULL: it names none. */
char *mounts_named_socket(const char *value);

#endif
