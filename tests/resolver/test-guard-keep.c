/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Names stay counted when all processes are killed: what the next ones find is a file. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/guard.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

#define HEAD "version = 1\nname = \"g\"\n"
#define LAB "[[allow]]\nhost = \"*.lab.example\"\n"
#define FAR "[[allow]]\nhost = \"**.far.example\"\n"
#define NAMES "[budget]\nwildcard_names = 10\non_exceed = \"refuse\"\n"
#define FEWER "[budget]\nwildcard_names = 4\non_exceed = \"refuse\"\n"
#define BOOT "5e1c4d6e-2f6b-4a55-9a1c-0f8a8a9b7c6d"

static const struct mono at = {.ms = 1000000};

struct one {
	struct arena *arena;
	struct compiled compiled;
	struct guard *guard;
};

static struct one make(const char *text)
{
	const struct compile_options options = {
		.policy = "p.toml", .text = text, .size = strlen(text)};
	struct one one;

	assert_int_equal(arena_new((size_t)64 << 20, &one.arena), 0);
	assert_int_equal(
		compile_policy(one.arena, &options, diag_new(one.arena), &one.compiled), 0);
	assert_int_equal(guard_new(one.compiled.layers, &one.guard), 0);
	return one;
}

static void drop(struct one *one)
{
	guard_free(one->guard);
	arena_free(one->arena);
}

static int new_file(void)
{
	int fd = memfd_create("names", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* How many of so many names, from `first` on, are refused. */
static unsigned count_refused(struct one *one, const char *below, unsigned first, unsigned count)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < count; i++) {
		struct match_result result;
		struct name name;
		char text[64];

		snprintf(text, sizeof(text), "n%u.%s", first + i, below);
		assert_int_equal(name_from_text(text_of(text), &name), 0);
		match_name(one->compiled.match, &name, &result);
		refused += guard_name(one->guard, &name, &result, at).refused;
	}
	return refused;
}

/* A process counts as many as it can and is killed in the midst of it: exactly as many as there is
 * room for are counted by it and by who comes after it. */
