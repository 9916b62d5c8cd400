/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A keeper that has its sockets from another network namespace: it asks for them, opens none
 * itself, and goes on without. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/porter.h"
#include "tests/resolver/keeping.h"

/* The porter knows the first of them alone. */
static const char policy[] =
	"version = 1\nname = \"k\"\n[[allow]]\nhost = \"a.test\"\n"
	"[network]\nblock = [\"private\"]\n[dns]\nmin_lease = \"100s\"\ngrace = \"50s\"\n"
	"upstream = [\"127.0.0.53:5353\", \"127.0.0.54:5353\"]\n";

static pid_t start_porter(void)
{
	int porter;
	pid_t pid;

	assert_int_equal(porter_pair(&porter, &keeping.porter), 0);
	assert_int_equal(porter_adopt(keeping.porter), 0);
	pid = fork();
	if (pid == 0) {
		close(keeping.porter);
		_exit(-porter_serve(porter, &keeping.compiled.plan->policy->dns.upstream[0].at, 1));
	}
	close(porter);
	return pid;
}

static struct channel_reply ask_socket(uint32_t upstream, uint32_t stream, int *ret_fd)
{
	struct channel_request request;

	memset(&request, 0, sizeof(request));
	request.op = CHANNEL_SOCKET;
	request.ticket = ++keeping.tickets;
	request.socket.upstream = upstream;
	request.socket.stream = stream;
	keeping_send(0, &request);
	return keeping_receive(0, request.ticket, ret_fd);
}

static void sockets_come_from_the_porter(void **state)
{
	pid_t porter = start_porter();

	(void)state;
	keeping_start(true);
	for (uint32_t stream = 0; stream < 2; stream++) {
		uint32_t mark = 1;
		socklen_t size = sizeof(mark);
		int fd, type;

		assert_int_equal(ask_socket(0, stream, &fd).status, 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
		assert_int_equal(type, stream ? SOCK_STREAM : SOCK_DGRAM);
		size = sizeof(mark);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
		assert_int_equal(mark, 0);
		close(fd);
		assert_int_equal(ask_socket(1, stream, &fd).status, -EPERM);
	}
	kill(porter, SIGKILL);
	waitpid(porter, NULL, 0);
	close(keeping.porter);
	keeping.porter = 0;
	keeping_stop();
}

static void without_the_porter_it_goes_on(void **state)
{
	pid_t porter = start_porter();
	int fd;

	(void)state;
	keeping_start(true);
	kill(porter, SIGKILL);
	waitpid(porter, NULL, 0);
	assert_int_equal(ask_socket(0, 0, &fd).status, -EPIPE);
	assert_int_equal(ask_socket(0, 1, &fd).status, -EPIPE);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
	close(keeping.porter);
	keeping.porter = 0;
	keeping_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST_ALONE(sockets_come_from_the_porter),
		KEEPING_TEST_ALONE(without_the_porter_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return keeping_run(policy, run);
}
