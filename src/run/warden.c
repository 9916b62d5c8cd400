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
#include "src/base/footprint.h"
#include "src/kernel/netns.h"
#include "src/kernel/ruleset.h"
#include "src/run/attach.h"
#include "src/run/barrier.h"
#include "src/run/relay.h"
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
 * Where a running process is observed, its namespaces are joined, nothing is prepared or linked,
 * and the ruleset is taken out again at the end.
 *
 * When the tender is gone, the resolver and the link go, too: what the command has left behind
 * stays in the network namespace, under the ruleset, and reaches nothing. It is the same when the
 * resolver ends, or is killed, before: names are no longer answered then.
 */

enum {
	DNS_PORT = 53,
	PATIENCE_MS = 20000, /* for the tender's steps, and for the resolver to answer */
	ASK_MS = 50,
	NAP_MS = 2, /* where nobody listens yet; asking takes 0.1 */
	LOG_MAX = STEP_TEXT - 256,
	READS_MAX = 64,
	ARGUMENTS_MAX = 64,
};

struct warden {
	const struct stage_config *config;
	int tender;
	int asker;
	pid_t resolver;
	int resolver_end;        /* pidfd; -1: it has ended */
	int log;                 /* what it logs; -1: it goes to standard error */
	const struct veth *veth; /* the link, if it is one and there */
	int link;                /* pidfd of what keeps the link; -1: none yet */
	bool finishing;          /* the resolver was told to end */
	char said[LOG_MAX];
	size_t n_said;
	bool loaded; /* the ruleset */
};

/* Ends it with all that it has started. */
static void __attribute__((noreturn)) end_all(const struct warden *warden, int status)
{
	if (warden->link >= 0)
		syscall(SYS_pidfd_send_signal, warden->link, SIGKILL, NULL, 0);
	if (warden->veth)
		veth_cut(warden->veth);
	if (warden->resolver > 0) {
		kill(warden->resolver, SIGKILL);
		waitpid(warden->resolver, NULL, 0);
	}
	if (warden->config->attach && warden->loaded)
		warden->config->unload(warden->config->plan);
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

static void make_namespaces(const struct warden *warden)
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
}

/* Whoever is under a policy already would get its names from elsewhere than that expects. */
static void join_namespaces(const struct warden *warden)
{
	char *tables = NULL, *found;
	int error = attach_enter(warden->config->attach);

	if (error)
		give_up(warden, "cannot join the network namespace: %s", strerror(-error));
	error = ruleset_read_tables(&tables);
	if (error)
		give_up(warden, "cannot read rulesets: %s", strerror(-error));
	found = strstr(tables, "table inet egress-");
	if (found)
		give_up(warden, "a policy is in force there already: %.*s",
			(int)strcspn(found, "\n"), found);
	free(tables);
}

static void enter(const struct warden *warden)
{
	if (warden->config->attach)
		join_namespaces(warden);
	else
		make_namespaces(warden);
	say(warden, STEP_ENTERED);
	await(warden, STEP_MAPPED);
}

/* Takes note of what is to be ended. */
static void await_link(struct warden *warden, const struct veth *veth)
{
	const struct step step = await(warden, STEP_LINKING);

	if (step.process == 0)
		warden->veth = veth;
	else
		warden->link = (int)syscall(SYS_pidfd_open, step.process, 0);
}

/* What a new network namespace lacks. */
static void prepare_network(const struct warden *warden)
{
	int error;

	if (warden->config->attach)
		return;
	error = netns_raise_loopback();
	if (error)
		give_up(warden, "cannot set the loopback up: %s", strerror(-error));
	/* Where they can't be set, addresses come up a moment later, and ping needs a privilege. */
	(void)netns_set("net/ipv6/conf/default/accept_dad", "0");
	(void)netns_set("net/ipv6/conf/all/accept_dad", "0");
	error = warden->veth ? veth_enter(warden->veth) : 0;
	if (error)
		give_up(warden, "cannot set up %s: %s", VETH_INNER, strerror(-error));
	if (netns_set("net/ipv4/ping_group_range", "0 2147483647") != 0)
		(void)netns_set("net/ipv4/ping_group_range", "0 0");
}

