/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/event/sessioning.h"

/* Figures of sessions, their budgets, and bursts of refusals. */

/* --- Figures --- */

static void test_destinations(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	struct session_figures figures;
	struct event event;

	(void)state;
	lease(session, "a.example", "docs");
	lease(session, "a.example", "docs");
	lease(session, "b.example", NULL);
	/* What was only asked for is none, and neither is what was refused. */
	begin(&event, EVENT_QUERY, T0, "asked.example");
	take(session, &event, NULL);
	event.verdict = EVENT_REFUSE;
	take(session, &event, NULL);
	/* A bare address, and one that a name led to. */
	flow(session, "192.0.2.9", 0, 100, 200, false);
	flow(session, "192.0.2.9", 0, 10, 20, false);
	begin(&event, EVENT_CONNECTION, T0, "a.example");
	set_address(&event, "192.0.2.1", 443);
	take(session, &event, "docs");
	figures = figures_of(session);
	assert_int_equal(figures.destinations, 3);
	assert_int_equal(figures.unknown, 2);
	assert_int_equal(census_count(&figures.categories, "docs"), 1);
	assert_int_equal(figures.connections, 2);
	assert_int_equal(figures.refused, 1);
	assert_int_equal(figures.bytes_out, 110);
	assert_int_equal(figures.bytes_in, 220);
	assert_int_equal(figures.since, T0);
	assert_false(figures.is_full);
	/* A category that is known later counts. */
	lease(session, "b.example", "docs");
	figures = figures_of(session);
	assert_int_equal(figures.destinations, 3);
	assert_int_equal(figures.unknown, 1);
	assert_int_equal(census_count(&figures.categories, "docs"), 2);
	assert_int_equal(n_told, 0);
	session_free(session);
}

static void test_wildcards(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	const struct session_note note = {.wildcard = true};
	struct event event;

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "w%u.example", i % 20);
		begin(&event, EVENT_QUERY, T0, name);
		session_take(session, &event, &note);
	}
	assert_int_equal(figures_of(session).wildcard_names, 20);
	session_free(session);
}

static void test_live_flows(void **state)
{
	struct session *session = make((struct session_ceilings){0});

	(void)state;
	flow(session, "192.0.2.9", 7, 1000, 10, true);
	flow(session, "192.0.2.9", 7, 5000, 20, true);
	assert_int_equal(figures_of(session).bytes_out, 5000);
	flow(session, "192.0.2.9", 7, 6000, 30, false);
	flow(session, "192.0.2.9", 8, 500, 0, false);
	/* Without a number only its end counts. */
	flow(session, "192.0.2.9", 0, 999, 9, true);
	flow(session, "192.0.2.9", 0, 1500, 10, false);
	/* One that has less than before. */
	flow(session, "192.0.2.9", 9, 100, 100, true);
	flow(session, "192.0.2.9", 9, 50, 50, false);
	assert_int_equal(figures_of(session).bytes_out, 6000 + 500 + 1500 + 100);
	assert_int_equal(figures_of(session).bytes_in, 30 + 0 + 10 + 100);
	assert_int_equal(figures_of(session).connections, 4);
	session_free(session);
}

/* What was there before the session counts from then on. */
static void test_older_flows(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	const struct session_note known = {.known = true};
	struct event event;

	(void)state;
	begin(&event, EVENT_FLOW, T0, NULL);
	set_address(&event, "192.0.2.9", 443);
	event.has |= EVENT_HAS_BYTES | EVENT_IS_LIVE;
	event.flow = 5;
	event.bytes_out = 1000;
	session_take(session, &event, &known);
	take(session, &event, NULL);
	event.kind = EVENT_CONNECTION;
	session_take(session, &event, &known);
	event.kind = EVENT_FLOW;
	assert_int_equal(figures_of(session).destinations, 0);
	assert_int_equal(figures_of(session).connections, 0);
	event.bytes_out = 1100;
	take(session, &event, NULL);
	assert_int_equal(figures_of(session).destinations, 1);
	assert_int_equal(figures_of(session).bytes_out, 100);
	session_free(session);
}

