/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/watcher.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/exposition.h"
#include "resolver/live-flows.h"
#include "resolver/loop.h"
#include "resolver/monitor.h"
#include "resolver/namering.h"
#include "resolver/owners.h"
#include "resolver/preflight.h"
#include "resolver/reckoner.h"
#include "resolver/scrape.h"
#include "resolver/witness.h"
#include "src/base/footprint.h"
#include "src/base/log.h"
#include "src/event/event-json.h"
#include "src/event/event-lines.h"
#include "src/event/ring.h"
#include "src/event/sink.h"

/*
 * Theory of operation
 *
 * The process that turns what happens into lines: records of the workers and keepers, which come by
 * rings; packets that the ruleset logs, by NFLOG; and the ends of flows, as conntrack tells them.
 * The sockets of the latter two were opened by the parent, since that takes CAP_NET_ADMIN and
 * reading them takes nothing: so it never has the capability. Whose a packet was it asks the
 * kernel's table of sockets (owners.c), which anybody may. It writes to descriptors that it was
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
 * The ruleset reports some of the connections that it refuses and counts all of them; the parent
 * reads the counters, and what is missing is recorded here, by rule and number (reckoner.c). Who
 * asks for metrics is answered here, too (scrape.c), on a socket that the parent opened: this
 * process has nothing that an attack on it could take.
 *
 * While records come it looks at the rings every few milliseconds, or when one fills, which lets
 * the workers go without a system call for each; when none have come it sleeps until one does.
 */

enum {
	TURN_RECORDS = 4096, /* of a ring in one turn */
	TURN_MESSAGES = 64,  /* of the kernel's, from each socket */
	LINGER_MS = 10,      /* before it looks again, if no ring fills */
	RETRY_MS = 1000,     /* after a sink failed */
};

struct watcher {
	const struct watcher_config *config;
	struct witness *witness;
	struct reckoner *reckoner; /* NULL: nothing is counted */
	struct owners *owners;     /* of sockets */
	struct monitor *monitor;   /* of the session; NULL: nobody asks for it */
	struct exposition *exposition;
	struct scrape *scrape; /* NULL: nobody asks for metrics */
	int64_t now;           /* microseconds since 1970 */
	struct event_lines *lines;
	struct sink *sinks[WATCHER_SINKS];
	int errors[WATCHER_SINKS]; /* of the last flush, as far as they were logged */
	struct event_context context;
	bool behind; /* some ring has more than a turn takes */
	bool no_packets;
	bool no_ends;
	bool dismissed;
	bool over; /* and so is the session */
};

/* --- Out --- */

/* What is said of a record besides it. */
enum {
	NOTE_KNOWN = 1 << 0, /* it was told of in another way */
	NOTE_OLDER = 1 << 1, /* its flow began before the session */
};

/* What the record adds to the session. */
static void note_event(struct watcher *watcher, const struct event *event, unsigned notes)
{
	struct event_context context = watcher->context;
	struct session_note note = {.known = notes & NOTE_KNOWN, .older = notes & NOTE_OLDER};

	if (!watcher->monitor)
		return;
	/* They are most of all there is, and of no category yet. */
	if (event->kind == EVENT_QUERY && event->verdict != EVENT_REFUSE)
		note.wildcard = witness_is_wild(watcher->witness, event);
	else
		witness_explain(watcher->witness, event, &context);
	note.category = context.category;
	monitor_take(watcher->monitor, event, &note, watcher->now);
}

