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

#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "src/base/arena.h"

#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */

/* Ends the test unless the problem has `part` in it. */
static void expect_problem(int error, const char *problem, const char *part, const char *text)
{
	if ((error != -EINVAL && error != -EOPNOTSUPP) || !strstr(problem, part))
		fail_msg("'%s': %d, %s", text, error, problem);
}

static const struct {
	const char *text;
	const char *range; /* NULL: bad */
	const char *problem;
} ranges[] = {
	{"192.0.2.1", "192.0.2.1", NULL},
	{"192.0.2.0/24", "192.0.2.0/24", NULL},
	{"0.0.0.0/0", "0.0.0.0/0", NULL},
	{"::/0", "::/0", NULL},
	{"192.0.2.10-192.0.2.20", "192.0.2.10-192.0.2.20", NULL},
	{"2001:DB8::/48", "2001:db8::/48", NULL},
	{"::ffff:192.0.2.1", "192.0.2.1", NULL},
	{"::ffff:192.0.2.0/120", "192.0.2.0/24", NULL},
	{"192.0.2.1/24", NULL, "has bits set behind its prefix length"},
	{"2001:db8::1/64", NULL, "has bits set behind its prefix length"},
	{"192.0.2.9-192.0.2.1", NULL, "ends before it starts"},
	{"192.0.2.1-2001:db8::1", NULL, "or in the other family"},
	{"192.0.2.0/33", NULL, "is not an address"},
	{"192.0.2.0/", NULL, "is not an address"},
	{"192.0.2", NULL, "is not an address"},
	{"192.0.02.1", NULL, "is not an address"},
	{"fe80::1%eth0", NULL, "is not an address"},
	{"", NULL, "is not an address"},
	{"192.0.2.0/24-192.0.3.0/24", NULL, "is not an address"},
	{"example.com", NULL, "is a name: names belong under 'host'"},
};

static void test_ranges(void **state)
{
	char out[INADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const char *problem = "nothing";
		struct range range;
		int error = value_range(text_of(ranges[i].text), &range, &problem);

		if (!ranges[i].range)
			expect_problem(error, problem, ranges[i].problem, ranges[i].text);
		else if (error < 0 || strcmp(range_to_text(&range, out), ranges[i].range) != 0)
			fail_msg("'%s' %s", ranges[i].text, problem);
	}
}

static const struct {
	const char *text;
	struct port_range ports;
	const char *problem;
} ports[] = {
	{"443", {PROTOCOL_TCP, 443, 443}, NULL},
	{"8000-8100", {PROTOCOL_TCP, 8000, 8100}, NULL},
	{"tcp/1", {PROTOCOL_TCP, 1, 1}, NULL},
	{"tcp/8000-8100", {PROTOCOL_TCP, 8000, 8100}, NULL},
	{"udp/443", {PROTOCOL_UDP, 443, 443}, NULL},
	{"udp/1-65535", {PROTOCOL_UDP, 1, 65535}, NULL},
	{"tcp/9-9", {PROTOCOL_TCP, 9, 9}, NULL},
	{"icmp/echo", {PROTOCOL_ICMP_ECHO, 0, 0}, NULL},
	{"", {0}, "is not a port"},
	{"tcp/", {0}, "is not a port"},
	{"tcp", {0}, "is not a port"},
	{"https", {0}, "is not a port"},
	{"tcp/https", {0}, "is not a port"},
	{"tcp/443,80", {0}, "is not a port"},
	{"tcp/ 443", {0}, "is not a port"},
	{"tcp/-1", {0}, "is not a port"},
	{"tcp/1-", {0}, "is not a port"},
	{"tcp/1-2-3", {0}, "is not a port"},
	{"tcp/0", {0}, "has a port outside of 1-65535"},
	{"0-5", {0}, "has a port outside of 1-65535"},
	{"65536", {0}, "has a port outside of 1-65535"},
	{"tcp/1-99999999999999999999", {0}, "has a port outside of 1-65535"},
	{"tcp/9-1", {0}, "ends before it starts"},
	{"TCP/443", {0}, "has an unknown protocol"},
	{"sctp/5", {0}, "has an unknown protocol"},
	{"tcp/udp/5", {0}, "is not a port"},
	{"/5", {0}, "has an unknown protocol"},
	{"icmp/8", {0}, "of ICMP there is \"icmp/echo\""},
	{"icmp/", {0}, "of ICMP there is \"icmp/echo\""},
};

static void test_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		const char *problem = "nothing";
		struct port_range range = {PROTOCOL_UDP, 7, 7};
		int error = value_ports(text_of(ports[i].text), &range, &problem);

		if (ports[i].problem) {
			expect_problem(error, problem, ports[i].problem, ports[i].text);
			assert_int_equal(range.first, 7);
			continue;
		}
		if (error < 0)
			fail_msg("'%s' %s", ports[i].text, problem);
		assert_memory_equal(&range, &ports[i].ports, sizeof(range));
	}
}

