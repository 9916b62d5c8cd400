/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/audit/digest.h"

#define SECOND ((int64_t)1000000)

static int set_up(void **state)
{
	struct digest *digest;

	if (digest_new(&digest) != 0)
		return -1;
	*state = digest;
	return 0;
}

static int tear_down(void **state)
{
	digest_free(*state);
	return 0;
}

static struct record record_of(enum record_kind kind, enum verdict verdict, int64_t at)
{
	return (struct record){
		.kind = kind,
		.verdict = verdict,
		.at = at,
		.policy = "",
		.session = "",
		.rule = "default-deny",
		.name = "",
		.type = "",
		.rcode = "",
		.protocol = "",
		.what = "",
		.category = "",
		.reason = "",
		.port = -1,
	};
}

static struct inaddr address_of(uint32_t number)
{
	const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number};

	return inaddr_from_ip4(bytes);
}

static void take_query(
	struct digest *digest, enum verdict verdict, const char *name, const char *type)
{
	struct record record = record_of(RECORD_QUERY, verdict, SECOND);

	record.name = name;
	record.type = type;
	digest_take(digest, &record);
}

static void take_flow(struct digest *digest, enum record_kind kind, enum verdict verdict,
	const char *name, uint32_t address)
{
	struct record record = record_of(kind, verdict, SECOND);

	record.name = name;
	record.has_address = true;
	record.address = address_of(address);
	record.protocol = "tcp";
	record.port = 443;
	record.rule = verdict == VERDICT_REFUSE ? "default-deny" : "allow-1";
	record.bytes_out = kind == RECORD_FLOW ? 100 : 0;
	record.bytes_in = kind == RECORD_FLOW ? 1000 : 0;
	digest_take(digest, &record);
}

static void take_lease(struct digest *digest, const char *name, uint32_t address)
{
	struct record record = record_of(RECORD_LEASE, VERDICT_PERMIT, SECOND);

	record.name = name;
	record.has_address = true;
	record.address = address_of(address);
	digest_take(digest, &record);
}

/* What an outcome has, as "NAME times bytes_out," each. */
static size_t destinations_of(const struct digest *digest)
{
	size_t count;

	assert_int_equal(digest_destinations(digest, &count), 0);
	return count;
}

static void expect_rows(
	const struct digest *digest, enum digest_outcome outcome, const char *expected)
{
	const struct digest_row **rows;
	size_t count, length = 0;
	char text[1000] = "";

	assert_int_equal(digest_list(digest, outcome, &rows, &count), 0);
	for (size_t i = 0; i < count; i++) {
		char address[INADDR_TEXT];
		const char *where =
			*rows[i]->name ? rows[i]->name : inaddr_to_text(&rows[i]->address, address);

		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %u %u,", where,
			(unsigned)rows[i]->times, (unsigned)rows[i]->bytes_out);
		assert_int_equal(rows[i]->outcome, outcome);
	}
	free(rows);
	assert_string_equal(text, expected);
}

static void test_names(void **state)
{
	struct digest *digest = *state;

	take_query(digest, VERDICT_REFUSE, "other.example", "A");
	take_query(digest, VERDICT_REFUSE, "other.example", "AAAA");
	take_query(digest, VERDICT_REFUSE, "third.example", "A");
	take_query(digest, VERDICT_REFUSE, "third.example", "A");
	take_query(digest, VERDICT_PERMIT, "good.example", "A");
	assert_true(digest_has_refusals(digest));
	assert_int_equal(digest_finish(digest), 0);
	expect_rows(digest, DIGEST_REFUSED, "third.example 2 0,other.example 1 0,");
	expect_rows(digest, DIGEST_NAMED, "good.example 1 0,");
	expect_rows(digest, DIGEST_REACHED, "");
}

static void test_nothing(void **state)
{
	struct digest *digest = *state;

	take_query(digest, VERDICT_PERMIT, "good.example", "A");
	take_query(digest, VERDICT_OBSERVE, "other.example", "A");
	take_query(digest, VERDICT_FLAG, "odd.example", "A");
	assert_false(digest_has_refusals(digest));
	assert_int_equal(digest_finish(digest), 0);
	assert_int_equal(destinations_of(digest), 0);
}

