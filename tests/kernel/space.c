/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/kernel/space.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77       /* exit status of a test that has reported itself */
#define TEST_SECONDS 120 /* one that hangs is killed, and so fails */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	close(fd);
	return written < 0 ? -errno : 0;
}

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
	close(fd);
	return error;
}

int space_enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char uids[32], gids[32];
	int error;

	snprintf(uids, sizeof(uids), "0 %u 1", uid);
	snprintf(gids, sizeof(gids), "0 %u 1", gid);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	error = write_file("/proc/self/setgroups", "deny");
	if (!error)
		error = write_file("/proc/self/uid_map", uids);
	if (!error)
		error = write_file("/proc/self/gid_map", gids);
	return error ? error : loopback_up();
}

int space_enter_as_root(void)
{
	return unshare(CLONE_NEWNET) ? -errno : loopback_up();
}

static void try_root(void *context)
{
	(void)context;
	if (space_enter_as_root() || setresgid(65534, 65534, 65534) ||
		setresuid(65534, 65534, 65534))
		_exit(1);
}

bool space_is_root(void)
{
	return geteuid() == 0 && space_child(try_root, NULL);
}

/* The test being run, for the child that reports it itself. */
static size_t test_number;
static const char *test_what;

void space_skip_test(const char *reason)
{
	dprintf(STDOUT_FILENO, "ok %zu - %s # SKIP %s\n", test_number, test_what, reason);
	_exit(SKIPPED);
}

static void run_test(const struct space_test *test)
{
	int error = 0;

	alarm(TEST_SECONDS);
	if (test->where == SPACE_ROOT && !space_is_root())
		space_skip_test("needs root");
	if (test->where == SPACE_ROOT)
		error = space_enter_as_root();
	if (test->where == SPACE_USER)
		error = space_enter();
	if (error)
		space_skip_test("no namespaces of its own");
	test->body();
}

int space_tests(const struct space_test *tests, size_t count)
{
	bool failed = false;

	printf("1..%zu\n", count);
	for (test_number = 1; test_number <= count; test_number++) {
		const struct space_test *test = &tests[test_number - 1];
		int status = -1;
		pid_t child;

		test_what = test->what;
		fflush(NULL);
		child = fork();
		if (child == 0) {
			run_test(test);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			status = -1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
			continue;
		printf("%s %zu - %s\n", status == 0 ? "ok" : "not ok", test_number, test->what);
		failed |= status != 0;
	}
	return failed;
}

int space_skip(const char *what, int error)
{
	printf("1..0 # SKIP %s: %s\n", what, strerror(-error));
	return 0;
}

uint32_t space_draw(void)
{
	static uint32_t state = 1;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

bool space_child(void (*body)(void *context), void *context)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		body(context);
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

bool space_run(const char *format, ...)
{
	char command[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	/* NOLINTNEXTLINE(cert-env33-c): the tests' own commands */
	return length > 0 && (size_t)length < sizeof(command) && system(command) == 0;
}

void space_check(bool condition, const char *text, const char *file, int line)
{
	if (condition)
		return;
	dprintf(STDOUT_FILENO, "# %s:%d: %s (%s)\n", file, line, text, strerror(errno));
	_exit(1);
}
