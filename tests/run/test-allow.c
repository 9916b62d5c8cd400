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
#include "rules/policy.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/run/allow.h"

static void expect_text(const char *destination, const char *expected)
{
	const struct allow allow = {.destinations = &destination, .n_destinations = 1};
	const char *bad = NULL;
	char *text, *whole;
	size_t size;

	assert_int_equal(allow_write(&allow, &text, &size, &bad), 0);
	assert_int_equal(size, strlen(text));
	assert_true(asprintf(&whole, "version = 1\n[[allow]]\n%sreason = '--allow %s'\n", expected,
			    destination) > 0);
	assert_string_equal(text, whole);
	free(whole);
	free(text);
}

static void expect_bad(const char *destination)
{
	const char *const destinations[] = {"good.example", destination};
	const struct allow allow = {.destinations = destinations, .n_destinations = 2};
	const char *bad = NULL;
	char *text = NULL;
	size_t size = 7;

	if (allow_write(&allow, &text, &size, &bad) != -EINVAL)
		fail_msg("taken: %s", destination);
	assert_ptr_equal(bad, destination);
	assert_null(text);
	assert_int_equal(size, 7);
}

static void test_destinations(void **state)
{
	(void)state;
	expect_text("api.example.com", "host = ['api.example.com']\n");
	expect_text("api.example.com:8443", "host = ['api.example.com']\nports = ['tcp/8443']\n");
	expect_text("tcp/api.example.com", "host = ['api.example.com']\n");
	expect_text("udp/ntp.example.com:123", "host = ['ntp.example.com']\nports = ['udp/123']\n");
	expect_text(
		"*.example.com:8000-8100", "host = ['*.example.com']\nports = ['tcp/8000-8100']\n");
	expect_text("icmp/192.0.2.1", "ip = ['192.0.2.1']\nports = ['icmp/echo']\n");
	expect_text("192.0.2.1:22", "ip = ['192.0.2.1']\nports = ['tcp/22']\n");
	expect_text("192.0.2.0/24", "ip = ['192.0.2.0/24']\n");
	expect_text("192.0.2.0/24:22", "ip = ['192.0.2.0/24']\nports = ['tcp/22']\n");
	expect_text("192.0.2.1-192.0.2.9:22", "ip = ['192.0.2.1-192.0.2.9']\nports = ['tcp/22']\n");
	/* Host bits are for who reads the policy to refuse. */
	expect_text("192.0.2.1/24", "ip = ['192.0.2.1/24']\n");
	expect_text("2001:db8::1", "ip = ['2001:db8::1']\n");
	expect_text("2001:db8::/32", "ip = ['2001:db8::/32']\n");
	expect_text("[2001:db8::1]", "ip = ['2001:db8::1']\n");
	expect_text("udp/[2001:db8::1]:53", "ip = ['2001:db8::1']\nports = ['udp/53']\n");
	expect_text("[2001:db8::/32]:53", "ip = ['2001:db8::/32']\nports = ['tcp/53']\n");
}

static void test_bad(void **state)
{
	(void)state;
	expect_bad("");
	expect_bad(":443");
	expect_bad("a.example:");
	expect_bad("[2001:db8::1");
	expect_bad("[2001:db8::1]:");
	expect_bad("[2001:db8::1]443");
	expect_bad("icmp/192.0.2.1:7");
	expect_bad("udp/a.example");
	expect_bad("tcp/");
	/* What could end its string, or the line. */
	expect_bad("a' ]");
	expect_bad("a']\n[[allow]]\nip=['0.0.0.0/0");
	expect_bad("a\tb");
	expect_bad("a\x7f");
	expect_bad("\xc3\xa4.example");
}

static void test_profiles(void **state)
{
	const char *const profiles[] = {"npm", "github"};
	const char *const evil[] = {"npm", "x', 'y"};
	struct allow allow = {.profiles = profiles, .n_profiles = 2};
	const char *bad = NULL;
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(allow_write(&allow, &text, &size, &bad), 0);
	assert_string_equal(text, "version = 1\nprofiles = ['npm', 'github']\n");
	free(text);
	allow.profiles = evil;
	assert_int_equal(allow_write(&allow, &text, &size, &bad), -EINVAL);
	assert_ptr_equal(bad, evil[1]);
}

