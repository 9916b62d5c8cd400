/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/audit/lines.h"
#include "src/base/clock.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * Whoever rotates a log renames it, and has its writer open a new one a little later. So a file
 * that has another name by now is read on for a while after its end was seen, and then the one that
 * has the name is read from its start. A file that is shorter than what was read of it was cut, and
 * is read from its start, too.
 */

enum { BYTES = 256 << 10, GRACE_MS = 1500 };

struct tail {
	const char *path;
	int fd; /* -1: the file isn't there now */
	bool is_file;
	bool has_ended;
	bool is_renamed;
	struct mono renamed; /* when that was seen */
	off_t offset;
	struct lines lines;
	char bytes[BYTES];
};

static int open_log(struct tail *tail)
{
	struct stat status;
	int fd = strcmp(tail->path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
					      : open(tail->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode)) {
		int error = S_ISDIR(status.st_mode) ? -EISDIR : -errno;

		close(fd);
		return error;
	}
	tail->fd = fd;
	tail->is_file = S_ISREG(status.st_mode) && strcmp(tail->path, "-") != 0;
	return 0;
}

int tail_open(const char *path, bool from_end, struct tail **ret_tail)
{
	struct tail *tail = calloc(1, sizeof(*tail));
	int error;

	if (!tail)
		return -ENOMEM;
	tail->path = path;
	tail->fd = -1;
	error = open_log(tail);
	if (error) {
		tail_close(tail);
		return error;
	}
	if (from_end && tail->is_file) {
		off_t end = lseek(tail->fd, 0, SEEK_END);

		tail->offset = end > 0 ? end : 0;
	}
	*ret_tail = tail;
	return 0;
}

void tail_close(struct tail *tail)
{
	if (!tail)
		return;
	fd_closep(&tail->fd);
	free(tail);
}

static void begin_anew(struct tail *tail)
{
	tail->offset = 0;
	tail->lines.n_kept = 0;
	tail->lines.skipping = false;
	tail->is_renamed = false;
}

/* Whether the name is another file's, or nobody's. */
static bool has_other_name(const struct tail *tail, const struct stat *status)
{
	struct stat named;

	return stat(tail->path, &named) < 0 || named.st_ino != status->st_ino ||
	       named.st_dev != status->st_dev;
}

/* At the end of a file; as tail_take(). */
static int look_around(struct tail *tail)
{
	struct stat status;

	if (fstat(tail->fd, &status) < 0)
		return -errno;
	if (status.st_size < tail->offset) {
		if (lseek(tail->fd, 0, SEEK_SET) < 0)
			return -errno;
		begin_anew(tail);
		return 1;
	}
	if (!has_other_name(tail, &status)) {
		tail->is_renamed = false;
		return 0;
	}
	if (!tail->is_renamed) {
		tail->is_renamed = true;
		tail->renamed = clock_now();
	}
	if (mono_between(tail->renamed, clock_now()).ms < GRACE_MS)
		return 0;
	fd_closep(&tail->fd);
	begin_anew(tail);
	return open_log(tail) == 0;
}

int tail_take(struct tail *tail, void (*visit)(void *context, const char *line, size_t size),
	void *context)
{
	ssize_t got;

	if (tail->has_ended)
		return 0;
	if (tail->fd < 0)
		return open_log(tail) == 0;
	got = read(tail->fd, tail->bytes, sizeof(tail->bytes));
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0 && tail->is_file)
		return look_around(tail);
	if (got == 0) {
		tail->has_ended = true;
		return 0;
	}
	tail->offset += got;
	lines_take(&tail->lines, tail->bytes, (size_t)got, visit, context);
	return 1;
}

bool tail_is_ready(const struct tail *tail)
{
	struct pollfd poller = {.fd = tail->fd, .events = POLLIN};

	return tail->is_file || tail->fd < 0 || poll(&poller, 1, 0) > 0;
}

void tail_finish(struct tail *tail, void (*visit)(void *context, const char *line, size_t size),
	void *context)
{
	lines_finish(&tail->lines, visit, context);
}

bool tail_has_ended(const struct tail *tail)
{
	return tail->has_ended;
}

int tail_descriptor(const struct tail *tail)
{
	return tail->is_file ? -1 : tail->fd;
}
