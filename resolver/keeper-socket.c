/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/keeper-socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "src/base/fd.h"
#include "src/kernel/porter.h"

int keeper_socket(const struct endpoint *server, bool stream, uint32_t mark, int porter)
{
	int type = stream ? SOCK_STREAM : SOCK_DGRAM;
	CLEANUP_FD int fd = -1;
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(server, &address);

	if (porter > 0) {
		int error = porter_ask(porter, server, stream, &fd);

		return error ? error : fd_steal(&fd);
	}
	fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	/* Without bind(2) the kernel draws the port by chance (net/ipv4/udp.c:
	 * udp_lib_get_port). */
	if (connect(fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}
