/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/streams.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "resolver/framing.h"
#include "resolver/msg.h"
#include "resolver/question.h"
#include "resolver/tls.h"
#include "rules/dns-server.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * There is one connection to a server, made when it is first needed (RFC 7766 section 6.2.2). It
 * goes through: asked (the keeper, for a socket), connecting, with TLS a handshake, and open.
 * Questions may be added at any time, and their answers come in any order, told apart by ID, which
 * no two questions of a worker have at once. A question that was answered from elsewhere stays in
 * the list until its answer comes or the connection ends: that is told the engine all the same.
 *
 * A connection ends when nothing is out on it for a while, or when something is and the server is
 * silent; also with the first thing that is wrong with it. Then every question that was out on it
 * has failed, and the next one makes a new connection. The generation tells a socket or an event
 * that comes late from those of the next connection.
 */

enum {
	INBOX_BYTES = FRAMING_LENGTH + MSG_MAX,
	OUTBOX_BYTES = 64 * (FRAMING_LENGTH + QUESTION_MAX),
	GENERATION_MASK = 0xffff,
	INDEX_SHIFT = 16,
	INDEX_MASK = 0xff,
	CONNECT_MS = 3000, /* from the request to the keeper to the end of the handshake */
	SILENCE_MS = 2000, /* while an answer is due */
	IDLE_MS = 10000,
	READS_MAX = 8, /* in one turn of the loop */
};

enum stream_state {
	STREAM_FREE,
	STREAM_ASKED,
	STREAM_CONNECTING,
	STREAM_HANDSHAKE,
	STREAM_OPEN,
};

/* A question that is out. */
struct asked {
	uint32_t ticket; /* the engine's */
	uint16_t id;
};

struct stream {
	enum stream_state state;
	int fd;
	uint16_t generation;
	struct tls *tls;   /* NULL: TCP without */
	bool worked;       /* an answer came */
	bool complained;   /* its failure has been logged */
	bool more;         /* there may be more to read than the kernel knows */
	uint32_t events;   /* waited for */
	struct mono since; /* when it was begun, heard of, or became idle or not */
	size_t n_asked;
	struct asked asked[STREAMS_QUESTIONS_MAX];
	struct outbox outbox;
	struct inbox inbox;
	uint8_t questions[OUTBOX_BYTES];
	uint8_t replies[INBOX_BYTES];
};

struct streams {
	int epoll;
	struct channel *channel;
	const struct dns_policy *dns;
	struct tls_trust *trust;
	struct mono now; /* of the last call that was told */
	struct stream streams[DNS_SERVERS_MAX];
};

int streams_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	struct tls_trust *trust, struct streams **ret_streams)
{
	struct streams *streams = mmap(NULL, sizeof(*streams), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (streams == MAP_FAILED)
		return -ENOMEM;
	streams->epoll = epoll;
	streams->channel = channel;
	streams->dns = dns;
	streams->trust = trust;
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++)
		streams->streams[i].fd = -1;
	*ret_streams = streams;
	return 0;
}

/* --- Connections --- */

static unsigned index_of(const struct streams *streams, const struct stream *stream)
{
	return (unsigned)(stream - streams->streams);
}

static struct watch watch_of(const struct streams *streams, const struct stream *stream)
{
	return (struct watch){WATCH_STREAM, index_of(streams, stream), stream->generation};
}

static void end(struct stream *stream)
{
	tls_free(stream->tls);
	stream->tls = NULL;
	fd_closep(&stream->fd);
	stream->state = STREAM_FREE;
	stream->generation++;
	stream->n_asked = 0;
	stream->worked = false;
	stream->more = false;
}

void streams_free(struct streams *streams)
{
	if (!streams)
		return;
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++)
		end(&streams->streams[i]);
	munmap(streams, sizeof(*streams));
}

/* Says once why a server can't be asked, until it can be. */
static void complain(const struct streams *streams, struct stream *stream, int error)
{
	const struct dns_server *server = &streams->dns->upstream[index_of(streams, stream)];
	const char *problem = stream->tls ? tls_problem(stream->tls) : "";
	char text[DNS_SERVER_TEXT];

	if (stream->complained)
		return;
	stream->complained = true;
	log_warning("upstream %s: %s: %s", dns_server_to_text(server, text),
		server->tls ? "no TLS" : "no TCP", problem[0] ? problem : strerror(-error));
}

/* The connection can't be used any more. */
static void fail(struct streams *streams, struct stream *stream, int error, struct engine *engine)
{
	enum engine_stream_failure why = ENGINE_STREAM_BROKEN;
	struct asked asked[STREAMS_QUESTIONS_MAX];
	size_t n_asked = stream->n_asked;

	if (error == -EKEYREJECTED)
		why = ENGINE_STREAM_UNTRUSTED;
	else if (stream->worked)
		why = ENGINE_STREAM_CLOSED;
	if (why != ENGINE_STREAM_CLOSED)
		complain(streams, stream, error);
	memcpy(asked, stream->asked, n_asked * sizeof(*asked));
	end(stream);
	/* Each may lead to a new connection. */
	for (size_t i = 0; i < n_asked; i++)
		engine_stream_failed(
			engine, index_of(streams, stream), asked[i].ticket, why, streams->now);
}

