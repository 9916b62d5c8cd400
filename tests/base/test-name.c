/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/name.h"

static struct name name_of(const char *string)
{
	struct name name;

	if (name_from_text(text_of(string), &name) < 0)
		fail_msg("not a name: %s", string);
	return name;
}

static struct name root(void)
{
	return (struct name){.length = 1};
}

/* The bytes in a block of exactly their size, so that a sanitizer sees what reads past them. */
static struct reader reader_in_block(const void *bytes, size_t size, void **ret_block)
{
	*ret_block = malloc(size > 0 ? size : 1);
	assert_non_null(*ret_block);
	memcpy(*ret_block, bytes, size);
	return reader_over(*ret_block, size);
}

static void expect_bad(const void *bytes, size_t size, size_t pos)
{
	void *block;
	struct reader reader = reader_in_block(bytes, size, &block);
	struct name name, untouched;

	memset(&name, 0xee, sizeof(name));
	untouched = name;
	reader_seek(&reader, pos);
	name_read(&reader, &name);
	assert_true(reader.failed);
	assert_int_equal(reader.pos, pos);
	assert_memory_equal(&name, &untouched, sizeof(name));
	free(block);
}

static void expect_name(
	const void *bytes, size_t size, size_t pos, const char *expected, size_t behind)
{
	void *block;
	struct reader reader = reader_in_block(bytes, size, &block);
	char text[NAME_TEXT];
	struct name name;

	reader_seek(&reader, pos);
	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(reader.pos, behind);
	assert_string_equal(name_to_text(&name, text), expected);
	free(block);
}

static void reads_plain_names(void **state)
{
	(void)state;
	expect_name("\3wWw\7EXAMPLE\3com\0x", 18, 0, "www.example.com", 17);
	expect_name("\0", 1, 0, ".", 1);
	expect_name("xx\1a\0", 5, 2, "a", 5);
}

static void reads_compressed_names(void **state)
{
	/* 0: example.com, 13: www + pointer, 19: pointer to the pointer, 21: a. + pointer */
	static const char message[] = "\7example\3com\0"
				      "\3WWW\xc0\0"
				      "\xc0\x0d"
				      "\1A\xc0\x13"
				      "tail";

	(void)state;
	expect_name(message, sizeof(message) - 1, 13, "www.example.com", 19);
	expect_name(message, sizeof(message) - 1, 19, "www.example.com", 21);
	expect_name(message, sizeof(message) - 1, 21, "a.www.example.com", 25);
	expect_name("\1a\0\xc0\2", 5, 3, ".", 5);
	expect_name("\3\1b\0\0\xc0\1", 7, 5, "b", 7);
}

static void follows_high_offsets(void **state)
{
	static uint8_t message[0x4000 + 2];

	(void)state;
	memcpy(message + 0x3ffd, "\1z\0", 3);
	memcpy(message + 0x4000, "\xff\xfd", 2);
	expect_name(message, sizeof(message), 0x4000, "z", 0x4002);
}

static void refuses_truncated_names(void **state)
{
	static const char bytes[] = "\3www\7example\3com";

	(void)state;
	for (size_t size = 0; size < sizeof(bytes); size++)
		expect_bad(bytes, size, 0);
	expect_bad("\1a\0\xc0", 4, 3);
	expect_bad("\1a\0\1b\xc0", 6, 3);
	expect_bad("\3ab", 3, 0);
	expect_bad("\2ab\0\xc0\0", 6, 6);
	expect_bad("\77", 1, 0);
}

static void refuses_loops_and_forward_pointers(void **state)
{
	(void)state;
	expect_bad("\xc0\0", 2, 0);
	expect_bad("\1a\xc0\0", 4, 0);
	expect_bad("\1a\xc0\2", 4, 0);
	expect_bad("\xc0\2\xc0\0", 4, 0);
	expect_bad("\xc0\2\xc0\0", 4, 2);
	expect_bad("\xc0\2\1a\0", 5, 0);
	expect_bad("\1b\xc0\4\1a\0", 7, 0);
	expect_bad("\1a\xc0\4\1b\xc0\0", 8, 4);
	expect_bad("\xc0\x10\0", 3, 0);
	expect_bad("\0\1a\xc0\1", 5, 1);
	expect_bad("\0\1a\xc0\2", 5, 1);
	expect_bad("\0\xff\xff", 3, 1);
}

static void refuses_reserved_label_types(void **state)
{
	uint8_t bytes[300] = {0};

	(void)state;
	for (unsigned kind = 0x40; kind < 0xc0; kind++) {
		bytes[0] = (uint8_t)kind;
		expect_bad(bytes, sizeof(bytes), 0);
	}
	expect_bad("\1a\x41\1\0", 5, 0);
}

