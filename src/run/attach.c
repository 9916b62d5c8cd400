/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rules/value.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * A process in another network namespace (a container's, say) is observed with all that is in that
 * namespace. One in the caller's own is told from the rest of the machine by its control group,
 * since that is what a ruleset can see of whoever sends; its neighbours in the group are observed,
 * too.
 *
 * A pidfd is opened first, and looked at last: if the process is still there then, all that was
 * read by its number was about it.
 *
 * Root has the rights over each network namespace below its own. Anybody else may have them over
 * one that belongs to a user namespace of his own making, as user 0 of that
 * (user_namespaces(7), ioctl_ns(2)).
 */

enum {
	LIST_MAX = 1 << 16,
	COMMAND_MAX = 8 << 20, /* more than execve(2) takes: 6 MiB */
};

static int __attribute__((format(printf, 3, 4)))
fail(char reason[ATTACH_REASON], int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, ATTACH_REASON, format, arguments);
	va_end(arguments);
	return error;
}

static int read_of(pid_t pid, const char *file, size_t limit, char **ret_text, size_t *ret_size)
{
	char path[64];
	uint8_t *bytes;
	int error;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	error = fd_read_file(path, limit, &bytes, ret_size);
	if (error == 0)
		*ret_text = (char *)bytes;
	return error;
}

/* --- What tells it from others --- */

/* The line of the unified hierarchy: "0::/PATH" (cgroups(7)). */
static int find_cgroup(pid_t pid, char cgroup[ATTACH_CGROUP])
{
	size_t size, length;
	char *list, *line;
	const char *problem;
	int error = read_of(pid, "cgroup", LIST_MAX, &list, &size);

	if (error)
		return error;
	line = strncmp(list, "0::/", 4) == 0 ? list : strstr(list, "\n0::/");
	line = line ? strchr(line, '/') + 1 : list + size;
	length = strcspn(line, "\n");
	if (length == 0 || length >= ATTACH_CGROUP ||
		value_cgroup((struct text){line, length}, &problem) != 0)
		error = -ENOTSUP;
	else
		snprintf(cgroup, ATTACH_CGROUP, "%.*s", (int)length, line);
	free(list);
	return error;
}

static bool same_file(int one, int other)
{
	struct stat first, second;

	return fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Notes which user namespace is to be joined for the rights over the network. */
static int find_owner(struct attach *attach, char reason[ATTACH_REASON])
{
	CLEANUP_FD int own = -1;
	CLEANUP_FD int owner = -1;

	if (geteuid() == 0)
		return 0;
	owner = ioctl(attach->network, NS_GET_USERNS);
	own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (owner < 0 || own < 0 || same_file(owner, own))
		return fail(reason, -EPERM, "its network is not this user's: takes root");
	attach->user = fd_steal(&owner);
	return 0;
}

static int find_network(pid_t pid, struct attach *attach, char reason[ATTACH_REASON])
{
	CLEANUP_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	attach->network = open(path, O_RDONLY | O_CLOEXEC);
	if (attach->network < 0 || own < 0)
		return fail(reason, -errno, "%s: %s%s", path, strerror(errno),
			errno == EACCES ? ": takes root" : "");
	if (!same_file(own, attach->network))
		return find_owner(attach, reason);
	fd_closep(&attach->network);
	if (geteuid() != 0)
		return fail(reason, -EPERM, "it is in this network namespace: takes root");
	error = find_cgroup(pid, attach->cgroup);
	if (error == -ENOTSUP)
		return fail(reason, error,
			"nothing tells it from the rest of this machine: it has neither a network "
			"namespace nor a control group (version 2) of its own; systemd-run(1) "
			"--scope gives a command one");
	return error ? fail(reason, error, "its control group: %s", strerror(-error)) : 0;
}

/* --- What it is --- */

static int split_command(struct attach *attach, size_t size)
{
	size_t count = 0, at = 0;

	for (size_t i = 0; i < size; i++)
		count += attach->command[i] == '\0';
	attach->arguments = calloc(count + 2, sizeof(char *));
	if (!attach->arguments)
		return -ENOMEM;
	for (size_t i = 0; i <= count && at < size; i++) {
		attach->arguments[i] = attach->command + at;
		at += strlen(attach->arguments[i]) + 1;
	}
	return 0;
}

static bool has_ended(const struct attach *attach)
{
	struct pollfd poller = {.fd = attach->process, .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

static int look_up(pid_t pid, struct attach *attach, char reason[ATTACH_REASON])
{
	size_t size = 0;
	int error = find_network(pid, attach, reason);

	if (error)
		return error;
	error = read_of(pid, "cmdline", COMMAND_MAX, &attach->command, &size);
	if (!error)
		error = split_command(attach, size);
	if (error)
		return fail(reason, error, "its command line: %s", strerror(-error));
	return has_ended(attach) ? fail(reason, -ESRCH, "it has ended") : 0;
}

int attach_find(pid_t pid, struct attach *ret_attach, char reason[ATTACH_REASON])
{
	struct attach attach = {.network = -1, .user = -1};
	int error;

	attach.process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (attach.process < 0)
		return fail(reason, -errno, "%s", strerror(errno));
	error = look_up(pid, &attach, reason);
	if (error)
		attach_close(&attach);
	else
		*ret_attach = attach;
	return error;
}

void attach_close(struct attach *attach)
{
	fd_closep(&attach->process);
	fd_closep(&attach->network);
	fd_closep(&attach->user);
	free(attach->command);
	free(attach->arguments);
	attach->command = NULL;
	attach->arguments = NULL;
}

int attach_enter(const struct attach *attach)
{
	if (attach->user >= 0 && (setns(attach->user, CLONE_NEWUSER) < 0 ||
					 setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return -errno;
	if (attach->network >= 0 && setns(attach->network, CLONE_NEWNET) < 0)
		return -errno;
	return 0;
}
