/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/cgroups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Any tree of folders has numbers as that of control groups has. */

enum { DEEP = 8, LONG = 60 };

static char place[64];
static int top = -1;

static int set_up(void **state)
{
	(void)state;
	snprintf(place, sizeof(place), "%s", "/tmp/egress-cgroups.XXXXXX");
	if (!mkdtemp(place))
		return -1;
	top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	close(top);
	return nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes the folder; its number. */
static uint64_t make(const char *path)
{
	struct stat about;

	assert_int_equal(mkdirat(top, path, 0755), 0);
	assert_int_equal(fstatat(top, path, &about, 0), 0);
	return about.st_ino;
}

static void expect(uint64_t id, const char *path)
{
	struct cgroups_wanted wanted = {.id = id, .path = "x"};

	assert_int_equal(cgroups_find_below(top, &wanted, 1), 0);
	assert_string_equal(wanted.path, path);
}

static void test_tree(void **state)
{
	struct cgroups_wanted wanted[4] = {{.id = 1}};
	struct stat about;

	(void)state;
	wanted[0].id = make("system.slice");
	wanted[1].id = make("system.slice/cron.service");
	wanted[2].id = 1;
	wanted[3].id = make("user.slice");
	assert_int_equal(cgroups_find_below(top, wanted, 4), 0);
	assert_string_equal(wanted[0].path, "/system.slice");
	assert_string_equal(wanted[1].path, "/system.slice/cron.service");
	assert_string_equal(wanted[2].path, "");
	assert_string_equal(wanted[3].path, "/user.slice");
	assert_int_equal(fstat(top, &about), 0);
	expect(about.st_ino, "/");
}

/* The same number twice, and none at all. */
static void test_same(void **state)
{
	struct cgroups_wanted wanted[2] = {{.id = 0}};

	(void)state;
	wanted[0].id = wanted[1].id = make("a");
	assert_int_equal(cgroups_find_below(top, wanted, 2), 0);
	assert_string_equal(wanted[0].path, "/a");
	assert_string_equal(wanted[1].path, "/a");
	assert_int_equal(cgroups_find_below(top, wanted, 0), 0);
}

/* What has such a name, and what is below it, is not told. */
static void test_names(void **state)
{
	static const char *const names[] = {"a b", "a\nb", "\033[2J", "\xff", "\xc3\xa4", "\x7f"};
	char below[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		expect(make(names[i]), "");
		snprintf(below, sizeof(below), "%s/plain", names[i]);
		expect(make(below), "");
	}
	expect(make("docker-\\x2d\"1\".scope"), "/docker-\\x2d\"1\".scope");
}

/* Neither links nor files are groups, and links are not followed. */
static void test_not_folders(void **state)
{
	struct stat about;
	int fd = openat(top, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &about), 0);
	close(fd);
	expect(about.st_ino, "");
	assert_int_equal(symlinkat("/", top, "link"), 0);
	assert_int_equal(fstatat(top, "link", &about, AT_SYMLINK_NOFOLLOW), 0);
	expect(about.st_ino, "");
	assert_int_equal(stat("/usr", &about), 0);
	expect(about.st_ino, "");
}

static void test_long(void **state)
{
	char path[DEEP * (LONG + 2)] = "", expected[sizeof(path) + 1];

	(void)state;
	for (unsigned i = 0; i < DEEP; i++) {
		size_t length = strlen(path);
		uint64_t id;

		if (i > 0)
			path[length++] = '/';
		memset(path + length, 'a', LONG);
		path[length + LONG] = '\0';
		id = make(path);
		snprintf(expected, sizeof(expected), "/%s", path);
		expect(id, strlen(expected) < CGROUPS_PATH ? expected : "");
	}
	assert_true(strlen(expected) >= CGROUPS_PATH);
}

/* More groups than are looked at. */
static void test_many(void **state)
{
	char name[32];
	uint64_t deep;

	(void)state;
	make("b");
	deep = make("b/c");
	for (unsigned i = 0; i < CGROUPS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "%u", i);
		make(name);
	}
	expect(deep, "");
}

/* What there really is, if there is any: this process is in one. */
static void test_mounted(void **state)
{
	struct cgroups_wanted wanted = {.id = 1};
	int error = cgroups_find(&wanted, 1);

	(void)state;
	assert_true(error == -ENOENT || error == 0);
	/* In a namespace of control groups the top is another one. */
	if (!error && wanted.path[0])
		assert_string_equal(wanted.path, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_folders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test(test_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
