/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/carry.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/kernel/porter.h"

/*
 * Theory of operation
 *
 * A connection is taken first, and then the service is tried at each of its addresses; if none
 * takes it the client's is reset. After that there is a pipe for each direction, which is read from
 * when it is empty only, so that who doesn't read slows down who writes, and whose end is passed on
 * (shutdown(2)) when all before it is. An error on either side resets the other one. A socket that
 * nothing is wanted of is not polled, as its hang-up would be told again and again.
 *
 * A datagram's sender has a session, a socket of his own to the service, by which answers find
 * back. Where nobody takes what was sent, and nobody ever has, the next address is tried with what
 * is sent next.
 *
 * Both tables can be filled by whoever may connect. When there are no more connections to be had,
 * further ones wait in the kernel's queue; the session that was idle for longest makes room.
 */

enum {
	FLOWS_MAX = 256,
	SESSIONS_MAX = 128,
	PIECE = 65536,
	DATAGRAMS_MAX = 64, /* of a socket at a time */
	SHORTAGE_MS = 100,  /* until it is tried again when descriptors or memory are short */
	LISTENERS_MAX = FORWARDS_MAX * FORWARD_LISTEN,
	POLLED_MAX = LISTENERS_MAX + 2 * FLOWS_MAX + SESSIONS_MAX,
};

/* One direction of a connection. */
struct pipe {
	uint8_t bytes[PIECE];
	size_t from, to; /* what has been read and not yet written */
	bool ended;      /* there is nothing more to read */
	bool passed;     /* which the other side knows */
};

struct flow {
	const struct forward *forward;
	int ends[2]; /* the client's, the service's */
	size_t n_tried;
	bool connecting;
	struct pipe pipes[2]; /* from that end to the other one */
};

struct session {
	const struct forward *forward;
	int listener;
	struct sockaddr_storage client;
	socklen_t client_size;
	int service;
	size_t n_tried;
	bool answered;
	uint64_t used; /* when: a count */
};

struct carry {
	const struct forward_list *list;
	int (*sockets)[FORWARD_LISTEN];
	int asker;
	bool lost;     /* there is nobody to ask any more */
	bool short_of; /* descriptors or memory */
	struct flow *flows[FLOWS_MAX];
	size_t n_flows;
	struct session sessions[SESSIONS_MAX];
	size_t n_sessions;
	uint64_t count;
	struct pollfd polled[POLLED_MAX];
	uint8_t datagram[PIECE];
};

/* A socket to the service at the next of its addresses; -ECONNREFUSED: there is none left. */
static int ask_next(
	struct carry *carry, const struct forward *forward, size_t *n_tried, int *ret_socket)
{
	int error = -ECONNREFUSED;

	while (*n_tried < FORWARD_TARGETS && error && !carry->lost) {
		error = porter_ask(
			carry->asker, &forward->targets[*n_tried], forward->stream, ret_socket);
		(*n_tried)++;
		carry->lost = error == -EPIPE;
	}
	return error;
}

/* --- Connections --- */

static void reset(int *fd)
{
	const struct linger at_once = {.l_onoff = 1};

	if (*fd >= 0)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_closep(fd);
}

static void remove_flow(struct carry *carry, size_t i)
{
	struct flow *flow = carry->flows[i];

	for (size_t end = 0; end < 2; end++) {
		if (flow->pipes[0].passed && flow->pipes[1].passed)
			fd_closep(&flow->ends[end]);
		else
			reset(&flow->ends[end]);
	}
	free(flow);
	carry->flows[i] = carry->flows[--carry->n_flows];
}

/* Tries the next address of the service. */
static int reach(struct carry *carry, struct flow *flow)
{
	fd_closep(&flow->ends[1]);
	flow->connecting = true;
	return ask_next(carry, flow->forward, &flow->n_tried, &flow->ends[1]);
}

static int add_flow(struct carry *carry, const struct forward *forward, int client)
{
	const int on = 1;
	struct flow *flow = calloc(1, sizeof(*flow));

	if (!flow) {
		reset(&client);
		return -ENOMEM;
	}
	/* Clients that are gone without a word must not fill the table. */
	(void)setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	flow->forward = forward;
	flow->ends[0] = client;
	flow->ends[1] = -1;
	carry->flows[carry->n_flows++] = flow;
	if (reach(carry, flow) != 0)
		remove_flow(carry, carry->n_flows - 1);
	return 0;
}

