/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/conntrack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kernel/space.h"

/* Flows get their marks by port; those to port 1004 go to 1003. */
static const char table_text[] = "table inet t {\n"
				 "	chain nat {\n"
				 "		type nat hook output priority -100;\n"
				 "		udp dport 1004 redirect to :1003\n"
				 "	}\n"
				 "	chain output {\n"
				 "		type filter hook output priority filter;\n"
				 "		ct direction reply accept\n"
				 "		tcp dport 1001 ct mark set 0x101\n"
				 "		udp dport 1002 ct mark set 0x102\n"
				 "		udp dport 1003 ct mark set 0x203\n"
				 "		tcp dport 1005 ct mark set 0x305\n"
				 "		udp dport 1006 ct mark set 0x306\n"
				 "		udp dport 1007 ct mark set 0x307\n"
				 "	}\n"
				 "}\n";

static struct conntrack *conntrack;

#define FLOWS_MAX 64

struct seen {
	struct conntrack_flow flows[FLOWS_MAX];
	unsigned count;
	int stop; /* answered at the first */
};

static int see(void *context, const struct conntrack_flow *flow)
{
	struct seen *seen = context;

	if (seen->count < FLOWS_MAX)
		seen->flows[seen->count] = *flow;
	seen->count++;
	return seen->stop;
}

static struct seen walk(uint32_t mark, uint32_t mask)
{
	struct seen seen = {.count = 0};

	assert_int_equal(conntrack_walk(conntrack, mark, mask, see, &seen), 0);
	return seen;
}

