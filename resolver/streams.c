/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/streams.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "resolver/framing.h"
#include "resolver/msg.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * A question goes through: asked (the keeper, for a socket), sending (which includes connecting:
 * the kernel takes nothing before), reading, and is free again. Time-outs are the engine's, which
 * cancels. The generation tells a socket or an event that comes after that from the ones of the
 * place's next question.
 */

enum {
	QUESTION_BYTES = FRAMING_LENGTH + MSG_QUESTION_MAX + 32,
	REPLY_BYTES = FRAMING_LENGTH + MSG_MAX,
	GENERATION_MASK = 0xffff,
	INDEX_SHIFT = 16,
	INDEX_MASK = 0xff,
};

enum stream_state { STREAM_FREE, STREAM_ASKED, STREAM_SENDING, STREAM_READING };

struct stream {
	enum stream_state state;
	int fd;
	uint16_t generation;
	unsigned upstream;
	uint32_t ticket; /* the engine's */
	struct outbox outbox;
	struct inbox inbox;
	uint8_t question[QUESTION_BYTES];
	uint8_t reply[REPLY_BYTES];
};

struct streams {
	int epoll;
	struct channel *channel;
	const struct dns_policy *dns;
	struct stream streams[STREAMS_MAX];
};

int streams_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	struct streams **ret_streams)
{
	struct streams *streams = mmap(NULL, sizeof(*streams), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (streams == MAP_FAILED)
		return -ENOMEM;
	streams->epoll = epoll;
	streams->channel = channel;
	streams->dns = dns;
	*ret_streams = streams;
	return 0;
}

static void end(struct stream *stream)
{
	if (stream->state > STREAM_ASKED)
		fd_closep(&stream->fd);
	stream->state = STREAM_FREE;
	stream->generation++;
}

void streams_free(struct streams *streams)
{
	if (!streams)
		return;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		end(&streams->streams[i]);
	munmap(streams, sizeof(*streams));
}

static uint32_t index_of(const struct streams *streams, const struct stream *stream)
{
	return (uint32_t)(stream - streams->streams);
}

static int request_socket(struct streams *streams, const struct stream *stream)
{
	struct channel_request request = {
		.op = CHANNEL_SOCKET,
		.ticket = STREAMS_TICKET | index_of(streams, stream) << INDEX_SHIFT |
			  stream->generation,
		.socket = {.upstream = stream->upstream, .stream = 1},
	};

	return channel_send_request(streams->channel, &request);
}

int streams_ask(struct streams *streams, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
	size_t size)
{
	struct stream *stream = streams->streams;
	int error;

	while (stream < streams->streams + STREAMS_MAX && stream->state != STREAM_FREE)
		stream++;
	if (stream == streams->streams + STREAMS_MAX)
		return -EAGAIN;
	stream->upstream = upstream;
	stream->ticket = ticket;
	stream->outbox = (struct outbox){.bytes = stream->question, .size = QUESTION_BYTES};
	stream->inbox = (struct inbox){.bytes = stream->reply, .size = REPLY_BYTES};
	error = outbox_put(&stream->outbox, bytes, size);
	if (!error)
		error = request_socket(streams, stream);
	if (!error)
		stream->state = STREAM_ASKED;
	return error;
}

void streams_cancel(struct streams *streams, uint32_t ticket)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		struct stream *stream = &streams->streams[i];

		if (stream->state != STREAM_FREE && stream->ticket == ticket)
			end(stream);
	}
}

static void fail(struct stream *stream, struct engine *engine, struct mono now)
{
	end(stream);
	engine_stream_failed(engine, stream->ticket, now);
}

static struct watch watch_of(const struct streams *streams, const struct stream *stream)
{
	return (struct watch){WATCH_STREAM, index_of(streams, stream), stream->generation};
}

/* Starts to connect. 0 or -errno. */
static int start(struct streams *streams, struct stream *stream)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&streams->dns->upstream[stream->upstream], &address);

	if (connect(stream->fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return watch_start(streams->epoll, stream->fd, watch_of(streams, stream), EPOLLOUT);
}

void streams_opened(struct streams *streams, const struct channel_reply *reply, int fd,
	struct engine *engine, struct mono now)
{
	uint32_t index = reply->ticket >> INDEX_SHIFT & INDEX_MASK;
	struct stream *stream = &streams->streams[index % STREAMS_MAX];

	if (stream->state != STREAM_ASKED ||
		stream->generation != (reply->ticket & GENERATION_MASK)) {
		fd_closep(&fd);
		return;
	}
	if (fd < 0) {
		fail(stream, engine, now);
		return;
	}
	stream->fd = fd;
	stream->state = STREAM_SENDING;
	if (start(streams, stream) != 0)
		fail(stream, engine, now);
}

/* 0, -EAGAIN when it isn't all sent, or -errno: of the connection, too. */
static int send_question(struct streams *streams, struct stream *stream)
{
	int error = outbox_send(&stream->outbox, stream->fd);

	if (error)
		return error;
	stream->state = STREAM_READING;
	return watch_change(streams->epoll, stream->fd, watch_of(streams, stream), EPOLLIN);
}

/* 0 with the whole reply, -EAGAIN before, or -errno. */
static int read_reply(struct stream *stream, const uint8_t **ret_reply, size_t *ret_size)
{
	int got = inbox_fill(&stream->inbox, stream->fd);

	if (got <= 0)
		return got < 0 ? got : -ECONNRESET;
	return inbox_next(&stream->inbox, ret_reply, ret_size);
}

void streams_event(
	struct streams *streams, struct watch watch, struct engine *engine, struct mono now)
{
	struct stream *stream = &streams->streams[watch.index];
	const uint8_t *reply;
	size_t size;
	int error;

	if (stream->state <= STREAM_ASKED || stream->generation != watch.generation)
		return;
	if (stream->state == STREAM_SENDING) {
		error = send_question(streams, stream);
		if (error && error != -EAGAIN)
			fail(stream, engine, now);
		return;
	}
	error = read_reply(stream, &reply, &size);
	if (error == -EAGAIN)
		return;
	if (error) {
		fail(stream, engine, now);
		return;
	}
	/* The place is free again, but what was read stays until something is read there anew. */
	end(stream);
	engine_stream_reply(engine, stream->ticket, reply, size, now);
}
