/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/list.h"
#include "rules/load.h"
#include "rules/pattern.h"
#include "rules/policy.h"
#include "src/base/arena.h"
#include "tests/rules/parse.h"

/* The keys of entries, and what entries of one file may not say together. */

static int setup(void **state)
{
	return arena_new((size_t)512 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* A policy with one [[allow]] of these lines. */
static const char *allow_with(struct arena *arena, const char *lines)
{
	return arena_printf(arena, "version = 1\n[[allow]]\n%s\n", lines);
}

static const struct entry *entry_of(struct arena *arena, const char *text)
{
	const struct policy *policy = parse_good(arena, text);

	assert_int_equal(policy->n_entries, 1);
	return &policy->entries[0];
}

static void test_allow_defaults(void **state)
{
	const struct entry *entry =
		entry_of(*state, allow_with(*state, "host = \"a.example.com\""));

	assert_int_equal(entry->action, ACTION_ALLOW);
	assert_string_equal(entry->id, "allow-1");
	assert_null(entry->profile);
	assert_false(entry->all_ports);
	assert_int_equal(entry->n_ports, 1);
	assert_int_equal(entry->ports[0].first, 443);
	assert_true(entry->score == -1.0);
	assert_int_equal(entry->believed, BELIEVED_PUBLIC);
	assert_int_equal(entry->connections.count, 0);
	assert_int_equal(entry->bytes, 0);
	assert_int_equal(entry->wildcard_names, 0);
	assert_true(entry->expires == INT64_MAX);
	assert_int_equal(entry->expires_place.line, 0);
	assert_false(entry->broad);
	assert_false(entry->dnssec);
}

static void test_deny_defaults(void **state)
{
	const struct entry *entry = entry_of(
		*state, "version = 1\n[[deny]]\nhost = \"a.example.com\"\nreason = \"r\"\n");

	assert_int_equal(entry->action, ACTION_DENY);
	assert_string_equal(entry->id, "deny-1");
	assert_true(entry->all_ports);
	assert_int_equal(entry->n_ports, 0);
	assert_true(entry->score == 4.0);
	assert_string_equal(entry->reason, "r");
	entry = entry_of(
		*state, "version = 1\n[[deny]]\nip = \"10.0.0.1\"\nports = 80\nscore = 3\n");
	assert_false(entry->all_ports);
	assert_int_equal(entry->n_ports, 1);
	assert_true(entry->score == 3.0);
}

/* Allows first, wherever they stand, each kind with numbers of its own. */
static void test_order(void **state)
{
	static const char *const ids[] = {"allow-1", "allow-2", "deny-1", "deny-2"};
	const struct policy *policy = parse_good(*state, "version = 1\n"
							 "[[deny]]\nip = \"192.0.2.1\"\n"
							 "[[allow]]\nip = \"192.0.2.2\"\n"
							 "[[deny]]\nip = \"192.0.2.3\"\n"
							 "[[allow]]\nip = \"192.0.2.4\"\n");

	assert_int_equal(policy->n_entries, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(policy->entries[i].id, ids[i]);
	assert_int_equal(policy->entries[0].place.line, 4);
	assert_int_equal(policy->entries[2].place.line, 2);
	assert_true(policy->has_allow);
	assert_false(parse_good(*state, "version = 1\n[[deny]]\nip = \"192.0.2.1\"\n")->has_allow);
}

static void test_limits(void **state)
{
	const struct entry *entry = entry_of(
		*state, allow_with(*state, "host = \"*.example.com\"\nconnections = \"1/day\"\n"
					   "bytes = \"512 MiB\"\nwildcard_names = 4294967295\n"
					   "score = 1000\nbroad = true"));

	assert_int_equal(entry->connections.count, 1);
	assert_int_equal(entry->connections.seconds, 86400);
	assert_int_equal(entry->bytes, 512 << 20);
	assert_int_equal(entry->wildcard_names, UINT32_MAX);
	assert_true(entry->score == 1000.0);
	assert_true(entry->broad);
}

static void test_dnssec(void **state)
{
	assert_true(entry_of(*state, allow_with(*state, "host = \"a.example.com\"\n"
							"dnssec = \"require\""))
			    ->dnssec);
	assert_false(entry_of(*state, allow_with(*state, "host = \"a.example.com\"\n"
							 "dnssec = \"off\""))
			     ->dnssec);
}

static const struct {
	const char *text;
	uint32_t count;
	uint32_t seconds;
	const char *problem;
} rates[] = {
	{"1/second", 1, 1, NULL},
	{"600/minute", 600, 60, NULL},
	{"4294967295/hour", UINT32_MAX, 3600, NULL},
	{"007/day", 7, 86400, NULL},
	{"0/second", 0, 0, "'0/second' counts from 1 to 4294967295 only [E013]"},
	{"4294967296/day", 0, 0, "'4294967296/day' counts from 1 to 4294967295 only [E013]"},
	{"99999999999999999999/day", 0, 0, "counts from 1 to 4294967295 only [E013]"},
	{"60", 0, 0, "'60' is not a rate: expected a number, '/'"},
	{"", 0, 0, "'' is not a rate"},
	{"/minute", 0, 0, "is not a rate"},
	{"-1/minute", 0, 0, "is not a rate"},
	{"1.5/minute", 0, 0, "is not a rate"},
	{"60 /minute", 0, 0, "is not a rate"},
	{"60/ minute", 0, 0, "' minute' is not a unit of time, did you mean 'minute'? [E015]"},
	{"60/minutes", 0, 0, "'minutes' is not a unit of time, did you mean 'minute'? [E015]"},
	{"60/Minute", 0, 0, "'Minute' is not a unit of time, did you mean 'minute'? [E015]"},
	{"60/", 0, 0,
		"'' is not a unit of time: expected \"second\", \"minute\", \"hour\" or \"day\" "
		"[E015]"},
	{"60/week", 0, 0, "'week' is not a unit of time: expected"},
	{"60/s", 0, 0, "'s' is not a unit of time: expected"},
	{"60/minute/day", 0, 0, "'minute/day' is not a unit of time"},
};

static void test_rates(void **state)
{
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const char *text = allow_with(
			*state, arena_printf(*state, "ip = \"192.0.2.1\"\nconnections = \"%s\"",
					rates[i].text));

		if (rates[i].problem) {
			parse_expect_part(parse_bad(*state, text), "4:15", rates[i].problem);
			continue;
		}
		assert_int_equal(entry_of(*state, text)->connections.count, rates[i].count);
		assert_int_equal(entry_of(*state, text)->connections.seconds, rates[i].seconds);
	}
}

static const struct {
	const char *text;
	uint64_t bytes;
	const char *problem;
} sizes[] = {
	{"1", 1, NULL},
	{"1000", 1000, NULL},
	{"10 kB", 10000, NULL},
	{"10kB", 10000, NULL},
	{"10   kB", 10000, NULL},
	{"3 MB", 3000000, NULL},
	{"3 GB", 3000000000, NULL},
	{"3 TB", 3000000000000, NULL},
	{"3 PB", 3000000000000000, NULL},
	{"9 EB", 9000000000000000000, NULL},
	{"1 KiB", 1 << 10, NULL},
	{"512 MiB", 512 << 20, NULL},
	{"2 GiB", UINT64_C(2) << 30, NULL},
	{"2TiB", UINT64_C(2) << 40, NULL},
	{"2 PiB", UINT64_C(2) << 50, NULL},
	{"7 EiB", UINT64_C(7) << 60, NULL},
	{"5 B", 5, NULL},
	{"9223372036854775807", INT64_MAX, NULL},
	{"9223372036854775808", 0,
		"is out of range: a size is from 1 to 9223372036854775807 bytes"},
	{"8 EiB", 0, "'8 EiB' is out of range"},
	{"9223372036854775807 kB", 0, "is out of range"},
	{"99999999999999999999999 GB", 0, "is out of range"},
	{"0", 0, "'0' is out of range"},
	{"0 GiB", 0, "'0 GiB' is out of range"},
	{"", 0, "'' is not a size: expected a number and a unit, as \"2 GiB\" [E015]"},
	{"GiB", 0, "'GiB' is not a size"},
	{"-1 GiB", 0, "'-1 GiB' is not a size"},
	{" 1 GiB", 0, "' 1 GiB' is not a size"},
	{"1 ", 0, "' ' is not a unit of size"},
	{"1.5 GiB", 0, "'.5 GiB' is not a unit of size [E015]"},
	{"1 gib", 0, "'gib' is not a unit of size, did you mean 'GiB'? [E015]"},
	{"1 GIB", 0, "'GIB' is not a unit of size, did you mean 'GiB'?"},
	{"1 KB", 0, "'KB' is not a unit of size, did you mean 'kB'?"},
	{"1 gb", 0, "'gb' is not a unit of size, did you mean 'GB'?"},
	{"1 GiB/day", 0, "'GiB/day' is not a unit of size"},
	{"1 GiB ", 0, "'GiB ' is not a unit of size, did you mean 'GiB'?"},
};

static void test_sizes(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *text = allow_with(*state,
			arena_printf(*state, "ip = \"192.0.2.1\"\nbytes = \"%s\"", sizes[i].text));

		if (sizes[i].problem)
			parse_expect_part(parse_bad(*state, text), "4:9", sizes[i].problem);
		else
			assert_int_equal(entry_of(*state, text)->bytes, sizes[i].bytes);
	}
}

static const struct {
	const char *text;
	int64_t seconds;
} days[] = {
	/* In force through the day. */
	{"1970-01-01", 86400},
	{"2027-01-31", 1801440000},
	{"2000-02-29", 951868800},
	{"2100-02-28", 4107542400},
	{"9999-12-31", 253402300800},
	{"0001-01-01", -62135510400},
	{"1970-01-01T00:00:00Z", 0},
	{"1970-01-01T00:00:00", 0},
	{"1969-12-31 23:59:59", -1},
	{"2027-01-31T12:00:00+02:00", 1801389600},
	{"2027-01-31T12:00:00-05:30", 1801416600},
	{"2027-01-31t12:00:00.999z", 1801396800},
};

static void test_expires(void **state)
{
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		const struct entry *entry = entry_of(*state,
			allow_with(*state, arena_printf(*state, "ip = \"192.0.2.1\"\nexpires = %s",
						   days[i].text)));

		if (entry->expires != days[i].seconds)
			fail_msg("%s: %lld", days[i].text, (long long)entry->expires);
		assert_int_equal(entry->expires_place.line, 4);
		assert_int_equal(entry->expires_place.column, 11);
	}
}

