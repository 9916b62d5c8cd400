/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kernel/space.h"

static const char two_sets[] = "table inet t {\n"
			       "	set one { type ipv4_addr; }\n"
			       "	set two { type mark; }\n"
			       "}\n";

static int set_up(void **state)
{
	char *message;

	(void)state;
	return ruleset_load("flush ruleset", false, &message);
}

static void must_load(const char *text)
{
	char *message = NULL;

	assert_int_equal(ruleset_load(text, false, &message), 0);
	assert_null(message);
}

static bool table_has(const char *table, const char *text)
{
	char *ruleset;
	bool has;

	assert_int_equal(ruleset_read(table, &ruleset), 0);
	has = strstr(ruleset, text) != NULL;
	free(ruleset);
	return has;
}

static void must_be_missing(const char *table)
{
	char none = '\0', *text = &none;

	assert_int_equal(ruleset_read(table, &text), -ENOENT);
	assert_ptr_equal(text, &none);
}

static void loads_and_reads(void **state)
{
	(void)state;
	must_be_missing("t");
	must_load(two_sets);
	assert_true(table_has("t", "table inet t {\n\tset one {\n\t\ttype ipv4_addr\n"));
	assert_true(table_has("t", "set two {"));
	must_load(two_sets); /* again */
	must_load("add element inet t one { 192.0.2.1 }");
	assert_true(table_has("t", "elements = { 192.0.2.1 }"));
}

static void dry_run_changes_nothing(void **state)
{
	char *message = NULL;

	(void)state;
	assert_int_equal(ruleset_load(two_sets, true, &message), 0);
	assert_null(message);
	must_be_missing("t");
	must_load(two_sets);
	assert_int_equal(ruleset_load("delete table inet t", true, &message), 0);
	assert_true(table_has("t", "set one {"));
}

/* What only the kernel can know is asked of it. */
static void dry_run_asks_the_kernel(void **state)
{
	char *message = NULL;

	(void)state;
	assert_int_equal(ruleset_load("delete table inet nowhere", true, &message), -EIO);
	assert_non_null(message);
	assert_non_null(strstr(message, "No such file or directory"));
	free(message);
}

static void must_be_refused(const char *text, const char *reason)
{
	char *message = NULL;

	assert_int_equal(ruleset_load(text, false, &message), -EIO);
	assert_non_null(message);
	if (!strstr(message, reason))
		fail_msg("'%s' is not in: %s", reason, message);
	free(message);
}

static void refusals_change_nothing(void **state)
{
	(void)state;
	must_be_refused("table inet a { }\ntable inet b { nonsense }\n",
		"ruleset:2:16-23: Error: syntax error");
	must_be_missing("a");
	/* Refused by the kernel, after it took the first part. */
	must_be_refused("add table inet a\nadd element inet t one { 192.0.2.1 }\n", "ruleset:2:");
	must_be_missing("a");
	must_load(two_sets);
	must_be_refused(
		"delete set inet t one\nadd set inet t two { type ipv4_addr; }\n", "exists");
	assert_true(table_has("t", "set one {"));
}

static void removes(void **state)
{
	char *message = NULL;

	(void)state;
	must_load(two_sets);
	must_load("table inet other { set three { type mark; }; }");
	assert_int_equal(ruleset_remove("t", &message), 0);
	must_be_missing("t");
	assert_int_equal(ruleset_remove("t", &message), 0);
	must_be_missing("t");
	assert_null(message);
	assert_true(table_has("other", "set three {"));
}

/* A name is found whole, wherever it is in the list. */
static void finds_whole_names(void **state)
{
	(void)state;
	must_load("table inet middle { }\ntable inet middle-two { }\ntable ip ip-only { }\n");
	must_be_missing("mid");
	must_be_missing("dle");
	must_be_missing("middle-");
	must_be_missing("ip-only");
	assert_true(table_has("middle", "table inet middle {"));
	assert_true(table_has("middle-two", "table inet middle-two {"));
}

static void names_are_names_only(void **state)
{
	static const char *const bad[] = {"", "t; flush ruleset", "t\nflush ruleset", "t {", "1t",
		"-t", "\"t\"", "t#", "t t", "t\xc3\xa9"};
	char none = '\0', *text = &none, name[300];

	(void)state;
	must_load(two_sets);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ruleset_remove(bad[i], &text), -EINVAL);
		assert_int_equal(ruleset_read(bad[i], &text), -EINVAL);
	}
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ruleset_remove(name, &text), -EINVAL);
	name[255] = '\0';
	must_be_missing(name);
	assert_ptr_equal(text, &none);
	assert_true(table_has("t", "set one {"));
	must_load("table inet a_b.c-D/9 { }");
	assert_true(table_has("a_b.c-D/9", "table inet a_b.c-D/9 {"));
}

/* Some 230 KB of messages, where a socket sends 208 KB unless it asks for more, which in a user
 * namespace libnftables does not. */
static void more_than_a_socket_sends_by_default(void **state)
{
	char *text, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	fputs("table inet t {\n", out);
	for (unsigned i = 0; i < 1500; i++)
		fprintf(out, "chain deny-%u {\ndrop comment \"deny-%u\"\n}\n", i, i);
	fputs("}\n", out);
	assert_int_equal(fclose(out), 0);
	if (ruleset_load(text, false, &message))
		fail_msg("%s", message);
	assert_true(table_has("t", "chain deny-1499 {"));
	free(text);
}

/* In a child whose standard streams become the descriptor at `context`. */
static void load_and_fail(void *context)
{
	char *message, *text;
	int fd = *(const int *)context;

	CHECK(dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	if (ruleset_load(two_sets, false, &message) || ruleset_read("t", &text))
		_exit(1);
	free(text);
	if (ruleset_load("nonsense", false, &message) != -EIO)
		_exit(1);
	free(message);
	if (ruleset_remove("t", &message))
		_exit(1);
	fflush(NULL);
}

static void prints_nothing(void **state)
{
	int fd = memfd_create("output", MFD_CLOEXEC);
	struct stat file;

	(void)state;
	assert_true(fd >= 0);
	assert_true(space_child(load_and_fail, &fd));
	assert_int_equal(fstat(fd, &file), 0);
	assert_int_equal(file.st_size, 0);
	close(fd);
}

/* A table with an owner is there for as long as it is held, and for no program that is executed. */
static void holds(void **state)
{
	struct ruleset_held *held = NULL;
	char *message = NULL;

	(void)state;
	assert_int_equal(ruleset_hold("nonsense", &held, &message), -EIO);
	assert_null(held);
	assert_non_null(message);
	free(message);
	message = NULL;
	assert_int_equal(
		ruleset_hold("table inet held { flags owner; chain c { }\n}", &held, &message), 0);
	assert_null(message);
	assert_true(table_has("held", "chain c"));
	assert_int_equal(ruleset_load("delete table inet held", false, &message), -EIO);
	free(message);
	ruleset_let_go(held);
	must_be_missing("held");
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loads_and_reads),
		TEST(dry_run_changes_nothing),
		TEST(dry_run_asks_the_kernel),
		TEST(refusals_change_nothing),
		TEST(removes),
		TEST(finds_whole_names),
		TEST(names_are_names_only),
		TEST(more_than_a_socket_sends_by_default),
		TEST(prints_nothing),
		TEST(holds),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
