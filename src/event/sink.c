/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/event/event-json.h"

/*
 * Theory of operation
 *
 * Lines wait in a buffer and leave in pieces of whole lines that are no longer than PIPE_BUF: so a
 * pipe takes each as a whole or not at all, whoever else writes there. One that is not to be made
 * non-blocking, as standard output is others' too, is asked before. A file may take a part of
 * one, when the disk is full; the rest of it leaves first the next time, and no line is broken.
 *
 * A line for which the buffer has no room is counted. Once the buffer has emptied, a record for
 * each kind says how many those were.
 */

enum { ROOM = 1 << 16 };

_Static_assert(EVENT_LINE <= PIPE_BUF, "a pipe takes a line as a whole");

struct sink {
	int fd;
	bool all;
	bool polls; /* a write might wait, unless it is asked first */
	uint64_t lost[EVENT_LOSSES];
	size_t start; /* of what waits in `bytes` */
	size_t end;
	char bytes[ROOM];
};

int sink_new(int fd, bool all, struct sink **ret_sink)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	sink->fd = fd;
	sink->all = all;
	sink->polls = !(fcntl(fd, F_GETFL) & O_NONBLOCK);
	*ret_sink = sink;
	return 0;
}

void sink_free(struct sink *sink)
{
	free(sink);
}

int sink_fd(const struct sink *sink)
{
	return sink->fd;
}

bool sink_waits(const struct sink *sink)
{
	return sink->start < sink->end;
}

bool sink_wants(const struct sink *sink, const struct event *event)
{
	return sink->all || event->kind == EVENT_POLICY || event->kind == EVENT_LOST ||
	       event->verdict != EVENT_PERMIT;
}

void sink_lose(struct sink *sink, enum event_loss loss, uint64_t count)
{
	if (loss < EVENT_LOSSES)
		sink->lost[loss] += count;
}

/* Whether the line has room; what was written already makes some. */
static bool has_room(struct sink *sink, size_t size)
{
	if (ROOM - sink->end >= size)
		return true;
	if (sink->start == 0)
		return false;
	memmove(sink->bytes, sink->bytes + sink->start, sink->end - sink->start);
	sink->end -= sink->start;
	sink->start = 0;
	return ROOM - sink->end >= size;
}

void sink_put(struct sink *sink, enum event_kind kind, const char *line, size_t size)
{
	if (!has_room(sink, size)) {
		sink_lose(sink, event_loss_of(kind), 1);
		return;
	}
	memcpy(sink->bytes + sink->end, line, size);
	sink->end += size;
}

/* How much to write next: as many whole lines as a pipe takes at once. What waits may begin with
 * the rest of a line. */
static size_t next_piece(const struct sink *sink)
{
	size_t size = sink->end - sink->start;
	const char *newline;

	if (size <= PIPE_BUF)
		return size;
	newline = memrchr(sink->bytes + sink->start, '\n', PIPE_BUF);
	return newline ? (size_t)(newline + 1 - (sink->bytes + sink->start)) : PIPE_BUF;
}

/* A pipe that says so has room for PIPE_BUF bytes. */
static bool takes(const struct sink *sink)
{
	struct pollfd poller = {.fd = sink->fd, .events = POLLOUT};

	return !sink->polls || poll(&poller, 1, 0) > 0;
}

static int write_waiting(struct sink *sink)
{
	while (sink->start < sink->end) {
		ssize_t size;

		if (!takes(sink))
			return -EAGAIN;
		size = write(sink->fd, sink->bytes + sink->start, next_piece(sink));

		if (size > 0) {
			sink->start += (size_t)size;
			continue;
		}
		if (size < 0 && errno == EINTR)
			continue;
		return size < 0 ? -errno : -EAGAIN;
	}
	sink->start = sink->end = 0;
	return 0;
}

/* Puts a record for each kind of which some were lost. Whether there was any. */
static bool put_losses(struct sink *sink, const struct event_context *context)
{
	const struct event_context bare = {.policy = context->policy, .session = context->session};
	bool any = false;

	for (unsigned i = 0; i < EVENT_LOSSES; i++) {
		struct event event;
		char line[EVENT_LINE];

		if (sink->lost[i] == 0)
			continue;
		event_begin(&event, EVENT_LOST);
		event.loss = (uint8_t)i;
		event.count = sink->lost[i];
		sink->lost[i] = 0;
		sink_put(sink, EVENT_LOST, line, event_to_json(&event, &bare, line));
		any = true;
	}
	return any;
}

int sink_flush(struct sink *sink, const struct event_context *context)
{
	int error = write_waiting(sink);

	if (!error && put_losses(sink, context))
		error = write_waiting(sink);
	return error;
}
