/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "src/base/buf.h"

static void reads_network_order(void **state)
{
	static const uint8_t bytes[] = {0x01, 0x80, 0x03, 0xff, 0x05, 0x06, 0x07, 'a', 'b'};
	struct reader reader = reader_over(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(reader_left(&reader), 9);
	assert_int_equal(reader_u8(&reader), 0x01);
	assert_int_equal(reader_u16(&reader), 0x8003);
	assert_int_equal(reader_u32(&reader), 0xff050607);
	assert_ptr_equal(reader_bytes(&reader, 2), bytes + 7);
	assert_int_equal(reader_left(&reader), 0);
	assert_false(reader.failed);
}

static void reading_past_the_end_is_sticky(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader reader = reader_over(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(reader_u8(&reader), 1);
	assert_int_equal(reader_u32(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(reader.pos, 1);
	assert_int_equal(reader_left(&reader), 0);
	assert_int_equal(reader_u8(&reader), 0);
	assert_int_equal(reader_u16(&reader), 0);
	assert_null(reader_bytes(&reader, 1));
	assert_null(reader_bytes(&reader, 0));
	reader_seek(&reader, 0);
	assert_int_equal(reader.pos, 1);
}

static void each_read_stops_at_the_end(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader reader = reader_over(bytes, 0);

	(void)state;
	assert_int_equal(reader_u8(&reader), 0);
	assert_true(reader.failed);
	reader = reader_over(bytes, 1);
	assert_int_equal(reader_u16(&reader), 0);
	assert_true(reader.failed);
	reader = reader_over(bytes, 3);
	assert_int_equal(reader_u32(&reader), 0);
	assert_true(reader.failed);
	reader = reader_over(bytes, 3);
	assert_null(reader_bytes(&reader, 4));
	assert_true(reader.failed);
	reader = reader_over(bytes, 3);
	reader_u8(&reader);
	assert_null(reader_bytes(&reader, SIZE_MAX));
	assert_true(reader.failed);
}

static void seeks_within(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader reader = reader_over(bytes, sizeof(bytes));

	(void)state;
	reader_seek(&reader, 2);
	assert_int_equal(reader_u8(&reader), 3);
	reader_seek(&reader, 0);
	assert_int_equal(reader_u8(&reader), 1);
	reader_seek(&reader, 3);
	assert_false(reader.failed);
	assert_int_equal(reader_left(&reader), 0);
	reader_seek(&reader, 4);
	assert_true(reader.failed);
	assert_int_equal(reader.pos, 3);
}

static void reads_nothing_of_nothing(void **state)
{
	struct reader reader = reader_over(NULL, 0);

	(void)state;
	assert_null(reader_bytes(&reader, 0));
	assert_false(reader.failed);
	assert_null(reader_bytes(&reader, 1));
	assert_true(reader.failed);
}

static void writes_network_order(void **state)
{
	static const uint8_t expected[] = {0x01, 0x80, 0x03, 0xff, 0x05, 0x06, 0x07, 'a', 'b'};
	uint8_t bytes[9] = {0};
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	writer_u8(&writer, 0x01);
	writer_u16(&writer, 0x8003);
	writer_u32(&writer, 0xff050607);
	assert_int_equal(writer_left(&writer), 2);
	writer_bytes(&writer, "ab", 2);
	writer_bytes(&writer, NULL, 0);
	assert_false(writer.failed);
	assert_int_equal(writer.pos, 9);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void writing_past_the_end_is_sticky(void **state)
{
	uint8_t bytes[8];
	struct writer writer = writer_over(bytes, 5);

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	writer_u32(&writer, 0);
	writer_u16(&writer, 0);
	assert_true(writer.failed);
	assert_int_equal(writer.pos, 4);
	assert_int_equal(writer_left(&writer), 0);
	writer_u8(&writer, 0);
	writer_u16_at(&writer, 0, 0xffff);
	assert_int_equal(writer.pos, 4);
	assert_memory_equal(bytes, "\0\0\0\0\xee\xee\xee\xee", 8);
}

static void each_write_stops_at_the_end(void **state)
{
	uint8_t bytes[4];
	struct writer writer = writer_over(bytes, 0);

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	writer_u8(&writer, 1);
	assert_true(writer.failed);
	writer = writer_over(bytes, 1);
	writer_u16(&writer, 1);
	assert_true(writer.failed);
	writer = writer_over(bytes, 3);
	writer_u32(&writer, 1);
	assert_true(writer.failed);
	writer = writer_over(bytes, 3);
	writer_bytes(&writer, "abcd", 4);
	assert_true(writer.failed);
	assert_memory_equal(bytes, "\xee\xee\xee\xee", 4);
}

static void overwrites_only_what_was_written(void **state)
{
	uint8_t bytes[8] = {0};
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	writer_u32(&writer, 0x01020304);
	writer_u16_at(&writer, 2, 0xabcd);
	assert_false(writer.failed);
	assert_int_equal(writer.pos, 4);
	assert_memory_equal(bytes, "\x01\x02\xab\xcd\0", 5);
	writer_u16_at(&writer, 3, 0xffff);
	assert_true(writer.failed);
	assert_memory_equal(bytes, "\x01\x02\xab\xcd\0", 5);

	writer = writer_over(bytes, sizeof(bytes));
	writer_u32(&writer, 0);
	writer_u16_at(&writer, SIZE_MAX, 1);
	assert_true(writer.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_network_order),
		cmocka_unit_test(reading_past_the_end_is_sticky),
		cmocka_unit_test(each_read_stops_at_the_end),
		cmocka_unit_test(seeks_within),
		cmocka_unit_test(reads_nothing_of_nothing),
		cmocka_unit_test(writes_network_order),
		cmocka_unit_test(writing_past_the_end_is_sticky),
		cmocka_unit_test(each_write_stops_at_the_end),
		cmocka_unit_test(overwrites_only_what_was_written),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
