/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/arena.h"
#include "src/base/log.h"
#include "tests/kernel/space.h"
#include "tests/resolver/keeping.h"

static const char policy_text[] =
	"version = 1\n"
	"name = \"k\"\n"
	"[[allow]]\n"
	"host = [\"a.test\", \"*.wild.test\", \"inside.test\"]\n"
	"[[allow]]\n"
	"host = \"both.test\"\n"
	"ports = [\"tcp/443\", \"udp/9\"]\n"
	"[network]\n"
	"block = [\"private\", \"loopback\", \"link-local\", \"metadata\"]\n"
	"[dns]\n"
	"upstream = [\"127.0.0.53:5353\", \"[::1]:5353\"]\n"
	"min_lease = \"100s\"\n"
	"max_lease = \"1000s\"\n"
	"grace = \"50s\"\n"
	"[dns.hosts]\n"
	"\"inside.test\" = [\"10.1.2.3\"]\n";

#define MAP4 "tcp-443-leases4"
#define MAP6 "tcp-443-leases6"

/* --- Tests --- */

static void a_lease_is_there_when_it_is_acknowledged(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 350);
	keeping_assert_lasts(MAP6, "2001:db8::1", keeping_mark(0), 350);
	assert_int_equal(keeping_count(MAP4), 1);
	assert_int_equal(keeping_count(MAP6), 1);
	assert_int_equal(keeping_count("udp-9-leases4"), 0);
	keeping_assert_leased(keeping_ask_lease("x.wild.test", 300, "192.0.2.2"), 350);
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(0), 350);
	keeping_stop();
}

static void every_group_of_the_name_is_opened(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(1), 350);
	keeping_assert_lasts(MAP6, "2001:db8::1", keeping_mark(1), 350);
	keeping_assert_lasts("udp-9-leases4", "192.0.2.1", keeping_mark(1), 350);
	keeping_assert_lasts("udp-9-leases6", "2001:db8::1", keeping_mark(1), 350);
	keeping_stop();
}

static void the_time_is_between_the_policys_bounds(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 0, "192.0.2.1"), 150);
	keeping_assert_leased(keeping_ask_lease("a.test", 500, "192.0.2.2"), 550);
	keeping_assert_leased(keeping_ask_lease("a.test", 50000, "192.0.2.3"), 1050);
	keeping_assert_leased(keeping_ask_lease("a.test", UINT32_MAX, "192.0.2.4"), 1050);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 150);
	keeping_assert_lasts(MAP4, "192.0.2.4", keeping_mark(0), 1050);
	keeping_stop();
}

static void what_the_policy_forbids_is_not_opened(void **state)
{
	static const struct {
		const char *name, *addresses;
	} cases[] = {
		{"other.test", "192.0.2.1"},
		{"x.a.test", "192.0.2.1"},
		{"wild.test", "192.0.2.1"},
		{"x.y.wild.test", "192.0.2.1"},
		{"a.test", "10.1.2.3"},
		{"a.test", "192.0.2.1 10.1.2.3"},
		{"a.test", "127.0.0.1"},
		{"a.test", "169.254.169.254"},
		{"a.test", "::1"},
		{"a.test", "fd00::1"},
		{"a.test", "::ffff:10.1.2.3"},
		{"a.test", "64:ff9b::10.1.2.3"},
		/* The policy gives it 10.1.2.3, and nothing else. */
		{"inside.test", "10.1.2.4"},
		{"inside.test", "192.0.2.1"},
		{"inside.test", "10.1.2.3 10.1.2.4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			keeping_ask_lease(cases[i].name, 300, cases[i].addresses).status, -EPERM);
	assert_int_equal(keeping_count(MAP4), 0);
	assert_int_equal(keeping_count(MAP6), 0);
	keeping_assert_leased(keeping_ask_lease("inside.test", 300, "10.1.2.3"), 350);
	keeping_assert_lasts(MAP4, "10.1.2.3", keeping_mark(0), 350);
	keeping_stop();
}

static void a_lease_is_extended_and_never_shortened(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 250);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 950);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	/* The least of several is what is promised. */
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1 192.0.2.2"), 250);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.3 192.0.2.1"), 250);
	keeping_stop();
}

