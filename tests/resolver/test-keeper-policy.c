/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/destinations.h"
#include "src/base/arena.h"
#include "tests/kernel/space.h"
#include "tests/resolver/keeping.h"

/* What policies with denials, overrides, budgets and times ask of a keeper. */

enum { SHORT_S = 4 };

#define HEAD "version = 1\nname = \"k\"\n"
#define TAIL                                                                                       \
	"[network]\nblock = [\"private\"]\n[dns]\nupstream = []\n"                                 \
	"min_lease = \"100s\"\nmax_lease = \"1000s\"\ngrace = \"50s\"\n"
#define WILD "[[allow]]\nhost = \"*.wild.test\"\n"

#define MAP4 "tcp-443-leases4"
#define WEB4 "tcp-80-leases4"

static struct arena *arena;

static void begin(const char *policy, const char *override)
{
	assert_int_equal(keeping_compile(arena, policy, override), 0);
	keeping_set_up(NULL);
}

static void begin_and_start(const char *policy, const char *override)
{
	begin(policy, override);
	keeping_start(true);
}

static unsigned rule_of(const char *id)
{
	unsigned rule = 0;

	while (strcmp(keeping.compiled.plan->rules[rule].id, id) != 0)
		assert_true(++rule < keeping.compiled.plan->n_rules);
	return rule;
}

static uint32_t mark_of(const char *id)
{
	return keeping_mark(rule_of(id));
}

/* --- Who may be opened --- */

static void names_and_addresses_that_are_denied_are_not_opened(void **state)
{
	static const struct {
		const char *name, *addresses;
	} cases[] = {
		{"bad.wild.test", "198.51.100.1"},
		{"worse.wild.test", "198.51.100.1"},
		{"a.wild.test", "192.0.2.66"},
		{"a.wild.test", "198.51.100.1 192.0.2.66"},
		{"a.wild.test", "127.0.0.1"},
		{"a.wild.test", "10.1.2.3"},
		{"listed.test", "198.51.100.1"},
		{"listed.test", "10.66.1.1"},
		{"inside.test", "10.66.1.1"},
	};

	(void)state;
	begin_and_start(HEAD WILD
		"[[allow]]\nhost = \"listed.test\"\naddresses = [\"10.0.0.0/8\"]\n"
		"[[allow]]\nhost = \"inside.test\"\naddresses = \"any\"\n"
		"[[deny]]\nhost = \"bad.wild.test\"\n" TAIL
		"[dns.hosts]\n\"inside.test\" = [\"10.66.1.1\", \"10.1.2.3\"]\n",
		"version = 1\n[[deny]]\nhost = \"worse.wild.test\"\n"
		"[[deny]]\nip = [\"192.0.2.66\", \"10.66.0.0/16\"]\n"
		"[network]\nblock = [\"loopback\"]\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			keeping_ask_lease(cases[i].name, 300, cases[i].addresses).status, -EPERM);
	assert_int_equal(keeping_count(MAP4), 0);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	keeping_assert_leased(keeping_ask_lease("listed.test", 300, "10.1.2.3"), 350);
	keeping_assert_leased(keeping_ask_lease("inside.test", 300, "10.1.2.3"), 350);
	keeping_assert_lasts(MAP4, "198.51.100.1", mark_of("allow-1"), 350);
	keeping_assert_lasts(MAP4, "10.1.2.3", mark_of("allow-2"), 350);
	keeping_stop();
}

static void ports_that_an_override_denies_stay_closed(void **state)
{
	(void)state;
	begin_and_start(HEAD
		"[[allow]]\nhost = \"*.wild.test\"\nports = [\"tcp/80\", \"tcp/443\"]\n" TAIL,
		"version = 1\n[[deny]]\nip = \"198.51.100.0/24\"\nports = [\"tcp/80\"]\n");
	keeping_assert_leased(
		keeping_ask_lease("a.wild.test", 300, "198.51.100.1 203.0.113.1"), 350);
	assert_int_equal(keeping_count(MAP4), 2);
	assert_int_equal(keeping_count(WEB4), 1);
	keeping_assert_lasts(WEB4, "203.0.113.1", mark_of("allow-1"), 350);
	keeping_stop();
}

static void under_a_denylist_only_entries_are_leased(void **state)
{
	(void)state;
	begin_and_start(HEAD "mode = \"denylist\"\n[[allow]]\nhost = \"a.test\"\n"
			     "[[deny]]\nip = \"192.0.2.0/24\"\n" TAIL,
		NULL);
	keeping_assert_leased(keeping_ask_lease("a.test", 300, "198.51.100.1 192.0.2.1"), 350);
	assert_int_equal(keeping_count(MAP4), 2);
	/* No worker asks for that: there is nothing to open. */
	keeping_assert_leased(keeping_ask_lease("b.test", 300, "198.51.100.2"), 350);
	assert_int_equal(keeping_count(MAP4), 2);
	assert_int_equal(keeping_ask_lease("b.test", 300, "192.0.2.2").status, -EPERM);
	keeping_stop();
}

static void flows_to_be_reported_have_a_mark_of_their_own(void **state)
{
	const struct control_request list = keeping_control(CONTROL_LIST);
	const struct plan_rule *rule;
	struct control_reply listed;

	(void)state;
	begin(HEAD WILD "score = 0.6\n[[allow]]\nhost = \"plain.test\"\n" TAIL, NULL);
	rule = &keeping.compiled.plan->rules[rule_of("allow-1")];
	assert_int_not_equal(rule->flag_mark, 0);
	keeping_put(MAP4, "198.51.100.1", rule->flag_mark, 900);
	keeping_put(MAP4, "198.51.100.2", rule->mark, 900);
	keeping_start(true);
	/* Both marks are in force. */
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 900);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.2"), 900);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.3"), 350);
	keeping_assert_lasts(MAP4, "198.51.100.1", rule->flag_mark, 900);
	keeping_assert_lasts(MAP4, "198.51.100.2", rule->mark, 900);
	keeping_assert_lasts(MAP4, "198.51.100.3", rule->flag_mark, 350);
	keeping_assert_leased(keeping_ask_lease("plain.test", 300, "198.51.100.3"), 350);
	keeping_assert_lasts(MAP4, "198.51.100.3", rule->flag_mark, 350);
	listed = keeping_ask_control(&list);
	assert_int_equal(listed.count, 3);
	for (unsigned i = 0; i < listed.count; i++)
		assert_int_equal(
			listed.leases[i].flagged, listed.leases[i].mark == rule->flag_mark);
	keeping_stop();
}

