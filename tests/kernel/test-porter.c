/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/kernel/porter.h"

/* A server on the loopback, and a porter for it alone. */
struct fixture {
	int udp;
	struct endpoint server;
	int asker;
	pid_t porter;
};

static struct fixture fixture;

static void start_porter(void)
{
	int porter;

	assert_int_equal(porter_pair(&porter, &fixture.asker), 0);
	assert_int_equal(porter_adopt(fixture.asker), 0);
	fixture.porter = fork();
	assert_true(fixture.porter >= 0);
	if (fixture.porter == 0) {
		close(fixture.asker);
		_exit(-porter_serve(porter, &fixture.server, 1));
	}
	close(porter);
}

static int set_up(void **state)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t size = sizeof(name);

	(void)state;
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fixture.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fixture.udp, (struct sockaddr *)&name, size) < 0 ||
		getsockname(fixture.udp, (struct sockaddr *)&name, &size) < 0)
		return -1;
	endpoint_from_sockaddr((struct sockaddr *)&name, &fixture.server);
	start_porter();
	return 0;
}

/* The porter ends when nobody asks any more. */
static int tear_down(void **state)
{
	int status;

	(void)state;
	close(fixture.asker);
	close(fixture.udp);
	return waitpid(fixture.porter, &status, 0) == fixture.porter && WIFEXITED(status) &&
			       WEXITSTATUS(status) == 0
		       ? 0
		       : -1;
}

static void test_socket(void **state)
{
	char bytes[8] = "";
	int fd = -1;

	(void)state;
	assert_int_equal(porter_ask(fixture.asker, &fixture.server, false, &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	assert_int_equal(recv(fixture.udp, bytes, sizeof(bytes), 0), 5);
	assert_string_equal(bytes, "hello");
	close(fd);
}

static void test_stream(void **state)
{
	int fd = -1, type;
	socklen_t size = sizeof(type);

	(void)state;
	/* Nobody listens there: that shows when it is used. */
	assert_int_equal(porter_ask(fixture.asker, &fixture.server, true, &fd), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
	assert_int_equal(type, SOCK_STREAM);
	close(fd);
}

static void test_other_servers(void **state)
{
	struct endpoint other = fixture.server;
	int fd = 77;

	(void)state;
	other.port++;
	assert_int_equal(porter_ask(fixture.asker, &other, false, &fd), -EPERM);
	other = fixture.server;
	other.address.bytes[15]++;
	assert_int_equal(porter_ask(fixture.asker, &other, true, &fd), -EPERM);
	assert_int_equal(fd, 77);
	assert_int_equal(porter_ask(fixture.asker, &fixture.server, false, &fd), 0);
	close(fd);
}

/* What no resolver of ours sends ends it, and who asks learns that. */
static void test_malformed(void **state)
{
	int fd, status;

	(void)state;
	assert_int_equal(send(fixture.asker, "x", 1, 0), 1);
	assert_int_equal(waitpid(fixture.porter, &status, 0), fixture.porter);
	assert_int_equal(WEXITSTATUS(status), EPROTO);
	assert_int_equal(porter_ask(fixture.asker, &fixture.server, false, &fd), -EPIPE);
	close(fixture.asker);
	start_porter();
}

/* Late answers to others are not taken for one's own, and nobody is waited for without end. */
static void test_late(void **state)
{
	const uint32_t late[] = {1, 0};
	int ends[2], fd = 77;

	(void)state;
	assert_int_equal(porter_pair(&ends[0], &ends[1]), 0);
	assert_int_equal(porter_adopt(ends[1]), 0);
	assert_int_equal(send(ends[0], late, sizeof(late), 0), sizeof(late));
	assert_int_equal(porter_ask(ends[1], &fixture.server, false, &fd), -ETIMEDOUT);
	assert_int_equal(fd, 77);
	close(ends[0]);
	close(ends[1]);
}

static void test_adopt(void **state)
{
	(void)state;
	assert_int_equal(porter_adopt(fixture.udp), -ENOTSOCK);
	assert_int_equal(porter_adopt(9999), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_socket),
		TEST(test_stream),
		TEST(test_other_servers),
		TEST(test_malformed),
		TEST(test_late),
		TEST(test_adopt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