static void the_first_rules_mark_stays(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 250);
	keeping_assert_leased(keeping_ask_lease("both.test", 900, "192.0.2.1"), 950);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_assert_lasts("udp-9-leases4", "192.0.2.1", keeping_mark(1), 950);
	keeping_stop();
}

static void leases_of_the_keeper_before_are_known(void **state)
{
	(void)state;
	keeping_put(MAP4, "192.0.2.1", keeping_mark(1), 900);
	keeping_put(MAP6, "2001:db8::1", keeping_mark(1), 200);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 900);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(1), 900);
	keeping_assert_leased(keeping_ask_lease("a.test", 800, "2001:db8::1"), 850);
	keeping_assert_lasts(MAP6, "2001:db8::1", keeping_mark(1), 850);
	keeping_stop();
}

/* Its own time stays all the same: nobody's connection is cut short. */
static void a_mark_that_is_not_in_force_is_replaced(void **state)
{
	(void)state;
	keeping_put(MAP4, "192.0.2.1", 0x12345, 900);
	keeping_put(MAP4, "192.0.2.2", 0x12345, 200);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 900);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 900);
	keeping_assert_leased(keeping_ask_lease("a.test", 800, "192.0.2.2"), 850);
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(0), 850);
	keeping_stop();
}

/* As another keeper does that is finishing its work. */
static void leases_made_elsewhere_are_met(void **state)
{
	(void)state;
	keeping_start(false);
	keeping_put(MAP4, "192.0.2.1", keeping_mark(0), 200);
	keeping_put(MAP4, "192.0.2.2", keeping_mark(1), 200);
	keeping_put(MAP4, "192.0.2.3", 0x12345, 200);
	keeping_assert_leased(keeping_ask_lease("a.test", 800, "192.0.2.1"), 850);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 850);
	keeping_assert_leased(keeping_ask_lease("a.test", 800, "192.0.2.2"), 850);
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(1), 850);
	keeping_assert_leased(keeping_ask_lease("a.test", 800, "192.0.2.3"), 850);
	keeping_assert_lasts(MAP4, "192.0.2.3", keeping_mark(0), 850);
	keeping_stop();
}

static void one_that_fails_does_not_take_others_along(void **state)
{
	struct channel_request requests[4];
	struct channel_reply replies[4];
	char *small, *size;
	int fd;

	(void)state;
	/* Maps of three elements each; all four requests are in one transaction. */
	small = strdup(keeping.ruleset);
	for (size = small; (size = strstr(size, "size 1048576"));)
		memcpy(size, "size 3      ", 12);
	keeping_load("delete table inet egress-k\n");
	keeping_load(small);
	free(small);
	requests[0] = keeping_request("a.test", 300, "192.0.2.1");
	requests[1] = keeping_request("a.test", 300, "192.0.2.2 192.0.2.3 192.0.2.4");
	requests[2] = keeping_request("other.test", 300, "192.0.2.5");
	requests[3] = keeping_request("a.test", 300, "192.0.2.6 2001:db8::1");
	for (unsigned i = 0; i < 4; i++)
		keeping_send(0, &requests[i]);
	keeping_start(true);
	for (unsigned i = 0; i < 4; i++)
		replies[i] = keeping_receive(0, requests[i].ticket, &fd);
	keeping_assert_leased(replies[0], 350);
	assert_int_equal(replies[0].opened, 1);
	/* What fits is opened, and it is said what that is. */
	keeping_assert_leased(replies[1], 350);
	assert_int_equal(replies[1].opened, 3);
	assert_int_equal(replies[2].status, -EPERM);
	assert_int_equal(replies[2].opened, 0);
	keeping_assert_leased(replies[3], 350);
	assert_int_equal(replies[3].opened, 2);
	assert_int_equal(keeping_count(MAP4), 3);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 350);
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(0), 350);
	keeping_assert_lasts(MAP4, "192.0.2.3", keeping_mark(0), 350);
	keeping_assert_lasts(MAP6, "2001:db8::1", keeping_mark(0), 350);
	/* What was refused isn't taken for open; what stands can be renewed. */
	assert_int_equal(keeping_ask_lease("a.test", 300, "192.0.2.6 192.0.2.4").status, -ENOSPC);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.3"), 950);
	keeping_assert_lasts(MAP4, "192.0.2.3", keeping_mark(0), 950);
	keeping_stop();
}

