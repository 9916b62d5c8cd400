/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "src/audit/tail.h"

/* A log in a folder of its own, which rotates as logs do. */

struct seen {
	char text[512];
	size_t length;
};

struct fixture {
	char folder[64];
	char path[96];
	char old[96];
	struct tail *tail;
	struct seen seen;
};

static void note(void *context, const char *line, size_t size)
{
	struct seen *seen = context;

	seen->length +=
		(size_t)snprintf(seen->text + seen->length, sizeof(seen->text) - seen->length,
			"<%.*s>", line ? (int)size : 4, line ? line : "LONG");
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/egress-tail.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/log", fixture->folder);
	snprintf(fixture->old, sizeof(fixture->old), "%s/log.1", fixture->folder);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	tail_close(fixture->tail);
	unlink(fixture->path);
	unlink(fixture->old);
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Takes what there is. */
static void drain(struct fixture *fixture)
{
	int result;

	do
		result = tail_take(fixture->tail, note, &fixture->seen);
	while (result > 0);
	assert_int_equal(result, 0);
}

/* Until so much was seen, within ten seconds. */
static void wait_for(struct fixture *fixture, const char *text)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < 500 && strcmp(fixture->seen.text, text) != 0; i++) {
		drain(fixture);
		nanosleep(&pause, NULL);
	}
	assert_string_equal(fixture->seen.text, text);
}

static void test_growth(void **state)
{
	struct fixture *fixture = *state;

	write_to(fixture->path, "one\ntw");
	assert_int_equal(tail_open(fixture->path, false, &fixture->tail), 0);
	drain(fixture);
	assert_string_equal(fixture->seen.text, "<one>");
	write_to(fixture->path, "o\nthree");
	drain(fixture);
	assert_string_equal(fixture->seen.text, "<one><two>");
	tail_finish(fixture->tail, note, &fixture->seen);
	assert_string_equal(fixture->seen.text, "<one><two><three>");
	assert_false(tail_has_ended(fixture->tail));
	assert_int_equal(tail_descriptor(fixture->tail), -1);
}

static void test_from_end(void **state)
{
	struct fixture *fixture = *state;

	write_to(fixture->path, "one\n");
	assert_int_equal(tail_open(fixture->path, true, &fixture->tail), 0);
	drain(fixture);
	write_to(fixture->path, "two\n");
	drain(fixture);
	assert_string_equal(fixture->seen.text, "<two>");
}

static void test_truncation(void **state)
{
	struct fixture *fixture = *state;

	write_to(fixture->path, "one\nhalf");
	assert_int_equal(tail_open(fixture->path, false, &fixture->tail), 0);
	drain(fixture);
	assert_int_equal(truncate(fixture->path, 0), 0);
	write_to(fixture->path, "two\n");
	drain(fixture);
	assert_string_equal(fixture->seen.text, "<one><two>");
}

/* What is written to the old one before its writer has looked is not lost. */
static void test_rotation(void **state)
{
	struct fixture *fixture = *state;

	write_to(fixture->path, "one\n");
	assert_int_equal(tail_open(fixture->path, false, &fixture->tail), 0);
	drain(fixture);
	assert_int_equal(rename(fixture->path, fixture->old), 0);
	drain(fixture);
	write_to(fixture->old, "two\n");
	drain(fixture);
	assert_string_equal(fixture->seen.text, "<one><two>");
	write_to(fixture->path, "three\n");
	wait_for(fixture, "<one><two><three>");
	/* Also where there is none for a while. */
	fixture->seen = (struct seen){.length = 0};
	unlink(fixture->old);
	assert_int_equal(rename(fixture->path, fixture->old), 0);
	for (int i = 0; i < 100; i++) {
		drain(fixture);
		usleep(20000);
	}
	write_to(fixture->path, "four\n");
	wait_for(fixture, "<four>");
}

static void test_pipe(void **state)
{
	struct fixture *fixture = *state;
	int fds[2], kept = dup(STDIN_FILENO);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(dup2(fds[0], STDIN_FILENO) >= 0);
	assert_int_equal(tail_open("-", true, &fixture->tail), 0);
	dup2(kept, STDIN_FILENO);
	close(kept);
	close(fds[0]);
	assert_true(tail_descriptor(fixture->tail) >= 0);
	assert_false(tail_is_ready(fixture->tail));
	assert_int_equal(write(fds[1], "one\ntwo", 7), 7);
	assert_true(tail_is_ready(fixture->tail));
	assert_int_equal(tail_take(fixture->tail, note, &fixture->seen), 1);
	close(fds[1]);
	assert_int_equal(tail_take(fixture->tail, note, &fixture->seen), 0);
	assert_true(tail_has_ended(fixture->tail));
	assert_string_equal(fixture->seen.text, "<one>");
}

static void test_failures(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(tail_open(fixture->path, false, &fixture->tail), -ENOENT);
	assert_int_equal(tail_open(fixture->folder, false, &fixture->tail), -EISDIR);
	assert_null(fixture->tail);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_growth),
		TEST(test_from_end),
		TEST(test_truncation),
		TEST(test_rotation),
		TEST(test_pipe),
		TEST(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
