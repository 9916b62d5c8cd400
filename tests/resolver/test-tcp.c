/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver/engine.h"
#include "resolver/tcp.h"

/* Connections are streams of the AF_UNIX family, where what one end does is there for the other at
 * once; the time is the test's own. */

enum { QUERIES_MAX = 65536, NO_QUERY = 0xff /* what begins so */ };

static int epoll_fd, listener;
static struct sockaddr_un address;
static socklen_t address_size;
static struct tcp *tcp;
static struct mono now;

/* What came out at the other side. */
static struct {
	struct client client;
	size_t size;
	uint8_t first;
} queries[QUERIES_MAX];
static unsigned n_queries;
static bool answers_at_once;

static bool take_query(void *context, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono at)
{
	(void)context;
	assert_true(client->stream);
	assert_int_equal(at.ms, now.ms);
	assert_true(n_queries < QUERIES_MAX);
	if (size > 0 && bytes[0] == NO_QUERY)
		return false;
	queries[n_queries].client = *client;
	queries[n_queries].size = size;
	queries[n_queries++].first = size > 0 ? bytes[0] : 0;
	if (answers_at_once)
		tcp_reply(tcp, client, bytes, size);
	return true;
}

static int set_up(void **state)
{
	const struct query_sink sink = {.query = take_query};

	(void)state;
	now = (struct mono){5000};
	n_queries = 0;
	answers_at_once = false;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	address.sun_family = AF_UNIX;
	address_size = sizeof(address);
	/* The kernel chooses a name (unix(7), "autobind"). */
	if (bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
		listen(listener, 512) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &address_size) < 0)
		return -1;
	if (tcp_new(epoll_fd, &listener, 1, &sink, &tcp) != 0)
		return -1;
	return tcp_listen(tcp);
}

static int tear_down(void **state)
{
	(void)state;
	tcp_free(tcp);
	close(listener);
	close(epoll_fd);
	return 0;
}

/* Turns of the worker's loop, until nothing happens any more. */
static void run(void)
{
	struct watch watches[LOOP_EVENTS];
	uint32_t events[LOOP_EVENTS];
	int count;

	do {
		tcp_tick(tcp, now);
		tcp_flush(tcp, now);
		count = watch_wait(epoll_fd, 0, watches, events);
		for (int i = 0; i < count; i++)
			if (watches[i].kind == WATCH_ACCEPT)
				tcp_accept(tcp, watches[i].index, now);
			else
				tcp_event(tcp, watches[i], events[i], now);
	} while (count > 0);
	tcp_flush(tcp, now);
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_size), 0);
	return fd;
}

static void give(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* `count` queries of one byte, from `first` on. */
static void ask(int fd, uint8_t first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		give(fd, (uint8_t[]){0, 1, (uint8_t)(first + i)}, 3);
}

static void assert_reply(int fd, const void *expected, size_t size)
{
	uint8_t got[64];

	assert_int_equal(recv(fd, got, size, MSG_WAITALL), size);
	assert_memory_equal(got, expected, size);
}

/* Nothing waits, and the connection stands. */
static void assert_quiet(int fd)
{
	uint8_t byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_closed(int fd)
{
	uint8_t byte;
	ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void a_query_may_come_in_pieces(void **state)
{
	int fd = dial();

	(void)state;
	for (const char *byte = "\0\2ab"; byte < "\0\2ab" + 4; byte++) {
		assert_int_equal(n_queries, 0);
		give(fd, byte, 1);
		run();
	}
	assert_int_equal(n_queries, 1);
	assert_int_equal(queries[0].size, 2);
	assert_int_equal(queries[0].first, 'a');
	assert_quiet(fd);
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"xyz", 3);
	assert_quiet(fd); /* until the end of the turn */
	run();
	assert_reply(fd, "\0\3xyz", 5);
	close(fd);
}

static void replies_go_out_in_any_order(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, 'a', 3);
	run();
	assert_int_equal(n_queries, 3);
	tcp_reply(tcp, &queries[2].client, (const uint8_t *)"3", 1);
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"1", 1);
	run();
	assert_reply(fd, "\0\0013\0\0011", 6);
	tcp_reply(tcp, &queries[1].client, (const uint8_t *)"2", 1);
	run();
	assert_reply(fd, "\0\0012", 3);
	close(fd);
}

