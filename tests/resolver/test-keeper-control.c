/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the parent asks about leases. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/counters.h"
#include "tests/resolver/keeping.h"

static struct control_request revoke_address(const char *address)
{
	struct control_request request = keeping_control(CONTROL_REVOKE);

	request.by = CONTROL_BY_ADDRESS;
	assert_int_equal(inaddr_from_text(text_of(address), &request.address), 0);
	return request;
}

static struct control_request revoke_name(const char *name)
{
	struct control_request request = keeping_control(CONTROL_REVOKE);

	request.by = CONTROL_BY_NAME;
	assert_int_equal(name_from_text(text_of(name), &request.name), 0);
	return request;
}

enum { LISTED_MAX = 4096 };

struct listed {
	struct control_lease leases[LISTED_MAX];
	unsigned count;
	uint64_t total;
	unsigned pages;
};

static void list(struct listed *listed)
{
	struct control_request request = keeping_control(CONTROL_LIST);

	listed->count = listed->pages = 0;
	do {
		struct control_reply reply = keeping_ask_control(&request);

		assert_int_equal(reply.status, 0);
		assert_in_range(reply.count, 0, CONTROL_LEASES);
		assert_in_range(listed->count + reply.count, 0, LISTED_MAX);
		if (listed->pages++ == 0)
			listed->total = reply.total;
		memcpy(&listed->leases[listed->count], reply.leases,
			reply.count * sizeof(reply.leases[0]));
		listed->count += reply.count;
		request.cursor = reply.cursor;
		request.ticket++;
	} while (request.cursor != 0);
}

static const struct control_lease *find(
	const struct listed *listed, const char *address, unsigned group)
{
	struct inaddr wanted;

	assert_int_equal(inaddr_from_text(text_of(address), &wanted), 0);
	for (unsigned i = 0; i < listed->count; i++)
		if (inaddr_compare(&listed->leases[i].address, &wanted) == 0 &&
			listed->leases[i].group == group)
			return &listed->leases[i];
	fail_msg("%s is not listed", address);
	return NULL;
}

static void assert_name(const struct control_lease *lease, const char *name)
{
	char text[NAME_TEXT];

	assert_string_equal(lease->name.length ? name_to_text(&lease->name, text) : "-", name);
}

static void assert_told_to_forget(void)
{
	for (unsigned worker = 0; worker < KEEPING_WORKERS; worker++) {
		int fd;

		assert_int_equal(keeping_receive(worker, 0, &fd).op, CHANNEL_FORGET);
	}
}

static struct listed listed;

static unsigned group_of(enum protocol protocol, uint16_t port)
{
	unsigned group;

	assert_true(plan_find_group(keeping.compiled.plan, protocol, port, &group));
	return group;
}

/* --- Listing --- */

static void nothing_is_listed(void **state)
{
	(void)state;
	list(&listed);
	assert_int_equal(listed.count, 0);
	assert_int_equal(listed.total, 0);
	keeping_stop();
}

