/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event.h"

#include <string.h>
#include <time.h>

#include "src/base/bytes.h"

_Static_assert(sizeof(struct event) <= 512, "records stay small");

int64_t event_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void event_begin(struct event *event, enum event_kind kind)
{
	event_begin_at(event, kind, event_time());
}

void event_clear_rest(struct event *event)
{
	bytes_clear(&event->user, EVENT_REST);
}

static void begin(struct event *event, enum event_kind kind, int64_t time)
{
	memset(event, 0, offsetof(struct event, rule) + 1);
	event->name.length = 0;
	event->time = time;
	event->kind = (uint8_t)kind;
	event->rcode = EVENT_NO_NUMBER;
	event->ede = EVENT_NO_NUMBER;
}

void event_begin_query(struct event *event, int64_t time)
{
	begin(event, EVENT_QUERY, time);
}

void event_begin_at(struct event *event, enum event_kind kind, int64_t time)
{
	begin(event, kind, time);
	event_clear_rest(event);
}

static void set_text(char *out, size_t room, const char *text)
{
	size_t length = text ? strnlen(text, room - 1) : 0;

	if (length > 0)
		bytes_copy(out, text, length);
	out[length] = '\0';
}

void event_set_rule(struct event *event, const char *rule)
{
	set_text(event->rule, sizeof(event->rule), rule);
}

void event_set_ports(struct event *event, const char *ports)
{
	set_text(event->ports, sizeof(event->ports), ports);
}

void event_set_name(struct event *event, const struct name *name)
{
	event->name.length = name->length;
	bytes_copy(event->name.wire, name->wire, name->length);
}

bool event_is_sound(const struct event *event, enum event_kind kind)
{
	return event->kind == kind && event->verdict < EVENT_VERDICTS &&
	       event->loss < EVENT_LOSSES && (event->has & ~EVENT_PARTS) == 0 &&
	       event->rcode >= EVENT_NO_NUMBER && event->ede >= EVENT_NO_NUMBER &&
	       memchr(event->ports, '\0', sizeof(event->ports)) &&
	       memchr(event->rule, '\0', sizeof(event->rule)) &&
	       (event->name.length == 0 || name_is_sound(&event->name));
}

enum event_loss event_loss_of(enum event_kind kind)
{
	switch (kind) {
	case EVENT_QUERY:
		return EVENT_LOST_QUERIES;
	case EVENT_LEASE:
		return EVENT_LOST_LEASES;
	case EVENT_CONNECTION:
		return EVENT_LOST_CONNECTIONS;
	case EVENT_FLOW:
		return EVENT_LOST_FLOWS;
	default:
		return EVENT_LOSSES;
	}
}
