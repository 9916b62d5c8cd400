/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/audit/digest.h"
#include "src/audit/learned.h"

/* Sessions and alerts of a log, and what a baseline's file holds of them. */

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

static void take(struct digest *digest, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void take(struct digest *digest, const char *format, ...)
{
	char line[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	digest_take_line(digest, line, strlen(line));
	assert_int_equal(digest_lost(digest)->malformed, 0);
}

#define AT(second) "{\"time\":\"2026-11-21T13:05:" second "Z\",\"policy\":\"agent\","

static const struct sessions_row *only(const struct digest *digest)
{
	assert_int_equal(sessions_count(digest_sessions(digest)), 1);
	return sessions_at(digest_sessions(digest), 0);
}

/* Without records of its own, a session is what its other records come to. */
static void test_counted(void **state)
{
	struct digest *digest = *state;
	const struct sessions_row *row;

	take(digest, AT("01") "\"session\":\"s\",\"kind\":\"lease\",\"name\":\"a.example\","
			      "\"address\":\"192.0.2.1\"}");
	take(digest, AT("02") "\"session\":\"s\",\"kind\":\"connection\",\"verdict\":\"permit\","
			      "\"name\":\"a.example\",\"address\":\"192.0.2.1\"}");
	take(digest, AT("03") "\"session\":\"s\",\"kind\":\"flow\",\"verdict\":\"permit\","
			      "\"address\":\"192.0.2.1\",\"bytes_out\":10,\"bytes_in\":20}");
	take(digest, AT("04") "\"session\":\"s\",\"kind\":\"flow\",\"verdict\":\"permit\","
			      "\"address\":\"192.0.2.9\",\"bytes_out\":1}");
	take(digest, AT("05") "\"session\":\"s\",\"kind\":\"query\",\"verdict\":\"refuse\","
			      "\"name\":\"b.example\"}");
	take(digest, AT("06") "\"session\":\"s\",\"kind\":\"lost\",\"count\":4,\"what\":"
			      "\"flows\"}");
	take(digest, AT("06") "\"session\":\"s\",\"kind\":\"lost\",\"verdict\":\"refuse\","
			      "\"rule\":\"default-deny\",\"count\":50,\"what\":\"connections\"}");
	row = only(digest);
	assert_string_equal(row->policy, "agent");
	assert_string_equal(row->id, "s");
	/* The name that led to the address is the same destination. */
	assert_int_equal(row->destinations, 2);
	assert_int_equal(row->connections, 2);
	assert_int_equal(row->refused, 51);
	assert_int_equal(row->bytes_out, 11);
	assert_int_equal(row->bytes_in, 20);
	assert_int_equal(row->lost, 4);
	assert_int_equal(row->last - row->first, 5000000);
	assert_false(row->ended);
	assert_null(sessions_fullest(row));
}

static void test_told(void **state)
{
	struct digest *digest = *state;
	const struct sessions_row *row;
	char use[SESSIONS_USE];

	take(digest, AT("02") "\"session\":\"s\",\"kind\":\"flow\",\"verdict\":\"permit\","
			      "\"address\":\"192.0.2.1\",\"bytes_out\":10,\"bytes_in\":20}");
	take(digest, AT("03") "\"session\":\"s\",\"kind\":\"session\",\"phase\":\"summary\","
			      "\"since\":\"2026-11-21T12:00:00Z\",\"destinations\":7,\"unknown\":2,"
			      "\"wildcard_names\":3,\"connections\":9,\"refused\":5,"
			      "\"bytes_out\":4,\"bytes_in\":100,\"alerts\":1,"
			      "\"categories\":{\"docs\":5,\"unknown\":2},"
			      "\"budget\":{\"destinations\":{\"used\":7,\"of\":10},"
			      "\"bytes\":{\"used\":4,\"of\":2},"
			      "\"unknown_share\":{\"used\":0.29,\"of\":0.5}},"
			      "\"baseline\":{\"sessions\":3,\"state\":\"cold\"}}");
	row = only(digest);
	assert_int_equal(row->destinations, 7);
	assert_int_equal(row->connections, 9);
	assert_int_equal(row->refused, 5);
	assert_int_equal(row->bytes_out, 10); /* what it told of is older */
	assert_int_equal(row->bytes_in, 100);
	assert_int_equal(row->unknown, 2);
	assert_int_equal(row->wildcard_names, 3);
	assert_int_equal(row->alerts, 1);
	assert_int_equal(row->figures.n_categories, 2);
	assert_string_equal(row->figures.categories[1].name, "unknown");
	assert_int_equal(row->figures.categories[1].destinations, 2);
	assert_string_equal(row->figures.baseline, "cold");
	assert_int_equal(row->figures.n_budgets, 3);
	assert_string_equal(sessions_use(&row->figures.budgets[0], use), "7 of 10");
	assert_string_equal(sessions_use(&row->figures.budgets[1], use), "4 B of 2 B");
	assert_string_equal(sessions_use(&row->figures.budgets[2], use), "29 % of 50 %");
	assert_ptr_equal(sessions_fullest(row), &row->figures.budgets[1]);
	assert_int_equal(row->last - row->first, (65 * 60 + 3) * (int64_t)1000000);
	/* What is told later holds, and nothing is counted twice. */
	take(digest, AT("04") "\"session\":\"s\",\"kind\":\"session\",\"phase\":\"end\","
			      "\"destinations\":8,\"bytes_out\":12}");
	assert_true(row->ended);
	assert_int_equal(row->destinations, 8);
	assert_int_equal(row->bytes_out, 12);
	assert_int_equal(row->figures.n_budgets, 0);
}

/* More than have room are summed up, and the first ones stay. */
static void test_many(void **state)
{
	struct digest *digest = *state;

	for (int i = 0; i < SESSIONS_KEPT + 10; i++)
		take(digest, AT("02") "\"session\":\"s%d\",\"kind\":\"policy\"}", i);
	take(digest, AT("03") "\"session\":\"s%d\",\"kind\":\"policy\"}", SESSIONS_KEPT - 1);
	assert_int_equal(sessions_count(digest_sessions(digest)), SESSIONS_KEPT);
	assert_int_equal(sessions_more(digest_sessions(digest)), 10);
	assert_int_equal(sessions_at(digest_sessions(digest), SESSIONS_KEPT - 1)->records, 2);
}

static void test_many_destinations(void **state)
{
	struct digest *digest = *state;

	for (int i = 0; i < 200000; i++)
		take(digest,
			AT("02") "\"session\":\"s\",\"kind\":\"flow\",\"verdict\":\"permit\","
				 "\"name\":\"n%d.example\"}",
			i);
	assert_true(only(digest)->at_least);
	assert_true(only(digest)->destinations > 190000);
	assert_true(only(digest)->destinations <= 200000);
}

static void test_alerts(void **state)
{
	struct digest *digest = *state;
	const struct alerts *alerts = digest_alerts(digest);
	const struct alerts_row *row;
	char where[ALERTS_WHERE], numbers[ALERTS_NUMBERS];

	take(digest, AT("02") "\"session\":\"s\",\"kind\":\"alert\",\"verdict\":\"refuse\","
			      "\"rule\":\"upload\",\"name\":\"a.example\",\"port\":443,"
			      "\"protocol\":\"tcp\",\"value\":2097152,\"threshold\":1048576,"
			      "\"p\":0.001,\"evidence\":[\"one\",\"two\"],\"suppressed\":3}");
	assert_int_equal(alerts_count(alerts), 1);
	row = alerts_at(alerts, 0);
	assert_true(row->refuses);
	assert_string_equal(row->rule, "upload");
	assert_int_equal(row->n_evidence, 2);
	assert_string_equal(row->evidence[1], "two");
	assert_string_equal(alerts_where(row, where), "a.example tcp/443");
	assert_string_equal(alerts_numbers(row, numbers), "2.0 MiB, threshold 1.0 MiB; p = 0.001");
	assert_int_equal(alerts_suppressed(alerts), 3);
	assert_int_equal(only(digest)->alerts, 1);
	for (int i = 0; i < ALERTS_KEPT + 5; i++)
		take(digest, AT("03") "\"session\":\"s\",\"kind\":\"alert\",\"rule\":\"beacon\"}");
	assert_int_equal(alerts_count(alerts), ALERTS_KEPT);
	assert_int_equal(alerts_more(alerts), 6);
	assert_string_equal(alerts_at(alerts, 0)->rule, "upload");
}

/* --- Baselines --- */

static void end_session(
	struct digest *digest, int number, const char *phase, int alerts, int docs, int other)
{
	take(digest,
		AT("02") "\"session\":\"s%d\",\"kind\":\"session\",\"phase\":\"%s\","
			 "\"destinations\":%d,\"alerts\":%d,\"categories\":{\"docs\":%d,"
			 "\"other\":%d}}",
		number, phase, docs + other, alerts, docs, other);
}

static void test_learned(void **state)
{
	struct digest *digest = *state;
	struct learned learned;

	assert_int_equal(learned_from(digest_sessions(digest), &learned), 0);
	assert_int_equal(learned.sessions, 0);
	assert_false(learned.ready);
	for (int i = 0; i < 4; i++)
		end_session(digest, i, "end", 0, 9, 1);
	assert_int_equal(learned_from(digest_sessions(digest), &learned), 0);
	assert_int_equal(learned.sessions, 4);
	assert_false(learned.ready);
	end_session(digest, 5, "end", 1, 100, 100);
	end_session(digest, 6, "summary", 0, 100, 100);
	end_session(digest, 7, "end", 0, 10, 0);
	assert_int_equal(learned_from(digest_sessions(digest), &learned), 0);
	assert_string_equal(learned.policy, "agent");
	assert_true(learned.ready);
	assert_int_equal(learned.sessions, 5);
	assert_int_equal(learned.with_alerts, 1);
	assert_int_equal(learned.without, 1);
	assert_int_equal(learned.destinations, 50);
	assert_int_equal(learned.n_categories, 2);
	assert_string_equal(learned.categories[0].name, "docs");
	assert_int_equal(learned.categories[0].destinations, 46);
	assert_int_equal(learned.categories[0].sessions, 5);
	assert_int_equal(learned.categories[1].sessions, 4);
}

/* The newest ones count. */
static void test_learned_of_many(void **state)
{
	struct digest *digest = *state;
	struct learned learned;

	for (int i = 0; i < 150; i++)
		end_session(digest, i, "end", 0, 1, 0);
	assert_int_equal(learned_from(digest_sessions(digest), &learned), 0);
	assert_int_equal(learned.sessions, 128);
	assert_int_equal(learned.older, 22);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counted),
		TEST(test_told),
		TEST(test_many),
		TEST(test_many_destinations),
		TEST(test_alerts),
		TEST(test_learned),
		TEST(test_learned_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