/* --- What becomes of it --- */

/* The base with what is added, for a namespace of its own or not. */
static const struct policy *compile(
	struct arena *arena, const char *base, const char *added, bool own_namespace)
{
	const struct compile_options options = {
		.policy = "base.toml",
		.text = base,
		.size = strlen(base),
		.added = added ? "(options)" : NULL,
		.added_text = added,
		.added_size = added ? strlen(added) : 0,
		.own_namespace = own_namespace,
		.plan_only = true,
		.now = 1,
	};
	struct diag *diag = diag_new(arena);
	struct compiled compiled;

	if (compile_policy(arena, &options, diag, &compiled) != 0) {
		diag_print(diag, stderr);
		fail();
	}
	return compiled.plan->policy;
}

static int set_up(void **state)
{
	return arena_new((size_t)64 << 20, (struct arena **)state);
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

#define ENTRY(host) "[[allow]]\nhost = \"" host "\"\n"

static void test_added(void **state)
{
	const struct policy *policy = compile(*state,
		"version = 1\n" ENTRY("a.example") "[[deny]]\nhost = \"c.example\"\n[dns]\n",
		"version = 1\nname = \"other\"\nmode = \"denylist\"\n" ENTRY("b.example"), false);

	assert_int_equal(policy->n_entries, 3);
	assert_string_equal(policy->entries[0].id, "allow-1");
	assert_string_equal(policy->entries[1].id, "deny-1");
	assert_string_equal(policy->entries[2].id, "added:allow-1");
	assert_string_equal(policy->name, "default");
	assert_false(policy->denylist);
	assert_true(policy->has_allow);
}

static void test_added_to_nothing(void **state)
{
	const struct policy *policy = compile(
		*state, "version = 1\nallow = []\n", "version = 1\n" ENTRY("b.example"), false);

	assert_int_equal(policy->n_entries, 1);
	assert_string_equal(policy->entries[0].id, "added:allow-1");
}

/* The base alone. */
static void test_observed(void **state)
{
	const char *base = "version = 1\n" ENTRY("a.example");
	const struct compile_options options = {
		.policy = "base.toml",
		.text = base,
		.size = strlen(base),
		.observe = true,
		.now = 1,
	};
	const struct layers *layers;

	assert_int_equal(compile_layers(*state, &options, diag_new(*state), &layers), 0);
	assert_true(layers->layers[0].policy->observe);
	assert_int_equal(layers->layers[0].unknown, VERDICT_OBSERVE);
	assert_false(compile(*state, base, NULL, false)->observe);
}

static void test_own_namespace(void **state)
{
	const char *base =
		"version = 1\n[scope]\nusers = [0]\ninterfaces = [\"eth0\"]\n"
		"[dns]\nlisten = [\"192.0.2.1:53\"]\nupstream = [\"udp://192.0.2.53\"]\n";
	const struct policy *policy = compile(*state, base, NULL, true);
	char text[INADDR_TEXT];

	assert_int_equal(policy->scope.n_users, 0);
	assert_int_equal(policy->scope.n_interfaces, 0);
	assert_int_equal(policy->dns.n_listen, 2);
	assert_string_equal(endpoint_to_text(&policy->dns.listen[0], text), "127.0.0.1:5300");
	assert_string_equal(endpoint_to_text(&policy->dns.listen[1], text), "[::1]:5300");
	assert_int_equal(policy->dns.n_upstream, 1);
	assert_true(policy->dns.elsewhere);
	policy = compile(*state, base, NULL, false);
	assert_int_equal(policy->scope.n_users, 1);
	assert_false(policy->dns.elsewhere);
}

/* The default addresses are those that the schema has. */
static void test_default_listen(void **state)
{
	const struct policy *plain = compile(*state, "version = 1\n", NULL, false);
	const struct policy *own = compile(*state, "version = 1\n", NULL, true);

	assert_int_equal(own->dns.n_listen, plain->dns.n_listen);
	for (size_t i = 0; i < own->dns.n_listen; i++)
		assert_memory_equal(&own->dns.listen[i], &plain->dns.listen[i],
			sizeof(own->dns.listen[i].address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test_setup_teardown(test_added, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_added_to_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_observed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_namespace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_default_listen, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
