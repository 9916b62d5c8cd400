/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/kernel/confine.h"
#include "src/kernel/porter.h"
#include "src/run/carry.h"

/*
 * Theory of operation
 *
 *	--publish	relay: host namespace		porter: the command's
 *	--loopback	relay: the command's		porter: host namespace
 *
 * A socket belongs to the namespace it was opened in, so the relay holds both sides of each
 * connection, and neither namespace gets a way to the other but those sockets. The ruleset needs no
 * rule for it: within the command's namespace all of it is loopback traffic. pasta(1) has forwards
 * of its own, which tell a port that is taken only if all are, and do nothing for root's link.
 *
 * Neither process has privileges, files or system calls beyond what this takes. The relay can't
 * open sockets at all; the porter opens those to its list of targets, and nothing else.
 */

enum { BACKLOG = 128, DESCRIPTORS_MAX = FORWARDS_MAX * FORWARD_LISTEN + 3 };

/* --- Listening --- */

/* A socket that listens, or -errno. */
static int listen_at(const struct endpoint *at, bool stream)
{
	const int on = 1;
	int type = (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(at, &address);
	CLEANUP_FD int fd = socket(address.ss_family, type, 0);

	if (fd < 0)
		return -errno;
	/* Of UDP it would let two have the same port. */
	if (stream && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (address.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	if (stream && listen(fd, BACKLOG) < 0)
		return -errno;
	return fd_steal(&fd);
}

/* A machine may have no IPv6. */
static bool is_missing(int error)
{
	return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

static int listen_for(
	const struct forward *forward, int sockets[FORWARD_LISTEN], struct endpoint *ret_where)
{
	for (size_t i = 0; i < forward->n_listen; i++) {
		int fd = listen_at(&forward->listen[i], forward->stream);

		if (fd < 0 && (i == 0 || !is_missing(fd))) {
			*ret_where = forward->listen[i];
			return fd;
		}
		sockets[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

int relay_listen(
	const struct forward_list *list, struct relay *ret_relay, struct endpoint *ret_where)
{
	struct relay relay = {.list = list};
	int error = 0;

	memset(relay.sockets, -1, sizeof(relay.sockets));
	for (size_t i = 0; i < list->count && !error; i++)
		error = listen_for(&list->rows[i], relay.sockets[i], ret_where);
	if (error)
		relay_close(&relay);
	else
		*ret_relay = relay;
	return error;
}

void relay_close(struct relay *relay)
{
	for (size_t i = 0; i < FORWARDS_MAX; i++)
		for (size_t j = 0; j < FORWARD_LISTEN; j++)
			fd_closep(&relay->sockets[i][j]);
}

/* --- The processes --- */

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but the standard ones and these. */
static int close_others(int *kept, size_t n_kept)
{
	unsigned first = STDERR_FILENO + 1;

	qsort(kept, n_kept, sizeof(*kept), compare);
	for (size_t i = 0; i < n_kept; i++) {
		if (kept[i] < (int)first)
			continue;
		if (kept[i] > (int)first &&
			syscall(SYS_close_range, first, (unsigned)kept[i] - 1, 0) < 0)
			return -errno;
		first = (unsigned)kept[i] + 1;
	}
	return syscall(SYS_close_range, first, ~0u, 0) < 0 ? -errno : 0;
}

/* A kernel without Landlock leaves who has no privileges his files; then the filter of system calls
 * has to do, which can't open any. */
static int confine(enum syscalls_role role)
{
	struct confine confine = {
		.uid = geteuid(),
		.gid = getegid(),
		.empty_root = true,
		.syscalls = role,
	};

	if (confine_self(&confine) == 0)
		return 0;
	confine.empty_root = false;
	return confine_self(&confine);
}

/* In the child: leaves everything but standard error and these. */
static void seal(int *kept, size_t n_kept, enum syscalls_role role)
{
	setsid();
	if (dup2(STDERR_FILENO, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
		close_others(kept, n_kept) != 0 || confine(role) != 0)
		_exit(1);
}

static void __attribute__((noreturn)) be_relay(const struct relay *relay, int asker)
{
	int sockets[FORWARDS_MAX][FORWARD_LISTEN], kept[DESCRIPTORS_MAX];
	size_t n_kept = 0;

	memcpy(sockets, relay->sockets, sizeof(sockets));
	kept[n_kept++] = asker;
	for (size_t i = 0; i < relay->list->count; i++)
		for (size_t j = 0; j < FORWARD_LISTEN; j++)
			if (sockets[i][j] >= 0)
				kept[n_kept++] = sockets[i][j];
	if (porter_adopt(asker) != 0)
		_exit(1);
	seal(kept, n_kept, SYSCALLS_WORKER);
	_exit(carry_serve(relay->list, sockets, asker) == 0 ? 0 : 1);
}

int relay_start(const struct relay *relay, int asker, pid_t *ret_process)
{
	pid_t pid = fork();

	if (pid == 0)
		be_relay(relay, asker);
	if (pid < 0)
		return -errno;
	*ret_process = pid;
	return 0;
}

int relay_start_porter_to(
	const struct endpoint *servers, size_t n_servers, int porter, pid_t *ret_process)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* A keeper opens such sockets as well. */
		seal(&porter, 1, SYSCALLS_KEEPER);
		_exit(porter_serve(porter, servers, n_servers) == 0 ? 0 : 1);
	}
	if (pid < 0)
		return -errno;
	*ret_process = pid;
	return 0;
}

int relay_start_porter(const struct forward_list *list, int porter, pid_t *ret_process)
{
	struct endpoint targets[FORWARDS_MAX * FORWARD_TARGETS];
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		for (size_t j = 0; j < FORWARD_TARGETS; j++)
			targets[count++] = list->rows[i].targets[j];
	return relay_start_porter_to(targets, count, porter, ret_process);
}
