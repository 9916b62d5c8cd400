/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_FD_H
#define EGRESS_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Descriptors that close themselves at the end of set-up code: CLEANUP_FD int fd = -1; */
#define CLEANUP_FD __attribute__((cleanup(fd_closep)))

/* Closes *fd unless it is negative, and sets it to -1. errno is kept. */
void fd_closep(int *fd);

/* Gives *fd away: returns it and leaves -1 behind. */
int fd_steal(int *fd);

/* Sets O_NONBLOCK. 0 or -errno. */
int fd_set_nonblocking(int fd);

/* Reads a regular file (or a pipe) whole: *ret_bytes is malloc'ed, NUL-terminated beyond *ret_size.
 * 0, -EISDIR, -EFBIG (more than `limit` bytes), -ENOMEM or another -errno. "-" is not special. */
int fd_read_file(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size);

/* The same of a descriptor, from where it is to its end, waiting where needed. */
int fd_read_all(int fd, size_t limit, uint8_t **ret_bytes, size_t *ret_size);

/* The control part of a message with one descriptor (unix(7), SCM_RIGHTS). */
union fd_control {
	struct cmsghdr head; /* for its alignment */
	uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

/* Sends a message by a socket of AF_UNIX, with `passed`, which stays the caller's, unless it is
 * negative. 0 or -errno. */
int fd_send_passing(int fd, const void *bytes, size_t size, int passed);

/* The descriptor that came with a message, the receiver's from now on, or -1. Several, for which
 * union fd_control may have room by its alignment, are closed, and none is the receiver's. */
int fd_take_passed(struct msghdr *message);

/* Writes all of it, waiting where needed. 0 or -errno. */
int fd_write_all(int fd, const void *bytes, size_t size);

#endif
