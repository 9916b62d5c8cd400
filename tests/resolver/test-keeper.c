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
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/channel.h"
#include "resolver/keeper.h"
#include "rules/backend.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/log.h"
#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/kernel/space.h"

/* A keeper with a real ruleset in a namespace of its own; the test is its workers. */

enum { WORKERS = 2, PATIENCE_MS = 30000, SLOW_S = 40, MARK = 0x5eed1234 };

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

static struct compiled compiled;
static char *ruleset;
static struct setlink *kernel;
static struct channel channels[WORKERS];
static int keeper_ends[WORKERS];
static int leash[2];
static pid_t keeper;
static uint32_t tickets;

/* --- The kernel --- */

static void load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message) != 0)
		fail_msg("%s", message);
}

struct looking {
	struct setlink_element wanted; /* its key */
	struct setlink_element found;
	unsigned count;
};

static int look(void *context, const struct setlink_element *element)
{
	struct looking *looking = context;

	looking->count++;
	if (element->key_size == looking->wanted.key_size &&
		memcmp(element->key, looking->wanted.key, element->key_size) == 0)
		looking->found = *element;
	return 0;
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

static struct setlink_element element_of(const char *text)
{
	struct setlink_element element = {.has_mark = true};
	struct inaddr address = address_of(text);
	const uint8_t *raw = inaddr_raw(&address, &element.key_size);

	memcpy(element.key, raw, element.key_size);
	return element;
}

static unsigned count_in(const char *map)
{
	struct looking looking = {.count = 0};

	assert_int_equal(setlink_dump(kernel, compiled.plan->table, map, look, &looking), 0);
	return looking.count;
}

/* The lease of the address; its mark is 0 when there is none. */
static struct setlink_element lease_in(const char *map, const char *address)
{
	struct looking looking = {.wanted = element_of(address)};

	assert_int_equal(setlink_dump(kernel, compiled.plan->table, map, look, &looking), 0);
	return looking.found;
}

static void put(const char *map, const char *address, uint32_t mark, int64_t seconds)
{
	struct setlink_element element = element_of(address);

	element.mark = mark;
	element.timeout = duration_seconds(seconds);
	setlink_begin(kernel, compiled.plan->table);
	setlink_add(kernel, map, &element);
	assert_int_equal(setlink_commit(kernel), 0);
}

static uint32_t mark_of_rule(unsigned rule)
{
	return compiled.plan->rules[rule].mark;
}

static bool has_resolver_mark(void)
{
	const uint32_t key[] = {MARK, 0};
	struct looking looking = {.wanted = {.key_size = sizeof(key)}};

	memcpy(looking.wanted.key, key, sizeof(key));
	if (setlink_dump(
		    kernel, compiled.plan->table, compiled.plan->resolver_set, look, &looking) != 0)
		return false;
	return looking.count == 1 && looking.found.key_size == sizeof(key);
}

/* --- The keeper --- */

static void make_channels(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		channels[i].n_out = 0;
		assert_int_equal(channel_make(&keeper_ends[i], &channels[i].fd), 0);
	}
}

static void wait_readable(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
}

static void start_keeper(bool alone)
{
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(leash, O_CLOEXEC), 0);
	fflush(NULL);
	keeper = fork();
	if (keeper == 0) {
		struct keeper_config config = {
			.compiled = compiled,
			.confine = {.keep_net_admin = true, .empty_root = true},
			.mark = MARK,
			.alone = alone,
			.channels = keeper_ends,
			.n_channels = WORKERS,
			.ready = ready[1],
			.leash = leash[0],
		};

		for (unsigned i = 0; i < WORKERS; i++)
			close(channels[i].fd);
		close(leash[1]);
		/* The refusals that the tests provoke aren't news. */
		close(STDERR_FILENO);
		_exit(keeper_run(&config));
	}
	for (unsigned i = 0; i < WORKERS; i++)
		close(keeper_ends[i]);
	close(ready[1]);
	wait_readable(ready[0]);
	close(ready[0]);
}

