/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver/scrape-socket.h"
#include "src/base/fd.h"
#include "src/base/text.h"

/* Who asks for metrics, by the socket of the parent's; time is the test's. */

enum { PATIENCE_MS = 3000, ANSWER_MAX = 1 << 20 };

static char folder[] = "/tmp/egress-test-XXXXXX";
static char path[64];
static struct scrape_socket *listener;
static struct scrape *scrape;
static struct mono now;
static size_t body_size;
static unsigned n_rendered;
static char answer[ANSWER_MAX];

static size_t render(void *context, char *bytes, size_t size)
{
	(void)context;
	n_rendered++;
	if (body_size > size)
		return 0;
	memset(bytes, 'x', body_size);
	return body_size;
}

static struct metrics_policy metrics_at(const char *at)
{
	return (struct metrics_policy){.path = at};
}

static int set_up(void **state)
{
	const struct metrics_policy metrics = metrics_at(path);

	(void)state;
	assert_int_equal(scrape_socket_open(&metrics, NULL, &listener), 0);
	assert_int_equal(scrape_new(scrape_socket_fd(listener), render, NULL, &scrape), 0);
	now = (struct mono){1000000};
	body_size = 10;
	n_rendered = 0;
	return 0;
}

static int tear_down(void **state)
{
	struct stat status;

	(void)state;
	scrape_free(scrape);
	scrape_socket_close(listener);
	assert_int_equal(lstat(path, &status), -1);
	return 0;
}

/* As the watcher's loop does, until nothing happens, and nothing comes of what is due. */
static void serve(void)
{
	struct pollfd fds[SCRAPE_POLLED];

	for (unsigned i = 0, quiet = 0; i < 1000 && quiet < 2; i++) {
		scrape_poll(scrape, fds);
		quiet = poll(fds, SCRAPE_POLLED, 0) > 0 ? 0 : quiet + 1;
		scrape_serve(scrape, fds, now);
	}
}