/* Puts the record where it is wanted. A flow is of the session in which it began. */
static void put_event(struct watcher *watcher, const struct event *event, unsigned notes)
{
	struct event_context context = watcher->context;
	char line[EVENT_LINE];
	size_t size = 0;

	if (notes & NOTE_OLDER && watcher->config->earlier)
		context.session = watcher->config->earlier;
	if (event->has & EVENT_HAS_CGROUP)
		context.cgroup = owners_path(watcher->owners, event);
	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		struct sink *sink = watcher->sinks[i];

		if (!sink || !sink_wants(sink, event))
			continue;
		if (size == 0) {
			witness_explain(watcher->witness, event, &context);
			size = event_lines_write(watcher->lines, event, &context, line);
		}
		/* What it counts is lost again, without its rule. */
		if (!sink_put(sink, (enum event_kind)event->kind, line, size) &&
			event->kind == EVENT_LOST)
			sink_lose(sink, (enum event_loss)event->loss, event->count);
	}
}

/* What the metrics have of the record. */
static void count_event(struct watcher *watcher, const struct event *event)
{
	struct tally *tally = watcher->config->tally;

	if (!tally)
		return;
	if (event->kind == EVENT_FLOW && !(event->has & EVENT_IS_LIVE)) {
		tally_add(tally, TALLY_FLOWS, 1);
		tally_add(tally, TALLY_BYTES_OUT, event->bytes_out);
		tally_add(tally, TALLY_BYTES_IN, event->bytes_in);
	} else if (event->kind == EVENT_LOST) {
		tally_add(tally, TALLY_LOST_QUERIES + event->loss, event->count);
	}
}

static void write_event(struct watcher *watcher, const struct event *event, unsigned notes)
{
	count_event(watcher, event);
	note_event(watcher, event, notes);
	put_event(watcher, event, notes);
}

/* Lines of the session go everywhere; where that is nowhere, alerts are logged. */
static void write_line(void *context, const char *line, size_t size, const struct alert *alert)
{
	struct watcher *watcher = context;
	bool any = false;

	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		if (!watcher->sinks[i])
			continue;
		sink_put(watcher->sinks[i], EVENT_POLICY, line, size);
		any = true;
	}
	if (alert && watcher->config->tally)
		tally_add(watcher->config->tally, TALLY_ALERTS + (unsigned)alert->rule, 1);
	if (alert && !any)
		log_warning("alert: %s: %s: %s", alert_kind(alert->rule)->id,
			alert_kind(alert->rule)->summary,
			alert->n_evidence > 0 ? alert->evidence[0] : "");
}

static void lose(struct watcher *watcher, enum event_loss loss, uint64_t count)
{
	if (watcher->config->tally && count > 0)
		tally_add(watcher->config->tally, TALLY_LOST_QUERIES + loss, count);
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

/* A keeper's are of leases, a worker's of queries, and of addresses that need no lease, since they
 * are observed or permitted to everybody. */
static bool is_expected(const struct event *event, enum event_kind kind)
{
	if (event_is_sound(event, kind))
		return true;
	return kind == EVENT_QUERY && event_is_sound(event, EVENT_LEASE) &&
	       (event->verdict == EVENT_OBSERVE || event->verdict == EVENT_PERMIT);
}

/* What is permitted to everybody is no lease, and tells the session which name an address has. */
static void take_event(struct watcher *watcher, const struct event *event, enum event_kind kind)
{
	note_event(watcher, event, 0);
	if (event->kind == kind || event->verdict != EVENT_PERMIT)
		put_event(watcher, event, 0);
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
			take_event(watcher, &event, kind);
		else if (got == 1)
			n_bad++;
	}
	lost = ring_lost(config->rings, ring) + n_bad;
	if (lost > 0)
		lose(watcher, event_loss_of(kind), lost);
	watcher->behind |= count == TURN_RECORDS;
	return count > 0;
}

/* Whether it is the session before's. */
static unsigned notes_of(const struct watcher *watcher, const struct conntrack_flow *flow)
{
	bool older = flow->started && (int64_t)(flow->started / 1000) < watcher->config->since;

	return older ? NOTE_OLDER : 0;
}

/* Flows that go on are recorded when they are over, or nothing more will be. A session that goes on
 * is told the ends of those that are left. */
static void take_live(
	struct watcher *watcher, enum live_flows kind, const struct conntrack_flow *flow)
{
	unsigned notes = notes_of(watcher, flow);
	struct event event;

