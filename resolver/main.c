/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/main.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "resolver/anchor.h"
#include "resolver/crew.h"
#include "resolver/guard.h"
#include "resolver/listen.h"
#include "resolver/preflight.h"
#include "resolver/resolvconf.h"
#include "resolver/sets.h"
#include "resolver/tls.h"
#include "rules/compile.h"
#include "rules/dns-server.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * The parent supervises and does nothing else: it reads the policy, holds the listening sockets and
 * the children, and leaves the ruleset alone; only when it ends as told it takes the resolver's
 * mark away. The children of one policy are a crew: when one of them ends, all are ended and a new
 * crew starts, at once the first time and then after a pause that doubles while crews don't last.
 * Queries wait in the listening sockets meanwhile, and the kernel's leases stand.
 *
 * SIGHUP brings up the next policy beside the one in force: whatever is wrong with it, the old one
 * goes on as if nothing had been. Only when the new crew answers is the old one asked to finish
 * what it has begun; for a moment both take queries from the same sockets. Any key may change:
 * listening sockets that both policies have are kept with what waits in them, others are opened
 * first and closed last; the table must be loaded already, under its new name too.
 *
 * The mark of the sockets to upstream servers is drawn once, so that questions which are out stay
 * permitted while keepers change; so is the key that names are counted by as destinations, since
 * what one keeper counted the next one reads. Destinations are counted from the start of this
 * process on: that is a session. What the guard counts begins anew with each reading of the policy,
 * but not when a crew is replaced.
 *
 * All signals are blocked and read from a descriptor, so nothing happens between two steps.
 */

enum {
	START_MS = 10000,  /* a crew that isn't up by then has failed */
	LEAVE_MS = 5000,   /* a dismissed crew that isn't gone by then is killed */
	REAP_MS = 1000,    /* how long a new crew waits for a killed one to be gone */
	STEADY_MS = 10000, /* a crew that lasted as long was no failure at the start */
	PAUSE_MIN_MS = 100,
	PAUSE_MAX_MS = 5000,
	LEAVING_MAX = 8,
};

#define ARENA_BYTES ((size_t)4 << 30)

_Static_assert(RESOLVER_WORKERS_MAX <= CREW_WORKERS_MAX, "a crew has room for all workers");

/* A policy, and the sockets it is served on. */
struct setting {
	struct arena *arena;
	struct compiled compiled;
	struct guard *guard;
	struct tls_trust *trust;
	struct anchors *anchors;
	struct listeners *listeners;
};

/* A crew that was replaced, until all of it has ended. */
struct leaver {
	struct crew *crew;
	bool killed;
	struct mono kill_at;
};

struct supervisor {
	const struct resolver_options *options;
	uid_t uid;
	gid_t gid;
	uint32_t mark;
	struct hash_key destinations_key;
	struct hash_key cookie_key; /* of DNS cookies, which outlive workers */
	int signals;
	bool stopping;
	bool reload_wanted;
	enum resolver_status status;

	struct setting *setting; /* in force */
	struct crew *crew;       /* NULL: to be started at start_at */
	bool announced;          /* that it is up */
	bool served;             /* any crew ever was */
	struct mono start_at;
	int pause_ms; /* before the next start after this */

	struct setting *next; /* to replace `setting` when its crew is up */
	struct crew *next_crew;

	struct leaver leaving[LEAVING_MAX];
	unsigned n_leaving;
};

/* --- Policies --- */

static void setting_free(struct setting *setting)
{
	if (!setting)
		return;
	listeners_close(setting->listeners);
	guard_free(setting->guard);
	tls_trust_free(setting->trust);
	anchors_free(setting->anchors);
	arena_free(setting->arena);
	free(setting);
}

/* Says whom a policy without [dns] upstream has asked. */
static void announce_servers(const struct dns_policy *dns, int error)
{
	char text[DNS_SERVER_TEXT];

	if (error)
		log_warning(RESOLVCONF_PATH ": %s", strerror(-error));
	if (dns->n_upstream == 0)
		log_warning("there is no [dns] upstream, and no server in " RESOLVCONF_PATH
			    ": only names of [dns.hosts] have addresses");
	for (size_t i = 0; i < dns->n_upstream; i++)
		log_info("upstream %s, the system's", dns_server_to_text(&dns->upstream[i], text));
}

