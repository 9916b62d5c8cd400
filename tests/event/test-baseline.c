/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/event/baseline.h"
#include "tests/differential/chance.h"

/* A session as the reader of documentation has them, shifted a little by `turn`. */
static struct census usual(unsigned turn)
{
	struct census census = {.n_rows = 0};

	census_add(&census, "documentation", 34 + turn % 5);
	census_add(&census, "source hosting", 8 + turn % 3);
	census_add(&census, "search", 4);
	census_add(&census, NULL, 1 + turn % 2);
	return census;
}

static struct baseline *learned(unsigned sessions)
{
	struct baseline *baseline;

	assert_int_equal(baseline_new(&baseline), 0);
	for (unsigned i = 0; i < sessions; i++) {
		struct census census = usual(i);

		baseline_add(baseline, &census);
	}
	return baseline;
}

/* --- A census --- */

static void test_census(void **state)
{
	struct census census = {.n_rows = 0};
	char word[100];

	(void)state;
	census_add(&census, NULL, 2);
	census_add(&census, "", 1);
	census_add(&census, "search", 4);
	assert_int_equal(census_count(&census, "unknown"), 3);
	assert_int_equal(census_count(&census, NULL), 3);
	assert_int_equal(census_count(&census, "search"), 4);
	assert_int_equal(census_count(&census, "api"), 0);
	assert_int_equal(census.total, 7);
	/* Categories are anybody's words. */
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	census_add(&census, word, 1);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(word, sizeof(word), "category %u", i);
		census_add(&census, word, 1);
	}
	assert_int_equal(census.n_rows, CENSUS_ROWS);
	assert_int_equal(census.total, 1008);
	assert_int_equal(census_count(&census, "category 0"), 1);
	assert_int_equal(census_count(&census, "category 999"), 0);
	assert_int_equal(census_count(&census, "other"), 1000 - (CENSUS_ROWS - 4));
	census_add(&census, "search", UINT32_MAX);
	assert_true(census.total == UINT32_MAX);
}

/* --- Cold and ready --- */

static void test_cold(void **state)
{
	struct census strange = {.n_rows = 0};
	struct baseline *baseline = learned(BASELINE_SESSIONS_LEAST - 1);

	(void)state;
	census_add(&strange, "tunnel", 500);
	assert_false(baseline_is_ready(baseline));
	assert_true(baseline_likelihood(baseline, &strange) == 1);
	strange.total = 0;
	baseline_add(baseline, &strange);
	assert_int_equal(baseline_sessions(baseline), BASELINE_SESSIONS_LEAST - 1);
	baseline_free(baseline);

	/* Sessions with next to nothing in them say next to nothing. */
	strange = (struct census){.n_rows = 0};
	census_add(&strange, "api", 1);
	assert_int_equal(baseline_new(&baseline), 0);
	for (unsigned i = 1; i < BASELINE_DESTINATIONS_LEAST; i++)
		baseline_add(baseline, &strange);
	assert_false(baseline_is_ready(baseline));
	baseline_add(baseline, &strange);
	assert_true(baseline_is_ready(baseline));
	baseline_free(baseline);
	baseline_free(NULL);
}

static void test_newest(void **state)
{
	struct baseline *baseline = learned(3 * BASELINE_SESSIONS);
	struct census other = {.n_rows = 0};

	(void)state;
	assert_int_equal(baseline_sessions(baseline), BASELINE_SESSIONS);
	assert_true(baseline_share(baseline, "documentation") > 0.6);
	census_add(&other, "api", 40);
	for (unsigned i = 0; i < BASELINE_SESSIONS; i++)
		baseline_add(baseline, &other);
	assert_true(baseline_share(baseline, "documentation") == 0);
	assert_true(baseline_share(baseline, "api") == 1);
	baseline_free(baseline);
}

/* --- The test --- */

static void test_change(void **state)
{
	struct baseline *baseline = learned(20);
	struct census same = usual(3), few = {.n_rows = 0}, other = {.n_rows = 0};
	struct baseline_change changes[3];

	(void)state;
	assert_true(baseline_likelihood(baseline, &same) == 1);
	census_add(&other, "documentation", 5);
	census_add(&other, "source hosting", 8);
	census_add(&other, NULL, 25);
	assert_true(baseline_likelihood(baseline, &other) < 0.001);
	assert_int_equal(baseline_changes(baseline, &other, changes, 3), 3);
	assert_string_equal(changes[0].word, "unknown");
	assert_true(changes[0].before < 0.05 && changes[0].now > 0.6);
	assert_string_equal(changes[1].word, "documentation");
	assert_true(changes[1].before > 0.6 && changes[1].now < 0.2);
	/* One that was never there is a change, too. */
	other = (struct census){.n_rows = 0};
	census_add(&other, "paste", 30);
	assert_true(baseline_likelihood(baseline, &other) < 0.001);
	assert_int_equal(baseline_changes(baseline, &other, changes, 1), 1);
	assert_string_equal(changes[0].word, "paste");
	/* And few destinations say nothing. */
	census_add(&few, "paste", BASELINE_LOOK_FROM - 1);
	assert_true(baseline_likelihood(baseline, &few) == 1);
	baseline_free(baseline);
}

