/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "src/base/text.h"

static struct text piece(const char *bytes, size_t length)
{
	return (struct text){.start = bytes, .length = length};
}

static void compares(void **state)
{
	struct text text = piece("tcp/443rest", 7);
	struct text empty = {0};

	(void)state;
	assert_true(text_is(text, "tcp/443"));
	assert_false(text_is(text, "tcp/44"));
	assert_false(text_is(text, "tcp/443r"));
	assert_false(text_is(text, "tcp/442"));
	assert_true(text_starts(text, "tcp/"));
	assert_true(text_starts(text, ""));
	assert_true(text_starts(text, "tcp/443"));
	assert_false(text_starts(text, "tcp/443r"));
	assert_false(text_starts(text, "udp"));
	assert_true(text_is(empty, ""));
	assert_false(text_is(empty, "a"));
	assert_true(text_starts(empty, ""));
	assert_int_equal(text_of("abc").length, 3);
}

static void trims_blanks_only(void **state)
{
	(void)state;
	assert_true(text_is(text_trim(text_of(" \t\r\n a b \r\n")), "a b"));
	assert_true(text_is(text_trim(text_of("a")), "a"));
	assert_true(text_is(text_trim(text_of("\v\f")), "\v\f"));
	assert_true(text_is(text_trim(text_of(" \t ")), ""));
	assert_true(text_is(text_trim((struct text){0}), ""));
}

static void cuts_at_the_first_separator(void **state)
{
	struct text head, tail;

	(void)state;
	assert_true(text_cut(text_of("a=b=c"), '=', &head, &tail));
	assert_true(text_is(head, "a"));
	assert_true(text_is(tail, "b=c"));
	assert_true(text_cut(tail, '=', &tail, &head));
	assert_true(text_is(tail, "b"));
	assert_true(text_is(head, "c"));
	assert_true(text_cut(text_of("=b"), '=', &head, &tail));
	assert_true(text_is(head, ""));
	assert_true(text_cut(text_of("a="), '=', &head, &tail));
	assert_true(text_is(tail, ""));
	assert_false(text_cut(text_of("abc"), '=', &head, &tail));
	assert_true(text_is(head, "abc"));
	assert_true(text_is(tail, ""));
	assert_false(text_cut((struct text){0}, '=', &head, &tail));
	assert_int_equal(head.length, 0);
	assert_int_equal(tail.length, 0);
	assert_false(text_cut(piece("ab=", 2), '=', &head, &tail));
}

static void reads_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int result;
		uint64_t number;
	} cases[] = {
		{"0", 0, 0, 0},
		{"65535", 65535, 0, 65535},
		{"65536", 65535, -ERANGE, 0},
		{"007", 10, 0, 7},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"18446744073709551625", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999", UINT64_MAX, -ERANGE, 0},
		{"36893488147419103232", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999x", UINT64_MAX, -EINVAL, 0},
		{"", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"0x1", 10, -EINVAL, 0},
		{"1.0", 10, -EINVAL, 0},
		{"\xd9\xa1", 10, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t number = 4711;
		int result = text_to_number(text_of(cases[i].text), cases[i].max, &number);

		assert_int_equal(result, cases[i].result);
		assert_true(number == (result == 0 ? cases[i].number : 4711));
	}
}

static void reads_durations(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t ms;
	} cases[] = {
		{"250ms", 0, 250},
		{"60s", 0, 60000},
		{"0s", 0, 0},
		{"5m", 0, 300000},
		{"1h", 0, 3600000},
		{"7d", 0, 604800000},
		{"9223372036854775807ms", 0, INT64_MAX},
		{"9223372036854775808ms", -ERANGE, 0},
		{"9223372036854775s", 0, INT64_C(9223372036854775000)},
		{"9223372036854776s", -ERANGE, 0},
		{"18446744073709551616d", -ERANGE, 0},
		{"60", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"60 s", -EINVAL, 0},
		{"-60s", -EINVAL, 0},
		{"1.5h", -EINVAL, 0},
		{"1h30m", -EINVAL, 0},
		{"60S", -EINVAL, 0},
		{"60w", -EINVAL, 0},
		{"60ss", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct duration duration = {.ms = 4711};
		int result = text_to_duration(text_of(cases[i].text), &duration);

		assert_int_equal(result, cases[i].result);
		assert_true(duration.ms == (result == 0 ? cases[i].ms : 4711));
	}
	assert_int_equal(text_to_duration((struct text){0}, &(struct duration){0}), -EINVAL);
}

static void lowers_ascii_letters_only(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char lower = text_lower((char)c);

		if (c >= 'A' && c <= 'Z')
			assert_int_equal(lower, c + 32);
		else
			assert_int_equal(lower, (char)c);
	}
}

