/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/class.h"

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

static const struct {
	const char *address;
	const char *class; /* NULL: none */
} members[] = {
	{"9.255.255.255", NULL}, {"10.0.0.0", "private"}, {"10.255.255.255", "private"},
	{"11.0.0.0", NULL}, {"172.15.255.255", NULL}, {"172.16.0.1", "private"},
	{"172.31.255.255", "private"}, {"172.32.0.0", NULL}, {"192.168.1.1", "private"},
	{"192.169.0.0", NULL}, {"100.63.255.255", NULL}, {"100.64.0.0", "shared"},
	{"100.127.255.255", "shared"}, {"100.128.0.0", NULL}, {"127.0.0.1", "loopback"},
	{"127.255.255.255", "loopback"}, {"169.254.0.1", "link-local"},
	{"169.254.169.253", "link-local"}, {"169.254.169.254", "metadata"},
	{"169.254.170.2", "metadata"}, {"100.100.100.200", "metadata"},
	{"100.100.100.201", "shared"}, {"168.63.129.16", "metadata"}, {"168.63.129.17", NULL},
	{"192.0.0.192", "metadata"}, {"192.0.0.1", "reserved"}, {"0.0.0.0", "loopback"},
	{"0.1.2.3", "reserved"}, {"192.0.2.1", "reserved"}, {"198.18.0.1", "reserved"},
	{"198.19.255.255", "reserved"}, {"198.20.0.0", NULL}, {"198.51.100.1", "reserved"},
	{"203.0.113.1", "reserved"}, {"223.255.255.255", NULL}, {"224.0.0.1", "multicast"},
	{"239.255.255.255", "multicast"}, {"240.0.0.1", "reserved"},
	{"255.255.255.255", "reserved"}, {"1.1.1.1", "doh"}, {"1.1.1.4", NULL}, {"8.8.8.8", "doh"},
	{"9.9.9.9", "doh"}, {"94.140.14.14", "doh"}, {"208.67.222.222", "doh"},
	{"45.90.28.77", "doh"}, {"93.184.216.34", NULL}, {"::", "loopback"}, {"::1", "loopback"},
	{"::2", "reserved"}, {"fc00::1", "private"}, {"fdff:ffff::1", "private"}, {"fe00::1", NULL},
	{"fe80::1", "link-local"}, {"febf:ffff::1", "link-local"}, {"fec0::1", "private"},
	{"ff02::1", "multicast"}, {"fd00:ec2::254", "metadata"}, {"fd00:ec2::255", "private"},
	{"fd20:ce::254", "metadata"}, {"2001:db8::1", "reserved"}, {"3fff:fff::1", "reserved"},
	{"100::1", "reserved"}, {"5f00::1", "reserved"}, {"2606:4700:4700::1111", "doh"},
	{"2001:4860:4860::8888", "doh"}, {"2620:fe::fe", "doh"}, {"2a10:50c0::ad1:ff", "doh"},
	{"2620:119:35::35", "doh"}, {"2a07:a8c0:7fff::1", "doh"}, {"2a07:a8c0:8000::1", NULL},
	{"2606:4700::1111", NULL}, {"2600::1", NULL},
	/* IPv4 in IPv6 */
	{"::ffff:10.0.0.1", "private"}, {"::ffff:93.184.216.34", NULL},
	{"64:ff9b::10.0.0.1", "private"}, {"64:ff9b::169.254.169.254", "metadata"},
	{"64:ff9b::8.8.8.8", "doh"}, {"64:ff9b::93.184.216.34", NULL}, {"64:ff9b:1::1", "private"},
	{"2002:a00:1::1", "private"}, {"2002:a9fe:a9fe::1", "metadata"},
	{"2002:5db8:d822::1", "reserved"}, {"::127.0.0.1", "loopback"},
	{"::192.168.0.1", "private"}, {"::93.184.216.34", "reserved"},
	{"2001:0:5db8:d822:0:0:f5ff:fffe", "private"},  /* 10.0.0.1, inverted */
	{"2001:0:5db8:d822:0:0:a247:27dd", "reserved"}, /* 93.184.216.34, inverted */
};

static void test_members(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct inaddr address = address_of(members[i].address);
		enum address_class class = CLASS_COUNT;
		bool found = class_find(&address, CLASS_ALL, &class);
		const char *name = found ? class_name(class) : NULL;

		if (!found)
			assert_int_equal(class, CLASS_COUNT);
		if (found != (members[i].class != NULL) ||
			(found && strcmp(name, members[i].class) != 0))
			fail_msg("%s is %s", members[i].address, found ? name : "in no class");
	}
}