	if (!witness_flow(watcher->witness, flow, !flow->over, &event))
		return;
	if (kind == LIVE_FLOWS_LAST)
		put_event(watcher, &event, notes);
	if (kind == LIVE_FLOWS_LAST && watcher->config->ends_here)
		event.has &= (uint16_t)~EVENT_IS_LIVE;
	else
		event.has |= EVENT_IS_LIVE;
	note_event(watcher, &event, notes | (kind == LIVE_FLOWS_OLDER ? NOTE_KNOWN : 0));
}

static bool read_live(struct watcher *watcher)
{
	const struct watcher_config *config = watcher->config;
	struct conntrack_flow flow;
	struct event told;
	enum live_flows kind;
	unsigned count = 0;
	int got;

	while (count < TURN_RECORDS &&
		(got = ring_take(config->rings, config->live_ring, &told)) != 0) {
		count++;
		if (got == 1 && live_flows_read(&told, &kind, &flow))
			take_live(watcher, kind, &flow);
	}
	watcher->behind |= count == TURN_RECORDS;
	return count > 0;
}

static bool read_rings(struct watcher *watcher)
{
	bool any = false;

	watcher->behind = false;
	for (unsigned i = 0; i < watcher->config->n_rings; i++)
		any |= read_ring(watcher, i);
	any |= read_live(watcher);
	return any;
}

static bool is_wanted(const struct watcher *watcher, const struct event *event)
{
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		if (watcher->sinks[i] && sink_wants(watcher->sinks[i], event))
			return true;
	return false;
}

/* The record of a packet, with all that can be found out of who has sent it. */
static void put_connection(
	struct watcher *watcher, const struct nflog_record *record, struct event *event)
{
	struct mono now = clock_now();

	if (!is_wanted(watcher, event))
		return;
	owners_add(watcher->owners, record, event, now);
	if (!owners_keep(watcher->owners, event, now))
		put_event(watcher, event, 0);
}

/* Those that have waited for the path of their control group. */
static void put_kept(struct watcher *watcher, bool all)
{
	struct event event;

	while (owners_release(watcher->owners, all, clock_now(), &event))
		put_event(watcher, &event, 0);
}

static void on_packet(void *context, const struct nflog_record *record)
{
	struct watcher *watcher = context;
	struct event event;
	char id[NFLOG_PREFIX];

	if (!witness_connection(watcher->witness, record, &event))
		return;
	if (watcher->reckoner && witness_read_prefix(watcher->witness, record->prefix, id))
		reckoner_record(watcher->reckoner, id);
	/* Of connections that are permitted conntrack tells. */
	note_event(watcher, &event,
		event.verdict != EVENT_REFUSE && !watcher->no_ends ? NOTE_KNOWN : 0);
	put_connection(watcher, record, &event);
}

/* Records that the rule has refused connections, or would have, that are not recorded otherwise. */
static void on_unrecorded(void *context, const char *id, uint64_t count)
{
	struct watcher *watcher = context;
	struct event event;

	event_begin(&event, EVENT_LOST);
	event.loss = EVENT_LOST_CONNECTIONS;
	event.count = count;
	if (witness_unrecorded(watcher->witness, id, &event))
		write_event(watcher, &event, 0);
}

/* For when no packet waits that was reported before the counters were read. */
static void settle(struct watcher *watcher)
{
	uint64_t left;

	if (!watcher->reckoner)
		return;
	left = reckoner_settle(watcher->reckoner, on_unrecorded, watcher);
	if (left > 0)
		lose(watcher, EVENT_LOST_CONNECTIONS, left);
}

