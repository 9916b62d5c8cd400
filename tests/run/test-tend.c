/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/base/fd.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