static bool is_in(const char *text, unsigned mask, enum address_class expected)
{
	struct inaddr address = address_of(text);
	enum address_class class;

	if (!class_find(&address, mask, &class))
		return false;
	assert_int_equal(class, expected);
	return true;
}

/* Classes that aren't asked for hide nothing. */
static void test_mask(void **state)
{
	unsigned all_but_metadata = CLASS_ALL & ~(1u << CLASS_METADATA);

	(void)state;
	assert_true(is_in("169.254.169.254", all_but_metadata, CLASS_LINK_LOCAL));
	assert_true(is_in("169.254.169.254", 1u << CLASS_METADATA, CLASS_METADATA));
	assert_false(is_in("169.254.169.254", 1u << CLASS_PRIVATE, CLASS_PRIVATE));
	assert_false(is_in("168.63.129.16", all_but_metadata, CLASS_COUNT));
	assert_false(is_in("10.0.0.1", 0, CLASS_COUNT));
	assert_true(is_in("2002:a00:1::1", 1u << CLASS_PRIVATE, CLASS_PRIVATE));
	assert_true(is_in("2002:a00:1::1", 1u << CLASS_RESERVED, CLASS_RESERVED));
	assert_false(is_in("2002:a00:1::1", 1u << CLASS_DOH, CLASS_DOH));
}

/* What class_find() has to answer about an address that carries no other, row by row. */
static bool find_by_rows(const struct inaddr *address, unsigned mask, enum address_class *ret_class)
{
	size_t count;
	const struct class_prefix *rows = class_prefixes(&count);
	int best = -1;

	for (size_t i = 0; i < count; i++) {
		struct range range = prefix_to_range(&rows[i].prefix);

		if (!(mask & 1u << rows[i].class) || rows[i].prefix.length <= best ||
			!range_contains(&range, address))
			continue;
		best = rows[i].prefix.length;
		*ret_class = rows[i].class;
	}
	return best >= 0;
}

static bool carries_another(const struct inaddr *address)
{
	static const uint8_t zeros[10];

	return (address->bytes[0] == 0x20 && address->bytes[1] == 2) ||
	       (address->bytes[0] == 0x20 && address->bytes[1] == 1 && address->bytes[2] == 0 &&
		       address->bytes[3] == 0) ||
	       (memcmp(address->bytes, zeros, sizeof(zeros)) == 0 && !inaddr_is_ip4(address));
}

static void look_up_in(const struct inaddr *address, unsigned mask)
{
	enum address_class class = CLASS_COUNT, expected = CLASS_COUNT;
	bool found = class_find(address, mask, &class);
	char text[INADDR_TEXT];

	if (found != find_by_rows(address, mask, &expected) || class != expected)
		fail_msg("%s, classes %x: %u, not %u", inaddr_to_text(address, text), mask, class,
			expected);
}

static void look_up(const struct inaddr *address)
{
	if (carries_another(address))
		return;
	look_up_in(address, CLASS_ALL);
	for (unsigned class = 0; class < CLASS_COUNT; class ++) {
		look_up_in(address, 1u << class);
		look_up_in(address, CLASS_ALL & ~(1u << class));
	}
}

/* At both ends of every row, and beside them. */
static void test_every_row_is_found(void **state)
{
	size_t count;
	const struct class_prefix *rows = class_prefixes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct range range = prefix_to_range(&rows[i].prefix);
		struct inaddr beside;

		look_up(&range.first);
		look_up(&range.last);
		if (inaddr_previous(&range.first, &beside))
			look_up(&beside);
		if (inaddr_next(&range.last, &beside))
			look_up(&beside);
	}
	for (unsigned i = 0; i < 256; i++) {
		struct inaddr first = inaddr_from_ip4((uint8_t[]){(uint8_t)i, 0, 0, 0});
		struct inaddr last = inaddr_from_ip4((uint8_t[]){(uint8_t)i, 255, 255, 255});

		look_up(&first);
		look_up(&last);
	}
}