static const struct {
	int (*value)(struct text, struct endpoint *, const char **);
	const char *text;
	const char *endpoint;
	const char *problem;
} endpoints[] = {
	{value_listen, "127.0.0.1:5300", "127.0.0.1:5300", NULL},
	{value_listen, "[::1]:5300", "[::1]:5300", NULL},
	{value_listen, "127.0.0.1", NULL, "is not ADDRESS:PORT"},
	{value_listen, "[::1]", NULL, "is not ADDRESS:PORT"},
	{value_listen, "::1:5300:", NULL, "is not ADDRESS:PORT"},
	{value_listen, "127.0.0.1:0", NULL, "is not ADDRESS:PORT"},
	{value_listen, "127.0.0.1:65536", NULL, "is not ADDRESS:PORT"},
	{value_listen, "localhost:53", NULL, "is not ADDRESS:PORT"},
	{value_listen, "udp://127.0.0.1:53", NULL, "is not ADDRESS:PORT"},
	{value_listen, "", NULL, "is not ADDRESS:PORT"},
	{value_listen, "0.0.0.0:53", NULL, "is not an address that queries can be sent to"},
	{value_listen, "[::]:53", NULL, "is not an address that queries can be sent to"},
	{value_listen, "224.0.0.1:53", NULL, "is not an address that queries can be sent to"},
	{value_listen, "255.255.255.255:53", NULL, "is not an address that queries can"},
	{value_listen, "[ff02::1]:53", NULL, "is not an address that queries can be sent to"},
	{value_listen, "[::ffff:0.0.0.0]:53", NULL, "is not an address that queries can"},
};

static void test_endpoints(void **state)
{
	char out[INADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		const char *problem = "nothing", *text = endpoints[i].text;
		struct endpoint endpoint;
		int error = endpoints[i].value(text_of(text), &endpoint, &problem);

		if (endpoints[i].problem)
			expect_problem(error, problem, endpoints[i].problem, text);
		else if (error < 0 ||
			 strcmp(endpoint_to_text(&endpoint, out), endpoints[i].endpoint) != 0)
			fail_msg("'%s' %s", text, problem);
	}
}

static const struct {
	int (*value)(struct text, const char **);
	const char *text;
	const char *problem;
} words[] = {
	{value_label, "default", NULL},
	{value_label, "a", NULL},
	{value_label, "-0-", NULL},
	{value_label, "abcdefghijklmnopqrstuvwxyz01234", NULL},
	{value_label, "abcdefghijklmnopqrstuvwxyz012345", "is not a policy's name"},
	{value_label, "", "is not a policy's name"},
	{value_label, "Build", "is not a policy's name"},
	{value_label, "a_b", "is not a policy's name"},
	{value_label, "a.b", "is not a policy's name"},
	{value_label, "\u00e9", "is not a policy's name"},
	{value_category, "api", NULL},
	{value_category, "API_2.x-y", NULL},
	{value_category, LABEL, NULL},
	{value_category, LABEL "a", "is not a category"},
	{value_category, "", "is not a category"},
	{value_category, "package registry", NULL},
	{value_category, " a", "is not a category"},
	{value_category, "a ", "is not a category"},
	{value_category, "a\nb", "is not a category"},
	{value_reason, "", NULL},
	{value_reason, "model API, \"assets\" & \u00fcber", NULL},
	{value_reason, LABEL LABEL LABEL LABEL "aaa", NULL},
	{value_reason, LABEL LABEL LABEL LABEL "aaaa", "is longer than 255 bytes"},
	{value_reason, "a\nb", "has characters that cannot be shown in a line"},
	{value_reason, "a\tb", "has characters that cannot be shown in a line"},
	{value_reason, "a\x7f", "has characters that cannot be shown in a line"},
	{value_reason, "\u202e", "has characters that cannot be shown in a line"},
	{value_cgroup, "system.slice/agent.service", NULL},
	{value_cgroup, "user.slice/user-1000.slice/user@1000.service/app.slice", NULL},
	{value_cgroup, "a", NULL},
	{value_cgroup, "...", NULL},
	{value_cgroup, "dev-disk-by\\x2dlabel.swap", NULL},
	{value_cgroup, "with blank", NULL},
	{value_cgroup, "/system.slice", "starts with '/'"},
	{value_cgroup, "/", "starts with '/'"},
	{value_cgroup, "", "a part of its path is empty"},
	{value_cgroup, "a/", "a part of its path is empty"},
	{value_cgroup, "a//b", "a part of its path is empty"},
	{value_cgroup, "..", "a part of its path is empty, '.' or '..'"},
	{value_cgroup, "a/../b", "a part of its path is empty, '.' or '..'"},
	{value_cgroup, "a/.", "a part of its path is empty, '.' or '..'"},
	{value_cgroup, "a\" accept", "it has characters that none has"},
	{value_cgroup, "a\nb", "it has characters that none has"},
	{value_cgroup, "*.slice", "it has characters that none has"},
	{value_cgroup, "\u00fc.slice", "it has characters that none has"},
	{value_cgroup, "\x7f", "it has characters that none has"},
	{value_interface, "docker0", NULL},
	{value_interface, "a", NULL},
	{value_interface, "br-0.100@x", NULL},
	{value_interface, "abcdefghijklmno", NULL},
	{value_interface, "veth*", NULL},
	{value_interface, "abcdefghijklmn*", NULL},
	{value_interface, "", "is not an interface"},
	{value_interface, "*", "is not an interface"},
	{value_interface, "**", "is not an interface"},
	{value_interface, "a*b", "is not an interface"},
	{value_interface, "abcdefghijklmnop", "is not an interface"},
	{value_interface, "abcdefghijklmno*", "is not an interface"},
	{value_interface, ".", "is not an interface"},
	{value_interface, "..", "is not an interface"},
	{value_interface, "a/b", "is not an interface"},
	{value_interface, "a b", "is not an interface"},
	{value_interface, "a\tb", "is not an interface"},
	{value_interface, "eth0:1", "is not an interface"},
	{value_interface, "a\"b", "is not an interface"},
	{value_interface, "a\\b", "is not an interface"},
	{value_interface, "\u00fc0", "is not an interface"},
};

