/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/kernel/netns.h"
#include "src/run/barrier.h"
#include "src/run/step.h"

/*
 * Theory of operation
 *
 * The warden's user namespace owns the network namespace, so that here alone is the right to change
 * the ruleset; the command's is nested in it and has none. In it the warden is uid 0, which is the
 * caller's own id outside.
 *
 * The resolver sees the files of the host as they are, its resolv.conf among them: the command's
 * view of them is the command's alone (src/run/mounts.c). It reads its policy once.
 *
 * When the tender is gone, the resolver and the link go, too: what the command has left behind
 * stays in the network namespace, under the ruleset, and reaches nothing. It is the same when the
 * resolver ends, or is killed, before: names are no longer answered then.
 */

enum {
	PATIENCE_MS = 20000, /* for the tender's steps, and for the resolver to answer */
	ASK_MS = 50,
	LOG_MAX = STEP_TEXT - 256,
	ARGUMENTS_MAX = 64,
};

struct warden {
	const struct stage_config *config;
	int tender;
	int asker;
	pid_t resolver;
	int resolver_end; /* pidfd; -1: it has ended */
	int log;          /* what it logs; -1: it goes to standard error */
	int link;         /* pidfd of what keeps the link; -1: none yet */
	char folder[32];  /* of the link's; "": none yet */
	char said[LOG_MAX];
	size_t n_said;
};

/* Ends it with all that it has started. */
static void __attribute__((noreturn)) end_all(const struct warden *warden, int status)
{
	if (warden->link >= 0)
		syscall(SYS_pidfd_send_signal, warden->link, SIGKILL, NULL, 0);
	link_clear(warden->folder);
	if (warden->resolver > 0) {
		kill(warden->resolver, SIGKILL);
		waitpid(warden->resolver, NULL, 0);
	}
	_exit(status);
}

/* Says why and ends. */
static void __attribute__((noreturn, format(printf, 2, 3)))
give_up(const struct warden *warden, const char *format, ...)
{
	struct step step = {.kind = STEP_FAILED};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(step.text, sizeof(step.text), format, arguments);
	va_end(arguments);
	step_send(warden->tender, &step);
	end_all(warden, 1);
}

static void say(const struct warden *warden, enum step_kind kind)
{
	const struct step step = {.kind = kind};

	if (step_send(warden->tender, &step) != 0)
		end_all(warden, 1);
}

static struct step await(const struct warden *warden, enum step_kind kind)
{
	struct step step;

	if (step_await(warden->tender, kind, PATIENCE_MS, &step) != 0)
		end_all(warden, 1);
	return step;
}

/* --- The namespaces --- */

static void enter(const struct warden *warden)
{
	if (unshare(CLONE_NEWUSER) < 0)
		give_up(warden, "cannot make a user namespace: %s%s", strerror(errno),
			errno == ENOSPC || errno == EPERM || errno == EACCES
				? " (forbidden by user.max_user_namespaces, "
				  "kernel.unprivileged_userns_clone or "
				  "kernel.apparmor_restrict_unprivileged_userns, see sysctl(8), or "
				  "in a chroot; an administrator may start this program as root, "
				  "with --user)"
				: "");
	if (unshare(CLONE_NEWNET) < 0)
		give_up(warden, "cannot make a network namespace: %s", strerror(errno));
	say(warden, STEP_ENTERED);
	await(warden, STEP_MAPPED);
}

/* Takes note of what is to be ended and cleared up. */
static void await_link(struct warden *warden)
{
	const struct step step = await(warden, STEP_LINKING);

	warden->link = (int)syscall(SYS_pidfd_open, step.process, 0);
	snprintf(warden->folder, sizeof(warden->folder), "%.31s", step.text);
}

/* What a new network namespace lacks. */
static void prepare_network(const struct warden *warden)
{
	int error = netns_raise_loopback();

	if (error)
		give_up(warden, "cannot set the loopback up: %s", strerror(-error));
	/* Where they can't be set, addresses come up a moment later, and ping needs a privilege. */
	(void)netns_set("net/ipv6/conf/default/accept_dad", "0");
	(void)netns_set("net/ipv6/conf/all/accept_dad", "0");
	if (netns_set("net/ipv4/ping_group_range", "0 2147483647") != 0)
		(void)netns_set("net/ipv4/ping_group_range", "0 0");
}

static void load_ruleset(const struct warden *warden)
{
	char *message = NULL;
	int error = warden->config->load(warden->config->plan, &message);

	if (error == -ESTALE)
		give_up(warden, "the kernel does not hold what was loaded: %s differs",
			message ? message : "something");
	if (error)
		give_up(warden, "cannot load the ruleset: %s",
			message ? message : strerror(-error));
	free(message);
}

/* --- The resolver --- */

struct arguments {
	const char *list[ARGUMENTS_MAX];
	size_t count;
	bool full;
};

static void add_argument(struct arguments *arguments, const char *argument)
{
	arguments->full |= arguments->count + 1 >= ARGUMENTS_MAX;
	if (!arguments->full)
		arguments->list[arguments->count++] = argument;
}

static void add_option(struct arguments *arguments, const char *name, const char *value)
{
	add_argument(arguments, name);
	add_argument(arguments, value);
}

static bool keep_open(int fd)
{
	return fd < 0 || fcntl(fd, F_SETFD, 0) == 0;
}

