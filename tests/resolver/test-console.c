/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/fd.h"

/* The control socket, of which the test is the parent and all clients. Time is the test's. */

enum { TICKETS_MAX = 64, IDLE_MS = 30000, OTHER_UID = 12345 };

static char folder[] = "/tmp/egress-test-XXXXXX";
static char path[64];
static struct console *console;
static struct mono now = {1000000};

/* What came in. */
static uint32_t tickets[TICKETS_MAX];
static struct console_call calls[TICKETS_MAX];
static unsigned n_calls;

static void take(void *context, uint32_t ticket, const struct console_call *call, struct mono at)
{
	(void)context;
	assert_int_equal(at.ms, now.ms);
	assert_in_range(n_calls, 0, TICKETS_MAX - 1);
	tickets[n_calls] = ticket;
	calls[n_calls++] = *call;
}

/* As the parent's loop does, until nothing happens. */
static void serve(void)
{
	struct pollfd fds[CONSOLE_POLLED];

	for (unsigned i = 0; i < 100; i++) {
		console_poll(console, fds);
		if (poll(fds, CONSOLE_POLLED, 0) <= 0)
			break;
		console_serve(console, fds, now, take, NULL);
	}
	for (unsigned i = 0; i < CONSOLE_POLLED; i++)
		fds[i] = (struct pollfd){.fd = -1};
	console_serve(console, fds, now, take, NULL);
}

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve();
	return fd;
}

static struct console_call call_of(uint32_t command, const char *argument)
{
	struct console_call call = {.version = CONSOLE_VERSION, .command = command};

	snprintf(call.argument, sizeof(call.argument), "%s", argument);
	return call;
}

static void send_call(int fd, const struct console_call *call)
{
	assert_int_equal(send(fd, call, sizeof(*call), MSG_NOSIGNAL), sizeof(*call));
	serve();
}

static struct console_part part;

/* The next part; false: the connection has ended. */
static bool receive(int fd)
{
	ssize_t got = recv(fd, &part, sizeof(part), 0);

	if (got <= 0) {
		assert_true(got == 0 || errno == ECONNRESET);
		return false;
	}
	assert_in_range(got, offsetof(struct console_part, bytes), sizeof(part));
	assert_int_equal(part.size, (size_t)got - offsetof(struct console_part, bytes));
	assert_int_equal(part.version, CONSOLE_VERSION);
	return true;
}

static bool is_silent(int fd)
{
	return recv(fd, &part, sizeof(part), MSG_PEEK) < 0 && errno == EAGAIN;
}

static char *text_of_size(size_t size)
{
	char *text = malloc(size + 1);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 23);
	text[size] = '\0';
	return text;
}

static void answer(uint32_t ticket, const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	console_answer(console, ticket, CONSOLE_DONE, copy);
}

static int open_console(void)
{
	char problem[CONSOLE_PROBLEM];

	return console_open(path, getuid(), false, &console, problem);
}

static int set_up(void **state)
{
	(void)state;
	n_calls = 0;
	return open_console();
}

static int tear_down(void **state)
{
	(void)state;
	console_close(console);
	console = NULL;
	unlink(path);
	return 0;
}

/* --- Tests --- */

static void a_call_is_answered(void **state)
{
	struct console_call call = call_of(CONSOLE_WHY, "a.test");
	struct stat status;
	int fd = dial();

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	send_call(fd, &call);
	assert_int_equal(n_calls, 1);
	assert_memory_equal(&calls[0], &call, sizeof(call));
	assert_true(is_silent(fd));
	answer(tickets[0], "{}");
	assert_true(receive(fd));
	assert_int_equal(part.status, CONSOLE_DONE);
	assert_int_equal(part.more, 0);
	assert_memory_equal(part.bytes, "{}", 2);
	/* And the next one. */
	send_call(fd, &call);
	assert_int_equal(n_calls, 2);
	console_answer(console, tickets[1], CONSOLE_REFUSED, NULL);
	assert_true(receive(fd));
	assert_int_equal(part.status, CONSOLE_REFUSED);
	assert_non_null(memmem(part.bytes, part.size, "memory", 6));
	close(fd);
}

