/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/generation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

static const struct duration at_once = {0};

static struct netlink *kernel;

static int load(const char *text)
{
	char *message = NULL;
	int error = ruleset_load(text, false, &message);

	if (error)
		printf("# %s\n", message ? message : text);
	free(message);
	return error;
}

static int set_up(void **state)
{
	(void)state;
	load("flush ruleset");
	return netlink_open(4096, &kernel);
}

static int tear_down(void **state)
{
	(void)state;
	netlink_closep(&kernel);
	return kernel ? -1 : 0;
}

static unsigned sweep(void)
{
	static const char *const kept[] = {"also-kept", "kept", NULL};
	unsigned number = 99;

	assert_int_equal(generation_sweep(kernel, "t", kept, &number), 0);
	return number;
}

static bool has(const char *text)
{
	char *ruleset;
	bool found;

	assert_int_equal(ruleset_read("t", &ruleset), 0);
	found = strstr(ruleset, text) != NULL;
	free(ruleset);
	return found;
}

/* --- The sweep --- */

#define MAP(name, value) "	map " name " { type ipv4_addr : " value "; flags interval; }\n"
#define USE(name) "ip daddr vmap @" name ";"

static void nothing_to_sweep(void **state)
{
	(void)state;
	assert_int_equal(sweep(), 0); /* no table */
	assert_int_equal(load("table inet t { }"), 0);
	assert_int_equal(sweep(), 1);
}

static const char some_in_use[] =
	"table inet t {\n"
	"	limit in-rule { rate 1/second; }\n"
	"	limit unused { rate 1/second; }\n"
	"	quota in-element { 1 bytes; }\n"
	"	quota unused { 1 bytes; }\n"
	"	counter in-both { packets 0 bytes 0; }\n"
	"	counter by-map { packets 0 bytes 0; }\n"
	"	counter unused { packets 0 bytes 0; }\n"
	"	chain deny-1 { drop; }\n"
	"	chain empty-used { }\n"
	"	chain unused-rules { drop; }\n"
	"	chain unused { }\n"
	"	map refused4 { type ipv4_addr : verdict; flags interval; }\n"
	"	map refused4.1 { type ipv4_addr : verdict; flags interval; }\n"
	"	map marks.2 { type ipv4_addr : mark; flags interval; }\n"
	"	map marks6.9 { type ipv4_addr : mark; flags interval; }\n"
	"	map leases { type ipv4_addr : mark; flags timeout; }\n"
	"	map plain { type ipv4_addr : mark; }\n"
	"	set ranges { type ipv4_addr; flags interval; }\n"
	"	set recent { type ipv4_addr; size 9; flags dynamic,timeout; }\n"
	"	set kept { type mark; }\n"
	"	map by-quota { type ipv4_addr : quota; }\n"
	"	map by-counter { type ipv4_addr : counter; }\n"
	"	chain output {\n"
	"		type filter hook output priority 0\n"
	"		ip daddr vmap @refused4.1\n"
	"		ct mark set ip daddr map @marks.2\n"
	"		ct mark set ip daddr map @leases\n"
	"		ip daddr @ranges limit name \"in-rule\" counter name \"in-both\"\n"
	"		quota name ip daddr map @by-quota\n"
	"	}\n"
	"	chain input { type filter hook input priority 0; }\n"
	"}\n"
	"add element inet t refused4 { 10.0.0.0/8 : goto unused }\n"
	"add element inet t refused4.1 { 10.0.0.0/8 : goto empty-used, 11.0.0.0/8 : goto deny-1 }\n"
	"add element inet t leases { 10.0.0.1 timeout 1h : 5 }\n"
	"add element inet t recent { 10.0.0.1 timeout 1h }\n"
	"add element inet t by-quota { 10.0.0.1 : \"in-element\" }\n"
	"add element inet t by-counter { 10.0.0.1 : \"by-map\", 10.0.0.2 : \"in-both\" }\n";

