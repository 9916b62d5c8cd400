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
#include "src/kernel/netns.h"
#include "src/kernel/porter.h"
#include "src/run/relay.h"
#include "src/run/step.h"
#include "src/run/warden.h"

/*
 * Theory of operation
 *
 *	outside				user namespace 1, network namespace
 *	the tender (this process)	the warden, the resolver
 *	the porter			user namespace 2 in it
 *	pasta				the command
 *	the relay of what is published	the porter for that
 *	the porter for the loopback	the relay of the host's loopback
 *
 * Root's link may be a pair of interfaces (src/run/veth.c) in place of pasta.
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

/* --- The tender's part --- */

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

	return error ? fail(why, error, "cannot map ids: %s%s", strerror(-error),
			       error == -ENOENT ? " (/proc is not mounted)" : "")
		     : 0;
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
	const struct step step = {.kind = kind, .process = stage->link.process};
	int error = step_send(stage->warden_end, &step);

	return error && error != -EPIPE ? fail_step(why, error, &step) : 0;
}

/* Notes whether there can be one of veth(4). */
static int choose_link(
	const struct stage_config *config, struct stage *stage, struct stage_failure *why)
{
	bool insists = config->link == STAGE_LINK_VETH;
	int error;

	if (config->link == STAGE_LINK_PASTA || config->attach)
		return 0;
	error = veth_choose(config->plan, insists, &stage->veth, &stage->no_veth);
	stage->has_veth = error == 0;
	return error && insists ? fail(why, error, "no link by veth(4): %s", stage->no_veth.text)
				: 0;
}

/* The warden learns of it first, to end it if this process is ended meanwhile. */
static int make_pasta(struct stage *stage, struct stage_failure *why)
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

/* The warden learns of it when it is there, and goes on with the other end. */
static int make_link(
	const struct stage_config *config, struct stage *stage, struct stage_failure *why)
{
	if (stage->has_veth)
		stage->has_veth = veth_make(&stage->veth, stage->warden, &stage->no_veth) == 0;
	if (stage->has_veth)
		return tell(stage, STEP_LINKING, why);
	if (config->attach)
		return tell(stage, STEP_LINKING, why);
	if (config->link == STAGE_LINK_VETH)
		return fail(why, -ECANCELED, "no link by veth(4): %s", stage->no_veth.text);
	return make_pasta(stage, why);
}

static int take_steps(
	const struct stage_config *config, struct stage *stage, struct stage_failure *why)
{
	struct step step;
	int error = step_await(stage->warden_end, STEP_ENTERED, ENTER_MS, &step);

	if (error)
		return fail_step(why, error, &step);
	error = config->attach ? 0 : map_ids(stage->warden, why);
	if (!error)
		error = tell(stage, STEP_MAPPED, why);
	if (!error)
		error = make_link(config, stage, why);
	if (!error)
		error = tell(stage, STEP_LINKED, why);
	if (error)
		return error;
	error = step_await(stage->warden_end, STEP_READY, READY_MS, &step);
	return error ? fail_step(why, error, &step) : 0;
}

static int fail_start(struct stage_failure *why, int error)
{
	return fail(why, error, "cannot start a process: %s", strerror(-error));
}

static int start_porter(const struct dns_policy *dns, struct warden_ends *ends, struct stage *stage,
	struct stage_failure *why)
{
	struct endpoint servers[DNS_SERVERS_MAX];
	CLEANUP_FD int porter = -1;
	int error = porter_pair(&porter, &ends->asker);

	for (size_t i = 0; i < dns->n_upstream; i++)
		servers[i] = dns->upstream[i].at;
	if (!error)
		error = relay_start_porter_to(servers, dns->n_upstream, porter, &stage->porter);
	return error ? fail_start(why, error) : 0;
}

/* The relay of what is published; its porter is the warden's. */
static int start_relay(const struct forward_list *published, struct warden_ends *ends,
	struct stage *stage, struct stage_failure *why)
{
	CLEANUP_FD int asker = -1;
	struct relay relay;
	struct endpoint where;
	char text[INADDR_TEXT];
	int error = relay_listen(published, &relay, &where);

	if (error)
		return fail(why, error, "--publish: cannot listen at %s: %s",
			endpoint_to_text(&where, text), strerror(-error));
	error = porter_pair(&ends->published_porter, &asker);
	if (!error)
		error = relay_start(&relay, asker, &stage->relay);
	relay_close(&relay);
	return error ? fail_start(why, error) : 0;
}

/* The porter of the host's loopback; its relay is the warden's. */
static int start_loopback_porter(const struct forward_list *loopback, struct warden_ends *ends,
	struct stage *stage, struct stage_failure *why)
{
	CLEANUP_FD int porter = -1;
	int error = porter_pair(&porter, &ends->loopback_asker);

	if (!error)
		error = relay_start_porter(loopback, porter, &stage->loopback_porter);
	return error ? fail_start(why, error) : 0;
}

static int start_warden(const struct stage_config *config, struct warden_ends *ends,
	struct stage *stage, struct stage_failure *why)
{
	int pair[2];
	int error = step_pair(pair);

	if (error)
		return fail_start(why, error);
	stage->warden_end = pair[0];
	ends->tender = pair[1];
	stage->warden = fork();
	if (stage->warden == 0) {
		close(pair[0]);
		warden_run(config, ends);
	}
	return stage->warden < 0 ? fail_start(why, -errno) : 0;
}

/* The warden comes last, so that it holds no ends but its own. */
static int start_processes(
	const struct stage_config *config, struct stage *stage, struct stage_failure *why)
{
	struct warden_ends ends = {-1, -1, -1, -1, stage->has_veth ? &stage->veth : NULL};
	int error = start_porter(&config->plan->policy->dns, &ends, stage, why);

	if (!error && config->published->count > 0)
		error = start_relay(config->published, &ends, stage, why);
	if (!error && config->loopback->count > 0)
		error = start_loopback_porter(config->loopback, &ends, stage, why);
	if (!error)
		error = start_warden(config, &ends, stage, why);
	fd_closep(&ends.tender);
	fd_closep(&ends.asker);
	fd_closep(&ends.published_porter);
	fd_closep(&ends.loopback_asker);
	return error;
}

int stage_start(
	const struct stage_config *config, struct stage *ret_stage, struct stage_failure *ret_why)
{
	struct stage stage = {.warden_end = -1, .link = LINK_NONE};
	int error = choose_link(config, &stage, ret_why);

	if (!error)
		error = start_processes(config, &stage, ret_why);
	if (!error)
		error = take_steps(config, &stage, ret_why);
	if (error)
		stage_end(&stage);
	else
		*ret_stage = stage;
	return error;
}

void stage_finish(struct stage *stage)
{
	const struct step step = {.kind = STEP_FINISH};

	if (stage->warden_end >= 0)
		(void)step_send(stage->warden_end, &step);
	link_stop(&stage->link);
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
	/* What takes long begins first, and is waited for last. */
	link_stop(&stage->link);
	fd_closep(&stage->warden_end);
	veth_end(&stage->veth);
	end_process(&stage->warden, 0);
	end_process(&stage->porter, SIGKILL);
	end_process(&stage->relay, SIGKILL);
	end_process(&stage->loopback_porter, SIGKILL);
	link_end(&stage->link);
}

bool stage_has(const struct stage *stage, pid_t pid)
{
	return pid == stage->porter || pid == stage->relay || pid == stage->loopback_porter ||
	       pid == stage->warden || pid == stage->link.process;
}