static void long_answers_come_in_parts(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, ""), more = call_of(CONSOLE_MORE, "");
	size_t size = (size_t)2 * CONSOLE_BYTES + 5;
	char *text = text_of_size(size), *copy = strdup(text);
	int fd = dial();

	(void)state;
	send_call(fd, &call);
	console_answer(console, tickets[0], CONSOLE_DENIED, text);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(receive(fd));
		assert_int_equal(part.status, CONSOLE_DENIED);
		assert_int_equal(part.more, i < 2);
		assert_memory_equal(part.bytes, copy + i * (size_t)CONSOLE_BYTES, part.size);
		assert_true(is_silent(fd));
		if (i < 2)
			send_call(fd, &more);
	}
	assert_int_equal(n_calls, 1);
	/* Beyond it, it is a call like any other. */
	send_call(fd, &more);
	assert_int_equal(n_calls, 2);
	free(copy);
	close(fd);
}

static void another_call_in_the_midst_of_an_answer_ends_the_connection(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	int fd = dial();

	(void)state;
	send_call(fd, &call);
	console_answer(console, tickets[0], CONSOLE_DONE, text_of_size((size_t)CONSOLE_BYTES + 1));
	assert_true(receive(fd));
	send_call(fd, &call);
	assert_false(receive(fd));
	assert_int_equal(n_calls, 1);
	close(fd);
}

static void malformed_calls_end_the_connection(void **state)
{
	struct console_call good = call_of(CONSOLE_STATUS, ""), bad[4];
	uint8_t longer[sizeof(good) + 1] = {0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		bad[i] = good;
	bad[0].version++;
	bad[1].json = 2;
	memset(bad[2].argument, 'x', sizeof(bad[2].argument));
	bad[3].version = 0;
	memcpy(longer, &good, sizeof(good));
	for (unsigned i = 0; i < 4; i++) {
		int fd = dial();

		send_call(fd, &bad[i]);
		assert_false(receive(fd));
		close(fd);
	}
	for (size_t size = 1; size <= sizeof(longer); size += 97) {
		int fd = dial();

		assert_int_equal(send(fd, longer, size, 0), size);
		serve();
		assert_false(receive(fd));
		close(fd);
	}
	for (unsigned i = 0; i < 2; i++) {
		int fd = dial();

		assert_int_equal(send(fd, longer, sizeof(longer) - i, 0), sizeof(longer) - i);
		serve();
		/* The second is a good one. */
		assert_int_equal(n_calls, i);
		close(fd);
	}
}

/* The number of this process's descriptors. */
static unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void a_descriptor_that_comes_along_is_none(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	struct iovec iov = {&call, sizeof(call)};
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int fd = dial(), passed = STDIN_FILENO;
	unsigned before = count_fds();

	(void)state;
	memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
	assert_int_equal(sendmsg(fd, &message, 0), sizeof(call));
	serve();
	assert_false(receive(fd));
	assert_int_equal(n_calls, 0);
	assert_int_equal(count_fds(), before - 1); /* the connection's */
	close(fd);
}

static void one_call_is_worked_on_at_a_time(void **state)
{
	struct console_call call = call_of(CONSOLE_RELOAD, "");
	int fd = dial();

	(void)state;
	send_call(fd, &call);
	send_call(fd, &call);
	send_call(fd, &call);
	assert_int_equal(n_calls, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(n_calls, i + 1);
		answer(tickets[i], "{}");
		serve();
		assert_true(receive(fd));
	}
	assert_int_equal(n_calls, 3);
	close(fd);
}

static void who_does_not_read_is_cut_off(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	int fd = dial();
	unsigned i = 0;

	(void)state;
	for (; i < 1000; i++) {
		if (send(fd, &call, sizeof(call), MSG_NOSIGNAL) < 0)
			break;
		n_calls = 0;
		serve();
		if (n_calls == 1)
			console_answer(
				console, tickets[0], CONSOLE_DONE, text_of_size(CONSOLE_BYTES));
	}
	assert_in_range(i, 1, 999);
	assert_int_equal(errno, EPIPE);
	close(fd);
}

static void the_silent_give_way(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	int fds[CONSOLE_CONNECTIONS + 2];
	struct pollfd polled[CONSOLE_POLLED];

	(void)state;
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS + 1; i++) {
		now.ms++;
		fds[i] = dial();
	}
	/* The first was silent for longest. */
	assert_false(receive(fds[0]));
	for (unsigned i = 1; i < CONSOLE_CONNECTIONS + 1; i++) {
		assert_true(is_silent(fds[i]));
		send_call(fds[i], &call);
	}
	assert_int_equal(n_calls, CONSOLE_CONNECTIONS);
	/* All are at work: the next one waits. */
	fds[CONSOLE_CONNECTIONS + 1] = dial();
	console_poll(console, polled);
	assert_int_equal(polled[CONSOLE_CONNECTIONS].fd, -1);
	send_call(fds[CONSOLE_CONNECTIONS + 1], &call);
	assert_int_equal(n_calls, CONSOLE_CONNECTIONS);
	answer(tickets[0], "{}");
	serve();
	assert_int_equal(n_calls, CONSOLE_CONNECTIONS + 1);
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS + 2; i++)
		close(fds[i]);
}