/* An alert has the category of its destination: as it was counted, or as the record has it. */
static void test_categories_of_alerts(void **state)
{
	struct session *session = make((struct session_ceilings){.destinations = 2});
	struct event event;

	(void)state;
	lease(session, "relay.example", "relay");
	begin(&event, EVENT_FLOW, T0, "relay.example");
	event.has |= EVENT_HAS_BYTES | EVENT_HAS_DURATION;
	event.bytes_out = 1 << 30;
	take(session, &event, NULL);
	assert_string_equal(find_told(ALERT_UPLOAD)->category, "relay");
	lease(session, "docs.example", "docs");
	lease(session, "one-more.example", NULL);
	assert_string_equal(find_told(ALERT_DESTINATIONS)->category, "");
	session_free(session);
	session = make((struct session_ceilings){.destinations = 2});
	lease(session, "a.example", "docs");
	lease(session, "b.example", "docs");
	begin(&event, EVENT_LEASE, T0, "c.example");
	event_set_rule(&event, "budget-destinations");
	event.verdict = EVENT_REFUSE;
	take(session, &event, "web");
	assert_string_equal(find_told(ALERT_DESTINATIONS)->category, "web");
	session_free(session);
}

/* Of flows that began before the session nothing counts that they may have carried before, and what
 * they carry from then on, where that is known, does. */
static void test_earlier_flows(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	const struct session_note known = {.known = true, .older = true}, older = {.older = true};
	struct session_figures figures;
	struct event event;

	(void)state;
	begin(&event, EVENT_FLOW, T0, NULL);
	set_address(&event, "192.0.2.9", 443);
	event.has |= EVENT_HAS_BYTES | EVENT_HAS_DURATION;
	event.duration = 3600 * (uint64_t)SECOND;
	event.bytes_out = 100 << 20;
	event.bytes_in = 1000;
	/* One that nobody had told of ends. */
	event.flow = 5;
	session_take(session, &event, &older);
	event.flow = 0;
	session_take(session, &event, &older);
	figures = figures_of(session);
	assert_int_equal(figures.bytes_out, 0);
	assert_int_equal(figures.destinations, 0);
	assert_int_equal(figures.connections, 0);
	/* One that was there when the session began goes on. */
	event.flow = 6;
	session_take(session, &event, &known);
	event.bytes_out += 1000;
	session_take(session, &event, &older);
	/* One that is told of the first time, and then ends. */
	event.flow = 7;
	event.has |= EVENT_IS_LIVE;
	session_take(session, &event, &older);
	event.has &= (uint16_t)~EVENT_IS_LIVE;
	event.bytes_in += 77;
	session_take(session, &event, &older);
	figures = figures_of(session);
	assert_int_equal(figures.bytes_out, 1000);
	assert_int_equal(figures.bytes_in, 77);
	assert_int_equal(figures.destinations, 1);
	assert_int_equal(figures.connections, 0);
	/* Nor is it a long upload of this session. */
	assert_int_equal(n_told, 0);
	session_free(session);
}

/* An address whose name is forgotten is no other destination. */
static void test_forgotten_name(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	struct event event;

	(void)state;
	lease(session, "a.example", "docs");
	flow(session, "192.0.2.1", 1, 100, 0, false);
	assert_int_equal(figures_of(session).destinations, 1);
	flow(session, "192.0.2.2", 2, 100, 0, false);
	flow(session, "192.0.2.2", 3, 100, 0, false);
	assert_int_equal(figures_of(session).destinations, 2);
	/* A name has more than one. */
	begin(&event, EVENT_LEASE, T0, "a.example");
	set_address(&event, "192.0.2.3", 443);
	take(session, &event, "docs");
	flow(session, "192.0.2.1", 4, 100, 0, false);
	flow(session, "192.0.2.3", 5, 100, 0, false);
	assert_int_equal(figures_of(session).destinations, 2);
	session_free(session);
}

/* Strangers' names make no table larger, and what isn't known counts. */
static void test_flood(void **state)
{
	struct session *session = make((struct session_ceilings){.destinations = 15000});
	struct session_figures figures;

	(void)state;
	for (unsigned i = 0; i < 14336; i++)
		lease_number(session, i, NULL);
	figures = figures_of(session);
	assert_int_equal(figures.destinations, 14336);
	assert_false(figures.is_full);
	for (unsigned i = 0; i < 14336; i++)
		lease_number(session, i, NULL);
	assert_int_equal(figures_of(session).destinations, 14336);
	assert_int_equal(n_told, 0);
	for (unsigned i = 0; i < 1000; i++)
		lease_number(session, 20000 + i % 2, NULL);
	figures = figures_of(session);
	assert_true(figures.is_full);
	assert_int_equal(figures.destinations, 15336);
	assert_int_equal(figures.unknown, 15336);
	assert_int_equal(count_told(ALERT_DESTINATIONS), 1);
	session_free(session);
}

/* --- Budgets --- */