static void test_believed(void **state)
{
	const struct entry *entry = entry_of(
		*state, allow_with(*state, "host = \"a.example.com\"\naddresses = \"any\""));
	char out[INADDR_TEXT];
	const char *said;

	assert_int_equal(entry->believed, BELIEVED_ANY);
	entry = entry_of(
		*state, allow_with(*state,
				"host = \"a.example.com\"\naddresses = [\"10.0.0.0/8\", \"::1\"]"));
	assert_int_equal(entry->believed, BELIEVED_LISTED);
	assert_int_equal(entry->n_believed_ranges, 2);
	assert_string_equal(range_to_text(&entry->believed_ranges[0], out), "10.0.0.0/8");
	assert_string_equal(range_to_text(&entry->believed_ranges[1], out), "::1");
	entry = entry_of(*state, allow_with(*state, "host = \"a.example.com\"\n"
						    "addresses = \"10.0.0.1-10.0.0.9\""));
	assert_int_equal(entry->n_believed_ranges, 1);
	entry = entry_of(
		*state, allow_with(*state, "host = \"a.example.com\"\naddresses = \"fd00::/8\""));
	assert_string_equal(range_to_text(&entry->believed_ranges[0], out), "fd00::/8");
	said = parse_bad(*state, allow_with(*state, "host = \"a.b\"\naddresses = \"pulbic\""));
	parse_expect(said, "4:13",
		"'pulbic' is not a kind of addresses, did you mean 'public'? [E015]\n");
	said = parse_bad(*state, allow_with(*state, "host = \"a.b\"\naddresses = [\"public\"]"));
	parse_expect(said, "4:14", "'public' stands alone: addresses = \"public\" [E015]\n");
	said = parse_bad(*state, allow_with(*state, "host = \"a.b\"\naddresses = \"10.0.0.1/8\""));
	parse_expect(said, "4:13", "'10.0.0.1/8' has bits set behind its prefix length [E021]\n");
	said = parse_bad(*state, allow_with(*state, "ip = \"192.0.2.1\"\naddresses = \"any\""));
	parse_expect(
		said, "4:1", "'addresses' has no effect here: this entry names no host [E030]\n");
	said = parse_bad(*state, allow_with(*state, "host = \"a.b\"\nwildcard_names = 5"));
	parse_expect(said, "4:1",
		"'wildcard_names' has no effect here: this entry names no wildcard [E030]\n");
	said = parse_bad(*state, allow_with(*state, "ip = \"192.0.2.1\"\nwildcard_names = 5"));
	parse_expect(said, "4:1",
		"'wildcard_names' has no effect here: this entry names no wildcard [E030]\n");
}