/* Labels of the sizes given, filled with 'A', and the root's label; returns the bytes. */
static size_t put_labels(uint8_t *out, const uint8_t *sizes, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		out[length++] = sizes[i];
		memset(out + length, 'A', sizes[i]);
		length += sizes[i];
	}
	out[length++] = 0;
	return length;
}

static void names_end_at_255_bytes(void **state)
{
	uint8_t bytes[400];
	struct reader reader;
	struct name name;
	size_t length;

	(void)state;
	length = put_labels(bytes, (const uint8_t[]){63, 63, 63, 61}, 4);
	assert_int_equal(length, 255);
	reader = reader_over(bytes, length);
	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(name.length, 255);
	assert_int_equal(name.wire[254], 0);
	assert_int_equal(name.wire[1], 'a');

	length = put_labels(bytes, (const uint8_t[]){63, 63, 63, 62}, 4);
	expect_bad(bytes, length, 0);
	length = put_labels(bytes, (const uint8_t[]){63, 63, 63, 61, 1}, 5);
	expect_bad(bytes, length, 0);
	length = put_labels(bytes, (const uint8_t[]){63, 63, 63, 63, 63}, 5);
	expect_bad(bytes, length, 0);
	length = put_labels(bytes, (const uint8_t[]){63, 63, 63}, 3);
	memcpy(bytes + length, "\75", 1);
	memset(bytes + length + 1, 'a', 61);
	memcpy(bytes + length + 62, "\xc0\0", 2);
	reader = reader_over(bytes, length + 64);
	reader_seek(&reader, length);
	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(name.length, 255);
	assert_int_equal(reader.pos, length + 64);
	memmove(bytes + length + 63, bytes + length + 62, 2);
	bytes[length] = 62;
	bytes[length + 62] = 'a';
	expect_bad(bytes, length + 65, length);
}

static void a_name_has_at_most_127_labels(void **state)
{
	uint8_t bytes[300], sizes[128];
	struct reader reader;
	struct name name;

	(void)state;
	memset(sizes, 1, sizeof(sizes));
	reader = reader_over(bytes, put_labels(bytes, sizes, 127));
	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(name_labels(&name), 127);
	expect_bad(bytes, put_labels(bytes, sizes, 128), 0);
}

/* A chain of pointers, each to the one before: `jumps` of them to get to the root's label at 0. */
static void follows_at_most_127_pointers(void **state)
{
	uint8_t bytes[1 + 2 * 200] = {0};
	size_t pos = 1;

	(void)state;
	for (unsigned jumps = 1; jumps <= 200; jumps++, pos += 2) {
		size_t target = jumps == 1 ? 0 : pos - 2;

		bytes[pos] = (uint8_t)(0xc0 | target >> 8);
		bytes[pos + 1] = (uint8_t)target;
		if (jumps <= 127)
			expect_name(bytes, pos + 2, pos, ".", pos + 2);
		else
			expect_bad(bytes, pos + 2, pos);
	}
}

static void a_failed_reader_gives_no_name(void **state)
{
	struct reader reader = reader_over("\1a\0", 3);
	struct name name = {.length = 42};

	(void)state;
	reader.failed = true;
	name_read(&reader, &name);
	assert_true(reader.failed);
	assert_int_equal(name.length, 42);
	assert_int_equal(reader.pos, 0);
}

/* Every message of four bytes over an alphabet of length and pointer bytes: no crash, no hang, and
 * a position that moved on success only. */
static void survives_all_short_messages(void **state)
{
	static const uint8_t alphabet[] = {0, 1, 2, 3, 63, 0x40, 0x80, 0xc0, 0xc1, 0xff, 'A'};
	const unsigned letters = sizeof(alphabet);

	(void)state;
	for (unsigned i = 0; i < letters * letters * letters * letters; i++) {
		uint8_t bytes[4] = {alphabet[i % letters], alphabet[i / letters % letters],
			alphabet[i / letters / letters % letters],
			alphabet[i / letters / letters / letters]};

		for (size_t pos = 0; pos < 4; pos++) {
			struct reader reader = reader_over(bytes, sizeof(bytes));
			struct name name = {.length = 0};

			reader_seek(&reader, pos);
			name_read(&reader, &name);
			assert_int_equal(reader.failed, name.length == 0);
			assert_int_equal(reader.failed, reader.pos == pos);
		}
	}
}