static void test_budget_destinations(void **state)
{
	struct session *session =
		make((struct session_ceilings){.destinations = 10, .refuses = true});
	const struct alert *alert;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		lease_number(session, i, "docs");
	assert_int_equal(n_told, 0);
	lease_number(session, 10, NULL);
	lease_number(session, 11, NULL);
	assert_int_equal(n_told, 1);
	alert = find_told(ALERT_DESTINATIONS);
	assert_true(alert->refuses);
	assert_int_equal(alert->value, 11);
	assert_int_equal(alert->threshold, 10);
	assert_string_equal(alert->evidence[0], "last: n10.example tcp/443 (unknown)");
	assert_string_equal(alert->evidence[1], "before it: n9.example tcp/443 (docs)");
	assert_string_equal(alert->evidence[5], "docs: 10 of 11");
	/* A ceiling that was raised may be passed again. */
	session_extend(session, SESSION_KEY_DESTINATIONS, 4);
	lease_number(session, 13, NULL);
	lease_number(session, 14, NULL);
	assert_int_equal(n_told, 1);
	lease_number(session, 15, NULL);
	lease_number(session, 16, NULL);
	assert_int_equal(count_told(ALERT_DESTINATIONS), 2);
	session_free(session);
}

static void test_budget_unknown(void **state)
{
	struct session *session =
		make((struct session_ceilings){.has_unknown_share = true, .unknown_share = 0.5});
	const struct alert *alert;

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		lease_number(session, i, NULL);
	assert_int_equal(n_told, 0);
	lease_number(session, 9, "docs");
	alert = find_told(ALERT_UNKNOWN_SHARE);
	assert_int_equal(n_told, 1);
	assert_true(alert->value == 0.9);
	assert_string_equal(alert->evidence[0], "9 of 10 destinations have no category");
	session_free(session);
	/* A ceiling of none, and none. */
	session = make((struct session_ceilings){.has_unknown_share = true});
	for (unsigned i = 0; i < 11; i++)
		lease_number(session, i, i == 10 ? NULL : "docs");
	assert_int_equal(count_told(ALERT_UNKNOWN_SHARE), 1);
	session_free(session);
}

static void test_budget_bytes(void **state)
{
	struct session *session = make((struct session_ceilings){.bytes = 1000, .connections = 3});
	const struct alert *alert;

	(void)state;
	flow(session, "192.0.2.1", 1, 400, 5000, true);
	flow(session, "192.0.2.2", 2, 600, 5000, false);
	assert_int_equal(count_told(ALERT_BYTES), 0);
	flow(session, "192.0.2.1", 1, 401, 5000, true);
	alert = find_told(ALERT_BYTES);
	assert_int_equal(alert->value, 1001);
	assert_string_equal(alert->evidence[0], "192.0.2.2 tcp/443: 600 bytes sent");
	assert_string_equal(alert->evidence[1], "192.0.2.1 tcp/443: 401 bytes sent");
	flow(session, "192.0.2.1", 3, 1, 1, false);
	assert_int_equal(count_told(ALERT_CONNECTIONS), 0);
	flow(session, "192.0.2.1", 4, 1, 1, false);
	alert = find_told(ALERT_CONNECTIONS);
	assert_int_equal(alert->value, 4);
	assert_string_equal(alert->evidence[0], "192.0.2.1 tcp/443: 3 connections");
	session_free(session);
}

/* Who enforces a budget says so by the rule of a record. */
static void test_budget_elsewhere(void **state)
{
	struct session *session = make((struct session_ceilings){
		.destinations = 10, .wildcard_names = 64, .refuses = true});
	const struct alert *alert;
	struct event event;

	(void)state;
	begin(&event, EVENT_QUERY, T0, "late.example");
	event.verdict = EVENT_REFUSE;
	event_set_rule(&event, "budget-destinations");
	take(session, &event, NULL);
	take(session, &event, NULL);
	assert_int_equal(n_told, 1);
	alert = find_told(ALERT_DESTINATIONS);
	assert_int_equal(alert->value, 11);
	assert_int_equal(alert->threshold, 10);
	assert_true(alert->name.length > 0);
	event_set_rule(&event, "budget-wildcard-names");
	take(session, &event, NULL);
	assert_int_equal(count_told(ALERT_WILDCARD_NAMES), 1);
	/* Rules of other alerts are none of the policy's. */
	event_set_rule(&event, "beacon");
	take(session, &event, NULL);
	assert_int_equal(count_told(ALERT_BEACON), 0);
	session_free(session);
}

/* --- Refusals --- */

