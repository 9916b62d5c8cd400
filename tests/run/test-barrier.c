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

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/run/barrier.h"

static int set_up(void **state)
{
	return arena_new((size_t)64 << 20, (struct arena **)state);
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static const struct plan *make_plan(struct arena *arena, const char *text)
{
	const struct compile_options options = {.policy = "p.toml",
		.text = text,
		.size = strlen(text),
		.plan_only = true,
		.now = 1};
	struct diag *diag = diag_new(arena);
	struct compiled compiled;

	if (compile_policy(arena, &options, diag, &compiled) != 0) {
		diag_print(diag, stderr);
		fail();
	}
	return compiled.plan;
}

/* What is picked in a family; "": nothing. */
static void expect(
	struct arena *arena, const char *policy, enum plan_family family, const char *expected)
{
	char text[INADDR_TEXT] = "";
	struct inaddr address;

	if (barrier_pick(make_plan(arena, policy), family, BARRIER_PORT, &address))
		inaddr_to_text(&address, text);
	assert_string_equal(text, expected);
}

static void test_nobodys(void **state)
{
	expect(*state, "version = 1\n", PLAN_IP4, "192.0.2.1");
	expect(*state, "version = 1\n", PLAN_IP6, "2001:db8::1");
}

/* What the policy permits can't be tried. */
static void test_permitted(void **state)
{
	const char *policy = "version = 1\n[network]\nblock = []\n[[allow]]\n"
			     "ip = [\"192.0.2.0/24\", \"2001:db8::/32\"]\nports = [\"udp/9\"]\n";

	expect(*state, policy, PLAN_IP4, "198.51.100.1");
	expect(*state, policy, PLAN_IP6, "100::1");
}

/* On another port it is refused all the same. */
static void test_other_port(void **state)
{
	expect(*state,
		"version = 1\n[network]\nblock = []\n[[allow]]\nip = \"192.0.2.0/24\"\n"
		"ports = [\"tcp/9\"]\n",
		PLAN_IP4, "192.0.2.1");
}

static void test_denylist(void **state)
{
	const char *policy = "version = 1\nmode = \"denylist\"\n[network]\nblock = []\n[[deny]]\n"
			     "ip = \"198.18.7.0/24\"\n";

	expect(*state, policy, PLAN_IP4, "198.18.7.0");
	expect(*state, policy, PLAN_IP6, "");
}

static void test_observing(void **state)
{
	expect(*state, "version = 1\nenforcement = \"observe\"\n", PLAN_IP4, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobodys),
		TEST(test_permitted),
		TEST(test_other_port),
		TEST(test_denylist),
		TEST(test_observing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
