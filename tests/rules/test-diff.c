/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/diff.h"
#include "src/base/arena.h"
#include "tests/rules/stack.h"

#define ARENA_MAX ((size_t)64 << 20)

/* What differs, as text; to be freed. */
static char *difference(const char *before, const char *after, bool json, bool *ret_gained)
{
	struct arena *arena;
	struct compiled sides[2];
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(arena_new(ARENA_MAX, &arena), 0);
	sides[0] = stack_compile(arena, before, NULL, 0);
	sides[1] = stack_compile(arena, after, NULL, 0);
	assert_int_equal(diff(&sides[0], &sides[1], json, out, ret_gained), 0);
	fclose(out);
	arena_free(arena);
	return text;
}

static void check(const char *before, const char *after, bool gains, const char *expected)
{
	bool gained;
	char *text = difference(before, after, false, &gained);

	assert_string_equal(text, expected);
	assert_int_equal(gained, gains);
	free(text);
}

#define A_HOST(host) "[[allow]]\nhost = \"" host "\"\n"
#define A_DENY(host) "[[deny]]\nhost = \"" host "\"\n"
#define AN_IP(ip) "[[allow]]\nip = \"" ip "\"\n"

static void equal_policies_do_not_differ(void **state)
{
	(void)state;
	check("", "", false, "no difference in what may be reached\n");
	check(A_HOST("a.example.com") AN_IP("192.0.2.0/23"),
		AN_IP("192.0.2.0/23") A_HOST("A.Example.com."), false,
		"no difference in what may be reached\n");
	/* Other words for the same. */
	check(AN_IP("198.41.0.0/24") AN_IP("198.41.1.0/24"), AN_IP("198.41.0.0/23"), false,
		"no difference in what may be reached\n");
}

static void a_name_more_is_gained(void **state)
{
	(void)state;
	check(A_HOST("a.example.com"), A_HOST("a.example.com") A_HOST("b.example.com"), true,
		"gained by allow-2 (base.toml:4):\n"
		"  + b.example.com tcp/443 (was: default-deny)\n");
	check(A_HOST("a.example.com") A_HOST("b.example.com"), A_HOST("b.example.com"), false,
		"lost with allow-1 (base.toml:2):\n"
		"  - a.example.com tcp/443 (now: default-deny)\n");
}