static void the_silent_are_ended(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	int silent = dial(), busy = dial();

	(void)state;
	send_call(busy, &call);
	assert_in_range(console_wait(console, now), 1, IDLE_MS);
	now.ms += IDLE_MS - 1;
	serve();
	assert_true(is_silent(silent));
	now.ms += 1;
	assert_int_equal(console_wait(console, now), 0);
	serve();
	assert_false(receive(silent));
	assert_int_equal(console_wait(console, now), -1);
	assert_true(is_silent(busy));
	answer(tickets[0], "{}");
	assert_true(receive(busy));
	close(silent);
	close(busy);
}

static void an_answer_reaches_nobody_else(void **state)
{
	struct console_call call = call_of(CONSOLE_STATUS, "");
	int first = dial(), second;

	(void)state;
	send_call(first, &call);
	assert_true(console_waits(console, tickets[0]));
	close(first);
	serve();
	assert_false(console_waits(console, tickets[0]));
	second = dial();
	send_call(second, &call);
	assert_int_equal(console_index(tickets[1]), console_index(tickets[0]));
	assert_int_not_equal(tickets[1], tickets[0]);
	answer(tickets[0], "{\"for\": \"the first\"}");
	assert_true(is_silent(second));
	close(second);
}

static void what_the_dead_left_is_replaced(void **state)
{
	struct console *living = console;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int dead = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), file;

	(void)state;
	assert_int_equal(open_console(), -EADDRINUSE);
	console_close(living);
	console = NULL;
	assert_int_equal(access(path, F_OK), -1);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	close(dead);
	assert_int_equal(open_console(), 0);
	close(dial());

	/* What isn't a socket is nobody's to take away. */
	console_close(console);
	console = NULL;
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(file);
	assert_int_equal(open_console(), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
}

static void anothers_socket_stays(void **state)
{
	struct console *first = console;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_console(), 0);
	console_close(first);
	close(dial());
}

static void a_folder_is_made_if_nobody_else_can_write_there(void **state)
{
	char problem[CONSOLE_PROBLEM], usual[64], deep[64], longer[109] = "";
	struct console *other;
	struct stat status;

	(void)state;
	snprintf(usual, sizeof(usual), "%s/made/x.sock", folder);
	snprintf(deep, sizeof(deep), "%s/made", folder);
	assert_int_equal(console_open(usual, getuid(), true, &other, problem), 0);
	assert_int_equal(stat(deep, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0755);
	console_close(other);
	assert_int_equal(chmod(deep, 0777), 0);
	assert_int_equal(console_open(usual, getuid(), true, &other, problem), -EPERM);
	assert_non_null(strstr(problem, usual));
	if (getuid() == 0) {
		assert_int_equal(chmod(deep, 0755), 0);
		assert_int_equal(chown(deep, OTHER_UID, 0), 0);
		assert_int_equal(console_open(usual, 0, true, &other, problem), -EPERM);
		assert_int_equal(console_open(usual, OTHER_UID, true, &other, problem), 0);
		console_close(other);
	}
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(symlink(folder, deep), 0);
	assert_int_equal(console_open(usual, getuid(), true, &other, problem), -ENOTDIR);
	unlink(deep);
	assert_int_equal(console_open("", getuid(), false, &other, problem), -ENAMETOOLONG);
	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(console_open(longer, getuid(), false, &other, problem), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered),
		TEST(long_answers_come_in_parts),
		TEST(another_call_in_the_midst_of_an_answer_ends_the_connection),
		TEST(malformed_calls_end_the_connection),
		TEST(a_descriptor_that_comes_along_is_none),
		TEST(one_call_is_worked_on_at_a_time),
		TEST(who_does_not_read_is_cut_off),
		TEST(the_silent_give_way),
		TEST(the_silent_are_ended),
		TEST(an_answer_reaches_nobody_else),
		TEST(what_the_dead_left_is_replaced),
		TEST(anothers_socket_stays),
		TEST(a_folder_is_made_if_nobody_else_can_write_there),
	};
	int failed;

	if (!mkdtemp(folder))
		return 99;
	snprintf(path, sizeof(path), "%s/c.sock", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
