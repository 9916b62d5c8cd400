/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/watching.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/child.h"
#include "resolver/last-flows.h"
#include "resolver/setting.h"
#include "resolver/watcher.h"
#include "resolver/witness.h"
#include "src/base/fd.h"
#include "src/event/event.h"
#include "src/event/ring.h"
#include "src/kernel/conntrack.h"
#include "src/kernel/nflog.h"

/*
 * Theory of operation
 *
 * The parent opens what the watcher reads and writes, and keeps it open: so a watcher that ends,
 * be it killed, is followed by another that goes on with what waits in rings and sockets, and no
 * privilege is ever the watcher's. For whatever changes, a policy or a file that was renamed, the
 * watcher is asked to finish and the next one begins with it: one way for all of it, in which
 * nothing is lost.
 *
 * There is none where nothing is to be recorded.
 *
 * At the end of a session the kernel still has flows, live ones and, for minutes, those that have
 * just ended. The parent walks them itself, which takes CAP_NET_ADMIN, after the watcher has
 * finished.
 */

enum {
	PAUSE_MIN_MS = 100, /* before a watcher that has ended by itself is followed, doubling */
	PAUSE_MAX_MS = 5000,
	STEADY_MS = 10000, /* one that lasted as long was no failure at the start */
	FINISH_MS = 3000,  /* to write what there is */
	LOOK_MS = 2000,    /* between two looks whether the file was renamed */
};

struct watching {
	struct watching_config config;
	char session[64];
	struct rings *rings;
	struct setting *setting;                /* in force; NULL: none yet */
	struct nflog *nflog;                    /* NULL: there is none */
	struct conntrack *ends;                 /* of flows; NULL: there is none */
	struct witness_past past[WITNESS_PAST]; /* of settings before */
	unsigned past_at;
	uint16_t nflog_group; /* that it has, or could not get; 0: none yet */
	bool ends_tried;
	bool announced;     /* that the setting is in force */
	bool stopped;       /* nothing more is recorded */
	bool dismissed;     /* the process was told to finish */
	bool reopen_failed; /* of a file that was renamed, which was logged */
	pid_t process;      /* 0: none */
	int leash;
	int pause_ms; /* before the next start */
	struct mono since;
	struct mono kill_at; /* when dismissed */
	struct mono start_at;
	struct mono look_at; /* whether the file was renamed */
};

/* "20261121T130502.123456Z-4711": no other run of this machine has it. */
static void make_session(char *out, size_t size)
{
	int64_t now = event_time();
	time_t seconds = (time_t)(now / 1000000);
	struct tm broken;
	char date[32];

	gmtime_r(&seconds, &broken);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &broken);
	snprintf(out, size, "%s.%06dZ-%d", date, (int)(now % 1000000), (int)getpid());
}

int watching_new(const struct watching_config *config, struct watching **ret_watching)
{
	struct watching *watching = calloc(1, sizeof(*watching));
	int error;

	if (!watching)
		return -ENOMEM;
	watching->config = *config;
	watching->leash = -1;
	if (config->session)
		snprintf(watching->session, sizeof(watching->session), "%s", config->session);
	else
		make_session(watching->session, sizeof(watching->session));
	error = rings_new(config->crew_rings * config->crews_max, &watching->rings);
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
	rings_free(watching->rings);
	free(watching);
}