static void test_killed(void **state)
{
	struct one one = make(HEAD LAB NAMES), next = make(HEAD LAB NAMES);
	int fd = new_file(), status;
	pid_t pid;

	(void)state;
	assert_true(guard_is_to_keep(one.guard));
	assert_int_equal(guard_keep(one.guard, fd, BOOT), 0);
	assert_false(guard_is_to_keep(one.guard));
	pid = fork();
	if (pid == 0) {
		count_refused(&one, "lab.example", 0, 7);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(guard_recall(next.guard, fd, BOOT), 0);
	assert_int_equal(count_refused(&next, "lab.example", 100, 50), 47);
	assert_int_equal(count_refused(&next, "lab.example", 0, 7), 0);
	close(fd);
	drop(&one);
	drop(&next);
}

/* What was counted before there was a file, and what one remembers when it is kept again. */
static void test_again(void **state)
{
	struct one guards[4];
	int fds[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		guards[i] = make(HEAD LAB FAR NAMES);
		fds[i] = new_file();
		if (i > 0)
			assert_int_equal(guard_recall(guards[i].guard, fds[i - 1], BOOT), 0);
		assert_int_equal(count_refused(&guards[i], "far.example", i, 1), 0);
		assert_int_equal(guard_keep(guards[i].guard, fds[i], BOOT), 0);
		assert_int_equal(count_refused(&guards[i], "lab.example", 2 * i, 2), 0);
	}
	assert_int_equal(count_refused(&guards[3], "lab.example", 0, 8), 0);
	assert_int_equal(count_refused(&guards[3], "lab.example", 8, 10), 8);
	assert_int_equal(count_refused(&guards[3], "far.example", 4, 10), 4);
	for (unsigned i = 0; i < 4; i++) {
		close(fds[i]);
		drop(&guards[i]);
	}
}

/* Sessions and raised ceilings are the next one's, too. */
static void test_session(void **state)
{
	struct one one = make(HEAD LAB NAMES), next = make(HEAD LAB NAMES);
	int fd = new_file();
	struct guard_names names;

	(void)state;
	assert_int_equal(guard_keep(one.guard, fd, BOOT), 0);
	assert_int_equal(count_refused(&one, "lab.example", 0, 10), 0);
	for (unsigned i = 0; i < 5; i++) {
		guard_new_session(one.guard);
		assert_int_equal(guard_note(one.guard, fd), 0);
		assert_int_equal(count_refused(&one, "lab.example", 100 * i, 11), 1);
	}
	assert_int_equal(guard_extend(one.guard, 2), 0);
	assert_int_equal(guard_note(one.guard, fd), 0);
	assert_int_equal(guard_recall(next.guard, fd, BOOT), 0);
	assert_true(guard_names(next.guard, &names));
	assert_int_equal(names.used, 10);
	assert_int_equal(names.raised, 2);
	assert_int_equal(count_refused(&next, "lab.example", 400, 10), 0);
	assert_int_equal(count_refused(&next, "lab.example", 0, 10), 8);
	close(fd);
	drop(&one);
	drop(&next);
}

/* Entries are known by what they say; a lower ceiling holds; what counts nothing keeps nothing. */
static void test_others(void **state)
{
	struct one one = make(HEAD LAB NAMES), other = make(HEAD FAR LAB NAMES);
	struct one fewer = make(HEAD LAB FEWER), none = make(HEAD LAB);
	int fd = new_file();

	(void)state;
	assert_int_equal(guard_keep(one.guard, fd, BOOT), 0);
	assert_int_equal(count_refused(&one, "lab.example", 0, 8), 0);
	assert_int_equal(guard_recall(other.guard, fd, BOOT), 0);
	assert_int_equal(count_refused(&other, "lab.example", 8, 5), 3);
	assert_int_equal(count_refused(&other, "far.example", 0, 12), 2);
	assert_int_equal(guard_recall(fewer.guard, fd, BOOT), 0);
	assert_int_equal(count_refused(&fewer, "lab.example", 50, 5), 5);
	assert_false(guard_is_to_keep(none.guard));
	assert_int_equal(guard_recall(none.guard, fd, BOOT), 0);
	close(fd);
	drop(&one);
	drop(&other);
	drop(&fewer);
	drop(&none);
}

/* Whatever the file is, nothing bad comes of it. */
static void test_hostile(void **state)
{
	struct one one = make(HEAD LAB NAMES);
	int fd = new_file();
	uint8_t bytes[128];
	struct stat status;

	(void)state;
	assert_int_equal(guard_recall(one.guard, fd, BOOT), -EINVAL);
	assert_int_equal(guard_keep(one.guard, fd, BOOT), 0);
	assert_int_equal(fstat(fd, &status), 0);
	{
		struct one next = make(HEAD LAB NAMES);

		assert_int_equal(guard_recall(next.guard, fd, "another"), -ESTALE);
		drop(&next);
	}
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	for (size_t at_byte = 0; at_byte < sizeof(bytes); at_byte++) {
		for (unsigned value = 0; value < 256; value += 255) {
			const uint8_t byte = (uint8_t)value;
			struct one next = make(HEAD LAB NAMES);

			assert_int_equal(pwrite(fd, &byte, 1, (off_t)at_byte), 1);
			guard_recall(next.guard, fd, BOOT);
			count_refused(&next, "lab.example", 0, 20);
			drop(&next);
		}
		assert_int_equal(pwrite(fd, &bytes[at_byte], 1, (off_t)at_byte), 1);
	}
	/* Places full of nonsense are names that nobody can tell. */
	memset(bytes, 0xff, sizeof(bytes));
	for (off_t from = 4096; from < status.st_size; from += (off_t)sizeof(bytes))
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), from), sizeof(bytes));
	{
		struct one next = make(HEAD LAB NAMES);

		assert_int_equal(guard_recall(next.guard, fd, BOOT), 0);
		assert_true(count_refused(&next, "lab.example", 0, 20) >= 10);
		drop(&next);
	}
	assert_int_equal(ftruncate(fd, status.st_size - 4096), 0);
	assert_int_equal(guard_recall(one.guard, fd, BOOT), -EINVAL);
	close(fd);
	guard_free(one.guard);
	arena_free(one.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("guard-keep", tests, NULL, NULL);
}