static struct sockaddr_in at_port(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static int listen_at(int type, uint16_t port)
{
	struct sockaddr_in at = at_port(port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(type != SOCK_STREAM || listen(fd, 4) == 0);
	return fd;
}

static int connect_to(int type, uint16_t port)
{
	struct sockaddr_in at = at_port(port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void answer(int server)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte;

	assert_int_equal(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	assert_int_equal(sendto(server, "y", 1, 0, (struct sockaddr *)&from, size), 1);
}

static void assert_goes_to(const struct conntrack_flow *flow, uint8_t protocol, uint16_t port)
{
	char text[INADDR_TEXT];

	assert_string_equal(inaddr_to_text(&flow->to, text), "127.0.0.1");
	assert_int_equal(flow->protocol, protocol);
	assert_int_equal(flow->port, port);
}

static int set_up(void **state)
{
	(void)state;
	return conntrack_open(&conntrack);
}

static int tear_down(void **state)
{
	(void)state;
	conntrack_close(conntrack);
	return 0;
}

static void flows_are_told_by_mark(void **state)
{
	int server = listen_at(SOCK_STREAM, 1001), udp = listen_at(SOCK_DGRAM, 1002);
	int client = connect_to(SOCK_STREAM, 1001), sender = connect_to(SOCK_DGRAM, 1002);
	int accepted = accept(server, NULL, NULL);
	struct seen seen;

	(void)state;
	assert_int_equal(send(sender, "x", 1, 0), 1);
	seen = walk(0x101, UINT32_MAX);
	assert_int_equal(seen.count, 1);
	assert_goes_to(&seen.flows[0], IPPROTO_TCP, 1001);
	assert_int_equal(seen.flows[0].mark, 0x101);
	assert_true(seen.flows[0].answered);
	assert_false(seen.flows[0].over);
	seen = walk(0x102, UINT32_MAX);
	assert_int_equal(seen.count, 1);
	assert_goes_to(&seen.flows[0], IPPROTO_UDP, 1002);
	assert_false(seen.flows[0].answered);
	answer(udp);
	seen = walk(0x102, UINT32_MAX);
	assert_int_equal(seen.count, 1);
	assert_true(seen.flows[0].answered);
	assert_int_equal(walk(0x100, 0xf00).count, 2);
	assert_int_equal(walk(0x103, UINT32_MAX).count, 0);
	assert_true(walk(0, 0).count >= 2);
	close(client);
	close(sender);
	close(accepted);
	close(server);
	close(udp);
}

static void where_it_was_translated_to_counts(void **state)
{
	int server = listen_at(SOCK_DGRAM, 1003), client = connect_to(SOCK_DGRAM, 1004);
	struct seen seen;

	(void)state;
	assert_int_equal(send(client, "x", 1, 0), 1);
	answer(server);
	seen = walk(0x203, UINT32_MAX);
	assert_int_equal(seen.count, 1);
	assert_goes_to(&seen.flows[0], IPPROTO_UDP, 1003);
	close(client);
	close(server);
}

static void a_connection_that_ended_is_over(void **state)
{
	int server = listen_at(SOCK_STREAM, 1005), client = connect_to(SOCK_STREAM, 1005);
	int accepted = accept(server, NULL, NULL);
	struct seen seen;
	char byte;

	(void)state;
	close(client);
	assert_int_equal(recv(accepted, &byte, 1, 0), 0);
	close(accepted);
	seen = walk(0x305, UINT32_MAX);
	assert_int_equal(seen.count, 1);
	assert_true(seen.flows[0].over);
	close(server);
}

/* As many as fill several datagrams of a dump. */
static void many_flows_are_walked(void **state)
{
	int server = listen_at(SOCK_DGRAM, 1006);

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		int client = connect_to(SOCK_DGRAM, 1006);

		assert_int_equal(send(client, "x", 1, 0), 1);
		close(client);
	}
	/* A port that was drawn twice is one flow. */
	assert_in_range(walk(0x306, UINT32_MAX).count, 1500, 2000);
	close(server);
}

static void a_walk_that_is_ended(void **state)
{
	struct seen seen = {.stop = -77};
	int server = listen_at(SOCK_DGRAM, 1007);

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		int client = connect_to(SOCK_DGRAM, 1007);

		assert_int_equal(send(client, "x", 1, 0), 1);
		close(client);
	}
	assert_int_equal(conntrack_walk(conntrack, 0, 0, see, &seen), -77);
	assert_int_equal(seen.count, 1);
	/* Nothing of it is taken for the next one's. */
	assert_int_equal(walk(0x103, UINT32_MAX).count, 0);
	assert_in_range(walk(0x307, UINT32_MAX).count, 300, 500);
	close(server);
}

struct unmarking {
	struct conntrack *changes;
	unsigned count;
};

static int unmark(void *context, const struct conntrack_flow *flow)
{
	struct unmarking *unmarking = context;

	unmarking->count++;
	return conntrack_unmark(unmarking->changes, flow);
}

static void a_mark_is_taken_off(void **state)
{
	unsigned before = walk(0x203, UINT32_MAX).count, others = walk(0x307, UINT32_MAX).count;
	int server = listen_at(SOCK_DGRAM, 1003), fd = connect_to(SOCK_DGRAM, 1003);
	struct unmarking unmarking = {.count = 0};
	unsigned all;

	(void)state;
	assert_int_equal(conntrack_open(&unmarking.changes), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(walk(0x203, UINT32_MAX).count, before + 1);
	all = walk(0, 0).count;
	assert_int_equal(conntrack_walk(conntrack, 0x203, UINT32_MAX, unmark, &unmarking), 0);
	assert_int_equal(unmarking.count, before + 1);
	/* They are still there, and the others have theirs. */
	assert_int_equal(walk(0x203, UINT32_MAX).count, 0);
	assert_int_equal(walk(0x307, UINT32_MAX).count, others);
	assert_int_equal(walk(0, 0).count, all);
	/* The next packet is judged anew. */
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(walk(0x203, UINT32_MAX).count, 1);
	conntrack_close(unmarking.changes);
	close(fd);
	close(server);
}

static void what_is_no_flow_has_no_mark(void **state)
{
	struct conntrack_flow nowhere = {.mark = 1};
	struct nlattr tuple = {.nla_len = sizeof(tuple), .nla_type = 1};

	(void)state;
	assert_int_equal(conntrack_unmark(conntrack, &nowhere), -EINVAL);
	nowhere.tuple = &tuple;
	assert_int_equal(conntrack_unmark(conntrack, &nowhere), -EINVAL);
}

/* That a flow begins, what it has carried, and that it has ended, whatever ends it. */
static void beginnings_and_ends_are_told(void **state)
{
	int server = listen_at(SOCK_DGRAM, 1002), fd;
	struct pollfd poller = {.events = POLLIN};
	struct conntrack *ends;
	struct seen seen;
	unsigned n_counted = 0;
	uint32_t id;

	(void)state;
	assert_int_equal(conntrack_count_bytes(), 0);
	assert_int_equal(conntrack_open_ends(&ends), 0);
	poller.fd = conntrack_fd(ends);
	fd = connect_to(SOCK_DGRAM, 1002);
	assert_int_equal(send(fd, "xyz", 3, 0), 3);
	answer(server);
	/* Others began before anybody counted. */
	seen = walk(0x102, UINT32_MAX);
	assert_in_range(seen.count, 1, FLOWS_MAX);
	for (unsigned i = 0; i < seen.count && n_counted == 0; i++)
		if (seen.flows[i].has_bytes && seen.flows[i].started > 0) {
			assert_int_equal(seen.flows[i].stopped, 0);
			assert_int_equal(seen.flows[i].bytes_out, 20 + 8 + 3);
			n_counted++;
		}
	assert_int_equal(n_counted, 1);
	seen = (struct seen){.count = 0};
	assert_int_equal(conntrack_read_ends(ends, see, &seen), 1);
	assert_int_equal(seen.count, 1);
	assert_true(seen.flows[0].begins);
	assert_int_equal(seen.flows[0].mark, 0x102);
	assert_goes_to(&seen.flows[0], IPPROTO_UDP, 1002);
	id = seen.flows[0].id;
	assert_int_not_equal(id, 0);
	/* The answer changes it, which is no beginning. */
	assert_int_equal(conntrack_read_ends(ends, see, &seen), 0);
	assert_true(space_run("conntrack -D --mark 0x102 >/dev/null 2>&1"));
	do {
		seen = (struct seen){.count = 0};
		assert_int_equal(poll(&poller, 1, 10000), 1);
		assert_int_equal(conntrack_read_ends(ends, see, &seen), 1);
	} while (!seen.flows[0].has_bytes);
	assert_false(seen.flows[0].begins);
	assert_int_equal(seen.flows[0].id, id);
	assert_int_equal(seen.flows[0].mark, 0x102);
	assert_goes_to(&seen.flows[0], IPPROTO_UDP, 1002);
	assert_int_equal(seen.flows[0].packets_out, 1);
	assert_int_equal(seen.flows[0].bytes_out, 20 + 8 + 3);
	assert_int_equal(seen.flows[0].packets_in, 1);
	assert_int_equal(seen.flows[0].bytes_in, 20 + 8 + 1);
	assert_true(seen.flows[0].stopped >= seen.flows[0].started);
	conntrack_close(ends);
	close(fd);
	close(server);
}

/* Whatever a message's bytes are, reading them ends and stays within them. */
static void hostile_ends(void **state)
{
	struct seen seen = {.count = 0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		size_t length = (size_t)space_draw() % 200;
		uint8_t *bytes = malloc(length + 1);
		uint16_t type = 1 << 8 | (i % 2 ? 2 : 0);
		uint32_t size = (uint32_t)length;

		for (size_t at = 0; at < length; at++)
			bytes[at] = space_draw() % 3 ? (uint8_t)(space_draw() % 16)
						     : (uint8_t)space_draw();
		if (length >= 8) {
			memcpy(bytes, &size, sizeof(size));
			memcpy(bytes + 4, &type, sizeof(type));
		}
		conntrack_take_ends(bytes, length, see, &seen);
		free(bytes);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flows_are_told_by_mark),
		TEST(where_it_was_translated_to_counts),
		TEST(a_connection_that_ended_is_over),
		TEST(many_flows_are_walked),
		TEST(a_walk_that_is_ended),
		TEST(a_mark_is_taken_off),
		TEST(what_is_no_flow_has_no_mark),
		TEST(beginnings_and_ends_are_told),
		TEST(hostile_ends),
	};
	int status;

	if (!space_enter_with("conntrack", table_text, &status))
		return status;
	return cmocka_run_group_tests_name("conntrack", tests, NULL, NULL);
}