/* --- Entries that expire --- */

static const char *policy_until(time_t end)
{
	static char text[1000];
	struct tm when;

	assert_non_null(gmtime_r(&end, &when));
	snprintf(text, sizeof(text),
		HEAD WILD "expires = %04d-%02d-%02dT%02d:%02d:%02dZ\n"
			  "[[allow]]\nhost = \"stays.test\"\n" TAIL,
		when.tm_year + 1900, when.tm_mon + 1, when.tm_mday, when.tm_hour, when.tm_min,
		when.tm_sec);
	return text;
}

static void a_lease_ends_with_its_entry(void **state)
{
	time_t end = time(NULL) + SHORT_S;
	struct channel_reply reply;

	(void)state;
	begin_and_start(policy_until(end), NULL);
	reply = keeping_ask_lease("a.wild.test", 300, "198.51.100.1");
	if (reply.status == 0) {
		assert_in_range(reply.seconds, 0, SHORT_S);
		assert_true(keeping_lease_in(MAP4, "198.51.100.1").timeout.ms <= SHORT_S * 1000);
	} else
		assert_true(time(NULL) >= end);
	while (time(NULL) < end)
		usleep(10000);
	assert_int_equal(keeping_ask_lease("b.wild.test", 300, "198.51.100.2").status, -EPERM);
	assert_int_equal(keeping_lease_in(MAP4, "198.51.100.2").mark, 0);
	keeping_assert_leased(keeping_ask_lease("stays.test", 300, "198.51.100.1"), 350);
	keeping_assert_lasts(MAP4, "198.51.100.1", mark_of("allow-2"), 350);
	keeping_stop();
}

static void a_mark_that_expires_first_gives_way(void **state)
{
	(void)state;
	begin_and_start(policy_until(time(NULL) + 100000), NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 900, "198.51.100.1"), 950);
	keeping_assert_lasts(MAP4, "198.51.100.1", mark_of("allow-1"), 950);
	keeping_assert_leased(keeping_ask_lease("stays.test", 300, "198.51.100.1"), 950);
	keeping_assert_lasts(MAP4, "198.51.100.1", mark_of("allow-2"), 950);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 950);
	keeping_assert_lasts(MAP4, "198.51.100.1", mark_of("allow-2"), 950);
	keeping_stop();
}

