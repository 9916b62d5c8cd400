/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/tend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/run/step.h"

/*
 * Theory of operation
 *
 * The command is in this process's group and session, so that the terminal's signals reach both;
 * those are not passed on, and neither is what came from the group itself (timeout(1) sends to all
 * of it). Any other signal that somebody sends to this process is meant for the command.
 *
 * Signals that stop are blocked here: when the command has been stopped, this process stops itself
 * by the same signal, and the shell sees its job stop. SIGCONT comes to the whole job from the
 * shell, or is passed on.
 *
 * What the command leaves behind is not this process's child unless it has asked to be the one that
 * orphans go to. Its children are listed then, since the processes of the stage are among them.
 */

static const int taken[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
	SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

enum { CHILDREN_MAX = 1 << 20 }; /* bytes of the list */

struct tending {
	const struct tend *tend;
	struct stage *stage;
	pid_t command; /* 0: there is none, but */
	int process;   /* somebody else's, a pidfd; -1 */
	bool ended;
	int status;
	const struct tend_source *source;
	void (*note)(const char *what);
};

int tend_prepare(bool wait, struct tend *ret_tend)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	if (wait && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	if (sigprocmask(SIG_BLOCK, &set, &ret_tend->before) < 0)
		return -errno;
	ret_tend->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return ret_tend->signals < 0 ? -errno : 0;
}

void tend_restore(const struct tend *tend)
{
	sigprocmask(SIG_SETMASK, &tend->before, NULL);
}

/* Stops as the command was. */
static void stop(int signal)
{
	struct sigaction fallback = {.sa_handler = SIG_DFL}, before;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	if (signal != SIGSTOP && sigaction(signal, &fallback, &before) < 0)
		return;
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Going on */
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (signal != SIGSTOP)
		sigaction(signal, &before, NULL);
}

/* One of the stage's processes has ended. */
static void lose(struct tending *tending, pid_t pid)
{
	struct stage *stage = tending->stage;
	const struct {
		pid_t *process;
		const char *what;
	} rows[] = {
		{&stage->link.process, "the link is gone: pasta(1) has ended"},
		{&stage->warden, "the process that keeps the namespaces has ended: names are not "
				 "answered any more"},
		{&stage->porter,
			"the process that opens sockets to DNS servers has ended: names that are "
			"not known yet are not answered any more"},
		{&stage->relay, "the process that forwards published ports has ended"},
		{&stage->loopback_porter,
			"the process that connects to the host's loopback has ended"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (*rows[i].process != pid)
			continue;
		*rows[i].process = 0;
		tending->note(rows[i].what);
		if (rows[i].process == &stage->link.process) {
			char *said = link_said(&stage->link);

			if (said)
				tending->note(said);
			free(said);
		}
	}
}

static void reap(struct tending *tending)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid == tending->command && WIFSTOPPED(status)) {
			stop(WSTOPSIG(status));
		} else if (pid == tending->command) {
			tending->ended = true;
			tending->status = status;
		} else if (!WIFSTOPPED(status)) {
			lose(tending, pid);
		}
	}
}

static bool is_passed_on(const struct tending *tending, const struct signalfd_siginfo *info)
{
	pid_t sender = (pid_t)info->ssi_pid;

	if (info->ssi_code == SI_KERNEL || sender == tending->command)
		return false;
	return info->ssi_code <= 0 && getpgid(sender) != getpgrp();
}

static bool ends_watch(int signal)
{
	return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

static void take_signals(struct tending *tending)
{
	struct signalfd_siginfo info;

	while (read(tending->tend->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(tending);
		else if (tending->process >= 0)
			tending->ended |= ends_watch((int)info.ssi_signo);
		else if (!tending->ended && is_passed_on(tending, &info))
			kill(tending->command, (int)info.ssi_signo);
	}
}

/* What the warden says by now is what went wrong. */
static void take_step(struct tending *tending)
{
	struct stage *stage = tending->stage;
	struct step step;
	int error = step_await(stage->warden_end, STEP_FAILED, 0, &step);

	if (error == -ECANCELED)
		tending->note(step.text);
	else if (error != -ETIMEDOUT)
		fd_closep(&stage->warden_end);
}

static void wait_for_events(struct tending *tending)
{
	struct stage *stage = tending->stage;
	struct pollfd polled[] = {
		{tending->tend->signals, POLLIN, 0},
		{stage->warden_end, POLLIN, 0},
		{tending->source->fd ? *tending->source->fd : -1, POLLIN, 0},
		{tending->process, POLLIN, 0},
	};

	if (poll(polled, 4, -1) < 0)
		return;
	if (polled[0].revents)
		take_signals(tending);
	if (polled[1].revents)
		take_step(tending);
	if (polled[2].revents)
		tending->source->take(tending->source->context);
	if (polled[3].revents)
		tending->ended = true;
}

/* Whether this process has children that are not the stage's (proc(5), children). */
static bool has_others(const struct stage *stage)
{
	char path[64], *rest, *end;
	uint8_t *list;
	size_t size;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (fd_read_file(path, CHILDREN_MAX, &list, &size) != 0)
		return false;
	for (rest = (char *)list; !found; rest = end) {
		long pid = strtol(rest, &end, 10);

		if (end == rest)
			break;
		found = !stage_has(stage, (pid_t)pid);
	}
	free(list);
	return found;
}

int tend_run(const struct tend *tend, struct stage *stage, pid_t command, bool wait,
	const struct tend_source *source, void (*note)(const char *what))
{
	struct tending tending = {
		.tend = tend,
		.stage = stage,
		.command = command,
		.process = -1,
		.source = source,
		.note = note,
	};

	while (!tending.ended || (wait && has_others(stage)))
		wait_for_events(&tending);
	return tending.status;
}

void tend_watch(const struct tend *tend, struct stage *stage, int process,
	const struct tend_source *source, void (*note)(const char *what))
{
	struct tending tending = {
		.tend = tend,
		.stage = stage,
		.process = process,
		.source = source,
		.note = note,
	};

	while (!tending.ended)
		wait_for_events(&tending);
}

void tend_exit(const struct tend *tend, int status)
{
	const struct rlimit none = {0, 0};
	struct sigaction fallback = {.sa_handler = SIG_DFL};
	sigset_t set;
	int signal;

	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	signal = WTERMSIG(status);
	/* The core is the command's. */
	setrlimit(RLIMIT_CORE, &none);
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigaction(signal, &fallback, NULL);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	tend_restore(tend);
	exit(128 + signal);
}