static void only_so_many_queries_are_in_flight(void **state)
{
	int fd = dial();
	unsigned answered = 0;

	(void)state;
	ask(fd, 0, 200);
	run();
	assert_int_equal(n_queries, TCP_IN_FLIGHT_MAX);
	while (answered < 200) {
		tcp_reply(tcp, &queries[answered++].client, (const uint8_t *)"r", 1);
		run();
		assert_int_equal(n_queries,
			answered + TCP_IN_FLIGHT_MAX < 200 ? answered + TCP_IN_FLIGHT_MAX : 200);
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(queries[i].first, i);
		assert_reply(fd, "\0\1r", 3);
	}
	close(fd);
}

static void synchronous_replies_take_queries_on(void **state)
{
	int fd = dial();

	(void)state;
	answers_at_once = true;
	ask(fd, 0, 200);
	run();
	assert_int_equal(n_queries, 200);
	for (unsigned i = 0; i < 200; i++)
		assert_reply(fd, (uint8_t[]){0, 1, (uint8_t)i}, 3);
	close(fd);
}

/* Who asks and doesn't read is not read from any more, and costs no more than its buffers. */
static void who_does_not_read_is_stopped(void **state)
{
	static uint8_t frame[2 + 4000] = {4000 >> 8, 4000 & 0xff};
	int fd = dial();
	size_t given = 0, taken;

	(void)state;
	answers_at_once = true;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (unsigned idle = 0; idle < 100;) {
		ssize_t put = send(fd, frame + given % sizeof(frame),
			sizeof(frame) - given % sizeof(frame), MSG_NOSIGNAL);

		idle = put > 0 ? 0 : idle + 1;
		given += put > 0 ? (size_t)put : 0;
		run();
		assert_true(n_queries < QUERIES_MAX / 2); /* the kernel's buffers hold less */
	}
	assert_false(tcp_is_idle(tcp));
	/* It gets all of its replies once it reads. */
	taken = 0;
	while (taken < given / sizeof(frame) * sizeof(frame)) {
		static uint8_t got[65536];
		ssize_t size = recv(fd, got, sizeof(got), 0);

		taken += size > 0 ? (size_t)size : 0;
		run();
	}
	close(fd);
}

static void a_connection_ends_when_it_is_idle(void **state)
{
	int idle = dial(), busy, slow;

	(void)state;
	run();
	now.ms += 1000;
	busy = dial();
	slow = dial();
	run();
	give(slow, "\0", 1);
	run();
	now.ms += TCP_IDLE_MS - 1001;
	give(slow, "\2", 1);
	ask(busy, 'a', 1);
	run();
	assert_int_equal(tcp_tick(tcp, now), 1);
	assert_quiet(idle);
	now.ms += 1;
	run();
	assert_closed(idle);
	assert_quiet(slow);
	/* Bytes that are no query keep nobody, nor does waiting for a reply. */
	now.ms += 999;
	assert_quiet(slow);
	now.ms += 1;
	run();
	assert_closed(slow);
	assert_quiet(busy);
	now.ms += TCP_IDLE_MS;
	run();
	assert_closed(busy);
	assert_int_equal(tcp_tick(tcp, now), -1);
	assert_true(tcp_is_idle(tcp));
	close(idle);
	close(busy);
	close(slow);
}

static void a_reply_keeps_the_connection(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, 'a', 1);
	run();
	now.ms += TCP_IDLE_MS - 1;
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"r", 1);
	run();
	now.ms += TCP_IDLE_MS - 1;
	run();
	assert_reply(fd, "\0\1r", 3);
	assert_quiet(fd);
	now.ms += 1;
	run();
	assert_closed(fd);
	close(fd);
}