/* --- Destinations --- */

#define BUDGET "[budget]\ndestinations = 3\non_exceed = \"refuse\"\n"

static const char *destinations_set(void)
{
	assert_non_null(keeping.compiled.plan->destinations_set);
	return keeping.compiled.plan->destinations_set;
}

/* What stands for the name in the session that runs. */
static struct destination destination_of(const char *text, bool unknown)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return destination_of_name(&keeping.destinations_key, &name, unknown);
}

static void put_destination(const struct destination *destination)
{
	struct setlink_element element = {.key_size = sizeof(destination->bytes)};

	memcpy(element.key, destination->bytes, sizeof(destination->bytes));
	setlink_begin(keeping.kernel, keeping.compiled.plan->table);
	setlink_add(keeping.kernel, destinations_set(), &element);
	assert_int_equal(setlink_commit(keeping.kernel), 0);
}

static void put_address(const char *text)
{
	struct destination destination;
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	memcpy(destination.bytes, address.bytes, sizeof(destination.bytes));
	put_destination(&destination);
}

static void put_name(const char *text, bool unknown)
{
	const struct destination destination = destination_of(text, unknown);

	put_destination(&destination);
}

static void a_name_too_many_is_refused(void **state)
{
	struct channel_request requests[3];
	int status[3], fd;

	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "2001:db8::1"), 350);
	/* The same address counts, and takes no lease of its own. */
	keeping_assert_leased(keeping_ask_lease("b.wild.test", 300, "198.51.100.1"), 350);
	assert_int_equal(keeping_count(destinations_set()), 2);
	keeping_assert_leased(keeping_ask_lease("c.wild.test", 300, "198.51.100.3"), 350);
	assert_int_equal(keeping_count(destinations_set()), 3);
	assert_int_equal(keeping_ask_lease("d.wild.test", 300, "198.51.100.4").status, -EDQUOT);
	assert_int_equal(keeping_ask_lease("d.wild.test", 300, "198.51.100.1").status, -EDQUOT);
	/* Others in one transaction go on. */
	requests[0] = keeping_request("a.wild.test", 300, "198.51.100.5");
	requests[1] = keeping_request("e.wild.test", 300, "198.51.100.6");
	requests[2] = keeping_request("c.wild.test", 300, "198.51.100.7");
	for (unsigned i = 0; i < 3; i++)
		keeping_send(0, &requests[i]);
	for (unsigned i = 0; i < 3; i++)
		status[i] = keeping_receive(0, requests[i].ticket, &fd).status;
	assert_int_equal(status[0], 0);
	assert_int_equal(status[1], -EDQUOT);
	assert_int_equal(status[2], 0);
	assert_int_equal(keeping_count(destinations_set()), 3);
	assert_int_equal(keeping_lease_in(MAP4, "198.51.100.4").mark, 0);
	assert_int_equal(keeping_lease_in(MAP4, "198.51.100.6").mark, 0);
	assert_int_equal(keeping_count(MAP4), 4);
	keeping_stop();
}

enum { MANY = 9300 }; /* more than a keeper records without moving its record together */

/* Elements that somebody else put there. */
static void put_many(void)
{
	const size_t size = 64 * MANY;
	char *text = arena_alloc(arena, size);
	size_t length = 0;

	assert_non_null(text);
	for (unsigned i = 0; i < MANY; i++)
		length += (size_t)snprintf(text + length, size - length,
			"%s198.18.%u.%u timeout 900s : 0x%x",
			i ? ", " : "add element inet egress-k " MAP4 " { ", i >> 8, i & 0xff,
			mark_of("allow-1"));
	snprintf(text + length, size - length, " }\n");
	keeping_load(text);
}

/* A name that cannot be counted ends a transaction, and what was collected for another one before
 * it is forgotten before the record changes. */
