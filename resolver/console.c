/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/console.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/local-socket.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * Nobody can make the parent wait, or hold more than a connection's share of it. Each connection
 * has one command at a time: its answer is kept here, and leaves a part for each call, which the
 * socket always has room for as the part before was read. Where it has none all the same, or where
 * a call is malformed, the connection ends. One that is silent for IDLE_MS ends too, and earlier
 * when others want its place; when all places have a command at work, others wait in the listening
 * socket.
 *
 * The socket's file is for its owner alone, and whoever comes through it is looked at once more:
 * the file's mode says nothing about a process that was given CAP_DAC_OVERRIDE, or a descriptor.
 */

enum {
	IDLE_MS = 30000,
	BACKLOG = 16,
	COMPLAINTS_MAX = 100, /* refused peers that are logged, in all */
};

struct connection {
	int fd; /* -1: the place is free */
	uint32_t ticket;
	bool busy; /* a command is at work */
	struct mono heard;
	char *answer;
	size_t size;
	size_t sent;
	enum console_status status;
};

struct console {
	struct local_socket listener;
	uid_t uid;
	struct connection connections[CONSOLE_CONNECTIONS];
	unsigned n_complaints;
};

int console_open(const char *path, uid_t uid, bool with_folder, struct console **ret_console,
	char *ret_problem)
{
	const struct local_socket_config config = {.path = path,
		.type = SOCK_SEQPACKET,
		.mode = 0600,
		.backlog = BACKLOG,
		.with_folder = with_folder,
		.uid = uid};
	struct console *console = calloc(1, sizeof(*console));
	int error = console ? 0 : -ENOMEM;

	if (!error) {
		console->listener.fd = -1;
		console->uid = uid;
		for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
			console->connections[i].fd = -1;
		error = local_socket_open(&config, &console->listener);
	}
	if (!error) {
		*ret_console = console;
		return 0;
	}
	snprintf(ret_problem, CONSOLE_PROBLEM, "%s: %s", path,
		error == -EADDRINUSE ? "another process listens there" : strerror(-error));
	console_close(console);
	return error;
}

/* The next ticket of the place: the old one means nothing any more. */
static void end_connection(struct connection *connection)
{
	fd_closep(&connection->fd);
	free(connection->answer);
	connection->answer = NULL;
	connection->busy = false;
	connection->ticket += CONSOLE_CONNECTIONS;
}

void console_close(struct console *console)
{
	if (!console)
		return;
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
		if (console->connections[i].fd >= 0)
			end_connection(&console->connections[i]);
	local_socket_close(&console->listener);
	free(console);
}

const char *console_path(const struct console *console)
{
	return console->listener.address.sun_path;
}

/* --- Answers --- */

static int send_part(int fd, enum console_status status, const char *text, size_t size, bool more)
{
	static struct console_part part;
	size_t length = offsetof(struct console_part, bytes) + size;
	ssize_t sent;

	part.version = CONSOLE_VERSION;
	part.status = status;
	part.more = more;
	part.size = (uint32_t)size;
	memcpy(part.bytes, text, size);
	do
		sent = send(fd, &part, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)length ? 0 : -EPIPE;
}

/* The next part of the answer. */
static void send_answer(struct connection *connection)
{
	size_t left = connection->size - connection->sent;
	size_t size = left < CONSOLE_BYTES ? left : CONSOLE_BYTES;

	if (send_part(connection->fd, connection->status, connection->answer + connection->sent,
		    size, left > size) < 0) {
		end_connection(connection);
		return;
	}
	connection->sent += size;
	if (left > size)
		return;
	free(connection->answer);
	connection->answer = NULL;
}

void console_answer(
	struct console *console, uint32_t ticket, enum console_status status, char *text)
{
	static const char no_memory[] =
		"{\"error\": \"out of memory for the answer: what was asked "
		"for may have been done\"}";
	struct connection *connection;

	if (!console_waits(console, ticket)) {
		free(text);
		return;
	}
	connection = &console->connections[console_index(ticket)];
	connection->busy = false;
	if (!text) {
		if (send_part(connection->fd, CONSOLE_REFUSED, no_memory, sizeof(no_memory) - 1,
			    false) < 0)
			end_connection(connection);
		return;
	}
	connection->answer = text;
	connection->size = strlen(text);
	connection->sent = 0;
	connection->status = status;
	send_answer(connection);
}

bool console_waits(const struct console *console, uint32_t ticket)
{
	const struct connection *connection = &console->connections[console_index(ticket)];

	return connection->fd >= 0 && connection->busy && connection->ticket == ticket;
}

