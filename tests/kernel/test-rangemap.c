/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/rangemap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

static const char table_text[] = "add table inet t\n"
				 "delete table inet t\n"
				 "table inet t {\n"
				 "	chain deny-1 { }\n"
				 "	chain block.private { }\n"
				 "	map marks4 { type ipv4_addr : mark; flags interval; }\n"
				 "	map marks6 { type ipv6_addr : mark; flags interval; }\n"
				 "	map chains4 { type ipv4_addr : verdict; flags interval; }\n"
				 "	map chains6 { type ipv6_addr : verdict; flags interval; }\n"
				 "	map likewise { type ipv4_addr : mark; flags interval; }\n"
				 "}\n";

static struct netlink *kernel;

static void load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message))
		fail_msg("%s", message ? message : text);
}

static int set_up(void **state)
{
	(void)state;
	load(table_text);
	return netlink_open((size_t)1 << 20, &kernel);
}

static int tear_down(void **state)
{
	(void)state;
	netlink_closep(&kernel);
	return kernel ? -1 : 0;
}

/* --- Entries that are written down --- */

struct line {
	const char *range;
	const char *chain;
	uint32_t mark;
};

/* Their comments: two have the same, then comes another, of another length. */
static const char *comment_of(size_t index)
{
	static const char *const comments[] = {"allow-1", "allow-1", "allow-2", "npm:allow-12"};

	return comments[index % 4];
}

static struct rangemap_entry line_entry(const void *context, size_t index)
{
	const struct line *line = (const struct line *)context + index;
	struct rangemap_entry entry = {
		.chain = line->chain, .mark = line->mark, .comment = text_of(comment_of(index))};

	assert_int_equal(range_from_text(text_of(line->range), &entry.range), 0);
	return entry;
}

#define LINES(map_name, lines)                                                                     \
	{                                                                                          \
		.table = "t", .name = (map_name), .count = sizeof(lines) / sizeof((lines)[0]),     \
		.entry = line_entry, .context = (lines)                                            \
	}

/* What nft lists of a map, behind its name. */
static char *list(const char *name)
{
	char *ruleset, head[64], *start, *end;

	snprintf(head, sizeof(head), "\tmap %s {\n", name);
	assert_int_equal(ruleset_read("t", &ruleset), 0);
	start = strstr(ruleset, head);
	assert_non_null(start);
	start += strlen(head);
	end = strstr(start, "\n\t}\n");
	assert_non_null(end);
	start = strndup(start, (size_t)(end - start));
	free(ruleset);
	return start;
}

/* Fills the map, and has nft fill it with the same: it must hold the same. */
static void fill_as_nft_does(const struct rangemap *map)
{
	const struct line *lines = map->context;
	char text[2048], *ours, *nfts;
	int length = snprintf(text, sizeof(text), "flush map inet t %s\nadd element inet t %s {\n",
		map->name, map->name);

	assert_int_equal(rangemap_fill(kernel, map), 0);
	assert_int_equal(rangemap_check(kernel, map), 0);
	ours = list(map->name);
	for (size_t i = 0; i < map->count; i++) {
		length += snprintf(text + length, sizeof(text) - (size_t)length,
			"%s comment \"%s\" : ", lines[i].range, comment_of(i));
		if (lines[i].chain)
			length += snprintf(text + length, sizeof(text) - (size_t)length,
				"goto %s,\n", lines[i].chain);
		else
			length += snprintf(text + length, sizeof(text) - (size_t)length, "0x%x,\n",
				lines[i].mark);
	}
	snprintf(text + length, sizeof(text) - (size_t)length, "}\n");
	load(text);
	nfts = list(map->name);
	assert_string_equal(ours, nfts);
	free(ours);
	free(nfts);
}

static bool nft_finds(const char *map, const char *address)
{
	return space_run("nft get element inet t %s '{ %s }' >/dev/null 2>&1", map, address);
}

