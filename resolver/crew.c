/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/channel.h"
#include "resolver/child.h"
#include "resolver/keeper.h"
#include "resolver/namering.h"
#include "resolver/worker.h"
#include "src/base/fd.h"
#include "src/event/ring.h"

/*
 * Theory of operation
 *
 * The keeper is forked first and writes a byte into a pipe when it can serve; then the workers are,
 * and each writes its byte. So no worker takes a query from the listening sockets that it couldn't
 * answer, and a crew that can't start takes none at all.
 *
 * What the children are told goes through a pipe, the leash, since the parent may lack the right to
 * send signals to the user they have become (CAP_KILL). A byte in it, which nobody reads, is:
 * finish what you have begun and end. When the parent's end is closed, be it because the parent is
 * no more: end at once.
 *
 * A child keeps only the descriptors it was made for, and becomes unable to do anything else first
 * thing (src/kernel/confine.h), which also sees to it that it dies with the parent. It ends by
 * _exit(2): nothing of the parent's is written or undone twice.
 */

struct crew {
	struct crew_config config;
	struct mono since;
	enum crew_state state;
	bool dismissed;
	int reports;    /* the pipe's end to read; -1 once up */
	int report_end; /* the children's */
	int leash;      /* the end to write */
	int leash_end;  /* the children's */
	int control;    /* what the keeper is asked by */
	int control_end;
	struct counter_pages *counters;
	unsigned n_ready;
	pid_t keeper; /* 0: has ended, or never was */
	unsigned n_workers;
	pid_t workers[CREW_WORKERS_MAX];
	int keeper_ends[CREW_WORKERS_MAX];
	int worker_ends[CREW_WORKERS_MAX];
};

/* --- In a child --- */

static struct confine confinement(const struct crew *crew, bool keep_net_admin)
{
	return (struct confine){
		.uid = crew->config.uid,
		.gid = crew->config.gid,
		.keep_net_admin = keep_net_admin,
		.empty_root = true,
		.syscalls = keep_net_admin ? SYSCALLS_KEEPER : SYSCALLS_WORKER,
	};
}

static bool records(const struct crew *crew)
{
	return crew->config.rings && crew->config.recording != ENGINE_RECORD_NONE;
}

/* Of the rings a child has its own at most. How many descriptors it takes, 0 or 1: *ret_fd. */
static size_t keep_ring(const struct crew *crew, unsigned ring, int *ret_fd)
{
	struct rings *rings = crew->config.rings;

	if (!records(crew)) {
		rings_free(rings);
		return 0;
	}
	rings_keep(rings, ring);
	*ret_fd = rings_fd(rings);
	return 1;
}

static void __attribute__((noreturn)) be_keeper(const struct crew *crew)
{
	int fds[CREW_WORKERS_MAX + 5];
	size_t n_fds = crew->config.workers;
	struct keeper_config config = {
		.compiled = crew->config.compiled,
		.confine = confinement(crew, true),
		.mark = crew->config.mark,
		.porter = crew->config.porter,
		.destinations_key = crew->config.destinations_key,
		.names = crew->config.names,
		.counters = counters_of(crew->counters, crew->config.workers),
		.alone = crew->config.alone,
		.channels = crew->keeper_ends,
		.n_channels = crew->config.workers,
		.control = crew->control_end,
		.ready = crew->report_end,
		.leash = crew->leash_end,
		.records = {crew->config.recording, records(crew) ? crew->config.rings : NULL,
			crew->config.first_ring + crew->config.workers},
	};

	memcpy(fds, crew->keeper_ends, config.n_channels * sizeof(*fds));
	fds[n_fds++] = config.ready;
	fds[n_fds++] = config.leash;
	fds[n_fds++] = config.control;
	if (config.porter > 0)
		fds[n_fds++] = config.porter;
	n_fds += keep_ring(crew, config.records.ring, &fds[n_fds]);
	child_begin(crew->config.program, "keeper", crew->config.log_level, fds, n_fds);
	_exit(keeper_run(&config));
}

static void __attribute__((noreturn)) be_worker(const struct crew *crew, unsigned number)
{
	const struct listeners *listeners = crew->config.listeners;
	size_t n_sockets = listeners_count(listeners);
	int *fds = calloc(2 * n_sockets + 4, sizeof(*fds));
	size_t n_fds = 2 * n_sockets;
	struct worker_config config = {
		.compiled = crew->config.compiled,
		.guard = crew->config.guard,
		.trust = crew->config.trust,
		.anchors = crew->config.anchors,
		.cache_bytes = crew->config.cache_bytes,
		.cookie_key = crew->config.cookie_key,
		.counters = counters_of(crew->counters, number),
		.confine = confinement(crew, false),
		.channel = crew->worker_ends[number],
		.udp = listeners_udp(listeners, number),
		.tcp = listeners_tcp(listeners, number),
		.n_sockets = n_sockets,
		.ready = crew->report_end,
		.leash = crew->leash_end,
		.recording = crew->config.recording,
		.rings = records(crew) ? crew->config.rings : NULL,
		.ring = crew->config.first_ring + number,
	};
	char role[32];

	if (!fds)
		_exit(1);
	/* Names of leases are the keepers' to write. */
	namering_free(crew->config.names);
	snprintf(role, sizeof(role), "worker %u", number);
	memcpy(fds, config.udp, n_sockets * sizeof(*fds));
	memcpy(fds + n_sockets, config.tcp, n_sockets * sizeof(*fds));
	fds[n_fds++] = config.channel;
	fds[n_fds++] = config.ready;
	fds[n_fds++] = config.leash;
	n_fds += keep_ring(crew, config.ring, &fds[n_fds]);
	child_begin(crew->config.program, role, crew->config.log_level, fds, n_fds);
	free(fds);
	_exit(worker_run(&config));
}

