/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Leases live on while flows to them live. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/arena.h"
#include "tests/kernel/space.h"
#include "tests/resolver/keeping.h"

/* The shortest lease is 4 s; the second entry ends EXPIRES_S after the program's start. */
static const char policy_text[] = "version = 1\n"
				  "name = \"k\"\n"
				  "[[allow]]\n"
				  "host = \"a.test\"\n"
				  "ports = [\"tcp/443\", \"udp/443\", \"tcp/444\"]\n"
				  "[[allow]]\n"
				  "host = \"b.test\"\n"
				  "ports = [\"tcp/443\", \"udp/443\"]\n"
				  "expires = %s\n"
				  "[[allow]]\n"
				  "host = \"c.test\"\n"
				  "ports = \"icmp/echo\"\n"
				  "[network]\n"
				  "block = []\n"
				  "[dns]\n"
				  "upstream = [\"127.0.0.53:5353\"]\n"
				  "min_lease = \"2s\"\n"
				  "max_lease = \"100s\"\n"
				  "grace = \"2s\"\n";

/* Of both protocols: the first gives it its name. */
#define MAP443 "tcp-443-leases4"
#define MAP_ICMP "icmp-echo-leases4"

enum { LEASE_MS = 4000, EXPIRES_S = 20, SLOW_MS = 20000 };

static time_t expiry;

/* --- Flows --- */

/* What the plan's ruleset does for packets that don't pass by the loopback. */
static void mark_flows(const char *address, uint32_t mark)
{
	char text[512];

	snprintf(text, sizeof(text),
		"table inet marking {\n"
		"	chain output {\n"
		"		type filter hook output priority 10;\n"
		"		ip daddr %s ct direction original ct mark set 0x%08x\n"
		"	}\n"
		"}\n",
		address, mark);
	keeping_load(text);
}

static struct sockaddr_in at(const char *address)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(443)};

	assert_int_equal(inet_pton(AF_INET, address, &where.sin_addr), 1);
	return where;
}

struct flow {
	int client;
	int server;
};

