/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "resolver/question.h"

/* Questions to upstream servers as bytes, and what is read of the replies to them. */

static const struct name name = {.length = 6, .wire = {1, 'a', 2, 'b', '9', 0}};

static void plain_and_with_edns(void **state)
{
	static const uint8_t expected[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 'a', 2, 'b',
		'9', 0, 0, 28, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0};
	struct question_form form = {.edns = true};
	uint8_t out[QUESTION_MAX];

	(void)state;
	assert_int_equal(question_write(0x1234, &name, RRTYPE_AAAA, &form, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
	/* What needs EDNS stays away without it. */
	form = (struct question_form){.padded = true, .client_cookie = expected};
	assert_int_equal(
		question_write(0x1234, &name, RRTYPE_AAAA, &form, out), sizeof(expected) - 11);
	assert_memory_equal(out + 12, expected + 12, 10);
	assert_int_equal(out[11], 0);
}

static void letters_are_capitals_where_they_are_asked_for(void **state)
{
	struct question_form form = {.letters = 1};
	struct name longest = {.length = 255};
	uint8_t out[QUESTION_MAX];

	(void)state;
	question_write(1, &name, RRTYPE_A, &form, out);
	assert_memory_equal(out + 12, "\1A\2b9", 6);
	form.letters = 2;
	question_write(1, &name, RRTYPE_A, &form, out);
	assert_memory_equal(out + 12, "\1a\2B9", 6);
	form.letters = UINT64_MAX;
	question_write(1, &name, RRTYPE_A, &form, out);
	assert_memory_equal(out + 12, "\1A\2B9", 6);
	/* 127 letters: the bits come again. Lengths of labels are none. */
	for (unsigned i = 0; i < 127; i++)
		memcpy(longest.wire + (size_t)2 * i, "\1a", 2);
	form.letters = UINT64_C(1) << 63 | 1;
	question_write(1, &longest, RRTYPE_A, &form, out);
	for (unsigned i = 0; i < 127; i++) {
		assert_int_equal(out[12 + 2 * i], 1);
		assert_int_equal(out[13 + 2 * i], i == 0 || i == 63 || i == 64 ? 'A' : 'a');
	}
}

static void cookies_and_padding(void **state)
{
	static const uint8_t client[COOKIE_CLIENT_SIZE] = "client__";
	static const uint8_t server[COOKIE_SERVER_MAX] = "server__";
	struct question_form form = {.edns = true, .client_cookie = client};
	uint8_t out[QUESTION_MAX];
	size_t plain = 12 + 10 + 11;

	(void)state;
	assert_int_equal(question_write(1, &name, RRTYPE_A, &form, out), plain + 12);
	assert_memory_equal(out + plain - 2, "\0\14\0\12\0\10client__", 14);
	form.server_cookie = server;
	form.server_cookie_size = 8;
	assert_int_equal(question_write(1, &name, RRTYPE_A, &form, out), plain + 20);
	assert_memory_equal(out + plain - 2, "\0\24\0\12\0\20client__server__", 22);
	form.padded = true;
	assert_int_equal(question_write(1, &name, RRTYPE_A, &form, out), 128);
	form.server_cookie_size = COOKIE_SERVER_MAX;
	for (unsigned length = 1; length <= 255; length += 2) {
		struct name other = {.length = (uint8_t)length};

		for (unsigned i = 0; i + 1 < length; i += 2)
			memcpy(other.wire + i, "\1a", 2);
		size_t size = question_write(1, &other, RRTYPE_A, &form, out);
		assert_int_equal(size % 128, 0);
		assert_true(size <= QUESTION_MAX);
	}
}

/* Replies in memory of their own size, so that a read past the end is seen. */
static struct question_reply read_reply(const void *bytes, size_t size, uint64_t letters)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct question_reply reply;

	memcpy(copy, bytes, size);
	question_read_reply(copy, size, &name, RRTYPE_A, letters, &reply);
	if (reply.cookie)
		reply.cookie = (const uint8_t *)bytes + (reply.cookie - copy);
	free(copy);
	return reply;
}

static void replies_repeat_the_question(void **state)
{
	static const char good[] = "\1\1\201\200\0\1\0\0\0\0\0\0\1A\2b9\0\0\1\0\1";
	char bytes[sizeof(good) - 1];

	(void)state;
	assert_int_equal(read_reply(good, sizeof(good) - 1, 1).echo, ECHO_SAME);
	assert_int_equal(read_reply(good, sizeof(good) - 1, 0).echo, ECHO_OTHER_CASE);
	for (size_t size = 0; size < sizeof(good) - 1; size++)
		assert_int_equal(read_reply(good, size, 1).echo, ECHO_FOREIGN);
	/* Any other byte but the ID's, the other flags' and the records' counts. */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bool counts = i == 2 || i == 4 || i == 5 || i >= 12;

		memcpy(bytes, good, sizeof(bytes));
		bytes[i] ^= i == 2 ? (char)0x80 : 1;
		if (counts)
			assert_int_equal(read_reply(bytes, sizeof(bytes), 1).echo, ECHO_FOREIGN);
	}
	/* A pointer is no repetition. */
	assert_int_equal(
		read_reply("\1\1\201\200\0\1\0\0\0\0\0\0\1A\2b9\300\14\0\1\0\1", 23, 1).echo,
		ECHO_FOREIGN);
}