static void a_name_that_cannot_be_counted_spoils_no_other(void **state)
{
	struct control_request revoke = keeping_control(CONTROL_REVOKE),
			       all = keeping_control(CONTROL_LIST);
	struct channel_request requests[2];
	uint64_t total = 0;
	int fd;

	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	revoke.by = CONTROL_BY_ADDRESS;
	assert_int_equal(inaddr_from_text(text_of("198.51.100.1"), &revoke.address), 0);
	assert_int_equal(keeping_ask_control(&revoke).total, 1);
	for (unsigned i = 0; i < KEEPING_WORKERS; i++)
		assert_int_equal(keeping_receive(i, 0, &fd).op, CHANNEL_FORGET);
	put_many();
	keeping_load("flush chain inet egress-k count-names\n");
	requests[0] = keeping_request("a.wild.test", 300, "198.51.100.2");
	requests[1] = keeping_request("b.wild.test", 300, "198.51.100.3");
	assert_int_equal(channel_send_request(&keeping.channels[0], &requests[0]), 0);
	keeping_send(0, &requests[1]);
	assert_int_equal(keeping_receive(0, requests[0].ticket, &fd).status, 0);
	assert_int_equal(keeping_receive(0, requests[1].ticket, &fd).status, -ENOENT);
	keeping_assert_lasts(MAP4, "198.51.100.2", mark_of("allow-1"), 350);
	assert_int_equal(keeping_lease_in(MAP4, "198.51.100.3").mark, 0);
	/* On a slow machine they are still being read. */
	for (unsigned i = 0; i < KEEPING_PATIENCE_MS / 100 && total != MANY + 1; i++) {
		poll(NULL, 0, i > 0 ? 100 : 0);
		total = keeping_ask_control(&all).total;
	}
	assert_int_equal(total, MANY + 1);
	keeping_stop();
}

#define REPORTING "[budget]\ndestinations = 2\n"

static void a_name_too_many_is_reported(void **state)
{
	(void)state;
	begin_and_start(HEAD WILD REPORTING TAIL, NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	keeping_assert_leased(keeping_ask_lease("b.wild.test", 300, "198.51.100.2"), 350);
	keeping_assert_leased(keeping_ask_lease("c.wild.test", 300, "198.51.100.3"), 350);
	keeping_assert_leased(keeping_ask_lease("d.wild.test", 300, "198.51.100.4"), 350);
	assert_int_equal(keeping_count(destinations_set()), 2);
	assert_int_equal(keeping_count(MAP4), 4);
	keeping_stop();
}

static void bare_addresses_take_the_same_slots(void **state)
{
	(void)state;
	begin(HEAD WILD BUDGET TAIL, NULL);
	put_address("192.0.2.1");
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	put_address("2001:db8:9::2");
	assert_int_equal(keeping_ask_lease("b.wild.test", 300, "198.51.100.2").status, -EDQUOT);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.3"), 350);
	keeping_stop();
}

static void what_the_keeper_before_counted_is_known(void **state)
{
	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	keeping_stop();
	put_address("192.0.2.1");
	put_address("2001:db8:9::2");
	keeping_make_channels();
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.9"), 350);
	assert_int_equal(keeping_ask_lease("b.wild.test", 300, "198.51.100.2").status, -EDQUOT);
	assert_int_equal(keeping_count(destinations_set()), 3);
	keeping_stop();
}

/* What was counted is known, and its set not looked at again. */
static void a_name_is_sent_once(void **state)
{
	(void)state;
	begin(HEAD WILD BUDGET TAIL, NULL);
	put_name("a.wild.test", false);
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("b.wild.test", 300, "198.51.100.1"), 350);
	assert_int_equal(keeping_count(destinations_set()), 2);
	setlink_begin(keeping.kernel, keeping.compiled.plan->table);
	setlink_flush(keeping.kernel, destinations_set());
	assert_int_equal(setlink_commit(keeping.kernel), 0);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 200, "198.51.100.1"), 350);
	keeping_assert_leased(keeping_ask_lease("b.wild.test", 200, "198.51.100.1"), 350);
	assert_int_equal(keeping_count(destinations_set()), 0);
	keeping_assert_leased(keeping_ask_lease("c.wild.test", 200, "198.51.100.1"), 350);
	assert_int_equal(keeping_count(destinations_set()), 1);
	keeping_stop();
}

/* What stands for a name can't be told without the key, which a session keeps, whoever serves it.
 */
static void the_key_is_the_sessions(void **state)
{
	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	keeping_stop();
	put_address("192.0.2.1");
	put_address("192.0.2.2");
	keeping.destinations_key.k[0]++;
	keeping_make_channels();
	keeping_start(true);
	keeping_assert_leased(keeping_ask_lease("a.wild.test", 300, "198.51.100.1"), 350);
	assert_int_equal(keeping_ask_lease("b.wild.test", 300, "198.51.100.1").status, -EDQUOT);
	keeping_stop();
}

/* --- Sessions --- */

