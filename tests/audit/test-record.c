/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/audit/lines.h"
#include "src/audit/record.h"

#define TIME "\"time\":\"2026-11-21T13:05:02.123456Z\""

static int read_text(const char *line, struct record *record)
{
	return record_read(line, strlen(line), record);
}

static void expect_bad(const char *line)
{
	struct record record;

	if (read_text(line, &record) != -EBADMSG)
		fail_msg("taken: %s", line);
}

static void expect_good(const char *line)
{
	struct record record;

	if (read_text(line, &record) != 0)
		fail_msg("not taken: %s", line);
	record_free(&record);
}

static void test_all_members(void **state)
{
	struct record record;

	(void)state;
	assert_int_equal(
		read_text("{" TIME ",\"kind\":\"flow\",\"policy\":\"agent\",\"session\":"
			  "\"s 1\",\"verdict\":\"flag\",\"rule\":\"npm:allow-1\",\"name\":"
			  "\"a.example\",\"address\":\"2001:db8::1\",\"port\":443,"
			  "\"protocol\":\"tcp\",\"category\":\"caf\\u00e9\",\"bytes_out\":1,"
			  "\"packets_out\":2,\"bytes_in\":9007199254740992,"
			  "\"packets_in\":4,\"duration\":1.5,\"live\":true,\"later\":[1]}",
			&record),
		0);
	assert_int_equal(record.kind, RECORD_FLOW);
	assert_int_equal(record.at, 1795266302123456);
	assert_string_equal(record.policy, "agent");
	assert_string_equal(record.session, "s 1");
	assert_int_equal(record.verdict, VERDICT_FLAG);
	assert_string_equal(record.rule, "npm:allow-1");
	assert_string_equal(record.name, "a.example");
	assert_true(record.has_address);
	assert_int_equal(record.port, 443);
	assert_string_equal(record.protocol, "tcp");
	assert_string_equal(record.category, "caf\xc3\xa9");
	assert_int_equal(record.bytes_out, 1);
	assert_int_equal(record.packets_out, 2);
	assert_int_equal(record.bytes_in, 9007199254740992);
	assert_int_equal(record.packets_in, 4);
	assert_true(record.duration > 1.49 && record.duration < 1.51);
	assert_true(record.live);
	assert_string_equal(record.type, "");
	record_free(&record);
}

static void test_least(void **state)
{
	struct record record;

	(void)state;
	assert_int_equal(read_text("{" TIME ",\"kind\":\"later\"}", &record), 0);
	assert_int_equal(record.kind, RECORD_OTHER);
	assert_int_equal(record.port, -1);
	assert_false(record.has_address);
	assert_string_equal(record.name, "");
	record_free(&record);
}

static void test_alert(void **state)
{
	struct record record;

	(void)state;
	assert_int_equal(
		read_text("{" TIME ",\"kind\":\"alert\",\"verdict\":\"refuse\",\"rule\":\"upload\","
			  "\"name\":\"a.example\",\"port\":443,\"protocol\":\"tcp\","
			  "\"value\":12.5,\"threshold\":10,\"p\":1e-5,\"evidence\":[\"one\","
			  "\"two\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"],"
			  "\"suppressed\":7}",
			&record),
		0);
	assert_int_equal(record.kind, RECORD_ALERT);
	assert_int_equal(record.verdict, VERDICT_REFUSE);
	assert_true(record.value == 12.5);
	assert_true(record.threshold == 10);
	assert_true(record.p == 1e-5);
	assert_int_equal(record.n_evidence, RECORD_EVIDENCE);
	assert_string_equal(record.evidence[0], "one");
	assert_string_equal(record.evidence[7], "8");
	assert_int_equal(record.suppressed, 7);
	assert_null(record.figures);
	record_free(&record);
	assert_int_equal(read_text("{" TIME ",\"kind\":\"alert\"}", &record), 0);
	assert_true(record.p == -1);
	assert_int_equal(record.n_evidence, 0);
	record_free(&record);
}