static void __attribute__((noreturn)) become_resolver(const struct warden *warden, int log)
{
	const struct stage_config *config = warden->config;
	struct arguments arguments = {.count = 0};
	char asker[16];

	snprintf(asker, sizeof(asker), "%d", warden->asker);
	add_argument(&arguments, "egress-resolver");
	for (size_t i = 0; i < config->n_overrides; i++)
		add_option(&arguments, "--override", config->overrides[i]);
	for (size_t i = 0; i < config->n_profile_dirs; i++)
		add_option(&arguments, "--profile-dir", config->profile_dirs[i]);
	if (config->added)
		add_option(&arguments, "--add", config->added);
	add_option(&arguments, "--upstream-fd", asker);
	add_option(&arguments, "--user", config->user);
	add_option(&arguments, "--control", "none");
	add_argument(&arguments, "--own-namespace");
	if (config->verbose)
		add_argument(&arguments, "--verbose");
	add_option(&arguments, "--", config->policy);
	/* They are the caller's. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	if (arguments.full || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
		(log >= 0 && dup2(log, STDERR_FILENO) < 0) || !keep_open(warden->asker) ||
		!keep_open(config->policy_fd) || !keep_open(config->added_fd))
		_exit(1);
	execv(config->resolver, (char **)(uintptr_t)arguments.list);
	dprintf(STDERR_FILENO, "%s: %s\n", config->resolver, strerror(errno));
	_exit(1);
}

static void start_resolver(struct warden *warden)
{
	int ends[2] = {-1, -1};

	if (!warden->config->verbose && pipe2(ends, O_CLOEXEC) < 0)
		give_up(warden, "cannot make a pipe: %s", strerror(errno));
	warden->resolver = fork();
	if (warden->resolver == 0)
		become_resolver(warden, ends[1]);
	if (warden->resolver < 0)
		give_up(warden, "cannot start the resolver: %s", strerror(errno));
	fd_closep(&ends[1]);
	fd_closep(&warden->asker);
	warden->log = ends[0];
	if (warden->log >= 0)
		(void)fd_set_nonblocking(warden->log);
	warden->resolver_end = (int)syscall(SYS_pidfd_open, warden->resolver, 0);
	if (warden->resolver_end < 0)
		give_up(warden, "pidfd_open: %s", strerror(errno));
}

/* Reads what the resolver logs; the end of it is kept. */
static void read_log(struct warden *warden)
{
	char bytes[LOG_MAX / 2];
	ssize_t got = warden->log < 0 ? 0 : read(warden->log, bytes, sizeof(bytes));
	size_t excess;

	if (got == 0)
		fd_closep(&warden->log);
	if (got <= 0)
		return;
	excess =
		warden->n_said + (size_t)got > LOG_MAX ? warden->n_said + (size_t)got - LOG_MAX : 0;
	warden->n_said -= excess;
	memmove(warden->said, warden->said + excess, warden->n_said);
	memcpy(warden->said + warden->n_said, bytes, (size_t)got);
	warden->n_said += (size_t)got;
}

static bool has_ended(const struct warden *warden)
{
	struct pollfd poller = {.fd = warden->resolver_end, .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

/* --- The barrier --- */

static void prove_resolver(struct warden *warden)
{
	const struct mono end = mono_add(clock_now(), (struct duration){PATIENCE_MS});
	int error = -ETIMEDOUT;

	while (error && mono_before(clock_now(), end)) {
		read_log(warden);
		if (has_ended(warden)) {
			read_log(warden);
			give_up(warden, "the resolver did not start:\n%.*s", (int)warden->n_said,
				warden->said);
		}
		error = barrier_ask(ASK_MS);
		/* Nobody listens yet. */
		if (error && error != -ETIMEDOUT)
			poll(NULL, 0, ASK_MS / 5);
	}
	if (error)
		give_up(warden, "the resolver does not answer");
}

static void prove_ruleset(const struct warden *warden)
{
	struct inaddr address;
	char text[INADDR_TEXT];
	int error = barrier_try_refused(warden->config->plan, &address);

	if (error == -ENOTCONN)
		give_up(warden, "the ruleset does not refuse %s", inaddr_to_text(&address, text));
	if (error)
		give_up(warden, "cannot try the ruleset: %s", strerror(-error));
}

/* --- The watch --- */

static void lose_resolver(struct warden *warden)
{
	struct step step = {.kind = STEP_FAILED};

	read_log(warden);
	snprintf(step.text, sizeof(step.text),
		"the resolver has ended: names are not answered any more\n%.*s",
		(int)warden->n_said, warden->said);
	fd_closep(&warden->resolver_end);
	waitpid(warden->resolver, NULL, 0);
	warden->resolver = 0;
	step_send(warden->tender, &step);
}

/* Until the tender is gone. */
static void watch(struct warden *warden)
{
	for (;;) {
		struct pollfd polled[] = {
			{warden->tender, POLLIN, 0},
			{warden->resolver_end, POLLIN, 0},
			{warden->log, POLLIN, 0},
		};

		if (poll(polled, 3, -1) < 0 && errno != EINTR)
			return;
		if (polled[0].revents)
			return;
		if (polled[2].revents)
			read_log(warden);
		if (polled[1].revents)
			lose_resolver(warden);
	}
}

/* Signals from the terminal and to the caller's job are not for this process and its children, and
 * neither are what the command reads and writes. */
static void leave_job(void)
{
	const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};
	CLEANUP_FD int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
		syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(1);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

void warden_run(const struct stage_config *config, int tender, int asker)
{
	struct warden warden = {
		.config = config,
		.tender = tender,
		.asker = asker,
		.resolver_end = -1,
		.log = -1,
		.link = -1,
	};

	leave_job();
	enter(&warden);
	await_link(&warden);
	prepare_network(&warden);
	load_ruleset(&warden);
	start_resolver(&warden);
	await(&warden, STEP_LINKED);
	prove_resolver(&warden);
	prove_ruleset(&warden);
	say(&warden, STEP_READY);
	watch(&warden);
	end_all(&warden, 0);
}
