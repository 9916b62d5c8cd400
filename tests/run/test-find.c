/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "src/run/find.h"

/* A folder of the test's own, with a/b/c in it. */
static char top[64];

static char *in_top(const char *path)
{
	char *whole;

	assert_true(asprintf(&whole, "%s/%s", top, path) > 0);
	return whole;
}

static void make_folder(const char *path)
{
	char *whole = in_top(path);

	assert_int_equal(mkdir(whole, 0755), 0);
	free(whole);
}

static void make_file(const char *path)
{
	char *whole = in_top(path);
	FILE *file = fopen(whole, "w");

	assert_non_null(file);
	fclose(file);
	free(whole);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/test-find-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	make_folder("a");
	make_folder("a/b");
	make_folder("a/b/c");
	make_folder("home");
	make_folder("home/.config");
	make_folder("home/.config/egress");
	make_folder("config");
	make_folder("config/egress");
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command); /* NOLINT(cert-env33-c): a path of the test's own */
}

/* What is found from the folder, below `top`; NULL: nothing. */
static void expect(const char *folder, const char *config, const char *home, const char *expected)
{
	char *from = in_top(folder), *whole = expected ? in_top(expected) : NULL;
	const struct find_places places = {
		.folder = from,
		.config = config,
		.home = home,
		.system = "/nowhere/egress.toml",
		.uid = getuid(),
	};
	char *path;
	int error = find_policy(&places, &path);

	assert_int_equal(error, expected ? 0 : -ENOENT);
	if (expected)
		assert_string_equal(path, whole);
	else
		assert_null(path);
	free(path);
	free(from);
	free(whole);
}

static void test_folders(void **state)
{
	(void)state;
	expect("a/b/c", NULL, NULL, NULL);
	make_file("egress.toml");
	expect("a/b/c", NULL, NULL, "egress.toml");
	expect("a/b/c/", NULL, NULL, "egress.toml");
	make_file("a/b/egress.toml");
	expect("a/b/c", NULL, NULL, "a/b/egress.toml");
	expect("a/b", NULL, NULL, "a/b/egress.toml");
	expect("a", NULL, NULL, "egress.toml");
}

static void test_users(void **state)
{
	char *home = in_top("home"), *config = in_top("config");

	(void)state;
	make_file("home/.config/egress/egress.toml");
	expect("a/b/c", NULL, home, "home/.config/egress/egress.toml");
	expect("a/b/c", "", home, "home/.config/egress/egress.toml");
	expect("a/b/c", "config", home, "home/.config/egress/egress.toml");
	expect("a/b/c", config, home, NULL);
	make_file("config/egress/egress.toml");
	expect("a/b/c", config, home, "config/egress/egress.toml");
	make_file("a/egress.toml");
	expect("a/b/c", config, home, "a/egress.toml");
	free(home);
	free(config);
}

static void test_system(void **state)
{
	char *path;
	struct find_places places = {.folder = "/nowhere/at/all", .uid = getuid()};
	char *own = in_top("egress.toml");

	(void)state;
	places.system = own;
	assert_int_equal(find_policy(&places, &path), -ENOENT);
	make_file("egress.toml");
	assert_int_equal(find_policy(&places, &path), 0);
	assert_string_equal(path, own);
	free(path);
	free(own);
}

/* A file of somebody who is neither the user nor root ends the search. */
static void test_others(void **state)
{
	char *home = in_top("home"), *from = in_top("a/b"), *found = in_top("a/egress.toml");
	struct find_places places = {
		.folder = from, .home = home, .system = "/nowhere", .uid = getuid() + 1};
	char *path;

	(void)state;
	make_file("a/egress.toml");
	make_file("home/.config/egress/egress.toml");
	if (getuid() == 0)
		assert_int_equal(chown(found, 4321, 0), 0);
	assert_int_equal(find_policy(&places, &path), -EACCES);
	assert_string_equal(path, found);
	free(path);
	free(from);
	free(home);
	free(found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_folders),
		TEST(test_users),
		TEST(test_system),
		TEST(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
