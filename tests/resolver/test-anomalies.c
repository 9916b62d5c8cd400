/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "resolver/anomalies.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "rules/settings.h"
#include "src/base/arena.h"
#include "tests/rules/parse.h"

static int setup(void **state)
{
	return arena_new((size_t)64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* What [anomaly] of a base and of an override (NULL: none) comes to. */
static struct anomaly_settings settings_of(
	struct arena *arena, const char *base, const char *override)
{
	const struct load_options as_override = {.is_override = true};
	struct layer rows[2] = {{.policy = NULL}};
	struct layers layers = {.layers = rows, .n_layers = override ? 2 : 1};

	rows[0].policy = parse_good(
		arena, arena_printf(arena, "version = 1\nallow = []\n[anomaly]\n%s\n", base));
	if (override)
		rows[1].policy = parse_good_as(arena, &as_override,
			arena_printf(arena, "version = 1\n[anomaly]\n%s\n", override));
	return anomalies_of(&layers);
}

static void assert_defaults(const struct anomaly_settings *settings)
{
	const struct anomaly_settings defaults = anomaly_defaults();

	assert_memory_equal(settings->off, defaults.off, sizeof(defaults.off));
	assert_true(settings->categories == defaults.categories);
	assert_true(settings->upload == defaults.upload);
	assert_true(settings->upload_ratio == defaults.upload_ratio);
	assert_true(settings->upload_burst == defaults.upload_burst);
	assert_int_equal(settings->encoded_names, defaults.encoded_names);
	assert_int_equal(settings->beacon, defaults.beacon);
	assert_int_equal(settings->refusals, defaults.refusals);
}

static void test_defaults(void **state)
{
	struct anomaly_settings settings = settings_of(*state, "", NULL);

	assert_defaults(&settings);
	settings = settings_of(*state, "", "");
	assert_defaults(&settings);
	assert_true(settings.categories == 0.001 && settings.upload == 16 << 20);
	/* What a comparison of policies takes for them. */
	assert_true(settings_anomaly_standard(ANOMALY_CATEGORIES) == 1 / settings.categories);
	assert_true(settings_anomaly_standard(ANOMALY_UPLOAD) == (double)settings.upload);
	assert_true(settings_anomaly_standard(ANOMALY_UPLOAD_RATIO) == settings.upload_ratio);
	assert_true(
		settings_anomaly_standard(ANOMALY_UPLOAD_BURST) == (double)settings.upload_burst);
	assert_true(settings_anomaly_standard(ANOMALY_ENCODED_NAMES) == settings.encoded_names);
	assert_true(settings_anomaly_standard(ANOMALY_BEACON) == settings.beacon);
	assert_true(settings_anomaly_standard(ANOMALY_REFUSALS) == settings.refusals);
}

static void test_all_keys(void **state)
{
	struct anomaly_settings settings = settings_of(*state,
		"categories = 500\nupload = '1 GiB'\nupload_ratio = 2.5\nupload_burst = '1 KiB'\n"
		"encoded_names = 3\nbeacon = 20\nrefusals = 7",
		NULL);

	assert_true(settings.categories == 0.002);
	assert_int_equal(settings.upload, 1 << 30);
	assert_true(settings.upload_ratio == 2.5);
	assert_int_equal(settings.upload_burst, 1024);
	assert_int_equal(settings.encoded_names, 3);
	assert_int_equal(settings.beacon, 20);
	assert_int_equal(settings.refusals, 7);
}

static void test_off(void **state)
{
	struct anomaly_settings settings = settings_of(*state,
		"off = ['categories', 'upload', 'upload-ratio', 'upload-burst', 'encoded-names', "
		"'beacon', 'refusals']",
		NULL);

	assert_true(settings.off[ALERT_CATEGORIES] && settings.off[ALERT_UPLOAD]);
	assert_true(settings.off[ALERT_RATIO] && settings.off[ALERT_UPLOAD_BURST]);
	assert_true(settings.off[ALERT_ENCODED_NAMES] && settings.off[ALERT_BEACON]);
	assert_true(settings.off[ALERT_REFUSALS] && !settings.off[ALERT_DESTINATIONS]);
	settings = settings_of(*state, "off = ['beacon']", "");
	assert_true(settings.off[ALERT_BEACON] && !settings.off[ALERT_UPLOAD]);
	/* Who sets a threshold wants to be told. */
	settings = settings_of(*state, "off = ['beacon', 'upload']", "beacon = 30");
	assert_true(!settings.off[ALERT_BEACON] && settings.off[ALERT_UPLOAD]);
	assert_int_equal(settings.beacon, 12);
}

/* Whatever an override says, as much is told as without it. */
static void test_overrides(void **state)
{
	struct anomaly_settings settings =
		settings_of(*state, "upload = '1 GiB'", "upload = '2 MiB'");

	assert_int_equal(settings.upload, 2 << 20);
	settings = settings_of(*state, "upload = '1 MiB'", "upload = '2 MiB'");
	assert_int_equal(settings.upload, 1 << 20);
	settings =
		settings_of(*state, "", "upload = '1 GiB'\nencoded_names = 100\nrefusals = 1000");
	assert_int_equal(settings.upload, 16 << 20);
	assert_int_equal(settings.encoded_names, 8);
	assert_int_equal(settings.refusals, 50);
	settings = settings_of(*state, "categories = 2000", "categories = 100");
	assert_true(settings.categories == 0.01);
	settings = settings_of(*state, "categories = 100", "categories = 2000");
	assert_true(settings.categories == 0.01);
}

static void test_bad(void **state)
{
	const struct load_options as_override = {.is_override = true};

	parse_expect_part(
		parse_bad(*state, "version = 1\n[anomaly]\noff = ['upload', 'nothing']\n"), "3:18",
		"'nothing'");
	parse_expect_part(
		parse_bad(*state, "version = 1\n[anomaly]\nbeacon = 5\n"), "3:10", "from 6 to 32");
	parse_expect_part(parse_bad(*state, "version = 1\n[anomaly]\nupload = '16 miles'\n"),
		"3:10", "miles");
	parse_expect_part(
		parse_bad_as(*state, &as_override, "version = 1\n[anomaly]\noff = ['beacon']\n"),
		"3:1", "'off'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
