/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/category.h"
#include "rules/explain.h"
#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/stack.h"

/* Two folders of profiles: one without the file and, before or after it, one with it. */
static char folder[] = "/tmp/test-category-XXXXXX";
static char one[64], two[64], missing[64], path[96];
static const char *const dirs[] = {missing, one, two};
static const struct load_options options = {.profile_dirs = dirs, .n_profile_dirs = 3};

static int setup(void **state)
{
	if (arena_new((size_t)64 << 20, (struct arena **)state) < 0 || !mkdtemp(folder))
		return -1;
	snprintf(missing, sizeof(missing), "%s/missing", folder);
	snprintf(one, sizeof(one), "%s/one", folder);
	snprintf(two, sizeof(two), "%s/two", folder);
	snprintf(path, sizeof(path), "%s/" CATEGORY_FILE, two);
	return mkdir(one, 0700) < 0 || mkdir(two, 0700) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	unlink(path);
	rmdir(path);
	rmdir(one);
	rmdir(two);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	arena_free(*state);
	return 0;
}

static void put(const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* What is said of a file, in the arena. */
static int try(struct arena *arena, const char *text, const struct categories **ret_categories,
	const char **ret_said)
{
	struct diag *diag = diag_new(arena);
	char *said = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&said, &size);
	int error;

	if (text)
		put(text);
	error = category_load(arena, &options, diag, ret_categories);
	assert_int_equal(error == -EINVAL, diag_failed(diag));
	diag_print(diag, out);
	fclose(out);
	*ret_said = arena_strndup(arena, said, size);
	free(said);
	return error;
}

static const struct categories *load(struct arena *arena, const char *text)
{
	const struct categories *categories = NULL;
	const char *said;

	if (try(arena, text, &categories, &said) != 0 || *said)
		fail_msg("%s", said);
	return categories;
}

static void expect(const struct categories *categories, const char *host, const char *category)
{
	const char *found;
	struct name name;

	assert_int_equal(name_from_text(text_of(host), &name), 0);
	found = category_find(categories, &name);
	if (found && category ? strcmp(found, category) != 0 : found != category)
		fail_msg("%s: '%s', not '%s'", host, found ? found : "", category ? category : "");
}

static void test_most_specific_wins(void **state)
{
	const struct categories *categories = load(*state,
		"version = 1\n"
		"[[category]]\nname = 'wide'\nhosts = ['**.example.com', '**.b.a.example.com']\n"
		"[[category]]\nname = 'one'\nhosts = ['*.a.example.com', '*.example.com']\n"
		"[[category]]\nname = 'exact'\nhosts = ['x.a.example.com', 'Example.COM.', "
		"'bücher.example']\n"
		"[[category]]\nname = 'none'\nhosts = []\n");

	expect(categories, "x.a.example.com", "exact");
	expect(categories, "example.com", "exact");
	expect(categories, "xn--bcher-kva.example", "exact");
	expect(categories, "y.a.example.com", "one");
	expect(categories, "b.example.com", "one");
	expect(categories, "c.b.example.com", "wide");
	expect(categories, "y.x.a.example.com", "wide");
	expect(categories, "y.b.a.example.com", "wide");
	expect(categories, "b.a.example.com", "one");
	expect(categories, "com", NULL);
	expect(categories, "anexample.com", NULL);
	expect(categories, "example.org", NULL);
}

static void test_root_has_none(void **state)
{
	const struct categories *categories =
		load(*state, "version = 1\n[[category]]\nname = 'a'\nhosts = ['**.com']\n");
	const struct name root = {.length = 1};

	assert_null(category_find(categories, &root));
	expect(categories, "a.b.com", "a");
}

static void test_missing_file(void **state)
{
	bool is_installed = access(EGRESS_PROFILE_DIR "/" CATEGORY_FILE, F_OK) == 0;

	assert_int_equal(load(*state, NULL) != NULL, is_installed);
	expect(NULL, "example.com", NULL);
}

