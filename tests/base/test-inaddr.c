/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "src/base/inaddr.h"

static struct inaddr address_of(const char *string)
{
	struct inaddr address;

	if (inaddr_from_text(text_of(string), &address) < 0)
		fail_msg("not an address: %s", string);
	return address;
}

static void addresses_go_to_text_and_back(void **state)
{
	static const char *const cases[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"fe80:0000::0001", "fe80::1"},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::ffff:c000:201", "192.0.2.1"},
		{"0:0:0:0:0:FFFF:0:0", "0.0.0.0"},
		{"::fffe:c000:201", "::fffe:c000:201"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = address_of(cases[i][0]), again;
		char text[INADDR_TEXT];

		assert_ptr_equal(inaddr_to_text(&address, text), text);
		assert_string_equal(text, cases[i][1]);
		again = address_of(text);
		assert_int_equal(inaddr_compare(&address, &again), 0);
	}
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const cases[] = {"", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.",
		".1.2.3.4", "1..2.3", "010.1.1.1", "1.1.1.01", "00.0.0.0", "0x1.2.3.4", "1.2.3.256",
		"1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4/32", "1.2.3.4:53",
		"1.2.3.1000", "3232235777", ":", ":::", "1:", ":1", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "::1::", "12345::", "::g", "fe80::1%eth0", "fe80::1%1",
		"[::1]", " ::1", "::1 ", "::ffff:1.2.3", "::ffff:01.2.3.4", "::1.2.3.4.5",
		"1.2.3.4::", "localhost", "\xd9\xa1.1.1.1",
		"0000000000000000000000000000000000000000000000000000000000000001.2.3.4"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = {{42}};

		if (inaddr_from_text(text_of(cases[i]), &address) != -EINVAL)
			fail_msg("taken for an address: '%s'", cases[i]);
		assert_int_equal(address.bytes[0], 42);
	}
	assert_int_equal(
		inaddr_from_text((struct text){"1.2.3.4\0", 8}, &(struct inaddr){{0}}), -EINVAL);
	assert_int_equal(inaddr_from_text((struct text){0}, &(struct inaddr){{0}}), -EINVAL);
}

static void reads_only_its_piece_of_text(void **state)
{
	struct inaddr address;

	(void)state;
	assert_int_equal(inaddr_from_text((struct text){"1.2.3.45", 7}, &address), 0);
	assert_int_equal(address.bytes[15], 4);
}

static void raw_bytes_are_the_familys(void **state)
{
	static const uint8_t ip4[4] = {192, 0, 2, 1};
	static const uint8_t ip6[16] = {0x20, 0x01, [15] = 1};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct inaddr address = inaddr_from_ip4(ip4);
	struct inaddr same = inaddr_from_ip6(mapped);
	size_t size = 0;

	(void)state;
	assert_true(inaddr_is_ip4(&address));
	assert_memory_equal(inaddr_raw(&address, &size), ip4, 4);
	assert_int_equal(size, 4);
	assert_int_equal(inaddr_compare(&address, &same), 0);
	address = inaddr_from_ip6(ip6);
	assert_false(inaddr_is_ip4(&address));
	assert_memory_equal(inaddr_raw(&address, &size), ip6, 16);
	assert_int_equal(size, 16);
}

