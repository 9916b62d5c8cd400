/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/framing.h"

static int ends[2]; /* of a stream that doesn't block */

static int set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
	(void)state;
	if (ends[0] >= 0)
		close(ends[0]);
	close(ends[1]);
	return 0;
}

static void give(const void *bytes, size_t size)
{
	assert_int_equal(write(ends[0], bytes, size), size);
}

static void assert_next(struct inbox *inbox, const char *expected)
{
	const uint8_t *message = NULL;
	size_t size = 0;

	assert_int_equal(inbox_next(inbox, &message, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(message, expected, size);
}

static void assert_none(struct inbox *inbox, int error)
{
	const uint8_t *message;
	size_t size;

	assert_int_equal(inbox_next(inbox, &message, &size), error);
}

static void a_message_comes_byte_by_byte(void **state)
{
	uint8_t bytes[16];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};
	const char stream[] = "\0\5hello";

	(void)state;
	assert_int_equal(inbox_fill(&inbox, ends[1]), -EAGAIN);
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		assert_none(&inbox, -EAGAIN);
		give(stream + i, 1);
		assert_int_equal(inbox_fill(&inbox, ends[1]), 1);
	}
	assert_next(&inbox, "hello");
	assert_none(&inbox, -EAGAIN);
}

static void several_messages_come_at_once(void **state)
{
	uint8_t bytes[64];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	give("\0\3one\0\0\0\5three\0", 15);
	assert_int_equal(inbox_fill(&inbox, ends[1]), 15);
	assert_next(&inbox, "one");
	assert_next(&inbox, "");
	assert_next(&inbox, "three");
	assert_none(&inbox, -EAGAIN);
	give("\1x", 2);
	assert_int_equal(inbox_fill(&inbox, ends[1]), 2);
	assert_next(&inbox, "x");
	assert_int_equal(inbox_pending(&inbox), 0);
}

/* Over many rounds the buffer's few bytes do, wherever a message begins in it. */
static void a_small_inbox_serves_a_long_stream(void **state)
{
	uint8_t bytes[10];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};
	unsigned taken = 0, given = 0;
	char frame[] = "\0\3???";

	(void)state;
	while (taken < 1000) {
		const uint8_t *message;
		size_t size;

		while (given < 1000 && given < taken + 100) {
			memcpy(frame + 2, (char[]){(char)('a' + given % 26), 'x', 'y'}, 3);
			give(frame, 5);
			given++;
		}
		assert_true(inbox_fill(&inbox, ends[1]) > 0);
		while (inbox_next(&inbox, &message, &size) == 0) {
			assert_int_equal(size, 3);
			assert_int_equal(message[0], 'a' + taken % 26);
			taken++;
		}
	}
	assert_int_equal(inbox_pending(&inbox), 0);
}

static void a_full_inbox_says_so(void **state)
{
	uint8_t bytes[6];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	give("\0\4abcd\0", 7);
	assert_int_equal(inbox_fill(&inbox, ends[1]), 6);
	assert_int_equal(inbox_room(&inbox), 0);
	assert_int_equal(inbox_fill(&inbox, ends[1]), -ENOBUFS);
	assert_next(&inbox, "abcd");
	assert_int_equal(inbox_room(&inbox), 6);
	assert_int_equal(inbox_fill(&inbox, ends[1]), 1);
}

static void too_long_is_told_from_the_length_alone(void **state)
{
	uint8_t bytes[6];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	give("\0\5", 2);
	assert_int_equal(inbox_fill(&inbox, ends[1]), 2);
	assert_none(&inbox, -EMSGSIZE);
}

static void the_end_of_the_stream_is_zero(void **state)
{
	uint8_t bytes[6];
	struct inbox inbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(inbox_fill(&inbox, ends[1]), 0);
}

static void what_is_put_arrives_framed(void **state)
{
	uint8_t bytes[12], got[32];
	struct outbox outbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	assert_int_equal(outbox_put(&outbox, (const uint8_t *)"one", 3), 0);
	assert_int_equal(outbox_put(&outbox, (const uint8_t *)"three", 5), 0);
	assert_int_equal(outbox_pending(&outbox), 12);
	assert_int_equal(outbox_put(&outbox, (const uint8_t *)"", 0), -ENOBUFS);
	assert_int_equal(outbox_pending(&outbox), 12);
	assert_int_equal(outbox_send(&outbox, ends[0]), 0);
	assert_int_equal(outbox_pending(&outbox), 0);
	assert_int_equal(read(ends[1], got, sizeof(got)), 12);
	assert_memory_equal(got, "\0\3one\0\5three", 12);
	assert_int_equal(outbox_send(&outbox, ends[0]), 0);
}

/* A reader that is slow gets everything, in order, in whatever pieces the kernel takes. */
static void a_slow_reader_gets_everything(void **state)
{
	static uint8_t bytes[1 << 17], message[60000], got[4096];
	struct outbox outbox = {.bytes = bytes, .size = sizeof(bytes)};
	size_t put = 0, read_bytes = 0;
	int least = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	while (read_bytes < 20 * (sizeof(message) + 2)) {
		ssize_t size;

		if (put < 20 && outbox_put(&outbox, message, sizeof(message)) == 0)
			put++;
		assert_true(outbox_send(&outbox, ends[0]) != -EPIPE);
		size = read(ends[1], got, sizeof(got));
		for (ssize_t i = 0; i < size; i++, read_bytes++) {
			size_t at = read_bytes % (sizeof(message) + 2);
			uint8_t expected = at == 0   ? sizeof(message) >> 8
					   : at == 1 ? sizeof(message) & 0xff
						     : (uint8_t)((at - 2) * 7);

			assert_int_equal(got[i], expected);
		}
	}
	assert_int_equal(put, 20);
	assert_int_equal(outbox_pending(&outbox), 0);
}

/* What was sent makes room, wherever in the buffer it was. */
static void a_box_half_sent_takes_more(void **state)
{
	static uint8_t bytes[1 << 17], message[60000], got[1 << 17];
	struct outbox outbox = {.bytes = bytes, .size = sizeof(bytes)};
	int least = 1;

	(void)state;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	assert_int_equal(outbox_put(&outbox, message, sizeof(message)), 0);
	assert_int_equal(outbox_put(&outbox, message, sizeof(message)), 0);
	while (outbox_pending(&outbox) > sizeof(bytes) - sizeof(message) - 2) {
		assert_int_equal(outbox_put(&outbox, message, sizeof(message)), -ENOBUFS);
		assert_int_equal(outbox_send(&outbox, ends[0]), -EAGAIN);
		assert_true(recv(ends[1], got, sizeof(got), 0) > 0);
	}
	assert_true(outbox_pending(&outbox) > 0);
	assert_int_equal(outbox_put(&outbox, message, sizeof(message)), 0);
}

static void a_reader_that_is_gone_is_an_error(void **state)
{
	uint8_t bytes[12];
	struct outbox outbox = {.bytes = bytes, .size = sizeof(bytes)};

	(void)state;
	assert_int_equal(outbox_put(&outbox, (const uint8_t *)"one", 3), 0);
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(outbox_send(&outbox, ends[1]), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_comes_byte_by_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_messages_come_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_small_inbox_serves_a_long_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_inbox_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			too_long_is_told_from_the_length_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_the_stream_is_zero, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_put_arrives_framed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_reader_gets_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_box_half_sent_takes_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reader_that_is_gone_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