static void hang_up(unsigned worker)
{
	if (channels[worker].fd >= 0)
		close(channels[worker].fd);
	channels[worker].fd = -1;
}

static int keeper_status(void)
{
	int status;

	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	for (unsigned i = 0; i < 2; i++)
		if (leash[i] >= 0)
			close(leash[i]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void stop_keeper(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		hang_up(i);
	assert_int_equal(keeper_status(), 0);
}

static int set_up(void **state)
{
	(void)state;
	load("add table inet egress-k\ndelete table inet egress-k\n");
	load(ruleset);
	make_channels();
	return 0;
}

static int set_up_and_start(void **state)
{
	set_up(state);
	start_keeper(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		hang_up(i);
	return 0;
}

/* --- Requests --- */

static struct channel_request lease_request(const char *name, uint32_t ttl, const char *addresses)
{
	struct channel_request request;
	struct text rest = text_of(addresses), item;

	memset(&request, 0, sizeof(request));
	request.op = CHANNEL_LEASE;
	request.ticket = ++tickets;
	request.lease.ttl = ttl;
	assert_int_equal(name_from_text(text_of(name), &request.lease.name), 0);
	while (rest.length > 0) {
		text_cut(rest, ' ', &item, &rest);
		assert_int_equal(
			inaddr_from_text(item, &request.lease.addresses[request.lease.count++]), 0);
	}
	return request;
}

static void send_request(unsigned worker, const struct channel_request *request)
{
	assert_int_equal(channel_send_request(&channels[worker], request), 0);
}

static struct channel_reply receive(unsigned worker, uint32_t ticket, int *ret_fd)
{
	struct channel_reply reply;

	wait_readable(channels[worker].fd);
	assert_int_equal(channel_receive_reply(&channels[worker], &reply, ret_fd), 0);
	assert_int_equal(reply.ticket, ticket);
	return reply;
}

static struct channel_reply ask(const struct channel_request *request)
{
	struct channel_reply reply;
	int fd;

	send_request(0, request);
	reply = receive(0, request->ticket, &fd);
	assert_int_equal(reply.op, CHANNEL_LEASED);
	assert_int_equal(fd, -1);
	return reply;
}

static struct channel_reply ask_lease(const char *name, uint32_t ttl, const char *addresses)
{
	struct channel_request request = lease_request(name, ttl, addresses);

	return ask(&request);
}

static void assert_leased(struct channel_reply reply, uint32_t seconds)
{
	assert_int_equal(reply.status, 0);
	assert_in_range(reply.seconds, seconds - SLOW_S, seconds);
}

static void assert_lasts(const char *map, const char *address, uint32_t mark, int64_t seconds)
{
	struct setlink_element lease = lease_in(map, address);

	assert_int_equal(lease.mark, mark);
	assert_in_range(lease.timeout.ms, (seconds - SLOW_S) * 1000, seconds * 1000);
}

/* --- Tests --- */

static void a_lease_is_there_when_it_is_acknowledged(void **state)
{
	(void)state;
	assert_leased(ask_lease("a.test", 300, "192.0.2.1 2001:db8::1"), 350);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 350);
	assert_lasts(MAP6, "2001:db8::1", mark_of_rule(0), 350);
	assert_int_equal(count_in(MAP4), 1);
	assert_int_equal(count_in(MAP6), 1);
	assert_int_equal(count_in("udp-9-leases4"), 0);
	assert_leased(ask_lease("x.wild.test", 300, "192.0.2.2"), 350);
	assert_lasts(MAP4, "192.0.2.2", mark_of_rule(0), 350);
	stop_keeper();
}

static void every_group_of_the_name_is_opened(void **state)
{
	(void)state;
	assert_leased(ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(1), 350);
	assert_lasts(MAP6, "2001:db8::1", mark_of_rule(1), 350);
	assert_lasts("udp-9-leases4", "192.0.2.1", mark_of_rule(1), 350);
	assert_lasts("udp-9-leases6", "2001:db8::1", mark_of_rule(1), 350);
	stop_keeper();
}

static void the_time_is_between_the_policys_bounds(void **state)
{
	(void)state;
	assert_leased(ask_lease("a.test", 0, "192.0.2.1"), 150);
	assert_leased(ask_lease("a.test", 500, "192.0.2.2"), 550);
	assert_leased(ask_lease("a.test", 50000, "192.0.2.3"), 1050);
	assert_leased(ask_lease("a.test", UINT32_MAX, "192.0.2.4"), 1050);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 150);
	assert_lasts(MAP4, "192.0.2.4", mark_of_rule(0), 1050);
	stop_keeper();
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
		assert_int_equal(ask_lease(cases[i].name, 300, cases[i].addresses).status, -EPERM);
	assert_int_equal(count_in(MAP4), 0);
	assert_int_equal(count_in(MAP6), 0);
	assert_leased(ask_lease("inside.test", 300, "10.1.2.3"), 350);
	assert_lasts(MAP4, "10.1.2.3", mark_of_rule(0), 350);
	stop_keeper();
}

static void a_lease_is_extended_and_never_shortened(void **state)
{
	(void)state;
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 250);
	assert_leased(ask_lease("a.test", 900, "192.0.2.1"), 950);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 950);
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 950);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 950);
	/* The least of several is what is promised. */
	assert_leased(ask_lease("a.test", 200, "192.0.2.1 192.0.2.2"), 250);
	assert_leased(ask_lease("a.test", 200, "192.0.2.3 192.0.2.1"), 250);
	stop_keeper();
}

