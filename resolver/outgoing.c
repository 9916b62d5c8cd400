/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * Who wants to forge an answer must guess the port of the question as well as its ID (RFC 5452
 * section 9.2), so each server has several sockets with ports of the kernel's choice, a question
 * goes out by one drawn by chance, and a socket is replaced when it has been used for long. The
 * replaced one is still read for as long as answers to its questions may come. There are
 * always as many sockets as at the start: the load of a server doesn't change the number of
 * descriptors.
 *
 * Connected sockets tell of a server that can't be reached. The kernel gives such an error to
 * whatever call comes next: when that is the sending of another question, that is sent again.
 */

enum {
	SOCKETS = 16, /* to each server */
	BATCH = 32,
	REPLY_MAX = 4096,
	REPLY_STRIDE = REPLY_MAX + 64, /* not a multiple of a page, see udp.c */
	USES_MAX = 4096,               /* questions from one socket */
	AGE_MS = 300000,               /* the network may have changed under it */
	RETIRED_MS = 10000,            /* how long a replaced one is still read */
	RETRY_MS = 2000,               /* after the keeper couldn't open one */
	BUSY_MS = 20,                  /* when the channel was full */
};

struct socket {
	int fd; /* -1: none */
	uint32_t number;
	unsigned uses;
	struct mono since; /* when it was opened, or retired */
};

struct slot {
	struct socket active;
	struct socket retired;
	bool asked;    /* the keeper, for a new one */
	bool answered; /* by the keeper, once */
	bool unused;
	struct mono retry_at;
};

struct outgoing {
	int epoll;
	struct channel *channel;
	const struct dns_policy *dns;
	struct hash_key key;
	uint64_t n_asked;
	uint32_t last_number;
	struct mono due; /* when there is something to do in a tick */
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint8_t replies[BATCH][REPLY_STRIDE];
	size_t n_slots;
	struct slot slots[]; /* SOCKETS for each server */
};

int outgoing_new(int epoll, struct channel *channel, const struct dns_policy *dns,
	const struct hash_key *key, struct outgoing **ret_outgoing)
{
	size_t n_slots = dns->n_upstream * SOCKETS;
	struct outgoing *outgoing =
		calloc(1, sizeof(*outgoing) + n_slots * sizeof(outgoing->slots[0]));

	if (!outgoing)
		return -ENOMEM;
	outgoing->epoll = epoll;
	outgoing->channel = channel;
	outgoing->dns = dns;
	outgoing->key = *key;
	outgoing->n_slots = n_slots;
	for (size_t i = 0; i < n_slots; i++) {
		/* A server that is asked by TLS needs none. */
		outgoing->slots[i].answered = dns->upstream[i / SOCKETS].tls;
		outgoing->slots[i].unused = dns->upstream[i / SOCKETS].tls;
		outgoing->slots[i].active.fd = -1;
		outgoing->slots[i].retired.fd = -1;
	}
	for (unsigned i = 0; i < BATCH; i++) {
		outgoing->parts[i] = (struct iovec){outgoing->replies[i], REPLY_MAX};
		outgoing->messages[i].msg_hdr.msg_iov = &outgoing->parts[i];
		outgoing->messages[i].msg_hdr.msg_iovlen = 1;
	}
	*ret_outgoing = outgoing;
	return 0;
}

void outgoing_free(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	for (size_t i = 0; i < outgoing->n_slots; i++) {
		fd_closep(&outgoing->slots[i].active.fd);
		fd_closep(&outgoing->slots[i].retired.fd);
	}
	free(outgoing);
}

static unsigned upstream_of(const struct outgoing *outgoing, const struct slot *slot)
{
	return (unsigned)(slot - outgoing->slots) / SOCKETS;
}

/* --- Questions and answers --- */

/* One of the server's sockets, drawn by chance; NULL when it has none. */
static struct socket *draw(struct outgoing *outgoing, unsigned upstream)
{
	uint64_t nonce = outgoing->n_asked++;
	uint64_t start = hash_bytes(&outgoing->key, &nonce, sizeof(nonce));

	for (unsigned i = 0; i < SOCKETS; i++) {
		struct slot *slot = &outgoing->slots[upstream * SOCKETS + (start + i) % SOCKETS];

		if (slot->active.fd >= 0)
			return &slot->active;
	}
	return NULL;
}

