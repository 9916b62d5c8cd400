/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/command.h"
#include "tests/kernel/space.h"

/* Whether a command runs, and where it must not. */

enum { RAN = 7, NOT_REFUSED = 200 };

static pid_t warden;

/* A process in namespaces of its own, as the command's are. */
static int start_warden(void)
{
	int ends[2];
	char byte;
	bool entered;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	warden = fork();
	if (warden == 0) {
		alarm(300);
		if (space_enter() == 0 && write(ends[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	entered = read(ends[0], &byte, 1) == 1;
	close(ends[0]);
	return entered ? 0 : -EPERM;
}

static void complain(const char *what, int error)
{
	(void)what;
	(void)error;
}

/* The exit status of who becomes these arguments, where the kernel refuses that call, or none (-1).
 */
static int run(const char *const *arguments, int call)
{
	const struct dns_policy dns = {.n_upstream = 0};
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (call >= 0 && space_refuse(&call, 1, PR_SET_NO_NEW_PRIVS) != 0)
			_exit(NOT_REFUSED);
		command_become((char **)(uintptr_t)arguments, warden, &dns, complain);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *const command[] = {"sh", "-c", "exit 7", NULL};

static void it_runs(void **state)
{
	(void)state;
	assert_int_equal(run(command, -1), RAN);
	assert_int_equal(run((const char *const[]){"/proc/nothing", NULL}, -1), COMMAND_NOT_FOUND);
	assert_int_equal(
		run((const char *const[]){"/proc/version", NULL}, -1), COMMAND_NOT_EXECUTABLE);
}

/* Without any step of those before it. */
static void it_does_not_run(void **state)
{
	static const int calls[] = {SCMP_SYS(openat), SCMP_SYS(setns), SCMP_SYS(unshare),
		SCMP_SYS(mount), SCMP_SYS(pipe2), SCMP_SYS(clone), SCMP_SYS(read), SCMP_SYS(write),
		SCMP_SYS(wait4), SCMP_SYS(prctl), SCMP_SYS(seccomp)};

	(void)state;
	if (!space_is_root())
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int status = run(command, calls[i]);

		if (status != COMMAND_FAILED)
			fail_msg("without %s: %d",
				seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, calls[i]),
				status);
	}
}

static void there_is_no_warden(void **state)
{
	(void)state;
	kill(warden, SIGKILL);
	waitpid(warden, NULL, 0);
	assert_int_equal(run(command, -1), COMMAND_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_runs),
		cmocka_unit_test(it_does_not_run),
		cmocka_unit_test(there_is_no_warden),
	};
	int error = start_warden();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