static void the_first_rules_mark_stays(void **state)
{
	(void)state;
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 250);
	assert_leased(ask_lease("both.test", 900, "192.0.2.1"), 950);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 950);
	assert_lasts("udp-9-leases4", "192.0.2.1", mark_of_rule(1), 950);
	stop_keeper();
}

static void leases_of_the_keeper_before_are_known(void **state)
{
	(void)state;
	put(MAP4, "192.0.2.1", mark_of_rule(1), 900);
	put(MAP6, "2001:db8::1", mark_of_rule(1), 200);
	start_keeper(true);
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 900);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(1), 900);
	assert_leased(ask_lease("a.test", 800, "2001:db8::1"), 850);
	assert_lasts(MAP6, "2001:db8::1", mark_of_rule(1), 850);
	stop_keeper();
}

/* Its own time stays all the same: nobody's connection is cut short. */
static void a_mark_that_is_not_in_force_is_replaced(void **state)
{
	(void)state;
	put(MAP4, "192.0.2.1", 0x12345, 900);
	put(MAP4, "192.0.2.2", 0x12345, 200);
	start_keeper(true);
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 900);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 900);
	assert_leased(ask_lease("a.test", 800, "192.0.2.2"), 850);
	assert_lasts(MAP4, "192.0.2.2", mark_of_rule(0), 850);
	stop_keeper();
}

/* As another keeper does that is finishing its work. */
static void leases_made_elsewhere_are_met(void **state)
{
	(void)state;
	start_keeper(false);
	put(MAP4, "192.0.2.1", mark_of_rule(0), 200);
	put(MAP4, "192.0.2.2", mark_of_rule(1), 200);
	put(MAP4, "192.0.2.3", 0x12345, 200);
	assert_leased(ask_lease("a.test", 800, "192.0.2.1"), 850);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 850);
	assert_leased(ask_lease("a.test", 800, "192.0.2.2"), 850);
	assert_lasts(MAP4, "192.0.2.2", mark_of_rule(1), 850);
	assert_leased(ask_lease("a.test", 800, "192.0.2.3"), 850);
	assert_lasts(MAP4, "192.0.2.3", mark_of_rule(0), 850);
	stop_keeper();
}