static void test_burst(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	const struct alert *alert;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		refuse(session, T0 + i * 100, i % 2 ? 3 : i % 200);
	session_pass(session, T0 + SECOND + 1000);
	assert_int_equal(n_told, 0);
	session_pass(session, T0 + 4 * SECOND);
	assert_int_equal(n_told, 1);
	alert = find_told(ALERT_REFUSALS);
	assert_int_equal(alert->value, 10000);
	assert_string_equal(
		alert->evidence[0], "10000 refusals within 60 s, of at least 24 destinations");
	assert_string_equal(alert->evidence[1], "203.0.0.4 tcp/443: 5000");
	assert_string_equal(alert->evidence[5], "rule default-deny: 10000");
	/* It is the same burst until a minute was quiet. */
	for (unsigned i = 0; i < 100; i++)
		refuse(session, T0 + 20 * SECOND, i);
	session_pass(session, T0 + 40 * SECOND);
	assert_int_equal(n_told, 1);
	session_pass(session, T0 + 120 * SECOND);
	for (unsigned i = 0; i < 100; i++)
		refuse(session, T0 + 200 * SECOND, i);
	session_pass(session, T0 + 210 * SECOND);
	assert_int_equal(n_told, 2);
	assert_int_equal(figures_of(session).refused, 10200);
	session_free(session);
}

static void test_burst_goes_on(void **state)
{
	struct session *session = make((struct session_ceilings){0});

	(void)state;
	for (unsigned i = 0; i < 20 * 20; i++)
		refuse(session, T0 + i * SECOND / 20, i);
	assert_int_equal(n_told, 1);
	/* Refusals at 12 s: 2.5 s to reach the threshold, and ten more. */
	assert_in_range(told[0].value, 245, 255);
	session_free(session);
}

static void test_no_burst(void **state)
{
	struct session *session = make((struct session_ceilings){0});

	(void)state;
	/* One that tries again and again. */
	for (unsigned i = 0; i < 600; i++)
		refuse(session, T0 + i * SECOND / 10, 1);
	/* Many, slowly. */
	for (unsigned i = 0; i < 300; i++)
		refuse(session, T0 + (300 + i * 2) * SECOND, i);
	session_end(session, T0 + 2000 * SECOND);
	assert_int_equal(n_told, 0);
	/* But not without end. */
	for (unsigned i = 0; i < 1000; i++)
		refuse(session, T0 + 3000 * SECOND + i * SECOND / 100, 1);
	session_end(session, T0 + 3010 * SECOND);
	assert_int_equal(count_told(ALERT_REFUSALS), 1);
	session_free(session);
}

static void test_burst_at_end(void **state)
{
	struct session *session = make((struct session_ceilings){0});

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		refuse(session, T0, i);
	assert_int_equal(n_told, 0);
	session_end(session, T0 + 1000);
	session_end(session, T0 + 1000);
	assert_int_equal(n_told, 1);
	session_free(session);
}

/* What was refused without a record counts, too. */
static void test_lost_refusals(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	struct event event;

	(void)state;
	begin(&event, EVENT_LOST, T0, NULL);
	event.loss = EVENT_LOST_CONNECTIONS;
	event.count = 5000;
	take(session, &event, NULL);
	assert_int_equal(figures_of(session).refused, 0);
	event.verdict = EVENT_REFUSE;
	event_set_rule(&event, "default-deny");
	take(session, &event, NULL);
	assert_int_equal(figures_of(session).refused, 5000);
	session_end(session, T0);
	assert_int_equal(count_told(ALERT_REFUSALS), 1);
	session_free(session);
}

/* Time that jumps breaks nothing. */
static void test_times(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	static const int64_t times[] = {
		0, -1, INT64_MIN, 1, T0 + SECOND, T0 - 1000 * SECOND, INT64_MAX, T0, INT64_MAX - 1};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		refuse(session, times[i % (sizeof(times) / sizeof(times[0]))], i);
	session_end(session, 0);
	assert_int_equal(figures_of(session).refused, 1000);
	session_free(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_live_flows),
		cmocka_unit_test(test_older_flows),
		cmocka_unit_test(test_earlier_flows),
		cmocka_unit_test(test_categories_of_alerts),
		cmocka_unit_test(test_forgotten_name),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_budget_destinations),
		cmocka_unit_test(test_budget_unknown),
		cmocka_unit_test(test_budget_bytes),
		cmocka_unit_test(test_budget_elsewhere),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_burst_goes_on),
		cmocka_unit_test(test_no_burst),
		cmocka_unit_test(test_burst_at_end),
		cmocka_unit_test(test_lost_refusals),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