/* --- In the parent --- */

static int make_pipe(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

static int make_crew(const struct crew_config *config, struct mono now, struct crew **ret_crew)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	int error;

	if (!crew)
		return -ENOMEM;
	crew->config = *config;
	crew->since = now;
	crew->reports = crew->report_end = crew->leash = crew->leash_end = -1;
	crew->control = crew->control_end = -1;
	for (unsigned i = 0; i < CREW_WORKERS_MAX; i++)
		crew->keeper_ends[i] = crew->worker_ends[i] = -1;
	error = make_pipe(&crew->reports, &crew->report_end);
	if (!error)
		error = make_pipe(&crew->leash_end, &crew->leash);
	if (!error)
		error = channel_make(&crew->control_end, &crew->control);
	if (!error)
		error = counters_new(config->workers + 1, &crew->counters);
	for (unsigned i = 0; i < config->workers && !error; i++)
		error = channel_make(&crew->keeper_ends[i], &crew->worker_ends[i]);
	if (error)
		crew_free(crew);
	else
		*ret_crew = crew;
	return error;
}

int crew_start(const struct crew_config *config, struct mono now, struct crew **ret_crew)
{
	struct crew *crew;
	pid_t pid;
	int error = make_crew(config, now, &crew);

	if (error)
		return error;
	pid = fork();
	if (pid == 0)
		be_keeper(crew);
	if (pid < 0) {
		error = -errno;
		crew_free(crew);
		return error;
	}
	crew->keeper = pid;
	fd_closep(&crew->control_end);
	for (unsigned i = 0; i < config->workers; i++)
		fd_closep(&crew->keeper_ends[i]);
	*ret_crew = crew;
	return 0;
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	fd_closep(&crew->reports);
	fd_closep(&crew->report_end);
	fd_closep(&crew->leash);
	fd_closep(&crew->leash_end);
	fd_closep(&crew->control);
	fd_closep(&crew->control_end);
	counters_free(crew->counters);
	for (unsigned i = 0; i < CREW_WORKERS_MAX; i++) {
		fd_closep(&crew->keeper_ends[i]);
		fd_closep(&crew->worker_ends[i]);
	}
	free(crew);
}

unsigned crew_first_ring(const struct crew *crew)
{
	return crew->config.first_ring;
}

int crew_fd(const struct crew *crew)
{
	return crew->reports;
}

int crew_control(const struct crew *crew)
{
	return crew->control;
}

enum crew_state crew_state(const struct crew *crew)
{
	return crew->state;
}

void crew_count(const struct crew *crew, struct counter_sums *sums)
{
	counters_sum(crew->counters, sums);
}

uint64_t crew_cpu_ms(const struct crew *crew)
{
	uint64_t sum = child_cpu_ms(crew->keeper);

	for (unsigned i = 0; i < crew->n_workers; i++)
		sum += child_cpu_ms(crew->workers[i]);
	return sum;
}

struct mono crew_since(const struct crew *crew)
{
	return crew->since;
}

static void fork_workers(struct crew *crew)
{
	for (unsigned i = 0; i < crew->config.workers; i++) {
		pid_t pid = fork();

		if (pid == 0)
			be_worker(crew, i);
		if (pid < 0) {
			log_error("cannot start a worker: %m");
			crew->state = CREW_FAILED;
			return;
		}
		crew->workers[i] = pid;
		crew->n_workers = i + 1;
		fd_closep(&crew->worker_ends[i]);
	}
	fd_closep(&crew->report_end);
	fd_closep(&crew->leash_end);
}

void crew_advance(struct crew *crew)
{
	char bytes[1 + CREW_WORKERS_MAX];
	ssize_t got = read(crew->reports, bytes, sizeof(bytes));

	if (got <= 0 || crew->state != CREW_STARTING)
		return;
	if (crew->n_ready == 0)
		fork_workers(crew);
	crew->n_ready += (unsigned)got;
	if (crew->state == CREW_STARTING && crew->n_ready == 1 + crew->config.workers) {
		crew->state = CREW_UP;
		fd_closep(&crew->reports);
	}
}

bool crew_reap(struct crew *crew, pid_t pid, int status)
{
	char who[32] = "keeper";
	bool found = pid == crew->keeper;

	if (found)
		crew->keeper = 0;
	for (unsigned i = 0; i < crew->n_workers && !found; i++) {
		if (pid != crew->workers[i])
			continue;
		crew->workers[i] = 0;
		found = true;
		snprintf(who, sizeof(who), "worker %u", i);
	}
	if (found && !crew->dismissed) {
		child_log_end(who, pid, status);
		crew->state = CREW_FAILED;
	}
	return found;
}

void crew_dismiss(struct crew *crew)
{
	crew->dismissed = true;
	fd_closep(&crew->reports);
	/* The keeper ends when the last worker has. */
	fd_write_all(crew->leash, "", 1);
}

void crew_kill(struct crew *crew)
{
	crew->dismissed = true;
	fd_closep(&crew->reports);
	fd_closep(&crew->leash_end);
	fd_closep(&crew->leash);
	/* Those that don't come to see it, where that is permitted. */
	for (unsigned i = 0; i < crew->n_workers; i++)
		if (crew->workers[i] > 0)
			kill(crew->workers[i], SIGKILL);
	if (crew->keeper > 0)
		kill(crew->keeper, SIGKILL);
}

bool crew_is_gone(const struct crew *crew)
{
	for (unsigned i = 0; i < crew->n_workers; i++)
		if (crew->workers[i] > 0)
			return false;
	return crew->keeper == 0;
}
