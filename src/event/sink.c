/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/event/event-ecs.h"
#include "src/event/event-json.h"
#include "src/event/event-ocsf.h"
#include "src/event/journal.h"
#include "src/event/members.h"
#include "src/event/syslog.h"

/*
 * Theory of operation
 *
 * A line comes as a record's own JSON and is made into what the sink takes, which its style says.
 *
 * Lines wait in a buffer. A pipe is given pieces of whole lines that are no longer than PIPE_BUF:
 * so it takes each as a whole or not at all, whoever else writes there. One that is not to be made
 * non-blocking, as standard output is others' too, is asked before. A file, which never waits, is
 * given all there is. It may take a part, when the disk is full; the rest leaves first the next
 * time, and no line is broken.
 *
 * A daemon's messages wait with their sizes before them, and each leaves as a datagram. One that
 * the daemon does not take stays, and so do those behind it, until it does. When it is gone, they
 * wait until somebody has connected the socket to the one after it, which who writes can't do.
 *
 * The last part of the buffer is for what comes rarely and is about many records, alerts among it:
 * a burst of others doesn't push it out.
 *
 * A line for which the buffer has no room, even after some of it was written, is counted. Once the
 * buffer has emptied, a record for each kind says how many those were.
 */

enum { ROOM = 1 << 16, RESERVE = 1 << 14 };

_Static_assert(EVENT_LINE <= PIPE_BUF, "a pipe takes a line as a whole");

/* Before each message of a daemon. */
struct head {
	uint32_t size;
	uint32_t kind; /* what it would be lost as */
};

enum {
	MESSAGE_MAX = JOURNAL_MESSAGE > SYSLOG_MESSAGE ? JOURNAL_MESSAGE : SYSLOG_MESSAGE,
};

_Static_assert(sizeof(struct head) + MESSAGE_MAX <= ROOM - RESERVE,
	"an empty sink has room for a message");

struct sink {
	int fd;
	bool all;
	struct sink_style style;
	int process; /* that writes, for syslog */
	bool polls;  /* a write might wait, unless it is asked first */
	uint64_t lost[EVENT_LOSSES];
	size_t start; /* of what waits in `bytes` */
	size_t end;
	char bytes[ROOM];
};

int sink_new(int fd, bool all, const struct sink_style *style, struct sink **ret_sink)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	sink->fd = fd;
	sink->all = all;
	sink->style = *style;
	sink->process = (int)getpid();
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

/* Whether so much has room within the first `room` bytes; what was written already makes some. */
static bool has_room(struct sink *sink, size_t size, size_t room)
{
	if (sink->end + size <= room)
		return true;
	if (sink->start == 0)
		return false;
	memmove(sink->bytes, sink->bytes + sink->start, sink->end - sink->start);
	sink->end -= sink->start;
	sink->start = 0;
	return sink->end + size <= room;
}

static void append(struct sink *sink, const void *bytes, size_t size)
{
	memcpy(sink->bytes + sink->end, bytes, size);
	sink->end += size;
}

/* How much to write next: all, or as many whole lines as a pipe takes at once. What waits may begin
 * with the rest of a line. */
static size_t next_piece(const struct sink *sink)
{
	size_t size = sink->end - sink->start;
	const char *newline;

	if (size <= PIPE_BUF || sink->style.whole)
		return size;
	newline = memrchr(sink->bytes + sink->start, '\n', PIPE_BUF);
	return newline ? (size_t)(newline + 1 - (sink->bytes + sink->start)) : PIPE_BUF;
}

/* A pipe that says so has room for PIPE_BUF bytes. */
static bool takes(const struct sink *sink)
{
	struct pollfd poller = {.fd = sink->fd, .events = POLLOUT};

	return sink->style.whole || !sink->polls || poll(&poller, 1, 0) > 0;
}

static int write_lines(struct sink *sink)
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

/* A daemon that is gone, however that shows. */
static int send_error(int error)
{
	return error == ENOTCONN || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE
		       ? -ENOTCONN
		       : -error;
}

static int send_messages(struct sink *sink)
{
	while (sink->start < sink->end) {
		struct head head;
		ssize_t size;

		memcpy(&head, sink->bytes + sink->start, sizeof(head));
		size = send(sink->fd, sink->bytes + sink->start + sizeof(head), head.size,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (size < 0 && errno == EINTR)
			continue;
		/* No daemon would ever take that one. */
		if (size < 0 && errno == EMSGSIZE)
			sink_lose(sink, event_loss_of((enum event_kind)head.kind), 1);
		else if (size < 0)
			return send_error(errno);
		sink->start += sizeof(head) + head.size;
	}
	sink->start = sink->end = 0;
	return 0;
}

static int write_waiting(struct sink *sink)
{
	return sink->style.kind == SINK_LINES ? write_lines(sink) : send_messages(sink);
}

/* --- What a line becomes --- */

/* NULL: the line is what it was. */
static size_t (*const formats[])(const struct members *members, char out[EVENT_LINE]) = {
	[SINK_NATIVE] = NULL,
	[SINK_ECS] = event_to_ecs,
	[SINK_OCSF] = event_to_ocsf,
};

/* What a daemon is sent for a line of another format, or for a record in its own words. */
static size_t make_message(const struct sink *sink, const struct members *members, struct text line,
	char out[MESSAGE_MAX])
{
	const struct syslog_origin origin = {sink->style.host, sink->process};

	if (line.length > 0)
		line.length--;
	return sink->style.kind == SINK_JOURNAL ? journal_write(members, line, out)
						: syslog_write(members, line, &origin, out);
}

static bool make_room(struct sink *sink, size_t size, size_t room)
{
	if (has_room(sink, size, room))
		return true;
	(void)write_waiting(sink);
	return has_room(sink, size, room);
}

/* What is to be written goes behind what waits; false: it was lost. */
static bool put(struct sink *sink, enum event_kind kind, const char *bytes, size_t size)
{
	const struct head head = {(uint32_t)size, (uint32_t)kind};
	size_t n_head = sink->style.kind == SINK_LINES ? 0 : sizeof(head);
	size_t room = event_loss_of(kind) < EVENT_LOSSES ? ROOM - RESERVE : ROOM;

	if (size == 0 || !make_room(sink, n_head + size, room)) {
		sink_lose(sink, event_loss_of(kind), 1);
		return false;
	}
	append(sink, &head, n_head);
	append(sink, bytes, size);
	return true;
}

bool sink_put(struct sink *sink, enum event_kind kind, const char *line, size_t size)
{
	char formatted[EVENT_LINE], message[MESSAGE_MAX];
	struct text other = {formatted, 0};
	struct members members;

	if (sink->style.kind == SINK_LINES && !formats[sink->style.format])
		return put(sink, kind, line, size);
	if (members_read(line, size, &members) != 0) {
		sink_lose(sink, event_loss_of(kind), 1);
		return false;
	}
	if (formats[sink->style.format])
		other.length = formats[sink->style.format](&members, formatted);
	if (sink->style.kind == SINK_LINES)
		return put(sink, kind, formatted, other.length);
	return put(sink, kind, message, make_message(sink, &members, other, message));
}

/* --- What was lost --- */

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