static void leases_are_listed(void **state)
{
	unsigned tcp = group_of(PROTOCOL_TCP, 443), udp = group_of(PROTOCOL_UDP, 9);

	(void)state;
	keeping_put(KEEPING_MAP4, "192.0.2.7", 0x12345, 400);
	keeping_put(KEEPING_MAP4, "192.0.2.8", keeping_mark(1), 400);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("x.wild.test", 300, "192.0.2.1"), 350);
	keeping_assert_leased(keeping_ask_lease("both.test", 200, "192.0.2.2 2001:db8::1"), 250);
	list(&listed);
	assert_int_equal(listed.count, 7);
	assert_int_equal(listed.total, 7);
	assert_name(find(&listed, "192.0.2.1", tcp), "x.wild.test");
	assert_int_equal(find(&listed, "192.0.2.1", tcp)->rule, 0);
	assert_int_equal(find(&listed, "192.0.2.1", tcp)->mark, keeping_mark(0));
	assert_int_equal(find(&listed, "192.0.2.1", tcp)->flagged, 0);
	assert_int_equal(find(&listed, "192.0.2.1", tcp)->flows, 0);
	assert_in_range(find(&listed, "192.0.2.1", tcp)->seconds, 300, 350);
	assert_name(find(&listed, "192.0.2.2", tcp), "both.test");
	assert_int_equal(find(&listed, "192.0.2.2", udp)->rule, 1);
	assert_name(find(&listed, "2001:db8::1", udp), "both.test");
	/* Of a keeper before, and of a policy before. */
	assert_name(find(&listed, "192.0.2.8", tcp), "-");
	assert_int_equal(find(&listed, "192.0.2.8", tcp)->rule, 1);
	assert_int_equal(find(&listed, "192.0.2.7", tcp)->rule, CONTROL_NO_RULE);
	/* Who asked last. */
	keeping_assert_leased(keeping_ask_lease("a.test", 100, "192.0.2.1 192.0.2.8"), 350);
	list(&listed);
	assert_int_equal(listed.count, 7);
	assert_name(find(&listed, "192.0.2.1", tcp), "a.test");
	assert_name(find(&listed, "192.0.2.8", tcp), "a.test");
	keeping_stop();
}

static void many_are_listed_in_pages(void **state)
{
	char address[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "198.51.%u.%u", i / 250, i % 250);
		keeping_assert_leased(keeping_ask_lease("a.test", 300, address), 350);
	}
	list(&listed);
	assert_int_equal(listed.count, 1000);
	assert_int_equal(listed.total, 1000);
	assert_true(listed.pages >= 1000 / CONTROL_LEASES);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "198.51.%u.%u", i / 250, i % 250);
		find(&listed, address, group_of(PROTOCOL_TCP, 443));
	}
	keeping_stop();
}

static void an_old_cursor_is_stale(void **state)
{
	struct control_request request = keeping_control(CONTROL_LIST);

	(void)state;
	request.cursor = UINT64_C(77) << 32;
	assert_int_equal(keeping_ask_control(&request).status, -ESTALE);
	request.cursor = 1;
	assert_int_equal(keeping_ask_control(&request).status, -ESTALE);
	keeping_stop();
}

/* --- Taking back --- */

static void an_address_is_taken_back(void **state)
{
	struct control_request request = revoke_address("192.0.2.1");
	struct control_reply reply;

	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	reply = keeping_ask_control(&request);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.total, 2);
	assert_told_to_forget();
	assert_int_equal(keeping_lease_in(KEEPING_MAP4, "192.0.2.1").mark, 0);
	assert_int_equal(keeping_lease_in("udp-9-leases4", "192.0.2.1").mark, 0);
	assert_int_equal(keeping_count(KEEPING_MAP4), 1);
	assert_int_equal(keeping_count(KEEPING_MAP6), 1);
	/* It stays away until a name is asked for again. */
	poll(NULL, 0, 2500);
	assert_int_equal(keeping_count(KEEPING_MAP4), 1);
	reply = keeping_ask_control(&request);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.total, 0);
	assert_told_to_forget();
	keeping_assert_leased(keeping_ask_lease("both.test", 200, "192.0.2.1"), 250);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.1", keeping_mark(1), 250);
	keeping_stop();
}

static void a_name_is_taken_back(void **state)
{
	struct control_request request = revoke_name("both.test");
	struct control_reply reply;

	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	reply = keeping_ask_control(&request);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.total, 4);
	assert_told_to_forget();
	assert_int_equal(keeping_count(KEEPING_MAP4), 1);
	assert_int_equal(keeping_count(KEEPING_MAP6), 0);
	assert_int_equal(keeping_count("udp-9-leases4"), 0);
	keeping_assert_lasts(KEEPING_MAP4, "192.0.2.2", keeping_mark(0), 350);
	request = revoke_name("never.asked.test");
	assert_int_equal(keeping_ask_control(&request).total, 0);
	keeping_stop();
}

