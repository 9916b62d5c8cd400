/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/namering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/text.h"

static const struct hash_key key = {{5, 6}};

static struct namering *ring;

static int set_up(void **state)
{
	(void)state;
	return namering_new(4096, &key, &ring);
}

static int tear_down(void **state)
{
	(void)state;
	namering_free(ring);
	return 0;
}

static struct name numbered(unsigned number)
{
	struct name name;
	char text[64];

	/* Of many lengths */
	snprintf(text, sizeof(text), "n%u.%.*s.test", number, 1 + (int)(number % 23),
		"abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static uint32_t put(unsigned number)
{
	struct name name = numbered(number);
	uint64_t expected = namering_expect(ring, &name);
	uint32_t given = namering_put_expected(ring, &name, expected);

	assert_int_not_equal(given, 0);
	return given;
}

static bool is_there(uint32_t given, unsigned number)
{
	struct name wanted = numbered(number), found;

	if (!namering_get(ring, given, &found))
		return false;
	assert_true(name_equal(&found, &wanted));
	assert_true(namering_has(ring, given, &wanted));
	return true;
}

static void a_name_is_found_by_its_number(void **state)
{
	uint32_t first = put(1), second = put(2);
	struct name name = numbered(1);

	(void)state;
	assert_int_equal(namering_put(ring, &name), first);
	assert_int_not_equal(first, second);
	assert_true(is_there(first, 1));
	assert_true(is_there(second, 2));
}

static void a_name_keeps_its_number(void **state)
{
	uint32_t first = put(1);

	(void)state;
	put(2);
	assert_int_equal(put(1), first);
}

static void what_was_never_given_is_not_found(void **state)
{
	struct name name;

	(void)state;
	put(1);
	for (uint32_t number = 0; number < 3000; number++)
		if (number != 1)
			assert_false(namering_get(ring, number, &name));
	assert_false(namering_get(ring, UINT32_MAX, &name));
}

static void the_longest_name_fits(void **state)
{
	struct name name = {.length = NAME_WIRE_MAX}, found;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t given;

		/* 127 labels of one letter, and the root's. */
		for (unsigned j = 0; j < NAME_WIRE_MAX - 1; j += 2) {
			name.wire[j] = 1;
			name.wire[j + 1] = (uint8_t)('a' + i % 26);
		}
		given = namering_put(ring, &name);
		assert_true(namering_get(ring, given, &found));
		assert_true(name_equal(&found, &name));
		put(i);
	}
}

/* What is found is always the right one, and what was put last is found. */
static void the_oldest_give_way(void **state)
{
	uint32_t given[5000];
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		given[i] = put(i);
		assert_true(is_there(given[i], i));
		assert_true(i < 40 || is_there(given[i - 40], i - 40));
		assert_false(i >= 200 && is_there(given[i - 200], i - 200));
	}
	for (unsigned i = 0; i < 5000; i++)
		known += is_there(given[i], i);
	assert_in_range(known, 50, 200);
}

/* A name that is asked for all the time is always known. */
static void one_in_use_stays(void **state)
{
	uint32_t given = put(7);

	(void)state;
	for (unsigned i = 100; i < 5000; i++) {
		put(i);
		if (i % 20 == 0) {
			assert_true(is_there(given, 7));
			given = put(7);
		}
	}
	assert_true(is_there(given, 7));
}

