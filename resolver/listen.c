/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * The parent opens the sockets and keeps them for as long as their addresses are listened to:
 * workers come and go with copies, and what arrives while none is there waits. With several workers
 * each has a socket of its own, and the kernel spreads clients over them (SO_REUSEPORT).
 *
 * SO_REUSEPORT lets any process of the same user that sets it bind to the same address, and then
 * get a share of the queries: a second resolver started by mistake would, with another policy. So
 * the first socket of an address is bound without it, which fails if anybody is there, and has it
 * switched on for the others afterwards, if there are any. A resolver that comes later fails at its
 * own first socket in the same way.
 *
 * IPv6 sockets take no IPv4: each family has its addresses in the policy. Where the kernel has no
 * IPv6 the loopback's address, which is among those of a policy that names none, is left out.
 */

enum {
	RECEIVE_BYTES = 4 << 20, /* what waits while workers are replaced, or in a burst */
	BACKLOG = 1024,
	TYPES = 2,
};

static const int types[TYPES] = {SOCK_DGRAM, SOCK_STREAM};

struct listeners {
	struct endpoint *endpoints;
	size_t n_endpoints;
	size_t room; /* for endpoints */
	unsigned workers;
	int *fds; /* of (worker, type, endpoint), endpoints together; -1: none */
};

static int *fds_of(const struct listeners *listeners, unsigned worker, unsigned type)
{
	return &listeners->fds[(worker * TYPES + type) * listeners->room];
}

size_t listeners_count(const struct listeners *listeners)
{
	return listeners->n_endpoints;
}

const int *listeners_udp(const struct listeners *listeners, unsigned worker)
{
	return fds_of(listeners, worker, 0);
}

const int *listeners_tcp(const struct listeners *listeners, unsigned worker)
{
	return fds_of(listeners, worker, 1);
}

void listeners_close(struct listeners *listeners)
{
	if (!listeners)
		return;
	for (size_t i = 0; listeners->fds && i < listeners->workers * TYPES * listeners->room; i++)
		fd_closep(&listeners->fds[i]);
	free(listeners->fds);
	free(listeners->endpoints);
	free(listeners);
}

static int make(size_t room, unsigned workers, struct listeners **ret_listeners)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	size_t n_fds = workers * TYPES * room;

	if (!listeners)
		return -ENOMEM;
	listeners->endpoints = calloc(room, sizeof(*listeners->endpoints));
	listeners->fds = calloc(n_fds, sizeof(int));
	if (!listeners->endpoints || !listeners->fds) {
		listeners_close(listeners);
		return -ENOMEM;
	}
	listeners->room = room;
	listeners->workers = workers;
	for (size_t i = 0; i < n_fds; i++)
		listeners->fds[i] = -1;
	*ret_listeners = listeners;
	return 0;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A socket bound to the address; `shared` when others of ours are already. */
static int open_socket(const struct endpoint *endpoint, int type, bool shared, int *ret_fd)
{
	CLEANUP_FD int fd = -1;
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(endpoint, &address);
	int error = 0;

	fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (address.ss_family == AF_INET6)
		error = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	/* For addresses of connections that have ended only: a listener is never shared by it. */
	if (!error && type == SOCK_STREAM)
		error = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!error && shared)
		error = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (error)
		return error;
	if (bind(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	if (type == SOCK_DGRAM && set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES) != 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* The sockets of all workers for one address and type. */
static int open_all(struct listeners *listeners, size_t endpoint, unsigned type)
{
	for (unsigned worker = 0; worker < listeners->workers; worker++) {
		int *fd = &fds_of(listeners, worker, type)[endpoint];
		int error =
			open_socket(&listeners->endpoints[endpoint], types[type], worker > 0, fd);

		if (!error && worker == 0 && listeners->workers > 1)
			error = set(*fd, SOL_SOCKET, SO_REUSEPORT, 1);
		if (error)
			return error;
	}
	return 0;
}

static bool find_endpoint(
	const struct listeners *listeners, const struct endpoint *endpoint, size_t *ret_index)
{
	for (size_t i = 0; i < listeners->n_endpoints; i++) {
		if (inaddr_compare(&listeners->endpoints[i].address, &endpoint->address) == 0 &&
			listeners->endpoints[i].port == endpoint->port) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

/* Copies of the sockets that `old` has for the address. */
static int take_over(
	struct listeners *listeners, size_t endpoint, const struct listeners *old, size_t from)
{
	for (unsigned i = 0; i < listeners->workers * TYPES; i++) {
		int *fd = &fds_of(listeners, i / TYPES, i % TYPES)[endpoint];

		*fd = fcntl(fds_of(old, i / TYPES, i % TYPES)[from], F_DUPFD_CLOEXEC, 0);
		if (*fd < 0)
			return -errno;
	}
	return 0;
}

static int fill(struct listeners *listeners, size_t endpoint, const struct listeners *old)
{
	size_t from;
	int error = 0;

	if (old && find_endpoint(old, &listeners->endpoints[endpoint], &from))
		return take_over(listeners, endpoint, old, from);
	for (unsigned type = 0; type < TYPES && !error; type++)
		error = open_all(listeners, endpoint, type);
	return error;
}

/* Whether the address is the IPv6 loopback's on a machine that has none. */
static bool is_absent(const struct endpoint *endpoint)
{
	static const struct inaddr loopback = {{[15] = 1}};
	struct endpoint any_port = {.address = loopback};
	CLEANUP_FD int fd = -1;
	int error;

	if (inaddr_compare(&endpoint->address, &loopback) != 0)
		return false;
	error = open_socket(&any_port, SOCK_DGRAM, false, &fd);
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

int listeners_open(const struct endpoint *endpoints, size_t n_endpoints, unsigned workers,
	const struct listeners *old, struct listeners **ret_listeners, size_t *ret_failed)
{
	struct listeners *listeners;
	int error = make(n_endpoints, workers, &listeners);

	if (error) {
		*ret_failed = n_endpoints;
		return error;
	}
	for (size_t i = 0; i < n_endpoints; i++) {
		if (is_absent(&endpoints[i]))
			continue;
		listeners->endpoints[listeners->n_endpoints++] = endpoints[i];
		error = fill(listeners, listeners->n_endpoints - 1, old);
		if (error) {
			*ret_failed = i;
			listeners_close(listeners);
			return error;
		}
	}
	*ret_listeners = listeners;
	return 0;
}
