/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/iface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/hooks.h"
#include "src/kernel/netns.h"
#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

static struct iface *iface;
static pid_t other; /* a process in another network namespace */

static struct inaddr address(const char *text)
{
	struct inaddr parsed;

	assert_int_equal(inaddr_from_text(text_of(text), &parsed), 0);
	return parsed;
}

/* A process that waits in a network namespace of its own. */
static pid_t start_other(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) == 0 && write(ends[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static int set_up(void **state)
{
	(void)state;
	other = start_other();
	return iface_open(&iface);
}

static int tear_down(void **state)
{
	(void)state;
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	iface_closep(&iface);
	return 0;
}

static void add_link(void)
{
	const struct prefix ip4 = {address("192.0.2.1"), 30}, ip6 = {address("fd00::1"), 126};

	assert_int_equal(iface_add_pair(iface, "left", "right", other, 1400), 0);
	assert_int_equal(iface_add_address(iface, "left", &ip4), 0);
	assert_int_equal(iface_add_address(iface, "left", &ip6), 0);
	assert_int_equal(iface_raise(iface, "left"), 0);
}

static void remove_link(void)
{
	assert_int_equal(iface_remove(iface, "left"), 0);
	assert_int_equal(if_nametoindex("left"), 0);
}

static void makes_pairs(void **state)
{
	(void)state;
	add_link();
	assert_true(if_nametoindex("left") > 0);
	assert_int_equal(if_nametoindex("right"), 0);
	assert_int_equal(iface_add_pair(iface, "left", "more", other, 1400), -EEXIST);
	assert_int_equal(iface_add_pair(iface, "more", "right", other, 1400), -EEXIST);
	assert_int_equal(iface_add_pair(iface, "a-name-with-16-b", "b", other, 1400), -EINVAL);
	remove_link();
	assert_int_equal(iface_remove(iface, "left"), -ENODEV);
	assert_int_equal(iface_raise(iface, "left"), -ENODEV);
}

static void finds_routes(void **state)
{
	static const char *const gateways[] = {"192.0.2.2", "fd00::2"};
	static const char *const sources[] = {"192.0.2.1", "fd00::1"};
	static const char *const far[] = {"198.51.100.1", "2001:db8::1"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct inaddr to = address(far[i]), gateway = address(gateways[i]);
		const struct inaddr source = address(sources[i]);
		struct iface_route route = {.out = 7};

		assert_int_equal(iface_find_route(iface, &to, &route), -ENETUNREACH);
		assert_int_equal(route.out, 7);
		add_link();
		assert_int_equal(iface_find_route(iface, &to, &route), -ENETUNREACH);
		assert_int_equal(iface_add_default_route(iface, &gateway), 0);
		assert_int_equal(iface_find_route(iface, &to, &route), 0);
		assert_int_equal(route.out, if_nametoindex("left"));
		assert_true(route.has_source);
		assert_int_equal(inaddr_compare(&route.source, &source), 0);
		/* This host's own is no way; of IPv6 it is not there yet, as the other end is down.
		 */
		if (inaddr_is_ip4(&source))
			assert_int_equal(iface_find_route(iface, &source, &route), -ENETUNREACH);
		assert_int_equal(iface_remove_default_route(iface, &gateway), 0);
		assert_int_equal(iface_find_route(iface, &to, &route), -ENETUNREACH);
		assert_int_equal(iface_remove_default_route(iface, &gateway), -ESRCH);
		remove_link();
	}
}

static void expect_free(const char *text, bool expected)
{
	const struct inaddr at = address(text);
	bool is_free = !expected;

	assert_int_equal(iface_is_free(iface, &at, &is_free), 0);
	assert_int_equal(is_free, expected);
}

static void knows_what_is_free(void **state)
{
	const struct inaddr gateway4 = address("192.0.2.2"), gateway6 = address("fd00::2");

	(void)state;
	expect_free("192.0.2.2", true);
	add_link();
	for (int i = 0; i < 2; i++) {
		expect_free("192.0.2.1", false);
		expect_free("192.0.2.2", false);
		expect_free("192.0.2.4", true);
		expect_free("fd00::1", false);
		expect_free("fd00::2", false);
		expect_free("fd00::4", true);
		expect_free("127.1.2.3", false);
		if (i == 0) {
			assert_int_equal(iface_add_default_route(iface, &gateway4), 0);
			assert_int_equal(iface_add_default_route(iface, &gateway6), 0);
		}
	}
	remove_link();
}

/* Routes that say that there is none are no failure. */
static void heeds_routes_to_nowhere(void **state)
{
	static const char *const types[] = {"unreachable", "prohibit", "blackhole"};
	const struct inaddr to = address("198.51.100.1");
	struct iface_route route;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(space_run("ip route replace %s 198.51.100.0/24", types[i]));
		assert_int_equal(iface_find_route(iface, &to, &route), -ENETUNREACH);
		expect_free("198.51.100.1", true);
		assert_true(space_run("ip route flush table main"));
	}
}

static void expect_judged(bool expected)
{
	bool judged = !expected;

	assert_int_equal(hooks_judge_forwarded("own-", &judged), 0);
	assert_int_equal(judged, expected);
}

/* Before the second part of a list comes, something else changes, so many times. */
static unsigned changes, parts;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names, ld(1), --wrap */
ssize_t __wrap_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size);
ssize_t __real_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size);