static void more_than_a_batch_is_answered(void **state)
{
	struct channel_request requests[2][CHANNEL_OUT_MAX];
	char address[32];
	int fd;

	(void)state;
	for (unsigned worker = 0; worker < 2; worker++) {
		for (unsigned i = 0; i < CHANNEL_OUT_MAX; i++) {
			snprintf(address, sizeof(address), "198.51.%u.%u", 100 + worker, i);
			requests[worker][i] = keeping_request("both.test", 300, address);
			keeping_send(worker, &requests[worker][i]);
		}
	}
	keeping_start(true);
	for (unsigned worker = 0; worker < 2; worker++)
		for (unsigned i = 0; i < CHANNEL_OUT_MAX; i++)
			keeping_assert_leased(
				keeping_receive(worker, requests[worker][i].ticket, &fd), 350);
	assert_int_equal(keeping_count(MAP4), 2 * CHANNEL_OUT_MAX);
	assert_int_equal(keeping_count("udp-9-leases4"), 2 * CHANNEL_OUT_MAX);
	keeping_stop();
}

/* 64 addresses in two groups, three changes each, in one request after another. */
static void the_longest_requests_are_served(void **state)
{
	struct channel_request request = keeping_request("both.test", 200, "192.0.2.0");

	(void)state;
	for (unsigned i = 0; i < CHANNEL_ADDRESSES_MAX; i++)
		request.lease.addresses[i] = inaddr_from_ip4((uint8_t[]){192, 0, 2, (uint8_t)i});
	request.lease.count = CHANNEL_ADDRESSES_MAX;
	for (uint32_t ttl = 200; ttl < 1000; ttl += 100) {
		request.lease.ttl = ttl;
		keeping_assert_leased(keeping_ask(&request), ttl + 50);
	}
	assert_int_equal(keeping_count(MAP4), CHANNEL_ADDRESSES_MAX);
	keeping_stop();
}

/* Without its leases what the workers remember is void: all have to start anew. */
static void a_keeper_whose_table_is_removed_ends(void **state)
{
	struct channel_request request = keeping_request("a.test", 900, "192.0.2.1");

	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 250);
	keeping_load("delete table inet egress-k\n");
	keeping_send(0, &request);
	assert_int_equal(keeping_status(), 1);
}

static void a_keeper_without_a_table_waits_for_one(void **state)
{
	(void)state;
	keeping_load("delete table inet egress-k\n");
	keeping_start(true);
	assert_int_equal(keeping_ask_lease("a.test", 200, "192.0.2.1").status, -ENOENT);
	keeping_load(keeping.ruleset);
	for (unsigned i = 0; i < KEEPING_PATIENCE_MS / 100 && !keeping_has_mark(); i++)
		poll(NULL, 0, 100);
	assert_true(keeping_has_mark());
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 250);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 250);
	keeping_stop();
}

/* Nobody goes on with the mark of a resolver that has ended. */
static void the_mark_is_the_only_one(void **state)
{
	struct setlink_element element = {.key_size = 8, .key = {1, 2, 3, 4, 5, 6, 7, 8}};

	(void)state;
	setlink_begin(keeping.kernel, keeping.compiled.plan->table);
	setlink_add(keeping.kernel, keeping.compiled.plan->resolver_set, &element);
	assert_int_equal(setlink_commit(keeping.kernel), 0);
	assert_false(keeping_has_mark());
	keeping_start(true);
	assert_true(keeping_has_mark());
	keeping_stop();
}