static void marks_of_both_families(void **state)
{
	static const struct line four[] = {{"10.0.0.0/8", NULL, 1}, {"192.0.2.1", NULL, 2},
		{"198.51.100.7-198.51.100.9", NULL, 3}};
	static const struct line six[] = {{"2001:db8::/32", NULL, 0x7fffffff},
		{"2001:db9::1", NULL, 2}, {"2001:db9::7-2001:db9::ffff", NULL, 3}};
	const struct rangemap map4 = LINES("marks4", four), map6 = LINES("marks6", six);

	(void)state;
	fill_as_nft_does(&map4);
	fill_as_nft_does(&map6);
	assert_true(nft_finds("marks4", "192.0.2.1") && nft_finds("marks4", "10.255.255.255"));
	assert_false(nft_finds("marks4", "192.0.2.0") || nft_finds("marks4", "192.0.2.2"));
	assert_false(nft_finds("marks4", "9.255.255.255") || nft_finds("marks4", "11.0.0.0"));
}

static void chains_of_both_families(void **state)
{
	static const struct line four[] = {
		{"10.0.0.0/8", "block.private", 0}, {"198.51.100.0/24", "deny-1", 0}};
	static const struct line six[] = {{"fc00::/7", "block.private", 0}};
	const struct rangemap map4 = LINES("chains4", four), map6 = LINES("chains6", six);

	(void)state;
	fill_as_nft_does(&map4);
	fill_as_nft_does(&map6);
}

/* Entries that are alike but for their value, or their comment, and then again. */
static void values_by_turns(void **state)
{
	static const struct line marks[] = {{"10.0.0.1", NULL, 1}, {"10.0.0.3", NULL, 1},
		{"10.0.0.5", NULL, 1}, {"10.0.0.7", NULL, 2}, {"10.0.0.9", NULL, 2},
		{"10.0.0.11", NULL, 1}};
	static const struct line chains[] = {{"10.0.0.1", "deny-1", 0}, {"10.0.0.3", "deny-1", 0},
		{"10.0.0.5", "block.private", 0}, {"10.0.0.7", "deny-1", 0}};
	const struct rangemap map = LINES("marks4", marks), refused = LINES("chains4", chains);

	(void)state;
	fill_as_nft_does(&map);
	fill_as_nft_does(&refused);
}

/* What adjoins is not joined, whatever its value. */
static void adjacent_ranges(void **state)
{
	static const struct line lines[] = {{"10.0.0.0-10.0.0.4", NULL, 1}, {"10.0.0.5", NULL, 2},
		{"10.0.0.6-10.0.0.255", NULL, 1}, {"10.0.1.0/24", NULL, 1},
		{"10.0.2.0/24", NULL, 3}};
	static const struct line chains[] = {
		{"10.0.0.0/24", "deny-1", 0}, {"10.0.1.0/24", "block.private", 0}};
	const struct rangemap map = LINES("marks4", lines), refused = LINES("chains4", chains);

	(void)state;
	fill_as_nft_does(&map);
	fill_as_nft_does(&refused);
	assert_true(nft_finds("marks4", "10.0.0.5") && nft_finds("marks4", "10.0.2.255"));
	assert_false(nft_finds("marks4", "10.0.3.0"));
}

