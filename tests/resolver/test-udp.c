/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "resolver/engine.h"
#include "resolver/listen.h"
#include "resolver/msg.h"
#include "resolver/udp.h"
#include "tests/kernel/space.h"

enum { QUERIES_MAX = 256, PATIENCE_MS = 30000 };

static const struct mono now = {7000};
static struct listeners *listeners;
static struct udp *udp;

static struct {
	struct client client;
	uint8_t bytes[MSG_UDP_EDNS];
	size_t size;
} queries[QUERIES_MAX];
static unsigned n_queries;

/* What is answered at once: queries that begin so get themselves back. */
#define AT_ONCE '!'

static void take_query(const struct engine_message *message)
{
	assert_false(message->client->stream);
	assert_true(n_queries < QUERIES_MAX && message->size <= MSG_UDP_EDNS);
	queries[n_queries].client = *message->client;
	memcpy(queries[n_queries].bytes, message->bytes, message->size);
	queries[n_queries++].size = message->size;
}

static void take_queries(
	void *context, struct engine_message *messages, unsigned count, struct mono at)
{
	(void)context;
	assert_int_equal(at.ms, now.ms);
	assert_true(count <= ENGINE_BATCH);
	for (unsigned i = 0; i < count; i++) {
		take_query(&messages[i]);
		messages[i].reply_size = 0;
		if (messages[i].size == 0 || messages[i].bytes[0] != AT_ONCE)
			continue;
		memmove(messages[i].reply, messages[i].bytes, messages[i].size);
		messages[i].reply_size = messages[i].size;
	}
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_text(text_of(text), 0, &endpoint), 0);
	return endpoint;
}

static void listen_on(const char *first, const char *second)
{
	const struct query_sink sink = {.queries = take_queries};
	const struct endpoint endpoints[] = {endpoint_of(first), endpoint_of(second)};
	size_t failed;

	n_queries = 0;
	assert_int_equal(listeners_open(endpoints, 2, 1, NULL, &listeners, &failed), 0);
	assert_int_equal(udp_new(listeners_udp(listeners, 0), 2, &sink, &udp), 0);
}

static void stop(void)
{
	udp_free(udp);
	listeners_close(listeners);
}

static int dial(const char *text)
{
	struct endpoint endpoint = endpoint_of(text);
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&endpoint, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

static void ask(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, 0), size);
}

/* Receives at the listener until the sink has `count` queries in all. */
static void receive(uint32_t listener, unsigned count)
{
	struct pollfd poller = {.fd = listeners_udp(listeners, 0)[listener], .events = POLLIN};

	while (n_queries < count) {
		assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
		udp_receive(udp, listener, now);
	}
}

static void assert_reply(int fd, const void *expected, size_t size)
{
	static uint8_t got[65536];
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(fd, got, sizeof(got), 0), size);
	assert_memory_equal(got, expected, size);
}

/* Connected clients: a reply from elsewhere doesn't reach them. */
static void replies_come_from_where_was_asked(void **state)
{
	static const char *const asked[][2] = {
		{"127.0.0.1:5300", "127.0.0.9:5300"}, {"[::1]:5300", "[fd00::9]:5300"}};

	(void)state;
	listen_on("0.0.0.0:5300", "[::]:5300");
	for (uint32_t family = 0; family < 2; family++) {
		for (unsigned i = 0; i < 2; i++) {
			int fd = dial(asked[family][i]);
			const struct client *client = &queries[n_queries].client;
			struct endpoint endpoint = endpoint_of(asked[family][i]);

			ask(fd, "q", 1);
			receive(family, n_queries + 1);
			assert_int_equal(client->socket, family);
			assert_int_equal(inaddr_compare(&client->local, &endpoint.address), 0);
			udp_reply(udp, client, (const uint8_t *)"r", 1);
			udp_flush(udp);
			assert_reply(fd, "r", 1);
			ask(fd, "!s", 2);
			receive(family, n_queries + 1);
			assert_reply(fd, "!s", 2);
			close(fd);
		}
	}
	stop();
}

static void batches_lose_and_mix_nothing(void **state)
{
	int fds[200];

	(void)state;
	listen_on("127.0.0.1:5300", "[::1]:5300");
	for (unsigned i = 0; i < 200; i++) {
		fds[i] = dial(i % 2 ? "[::1]:5300" : "127.0.0.1:5300");
		ask(fds[i], &i, sizeof(i));
	}
	receive(0, 100);
	receive(1, 200);
	for (unsigned i = 0; i < 200; i++)
		udp_reply(udp, &queries[i].client, queries[i].bytes, queries[i].size);
	udp_flush(udp);
	for (unsigned i = 0; i < 200; i++) {
		assert_reply(fds[i], &i, sizeof(i));
		close(fds[i]);
	}
	stop();
}