static void sockets_carry_the_mark(void **state)
{
	(void)state;
	assert_true(keeping_has_mark());
	for (uint32_t i = 0; i < 4; i++) {
		struct channel_request request;
		struct channel_reply reply;
		struct sockaddr_storage address;
		struct endpoint peer;
		socklen_t size = sizeof(uint32_t);
		uint32_t mark = 0;
		int fd, type;

		memset(&request, 0, sizeof(request));
		request.op = CHANNEL_SOCKET;
		request.ticket = ++keeping.tickets;
		request.socket.upstream = i / 2;
		request.socket.stream = i % 2;
		keeping_send(0, &request);
		reply = keeping_receive(0, request.ticket, &fd);
		assert_int_equal(reply.op, CHANNEL_OPENED);
		assert_int_equal(reply.status, 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
		assert_int_equal(mark, KEEPING_MARK);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
		assert_int_equal(type, i % 2 ? SOCK_STREAM : SOCK_DGRAM);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		size = sizeof(address);
		if (i % 2) {
			assert_int_equal(getpeername(fd, (struct sockaddr *)&address, &size), -1);
		} else {
			assert_int_equal(getpeername(fd, (struct sockaddr *)&address, &size), 0);
			assert_int_equal(
				endpoint_from_sockaddr((struct sockaddr *)&address, &peer), 0);
			assert_int_equal(peer.port, 5353);
			assert_int_equal(inaddr_is_ip4(&peer.address), i / 2 == 0);
		}
		close(fd);
	}
	keeping_stop();
}

static void no_lease(struct channel_request *request)
{
	request->lease.count = 0;
}

static void too_many_addresses(struct channel_request *request)
{
	request->lease.count = CHANNEL_ADDRESSES_MAX + 1;
}

static void upper_case(struct channel_request *request)
{
	request->lease.name.wire[1] = 'A';
}

static void beyond_the_name(struct channel_request *request)
{
	request->lease.name.length++;
}

static void short_name(struct channel_request *request)
{
	request->lease.name.length--;
}

static void empty_name(struct channel_request *request)
{
	request->lease.name.length = 0;
}

static void compressed_name(struct channel_request *request)
{
	memcpy(request->lease.name.wire, "\1a\300\0", 4);
	request->lease.name.length = 4;
}

static void unknown_op(struct channel_request *request)
{
	request->op = 77;
}

static void a_reply(struct channel_request *request)
{
	request->op = CHANNEL_LEASED;
}

static void unknown_upstream(struct channel_request *request)
{
	request->op = CHANNEL_SOCKET;
	request->socket.upstream = 2;
	request->socket.stream = 0;
}

static void unknown_stream(struct channel_request *request)
{
	request->op = CHANNEL_SOCKET;
	request->socket.upstream = 0;
	request->socket.stream = 2;
}

/* Nothing of such a worker's is believed any more, and nothing of its batch is opened. */
static void malformed_requests_end_the_keeper(void **state)
{
	static void (*const spoilers[])(struct channel_request *) = {no_lease, too_many_addresses,
		upper_case, beyond_the_name, short_name, empty_name, compressed_name, unknown_op,
		a_reply, unknown_upstream, unknown_stream};

	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		struct channel_request good = keeping_request("a.test", 300, "192.0.2.1");
		struct channel_request bad = good;

		if (i > 0) {
			keeping_tear_down(state);
			keeping_set_up(state);
		}
		spoilers[i](&bad);
		keeping_send(0, &good);
		keeping_send(1, &bad);
		keeping_start(true);
		assert_int_equal(keeping_status(), 1);
		assert_int_equal(keeping_count(MAP4), 0);
	}
}

/* Its requests are served, its answers are nobody's, and the others' are theirs. */
static void a_worker_that_ends_is_no_matter(void **state)
{
	struct channel_request request = keeping_request("a.test", 300, "192.0.2.1");
	struct channel_request wanted = {.op = CHANNEL_SOCKET};
	struct control_request flush = keeping_control(CONTROL_FLUSH);

	(void)state;
	keeping_send(1, &request);
	keeping_send(1, &wanted);
	keeping_hang_up(1);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 350);
	assert_int_equal(keeping_ask_control(&flush).total, 2);
	keeping_stop();
}

