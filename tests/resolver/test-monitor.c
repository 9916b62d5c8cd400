/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/monitor.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/slate.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/log.h"

/* What a watcher tells of a session, and that the next one goes on with it. */

#define T0 INT64_C(1763730302000000)
#define SECOND INT64_C(1000000)

static const char policy_text[] = "version = 1\n"
				  "name = \"agent\"\n"
				  "[[allow]]\n"
				  "host = \"*.lab.example\"\n"
				  "[budget]\n"
				  "destinations = 3\n"
				  "on_exceed = \"refuse\"\n";

static struct arena *arena;
static struct compiled compiled;
static struct slate *slate;

static char lines[64][EVENT_LINE + 1];
static unsigned n_lines, n_alerts;

static void write_line(void *context, const char *line, size_t size, const struct alert *alert)
{
	(void)context;
	assert_in_range(n_lines, 0, 63);
	assert_int_equal(line[size - 1], '\n');
	memcpy(lines[n_lines], line, size - 1);
	lines[n_lines++][size - 1] = '\0';
	n_alerts += alert != NULL;
}

static int set_up(void **state)
{
	const struct compile_options options = {
		.policy = "agent.toml", .text = policy_text, .size = sizeof(policy_text) - 1};

	struct diag *diag;
	int error;

	(void)state;
	n_lines = n_alerts = 0;
	assert_int_equal(slate_new(&slate), 0);
	assert_int_equal(arena_new((size_t)1 << 30, &arena), 0);
	diag = diag_new(arena);
	error = compile_policy(arena, &options, diag, &compiled);
	if (error)
		diag_print(diag, stderr);
	return error;
}

static int tear_down(void **state)
{
	(void)state;
	slate_free(slate);
	arena_free(arena);
	return 0;
}

static struct monitor *make(struct monitor_past past)
{
	const struct monitor_config config = {.compiled = compiled,
		.session = "s-1",
		.past = past,
		.phase = SESSION_START,
		.slate = slate,
		.write = write_line};
	struct monitor *monitor;

	assert_int_equal(monitor_new(&config, &monitor), 0);
	return monitor;
}

static void lease(struct monitor *monitor, unsigned number, int64_t time, int64_t now)
{
	const struct session_note note = {.category = "docs"};
	struct event event;
	char name[32];

	event_begin_at(&event, EVENT_LEASE, time);
	event.has = EVENT_HAS_VERDICT;
	snprintf(name, sizeof(name), "n%u.lab.example", number);
	assert_int_equal(name_from_text(text_of(name), &event.name), 0);
	monitor_take(monitor, &event, &note, now);
}

/* The member of a line, as text. */
static const char *member(unsigned line, const char *key)
{
	static char text[256];
	json_t *read = json_loads(lines[line], 0, NULL), *value = json_object_get(read, key);

	assert_non_null(read);
	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%s", value ? json_string_value(value) : "");
	json_decref(read);
	return text;
}

static void test_records(void **state)
{
	struct monitor *monitor = make((struct monitor_past){0});
	int wait;

	(void)state;
	assert_int_equal(monitor_tick(monitor, T0), -1);
	assert_int_equal(n_lines, 1);
	assert_string_equal(member(0, "phase"), "start");
	assert_string_equal(member(0, "session"), "s-1");
	/* Nothing has changed. */
	assert_int_equal(monitor_tick(monitor, T0 + 3600 * SECOND), -1);
	assert_int_equal(n_lines, 1);
	lease(monitor, 1, T0 + 3600 * SECOND, T0 + 3600 * SECOND);
	assert_int_equal(monitor_tick(monitor, T0 + 3600 * SECOND), -1);
	assert_int_equal(n_lines, 2);
	assert_string_equal(member(1, "phase"), "summary");
	assert_string_equal(member(1, "destinations"), "1");
	/* Then once a minute. */
	for (unsigned i = 1; i < 119; i++) {
		int64_t now = T0 + (3600 + i) * SECOND;

		lease(monitor, 2, now, now);
		wait = monitor_tick(monitor, now);
		assert_true(wait <= 60001);
	}
	assert_int_equal(n_lines, 3);
	/* A clock that was set back keeps nothing. */
	lease(monitor, 2, T0, T0);
	monitor_tick(monitor, T0);
	assert_int_equal(n_lines, 4);
	monitor_finish(monitor, true, T0 + 4000 * SECOND);
	assert_int_equal(n_lines, 5);
	assert_string_equal(member(4, "phase"), "end");
	assert_string_equal(member(4, "destinations"), "2");
	monitor_free(monitor);
}

