/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "src/base/clock.h"

static int64_t monotonic_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void now_is_the_monotonic_clock(void **state)
{
	int64_t before = monotonic_ms();
	struct mono now = clock_now();
	int64_t after = monotonic_ms();

	(void)state;
	assert_true(before <= now.ms);
	assert_true(now.ms <= after);
}

static void now_never_runs_backwards(void **state)
{
	struct mono last = clock_now();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct mono now = clock_now();

		assert_false(mono_before(now, last));
		last = now;
	}
}

static void spans_add_up(void **state)
{
	struct mono start = {.ms = 5000};
	struct mono later = mono_add(start, duration_seconds(3));

	(void)state;
	assert_int_equal(duration_seconds(-2).ms, -2000);
	assert_int_equal(later.ms, 8000);
	assert_int_equal(mono_between(start, later).ms, 3000);
	assert_int_equal(mono_between(later, start).ms, -3000);
	assert_true(mono_before(start, later));
	assert_false(mono_before(later, start));
	assert_false(mono_before(start, start));
}

static void days_are_those_of_the_calendar(void **state)
{
	uint64_t days = 0;

	(void)state;
	/* The C library's calendar, day by day, to 2400 and beyond. */
	for (time_t at = 0; at < (time_t)86400 * 366 * 450; at += 86400, days++) {
		struct tm tm;

		assert_non_null(gmtime_r(&at, &tm));
		assert_int_equal(clock_days((unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1,
					 (unsigned)tm.tm_mday),
			days);
	}
	assert_int_equal(clock_days(2026, 2, 31), clock_days(2026, 3, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now_is_the_monotonic_clock),
		cmocka_unit_test(now_never_runs_backwards),
		cmocka_unit_test(spans_add_up),
		cmocka_unit_test(days_are_those_of_the_calendar),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
