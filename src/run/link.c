/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/memstream.h"

/*
 * Theory of operation
 *
 * pasta joins the namespaces of a process, makes a tap device there, copies the address and the
 * routes of the interface that the default route of its own namespace has, and goes back. Nothing
 * of the host's is forwarded in, and the gateway's address does not lead to the host's loopback.
 *
 * When it is ready it writes its process id into a file; that is its own standard output, which
 * takes no file system that can be written. It prints nothing else there. The pipe hangs up only
 * when all that have it open are gone, so the process is watched, too. Old versions want a
 * terminal's log or syslog for what they say: standard error it is.
 */

enum { SAID_MAX = 2000 };

/* In the child. */
static void __attribute__((noreturn)) become_pasta(pid_t pid, bool is_root, int ready, int log)
{
	char number[16];
	/* As root it would become nobody, who can't join what is root's. */
	const char *const as_root[] = {"--runas", "0:0"};
	const char *arguments[32] = {"pasta", "--foreground", "--quiet", "--config-net",
		"--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--pid",
		"/proc/self/fd/1"};
	size_t count = 0;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (arguments[count])
		count++;
	for (size_t i = 0; i < 2 && is_root; i++)
		arguments[count++] = as_root[i];
	snprintf(number, sizeof(number), "%d", (int)pid);
	arguments[count] = number;
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* until it changes its credentials */
	if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(ready, STDOUT_FILENO) >= 0 &&
		dup2(log, STDERR_FILENO) >= 0 &&
		syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		execvp(arguments[0], (char **)(uintptr_t)arguments);
	_exit(errno == ENOENT ? 127 : 126);
}

/* 0 when it has written; -ECANCELED when it has ended; -ETIMEDOUT; or -errno. */
static int await_ready(const struct link *link, int patience_ms)
{
	const struct mono end = mono_add(clock_now(), (struct duration){patience_ms});
	struct pollfd polled[] = {{link->ready, POLLIN, 0}, {link->handle, POLLIN, 0}};
	char byte;

	for (;;) {
		int64_t left = mono_between(clock_now(), end).ms;
		int count = poll(polled, 2, left > 0 ? (int)left : 0);

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count == 0)
			return -ETIMEDOUT;
		if (count > 0 && polled[0].revents & POLLIN && read(link->ready, &byte, 1) == 1)
			return 0;
		if (count > 0 && polled[1].revents)
			return -ECANCELED;
		/* It would be told at once, again and again. */
		if (count > 0 && polled[0].revents & POLLHUP)
			polled[0].fd = -1;
	}
}

static void put_shown(FILE *out, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fputc(bytes[i] == '\n' || (unsigned char)bytes[i] >= ' ' ? bytes[i] : '?', out);
}

char *link_said(const struct link *link)
{
	char bytes[SAID_MAX];
	ssize_t got = read(link->log, bytes, sizeof(bytes));
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	while (got > 0 && bytes[got - 1] == '\n')
		got--;
	out = got > 0 ? memstream_open(&text, &size) : NULL;
	if (!out)
		return NULL;
	put_shown(out, bytes, (size_t)got);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* Why it has ended. -ENOENT: the program isn't there. */
static int find_reason(struct link *link, char **ret_message)
{
	siginfo_t info = {.si_status = 0};

	if (waitid(P_PIDFD, (id_t)link->handle, &info, WEXITED) == 0) {
		link->process = 0;
		if (info.si_code == CLD_EXITED && info.si_status == 127)
			return -ENOENT;
	}
	*ret_message = link_said(link);
	return -ECANCELED;
}

static int make_pipe(int *ret_reader, int *ret_writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ret_reader = ends[0];
	*ret_writer = ends[1];
	return 0;
}

static int start(pid_t pid, bool is_root, struct link *link)
{
	CLEANUP_FD int log = -1;
	CLEANUP_FD int ready = -1;
	int error = make_pipe(&link->log, &log);

	if (!error)
		error = make_pipe(&link->ready, &ready);
	if (error)
		return error;
	link->process = fork();
	if (link->process == 0)
		become_pasta(pid, is_root, ready, log);
	if (link->process < 0)
		return -errno;
	link->handle = (int)syscall(SYS_pidfd_open, link->process, 0);
	return link->handle < 0 ? -errno : 0;
}

int link_start(pid_t pid, bool is_root, struct link *ret_link)
{
	struct link link = LINK_NONE;
	int error = start(pid, is_root, &link);

	if (error)
		link_end(&link);
	else
		*ret_link = link;
	return error;
}

int link_await(struct link *link, int patience_ms, char **ret_message)
{
	int error = await_ready(link, patience_ms);

	*ret_message = NULL;
	fd_closep(&link->ready);
	if (error == -ECANCELED)
		error = find_reason(link, ret_message);
	return error;
}

void link_stop(const struct link *link)
{
	if (link->process > 0)
		kill(link->process, SIGKILL);
}

void link_end(struct link *link)
{
	link_stop(link);
	if (link->process > 0)
		waitpid(link->process, NULL, 0);
	link->process = 0;
	fd_closep(&link->ready);
	fd_closep(&link->handle);
	fd_closep(&link->log);
}