static int send_question(const struct socket *socket, const uint8_t *bytes, size_t size)
{
	ssize_t sent;

	do
		sent = send(socket->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int outgoing_ask(struct outgoing *outgoing, unsigned upstream, const uint8_t *bytes, size_t size,
	unsigned *ret_socket)
{
	struct socket *socket = draw(outgoing, upstream);
	int error;

	if (!socket)
		return -ENOTCONN;
	error = send_question(socket, bytes, size);
	if (error && error != -EAGAIN)
		error = send_question(socket, bytes, size);
	if (error == -EAGAIN)
		return error;
	/* An error that stays is the socket's, whose address may have gone. */
	socket->uses = error ? USES_MAX : socket->uses + 1;
	if (socket->uses >= USES_MAX)
		outgoing->due = (struct mono){0};
	if (error)
		return error;
	*ret_socket = socket->number;
	return 0;
}

/* Receives a batch. Whether the socket told an error instead. */
static bool receive(struct outgoing *outgoing, unsigned upstream, const struct socket *socket,
	struct engine *engine, struct mono now)
{
	int count = recvmmsg(socket->fd, outgoing->messages, BATCH, MSG_DONTWAIT, NULL);

	if (count < 0)
		return errno != EAGAIN && errno != EINTR;
	for (int i = 0; i < count; i++)
		if (!(outgoing->messages[i].msg_hdr.msg_flags & MSG_TRUNC))
			engine_reply(engine, upstream, socket->number, outgoing->replies[i],
				outgoing->messages[i].msg_len, now);
	return false;
}

void outgoing_event(
	struct outgoing *outgoing, struct watch watch, struct engine *engine, struct mono now)
{
	struct slot *slot = &outgoing->slots[watch.index];
	struct socket *sockets[] = {&slot->active, &slot->retired};
	unsigned upstream = upstream_of(outgoing, slot);

	for (unsigned i = 0; i < 2; i++) {
		if (sockets[i]->fd < 0 || sockets[i]->number != watch.generation)
			continue;
		if (receive(outgoing, upstream, sockets[i], engine, now))
			engine_unreachable(engine, upstream, sockets[i]->number, now);
	}
}

/* --- Sockets --- */

static void complain(const struct outgoing *outgoing, const struct slot *slot, int error)
{
	unsigned upstream = upstream_of(outgoing, slot);
	char text[INADDR_TEXT];

	/* Once for all sockets of the server. */
	if (slot == &outgoing->slots[upstream * SOCKETS] && !slot->answered)
		log_warning("upstream %s: no socket: %s",
			endpoint_to_text(&outgoing->dns->upstream[upstream].at, text),
			strerror(-error));
}

/* Puts a new socket into use; the one before it is only read from here on. */
static int replace(struct outgoing *outgoing, struct slot *slot, int fd, struct mono now)
{
	uint32_t number = outgoing->last_number + 1;
	struct watch watch = {WATCH_UPSTREAM, (uint32_t)(slot - outgoing->slots), number};
	int error = watch_start(outgoing->epoll, fd, watch, EPOLLIN);

	if (error)
		return error;
	fd_closep(&slot->retired.fd);
	slot->retired = slot->active;
	slot->retired.since = now;
	slot->active = (struct socket){.fd = fd, .number = number, .since = now};
	outgoing->last_number = number;
	return 0;
}

void outgoing_opened(
	struct outgoing *outgoing, const struct channel_reply *reply, int fd, struct mono now)
{
	int error = reply->status;
	struct slot *slot;

	if (reply->ticket >= outgoing->n_slots || !outgoing->slots[reply->ticket].asked) {
		fd_closep(&fd);
		return;
	}
	slot = &outgoing->slots[reply->ticket];
	slot->asked = false;
	if (!error)
		error = fd < 0 ? -EBADF : replace(outgoing, slot, fd, now);
	if (error) {
		fd_closep(&fd);
		complain(outgoing, slot, error);
		slot->retry_at = mono_add(now, (struct duration){RETRY_MS});
	}
	slot->answered = true;
	outgoing->due = now;
}

bool outgoing_is_settled(const struct outgoing *outgoing)
{
	for (size_t i = 0; i < outgoing->n_slots; i++)
		if (!outgoing->slots[i].answered)
			return false;
	return true;
}

static bool is_worn(const struct socket *socket, struct mono now)
{
	return socket->uses >= USES_MAX || mono_between(socket->since, now).ms >= AGE_MS;
}

static int request_socket(struct outgoing *outgoing, struct slot *slot)
{
	struct channel_request request = {
		.op = CHANNEL_SOCKET,
		.ticket = (uint32_t)(slot - outgoing->slots),
		.socket = {.upstream = upstream_of(outgoing, slot), .stream = 0},
	};
	int error = channel_send_request(outgoing->channel, &request);

	slot->asked = error == 0;
	return error;
}

/* When the slot has to be seen to again, having been seen to. */
static struct mono see_to(struct outgoing *outgoing, struct slot *slot, struct mono now)
{
	struct mono retired_until = mono_add(slot->retired.since, (struct duration){RETIRED_MS});
	bool needs = slot->active.fd < 0 || is_worn(&slot->active, now);

	if (slot->retired.fd >= 0 && !mono_before(now, retired_until))
		fd_closep(&slot->retired.fd);
	if (slot->asked || slot->unused)
		return mono_add(now, (struct duration){AGE_MS});
	if (needs && slot->retired.fd >= 0)
		return retired_until;
	if (needs && mono_before(now, slot->retry_at))
		return slot->retry_at;
	if (needs && request_socket(outgoing, slot) != 0)
		return mono_add(now, (struct duration){BUSY_MS});
	if (slot->retired.fd >= 0)
		return retired_until;
	return mono_add(needs ? now : slot->active.since, (struct duration){AGE_MS});
}

void outgoing_tick(struct outgoing *outgoing, struct mono now)
{
	if (mono_before(now, outgoing->due))
		return;
	outgoing->due = mono_add(now, (struct duration){AGE_MS});
	for (size_t i = 0; i < outgoing->n_slots; i++) {
		struct mono due = see_to(outgoing, &outgoing->slots[i], now);

		if (mono_before(due, outgoing->due))
			outgoing->due = due;
	}
}

int outgoing_wait(const struct outgoing *outgoing, struct mono now)
{
	return outgoing->n_slots > 0 ? wait_until(now, outgoing->due) : -1;
}
