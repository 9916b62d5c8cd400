/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/ring.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct event numbered(uint64_t number)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event_begin(&event, EVENT_LEASE);
	event.count = number;
	event.name = (struct name){3, {1, (uint8_t)('a' + number % 26), 0}};
	return event;
}

static struct rings *make(unsigned count)
{
	struct rings *rings;

	assert_int_equal(rings_new(count, &rings), 0);
	return rings;
}

static void put(struct rings *rings, unsigned ring, uint64_t number)
{
	const struct event event = numbered(number);

	ring_put(rings, ring, &event);
}

static void expect(struct rings *rings, unsigned ring, uint64_t number)
{
	struct event event;

	assert_int_equal(ring_take(rings, ring, &event), 1);
	assert_int_equal(event.count, number);
	assert_true(event_is_sound(&event, EVENT_LEASE));
	assert_int_equal(event.name.wire[1], 'a' + number % 26);
}

static void test_order(void **state)
{
	struct rings *rings = make(2);
	struct event event;

	(void)state;
	assert_int_equal(ring_take(rings, 0, &event), 0);
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < RING_RECORDS - 7; i++)
			put(rings, 0, i);
		put(rings, 1, 99);
		for (uint64_t i = 0; i < RING_RECORDS - 7; i++)
			expect(rings, 0, i);
		expect(rings, 1, 99);
		assert_int_equal(ring_take(rings, 0, &event), 0);
	}
	assert_int_equal(ring_lost(rings, 0), 0);
	rings_free(rings);
}

/* Puts numbered records, from 0 on, until the first is lost; how many weren't. */
static uint64_t fill(struct rings *rings)
{
	uint64_t count = 0;

	for (put(rings, 0, count); ring_lost(rings, 0) == 0; put(rings, 0, count))
		assert_true(++count < RING_BYTES);
	assert_false(ring_has_room(rings, 0));
	return count;
}

static void test_full(void **state)
{
	struct rings *rings = make(1);
	struct event event;
	uint64_t count;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		count = fill(rings);
		assert_true(count >= RING_RECORDS);
		for (uint64_t i = 0; i < 5; i++)
			put(rings, 0, i);
		assert_int_equal(ring_lost(rings, 0), 5);
		assert_int_equal(ring_lost(rings, 0), 0);
		for (uint64_t i = 0; i < count; i++)
			expect(rings, 0, i);
		assert_int_equal(ring_take(rings, 0, &event), 0);
		put(rings, 0, 7);
		expect(rings, 0, 7);
	}
	rings_free(rings);
}

static struct event long_record(enum event_kind kind)
{
	struct event event;

	memset(&event, 'r', sizeof(event));
	event.kind = (uint8_t)kind;
	event.name.length = NAME_WIRE_MAX;
	return event;
}

/* As many as are promised have room, however long they are, and whatever was there before. */
static void test_long(void **state)
{
	const struct event event = long_record(EVENT_LEASE);
	struct rings *rings = make(1);
	struct event got;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RING_RECORDS; i++)
			ring_put(rings, 0, &event);
		for (unsigned i = 0; i < RING_RECORDS; i++) {
			assert_int_equal(ring_take(rings, 0, &got), 1);
			assert_int_equal(strlen(got.rule), EVENT_RULE - 1);
			assert_memory_equal(&got.name, &event.name, sizeof(got.name));
			assert_memory_equal(&got.user, &event.user, EVENT_REST);
		}
		assert_int_equal(ring_lost(rings, 0), 0);
		put(rings, 0, 1);
		expect(rings, 0, 1);
	}
	rings_free(rings);
}

/* Of queries, which are short, a ring has several times as many. */
static void test_short(void **state)
{
	struct rings *rings = make(1);
	struct event event = numbered(1);
	unsigned count = 0;

	(void)state;
	event.kind = EVENT_QUERY;
	event_set_rule(&event, "allow-1");
	for (; ring_has_room(rings, 0); count++)
		ring_put(rings, 0, &event);
	assert_int_equal(ring_lost(rings, 0), 0);
	assert_true(count > 5 * RING_RECORDS);
	rings_free(rings);
}