ssize_t __wrap_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size)
{
	char *message = NULL;

	if (parts++ == 1 && changes > 0) {
		changes--;
		assert_int_equal(ruleset_load("add table inet passing\n"
					      "delete table inet passing",
					 false, &message),
			0);
	}
	return __real_recvfrom(fd, bytes, size, flags, from, from_size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* More chains than one part of a list has room for. */
static void load_many(void)
{
	enum { CHAINS = 1000 };
	char *text, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs("flush ruleset\ntable inet many {\n", out);
	for (unsigned i = 0; i < CHAINS; i++)
		fprintf(out, "\tchain c%u { }\n", i);
	fputs("}\n", out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(ruleset_load(text, false, &message), 0);
	free(text);
}

static void a_list_that_something_came_between_is_made_anew(void **state)
{
	bool judged = true;

	(void)state;
	load_many();
	changes = 1;
	parts = 0;
	assert_int_equal(hooks_judge_forwarded("own-", &judged), 0);
	assert_false(judged);
	assert_int_equal(changes, 0);
	assert_true(parts > 2);
	assert_true(space_run("nft flush ruleset"));
}

static void sees_who_judges(void **state)
{
	static const char *const others[] = {
		"table inet t { chain c { type filter hook forward priority 0; }\n}",
		"table ip t { chain c { type filter hook forward priority -300; policy drop; }\n}",
		"table ip6 t { chain c { type filter hook forward priority 10; }\n}",
	};
	char *message = NULL;

	(void)state;
	assert_int_equal(ruleset_load("flush ruleset", false, &message), 0);
	expect_judged(false);
	assert_int_equal(
		ruleset_load(
			"table inet t { chain c { type filter hook input priority 0; }\n"
			"chain d { }\n}\n"
			"table bridge t { chain c { type filter hook forward priority 0; }\n}\n"
			"table arp t { chain c { type filter hook input priority 0; }\n}\n"
			"table inet own-t { chain c { type filter hook forward "
			"priority 0; }\n}",
			false, &message),
		0);
	expect_judged(false);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(ruleset_load("flush ruleset", false, &message), 0);
		assert_int_equal(ruleset_load(others[i], false, &message), 0);
		expect_judged(true);
	}
	assert_int_equal(ruleset_load("flush ruleset", false, &message), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_pairs),
		cmocka_unit_test(finds_routes),
		cmocka_unit_test(knows_what_is_free),
		cmocka_unit_test(heeds_routes_to_nowhere),
		cmocka_unit_test(sees_who_judges),
		cmocka_unit_test(a_list_that_something_came_between_is_made_anew),
	};

	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("iface", tests, set_up, tear_down);
}