/* What is wrong with a host says nothing of the keys about it. */
static void test_effects_of_bad_hosts(void **state)
{
	const char *said = parse_bad(*state,
		allow_with(*state, "host = \"*..b\"\nwildcard_names = 5\naddresses = \"any\""));

	assert_non_null(strstr(said, "[E020]"));
	assert_null(strstr(said, "[E030]"));
}

static void test_patterns(void **state)
{
	const struct entry *entry = entry_of(
		*state, allow_with(*state,
				"host_pattern = ['^build-[0-9]{1,4}\\.example\\.com$', \"^a$\"]\n"
				"wildcard_names = 5"));
	const char *said;

	assert_int_equal(entry->n_patterns, 2);
	assert_string_equal(pattern_text(entry->patterns[0]), "^build-[0-9]{1,4}\\.example\\.com$");
	assert_int_equal(pattern_place(entry->patterns[1]).column, 53);
	said = parse_bad(*state, allow_with(*state, "host_pattern = ['^a(b$', '^a$', \"^a$\",\n"
						    "  \"\\u0028\"]"));
	parse_expect(said, "3:23", "'^a(b$' is not a PCRE2 expression: ");
	parse_expect(said, "3:33", "'^a$' is given twice, first in line 3, column 26 [E016]\n");
	/* Where an escape stands, columns and bytes differ. */
	parse_expect(said, "4:3", "'(' is not a PCRE2 expression: ");
	assert_non_null(strstr(said, " [E023]\n"));
}

