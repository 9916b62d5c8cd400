/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/link.h"

/* Programs that call themselves pasta(1) and do what that might. */

enum { PATIENCE_MS = 30000 };

static char folder[] = "/tmp/egress-link-XXXXXX";
static char program[sizeof(folder) + 8];
static unsigned polls;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names, ld(1), --wrap */
int __wrap_poll(struct pollfd *polled, nfds_t count, int wait_ms);
int __real_poll(struct pollfd *polled, nfds_t count, int wait_ms);

int __wrap_poll(struct pollfd *polled, nfds_t count, int wait_ms)
{
	polls++;
	return __real_poll(polled, count, wait_ms);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int set_up(void **state)
{
	char path[sizeof(folder) + 32];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(program, sizeof(program), "%s/pasta", folder);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	return setenv("PATH", path, 1);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(program);
	return rmdir(folder);
}

/* Starts a program of these lines of sh(1), and waits for it. */
static int await(const char *script, int patience_ms, struct link *link, char **ret_message)
{
	FILE *out = fopen(program, "we");

	assert_non_null(out);
	fprintf(out, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(program, 0755), 0);
	assert_int_equal(link_start(getpid(), false, link), 0);
	polls = 0;
	return link_await(link, patience_ms, ret_message);
}

static void expect(const char *script, int patience_ms, int error, const char *message)
{
	struct link link;
	char *said;

	assert_int_equal(await(script, patience_ms, &link, &said), error);
	if (message)
		assert_string_equal(said, message);
	else
		assert_null(said);
	free(said);
	link_end(&link);
	assert_int_equal(link.process, 0);
}

static void it_is_ready(void **state)
{
	struct link link;
	char *said;

	(void)state;
	/* What it says later can be asked for. */
	assert_int_equal(
		await("echo 7; echo late >&2; exec sleep 60", PATIENCE_MS, &link, &said), 0);
	assert_null(said);
	while (!(said = link_said(&link)))
		usleep(1000);
	assert_string_equal(said, "late");
	free(said);
	assert_null(link_said(&link));
	link_end(&link);
}

static void it_gives_up(void **state)
{
	(void)state;
	expect("exit 1", PATIENCE_MS, -ECANCELED, NULL);
	expect("printf 'no \\033[31m\\tway\\nout\\n\\n' >&2; exit 126", PATIENCE_MS, -ECANCELED,
		"no ?[31m?way\nout");
	expect("kill -KILL $$", PATIENCE_MS, -ECANCELED, NULL);
}

static void there_is_none(void **state)
{
	struct link link;
	char *said;

	(void)state;
	unlink(program);
	assert_int_equal(setenv("PATH", folder, 1), 0);
	assert_int_equal(link_start(getpid(), false, &link), 0);
	assert_int_equal(link_await(&link, PATIENCE_MS, &said), -ENOENT);
	assert_null(said);
	link_end(&link);
}

static void it_says_nothing(void **state)
{
	(void)state;
	expect("exec sleep 60", 100, -ETIMEDOUT, NULL);
	assert_in_range(polls, 1, 5);
	/* There will be nothing, which is known at once; it is waited for no less quietly. */
	expect("exec sleep 60 >&-", 500, -ETIMEDOUT, NULL);
	assert_in_range(polls, 1, 5);
}

/* In between, signals come. */
static void ring(int signal)
{
	(void)signal;
}

static void signals_end_no_wait(void **state)
{
	const struct sigaction action = {.sa_handler = ring};
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	expect("sleep 0.3; echo 7; exec sleep 60", PATIENCE_MS, 0, NULL);
	assert_true(polls > 1);
	expect("exec sleep 60", 300, -ETIMEDOUT, NULL);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_ready),
		cmocka_unit_test(it_gives_up),
		cmocka_unit_test(it_says_nothing),
		cmocka_unit_test(signals_end_no_wait),
		cmocka_unit_test(there_is_none),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
