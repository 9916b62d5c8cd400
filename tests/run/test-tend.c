/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/base/fd.h"
#include "src/run/step.h"
#include "src/run/tend.h"

enum { WRITTEN = 1 << 20, STATUS = 7 };

struct reading {
	int fd;
	size_t size;
};

static void take(void *context)
{
	struct reading *reading = context;
	static char bytes[4096];
	ssize_t got = read(reading->fd, bytes, sizeof(bytes));

	if (got > 0)
		reading->size += (size_t)got;
	else
		fd_closep(&reading->fd);
}

static void note(const char *what)
{
	fail_msg("%s", what);
}

/* Writes more than a pipe holds, and gives up when nobody reads it. */
static void __attribute__((noreturn)) write_much(const struct tend *tend, int fd)
{
	static const char bytes[WRITTEN];

	tend_restore(tend);
	alarm(30);
	_exit(fd_write_all(fd, bytes, sizeof(bytes)) == 0 ? STATUS : 1);
}

/* What is to be read is read while the command runs. */
static void test_source(void **state)
{
	struct stage stage = {.warden_end = -1, .link = LINK_NONE};
	struct reading reading = {.size = 0};
	const struct tend_source source = {&reading.fd, take, &reading};
	struct tend tend;
	int ends[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	reading.fd = ends[0];
	assert_int_equal(tend_prepare(false, &tend), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_much(&tend, ends[1]);
	close(ends[1]);
	status = tend_run(&tend, &stage, pid, false, &source, note);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), STATUS);
	while (reading.fd >= 0)
		take(&reading);
	assert_int_equal(reading.size, WRITTEN);
	close(tend.signals);
	tend_restore(&tend);
}

/* --- When the stage is lost --- */

static char noted[4096];
static pid_t command;

static void keep_note(const char *what)
{
	size_t length = strlen(noted);

	snprintf(noted + length, sizeof(noted) - length, "%s\n", what);
	/* So the test is over. */
	kill(command, SIGKILL);
}

static pid_t start_child(const struct tend *tend, bool stays)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	tend_restore(tend);
	alarm(60);
	if (stays)
		pause();
	_exit(0);
}

/* Stays with a command until something was noted, and the process, if any, has ended. */
static void lose(struct stage *stage, pid_t *process)
{
	const struct tend_source source = {NULL, NULL, NULL};
	struct tend tend;

	noted[0] = '\0';
	assert_int_equal(tend_prepare(false, &tend), 0);
	command = start_child(&tend, true);
	if (process)
		*process = start_child(&tend, false);
	assert_int_equal(
		WTERMSIG(tend_run(&tend, stage, command, false, &source, keep_note)), SIGKILL);
	assert_true(!process || *process == 0);
	close(tend.signals);
	tend_restore(&tend);
}

static void test_lost(void **state)
{
	struct stage stage = {.warden_end = -1, .link = LINK_NONE};

	(void)state;
	lose(&stage, &stage.link.process);
	assert_string_equal(noted, "the link is gone: pasta(1) has ended\n");
	lose(&stage, &stage.porter);
	assert_string_equal(noted, "the process that opens sockets to DNS servers has ended: names "
				   "that are not known yet are not answered any more\n");
	lose(&stage, &stage.relay);
	assert_string_equal(noted, "the process that forwards published ports has ended\n");
	lose(&stage, &stage.loopback_porter);
	assert_string_equal(noted, "the process that connects to the host's loopback has ended\n");
}

/* What it has said is told; then nothing more comes from there, and it is not polled. */
static void test_lost_warden(void **state)
{
	struct stage stage = {.link = LINK_NONE};
	struct step step = {.kind = STEP_FAILED, .text = "why"};
	int ends[2];

	(void)state;
	assert_int_equal(step_pair(ends), 0);
	assert_int_equal(step_send(ends[1], &step), 0);
	close(ends[1]);
	stage.warden_end = ends[0];
	lose(&stage, NULL);
	assert_string_equal(noted, "why\n");
	assert_int_equal(stage.warden_end, -1);
	lose(&stage, &stage.warden);
	assert_string_equal(noted, "the process that keeps the namespaces has ended: names are not "
				   "answered any more\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_lost_warden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
