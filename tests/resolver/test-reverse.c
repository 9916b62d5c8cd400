/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/reverse.h"

static const struct hash_key key = {{1, 2}};
static struct reverse *reverse;

static int set_up(void **state)
{
	(void)state;
	reverse = mmap(
		NULL, reverse_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return reverse == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(reverse, reverse_size());
}

static struct inaddr address_number(unsigned number)
{
	return inaddr_from_ip4(
		(uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number});
}

static struct name name_number(unsigned number)
{
	struct name name;
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.com", number);
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static void note(unsigned address, unsigned name, int64_t until)
{
	struct inaddr at = address_number(address);
	struct name by = name_number(name);

	reverse_note(reverse, &key, &at, &by, (struct mono){until});
}

/* Whether the address is known at that time; then by that name. */
static bool is_known(unsigned address, unsigned name, int64_t now)
{
	struct inaddr at = address_number(address);
	struct name by = name_number(name), found;

	if (!reverse_find(reverse, &key, &at, (struct mono){now}, &found))
		return false;
	assert_true(name_equal(&found, &by));
	return true;
}

static void the_last_name_counts_until_its_end(void **state)
{
	(void)state;
	assert_false(is_known(1, 1, 0));
	note(1, 1, 1000);
	note(2, 2, 500);
	assert_true(is_known(1, 1, 0));
	assert_true(is_known(2, 2, 499));
	assert_false(is_known(2, 2, 500));
	note(1, 3, 800);
	assert_true(is_known(1, 3, 799));
	assert_false(is_known(1, 3, 800));
}

static void what_ends_first_gives_way(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		note(i, i, 1000 + i);
	for (unsigned i = 0; i < 100000; i++)
		known += is_known(i, i, 500);
	assert_true(known > 3000 && known <= 4096);
	assert_true(is_known(99999, 99999, 500));
}

/* What is read is whole, whoever writes: the name says which address it is of. */
static void processes_share_one(void **state)
{
	enum { ROUNDS = 200000, ADDRESSES = 8 };
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned number = i % ADDRESSES;

		if (child == 0)
			note(number, number, 1000 + i);
		else
			is_known(number, number, 500);
	}
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < ADDRESSES; i++)
		assert_true(is_known(i, i, 500));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_name_counts_until_its_end),
		TEST(what_ends_first_gives_way),
		TEST(processes_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