/* Some of a batch are answered at once, in between others; two batches' worth come. */
static void answers_at_once_reach_who_asked(void **state)
{
	enum { CLIENTS = ENGINE_BATCH + 20 };
	int fds[CLIENTS];

	(void)state;
	listen_on("127.0.0.1:5300", "[::1]:5300");
	for (unsigned i = 0; i < CLIENTS; i++) {
		uint8_t query[] = {i % 3 ? AT_ONCE : 'q', (uint8_t)i, 0};

		fds[i] = dial("127.0.0.1:5300");
		ask(fds[i], query, i % 2 ? 2 : 3);
	}
	assert_true(udp_receive(udp, 0, now));
	assert_int_equal(n_queries, ENGINE_BATCH);
	assert_false(udp_receive(udp, 0, now));
	assert_int_equal(n_queries, CLIENTS);
	assert_false(udp_receive(udp, 0, now));
	for (unsigned i = 0; i < CLIENTS; i++) {
		const uint8_t query[] = {AT_ONCE, (uint8_t)i, 0};
		uint8_t byte;

		if (i % 3)
			assert_reply(fds[i], query, i % 2 ? 2 : 3);
		assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
		close(fds[i]);
	}
	stop();
}

static void longer_queries_are_dropped(void **state)
{
	static uint8_t bytes[65000];
	int fd;

	(void)state;
	listen_on("127.0.0.1:5300", "[::1]:5300");
	fd = dial("127.0.0.1:5300");
	ask(fd, bytes, MSG_UDP_EDNS + 1);
	ask(fd, bytes, sizeof(bytes));
	ask(fd, bytes, MSG_UDP_EDNS);
	ask(fd, bytes, 0);
	receive(0, 2);
	assert_int_equal(queries[0].size, MSG_UDP_EDNS);
	assert_int_equal(queries[1].size, 0);
	close(fd);
	stop();
}

static void long_replies_find_room(void **state)
{
	static uint8_t reply[65000];
	int fds[5];

	(void)state;
	listen_on("127.0.0.1:5300", "[::1]:5300");
	for (unsigned i = 0; i < 5; i++) {
		fds[i] = dial("127.0.0.1:5300");
		ask(fds[i], "q", 1);
		receive(0, i + 1);
	}
	for (unsigned i = 0; i < 5; i++) {
		memset(reply, 'a' + (int)i, sizeof(reply));
		udp_reply(udp, &queries[i].client, reply, sizeof(reply));
	}
	udp_flush(udp);
	for (unsigned i = 0; i < 5; i++) {
		memset(reply, 'a' + (int)i, sizeof(reply));
		assert_reply(fds[i], reply, sizeof(reply));
		close(fds[i]);
	}
	stop();
}

static void who_cannot_be_reached_is_passed_over(void **state)
{
	const struct endpoint nowhere = endpoint_of("203.0.113.1:53");
	struct sockaddr_storage address;
	struct client client;
	int fd;

	(void)state;
	listen_on("127.0.0.1:5300", "[::1]:5300");
	fd = dial("127.0.0.1:5300");
	ask(fd, "q", 1);
	receive(0, 1);
	client = queries[0].client;
	client.size = endpoint_to_sockaddr(&nowhere, &address);
	memcpy(&client.address, &address, sizeof(client.address));
	udp_reply(udp, &queries[0].client, (const uint8_t *)"1", 1);
	udp_reply(udp, &client, (const uint8_t *)"2", 1);
	udp_reply(udp, &client, (const uint8_t *)"3", 1);
	udp_reply(udp, &queries[0].client, (const uint8_t *)"4", 1);
	udp_flush(udp);
	assert_reply(fd, "1", 1);
	assert_reply(fd, "4", 1);
	close(fd);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_come_from_where_was_asked),
		cmocka_unit_test(batches_lose_and_mix_nothing),
		cmocka_unit_test(answers_at_once_reach_who_asked),
		cmocka_unit_test(longer_queries_are_dropped),
		cmocka_unit_test(long_replies_find_room),
		cmocka_unit_test(who_cannot_be_reached_is_passed_over),
	};
	int error = space_enter();

	if (error)
		return space_skip("no network namespace", error);
	/* Packets to the address are lost until the kernel comes to enter it as a local one. */
	if (!space_run("ip -6 address add fd00::9/128 dev lo nodad && for i in $(seq 1000); do "
		       "ip -6 route show table local | grep -q '^local fd00::9 ' && exit 0; "
		       "sleep 0.01; done; exit 1"))
		return space_skip("no IPv6", -EAFNOSUPPORT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
