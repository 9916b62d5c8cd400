/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/porter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * A network namespace whose resolver has its upstream sockets from here needs no way to any DNS
 * server: a socket belongs to the namespace it was opened in, whoever holds it. The porter is told
 * an endpoint and opens it only if it is on its list, so that who asks, even if it has been taken
 * over, gets nothing else; the port is drawn by the kernel.
 *
 * Messages have a fixed size, over a SOCK_SEQPACKET pair. A number that the asker draws comes back
 * with the answer, so that one which came too late is not taken for the next one.
 */

struct porter_request {
	uint32_t ticket;
	uint32_t stream; /* 0: UDP; 1: TCP */
	struct endpoint server;
};

struct porter_reply {
	uint32_t ticket;
	int32_t status; /* 0 with the socket, or -errno */
};

enum { PATIENCE_MS = 1000 };

int porter_pair(int *ret_porter, int *ret_asker)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*ret_porter = ends[0];
	*ret_asker = ends[1];
	return 0;
}

/* --- The porter --- */

static bool is_server(
	const struct endpoint *servers, size_t n_servers, const struct endpoint *wanted)
{
	for (size_t i = 0; i < n_servers; i++)
		if (servers[i].port == wanted->port &&
			inaddr_compare(&servers[i].address, &wanted->address) == 0)
			return true;
	return false;
}

/* A socket, or -errno. */
static int open_socket(const struct endpoint *server, bool stream)
{
	int type = (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(server, &address);
	CLEANUP_FD int fd = socket(address.ss_family, type, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}

static int answer(int porter, const struct porter_request *request, const struct endpoint *servers,
	size_t n_servers)
{
	CLEANUP_FD int fd = -1;
	struct porter_reply reply;

	if (request->stream > 1)
		return -EPROTO;
	fd = -EPERM;
	if (is_server(servers, n_servers, &request->server))
		fd = open_socket(&request->server, request->stream);
	reply = (struct porter_reply){request->ticket, fd < 0 ? fd : 0};
	return fd_send_passing(porter, &reply, sizeof(reply), fd);
}

int porter_serve(int porter, const struct endpoint *servers, size_t n_servers)
{
	int error = 0;

	while (error == 0) {
		struct porter_request request;
		ssize_t size = recv(porter, &request, sizeof(request), MSG_TRUNC);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return size == 0 || errno == ECONNRESET ? 0 : -errno;
		error = size == sizeof(request) ? answer(porter, &request, servers, n_servers)
						: -EPROTO;
	}
	return error == -EPIPE || error == -ECONNRESET ? 0 : error;
}

/* --- Who asks --- */

int porter_adopt(int asker)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int type;
	socklen_t size = sizeof(type);

	if (getsockopt(asker, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -ENOTSOCK;
	if (setsockopt(asker, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(asker, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		fcntl(asker, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* One answer with the socket in it, or -1. 0 or -errno. */
static int receive_reply(int asker, struct porter_reply *ret_reply, int *ret_passed)
{
	union fd_control control;
	struct iovec part = {ret_reply, sizeof(*ret_reply)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t size;

	do
		size = recvmsg(asker, &message, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size < 0 && errno == EAGAIN)
		return -ETIMEDOUT;
	if (size <= 0)
		return size == 0 || errno == ECONNRESET ? -EPIPE : -errno;
	*ret_passed = fd_take_passed(&message);
	if (size == sizeof(*ret_reply) && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	fd_closep(ret_passed);
	return -EPROTO;
}

/* The answer with that number; late ones to others are thrown away. */
static int await_reply(int asker, uint32_t ticket, int *ret_socket)
{
	const struct mono end = mono_add(clock_now(), (struct duration){PATIENCE_MS});

	while (mono_before(clock_now(), end)) {
		CLEANUP_FD int passed = -1;
		struct porter_reply reply;
		int error = receive_reply(asker, &reply, &passed);

		if (error)
			return error;
		if (reply.ticket != ticket)
			continue;
		if (reply.status != 0 || passed < 0)
			return reply.status < 0 ? reply.status : -EPROTO;
		*ret_socket = fd_steal(&passed);
		return 0;
	}
	return -ETIMEDOUT;
}

int porter_ask(int asker, const struct endpoint *server, bool stream, int *ret_socket)
{
	struct porter_request request;
	ssize_t sent;

	memset(&request, 0, sizeof(request)); /* the gaps, too */
	request.stream = stream;
	request.server = *server;
	if (getrandom(&request.ticket, sizeof(request.ticket), 0) != sizeof(request.ticket))
		return -EIO;
	do
		sent = send(asker, &request, sizeof(request), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? -ETIMEDOUT : errno == ECONNRESET ? -EPIPE : -errno;
	return await_reply(asker, request.ticket, ret_socket);
}
