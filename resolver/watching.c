/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/watching.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/child.h"
#include "resolver/live-flows.h"
#include "resolver/loop.h"
#include "resolver/roster.h"
#include "resolver/sessions.h"
#include "resolver/scrape-socket.h"
#include "resolver/setting.h"
#include "resolver/slate.h"
#include "resolver/tally.h"
#include "resolver/watcher.h"
#include "resolver/witness.h"
#include "src/base/fd.h"
#include "src/event/event.h"
#include "src/event/ring.h"
#include "src/kernel/conntrack.h"
#include "src/kernel/nflog.h"
#include "src/kernel/sockdiag.h"

/*
 * Theory of operation
 *
 * The parent opens what the watcher reads and writes, and keeps it open: so a watcher that ends,
 * be it killed, is followed by another that goes on with what waits in rings and sockets, and no
 * privilege is ever the watcher's. For whatever changes, a policy or a file that was renamed, the
 * watcher is asked to finish and the next one begins with it: one way for all of it, in which
 * nothing is lost.
 *
 * There is none where nothing is to be recorded, and no session to be watched.
 *
 * A session that ends does so with a watcher, which writes its last record; the next one begins
 * with the next watcher.
 *
 * What takes files the watcher asks for in memory that both share, and the parent looks about once
 * in a second (roster.c).
 *
 * Flows that go on the kernel tells to those only who have CAP_NET_ADMIN and ask; so does it, at
 * the end, of those that have just ended. The parent asks, and passes them on by a ring of its own
 * (live-flows.c).
 */

enum {
	PAUSE_MIN_MS = 100, /* before a watcher that has ended by itself is followed, doubling */
	PAUSE_MAX_MS = 5000,
	STEADY_MS = 10000, /* one that lasted as long was no failure at the start */
	FINISH_MS = 3000,  /* to write what there is */
	LOOK_MS = 2000,    /* between two looks at files and daemons */
	COUNT_MS = 1000,   /* between two readings of the ruleset's counters */
	WALK_MS = 10000,   /* between two walks of conntrack's table */
	WALK_TIMES = 200,  /* or as many times as long as one takes */
};

struct watching {
	struct watching_config config;
	struct sessions *sessions;
	struct rings *rings;
	struct setting *setting;   /* in force; NULL: none yet */
	struct nflog *nflog;       /* NULL: there is none */
	struct conntrack *ends;    /* of flows; NULL: there is none */
	struct sockdiag *sockdiag; /* the same */
	struct roster *roster;
	struct tally *tally;
	uint64_t cpu_ms;      /* as the metrics told last */
	uint64_t n_started;   /* processes */
	struct mono count_at; /* when the ruleset's counters are read */
	struct mono walk_at;  /* for flows that go on */
	struct mono since;
	struct mono kill_at; /* when dismissed */
	struct mono start_at;
	struct mono look_at;           /* whether a file was renamed, or a daemon is another */
	uint64_t raised[SESSION_KEYS]; /* ceilings, while there was no process */
	pid_t process;                 /* 0: none */
	int leash;
	int pause_ms; /* before the next start */
	unsigned past_at;
	struct witness_past past[WITNESS_PAST]; /* of settings before */
	uint16_t nflog_group;                   /* that it has, or could not get; 0: none yet */
	bool session_over;                      /* the process ends, and with it the session */
	bool walk_failed;                       /* which was logged */
	bool tally_failed;                      /* the same */
	bool ends_tried;
	bool announced; /* that the setting is in force */
	bool stopped;   /* nothing more is recorded */
	bool dismissed; /* the process was told to finish */
	char host[HOST_NAME_MAX + 1];
};