static void test_words(void **state)
{
	static char long_path[1024];
	const char *problem;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int error = words[i].value(text_of(words[i].text), &problem);

		if (words[i].problem)
			expect_problem(error, problem, words[i].problem, words[i].text);
		else if (error < 0)
			fail_msg("'%s' %s", words[i].text, problem);
	}
	assert_int_equal(value_label((struct text){"a\0b", 3}, &problem), -EINVAL);
	assert_int_equal(value_category((struct text){"a\0b", 3}, &problem), -EINVAL);
	assert_int_equal(value_reason((struct text){"a\0b", 3}, &problem), -EINVAL);
	assert_int_equal(value_cgroup((struct text){"a\0b", 3}, &problem), -EINVAL);
	assert_int_equal(value_interface((struct text){"a\0b", 3}, &problem), -EINVAL);
	memset(long_path, 'a', sizeof(long_path));
	assert_int_equal(value_cgroup((struct text){long_path, 1023}, &problem), 0);
	assert_int_equal(value_cgroup((struct text){long_path, 1024}, &problem), -EINVAL);
}

static void test_address(void **state)
{
	struct inaddr address;
	const char *problem;
	char out[INADDR_TEXT];

	(void)state;
	assert_int_equal(value_address(text_of("10.42.0.7"), &address, &problem), 0);
	assert_string_equal(inaddr_to_text(&address, out), "10.42.0.7");
	assert_int_equal(value_address(text_of("10.42.0.0/16"), &address, &problem), -EINVAL);
	assert_string_equal(problem, "is not an address");
}

/* A list of a size that makes the table wrap around and chain. */
static void test_seen(void **state)
{
	enum { N = 5000 };
	static struct place places[2 * N];
	static char keys[2 * N][8];
	struct arena *arena;
	struct seen *seen;

	(void)state;
	assert_int_equal(arena_new(1 << 20, &arena), 0);
	assert_int_equal(seen_new(arena, 2 * N, &seen), 0);
	for (unsigned i = 0; i < 2 * N; i++) {
		int size = snprintf(keys[i], sizeof(keys[i]), "%u", i % N);

		assert_null(seen_add(seen, i / N, keys[i], (size_t)size, &places[i]));
	}
	for (unsigned i = 0; i < 2 * N; i++)
		assert_ptr_equal(seen_find(seen, i / N, keys[i], strlen(keys[i])), &places[i]);
	assert_null(seen_find(seen, 2, keys[0], strlen(keys[0])));
	assert_null(seen_find(seen, 0, "x", 1));
	for (unsigned i = 0; i < 2 * N; i++)
		assert_ptr_equal(
			seen_add(seen, i / N, keys[i], strlen(keys[i]), &places[0]), &places[i]);
	assert_int_equal(seen_new(arena, SIZE_MAX, &seen), -ENOMEM);
	assert_int_equal(seen_new(arena, 1 << 20, &seen), -ENOMEM);
	assert_int_equal(seen_new(arena, 0, &seen), 0);
	arena_free(arena);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint64_t bytes;
	} rows[] = {
		{"1", 0, 1},
		{"9223372036854775807", 0, INT64_MAX},
		{"2 GiB", 0, UINT64_C(2) << 30},
		{"3kB", 0, 3000},
		{"8191 PiB", 0, UINT64_C(8191) << 50},
		{"8 EiB", -ERANGE, 0},
		{"9223372036854775808", -ERANGE, 0},
		{"0", -ERANGE, 0},
		{"0 kB", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"kB", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1 KB", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1 kB ", -EINVAL, 0},
		{"1.5 kB", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bytes = 0;

		if (reading_size(text_of(rows[i].text), &bytes) != rows[i].error)
			fail_msg("not %d: %s", rows[i].error, rows[i].text);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