static void formerr_may_come_without_a_question(void **state)
{
	(void)state;
	assert_int_equal(read_reply("\1\1\201\201\0\0\0\0\0\0\0\0", 12, 1).echo, ECHO_NONE);
	assert_int_equal(read_reply("\1\1\201\205\0\0\0\0\0\0\0\0", 12, 1).echo, ECHO_FOREIGN);
	assert_int_equal(read_reply("\1\1\1\201\0\0\0\0\0\0\0\0", 12, 1).echo, ECHO_FOREIGN);
}

static void the_opt_record_is_found(void **state)
{
	static const char message[] =
		"\1\1\201\207\0\1\0\1\0\0\0\1\1A\2b9\0\0\1\0\1"
		"\300\14\0\1\0\1\0\0\0\1\0\4\300\0\2\1"
		"\0\0\51\4\320\1\0\0\0\0\30\0\3\0\2id\0\12\0\16client__server";
	struct question_reply reply = read_reply(message, sizeof(message) - 1, 1);

	(void)state;
	assert_int_equal(reply.echo, ECHO_SAME);
	assert_true(reply.edns);
	assert_int_equal(reply.rcode, 23);
	assert_int_equal(reply.cookie_size, 14);
	assert_memory_equal(reply.cookie, "client__server", 14);
	/* One that is somebody's is none (RFC 6891 section 6.1.2). */
	reply = read_reply("\1\1\201\207\0\1\0\0\0\0\0\1\1A\2b9\0\0\1\0\1"
			   "\300\14\0\51\4\320\1\0\0\0\0\0",
		34, 1);
	assert_int_equal(reply.echo, ECHO_SAME);
	assert_false(reply.edns);
	assert_int_equal(reply.rcode, 7);
	/* Cut off anywhere it isn't there, and nothing else is read. */
	for (size_t size = 22; size + 1 < sizeof(message) - 1; size++) {
		reply = read_reply(message, size, 1);
		assert_int_equal(reply.echo, ECHO_SAME);
		assert_false(reply.edns);
		assert_null(reply.cookie);
		assert_int_equal(reply.rcode, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_and_with_edns),
		cmocka_unit_test(letters_are_capitals_where_they_are_asked_for),
		cmocka_unit_test(cookies_and_padding),
		cmocka_unit_test(replies_repeat_the_question),
		cmocka_unit_test(formerr_may_come_without_a_question),
		cmocka_unit_test(the_opt_record_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