static enum resolver_status compile(const struct resolver_options *from, struct setting *setting)
{
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t n_servers = 0;
	int unread = resolvconf_read(RESOLVCONF_PATH, RESOLVCONF_BEHIND_PATH, servers, &n_servers);
	const struct compile_options options = {
		.system_servers = servers,
		.n_system_servers = n_servers,
		.policy = from->policy,
		.overrides = from->overrides,
		.n_overrides = from->n_overrides,
		.profile_dirs = from->profile_dirs,
		.n_profile_dirs = from->n_profile_dirs,
	};
	struct diag *diag;
	int error = arena_new(ARENA_BYTES, &setting->arena);

	if (error) {
		log_error("%s: %s", from->policy, strerror(-error));
		return RESOLVER_KERNEL;
	}
	diag = diag_new(setting->arena);
	error = diag ? compile_policy(setting->arena, &options, diag, &setting->compiled) : -ENOMEM;
	if (diag)
		diag_print(diag, stderr);
	if (error && error != -EINVAL)
		log_error("%s: %s", from->policy, strerror(-error));
	if (!error && !setting->compiled.plan->policy->dns.has_upstream)
		announce_servers(&setting->compiled.plan->policy->dns, unread);
	return error ? RESOLVER_POLICY : RESOLVER_OK;
}

/* Reads whom to trust now: workers have no files. */
static enum resolver_status make_trust(struct setting *setting)
{
	const struct dns_policy *dns = &setting->compiled.plan->policy->dns;
	const char *problem;
	int error = tls_trust_new(dns, &setting->trust, &problem);

	if (error)
		log_error("DNS over TLS %s", problem);
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

/* Reads the trust anchors, if answers have to be validated: the same holds for them, and for
 * what OpenSSL reads. */
static enum resolver_status make_anchors(struct setting *setting)
{
	const char *path = setting->compiled.plan->policy->dns.trust_anchor;
	unsigned line;
	int error;

	if (!layers_want_dnssec(setting->compiled.layers))
		return RESOLVER_OK;
	if (!path)
		path = ANCHORS_PATH;
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	error = anchors_read(path, &setting->anchors, &line);
	if (error == -EINVAL && line > 0)
		log_error("%s:%u: not a DS or DNSKEY record", path, line);
	else if (error == -EINVAL)
		log_error("%s: no trust anchor of a kind that is known", path);
	else if (error)
		log_error("no DNSSEC trust anchors in %s: %s", path, strerror(-error));
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

static enum resolver_status make_guard(struct setting *setting)
{
	int error = guard_new(setting->compiled.layers, &setting->guard);

