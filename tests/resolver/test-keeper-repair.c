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

#include "src/base/clock.h"
#include "tests/resolver/keeping.h"

#define FLUSH "flush map inet egress-k " KEEPING_MAP4 "\n"

/* Far below SETS_LOOK_MS times the machine's slowness. */
enum { SOON_MS = 10000 };

static bool is_leased(const char *address)
{
	return keeping_lease_in(KEEPING_MAP4, address).mark == keeping_mark(0);
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
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 250);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.2", keeping_mark(0), 250);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.3", keeping_mark(0), 950);
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
	keeping_load("delete element inet egress-k " KEEPING_MAP4 " { 192.0.2.1 }\n");
	await_lease("192.0.2.1");
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.2", keeping_mark(0), 250);
	keeping_stop();
}

static void a_shortened_lease_is_lengthened(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load("delete element inet egress-k " KEEPING_MAP4 " { 192.0.2.1 }\n");
	keeping_put(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 100);
	for (unsigned i = 0; i < SOON_MS / 10; i++) {
		if (keeping_lease_in(KEEPING_MAP4, "192.0.2.1").timeout.ms > 800000)
			break;
		poll(NULL, 0, 10);
	}
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 950);
	keeping_stop();
}

/* It is open for others now, so what the workers know of it is void. */
static void another_mark_is_told(void **state)
{
	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load("delete element inet egress-k " KEEPING_MAP4 " { 192.0.2.1 }\n");
	keeping_put(KEEPING_MAP4, "192.0.2.1", 0x12345, 900);
	/* Whichever was noticed first, the mark is the rule's in the end. */
	keeping_load("add table inet elsewhere\ndelete table inet elsewhere\n");
	if (keeping_lease_in(KEEPING_MAP4, "192.0.2.1").mark == 0x12345)
		assert_told_to_forget(0);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 950);
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
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(1), 250);
	keeping_assert_lasts(KEEPING_MAP6, "2001:db8::1", keeping_mark(1), 250);
	keeping_assert_lasts("udp-9-leases4", "192.0.2.1", keeping_mark(1), 250);
	keeping_assert_lasts("udp-9-leases6", "2001:db8::1", keeping_mark(1), 250);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.3", keeping_mark(0), 950);
	keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.4"), 250);
	keeping_stop();
}

/* Nothing of it is what keepers before opened for rules that are gone. */
static void only_marks_in_force_come_back(void **state)
{
	(void)state;
	keeping_put(KEEPING_MAP4, "192.0.2.9", 0x12345, 900);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.test", 900, "192.0.2.1"), 950);
	keeping_load(FLUSH);
	await_lease("192.0.2.1");
	assert_int_equal(keeping_count(KEEPING_MAP4), 1);
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
	assert_int_equal(keeping_count(KEEPING_MAP4), 1);
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
	assert_int_equal(keeping_count(KEEPING_MAP4), 200);
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
	keeping_load("flush map inet egress-k " KEEPING_MAP6 "\n");
	for (unsigned i = 0; i < SOON_MS / 10 && keeping_count(KEEPING_MAP6) == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(keeping_count(KEEPING_MAP6), 1);
	keeping_load(FLUSH);
	await_lease("192.0.2.1");
	await_lease("198.51.159.63");
	assert_int_equal(keeping_count(KEEPING_MAP4), REQUESTS * CHANNEL_ADDRESSES_MAX + 1);
	assert_int_equal(keeping_count(KEEPING_MAP6), 1);
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
	assert_int_equal(keeping_count(KEEPING_MAP4), 16);
	assert_int_equal(keeping_ask_lease("a.test", 300, "192.0.2.200").status, -ENOSPC);
	assert_int_equal(keeping_ask_lease("a.test", 300, "192.0.2.200").opened, 0);
	assert_int_equal(keeping_count(KEEPING_MAP4), 16);
	/* Those that are there go on, and are made longer. */
	reply = keeping_ask_lease("a.test", 900, "192.0.2.1 192.0.2.201 192.0.2.2");
	keeping_assert_leased(reply, 950);
	assert_int_equal(reply.opened, 5);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 950);
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
		keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 950);
		keeping_assert_leased(keeping_ask_lease("a.test", 950, "192.0.2.1"), 1000);
		keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(0), 1000);
		keeping_assert_leased(keeping_ask_lease("a.test", 200, "192.0.2.1"), 1000);
		assert_int_equal(keeping_count(KEEPING_MAP4), 1);
		keeping_stop();
	}
	keeping.never_in_place = false;
}

/* --- */

static int run(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(an_emptied_map_is_filled_again),
		KEEPING_TEST(a_transaction_notices_at_once),
		KEEPING_TEST(a_deleted_element_comes_back),
		KEEPING_TEST(a_shortened_lease_is_lengthened),
		KEEPING_TEST(another_mark_is_told),
		KEEPING_TEST(a_table_loaded_anew_is_filled_again),
		KEEPING_TEST_ALONE(only_marks_in_force_come_back),
		KEEPING_TEST(a_dismissed_keeper_repairs_nothing),
		KEEPING_TEST(rulesets_that_change_all_the_time),
		KEEPING_TEST(large_maps_are_filled_again),
		KEEPING_TEST_ALONE(a_full_record_opens_what_fits),
		KEEPING_TEST_ALONE(half_an_address_is_none),
		KEEPING_TEST_ALONE(refreshing_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return keeping_run(keeping_policy, run);
}