static int reach(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until the other side ends, in `answer`. False: it goes on. */
static bool hear(int fd)
{
	size_t got = 0;
	ssize_t size;

	for (;;) {
		serve();
		size = recv(fd, answer + got, ANSWER_MAX - 1 - got, 0);
		if (size <= 0)
			break;
		got += (size_t)size;
	}
	answer[got] = '\0';
	return size == 0;
}

/* The answer to a request that ends the connection. */
static const char *ask(const char *request)
{
	int fd = reach();

	say(fd, request);
	assert_true(hear(fd));
	close(fd);
	serve();
	return answer;
}

static void starts(const char *text, const char *start)
{
	char begins[64];

	snprintf(begins, sizeof(begins), "%.*s", (int)strlen(start), text);
	assert_string_equal(begins, start);
}

static void test_answer(void **state)
{
	(void)state;
	assert_string_equal(
		ask("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"),
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		"Content-Length: 10\r\n"
		"Connection: close\r\n\r\n"
		"xxxxxxxxxx");
	starts(ask("GET /metrics HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ");
	starts(ask("GET /metrics?name[]=x HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(n_rendered, 3);
}

static void test_nothing_else(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", "404"},
		{"GET /metrics/ HTTP/1.1\r\n\r\n", "404"},
		{"GET /metricsx HTTP/1.1\r\n\r\n", "404"},
		{"GET /../metrics HTTP/1.1\r\n\r\n", "404"},
		{"HEAD /metrics HTTP/1.1\r\n\r\n", "405"},
		{"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"},
		{"OPTIONS /metrics HTTP/1.1\r\n\r\n", "405"},
		{"get /metrics HTTP/1.1\r\n\r\n", "400"},
		{"GET  /metrics HTTP/1.1\r\n\r\n", "400"},
		{"GET /metrics\r\n\r\n", "400"},
		{"GET /metrics HTTP/2.0\r\n\r\n", "400"},
		{"GET /metrics HTTP/1.1 \r\n\r\n", "400"},
		{"GET http://x/metrics HTTP/1.1\r\n\r\n", "400"},
		{"GET\r\n\r\n", "400"},
		{" \r\n\r\n", "400"},
		{"\r\n\r\n", "400"},
		{"\x16\x03\x01\x02\r\n\r\n", "400"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char status[16] = "";

		ask(cases[i].request);
		assert_int_equal(sscanf(answer, "HTTP/1.1 %15s", status), 1);
		assert_string_equal(status, cases[i].status);
		assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	}
	assert_int_equal(n_rendered, 0);
}

/* One that comes byte by byte is as good as any. */
static void test_in_pieces(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd = reach();

	(void)state;
	for (size_t i = 0; i < strlen(request); i++) {
		assert_int_equal(send(fd, request + i, 1, 0), 1);
		serve();
	}
	assert_true(hear(fd));
	starts(answer, "HTTP/1.1 200 ");
	close(fd);
}

static void test_too_long(void **state)
{
	char *request = malloc(10000);
	int fd = reach();

	(void)state;
	memset(request, 'a', 9999);
	request[9999] = '\0';
	memcpy(request, "GET /metrics HTTP/1.1\r\n", 23);
	say(fd, request);
	assert_true(hear(fd));
	starts(answer, "HTTP/1.1 431 ");
	close(fd);
	free(request);
}

/* More than one request gets one answer. */
static void test_no_second(void **state)
{
	const char *second;

	(void)state;
	ask("GET /metrics HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
	second = strstr(answer + 1, "HTTP/1.1");
	assert_null(second);
	assert_int_equal(n_rendered, 1);
}

static void test_large(void **state)
{
	(void)state;
	body_size = SCRAPE_BODY;
	ask("GET /metrics HTTP/1.1\r\n\r\n");
	starts(answer, "HTTP/1.1 200 ");
	assert_int_equal(strlen(strstr(answer, "\r\n\r\n") + 4), SCRAPE_BODY);
	body_size = SCRAPE_BODY + 1;
	starts(ask("GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 500 ");
}

/* Who is silent, or reads nothing, is sent away; until then others wait for a place. */
static void test_slow(void **state)
{
	int slow[SCRAPE_CONNECTIONS], fd;

	(void)state;
	body_size = SCRAPE_BODY;
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++) {
		slow[i] = reach();
		say(slow[i], i % 2 == 0 ? "GET /metr" : "GET /metrics HTTP/1.1\r\n\r\n");
		serve();
	}
	assert_int_equal(scrape_wait(scrape, now), PATIENCE_MS);
	fd = reach();
	say(fd, "GET /metrics HTTP/1.1\r\n\r\n");
	now.ms += PATIENCE_MS - 1;
	assert_false(hear(fd));
	assert_string_equal(answer, "");
	assert_int_equal(scrape_wait(scrape, now), 1);
	now.ms++;
	assert_true(hear(fd));
	starts(answer, "HTTP/1.1 200 ");
	close(fd);
	serve();
	assert_int_equal(scrape_wait(scrape, now), -1);
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		close(slow[i]);
}

/* One that goes away halfway leaves its place. */
static void test_gone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * SCRAPE_CONNECTIONS; i++) {
		int fd = reach();

		body_size = SCRAPE_BODY;
		say(fd, i % 2 == 0 ? "GET" : "GET /metrics HTTP/1.1\r\n\r\n");
		serve();
		close(fd);
		serve();
	}
	assert_int_equal(scrape_wait(scrape, now), -1);
}

/* --- The listening socket --- */

static void test_file(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	assert_true(S_ISSOCK(status.st_mode));
}

/* Of two policies with the same place the second has the first one's. */
static void test_held_by_two(void **state)
{
	const struct metrics_policy same = metrics_at(path);
	struct scrape_socket *second = NULL, *third = NULL;
	struct stat status;

	(void)state;
	assert_int_equal(scrape_socket_open(&same, listener, &second), 0);
	assert_ptr_equal(second, listener);
	scrape_socket_close(second);
	assert_int_equal(lstat(path, &status), 0);
	/* Nobody takes it away from who lives. */
	assert_int_equal(scrape_socket_open(&same, NULL, &third), -EADDRINUSE);
	starts(ask("GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 ");
}

static void test_left_over(void **state)
{
	struct metrics_policy metrics;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct scrape_socket *opened = NULL;
	char other[64];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(other, sizeof(other), "%s/other", folder);
	metrics = metrics_at(other);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", other);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(scrape_socket_open(&metrics, NULL, &opened), 0);
	scrape_socket_close(opened);
	/* What is no socket isn't touched. */
	fclose(fopen(other, "w"));
	assert_int_equal(scrape_socket_open(&metrics, NULL, &opened), -EADDRINUSE);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink("/dev/null", other), 0);
	assert_int_equal(scrape_socket_open(&metrics, NULL, &opened), -EADDRINUSE);
	assert_int_equal(unlink(other), 0);
}

static void test_loopback(void **state)
{
	static const char *const places[] = {"127.0.0.1:19533", "[::1]:19533"};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct metrics_policy metrics = {.has_endpoint = true};
		struct scrape_socket *opened = NULL, *again = NULL;
		char text[SCRAPE_SOCKET_TEXT];
		int error;

		assert_int_equal(endpoint_from_text(text_of(places[i]), 0, &metrics.at), 0);
		assert_string_equal(scrape_socket_text(&metrics, text), places[i]);
		error = scrape_socket_open(&metrics, NULL, &opened);
		/* A machine may be without IPv6, or use the port. */
		if (error == -EADDRINUSE || error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT)
			continue;
		assert_int_equal(error, 0);
		assert_int_equal(scrape_socket_open(&metrics, NULL, &again), -EADDRINUSE);
		assert_int_equal(scrape_socket_open(&metrics, opened, &again), 0);
		scrape_socket_close(again);
		scrape_socket_close(opened);
	}
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/metrics", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_held_by_two, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_left_over, set_up, tear_down),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
