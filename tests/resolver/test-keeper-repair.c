/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What others do to the rulesets while the keeper is at work, and what it does when there is no
 * room. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/arena.h"
#include "src/base/clock.h"
#include "tests/kernel/space.h"
#include "tests/resolver/keeping.h"

static const char policy_text[] = "version = 1\n"
				  "name = \"k\"\n"
				  "[[allow]]\n"
				  "host = [\"a.test\", \"*.wild.test\"]\n"
				  "[[allow]]\n"
				  "host = \"both.test\"\n"
				  "ports = [\"tcp/443\", \"udp/9\"]\n"
				  "[network]\n"
				  "block = [\"private\"]\n"
				  "[dns]\n"
				  "upstream = [\"127.0.0.53:5353\"]\n"
				  "min_lease = \"100s\"\n"
				  "max_lease = \"1000s\"\n"
				  "grace = \"50s\"\n";

#define MAP4 "tcp-443-leases4"
#define MAP6 "tcp-443-leases6"

#define FLUSH "flush map inet egress-k " MAP4 "\n"

/* Far below SETS_LOOK_MS times the machine's slowness. */
enum { SOON_MS = 10000 };

static bool is_leased(const char *address)
{
	return keeping_lease_in(MAP4, address).mark == keeping_mark(0);
}

/* Waits until the lease is there. */
static void await_lease(const char *address)
{
	for (unsigned i = 0; i < SOON_MS / 10 && !is_leased(address); i++)
		poll(NULL, 0, 10);
	assert_true(is_leased(address));
}

/* The next message from the keeper has to be CHANNEL_FORGET. */
static void assert_told_to_forget(unsigned worker)
{
	int fd;
	struct channel_reply reply = keeping_receive(worker, 0, &fd);

	assert_int_equal(reply.op, CHANNEL_FORGET);
}

/* --- Repair --- */

static void an_emptied_map_is_filled_again(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1 192.0.2.2"), 250);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.3"), 950);
	keeping_load(FLUSH);
	await_lease("192.0.2.1");
	await_lease("192.0.2.3");
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 250);
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(0), 250);
	keeping_assert_lasts(MAP4, "192.0.2.3", keeping_mark(0), 950);
	keeping_stop();
}

/* A transaction notices before it is answered, unless the maps were read a moment ago; looking once
 * a second would hardly ever be as quick. */
static void a_transaction_notices_at_once(void **state)
{
	unsigned at_once = 0;

	(void)state;
	for (unsigned i = 0; i < 20 && at_once == 0; i++) {
		char fresh[32];

		keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
		keeping_load(FLUSH);
		snprintf(fresh, sizeof(fresh), "192.0.2.1%02u 192.0.2.1", i);
		keeping_assert_leased(keeping_ask_lease("a.test", 200, fresh), 250);
		at_once += is_leased("192.0.2.1");
		await_lease("192.0.2.1");
		poll(NULL, 0, 300);
	}
	assert_int_not_equal(at_once, 0);
	keeping_stop();
}

static void a_deleted_element_comes_back(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1 192.0.2.2"), 250);
	keeping_load("delete element inet egress-k " MAP4 " { 192.0.2.1 }\n");
	await_lease("192.0.2.1");
	keeping_assert_lasts(MAP4, "192.0.2.2", keeping_mark(0), 250);
	keeping_stop();
}

static void a_shortened_lease_is_lengthened(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load("delete element inet egress-k " MAP4 " { 192.0.2.1 }\n");
	keeping_put(MAP4, "192.0.2.1", keeping_mark(0), 100);
	for (unsigned i = 0; i < SOON_MS / 10; i++) {
		if (keeping_lease_in(MAP4, "192.0.2.1").timeout.ms > 800000)
			break;
		poll(NULL, 0, 10);
	}
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_stop();
}

/* It is open for others now, so what the workers know of it is void. */
static void another_mark_is_told(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load("delete element inet egress-k " MAP4 " { 192.0.2.1 }\n");
	keeping_put(MAP4, "192.0.2.1", 0x12345, 900);
	/* Whichever was noticed first, the mark is the rule's in the end. */
	keeping_load("add table inet elsewhere\ndelete table inet elsewhere\n");
	if (keeping_lease_in(MAP4, "192.0.2.1").mark == 0x12345)
		assert_told_to_forget(0);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_stop();
}

static void a_table_loaded_anew_is_filled_again(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 200, "192.0.2.1 2001:db8::1"), 250);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.3"), 950);
	assert_true(keeping_has_mark());
	keeping_load("delete table inet egress-k\n");
	keeping_load(keeping.ruleset);
	await_lease("192.0.2.3");
	assert_true(keeping_has_mark());
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(1), 250);
	keeping_assert_lasts(MAP6, "2001:db8::1", keeping_mark(1), 250);
	keeping_assert_lasts("udp-9-leases4", "192.0.2.1", keeping_mark(1), 250);
	keeping_assert_lasts("udp-9-leases6", "2001:db8::1", keeping_mark(1), 250);
	keeping_assert_lasts(MAP4, "192.0.2.3", keeping_mark(0), 950);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.4"), 250);
	keeping_stop();
}

/* Nothing of it is what keepers before opened for rules that are gone. */
static void only_marks_in_force_come_back(void **state)
{
	(void)state;
	keeping_put(MAP4, "192.0.2.9", 0x12345, 900);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load(FLUSH);
	await_lease("192.0.2.1");
	assert_int_equal(keeping_count(MAP4), 1);
	keeping_stop();
}

/* Another crew is at work by then: what that takes back stays away. */
static void a_dismissed_keeper_repairs_nothing(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	assert_int_equal(write(keeping.leash[1], "", 1), 1);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.2"), 950);
	keeping_load(FLUSH);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.3"), 950);
	poll(NULL, 0, 2500);
	assert_int_equal(keeping_count(MAP4), 1);
	keeping_stop();
}