static void what_is_in_use_stays(void **state)
{
	static const char *const stays[] = {"map refused4.1 {", "goto empty-used", "map marks.2 {",
		"map leases {", "10.0.0.1 timeout 1h", "set ranges {", "set kept {",
		"chain deny-1 {", "chain empty-used {", "chain output {", "chain input {",
		"chain unused-rules {", "limit in-rule {", "quota in-element {",
		"counter in-both {"};
	static const char *const goes[] = {"map refused4 {", "map marks6.9 {", "chain unused {",
		"map plain {", "set recent {", "map by-counter {", "limit unused {",
		"quota unused {", "counter unused {", "counter by-map {"};

	(void)state;
	assert_int_equal(load(some_in_use), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sweep(), 3);
	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
		if (!has(stays[i]))
			fail_msg("%s ... is gone", stays[i]);
	for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
		if (has(goes[i]))
			fail_msg("%s ... is there", goes[i]);
}

static void the_least_number_that_is_free(void **state)
{
	static const struct {
		const char *used;
		unsigned free;
	} cases[] = {
		{"refused4", 1},
		{"refused4.1", 2},
		{"refused4.2", 1},
		{"refused4.63", 1},
		{"refused4.64", 1},
		{"refused4.99999999999999999999999", 1},
		{"refused4.1x", 1},
		{"refused.1.4", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			"add table inet t; delete table inet t; add table inet t;"
			"add map inet t %s { type ipv4_addr : verdict; flags interval; };"
			"add chain inet t c; add rule inet t c ip daddr vmap @%s",
			cases[i].used, cases[i].used);
		assert_int_equal(load(text), 0);
		if (sweep() != cases[i].free)
			fail_msg("%s", cases[i].used);
		assert_true(has(cases[i].used));
	}
}

/* Other tables' objects of the same names are theirs. */
static void other_tables_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(load("table inet t { }\n"
			      "table inet u {\n" MAP("refused4.1",
				      "verdict") "	chain c { }\n}\n"
						 "table ip t {\n" MAP("refused4.1",
							 "verdict") "	chain c { }\n}\n"),
		0);
	assert_int_equal(sweep(), 1);
	assert_true(space_run("nft list map inet u refused4.1 >/dev/null"));
	assert_true(space_run("nft list map ip t refused4.1 >/dev/null"));
	assert_true(space_run("nft list chain inet u c >/dev/null"));
	assert_true(space_run("nft list chain ip t c >/dev/null"));
}

