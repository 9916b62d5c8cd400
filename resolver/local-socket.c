/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/local-socket.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/fd.h"

static int set_address(const char *path, struct sockaddr_un *address)
{
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, length + 1);
	return 0;
}

/* The folder of the socket, whose name nobody else may give to something else. */
static int make_folder(const char *path, uid_t uid)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat status;
	const char *folder;
	mode_t before;
	int error = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	before = umask(022);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		error = -errno;
	umask(before);
	if (!error && lstat(folder, &status) < 0)
		error = -errno;
	if (error)
		return error;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if ((status.st_uid != 0 && status.st_uid != uid) || status.st_mode & 022)
		return -EPERM;
	return 0;
}

/* Whether some process listens there. */
static bool is_alive(const struct sockaddr_un *address, int type)
{
	CLEANUP_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
}

/* Takes away what a dead process left. 0, or -EADDRINUSE. */
static int clear_path(const struct sockaddr_un *address, int type)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode) || is_alive(address, type))
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int listen_at(const struct local_socket_config *config, struct local_socket *local)
{
	const struct sockaddr_un *address = &local->address;
	mode_t before = umask(~config->mode & 0777);
	int error = 0;

	local->fd = socket(AF_UNIX, config->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (local->fd < 0 ||
		bind(local->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		error = -errno;
	umask(before);
	if (!error && (lstat(address->sun_path, &local->file) < 0 ||
			      listen(local->fd, config->backlog) < 0))
		error = -errno;
	return error;
}

int local_socket_open(const struct local_socket_config *config, struct local_socket *ret_socket)
{
	struct local_socket local = {.fd = -1};
	int error = set_address(config->path, &local.address);

	if (!error && config->with_folder)
		error = make_folder(config->path, config->uid);
	if (!error)
		error = clear_path(&local.address, config->type);
	if (!error)
		error = listen_at(config, &local);
	if (error)
		local_socket_close(&local);
	else
		*ret_socket = local;
	return error;
}

void local_socket_close(struct local_socket *socket)
{
	struct stat now;

	if (socket->file.st_ino != 0 && lstat(socket->address.sun_path, &now) == 0 &&
		now.st_ino == socket->file.st_ino && now.st_dev == socket->file.st_dev)
		unlink(socket->address.sun_path);
	socket->file.st_ino = 0;
	fd_closep(&socket->fd);
}
