/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_LINK_H
#define EGRESS_RUN_LINK_H

#include <stdbool.h>
#include <sys/types.h>

/* The way out of a network namespace for who has no privileges: pasta(1), a process outside that
 * turns what leaves it into connections of its own. */
struct link {
	pid_t process; /* 0: there is none */
	int handle;    /* pidfd of it */
	int log;       /* what it says comes out here; it never blocks */
	int ready;     /* where it tells that it is ready */
};

/* None. */
#define LINK_NONE                                                                                  \
	{                                                                                          \
		.handle = -1, .log = -1, .ready = -1                                               \
	}

/* The Debian package that has it. */
#define LINK_PACKAGE "passt"

/* Starts it for the network namespace of process `pid`, as a process of a session of its own. 0 or
 * -errno. */
int link_start(pid_t pid, bool is_root, struct link *ret_link);

/*
 * Waits at most `patience_ms` until the addresses and routes are there. 0; -ENOENT when there is no
 * such program; -ECANCELED when it gave up, whose reason is in *ret_message; -ETIMEDOUT; or another
 * -errno. *ret_message (to be freed) may be NULL.
 */
int link_await(struct link *link, int patience_ms, char **ret_message);

/* Makes it end, which takes some 40 ms; nothing is carried any more. */
void link_stop(const struct link *link);

/* Ends it and waits for that; it may have ended before. */
void link_end(struct link *link);

/* What it said since it was asked last, without control characters, to be freed; NULL: nothing. */
char *link_said(const struct link *link);

#endif
