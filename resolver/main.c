/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/main.h"

#include <errno.h>
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

#include "resolver/child.h"
#include "resolver/commands.h"
#include "resolver/crew.h"
#include "resolver/guard.h"
#include "resolver/listen.h"
#include "resolver/loop.h"
#include "resolver/namering.h"
#include "resolver/preflight.h"
#include "resolver/sets.h"
#include "resolver/setting.h"
#include "resolver/watching.h"
#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/footprint.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * The parent supervises and does nothing else: it reads the policy, holds the listening sockets and
 * the children, and leaves the ruleset alone; only when it ends as told it takes the resolver's
 * mark away. The children of one policy are a crew: when one of them ends, all are ended and a new
 * crew starts, at once the first time and then after a pause that doubles while crews don't last.
 * Queries wait in the listening sockets meanwhile, and the kernel's leases stand. The watcher,
 * where there is one, comes and goes by itself (watching.c).
 *
 * SIGHUP brings up the next policy beside the one in force: whatever is wrong with it, the old one
 * goes on as if nothing had been. Only when the new crew answers is the old one asked to finish
 * what it has begun; for a moment both take queries from the same sockets. An administrator's
 * command does the same (commands.c), and is answered when it has come of it what will. Any key may
 * change:
 * listening sockets that both policies have are kept with what waits in them, others are opened
 * first and closed last; the table must be loaded already, under its new name too.
 *
 * The mark of the sockets to upstream servers is drawn once, so that questions which are out stay
 * permitted while keepers change. The names of leases are kept in memory that all keepers share
 * (namering.c). Where the policy has the system's servers asked, and there were none yet, it is
 * read again as soon as there are. A session goes on whoever is started anew: what it has spent is
 * in the kernel's table (sets-session.c). What the guard counts goes on from one reading of the
 * policy to the next, too, as far as its entries still say the same (guard.c).
 *
 * All signals are blocked and read from a descriptor, so nothing happens between two steps.
 */

enum {
	START_MS = 10000,  /* a crew that isn't up by then has failed */
	LEAVE_MS = 5000,   /* a dismissed crew that isn't gone by then is killed */
	REAP_MS = 1000,    /* how long a new crew waits for a killed one to be gone */
	LOOK_MS = 2000,    /* between looks for servers where there were none */
	STEADY_MS = 10000, /* a crew that lasted as long was no failure at the start */
	PAUSE_MIN_MS = 100,
	PAUSE_MAX_MS = 5000,
	LEAVING_MAX = 8,
	CREWS_MAX = LEAVING_MAX + 2,
};

_Static_assert(RESOLVER_WORKERS_MAX <= CREW_WORKERS_MAX, "a crew has room for all workers");

/* A crew that was replaced, until all of it has ended. */
struct leaver {
	struct crew *crew;
	struct guard *guard; /* of its own setting, which is gone; NULL: the one in force */
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
	struct namering *names;     /* of leases */
	int signals;
	bool stopping;
	bool reload_wanted;
	struct mono look_at; /* for servers, if there are none */
	struct commands *commands;
	struct watching *watching;
	int64_t since;            /* seconds since 1970 */
	struct counter_sums past; /* what crews have counted that are no more */
	unsigned n_crews;         /* started so far */
	unsigned n_reloads;
	unsigned n_reloads_failed;
	enum resolver_status status;

	struct setting *setting; /* in force */
	int64_t applied;         /* since then, in seconds since 1970 */
	struct crew *crew;       /* NULL: to be started at start_at */
	unsigned crew_number;
	bool announced; /* that it is up */
	bool served;    /* any crew ever was */
	struct mono start_at;
	int pause_ms; /* before the next start after this */

	struct setting *next; /* to replace `setting` when its crew is up */
	struct crew *next_crew;
	unsigned next_number;

	struct leaver leaving[LEAVING_MAX];
	unsigned n_leaving;
};

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

/* Whether a crew that isn't gone yet writes to the rings from that one on. */
static bool are_taken(const struct supervisor *supervisor, unsigned first_ring)
{
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		if (crew_first_ring(supervisor->leaving[i].crew) == first_ring)
			return true;
	return (supervisor->crew && crew_first_ring(supervisor->crew) == first_ring) ||
	       (supervisor->next_crew && crew_first_ring(supervisor->next_crew) == first_ring);
}

