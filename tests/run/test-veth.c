/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/kernel/ruleset.h"
#include "src/run/veth.h"
#include "tests/kernel/space.h"

/* The host's end, where all goes well and where it does not. */

static pid_t other; /* a process in another network namespace */
static struct veth_reason why;

static int set_up(void **state)
{
	int ends[2];
	char byte;
	ssize_t got;

	(void)state;
	memset(&why, 0, sizeof(why));
	if (pipe(ends) < 0)
		return -1;
	other = fork();
	if (other == 0) {
		alarm(300);
		if (unshare(CLONE_NEWNET) == 0 && write(ends[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	got = read(ends[0], &byte, 1);
	close(ends[0]);
	return got == 1 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	(void)space_run("ip link delete egresstest 2>/dev/null");
	return 0;
}

static struct prefix prefix(const char *text, uint8_t length)
{
	struct prefix parsed = {.length = length};

	assert_int_equal(inaddr_from_text(text_of(text), &parsed.address), 0);
	return parsed;
}

static struct veth chosen(void)
{
	return (struct veth){
		.name = "egresstest",
		.table = "egress-run-test",
		.mtu = 1400,
		.families = {[PLAN_IP4] = {true, prefix("198.19.0.1", 30), prefix("198.19.0.2", 30),
				     false, {{0}}}},
	};
}

static bool has_table(void)
{
	return space_run("nft list table inet egress-run-test >/dev/null 2>&1");
}

static void it_is_made(void **state)
{
	struct veth veth = chosen();

	(void)state;
	assert_int_equal(veth_make(&veth, other, &why), 0);
	assert_int_not_equal(if_nametoindex("egresstest"), 0);
	assert_true(has_table());
	assert_true(space_run("test $(cat /proc/sys/net/ipv4/conf/egresstest/forwarding) = 1"));
	assert_true(space_run("off=/proc/sys/net/ipv6/conf/egresstest/disable_ipv6; "
			      "test ! -e $off || test $(cat $off) = 1"));
	veth_end(&veth);
	assert_false(has_table());
	assert_true(space_run("test $(cat /proc/sys/net/ipv4/conf/egresstest/forwarding) = 0"));
	veth_end(&veth);
}

/* An interface that forwards, without the ruleset that says what. */
static void without_a_ruleset_there_is_no_link(void **state)
{
	struct veth veth = chosen();
	struct ruleset_held *held;
	char *message = NULL;

	(void)state;
	assert_int_equal(
		ruleset_hold("add table inet egress-run-test { flags owner; }\n", &held, &message),
		0);
	assert_true(veth_make(&veth, other, &why) < 0);
	assert_memory_equal(why.text, "cannot load a ruleset: ", 23);
	assert_null(veth.ruleset);
	assert_int_equal(if_nametoindex("egresstest"), 0);
	ruleset_let_go(held);
}

static void without_an_address_there_is_none(void **state)
{
	struct veth veth = chosen();

	(void)state;
	veth.families[PLAN_IP4].host.length = 40;
	assert_int_equal(veth_make(&veth, other, &why), -EINVAL);
	assert_string_equal(why.text, "cannot set the interface up: Invalid argument");
	assert_int_equal(if_nametoindex("egresstest"), 0);
	assert_false(has_table());
}

/* What others have is left to them. */
static void a_name_is_taken(void **state)
{
	struct veth veth = chosen();

	(void)state;
	assert_true(space_run("ip link add egresstest type veth peer name egressother"));
	assert_int_equal(veth_make(&veth, other, &why), -EEXIST);
	assert_string_equal(why.text, "cannot make interfaces: File exists");
	assert_int_not_equal(if_nametoindex("egresstest"), 0);
	assert_false(has_table());
}

static void nobody_is_there(void **state)
{
	struct veth veth = chosen();
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	waitpid(gone, NULL, 0);
	assert_int_equal(veth_make(&veth, gone, &why), -ESRCH);
	assert_int_equal(if_nametoindex("egresstest"), 0);
	assert_false(has_table());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_made),
		TEST(without_a_ruleset_there_is_no_link),
		TEST(without_an_address_there_is_none),
		TEST(a_name_is_taken),
		TEST(nobody_is_there),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
