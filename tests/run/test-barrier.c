/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/run/barrier.h"
#include "tests/kernel/space.h"

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

/* --- That it is refused --- */

/* Another host, which forwards nothing, and says so by the same message as the ruleset. */
static pid_t make_host(void)
{
	pid_t pid;
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		alarm(60); /* it must not stay if this fails */
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_true(space_run("ip link add v0 type veth peer name v1 netns %d && "
			      "ip address add 10.9.0.1/24 dev v0 && ip link set v0 up",
		pid));
	assert_true(space_run(
		"nsenter --net=/proc/%d/ns/net sh -c 'ip address add 10.9.0.2/24 dev v1 && "
		"ip link set v1 up && ip route add prohibit 192.0.2.0/24 && "
		"echo 1 >/proc/sys/net/ipv4/ip_forward'",
		pid));
	assert_true(space_run("ip route add default via 10.9.0.2"));
	return pid;
}

static int try_with(const struct plan *plan, const char *reject)
{
	struct inaddr address;

	assert_true(space_run("nft 'add table inet t; delete table inet t'"));
	if (reject)
		assert_true(space_run("nft 'table inet t { chain out { type filter hook output "
				      "priority 0; ip daddr 192.0.2.0/24 %s; }; }'",
			reject));
	return barrier_try_refused(plan, &address);
}

/* Only this host's own refusal, by that message, is the ruleset's. */
static void test_refused(void **state)
{
	const struct plan *plan = make_plan(*state, "version = 1\n");
	pid_t host;

	if (space_enter() != 0) {
		print_message("# no network namespace may be made here\n");
		return;
	}
	/* Nothing leads there. */
	assert_int_equal(try_with(plan, NULL), 0);
	host = make_host();
	assert_int_equal(try_with(plan, NULL), -ENOTCONN);
	assert_int_equal(try_with(plan, "reject with icmp admin-prohibited"), 0);
	assert_int_equal(try_with(plan, "reject with icmp host-prohibited"), -ENOTCONN);
	assert_int_equal(try_with(plan, "reject with icmp port-unreachable"), -ENOTCONN);
	assert_int_equal(try_with(plan, "drop"), -ENOTCONN);
	kill(host, SIGKILL);
	assert_int_equal(waitpid(host, NULL, 0), host);
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
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