/* Sessions that don't vary at all are no reason to believe that none ever does. */
static void test_uniform(void **state)
{
	struct baseline *baseline;
	struct census census = {.n_rows = 0};

	(void)state;
	census_add(&census, "documentation", 50);
	assert_int_equal(baseline_new(&baseline), 0);
	for (unsigned i = 0; i < BASELINE_SESSIONS; i++)
		baseline_add(baseline, &census);
	census = (struct census){.n_rows = 0};
	census_add(&census, "documentation", 40);
	census_add(&census, "search", 2);
	assert_true(baseline_likelihood(baseline, &census) > 0.1);
	census_add(&census, NULL, 40);
	assert_true(baseline_likelihood(baseline, &census) < 0.001);
	baseline_free(baseline);
}

/* A session's destinations one by one: a new one is like one that was there as often as those are
 * many against the concentration (Polya's urn, which draws from the Dirichlet-multinomial). */
static void draw_next(struct chance *chance, double concentration, struct census *census)
{
	static const char *const words[] = {"documentation", "search", "source hosting", ""};
	static const unsigned shares[] = {60, 20, 12, 8};
	unsigned scale = 1000, all = census->total * scale + (unsigned)(concentration * scale);
	unsigned at = chance_below(chance, all), sum = 0;

	for (unsigned i = 0; i < 4; i++) {
		sum += census_count(census, words[i]) * scale;
		sum += (unsigned)(concentration * scale) * shares[i] / 100;
		if (at < sum || i == 3) {
			census_add(census, words[i], 1);
			return;
		}
	}
}

static bool ever_below(struct chance *chance, const struct baseline *baseline, double alpha)
{
	struct census census = {.n_rows = 0};
	bool ever = false;

	for (unsigned i = 0; i < 120; i++) {
		draw_next(chance, 12, &census);
		ever |= baseline_likelihood(baseline, &census) <= alpha;
	}
	return ever;
}

/* At most `alpha` of sessions are ever below it, though each is looked at after every destination:
 * sessions and baselines by chance, from a fixed seed. */
static void test_false_alarms(void **state)
{
	struct chance chance = {.state = 7};
	unsigned alarms = 0, sessions = 0;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		struct baseline *baseline;

		assert_int_equal(baseline_new(&baseline), 0);
		for (unsigned i = 0; i < 12; i++) {
			struct census census = {.n_rows = 0};

			for (unsigned j = 0; j < 60; j++)
				draw_next(&chance, 12, &census);
			baseline_add(baseline, &census);
		}
		for (unsigned i = 0; i < 25; i++, sessions++)
			alarms += ever_below(&chance, baseline, 0.02);
		baseline_free(baseline);
	}
	assert_true(alarms * 50 <= sessions);
}

/* --- Lines --- */

static const char good[] = "{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"session\","
			   "\"policy\":\"agent\",\"session\":\"s\",\"phase\":\"end\",\"alerts\":0,"
			   "\"categories\":{\"documentation\":30,\"unknown\":2}}";

static int read_text(struct baseline *baseline, const char *line)
{
	return baseline_read(baseline, line, strlen(line));
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		int result;
	} rows[] = {
		{good, 0},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{\"a\":1}}", 0},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"alerts\":1,\"categories\":{\"a\":1}}",
			1},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{}}", 1},
		{"{\"kind\":\"session\",\"phase\":\"end\"}", 1},
		{"{\"kind\":\"session\",\"phase\":\"summary\",\"categories\":{\"a\":1}}", -EINVAL},
		{"{\"kind\":\"query\",\"phase\":\"end\",\"categories\":{\"a\":1}}", -EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{\"a\":-1}}", -EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{\"a\":1e9}}", -EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{\"a\":1000001}}",
			-EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":[1]}", -EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"alerts\":\"0\","
		 "\"categories\":{\"a\":1}}",
			-EINVAL},
		{"{\"kind\":\"session\",\"phase\":\"end\",\"categories\":{\"a\":1,\"a\":2}}",
			-EINVAL},
		{"{\"kind\":[],\"phase\":{}}", -EINVAL},
		{"[]", -EINVAL},
		{"", -EINVAL},
		{"{", -EINVAL},
		{"\xff\xfe", -EINVAL},
	};
	static char line[BASELINE_LINE + 2];
	struct baseline *baseline = learned(0);
	unsigned learned_from = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_text(baseline, rows[i].line), rows[i].result);
		learned_from += rows[i].result == 0;
		assert_int_equal(baseline_sessions(baseline), learned_from);
	}
	/* None is longer, whatever is in it. */
	snprintf(line, sizeof(line), "%*s", BASELINE_LINE, good);
	assert_int_equal(read_text(baseline, line), 0);
	snprintf(line, sizeof(line), "%*s", BASELINE_LINE + 1, good);
	assert_int_equal(read_text(baseline, line), -EINVAL);
	baseline_free(baseline);
}

static void test_file(void **state)
{
	static char text[3 * BASELINE_LINE];
	struct baseline *baseline = learned(0);
	unsigned bad;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\n", good);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "not a record\n\n");
	memset(text + at, '[', BASELINE_LINE + 1);
	at += BASELINE_LINE + 1;
	at += (size_t)snprintf(text + at, sizeof(text) - at, "\n%.20s", good);
	baseline_read_all(baseline, text, at, &bad);
	assert_int_equal(bad, 3);
	assert_int_equal(baseline_sessions(baseline), 6);
	assert_true(baseline_is_ready(baseline));
	assert_true(baseline_share(baseline, "documentation") > 0.9);
	baseline_read_all(baseline, text, 0, &bad);
	assert_int_equal(bad, 0);
	baseline_free(baseline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_census),
		cmocka_unit_test(test_cold),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_false_alarms),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
