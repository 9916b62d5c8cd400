/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/kernel/netns.h"
#include "src/run/fence.h"
#include "src/run/mounts.h"

/*
 * Theory of operation
 *
 * Into the warden's user namespace, where this process then has all capabilities, for as long as it
 * takes to enter the network namespace and to make its view of the files; then into a user
 * namespace below. That one owns nothing but itself: the network and mount namespaces are of the
 * one above, and so are the mounts, which nobody below can move or remove (mount_namespaces(7)).
 * Its ids are written by a child that has stayed above, since who maps others than himself must.
 *
 * A process of another user namespace can neither trace nor look into those outside, although they
 * are of the same user.
 */

static int join(pid_t pid, const char *kind, int type)
{
	char path[64];
	CLEANUP_FD int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || setns(fd, type) < 0 ? -errno : 0;
}

/* The child that stays above: maps the ids when it is told that there is something to map. Its exit
 * status is an errno. */
static void __attribute__((noreturn)) map_parent(pid_t parent, const struct netns_ids *ids, int go)
{
	char byte;
	int error = read(go, &byte, 1) == 1 ? netns_map_ids(parent, ids) : -ECANCELED;

	_exit(-error);
}

static int await_mapped(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPROTO;
}

/* Goes into the user namespace below, and has its ids mapped. */
static int enter_below(const struct netns_ids *ids)
{
	pid_t self = getpid(), child;
	int ends[2], error, mapped;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(ends[1]);
		map_parent(self, ids, ends[0]);
	}
	close(ends[0]);
	if (child < 0) {
		error = -errno;
		close(ends[1]);
		return error;
	}
	error = unshare(CLONE_NEWUSER) < 0 ? -errno : fd_write_all(ends[1], "", 1);
	close(ends[1]);
	mapped = await_mapped(child);
	return error ? error : mapped;
}

/* What the ids are in the namespace above is what its map says. */
static struct netns_ids ids_below(uid_t uid, gid_t gid)
{
	return (struct netns_ids){
		.all = netns_roots_ids(),
		.inside_uid = uid,
		.inside_gid = gid,
		.outside_uid = geteuid(),
		.outside_gid = getegid(),
	};
}

void command_become(char *const *arguments, pid_t warden, const struct dns_policy *dns,
	void (*complain)(const char *what, int error))
{
	const uid_t uid = getuid();
	const gid_t gid = getgid();
	struct netns_ids ids;
	char *what = NULL;
	int error = join(warden, "user", CLONE_NEWUSER);

	if (!error)
		error = join(warden, "net", CLONE_NEWNET);
	if (error) {
		complain("cannot enter the namespaces", error);
		_exit(COMMAND_FAILED);
	}
	error = mounts_enter(dns, uid, &what);
	if (error) {
		complain(what ? what : "mounts", error);
		_exit(COMMAND_FAILED);
	}
	ids = ids_below(uid, gid);
	error = enter_below(&ids);
	if (!error)
		error = fence_self(uid == 0);
	if (error) {
		complain("cannot confine the command", error);
		_exit(COMMAND_FAILED);
	}
	execvp(arguments[0], arguments);
	error = errno;
	complain(arguments[0], -error);
	_exit(error == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE);
}