static void only_sound_names_come_out(void **state)
{
	const struct name bad[] = {
		{.length = 0},
		{.length = 3, .wire = "\1a"},
		{.length = 3, .wire = "\1A"},
		{.length = 2, .wire = "\1a"},
		{.length = 2, .wire = "\300"},
		{.length = 4, .wire = "\1a\0"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t given = namering_put(ring, &bad[i]);
		struct name found;

		/* The second is one. */
		assert_int_equal(namering_get(ring, given, &found), i == 1);
	}
}

/* Nor what others have begun to write over: there, bytes that look like a name's. */
static void only_whole_names_come_out(void **state)
{
	struct name name = {.length = 22, .wire = {20, 1, 1, 1, 1, 1, 1, 3, 1, 'a', 0}}, found;
	uint32_t given = namering_put(ring, &name);

	(void)state;
	assert_true(namering_get(ring, given, &found));
	for (uint32_t number = given + 1; number < given + 6; number++)
		assert_false(namering_get(ring, number, &found));
}

/* Nor what reaches over the ring's end, though the bytes before it are right and those behind are
 * zero: a keeper may write any. */
static void no_name_reaches_over_the_end(void **state)
{
	enum { WORDS = 4096 / 4, FILLER = 1 + 256 / 4, FILLERS = 15, LAST = WORDS - 1 };
	const struct name half = {.length = 4, .wire = "\2ab"};
	struct name filler = {.length = 255}, last = {.length = 0}, found;
	uint32_t check = (uint32_t)(hash_bytes(&key, half.wire, half.length) >> 32) ^ LAST;

	(void)state;
	for (unsigned i = 0; i < FILLERS; i++) {
		filler.wire[0] = (uint8_t)i;
		namering_put(ring, &filler);
	}
	/* All words that are left but the one of its own check. */
	last.length = (WORDS - FILLERS * FILLER - 1) * 4 - 1;
	memcpy(last.wire + last.length - 8, &check, sizeof(check));
	last.wire[last.length - 4] = half.length;
	memcpy(last.wire + last.length - 3, half.wire, 3);
	assert_int_equal(namering_put(ring, &last), FILLERS * FILLER + 1);
	for (uint32_t number = 1; number <= WORDS; number++)
		assert_false(namering_get(ring, number, &found));
}

/* --- Leases --- */

static uint64_t lease(const char *map, uint32_t number)
{
	struct inaddr address = inaddr_from_ip4((const uint8_t *)&number);

	return namering_lease(ring, namering_map(ring, "egress-k", map), &address);
}

static void a_lease_has_its_name(void **state)
{
	uint32_t first = put(1), second = put(2);
	struct inaddr address = inaddr_from_ip4((const uint8_t[]){1, 0, 0, 0});
	uint32_t one = 1;

	(void)state;
	memcpy(&one, address.bytes + 12, sizeof(one));
	assert_int_equal(namering_assigned(ring, lease("a", one)), 0);
	namering_assign(ring, lease("a", one), first);
	assert_int_equal(namering_assigned(ring, lease("a", one)), first);
	assert_int_equal(namering_assigned(ring, lease("b", one)), 0);
	assert_int_equal(namering_assigned(ring, lease("a", one + 1)), 0);
	assert_int_equal(
		namering_assigned(
			ring, namering_lease(ring, namering_map(ring, "egress-l", "a"), &address)),
		0);
	namering_assign(ring, lease("a", one), 0);
	assert_int_equal(namering_assigned(ring, lease("a", one)), first);
	namering_assign(ring, lease("a", one), second);
	assert_int_equal(namering_assigned(ring, lease("a", one)), second);
}

/* Far more leases than there is room for: what was assigned last is found. */
static void the_oldest_leases_give_way(void **state)
{
	enum { LEASES = 600000, SURE = 20000 };

	(void)state;
	for (uint32_t i = 0; i < LEASES; i++)
		namering_assign(ring, lease("a", i), put(i / 8));
	for (uint32_t i = LEASES - SURE; i < LEASES; i++)
		assert_int_not_equal(namering_assigned(ring, lease("a", i)), 0);
	for (uint32_t i = LEASES - 8; i < LEASES; i++)
		assert_true(is_there(namering_assigned(ring, lease("a", i)), i / 8));
}

/* --- Several processes --- */

static void others_see_it(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		namering_assign(ring, lease("a", 7), put(7));
		namering_free(ring);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(is_there(namering_assigned(ring, lease("a", 7)), 7));
	/* And go on with it. */
	assert_int_equal(put(7), namering_assigned(ring, lease("a", 7)));
}

/* Leases, each with a name of its own, more than the ring holds; and how many are looked at. */
enum { SHARED = 256, ENOUGH = 30000 };

static void write_for_ever(unsigned first)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = first;; i++)
		namering_assign(ring, lease("a", i % SHARED), put(i % SHARED));
}

/* Known names of leases. */
struct known {
	unsigned right;
	unsigned wrong;
};

static void count_known(struct known *known)
{
	for (unsigned i = 0; i < SHARED; i++) {
		struct name wanted = numbered(i), found;

		if (!namering_get(ring, namering_assigned(ring, lease("a", i)), &found))
			continue;
		known->right += name_equal(&found, &wanted);
		known->wrong += !name_equal(&found, &wanted);
	}
}

/* Two write and a third one reads; then they are killed, wherever they are. */
static void writers_may_be_killed(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		pid_t pids[2];
		struct known known = {.right = 0};

		for (unsigned i = 0; i < 2; i++) {
			pids[i] = fork();
			if (pids[i] == 0)
				write_for_ever(i * SHARED / 2);
		}
		for (unsigned i = 0; i < 30000 && known.right < ENOUGH; i++) {
			count_known(&known);
			if (i % 100 == 99)
				poll(NULL, 0, 1);
		}
		for (unsigned i = 0; i < 2; i++) {
			kill(pids[i], SIGKILL);
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		}
		count_known(&known);
		assert_int_equal(known.wrong, 0);
		assert_true(known.right >= ENOUGH);
		for (unsigned i = 0; i < 4; i++)
			assert_true(is_there(put(i), i));
	}
}

/* Who only reads reads on, and can't write. */
static void who_reads_cannot_write(void **state)
{
	uint32_t given = put(1);
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		if (namering_protect(ring) != 0 || !is_there(given, 1))
			_exit(1);
		put(2);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(is_there(given, 1));
	put(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_found_by_its_number),
		TEST(a_name_keeps_its_number),
		TEST(what_was_never_given_is_not_found),
		TEST(the_longest_name_fits),
		TEST(the_oldest_give_way),
		TEST(one_in_use_stays),
		TEST(only_sound_names_come_out),
		TEST(only_whole_names_come_out),
		TEST(no_name_reaches_over_the_end),
		TEST(a_lease_has_its_name),
		TEST(the_oldest_leases_give_way),
		TEST(others_see_it),
		TEST(writers_may_be_killed),
		TEST(who_reads_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
