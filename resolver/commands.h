/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COMMANDS_H
#define EGRESS_RESOLVER_COMMANDS_H

#include <stdint.h>
#include <stdio.h>

#include "resolver/console.h"
#include "resolver/counters.h"
#include "rules/compile.h"
#include "src/base/clock.h"

/* What an administrator asks of the running resolver by egress-ctl(1): the parent's side, without
 * the socket (console.h) and without the doing, which is the keeper's or the supervisor's. */
struct commands;

struct crew;
struct guard;
struct watching;

/* What there is to be told of the supervisor; as it is at the moment. */
struct commands_view {
	const struct compiled *compiled; /* in force */
	const struct crew *crew;         /* that serves it; NULL: none */
	struct guard *guard;             /* of its setting */
	struct watching *watching;
	bool changing;        /* another crew is about to serve instead */
	unsigned n_crews;     /* started so far: another number is another crew */
	unsigned n_listening; /* addresses */
	unsigned workers;
	int64_t since;                /* when the resolver was started, in seconds since 1970 */
	int64_t applied;              /* when the policy in force came into it */
	struct counter_sums counters; /* since the start; `down` of the crew at work */
};

/* 0 or -ENOMEM. */
int commands_new(struct commands **ret_commands);
void commands_free(struct commands *commands);

/*
 * Listens where the administrator wants it, `path`: NULL is the place of the policy's name, "none"
 * is nowhere. Called again when the name may be another one. 0; or -errno, which has been logged
 * and means that there is no socket, or the old one.
 */
int commands_listen(struct commands *commands, const char *path, const char *policy);

#define COMMANDS_POLLED (CONSOLE_POLLED + 1)

/* Sends what the keeper is to be asked. What to poll then, COMMANDS_POLLED of them, and for how
 * many milliseconds at most; -1: for any time. */
void commands_poll(
	struct commands *commands, const struct commands_view *view, struct pollfd *ret_fds);
int commands_wait(
	const struct commands *commands, const struct commands_view *view, struct mono now);

/* Serves what has come in. */
void commands_serve(struct commands *commands, const struct pollfd *fds,
	const struct commands_view *view, struct mono now);

/* Whether somebody has asked for a reload that has not begun. */
bool commands_want_reload(const struct commands *commands);

/* Whether the keeper is at work on something that another one must not see half done: no crew may
 * be started beside it now. */
bool commands_hold_crew(const struct commands *commands);

/* A reload begins: what is logged from here on is part of its answer, and what is written to the
 * stream, which is NULL when there is no memory for one. */
FILE *commands_begin_reload(struct commands *commands);

/* And ends, well or not: whoever waits for it is told. */
void commands_end_reload(struct commands *commands, bool done, const struct commands_view *view);

#endif
