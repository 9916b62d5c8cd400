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

enum { SOCKETS = 16, PATIENCE_MS = 30000, EVENTS_MAX = 300 };

static int epoll_fd, keeper_end;
static struct channel channel;
static struct dns_policy dns;
static struct dns_server servers[2];
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
	enum engine_stream_failure why;
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

void engine_stream_reply(struct engine *engine, unsigned upstream, uint32_t ticket,
	const uint8_t *bytes, size_t size, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(STREAM_REPLY, upstream, ticket, bytes, size);
}

void engine_stream_failed(struct engine *engine, unsigned upstream, uint32_t ticket,
	enum engine_stream_failure why, struct mono now)
{
	assert_null(engine);
	assert_int_equal(now.ms, present.ms);
	tell(STREAM_FAILED, upstream, ticket, NULL, 0);
	told[n_told - 1].why = why;
}

/* --- The keeper --- */

/* Opens what is asked for; with an error answers that. How many requests there were. */
static unsigned serve(int error)
{
	struct channel_request requests[CHANNEL_OUT_MAX];
	int count;

	assert_int_equal(channel_flush(&channel), 0);
	count = channel_receive_requests(keeper_end, requests);
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const struct channel_request *request = &requests[i];
		struct channel_reply reply = {
			.op = CHANNEL_OPENED, .ticket = request->ticket, .status = error};
		int type = request->socket.stream ? SOCK_STREAM : SOCK_DGRAM, fd = -1;
		struct sockaddr_storage address;
		socklen_t size =
			endpoint_to_sockaddr(&servers[request->socket.upstream].at, &address);

		assert_int_equal(request->op, CHANNEL_SOCKET);
		if (!error)
			fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (!error)
			assert_true(connect(fd, (struct sockaddr *)&address, size) == 0 ||
				    errno == EINPROGRESS);
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
	int count;

	streams_tick(streams, NULL, present);
	count = watch_wait(epoll_fd, wait_ms, watches, events);

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
		streams_tick(streams, NULL, present);
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
	memset(&channel, 0, sizeof(channel));
	n_told = 0;
	present = (struct mono){1000000};
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(channel_make(&keeper_end, &channel.fd), 0);
	assert_int_equal(outgoing_new(epoll_fd, &channel, &dns, &key, &outgoing), 0);
	assert_int_equal(streams_new(epoll_fd, &channel, &dns, NULL, &streams), 0);
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

/* One that has no room is nobody's: what was cut off may be what counts. */
static void a_reply_that_is_too_long_is_none(void **state)
{
	static char reply[5001];

	(void)state;
	memset(reply, 'x', sizeof(reply) - 1);
	start(1);
	settle(0);
	ask(0);
	answer(0, reply);
	take_events(PATIENCE_MS);
	assert_int_equal(n_told, 0);
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
	struct dns_server kept = servers[0];
	unsigned number;

	(void)state;
	servers[0].at.port = 9; /* nobody listens */
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
	static const uint32_t odd[] = {5, 16, STREAMS_TICKET - 1, STREAMS_TICKET, UINT32_MAX};

	(void)state;
	start(1);
	settle(0);
	for (unsigned i = 0; i < 5; i++) {
		struct channel_reply reply = {.op = CHANNEL_OPENED, .ticket = odd[i]};

		assert_int_equal(channel_send_reply(keeper_end, &reply, server_udp[1]), 0);
	}
	take_replies();
	assert_int_equal(n_told, 0);
	for (unsigned i = 0; i < 20 * SOCKETS; i++) {
		ask(0);
		answer(0, NULL);
	}
	stop();
}

/* --- TCP --- */

/* A question with that ID. */
static void ask_stream(unsigned upstream, uint16_t id, uint32_t ticket)
{
	uint8_t question[] = {(uint8_t)(id >> 8), (uint8_t)id, 'q', 'u', 'e', 's', 't'};

	assert_int_equal(streams_ask(streams, upstream, ticket, question, sizeof(question)), 0);
}

/* The next connection at the server. */
static int accept_connection(unsigned server)
{
	struct pollfd poller = {.fd = server_tcp[server], .events = POLLIN};

	while (poll(&poller, 1, 10) == 0)
		take_events(0);
	return accept4(server_tcp[server], NULL, NULL, SOCK_CLOEXEC);
}

/* Reads a question at the server: its ID. */
static uint16_t read_question(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	uint8_t got[9];

	while (poll(&poller, 1, 10) == 0)
		take_events(0);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(got, "\0\7", 2);
	assert_memory_equal(got + 4, "quest", 5);
	return (uint16_t)(got[2] << 8 | got[3]);
}

static void send_reply(int fd, uint16_t id, char what)
{
	uint8_t reply[] = {0, 3, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)what};

	assert_int_equal(send(fd, reply, sizeof(reply), MSG_NOSIGNAL), sizeof(reply));
}