/* --- Calls --- */

/* 1 with a call; 0: none waits; -errno: the connection is over. */
static int receive_call(int fd, struct console_call *ret_call)
{
	struct iovec part = {ret_call, sizeof(*ret_call)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(fd, &message, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (got == 0)
		return -EPIPE;
	if ((size_t)got != sizeof(*ret_call) || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
		ret_call->version != CONSOLE_VERSION || ret_call->json > 1 ||
		!memchr(ret_call->argument, '\0', sizeof(ret_call->argument)))
		return -EPROTO;
	return 1;
}

static void serve_connection(struct console *console, unsigned index, struct mono now,
	console_handler *handler, void *context)
{
	struct connection *connection = &console->connections[index];
	struct console_call call = {.version = 0};
	int got = receive_call(connection->fd, &call);

	if (got < 0)
		end_connection(connection);
	if (got <= 0)
		return;
	connection->heard = now;
	if (connection->answer) {
		if (call.command == CONSOLE_MORE)
			send_answer(connection);
		else
			end_connection(connection);
		return;
	}
	connection->busy = true;
	handler(context, connection->ticket, &call, now);
}

/* --- Connections --- */

static bool may_ask(struct console *console, int fd)
{
	static const char refusal[] = "{\"error\": \"only root and the user that the resolver "
				      "was started by may ask it\"}";
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		(peer.uid == 0 || peer.uid == console->uid))
		return true;
	if (console->n_complaints < COMPLAINTS_MAX) {
		console->n_complaints++;
		log_warning("%s: process %d of user %u was refused",
			console->listener.address.sun_path, (int)peer.pid, peer.uid);
	}
	send_part(fd, CONSOLE_REFUSED, refusal, sizeof(refusal) - 1, false);
	return false;
}

/* A free place, or that of the connection that has been silent for longest; NULL when each has a
 * command at work. */
static struct connection *find_place(struct console *console)
{
	struct connection *oldest = NULL;

	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++) {
		struct connection *connection = &console->connections[i];

		if (connection->fd < 0)
			return connection;
		if (!connection->busy && (!oldest || mono_before(connection->heard, oldest->heard)))
			oldest = connection;
	}
	return oldest;
}

static bool has_place(const struct console *console)
{
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
		if (console->connections[i].fd < 0 || !console->connections[i].busy)
			return true;
	return false;
}

static void accept_one(struct console *console, struct mono now)
{
	struct connection *place = find_place(console);
	CLEANUP_FD int fd = -1;

	if (!place)
		return;
	fd = accept4(console->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || !may_ask(console, fd))
		return;
	if (place->fd >= 0)
		end_connection(place);
	place->fd = fd_steal(&fd);
	place->heard = now;
	if (place->ticket == 0)
		place->ticket = (uint32_t)(place - console->connections) + CONSOLE_CONNECTIONS;
}

/* --- The loop --- */

void console_poll(const struct console *console, struct pollfd *ret_fds)
{
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++) {
		const struct connection *connection = &console->connections[i];

		/* Of one that is busy only that it has ended. */
		ret_fds[i] = (struct pollfd){
			.fd = connection->fd, .events = connection->busy ? POLLRDHUP : POLLIN};
	}
	ret_fds[CONSOLE_CONNECTIONS] = (struct pollfd){
		.fd = has_place(console) ? console->listener.fd : -1, .events = POLLIN};
}

int console_wait(const struct console *console, struct mono now)
{
	int wait = -1;

	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++) {
		const struct connection *connection = &console->connections[i];
		int64_t left;

		if (connection->fd < 0 || connection->busy)
			continue;
		left = IDLE_MS - mono_between(connection->heard, now).ms;
		left = left < 0 ? 0 : left;
		wait = wait < 0 || left < wait ? (int)left : wait;
	}
	return wait;
}

void console_serve(struct console *console, const struct pollfd *fds, struct mono now,
	console_handler *handler, void *context)
{
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++) {
		struct connection *connection = &console->connections[i];
		short events = connection->fd == fds[i].fd ? fds[i].revents : 0;

		if (connection->fd < 0)
			continue;
		if (!connection->busy && events)
			serve_connection(console, i, now, handler, context);
		else if (connection->busy ? (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0
					  : mono_between(connection->heard, now).ms >= IDLE_MS)
			end_connection(connection);
	}
	if (fds[CONSOLE_CONNECTIONS].revents)
		accept_one(console, now);
}
