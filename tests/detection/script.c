/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/detection/script.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * Flows are told of as the watcher does it: while they go on, every WALK_S seconds with all that
 * they have carried, and 120 s after their end, when the kernel forgets them. What they carry is
 * spread evenly over their time, in packets of 1448 bytes and an acknowledgement for every second
 * one, with 52 bytes of headers each.
 */

enum {
	WALK_S = 10,
	WALKS_MAX = 200,
	FORGOTTEN_S = 120,
	SEGMENT = 1448,
	HEADERS = 52,
};

static const int64_t day = 1795219200; /* 2026-11-21 */

void script_begin(struct script *script, struct chance *chance, double length)
{
	*script = (struct script){
		.chance = chance,
		.start = (day + chance_below(chance, 86400)) * 1000000,
		.length = length,
	};
}

void script_end(struct script *script)
{
	free(script->records);
	script->records = NULL;
}

static struct event *add(struct script *script, enum event_kind kind, double at, const char *name)
{
	struct event *event;

	if (script->n_records == script->room) {
		script->room = script->room ? 2 * script->room : 256;
		script->records = realloc(script->records, script->room * sizeof(struct event));
		if (!script->records)
			abort();
	}
	event = &script->records[script->n_records++];
	memset(event, 0, sizeof(*event));
	event_begin_at(event, kind, script->start + (int64_t)(at * 1e6));
	event->has = EVENT_HAS_VERDICT;
	if (name_from_text(text_of(name), &event->name) < 0) {
		fprintf(stderr, "not a name: %s\n", name);
		abort();
	}
	return event;
}

/* The same for the same name, of 198.18.0.0/15 (RFC 2544). */
static struct inaddr address_of(const struct name *name)
{
	uint32_t hash = 2166136261u;
	uint8_t bytes[4] = {198};

	for (unsigned i = 0; i < name->length; i++)
		hash = (hash ^ name->wire[i]) * 16777619u;
	bytes[1] = 18 + (hash >> 24 & 1);
	bytes[2] = hash >> 8 & 0xff;
	bytes[3] = hash & 0xff;
	return inaddr_from_ip4(bytes);
}

void script_ask(struct script *script, double at, const char *name)
{
	struct event *event = add(script, EVENT_QUERY, at, name);

	event->type = 1;
	event->rcode = 0;
	event = add(script, EVENT_LEASE, at + 0.001, name);
	event->has |= EVENT_HAS_ADDRESS;
	event->address = address_of(&event->name);
	event->ttl = 60;
	event->lease = 90;
}

void script_refused(struct script *script, double at, const char *name)
{
	struct event *event = add(script, EVENT_QUERY, at, name);

	event->type = 1;
	event->rcode = 3;
	event->ede = 15;
	event->verdict = EVENT_REFUSE;
	event_set_rule(event, "default-deny");
}

/* Bytes and packets of `data` bytes, with acknowledgements of what came the other way. */
static void carry(double data, double other, uint64_t *ret_bytes, uint64_t *ret_packets)
{
	double packets = 4 + data / SEGMENT + other / SEGMENT / 2;

	*ret_packets = (uint64_t)packets;
	*ret_bytes = (uint64_t)data + *ret_packets * HEADERS;
}

/* Of a flow from `at` on: at `when`, with `share` of what it carries. */
static void tell(struct script *script, double at, double when, const char *name,
	const struct load *load, double share, uint64_t number)
{
	struct event *event = add(script, EVENT_FLOW, when, name);

	event->has |= EVENT_HAS_ADDRESS | EVENT_HAS_PROTOCOL | EVENT_HAS_PORT | EVENT_HAS_BYTES |
		      EVENT_HAS_DURATION;
	if (when < at + load->duration + FORGOTTEN_S)
		event->has |= EVENT_IS_LIVE;
	event->address = address_of(&event->name);
	event->protocol = IPPROTO_TCP;
	event->port = 443;
	event->flow = number;
	event->duration = (uint64_t)((when - at) * 1e6);
	carry(load->out * share, load->in * share, &event->bytes_out, &event->packets_out);
	carry(load->in * share, load->out * share, &event->bytes_in, &event->packets_in);
}

void script_flow(struct script *script, double at, const char *name, const struct load *load)
{
	double end = at + load->duration, step = WALK_S;
	double walk = ((int64_t)(at / WALK_S) + 1) * (double)WALK_S;
	uint64_t number = ++script->flows;

	if (load->duration / step > WALKS_MAX)
		step = load->duration / WALKS_MAX;
	while (walk < end) {
		tell(script, at, walk, name, load, (walk - at) / load->duration, number);
		walk += step;
	}
	tell(script, at, walk, name, load, 1, number);
	tell(script, at, end + FORGOTTEN_S, name, load, 1, number);
}

static int compare(const void *a, const void *b)
{
	const struct event *left = a, *right = b;

	return left->time < right->time ? -1 : left->time > right->time;
}

void script_sort(struct script *script)
{
	qsort(script->records, script->n_records, sizeof(struct event), compare);
}