static const struct {
	const char *host;
	const char *over; /* NULL: not too broad */
} wildcards[] = {
	{"*.com", "the public suffix 'com'"},
	{"**.com", "the public suffix 'com'"},
	{"**.CO.UK.", "the public suffix 'co.uk'"},
	{"*.uk", "the public suffix 'uk'"},
	{"*github.com", "the public suffix 'com'"},
	{"a.*.com", "the public suffix 'com'"},
	{"*", "every domain"},
	{"**", "every domain"},
	{"a-*", "every domain"},
	{"*.internal", "the public suffix 'internal'"},
	{"*.xn--p1ai", "the public suffix 'xn--p1ai'"},
	{"*.\\u0440\\u0444", "the public suffix 'xn--p1ai'"},
	{"*.example.com", NULL},
	{"*.example.co.uk", NULL},
	{"**.github.io", NULL},
	{"a-*.github.com", NULL},
	{"com", NULL},
};

static void test_broad(void **state)
{
	for (size_t i = 0; i < sizeof(wildcards) / sizeof(wildcards[0]); i++) {
		const char *key = arena_printf(*state, "host = \"%s\"", wildcards[i].host);

		parse_good(
			*state, allow_with(*state, arena_printf(*state, "broad = true\n%s", key)));
		parse_good(
			*state, allow_with(*state, arena_printf(*state, "%s\nbroad = true", key)));
		if (!wildcards[i].over) {
			parse_good(*state, allow_with(*state, key));
			continue;
		}
		parse_expect_part(parse_bad(*state, allow_with(*state, key)), "3:8",
			arena_printf(*state,
				"is a wildcard over %s, which needs 'broad = true' [E024]",
				wildcards[i].over));
		parse_bad(*state, arena_printf(*state, "version = 1\n[[deny]]\n%s\n", key));
		parse_bad(
			*state, allow_with(*state, arena_printf(*state, "%s\nbroad = false", key)));
	}
}

