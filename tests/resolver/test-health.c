/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "resolver/health.h"

/* What is known of a server that answers, or doesn't. */

static struct mono at(int64_t ms)
{
	return (struct mono){1000000 + ms};
}

static void the_time_out_follows_the_round_trips(void **state)
{
	struct health health = {0};
	int64_t before;

	(void)state;
	assert_int_equal(health_timeout(&health).ms, 300);
	for (unsigned i = 0; i < 50; i++)
		health_answered(&health, (struct duration){500}, at(i));
	assert_in_range(health_timeout(&health).ms, 500, 600);
	assert_in_range(health_rtt(&health), 8 * 490, 8 * 510);
	/* RFC 6298: a spread makes it longer. */
	before = health_timeout(&health).ms;
	for (unsigned i = 0; i < 50; i++)
		health_answered(&health, (struct duration){i % 2 ? 300 : 700}, at(i));
	assert_in_range(health_timeout(&health).ms, before + 200, 1500);
	for (unsigned i = 0; i < 50; i++)
		health_answered(&health, (struct duration){1}, at(i));
	assert_int_equal(health_timeout(&health).ms, 200);
	for (unsigned i = 0; i < 50; i++)
		health_answered(&health, (struct duration){INT64_MAX}, at(i));
	assert_int_equal(health_timeout(&health).ms, 1500);
	for (unsigned i = 0; i < 100; i++)
		health_answered(&health, (struct duration){INT64_MIN}, at(i));
	assert_int_equal(health_timeout(&health).ms, 200);
}

static void one_failure_puts_it_down_and_one_sign_of_life_up(void **state)
{
	struct health health = {0};

	(void)state;
	assert_true(health_is_up(&health));
	assert_true(health_failed(&health, at(0), at(300)));
	assert_false(health_is_up(&health));
	assert_true(health_seen(&health, at(400)));
	assert_true(health_is_up(&health));
	assert_false(health_seen(&health, at(500)));
	assert_true(health_failed(&health, at(600), at(900)));
	assert_true(health_answered(&health, (struct duration){900}, at(1500)));
	assert_false(health_answered(&health, (struct duration){900}, at(1500)));
}

/* All questions that were out say the same. */
static void what_was_asked_before_a_failure_says_nothing_new(void **state)
{
	struct health health = {0};
	bool failed;

	(void)state;
	assert_true(health_failed(&health, at(0), at(300)));
	for (unsigned i = 1; i < 100; i++)
		assert_false(health_failed(&health, at(i), at(300 + i)));
	assert_int_equal(health.failures, 1);
	assert_true(health_wants_probe(&health, at(1300), &failed));
	assert_false(health_failed(&health, at(350), at(700)));
	assert_int_equal(health.failures, 2);
}

/* Ever less often, and once a minute at least. */
static void it_is_probed_with_back_off(void **state)
{
	static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	struct health health = {0};
	int64_t now = 300;
	bool failed;

	(void)state;
	health_failed(&health, at(0), at(now));
	for (unsigned i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		assert_false(health_wants_probe(&health, at(now + pauses[i] - 1), &failed));
		now += pauses[i];
		assert_true(health_wants_probe(&health, at(now), &failed));
		assert_false(failed);
		health_probed(&health, at(now));
		assert_false(health_wants_probe(&health, at(now + 999), &failed));
		now += 1000;
		assert_false(health_wants_probe(&health, at(now), &failed));
		/* It was down before. */
		assert_false(failed);
	}
	assert_false(health_is_up(&health));
}

/* Also a server that is up, but asked by nobody. */
static void it_is_measured_once_a_minute(void **state)
{
	struct health health = {0};
	bool failed;

	(void)state;
	assert_true(health_wants_probe(&health, at(0), &failed));
	health_probed(&health, at(0));
	health_answered(&health, (struct duration){5}, at(5));
	assert_false(health_wants_probe(&health, at(60004), &failed));
	assert_true(health_wants_probe(&health, at(60005), &failed));
	health_probed(&health, at(60005));
	assert_false(health_wants_probe(&health, at(61004), &failed));
	assert_false(failed);
	assert_false(health_wants_probe(&health, at(61005), &failed));
	assert_true(failed);
	assert_false(health_is_up(&health));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_out_follows_the_round_trips),
		cmocka_unit_test(one_failure_puts_it_down_and_one_sign_of_life_up),
		cmocka_unit_test(what_was_asked_before_a_failure_says_nothing_new),
		cmocka_unit_test(it_is_probed_with_back_off),
		cmocka_unit_test(it_is_measured_once_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