static int on_end(void *context, const struct conntrack_flow *flow)
{
	struct watcher *watcher = context;
	struct event event;

	if (flow->begins && watcher->monitor && witness_beginning(watcher->witness, flow, &event))
		note_event(watcher, &event, 0);
	else if (!flow->begins && witness_flow(watcher->witness, flow, false, &event))
		write_event(watcher, &event, notes_of(watcher, flow));
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

	if (watcher->reckoner)
		reckoner_look(watcher->reckoner);
	for (unsigned i = 0; i < TURN_MESSAGES && !watcher->no_packets; i++) {
		uint64_t lost;

		got = nflog_read(watcher->config->nflog, on_packet, watcher, &lost);
		if (got <= 0)
			break;
		if (watcher->reckoner)
			reckoner_miss(watcher->reckoner, lost);
		else
			lose(watcher, EVENT_LOST_CONNECTIONS, lost);
	}
	if (got < 0)
		give_up("connections", got, &watcher->no_packets);
	if (got <= 0)
		settle(watcher);
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
	write_event(watcher, &event, 0);
}

/* --- The loop --- */

enum {
	POLL_LEASH,
	POLL_RINGS,
	POLL_PACKETS,
	POLL_ENDS,
	POLL_TALLY,
	POLL_SCRAPE,
	POLL_SINKS = POLL_SCRAPE + SCRAPE_POLLED,
	POLLED = POLL_SINKS + WATCHER_SINKS
};

static void take_message(struct watcher *watcher)
{
	struct watcher_message message;

	if (read(watcher->config->leash, &message, sizeof(message)) != sizeof(message))
		return;
	switch (message.op) {
	case WATCHER_FINISH:
	case WATCHER_OVER:
		watcher->dismissed = true;
		watcher->over = message.op == WATCHER_OVER;
		break;
	case WATCHER_EXTEND:
		if (watcher->monitor && message.key < SESSION_KEYS)
			monitor_extend(watcher->monitor, (enum session_key)message.key,
				message.amount, event_time());
		break;
	}
}

/* What there is to poll for who asks for metrics. Returns how long nothing of it is due. */
static int poll_scrape(const struct watcher *watcher, struct pollfd fds[SCRAPE_POLLED])
{
	if (watcher->scrape) {
		scrape_poll(watcher->scrape, fds);
		return scrape_wait(watcher->scrape, clock_now());
	}
	for (unsigned i = 0; i < SCRAPE_POLLED; i++)
		fds[i].fd = -1;
	return -1;
}

/* Waits until there is something to do, `wait` milliseconds at most. False: end at once. */
static bool wait_for_work(struct watcher *watcher, int wait)
{
	const struct watcher_config *config = watcher->config;
	struct pollfd polled[POLLED] = {
		[POLL_LEASH] = {config->leash, watcher->dismissed ? 0 : POLLIN, 0},
		[POLL_RINGS] = {rings_fd(config->rings), POLLIN, 0},
		[POLL_PACKETS] = {watcher->no_packets ? -1 : nflog_fd(config->nflog), POLLIN, 0},
		[POLL_ENDS] = {watcher->no_ends ? -1 : conntrack_fd(config->ends), POLLIN, 0},
		[POLL_TALLY] = {config->tally ? tally_fd(config->tally) : -1, POLLIN, 0},
	};

	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		struct pollfd *sink = &polled[POLL_SINKS + i];
		bool waits = watcher->sinks[i] && sink_waits(watcher->sinks[i]);

		sink->fd = waits && watcher->errors[i] == 0 ? sink_fd(watcher->sinks[i]) : -1;
		sink->events = POLLOUT;
	}
	wait = wait_sooner(wait, poll_scrape(watcher, &polled[POLL_SCRAPE]));
	if (poll(polled, POLLED, wait) < 0)
		return errno == EINTR;
	if (watcher->scrape)
		scrape_serve(watcher->scrape, &polled[POLL_SCRAPE], clock_now());
	if (polled[POLL_LEASH].revents & POLLIN)
		take_message(watcher);
	if (polled[POLL_TALLY].revents & POLLIN)
		tally_woken(config->tally);
	return !(polled[POLL_LEASH].revents & (POLLHUP | POLLERR));
}