static void test_duplicates(void **state)
{
	const char *said = parse_bad(*state,
		"version = 1\n"
		"[[allow]]\n"
		"ip = [\"10.0.0.0/8\", \"10.0.0.0-10.255.255.255\", \"::ffff:10.0.0.0/104\",\n"
		"      \"192.0.2.1\", \"192.0.2.1/32\"]\n"
		"ports = [443, \"443\", \"tcp/443-443\", \"udp/443\", \"icmp/echo\", "
		"\"icmp/echo\"]\n"
		"[[deny]]\n"
		"host = [\"b\\u00fccher.example.com\", \"xn--bcher-kva.Example.com.\"]\n"
		"[[deny]]\n"
		"host = [\"api-*.example.com\", \"API-*.example.com\"]\n"
		"[scope]\n"
		"users = [0, \"root\", 0]\n"
		"groups = [\"root\", 0]\n"
		"cgroups = [\"a\", \"a\"]\n"
		"interfaces = [\"a\", \"a*\", \"a\"]\n"
		"sources = [\"192.0.2.1\", \"192.0.2.1/32\"]\n"
		"[dns]\n"
		"types = [\"A\", \"A\"]\n"
		"search = [\"a.b\", \"A.b.\"]\n");

	parse_expect(said, "3:21",
		"'10.0.0.0-10.255.255.255' is given twice, first in line 3, "
		"column 7 [E016]\n");
	parse_expect(said, "3:48", "'::ffff:10.0.0.0/104' is given twice, first in line 3");
	parse_expect(said, "4:20", "'192.0.2.1/32' is given twice, first in line 4, column 7");
	parse_expect(said, "5:15", "'443' is given twice, first in line 5, column 10 [E016]\n");
	parse_expect(said, "5:22", "'tcp/443-443' is given twice, first in line 5, column 10");
	parse_expect(said, "5:61", "'icmp/echo' is given twice, first in line 5, column 48");
	parse_expect(said, "7:36", "'xn--bcher-kva.Example.com.' is given twice, first in line 7");
	parse_expect(said, "9:30", "'API-*.example.com' is given twice, first in line 9");
	parse_expect(said, "11:13", "'root' is given twice, first in line 11, column 10 [E016]\n");
	parse_expect(said, "11:21", "0 is given twice, first in line 11, column 10 [E016]\n");
	parse_expect(said, "12:19", "0 is given twice, first in line 12, column 11 [E016]\n");
	parse_expect(said, "13:17", "'a' is given twice, first in line 13, column 12 [E016]\n");
	parse_expect(said, "14:26", "'a' is given twice, first in line 14, column 15 [E016]\n");
	parse_expect(said, "15:25", "'192.0.2.1/32' is given twice, first in line 15");
	parse_expect(said, "17:15", "'A' is given twice, first in line 17, column 10 [E016]\n");
	parse_expect(said, "18:18", "'A.b.' is given twice, first in line 18, column 11 [E016]\n");
}

static const struct {
	const char *allow;
	const char *deny;
	bool contradict;
} pairs[] = {
	{"host = \"a.b\"", "host = \"A.B.\"", true},
	{"host = \"a.b\"", "host = \"a.b\"\nports = 443", true},
	{"host = \"a.b\"", "host = \"a.b\"\nports = 80", false},
	{"host = \"a.b\"", "host = \"a.b\"\nports = \"udp/443\"", false},
	{"host = \"a.b\"\nports = [1, \"icmp/echo\"]", "host = \"a.b\"\nports = \"icmp/echo\"",
		true},
	{"host = \"a.b\"\nports = \"10-20\"", "host = \"a.b\"\nports = [9, \"20-30\"]", true},
	{"host = \"a.b\"\nports = \"10-20\"", "host = \"a.b\"\nports = [9, \"21-30\"]", false},
	{"host = \"a.b\"", "host = \"*.a.b\"", false},
	{"host = \"*.a.b\"", "host = \"**.a.b\"", false},
	{"host = \"*.a.b\"", "host = \"*.A.b\"", true},
	{"host = \"x-*.a.b\"", "host = \"x-*.a.b\"", true},
	{"host = \"a.b\"", "host = \"x.a.b\"", false},
	{"ip = \"10.0.0.0/8\"", "ip = \"10.0.0.0-10.255.255.255\"", true},
	{"ip = \"10.0.0.0/8\"", "ip = \"10.0.0.0/9\"", false},
	{"ip = \"10.0.0.1\"", "ip = \"::ffff:10.0.0.1\"", true},
	{"host_pattern = \"^a$\"", "host_pattern = \"^a$\"", false},
};

static void test_contradictions(void **state)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *text = arena_printf(*state,
			"version = 1\n[[deny]]\n%s\n[[allow]]\n%s\n[[deny]]\nhost = \"c.d\"\n",
			pairs[i].deny, pairs[i].allow);

		if (!pairs[i].contradict)
			parse_good(*state, text);
		else
			assert_non_null(strstr(
				parse_bad(*state, text), "which deny-1 denies in line 3, column "));
	}
}

