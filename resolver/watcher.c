/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/watcher.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/namering.h"
#include "resolver/preflight.h"
#include "resolver/witness.h"
#include "src/base/log.h"
#include "src/event/event-json.h"
#include "src/event/ring.h"
#include "src/event/sink.h"

/*
 * Theory of operation
 *
 * The process that turns what happens into lines: records of the workers and keepers, which come by
 * rings; packets that the ruleset logs, by NFLOG; and the ends of flows, as conntrack tells them.
 * The sockets of the latter two were opened by the parent, since that takes CAP_NET_ADMIN and
 * reading them takes nothing: so it never has the capability. It writes to descriptors that it was
 * given and has no other way out: no capability, no files, the workers' filter of system calls.
 *
 * It is a child of the parent's and not of a crew's: that it ends is no reason to end what serves,
 * and the records of a crew that takes over and of the one that finishes come to the same place.
 * All that it has for its own is what has been read and not yet written; rings and their places are
 * in shared memory, so the next watcher goes on where this one was.
 *
 * Whoever it reads from may be taken over. A record is a copy and judged as one, a worker's may be
 * of a query and a keeper's of a lease and nothing else, and of each ring a turn of the loop takes
 * a bounded number.
 *
 * Nothing waits for it, and it waits for no sink: what one does not take stays in its buffer and is
 * counted when that is full (src/event/sink.c).
 *
 * While records come it looks at the rings once a millisecond, which lets the workers go without a
 * system call for each; when none have come it sleeps until one does.
 */

enum {
	TURN_RECORDS = 1024, /* of a ring in one turn */
	TURN_MESSAGES = 64,  /* of the kernel's, from each socket */
	LINGER_MS = 1,
	RETRY_MS = 1000, /* after a sink failed */
};

struct watcher {
	const struct watcher_config *config;
	struct witness *witness;
	struct sink *sinks[WATCHER_SINKS];
	int errors[WATCHER_SINKS]; /* of the last flush, as far as they were logged */
	struct event_context context;
	bool behind; /* some ring has more than a turn takes */
	bool no_packets;
	bool no_ends;
	bool dismissed;
};

/* --- Out --- */

/* Puts the record where it is wanted. */
static void write_event(struct watcher *watcher, const struct event *event)
{
	struct event_context context = watcher->context;
	char line[EVENT_LINE];
	size_t size = 0;

	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		struct sink *sink = watcher->sinks[i];

		if (!sink || !sink_wants(sink, event))
			continue;
		if (size == 0) {
			witness_explain(watcher->witness, event, &context);
			size = event_to_json(event, &context, line);
		}
		sink_put(sink, (enum event_kind)event->kind, line, size);
	}
}

static void lose(struct watcher *watcher, enum event_loss loss, uint64_t count)
{
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		if (watcher->sinks[i])
			sink_lose(watcher->sinks[i], loss, count);
}

static void log_sink(int error)
{
	if (error == -EPIPE)
		log_warning("nobody reads the records any more");
	else if (error)
		log_error("cannot write records, which are lost if that goes on: %s",
			strerror(-error));
	else
		log_info("records are written again");
}

/* Whether some sink has to be tried again later. */
static bool flush(struct watcher *watcher)
{
	bool again = false;

	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		int error =
			watcher->sinks[i] ? sink_flush(watcher->sinks[i], &watcher->context) : 0;

		again |= error && error != -EAGAIN && error != -EPIPE;
		if (error == -EAGAIN || error == watcher->errors[i])
			continue;
		log_sink(error);
		watcher->errors[i] = error;
	}
	return again;
}

/* --- In --- */

static bool is_keepers(const struct watcher *watcher, unsigned ring)
{
	unsigned each = watcher->config->crew_rings;

	return ring % each == each - 1;
}

/* A keeper's are of leases, a worker's of queries, and of addresses that it observed and that need
 * no lease. */
static bool is_expected(const struct event *event, enum event_kind kind)
{
	if (event_is_sound(event, kind))
		return true;
	return kind == EVENT_QUERY && event_is_sound(event, EVENT_LEASE) &&
	       event->verdict == EVENT_OBSERVE;
}

/* Whether there was any. */
static bool read_ring(struct watcher *watcher, unsigned ring)
{
	const struct watcher_config *config = watcher->config;
	enum event_kind kind = is_keepers(watcher, ring) ? EVENT_LEASE : EVENT_QUERY;
	struct event event;
	uint64_t lost;
	unsigned count = 0, n_bad = 0;
	int got;

	while (count < TURN_RECORDS && (got = ring_take(config->rings, ring, &event)) != 0) {
		count++;
		if (got == 1 && is_expected(&event, kind))
			write_event(watcher, &event);
		else if (got == 1)
			n_bad++;
	}
	lost = ring_lost(config->rings, ring) + n_bad;
	if (lost > 0)
		lose(watcher, event_loss_of(kind), lost);
	watcher->behind |= count == TURN_RECORDS;
	return count > 0;
}

static bool read_rings(struct watcher *watcher)
{
	bool any = false;

	watcher->behind = false;
	for (unsigned i = 0; i < watcher->config->n_rings; i++)
		any |= read_ring(watcher, i);
	return any;
}

static void on_packet(void *context, const struct nflog_record *record)
{
	struct watcher *watcher = context;
	struct event event;

	if (witness_connection(watcher->witness, record, &event))
		write_event(watcher, &event);
}