static void run(struct watcher *watcher)
{
	struct rings *rings = watcher->config->rings;
	bool on = true;

	watcher->now = event_time();
	announce(watcher);
	while (on) {
		bool any, again;
		int wait, due = -1;

		watcher->now = event_time();
		any = read_all(watcher);
		put_kept(watcher, watcher->dismissed);
		if (watcher->monitor)
			due = monitor_tick(watcher->monitor, watcher->now);
		again = flush(watcher);
		wait = wait_sooner(any ? LINGER_MS : again ? RETRY_MS : -1, due);
		wait = wait_sooner(wait, owners_wait(watcher->owners));

		if (watcher->dismissed && !any)
			break;
		if (watcher->dismissed || watcher->behind ||
			!(any ? rings_linger(rings) : rings_sleep(rings)))
			wait = 0;
		on = wait_for_work(watcher, wait);
		rings_wake(rings);
	}
	if (!watcher->monitor || !on)
		return;
	monitor_finish(watcher->monitor, watcher->over, event_time());
	flush(watcher);
}

/* --- The process --- */

static int make_monitor(struct watcher *watcher)
{
	const struct watcher_config *from = watcher->config;
	const struct monitor_config config = {
		.compiled = from->compiled,
		.session = from->session,
		.past = from->past_session,
		.phase = from->phase,
		.slate = from->slate,
		.write = write_line,
		.context = watcher,
	};

	return monitor_new(&config, &watcher->monitor);
}

static size_t render(void *context, char *bytes, size_t size)
{
	return exposition_write(context, bytes, size);
}

static int make_scrape(struct watcher *watcher)
{
	const struct watcher_config *from = watcher->config;
	const struct exposition_config config = {
		.compiled = &from->compiled,
		.session = from->session,
		.witness = watcher->witness,
		.tally = from->tally,
		.monitor = watcher->monitor,
	};
	int error = exposition_new(&config, &watcher->exposition);

	if (error)
		return error;
	return scrape_new(from->scraped, render, watcher->exposition, &watcher->scrape);
}

static int prepare(struct watcher *watcher)
{
	const struct watcher_config *config = watcher->config;
	int error = witness_new(&config->compiled, config->names, config->past, &watcher->witness);

	if (!error)
		error = owners_new(
			config->sockdiag, config->roster, config->tally, &watcher->owners);
	if (!error && config->tally)
		error = reckoner_new(config->tally, &watcher->reckoner);
	if (!error && config->slate)
		error = make_monitor(watcher);
	if (!error && config->tally && config->scraped >= 0)
		error = make_scrape(watcher);
	/* They are the keepers' to write. */
	if (!error)
		error = namering_protect(config->names);
	if (!error)
		error = event_lines_new(&watcher->lines);
	watcher->context.policy = config->compiled.plan->policy->name;
	watcher->context.session = config->session;
	watcher->no_packets = !config->nflog;
	watcher->no_ends = !config->ends;
	for (unsigned i = 0; i < WATCHER_SINKS && !error; i++)
		if (config->sinks[i].fd >= 0)
			error = sink_new(config->sinks[i].fd, config->sinks[i].all,
				&config->sinks[i].style, &watcher->sinks[i]);
	return error;
}

int watcher_run(const struct watcher_config *config)
{
	struct watcher watcher = {.config = config};
	int error = preflight_become(&config->confine);

	if (error)
		return 1;
	error = prepare(&watcher);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
	} else {
		footprint_trim();
		run(&watcher);
	}
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		sink_free(watcher.sinks[i]);
	event_lines_free(watcher.lines);
	scrape_free(watcher.scrape);
	exposition_free(watcher.exposition);
	witness_free(watcher.witness);
	owners_free(watcher.owners);
	reckoner_free(watcher.reckoner);
	monitor_free(watcher.monitor);
	return error ? 1 : 0;
}