/* What a query has arrives; nothing of the record that was there before does. */
static void test_query(void **state)
{
	struct rings *rings = make(1);
	struct event event = numbered(3), got;

	(void)state;
	for (unsigned i = 0; i < RING_RECORDS; i++) {
		put(rings, 0, i);
		expect(rings, 0, i);
	}
	event.kind = EVENT_QUERY;
	event.type = 28;
	event_set_rule(&event, "allow-1");
	ring_put(rings, 0, &event);
	assert_int_equal(ring_take(rings, 0, &got), 1);
	assert_true(event_is_sound(&got, EVENT_QUERY));
	assert_int_equal(got.type, 28);
	assert_string_equal(got.rule, "allow-1");
	assert_true(name_equal(&got.name, &event.name));
	assert_int_equal(got.count, 0);
	rings_free(rings);
}

static bool is_rung(const struct rings *rings)
{
	struct pollfd poller = {.fd = rings_fd(rings), .events = POLLIN};

	return poll(&poller, 1, 0) == 1;
}

static void test_sleep(void **state)
{
	struct rings *rings = make(2);

	(void)state;
	put(rings, 1, 1);
	assert_false(is_rung(rings));
	assert_false(rings_sleep(rings));
	expect(rings, 1, 1);
	assert_true(rings_sleep(rings));
	assert_false(is_rung(rings));
	put(rings, 1, 2);
	assert_true(is_rung(rings));
	rings_wake(rings);
	assert_false(is_rung(rings));
	put(rings, 1, 3);
	assert_false(is_rung(rings));
	rings_free(rings);
}

/* Several records wake who reads once, when all of them are there. */
static void test_several(void **state)
{
	struct rings *rings = make(1);
	const struct event event = numbered(1);

	(void)state;
	assert_true(rings_sleep(rings));
	for (unsigned i = 0; i < RING_RECORDS; i++)
		ring_add(rings, 0, &event);
	assert_false(is_rung(rings));
	ring_tell(rings, 0);
	assert_true(is_rung(rings));
	rings_wake(rings);
	ring_tell(rings, 0);
	assert_false(is_rung(rings));
	rings_free(rings);
}

/* Who lingers isn't woken by one record, nor by many, but long before there is no more room; and
 * not at all goes to sleep when there are that many already. */
static void test_linger(void **state)
{
	struct rings *rings = make(2);
	unsigned count = 0;

	(void)state;
	assert_true(rings_linger(rings));
	put(rings, 1, 1);
	assert_false(is_rung(rings));
	rings_wake(rings);
	assert_true(rings_linger(rings));
	for (; !is_rung(rings); count++) {
		assert_true(ring_has_room(rings, 1));
		put(rings, 1, count);
	}
	assert_true(count > RING_RECORDS / 8);
	assert_true(count < RING_RECORDS * 2);
	rings_wake(rings);
	assert_false(rings_linger(rings));
	assert_false(is_rung(rings));
	rings_free(rings);
}

enum { MANY = 300000 };

/* Another process writes as fast as it can; what arrives is in order, and what doesn't is counted.
 */
static void test_two_processes(void **state)
{
	struct rings *rings = make(1);
	uint64_t next = 0, lost = 0;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (uint64_t i = 0; i < MANY; i++)
			put(rings, 0, i);
		_exit(0);
	}
	assert_true(pid > 0);
	while (next < MANY) {
		struct pollfd poller = {.fd = rings_fd(rings), .events = POLLIN};
		struct event event;

		while (ring_take(rings, 0, &event) == 1) {
			assert_true(event_is_sound(&event, EVENT_LEASE));
			assert_true(event.count >= next);
			lost += event.count - next;
			next = event.count + 1;
		}
		if (waitpid(pid, &status, WNOHANG) == pid && ring_take(rings, 0, &event) == 0)
			break;
		if (rings_sleep(rings)) {
			assert_int_not_equal(poll(&poller, 1, 1000), -1);
			rings_wake(rings);
		}
	}
	lost += MANY - next;
	assert_int_equal(ring_lost(rings, 0), lost);
	rings_free(rings);
}