static void test_contradictions_say_where(void **state)
{
	const char *said = parse_bad(*state, "version = 1\n"
					     "[[allow]]\n"
					     "host = [\"z.b\", \"a.b\"]\n"
					     "[[deny]]\n"
					     "host = [\"x.y\", \"a.b\"]\n"
					     "ports = 80\n"
					     "[[deny]]\n"
					     "host = [\"a.b\"]\n"
					     "ports = 443\n"
					     "[[allow]]\n"
					     "ip = \"192.0.2.1\"\n"
					     "[[deny]]\n"
					     "ip = \"192.0.2.1\"\n");

	parse_expect(said, "3:16",
		"allow-1 allows 'a.b', which deny-2 denies in line 8, column 9 [E025]\n");
	parse_expect(said, "11:6",
		"allow-2 allows '192.0.2.1', which deny-3 denies in line 13, column 6 [E025]\n");
}

/* A file that would take long to compare is refused instead. */
static void test_contradictions_are_bounded(void **state)
{
	enum { N = 30000 };
	char *text = arena_alloc(*state, (size_t)N * 100 + 100), *at = text;

	at = stpcpy(at, "version = 1\nallow = [\n");
	for (unsigned i = 0; i < N; i++)
		at += sprintf(at, "{host = \"a.b\", ports = %u},\n", i + 1);
	at = stpcpy(at, "]\ndeny = [\n");
	for (unsigned i = 0; i < N; i++)
		at += sprintf(at, "{host = \"a.b\", ports = %u},\n", i + 1 + N);
	stpcpy(at, "]\n");
	parse_expect(parse_bad(*state, text), "",
		"the same destinations are in too many entries with too many ports [E003]\n");
}

static char folder[] = "/tmp/test-entries-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? setup(state) : -1;
}

static int drop_folder(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/list.txt", folder);
	unlink(path);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return teardown(state);
}

static const char *make_list(struct arena *arena, const char *text)
{
	const char *path = arena_printf(arena, "%s/list.txt", folder);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	return path;
}

/* A policy in the folder that names the list by a relative path. */
static int parse_beside(struct arena *arena, const char *lines, const struct policy **ret_policy,
	const char **ret_said)
{
	const struct load_options options = {0};
	const char *text =
		arena_printf(arena, "version = 1\n[[allow]]\nlist = \"list.txt\"\n%s\n", lines);

	return parse_policy_called(arena, arena_printf(arena, "%s/policy.toml", folder), &options,
		text, strlen(text), ret_policy, ret_said);
}

static void test_lists(void **state)
{
	const struct policy *policy;
	const struct entry *entry;
	const char *said, *path;

	path = make_list(*state, "a.example.com\n**.example.net\n10.0.0.0/8 # ten\n");
	assert_int_equal(parse_beside(*state, "wildcard_names = 9", &policy, &said), 0);
	entry = &policy->entries[0];
	assert_int_equal(entry->n_lists, 1);
	assert_string_equal(entry->lists[0]->file, path);
	assert_int_equal(entry->lists[0]->n_names, 2);
	assert_int_equal(entry->lists[0]->n_ranges, 1);
	assert_int_equal(entry->lists[0]->place.line, 3);

	/* Lists may say what entries say, and twice. */
	make_list(*state, "a.example.com\na.example.com\n");
	assert_int_equal(
		parse_beside(*state, "[[deny]]\nhost = \"a.example.com\"", &policy, &said), 0);

	make_list(*state, "a.example.com\n\n*.com\n");
	assert_int_equal(parse_beside(*state, "", &policy, &said), -EINVAL);
	assert_non_null(strstr(said, arena_printf(*state,
					     "%s:3: error: '*.com' is a wildcard over the public "
					     "suffix 'com', which needs "
					     "'broad = true' [E024]\n",
					     path)));
	assert_int_equal(parse_beside(*state, "broad = true", &policy, &said), 0);

	make_list(*state, "a..b\n");
	assert_int_equal(parse_beside(*state, "", &policy, &said), -EINVAL);
	assert_non_null(strstr(said, "list.txt:1:1: error: 'a..b' "));
	assert_non_null(strstr(said, " [E005]\n"));

	unlink(path);
	assert_int_equal(parse_beside(*state, "", &policy, &said), -EINVAL);
	assert_non_null(strstr(said, "policy.toml:3:8: error: cannot read the list "));
	assert_non_null(strstr(said, "there is no such file [E001]\n"));
	assert_int_equal(
		parse_beside(*state, "[[deny]]\nlist = [\"x\", \"x\"]", &policy, &said), -EINVAL);
	assert_non_null(
		strstr(said, "policy.toml:5:14: error: 'x' is given twice, first in line 5"));
}

