/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/live-flows.h"

#include <time.h>

#include "src/base/clock.h"
#include "src/event/ring.h"

/*
 * Theory of operation
 *
 * The kernel tells what a flow has carried when it ends, which may be hours after it was sent. So
 * that an upload is seen while it goes on, the parent walks conntrack's table and passes on what is
 * large: below some bytes it is soon enough to know at the end. At the end of all records it passes
 * on whatever is left; and when a session begins, what was there before and is none of it.
 *
 * What it passes on is the flow as it is; by which rule it is permitted only the watcher knows. Of
 * those that are told now and then the ring holds enough, and the next walk brings the rest.
 */

enum {
	SENT_LEAST = 64 << 10,
	RECEIVED_LEAST = 1 << 20,
	OVER_LEAST = 4 << 20, /* sent by one that is over, and that the kernel remembers still */
	LARGE_MOST = RING_RECORDS / 2, /* in one walk */
	PATIENCE_MS = 200,
	NAP_US = 500,
};

struct telling {
	struct rings *rings;
	unsigned ring;
	enum live_flows kind;
	unsigned count;
	int64_t time;
	struct mono until;
};

uint64_t live_flows_number(const struct conntrack_flow *flow)
{
	return flow->id ? UINT64_C(1) << 32 | flow->id : 0;
}

static bool is_large(const struct conntrack_flow *flow)
{
	if (flow->id == 0 || !flow->has_bytes)
		return false;
	if (flow->over)
		return flow->bytes_out >= OVER_LEAST;
	return flow->bytes_out >= SENT_LEAST || flow->bytes_in >= RECEIVED_LEAST;
}

/* Waits for the watcher, as long as there is time. */
static bool has_room(const struct telling *telling)
{
	const struct timespec nap = {0, NAP_US * 1000L};

	while (!ring_has_room(telling->rings, telling->ring)) {
		if (!mono_before(clock_now(), telling->until))
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

static void put(const struct telling *telling, const struct conntrack_flow *flow)
{
	struct event event;

	event_begin_at(&event, EVENT_FLOW, telling->time);
	event.has = EVENT_HAS_ADDRESS | EVENT_HAS_PORT | EVENT_HAS_PROTOCOL |
		    (flow->has_bytes ? EVENT_HAS_BYTES : 0) | (flow->over ? 0 : EVENT_IS_LIVE);
	event.user = flow->mark;
	event.address = flow->to;
	event.port = flow->port;
	event.protocol = flow->protocol;
	event.bytes_out = flow->bytes_out;
	event.packets_out = flow->packets_out;
	event.bytes_in = flow->bytes_in;
	event.packets_in = flow->packets_in;
	event.duration = flow->started;
	event.flow = flow->id;
	event.count = telling->kind;
	ring_put(telling->rings, telling->ring, &event);
}

static int on_flow(void *context, const struct conntrack_flow *flow)
{
	struct telling *telling = context;

	if (flow->mark == 0)
		return 0;
	if (telling->kind == LIVE_FLOWS_LARGE) {
		if (!is_large(flow))
			return 0;
		put(telling, flow);
		return ++telling->count == LARGE_MOST;
	}
	if (!has_room(telling))
		return 1;
	put(telling, flow);
	return 0;
}

int live_flows_tell(struct rings *rings, unsigned ring, enum live_flows kind)
{
	struct telling telling = {.rings = rings,
		.ring = ring,
		.kind = kind,
		.time = event_time(),
		.until = mono_add(clock_now(), (struct duration){PATIENCE_MS})};
	struct conntrack *conntrack = NULL;
	int error = conntrack_open(&conntrack);

	if (!error)
		error = conntrack_walk(conntrack, 0, 0, on_flow, &telling);
	conntrack_close(conntrack);
	return error < 0 ? error : 0;
}

bool live_flows_read(
	const struct event *event, enum live_flows *ret_kind, struct conntrack_flow *ret_flow)
{
	if (!event_is_sound(event, EVENT_FLOW) || event->count >= LIVE_FLOWS_KINDS)
		return false;
	*ret_kind = (enum live_flows)event->count;
	*ret_flow = (struct conntrack_flow){
		.mark = event->user,
		.id = (uint32_t)event->flow,
		.to = event->address,
		.port = event->port,
		.protocol = event->protocol,
		.over = !(event->has & EVENT_IS_LIVE),
		.has_bytes = event->has & EVENT_HAS_BYTES,
		.bytes_out = event->bytes_out,
		.packets_out = event->packets_out,
		.bytes_in = event->bytes_in,
		.packets_in = event->packets_in,
		.started = event->duration,
	};
	return true;
}