/* The parts of what is forwarded that are in here. They end with this process. */
static void forward(const struct warden *warden, const struct warden_ends *ends)
{
	CLEANUP_FD int porter = ends->published_porter;
	CLEANUP_FD int asker = ends->loopback_asker;
	char text[INADDR_TEXT];
	struct endpoint where;
	struct relay relay;
	pid_t process;
	int error =
		porter < 0 ? 0 : relay_start_porter(warden->config->published, porter, &process);

	if (!error && asker >= 0) {
		error = relay_listen(warden->config->loopback, &relay, &where);
		if (error)
			give_up(warden, "--loopback: cannot listen at %s: %s",
				endpoint_to_text(&where, text), strerror(-error));
		error = relay_start(&relay, asker, &process);
		relay_close(&relay);
	}
	if (error)
		give_up(warden, "cannot start a process: %s", strerror(-error));
}

static struct apply_rest *load_ruleset(struct warden *warden)
{
	struct apply_rest *rest = NULL;
	char *message = NULL;
	int error = warden->config->load(warden->config->plan, &rest, &message);

	if (error == -ESTALE)
		give_up(warden, "the kernel does not hold what was loaded: %s differs",
			message ? message : "something");
	if (error)
		give_up(warden, "cannot load the ruleset: %s",
			message ? message : strerror(-error));
	warden->loaded = true;
	free(message);
	return rest;
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

/* Whether the network is the host's, of which one control group is in scope. */
static bool has_cgroup(const struct stage_config *config)
{
	return config->attach && config->attach->cgroup[0] != '\0';
}

static void __attribute__((noreturn)) become_resolver(const struct warden *warden, int log)
{
	const struct stage_config *config = warden->config;
	struct arguments arguments = {.count = 0};
	char asker[16], events[16];

	snprintf(asker, sizeof(asker), "%d", warden->asker);
	snprintf(events, sizeof(events), "%d", config->events_fd);
	add_argument(&arguments, "egress-resolver");
	for (size_t i = 0; i < config->n_overrides; i++)
		add_option(&arguments, "--override", config->overrides[i]);
	for (size_t i = 0; i < config->n_profile_dirs; i++)
		add_option(&arguments, "--profile-dir", config->profile_dirs[i]);
	if (config->added)
		add_option(&arguments, "--add", config->added);
	if (has_cgroup(config)) {
		add_option(&arguments, "--scope-cgroup", config->attach->cgroup);
	} else {
		add_option(&arguments, "--upstream-fd", asker);
		add_argument(&arguments, "--own-namespace");
	}
	add_option(&arguments, "--user", config->user);
	add_option(&arguments, "--control", "none");
	if (config->observe)
		add_argument(&arguments, "--observe");
	if (config->events_fd > 0)
		add_option(&arguments, "--events-fd", events);
	if (config->session)
		add_option(&arguments, "--session", config->session);
	add_option(&arguments, "--state", config->state ? config->state : "none");
	if (config->verbose)
		add_argument(&arguments, "--verbose");
	add_option(&arguments, "--", config->policy);
	/* They are the caller's. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	if (arguments.full || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
		(log >= 0 && dup2(log, STDERR_FILENO) < 0) || !keep_open(warden->asker) ||
		!keep_open(config->policy_fd) || !keep_open(config->added_fd) ||
		(config->events_fd > 0 && !keep_open(config->events_fd)))
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
	if (warden->config->events_fd > 0)
		close(warden->config->events_fd);
	warden->log = ends[0];
	if (warden->log >= 0)
		(void)fd_set_nonblocking(warden->log);
	warden->resolver_end = (int)syscall(SYS_pidfd_open, warden->resolver, 0);
	if (warden->resolver_end < 0)
		give_up(warden, "pidfd_open: %s", strerror(errno));
}

/* Reads of what the resolver logs; the end of it is kept. False: there is no more. */
static bool read_log(struct warden *warden)
{
	char bytes[LOG_MAX / 2];
	ssize_t got = warden->log < 0 ? 0 : read(warden->log, bytes, sizeof(bytes));
	size_t excess;

	if (got == 0)
		fd_closep(&warden->log);
	if (got <= 0)
		return false;
	excess =
		warden->n_said + (size_t)got > LOG_MAX ? warden->n_said + (size_t)got - LOG_MAX : 0;
	warden->n_said -= excess;
	memmove(warden->said, warden->said + excess, warden->n_said);
	memcpy(warden->said + warden->n_said, bytes, (size_t)got);
	warden->n_said += (size_t)got;
	return true;
}

/* As much as a pipe holds, of one that has ended. */
static void read_rest(struct warden *warden)
{
	for (unsigned i = 0; i < READS_MAX && read_log(warden); i++)
		;
}

static bool has_ended(const struct warden *warden)
{
	struct pollfd poller = {.fd = warden->resolver_end, .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

/* --- The barrier --- */

/* Where the resolver is asked: where all names are, or by its own address where the ruleset leads
 * only others there. */
static struct endpoint resolver_address(const struct stage_config *config)
{
	const uint8_t loopback[] = {127, 0, 0, 1};

	if (has_cgroup(config))
		return config->plan->policy->dns.listen[0];
	return (struct endpoint){inaddr_from_ip4(loopback), DNS_PORT};
}

static void prove_resolver(struct warden *warden)
{
	const struct endpoint server = resolver_address(warden->config);
	const struct mono end = mono_add(clock_now(), (struct duration){PATIENCE_MS});
	int error = -ETIMEDOUT;

	while (error && mono_before(clock_now(), end)) {
		read_log(warden);
		if (has_ended(warden)) {
			read_rest(warden);
			give_up(warden, "the resolver did not start:\n%.*s", (int)warden->n_said,
				warden->said);
		}
		error = barrier_ask(&server, ASK_MS);
		/* Nobody listens yet. */
		if (error && error != -ETIMEDOUT)
			poll(NULL, 0, NAP_MS);
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

	read_rest(warden);
	snprintf(step.text, sizeof(step.text),
		"the resolver has ended: names are not answered any more\n%.*s",
		(int)warden->n_said, warden->said);
	fd_closep(&warden->resolver_end);
	waitpid(warden->resolver, NULL, 0);
	warden->resolver = 0;
	if (!warden->finishing)
		step_send(warden->tender, &step);
}

/* Whether the tender is there, and says nothing wrong. */
static bool heed_tender(struct warden *warden)
{
	struct step step;

	if (step_await(warden->tender, STEP_FINISH, 0, &step) != 0)
		return false;
	warden->finishing = true;
	if (warden->resolver > 0)
		kill(warden->resolver, SIGTERM);
	return true;
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
		if (polled[0].revents && !heed_tender(warden))
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

void warden_run(const struct stage_config *config, const struct warden_ends *ends)
{
	struct warden warden = {
		.config = config,
		.tender = ends->tender,
		.asker = ends->asker,
		.resolver_end = -1,
		.log = -1,
		.link = -1,
	};
	struct apply_rest *rest;

	leave_job();
	enter(&warden);
	await_link(&warden, ends->veth);
	prepare_network(&warden);
	forward(&warden, ends);
	rest = load_ruleset(&warden);
	start_resolver(&warden);
	config->settle(rest); /* while the resolver starts */
	await(&warden, STEP_LINKED);
	prove_resolver(&warden);
	prove_ruleset(&warden);
	say(&warden, STEP_READY);
	footprint_trim();
	watch(&warden);
	end_all(&warden, 0);
}