static void orders_as_numbers(void **state)
{
	static const char *const sorted[] = {"::", "::1", "::fffe:ffff:ffff", "0.0.0.0", "0.0.0.1",
		"1.0.0.0", "10.0.0.0", "255.255.255.255", "::1:0:0:0", "2001:db8::", "fe80::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

	(void)state;
	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
		for (size_t j = 0; j < sizeof(sorted) / sizeof(sorted[0]); j++) {
			struct inaddr a = address_of(sorted[i]), b = address_of(sorted[j]);
			int order = inaddr_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void neighbours_stay_in_their_family(void **state)
{
	static const char *const pairs[][2] = {
		{"0.0.0.0", "0.0.0.1"},
		{"10.0.0.255", "10.0.1.0"},
		{"10.255.255.255", "11.0.0.0"},
		{"255.255.255.254", "255.255.255.255"},
		{"::", "::1"},
		{"::ffff", "::1:0"},
		{"::fffe:ffff:ffff", "::1:0:0:0"},
		{"2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	static const char *const first[] = {"0.0.0.0", "::"};
	static const char *const last[] = {
		"255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
	struct inaddr got = {{42}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct inaddr a = address_of(pairs[i][0]), b = address_of(pairs[i][1]);

		assert_true(inaddr_next(&a, &got));
		assert_memory_equal(&got, &b, sizeof(b));
		assert_true(inaddr_previous(&b, &got));
		assert_memory_equal(&got, &a, sizeof(a));
	}
	got = (struct inaddr){{42}};
	for (size_t i = 0; i < 2; i++) {
		struct inaddr a = address_of(first[i]), b = address_of(last[i]);

		assert_false(inaddr_previous(&a, &got));
		assert_false(inaddr_next(&b, &got));
	}
	assert_int_equal(got.bytes[0], 42);
}

static void steps_in_place(void **state)
{
	struct inaddr address = address_of("10.0.0.255");

	(void)state;
	assert_true(inaddr_next(&address, &address));
	assert_true(inaddr_next(&address, &address));
	assert_int_equal(address.bytes[15], 1);
	assert_int_equal(address.bytes[14], 1);
}

static void reads_prefixes(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *address;
		unsigned length;
	} cases[] = {
		{"10.0.0.0/8", 0, "10.0.0.0", 8},
		{"0.0.0.0/0", 0, "0.0.0.0", 0},
		{"10.1.2.3/32", 0, "10.1.2.3", 32},
		{"10.1.2.3", 0, "10.1.2.3", 32},
		{"192.0.2.128/25", 0, "192.0.2.128", 25},
		{"2001:db8::/32", 0, "2001:db8::", 32},
		{"::/0", 0, "::", 0},
		{"::1", 0, "::1", 128},
		{"2001:db8::1/128", 0, "2001:db8::1", 128},
		{"::ffff:10.0.0.0/104", 0, "10.0.0.0", 8},
		{"::ffff:0:0/96", 0, "0.0.0.0", 0},
		{"::ffff:10.1.2.3/128", 0, "10.1.2.3", 32},
		{"::ffff:10.1.2.3", 0, "10.1.2.3", 32},
		{"10.0.0.1/8", -EDOM, NULL, 0},
		{"192.0.2.64/25", -EDOM, NULL, 0},
		{"10.0.0.0/0", -EDOM, NULL, 0},
		{"2001:db8::1/127", -EDOM, NULL, 0},
		{"2001:db8::/16", -EDOM, NULL, 0},
		{"::ffff:10.0.0.0/102", -EDOM, NULL, 0},
		{"::ffff:0:0/95", -EDOM, NULL, 0},
		{"::ffff:0:0/8", -EDOM, NULL, 0},
		{"10.0.0.0/33", -EINVAL, NULL, 0},
		{"10.0.0.0/128", -EINVAL, NULL, 0},
		{"::/129", -EINVAL, NULL, 0},
		{"::/4294967296", -EINVAL, NULL, 0},
		{"10.0.0.0/", -EINVAL, NULL, 0},
		{"10.0.0.0/08", -EINVAL, NULL, 0},
		{"10.0.0.0/8/8", -EINVAL, NULL, 0},
		{"10.0.0.0/-8", -EINVAL, NULL, 0},
		{"10.0.0.0/+8", -EINVAL, NULL, 0},
		{"10.0.0.0/ 8", -EINVAL, NULL, 0},
		{"10.0.0.0 /8", -EINVAL, NULL, 0},
		{"10.0.0.0/255.0.0.0", -EINVAL, NULL, 0},
		{"10/8", -EINVAL, NULL, 0},
		{"10.0.0/8", -EINVAL, NULL, 0},
		{"/8", -EINVAL, NULL, 0},
		{"", -EINVAL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix prefix = {.length = 42};
		struct inaddr expected;
		int result = prefix_from_text(text_of(cases[i].text), &prefix);

		if (result != cases[i].result)
			fail_msg("%s: %d", cases[i].text, result);
		assert_int_equal(prefix.length, result == 0 ? cases[i].length : 42);
		if (result == 0) {
			expected = address_of(cases[i].address);
			assert_memory_equal(&prefix.address, &expected, sizeof(expected));
		}
	}
}

static void reads_ranges(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *first, *last, *printed;
	} cases[] = {
		{"192.0.2.10-192.0.2.20", 0, "192.0.2.10", "192.0.2.20", "192.0.2.10-192.0.2.20"},
		{"192.0.2.0-192.0.2.255", 0, "192.0.2.0", "192.0.2.255", "192.0.2.0/24"},
		{"192.0.2.7-192.0.2.7", 0, "192.0.2.7", "192.0.2.7", "192.0.2.7"},
		{"192.0.2.0-192.0.2.254", 0, "192.0.2.0", "192.0.2.254", "192.0.2.0-192.0.2.254"},
		{"192.0.2.1-192.0.2.255", 0, "192.0.2.1", "192.0.2.255", "192.0.2.1-192.0.2.255"},
		{"192.0.2.1", 0, "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"10.0.0.0/8", 0, "10.0.0.0", "10.255.255.255", "10.0.0.0/8"},
		{"0.0.0.0/0", 0, "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"0.0.0.0-255.255.255.255", 0, "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"::/0", 0, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
		{"2001:db8::/33", 0, "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
			"2001:db8::/33"},
		{"2001:db8::-2001:db8::2", 0, "2001:db8::", "2001:db8::2",
			"2001:db8::-2001:db8::2"},
		{"::ffff:10.0.0.0-10.0.0.9", 0, "10.0.0.0", "10.0.0.9", "10.0.0.0-10.0.0.9"},
		{"::/80", 0, "::", "::fffe:ffff:ffff", "::/80"},
		{"::fffe:0:0/95", 0, "::fffe:0:0", "::fffe:ffff:ffff", "::fffe:0:0/96"},
		{"::/79", 0, "::", "::1:ffff:ffff:ffff", "::/79"},
		{"::-::1:0:0:0", 0, "::", "::1:0:0:0", "::-::1:0:0:0"},
		{"10.0.0.9-10.0.0.1", -ERANGE, NULL, NULL, NULL},
		{"10.0.0.9-::1", -ERANGE, NULL, NULL, NULL},
		{"::-10.0.0.9", -ERANGE, NULL, NULL, NULL},
		{"::-::ffff:10.0.0.9", -ERANGE, NULL, NULL, NULL},
		{"10.0.0.1/8", -EDOM, NULL, NULL, NULL},
		{"10.0.0.1-", -EINVAL, NULL, NULL, NULL},
		{"-10.0.0.1", -EINVAL, NULL, NULL, NULL},
		{"-", -EINVAL, NULL, NULL, NULL},
		{"10.0.0.1-9", -EINVAL, NULL, NULL, NULL},
		{"10.0.0.1 - 10.0.0.9", -EINVAL, NULL, NULL, NULL},
		{"10.0.0.0/8-11.0.0.0/8", -EINVAL, NULL, NULL, NULL},
		{"10.0.0.1-10.0.0.2-10.0.0.3", -EINVAL, NULL, NULL, NULL},
		{"", -EINVAL, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct range range = {.first = {{42}}}, expected;
		int result = range_from_text(text_of(cases[i].text), &range);
		char text[INADDR_TEXT];

		if (result != cases[i].result)
			fail_msg("%s: %d", cases[i].text, result);
		if (result < 0) {
			assert_int_equal(range.first.bytes[0], 42);
			continue;
		}
		expected.first = address_of(cases[i].first);
		expected.last = address_of(cases[i].last);
		assert_memory_equal(&range, &expected, sizeof(range));
		assert_ptr_equal(range_to_text(&range, text), text);
		assert_string_equal(text, cases[i].printed);
		assert_int_equal(range_from_text(text_of(text), &range), 0);
		assert_memory_equal(&range, &expected, sizeof(range));
	}
}

static void all_prefixes_print_and_parse(void **state)
{
	(void)state;
	for (unsigned length = 0; length <= 32 + 128; length++) {
		bool ip4 = length <= 32;
		struct prefix prefix = {.length = (uint8_t)(ip4 ? length : length - 32)};
		struct range range, again;
		char text[INADDR_TEXT];

		prefix.address = address_of(ip4 ? "0.0.0.0" : "2001:db8::");
		if (!ip4 && prefix.length < 32)
			prefix.address = address_of("::");
		range = prefix_to_range(&prefix);
		assert_int_equal(range_from_text(text_of(range_to_text(&range, text)), &again), 0);
		assert_memory_equal(&range, &again, sizeof(range));
		assert_null(strchr(text, '-'));
	}
}

static void contains_its_family_only(void **state)
{
	static const struct {
		const char *range, *address;
		bool inside;
	} cases[] = {
		{"10.0.0.0/8", "10.0.0.0", true},
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "9.255.255.255", false},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "10.1.2.3", false},
		{"::/80", "10.1.2.3", false},
		{"::/80", "::1.2.3.4", true},
		{"10.0.0.1-10.0.0.3", "10.0.0.3", true},
		{"10.0.0.1-10.0.0.3", "10.0.0.4", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = address_of(cases[i].address);
		struct range range;

		assert_int_equal(range_from_text(text_of(cases[i].range), &range), 0);
		assert_int_equal(range_contains(&range, &address), cases[i].inside);
	}
}

/* All addresses of one client, and none of another. */
static void tells_clients_apart(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:0:0:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"127.0.0.1", "127.255.1.2", true},
		{"127.0.0.1", "::1", true},
		{"127.0.0.1", "126.0.0.1", false},
		{"192.0.2.1", "::1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct inaddr a, b;

		assert_int_equal(inaddr_from_text(text_of(pairs[i].a), &a), 0);
		assert_int_equal(inaddr_from_text(text_of(pairs[i].b), &b), 0);
		a = inaddr_client(&a);
		b = inaddr_client(&b);
		assert_int_equal(inaddr_compare(&a, &b) == 0, pairs[i].same);
	}
}

static void reads_endpoints(void **state)
{
	static const struct {
		const char *text;
		uint16_t default_port;
		const char *printed; /* NULL: refused */
	} cases[] = {
		{"192.0.2.53:53", 0, "192.0.2.53:53"},
		{"192.0.2.53:5300", 53, "192.0.2.53:5300"},
		{"192.0.2.53", 53, "192.0.2.53:53"},
		{"[2001:DB8::53]:65535", 0, "[2001:db8::53]:65535"},
		{"[2001:db8::53]", 853, "[2001:db8::53]:853"},
		{"[::]:1", 0, "[::]:1"},
		{"[::ffff:192.0.2.1]:53", 0, "192.0.2.1:53"},
		{"192.0.2.53", 0, NULL},
		{"[2001:db8::53]", 0, NULL},
		{"2001:db8::53", 53, NULL},
		{"2001:db8::53:53", 53, NULL},
		{"[192.0.2.1]:53", 0, NULL},
		{"[2001:db8::53", 53, NULL},
		{"2001:db8::53]:53", 53, NULL},
		{"[2001:db8::53]53", 53, NULL},
		{"[2001:db8::53]:", 53, NULL},
		{"[2001:db8::53] :53", 53, NULL},
		{"[[::1]]:53", 53, NULL},
		{"[]:53", 53, NULL},
		{"[fe80::1%eth0]:53", 53, NULL},
		{"192.0.2.53:", 53, NULL},
		{"192.0.2.53:0", 53, NULL},
		{"192.0.2.53:65536", 53, NULL},
		{"192.0.2.53:053", 53, NULL},
		{"192.0.2.53:-1", 53, NULL},
		{"192.0.2.53:53 ", 53, NULL},
		{"192.0.2.53:dns", 53, NULL},
		{"192.0.2.53:53:53", 53, NULL},
		{":53", 53, NULL},
		{"", 53, NULL},
		{"localhost:53", 53, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint endpoint = {.port = 4711};
		int result = endpoint_from_text(
			text_of(cases[i].text), cases[i].default_port, &endpoint);
		char text[INADDR_TEXT];

		if (result != (cases[i].printed ? 0 : -EINVAL))
			fail_msg("%s: %d", cases[i].text, result);
		if (result < 0) {
			assert_int_equal(endpoint.port, 4711);
			continue;
		}
		assert_ptr_equal(endpoint_to_text(&endpoint, text), text);
		assert_string_equal(text, cases[i].printed);
	}
}

static void endpoints_are_socket_addresses(void **state)
{
	static const char *const cases[] = {"192.0.2.53:53", "[2001:db8::53]:65535", "0.0.0.0:1"};
	struct sockaddr_storage storage;
	struct endpoint endpoint, again;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_from_text(text_of(cases[i]), 0, &endpoint), 0);
		memset(&storage, 0xee, sizeof(storage));
		assert_int_equal(endpoint_to_sockaddr(&endpoint, &storage),
			inaddr_is_ip4(&endpoint.address) ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6));
		assert_int_equal(
			endpoint_from_sockaddr((const struct sockaddr *)&storage, &again), 0);
		assert_memory_equal(&again.address, &endpoint.address, sizeof(again.address));
		assert_int_equal(again.port, endpoint.port);
	}
}

static void socket_addresses_are_in_network_order(void **state)
{
	struct endpoint endpoint;
	struct sockaddr_storage storage;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;

	(void)state;
	assert_int_equal(endpoint_from_text(text_of("192.0.2.53:258"), 0, &endpoint), 0);
	endpoint_to_sockaddr(&endpoint, &storage);
	memcpy(&ip4, &storage, sizeof(ip4));
	assert_int_equal(ip4.sin_family, AF_INET);
	assert_memory_equal(&ip4.sin_port, "\1\2", 2);
	assert_memory_equal(&ip4.sin_addr, "\xc0\0\2\x35", 4);

	assert_int_equal(endpoint_from_text(text_of("[2001:db8::53]:258"), 0, &endpoint), 0);
	endpoint_to_sockaddr(&endpoint, &storage);
	memcpy(&ip6, &storage, sizeof(ip6));
	assert_int_equal(ip6.sin6_family, AF_INET6);
	assert_memory_equal(&ip6.sin6_port, "\1\2", 2);
	assert_memory_equal(&ip6.sin6_addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53", 16);
	assert_int_equal(ip6.sin6_flowinfo, 0);
	assert_int_equal(ip6.sin6_scope_id, 0);
}

static void other_socket_families_are_refused(void **state)
{
	struct sockaddr_storage storage = {.ss_family = AF_UNIX};
	struct endpoint endpoint = {.port = 4711};

	(void)state;
	assert_int_equal(endpoint_from_sockaddr((const struct sockaddr *)&storage, &endpoint),
		-EAFNOSUPPORT);
	assert_int_equal(endpoint.port, 4711);
}

static void a_mapped_socket_address_is_ip4(void **state)
{
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	struct endpoint endpoint;
	char text[INADDR_TEXT];

	(void)state;
	memcpy(&ip6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
	assert_int_equal(endpoint_from_sockaddr((const struct sockaddr *)&ip6, &endpoint), 0);
	assert_string_equal(endpoint_to_text(&endpoint, text), "192.0.2.1:53");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_go_to_text_and_back),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(reads_only_its_piece_of_text),
		cmocka_unit_test(raw_bytes_are_the_familys),
		cmocka_unit_test(orders_as_numbers),
		cmocka_unit_test(neighbours_stay_in_their_family),
		cmocka_unit_test(steps_in_place),
		cmocka_unit_test(reads_prefixes),
		cmocka_unit_test(reads_ranges),
		cmocka_unit_test(all_prefixes_print_and_parse),
		cmocka_unit_test(contains_its_family_only),
		cmocka_unit_test(tells_clients_apart),
		cmocka_unit_test(reads_endpoints),
		cmocka_unit_test(endpoints_are_socket_addresses),
		cmocka_unit_test(socket_addresses_are_in_network_order),
		cmocka_unit_test(other_socket_families_are_refused),
		cmocka_unit_test(a_mapped_socket_address_is_ip4),
	};

	return cmocka_run_group_tests_name("inaddr", tests, NULL, NULL);
}