int watching_new(const struct watching_config *config, struct watching **ret_watching)
{
	struct watching *watching = calloc(1, sizeof(*watching));
	int error;

	if (!watching)
		return -ENOMEM;
	watching->config = *config;
	watching->leash = -1;
	if (gethostname(watching->host, sizeof(watching->host)) < 0)
		watching->host[0] = '\0';
	/* One more is this process's own. */
	error = rings_new(config->crew_rings * config->crews_max + 1, &watching->rings);
	if (!error)
		error = sessions_new(&(struct sessions_config){config->state, config->session},
			&watching->sessions);
	if (!error)
		error = tally_new(&watching->tally);
	if (!error)
		error = roster_new(&watching->roster);
	if (!error && config->events_fd >= 0)
		error = fd_set_nonblocking(config->events_fd);
	if (error)
		watching_free(watching);
	else
		*ret_watching = watching;
	return error;
}

void watching_free(struct watching *watching)
{
	if (!watching)
		return;
	fd_closep(&watching->leash);
	nflog_close(watching->nflog);
	conntrack_close(watching->ends);
	sockdiag_close(watching->sockdiag);
	roster_free(watching->roster);
	rings_free(watching->rings);
	tally_free(watching->tally);
	sessions_free(watching->sessions);
	free(watching);
}

enum engine_recording watching_recording(
	const struct watching *watching, const struct setting *setting)
{
	const struct layers *layers = setting->compiled.layers;

	if (watching->config.events_fd >= 0 ||
		(setting->outlets.count > 0 && layers->audit_allowed))
		return ENGINE_RECORD_ALL;
	if (setting->outlets.count > 0 || sessions_have_folder(watching->sessions) ||
		layers_have_ceilings(layers) || setting->scraped)
		return ENGINE_RECORD_UNUSUAL;
	return ENGINE_RECORD_NONE;
}

struct rings *watching_rings(const struct watching *watching)
{
	return watching->rings;
}

/* --- What the kernel tells --- */

static void open_nflog(struct watching *watching, uint16_t group)
{
	int error;

	if (watching->nflog_group == group)
		return;
	nflog_close(watching->nflog);
	watching->nflog = NULL;
	watching->nflog_group = group;
	error = nflog_open(group, &watching->nflog);
	if (error == -EBUSY)
		log_warning(
			"connections are not recorded: another program has NFLOG group %u", group);
	else if (error)
		log_warning("connections are not recorded: NFLOG group %u: %s", group,
			strerror(-error));
}

static void open_ends(struct watching *watching)
{
	int error;

	if (watching->ends_tried)
		return;
	watching->ends_tried = true;
	error = conntrack_count_bytes();
	if (error)
		log_warning("flows may be recorded without bytes or times: "
			    "net.netfilter.nf_conntrack_acct and nf_conntrack_timestamp: %s",
			strerror(-error));
	error = conntrack_open_ends(&watching->ends);
	if (error)
		log_warning("flows are not recorded: %s", strerror(-error));
}

/* Where there is nothing to be known of sockets, records say nothing of it. */
static void open_sockdiag(struct watching *watching)
{
	int error = watching->sockdiag ? 0 : sockdiag_open(&watching->sockdiag);

	if (error)
		log_debug("control groups are not recorded: %s", strerror(-error));
}

static bool is_scraped(const struct watching *watching)
{
	return watching->setting->scraped != NULL;
}

static void publish(struct watching *watching)
{
	struct tally_numbers numbers;
	uint64_t *cpu_ms = &numbers.values[TALLY_CPU_MS];

	memset(&numbers, 0, sizeof(numbers));
	watching->config.tell(watching->config.context, &numbers);
	numbers.values[TALLY_WATCHERS] = watching->n_started;
	*cpu_ms += child_cpu_ms(watching->process);
	/* That of a process that has ended, and was not waited for, is missing. */
	if (*cpu_ms < watching->cpu_ms)
		*cpu_ms = watching->cpu_ms;
	watching->cpu_ms = *cpu_ms;
	tally_publish(watching->tally, &numbers);
}

/* Reads what the ruleset has counted, so that it is known how much of it was not recorded. */
static void count(struct watching *watching, struct mono now)
{
	const char *table = watching->setting->compiled.plan->table;
	int error = tally_read(watching->tally, table);

	watching->count_at = mono_add(now, (struct duration){COUNT_MS});
	if (error && !watching->tally_failed)
		log_warning("counters of table inet %s are not read: %s", table, strerror(-error));
	watching->tally_failed = error != 0;
	if (is_scraped(watching))
		publish(watching);
}

