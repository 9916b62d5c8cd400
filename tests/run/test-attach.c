/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/attach.h"
#include "tests/kernel/space.h"

/* Processes in network namespaces of their own, below this one's. */

static char reason[ATTACH_REASON];

/* A process of these arguments that sleeps, in a network namespace of its own. */
static pid_t start(const char *const *arguments)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		execv("/bin/sleep", (char **)(uintptr_t)arguments);
		_exit(1);
	}
	/* Hangs up when it is another program. */
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void it_has_a_network_of_its_own(void **state)
{
	const char *const arguments[] = {"a b", "60", "0", NULL};
	struct attach attach;
	pid_t pid = start(arguments);

	(void)state;
	assert_int_equal(attach_find(pid, &attach, reason), 0);
	assert_true(attach.process >= 0);
	assert_true(attach.network >= 0);
	assert_int_equal(attach.user, -1);
	assert_string_equal(attach.cgroup, "");
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(attach.arguments[i], arguments[i]);
	assert_null(attach.arguments[3]);
	attach_close(&attach);
	assert_null(attach.arguments);
	end(pid);
}

/* As long as they may be, of each and of all together. */
static void it_has_many_words(void **state)
{
	enum { WORD = 100000, WORDS = 8 };
	const char *arguments[WORDS + 2] = {"sleep"};
	char *word = malloc(WORD + 1);
	struct attach attach;
	pid_t pid;

	(void)state;
	assert_non_null(word);
	memset(word, '0', WORD);
	word[WORD] = '\0';
	word[0] = '9';
	word[1] = '.';
	for (size_t i = 1; i <= WORDS; i++)
		arguments[i] = word;
	pid = start(arguments);
	assert_int_equal(attach_find(pid, &attach, reason), 0);
	for (size_t i = 1; i <= WORDS; i++)
		assert_string_equal(attach.arguments[i], word);
	assert_null(attach.arguments[WORDS + 1]);
	attach_close(&attach);
	end(pid);
	free(word);
}

/* Whether it can still be told from one that came after it under its number. */
static void it_has_ended(void **state)
{
	const char *const arguments[] = {"sleep", "60", NULL};
	struct attach attach = {.process = 7};
	siginfo_t info;
	pid_t pid = start(arguments);

	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(attach_find(pid, &attach, reason) < 0);
	assert_int_equal(attach.process, 7);
	waitpid(pid, NULL, 0);
	assert_int_equal(attach_find(pid, &attach, reason), -ESRCH);
	assert_int_equal(attach.process, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_a_network_of_its_own),
		cmocka_unit_test(it_has_many_words),
		cmocka_unit_test(it_has_ended),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
