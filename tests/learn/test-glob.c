/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/learn/ignore.h"

static bool is(const char *pattern, const char *name)
{
	return glob_matches(text_of(pattern), text_of(name));
}

static bool is_path(const char *pattern, const char *path)
{
	return glob_matches_path(text_of(pattern), text_of(path));
}

static void matches_names(void **state)
{
	(void)state;
	assert_true(is("", ""));
	assert_true(is("*", ""));
	assert_true(is("*.c", "a.c"));
	assert_true(is("a*b*c", "aXbXbc"));
	assert_true(is("a?c", "abc"));
	assert_true(is("[a-c]x", "bx"));
	assert_true(is("[!a-c]x", "dx"));
	assert_true(is("[]]", "]"));
	assert_true(is("\\*", "*"));
	assert_false(is("*.c", "a.h"));
	assert_false(is("a?c", "ac"));
	assert_false(is("[a-c]x", "dx"));
	assert_false(is("[!a-c]x", "bx"));
	assert_false(is("[ab", "a"));
	assert_false(is("\\*", "a"));
	assert_false(is("", "a"));
}

/* As git's own matcher has it. */
static void matches_sets(void **state)
{
	(void)state;
	assert_true(is("[[:digit:]z]", "7"));
	assert_true(is("[[:digit:]z]", "z"));
	assert_true(is("[![:digit:]]", "z"));
	assert_true(is("[a\\-c]", "-"));
	assert_true(is("[\\]]", "]"));
	assert_true(is("[a-]", "-"));
	assert_true(is("[[:]", ":"));
	assert_true(is("[--a]", "0"));
	assert_false(is("[[:digit:]z]", "a"));
	assert_false(is("[[:nothing:]z]", "z"));
	assert_false(is("[![:nothing:]]", "z"));
	assert_false(is("[a\\-c]", "b"));
	assert_false(is("a\\", "a\\"));
	assert_false(is("[[:alpha:]]", "\xe9"));
}

static void matches_paths(void **state)
{
	(void)state;
	assert_true(is_path("a/b", "a/b"));
	assert_true(is_path("a/*", "a/b"));
	assert_true(is_path("**/b", "b"));
	assert_true(is_path("**/b", "a/a/b"));
	assert_true(is_path("a/**", "a/b/c"));
	assert_true(is_path("a/**/b", "a/b"));
	assert_true(is_path("a/**/b", "a/x/y/b"));
	assert_true(is_path("**/a/**/b", "x/a/a/y/b"));
	assert_true(is_path("a/***/b", "a/x/y/b"));
	assert_true(is_path("**\\/b", "a/b"));
	assert_true(is_path("a[/b]c", "abc"));
	assert_false(is_path("a[/b]c", "a/c"));
	assert_false(is_path("a?c", "a/c"));
	assert_false(is_path("a**c", "a/c"));
	assert_false(is_path("a/*", "a/b/c"));
	assert_false(is_path("a/**", "a"));
	assert_false(is_path("a/**/b", "a/x/c"));
	assert_false(is_path("a", "a/b"));
	assert_false(is_path("a/b", "a"));
}

/* A pattern that would take forever if each star were tried with each other. */
static void is_bounded(void **state)
{
	char name[4001], pattern[401];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	assert_false(is(pattern, name));
}

static enum ignore_verdict find(const char *text, const char *path, bool is_folder)
{
	struct ignore *ignore = ignore_new(text_of(text));
	enum ignore_verdict verdict = IGNORE_SILENT;

	if (ignore)
		verdict = ignore_find(ignore, text_of(path), is_folder);
	ignore_free(ignore);
	return verdict;
}

static void ignores_as_git_does(void **state)
{
	(void)state;
	assert_int_equal(find("*.o\n", "a/b.o", false), IGNORE_OUT);
	assert_int_equal(find("*.o\n!b.o\n", "a/b.o", false), IGNORE_IN);
	assert_int_equal(find("!b.o\n*.o\n", "a/b.o", false), IGNORE_OUT);
	assert_int_equal(find("/a\n", "a", false), IGNORE_OUT);
	assert_int_equal(find("/a\n", "b/a", false), IGNORE_SILENT);
	assert_int_equal(find("a/b\n", "a/b", false), IGNORE_OUT);
	assert_int_equal(find("a/b\n", "x/a/b", false), IGNORE_SILENT);
	assert_int_equal(find("out/\n", "x/out", true), IGNORE_OUT);
	assert_int_equal(find("out/\n", "x/out", false), IGNORE_SILENT);
	assert_int_equal(find("# a\n\n", "# a", false), IGNORE_SILENT);
	assert_int_equal(find("\\#a\n", "#a", false), IGNORE_OUT);
	assert_int_equal(find("\\!a\n", "!a", false), IGNORE_OUT);
	assert_int_equal(find("a  \r\n", "a", false), IGNORE_OUT);
	assert_int_equal(find("a\\ \n", "a ", false), IGNORE_OUT);
	assert_int_equal(find("**/x/**\n", "a/x/b", false), IGNORE_OUT);
	assert_int_equal(find("/\n!\n!/\n", "a", false), IGNORE_SILENT);
	assert_int_equal(find("\xef\xbb\xbf"
			      "a\n",
				 "a", false),
		IGNORE_OUT);
	assert_int_equal(find("a\\\\ \n", "a\\", false), IGNORE_OUT);
	assert_int_equal(find("foo**/bar\n", "foobar", false), IGNORE_OUT);
	assert_int_equal(find("foo**/bar\n", "foo/a/bar", false), IGNORE_OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_names),
		cmocka_unit_test(matches_sets),
		cmocka_unit_test(matches_paths),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(ignores_as_git_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