static int status_of(const char *name, const char *address)
{
	return keeping_ask_lease(name, 300, address).status;
}

static struct control_reply ask_session(enum control_op op, enum spent_key key, uint64_t amount)
{
	struct control_request request = keeping_control(op);

	request.key = key;
	request.amount = amount;
	return keeping_ask_control(&request);
}

/* Answers of before are void. */
static void take_forget(void)
{
	for (unsigned worker = 0; worker < KEEPING_WORKERS; worker++) {
		int fd;

		assert_int_equal(keeping_receive(worker, 0, &fd).op, CHANNEL_FORGET);
	}
}

static void a_session_is_extended_and_followed(void **state)
{
	struct control_reply reply;

	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	assert_int_equal(status_of("a.wild.test", "198.51.100.1"), 0);
	assert_int_equal(status_of("b.wild.test", "198.51.100.2"), 0);
	assert_int_equal(status_of("c.wild.test", "198.51.100.3"), 0);
	assert_int_equal(status_of("d.wild.test", "198.51.100.4"), -EDQUOT);
	reply = ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, 2);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].of, 5);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].used, 3);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].extended, 2);
	take_forget();
	assert_int_equal(status_of("d.wild.test", "198.51.100.4"), 0);
	keeping_stop();
	keeping_make_channels();
	keeping_start(true);
	assert_int_equal(status_of("e.wild.test", "198.51.100.5"), 0);
	assert_int_equal(status_of("f.wild.test", "198.51.100.6"), -EDQUOT);
	reply = ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, 1);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].extended, 3);
	take_forget();
	reply = ask_session(CONTROL_SESSION_NEW, SPENT_DESTINATIONS, 0);
	assert_int_equal(reply.status, 0);
	take_forget();
	assert_int_equal(reply.total, 5);
	assert_int_equal(keeping_count(MAP4), 0);
	assert_int_equal(keeping_count(destinations_set()), 0);
	assert_int_equal(status_of("f.wild.test", "198.51.100.6"), 0);
	assert_int_equal(status_of("a.wild.test", "198.51.100.1"), 0);
	assert_int_equal(status_of("b.wild.test", "198.51.100.2"), 0);
	assert_int_equal(status_of("c.wild.test", "198.51.100.3"), -EDQUOT);
	keeping_stop();
}

/* The ruleset has the policy's ceiling again, which is less than is counted; until the keeper has
 * raised it again nothing is. */
static void what_was_extended_outlives_a_ruleset(void **state)
{
	static const char *const names[] = {
		"a.wild.test", "b.wild.test", "c.wild.test", "d.wild.test", "e.wild.test"};

	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	assert_int_equal(ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, 2).status, 0);
	take_forget();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(status_of(names[i], "198.51.100.1"), 0);
	assert_int_equal(keeping_count(keeping.compiled.plan->raised_set), 2);
	keeping_stop();
	keeping_load(keeping.ruleset);
	assert_int_equal(keeping_count(keeping.compiled.plan->extended_set), 2);
	assert_int_equal(keeping_count(keeping.compiled.plan->raised_set), 0);
	keeping_make_channels();
	keeping_start(true);
	assert_int_equal(keeping_count(keeping.compiled.plan->raised_set), 2);
	assert_int_equal(status_of(names[4], "198.51.100.1"), 0);
	assert_int_equal(status_of("f.wild.test", "198.51.100.1"), -EDQUOT);
	assert_int_equal(keeping_count(destinations_set()), 5);
	keeping_load(keeping.ruleset);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(status_of(names[i], "198.51.100.2"), 0);
	assert_int_equal(status_of("g.wild.test", "198.51.100.1"), -EDQUOT);
	assert_int_equal(keeping_count(destinations_set()), 5);
	assert_int_equal(ask_session(CONTROL_SESSION_NEW, SPENT_DESTINATIONS, 0).status, 0);
	assert_int_equal(keeping_count(keeping.compiled.plan->extended_set), 0);
	assert_int_equal(keeping_count(keeping.compiled.plan->raised_set), 0);
	keeping_stop();
}