static int request_socket(struct streams *streams, const struct stream *stream)
{
	struct channel_request request = {
		.op = CHANNEL_SOCKET,
		.ticket = STREAMS_TICKET | index_of(streams, stream) << INDEX_SHIFT |
			  stream->generation,
		.socket = {.upstream = index_of(streams, stream), .stream = 1},
	};

	return channel_send_request(streams->channel, &request);
}

static int begin(struct streams *streams, struct stream *stream)
{
	int error = request_socket(streams, stream);

	if (error)
		return error;
	stream->state = STREAM_ASKED;
	stream->outbox = (struct outbox){.bytes = stream->questions, .size = OUTBOX_BYTES};
	stream->inbox = (struct inbox){.bytes = stream->replies, .size = INBOX_BYTES};
	stream->since = streams->now;
	return 0;
}

/* The place of a question with the ID: at the end if there is none. */
static struct asked *find_asked(struct stream *stream, uint16_t id)
{
	size_t i = 0;

	while (i < stream->n_asked && stream->asked[i].id != id)
		i++;
	return &stream->asked[i];
}

static bool is_silent(const struct stream *stream, struct mono now)
{
	return stream->n_asked > 0 && mono_between(stream->since, now).ms >= SILENCE_MS;
}

int streams_ask(struct streams *streams, unsigned upstream, uint32_t ticket, const uint8_t *bytes,
	size_t size)
{
	struct stream *stream = &streams->streams[upstream];
	struct reader reader = reader_over(bytes, size);
	uint16_t id = reader_u16(&reader);
	int error = stream->state == STREAM_FREE ? begin(streams, stream) : 0;
	struct asked *place = find_asked(stream, id);
	bool is_new = place == stream->asked + stream->n_asked;

	if (!error && is_new && stream->n_asked == STREAMS_QUESTIONS_MAX)
		error = -EAGAIN;
	if (!error)
		error = outbox_put(&stream->outbox, bytes, size);
	if (error)
		return error == -ENOBUFS ? -EAGAIN : error;
	if (stream->n_asked == 0 && stream->state == STREAM_OPEN)
		stream->since = streams->now;
	*place = (struct asked){ticket, id};
	stream->n_asked += is_new;
	return 0;
}

void streams_opened(struct streams *streams, const struct channel_reply *reply, int fd,
	struct engine *engine, struct mono now)
{
	uint32_t index = (reply->ticket >> INDEX_SHIFT & INDEX_MASK) % DNS_SERVERS_MAX;
	struct stream *stream = &streams->streams[index];
	int error = reply->status;

	streams->now = now;
	if (stream->state != STREAM_ASKED ||
		stream->generation != (reply->ticket & GENERATION_MASK)) {
		fd_closep(&fd);
		return;
	}
	if (!error && fd < 0)
		error = -EBADF;
	stream->fd = fd;
	stream->state = STREAM_CONNECTING;
	stream->events = EPOLLOUT;
	if (!error && streams->dns->upstream[index].tls)
		error = tls_new(streams->trust, index, fd, &stream->tls);
	if (!error)
		error = watch_start(streams->epoll, fd, watch_of(streams, stream), EPOLLOUT);
	if (error)
		fail(streams, stream, error, engine);
}

/* --- Bytes --- */

/* Sends what there is. 0 when nothing is left, -EAGAIN, or -errno. */
static int send_questions(struct stream *stream)
{
	struct outbox *outbox = &stream->outbox;

	if (!stream->tls)
		return outbox_send(outbox, stream->fd);
	while (outbox->start < outbox->end) {
		int put = tls_write(
			stream->tls, outbox->bytes + outbox->start, outbox_pending(outbox));

		if (put <= 0)
			return put < 0 ? put : -ECONNRESET;
		outbox->start += (size_t)put;
	}
	outbox->start = 0;
	outbox->end = 0;
	return 0;
}

/* Reads once. How many bytes came, -EAGAIN or -errno; the end of the stream is one. */
static int receive(struct stream *stream)
{
	uint8_t *space;
	size_t room;
	int got;

	if (stream->tls) {
		room = inbox_space(&stream->inbox, &space);
		got = room > 0 ? tls_read(stream->tls, space, room) : -ENOBUFS;
		if (got > 0)
			stream->inbox.end += (size_t)got;
	} else {
		got = inbox_fill(&stream->inbox, stream->fd);
	}
	return got == 0 ? -ECONNRESET : got;
}

