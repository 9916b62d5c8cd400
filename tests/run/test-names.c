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

#include "src/run/names.h"

static void expect_nsswitch(const char *before, const char *expected)
{
	char *text;
	size_t size;

	assert_int_equal(names_nsswitch(text_of(before), &text, &size), 0);
	assert_string_equal(text, expected);
	assert_int_equal(size, strlen(expected));
	free(text);
}

static void test_nsswitch(void **state)
{
	(void)state;
	expect_nsswitch("", "hosts: files dns\n");
	expect_nsswitch("passwd: files sss\nhosts: files mdns4_minimal [NOTFOUND=return] dns\n"
			"networks: files\n",
		"passwd: files sss\nnetworks: files\nhosts: files dns\n");
	expect_nsswitch("hosts:\tfiles resolve [!UNAVAIL=return] myhostname",
		"hosts: files myhostname dns\n");
	expect_nsswitch("  hosts: myhostname", "hosts: files myhostname dns\n");
	expect_nsswitch("hosts: notmyhostname myhostname2", "hosts: files dns\n");
	/* Which of several lines counts is nobody's business. */
	expect_nsswitch("hosts: dns\nhosts: resolve\n", "hosts: files dns\n");
	expect_nsswitch("# hosts: resolve\n", "# hosts: resolve\nhosts: files dns\n");
}

static struct name name_from(const char *wire, size_t length)
{
	struct name name = {.length = (uint8_t)length};

	memcpy(name.wire, wire, length);
	return name;
}

static void test_resolv_conf(void **state)
{
	struct name search[] = {
		name_from("\003svc\007cluster\005local", 19), name_from("\003lan", 5)};
	struct dns_policy dns = {.search = search};
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(names_resolv_conf(&dns, &text, &size), 0);
	assert_string_equal(text, "nameserver 127.0.0.1\n");
	free(text);
	dns.n_search = 2;
	assert_int_equal(names_resolv_conf(&dns, &text, &size), 0);
	assert_string_equal(text, "nameserver 127.0.0.1\nsearch svc.cluster.local lan\n");
	assert_int_equal(size, strlen(text));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nsswitch),
		cmocka_unit_test(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
