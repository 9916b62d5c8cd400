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

#include "rules/explain.h"
#include "src/base/arena.h"
#include "tests/rules/sketch.h"

static int setup(void **state)
{
	return arena_new(64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

struct expectation {
	const char *destination;
	const char *text; /* starts with "DEST: permitted" or "DEST: refused" */
};

static void check(struct arena *arena, const struct policy *policy,
	const struct expectation *expectations, size_t count)
{
	struct compiled compiled = {.plan = sketch_plan(arena, policy)};

	assert_int_equal(match_make(arena, compiled.plan, &compiled.match), 0);
	for (size_t i = 0; i < count; i++) {
		bool permitted = false, expected = strstr(expectations[i].text, ": permitted\n");
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		assert_int_equal(
			explain(&compiled, expectations[i].destination, out, &permitted), 0);
		fclose(out);
		assert_string_equal(text, expectations[i].text);
		assert_int_equal(permitted, expected);
		free(text);
	}
}

#define CHECK(arena, policy, expectations)                                                         \
	check(arena, policy, expectations, sizeof(expectations) / sizeof((expectations)[0]))

static const char *const lines[] = {
	"api.example.com : tcp/443",
	"*.example.com : tcp/443 tcp/80",
	"**.example.com : tcp/1000-1999 icmp/echo",
	"10.1.0.0/16 2001:db8:1::/48 : tcp/443",
	"10.0.0.0/8 : tcp/443 tcp/22",
	"10.1.2.0/24 203.0.113.9 : tcp/5432",
	NULL,
};

static struct policy *make_policy(struct arena *arena)
{
	struct policy *policy = sketch_policy(arena, lines);

	policy->block = 1u << CLASS_PRIVATE | 1u << CLASS_LINK_LOCAL | 1u << CLASS_LOOPBACK;
	sketch_listen(arena, policy, "127.0.0.1:5300");
	sketch_listen(arena, policy, "[2001:db8::1]:5300");
	sketch_upstream(arena, policy, "192.0.2.53:53");
	sketch_embedded(arena, policy, "db.example.com 10.9.9.9 2001:db8:9::9");
	sketch_embedded(arena, policy, "other.example.net 10.9.9.9");
	return policy;
}

static void test_names(void **state)
{
	static const struct expectation expectations[] = {
		{"api.example.com:443",
			"api.example.com tcp/443: permitted\n"
			"  tcp/443: allow-1 (sketch.toml:10): api.example.com tcp/443\n"
			"    before allow-2 (sketch.toml:20), which is not more specific\n"
			"  open while leased: the addresses that [dns] upstream answers, but for "
			"blocked classes\n"},
		{"API.example.com.",
			"api.example.com: permitted\n"
			"  tcp/443: allow-1 (sketch.toml:10): api.example.com tcp/443\n"
			"    before allow-2 (sketch.toml:20), which is not more specific\n"
			"  tcp/80: allow-2 (sketch.toml:20): *.example.com tcp/443, tcp/80\n"
			"  tcp/1000-1999, icmp/echo: allow-3 (sketch.toml:30): **.example.com "
			"tcp/1000-1999, icmp/echo\n"
			"  open while leased: the addresses that [dns] upstream answers, but for "
			"blocked classes\n"},
		{"tcp/db.example.com:80",
			"db.example.com tcp/80: permitted\n"
			"  tcp/80: allow-2 (sketch.toml:20): *.example.com tcp/443, tcp/80\n"
			"  open while leased, from [dns.hosts] (sketch.toml:900): 10.9.9.9, "
			"2001:db8:9::9\n"},
		{"icmp/a.b.example.com",
			"a.b.example.com icmp/echo: permitted\n"
			"  icmp/echo: allow-3 (sketch.toml:30): **.example.com tcp/1000-1999, "
			"icmp/echo\n"
			"  open while leased: the addresses that [dns] upstream answers, but for "
			"blocked classes\n"},
		{"a.b.example.com:443",
			"a.b.example.com tcp/443: refused\n"
			"  default-deny: the name is permitted, but on other ports, by allow-3 "
			"(sketch.toml:30)\n"},
		{"udp/api.example.com",
			"api.example.com udp: refused\n"
			"  default-deny: the name is permitted, but on other ports, by allow-1 "
			"(sketch.toml:10)\n"},
		{"example.com",
			"example.com: refused\n"
			"  default-deny: no entry has the name, so the resolver does not answer\n"},
		{"other.example.net",
			"other.example.net: refused\n"
			"  default-deny: no entry has the name, so the resolver does not answer\n"},
		{"udp/api.example.com:53",
			"api.example.com udp/53: refused\n"
			"  dns: goes to the resolver at 127.0.0.1:5300 instead, like all DNS\n"},
	};

	CHECK(*state, make_policy(*state), expectations);
}

static void test_addresses(void **state)
{
	static const struct expectation expectations[] = {
		{"10.1.0.1:443", "10.1.0.1 tcp/443: permitted\n"
				 "  tcp/443: allow-4 (sketch.toml:40): 10.1.0.0/16, "
				 "2001:db8:1::/48 tcp/443\n"
				 "    before allow-5 (sketch.toml:50), which is not more specific\n"
				 "    before block-private (10.0.0.0/8), which is wider\n"},
		{"10.1.2.3",
			"10.1.2.3: permitted\n"
			"  tcp/443: allow-4 (sketch.toml:40): 10.1.0.0/16, 2001:db8:1::/48 "
			"tcp/443\n"
			"    before allow-5 (sketch.toml:50), which is not more specific\n"
			"    before block-private (10.0.0.0/8), which is wider\n"
			"  tcp/5432: allow-6 (sketch.toml:60): 10.1.2.0/24, 203.0.113.9 tcp/5432\n"
			"    before block-private (10.0.0.0/8), which is wider\n"},
		{"::ffff:10.1.0.1",
			"10.1.0.1: permitted\n"
			"  tcp/443: allow-4 (sketch.toml:40): 10.1.0.0/16, 2001:db8:1::/48 "
			"tcp/443\n"
			"    before allow-5 (sketch.toml:50), which is not more specific\n"
			"    before block-private (10.0.0.0/8), which is wider\n"},
		{"[2001:db8:1::5]:443",
			"2001:db8:1::5 tcp/443: permitted\n"
			"  tcp/443: allow-4 (sketch.toml:40): 10.1.0.0/16, 2001:db8:1::/48 "
			"tcp/443\n"},
		{"10.2.0.1:22", "10.2.0.1 tcp/22: refused\n"
				"  block-private: [network] block has 10.2.0.0-10.255.255.255\n"},
		{"10.1.0.1:22",
			"10.1.0.1 tcp/22: refused\n"
			"  default-deny: the address is permitted, but on other ports, by allow-4 "
			"(sketch.toml:40)\n"},
		{"10.9.9.9:80",
			"10.9.9.9 tcp/80: refused\n"
			"  block-private: [network] block has 10.2.0.0-10.255.255.255\n"
			"  but open while leased to db.example.com (sketch.toml:900), by allow-2 "
			"(sketch.toml:20)\n"},
		{"198.51.100.1:80",
			"198.51.100.1 tcp/80: refused\n"
			"  default-deny: no entry has the address\n"
			"  but open while leased, if the answer for a permitted name has it\n"},
		{"198.51.100.1:81", "198.51.100.1 tcp/81: refused\n"
				    "  default-deny: no entry has the address\n"},
		{"udp/203.0.113.9:5432",
			"203.0.113.9 udp/5432: refused\n"
			"  default-deny: the address is permitted, but on other ports, by allow-6 "
			"(sketch.toml:60)\n"},
		{"icmp/203.0.113.9",
			"203.0.113.9 icmp/echo: refused\n"
			"  default-deny: the address is permitted, but on other ports, by allow-6 "
			"(sketch.toml:60)\n"
			"  but open while leased, if the answer for a permitted name has it\n"},
	};
	struct policy *policy = make_policy(*state);

	CHECK(*state, policy, expectations);
}

static void test_local(void **state)
{
	static const struct expectation expectations[] = {
		{"127.0.0.1:80", "127.0.0.1 tcp/80: permitted\n"
				 "  loopback: never leaves this network namespace\n"},
		{"127.0.0.1:5300", "127.0.0.1 tcp/5300: permitted\n  dns: the resolver itself\n"},
		{"::1", "::1: permitted\n  loopback: never leaves this network namespace\n"},
		{"udp/[2001:db8::1]:5300",
			"2001:db8::1 udp/5300: permitted\n  dns: the resolver itself\n"},
		{"127.0.0.1:53",
			"127.0.0.1 tcp/53: refused\n"
			"  dns: goes to the resolver at 127.0.0.1:5300 instead, like all DNS\n"},
		{"udp/[2001:db8::5]:53", "2001:db8::5 udp/53: refused\n"
					 "  dns: goes to the resolver at [2001:db8::1]:5300 "
					 "instead, like all DNS\n"},
	};

	CHECK(*state, make_policy(*state), expectations);
}

/* Without an upstream only embedded names have addresses; without a listening address nothing is
 * redirected; a resolver on the DNS port is reached there. */
static void test_without_dns(void **state)
{
	static const char *const few[] = {"a.example b.example : tcp/443 udp/53", NULL};
	static const struct expectation without[] = {
		{"a.example:443", "a.example tcp/443: permitted\n"
				  "  tcp/443: allow-1 (sketch.toml:10): a.example, b.example "
				  "tcp/443, udp/53\n"
				  "  but it has no addresses: there is neither [dns] upstream nor "
				  "[dns.hosts] "
				  "for it\n"},
		{"udp/192.0.2.1:53",
			"192.0.2.1 udp/53: refused\n  default-deny: no entry has the address\n"},
		{"192.0.2.1", "192.0.2.1: refused\n  default-deny: no entry has the address\n"},
	};
	static const struct expectation with[] = {
		{"udp/192.0.2.1:53", "192.0.2.1 udp/53: permitted\n  dns: the resolver itself\n"},
		{"udp/192.0.2.2:53",
			"192.0.2.2 udp/53: refused\n"
			"  dns: goes to the resolver at 192.0.2.1:53 instead, like all DNS\n"},
		/* The name may have IPv6 addresses, which are not redirected. */
		{"udp/a.example:53",
			"a.example udp/53: permitted\n"
			"  udp/53: allow-1 (sketch.toml:10): a.example, b.example tcp/443, udp/53\n"
			"  but it has no addresses: there is neither [dns] upstream nor "
			"[dns.hosts] "
			"for it\n"},
	};
	struct policy *policy = sketch_policy(*state, few);

	CHECK(*state, policy, without);
	sketch_listen(*state, policy, "192.0.2.1:53");
	CHECK(*state, policy, with);
}

/* Only what matches was preferred to. */
static void test_beaten_wildcards(void **state)
{
	static const char *const wild[] = {"a.b.example : tcp/443", "*.example : tcp/443",
		"**.example : tcp/443", "*.b.example : tcp/443", "**.a.b.example : tcp/443",
		"b.example : tcp/443", "*.a.b.example : tcp/443", "a.b.example : tcp/80", NULL};
	static const struct expectation expectations[] = {
		{"a.b.example:443",
			"a.b.example tcp/443: permitted\n"
			"  tcp/443: allow-1 (sketch.toml:10): a.b.example tcp/443\n"
			"    before allow-3 (sketch.toml:30), which is not more specific\n"
			"    before allow-4 (sketch.toml:40), which is not more specific\n"
			"  but it has no addresses: there is neither [dns] upstream nor "
			"[dns.hosts] "
			"for it\n"},
	};

	CHECK(*state, sketch_policy(*state, wild), expectations);
}

static void test_long_lists_are_cut(void **state)
{
	const char *many[16] = {0};
	struct compiled compiled;
	bool permitted;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned i = 0; i < 15; i++)
		many[i] = "a.example : tcp/443";
	compiled.plan = sketch_plan(*state, sketch_policy(*state, many));
	assert_int_equal(match_make(*state, compiled.plan, &compiled.match), 0);
	assert_int_equal(explain(&compiled, "a.example", out, &permitted), 0);
	fclose(out);
	assert_non_null(strstr(text, "before allow-11 "));
	assert_null(strstr(text, "before allow-12 "));
	assert_non_null(strstr(text, "    and 4 more\n"));
	free(text);
}

static void test_no_destinations(void **state)
{
	static const char *const bad[] = {"", ":", "/", "tcp/", "a.example:", "a.example:0",
		"a.example:65536", "a.example:x", "a.example:443:443", ":443", "sctp/a.example",
		"10.0.0.0/8", "tcp/10.0.0.0/8", "icmp/a.example:443", "icmp/10.0.0.1:443",
		"10.0.0.256", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "[10.0.0.1]:443",
		"[2001:db8::1", "[2001:db8::1]", "2001:db8::1:g", "https://a.example", "a b",
		"*.example", "-a.example", "a..example", ".", "a.example\n"};
	struct compiled compiled = {.plan = sketch_plan(*state, make_policy(*state))};
	bool permitted = true;

	assert_int_equal(match_make(*state, compiled.plan, &compiled.match), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (explain(&compiled, bad[i], stdout, &permitted) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(permitted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beaten_wildcards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lists_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_destinations, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