/* A reply never reaches who has the place now. */
static void a_successor_gets_no_old_replies(void **state)
{
	int fd = dial(), other;

	(void)state;
	ask(fd, 'a', 1);
	run();
	close(fd);
	run();
	now.ms += TCP_IDLE_MS;
	run();
	assert_true(tcp_is_idle(tcp));
	other = dial();
	run();
	tcp_event(tcp,
		(struct watch){
			WATCH_CLIENT, queries[0].client.socket, queries[0].client.generation},
		EPOLLHUP, now);
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"r", 1);
	run();
	assert_quiet(other);
	ask(other, 'b', 1);
	run();
	assert_int_equal(queries[1].client.socket, queries[0].client.socket);
	assert_int_not_equal(queries[1].client.generation, queries[0].client.generation);
	close(other);
}

static void who_closes_its_side_gets_its_replies(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, 'a', 2);
	shutdown(fd, SHUT_WR);
	run();
	assert_int_equal(n_queries, 2);
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"1", 1);
	run();
	assert_reply(fd, "\0\0011", 3);
	assert_quiet(fd);
	tcp_reply(tcp, &queries[1].client, (const uint8_t *)"2", 1);
	run();
	assert_reply(fd, "\0\0012", 3);
	assert_closed(fd);
	assert_true(tcp_is_idle(tcp));
	close(fd);
}

/* As much as a client likes of it, nobody waits for its replies, and it keeps nobody. */
static void what_is_no_query_gets_no_reply(void **state)
{
	int fd = dial(), only = dial();

	(void)state;
	give(only, (uint8_t[]){0, 1, NO_QUERY}, 3);
	run();
	now.ms += TCP_IDLE_MS - 1;
	for (unsigned i = 0; i < 2 * TCP_IN_FLIGHT_MAX; i++)
		give(fd, (uint8_t[]){0, 1, NO_QUERY}, 3);
	give(only, (uint8_t[]){0, 1, NO_QUERY}, 3);
	ask(fd, 'a', 1);
	shutdown(fd, SHUT_WR);
	run();
	assert_int_equal(n_queries, 1);
	assert_quiet(only);
	now.ms += 1;
	run();
	assert_closed(only);
	tcp_reply(tcp, &queries[0].client, (const uint8_t *)"r", 1);
	run();
	assert_reply(fd, "\0\1r", 3);
	assert_closed(fd);
	assert_true(tcp_is_idle(tcp));
	close(fd);
	close(only);
}

static void who_is_gone_is_forgotten_at_once(void **state)
{
	(void)state;
	/* Before the loop has told of it, and after. */
	for (unsigned told = 0; told < 2; told++) {
		int fd = dial();

		ask(fd, 'a', 1);
		run();
		close(fd);
		if (told)
			run();
		assert_int_equal(tcp_is_idle(tcp), told);
		tcp_reply(tcp, &queries[told].client, (const uint8_t *)"r", 1);
		tcp_flush(tcp, now);
		assert_true(tcp_is_idle(tcp));
	}
}

static void a_longer_query_ends_the_connection(void **state)
{
	static uint8_t longest[2 + TCP_QUERY_MAX] = {TCP_QUERY_MAX >> 8, TCP_QUERY_MAX & 0xff};
	int fd = dial();

	(void)state;
	give(fd, longest, sizeof(longest));
	run();
	assert_int_equal(n_queries, 1);
	assert_int_equal(queries[0].size, TCP_QUERY_MAX);
	assert_quiet(fd);
	give(fd, (uint8_t[]){(TCP_QUERY_MAX + 1) >> 8, (TCP_QUERY_MAX + 1) & 0xff}, 2);
	run();
	assert_int_equal(n_queries, 1);
	assert_closed(fd);
	close(fd);
}