/* --- The process --- */

static const enum sink_kind kinds[] = {
	[AUDIT_FILE] = SINK_LINES,
	[AUDIT_OUTPUT] = SINK_LINES,
	[AUDIT_JOURNAL] = SINK_JOURNAL,
	[AUDIT_SYSLOG] = SINK_SYSLOG,
};

static const enum sink_format formats[] = {
	[AUDIT_NATIVE] = SINK_NATIVE,
	[AUDIT_ECS] = SINK_ECS,
	[AUDIT_OCSF] = SINK_OCSF,
};

/* Where [audit] sends records, behind the descriptor that gets all of them. */
static void add_outlets(const struct watching *watching, struct watcher_config *config)
{
	const struct setting *setting = watching->setting;
	const struct compiled *compiled = &setting->compiled;

	for (size_t i = 0; i < AUDIT_SINKS_MAX; i++) {
		const struct outlet *outlet = &setting->outlets.list[i];

		config->sinks[1 + i] = (struct watcher_sink){.fd = -1};
		if (i < setting->outlets.count)
			config->sinks[1 + i] = (struct watcher_sink){
				.fd = outlet->fd,
				.all = compiled->layers->audit_allowed,
				.style = {kinds[outlet->kind],
					formats[compiled->plan->policy->audit_format],
					watching->host, outlet_is_whole(outlet)},
			};
	}
}

/* The ring behind those of the crews. */
static unsigned live_ring(const struct watching *watching)
{
	return watching->config.crew_rings * watching->config.crews_max;
}

static struct watcher_config configuration(const struct watching *watching)
{
	const struct setting *setting = watching->setting;
	const struct watching_config *from = &watching->config;

	enum session_phase phase;
	struct monitor_past past = sessions_past(watching->sessions, &phase);
	struct watcher_config config = {
		.compiled = setting->compiled,
		.confine = {.uid = from->uid,
			.gid = from->gid,
			.empty_root = true,
			.syscalls = SYSCALLS_WORKER},
		.session = sessions_name(watching->sessions),
		.since = sessions_began(watching->sessions),
		.earlier = sessions_earlier(watching->sessions),
		.slate = sessions_slate(watching->sessions),
		.past_session = past,
		.phase = phase,
		.ends_here = sessions_end_here(watching->sessions),
		.sinks = {{.fd = from->events_fd, .all = true}},
		.rings = watching->rings,
		.n_rings = from->crew_rings * from->crews_max,
		.crew_rings = from->crew_rings,
		.live_ring = live_ring(watching),
		.past = watching->past,
		.names = from->names,
		.nflog = watching->nflog,
		.ends = watching->ends,
		.sockdiag = watching->sockdiag,
		.roster = watching->roster,
		.tally = watching->tally,
		.scraped = scrape_socket_fd(setting->scraped),
		.announce = !watching->announced,
		.leash = -1,
	};

	add_outlets(watching, &config);
	return config;
}

static void __attribute__((noreturn)) be_watcher(const struct watching *watching, int leash)
{
	struct watcher_config config = configuration(watching);
	int fds[7 + WATCHER_SINKS];
	size_t n_fds = 0;

	config.leash = leash;
	fds[n_fds++] = leash;
	fds[n_fds++] = rings_fd(watching->rings);
	fds[n_fds++] = tally_fd(watching->tally);
	if (config.scraped >= 0)
		fds[n_fds++] = config.scraped;
	if (config.nflog)
		fds[n_fds++] = nflog_fd(config.nflog);
	if (config.ends)
		fds[n_fds++] = conntrack_fd(config.ends);
	if (config.sockdiag)
		fds[n_fds++] = sockdiag_fd(config.sockdiag);
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		if (config.sinks[i].fd > STDERR_FILENO)
			fds[n_fds++] = config.sinks[i].fd;
	child_begin(watching->config.program, "watcher", watching->config.log_level, fds, n_fds);
	_exit(watcher_run(&config));
}