/* Rings of its own for a crew: the first of them. */
static unsigned free_rings(const struct supervisor *supervisor)
{
	unsigned each = supervisor->options->workers + 1, first = 0;

	while (are_taken(supervisor, first))
		first += each;
	return first;
}

static struct crew *start_crew(struct supervisor *supervisor, const struct setting *setting,
	struct mono now, unsigned *ret_number)
{
	const struct crew_config config = {
		.compiled = setting->compiled,
		.guard = setting->guard,
		.trust = setting->trust,
		.anchors = setting->anchors,
		.destinations_key = supervisor->destinations_key,
		.names = supervisor->names,
		.listeners = setting->listeners,
		.recording = watching_recording(supervisor->watching, setting),
		.rings = watching_rings(supervisor->watching),
		.first_ring = free_rings(supervisor),
		.workers = supervisor->options->workers,
		.cache_bytes = supervisor->options->cache_bytes,
		.cookie_key = supervisor->cookie_key,
		.uid = supervisor->uid,
		.gid = supervisor->gid,
		.mark = supervisor->mark,
		.porter = supervisor->options->porter,
		.alone = !supervisor->crew && supervisor->n_leaving == 0,
		.program = supervisor->options->program,
		.log_level = supervisor->options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	};
	struct crew *crew;
	int error;

	/* What reading the policy took, before it is the children's, too. */
	footprint_trim();
	error = crew_start(&config, now, &crew);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return NULL;
	}
	*ret_number = ++supervisor->n_crews;
	return crew;
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
	*leaver = (struct leaver){.crew = crew,
		.killed = kill,
		.kill_at = mono_add(now, (struct duration){LEAVE_MS})};
	if (kill)
		crew_kill(crew);
	else
		crew_dismiss(crew);
}

/* It is gone: what it has spent and counted is not. */
static void settle_accounts(struct supervisor *supervisor, const struct leaver *leaver)
{
	crew_count(leaver->crew, &supervisor->past);
	if (!leaver->guard)
		return;
	if (guard_inherit(supervisor->setting->guard, leaver->guard) != 0 ||
		(supervisor->next && guard_inherit(supervisor->next->guard, leaver->guard) != 0))
		log_warning("names that were counted while the policy was read again are lost: "
			    "out of memory");
	guard_free(leaver->guard);
}

