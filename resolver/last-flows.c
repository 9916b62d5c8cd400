/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/last-flows.h"

#include <errno.h>
#include <poll.h>

#include "resolver/witness.h"
#include "src/base/clock.h"
#include "src/event/event-json.h"
#include "src/event/sink.h"
#include "src/kernel/conntrack.h"

enum { PATIENCE_MS = 200 }; /* for all sinks */

struct last {
	const struct watcher_config *config;
	struct witness *witness;
	struct sink *sinks[WATCHER_SINKS];
	struct mono until;
};

/* Writes what waits, for as long as there is time. */
static void write_waiting(
	const struct last *last, struct sink *sink, const struct event_context *context)
{
	while (sink_flush(sink, context) == -EAGAIN) {
		struct pollfd poller = {.fd = sink_fd(sink), .events = POLLOUT};
		int64_t left = mono_between(clock_now(), last->until).ms;

		if (left <= 0 || poll(&poller, 1, (int)left) < 0)
			return;
	}
}

static int on_flow(void *context, const struct conntrack_flow *flow)
{
	const struct last *last = context;
	struct event_context words = {.policy = last->config->compiled.plan->policy->name,
		.session = last->config->session};
	struct event event;
	char line[EVENT_LINE];
	size_t size;

	if (!witness_flow(last->witness, flow, !flow->over, &event))
		return 0;
	witness_explain(last->witness, &event, &words);
	size = event_to_json(&event, &words, line);
	for (unsigned i = 0; i < WATCHER_SINKS; i++) {
		if (!last->sinks[i] || !sink_wants(last->sinks[i], &event))
			continue;
		sink_put(last->sinks[i], EVENT_FLOW, line, size);
		write_waiting(last, last->sinks[i], &words);
	}
	return 0;
}

static int make_sinks(struct last *last)
{
	const struct watcher_sink *from = last->config->sinks;
	int error = 0;

	for (unsigned i = 0; i < WATCHER_SINKS && !error; i++)
		if (from[i].fd >= 0)
			error = sink_new(from[i].fd, from[i].all, &last->sinks[i]);
	return error;
}

int last_flows_record(const struct watcher_config *config)
{
	struct last last = {
		.config = config, .until = mono_add(clock_now(), (struct duration){PATIENCE_MS})};
	struct conntrack *conntrack = NULL;
	int error = witness_new(&config->compiled, config->names, config->past, &last.witness);

	if (!error)
		error = make_sinks(&last);
	if (!error)
		error = conntrack_open(&conntrack);
	if (!error)
		error = conntrack_walk(conntrack, 0, 0, on_flow, &last);
	for (unsigned i = 0; i < WATCHER_SINKS; i++)
		sink_free(last.sinks[i]);
	conntrack_close(conntrack);
	witness_free(last.witness);
	return error;
}