/* Found only when earlier queries have been answered. */
static void a_longer_query_behind_others_ends_the_connection(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, 0, TCP_IN_FLIGHT_MAX + 1);
	give(fd, "\377\377", 2);
	run();
	assert_int_equal(n_queries, TCP_IN_FLIGHT_MAX);
	for (unsigned i = 0; i < TCP_IN_FLIGHT_MAX; i++)
		tcp_reply(tcp, &queries[i].client, (const uint8_t *)"r", 1);
	run();
	for (unsigned i = 0; i < TCP_IN_FLIGHT_MAX; i++)
		assert_reply(fd, "\0\1r", 3);
	assert_closed(fd);
	assert_true(tcp_is_idle(tcp));
	close(fd);
}

static void the_longest_reply_fits(void **state)
{
	static uint8_t reply[65535], got[2 + 65535];
	int fd = dial();
	size_t taken = 0;

	(void)state;
	memset(reply, 'r', sizeof(reply));
	ask(fd, 'a', 1);
	run();
	tcp_reply(tcp, &queries[0].client, reply, sizeof(reply));
	while (taken < sizeof(got)) {
		ssize_t size;

		run();
		size = recv(fd, got + taken, sizeof(got) - taken, MSG_DONTWAIT);
		taken += size > 0 ? (size_t)size : 0;
	}
	assert_int_equal(got[0] << 8 | got[1], 65535);
	assert_memory_equal(got + 2, reply, sizeof(reply));
	close(fd);
}

/* Who has said all still gets what waits for room. */
static void who_reads_late_gets_its_replies(void **state)
{
	enum { REPLIES = 4 }; /* more bytes than the kernel keeps */
	static uint8_t reply[65535], got[REPLIES * (2 + 65535)];
	int fd = dial();

	(void)state;
	ask(fd, 'a', REPLIES);
	shutdown(fd, SHUT_WR);
	run();
	for (unsigned i = 0; i < REPLIES; i++) {
		tcp_reply(tcp, &queries[i].client, reply, sizeof(reply));
		run();
	}
	assert_false(tcp_is_idle(tcp));
	for (size_t taken = 0; taken < sizeof(got);) {
		ssize_t size = recv(fd, got + taken, sizeof(got) - taken, MSG_DONTWAIT);

		assert_true(size > 0);
		taken += (size_t)size;
		run();
	}
	assert_closed(fd);
	assert_true(tcp_is_idle(tcp));
	close(fd);
}

/* Longer replies than there are, to all that may be in flight. */
static void replies_without_room_end_the_connection(void **state)
{
	static uint8_t reply[1 << 14];
	int fd = dial();

	(void)state;
	ask(fd, 'a', TCP_IN_FLIGHT_MAX);
	run();
	for (unsigned i = 0; i < TCP_IN_FLIGHT_MAX; i++)
		tcp_reply(tcp, &queries[i].client, reply, sizeof(reply));
	run();
	assert_true(tcp_is_idle(tcp));
	close(fd);
}

/* A connection from 192.0.2.`host` and so on. */
static int dial_from(unsigned host)
{
	const uint8_t bytes[] = {192, 0, (uint8_t)(2 + host / 256), (uint8_t)host};
	struct inaddr peer = inaddr_from_ip4(bytes);
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	fcntl(ends[1], F_SETFL, 0);
	tcp_adopt(tcp, ends[0], &peer, now);
	return ends[1];
}