static void all_are_taken_back(void **state)
{
	struct control_request request = keeping_control(CONTROL_FLUSH);
	struct control_reply reply;

	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	reply = keeping_ask_control(&request);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.total, 5);
	assert_told_to_forget();
	assert_int_equal(keeping_count(KEEPING_MAP4), 0);
	assert_int_equal(keeping_count(KEEPING_MAP6), 0);
	poll(NULL, 0, 2500);
	assert_int_equal(keeping_count(KEEPING_MAP4), 0);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	keeping_stop();
}

static void what_ended_is_not_counted(void **state)
{
	struct control_request by_name = revoke_name("both.test");
	struct control_request by_address = revoke_address("192.0.2.2");

	(void)state;
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2 192.0.2.3"), 350);
	keeping_await_gauge(6);
	assert_int_equal(keeping_ask_control(&by_name).total, 4);
	keeping_await_gauge(2);
	assert_int_equal(keeping_ask_control(&by_address).total, 1);
	keeping_await_gauge(1);
	assert_int_equal(counters_of(keeping.counters, 0)->opened, 4);
	keeping_stop();
}

/* --- What another keeper knows --- */

static void kill_keeper(void)
{
	kill(keeping.keeper, SIGKILL);
	assert_int_equal(waitpid(keeping.keeper, NULL, 0), keeping.keeper);
	for (unsigned i = 0; i < KEEPING_WORKERS; i++)
		keeping_hang_up(i);
	close(keeping.control);
	close(keeping.leash[0]);
	close(keeping.leash[1]);
}

static void names_outlive_a_killed_keeper(void **state)
{
	struct control_request request = revoke_name("both.test");
	unsigned tcp = group_of(PROTOCOL_TCP, 443), udp = group_of(PROTOCOL_UDP, 9);

	(void)state;
	keeping_put(KEEPING_MAP4, "192.0.2.9", keeping_mark(0), 400);
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.1 2001:db8::1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.2"), 350);
	/* In one of its two maps it is another's. */
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.3"), 350);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.3"), 350);
	kill_keeper();
	keeping_make_channels();
	keeping_start(true);
	list(&listed);
	assert_int_equal(listed.count, 8);
	assert_name(find(&listed, "192.0.2.1", tcp), "both.test");
	assert_name(find(&listed, "192.0.2.1", udp), "both.test");
	assert_name(find(&listed, "2001:db8::1", tcp), "both.test");
	assert_name(find(&listed, "192.0.2.2", tcp), "a.test");
	assert_name(find(&listed, "192.0.2.3", tcp), "a.test");
	assert_name(find(&listed, "192.0.2.3", udp), "both.test");
	assert_name(find(&listed, "192.0.2.9", tcp), "-");
	assert_int_equal(keeping_ask_control(&request).total, 5);
	assert_told_to_forget();
	assert_int_equal(keeping_count(KEEPING_MAP4), 3);
	assert_int_equal(keeping_count(KEEPING_MAP6), 0);
	assert_int_equal(keeping_count("udp-9-leases4"), 0);
	keeping_stop();
}

/* As while the policy is read again: what the one opens the other one knows soon. */
static void names_are_known_to_two_keepers(void **state)
{
	struct control_request request;
	struct keeping first, second;
	unsigned tcp = group_of(PROTOCOL_TCP, 443);

	(void)state;
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
	first = keeping;
	keeping_make_channels();
	keeping_start(false);
	second = keeping;
	keeping = first;
	keeping_assert_leased(keeping_ask_lease("x.wild.test", 300, "192.0.2.2"), 350);
	keeping_assert_leased(keeping_ask_lease("both.test", 300, "192.0.2.3"), 350);
	kill_keeper();
	keeping = second;
	for (unsigned i = 0; i < 100; i++) {
		list(&listed);
		if (listed.count == 4)
			break;
		poll(NULL, 0, 100);
	}
	assert_int_equal(listed.count, 4);
	assert_name(find(&listed, "192.0.2.1", tcp), "a.test");
	assert_name(find(&listed, "192.0.2.2", tcp), "x.wild.test");
	assert_name(find(&listed, "192.0.2.3", tcp), "both.test");
	request = revoke_name("x.wild.test");
	assert_int_equal(keeping_ask_control(&request).total, 1);
	assert_told_to_forget();
	assert_int_equal(keeping_lease_in(KEEPING_MAP4, "192.0.2.2").mark, 0);
	assert_int_equal(keeping_count(KEEPING_MAP4), 2);
	keeping_stop();
}