/* Tells the watcher of flows that it will not hear of otherwise. */
static void tell_flows(const struct watching *watching, enum live_flows kind)
{
	int error =
		watching->ends ? live_flows_tell(watching->rings, live_ring(watching), kind) : 0;

	if (error)
		log_warning("flows that are there are not recorded: %s", strerror(-error));
}

static void say(const struct watching *watching, enum watcher_op op, unsigned key, uint64_t amount)
{
	struct watcher_message message;

	memset(&message, 0, sizeof(message));
	message.op = (uint8_t)op;
	message.key = (uint8_t)key;
	message.amount = amount;
	fd_write_all(watching->leash, &message, sizeof(message));
}

/* What was said while there was nobody to hear it. */
static void say_raised(struct watching *watching)
{
	for (unsigned i = 0; i < SESSION_KEYS; i++) {
		if (watching->raised[i] > 0)
			say(watching, WATCHER_EXTEND, i, watching->raised[i]);
		watching->raised[i] = 0;
	}
}

static int start(struct watching *watching, struct mono now)
{
	int ends[2];
	pid_t pid;

	/* First: what comes before somebody listens is counted, and was not recorded. */
	count(watching, now);
	open_nflog(watching, watching->setting->compiled.plan->policy->nflog_group);
	open_ends(watching);
	open_sockdiag(watching);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_watcher(watching, ends[0]);
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return -EAGAIN;
	}
	watching->process = pid;
	watching->n_started++;
	watching->leash = ends[1];
	watching->since = now;
	watching->dismissed = false;
	watching->announced = true;
	say_raised(watching);
	if (sessions_are_new(watching->sessions))
		tell_flows(watching, LIVE_FLOWS_OLDER);
	return 0;
}

static void put_off(struct watching *watching, struct mono now)
{
	watching->start_at = mono_add(now, (struct duration){watching->pause_ms});
	watching->pause_ms = watching->pause_ms ? 2 * watching->pause_ms : PAUSE_MIN_MS;
	if (watching->pause_ms > PAUSE_MAX_MS)
		watching->pause_ms = PAUSE_MAX_MS;
}

static void dismiss(struct watching *watching, struct mono now)
{
	if (watching->process == 0 || watching->dismissed)
		return;
	watching->dismissed = true;
	watching->kill_at = mono_add(now, (struct duration){FINISH_MS});
	say(watching, watching->session_over ? WATCHER_OVER : WATCHER_FINISH, 0, 0);
}

void watching_leave(struct watching *watching)
{
	witness_note_past(watching->setting->compiled.plan, watching->past, &watching->past_at);
}

void watching_change(struct watching *watching, struct setting *setting)
{
	watching->setting = setting;
	watching->announced = false;
	sessions_set_policy(watching->sessions, setting->compiled.plan->policy->name);
	sessions_commit_names(watching->sessions);
	dismiss(watching, clock_now());
}

static bool is_wanted(const struct watching *watching)
{
	return watching->setting &&
	       watching_recording(watching, watching->setting) != ENGINE_RECORD_NONE;
}

void watching_stop(struct watching *watching)
{
	watching->stopped = true;
	watching->session_over = sessions_end_here(watching->sessions);
	if (watching->process != 0) {
		count(watching, clock_now());
		tell_flows(watching, LIVE_FLOWS_LAST);
	}
	dismiss(watching, clock_now());
}

void watching_end(struct watching *watching)
{
	sessions_stop(watching->sessions);
}

/* --- Sessions --- */

static void begin_next(struct watching *watching)
{
	watching->session_over = false;
	memset(watching->raised, 0, sizeof(watching->raised));
	sessions_next(watching->sessions);
}

void watching_new_session(struct watching *watching)
{
	watching->session_over = true;
	if (watching->process == 0)
		begin_next(watching);
	else
		dismiss(watching, clock_now());
}

void watching_recall_names(struct watching *watching, struct guard *guard)
{
	sessions_recall_names(watching->sessions, guard);
}