static unsigned count_open(const int *fds, unsigned count)
{
	unsigned open = 0;
	uint8_t byte;

	for (unsigned i = 0; i < count; i++)
		open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	return open;
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* A thousand that are slow take half of the table from each other, and nothing from others. */
static void a_client_has_no_more_connections_than_are_free(void **state)
{
	enum { SLOW = 1000, HALF = TCP_CONNECTIONS_MAX / 2, THIRD = TCP_CONNECTIONS_MAX / 3 };
	static int slow[SLOW], others[SLOW];

	(void)state;
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i] = dial_from(1);
		give(slow[i], "\0", 1);
		run();
	}
	assert_int_equal(count_open(slow, SLOW), HALF);
	assert_int_equal(count_open(slow + SLOW - HALF, HALF), HALF);
	/* a second one gets a quarter, and when both go on, each has a third */
	for (unsigned i = 0; i < SLOW; i++) {
		others[i] = dial_from(2);
		send(others[i], "\0\1a", 3, MSG_NOSIGNAL);
		run();
	}
	assert_int_equal(n_queries, HALF / 2);
	assert_int_equal(count_open(others, SLOW), HALF / 2);
	assert_int_equal(count_open(slow, SLOW), HALF);
	close_all(slow, SLOW);
	close_all(others, SLOW);
	run();
	assert_true(tcp_is_idle(tcp));
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i] = dial_from(1);
		others[i] = dial_from(2);
		run();
	}
	assert_in_range(count_open(slow, SLOW), THIRD - 1, THIRD + 1);
	assert_in_range(count_open(others, SLOW), THIRD - 1, THIRD + 1);
	close_all(slow, SLOW);
	close_all(others, SLOW);
}

/* Its idlest one gives way, but none that waits for a reply. */
static void a_client_loses_what_it_does_not_use(void **state)
{
	enum { HALF = TCP_CONNECTIONS_MAX / 2 };
	int fds[HALF + 2];

	(void)state;
	for (unsigned i = 0; i < HALF; i++)
		fds[i] = dial_from(1);
	now.ms += 100;
	for (unsigned i = 0; i < HALF; i++)
		if (i != 7)
			ask(fds[i], 'a', 1);
	run();
	assert_int_equal(n_queries, HALF - 1);
	fds[HALF] = dial_from(1);
	run();
	assert_closed(fds[7]);
	assert_quiet(fds[HALF]);
	ask(fds[HALF], 'b', 1);
	run();
	assert_int_equal(n_queries, HALF);
	/* all wait for replies */
	fds[HALF + 1] = dial_from(1);
	run();
	assert_closed(fds[HALF + 1]);
	assert_int_equal(count_open(fds, HALF + 1), HALF);
	close_all(fds, HALF + 2);
}

/* Addresses that one host chooses among are one client. */
static void a_network_is_a_client(void **state)
{
	enum { HALF = TCP_CONNECTIONS_MAX / 2 };
	struct inaddr peer = {{0x20, 1, 0xd, 0xb8}};
	int theirs[2 * HALF], ours[HALF];

	(void)state;
	for (unsigned i = 0; i < 2 * HALF; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		peer.bytes[14] = (uint8_t)(i >> 8);
		peer.bytes[15] = (uint8_t)i;
		tcp_adopt(tcp, ends[0], &peer, now);
		theirs[i] = ends[1];
		run();
	}
	assert_int_equal(count_open(theirs, 2 * HALF), HALF);
	for (unsigned i = 0; i < HALF; i++)
		ours[i] = dial_from(i);
	assert_int_equal(count_open(ours, HALF), HALF);
	close_all(theirs, 2 * HALF);
	close_all(ours, HALF);
}

static void a_full_table_lets_others_wait_shortly(void **state)
{
	int fds[TCP_CONNECTIONS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++)
		fds[i] = dial_from(i);
	fds[TCP_CONNECTIONS_MAX] = dial();
	run();
	ask(fds[TCP_CONNECTIONS_MAX], 'z', 1);
	run();
	assert_int_equal(n_queries, 0);
	now.ms += TCP_IDLE_FULL_MS - 1;
	ask(fds[7], 'a', 1);
	run();
	assert_int_equal(n_queries, 1);
	assert_int_equal(tcp_tick(tcp, now), 1);
	now.ms += 1;
	run();
	assert_int_equal(n_queries, 2);
	assert_int_equal(queries[1].first, 'z');
	assert_quiet(fds[7]);
	assert_closed(fds[6]);
	for (unsigned i = 0; i <= TCP_CONNECTIONS_MAX; i++)
		close(fds[i]);
}

