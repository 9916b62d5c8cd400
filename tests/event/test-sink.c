/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/event/event-json.h"

static const struct event_context context = {.policy = "p", .session = "s"};

static struct sink *make(int fd, bool all)
{
	struct sink *sink;

	assert_int_equal(sink_new(fd, all, &sink), 0);
	return sink;
}

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

static void put(struct sink *sink, const char *line)
{
	sink_put(sink, EVENT_QUERY, line, strlen(line));
}

static void test_lines(void **state)
{
	char got[64];
	int ends[2];
	struct sink *sink;

	(void)state;
	make_pipe(ends);
	sink = make(ends[1], true);
	assert_int_equal(sink_flush(sink, &context), 0);
	put(sink, "one\n");
	put(sink, "two\n");
	assert_int_equal(read(ends[0], got, sizeof(got)), -1);
	assert_int_equal(sink_flush(sink, &context), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), 8);
	assert_memory_equal(got, "one\ntwo\n", 8);
	sink_free(sink);
	close(ends[0]);
	close(ends[1]);
}

static void test_wants(void **state)
{
	struct sink *all = make(-1, true), *some = make(-1, false);
	struct event event;

	(void)state;
	event_begin(&event, EVENT_QUERY);
	for (unsigned verdict = EVENT_PERMIT; verdict < EVENT_VERDICTS; verdict++) {
		event.verdict = (uint8_t)verdict;
		assert_true(sink_wants(all, &event));
		assert_int_equal(sink_wants(some, &event), verdict != EVENT_PERMIT);
	}
	event_begin(&event, EVENT_LOST);
	assert_true(sink_wants(some, &event));
	event_begin(&event, EVENT_FLOW);
	assert_false(sink_wants(some, &event));
	sink_free(all);
	sink_free(some);
}

/* Reads all there is. How many lines, and the last one. */
static unsigned drain(int fd, char *last, size_t size)
{
	static char bytes[1 << 20];
	unsigned lines = 0;
	size_t length = 0;
	ssize_t got;

	while ((got = read(fd, bytes + length, sizeof(bytes) - length - 1)) > 0)
		length += (size_t)got;
	bytes[length] = '\0';
	for (char *line = strtok(bytes, "\n"); line; line = strtok(NULL, "\n")) {
		snprintf(last, size, "%s", line);
		lines++;
	}
	return lines;
}

/* A pipe that nobody empties: lines are lost, whole ones, and how many is told afterwards. */
static void test_full_pipe(void **state)
{
	enum { LINES = 3000 };
	char line[101], last[EVENT_LINE], expected[64];
	unsigned taken;
	int ends[2], error;
	struct sink *sink;

	(void)state;
	memset(line, 'x', 99);
	line[99] = '\n';
	line[100] = '\0';
	make_pipe(ends);
	sink = make(ends[1], true);
	for (unsigned i = 0; i < LINES; i++) {
		put(sink, line);
		if (i % 100 == 0)
			sink_flush(sink, &context);
	}
	assert_int_equal(sink_flush(sink, &context), -EAGAIN);
	taken = drain(ends[0], last, sizeof(last));
	assert_int_equal(strlen(last), 99);
	do {
		error = sink_flush(sink, &context);
		taken += drain(ends[0], last, sizeof(last));
	} while (error == -EAGAIN);
	assert_int_equal(error, 0);
	taken--; /* the record of what was lost */
	snprintf(expected, sizeof(expected), "\"count\":%u,\"what\":\"queries\"}", LINES - taken);
	assert_non_null(strstr(last, expected));
	assert_true(taken < LINES);
	sink_free(sink);
	close(ends[0]);
	close(ends[1]);
}

static void test_closed(void **state)
{
	int ends[2];
	struct sink *sink;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	make_pipe(ends);
	sink = make(ends[1], true);
	close(ends[0]);
	put(sink, "one\n");
	assert_int_equal(sink_flush(sink, &context), -EPIPE);
	for (unsigned i = 0; i < 100000; i++)
		put(sink, "more\n");
	assert_int_equal(sink_flush(sink, &context), -EPIPE);
	sink_free(sink);
	close(ends[1]);
}

/* A file that takes a part of a line takes the rest of it first. */
static void test_cut(void **state)
{
	char path[] = "/tmp/test-sink-XXXXXX", last[EVENT_LINE];
	struct rlimit before, limit;
	int fd = mkstemp(path);
	struct sink *sink;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 6;
	sink = make(fd, true);
	put(sink, "one\n");
	put(sink, "two\n");
	put(sink, "three\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(sink_flush(sink, &context), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	sink_lose(sink, EVENT_LOST_FLOWS, 3);
	assert_int_equal(sink_flush(sink, &context), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(drain(fd, last, sizeof(last)), 4);
	assert_non_null(strstr(last, "\"count\":3,\"what\":\"flows\"}"));
	sink_free(sink);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