/* What the kernel's sets need of the table, and the search. */
static void test_table_is_well_formed(void **state)
{
	unsigned seen[CLASS_COUNT] = {0};
	size_t count;
	const struct class_prefix *rows = class_prefixes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct range range = prefix_to_range(&rows[i].prefix);
		bool ip4 = inaddr_is_ip4(&rows[i].prefix.address);
		char text[INADDR_TEXT];
		struct prefix again;

		assert_true(rows[i].class < CLASS_COUNT);
		seen[rows[i].class]++;
		assert_in_range(rows[i].prefix.length, 4, ip4 ? 32 : 128);
		assert_int_equal(rows[i].prefix.address.bytes[10] == 0xff, ip4);
		/* No bits behind the length. */
		assert_int_equal(prefix_from_text(text_of(range_to_text(&range, text)), &again), 0);
		assert_memory_equal(&again.address, &rows[i].prefix.address, sizeof(again.address));
		assert_int_equal(again.length, rows[i].prefix.length);
		for (size_t j = 0; j < i; j++)
			assert_false(rows[j].prefix.length == rows[i].prefix.length &&
				     inaddr_compare(&rows[j].prefix.address,
					     &rows[i].prefix.address) == 0);
	}
	for (unsigned i = 0; i < CLASS_COUNT; i++)
		assert_true(seen[i] > 0);
}

/* Each IPv4 row is there a second time as NAT64 delivers it. */
static void test_nat64_rows(void **state)
{
	size_t count, found = 0, ip4 = 0;
	const struct class_prefix *rows = class_prefixes(&count);
	struct inaddr nat64 = address_of("64:ff9b::");

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct inaddr expected = nat64;

		if (!inaddr_is_ip4(&rows[i].prefix.address))
			continue;
		ip4++;
		memcpy(expected.bytes + 12, rows[i].prefix.address.bytes + 12, 4);
		for (size_t j = 0; j < count; j++)
			found += inaddr_compare(&rows[j].prefix.address, &expected) == 0 &&
				 rows[j].prefix.length == rows[i].prefix.length + 96 &&
				 rows[j].class == rows[i].class;
	}
	assert_int_equal(found, ip4);
}

static void test_names(void **state)
{
	enum address_class class;

	(void)state;
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		char rule[64];
		enum address_class expected = (enum address_class)i;

		assert_int_equal(class_from_text(text_of(class_name(expected)), &class), 0);
		assert_int_equal(class, expected);
		snprintf(rule, sizeof(rule), "block-%s", class_name(expected));
		assert_string_equal(class_rule(expected), rule);
	}
	assert_int_equal(class_from_text(text_of("public"), &class), -ENOENT);
	assert_int_equal(class_from_text(text_of(""), &class), -ENOENT);
	assert_int_equal(class_from_text(text_of("Private"), &class), -ENOENT);
}

static bool is_row(const struct prefix *prefix)
{
	size_t count;
	const struct class_prefix *rows = class_prefixes(&count);

	for (size_t i = 0; i < count; i++)
		if (rows[i].class == CLASS_DOH && rows[i].prefix.length == prefix->length &&
			inaddr_compare(&rows[i].prefix.address, &prefix->address) == 0)
			return true;
	return false;
}

/* The rows of a class that are not the NAT64 twins of others. */
static unsigned count_rows(enum address_class class)
{
	size_t count;
	const struct class_prefix *rows = class_prefixes(&count);
	unsigned found = 0;

	for (size_t i = 0; i < count; i++)
		found += rows[i].class == class && !(rows[i].prefix.address.bytes[0] == 0 &&
							   rows[i].prefix.address.bytes[1] == 0x64);
	return found;
}

/* doh.txt also has names: what is no prefix is one. */
static void test_doh_is_what_doh_txt_has(void **state)
{
	char path[4096], line[512];
	unsigned n_prefixes = 0;
	FILE *list;

	(void)state;
	snprintf(path, sizeof(path), "%s/rules/profiles/doh.txt", getenv("abs_top_srcdir"));
	list = fopen(path, "r");
	assert_non_null(list);
	while (fgets(line, sizeof(line), list)) {
		struct prefix prefix;

		line[strcspn(line, "#\n")] = '\0';
		if (prefix_from_text(text_of(line), &prefix) < 0)
			continue;
		if (!is_row(&prefix))
			fail_msg("%s is not in the class", line);
		n_prefixes++;
	}
	fclose(list);
	assert_int_equal(n_prefixes, count_rows(CLASS_DOH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_every_row_is_found),
		cmocka_unit_test(test_table_is_well_formed),
		cmocka_unit_test(test_nat64_rows),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_doh_is_what_doh_txt_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