/* Every number encoded by the table of RFC 3629 section 3, surrogates included. */
static size_t encode(uint32_t character, char *out)
{
	if (character < 0x80) {
		out[0] = (char)character;
		return 1;
	}
	if (character < 0x800) {
		out[0] = (char)(0xc0 | character >> 6);
		out[1] = (char)(0x80 | (character & 0x3f));
		return 2;
	}
	if (character < 0x10000) {
		out[0] = (char)(0xe0 | character >> 12);
		out[1] = (char)(0x80 | (character >> 6 & 0x3f));
		out[2] = (char)(0x80 | (character & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | character >> 18);
	out[1] = (char)(0x80 | (character >> 12 & 0x3f));
	out[2] = (char)(0x80 | (character >> 6 & 0x3f));
	out[3] = (char)(0x80 | (character & 0x3f));
	return 4;
}

static void decodes_every_character(void **state)
{
	(void)state;
	for (uint32_t character = 0; character < 0x1fffff; character++) {
		bool valid = character < 0xd800 || (character > 0xdfff && character < 0x110000);
		char bytes[4];
		size_t size = encode(character, bytes);
		uint32_t decoded = 0;
		size_t got = text_char(piece(bytes, size), &decoded);

		if (got != (valid ? size : 0) || (valid && decoded != character))
			fail_msg("character %#x: %zu bytes, %#x", character, got, decoded);
		if (got > 1 && text_char(piece(bytes, size - 1), &decoded) != 0)
			fail_msg("character %#x: taken although cut short", character);
	}
	assert_int_equal(text_char((struct text){0}, &(uint32_t){0}), 0);
}

static void tells_where_utf8_ends(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		int offset; /* -1: well-formed */
	} cases[] = {
		{"", 0, -1},
		{"plain", 5, -1},
		{"a\0b", 3, -1},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7", 15, -1},
		{"a\xc3", 2, 1},
		{"ab\xe2\x82", 4, 2},
		{"\xe2\x82\xac\xf0\x9f\x90", 6, 3},
		{"a\x80", 2, 1},
		{"\xc0\x80", 2, 0},
		{"\xc1\xbf", 2, 0},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xed\xa0\x80", 3, 0},
		{"\xed\xbf\xbf", 3, 0},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
		{"\xc3\x28", 2, 0},
		{"\xe2\x28\xa1", 3, 0},
		{"\xe2\x82\x28", 3, 0},
		{"\xf0\x9f\x90\x28", 4, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t offset = 4711;
		bool valid = text_is_utf8(piece(cases[i].bytes, cases[i].length), &offset);

		assert_int_equal(valid, cases[i].offset < 0);
		assert_int_equal(offset, valid ? 4711 : cases[i].offset);
	}
}

static void shows_no_controls(void **state)
{
	static const uint32_t hidden[] = {0, '\t', '\n', 0x1b, 0x7f, 0x80, 0x9b, 0xad, 0x61c,
		0x200b, 0x200e, 0x2028, 0x202e, 0x2066, 0xfeff, 0xe0041};
	static const uint32_t shown[] = {' ', 'a', '~', 0xa0, 0xfc, 0x20ac, 0x4e2d, 0x1f427};

	(void)state;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		assert_false(text_shows(hidden[i]));
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		assert_true(text_shows(shown[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(trims_blanks_only),
		cmocka_unit_test(cuts_at_the_first_separator),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(lowers_ascii_letters_only),
		cmocka_unit_test(decodes_every_character),
		cmocka_unit_test(tells_where_utf8_ends),
		cmocka_unit_test(shows_no_controls),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