static void test_accounts(void **state)
{
	const char *said = parse_bad(*state,
		"version = 1\n"
		"[scope]\n"
		"users = [\"no-such-user\", \"\", \"root\\u0000x\", \"12345678\"]\n"
		"groups = [\"no-such-group\", -1, 4294967295]\n"
		"cgroups = [\"/a\"]\n"
		"interfaces = [\"a b\"]\n"
		"sources = [\"example.com\", \"10.0.0.1/8\"]\n");

	parse_expect(said, "3:10", "there is no user 'no-such-user' on this machine [E028]\n");
	parse_expect(said, "3:26", "there is no user '' on this machine [E028]\n");
	parse_expect(said, "3:30", "there is no user 'root?x' on this machine [E028]\n");
	parse_expect(said, "3:45",
		"there is no user '12345678' on this machine: a number goes "
		"without quotes [E028]\n");
	parse_expect(said, "4:11", "there is no group 'no-such-group' on this machine [E028]\n");
	parse_expect(said, "4:28",
		"'groups' must be an array of names and numbers (0 to 4294967294), "
		"not -1 [E013]\n");
	parse_expect(said, "4:32", "'groups' must be an array of names and numbers");
	parse_expect(said, "5:12", "'/a' starts with '/'");
	parse_expect(said, "6:15", "'a b' is not an interface");
	parse_expect(said, "7:12", "'example.com' is a name: names belong under 'host' [E021]\n");
	parse_expect(said, "7:27", "'10.0.0.1/8' has bits set behind its prefix length [E021]\n");
}

/* A group that is no user's name. */
static void test_groups_are_no_users(void **state)
{
	const struct group *group;
	const struct policy *policy;
	const char *name;
	gid_t gid;

	setgrent();
	do
		group = getgrent();
	while (group && getpwnam(group->gr_name));
	assert_non_null(group);
	name = arena_strndup(*state, group->gr_name, strlen(group->gr_name));
	gid = group->gr_gid;
	endgrent();
	policy = parse_good(
		*state, arena_printf(*state, "version = 1\n[scope]\ngroups = [\"%s\"]\n", name));
	assert_int_equal(policy->scope.groups[0], gid);
	parse_expect_part(
		parse_bad(*state,
			arena_printf(*state, "version = 1\n[scope]\nusers = [\"%s\"]\n", name)),
		"3:10", "there is no user");
}

static void test_dns_words(void **state)
{
	const struct dns_policy *dns =
		&parse_good(*state, "version = 1\n"
				    "[dns]\n"
				    "types = [\"HTTPS\", \"A\"]\n"
				    "refusal = \"nodata\"\n"
				    "search = [\"svc.Cluster.local.\", \"local\"]\n")
			 ->dns;
	char out[NAME_TEXT];
	const char *said;

	assert_int_equal(dns->n_types, 2);
	assert_int_equal(dns->types[0], 65);
	assert_int_equal(dns->types[1], 1);
	assert_int_equal(dns->refusal, REFUSAL_NODATA);
	assert_int_equal(dns->n_search, 2);
	assert_string_equal(name_to_text(&dns->search[0], out), "svc.cluster.local");
	assert_int_equal(parse_good(*state, "version = 1\n[dns]\ntypes = []\n")->dns.n_types, 0);
	said = parse_bad(*state,
		"version = 1\n[dns]\ntypes = [\"TXT\", \"NULL\", \"a\", \"TYPE1\"]\n"
		"search = [\"*.local\", \"a..b\", \"10.0.0.1\"]\n");
	parse_expect(said, "3:17", "'NULL' is not a record type [E015]\n");
	parse_expect(said, "3:25", "'a' is not a record type, did you mean 'A'? [E015]\n");
	parse_expect(said, "3:30", "'TYPE1' is not a record type [E015]\n");
	parse_expect(said, "4:11", "'*.local' is a wildcard: it takes a name here [E020]\n");
	parse_expect(said, "4:22", "'a..b' is not a host name");
	parse_expect(said, "4:30", "'10.0.0.1' is an address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allow_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deny_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dnssec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(test_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_effects_of_bad_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contradictions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contradictions_say_where, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contradictions_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_are_no_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns_words, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