static void test_alerts(void **state)
{
	struct monitor *monitor = make((struct monitor_past){0});
	struct session_figures figures;

	(void)state;
	monitor_tick(monitor, T0);
	for (unsigned i = 0; i < 6; i++)
		lease(monitor, i, T0, T0);
	assert_int_equal(n_alerts, 1);
	assert_string_equal(member(1, "kind"), "alert");
	assert_string_equal(member(1, "rule"), "budget-destinations");
	assert_string_equal(member(1, "verdict"), "refuse");
	monitor_extend(monitor, SESSION_KEY_DESTINATIONS, 10, T0);
	assert_string_equal(member(2, "phase"), "extend");
	monitor_figures(monitor, &figures);
	assert_int_equal(figures.ceilings.destinations, 13);
	for (unsigned i = 6; i < 13; i++)
		lease(monitor, i, T0, T0);
	assert_int_equal(n_alerts, 1);
	lease(monitor, 13, T0, T0);
	assert_int_equal(n_alerts, 2);
	monitor_free(monitor);
}

/* Times of records are anybody's. */
static void test_times(void **state)
{
	struct monitor *monitor = make((struct monitor_past){0});

	(void)state;
	monitor_tick(monitor, T0);
	lease(monitor, 1, INT64_MAX, T0);
	lease(monitor, 2, INT64_MIN, T0);
	lease(monitor, 3, 0, T0);
	lease(monitor, 4, T0 + 3600 * SECOND, T0);
	assert_int_equal(n_alerts, 1);
	assert_string_equal(member(1, "time"), "2025-11-21T13:05:02.000000Z");
	monitor_free(monitor);
}

static void test_goes_on(void **state)
{
	char *text = malloc(SESSION_SAVED), record[EVENT_LINE];
	struct monitor *monitor = make((struct monitor_past){0});
	struct session_figures figures;
	size_t size;

	(void)state;
	assert_non_null(text);
	monitor_tick(monitor, T0);
	/* One without destinations is no baseline. */
	assert_int_equal(slate_get_record(slate, record, &size), 0);
	assert_int_equal(size, 0);
	for (unsigned i = 0; i < 5; i++)
		lease(monitor, i, T0, T0);
	monitor_tick(monitor, T0 + SECOND / 2);
	assert_int_equal(slate_round(slate), 1);
	monitor_tick(monitor, T0 + 10 * SECOND);
	assert_int_equal(slate_round(slate), 2);
	assert_int_equal(slate_get_figures(slate, &figures), 0);
	assert_int_equal(figures.destinations, 5);
	assert_int_equal(slate_get_record(slate, record, &size), 0);
	record[size] = '\0';
	assert_non_null(strstr(record, "\"phase\":\"end\""));
	assert_non_null(strstr(record, "\"destinations\":5"));
	monitor_free(monitor);

	n_lines = n_alerts = 0;
	assert_int_equal(slate_get_text(slate, text, &size), 0);
	monitor = make((struct monitor_past){.text = text, .text_size = size});
	monitor_tick(monitor, T0 + 11 * SECOND);
	assert_string_equal(member(0, "phase"), "summary");
	assert_string_equal(member(0, "destinations"), "5");
	assert_string_equal(member(0, "since"), "2025-11-21T13:05:02.000000Z");
	lease(monitor, 9, T0 + 11 * SECOND, T0 + 11 * SECOND);
	assert_int_equal(n_alerts, 0);
	monitor_finish(monitor, false, T0 + 12 * SECOND);
	assert_int_equal(n_lines, 1);
	assert_int_equal(slate_get_figures(slate, &figures), 0);
	assert_int_equal(figures.destinations, 6);
	monitor_free(monitor);

	/* A text that is none. */
	n_lines = 0;
	monitor = make((struct monitor_past){.text = text, .text_size = size / 2});
	monitor_tick(monitor, T0 + 11 * SECOND);
	assert_string_equal(member(0, "phase"), "start");
	assert_string_equal(member(0, "destinations"), "0");
	monitor_free(monitor);
	free(text);
}

static void test_earlier(void **state)
{
	char text[16384] = "";
	struct session_figures figures;
	struct monitor *monitor;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		strcat(text, "{\"time\":\"2025-11-21T13:05:02.000000Z\",\"kind\":\"session\","
			     "\"policy\":\"agent\",\"session\":\"s\",\"phase\":\"end\","
			     "\"destinations\":8,\"alerts\":0,\"categories\":{\"docs\":8}}\n");
	strcat(text, "nonsense\n");
	monitor = make((struct monitor_past){.sessions = text, .sessions_size = strlen(text)});
	monitor_figures(monitor, &figures);
	assert_int_equal(figures.baseline_sessions, 6);
	assert_true(figures.baseline_ready);
	monitor_tick(monitor, T0);
	assert_non_null(strstr(lines[0], "\"baseline\":{\"sessions\":6,\"state\":\"ready\"}"));
	monitor_free(monitor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_records),
		TEST(test_alerts),
		TEST(test_times),
		TEST(test_goes_on),
		TEST(test_earlier),
	};

	log_start("test-monitor", NULL, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
