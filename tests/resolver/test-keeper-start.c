/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A keeper that starts on maps of so many leases that reading them takes a while: it serves
 * meanwhile, and then knows them all. KEEPER_LEASES is how many (1000 to 1000000). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/clock.h"
#include "tests/resolver/keeping.h"

enum {
	LEASES = 150000, /* takes some 0.5 s to read */
	LONG_S = 1000,   /* they last */
	START_MS = 5000, /* that no start takes, however slow the machine */
	SOON_MS = 60000,
};

static unsigned n_leases = LEASES;

/* The addresses of the leases, in the order in which the kernel lists them. */
static struct setlink_element *listed;
static unsigned n_listed;

static struct setlink_element element_of(unsigned number)
{
	struct setlink_element element = {.key_size = 4,
		.has_mark = true,
		.mark = keeping_mark(0),
		.timeout = duration_seconds(LONG_S)};

	memcpy(element.key,
		(uint8_t[]){20, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
		4);
	return element;
}

static void fill(void)
{
	const char *table = keeping.compiled.plan->table;

	setlink_begin(keeping.kernel, table);
	for (unsigned i = 0; i < n_leases; i++) {
		struct setlink_element element = element_of(i);

		if (setlink_room(keeping.kernel) < 2) {
			assert_int_equal(setlink_commit(keeping.kernel), 0);
			setlink_begin(keeping.kernel, table);
		}
		setlink_add(keeping.kernel, KEEPING_MAP4, &element);
	}
	assert_int_equal(setlink_commit(keeping.kernel), 0);
}

static int note(void *context, const struct setlink_element *element)
{
	(void)context;
	listed[n_listed++] = *element;
	return n_listed > n_leases;
}

/* Fills the map and starts a keeper, which is ready soon. */
static void start(bool in_order)
{
	struct mono before;

	fill();
	n_listed = 0;
	if (in_order)
		assert_int_equal(setlink_dump(keeping.kernel, keeping.compiled.plan->table,
					 KEEPING_MAP4, note, NULL),
			0);
	before = clock_now();
	keeping_start(true);
	print_message("# ready after %d ms\n", (int)mono_between(before, clock_now()).ms);
	assert_in_range(mono_between(before, clock_now()).ms, 0, START_MS);
}

/* What the kernel has of one; without walking the map. */
static struct setlink_element get(const struct setlink_element *wanted)
{
	struct setlink_element found = {.key_size = 0};

	setlink_get(keeping.kernel, keeping.compiled.plan->table, KEEPING_MAP4, wanted, &found);
	return found;
}

static uint64_t count_known(void)
{
	struct control_request request = keeping_control(CONTROL_LIST);

	return keeping_ask_control(&request).total;
}

/* Waits until the keeper knows so many. */
static void await_known(uint64_t count)
{
	struct mono before = clock_now();

	for (unsigned i = 0; i < (SOON_MS + n_leases / 2) / 20 && count_known() < count; i++)
		poll(NULL, 0, 20);
	print_message("# all known after %d ms\n", (int)mono_between(before, clock_now()).ms);
	assert_int_equal(count_known(), count);
}

static struct channel_reply ask_for(const struct setlink_element *element, uint32_t ttl)
{
	struct channel_request request = keeping_request("a.test", ttl, "192.0.2.1");

	request.lease.addresses[0] = inaddr_from_ip4(element->key);
	return keeping_ask(&request);
}

/* One that isn't read yet is neither shortened, nor thought to be shorter than it is. */
static void what_stands_is_found(void **state)
{
	enum { ASKED = 500 };

	(void)state;
	start(false);
	for (unsigned i = 0; i < ASKED; i++) {
		struct setlink_element element = element_of(i * (n_leases / ASKED));

		keeping_assert_leased(ask_for(&element, 100), LONG_S);
		assert_in_range(get(&element).timeout.ms, 500000, LONG_S * 1000);
	}
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
	await_known(n_leases + 1);
	keeping_await_gauge(n_leases + 1);
	assert_int_equal(keeping_count(KEEPING_MAP4), n_leases + 1);
	keeping_stop();
}

/* What is closed while the rest is being read isn't taken for open because of what was read of it
 * before. */
static void what_is_closed_stays_closed(void **state)
{
	enum { CLOSED = 400 };
	unsigned step = n_leases / CLOSED;

	(void)state;
	start(true);
	assert_int_equal(n_listed, n_leases);
	for (unsigned i = 0; i < CLOSED; i++) {
		struct control_request request = keeping_control(CONTROL_REVOKE);

		request.by = CONTROL_BY_ADDRESS;
		request.address = inaddr_from_ip4(listed[i * step].key);
		assert_int_equal(keeping_ask_control(&request).status, 0);
	}
	await_known(n_leases - CLOSED);
	assert_int_equal(keeping_count(KEEPING_MAP4), n_leases - CLOSED);
	assert_int_equal(count_known(), n_leases - CLOSED);
	keeping_stop();
}

/* Somebody empties the map meanwhile: what was given out is open again. */
static void what_others_close_is_opened_again(void **state)
{
	struct setlink_element element = element_of(n_leases / 2);

	(void)state;
	start(false);
	keeping_assert_leased(ask_for(&element, 100), LONG_S);
	keeping_load("flush map inet egress-k " KEEPING_MAP4 "\n");
	for (unsigned i = 0; i < SOON_MS / 20 && get(&element).mark == 0; i++)
		poll(NULL, 0, 20);
	assert_int_equal(get(&element).mark, keeping_mark(0));
	keeping_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST_ALONE(what_stands_is_found),
		KEEPING_TEST_ALONE(what_is_closed_stays_closed),
		KEEPING_TEST_ALONE(what_others_close_is_opened_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	const char *text = getenv("KEEPER_LEASES");
	int failed;

	if (text)
		n_leases = (unsigned)strtoul(text, NULL, 10);
	listed = calloc(n_leases + 1, sizeof(*listed));
	if (!listed || n_leases < 1000 || n_leases > 1000000)
		return 1;
	failed = keeping_run(keeping_policy, run);
	free(listed);
	return failed;
}