static void one_that_fails_does_not_take_others_along(void **state)
{
	struct channel_request requests[4];
	char *small, *size;
	int status[4], fd;

	(void)state;
	/* Maps of three elements each; all four requests are in one transaction. */
	small = strdup(ruleset);
	for (size = small; (size = strstr(size, "size 1048576"));)
		memcpy(size, "size 3      ", 12);
	load("delete table inet egress-k\n");
	load(small);
	free(small);
	requests[0] = lease_request("a.test", 300, "192.0.2.1");
	requests[1] = lease_request("a.test", 300, "192.0.2.2 192.0.2.3 192.0.2.4");
	requests[2] = lease_request("other.test", 300, "192.0.2.5");
	requests[3] = lease_request("a.test", 300, "192.0.2.6 2001:db8::1");
	for (unsigned i = 0; i < 4; i++)
		send_request(0, &requests[i]);
	start_keeper(true);
	for (unsigned i = 0; i < 4; i++)
		status[i] = receive(0, requests[i].ticket, &fd).status;
	assert_int_equal(status[0], 0);
	assert_int_equal(status[1], -ENFILE);
	assert_int_equal(status[2], -EPERM);
	assert_int_equal(status[3], 0);
	assert_int_equal(count_in(MAP4), 2);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 350);
	assert_lasts(MAP4, "192.0.2.6", mark_of_rule(0), 350);
	assert_lasts(MAP6, "2001:db8::1", mark_of_rule(0), 350);
	/* What was refused isn't taken for open. */
	assert_int_equal(ask_lease("a.test", 300, "192.0.2.3 192.0.2.4").status, -ENFILE);
	assert_leased(ask_lease("a.test", 300, "192.0.2.3"), 350);
	assert_lasts(MAP4, "192.0.2.3", mark_of_rule(0), 350);
	stop_keeper();
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
			requests[worker][i] = lease_request("both.test", 300, address);
			send_request(worker, &requests[worker][i]);
		}
	}
	start_keeper(true);
	for (unsigned worker = 0; worker < 2; worker++)
		for (unsigned i = 0; i < CHANNEL_OUT_MAX; i++)
			assert_leased(receive(worker, requests[worker][i].ticket, &fd), 350);
	assert_int_equal(count_in(MAP4), 2 * CHANNEL_OUT_MAX);
	assert_int_equal(count_in("udp-9-leases4"), 2 * CHANNEL_OUT_MAX);
	stop_keeper();
}

/* 64 addresses in two groups, three changes each, in one request after another. */
static void the_longest_requests_are_served(void **state)
{
	struct channel_request request = lease_request("both.test", 200, "192.0.2.0");

	(void)state;
	for (unsigned i = 0; i < CHANNEL_ADDRESSES_MAX; i++)
		request.lease.addresses[i] = inaddr_from_ip4((uint8_t[]){192, 0, 2, (uint8_t)i});
	request.lease.count = CHANNEL_ADDRESSES_MAX;
	for (uint32_t ttl = 200; ttl < 1000; ttl += 100) {
		request.lease.ttl = ttl;
		assert_leased(ask(&request), ttl + 50);
	}
	assert_int_equal(count_in(MAP4), CHANNEL_ADDRESSES_MAX);
	stop_keeper();
}

/* Without its leases what the workers remember is void: all have to start anew. */
static void a_keeper_whose_table_is_removed_ends(void **state)
{
	struct channel_request request = lease_request("a.test", 900, "192.0.2.1");

	(void)state;
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 250);
	load("delete table inet egress-k\n");
	send_request(0, &request);
	assert_int_equal(keeper_status(), 1);
}

/* It looks every few seconds. */
static void a_keeper_whose_table_is_loaded_anew_ends(void **state)
{
	(void)state;
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 250);
	assert_true(has_resolver_mark());
	load("delete table inet egress-k\n");
	load(ruleset);
	assert_int_equal(keeper_status(), 1);
}

static void a_keeper_without_a_table_waits_for_one(void **state)
{
	(void)state;
	load("delete table inet egress-k\n");
	start_keeper(true);
	assert_int_equal(ask_lease("a.test", 200, "192.0.2.1").status, -ENOENT);
	load(ruleset);
	for (unsigned i = 0; i < PATIENCE_MS / 100 && !has_resolver_mark(); i++)
		poll(NULL, 0, 100);
	assert_true(has_resolver_mark());
	assert_leased(ask_lease("a.test", 200, "192.0.2.1"), 250);
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 250);
	stop_keeper();
}

