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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/event/event-json.h"

static const struct event_context context = {.policy = "p", .session = "s"};

static const struct sink_style plain = {SINK_LINES, SINK_NATIVE, NULL, false};

static struct sink *make(int fd, bool all)
{
	struct sink *sink;

	assert_int_equal(sink_new(fd, all, &plain, &sink), 0);
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

/* --- Daemons --- */

#define RECORD                                                                                     \
	"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"query\",\"policy\":\"p\","           \
	"\"session\":\"s\",\"verdict\":\"refuse\",\"rule\":\"default-deny\","                      \
	"\"name\":\"example.org\",\"type\":\"A\"}\n"

/* A daemon's socket, in a folder of its own. */
struct daemon {
	char folder[64];
	struct sockaddr_un address;
	int listens; /* -1: it is gone */
};

static void listen_there(struct daemon *daemon)
{
	unlink(daemon->address.sun_path);
	daemon->listens = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
		bind(daemon->listens, (struct sockaddr *)&daemon->address, sizeof(daemon->address)),
		0);
}

static void start_daemon(struct daemon *daemon)
{
	*daemon = (struct daemon){"/tmp/test-sink-XXXXXX", {.sun_family = AF_UNIX}, -1};
	assert_non_null(mkdtemp(daemon->folder));
	snprintf(daemon->address.sun_path, sizeof(daemon->address.sun_path), "%s/log",
		daemon->folder);
	listen_there(daemon);
}

static void end_daemon(struct daemon *daemon)
{
	close(daemon->listens);
	unlink(daemon->address.sun_path);
	rmdir(daemon->folder);
}

/* What the parent does, for a socket that the sink goes on with. */
static int connect_to(const struct daemon *daemon, int fd)
{
	return connect(fd, (const struct sockaddr *)&daemon->address, sizeof(daemon->address));
}

static int client_of(const struct daemon *daemon)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect_to(daemon, fd), 0);
	return fd;
}

/* One message, as text; false: there is none. */
static bool receive(const struct daemon *daemon, char *text, size_t size)
{
	ssize_t got = recv(daemon->listens, text, size - 1, 0);

	if (got < 0)
		return false;
	text[got] = '\0';
	return true;
}

static struct sink *make_styled(int fd, enum sink_kind kind, enum sink_format format)
{
	const struct sink_style style = {kind, format, "host", false};
	struct sink *sink;

	assert_int_equal(sink_new(fd, true, &style, &sink), 0);
	return sink;
}

static void test_messages(void **state)
{
	static const struct {
		enum sink_kind kind;
		enum sink_format format;
		const char *begins;
		const char *has;
	} rows[] = {
		{SINK_JOURNAL, SINK_NATIVE, "MESSAGE=refuse query: example.org A (default-deny)\n",
			"\nEGRESS_NAME=example.org\n"},
		{SINK_JOURNAL, SINK_ECS, "MESSAGE={\"@timestamp\":", "\nEGRESS_NAME=example.org\n"},
		{SINK_SYSLOG, SINK_NATIVE, "<28>1 2026-11-21T13:05:02.123456Z host egress ",
			" query ["
			"egress@32473 time="},
		{SINK_SYSLOG, SINK_OCSF, "<28>1 2026-11-21T13:05:02.123456Z host egress ",
			" query - {\"time\":1795266302123,"},
	};
	static char got[20000];
	struct daemon daemon;

	(void)state;
	start_daemon(&daemon);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = client_of(&daemon);
		struct sink *sink = make_styled(fd, rows[i].kind, rows[i].format);

		put(sink, RECORD);
		put(sink, RECORD);
		assert_int_equal(sink_flush(sink, &context), 0);
		for (unsigned j = 0; j < 2; j++) {
			assert_true(receive(&daemon, got, sizeof(got)));
			assert_memory_equal(got, rows[i].begins, strlen(rows[i].begins));
			assert_non_null(strstr(got, rows[i].has));
		}
		assert_false(receive(&daemon, got, sizeof(got)));
		sink_free(sink);
		close(fd);
	}
	end_daemon(&daemon);
}

static void test_formats_of_lines(void **state)
{
	char got[EVENT_LINE + 1];
	int ends[2];
	struct sink *sink;

	(void)state;
	make_pipe(ends);
	sink = make_styled(ends[1], SINK_LINES, SINK_ECS);
	put(sink, RECORD);
	put(sink, "no record\n");
	assert_int_equal(sink_flush(sink, &context), 0);
	got[read(ends[0], got, EVENT_LINE)] = '\0';
	assert_memory_equal(got, "{\"@timestamp\":", 14);
	assert_non_null(strstr(strchr(got, '\n'), "\"egress\":{\"session\":\"s\",\"count\":1,"));
	sink_free(sink);
	close(ends[0]);
	close(ends[1]);
}