	if (error)
		log_error("no memory for what wildcard_names counts: %s", strerror(-error));
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

static enum resolver_status listen_on(
	const struct supervisor *supervisor, const struct listeners *old, struct setting *setting)
{
	const struct dns_policy *dns = &setting->compiled.plan->policy->dns;
	char text[INADDR_TEXT];
	size_t failed;
	int error = listeners_open(dns->listen, dns->n_listen, supervisor->options->workers, old,
		&setting->listeners, &failed);

	if (error && failed < dns->n_listen)
		log_error("cannot listen on %s: %s", endpoint_to_text(&dns->listen[failed], text),
			strerror(-error));
	else if (error)
		log_error("cannot listen: %s", strerror(-error));
	else if (listeners_count(setting->listeners) < dns->n_listen)
		log_warning("there is no IPv6 here: not listening on [::1]");
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

/* The policy as it is in the file now, with its sockets open and its ruleset found. */
static enum resolver_status make_setting(const struct supervisor *supervisor,
	const struct listeners *old, struct setting **ret_setting)
{
	struct setting *setting = calloc(1, sizeof(*setting));
	enum resolver_status status = RESOLVER_KERNEL;

	if (!setting)
		return status;
	status = compile(supervisor->options, setting);
	if (!status)
		status = make_guard(setting);
	if (!status)
		status = make_trust(setting);
	if (!status)
		status = make_anchors(setting);
	if (!status && preflight_ruleset(setting->compiled.plan) != 0)
		status = RESOLVER_KERNEL;
	if (!status)
		status = listen_on(supervisor, old, setting);
	if (status)
		setting_free(setting);
	else
		*ret_setting = setting;
	return status;
}

/* --- What the service manager is told --- */

static void announce(const struct supervisor *supervisor, const char *state)
{
	const struct plan *plan = supervisor->setting->compiled.plan;

	sd_notifyf(0, "%sSTATUS=policy %s: %zu rules, %zu listening addresses, workers: %u", state,
		plan->policy->name, plan->n_rules, listeners_count(supervisor->setting->listeners),
		supervisor->options->workers);
}

static void announce_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

/* --- Crews --- */

static struct crew *start_crew(
	const struct supervisor *supervisor, const struct setting *setting, struct mono now)
{
	const struct crew_config config = {
		.compiled = setting->compiled,
		.guard = setting->guard,
		.trust = setting->trust,
		.anchors = setting->anchors,
		.destinations_key = supervisor->destinations_key,
		.listeners = setting->listeners,
		.workers = supervisor->options->workers,
		.cache_bytes = supervisor->options->cache_bytes,
		.cookie_key = supervisor->cookie_key,
		.uid = supervisor->uid,
		.gid = supervisor->gid,
		.mark = supervisor->mark,
		.alone = !supervisor->crew && supervisor->n_leaving == 0,
		.program = supervisor->options->program,
		.log_level = supervisor->options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	};
	struct crew *crew;
	int error = crew_start(&config, now, &crew);

	if (error)
		log_error("cannot start: %s", strerror(-error));
	return error ? NULL : crew;
}

/* Whether it has ended by itself, or never got up. */
static bool has_failed(const struct crew *crew, struct mono now)
{
	bool late = crew_state(crew) == CREW_STARTING &&
		    mono_between(crew_since(crew), now).ms >= START_MS;

	if (late)
		log_error("the processes did not start within %d seconds", START_MS / 1000);
	return late || crew_state(crew) == CREW_FAILED;
}

static void kill_leavers(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->n_leaving; i++) {
		crew_kill(supervisor->leaving[i].crew);
		supervisor->leaving[i].killed = true;
	}
}

/* Takes leave of a crew: it may finish, or is killed. */
static void let_go(struct supervisor *supervisor, struct crew *crew, bool kill, struct mono now)
{
	struct leaver *leaver;

	if (!crew)
		return;
	leaver = &supervisor->leaving[supervisor->n_leaving++];
	*leaver = (struct leaver){crew, kill, mono_add(now, (struct duration){LEAVE_MS})};
	if (kill)
		crew_kill(crew);
	else
		crew_dismiss(crew);
}

/* Forgets those that are gone and kills those that take too long. */
static void see_off(struct supervisor *supervisor, struct mono now)
{
	unsigned n_left = 0;

	for (unsigned i = 0; i < supervisor->n_leaving; i++) {
		struct leaver *leaver = &supervisor->leaving[i];

		if (crew_is_gone(leaver->crew)) {
			crew_free(leaver->crew);
			continue;
		}
		if (!leaver->killed && !mono_before(now, leaver->kill_at)) {
			crew_kill(leaver->crew);
			leaver->killed = true;
		}
		supervisor->leaving[n_left++] = *leaver;
	}
	supervisor->n_leaving = n_left;
}

/* Room to let go of all that may be started. */
static bool may_start(const struct supervisor *supervisor)
{
	return supervisor->n_leaving + 2 < LEAVING_MAX;
}

/* A new crew reads the leases of one that was killed after its last one: it waits for its end. */
static bool must_wait(const struct supervisor *supervisor, struct mono now)
{
	if (mono_before(now, supervisor->start_at) || !may_start(supervisor))
		return true;
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		if (supervisor->leaving[i].killed &&
			mono_between(supervisor->start_at, now).ms < REAP_MS)
			return true;
	return false;
}

/* The first crew must come up; from then on there is always another try. */
static void start_again(struct supervisor *supervisor, struct mono now)
{
	supervisor->crew = NULL;
	supervisor->announced = false;
	if (!supervisor->served) {
		supervisor->status = RESOLVER_KERNEL;
		supervisor->stopping = true;
		return;
	}
	log_warning("starting again in %d ms", supervisor->pause_ms);
	supervisor->start_at = mono_add(now, (struct duration){supervisor->pause_ms});
	supervisor->pause_ms = supervisor->pause_ms ? 2 * supervisor->pause_ms : PAUSE_MIN_MS;
	if (supervisor->pause_ms > PAUSE_MAX_MS)
		supervisor->pause_ms = PAUSE_MAX_MS;
}

static void lose_crew(struct supervisor *supervisor, struct mono now)
{
	if (supervisor->announced &&
		mono_between(crew_since(supervisor->crew), now).ms >= STEADY_MS)
		supervisor->pause_ms = 0;
	let_go(supervisor, supervisor->crew, true, now);
	start_again(supervisor, now);
}

/* The crew of the policy in force. */
static void see_to_crew(struct supervisor *supervisor, struct mono now)
{
	/* Who finishes must not keep anybody waiting for an answer. */
	if (!supervisor->crew && !may_start(supervisor))
		kill_leavers(supervisor);
	if (!supervisor->crew && !must_wait(supervisor, now)) {
		supervisor->crew = start_crew(supervisor, supervisor->setting, now);
		if (!supervisor->crew)
			start_again(supervisor, now);
	}
	if (!supervisor->crew)
		return;
	if (has_failed(supervisor->crew, now)) {
		lose_crew(supervisor, now);
	} else if (crew_state(supervisor->crew) == CREW_UP && !supervisor->announced) {
		supervisor->announced = true;
		if (!supervisor->served)
			announce(supervisor, "READY=1\n");
		supervisor->served = true;
		log_info("serving policy \"%s\"", supervisor->setting->compiled.plan->policy->name);
	}
}

/* --- Reload --- */

static void end_reload(struct supervisor *supervisor)
{
	supervisor->next = NULL;
	supervisor->next_crew = NULL;
	announce(supervisor, "READY=1\n");
}

static void begin_reload(struct supervisor *supervisor, struct mono now)
{
	supervisor->reload_wanted = false;
	announce_reloading();
	if (make_setting(supervisor, supervisor->setting->listeners, &supervisor->next) == 0)
		supervisor->next_crew = start_crew(supervisor, supervisor->next, now);
	if (supervisor->next_crew)
		return;
	setting_free(supervisor->next);
	log_error("not reloaded: the policy that was in force stays in force");
	end_reload(supervisor);
}

/* The crew of the policy that is to come. */
static void see_to_reload(struct supervisor *supervisor, struct mono now)
{
	if (supervisor->reload_wanted && !supervisor->next_crew && supervisor->served &&
		may_start(supervisor))
		begin_reload(supervisor, now);
	if (!supervisor->next_crew)
		return;
	if (has_failed(supervisor->next_crew, now)) {
		let_go(supervisor, supervisor->next_crew, true, now);
		setting_free(supervisor->next);
		log_error("not reloaded: the policy that was in force stays in force");
		end_reload(supervisor);
	} else if (crew_state(supervisor->next_crew) == CREW_UP) {
		let_go(supervisor, supervisor->crew, false, now);
		setting_free(supervisor->setting);
		supervisor->setting = supervisor->next;
		supervisor->crew = supervisor->next_crew;
		supervisor->announced = true;
		log_info(
			"reloaded policy \"%s\"", supervisor->setting->compiled.plan->policy->name);
		end_reload(supervisor);
	}
}

/* --- The loop --- */

/* Tells the crew that the process was of; a container's first process has others' orphans, too. */
static void note_end(struct supervisor *supervisor, pid_t pid, int status)
{
	if (supervisor->crew && crew_reap(supervisor->crew, pid, status))
		return;
	if (supervisor->next_crew && crew_reap(supervisor->next_crew, pid, status))
		return;
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		if (crew_reap(supervisor->leaving[i].crew, pid, status))
			return;
}

static void reap(struct supervisor *supervisor)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_end(supervisor, pid, status);
}

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(supervisor);
			break;
		case SIGHUP:
			supervisor->reload_wanted = true;
			break;
		default:
			supervisor->stopping = true;
		}
	}
}

