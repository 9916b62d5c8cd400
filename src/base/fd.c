/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_ROOM = 16384 };

/* A file on its way into memory: `room` bytes at `bytes`, one more for the NUL. */
struct slurp {
	uint8_t *bytes;
	size_t size;
	size_t room;
};

void fd_closep(int *fd)
{
	int kept = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = kept;
}

int fd_steal(int *fd)
{
	int given = *fd;

	*fd = -1;
	return given;
}

int fd_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Waits until the descriptor is ready, or broken. 0 or -errno. */
static int wait_for(int fd, short events)
{
	struct pollfd poller = {.fd = fd, .events = events};

	if (poll(&poller, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* One read or write that didn't work: 0 to try again, or -errno. */
static int retry(int fd, short events)
{
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return wait_for(fd, events);
	return -errno;
}

static int slurp_grow(struct slurp *slurp, size_t room)
{
	uint8_t *bytes;

	if (room == SIZE_MAX)
		return -ENOMEM;
	bytes = realloc(slurp->bytes, room + 1);
	if (!bytes)
		return -ENOMEM;
	slurp->bytes = bytes;
	slurp->room = room;
	return 0;
}

/* Makes room behind what was read: twice as much as now, but for one byte past the limit, which
 * tells a file that is too big. */
static int slurp_room(struct slurp *slurp, size_t limit)
{
	size_t most = limit < SIZE_MAX ? limit + 1 : limit;

	if (slurp->size < slurp->room)
		return 0;
	return slurp_grow(slurp, slurp->room < most / 2 ? slurp->room * 2 : most);
}

static int slurp_read(struct slurp *slurp, int fd, size_t limit)
{
	for (;;) {
		int error = slurp_room(slurp, limit);
		ssize_t got;

		if (error < 0)
			return error;
		got = read(fd, slurp->bytes + slurp->size, slurp->room - slurp->size);
		if (got == 0)
			break;
		if (got < 0) {
			error = retry(fd, POLLIN);
			if (error < 0)
				return error;
			continue;
		}
		slurp->size += (size_t)got;
		if (slurp->size > limit)
			return -EFBIG;
	}
	slurp->bytes[slurp->size] = '\0';
	return 0;
}

/* What the file's status tells of its size: the room to start with, or an error. */
static int slurp_start(struct slurp *slurp, int fd, size_t limit)
{
	struct stat status;
	size_t room = limit < FIRST_ROOM ? limit + 1 : FIRST_ROOM;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISREG(status.st_mode)) {
		if ((uintmax_t)status.st_size > limit)
			return -EFBIG;
		/* One more, so that the end is found without growing. */
		if ((size_t)status.st_size >= room)
			room = (size_t)status.st_size + 1;
	}
	return slurp_grow(slurp, room);
}

int fd_read_all(int fd, size_t limit, uint8_t **ret_bytes, size_t *ret_size)
{
	struct slurp slurp = {0};
	int error = slurp_start(&slurp, fd, limit);

	if (error == 0)
		error = slurp_read(&slurp, fd, limit);
	if (error < 0) {
		free(slurp.bytes);
		return error;
	}
	*ret_bytes = slurp.bytes;
	*ret_size = slurp.size;
	return 0;
}

int fd_read_file(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size)
{
	/* Not blocking: opening a FIFO that nobody writes to would wait for a writer. */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd_read_all(fd, limit, ret_bytes, ret_size);
}

int fd_write_all(int fd, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size > 0) {
		ssize_t put = write(fd, at, size);

		if (put < 0) {
			int error = retry(fd, POLLOUT);

			if (error < 0)
				return error;
			continue;
		}
		at += put;
		size -= (size_t)put;
	}
	return 0;
}

int fd_send_passing(int fd, const void *bytes, size_t size, int passed)
{
	/* It is not written to (sendmsg(2)). */
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union fd_control control = {.head = {.cmsg_len = CMSG_LEN(sizeof(passed)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS}};
	ssize_t sent;

	if (passed >= 0) {
		memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int fd_take_passed(struct msghdr *message)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);
	size_t count = 0;
	int passed = -1;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(passed);
	for (size_t i = 0; i < count; i++) {
		fd_closep(&passed);
		memcpy(&passed, CMSG_DATA(head) + i * sizeof(passed), sizeof(passed));
	}
	if (count > 1)
		fd_closep(&passed);
	return passed;
}
