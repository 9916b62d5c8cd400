/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * A file is appended to, so that it may be cut to nothing at any time (logrotate's copytruncate);
 * one that was renamed is left for a new one of its path.
 *
 * The journal and syslog take datagrams at sockets that have a path. What is sent by a socket goes
 * to whatever it was connected to, and the process that sends shares it with the parent: so when
 * the daemon was started anew the parent connects the socket that there is to the path once more,
 * and whoever sends goes on without having noticed more than an error. To connect it to what it is
 * connected to already changes nothing, so nobody has to find out whether it is (unix(7); tried on
 * Linux 6.18).
 */

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"

/* --- Files --- */

/* A process that was killed, or a machine, may have left the beginning of a line. */
static void end_line(int fd)
{
	struct stat status;
	char last;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
		pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n')
		(void)!write(fd, "\n", 1);
}

/* Never waits for a reader, if it is a pipe with a name. */
static int open_file(struct outlet *outlet)
{
	CLEANUP_FD int fd = open(outlet->path,
		O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0640);

	if (fd < 0)
		return -errno;
	end_line(fd);
	if (outlet->fd >= 0)
		close(outlet->fd);
	outlet->fd = fd_steal(&fd);
	return 0;
}

/* Whether the file has another name by now, or none. */
static bool is_renamed(const struct outlet *outlet)
{
	struct stat named, opened;

	if (fstat(outlet->fd, &opened) < 0)
		return false;
	return stat(outlet->path, &named) < 0 || named.st_dev != opened.st_dev ||
	       named.st_ino != opened.st_ino;
}

static bool follow_file(struct outlet *outlet)
{
	int error;

	if (!is_renamed(outlet))
		return false;
	error = open_file(outlet);
	if (error && !outlet->failed)
		log_warning("%s: records still go to the file that was renamed: %s", outlet->path,
			strerror(-error));
	outlet->failed = error != 0;
	return !error;
}

/* --- Sockets --- */

static int connect_socket(const struct outlet *outlet)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(address.sun_path, outlet->path, sizeof(address.sun_path) - 1);
	return connect(outlet->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* Its daemon may be started later. */
static int open_socket(struct outlet *outlet)
{
	int error;

	outlet->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (outlet->fd < 0)
		return -errno;
	error = connect_socket(outlet);
	outlet->failed = error != 0;
	if (error)
		log_warning("%s: %s: records wait for it, and are lost when they are too many",
			outlet->path, strerror(-error));
	return 0;
}

static bool follow_socket(struct outlet *outlet)
{
	int error = connect_socket(outlet);

	if (outlet->failed && !error)
		log_info("%s: connected", outlet->path);
	outlet->failed = error != 0;
	return false;
}

/* --- All of them --- */

static int open_output(struct outlet *outlet)
{
	outlet->fd = STDOUT_FILENO;
	return 0;
}

static const struct {
	const char *path; /* NULL: the policy's */
	int (*open)(struct outlet *outlet);
	bool (*follow)(struct outlet *outlet); /* NULL: it never changes */
} kinds[] = {
	[AUDIT_FILE] = {NULL, open_file, follow_file},
	[AUDIT_OUTPUT] = {NULL, open_output, NULL},
	[AUDIT_JOURNAL] = {JOURNAL_SOCKET, open_socket, follow_socket},
	[AUDIT_SYSLOG] = {SYSLOG_SOCKET, open_socket, follow_socket},
};

int outlets_open(const struct layers *layers, struct outlets *ret_outlets)
{
	struct outlets outlets = {.count = 0};
	int error = 0;

	for (size_t i = 0; i < layers->n_audit_sinks && !error; i++) {
		const struct audit_sink *sink = &layers->audit_sinks[i];
		struct outlet *outlet = &outlets.list[outlets.count++];
		const char *path = kinds[sink->kind].path;

		*outlet = (struct outlet){sink->kind, path ? path : sink->path, -1, false};
		error = kinds[outlet->kind].open(outlet);
		if (error)
			log_error("cannot record in %s: %s", outlet->path, strerror(-error));
	}
	if (error)
		outlets_close(&outlets);
	else
		*ret_outlets = outlets;
	return error;
}

void outlets_close(struct outlets *outlets)
{
	for (size_t i = 0; i < outlets->count; i++)
		if (outlets->list[i].fd > STDERR_FILENO)
			close(outlets->list[i].fd);
	outlets->count = 0;
}

bool outlet_is_whole(const struct outlet *outlet)
{
	struct stat status;

	return outlet->kind == AUDIT_FILE && fstat(outlet->fd, &status) == 0 &&
	       !S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode);
}

void outlets_mend(const struct outlets *outlets)
{
	for (size_t i = 0; i < outlets->count; i++)
		if (outlets->list[i].kind == AUDIT_FILE)
			end_line(outlets->list[i].fd);
}

bool outlets_move(const struct outlets *outlets)
{
	for (size_t i = 0; i < outlets->count; i++)
		if (kinds[outlets->list[i].kind].follow)
			return true;
	return false;
}

bool outlets_look(struct outlets *outlets)
{
	bool changed = false;

	for (size_t i = 0; i < outlets->count; i++)
		if (kinds[outlets->list[i].kind].follow)
			changed |= kinds[outlets->list[i].kind].follow(&outlets->list[i]);
	return changed;
}