static void test_session(void **state)
{
	struct record record;
	const struct record_session *figures;

	(void)state;
	assert_int_equal(
		read_text("{" TIME ",\"kind\":\"session\",\"phase\":\"end\",\"since\":"
			  "\"1970-01-01T00:00:01Z\",\"destinations\":7,\"unknown\":1,"
			  "\"wildcard_names\":2,\"connections\":3,\"refused\":4,"
			  "\"alerts\":5,\"categories\":{\"docs\":6,\"caf\\u00e9\":1},"
			  "\"budget\":{\"destinations\":{\"used\":7,\"of\":10,\"later\":1},"
			  "\"unknown_share\":{\"of\":0.5,\"used\":0.25}},\"baseline\":"
			  "{\"sessions\":12,\"state\":\"ready\",\"later\":\"x\"}}",
			&record),
		0);
	figures = record.figures;
	assert_non_null(figures);
	assert_string_equal(record.phase, "end");
	assert_int_equal(record.since, 1000000);
	assert_int_equal(record.destinations, 7);
	assert_int_equal(record.unknown, 1);
	assert_int_equal(record.wildcard_names, 2);
	assert_int_equal(record.connections, 3);
	assert_int_equal(record.refused, 4);
	assert_int_equal(record.alerts, 5);
	assert_int_equal(figures->n_categories, 2);
	assert_string_equal(figures->categories[1].name, "caf\xc3\xa9");
	assert_int_equal(figures->categories[0].destinations, 6);
	assert_int_equal(figures->n_budgets, 2);
	assert_string_equal(figures->budgets[1].key, "unknown_share");
	assert_true(figures->budgets[1].used == 0.25 && figures->budgets[1].of == 0.5);
	assert_true(figures->budgets[0].used == 7 && figures->budgets[0].of == 10);
	assert_int_equal(figures->baseline_sessions, 12);
	assert_string_equal(figures->baseline, "ready");
	record_free(&record);
}

static void test_bad_parts(void **state)
{
	(void)state;
	expect_bad("{" TIME ",\"kind\":\"alert\",\"evidence\":\"x\"}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"evidence\":[1]}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"evidence\":[[\"x\"]]}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"evidence\":[\"a\\nb\"]}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"value\":-1}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"value\":1e999}");
	expect_bad("{" TIME ",\"kind\":\"alert\",\"value\":\"1\"}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"categories\":[]}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"categories\":{\"a\":\"1\"}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"categories\":{\"a\":{\"b\":1}}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"categories\":{\"a\\u0000b\":1}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"budget\":{\"a\":1}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"budget\":{\"a\":{\"used\":\"1\"}}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"budget\":{\"a\":{\"used\":{}}}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"budget\":{\"a b\":{\"used\":1}}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"baseline\":{\"sessions\":-1}}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"baseline\":\"cold\"}");
	expect_bad("{" TIME ",\"kind\":\"session\",\"baseline\":null}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":{\"a\":1}}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":null}");
	expect_bad("[{" TIME ",\"kind\":\"query\"}]");
	/* What is not known may be anything, but not without end. */
	expect_good("{" TIME ",\"kind\":\"query\",\"x\":[{\"name\":7},[null,true],\"\"]}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"x\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"x\":"
		   "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
		   "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}}");
}

/* Of whatever bytes come, those that are taken are as they must be: the sanitizers look. */
static void test_mutations(void **state)
{
	static const char line[] =
		"{" TIME ",\"kind\":\"session\",\"policy\":\"agent\",\"session\":\"s\","
		"\"phase\":\"end\",\"name\":\"a.example\",\"address\":\"192.0.2.1\","
		"\"categories\":{\"a\\u00e9\":1,\"b\":2},\"budget\":{\"bytes\":{\"used\":"
		"1.5,\"of\":2}},\"baseline\":{\"sessions\":1,\"state\":\"cold\"},"
		"\"evidence\":[\"x\",\"y\"],\"live\":true,\"reason\":\"caf\xc3\xa9\"}";
	static const char bytes[] = "{}[]\",:\\ue0159.-+tfn \xc3\x01\x7f";
	uint64_t seed = 88172645463325252;
	size_t taken = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char *copy = malloc(sizeof(line) - 1);
		struct record record;

		assert_non_null(copy);
		memcpy(copy, line, sizeof(line) - 1);
		for (int j = 0; j < 1 + i % 3; j++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			copy[seed % (sizeof(line) - 1)] = bytes[(seed >> 32) % (sizeof(bytes) - 1)];
		}
		if (record_read(copy, sizeof(line) - 1 - (size_t)(i % 5), &record) == 0) {
			for (const char *at = record.name; *at; at++)
				assert_true(*at > ' ' && *at <= '~');
			taken++;
			record_free(&record);
		}
		free(copy);
	}
	assert_true(taken > 1000);
}

static void test_bad(void **state)
{
	(void)state;
	expect_bad("");
	expect_bad("{");
	expect_bad("[]");
	expect_bad("7");
	expect_bad("{\"kind\":\"query\"}");
	expect_bad("{" TIME "}");
	expect_bad("{" TIME ",\"kind\":7}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"kind\":\"flow\"}");
	expect_bad("{" TIME ",\"kind\":\"query\"} x");
	expect_bad("{" TIME ",\"kind\":\"query\",\"verdict\":\"perhaps\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":7}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"a b\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"a\\nb\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"a\\u001b[31m\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"caf\\u00e9\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"a\\u0000b\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"name\":\"\xff\"}");
	expect_bad("{" TIME ",\"kind\":\"query\",\"rule\":\"a\\u202eb\"}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"bytes_out\":-1}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"bytes_out\":1.5}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"bytes_out\":9007199254740993}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"bytes_out\":\"1\"}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"port\":65536}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"address\":\"1.2.3\"}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"address\":\"example.org\"}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"duration\":-1}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"duration\":\"1\"}");
	expect_bad("{" TIME ",\"kind\":\"flow\",\"live\":1}");
	expect_good("{" TIME ",\"kind\":\"query\",\"name\":\"a\\\\010b\"}");
}