/* Others' tables, hundreds of times a second: the keeper goes on. */
static void rulesets_that_change_all_the_time(void **state)
{
	char address[32];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		keeping_load("add table inet elsewhere\n");
		snprintf(address, sizeof(address), "192.0.2.%u", i);
		keeping_assert_leased(keeping_ask_lease("a.test", 300, address), 350);
		keeping_load("delete table inet elsewhere\n");
	}
	assert_int_equal(keeping_count(MAP4), 200);
	keeping_stop();
}

/* More than are compared one by one: all are opened again when one is missing. */
static void large_maps_are_filled_again(void **state)
{
	enum { REQUESTS = 160 };
	struct channel_request request = keeping_request("a.test", 900, "192.0.2.1 2001:db8::1");

	(void)state;
	keeping_assert_leased(keeping_ask(&request), 950);
	request.lease.count = CHANNEL_ADDRESSES_MAX;
	for (unsigned i = 0; i < REQUESTS; i++) {
		for (unsigned j = 0; j < CHANNEL_ADDRESSES_MAX; j++)
			request.lease.addresses[j] =
				inaddr_from_ip4((uint8_t[]){198, 51, (uint8_t)i, (uint8_t)j});
		request.ticket = ++keeping.tickets;
		keeping_assert_leased(keeping_ask(&request), 950);
	}
	keeping_load("flush map inet egress-k " MAP6 "\n");
	for (unsigned i = 0; i < SOON_MS / 10 && keeping_count(MAP6) == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(keeping_count(MAP6), 1);
	keeping_load(FLUSH);
	await_lease("192.0.2.1");
	await_lease("198.51.159.63");
	assert_int_equal(keeping_count(MAP4), REQUESTS * CHANNEL_ADDRESSES_MAX + 1);
	assert_int_equal(keeping_count(MAP6), 1);
	keeping_stop();
}

/* --- No room --- */

/* A record of 16 leases: what it has stays, what fits is opened. */
static void a_full_record_opens_what_fits(void **state)
{
	struct channel_reply reply;

	(void)state;
	keeping.leases_max = 16;
	keeping_start(true);
	for (unsigned i = 0; i < 14; i++) {
		char address[32];

		snprintf(address, sizeof(address), "192.0.2.%u", i);
		keeping_assert_leased(keeping_ask_lease("a.test", 300, address), 350);
	}
	reply = keeping_ask_lease("a.test", 300, "192.0.2.100 192.0.2.101 192.0.2.102 192.0.2.3");
	keeping_assert_leased(reply, 350);
	assert_int_equal(reply.opened, 0xb);
	assert_int_equal(keeping_count(MAP4), 16);
	assert_int_equal(keeping_ask_lease("a.test", 300, "192.0.2.200").status, -ENOSPC);
	assert_int_equal(keeping_ask_lease("a.test", 300, "192.0.2.200").opened, 0);
	assert_int_equal(keeping_count(MAP4), 16);
	/* Those that are there go on, and are made longer. */
	reply = keeping_ask_lease("a.test", 900, "192.0.2.1 192.0.2.201 192.0.2.2");
	keeping_assert_leased(reply, 950);
	assert_int_equal(reply.opened, 5);
	keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_stop();
}

/* An address that gets two groups is open when it is in both. */
static void half_an_address_is_none(void **state)
{
	struct channel_reply reply;

	(void)state;
	keeping.leases_max = 16;
	keeping_start(true);
	for (unsigned i = 0; i < 15; i++) {
		char address[32];

		snprintf(address, sizeof(address), "192.0.2.%u", i);
		keeping_assert_leased(keeping_ask_lease("a.test", 300, address), 350);
	}
	reply = keeping_ask_lease("both.test", 300, "192.0.2.100 192.0.2.3");
	assert_int_equal(reply.status, -ENOSPC);
	assert_int_equal(reply.opened, 0);
	keeping_stop();
}

/* --- Both ways to refresh --- */

static void refreshing_anew(void **state)
{
	(void)state;
	for (unsigned anew = 0; anew < 2; anew++) {
		if (anew)
			keeping_make_channels();
		keeping.never_in_place = anew;
		keeping_load(FLUSH);
		keeping_start(true);
		keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 250);
		keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
		keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 950);
		keeping_assert_leased(keeping_ask_lease("a.test", 950, "192.0.2.1"), 1000);
		keeping_assert_lasts(MAP4, "192.0.2.1", keeping_mark(0), 1000);
		keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 1000);
		assert_int_equal(keeping_count(MAP4), 1);
		keeping_stop();
	}
	keeping.never_in_place = false;
}

/* --- */

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, keeping_set_up_and_start, keeping_tear_down)
#define TEST_WITHOUT_KEEPER(name)                                                                  \
	cmocka_unit_test_setup_teardown(name, keeping_set_up, keeping_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_emptied_map_is_filled_again),
		TEST(a_transaction_notices_at_once),
		TEST(a_deleted_element_comes_back),
		TEST(a_shortened_lease_is_lengthened),
		TEST(another_mark_is_told),
		TEST(a_table_loaded_anew_is_filled_again),
		TEST_WITHOUT_KEEPER(only_marks_in_force_come_back),
		TEST(a_dismissed_keeper_repairs_nothing),
		TEST(rulesets_that_change_all_the_time),
		TEST(large_maps_are_filled_again),
		TEST_WITHOUT_KEEPER(a_full_record_opens_what_fits),
		TEST_WITHOUT_KEEPER(half_an_address_is_none),
		TEST_WITHOUT_KEEPER(refreshing_anew),
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
