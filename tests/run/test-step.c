/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/step.h"

static int ends[2];

static int set_up(void **state)
{
	(void)state;
	return step_pair(ends);
}

static int tear_down(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int await(enum step_kind kind)
{
	struct step step;

	return step_await(ends[1], kind, 0, &step);
}

static void test_steps(void **state)
{
	struct step sent = {.kind = STEP_LINKING, .process = 7, .text = "why"}, got;

	(void)state;
	assert_int_equal(await(STEP_LINKING), -ETIMEDOUT);
	assert_int_equal(step_send(ends[0], &sent), 0);
	assert_int_equal(step_await(ends[1], STEP_LINKING, 0, &got), 0);
	assert_int_equal(got.process, 7);
	assert_string_equal(got.text, "why");
	/* A text without an end has one where it is read. */
	sent.kind = STEP_FAILED;
	memset(sent.text, 'x', sizeof(sent.text));
	assert_int_equal(step_send(ends[0], &sent), 0);
	assert_int_equal(step_await(ends[1], STEP_READY, 0, &got), -ECANCELED);
	assert_int_equal(strlen(got.text), STEP_TEXT - 1);
}

static void test_others(void **state)
{
	struct step steps[2] = {{.kind = STEP_MAPPED}, {.kind = STEP_MAPPED}};

	(void)state;
	assert_int_equal(step_send(ends[0], &steps[0]), 0);
	assert_int_equal(await(STEP_READY), -EPROTO);
	assert_int_equal(send(ends[0], steps, sizeof(steps[0]) - 1, 0), sizeof(steps[0]) - 1);
	assert_int_equal(await(STEP_MAPPED), -EPROTO);
	assert_int_equal(send(ends[0], steps, sizeof(steps), 0), sizeof(steps));
	assert_int_equal(await(STEP_MAPPED), -EPROTO);
	assert_int_equal(await(STEP_MAPPED), -ETIMEDOUT);
}

static void test_gone(void **state)
{
	struct step step = {.kind = STEP_MAPPED};

	(void)state;
	/* With something that it has not read, too, which is another error. */
	assert_int_equal(step_send(ends[1], &step), 0);
	close(ends[0]);
	assert_int_equal(await(STEP_MAPPED), -EPIPE);
	assert_int_equal(await(STEP_MAPPED), -EPIPE);
	assert_int_equal(step_send(ends[1], &step), -EPIPE);
	ends[0] = dup(ends[1]);
}

static const struct step late = {.kind = STEP_READY, .process = 9};
static unsigned rings;

/* The second time it is said. */
static void ring(int signal)
{
	(void)signal;
	if (++rings == 2)
		(void)send(ends[0], &late, sizeof(late), MSG_NOSIGNAL);
}

/* It is waited for, and a signal is no answer. */
static void test_late(void **state)
{
	const struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	const struct sigaction action = {.sa_handler = ring};
	struct sigaction before;
	struct step got;

	(void)state;
	rings = 0;
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(step_await(ends[1], STEP_READY, 60000, &got), 0);
	assert_int_equal(got.process, 9);
	assert_int_equal(step_await(ends[1], STEP_READY, 50, &got), -ETIMEDOUT);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

/* What is executed has no part in it. */
static void test_closed_on_exec(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_steps),
		TEST(test_others),
		TEST(test_gone),
		TEST(test_late),
		TEST(test_closed_on_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