/* Sixty-three are told apart. */
static void all_numbers_are_in_use(void **state)
{
	unsigned number = 99;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	fputs("table inet t {\n", out);
	for (unsigned i = 1; i < 64; i++)
		fprintf(out, "\tmap marks.%u { type ipv4_addr : mark; flags interval; }\n", i);
	fputs("\tchain output {\n", out);
	for (unsigned i = 1; i < 64; i++)
		fprintf(out, "\t\tct mark set ip daddr map @marks.%u\n", i);
	fputs("\t}\n}\n", out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(load(text), 0);
	free(text);
	assert_int_equal(
		generation_sweep(kernel, "t", (const char *const[]){NULL}, &number), -ENOSPC);
	assert_int_equal(number, 99);
	assert_true(has("map marks.1 {") && has("map marks.63 {"));
}

static void more_than_an_answer_holds(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	fputs("table inet t {\n", out);
	for (unsigned i = 0; i < 1000; i++)
		fprintf(out,
			"\tchain deny-with-a-rather-long-name-%u { }\n"
			"\tmap addresses-with-a-rather-long-name-%u.1 { type ipv4_addr : mark; "
			"flags "
			"interval; }\n",
			i, i);
	fputs("}\n", out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(load(text), 0);
	free(text);
	assert_int_equal(sweep(), 1);
	assert_false(has("map") || has("chain"));
}

static void an_empty_table_goes(void **state)
{
	(void)state;
	assert_int_equal(generation_remove_empty(kernel, "t"), 0);
	assert_int_equal(load("table inet t { }; table ip t { }"), 0);
	assert_int_equal(generation_remove_empty(kernel, "t"), 0);
	assert_int_equal(sweep(), 0);
	assert_true(space_run("nft list table ip t >/dev/null"));
	assert_int_equal(load("table inet t { chain c { }; }"), 0);
	assert_int_equal(generation_remove_empty(kernel, "t"), -EBUSY);
	assert_true(has("chain c {"));
	assert_int_equal(load("table inet t { set s { type mark; }; }; delete chain inet t c"), 0);
	assert_int_equal(generation_remove_empty(kernel, "t"), -EBUSY);
	assert_true(has("set s {"));
}

/* --- The lock --- */

static void one_has_it(void **state)
{
	struct netlink *other;

	(void)state;
	assert_int_equal(netlink_open(4096, &other), 0);
	assert_int_equal(generation_lock(kernel, "t", at_once), 0);
	assert_int_equal(generation_lock(other, "t", at_once), -EBUSY);
	assert_int_equal(generation_lock(kernel, "t", at_once), -EBUSY); /* it has it already */
	assert_int_equal(generation_lock(other, "u", at_once), 0);
	netlink_closep(&kernel);
	assert_int_equal(generation_lock(other, "t", at_once), 0);
	netlink_close(other);
}

/* What others do to rulesets goes on under it, and does not break it. */
static void nobody_takes_it(void **state)
{
	struct netlink *other;

	(void)state;
	assert_int_equal(generation_lock(kernel, "t", at_once), 0);
	assert_int_equal(load("table inet t { chain c { }; }"), 0);
	assert_int_equal(load("delete table inet t.lock"), -EIO);
	load("flush ruleset");
	assert_int_equal(netlink_open(4096, &other), 0);
	assert_int_equal(generation_lock(other, "t", at_once), -EBUSY);
	netlink_close(other);
}

/* A child that has the lock, and says so. */
static pid_t start_holder(unsigned milliseconds)
{
	int ready[2];
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct netlink *own;

		if (netlink_open(4096, &own) || generation_lock(own, "t", at_once) ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(milliseconds * 1000);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void a_killed_holder_leaves_it(void **state)
{
	pid_t child = start_holder(60000);
	int status;

	(void)state;
	assert_int_equal(generation_lock(kernel, "t", at_once), -EBUSY);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(generation_lock(kernel, "t", at_once), 0);
}

static void it_is_waited_for(void **state)
{
	struct mono before = clock_now();
	pid_t child = start_holder(300);
	int status;

	(void)state;
	assert_int_equal(generation_lock(kernel, "t", (struct duration){60}), -EBUSY);
	assert_int_equal(generation_lock(kernel, "t", (struct duration){30000}), 0);
	assert_in_range(mono_between(before, clock_now()).ms, 280, 20000);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void a_long_name(void **state)
{
	char name[252];

	(void)state;
	memset(name, 't', sizeof(name));
	name[251] = '\0';
	assert_int_equal(generation_lock(kernel, name, at_once), -ENAMETOOLONG);
	name[250] = '\0';
	assert_int_equal(generation_lock(kernel, name, at_once), 0);
}

/* One that no table has. */
static void a_longer_name(void **state)
{
	unsigned number = 99;
	char name[257];

	(void)state;
	memset(name, 't', sizeof(name));
	name[256] = '\0';
	assert_int_equal(generation_sweep(kernel, name, (const char *const[]){NULL}, &number),
		-ENAMETOOLONG);
	assert_int_equal(generation_remove_empty(kernel, name), -ENAMETOOLONG);
	assert_int_equal(number, 99);
	name[255] = '\0';
	assert_int_equal(generation_remove_empty(kernel, name), 0);
}

static void without_the_right(void *context)
{
	struct netlink *link;

	(void)context;
	CHECK(netlink_open(4096, &link) == 0);
	CHECK(space_enter() == 0); /* in it this process has no right over the socket's */
	CHECK(generation_lock(link, "t", (struct duration){60000}) == -EPERM);
	netlink_close(link);
}

static void no_permission(void **state)
{
	(void)state;
	assert_true(space_child(without_the_right, NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_to_sweep),
		TEST(what_is_in_use_stays),
		TEST(the_least_number_that_is_free),
		TEST(other_tables_are_left_alone),
		TEST(all_numbers_are_in_use),
		TEST(more_than_an_answer_holds),
		TEST(an_empty_table_goes),
		TEST(one_has_it),
		TEST(nobody_takes_it),
		TEST(a_killed_holder_leaves_it),
		TEST(it_is_waited_for),
		TEST(a_long_name),
		TEST(a_longer_name),
		TEST(no_permission),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