static void a_wildcard_is_wider_than_what_it_covers(void **state)
{
	(void)state;
	check(A_HOST("a.example.com"), A_HOST("*.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + *.example.com tcp/443 (was: default-deny)\n");
	check(A_HOST("*.example.com"), A_HOST("**.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + *.*.example.com tcp/443 (was: default-deny)\n");
	check(A_HOST("*.example.com") A_HOST("*.*.example.com"), A_HOST("**.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + *.*.*.example.com tcp/443 (was: default-deny)\n");
	check(A_HOST("**.example.com"), A_HOST("api-*.example.com"), false,
		"lost with allow-1 (base.toml:2):\n"
		"  - *.example.com tcp/443 (now: default-deny)\n"
		"  - *.*.example.com tcp/443 (now: default-deny)\n");
}

/* The names that both wildcards have are decided by the denial before, by the other one after. */
static void crossing_wildcards_are_seen(void **state)
{
	(void)state;
	check(A_HOST("api-*.example.com") A_DENY("*-internal.example.com"),
		A_HOST("api-*.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + api-*-internal.example.com tcp/443 (was: deny-1)\n");
	check(A_HOST("api-*.example.com") A_DENY("*-internal.example.com"),
		A_HOST("*-internal.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + *-internal.example.com tcp/443 (was: deny-1)\n"
		"  + api-*-internal.example.com tcp/443 (was: deny-1)\n"
		"lost with allow-1 (base.toml:2):\n"
		"  - api-*.example.com tcp/443 (now: default-deny)\n");
}

static void wildcards_of_lists_cross_too(void **state)
{
	static const char host[] = "**.x.example.com\n";
	char path[] = "egress-list-XXXXXX", before[160], after[120];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, host, sizeof(host) - 1), sizeof(host) - 1);
	close(fd);
	snprintf(after, sizeof(after), "[[allow]]\nlist = \"%s\"\n", path);
	snprintf(before, sizeof(before), "%s%s", after, A_DENY("a.*.example.com"));
	check(before, after, true,
		"gained by allow-1 (base.toml:2):\n"
		"  + a.x.example.com tcp/443 (was: deny-1)\n");
	unlink(path);
}

static void a_denial_less_is_gained(void **state)
{
	(void)state;
	check(A_HOST("*.example.com") A_DENY("bad.example.com"), A_HOST("*.example.com"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + bad.example.com tcp/443 (was: deny-1)\n");
}

static void addresses_are_compared_exactly(void **state)
{
	(void)state;
	check(AN_IP("198.41.0.0/24"), AN_IP("198.41.0.0-198.41.1.7"), true,
		"gained by allow-1 (base.toml:2):\n"
		"  + 198.41.1.0/29 tcp/443 (was: default-deny)\n");
	check(AN_IP("2600::/32"), AN_IP("2600::-2600:0:ffff:ffff:ffff:ffff:ffff:fffe"), false,
		"lost with allow-1 (base.toml:2):\n"
		"  - 2600:0:ffff:ffff:ffff:ffff:ffff:ffff tcp/443 (now: default-deny)\n");
}

static void ports_are_compared_exactly(void **state)
{
	(void)state;
	check(AN_IP("198.41.0.4") "ports = \"tcp/1000-2000\"\n",
		AN_IP("198.41.0.4") "ports = [\"tcp/1500-2500\", \"udp/53\"]\n", true,
		"gained by allow-1 (base.toml:2):\n"
		"  + 198.41.0.4 tcp/2001-2500, udp/53 (was: default-deny)\n"
		"lost with allow-1 (base.toml:2):\n"
		"  - 198.41.0.4 tcp/1000-1499 (now: default-deny)\n");
}

static void the_mode_is_the_greatest_difference(void **state)
{
	bool gained;
	char *text;

	(void)state;
	text = difference(A_HOST("a.example.com"), "mode = \"denylist\"\n", false, &gained);
	assert_true(gained);
	assert_non_null(strstr(text, "gained by default-permit:\n"));
	assert_non_null(
		strstr(text, "  + names that nothing matches other ports (was: default-deny)\n"));
	free(text);
	text = difference(A_HOST("a.example.com"), "enforcement = \"observe\"\n", false, &gained);
	assert_true(gained);
	free(text);
}

static void what_answers_may_hold_counts(void **state)
{
	(void)state;
	check(A_HOST("a.example.com"), A_HOST("a.example.com") "addresses = [\"10.1.0.0/16\"]\n",
		true,
		"gained by allow-1 (base.toml:2):\n"
		"  + a.example.com at addresses such as 10.1.0.0 tcp/443 (was: allow-1)\n"
		"lost with allow-1 (base.toml:2):\n"
		"  - a.example.com at addresses such as 198.41.0.4 tcp/443 (now: allow-1)\n");
}

static void limits_of_unknown_names_count(void **state)
{
	static const char open[] = "mode = \"denylist\"\n";
	static const char bounded[] = "mode = \"denylist\"\n[limits]\n"
				      "wildcard_bytes = \"2000/minute\"\n";
	char *text;
	bool gained;

	(void)state;
	check(bounded, open, true,
		"gained by default-permit wildcard_bytes:\n"
		"  + no limit (was: 2000/minute)\n");
	check(open, bounded, false,
		"lost with default-permit wildcard_bytes:\n"
		"  - no limit (now: 2000/minute)\n");
	/* An entry that takes names from those which have no limit, or leaves them to these. */
	text = difference("mode = \"denylist\"\n" A_HOST("**.example.com"), open, false, &gained);
	assert_true(gained);
	assert_non_null(strstr(text, "gained by allow-1 wildcard_bytes"));
	assert_non_null(strstr(text, "  + no limit (was: 2000/minute)\n"));
	free(text);
	text = difference(open, "mode = \"denylist\"\n" A_HOST("**.example.com"), false, &gained);
	assert_false(gained);
	assert_non_null(strstr(text, "lost with allow-1 wildcard_bytes"));
	free(text);
}

static void limits_and_scope_count(void **state)
{
	(void)state;
	check("[limits]\nconnections = \"60/minute\"\n", "[limits]\nconnections = \"2/second\"\n",
		true,
		"gained by limits.connections:\n"
		"  + 2/second (was: 60/minute)\n");
	check("[limits]\nbytes = \"1 kB\"\n", "[limits]\nbytes = \"1000 B\"\n", false,
		"no difference in what may be reached\n");
	check("", "[scope]\nusers = [7]\n", true,
		"gained by scope:\n"
		"  + traffic that is out of scope now (was: judged)\n");
	check(A_HOST("a.example.com") "connections = \"5/day\"\n", A_HOST("a.example.com"), true,
		"gained by allow-1 connections (base.toml:2):\n"
		"  + no limit (was: 5/day)\n");
	check("[budget]\ndestinations = 5\non_exceed = \"refuse\"\n",
		"[budget]\ndestinations = 5\n", true,
		"gained by budget.on_exceed:\n"
		"  + flag (was: refuse)\n");
}

#define SCOPE(line) "[scope]\n" line "\n"

/* What is no longer in scope is gained, what was not is lost, part by part. */
static void scopes_are_compared(void **state)
{
	static const char out[] = "gained by scope:\n"
				  "  + traffic that is out of scope now (was: judged)\n";
	static const char in[] = "lost with scope:\n"
				 "  - traffic that was out of scope (now: judged)\n";
	static const char *const pairs[][2] = {
		{"users = [7]", "users = [7, 8]"},
		{"groups = [7]", "groups = [8, 7]"},
		{"cgroups = ['a.slice']", "cgroups = ['a.slice', 'b.slice']"},
		{"interfaces = ['docker0']", "interfaces = ['docker0', 'veth*']"},
		{"sources = ['10.88.1.0/24']", "sources = ['10.88.0.0/16']"},
		{"sources = ['10.88.255.0/24']", "sources = ['10.88.0.0/16']"},
		{"users = [7]", "users = [7]\ngroups = [7]"},
	};
	char both[256], one[128], more[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		snprintf(one, sizeof(one), SCOPE("%s"), pairs[i][0]);
		snprintf(more, sizeof(more), SCOPE("%s"), pairs[i][1]);
		check(one, more, false, in);
		check(more, one, true, out);
		check(more, more, false, "no difference in what may be reached\n");
	}
	check(SCOPE("users = [7]"), "", false, in);
	/* The same number of another kind, and words that only begin alike. */
	snprintf(both, sizeof(both), "%s%s", out, in);
	check(SCOPE("users = [7]"), SCOPE("groups = [7]"), true, both);
	check(SCOPE("cgroups = ['a.slice']"), SCOPE("cgroups = ['a.slice2']"), true, both);
	check(SCOPE("interfaces = ['veth1']"), SCOPE("interfaces = ['veth']"), true, both);
	check(SCOPE("sources = ['10.88.0.0-10.88.0.9']"),
		SCOPE("sources = ['10.88.0.1-10.88.0.10']"), true, both);
}

static void sessions_are_compared(void **state)
{
	(void)state;
	check("[budget]\nbytes = \"1 kB\"\nconnections = 5\nunknown_share = 0.2\n",
		"[budget]\nbytes = \"1 kB\"\nconnections = 6\nunknown_share = 0.5\n", true,
		"gained by budget.connections:\n"
		"  + 6 (was: 5)\n"
		"gained by budget.unknown_share:\n"
		"  + 0.5 (was: 0.2)\n");
	check("[budget]\nunknown_share = 0\n", "", true,
		"gained by budget.unknown_share:\n"
		"  + no limit (was: 0)\n");
	check("[budget]\nbytes = \"2 kB\"\n", "[budget]\nbytes = \"1 kB\"\nwindow = \"1h\"\n", true,
		"gained by budget.window:\n"
		"  + 3600s (was: none)\n"
		"lost with budget.bytes:\n"
		"  - 2000 (now: 1000)\n");
	check("[budget]\nbytes = \"2 kB\"\nwindow = \"1h\"\n",
		"[budget]\nbytes = \"2 kB\"\nwindow = \"1d\"\n", false,
		"lost with budget.window:\n"
		"  - 3600s (now: 86400s)\n");
}

static void what_is_recorded_is_compared(void **state)
{
	(void)state;
	check("[audit]\npath = [\"journal\", \"/var/log/e\"]\nallowed = true\n",
		"[audit]\npath = \"journal\"\n", true,
		"gained by audit.allowed:\n"
		"  + false (was: true)\n"
		"gained by audit.path:\n"
		"  + no records (was: /var/log/e)\n");
	check("", "[audit]\npath = \"journal\"\n", false,
		"lost with audit.path:\n"
		"  - no records (now: journal)\n");
	check("", "[anomaly]\nupload = \"32 MiB\"\nbeacon = 8\noff = [\"refusals\"]\n", true,
		"gained by anomaly.refusals:\n"
		"  + off (was: 50)\n"
		"gained by anomaly.upload:\n"
		"  + 33554432 (was: 16777216)\n"
		"lost with anomaly.beacon:\n"
		"  - 12 (now: 8)\n");
	check("[anomaly]\nupload = \"16 MiB\"\noff = [\"beacon\"]\n",
		"[anomaly]\nbeacon = 20\noff = [\"beacon\"]\n", false,
		"no difference in what may be reached\n");
}

static void patterns_that_change_count_as_gained(void **state)
{
	(void)state;
	check("[[allow]]\nhost_pattern = '^a$'\n", "[[allow]]\nhost_pattern = '^b$'\n", true,
		"gained by allow-1 (base.toml:2):\n"
		"  + what '^b$' matches, which cannot be compared (was: allow-1)\n"
		"lost with allow-1 (base.toml:2):\n"
		"  - what '^a$' matches, which cannot be compared (now: allow-1)\n");
}

static void the_json_has_the_same(void **state)
{
	bool gained;
	char *text = difference(A_HOST("a.example.com"), A_HOST("b.example.com"), true, &gained);
	json_t *root = json_loads(text, 0, NULL), *list, *first;

	(void)state;
	assert_non_null(root);
	list = json_object_get(root, "gained");
	assert_int_equal(json_array_size(list), 1);
	first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "what")), "b.example.com");
	assert_string_equal(json_string_value(json_object_get(first, "was")), "default-deny");
	assert_string_equal(json_string_value(json_object_get(first, "rule")), "allow-1");
	assert_int_equal(json_integer_value(json_object_get(first, "line")), 2);
	assert_int_equal(json_array_size(json_object_get(root, "lost")), 1);
	assert_int_equal(json_array_size(json_object_get(root, "no_effect")), 0);
	json_decref(root);
	free(text);
}

static void check_overrides(const char *base, const char *override, const char *expected)
{
	struct arena *arena;
	struct compiled compiled;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(arena_new(ARENA_MAX, &arena), 0);
	compiled = stack_compile(arena, base, &override, 1);
	assert_int_equal(diff_overrides(&compiled, false, out), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	arena_free(arena);
}

static void overrides_are_explained(void **state)
{
	(void)state;
	check_overrides(A_HOST("*.example.com"), "", "the overrides take nothing away\n");
	check_overrides(A_HOST("*.example.com"), A_DENY("bad.example.com"),
		"lost with allow-1 (base.toml:2):\n"
		"  - bad.example.com tcp/443 (now: o1:deny-1)\n");
	check_overrides(A_HOST("*.example.com"), A_DENY("bad.example.net"),
		"no effect of o1:deny-1 (o1.toml:2):\n"
		"    bad.example.net (because: the other layers refuse it anyway)\n");
	check_overrides(A_HOST("a.example.com"), A_HOST("a.example.com") A_HOST("b.example.com"),
		"no effect of o1:allow-2 (o1.toml:4):\n"
		"    b.example.com (because: the other layers refuse it anyway)\n");
	check_overrides(AN_IP("198.41.0.0/24"), "[[deny]]\nip = \"198.41.0.128/25\"\n",
		"lost with allow-1 (base.toml:2):\n"
		"  - 198.41.0.128/25 tcp/443 (now: o1:deny-1)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_policies_do_not_differ),
		cmocka_unit_test(a_name_more_is_gained),
		cmocka_unit_test(a_wildcard_is_wider_than_what_it_covers),
		cmocka_unit_test(crossing_wildcards_are_seen),
		cmocka_unit_test(wildcards_of_lists_cross_too),
		cmocka_unit_test(a_denial_less_is_gained),
		cmocka_unit_test(addresses_are_compared_exactly),
		cmocka_unit_test(ports_are_compared_exactly),
		cmocka_unit_test(the_mode_is_the_greatest_difference),
		cmocka_unit_test(what_answers_may_hold_counts),
		cmocka_unit_test(limits_of_unknown_names_count),
		cmocka_unit_test(limits_and_scope_count),
		cmocka_unit_test(scopes_are_compared),
		cmocka_unit_test(patterns_that_change_count_as_gained),
		cmocka_unit_test(sessions_are_compared),
		cmocka_unit_test(what_is_recorded_is_compared),
		cmocka_unit_test(the_json_has_the_same),
		cmocka_unit_test(overrides_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
