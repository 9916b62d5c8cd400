/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "resolver/framing.h"
#include "resolver/msg.h"
#include "resolver/outgoing.h"
#include "resolver/streams.h"
#include "tests/kernel/space.h"

/*
 * The sockets to upstream servers, UDP (outgoing.c) and TCP (streams.c). The test is the keeper,
 * the servers and the engine; time is its own. Both parts know the engine by the functions below,
 * which stand here in the place of engine.c.
 */

enum { SOCKETS = 16, PATIENCE_MS = 30000, EVENTS_MAX = 64 };

static int epoll_fd, keeper_end;
static struct channel channel;
static struct dns_policy dns;
static struct endpoint servers[2];
static int server_udp[2], server_tcp[2];
static struct outgoing *outgoing;
static struct streams *streams;
static struct mono present;

/* What the engine is told. */
static struct {
	enum { REPLY, UNREACHABLE, STREAM_REPLY, STREAM_FAILED } kind;
	unsigned upstream;
	uint32_t number; /* socket, or ticket */
	size_t size;
	uint8_t first;
} told[EVENTS_MAX];
static unsigned n_told;

static void tell(int kind, unsigned upstream, uint32_t number, const uint8_t *bytes, size_t size)
{
	assert_true(n_told < EVENTS_MAX);
	told[n_told].kind = kind;
	told[n_told].upstream = upstream;
	told[n_told].number = number;
	told[n_told].size = size;
	told[n_told++].first = size > 0 ? bytes[0] : 0;
}

void engine_reply(struct engine *engine, unsigned upstream, unsigned socket, const uint8_t *bytes,
	size_t size, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(REPLY, upstream, socket, bytes, size);
}

void engine_unreachable(struct engine *engine, unsigned upstream, unsigned socket, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(UNREACHABLE, upstream, socket, NULL, 0);
}

void engine_stream_reply(
	struct engine *engine, uint32_t ticket, const uint8_t *bytes, size_t size, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(STREAM_REPLY, 0, ticket, bytes, size);
}

void engine_stream_failed(struct engine *engine, uint32_t ticket, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(STREAM_FAILED, 0, ticket, NULL, 0);
}

/* --- The keeper --- */

/* Opens what is asked for; with an error answers that. How many requests there were. */
static unsigned serve(int error)
{
	struct channel_request requests[CHANNEL_OUT_MAX];
	int count = channel_receive_requests(keeper_end, requests, CHANNEL_OUT_MAX);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const struct channel_request *request = &requests[i];
		struct channel_reply reply = {
			.op = CHANNEL_OPENED, .ticket = request->ticket, .status = error};
		int type = request->socket.stream ? SOCK_STREAM : SOCK_DGRAM, fd = -1;
		struct sockaddr_storage address;
		socklen_t size = endpoint_to_sockaddr(&servers[request->socket.upstream], &address);

		assert_int_equal(request->op, CHANNEL_SOCKET);
		if (!error)
			fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (!error && type == SOCK_DGRAM)
			assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
		assert_int_equal(channel_send_reply(keeper_end, &reply, fd), 0);
		if (fd >= 0)
			close(fd);
	}
	return (unsigned)count;
}

static void take_replies(void)
{
	struct channel_reply reply;
	int fd;

	while (channel_receive_reply(&channel, &reply, &fd) == 0) {
		if (reply.ticket & STREAMS_TICKET)
			streams_opened(streams, &reply, fd, NULL, present);
		else
			outgoing_opened(outgoing, &reply, fd, present);
	}
}

/* --- The loop --- */

static void take_events(int wait_ms)
{
	struct watch watches[LOOP_EVENTS];
	uint32_t events[LOOP_EVENTS];
	int count = watch_wait(epoll_fd, wait_ms, watches, events);

	for (int i = 0; i < count; i++)
		if (watches[i].kind == WATCH_UPSTREAM)
			outgoing_event(outgoing, watches[i], NULL, present);
		else
			streams_event(streams, watches[i], NULL, present);
}

static void wait_told(unsigned count)
{
	while (n_told < count)
		take_events(PATIENCE_MS);
	assert_int_equal(n_told, count);
}

/* All that can be done without time passing. How many sockets the keeper was asked for. */
static unsigned settle(int error)
{
	unsigned asked = 0, more;

	do {
		outgoing_tick(outgoing, present);
		more = serve(error);
		take_replies();
		asked += more;
	} while (more > 0);
	return asked;
}

static void start(size_t n_servers)
{
	const struct hash_key key = {{1, 2}};

	dns = (struct dns_policy){.upstream = servers, .n_upstream = n_servers};
	channel.n_out = 0;
	n_told = 0;
	present = (struct mono){1000000};
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(channel_make(&keeper_end, &channel.fd), 0);
	assert_int_equal(outgoing_new(epoll_fd, &channel, &dns, &key, &outgoing), 0);
	assert_int_equal(streams_new(epoll_fd, &channel, &dns, &streams), 0);
}

