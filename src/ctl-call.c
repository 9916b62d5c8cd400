/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl-call.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "src/base/fd.h"
#include "src/base/memstream.h"

/* A reload takes as long as the policy is large, and may have to wait for another one. */
enum { PATIENCE_SECONDS = 60, ANSWER_MAX = 64 << 20 };

_Static_assert(CTL_PATH == sizeof(((struct sockaddr_un *)0)->sun_path), "as sockets have it");

/* --- Which one --- */

/* Whether it is a socket's file name; then its length without the suffix. */
static bool is_socket(const char *file, size_t *ret_length)
{
	size_t length = strlen(file), suffix = strlen(CONSOLE_SUFFIX);

	if (length <= suffix || strcmp(file + length - suffix, CONSOLE_SUFFIX) != 0)
		return false;
	*ret_length = length - suffix;
	return true;
}

/* The names that there are, a line each. */
static int list_names(char **ret_names, unsigned *ret_count)
{
	DIR *folder = opendir(CONSOLE_FOLDER);
	char *names = NULL;
	size_t size, length;
	FILE *out = folder ? memstream_open(&names, &size) : NULL;
	const struct dirent *entry;
	unsigned count = 0;

	if (!folder)
		return -errno;
	while (out && (entry = readdir(folder)))
		if (is_socket(entry->d_name, &length)) {
			fprintf(out, "%s%.*s", count > 0 ? "\n" : "", (int)length, entry->d_name);
			count++;
		}
	closedir(folder);
	if (!out || fclose(out) != 0) {
		free(names);
		return -ENOMEM;
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

static int make_path(const char *name, char *ret_path)
{
	int length = snprintf(ret_path, CTL_PATH, "%s/%s%s", CONSOLE_FOLDER, name, CONSOLE_SUFFIX);

	return *name == '\0' || strchr(name, '/') || length < 0 || length >= CTL_PATH ? -EINVAL : 0;
}

int ctl_find(const char *name, char *ret_path, char **ret_names)
{
	char *names = NULL;
	unsigned count = 0;
	int error;

	if (name)
		return make_path(name, ret_path);
	error = list_names(&names, &count);
	if (!error)
		error = count == 0 ? -ENOENT : count > 1 ? -ENOTUNIQ : make_path(names, ret_path);
	if (error == -ENOTUNIQ)
		*ret_names = names;
	else
		free(names);
	return error;
}

/* --- The call --- */

int ctl_connect(const char *path, int *ret_fd)
{
	const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int send_call(int fd, const struct console_call *call)
{
	ssize_t sent;

	do
		sent = send(fd, call, sizeof(*call), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	/* Who is refused is told so all the same, before the connection ends. */
	return sent < 0 && errno != EPIPE && errno != ECONNRESET ? -errno : 0;
}

static int receive_part(int fd, struct console_part *ret_part)
{
	const size_t head = offsetof(struct console_part, bytes);
	ssize_t got;

	/* That the call was not read is told once, and first; what came before the end is there. */
	for (unsigned resets = 0;;) {
		got = recv(fd, ret_part, sizeof(*ret_part), 0);
		if (got >= 0 || (errno != EINTR && (errno != ECONNRESET || resets++ > 0)))
			break;
	}
	if (got < 0)
		return -errno;
	if (got == 0)
		return -ECONNRESET;
	if ((size_t)got < head || ret_part->version != CONSOLE_VERSION ||
		ret_part->size != (size_t)got - head || ret_part->status > CONSOLE_DENIED)
		return -EPROTO;
	return 0;
}

/* Gets all parts of the answer. */
static int receive_answer(int fd, FILE *out, enum console_status *ret_status)
{
	const struct console_call more = {.version = CONSOLE_VERSION, .command = CONSOLE_MORE};
	static struct console_part part;
	size_t size = 0;
	int error;

	while (!(error = receive_part(fd, &part))) {
		size += fwrite(part.bytes, 1, part.size, out);
		if (!part.more || size > ANSWER_MAX)
			break;
		error = send_call(fd, &more);
		if (error)
			break;
	}
	if (!error)
		*ret_status = (enum console_status)part.status;
	return error ? error : size > ANSWER_MAX ? -EPROTO : 0;
}

int ctl_call(int fd, const struct console_call *call, enum console_status *ret_status,
	json_t **ret_answer)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	json_t *answer = NULL;
	int error;

	if (!out)
		return -ENOMEM;
	error = send_call(fd, call);
	if (!error)
		error = receive_answer(fd, out, ret_status);
	if (fclose(out) != 0 && !error)
		error = -ENOMEM;
	if (!error) {
		answer = json_loadb(text, size, 0, NULL);
		error = json_is_object(answer) ? 0 : -EPROTO;
	}
	free(text);
	if (error)
		json_decref(answer);
	else
		*ret_answer = answer;
	return error;
}