/* A daemon that doesn't read: what waits is bounded, and what was too much is told as such. */
static void test_slow_daemon(void **state)
{
	enum { MANY = 5000 };
	static char got[20000];
	struct daemon daemon;
	unsigned taken = 0, lost = 0;
	struct sink *sink;
	int fd, error;

	(void)state;
	start_daemon(&daemon);
	fd = client_of(&daemon);
	sink = make_styled(fd, SINK_SYSLOG, SINK_NATIVE);
	for (unsigned i = 0; i < MANY; i++)
		put(sink, RECORD);
	assert_int_equal(sink_flush(sink, &context), -EAGAIN);
	assert_true(sink_waits(sink));
	do {
		error = sink_flush(sink, &context);
		while (receive(&daemon, got, sizeof(got))) {
			const char *count = strstr(got, " count=\"");

			if (count)
				lost += (unsigned)strtoul(count + 8, NULL, 10);
			taken += count == NULL;
		}
	} while (error == -EAGAIN);
	assert_int_equal(error, 0);
	assert_true(lost > 0);
	assert_int_equal(taken + lost, MANY);
	sink_free(sink);
	close(fd);
	end_daemon(&daemon);
}

/* A daemon that is started anew: what came meanwhile waits, and once the socket is connected again
 * it goes there, in its order. */
static void test_daemon_restarts(void **state)
{
	static char got[20000];
	struct daemon daemon;
	struct sink *sink;
	int fd;

	(void)state;
	start_daemon(&daemon);
	fd = client_of(&daemon);
	sink = make_styled(fd, SINK_JOURNAL, SINK_NATIVE);
	put(sink, RECORD);
	assert_int_equal(sink_flush(sink, &context), 0);
	assert_true(receive(&daemon, got, sizeof(got)));
	close(daemon.listens);
	put(sink, RECORD);
	assert_int_equal(sink_flush(sink, &context), -ENOTCONN);
	assert_int_equal(sink_flush(sink, &context), -ENOTCONN);
	assert_int_not_equal(connect_to(&daemon, fd), 0);
	listen_there(&daemon);
	assert_int_equal(connect_to(&daemon, fd), 0);
	assert_int_equal(connect_to(&daemon, fd), 0);
	assert_int_equal(sink_flush(sink, &context), 0);
	assert_true(receive(&daemon, got, sizeof(got)));
	assert_non_null(strstr(got, "EGRESS_NAME=example.org\n"));
	assert_false(receive(&daemon, got, sizeof(got)));
	sink_free(sink);
	close(fd);
	end_daemon(&daemon);
}

/* What a sink has no room for goes out first, if it can. */
static void test_room_is_made(void **state)
{
	static char line[4000];
	char path[] = "/tmp/test-sink-XXXXXX";
	int fd = mkstemp(path);
	struct stat status;
	struct sink *sink;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	sink = make(fd, true);
	for (unsigned i = 0; i < 100; i++)
		put(sink, line);
	assert_int_equal(sink_flush(sink, &context), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 100 * (sizeof(line) - 1));
	sink_free(sink);
	close(fd);
}

/* What a burst of queries has filled still takes an alert, and a record of what was lost. */
static void test_reserve(void **state)
{
	enum { ALERTS = 3 };
	char line[EVENT_LINE];
	unsigned taken = 0;
	struct sink *sink;
	int ends[2];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	make_pipe(ends);
	sink = make(ends[1], true);
	while (sink_put(sink, EVENT_QUERY, line, 400))
		assert_in_range(++taken, 1, 10000);
	assert_false(sink_put(sink, EVENT_FLOW, line, 400));
	for (unsigned i = 0; i < ALERTS; i++)
		assert_true(sink_put(sink, EVENT_POLICY, line, sizeof(line)));
	assert_true(sink_put(sink, EVENT_LOST, line, 400));
	assert_false(sink_put(sink, EVENT_QUERY, line, 400));
	sink_free(sink);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_formats_of_lines),
		cmocka_unit_test(test_slow_daemon),
		cmocka_unit_test(test_daemon_restarts),
		cmocka_unit_test(test_room_is_made),
		cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