/* Forgets those that are gone and kills those that take too long. */
static void see_off(struct supervisor *supervisor, struct mono now)
{
	unsigned n_left = 0;

	for (unsigned i = 0; i < supervisor->n_leaving; i++) {
		struct leaver *leaver = &supervisor->leaving[i];

		if (crew_is_gone(leaver->crew)) {
			settle_accounts(supervisor, leaver);
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
		supervisor->crew =
			start_crew(supervisor, supervisor->setting, now, &supervisor->crew_number);
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

/* --- What commands are told --- */

static struct commands_view view_of(const struct supervisor *supervisor)
{
	const bool up = supervisor->crew && crew_state(supervisor->crew) == CREW_UP;
	struct commands_view view = {
		.compiled = &supervisor->setting->compiled,
		.crew = up ? supervisor->crew : NULL,
		.guard = supervisor->setting->guard,
		.watching = supervisor->watching,
		.changing = supervisor->next_crew || supervisor->reload_wanted ||
			    commands_want_reload(supervisor->commands),
		.n_crews = supervisor->crew_number,
		.n_listening = (unsigned)listeners_count(supervisor->setting->listeners),
		.workers = supervisor->options->workers,
		.since = supervisor->since,
		.applied = supervisor->applied,
		.counters = supervisor->past,
	};

	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		crew_count(supervisor->leaving[i].crew, &view.counters);
	/* Servers are the present crew's. */
	memset(view.counters.down, 0, sizeof(view.counters.down));
	view.counters.leases = 0;
	if (supervisor->crew)
		crew_count(supervisor->crew, &view.counters);
	return view;
}

/* --- What the metrics tell --- */

static uint64_t cpu_ms(const struct supervisor *supervisor)
{
	uint64_t sum = child_ended_cpu_ms();

	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		sum += crew_cpu_ms(supervisor->leaving[i].crew);
	if (supervisor->crew)
		sum += crew_cpu_ms(supervisor->crew);
	if (supervisor->next_crew)
		sum += crew_cpu_ms(supervisor->next_crew);
	return sum;
}

static void tell(const void *context, struct tally_numbers *ret_numbers)
{
	const struct supervisor *supervisor = context;
	const struct commands_view view = view_of(supervisor);
	uint64_t *values = ret_numbers->values;

	counters_tell(&view.counters, ret_numbers);
	values[TALLY_STARTED] = (uint64_t)supervisor->since;
	values[TALLY_APPLIED] = (uint64_t)supervisor->applied;
	values[TALLY_CREWS] = supervisor->n_crews;
	values[TALLY_RELOADS] = supervisor->n_reloads;
	values[TALLY_RELOADS_FAILED] = supervisor->n_reloads_failed;
	values[TALLY_WORKERS] = view.crew ? view.workers : 0;
	values[TALLY_CPU_MS] = cpu_ms(supervisor);
}

/* --- Reload --- */

static void end_reload(struct supervisor *supervisor, bool done)
{
	struct commands_view view;

	if (!done)
		log_error("not reloaded: the policy that was in force stays in force");
	supervisor->next = NULL;
	supervisor->next_crew = NULL;
	*(done ? &supervisor->n_reloads : &supervisor->n_reloads_failed) += 1;
	if (done)
		watching_change(supervisor->watching, supervisor->setting);
	view = view_of(supervisor);
	commands_end_reload(supervisor->commands, done, &view);
	announce(supervisor, "READY=1\n");
	footprint_trim();
}

static void begin_reload(struct supervisor *supervisor, struct mono now)
{
	FILE *copy = commands_begin_reload(supervisor->commands);

	supervisor->reload_wanted = false;
	announce_reloading();
	if (setting_make(supervisor->options, supervisor->setting, copy, &supervisor->next) == 0) {
		watching_prepare_names(supervisor->watching, supervisor->next->guard);
		supervisor->next_crew =
			start_crew(supervisor, supervisor->next, now, &supervisor->next_number);
	}
	if (supervisor->next_crew)
		return;
	setting_free(supervisor->next);
	end_reload(supervisor, false);
}

/* The next crew answers: from here on it is the one. */
static void change_crews(struct supervisor *supervisor, struct mono now)
{
	const char *name;

	let_go(supervisor, supervisor->crew, false, now);
	watching_leave(supervisor->watching);
	if (supervisor->crew) {
		supervisor->leaving[supervisor->n_leaving - 1].guard = supervisor->setting->guard;
		supervisor->setting->guard = NULL;
	}
	setting_free(supervisor->setting);
	supervisor->setting = supervisor->next;
	supervisor->crew = supervisor->next_crew;
	supervisor->crew_number = supervisor->next_number;
	supervisor->applied = (int64_t)time(NULL);
	supervisor->announced = true;
	name = supervisor->setting->compiled.plan->policy->name;
	log_info("reloaded policy \"%s\"", name);
	commands_listen(supervisor->commands, supervisor->options->control, name);
	end_reload(supervisor, true);
}

/* The crew of the policy that is to come. */
static void see_to_reload(struct supervisor *supervisor, struct mono now)
{
	bool wanted = supervisor->reload_wanted || commands_want_reload(supervisor->commands);

	if (wanted && !supervisor->next_crew && supervisor->served && may_start(supervisor) &&
		!commands_hold_crew(supervisor->commands))
		begin_reload(supervisor, now);
	if (!supervisor->next_crew)
		return;
	if (has_failed(supervisor->next_crew, now)) {
		let_go(supervisor, supervisor->next_crew, true, now);
		setting_free(supervisor->next);
		end_reload(supervisor, false);
	} else if (crew_state(supervisor->next_crew) == CREW_UP) {
		change_crews(supervisor, now);
	}
}

/* The system may have no servers yet when the policy is read. */
static void see_to_servers(struct supervisor *supervisor, struct mono now)
{
	if (!setting_awaits_servers(supervisor->setting) || mono_before(now, supervisor->look_at))
		return;
	supervisor->look_at = mono_add(now, (struct duration){LOOK_MS});
	if (!setting_has_new_servers(supervisor->setting))
		return;
	log_info("the system has DNS servers now");
	supervisor->reload_wanted = true;
}

/* --- The loop --- */

/* Tells the crew that the process was of; a container's first process has others' orphans, too. */
static void note_end(struct supervisor *supervisor, pid_t pid, int status)
{
	if (watching_reap(supervisor->watching, pid, status, clock_now()))
		return;
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
			supervisor->reload_wanted = !supervisor->options->own_namespace;
			break;
		default:
			supervisor->stopping = true;
		}
	}
}

static int sooner(int wait_ms, struct mono now, struct mono then)
{
	return wait_sooner(wait_ms, wait_until(now, then));
}

/* How long nothing will be due. */
static int wait_time(const struct supervisor *supervisor, struct mono now)
{
	const struct crew *crews[] = {supervisor->crew, supervisor->next_crew};
	const struct commands_view view = view_of(supervisor);
	int wait_ms = START_MS, commands_ms = commands_wait(supervisor->commands, &view, now);

	for (unsigned i = 0; i < 2; i++)
		if (crews[i] && crew_state(crews[i]) == CREW_STARTING)
			wait_ms = sooner(wait_ms, now,
				mono_add(crew_since(crews[i]), (struct duration){START_MS}));
	for (unsigned i = 0; i < supervisor->n_leaving; i++)
		if (!supervisor->leaving[i].killed)
			wait_ms = sooner(wait_ms, now, supervisor->leaving[i].kill_at);
	if (setting_awaits_servers(supervisor->setting))
		wait_ms = sooner(wait_ms, now, supervisor->look_at);
	if (!supervisor->crew && mono_before(now, supervisor->start_at))
		wait_ms = sooner(wait_ms, now, supervisor->start_at);
	else if (!supervisor->crew && wait_ms > REAP_MS)
		wait_ms = REAP_MS;
	return commands_ms >= 0 && commands_ms < wait_ms ? commands_ms : wait_ms;
}

enum {
	POLL_SIGNALS,
	POLL_CREW,
	POLL_NEXT,
	POLL_COMMANDS,
	POLLED = POLL_COMMANDS + COMMANDS_POLLED
};

static void wait_for_events(struct supervisor *supervisor, int wait_ms)
{
	struct crew *crews[] = {supervisor->crew, supervisor->next_crew};
	struct commands_view view = view_of(supervisor);
	struct pollfd fds[POLLED] = {
		[POLL_SIGNALS] = {.fd = supervisor->signals, .events = POLLIN},
		[POLL_CREW] = {.fd = crews[0] ? crew_fd(crews[0]) : -1, .events = POLLIN},
		[POLL_NEXT] = {.fd = crews[1] ? crew_fd(crews[1]) : -1, .events = POLLIN},
	};

	commands_poll(supervisor->commands, &view, &fds[POLL_COMMANDS]);
	if (poll(fds, POLLED, wait_ms) < 0)
		return;
	if (fds[POLL_SIGNALS].revents)
		take_signals(supervisor);
	for (unsigned i = 0; i < 2; i++)
		if (fds[POLL_CREW + i].revents)
			crew_advance(crews[i]);
	view = view_of(supervisor);
	commands_serve(supervisor->commands, &fds[POLL_COMMANDS], &view, clock_now());
}

static void run(struct supervisor *supervisor)
{
	while (!supervisor->stopping) {
		struct mono now = clock_now();
		int watching_ms;

		see_off(supervisor, now);
		see_to_crew(supervisor, now);
		see_to_servers(supervisor, now);
		see_to_reload(supervisor, now);
		watching_ms = watching_tick(supervisor->watching, now);
		if (!supervisor->stopping)
			wait_for_events(
				supervisor, wait_sooner(wait_time(supervisor, now), watching_ms));
	}
}

/* --- Start and end --- */

static int make_names(struct supervisor *supervisor)
{
	struct hash_key key;
	int error = hash_key_draw(&key);

	return error ? error : namering_new(NAMERING_BYTES, &key, &supervisor->names);
}

/* Blocks the signals that are read, and sees to it that there may be enough descriptors. */
static int prepare(struct supervisor *supervisor)
{
	struct rlimit files;
	sigset_t set;
	int error;

	/* Who reads records may go. */
	signal(SIGPIPE, SIG_IGN);
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
	if (!error)
		error = hash_key_draw(&supervisor->destinations_key);
	return error ? error : make_names(supervisor);
}

static int make_watching(struct supervisor *supervisor)
{
	const struct resolver_options *options = supervisor->options;
	const struct watching_config config = {
		.events_fd = options->events_fd > 0 ? options->events_fd : -1,
		.session = options->session,
		.state = options->state,
		.crew_rings = options->workers + 1,
		.crews_max = CREWS_MAX,
		.uid = supervisor->uid,
		.gid = supervisor->gid,
		.names = supervisor->names,
		.tell = tell,
		.context = supervisor,
		.program = options->program,
		.log_level = options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	};

	return watching_new(&config, &supervisor->watching);
}

static enum resolver_status start_session(struct supervisor *supervisor)
{
	const struct plan *plan = supervisor->setting->compiled.plan;
	const char *path = supervisor->options->control;

	watching_change(supervisor->watching, supervisor->setting);
	watching_recall_names(supervisor->watching, supervisor->setting->guard);
	supervisor->since = supervisor->applied = (int64_t)time(NULL);
	/* Where nobody has asked for a place it goes without one. */
	return commands_listen(supervisor->commands, path, plan->policy->name) != 0 && path
		       ? RESOLVER_KERNEL
		       : RESOLVER_OK;
}

/* What has been recorded is written, as far as there is time. */
static void end_watching(struct supervisor *supervisor, struct mono now)
{
	struct mono end = mono_add(now, (struct duration){REAP_MS});

	watching_stop(supervisor->watching);
	while (!watching_is_idle(supervisor->watching) && mono_before(now, end)) {
		wait_for_events(supervisor, sooner(REAP_MS, now, end));
		now = clock_now();
	}
	watching_end(supervisor->watching);
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
	see_off(supervisor, now);
	while (supervisor->n_leaving > 0 && mono_before(now, end)) {
		wait_for_events(supervisor, sooner(REAP_MS, now, end));
		now = clock_now();
		see_off(supervisor, now);
	}
	end_watching(supervisor, now);
	for (unsigned i = 0; i < supervisor->n_leaving; i++) {
		guard_free(supervisor->leaving[i].guard);
		crew_free(supervisor->leaving[i].crew);
	}
	/* A table that is gone has none. */
	sets_forget_marks(supervisor->setting->compiled.plan);
}

static enum resolver_status start(struct supervisor *supervisor)
{
	enum resolver_status status;
	int error = prepare(supervisor);

	if (!error)
		error = make_watching(supervisor);
	if (!error)
		error = commands_new(&supervisor->commands);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return RESOLVER_KERNEL;
	}
	status = setting_make(supervisor->options, NULL, NULL, &supervisor->setting);
	return status ? status : start_session(supervisor);
}

static void release(struct supervisor *supervisor)
{
	setting_free(supervisor->next);
	setting_free(supervisor->setting);
	commands_free(supervisor->commands);
	watching_free(supervisor->watching);
	namering_free(supervisor->names);
	fd_closep(&supervisor->signals);
}

enum resolver_status resolver_run(const struct resolver_options *options)
{
	struct supervisor supervisor = {.options = options, .signals = -1};
	int error;

	footprint_begin();
	error = preflight_user(options->user, &supervisor.uid, &supervisor.gid);
	if (error)
		return error == -ENOMEM ? RESOLVER_KERNEL : RESOLVER_USAGE;
	if (preflight_supervise() != 0)
		return RESOLVER_KERNEL;
	supervisor.status = start(&supervisor);
	if (supervisor.status == RESOLVER_OK) {
		run(&supervisor);
		end_all(&supervisor);
	}
	release(&supervisor);
	return supervisor.status;
}