/* The memory of a ring as who has taken a worker over may leave it. */
static void scribble(struct rings *rings, size_t from, uint8_t byte)
{
	void *shared;

	memcpy(&shared, rings, sizeof(shared));
	memset((uint8_t *)shared + sysconf(_SC_PAGESIZE) + from, byte, 4096);
}

/* Whatever is there, counts of it or only records, reading it comes to an end, and records put
 * later are read again. */
static void test_hostile(void **state)
{
	enum { COUNTS = 0, RECORDS = 128 };

	(void)state;
	for (unsigned byte = 1; byte < 256; byte++) {
		for (unsigned i = 0; i < 2; i++) {
			struct rings *rings = make(1);
			struct event event;
			unsigned taken = 0;
			int got;

			for (unsigned j = 0; j < 10; j++)
				put(rings, 0, 1);
			scribble(rings, i == 0 ? COUNTS : RECORDS, (uint8_t)byte);
			while ((got = ring_take(rings, 0, &event)) != 0) {
				assert_true(++taken <= RING_BYTES / 32);
				if (got == 1)
					assert_false(event_is_sound(&event, EVENT_LEASE));
			}
			assert_true(i == 0 || taken > 0);
			ring_lost(rings, 0);
			ring_lost(rings, 0);
			put(rings, 0, 2);
			if (i == 1)
				expect(rings, 0, 2);
			rings_free(rings);
		}
	}
}

/* A record that would reach beyond what is there, or that is said to be at the beginning when
 * nothing is, is passed over with what follows it. */
static void test_lengths(void **state)
{
	static const uint8_t lengths[][2] = {{255, 0}, {254, 0}, {81, 0}, {0, 255}, {80, 255}};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct rings *rings = make(1);
		struct event event;
		void *shared;

		put(rings, 0, 1);
		memcpy(&shared, rings, sizeof(shared));
		memcpy((uint8_t *)shared + sysconf(_SC_PAGESIZE) + 128, lengths[i], 2);
		assert_int_equal(ring_take(rings, 0, &event), -EPROTO);
		assert_int_equal(ring_take(rings, 0, &event), 0);
		assert_int_equal(ring_lost(rings, 0), 1);
		put(rings, 0, 2);
		expect(rings, 0, 2);
		rings_free(rings);
	}
}

/* In a process that keeps one ring the others can't be reached; records of it arrive. */
static void test_keep(void **state)
{
	struct rings *rings = make(3);
	int status;
	pid_t pid;

	(void)state;
	for (unsigned other = 0; other < 3; other++) {
		pid = fork();
		if (pid == 0) {
			signal(SIGSEGV, SIG_DFL);
			rings_keep(rings, 1);
			put(rings, 1, other);
			put(rings, other, 77);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WIFEXITED(status) && WEXITSTATUS(status) == 0, other == 1);
		expect(rings, 1, other);
		if (other == 1)
			expect(rings, 1, 77);
	}
	rings_free(rings);
}

/* A head that is too far ahead is passed over. */
static void test_head(void **state)
{
	struct rings *rings = make(1);
	struct event event;
	uint64_t wrong = UINT64_C(1) << 40;
	void *shared;

	(void)state;
	put(rings, 0, 1);
	expect(rings, 0, 1);
	memcpy(&shared, rings, sizeof(shared));
	memcpy((uint8_t *)shared + sysconf(_SC_PAGESIZE), &wrong, sizeof(wrong));
	assert_int_equal(ring_take(rings, 0, &event), -EPROTO);
	assert_int_equal(ring_take(rings, 0, &event), 0);
	assert_int_equal(ring_lost(rings, 0), 1);
	put(rings, 0, 2);
	expect(rings, 0, 2);
	rings_free(rings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_two_processes),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