/* The keeper waits for nobody: its answers to that one have nowhere to go. */
static void a_worker_that_takes_no_answers_ends_the_keeper(void **state)
{
	static const uint8_t request[16] = {0, 0, 0, CHANNEL_SOCKET};
	struct pollfd poller = {.fd = keeping.channels[0].fd, .events = POLLOUT};
	ssize_t sent = 0;

	(void)state;
	for (unsigned i = 0; i < 100000 && (sent > 0 || i == 0); i++) {
		assert_int_equal(poll(&poller, 1, KEEPING_PATIENCE_MS), 1);
		sent = send(poller.fd, request, sizeof(request), MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			sent = 1;
	}
	assert_int_equal(sent, -1);
	assert_int_equal(keeping_status(), 1);
}

/* More than a worker of ours has out, one by one and at last as many at once as it may have. */
static void one_worker_may_fill_a_batch(void **state)
{
	enum { ALONE = 2 * CHANNEL_OUT_MAX - 1, ALL = ALONE + CHANNEL_OUT_MAX };
	struct channel_request request = keeping_request("a.test", 300, "192.0.2.1");
	struct channel *channel = &keeping.channels[0];
	int fd;

	(void)state;
	for (unsigned i = 0; i < ALL; i++) {
		request.ticket = i;
		if (i <= ALONE)
			channel->n_out = 0;
		if (i < ALONE)
			keeping_send(0, &request);
		else
			assert_int_equal(channel_send_request(channel, &request), 0);
	}
	assert_int_equal(channel_flush(channel), 0);
	keeping_start(true);
	for (unsigned i = 0; i < ALL; i++)
		keeping_assert_leased(keeping_receive(0, i, &fd), 350);
	keeping_stop();
}

/* It has more out than the keeper takes at once, which so learns only by its answer that it has
 * ended. */
static void a_worker_that_ends_with_a_batch_out_is_no_matter(void **state)
{
	struct channel_request request = keeping_request("a.test", 300, "192.0.2.1");
	struct channel_request wanted = {.op = CHANNEL_SOCKET};

	(void)state;
	for (unsigned i = 0; i < 2 * CHANNEL_OUT_MAX; i++) {
		keeping.channels[1].n_out = 0;
		keeping_send(1, i % 2 ? &wanted : &request);
	}
	keeping_hang_up(1);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	keeping_stop();
}

static void the_keeper_serves_until_the_last_worker_is_gone(void **state)
{
	(void)state;
	keeping_hang_up(1);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
	assert_int_equal(waitpid(keeping.keeper, NULL, WNOHANG), 0);
	keeping_hang_up(0);
	assert_int_equal(keeping_status(), 0);
	/* What is open stays open. */
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 350);
}

/* A byte is for the workers; with the other end gone it has to end. */
static void the_keeper_ends_with_its_leash(void **state)
{
	(void)state;
	assert_int_equal(write(keeping.leash[1], "", 1), 1);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
	close(keeping.leash[1]);
	keeping.leash[1] = -1;
	assert_int_equal(keeping_status(), 0);
}

/* --- */

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, keeping_set_up_and_start, keeping_tear_down)
#define TEST_WITHOUT_KEEPER(name)                                                                  \
	cmocka_unit_test_setup_teardown(name, keeping_set_up, keeping_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_is_there_when_it_is_acknowledged),
		TEST(every_group_of_the_name_is_opened),
		TEST(the_time_is_between_the_policys_bounds),
		TEST(what_the_policy_forbids_is_not_opened),
		TEST(a_lease_is_extended_and_never_shortened),
		TEST(the_first_rules_mark_stays),
		TEST_WITHOUT_KEEPER(leases_of_the_keeper_before_are_known),
		TEST_WITHOUT_KEEPER(a_mark_that_is_not_in_force_is_replaced),
		TEST_WITHOUT_KEEPER(leases_made_elsewhere_are_met),
		TEST_WITHOUT_KEEPER(one_that_fails_does_not_take_others_along),
		TEST_WITHOUT_KEEPER(more_than_a_batch_is_answered),
		TEST(the_longest_requests_are_served),
		TEST(a_keeper_whose_table_is_removed_ends),
		TEST_WITHOUT_KEEPER(a_keeper_without_a_table_waits_for_one),
		TEST_WITHOUT_KEEPER(the_mark_is_the_only_one),
		TEST(sockets_carry_the_mark),
		TEST_WITHOUT_KEEPER(malformed_requests_end_the_keeper),
		TEST_WITHOUT_KEEPER(a_worker_that_ends_is_no_matter),
		TEST(a_worker_that_takes_no_answers_ends_the_keeper),
		TEST_WITHOUT_KEEPER(one_worker_may_fill_a_batch),
		TEST_WITHOUT_KEEPER(a_worker_that_ends_with_a_batch_out_is_no_matter),
		TEST(the_keeper_serves_until_the_last_worker_is_gone),
		TEST(the_keeper_ends_with_its_leash),
	};
	struct arena *arena;
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (arena_new(64 << 20, &arena) != 0 || keeping_compile(arena, policy_text, NULL) != 0 ||
		keeping_open() != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	keeping_close();
	arena_free(arena);
	return failed;
}
