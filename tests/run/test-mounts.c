/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/mounts.h"
#include "tests/kernel/space.h"

static void expect_socket(const char *value, const char *expected)
{
	char *path = mounts_named_socket(value);

	if (expected)
		assert_string_equal(path, expected);
	else
		assert_null(path);
	free(path);
}

static void test_named_sockets(void **state)
{
	(void)state;
	expect_socket("unix:path=/run/user/1000/bus", "/run/user/1000/bus");
	expect_socket("unix:path=/tmp/bus,guid=0123", "/tmp/bus");
	expect_socket("tcp:host=a;unix:path=/tmp/bus;x", "/tmp/bus");
	expect_socket("unix:abstract=/tmp/bus", NULL);
	expect_socket("unix:/tmp/kitty", "/tmp/kitty");
	expect_socket("unix:@kitty", NULL);
	expect_socket("{4f2a}unix:/tmp/pulse/native", "/tmp/pulse/native");
	expect_socket("unix:///run/docker.sock", "/run/docker.sock");
	expect_socket("tcp://192.0.2.1:2375", NULL);
	expect_socket("/tmp/tmux-1000/default,1234,0", "/tmp/tmux-1000/default");
	expect_socket("", NULL);
	expect_socket("relative", NULL);
}

struct seen {
	const char *wanted;
	unsigned count;
};

static void note_place(void *context, const char *path, const char *reason)
{
	struct seen *seen = context;

	assert_non_null(reason);
	assert_int_equal(path[0], '/');
	assert_null(strchr(path, '%'));
	seen->count += strcmp(path, seen->wanted) == 0;
}

static void expect_place(uid_t uid, const char *path, unsigned count)
{
	struct seen seen = {path, 0};

	mounts_visit(uid, note_place, &seen);
	assert_int_equal(seen.count, count);
}

static void test_places(void **state)
{
	(void)state;
	expect_place(1000, "/run/nscd", 1);
	expect_place(1000, "/run/user/1000/bus", 1);
	expect_place(1000, "/run/user/1001/bus", 0);
	expect_place(4294967294, "/run/user/4294967294/systemd", 1);
	expect_place(1000, "/tmp/tmux-1000", 1);
	assert_int_equal(setenv("DOCKER_HOST", "unix:///home/x/docker.sock", 1), 0);
	expect_place(1000, "/home/x/docker.sock", 1);
	unsetenv("DOCKER_HOST");
	expect_place(1000, "/home/x/docker.sock", 0);
}

static void test_home(void **state)
{
	char long_home[1024];

	(void)state;
	assert_int_equal(setenv("HOME", "/home/x", 1), 0);
	expect_place(1000, "/home/x/.gnupg/S.dirmngr", 1);
	expect_place(1000, "/run/user/1000/gnupg/S.dirmngr", 1);
	assert_int_equal(setenv("HOME", "x", 1), 0);
	expect_place(1000, "x/.gnupg/S.dirmngr", 0);
	long_home[0] = '/';
	memset(long_home + 1, 'x', sizeof(long_home) - 2);
	long_home[sizeof(long_home) - 1] = '\0';
	assert_int_equal(setenv("HOME", long_home, 1), 0);
	expect_place(1000, "/run/nscd", 1);
	unsetenv("HOME");
	expect_place(1000, "/.gnupg/S.dirmngr", 0);
}

/* --- What the kernel refuses --- */

enum { NO_NAMESPACE = 200 };

/* What it returns where the kernel refuses that call, negated; 0: nothing is refused. */
static int enter_without(int call)
{
	const struct dns_policy dns = {.n_upstream = 0};
	pid_t pid = fork();
	char *what = NULL;
	int status;

	if (pid == 0) {
		if (space_enter() != 0 || (call && space_refuse(&call, 1, 0) != 0))
			_exit(NO_NAMESPACE);
		_exit(-mounts_enter(&dns, getuid(), &what));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Nothing runs with places in sight that were to be hidden. */
static void test_what_the_kernel_refuses(void **state)
{
	static const int calls[] = {SCMP_SYS(unshare), SCMP_SYS(mount), SCMP_SYS(fsopen),
		SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(open_tree), SCMP_SYS(mount_setattr),
		SCMP_SYS(move_mount), SCMP_SYS(umount2)};
	int status = enter_without(0);

	(void)state;
	if (status == NO_NAMESPACE) {
		print_message("# no mount namespace may be made here\n");
		return;
	}
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(enter_without(calls[i]), EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_sockets),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_what_the_kernel_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