static void a_question_over_tcp_is_answered(void **state)
{
	static uint8_t reply[2 + 65535] = {0xff, 0xff, 0x12, 0x34, 'R'};
	int fd;

	(void)state;
	start(1);
	settle(0);
	ask_stream(0, 0x1234, 77);
	settle(0);
	fd = accept_connection(0);
	assert_int_equal(read_question(fd), 0x1234);
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
	assert_int_equal(told[0].first, 0x12);
	close(fd);
	stop();
}

/* Questions share a connection, and their answers come in any order. */
static void questions_share_a_connection(void **state)
{
	uint16_t ids[20];
	int fd;

	(void)state;
	start(1);
	settle(0);
	for (uint16_t i = 0; i < 10; i++)
		ask_stream(0, i, 100u + i);
	assert_int_equal(settle(0), 1);
	fd = accept_connection(0);
	for (uint16_t i = 10; i < 20; i++)
		ask_stream(0, i, 100u + i);
	for (unsigned i = 0; i < 20; i++)
		ids[i] = read_question(fd);
	/* One that nobody asked for is dropped, and what has no whole ID. */
	send_reply(fd, 999, 'x');
	assert_int_equal(send(fd, "\0\0\0\1", 5, MSG_NOSIGNAL), 5);
	for (unsigned i = 20; i > 0; i--)
		send_reply(fd, ids[i - 1], 'r');
	wait_told(20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(told[i].kind, STREAM_REPLY);
		assert_int_equal(told[i].number, 119 - i);
	}
	assert_int_equal(settle(0), 0);
	/* And again over the same. */
	ask_stream(0, 7, 200);
	assert_int_equal(read_question(fd), 7);
	send_reply(fd, 7, 'r');
	wait_told(21);
	assert_int_equal(told[20].number, 200);
	close(fd);
	stop();
}

static void each_server_has_a_connection(void **state)
{
	int fds[2];

	(void)state;
	start(2);
	settle(0);
	for (unsigned i = 0; i < 2; i++)
		ask_stream(i, 5, i);
	assert_int_equal(settle(0), 2);
	for (unsigned i = 0; i < 2; i++) {
		fds[i] = accept_connection(i);
		assert_int_equal(read_question(fds[i]), 5);
		send_reply(fds[i], 5, 'r');
		wait_told(i + 1);
		assert_int_equal(told[i].upstream, i);
		assert_int_equal(told[i].number, i);
	}
	close(fds[0]);
	close(fds[1]);
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

		ask_stream(0, 1, 2 * i);
		ask_stream(0, 2, 2 * i + 1);
		settle(0);
		fd = accept_connection(0);
		read_question(fd);
		read_question(fd);
		assert_int_equal(send(fd, sent[i], sizes[i], 0), sizes[i]);
		close(fd);
		wait_told(2 * i + 2);
		for (unsigned j = 2 * i; j < 2 * i + 2; j++) {
			assert_int_equal(told[j].kind, STREAM_FAILED);
			assert_int_equal(told[j].number, j);
			assert_int_equal(told[j].why, ENGINE_STREAM_BROKEN);
		}
	}
	stop();
}

/* That is something else: the server may have closed it just when the question came. */
static void a_connection_that_worked_was_closed(void **state)
{
	int fd;

	(void)state;
	start(1);
	settle(0);
	ask_stream(0, 1, 1);
	settle(0);
	fd = accept_connection(0);
	send_reply(fd, read_question(fd), 'r');
	wait_told(1);
	ask_stream(0, 2, 2);
	read_question(fd);
	close(fd);
	wait_told(2);
	assert_int_equal(told[1].kind, STREAM_FAILED);
	assert_int_equal(told[1].number, 2);
	assert_int_equal(told[1].why, ENGINE_STREAM_CLOSED);
	/* The next question gets a new one. */
	ask_stream(0, 3, 3);
	assert_int_equal(settle(0), 1);
	fd = accept_connection(0);
	send_reply(fd, read_question(fd), 'r');
	wait_told(3);
	assert_int_equal(told[2].kind, STREAM_REPLY);
	close(fd);
	stop();
}