static void the_last_address(void **state)
{
	static const struct line four[] = {
		{"0.0.0.0", NULL, 1}, {"255.255.255.254", NULL, 2}, {"255.255.255.255", NULL, 3}};
	static const struct line six[] = {
		{"::", NULL, 1}, {"fe80::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, 2}};
	const struct rangemap map4 = LINES("marks4", four), map6 = LINES("marks6", six);

	(void)state;
	fill_as_nft_does(&map4);
	fill_as_nft_does(&map6);
	assert_true(nft_finds("marks4", "255.255.255.255") && nft_finds("marks4", "0.0.0.0"));
	assert_false(nft_finds("marks4", "0.0.0.1") || nft_finds("marks4", "255.255.255.253"));
	assert_true(nft_finds("marks6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_false(nft_finds("marks6", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

static void the_whole_space(void **state)
{
	static const struct line four[] = {{"0.0.0.0-255.255.255.255", NULL, 9}};
	static const struct line six[] = {{"::/0", "deny-1", 0}};
	const struct rangemap map4 = LINES("marks4", four), map6 = LINES("chains6", six);

	(void)state;
	fill_as_nft_does(&map4);
	assert_true(nft_finds("marks4", "0.0.0.0") && nft_finds("marks4", "255.255.255.255"));
	fill_as_nft_does(&map6);
}

/* The IPv6 ranges around the IPv4-mapped block: its first address is an end like any other. */
static struct rangemap_entry around_mapped(const void *context, size_t index)
{
	static const uint8_t ends[2][2][16] = {
		{{[15] = 1}, {[10] = 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff}},
		{{[9] = 1}, {0xff, [15] = 1}},
	};
	struct rangemap_entry entry = {.mark = 5, .comment = text_of("x")};

	(void)context;
	entry.range.first = inaddr_from_ip6(ends[index][0]);
	entry.range.last = inaddr_from_ip6(ends[index][1]);
	return entry;
}

static void around_the_mapped_block(void **state)
{
	const struct rangemap map = {
		.table = "t", .name = "marks6", .count = 2, .entry = around_mapped};

	(void)state;
	assert_int_equal(rangemap_fill(kernel, &map), 0);
	assert_int_equal(rangemap_check(kernel, &map), 0);
	assert_true(nft_finds("marks6", "::fffe:ffff:ffff"));
	assert_false(nft_finds("marks6", "::ffff:0:0") || nft_finds("marks6", "::ffff:ffff:ffff"));
	assert_false(nft_finds("marks6", "::"));
}

static void nothing(void **state)
{
	const struct rangemap map = {.table = "t", .name = "marks4", .entry = line_entry};

	(void)state;
	assert_int_equal(rangemap_fill(kernel, &map), 0);
	assert_int_equal(rangemap_check(kernel, &map), 0);
}

/* --- What is refused --- */

static int try_line(const char *map_name, struct line line)
{
	const struct rangemap map = {
		.table = "t", .name = map_name, .count = 1, .entry = line_entry, .context = &line};

	return rangemap_fill(kernel, &map);
}

static struct rangemap_entry bad_entry(const void *context, size_t index)
{
	(void)index;
	return *(const struct rangemap_entry *)context;
}

static int try_entry(struct rangemap_entry entry)
{
	const struct rangemap map = {
		.table = "t", .name = "marks4", .count = 1, .entry = bad_entry, .context = &entry};

	return rangemap_fill(kernel, &map);
}

static void what_is_refused(void **state)
{
	const uint8_t four[4] = {10}, six[16] = {0x20};
	struct rangemap_entry entry = {.comment = text_of("c"), .mark = 1};
	char comment[RANGEMAP_COMMENT_MAX + 2], name[300];

	(void)state;
	assert_int_equal(try_line("missing", (struct line){"10.0.0.1", NULL, 1}), -ENOENT);
	assert_int_equal(try_line("chains4", (struct line){"10.0.0.1", "nowhere", 1}), -ENOENT);
	assert_int_equal(try_line("chains4", (struct line){"10.0.0.1", NULL, 1}), -EINVAL);
	assert_true(try_line("marks4", (struct line){"10.0.0.1", "deny-1", 1}) < 0);
	assert_int_equal(try_line("marks6", (struct line){"10.0.0.1", NULL, 1}), -EINVAL);

	entry.range = (struct range){inaddr_from_ip4(four), inaddr_from_ip6(six)};
	assert_int_equal(try_entry(entry), -EINVAL);
	entry.range.last = entry.range.first;
	memset(comment, 'c', sizeof(comment));
	comment[sizeof(comment) - 1] = '\0';
	entry.comment = text_of(comment);
	assert_int_equal(try_entry(entry), -EINVAL);
	entry.comment.length--;
	assert_int_equal(try_entry(entry), 0);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(try_line(name, (struct line){"10.0.0.1", NULL, 1}), -ENAMETOOLONG);
	entry.chain = name;
	assert_int_equal(try_entry(entry), -EINVAL);
}

/* --- What is not as it should be --- */

static void differences(void **state)
{
	static const struct line lines[] = {{"10.0.0.0/24", NULL, 1}, {"10.0.2.0/24", NULL, 2}};
	static const struct {
		const char *change;
		int check;
	} cases[] = {
		{"", 0},
		{"delete element inet t marks4 { 10.0.2.0/24 }", -ESTALE},
		{"flush map inet t marks4", -ESTALE},
		{"delete element inet t marks4 { 10.0.0.0/24 }; "
		 "add element inet t marks4 { 10.0.0.0/24 : 7 }",
			-ESTALE},
		{"delete element inet t marks4 { 10.0.0.0/24 }; "
		 "add element inet t marks4 { 10.0.0.0/25 : 1 }",
			-ESTALE},
		{"delete element inet t marks4 { 10.0.0.0/24 }; "
		 "add element inet t marks4 { 10.0.0.0-10.0.1.0 : 1 }",
			-ESTALE},
		{"add element inet t marks4 { 10.0.9.0/24 : 1 }", -ESTALE},
		{"delete map inet t marks4", -ENOENT},
	};
	const struct rangemap map = LINES("marks4", lines);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int check;

		load(table_text);
		assert_int_equal(rangemap_fill(kernel, &map), 0);
		load(cases[i].change);
		check = rangemap_check(kernel, &map);
		if (check != cases[i].check)
			fail_msg("%s: %d", cases[i].change, check);
	}
}

static void a_chain_that_differs(void **state)
{
	static const struct line wanted[] = {{"10.0.0.0/24", "deny-1", 0}};
	static const struct line held[] = {{"10.0.0.0/24", "block.private", 0}};
	const struct rangemap map = LINES("chains4", wanted), other = LINES("chains4", held);

	(void)state;
	assert_int_equal(rangemap_fill(kernel, &other), 0);
	assert_int_equal(rangemap_check(kernel, &other), 0);
	assert_int_equal(rangemap_check(kernel, &map), -ESTALE);
}

/* --- Many --- */

#define MANY 200000

/* Every 16 addresses a range of 9, or all 16. */
static struct rangemap_entry many_entry(const void *context, size_t index)
{
	uint32_t first = htonl(0x0a000000U + (uint32_t)index * 16);
	uint32_t last = htonl(0x0a000000U + (uint32_t)index * 16 + (index % 3 == 0 ? 15 : 8));
	uint8_t bytes[2][4];

	(void)context;
	memcpy(bytes[0], &first, 4);
	memcpy(bytes[1], &last, 4);
	return (struct rangemap_entry){
		.range = {inaddr_from_ip4(bytes[0]), inaddr_from_ip4(bytes[1])},
		.mark = 1 + (uint32_t)index % 5,
		.comment = text_of("allow-77"),
	};
}

static void many(void **state)
{
	const struct rangemap map = {
		.table = "t", .name = "marks4", .count = MANY, .entry = many_entry};
	struct rangemap less = map;

	(void)state;
	assert_int_equal(rangemap_fill(kernel, &map), 0);
	assert_int_equal(rangemap_check(kernel, &map), 0);
	less.count--;
	assert_int_equal(rangemap_check(kernel, &less), -ESTALE);
	/* Entries that are there already are no success. */
	assert_int_equal(rangemap_fill(kernel, &map), -EEXIST);
}

/* As with the little that sockets may send where nobody has raised net.core.wmem_max. */
static void many_in_short_transactions(void **state)
{
	const struct rangemap map = {
		.table = "t", .name = "marks4", .count = MANY / 4, .entry = many_entry};

	(void)state;
	netlink_close(kernel);
	assert_int_equal(netlink_open(100000, &kernel), 0);
	assert_int_equal(rangemap_fill(kernel, &map), 0);
	assert_int_equal(rangemap_check(kernel, &map), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(marks_of_both_families),
		TEST(chains_of_both_families),
		TEST(values_by_turns),
		TEST(adjacent_ranges),
		TEST(the_last_address),
		TEST(the_whole_space),
		TEST(around_the_mapped_block),
		TEST(nothing),
		TEST(what_is_refused),
		TEST(differences),
		TEST(a_chain_that_differs),
		TEST(many),
		TEST(many_in_short_transactions),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("rangemap", tests, NULL, NULL);
}