static int sooner(int wait_ms, struct mono now, struct mono then)
{
	int64_t left = mono_between(now, then).ms;

	if (left < 0)
		left = 0;
	return left < wait_ms ? (int)left : wait_ms;
}

/* How long nothing will be due. */
static int wait_time(const struct supervisor *supervisor, struct mono now)
{
	const struct crew *crews[] = {supervisor->crew, supervisor->next_crew};
	int wait_ms = START_MS;

	for (unsigned i = 0; i < 2; i++)
		if (crews[i] && crew_state(crews[i]) == CREW_STARTING)
			wait_ms = sooner(wait_ms, now,
				mono_add(crew_since(crews[i]), (struct duration){START_MS}));
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		if (!supervisor->leaving[i].killed)
			wait_ms = sooner(wait_ms, now, supervisor->leaving[i].kill_at);
	if (!supervisor->crew && mono_before(now, supervisor->start_at))
		wait_ms = sooner(wait_ms, now, supervisor->start_at);
	else if (!supervisor->crew && wait_ms > REAP_MS)
		wait_ms = REAP_MS;
	return wait_ms;
}

static void wait_for_events(struct supervisor *supervisor, int wait_ms)
{
	struct crew *crews[] = {supervisor->crew, supervisor->next_crew};
	struct pollfd fds[] = {
		{.fd = supervisor->signals, .events = POLLIN},
		{.fd = crews[0] ? crew_fd(crews[0]) : -1, .events = POLLIN},
		{.fd = crews[1] ? crew_fd(crews[1]) : -1, .events = POLLIN},
	};

	if (poll(fds, 3, wait_ms) <= 0)
		return;
	if (fds[0].revents)
		take_signals(supervisor);
	for (unsigned i = 0; i < 2; i++)
		if (fds[1 + i].revents)
			crew_advance(crews[i]);
}