enum engine_recording watching_recording(
	const struct watching *watching, const struct setting *setting)
{
	if (watching->config.events_fd >= 0)
		return ENGINE_RECORD_ALL;
	if (setting->audit < 0)
		return ENGINE_RECORD_NONE;
	return setting->compiled.layers->audit_allowed ? ENGINE_RECORD_ALL : ENGINE_RECORD_UNUSUAL;
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

/* --- The process --- */

static struct watcher_config configuration(const struct watching *watching)
{
	const struct setting *setting = watching->setting;
	const struct watching_config *from = &watching->config;

	return (struct watcher_config){
		.compiled = setting->compiled,
		.confine = {.uid = from->uid,
			.gid = from->gid,
			.empty_root = true,
			.syscalls = SYSCALLS_WORKER},
		.session = watching->session,
		.sinks = {{from->events_fd, true},
			{setting->audit, setting->compiled.layers->audit_allowed}},
		.rings = watching->rings,
		.n_rings = from->crew_rings * from->crews_max,
		.crew_rings = from->crew_rings,
		.past = watching->past,
		.names = from->names,
		.nflog = watching->nflog,
		.ends = watching->ends,
		.announce = !watching->announced,
		.leash = -1,
	};
}

static void __attribute__((noreturn)) be_watcher(const struct watching *watching, int leash)
{
	struct watcher_config config = configuration(watching);
	int fds[4 + WATCHER_SINKS];
	size_t n_fds = 0;

	config.leash = leash;
	fds[n_fds++] = leash;
	fds[n_fds++] = rings_fd(watching->rings);
	if (config.nflog)
		fds[n_fds++] = nflog_fd(config.nflog);
	if (config.ends)
		fds[n_fds++] = conntrack_fd(config.ends);
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		if (config.sinks[i].fd > STDERR_FILENO)
			fds[n_fds++] = config.sinks[i].fd;
	child_begin(watching->config.program, "watcher", watching->config.log_level, fds, n_fds);
	_exit(watcher_run(&config));
}

static int start(struct watching *watching, struct mono now)
{
	int ends[2];
	pid_t pid;

	open_nflog(watching, watching->setting->compiled.plan->policy->nflog_group);
	open_ends(watching);
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
	watching->leash = ends[1];
	watching->since = now;
	watching->dismissed = false;
	watching->announced = true;
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
	fd_write_all(watching->leash, "", 1);
}

void watching_leave(struct watching *watching)
{
	witness_note_past(watching->setting->compiled.plan, watching->past, &watching->past_at);
}

void watching_change(struct watching *watching, struct setting *setting)
{
	watching->setting = setting;
	watching->announced = false;
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
	dismiss(watching, clock_now());
}

void watching_end(struct watching *watching)
{
	struct watcher_config config;
	int error;

	if (!watching->ends || !is_wanted(watching))
		return;
	config = configuration(watching);
	error = last_flows_record(&config);
	if (error)
		log_warning("flows that are left are not recorded: %s", strerror(-error));
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
		if (watching->setting->audit > STDERR_FILENO)
			(void)setting_reopen_audit(watching->setting);
	}
	watching->process = 0;
	fd_closep(&watching->leash);
	return true;
}

bool watching_is_idle(const struct watching *watching)
{
	return watching->process == 0;
}

/* How long until then. */
static int left_until(struct mono now, struct mono then)
{
	int64_t left = mono_between(now, then).ms;

	return left < 0 ? 0 : (int)left;
}

/* Looks, if that is due, whether the file was renamed: then the next watcher has the new one. */
static int follow_file(struct watching *watching, struct mono now)
{
	int error;

	if (watching->setting->audit <= STDERR_FILENO)
		return -1;
	if (mono_before(now, watching->look_at))
		return left_until(now, watching->look_at);
	watching->look_at = mono_add(now, (struct duration){LOOK_MS});
	if (!setting_lost_audit(watching->setting))
		return LOOK_MS;
	error = setting_reopen_audit(watching->setting);
	if (!error)
		dismiss(watching, now);
	else if (!watching->reopen_failed)
		log_warning("records still go to the file that was renamed: %s", strerror(-error));
	watching->reopen_failed = error != 0;
	return LOOK_MS;
}

int watching_tick(struct watching *watching, struct mono now)
{
	if (watching->process != 0 && !watching->dismissed)
		return follow_file(watching, now);
	if (watching->process != 0) {
		if (!mono_before(now, watching->kill_at) && watching->leash >= 0) {
			fd_closep(&watching->leash);
			kill(watching->process, SIGKILL);
		}
		return watching->leash < 0 ? -1 : left_until(now, watching->kill_at);
	}
	if (watching->stopped || !is_wanted(watching))
		return -1;
	if (!mono_before(now, watching->start_at) && start(watching, now) != 0)
		put_off(watching, now);
	return watching->process != 0 ? -1 : left_until(now, watching->start_at);
}