static void test_connections(void **state)
{
	struct digest *digest = *state;

	take_query(digest, VERDICT_PERMIT, "good.example", "A");
	take_lease(digest, "good.example", 1);
	/* Recorded when it begins and when it ends: once, all the same. */
	take_flow(digest, RECORD_CONNECTION, VERDICT_PERMIT, "good.example", 1);
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "good.example", 1);
	/* By what it was leased for */
	take_flow(digest, RECORD_FLOW, VERDICT_FLAG, "", 1);
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "", 2);
	take_flow(digest, RECORD_CONNECTION, VERDICT_REFUSE, "", 1);
	assert_int_equal(digest_finish(digest), 0);
	expect_rows(digest, DIGEST_REACHED, "good.example 2 200,0.0.0.2 1 100,");
	expect_rows(digest, DIGEST_NAMED, "");
	expect_rows(digest, DIGEST_REFUSED, "good.example 1 0,");
	assert_int_equal(destinations_of(digest), 2);
	assert_int_equal(digest_sum(digest, DIGEST_REACHED).bytes_in, 3000);
}

/* A name that is known only later is found at the end. */
static void test_late_names(void **state)
{
	struct digest *digest = *state;
	struct inaddr addresses[4];

	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "", 1);
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "", 2);
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "", 3);
	take_lease(digest, "late.example", 1);
	take_lease(digest, "late.example", 2);
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "late.example", 1);
	assert_int_equal(digest_finish(digest), 0);
	expect_rows(digest, DIGEST_REACHED, "late.example 3 300,0.0.0.3 1 100,");
	assert_int_equal(digest_addresses(digest, "late.example", 4, addresses), 2);
	assert_int_equal(digest_addresses(digest, "late.example", 1, addresses), 1);
}

/* The connection tells of the name. */
static void test_observed(void **state)
{
	struct digest *digest = *state;

	take_query(digest, VERDICT_OBSERVE, "seen.example", "A");
	take_query(digest, VERDICT_OBSERVE, "named.example", "A");
	take_flow(digest, RECORD_FLOW, VERDICT_OBSERVE, "seen.example", 1);
	assert_int_equal(digest_finish(digest), 0);
	expect_rows(digest, DIGEST_OBSERVED, "seen.example 1 100,named.example 1 0,");
}

/* What is made up to be refused takes no room from what was reached. */
static void test_full(void **state)
{
	struct digest *digest = *state;
	struct digest_sum sum;
	char name[32];

	for (unsigned i = 0; i < DIGEST_ROWS_MAX + 100; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		take_query(digest, VERDICT_REFUSE, name, "A");
	}
	take_query(digest, VERDICT_REFUSE, "n0.example", "A");
	take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "good.example", 1);
	assert_int_equal(digest_finish(digest), 0);
	sum = digest_sum(digest, DIGEST_REFUSED);
	assert_int_equal(sum.rows, DIGEST_ROWS_MAX);
	assert_int_equal(sum.records, 100);
	expect_rows(digest, DIGEST_REACHED, "good.example 1 100,");
}

/* Each row may take a second place when its name is found. */
static void test_full_of_addresses(void **state)
{
	struct digest *digest = *state;
	char name[32];

	for (unsigned i = 0; i < 2 * DIGEST_ADDRESSES_MAX; i++)
		take_flow(digest, RECORD_FLOW, VERDICT_PERMIT, "", i);
	for (unsigned i = 0; i < 2 * DIGEST_ADDRESSES_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		take_lease(digest, name, i);
	}
	assert_int_equal(digest_finish(digest), 0);
	assert_int_equal(digest_sum(digest, DIGEST_REACHED).rows, DIGEST_ROWS_MAX);
	assert_int_equal(digest_sum(digest, DIGEST_REACHED).records,
		2 * DIGEST_ADDRESSES_MAX - DIGEST_ROWS_MAX);
	assert_int_equal(
		digest_sum(digest, DIGEST_REACHED).bytes_out, (uint64_t)200 * DIGEST_ADDRESSES_MAX);
}