/* Nobody goes on with the mark of a resolver that has ended. */
static void the_mark_is_the_only_one(void **state)
{
	struct setlink_element element = {.key_size = 8, .key = {1, 2, 3, 4, 5, 6, 7, 8}};

	(void)state;
	setlink_begin(kernel, compiled.plan->table);
	setlink_add(kernel, compiled.plan->resolver_set, &element);
	assert_int_equal(setlink_commit(kernel), 0);
	assert_false(has_resolver_mark());
	start_keeper(true);
	assert_true(has_resolver_mark());
	stop_keeper();
}

static void sockets_carry_the_mark(void **state)
{
	(void)state;
	assert_true(has_resolver_mark());
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
		request.ticket = ++tickets;
		request.socket.upstream = i / 2;
		request.socket.stream = i % 2;
		send_request(0, &request);
		reply = receive(0, request.ticket, &fd);
		assert_int_equal(reply.op, CHANNEL_OPENED);
		assert_int_equal(reply.status, 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), 0);
		assert_int_equal(mark, MARK);
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
	stop_keeper();
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

	(void)state;
	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		struct channel_request good = lease_request("a.test", 300, "192.0.2.1");
		struct channel_request bad = good;

		if (i > 0)
			make_channels();
		spoilers[i](&bad);
		send_request(0, &good);
		send_request(1, &bad);
		start_keeper(true);
		assert_int_equal(keeper_status(), 1);
		assert_int_equal(count_in(MAP4), 0);
		tear_down(NULL);
	}
}

static void the_keeper_serves_until_the_last_worker_is_gone(void **state)
{
	(void)state;
	hang_up(1);
	assert_leased(ask_lease("a.test", 300, "192.0.2.1"), 350);
	assert_int_equal(waitpid(keeper, NULL, WNOHANG), 0);
	hang_up(0);
	assert_int_equal(keeper_status(), 0);
	/* What is open stays open. */
	assert_lasts(MAP4, "192.0.2.1", mark_of_rule(0), 350);
}

/* A byte is for the workers; with the other end gone it has to end. */
static void the_keeper_ends_with_its_leash(void **state)
{
	(void)state;
	assert_int_equal(write(leash[1], "", 1), 1);
	assert_leased(ask_lease("a.test", 300, "192.0.2.1"), 350);
	close(leash[1]);
	leash[1] = -1;
	assert_int_equal(keeper_status(), 0);
}

/* --- */

static int compile(struct arena *arena)
{
	struct diag *diag = diag_new(arena);
	FILE *out;
	size_t size;
	int error = compile_text(
		arena, "k.toml", policy_text, sizeof(policy_text) - 1, diag, &compiled);

	diag_print(diag, stderr);
	if (error)
		return error;
	out = open_memstream(&ruleset, &size);
	error = backend_find("nft")->write(compiled.plan, out);
	fclose(out);
	return error;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_and_start, tear_down)
#define TEST_WITHOUT_KEEPER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		TEST(a_keeper_whose_table_is_loaded_anew_ends),
		TEST_WITHOUT_KEEPER(a_keeper_without_a_table_waits_for_one),
		TEST_WITHOUT_KEEPER(the_mark_is_the_only_one),
		TEST(sockets_carry_the_mark),
		TEST_WITHOUT_KEEPER(malformed_requests_end_the_keeper),
		TEST(the_keeper_serves_until_the_last_worker_is_gone),
		TEST(the_keeper_ends_with_its_leash),
	};
	struct arena *arena;
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (arena_new(64 << 20, &arena) != 0 || compile(arena) != 0 || setlink_open(&kernel) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	setlink_close(kernel);
	free(ruleset);
	arena_free(arena);
	return failed;
}
