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

#include "rules/seen.h"
#include "rules/value.h"
#include "src/base/arena.h"

#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */
#define NAME LABEL "." LABEL "." LABEL "."                                      /* and 61 */
#define SIXTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Ends the test unless the problem has `part` in it. */
static void expect_problem(int error, const char *problem, const char *part, const char *text)
{
	if (error != -EINVAL || !strstr(problem, part))
		fail_msg("'%s': %d, %s", text, error, problem);
}

static const struct {
	const char *text;
	enum host_kind kind;
	const char *name;
} good_hosts[] = {
	{"api.example.com", HOST_EXACT, "api.example.com"},
	{"API.Example.COM.", HOST_EXACT, "api.example.com"},
	{"localhost", HOST_EXACT, "localhost"},
	{"_dmarc.a-b.x", HOST_EXACT, "_dmarc.a-b.x"},
	{"xn--bcher-kva.example", HOST_EXACT, "xn--bcher-kva.example"},
	{"1.2.3.4a", HOST_EXACT, "1.2.3.4a"},
	{"3com.com", HOST_EXACT, "3com.com"},
	{"*.example.com", HOST_ONE_LABEL, "example.com"},
	{"*.Co.Uk.", HOST_ONE_LABEL, "co.uk"},
	{"**.example.com", HOST_ANY_DEPTH, "example.com"},
	{LABEL ".x", HOST_EXACT, LABEL ".x"},
	{NAME SIXTY "a", HOST_EXACT, NAME SIXTY "a"},
};

static void test_good_hosts(void **state)
{
	char out[NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(good_hosts) / sizeof(good_hosts[0]); i++) {
		const char *problem = "";
		enum host_kind kind;
		struct name name;

		if (value_host(text_of(good_hosts[i].text), &kind, &name, &problem) < 0)
			fail_msg("'%s' %s", good_hosts[i].text, problem);
		assert_int_equal(kind, good_hosts[i].kind);
		assert_string_equal(name_to_text(&name, out), good_hosts[i].name);
	}
}

static const struct {
	const char *text;
	const char *problem;
} bad_hosts[] = {
	{"", "is not a host name"},
	{".", "is not a host name"},
	{"..", "is not a host name"},
	{"a..b", "is not a host name"},
	{".a", "is not a host name"},
	{"a b", "is not a host name"},
	{" a", "is not a host name"},
	{"-a.b", "is not a host name"},
	{"a-.b", "is not a host name"},
	{"a/b", "is not a host name"},
	{"a_b.c:", "has a port"},
	{"1.2.3", "its last label is a number"},
	{"a.1", "its last label is a number"},
	{"999.999.999.999", "its last label is a number"},
	{"1.2.3.4.", "its last label is a number"},
	{"1.2.3.4", "is an address: it belongs under 'ip'"},
	{"10.0.0.0/8", "is an address: it belongs under 'ip'"},
	{"10.0.0.1/8", "is an address: it belongs under 'ip'"},
	{"10.0.0.1-10.0.0.9", "is an address: it belongs under 'ip'"},
	{"2001:db8::1", "is an address: it belongs under 'ip'"},
	{"*.1.2.3.4", "is an address: it belongs under 'ip'"},
	{"1.2.3.4:443", "is an address with a port"},
	{"[2001:db8::1]:443", "is an address with a port"},
	{"a.b:443", "has a port: that belongs under 'ports'"},
	{"https://a.b/c", "is a URL"},
	{"://", "is a URL"},
	{"*", "permits every name, which needs 'broad' (not supported yet)"},
	{"**", "permits every name, which needs 'broad' (not supported yet)"},
	{"*.", "permits every name, which needs 'broad' (not supported yet)"},
	{"**.", "permits every name, which needs 'broad' (not supported yet)"},
	{"*.com", "is a wildcard over a top-level domain, which needs 'broad' (not supported yet)"},
	{"**.COM.", "is a wildcard over a top-level domain"},
	{"a*.b.c", "has a '*' elsewhere"},
	{"a.*.c", "which is not supported yet"},
	{"*a.b.c", "has a '*' elsewhere"},
	{"***.b.c", "has a '*' elsewhere"},
	{"*.*.b.c", "has a '*' elsewhere"},
	{"a.b.*", "has a '*' elsewhere"},
	{"b\u00fccher.example", "is not ASCII, which is not supported yet"},
	{"*.b\u00fccher.example", "is not ASCII, which is not supported yet"},
	{"a.b\u3002c", "is not ASCII"},
	{LABEL "a.x", "is too long"},
	{NAME SIXTY "aa", "is too long"},
};

static void test_bad_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++) {
		const char *problem = "nothing";
		enum host_kind kind = HOST_EXACT;
		struct name name;
		int error = value_host(text_of(bad_hosts[i].text), &kind, &name, &problem);

		expect_problem(error, problem, bad_hosts[i].problem, bad_hosts[i].text);
	}
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
	{"example.com", NULL, "is a name: it belongs under 'host'"},
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
	{value_upstream, "udp://192.0.2.53", "192.0.2.53:53", NULL},
	{value_upstream, "udp://192.0.2.53:5353", "192.0.2.53:5353", NULL},
	{value_upstream, "192.0.2.53", "192.0.2.53:53", NULL},
	{value_upstream, "192.0.2.53:5353", "192.0.2.53:5353", NULL},
	{value_upstream, "2001:db8::53", "[2001:db8::53]:53", NULL},
	{value_upstream, "udp://[2001:db8::53]", "[2001:db8::53]:53", NULL},
	{value_upstream, "[2001:db8::53]:5353", "[2001:db8::53]:5353", NULL},
	{value_upstream, "tls://9.9.9.9#dns.quad9.net", NULL, "which is not supported yet"},
	{value_upstream, "tls://", NULL, "which is not supported yet"},
	{value_upstream, "https://9.9.9.9", NULL, "is not a server"},
	{value_upstream, "udp://9.9.9.9#x", NULL, "is not a server"},
	{value_upstream, "udp://udp://9.9.9.9", NULL, "is not a server"},
	{value_upstream, "9.9.9.9:", NULL, "is not a server"},
	{value_upstream, "9.9.9.9:0", NULL, "is not a server"},
	{value_upstream, "dns.quad9.net", NULL, "is not a server"},
	{value_upstream, "", NULL, "is not a server"},
	{value_upstream, "0.0.0.0", NULL, "is not an address that queries can be sent to"},
	{value_upstream, "ff02::fb", NULL, "is not an address that queries can be sent to"},
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
};

static void test_words(void **state)
{
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
		assert_ptr_equal(
			seen_add(seen, i / N, keys[i], strlen(keys[i]), &places[0]), &places[i]);
	assert_int_equal(seen_new(arena, SIZE_MAX, &seen), -ENOMEM);
	assert_int_equal(seen_new(arena, 1 << 20, &seen), -ENOMEM);
	assert_int_equal(seen_new(arena, 0, &seen), 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_hosts),
		cmocka_unit_test(test_bad_hosts),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