static void test_long_names(void **state)
{
	struct digest *digest = *state;
	char name[1024];

	for (unsigned i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "%01015u.example", i);
		take_query(digest, VERDICT_REFUSE, name, "A");
		take_lease(digest, name, i);
	}
	assert_int_equal(digest_finish(digest), 0);
	assert_in_range(digest_sum(digest, DIGEST_REFUSED).rows, 1000, 5000);
	assert_int_equal(digest_sum(digest, DIGEST_REFUSED).rows +
				 digest_sum(digest, DIGEST_REFUSED).records,
		40000);
}

static void test_timeline(void **state)
{
	static const int64_t seconds[] = {1000, 1001, 1059, 940, 1061, 5000, 300000000000};
	struct digest *digest = *state;
	const struct digest_timeline *timeline = digest_timeline(digest);
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		struct record record = record_of(RECORD_QUERY, VERDICT_REFUSE, 0);

		record.name = "a.example";
		record.type = "A";
		record.at = seconds[i] * SECOND;
		digest_take(digest, &record);
		if (i == 2)
			assert_int_equal(timeline->n_slots, 60);
		if (i == 3) {
			assert_int_equal(timeline->start, 940 * SECOND);
			assert_int_equal(timeline->width, 2 * SECOND);
			assert_int_equal(timeline->slots[0].times[DIGEST_REFUSED], 1);
			assert_int_equal(timeline->slots[30].times[DIGEST_REFUSED], 2);
		}
		if (i == 4)
			assert_int_equal(timeline->width, 4 * SECOND);
		assert_true(timeline->n_slots <= DIGEST_SLOTS);
	}
	for (size_t i = 0; i < timeline->n_slots; i++)
		sum += timeline->slots[i].times[DIGEST_REFUSED];
	assert_int_equal(sum, 7);
	assert_int_equal(timeline->slots[0].times[DIGEST_REFUSED], 6);
}

static void test_lost(void **state)
{
	struct digest *digest = *state;
	static const char *const kinds[] = {"queries", "connections", "flows", "leases"};

	for (size_t i = 0; i < 4; i++) {
		struct record record = record_of(RECORD_LOST, VERDICT_PERMIT, SECOND);

		record.what = kinds[i];
		record.count = 1 + i;
		digest_take(digest, &record);
	}
	digest_take_line(digest, NULL, 0);
	digest_take_line(digest, "{}", 2);
	assert_false(digest_has_refusals(digest));
	assert_int_equal(digest_lost(digest)->queries, 1);
	assert_int_equal(digest_lost(digest)->connections, 2);
	assert_int_equal(digest_lost(digest)->flows, 3);
	assert_int_equal(digest_lost(digest)->others, 4);
	assert_int_equal(digest_lost(digest)->malformed, 2);
}

/* A burst of refusals, of which the ruleset has counted some alone: they are refusals all the same.
 */
static void test_counted_alone(void **state)
{
	struct digest *digest = *state;
	struct record record = record_of(RECORD_LOST, VERDICT_REFUSE, SECOND);

	record.what = "connections";
	record.rule = "default-deny";
	record.count = 9950;
	digest_take(digest, &record);
	assert_int_equal(digest_finish(digest), 0);
	assert_int_equal(digest_lost(digest)->refused, 9950);
	assert_int_equal(digest_lost(digest)->connections, 0);
	assert_true(digest_has_refusals(digest));
	assert_int_equal(digest_timeline(digest)->slots[0].times[DIGEST_REFUSED], 9950);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_nothing),
		TEST(test_connections),
		TEST(test_late_names),
		TEST(test_observed),
		TEST(test_full),
		TEST(test_full_of_addresses),
		TEST(test_long_names),
		TEST(test_timeline),
		TEST(test_lost),
		TEST(test_counted_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