static void test_shipped_file(void **state)
{
	char shipped[4096];
	const char *const shipped_dirs[] = {shipped};
	const struct load_options with_shipped = {
		.profile_dirs = shipped_dirs, .n_profile_dirs = 1};
	const struct categories *categories;
	struct diag *diag = diag_new(*state);

	snprintf(shipped, sizeof(shipped), "%s/rules/profiles", getenv("abs_top_srcdir"));
	if (category_load(*state, &with_shipped, diag, &categories) != 0) {
		diag_print(diag, stderr);
		fail();
	}
	expect(categories, "crates.io", "package registry");
	expect(categories, "any.debian.org", "package registry");
	expect(categories, "my.bucket.s3.amazonaws.com", "storage");
	expect(categories, "ec2.eu-west-1.amazonaws.com", "cloud");
	expect(categories, "nobody.example", NULL);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *place, *message;
	} bad[] = {
		{"", "", "'version' is missing"},
		{"version = 2\n", ":1:11", "version 2 is unknown"},
		{"version = '1'\ncategory = []\n", ":1:11",
			"'version' must be the integer 1, not a string"},
		{"version = 1\n", "", "'category' is missing [E017]"},
		{"version = = 1\n", ":1:11", "[E002]"},
		{"version = 1\ncategory = [1, [2], {}]\n", ":2:13",
			"an element of 'category' must be a table, not an integer [E012]"},
		{"version = 1\ncategory = [1, [2], {}]\n", ":2:21", "'name' is missing"},
		{"version = 1\ncategory = {hosts = 1}\n", ":2:12",
			"'category' must be an array of tables, each under [[category]], not a "
			"table"},
		{"version = 1\n[[category]]\nname = 1\nhosts = 'a'\n", ":3:8",
			"'name' must be a string, not an integer"},
		{"version = 1\n[[category]]\nname = 1\nhosts = 'a'\n", ":4:9",
			"'hosts' must be an array of strings, not a string"},
		{"version = 1\n[[category]]\nname = 'a'\n", ":2:1", "'hosts' is missing"},
		{"version = 1\nname = 'a'\n[[category]]\nname = 'a'\nhosts = []\n", ":2:1",
			"unknown key 'name' [E010]"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = []\nhots = 1\n", ":5:1",
			"unknown key 'hots' [E010]"},
		{"version = 1\n[[category]]\nname = 'a\\nb'\nhosts = []\n", NULL, NULL},
		{"version = 1\n[[category]]\nname = \"a\\nb\"\nhosts = []\n", ":3:8", "[E015]"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = [1, 'a..b']\n", ":4:10",
			"an element of 'hosts' must be a string, not an integer"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = [1, 'a..b']\n", ":4:13", "[E020]"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = ['a-*.b', '**']\n", ":4:10",
			"'a-*.b' has no category: only a name, '*.NAME' and '**.NAME' have [E020]"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = ['a-*.b', '**']\n", ":4:19",
			"'**' has no category"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = ['a.b']\n"
		 "[[category]]\nname = 'b'\nhosts = ['*.a.b', 'A.b', '*.a.b']\n",
			":7:19", "'A.b' is given twice, first in line 4, column 10 [E016]"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = ['a.b']\n"
		 "[[category]]\nname = 'b'\nhosts = ['*.a.b', 'A.b', '*.a.b']\n",
			":7:26", "'*.a.b' is given twice, first in line 7, column 10"},
		{"version = 1\n[[category]]\nname = 'a'\nhosts = []\n"
		 "[[category]]\nname = 'a'\nhosts = []\n",
			":6:8", "'a' is given twice, first in line 3, column 8"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct categories *categories = NULL;
		const char *said, *line;
		char start[256];
		int error = try(*state, bad[i].text, &categories, &said);

		assert_int_equal(error, -EINVAL);
		assert_null(categories);
		if (!bad[i].place)
			continue;
		snprintf(start, sizeof(start), "%s%s: error: ", path, bad[i].place);
		line = strstr(said, start);
		while (line && (!strstr(line, bad[i].message) ||
				       strstr(line, bad[i].message) > strchr(line, '\n')))
			line = strstr(line + 1, start);
		if (!line)
			fail_msg("%s: '%s%s' was expected of\n%s\nnot\n%s", path, start,
				bad[i].message, bad[i].text, said);
	}
}

static void test_unreadable(void **state)
{
	const struct categories *categories = NULL;
	const char *said;

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(try(*state, NULL, &categories, &said), -EINVAL);
	assert_non_null(strstr(said, "two/categories.toml: error: cannot read it: it is a "
				     "directory [E001]"));
}

/* What --explain says. */
static void expect_said(struct arena *arena, const struct compiled *compiled, const char *to,
	bool json, const char *expected)
{
	char *said = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&said, &size);
	const char *copy;
	bool permitted;

	assert_non_null(out);
	assert_int_equal(explain(compiled, to, NULL, json, out, &permitted), 0);
	fclose(out);
	copy = arena_strndup(arena, said, size);
	free(said);
	assert_non_null(copy);
	if (expected ? !strstr(copy, expected) : strstr(copy, "category:") != NULL)
		fail_msg("'%s' was expected of %s, not\n%s", expected ? expected : "no category",
			to, copy);
}

static void test_explained(void **state)
{
	struct compiled compiled = stack_compile(*state,
		"[[allow]]\nhost = 'own.example.com'\ncategory = 'api'\n"
		"[[allow]]\nhost = '*.example.com'\n"
		"[[allow]]\nip = '192.0.2.1'\ncategory = 'inside'\n[network]\nblock = []\n",
		NULL, 0);

	expect_said(*state, &compiled, "own.example.com", false, "\n  category: api\n");
	expect_said(*state, &compiled, "a.example.com", false, NULL);
	expect_said(*state, &compiled, "a.example.com", true, "\n  \"category\": null,\n");
	compiled.categories = load(*state,
		"version = 1\n[[category]]\nname = 'paste'\nhosts = ['**.example.com', "
		"'example.org']\n");
	expect_said(*state, &compiled, "own.example.com", false, "\n  category: api\n");
	expect_said(*state, &compiled, "own.example.com", true, "\n  \"category\": \"api\",\n");
	expect_said(*state, &compiled, "a.example.com", false,
		"\n  category: paste (categories.toml)\n");
	expect_said(*state, &compiled, "a.example.com", true, "\n  \"category\": \"paste\",\n");
	/* Refused, by no entry. */
	expect_said(
		*state, &compiled, "example.org", false, "\n  category: paste (categories.toml)\n");
	expect_said(*state, &compiled, "example.net", false, NULL);
	expect_said(*state, &compiled, "192.0.2.1", false, "\n  category: inside\n");
	expect_said(*state, &compiled, "192.0.2.2", false, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_most_specific_wins),
		TEST(test_root_has_none),
		TEST(test_missing_file),
		TEST(test_shipped_file),
		TEST(test_bad_files),
		TEST(test_unreadable),
		TEST(test_explained),
	};

	return cmocka_run_group_tests_name("categories of names", tests, NULL, NULL);
}