static void run(struct supervisor *supervisor)
{
	while (!supervisor->stopping) {
		struct mono now = clock_now();

		see_off(supervisor, now);
		see_to_crew(supervisor, now);
		see_to_reload(supervisor, now);
		if (!supervisor->stopping)
			wait_for_events(supervisor, wait_time(supervisor, now));
	}
}

/* --- Start and end --- */

/* Blocks the signals that are read, and sees to it that there may be enough descriptors. */
static int prepare(struct supervisor *supervisor)
{
	struct rlimit files;
	sigset_t set;
	int error;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	supervisor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	do {
		if (getrandom(&supervisor->mark, sizeof(supervisor->mark), 0) !=
			sizeof(supervisor->mark))
			return -EIO;
	} while (supervisor->mark == 0);
	error = hash_key_draw(&supervisor->cookie_key);
	return error ? error : hash_key_draw(&supervisor->destinations_key);
}

static enum resolver_status start_session(const struct plan *plan)
{
	int error = sets_forget_destinations(plan);

	if (error)
		log_error("table inet %s: %s", plan->table, strerror(-error));
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

/* Ends who is left: they hold nothing that would be lost. One that doesn't end in time does with
 * this process. */
static void end_all(struct supervisor *supervisor)
{
	struct mono now = clock_now(), end = mono_add(now, (struct duration){REAP_MS});

	sd_notify(0, "STOPPING=1");
	let_go(supervisor, supervisor->crew, true, now);
	let_go(supervisor, supervisor->next_crew, true, now);
	supervisor->crew = NULL;
	supervisor->next_crew = NULL;
	kill_leavers(supervisor);
	for (see_off(supervisor, now); supervisor->n_leaving > 0; see_off(supervisor, now)) {
		now = clock_now();
		if (!mono_before(now, end))
			break;
		wait_for_events(supervisor, sooner(REAP_MS, now, end));
	}
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		crew_free(supervisor->leaving[i].crew);
	/* A table that is gone has none. */
	sets_forget_marks(supervisor->setting->compiled.plan);
	setting_free(supervisor->next);
	setting_free(supervisor->setting);
	fd_closep(&supervisor->signals);
}

enum resolver_status resolver_run(const struct resolver_options *options)
{
	struct supervisor supervisor = {.options = options, .signals = -1};
	enum resolver_status status;
	int error;

	if (preflight_user(options->user, &supervisor.uid, &supervisor.gid) != 0)
		return RESOLVER_USAGE;
	if (preflight_supervise() != 0)
		return RESOLVER_KERNEL;
	error = prepare(&supervisor);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return RESOLVER_KERNEL;
	}
	status = make_setting(&supervisor, NULL, &supervisor.setting);
	if (!status)
		status = start_session(supervisor.setting->compiled.plan);
	if (status) {
		setting_free(supervisor.setting);
		fd_closep(&supervisor.signals);
		return status;
	}
	run(&supervisor);
	end_all(&supervisor);
	return supervisor.status;
}
