/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/scrape-socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/local-socket.h"
#include "src/base/fd.h"

enum {
	BACKLOG = 16,
	MODE = 0660, /* of the file: its group's, too */
};

struct scrape_socket {
	unsigned holders;
	bool is_local;
	struct endpoint at;
	struct local_socket local; /* `fd` is of both kinds */
};

static bool is_same(const struct scrape_socket *socket, const struct metrics_policy *metrics)
{
	if (socket->is_local)
		return metrics->path && strcmp(metrics->path, socket->local.address.sun_path) == 0;
	return metrics->has_endpoint && metrics->at.port == socket->at.port &&
	       inaddr_compare(&metrics->at.address, &socket->at.address) == 0;
}

static int listen_at(const struct endpoint *at, int *ret_fd)
{
	const int yes = 1;
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(at, &address);
	CLEANUP_FD int fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Connections that are over do not keep the port from the next one. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int open_local(const char *path, struct local_socket *ret_local)
{
	const struct local_socket_config config = {.path = path,
		.type = SOCK_STREAM,
		.mode = MODE,
		.backlog = BACKLOG,
		.with_folder = true,
		.uid = geteuid()};

	return local_socket_open(&config, ret_local);
}

int scrape_socket_open(const struct metrics_policy *metrics, struct scrape_socket *before,
	struct scrape_socket **ret_socket)
{
	struct scrape_socket *opened;
	int error;

	if (before && is_same(before, metrics)) {
		before->holders++;
		*ret_socket = before;
		return 0;
	}
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->holders = 1;
	opened->is_local = metrics->path != NULL;
	opened->at = metrics->at;
	opened->local.fd = -1;
	error = opened->is_local ? open_local(metrics->path, &opened->local)
				 : listen_at(&metrics->at, &opened->local.fd);
	if (error)
		free(opened);
	else
		*ret_socket = opened;
	return error;
}

void scrape_socket_close(struct scrape_socket *socket)
{
	if (!socket || --socket->holders > 0)
		return;
	local_socket_close(&socket->local);
	free(socket);
}

int scrape_socket_fd(const struct scrape_socket *socket)
{
	return socket ? socket->local.fd : -1;
}

const char *scrape_socket_text(const struct metrics_policy *metrics, char out[SCRAPE_SOCKET_TEXT])
{
	char text[INADDR_TEXT];

	if (metrics->path)
		snprintf(out, SCRAPE_SOCKET_TEXT, "unix:%s", metrics->path);
	else
		snprintf(out, SCRAPE_SOCKET_TEXT, "%s", endpoint_to_text(&metrics->at, text));
	return out;
}