static void stop(void)
{
	outgoing_free(outgoing);
	streams_free(streams);
	close(keeper_end);
	close(channel.fd);
	close(epoll_fd);
}

/* --- UDP --- */

static uint16_t port_of(const struct sockaddr_storage *address)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_sockaddr((const struct sockaddr *)address, &endpoint), 0);
	return endpoint.port;
}

static unsigned ask(unsigned upstream)
{
	unsigned number = 0;

	assert_int_equal(outgoing_ask(outgoing, upstream, (const uint8_t *)"q", 1, &number), 0);
	return number;
}

/* Receives a question at the server, and sends `reply` back unless that is NULL. Returns the port
 * it came from. */
static uint16_t answer(unsigned server, const char *reply)
{
	struct pollfd poller = {.fd = server_udp[server], .events = POLLIN};
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte;

	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
	assert_int_equal(
		recvfrom(server_udp[server], &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	if (reply)
		assert_int_equal(sendto(server_udp[server], reply, strlen(reply), 0,
					 (struct sockaddr *)&from, size),
			strlen(reply));
	return port_of(&from);
}

static void sockets_are_asked_for_once(void **state)
{
	(void)state;
	start(2);
	assert_false(outgoing_is_settled(outgoing));
	assert_int_equal(
		outgoing_ask(outgoing, 0, (const uint8_t *)"q", 1, &(unsigned){0}), -ENOTCONN);
	assert_int_equal(settle(0), 2 * SOCKETS);
	assert_true(outgoing_is_settled(outgoing));
	assert_int_equal(settle(0), 0);
	stop();
}

static void without_servers_there_is_nothing_to_wait_for(void **state)
{
	(void)state;
	start(0);
	assert_true(outgoing_is_settled(outgoing));
	assert_int_equal(settle(0), 0);
	assert_int_equal(outgoing_wait(outgoing, present), -1);
	stop();
}

static void a_reply_comes_with_its_sockets_number(void **state)
{
	(void)state;
	start(2);
	settle(0);
	for (unsigned i = 0; i < 20; i++) {
		unsigned number = ask(i % 2);

		answer(i % 2, "reply");
		wait_told(i + 1);
		assert_int_equal(told[i].kind, REPLY);
		assert_int_equal(told[i].upstream, i % 2);
		assert_int_equal(told[i].number, number);
		assert_int_equal(told[i].size, 5);
	}
	stop();
}

static void questions_leave_from_many_ports(void **state)
{
	unsigned char seen[65536] = {0};
	unsigned ports = 0;

	(void)state;
	start(1);
	settle(0);
	for (unsigned i = 0; i < 40 * SOCKETS; i++) {
		uint16_t port;

		ask(0);
		port = answer(0, NULL);
		ports += !seen[port];
		seen[port] = 1;
	}
	assert_int_equal(ports, SOCKETS);
	stop();
}

/* Each is replaced once it was used enough, and answers to it are read for a while. */
static void worn_sockets_are_replaced(void **state)
{
	unsigned char seen[65536] = {0};
	unsigned ports = 0, asked = 0, questions = 0;
	unsigned numbers[4 * SOCKETS];

	(void)state;
	start(1);
	settle(0);
	while (asked < SOCKETS && questions < 100 * 4096) {
		uint16_t port;

		ask(0);
		questions++;
		port = answer(0, NULL);
		ports += !seen[port];
		seen[port] = 1;
		asked += settle(0);
	}
	assert_int_equal(asked, SOCKETS);
	assert_true(questions > SOCKETS * 2048);
	for (unsigned i = 0; i < 4 * SOCKETS; i++) {
		numbers[i] = ask(0);
		ports += !seen[answer(0, "late")];
	}
	assert_in_range(ports, SOCKETS + 2, 6 * SOCKETS);
	wait_told(4 * SOCKETS);
	for (unsigned i = 0; i < 4 * SOCKETS; i++) {
		bool found = false;

		for (unsigned j = 0; j < n_told; j++)
			found |= told[j].number == numbers[i];
		assert_true(found);
	}
	stop();
}

/* The answer to the last question of a socket that was replaced comes in by its number. */
static void a_replaced_socket_is_read_on(void **state)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	unsigned number;
	char byte;

	(void)state;
	start(1);
	settle(0);
	number = ask(0);
	present.ms += 300000;
	assert_int_equal(settle(0), SOCKETS);
	assert_int_equal(recvfrom(server_udp[0], &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	assert_int_equal(sendto(server_udp[0], "r", 1, 0, (struct sockaddr *)&from, size), 1);
	wait_told(1);
	assert_int_equal(told[0].number, number);
	assert_int_not_equal(ask(0), number);
	answer(0, NULL);
	/* Not for ever. */
	present.ms += 10000;
	assert_int_equal(settle(0), 0);
	assert_int_equal(sendto(server_udp[0], "r", 1, 0, (struct sockaddr *)&from, size), 1);
	ask(0);
	answer(0, "r");
	wait_told(2);
	assert_int_not_equal(told[1].number, number);
	/* The kernel told the server that nobody is there (ICMP). */
	assert_int_equal(recv(server_udp[0], &byte, 1, MSG_DONTWAIT), -1);
	stop();
}

static void a_server_that_is_not_there_is_told(void **state)
{
	struct endpoint kept = servers[0];
	unsigned number;

	(void)state;
	servers[0].port = 9; /* nobody listens */
	start(1);
	settle(0);
	number = ask(0);
	wait_told(1);
	assert_int_equal(told[0].kind, UNREACHABLE);
	assert_int_equal(told[0].number, number);
	/* A question that meets the error of another goes out all the same. */
	n_told = 0;
	for (unsigned i = 0; i < 200; i++)
		ask(0);
	while (n_told == 0)
		take_events(PATIENCE_MS);
	assert_int_equal(told[0].kind, UNREACHABLE);
	servers[0] = kept;
	stop();
}

static void what_the_keeper_cannot_open_is_asked_for_again(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(settle(-EAFNOSUPPORT), SOCKETS);
	assert_true(outgoing_is_settled(outgoing));
	assert_int_equal(
		outgoing_ask(outgoing, 0, (const uint8_t *)"q", 1, &(unsigned){0}), -ENOTCONN);
	assert_int_equal(settle(0), 0);
	assert_in_range(outgoing_wait(outgoing, present), 1, 10000);
	present.ms += outgoing_wait(outgoing, present);
	assert_int_equal(settle(0), SOCKETS);
	ask(0);
	answer(0, NULL);
	stop();
}

static void replies_of_the_keeper_that_nobody_asked_for(void **state)
{
	struct channel_reply odd[] = {{CHANNEL_OPENED, 5, 0, 0}, {CHANNEL_OPENED, 16, 0, 0},
		{CHANNEL_OPENED, STREAMS_TICKET - 1, 0, 0}, {CHANNEL_OPENED, STREAMS_TICKET, 0, 0},
		{CHANNEL_OPENED, UINT32_MAX, 0, 0}};

	(void)state;
	start(1);
	settle(0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(channel_send_reply(keeper_end, &odd[i], server_udp[1]), 0);
	take_replies();
	assert_int_equal(n_told, 0);
	for (unsigned i = 0; i < 20 * SOCKETS; i++) {
		ask(0);
		answer(0, NULL);
	}
	stop();
}

/* --- TCP --- */

static void ask_stream(uint32_t ticket)
{
	assert_int_equal(streams_ask(streams, 0, ticket, (const uint8_t *)"question", 8), 0);
}

/* The next connection at the server, when it has sent its question. */
static int accept_question(void)
{
	struct pollfd poller = {.fd = server_tcp[0], .events = POLLIN};
	char got[10];
	int fd;

	while (poll(&poller, 1, 10) == 0)
		take_events(0);
	fd = accept(server_tcp[0], NULL, NULL);
	poller.fd = fd;
	while (poll(&poller, 1, 10) == 0)
		take_events(0);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(got, "\0\10question", sizeof(got));
	return fd;
}

static void a_question_over_tcp_is_answered(void **state)
{
	static uint8_t reply[2 + 65535] = {0xff, 0xff, 'R'};
	int fd;

	(void)state;
	start(1);
	settle(0);
	ask_stream(77);
	settle(0);
	fd = accept_question();
	for (size_t sent = 0; sent < sizeof(reply);) {
		size_t size = sizeof(reply) - sent < 9000 ? sizeof(reply) - sent : 9000;

		assert_int_equal(n_told, 0);
		assert_int_equal(send(fd, reply + sent, size, 0), size);
		sent += size;
		take_events(0);
	}
	wait_told(1);
	assert_int_equal(told[0].kind, STREAM_REPLY);
	assert_int_equal(told[0].number, 77);
	assert_int_equal(told[0].size, 65535);
	assert_int_equal(told[0].first, 'R');
	close(fd);
	stop();
}

static void a_connection_that_ends_too_soon_has_failed(void **state)
{
	static const char *const sent[] = {"", "\0", "\0\5", "\0\5abcd"};
	static const size_t sizes[] = {0, 1, 2, 6};

	(void)state;
	start(1);
	settle(0);
	for (unsigned i = 0; i < 4; i++) {
		int fd;

		ask_stream(i);
		settle(0);
		fd = accept_question();
		assert_int_equal(send(fd, sent[i], sizes[i], 0), sizes[i]);
		close(fd);
		wait_told(i + 1);
		assert_int_equal(told[i].kind, STREAM_FAILED);
		assert_int_equal(told[i].number, i);
	}
	stop();
}

static void a_connection_refused_has_failed(void **state)
{
	struct endpoint kept = servers[0];

	(void)state;
	start(1);
	settle(0);
	servers[0].port = 9;
	ask_stream(5);
	settle(0);
	wait_told(1);
	assert_int_equal(told[0].kind, STREAM_FAILED);
	servers[0] = kept;
	ask_stream(6);
	settle(-EMFILE);
	assert_int_equal(n_told, 2);
	assert_int_equal(told[1].kind, STREAM_FAILED);
	assert_int_equal(told[1].number, 6);
	stop();
}

/* At whatever point: nothing is told, and the place serves the next question. */
static void what_is_cancelled_is_not_heard_of(void **state)
{
	int fd;

	(void)state;
	start(1);
	settle(0);
	ask_stream(1);
	streams_cancel(streams, 1); /* before the socket came */
	ask_stream(2);
	settle(0);
	fd = accept_question(); /* the one of 2: the other was never connected */
	streams_cancel(streams, 2);
	streams_cancel(streams, 2);
	streams_cancel(streams, 99);
	assert_int_equal(send(fd, "\0\1x", 3, MSG_NOSIGNAL), 3);
	close(fd);
	ask_stream(3);
	settle(0);
	fd = accept_question();
	assert_int_equal(send(fd, "\0\1y", 3, 0), 3);
	wait_told(1);
	assert_int_equal(told[0].kind, STREAM_REPLY);
	assert_int_equal(told[0].number, 3);
	assert_int_equal(told[0].first, 'y');
	close(fd);
	stop();
}

/* The socket that a cancelled question waited for isn't its successor's. */
static void each_question_has_its_own_socket(void **state)
{
	(void)state;
	start(1);
	settle(0);
	ask_stream(1);
	streams_cancel(streams, 1);
	assert_int_equal(serve(-EMFILE), 1);
	ask_stream(2);
	take_replies();
	assert_int_equal(n_told, 0);
	assert_int_equal(serve(-EMFILE), 1);
	take_replies();
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].number, 2);
	stop();
}

static void only_so_many_streams_are_open(void **state)
{
	(void)state;
	start(1);
	settle(0);
	for (uint32_t i = 0; i < STREAMS_MAX; i++)
		ask_stream(i);
	assert_int_equal(streams_ask(streams, 0, 999, (const uint8_t *)"question", 8), -EAGAIN);
	streams_cancel(streams, 7);
	ask_stream(999);
	assert_int_equal(settle(-EMFILE), STREAMS_MAX + 1);
	assert_int_equal(n_told, STREAMS_MAX);
	stop();
}

/* --- */

static int listen_on(const char *text, int type, struct endpoint *ret_endpoint)
{
	struct sockaddr_storage address;
	socklen_t size;
	int fd;

	if (endpoint_from_text(text_of(text), 0, ret_endpoint) != 0)
		return -1;
	size = endpoint_to_sockaddr(ret_endpoint, &address);
	fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
		(type == SOCK_STREAM && listen(fd, 100) < 0))
		return -1;
	return fd;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_are_asked_for_once),
		cmocka_unit_test(without_servers_there_is_nothing_to_wait_for),
		cmocka_unit_test(a_reply_comes_with_its_sockets_number),
		cmocka_unit_test(questions_leave_from_many_ports),
		cmocka_unit_test(worn_sockets_are_replaced),
		cmocka_unit_test(a_replaced_socket_is_read_on),
		cmocka_unit_test(a_server_that_is_not_there_is_told),
		cmocka_unit_test(what_the_keeper_cannot_open_is_asked_for_again),
		cmocka_unit_test(replies_of_the_keeper_that_nobody_asked_for),
		cmocka_unit_test(a_question_over_tcp_is_answered),
		cmocka_unit_test(a_connection_that_ends_too_soon_has_failed),
		cmocka_unit_test(a_connection_refused_has_failed),
		cmocka_unit_test(what_is_cancelled_is_not_heard_of),
		cmocka_unit_test(each_question_has_its_own_socket),
		cmocka_unit_test(only_so_many_streams_are_open),
	};
	int error = space_enter();

	if (error)
		return space_skip("no network namespace", error);
	for (unsigned i = 0; i < 2; i++) {
		static const char *const texts[] = {"127.0.0.53:53", "127.0.0.54:53"};

		server_udp[i] = listen_on(texts[i], SOCK_DGRAM, &servers[i]);
		server_tcp[i] = listen_on(texts[i], SOCK_STREAM, &servers[i]);
		if (server_udp[i] < 0 || server_tcp[i] < 0)
			return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