static struct flow open_tcp(const char *address)
{
	struct sockaddr_in where = at(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct flow flow = {.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(connect(flow.client, (struct sockaddr *)&where, sizeof(where)), 0);
	flow.server = accept(listener, NULL, NULL);
	assert_true(flow.server >= 0);
	close(listener);
	return flow;
}

static struct flow open_udp(const char *address, bool answered)
{
	struct sockaddr_in where = at(address), from;
	socklen_t size = sizeof(from);
	struct flow flow = {.client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		.server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
	char byte;

	assert_int_equal(bind(flow.server, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(connect(flow.client, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(send(flow.client, "x", 1, 0), 1);
	assert_int_equal(recvfrom(flow.server, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
	if (answered)
		assert_int_equal(sendto(flow.server, "y", 1, 0, (struct sockaddr *)&from, size), 1);
	return flow;
}

static void close_flow(struct flow flow)
{
	close(flow.client);
	close(flow.server);
}

/* --- Leases --- */

static bool is_leased(const char *map, const char *address)
{
	return keeping_lease_in(map, address).mark != 0;
}

/* Leases both, of which nothing is known to keep the second; waits until that has ended, and longer
 * than the first would have lasted. */
static void wait_for_the_end_of(const char *map, const char *address)
{
	for (unsigned i = 0; i < SLOW_MS / 50 && is_leased(map, address); i++)
		poll(NULL, 0, 50);
	assert_false(is_leased(map, address));
	poll(NULL, 0, LEASE_MS);
}

static void lease(const char *name, const char *addresses)
{
	assert_int_equal(keeping_ask_lease(name, 1, addresses).status, 0);
}

static bool has_flows(const char *address)
{
	struct control_request request;
	struct control_reply reply;
	struct pollfd poller = {.fd = keeping.control, .events = POLLIN};
	struct inaddr wanted;

	memset(&request, 0, sizeof(request));
	request.op = CONTROL_LIST;
	request.flows = 1;
	assert_int_equal(inaddr_from_text(text_of(address), &wanted), 0);
	assert_int_equal(control_send_request(keeping.control, &request), 0);
	assert_int_equal(poll(&poller, 1, KEEPING_PATIENCE_MS), 1);
	assert_int_equal(control_receive_reply(keeping.control, &reply), 0);
	assert_int_equal(reply.status, 0);
	for (unsigned i = 0; i < reply.count; i++)
		if (inaddr_compare(&reply.leases[i].address, &wanted) == 0 && reply.leases[i].flows)
			return true;
	return false;
}

/* --- Tests --- */

static void a_lease_lives_on_with_its_flow(void **state)
{
	struct flow flow;

	(void)state;
	mark_flows("127.0.1.0/24", keeping_mark(0));
	lease("a.test", "127.0.1.1 127.0.1.2");
	flow = open_tcp("127.0.1.1");
	wait_for_the_end_of(MAP443, "127.0.1.2");
	assert_true(is_leased(MAP443, "127.0.1.1"));
	/* In this group only, and never for longer than the shortest lease. */
	assert_false(is_leased("tcp-444-leases4", "127.0.1.1"));
	assert_in_range(keeping_lease_in(MAP443, "127.0.1.1").timeout.ms, 1, LEASE_MS);
	assert_true(has_flows("127.0.1.1"));
	/* Both ends are closed: it is over, though conntrack remembers it. */
	close_flow(flow);
	wait_for_the_end_of(MAP443, "127.0.1.1");
	keeping_stop();
}

static void so_it_does_where_refreshing_takes_three(void **state)
{
	struct flow flow;

	(void)state;
	keeping.never_in_place = true;
	keeping_start(true);
	keeping.never_in_place = false;
	mark_flows("127.0.2.0/24", keeping_mark(0));
	lease("a.test", "127.0.2.1 127.0.2.2");
	flow = open_tcp("127.0.2.1");
	wait_for_the_end_of(MAP443, "127.0.2.2");
	assert_true(is_leased(MAP443, "127.0.2.1"));
	close_flow(flow);
	keeping_stop();
}

static void only_answered_datagrams_count(void **state)
{
	struct flow answered, silent;

	(void)state;
	mark_flows("127.0.3.0/24", keeping_mark(0));
	lease("a.test", "127.0.3.1 127.0.3.2");
	answered = open_udp("127.0.3.1", true);
	silent = open_udp("127.0.3.2", false);
	wait_for_the_end_of(MAP443, "127.0.3.2");
	assert_true(is_leased(MAP443, "127.0.3.1"));
	close_flow(answered);
	close_flow(silent);
	keeping_stop();
}

/* They have no ports. */
static void answered_pings_count(void **state)
{
	static const uint8_t ping[] = {8, 0, 0xf7, 0xff, 0, 0, 0, 0};
	const struct sockaddr_in where = at("127.0.7.1");
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	(void)state;
	mark_flows("127.0.7.0/24", keeping_mark(2));
	lease("c.test", "127.0.7.1 127.0.7.2");
	assert_int_equal(
		sendto(fd, ping, sizeof(ping), 0, (const struct sockaddr *)&where, sizeof(where)),
		sizeof(ping));
	wait_for_the_end_of(MAP_ICMP, "127.0.7.2");
	assert_true(is_leased(MAP_ICMP, "127.0.7.1"));
	close(fd);
	keeping_stop();
}

static void flows_of_others_do_not_count(void **state)
{
	struct flow flow;

	(void)state;
	mark_flows("127.0.4.1", 0x777);
	mark_flows("127.0.4.2", keeping_mark(0));
	lease("a.test", "127.0.4.1 127.0.4.2");
	flow = open_tcp("127.0.4.1");
	assert_false(has_flows("127.0.4.1"));
	wait_for_the_end_of(MAP443, "127.0.4.1");
	close_flow(flow);
	keeping_stop();
}

/* The policy dropped the rule: nobody needs the lease. */
static void a_mark_not_in_force_is_not_renewed(void **state)
{
	struct flow flow;

	(void)state;
	keeping_put(MAP443, "127.0.5.1", 0x12345, LEASE_MS / 1000);
	keeping_start(true);
	mark_flows("127.0.5.1", 0x12345);
	flow = open_tcp("127.0.5.1");
	wait_for_the_end_of(MAP443, "127.0.5.1");
	close_flow(flow);
	keeping_stop();
}

static void a_renewed_lease_ends_with_its_rule(void **state)
{
	struct flow flow;

	(void)state;
	assert_true(time(NULL) + 2 * LEASE_MS / 1000 < expiry);
	mark_flows("127.0.6.1", keeping_mark(1));
	lease("b.test", "127.0.6.1 127.0.6.2");
	flow = open_tcp("127.0.6.1");
	wait_for_the_end_of(MAP443, "127.0.6.2");
	assert_true(is_leased(MAP443, "127.0.6.1"));
	while (time(NULL) <= expiry) {
		assert_true(is_leased(MAP443, "127.0.6.1") || time(NULL) >= expiry - 1);
		poll(NULL, 0, 100);
	}
	poll(NULL, 0, 1000);
	assert_false(is_leased(MAP443, "127.0.6.1"));
	close_flow(flow);
	keeping_stop();
}

/* --- */

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, keeping_set_up_and_start, keeping_tear_down)
#define TEST_WITHOUT_KEEPER(name)                                                                  \
	cmocka_unit_test_setup_teardown(name, keeping_set_up, keeping_tear_down)

static int compile(struct arena *arena)
{
	char date[64], text[2048];
	struct tm parts;

	expiry = time(NULL) + EXPIRES_S;
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&expiry, &parts));
	snprintf(text, sizeof(text), policy_text, date);
	return keeping_compile(arena, text, NULL);
}

int main(void)
{
	/* The rule that expires comes first: time passes. */
	const struct CMUnitTest tests[] = {
		TEST(a_renewed_lease_ends_with_its_rule),
		TEST(a_lease_lives_on_with_its_flow),
		TEST_WITHOUT_KEEPER(so_it_does_where_refreshing_takes_three),
		TEST(only_answered_datagrams_count),
		TEST(answered_pings_count),
		TEST(flows_of_others_do_not_count),
		TEST_WITHOUT_KEEPER(a_mark_not_in_force_is_not_renewed),
	};
	struct arena *arena;
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (arena_new(64 << 20, &arena) != 0 || compile(arena) != 0 || keeping_open() != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	keeping_close();
	arena_free(arena);
	return failed;
}
