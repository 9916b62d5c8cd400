/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static char bytes[4096];

/* Whether that is all that was written. */
static void is_text(const struct metrics *metrics, const char *expected)
{
	size_t size = metrics_end(metrics);

	assert_in_range(size, 1, sizeof(bytes) - 1);
	bytes[size] = '\0';
	assert_string_equal(bytes, expected);
}

static void test_families(void **state)
{
	struct metrics metrics = metrics_over(bytes, sizeof(bytes));
	const struct metrics_label labels[] = {{"a", "1"}, {NULL, NULL}, {"b", "2"}};

	(void)state;
	metrics_family(&metrics, "x_total", METRICS_COUNTER, "How many.");
	metrics_count(&metrics, "", (struct metrics_label){NULL, NULL}, UINT64_MAX);
	metrics_count(&metrics, "", (struct metrics_label){"rule", "allow-1"}, 0);
	metrics_family(&metrics, "y", METRICS_GAUGE, "How much.");
	metrics_labelled(&metrics, "", labels, 3, 1, 0);
	is_text(&metrics, "# HELP x_total How many.\n"
			  "# TYPE x_total counter\n"
			  "x_total 18446744073709551615\n"
			  "x_total{rule=\"allow-1\"} 0\n"
			  "# HELP y How much.\n"
			  "# TYPE y gauge\n"
			  "y{a=\"1\",b=\"2\"} 1\n");
}

static void test_decimals(void **state)
{
	static const struct {
		uint64_t value;
		unsigned digits;
		const char *expected;
	} cases[] = {
		{0, 0, "0"},
		{0, 3, "0"},
		{1, 3, "0.001"},
		{120, 3, "0.12"},
		{1000, 3, "1"},
		{1050, 3, "1.05"},
		{12345, 3, "12.345"},
		{1000000, 6, "1"},
		{UINT64_MAX, 6, "18446744073709.551615"},
		/* No more digits than there are. */
		{7, 9, "0.000007"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metrics metrics = metrics_over(bytes, sizeof(bytes));
		char expected[64];

		metrics.family = "z";
		metrics_decimal(&metrics, "_sum", (struct metrics_label){NULL, NULL},
			cases[i].value, cases[i].digits);
		strcat(strcat(strcpy(expected, "z_sum "), cases[i].expected), "\n");
		is_text(&metrics, expected);
	}
}

static void test_escapes(void **state)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
		{"", ""},
		{"a\"b", "a\\\"b"},
		{"a\\b", "a\\\\b"},
		{"a\nb 2\n", "a\\nb 2\\n"},
		{"\x1b[2J\r\t\x7f", "\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		/* No UTF-8: a byte on its own, an overlong form, a surrogate, the end missing */
		{"\xff", "\xef\xbf\xbd"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
		/* What turns text around */
		{"\xe2\x80\xae", "\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metrics metrics = metrics_over(bytes, sizeof(bytes));
		char expected[128];

		metrics.family = "z";
		metrics_count(&metrics, "", (struct metrics_label){"l", cases[i].value}, 1);
		strcat(strcat(strcpy(expected, "z{l=\""), cases[i].expected), "\"} 1\n");
		is_text(&metrics, expected);
	}
}

static void test_long_values_are_cut(void **state)
{
	struct metrics metrics = metrics_over(bytes, sizeof(bytes));
	char *value = calloc(1, 100000);

	(void)state;
	memset(value, '"', 99999);
	metrics.family = "z";
	metrics_count(&metrics, "", (struct metrics_label){"l", value}, 1);
	free(value);
	assert_int_equal(metrics_end(&metrics), strlen("z{l=\"\"} 1\n") + 2 * METRICS_VALUE);
}

/* Buckets are of all that took no longer, in the order of their bounds. */
static void test_histogram(void **state)
{
	static const unsigned bounds[] = {1, 25, 1000};
	static const uint64_t counts[] = {2, 0, 3, 5};
	struct metrics metrics = metrics_over(bytes, sizeof(bytes));

	(void)state;
	metrics.family = "h";
	metrics_histogram(
		&metrics, (struct metrics_label){"server", "a"}, bounds, counts, 3, 1234500);
	is_text(&metrics, "h_bucket{server=\"a\",le=\"0.001\"} 2\n"
			  "h_bucket{server=\"a\",le=\"0.025\"} 2\n"
			  "h_bucket{server=\"a\",le=\"1\"} 5\n"
			  "h_bucket{server=\"a\",le=\"+Inf\"} 10\n"
			  "h_sum{server=\"a\"} 1.2345\n"
			  "h_count{server=\"a\"} 10\n");
}

/* Half a text is worse than none. */
static void test_no_room(void **state)
{
	(void)state;
	for (size_t size = 0; size < 60; size++) {
		char *room = malloc(size + 1);
		struct metrics metrics = metrics_over(room, size);

		metrics_family(&metrics, "x_total", METRICS_COUNTER, "How many.");
		metrics_count(&metrics, "", (struct metrics_label){"rule", "a\"b"}, 10);
		assert_int_equal(metrics_end(&metrics), 0);
		free(room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_long_values_are_cut),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