static void test_long(void **state)
{
	char *line;

	(void)state;
	assert_true(asprintf(&line, "{" TIME ",\"kind\":\"query\",\"name\":\"%01024d\"}", 0) > 0);
	expect_bad(line);
	free(line);
	assert_true(asprintf(&line, "{" TIME ",\"kind\":\"query\",\"name\":\"%01023d\"}", 0) > 0);
	expect_good(line);
	free(line);
	assert_true(asprintf(&line, "{" TIME ",\"kind\":\"query\"%*s}", RECORD_LINE_MAX, "") > 0);
	expect_bad(line);
	free(line);
	/* Deep as it may be, it is no record. */
	line = malloc(RECORD_LINE_MAX);
	assert_non_null(line);
	memset(line, '[', RECORD_LINE_MAX);
	struct record record;
	assert_int_equal(record_read(line, RECORD_LINE_MAX, &record), -EBADMSG);
	free(line);
}

static void test_time(void **state)
{
	static const char *const bad[] = {"", "2026-11-21", "2026-11-21T13:05:02", "x",
		"2026-13-21T13:05:02Z", "2026-11-21T24:05:02Z", "2026-11-21T13:05:02.Zx",
		"2026-11-21T13:05:02+01:00", "1969-12-31T23:59:59Z", "2026-11-21T13:05:02.5",
		"99999-11-21T13:05:02Z"};
	int64_t at = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (record_time_from_text(bad[i], &at) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(at, 7);
	assert_int_equal(record_time_from_text("1970-01-01T00:00:01Z", &at), 0);
	assert_int_equal(at, 1000000);
	assert_int_equal(record_time_from_text("1970-01-01T00:00:01.0000019Z", &at), 0);
	assert_int_equal(at, 1000001);
	assert_int_equal(record_time_from_text("9999-12-31T23:59:60.5Z", &at), 0);
}

/* --- Lines --- */

struct seen {
	char text[256];
	size_t length;
};

static void note(void *context, const char *line, size_t size)
{
	struct seen *seen = context;

	seen->length += (size_t)snprintf(seen->text + seen->length,
		sizeof(seen->text) - seen->length, "<%.*s>", line && size < 20 ? (int)size : 4,
		!line       ? "LONG"
		: size < 20 ? line
			    : "most");
}

static void expect_lines(const char *bytes, size_t size, size_t step, const char *expected)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct seen seen = {.length = 0};

	assert_non_null(lines);
	for (size_t i = 0; i < size; i += step) {
		/* Of their own, for the sanitizer to see reads behind them. */
		size_t length = size - i < step ? size - i : step;
		char *copy = malloc(length);

		assert_non_null(copy);
		memcpy(copy, bytes + i, length);
		lines_take(lines, copy, length, note, &seen);
		free(copy);
	}
	assert_string_equal(seen.text, expected);
	free(lines);
}

static void test_last_line(void **state)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct seen seen = {.length = 0};

	(void)state;
	assert_non_null(lines);
	lines_take(lines, "one\ntwo", 7, note, &seen);
	lines_finish(lines, note, &seen);
	lines_finish(lines, note, &seen);
	assert_string_equal(seen.text, "<one><two>");
	free(lines);
}

static void test_lines(void **state)
{
	static const char text[] = "one\n\ntwo three\nfour";
	static char bytes[3 * RECORD_LINE_MAX];

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++)
		expect_lines(text, sizeof(text) - 1, step, "<one><><two three>");
	memset(bytes, 'x', sizeof(bytes));
	bytes[RECORD_LINE_MAX] = '\n';
	memcpy(bytes + RECORD_LINE_MAX + 1, "end\nlast\n", 9);
	for (size_t step = 1; step < sizeof(bytes); step = step * 3 + 1)
		expect_lines(bytes, sizeof(bytes), step, "<most><end><last>");
	bytes[RECORD_LINE_MAX] = 'x';
	for (size_t step = 1; step < sizeof(bytes); step = step * 3 + 1)
		expect_lines(bytes, 2 * RECORD_LINE_MAX, step, "<LONG><last>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_members),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_alert),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_bad_parts),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_last_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