/* Hands a reply to the engine, if it is to a question that is out. */
static void take_reply(struct streams *streams, struct stream *stream, const uint8_t *reply,
	size_t size, struct engine *engine)
{
	struct reader reader = reader_over(reply, size);
	struct asked *place = find_asked(stream, reader_u16(&reader));
	uint32_t ticket;

	if (reader.failed || place == stream->asked + stream->n_asked)
		return;
	ticket = place->ticket;
	*place = stream->asked[--stream->n_asked];
	stream->worked = true;
	stream->complained = false;
	stream->since = streams->now;
	engine_stream_reply(engine, index_of(streams, stream), ticket, reply, size, streams->now);
}

/* The replies that are complete. 0 or -errno. */
static int take_replies(struct streams *streams, struct stream *stream, struct engine *engine)
{
	const uint8_t *reply;
	size_t size;
	int error;

	while ((error = inbox_next(&stream->inbox, &reply, &size)) == 0)
		take_reply(streams, stream, reply, size, engine);
	return error == -EAGAIN ? 0 : error;
}

/* Reads and hands on what is there. -EAGAIN when it is read out, 0 when there may be more; or
 * -errno. */
static int read_replies(struct streams *streams, struct stream *stream, struct engine *engine)
{
	for (unsigned i = 0; i < READS_MAX; i++) {
		int got = receive(stream);
		int error = got > 0 ? take_replies(streams, stream, engine) : got;

		if (error)
			return error;
	}
	return 0;
}

/* --- Progress --- */

/* Connects as far as it goes. 0 once it is open, -EAGAIN before, or -errno. */
static int connect_on(struct streams *streams, struct stream *stream)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (stream->state == STREAM_CONNECTING) {
		if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			return -errno;
		if (error)
			return -error;
		stream->state = STREAM_HANDSHAKE;
	}
	error = stream->tls ? tls_handshake(stream->tls) : 0;
	if (error)
		return error;
	stream->state = STREAM_OPEN;
	stream->since = streams->now;
	return 0;
}

static int wait_for(const struct streams *streams, struct stream *stream, bool sent)
{
	uint32_t events = EPOLLIN;

	if (!sent && (!stream->tls || tls_wants_write(stream->tls)))
		events |= EPOLLOUT;
	if (events == stream->events)
		return 0;
	stream->events = events;
	return watch_change(streams->epoll, stream->fd, watch_of(streams, stream), events);
}

/* Does what the connection is ready for: `reads`, if there is something to read. */
static int go_on(struct streams *streams, struct stream *stream, bool reads, struct engine *engine)
{
	int error = stream->state == STREAM_OPEN ? 0 : connect_on(streams, stream);
	bool sent = false;

	stream->more = false;
	if (!error && reads) {
		error = read_replies(streams, stream, engine);
		stream->more = error == 0;
	}
	if ((!error || error == -EAGAIN) && stream->state == STREAM_OPEN) {
		error = send_questions(stream);
		sent = error == 0;
	}
	if (error && error != -EAGAIN)
		return error;
	return wait_for(streams, stream, sent);
}

void streams_event(
	struct streams *streams, struct watch watch, struct engine *engine, struct mono now)
{
	struct stream *stream = &streams->streams[watch.index];
	int error;

	streams->now = now;
	if (stream->state <= STREAM_ASKED || stream->generation != (uint16_t)watch.generation)
		return;
	error = go_on(streams, stream, true, engine);
	if (error)
		fail(streams, stream, error, engine);
}

/* When the connection ends unless something happens. */
static struct mono deadline_of(const struct stream *stream)
{
	int64_t span = IDLE_MS;

	if (stream->state != STREAM_OPEN)
		span = CONNECT_MS;
	else if (stream->n_asked > 0)
		span = SILENCE_MS;
	return mono_add(stream->since, (struct duration){span});
}

static void expire(struct streams *streams, struct stream *stream, struct engine *engine)
{
	if (stream->state != STREAM_OPEN || is_silent(stream, streams->now)) {
		fail(streams, stream, -ETIMEDOUT, engine);
		return;
	}
	if (stream->tls)
		tls_end(stream->tls);
	end(stream);
}

/* Whether there is something to do that no event will tell of. */
static bool is_ready(const struct stream *stream)
{
	bool sends = outbox_pending(&stream->outbox) > 0 && !(stream->events & EPOLLOUT);

	return stream->state == STREAM_OPEN && (sends || stream->more);
}

static void tick(struct streams *streams, struct stream *stream, struct engine *engine)
{
	int error = is_ready(stream) ? go_on(streams, stream, stream->more, engine) : 0;

	if (error)
		fail(streams, stream, error, engine);
	else if (!mono_before(streams->now, deadline_of(stream)))
		expire(streams, stream, engine);
}

int streams_tick(struct streams *streams, struct engine *engine, struct mono now)
{
	int wait = -1;

	streams->now = now;
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++)
		if (streams->streams[i].state != STREAM_FREE)
			tick(streams, &streams->streams[i], engine);
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++) {
		const struct stream *stream = &streams->streams[i];

		if (is_ready(stream))
			return 0;
		if (stream->state != STREAM_FREE)
			wait = wait_sooner(wait, wait_until(now, deadline_of(stream)));
	}
	return wait;
}
