/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int compare_fds(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Closes all descriptors but the standard ones and those given. */
static int keep_only(int *fds, size_t n_fds)
{
	unsigned first = STDERR_FILENO + 1;

	qsort(fds, n_fds, sizeof(*fds), compare_fds);
	for (size_t i = 0; i < n_fds; i++) {
		unsigned fd = (unsigned)fds[i];

		if (fd > first && syscall(SYS_close_range, first, fd - 1, 0) < 0)
			return -errno;
		first = fd + 1;
	}
	return syscall(SYS_close_range, first, ~0u, 0) < 0 ? -errno : 0;
}

/* What a terminal or an administrator sends to all processes is the parent's to act on. */
static int reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

void child_begin(
	const char *program, const char *role, enum log_level level, int *fds, size_t n_fds)
{
	int error;

	log_start(program, role, level);
	log_debug("process %d", (int)getpid());
	error = reset_signals();
	if (!error)
		error = keep_only(fds, n_fds);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		_exit(1);
	}
}

uint64_t child_cpu_ms(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static uint64_t usage_ms(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage) < 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

uint64_t child_ended_cpu_ms(void)
{
	return usage_ms(RUSAGE_SELF) + usage_ms(RUSAGE_CHILDREN);
}

void child_log_end(const char *role, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_error("%s (process %d) was ended by signal %d (%s)", role, (int)pid,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error("%s (process %d) ended with status %d", role, (int)pid,
			WEXITSTATUS(status));
}
