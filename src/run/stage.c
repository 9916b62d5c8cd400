/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/kernel/confine.h"
#include "src/kernel/netns.h"
#include "src/kernel/porter.h"
#include "src/run/step.h"
#include "src/run/warden.h"

/*
 * Theory of operation
 *
 *	outside				user namespace 1, network namespace
 *	the tender (this process)	the warden, the resolver
 *	the porter			user namespace 2 in it
 *	pasta				the command
 *
 * The tender is the only one that the caller knows of. It stays where it was started and who it is;
 * the others are its children, in sessions of their own, but for the command.
 */

enum {
	ENTER_MS = 10000,
	LINK_MS = 15000,
	READY_MS = 45000, /* longer than the warden waits for anything */
};

static int fail(struct stage_failure *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct stage_failure *why, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why->reason, sizeof(why->reason), format, arguments);
	va_end(arguments);
	return error;
}

/* --- The porter --- */

/* A kernel without Landlock leaves who has no privileges his files; then the filter of system calls
 * has to do, which can't open any. */
static int confine_porter(void)
{
	struct confine confine = {
		.uid = geteuid(),
		.gid = getegid(),
		.empty_root = true,
		.syscalls = SYSCALLS_KEEPER, /* opens such sockets as well */
	};

	if (confine_self(&confine) == 0)
		return 0;
	confine.empty_root = false;
	return confine_self(&confine);
}

static void __attribute__((noreturn)) be_porter(int porter, const struct dns_policy *dns)
{
	struct endpoint servers[DNS_SERVERS_MAX];

	for (size_t i = 0; i < dns->n_upstream; i++)
		servers[i] = dns->upstream[i].at;
	setsid();
	/* It has two descriptors. */
	if (dup2(porter, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
		syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0) < 0 || confine_porter() != 0)
		_exit(1);
	_exit(porter_serve(STDIN_FILENO, servers, dns->n_upstream) == 0 ? 0 : 1);
}

/* --- The tender's part --- */

static pid_t fork_warden(const struct stage_config *config, const int ends[2], int asker)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(ends[0]);
		warden_run(config, ends[1], asker);
	}
	return pid;
}

/* Says why a step was not taken. */
static int fail_step(struct stage_failure *why, int error, const struct step *step)
{
	if (error == -ECANCELED)
		return fail(why, error, "%s", step->text);
	if (error == -EPIPE)
		return fail(why, error, "the process that keeps the namespaces has ended");
	return fail(why, error, "setting up: %s", strerror(-error));
}

/* The caller is uid 0 in there; root is everybody. */
static int map_ids(pid_t warden, struct stage_failure *why)
{
	const struct netns_ids ids = {
		.all = netns_roots_ids(),
		.outside_uid = geteuid(),
		.outside_gid = getegid(),
	};
	int error = netns_map_ids(warden, &ids);

	return error ? fail(why, error, "cannot map ids: %s", strerror(-error)) : 0;
}

/* Says why there is no link. */
static int fail_link(struct stage_failure *why, int error, const char *message)
{
	if (error == -ENOENT)
		return fail(why, error,
			"there is no pasta(1), which makes the link: install the "
			"package " LINK_PACKAGE);
	return fail(
		why, error, "pasta(1) has made no link: %s", message ? message : strerror(-error));
}

static int tell(struct stage *stage, enum step_kind kind, struct stage_failure *why)
{
	struct step step = {.kind = kind, .process = stage->link.process};
	int error;

	snprintf(step.text, sizeof(step.text), "%s", stage->link.folder);
	error = step_send(stage->warden_end, &step);
	return error && error != -EPIPE ? fail_step(why, error, &step) : 0;
}

/* The warden learns of it first, to end it and clear up if this process is ended meanwhile. */
static int make_link(struct stage *stage, struct stage_failure *why)
{
	char *message = NULL;
	struct step step;
	int error = link_start(stage->warden, geteuid() == 0, &stage->link);

	if (error)
		return fail_link(why, error, NULL);
	error = tell(stage, STEP_LINKING, why);
	if (error)
		return error;
	error = link_await(&stage->link, LINK_MS, &message);
	/* Where the warden has given up, pasta has lost its namespace. */
	if (error && step_await(stage->warden_end, STEP_READY, 0, &step) == -ECANCELED)
		fail_step(why, -ECANCELED, &step);
	else if (error)
		fail_link(why, error, message);
	free(message);
	return error;
}

static int take_steps(struct stage *stage, struct stage_failure *why)
{
	struct step step;
	int error = step_await(stage->warden_end, STEP_ENTERED, ENTER_MS, &step);

	if (error)
		return fail_step(why, error, &step);
	error = map_ids(stage->warden, why);
	if (!error)
		error = tell(stage, STEP_MAPPED, why);
	if (!error)
		error = make_link(stage, why);
	if (!error)
		error = tell(stage, STEP_LINKED, why);
	if (error)
		return error;
	error = step_await(stage->warden_end, STEP_READY, READY_MS, &step);
	return error ? fail_step(why, error, &step) : 0;
}

static int start_processes(
	const struct stage_config *config, struct stage *stage, struct stage_failure *why)
{
	CLEANUP_FD int porter = -1;
	CLEANUP_FD int asker = -1;
	int ends[2];
	int error = porter_pair(&porter, &asker);

	if (!error)
		error = step_pair(ends);
	if (error)
		return fail(why, error, "cannot make sockets: %s", strerror(-error));
	stage->warden_end = ends[0];
	stage->porter = fork();
	if (stage->porter == 0)
		be_porter(porter, &config->plan->policy->dns);
	if (stage->porter > 0)
		stage->warden = fork_warden(config, ends, asker);
	close(ends[1]);
	if (stage->porter < 0 || stage->warden < 0)
		return fail(why, -errno, "cannot start a process: %s", strerror(errno));
	return 0;
}

int stage_start(
	const struct stage_config *config, struct stage *ret_stage, struct stage_failure *ret_why)
{
	struct stage stage = {.warden_end = -1, .link = LINK_NONE};
	int error = start_processes(config, &stage, ret_why);

	if (!error)
		error = take_steps(&stage, ret_why);
	if (error)
		stage_end(&stage);
	else
		*ret_stage = stage;
	return error;
}

static void end_process(pid_t *pid, int signal)
{
	if (*pid <= 0)
		return;
	if (signal)
		kill(*pid, signal);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

void stage_end(struct stage *stage)
{
	link_end(&stage->link);
	fd_closep(&stage->warden_end);
	end_process(&stage->warden, 0);
	end_process(&stage->porter, SIGKILL);
}

bool stage_has(const struct stage *stage, pid_t pid)
{
	return pid == stage->porter || pid == stage->warden || pid == stage->link.process;
}
