/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/kernel/porter.h"
#include "src/run/carry.h"
#include "tests/kernel/space.h"

/* Datagrams: who has a session, who loses it, and where services are looked for. Connections are
 * carried in tests/net/test-run-link.sh. */

enum {
	FORWARDED = 7000, /* the port; of the two services: */
	FIRST = 7001,
	SECOND = 7002,
	SESSIONS = 128,
	PATIENCE_MS = 30000,
	AGAIN_MS = 10,
	TRIES = PATIENCE_MS / AGAIN_MS,
};

static struct forward_list list;
static pid_t porter, carrier;

static struct sockaddr_in at(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct endpoint endpoint(uint16_t port)
{
	const struct sockaddr_in where = at(port);
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_sockaddr((const struct sockaddr *)&where, &endpoint), 0);
	return endpoint;
}

static int open_at(uint16_t port, int flags)
{
	const struct sockaddr_in where = at(port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	return fd;
}

static int open_client(void)
{
	const struct sockaddr_in where = at(FORWARDED);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	return fd;
}

static int set_up(void **state)
{
	int porter_end, asker,
		sockets[1][FORWARD_LISTEN] = {{open_at(FORWARDED, SOCK_NONBLOCK), -1}};

	(void)state;
	list = (struct forward_list){.count = 1};
	list.rows[0].listen[0] = endpoint(FORWARDED);
	list.rows[0].n_listen = 1;
	list.rows[0].targets[0] = endpoint(FIRST);
	list.rows[0].targets[1] = endpoint(SECOND);
	assert_int_equal(porter_pair(&porter_end, &asker), 0);
	porter = fork();
	if (porter == 0) {
		close(asker);
		_exit(-porter_serve(porter_end, list.rows[0].targets, FORWARD_TARGETS));
	}
	close(porter_end);
	carrier = fork();
	if (carrier == 0)
		_exit(porter_adopt(asker) == 0 ? -carry_serve(&list, sockets, asker) : 1);
	close(asker);
	close(sockets[0][0]);
	return porter < 0 || carrier < 0;
}

static int tear_down(void **state)
{
	const pid_t both[] = {porter, carrier};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		kill(both[i], SIGKILL);
		waitpid(both[i], NULL, 0);
	}
	return 0;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next datagram is that; where it came from. */
static struct sockaddr_in hear(int fd, const char *text)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char bytes[16] = "";

	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
	assert_int_equal(recvfrom(fd, bytes, sizeof(bytes) - 1, 0, (struct sockaddr *)&from, &size),
		strlen(text));
	assert_string_equal(bytes, text);
	return from;
}

static void answer(int fd, struct sockaddr_in to, const char *text)
{
	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)),
		strlen(text));
}

/* Says it until the service hears it. */
static struct sockaddr_in say_until_heard(int client, int service, const char *text)
{
	struct pollfd poller = {.fd = service, .events = POLLIN};

	for (unsigned i = 0; i < TRIES; i++) {
		(void)send(client, text, strlen(text), MSG_NOSIGNAL);
		if (poll(&poller, 1, AGAIN_MS) > 0)
			break;
	}
	return hear(service, text);
}

static void each_client_has_a_session(void **state)
{
	int service = open_at(FIRST, 0), clients[] = {open_client(), open_client()};
	struct sockaddr_in from[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		say(clients[i], "one");
		from[i] = hear(service, "one");
	}
	assert_int_not_equal(from[0].sin_port, from[1].sin_port);
	for (unsigned i = 0; i < 2; i++) {
		say(clients[i], "two");
		assert_int_equal(hear(service, "two").sin_port, from[i].sin_port);
	}
	answer(service, from[1], "b");
	answer(service, from[0], "a");
	hear(clients[0], "a");
	hear(clients[1], "b");
	close(service);
	close(clients[0]);
	close(clients[1]);
}

static void who_was_idle_for_longest_makes_room(void **state)
{
	int service = open_at(FIRST, 0), clients[SESSIONS + 1];
	struct sockaddr_in from[SESSIONS + 1];

	(void)state;
	for (unsigned i = 0; i < SESSIONS; i++) {
		clients[i] = open_client();
		say(clients[i], "in");
		from[i] = hear(service, "in");
	}
	/* An answer is a use as well. */
	answer(service, from[0], "a");
	hear(clients[0], "a");
	clients[SESSIONS] = open_client();
	say(clients[SESSIONS], "last");
	hear(service, "last");
	say(clients[0], "still");
	assert_int_equal(hear(service, "still").sin_port, from[0].sin_port);
	say(clients[2], "too");
	assert_int_equal(hear(service, "too").sin_port, from[2].sin_port);
	/* What is sent to the session that is gone comes to nobody. */
	answer(service, from[1], "lost");
	say(clients[1], "again");
	answer(service, hear(service, "again"), "new");
	hear(clients[1], "new");
	for (unsigned i = 0; i <= SESSIONS; i++)
		close(clients[i]);
	close(service);
}

/* At its second address, and when it has gone at the first one again. */
static void services_are_looked_for(void **state)
{
	int client = open_client(), service = open_at(SECOND, 0), other;

	(void)state;
	answer(service, say_until_heard(client, service, "x"), "second");
	hear(client, "second");
	close(service);
	service = open_at(FIRST, 0);
	answer(service, say_until_heard(client, service, "y"), "first");
	hear(client, "first");
	close(service);
	/* One that has answered is missed where it was, whoever else is there. */
	other = open_at(SECOND, 0);
	(void)send(client, "w", 1, MSG_NOSIGNAL);
	poll(NULL, 0, AGAIN_MS);
	service = open_at(FIRST, 0);
	say_until_heard(client, service, "w");
	close(other);
	close(service);
	/* Nobody is anywhere for a while. */
	for (unsigned i = 0; i < 10; i++) {
		(void)send(client, "z", 1, MSG_NOSIGNAL);
		poll(NULL, 0, AGAIN_MS);
	}
	service = open_at(SECOND, 0);
	say_until_heard(client, service, "v");
	close(service);
	close(client);
}

/* Then nobody can be carried to, and it ends. */
static void it_ends_with_the_porter(void **state)
{
	int client = open_client(), status;

	(void)state;
	assert_int_equal(kill(porter, SIGKILL), 0);
	assert_int_equal(waitpid(porter, &status, 0), porter);
	say(client, "x");
	assert_int_equal(waitpid(carrier, &status, 0), carrier);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(client);
	set_up(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_client_has_a_session),
		TEST(who_was_idle_for_longest_makes_room),
		TEST(services_are_looked_for),
		TEST(it_ends_with_the_porter),
	};
	int error = space_enter();

	if (error)
		return space_skip("no network namespace", error);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