static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static void accept_all(struct carry *carry, const struct forward *forward, int listener)
{
	while (carry->n_flows < FLOWS_MAX) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		int error = fd < 0 ? -errno : add_flow(carry, forward, fd);

		carry->short_of |= is_shortage(error);
		if (error)
			return;
	}
}

/* Whether what recv(2) or send(2) has failed with is the end of the socket. */
static int failure(void)
{
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int fill(struct pipe *pipe, int fd)
{
	ssize_t got = recv(fd, pipe->bytes, sizeof(pipe->bytes), 0);

	if (got < 0)
		return failure();
	pipe->from = 0;
	pipe->to = (size_t)got;
	pipe->ended = got == 0;
	return 0;
}

static int drain(struct pipe *pipe, int fd)
{
	if (pipe->from < pipe->to) {
		ssize_t sent =
			send(fd, pipe->bytes + pipe->from, pipe->to - pipe->from, MSG_NOSIGNAL);

		if (sent < 0)
			return failure();
		pipe->from += (size_t)sent;
	}
	if (pipe->from == pipe->to && pipe->ended && !pipe->passed) {
		pipe->passed = true;
		return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
	}
	return 0;
}

/* What there is in this direction; `events` are those of where it comes from. */
static int move(struct flow *flow, size_t end, short events)
{
	struct pipe *pipe = &flow->pipes[end];
	int error = 0;

	if (events && pipe->from == pipe->to && !pipe->ended)
		error = fill(pipe, flow->ends[end]);
	return error ? error : drain(pipe, flow->ends[!end]);
}

/* Whether it has connected is known. */
static int find_out(struct carry *carry, struct flow *flow)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(flow->ends[1], SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (error)
		return reach(carry, flow);
	flow->connecting = false;
	return 0;
}

static void serve_flow(struct carry *carry, size_t i, const struct pollfd polled[2])
{
	struct flow *flow = carry->flows[i];
	int error = 0;

	if (!polled[0].revents && !polled[1].revents)
		return;
	if (flow->connecting)
		error = find_out(carry, flow);
	for (size_t end = 0; end < 2 && !error && !flow->connecting; end++)
		error = move(flow, end, polled[end].revents);
	if (error || (flow->pipes[0].passed && flow->pipes[1].passed))
		remove_flow(carry, i);
}

/* What is waited for at an end of a connection. */
static short flow_events(const struct flow *flow, size_t end)
{
	const struct pipe *from = &flow->pipes[end], *to = &flow->pipes[!end];
	short events = 0;

	if (flow->connecting)
		return end == 1 ? POLLOUT : 0;
	if (from->from == from->to && !from->ended)
		events |= POLLIN;
	if (to->from < to->to)
		events |= POLLOUT;
	return events;
}

/* --- Datagrams --- */

static void remove_session(struct carry *carry, size_t i)
{
	fd_closep(&carry->sessions[i].service);
	carry->sessions[i] = carry->sessions[--carry->n_sessions];
}

static void remove_oldest(struct carry *carry)
{
	size_t oldest = 0;

	for (size_t i = 1; i < carry->n_sessions; i++)
		if (carry->sessions[i].used < carry->sessions[oldest].used)
			oldest = i;
	remove_session(carry, oldest);
}

static struct session *find_session(
	struct carry *carry, int listener, const struct sockaddr_storage *client, socklen_t size)
{
	for (size_t i = 0; i < carry->n_sessions; i++) {
		struct session *session = &carry->sessions[i];

		if (session->listener == listener && session->client_size == size &&
			memcmp(&session->client, client, size) == 0)
			return session;
	}
	return NULL;
}

static struct session *add_session(struct carry *carry, const struct forward *forward, int listener,
	const struct sockaddr_storage *client, socklen_t size)
{
	struct session session = {.forward = forward,
		.listener = listener,
		.client = *client,
		.client_size = size,
		.service = -1};

	if (carry->n_sessions == SESSIONS_MAX)
		remove_oldest(carry);
	if (ask_next(carry, forward, &session.n_tried, &session.service) != 0)
		return NULL;
	carry->sessions[carry->n_sessions] = session;
	return &carry->sessions[carry->n_sessions++];
}

/* Nobody was there: elsewhere, or from the start. */
static void lose_service(struct carry *carry, struct session *session)
{
	fd_closep(&session->service);
	if (session->answered ||
		ask_next(carry, session->forward, &session->n_tried, &session->service) != 0)
		remove_session(carry, (size_t)(session - carry->sessions));
}

static void take_datagrams(struct carry *carry, const struct forward *forward, int listener)
{
	for (int i = 0; i < DATAGRAMS_MAX && !carry->lost; i++) {
		struct sockaddr_storage client = {.ss_family = AF_UNSPEC};
		socklen_t size = sizeof(client);
		ssize_t got = recvfrom(listener, carry->datagram, sizeof(carry->datagram), 0,
			(struct sockaddr *)&client, &size);
		struct session *session;

		if (got < 0)
			return;
		session = find_session(carry, listener, &client, size);
		if (!session)
			session = add_session(carry, forward, listener, &client, size);
		if (!session)
			continue;
		session->used = ++carry->count;
		if (send(session->service, carry->datagram, (size_t)got, MSG_NOSIGNAL) < 0 &&
			errno == ECONNREFUSED)
			lose_service(carry, session);
	}
}

static void return_datagrams(struct carry *carry, size_t i)
{
	struct session *session = &carry->sessions[i];

	for (int n = 0; n < DATAGRAMS_MAX; n++) {
		ssize_t got = recv(session->service, carry->datagram, sizeof(carry->datagram), 0);

		if (got < 0) {
			if (errno != EAGAIN && errno != EINTR)
				lose_service(carry, session);
			return;
		}
		session->answered = true;
		session->used = ++carry->count;
		(void)sendto(session->listener, carry->datagram, (size_t)got, MSG_NOSIGNAL,
			(struct sockaddr *)&session->client, session->client_size);
	}
}

/* --- All of it --- */

static struct pollfd wanted(int fd, short events)
{
	return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/* Listening sockets, two entries for each connection, one for each session. */
static size_t list_wanted(struct carry *carry)
{
	size_t count = 0;

	for (size_t i = 0; i < carry->list->count; i++) {
		bool stream = carry->list->rows[i].stream;
		bool has_room = !carry->short_of && (!stream || carry->n_flows < FLOWS_MAX);

		for (size_t j = 0; j < FORWARD_LISTEN; j++)
			carry->polled[count++] =
				wanted(carry->sockets[i][j], has_room ? POLLIN : 0);
	}
	for (size_t i = 0; i < carry->n_flows; i++)
		for (size_t end = 0; end < 2; end++)
			carry->polled[count++] = wanted(
				carry->flows[i]->ends[end], flow_events(carry->flows[i], end));
	for (size_t i = 0; i < carry->n_sessions; i++)
		carry->polled[count++] = wanted(carry->sessions[i].service, POLLIN);
	return count;
}

static void take(struct carry *carry)
{
	for (size_t i = 0; i < carry->list->count * FORWARD_LISTEN; i++) {
		const struct forward *forward = &carry->list->rows[i / FORWARD_LISTEN];

		if (!carry->polled[i].revents)
			continue;
		if (forward->stream)
			accept_all(carry, forward, carry->polled[i].fd);
		else
			take_datagrams(carry, forward, carry->polled[i].fd);
	}
}

/* From the last one back, since what is removed is replaced by the last one; what is new comes
 * behind those that were polled. */
static void serve(struct carry *carry)
{
	const struct pollfd *flows = carry->polled + carry->list->count * FORWARD_LISTEN;
	const struct pollfd *sessions = flows + 2 * carry->n_flows;

	for (size_t i = carry->n_sessions; i-- > 0;)
		if (sessions[i].revents)
			return_datagrams(carry, i);
	for (size_t i = carry->n_flows; i-- > 0;)
		serve_flow(carry, i, flows + 2 * i);
	take(carry);
}

int carry_serve(const struct forward_list *list, int sockets[][FORWARD_LISTEN], int asker)
{
	struct carry *carry = calloc(1, sizeof(*carry));
	int error = carry ? 0 : -ENOMEM;

	if (carry) {
		carry->list = list;
		carry->sockets = sockets;
		carry->asker = asker;
	}
	while (!error && !carry->lost) {
		size_t count = list_wanted(carry);
		int patience_ms = carry->short_of ? SHORTAGE_MS : -1;

		if (poll(carry->polled, count, patience_ms) < 0 && errno != EINTR)
			error = -errno;
		carry->short_of = false;
		if (!error)
			serve(carry);
	}
	for (size_t i = carry ? carry->n_flows : 0; i-- > 0;)
		remove_flow(carry, i);
	for (size_t i = carry ? carry->n_sessions : 0; i-- > 0;)
		remove_session(carry, i);
	free(carry);
	return error;
}
