/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/bucket.h"

enum { START_MS = 5000, PROCESSES = 4 };

static struct mono after(int64_t ms)
{
	return (struct mono){START_MS + ms};
}

static unsigned take(struct bucket *bucket, unsigned tries, int64_t ms)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < tries; i++)
		taken += bucket_take(bucket, after(ms));
	return taken;
}

static void without_a_rate_all_pass(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, (struct rate){0, 0});
	assert_int_equal(take(&bucket, 1000, 0), 1000);
}

static void one_units_worth_passes_at_once_and_then_evenly(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, (struct rate){.count = 3, .seconds = 1});
	assert_int_equal(take(&bucket, 10, 0), 3);
	assert_int_equal(take(&bucket, 10, 333), 0);
	assert_int_equal(take(&bucket, 10, 334), 1);
	assert_int_equal(take(&bucket, 10, 334), 0);
	assert_int_equal(take(&bucket, 10, 1001), 2);
	/* However long nothing came. */
	assert_int_equal(take(&bucket, 10, 3600000), 3);
	assert_int_equal(take(&bucket, 10, 3600333), 0);
}

static void a_unit_may_be_longer(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, (struct rate){.count = 2, .seconds = 86400});
	assert_int_equal(take(&bucket, 10, 0), 2);
	assert_int_equal(take(&bucket, 10, 43199999), 0);
	assert_int_equal(take(&bucket, 10, 43200000), 1);
}

static void the_greatest_rates_are_held(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, (struct rate){.count = UINT32_MAX, .seconds = 1});
	assert_int_equal(take(&bucket, 1000000, 0), 1000000);
	bucket_init(&bucket, (struct rate){.count = UINT32_MAX, .seconds = 86400});
	assert_int_equal(take(&bucket, 1000000, 0), 1000000);
}

/* In a second not more than the rate says, whatever the bucket's count is. */
static void never_more_than_the_rate_says(void **state)
{
	(void)state;
	for (uint32_t count = 1; count < 3000; count += 7) {
		struct bucket bucket;
		unsigned taken = 0;

		bucket_init(&bucket, (struct rate){.count = count, .seconds = 1});
		assert_int_equal(take(&bucket, 3000, 0), count);
		for (int64_t ms = 1; ms <= 1000; ms++)
			taken += take(&bucket, 10, ms);
		assert_true(taken <= count);
		assert_true(taken + 1 >= count);
	}
}

static void more_than_one_may_be_drawn(void **state)
{
	struct bucket_flow flow = bucket_flow((struct rate){.count = 10, .seconds = 60});
	struct bucket_flow slow = bucket_flow((struct rate){.count = 1, .seconds = 86400});
	_Atomic int64_t full_at = 0;

	(void)state;
	assert_true(bucket_draw(&full_at, flow, 7, after(0)));
	assert_false(bucket_draw(&full_at, flow, 4, after(0)));
	assert_true(bucket_draw(&full_at, flow, 3, after(0)));
	assert_false(bucket_is_full(full_at, after(59999)));
	assert_true(bucket_is_full(full_at, after(60000)));
	assert_false(bucket_draw(&full_at, flow, 3, after(17999)));
	assert_true(bucket_draw(&full_at, flow, 3, after(18000)));
	/* More than it ever holds, however much more. */
	assert_false(bucket_draw(&full_at, flow, 11, after(3600000)));
	assert_false(bucket_draw(&full_at, slow, UINT32_MAX, after(3600000)));
	assert_true(bucket_draw(&full_at, flow, 10, after(3600000)));
}

static void processes_share_one(void **state)
{
	enum { COUNT = 100000 };
	struct {
		struct bucket bucket;
		_Atomic unsigned taken;
	} *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[PROCESSES];

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	bucket_init(&shared->bucket, (struct rate){.count = COUNT, .seconds = 60});
	for (unsigned i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			shared->taken += take(&shared->bucket, COUNT, 0);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	assert_int_equal(shared->taken, COUNT);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_all_pass),
		cmocka_unit_test(one_units_worth_passes_at_once_and_then_evenly),
		cmocka_unit_test(a_unit_may_be_longer),
		cmocka_unit_test(the_greatest_rates_are_held),
		cmocka_unit_test(never_more_than_the_rate_says),
		cmocka_unit_test(more_than_one_may_be_drawn),
		cmocka_unit_test(processes_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