void watching_prepare_names(struct watching *watching, struct guard *guard)
{
	sessions_prepare_names(watching->sessions, guard);
}

void watching_note_names(struct watching *watching, const struct guard *guard)
{
	sessions_note_names(watching->sessions, guard);
}

void watching_extend(struct watching *watching, enum session_key key, uint64_t amount)
{
	if (watching->process != 0 && !watching->dismissed)
		say(watching, WATCHER_EXTEND, key, amount);
	else if (watching->raised[key] <= UINT64_MAX - amount)
		watching->raised[key] += amount;
}

int watching_figures(const struct watching *watching, struct session_figures *ret_figures)
{
	return slate_get_figures(sessions_slate(watching->sessions), ret_figures);
}

const char *watching_session(const struct watching *watching)
{
	return sessions_name(watching->sessions);
}

int64_t watching_session_since(const struct watching *watching)
{
	return sessions_since(watching->sessions);
}

bool watching_reap(struct watching *watching, pid_t pid, int status, struct mono now)
{
	if (watching->process == 0 || pid != watching->process)
		return false;
	if (!watching->dismissed) {
		child_log_end("watcher", pid, status);
		if (mono_between(watching->since, now).ms >= STEADY_MS)
			watching->pause_ms = 0;
		put_off(watching, now);
		/* It may have left the beginning of a line. */
		outlets_mend(&watching->setting->outlets);
	}
	watching->process = 0;
	fd_closep(&watching->leash);
	if (watching->session_over && !watching->stopped)
		begin_next(watching);
	return true;
}

bool watching_is_idle(const struct watching *watching)
{
	return watching->process == 0;
}

/* Looks after files and daemons, if that is due: of a file that was renamed the next watcher has
 * the new one. */
static int follow_outlets(struct watching *watching, struct mono now)
{
	if (!outlets_move(&watching->setting->outlets))
		return -1;
	if (mono_before(now, watching->look_at))
		return wait_until(now, watching->look_at);
	watching->look_at = mono_add(now, (struct duration){LOOK_MS});
	if (outlets_look(&watching->setting->outlets))
		dismiss(watching, now);
	return LOOK_MS;
}

/* Looks, if that is due, for flows that have carried much and go on. */
static int walk(struct watching *watching, struct mono now)
{
	struct duration took;
	int error;

	if (!watching->ends)
		return -1;
	if (mono_before(now, watching->walk_at))
		return wait_until(now, watching->walk_at);
	error = live_flows_tell(watching->rings, live_ring(watching), LIVE_FLOWS_LARGE);
	if (error && !watching->walk_failed)
		log_warning("flows are seen when they end: %s", strerror(-error));
	watching->walk_failed = error != 0;
	took = mono_between(now, clock_now());
	took.ms = took.ms * WALK_TIMES > WALK_MS ? took.ms * WALK_TIMES : WALK_MS;
	watching->walk_at = mono_add(now, took);
	return wait_until(now, watching->walk_at);
}

static int see_to_process(struct watching *watching, struct mono now)
{
	if (watching->process != 0 && !watching->dismissed) {
		if (!mono_before(now, watching->count_at)) {
			count(watching, now);
			roster_serve(watching->roster, now);
		}
		return wait_sooner(wait_sooner(follow_outlets(watching, now), walk(watching, now)),
			wait_until(now, watching->count_at));
	}
	if (watching->process != 0) {
		if (!mono_before(now, watching->kill_at) && watching->leash >= 0) {
			fd_closep(&watching->leash);
			kill(watching->process, SIGKILL);
		}
		return watching->leash < 0 ? -1 : wait_until(now, watching->kill_at);
	}
	if (watching->stopped || !is_wanted(watching))
		return -1;
	if (!mono_before(now, watching->start_at) && start(watching, now) != 0)
		put_off(watching, now);
	return watching->process != 0 ? -1 : wait_until(now, watching->start_at);
}

int watching_tick(struct watching *watching, struct mono now)
{
	int kept_ms = sessions_tick(watching->sessions, now);

	return wait_sooner(kept_ms, see_to_process(watching, now));
}