static void reads_host_names(void **state)
{
	static const struct {
		const char *text, *wire;
		size_t length;
	} cases[] = {
		{"example.com", "\7example\3com", 13},
		{"example.com.", "\7example\3com", 13},
		{"EXAMPLE.Com", "\7example\3com", 13},
		{"a", "\1a", 3},
		{"xn--bcher-kva.example", "\15xn--bcher-kva\7example", 23},
		{"_dns.1-2_.x9",
			"\4_dns\4"
			"1-2_\2x9",
			14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name name = name_of(cases[i].text);

		assert_int_equal(name.length, cases[i].length);
		assert_memory_equal(name.wire, cases[i].wire, name.length);
	}
}

static void refuses_what_is_no_host_name(void **state)
{
	static const char *const cases[] = {"", ".", "..", ".a", "a..b", "a..", "a b", " a", "a ",
		"-a", "a-", "a.-b.c", "a.b-.c", "-", "*.example.com", "a/b", "a\\.b",
		"b\303\274cher", "a:53", "a\n", "a@b", "a,b", "[::1]"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name name = {.length = 42};

		if (name_from_text(text_of(cases[i]), &name) != -EINVAL)
			fail_msg("taken for a name: '%s'", cases[i]);
		assert_int_equal(name.length, 42);
	}
	assert_int_equal(name_from_text((struct text){"a\0b", 3}, &(struct name){0}), -EINVAL);
	assert_int_equal(name_from_text((struct text){0}, &(struct name){0}), -EINVAL);
}

static void refuses_long_host_names(void **state)
{
	struct name name = {.length = 42};
	char text[300];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(name_from_text((struct text){text, 64}, &name), -ENAMETOOLONG);
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	assert_int_equal(name_from_text((struct text){text, 254}, &name), -ENAMETOOLONG);
	assert_int_equal(name_from_text((struct text){text, 300}, &name), -ENAMETOOLONG);
	assert_int_equal(name.length, 42);
	assert_int_equal(name_from_text((struct text){text, 63}, &name), 0);
	assert_int_equal(name_from_text((struct text){text, 253}, &name), 0);
	assert_int_equal(name.length, 255);
	text[253] = '.';
	assert_int_equal(name_from_text((struct text){text, 254}, &name), 0);
	assert_int_equal(name.length, 255);
}

static void odd_bytes_are_escaped(void **state)
{
	(void)state;
	expect_name("\4a.b\\\0", 6, 0, "a\\.b\\\\", 6);
	expect_name("\6\"();@$\0", 8, 0, "\\\"\\(\\)\\;\\@\\$", 8);
	expect_name("\7 \t\n\0\x7f\x80\xff\0", 9, 0, "\\032\\009\\010\\000\\127\\128\\255", 9);
	expect_name("\1*\3a/b\0", 7, 0, "*.a/b", 7);
	expect_name("\1.\1.\0", 5, 0, "\\..\\.", 5);
}

static void the_longest_text_fits(void **state)
{
	uint8_t bytes[300];
	struct reader reader;
	struct name name;
	char *text = malloc(NAME_TEXT);

	(void)state;
	assert_non_null(text);
	reader = reader_over(bytes, put_labels(bytes, (const uint8_t[]){63, 63, 63, 61}, 4));
	for (size_t i = 0; i < 254; i++)
		bytes[i] = bytes[i] == 'A' ? 0xff : bytes[i];
	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(strlen(name_to_text(&name, text)), 250 * 4 + 3);
	free(text);
}

static void writes_its_bytes(void **state)
{
	struct name name = name_of("a.bc");
	uint8_t bytes[6];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	name_write(&writer, &name);
	assert_false(writer.failed);
	assert_memory_equal(bytes, "\1a\2bc\0", 6);
	writer = writer_over(bytes, 5);
	name_write(&writer, &name);
	assert_true(writer.failed);
}

static void compares_names(void **state)
{
	struct name a = name_of("a.example.com"), b = name_of("A.EXAMPLE.com.");
	struct name c = name_of("b.example.com"), d = name_of("a.example.co"), top = root();

	(void)state;
	assert_true(name_equal(&a, &b));
	assert_false(name_equal(&a, &c));
	assert_false(name_equal(&a, &d));
	assert_false(name_equal(&a, &top));
	assert_true(name_equal(&top, &top));
	memset(b.wire + b.length, 0xee, sizeof(b.wire) - b.length);
	assert_true(name_equal(&a, &b));
}

/* Wherever a letter is, and whatever is next to the letters. */
static void capitals_are_not_sound(void **state)
{
	static const char neighbours[] = "@[`az{\x7f\x80\xc1\xda\xff";
	struct name sound = name_of("abcdefgh.ijklmnopqrstu.vwxyz.a.bc.example.com");

	(void)state;
	for (unsigned at = 0; at < sound.length; at++) {
		struct name name = sound;

		if (name.wire[at] < 'a')
			continue;
		for (int letter = 'A'; letter <= 'Z'; letter++) {
			name.wire[at] = (uint8_t)letter;
			assert_false(name_is_sound(&name));
		}
		for (const char *next = neighbours; *next; next++) {
			name.wire[at] = (uint8_t)*next;
			assert_true(name_is_sound(&name));
		}
	}
}

static void tells_sound_names(void **state)
{
	struct name sound = name_of("a.example.com"), name;

	(void)state;
	assert_true(name_is_sound(&sound));
	name = root();
	assert_true(name_is_sound(&name));
	name = sound;
	name.wire[1] = 'A';
	assert_false(name_is_sound(&name));
	name = sound;
	name.wire[0] = 0;
	assert_false(name_is_sound(&name));
	name = sound;
	name.length--;
	assert_false(name_is_sound(&name));
	name = sound;
	name.wire[name.length++] = 0;
	assert_false(name_is_sound(&name));
	memset(&name, 'a', sizeof(name));
	name.length = NAME_WIRE_MAX;
	for (unsigned at = 0; at < NAME_WIRE_MAX; at += 64)
		name.wire[at] = 63;
	assert_false(name_is_sound(&name));
	name = sound;
	name.wire[0] = 0xc0;
	assert_false(name_is_sound(&name));
	name = sound;
	name.length--;
	assert_false(name_is_sound(&name));
	name.length = 0;
	assert_false(name_is_sound(&name));
	memset(&name, 'a', sizeof(name));
	assert_false(name_is_sound(&name));
}

static void walks_labels(void **state)
{
	struct name name = name_of("www.example.com"), top = root(), expected;

	(void)state;
	assert_int_equal(name_labels(&name), 3);
	assert_int_equal(name_labels(&top), 0);
	assert_int_equal(name_label_offset(&name, 0), 0);
	assert_int_equal(name_label_offset(&name, 1), 4);
	assert_int_equal(name_label_offset(&name, 2), 12);
	assert_int_equal(name_label_offset(&name, 3), 16);
	assert_int_equal(name_label_offset(&name, 4), 16);
	assert_int_equal(name_label_offset(&top, 0), 0);

	name = name_parent(&name);
	expected = name_of("example.com");
	assert_true(name_equal(&name, &expected));
	name = name_parent(&name);
	name = name_parent(&name);
	assert_true(name_equal(&name, &top));
	name = name_parent(&name);
	assert_true(name_equal(&name, &top));
}

static void tells_what_lies_below(void **state)
{
	static const struct {
		const char *name, *above;
		bool below;
	} cases[] = {
		{"www.example.com", "example.com", true},
		{"a.b.example.com", "example.com", true},
		{"example.com", "example.com", true},
		{"www.example.com", "com", true},
		{"com", "example.com", false},
		{"badexample.com", "example.com", false},
		{"example.com", "www.example.com", false},
		{"example.com.evil.org", "example.com", false},
		{"www.example.com", "example.org", false},
		{"xexample.com", "ample.com", false},
	};
	struct name top = root(), name = name_of("example.com"), tricky;
	struct reader reader;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name below = name_of(cases[i].name), above = name_of(cases[i].above);

		assert_int_equal(name_is_below(&below, &above), cases[i].below);
	}
	assert_true(name_is_below(&name, &top));
	assert_true(name_is_below(&top, &top));
	assert_false(name_is_below(&top, &name));

	/* One label whose bytes look like the labels of the other name. */
	reader = reader_over("\16x\7example\3com\0\0", 16);
	name_read(&reader, &tricky);
	assert_false(reader.failed);
	assert_false(name_is_below(&tricky, &name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_plain_names),
		cmocka_unit_test(reads_compressed_names),
		cmocka_unit_test(follows_high_offsets),
		cmocka_unit_test(refuses_truncated_names),
		cmocka_unit_test(refuses_loops_and_forward_pointers),
		cmocka_unit_test(refuses_reserved_label_types),
		cmocka_unit_test(names_end_at_255_bytes),
		cmocka_unit_test(a_name_has_at_most_127_labels),
		cmocka_unit_test(follows_at_most_127_pointers),
		cmocka_unit_test(a_failed_reader_gives_no_name),
		cmocka_unit_test(survives_all_short_messages),
		cmocka_unit_test(reads_host_names),
		cmocka_unit_test(refuses_what_is_no_host_name),
		cmocka_unit_test(refuses_long_host_names),
		cmocka_unit_test(odd_bytes_are_escaped),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(writes_its_bytes),
		cmocka_unit_test(compares_names),
		cmocka_unit_test(tells_sound_names),
		cmocka_unit_test(capitals_are_not_sound),
		cmocka_unit_test(walks_labels),
		cmocka_unit_test(tells_what_lies_below),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
