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

#include <errno.h>

#include "src/audit/filter.h"

#define SECOND ((int64_t)1000000)

/* 2026-11-21T13:05:02Z */
#define NOW (1795266302 * SECOND)

static void expect_time(const char *text, int64_t seconds)
{
	int64_t at = -1;

	if (filter_time(text, NOW, &at) != 0)
		fail_msg("not taken: %s", text);
	if (at != seconds * SECOND)
		fail_msg("%s is %lld", text, (long long)(at / SECOND));
}

static void test_times(void **state)
{
	static const char *const bad[] = {"", "x", "2026", "2026-11", "2026-11-21T", "2026-13-01",
		"2026-11-21T13:05:02+01:00", "25:00", "13:5", "13:05:0", "2h3", "-2h", "h",
		"2026-11-21T13:05:02.123456789012345Z"};
	int64_t at = 7;

	(void)state;
	expect_time("2026-11-21", 1795219200);
	expect_time("2026-11-21T13", 1795266000);
	expect_time("2026-11-21T13:05", 1795266300);
	expect_time("2026-11-21 13:05:02", 1795266302);
	expect_time("2026-11-21T13:05:02Z", 1795266302);
	expect_time("13:05", 1795266300);
	expect_time("00:00:01", 1795219201);
	expect_time("2h", 1795266302 - 7200);
	expect_time("90s", 1795266302 - 90);
	expect_time("99999d", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (filter_time(bad[i], NOW, &at) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(at, 7);
}

static struct record record_of(void)
{
	struct record record = {
		.kind = RECORD_QUERY,
		.at = NOW,
		.policy = "agent",
		.session = "s-1",
		.rule = "default-deny",
		.name = "api.Lab.example",
		.verdict = VERDICT_REFUSE,
		.has_verdict = true,
	};

	return record;
}

static bool takes(struct filter filter, const struct record *record)
{
	filter.until = filter.until ? filter.until : INT64_MAX;
	return filter_takes(&filter, record);
}

static void test_filters(void **state)
{
	struct record record = record_of();

	(void)state;
	assert_true(takes((struct filter){0}, &record));
	assert_true(takes((struct filter){.since = NOW}, &record));
	assert_false(takes((struct filter){.since = NOW + 1}, &record));
	assert_true(takes((struct filter){.until = NOW + 1}, &record));
	assert_false(takes((struct filter){.until = NOW}, &record));
	assert_true(takes((struct filter){.name = "*.lab.EXAMPLE"}, &record));
	assert_false(takes((struct filter){.name = "lab.example"}, &record));
	assert_true(takes((struct filter){.rule = "default-*"}, &record));
	assert_false(takes((struct filter){.rule = "allow-*"}, &record));
	assert_true(takes((struct filter){.policy = "agent", .session = "s-?"}, &record));
	assert_false(takes((struct filter){.policy = "agents"}, &record));
	assert_false(takes((struct filter){.session = "s"}, &record));
	assert_true(takes((struct filter){.kinds = 1u << RECORD_QUERY}, &record));
	assert_false(takes((struct filter){.kinds = 1u << RECORD_ALERT}, &record));
	assert_true(takes((struct filter){.verdicts = 1u << VERDICT_REFUSE}, &record));
	assert_false(takes((struct filter){.verdicts = 1u << VERDICT_PERMIT}, &record));
	/* One that has no verdict is none that is permitted. */
	record.has_verdict = false;
	record.verdict = VERDICT_PERMIT;
	assert_false(takes((struct filter){.verdicts = 1u << VERDICT_PERMIT}, &record));
	/* An address stands for a name that isn't known. */
	record.name = "";
	assert_false(takes((struct filter){.name = "192.*"}, &record));
	record.has_address = true;
	record.address = inaddr_from_ip4((const uint8_t[4]){192, 0, 2, 1});
	assert_true(takes((struct filter){.name = "192.*"}, &record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