static void a_connection_refused_has_failed(void **state)
{
	struct dns_server kept = servers[0];

	(void)state;
	start(1);
	settle(0);
	servers[0].at.port = 9;
	ask_stream(0, 1, 5);
	settle(0);
	wait_told(1);
	assert_int_equal(told[0].kind, STREAM_FAILED);
	servers[0] = kept;
	ask_stream(0, 1, 6);
	settle(-EMFILE);
	assert_int_equal(n_told, 2);
	assert_int_equal(told[1].kind, STREAM_FAILED);
	assert_int_equal(told[1].number, 6);
	stop();
}

/* A server that says nothing while an answer is due, and one that nobody asks any more. */
static void silent_and_idle_connections_end(void **state)
{
	char byte;
	int fd;

	(void)state;
	start(1);
	settle(0);
	ask_stream(0, 1, 1);
	settle(0);
	fd = accept_connection(0);
	read_question(fd);
	present.ms += 1000;
	take_events(0);
	assert_int_equal(n_told, 0);
	present.ms += 1500;
	take_events(0);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].kind, STREAM_FAILED);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ask_stream(0, 2, 2);
	settle(0);
	fd = accept_connection(0);
	send_reply(fd, read_question(fd), 'r');
	wait_told(2);
	present.ms += 9000;
	take_events(0);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	present.ms += 1500;
	take_events(0);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_int_equal(n_told, 2);
	assert_int_equal(streams_tick(streams, NULL, present), -1);
	close(fd);
	stop();
}

/* The socket that came for a connection which was given up isn't its successor's. */
static void each_connection_has_its_own_socket(void **state)
{
	(void)state;
	start(1);
	settle(0);
	ask_stream(0, 1, 1);
	present.ms += 4000;
	streams_tick(streams, NULL, present);
	assert_int_equal(n_told, 1);
	assert_int_equal(serve(-EMFILE), 1);
	ask_stream(0, 2, 2);
	take_replies();
	assert_int_equal(n_told, 1);
	assert_int_equal(serve(-EMFILE), 1);
	take_replies();
	assert_int_equal(n_told, 2);
	assert_int_equal(told[1].number, 2);
	stop();
}

static void only_so_many_questions_are_out(void **state)
{
	unsigned asked = 0;

	(void)state;
	start(1);
	settle(0);
	for (uint16_t i = 0; i < STREAMS_QUESTIONS_MAX; i++, asked++)
		ask_stream(0, i, i);
	assert_int_equal(streams_ask(streams, 0, 999, (const uint8_t *)"\xff\xffq", 3), -EAGAIN);
	/* One with the ID of another takes its place. */
	ask_stream(0, 7, 999);
	assert_int_equal(settle(-EMFILE), 1);
	assert_int_equal(n_told, asked);
	assert_int_equal(told[7].number, 999);
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
		cmocka_unit_test(a_reply_that_is_too_long_is_none),
		cmocka_unit_test(questions_leave_from_many_ports),
		cmocka_unit_test(worn_sockets_are_replaced),
		cmocka_unit_test(a_replaced_socket_is_read_on),
		cmocka_unit_test(a_server_that_is_not_there_is_told),
		cmocka_unit_test(what_the_keeper_cannot_open_is_asked_for_again),
		cmocka_unit_test(replies_of_the_keeper_that_nobody_asked_for),
		cmocka_unit_test(a_question_over_tcp_is_answered),
		cmocka_unit_test(questions_share_a_connection),
		cmocka_unit_test(each_server_has_a_connection),
		cmocka_unit_test(a_connection_that_ends_too_soon_has_failed),
		cmocka_unit_test(a_connection_that_worked_was_closed),
		cmocka_unit_test(a_connection_refused_has_failed),
		cmocka_unit_test(silent_and_idle_connections_end),
		cmocka_unit_test(each_connection_has_its_own_socket),
		cmocka_unit_test(only_so_many_questions_are_out),
	};
	int error = space_enter();

	if (error)
		return space_skip("no network namespace", error);
	for (unsigned i = 0; i < 2; i++) {
		static const char *const texts[] = {"127.0.0.53:53", "127.0.0.54:53"};

		server_udp[i] = listen_on(texts[i], SOCK_DGRAM, &servers[i].at);
		server_tcp[i] = listen_on(texts[i], SOCK_STREAM, &servers[i].at);
		if (server_udp[i] < 0 || server_tcp[i] < 0)
			return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