static void adopting_into_a_full_table_closes(void **state)
{
	const struct inaddr peer = {{0x20, 1, 0xd, 0xb8}};
	int fds[TCP_CONNECTIONS_MAX], ends[2];
	uint8_t byte;

	(void)state;
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++)
		fds[i] = dial_from(i);
	run();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(tcp_adopt(tcp, ends[0], &peer, now), -ENFILE);
	assert_int_equal(recv(ends[1], &byte, 1, 0), 0);
	close(ends[1]);
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++)
		close(fds[i]);
}

/* What was asked is answered, who has just come may ask, and then all is over. */
static void stopping_finishes_what_has_begun(void **state)
{
	int waiting = dial(), sent = dial(), silent = dial(), used = dial(), late;

	(void)state;
	ask(waiting, 'w', 1);
	ask(used, 'u', 1);
	run();
	assert_int_equal(n_queries, 2);
	for (unsigned i = 0; i < 2; i++)
		if (queries[i].first == 'u')
			tcp_reply(tcp, &queries[i].client, (const uint8_t *)"r", 1);
	run();
	assert_reply(used, "\0\1r", 3);
	ask(sent, 's', 1);
	tcp_stop(tcp);
	late = dial();
	run();
	assert_closed(used);
	assert_int_equal(n_queries, 3);
	assert_int_equal(queries[2].first, 's');
	ask(silent, 'q', 1);
	run();
	assert_int_equal(n_queries, 4);
	for (unsigned i = 0; i < 4; i++)
		if (queries[i].first != 'u')
			tcp_reply(tcp, &queries[i].client, (const uint8_t *)"r", 1);
	run();
	assert_reply(waiting, "\0\1r", 3);
	assert_reply(sent, "\0\1r", 3);
	assert_reply(silent, "\0\1r", 3);
	assert_closed(waiting);
	assert_closed(sent);
	now.ms += TCP_IDLE_STOP_MS;
	run();
	assert_closed(silent);
	assert_true(tcp_is_idle(tcp));
	assert_quiet(late);
	close(late);
	close(waiting);
	close(sent);
	close(silent);
	close(used);
}

/* The loop of test a_query_may_come_in_pieces with everything a client could do instead. */
static void noise_does_no_harm(void **state)
{
	static uint8_t noise[8192];
	uint64_t random = 88172645463325252ull;

	(void)state;
	answers_at_once = true;
	for (unsigned round = 0; round < 200; round++) {
		int fd = dial();
		size_t size;

		for (size_t i = 0; i < sizeof(noise); i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			noise[i] = (uint8_t)(random >> (i % 2 ? 0 : 60));
		}
		size = random % sizeof(noise);
		send(fd, noise, size, MSG_NOSIGNAL);
		run();
		n_queries = 0;
		close(fd);
		run();
	}
	now.ms += TCP_IDLE_MS;
	run();
	assert_true(tcp_is_idle(tcp));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_query_may_come_in_pieces),
		TEST(replies_go_out_in_any_order),
		TEST(only_so_many_queries_are_in_flight),
		TEST(synchronous_replies_take_queries_on),
		TEST(who_does_not_read_is_stopped),
		TEST(a_connection_ends_when_it_is_idle),
		TEST(a_reply_keeps_the_connection),
		TEST(a_successor_gets_no_old_replies),
		TEST(who_closes_its_side_gets_its_replies),
		TEST(what_is_no_query_gets_no_reply),
		TEST(who_is_gone_is_forgotten_at_once),
		TEST(a_longer_query_ends_the_connection),
		TEST(a_longer_query_behind_others_ends_the_connection),
		TEST(the_longest_reply_fits),
		TEST(who_reads_late_gets_its_replies),
		TEST(replies_without_room_end_the_connection),
		TEST(a_client_has_no_more_connections_than_are_free),
		TEST(a_client_loses_what_it_does_not_use),
		TEST(a_network_is_a_client),
		TEST(a_full_table_lets_others_wait_shortly),
		TEST(adopting_into_a_full_table_closes),
		TEST(stopping_finishes_what_has_begun),
		TEST(noise_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