static void what_cannot_be_extended_stays(void **state)
{
	struct control_reply reply;

	(void)state;
	begin_and_start(HEAD WILD BUDGET TAIL, NULL);
	assert_int_equal(ask_session(CONTROL_SESSION_EXTEND, SPENT_BYTES, 1).status, -ENODATA);
	assert_int_equal(
		ask_session(CONTROL_SESSION_EXTEND, SPENT_CONNECTIONS, 1).status, -ENODATA);
	assert_int_equal(
		ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, 0).status, -ERANGE);
	assert_int_equal(ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, UINT32_MAX).status,
		-ERANGE);
	assert_int_equal(ask_session(CONTROL_SESSION_EXTEND, SPENT_DESTINATIONS, UINT64_MAX).status,
		-ERANGE);
	reply = ask_session(CONTROL_SESSION, SPENT_DESTINATIONS, 0);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].of, 3);
	assert_int_equal(reply.session.spent[SPENT_DESTINATIONS].extended, 0);
	assert_in_range(reply.session.began, time(NULL) - 100, time(NULL));
	keeping_stop();
}

#define KNOWN "[[allow]]\nhost = \"*.known.test\"\ncategory = \"known\"\n"
#define BARE "[[allow]]\nip = \"11.1.0.0/16\"\ncategory = \"known\"\n"
#define SHARE "[budget]\nunknown_share = 0.2\non_exceed = \"refuse\"\n"

static void open_known(unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u.known.test", i);
		assert_int_equal(status_of(name, "198.51.100.1"), 0);
	}
}

/* One of the first ten and the ones behind, whoever counts them; in one transaction, too. */
static void the_share_of_the_unknown_is_bounded(void **state)
{
	struct channel_request requests[3];
	int status[3], fd;

	(void)state;
	begin_and_start(HEAD WILD KNOWN BARE SHARE TAIL, NULL);
	open_known(1, 7);
	assert_int_equal(status_of("a.wild.test", "198.51.100.1"), 0);
	assert_int_equal(status_of("b.wild.test", "198.51.100.1"), 0);
	/* The tenth would be the third of ten. */
	assert_int_equal(status_of("c.wild.test", "198.51.100.1"), -EDOM);
	assert_int_equal(status_of("a.wild.test", "198.51.100.2"), 0);
	open_known(8, 11);
	requests[0] = keeping_request("c.wild.test", 300, "198.51.100.1");
	requests[1] = keeping_request("n12.known.test", 300, "198.51.100.1");
	requests[2] = keeping_request("d.wild.test", 300, "198.51.100.1");
	assert_int_equal(status_of("c.wild.test", "198.51.100.1"), -EDOM);
	put_address("11.1.0.1");
	for (unsigned i = 0; i < 3; i++)
		keeping_send(0, &requests[i]);
	for (unsigned i = 0; i < 3; i++)
		status[i] = keeping_receive(0, requests[i].ticket, &fd).status;
	assert_int_equal(status[0], 0);
	assert_int_equal(status[1], 0);
	assert_int_equal(status[2], -EDOM);
	keeping_stop();
	keeping_make_channels();
	keeping_start(true);
	/* An address without a category: 4 of 17 with it, 5 of 18 with a name. */
	put_address("192.0.2.1");
	assert_int_equal(status_of("d.wild.test", "198.51.100.1"), -EDOM);
	open_known(13, 20);
	assert_int_equal(status_of("d.wild.test", "198.51.100.1"), 0);
	assert_int_equal(ask_session(CONTROL_SESSION, SPENT_DESTINATIONS, 0).session.unknown, 5);
	keeping_stop();
}

#define TEST(name) cmocka_unit_test_teardown(name, keeping_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_and_addresses_that_are_denied_are_not_opened),
		TEST(ports_that_an_override_denies_stay_closed),
		TEST(under_a_denylist_only_entries_are_leased),
		TEST(flows_to_be_reported_have_a_mark_of_their_own),
		TEST(a_lease_ends_with_its_entry),
		TEST(a_mark_that_expires_first_gives_way),
		TEST(a_name_too_many_is_refused),
		TEST(a_name_that_cannot_be_counted_spoils_no_other),
		TEST(a_name_too_many_is_reported),
		TEST(bare_addresses_take_the_same_slots),
		TEST(what_the_keeper_before_counted_is_known),
		TEST(a_name_is_sent_once),
		TEST(the_key_is_the_sessions),
		TEST(a_session_is_extended_and_followed),
		TEST(what_was_extended_outlives_a_ruleset),
		TEST(what_cannot_be_extended_stays),
		TEST(the_share_of_the_unknown_is_bounded),
	};
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (arena_new(64 << 20, &arena) != 0 || keeping_open() != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	keeping_close();
	arena_free(arena);
	return failed;
}
