/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_TEND_H
#define EGRESS_RUN_TEND_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "src/run/stage.h"

/* Stays with a command from its start to its end, so that who started this process sees what the
 * command itself would show. */
struct tend {
	int signals;     /* signalfd */
	sigset_t before; /* what was blocked before */
};

/* Takes the signals that are to be passed on; call it before the command is forked. With `wait`
 * what the command leaves behind becomes this process's. 0 or -errno. */
int tend_prepare(bool wait, struct tend *ret_tend);

/* In the command's process: as it was before. */
void tend_restore(const struct tend *tend);

/* Something to be read meanwhile: `take` is called when there is; *fd may become -1. */
struct tend_source {
	const int *fd; /* NULL: nothing */
	void (*take)(void *context);
	void *context;
};

/*
 * Until the command has ended and, with `wait`, all that it has left behind: passes signals on,
 * stops when it stops, and tells `note` what goes wrong with the stage. Returns its status as
 * waitpid(2) has it.
 */
int tend_run(const struct tend *tend, struct stage *stage, pid_t command, bool wait,
	const struct tend_source *source, void (*note)(const char *what));

/* The same for a process that is not this one's child, until it has ended or a signal ends that:
 * `process` is its pidfd. */
void tend_watch(const struct tend *tend, struct stage *stage, int process,
	const struct tend_source *source, void (*note)(const char *what));

/* Ends this process as the command ended: with its exit status, or by the same signal. */
void tend_exit(const struct tend *tend, int status) __attribute__((noreturn));

#endif