/* What no parent of ours sends closes the channel, and nothing else. */
static void malformed_requests_end_the_channel(void **state)
{
	struct control_request bad[17];
	const unsigned count = sizeof(bad) / sizeof(bad[0]);

	(void)state;
	for (unsigned i = 0; i < count; i++)
		bad[i] = keeping_control(CONTROL_REVOKE);
	bad[0].op = 77;
	bad[1].by = 3;
	bad[2].by = CONTROL_BY_NAME; /* without one */
	bad[3].op = CONTROL_LIST;
	bad[3].flows = 2;
	bad[4].op = CONTROL_FLUSH;
	bad[4].by = 1;
	bad[5].by = CONTROL_BY_ADDRESS;
	bad[5].cursor = 1;
	bad[6].by = CONTROL_BY_ADDRESS;
	bad[6].flows = 1;
	bad[7].by = CONTROL_BY_ADDRESS;
	bad[7].amount = 1;
	bad[8].op = CONTROL_LIST;
	bad[8].by = 1;
	bad[9].op = CONTROL_LIST;
	bad[9].key = 1;
	bad[10].op = CONTROL_FLUSH;
	bad[10].key = 1;
	bad[11].op = CONTROL_SESSION;
	bad[11].flows = 1;
	bad[12].op = CONTROL_SESSION;
	bad[12].amount = 1;
	bad[13].op = CONTROL_SESSION_NEW;
	bad[13].cursor = 1;
	bad[14].op = CONTROL_SESSION_NEW;
	bad[14].key = 1;
	bad[15].op = CONTROL_SESSION_EXTEND;
	bad[15].by = 1;
	bad[16].op = CONTROL_SESSION_EXTEND;
	bad[16].key = SPENT_KEYS;
	for (unsigned i = 0; i < count; i++) {
		struct pollfd poller = {.fd = keeping.control, .events = POLLIN};
		struct control_reply reply;

		if (i > 0) {
			keeping_make_channels();
			keeping_start(true);
			poller.fd = keeping.control;
		}
		assert_int_equal(control_send_request(keeping.control, &bad[i]), 0);
		assert_int_equal(poll(&poller, 1, KEEPING_PATIENCE_MS), 1);
		assert_int_equal(control_receive_reply(keeping.control, &reply), -EPIPE);
		keeping_assert_leased(keeping_ask_lease("a.test", 300, "192.0.2.1"), 350);
		keeping_stop();
		close(keeping.control);
		keeping.control = -1;
	}
}

/* --- */

static int run(void)
{
	const struct CMUnitTest tests[] = {
		KEEPING_TEST(nothing_is_listed),
		KEEPING_TEST_ALONE(leases_are_listed),
		KEEPING_TEST(many_are_listed_in_pages),
		KEEPING_TEST(an_old_cursor_is_stale),
		KEEPING_TEST(an_address_is_taken_back),
		KEEPING_TEST(a_name_is_taken_back),
		KEEPING_TEST(all_are_taken_back),
		KEEPING_TEST(what_ended_is_not_counted),
		KEEPING_TEST(names_outlive_a_killed_keeper),
		KEEPING_TEST(names_are_known_to_two_keepers),
		KEEPING_TEST(malformed_requests_end_the_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return keeping_run(keeping_policy, run);
}