static int on_end(void *context, const struct conntrack_flow *flow)
{
	struct watcher *watcher = context;
	struct event event;

	if (witness_flow(watcher->witness, flow, false, &event))
		write_event(watcher, &event);
	return 0;
}

/* What is wrong with a socket shows once, and then it is left alone. */
static void give_up(const char *what, int error, bool *ret_over)
{
	log_error("%s are not recorded any more: %s", what, strerror(-error));
	*ret_over = true;
}

static bool read_packets(struct watcher *watcher)
{
	int got = 0;

	for (unsigned i = 0; i < TURN_MESSAGES && !watcher->no_packets; i++) {
		uint64_t lost;

		got = nflog_read(watcher->config->nflog, on_packet, watcher, &lost);
		if (got <= 0)
			break;
		lose(watcher, EVENT_LOST_CONNECTIONS, lost);
	}
	if (got < 0)
		give_up("connections", got, &watcher->no_packets);
	return got > 0;
}

/* How many are missing isn't known: at least one. */
static bool read_ends(struct watcher *watcher)
{
	int got = 0;

	for (unsigned i = 0; i < TURN_MESSAGES && !watcher->no_ends; i++) {
		got = conntrack_read_ends(watcher->config->ends, on_end, watcher);
		if (got == -ENOBUFS)
			lose(watcher, EVENT_LOST_FLOWS, 1);
		else if (got <= 0)
			break;
	}
	if (got < 0 && got != -ENOBUFS)
		give_up("flows", got, &watcher->no_ends);
	return got != 0 && !watcher->no_ends;
}

/* Whether there was any in the rings, or there is more elsewhere. */
static bool read_all(struct watcher *watcher)
{
	bool any = read_rings(watcher);

	any |= read_packets(watcher);
	any |= read_ends(watcher);
	return any;
}

static void announce(struct watcher *watcher)
{
	struct event event;

	if (!watcher->config->announce)
		return;
	event_begin(&event, EVENT_POLICY);
	write_event(watcher, &event);
}

/* --- The loop --- */

enum {
	POLL_LEASH,
	POLL_RINGS,
	POLL_PACKETS,
	POLL_ENDS,
	POLL_SINKS,
	POLLED = POLL_SINKS + WATCHER_SINKS
};

/* Waits until there is something to do, `wait` milliseconds at most. False: end at once. */
static bool wait_for_work(struct watcher *watcher, int wait)
{
	const struct watcher_config *config = watcher->config;
	struct pollfd polled[POLLED] = {
		[POLL_LEASH] = {config->leash, watcher->dismissed ? 0 : POLLIN, 0},
		[POLL_RINGS] = {rings_fd(config->rings), POLLIN, 0},
		[POLL_PACKETS] = {watcher->no_packets ? -1 : nflog_fd(config->nflog), POLLIN, 0},
		[POLL_ENDS] = {watcher->no_ends ? -1 : conntrack_fd(config->ends), POLLIN, 0},
	};

	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		struct pollfd *sink = &polled[POLL_SINKS + i];
		bool waits = watcher->sinks[i] && sink_waits(watcher->sinks[i]);

		sink->fd = waits && watcher->errors[i] == 0 ? sink_fd(watcher->sinks[i]) : -1;
		sink->events = POLLOUT;
	}
	if (poll(polled, POLLED, wait) < 0)
		return errno == EINTR;
	/* The byte stays for nobody. */
	if (polled[POLL_LEASH].revents & POLLIN)
		watcher->dismissed = true;
	return !(polled[POLL_LEASH].revents & (POLLHUP | POLLERR));
}

static void run(struct watcher *watcher)
{
	struct rings *rings = watcher->config->rings;
	bool on = true;

	announce(watcher);
	while (on) {
		bool any = read_all(watcher);
		bool again = flush(watcher);
		int wait = any ? LINGER_MS : again ? RETRY_MS : -1;

		if (watcher->dismissed && !any)
			break;
		if (watcher->dismissed || watcher->behind || (!any && !rings_sleep(rings)))
			wait = 0;
		on = wait_for_work(watcher, wait);
		rings_wake(rings);
	}
}

/* --- The process --- */

static int prepare(struct watcher *watcher)
{
	const struct watcher_config *config = watcher->config;
	int error = witness_new(&config->compiled, config->names, config->past, &watcher->witness);

	/* They are the keepers' to write. */
	if (!error)
		error = namering_protect(config->names);
	watcher->context.policy = config->compiled.plan->policy->name;
	watcher->context.session = config->session;
	watcher->no_packets = !config->nflog;
	watcher->no_ends = !config->ends;
	for (unsigned i = 0; i < WATCHER_SINKS && !error; i++)
		if (config->sinks[i].fd >= 0)
			error = sink_new(
				config->sinks[i].fd, config->sinks[i].all, &watcher->sinks[i]);
	return error;
}

int watcher_run(const struct watcher_config *config)
{
	struct watcher watcher = {.config = config};
	int error = preflight_become(&config->confine);

	if (error)
		return 1;
	error = prepare(&watcher);
	if (error)
		log_error("cannot start: %s", strerror(-error));
	else
		run(&watcher);
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		sink_free(watcher.sinks[i]);
	witness_free(watcher.witness);
	return error ? 1 : 0;
}
