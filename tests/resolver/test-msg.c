/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "resolver/msg.h"

#define QUESTION 3, 'W', 'w', 'W', 2, 'e', 'X', 0, 0, 1, 0, 1
#define QUESTION_SIZE 12
#define OPT(size_high, size_low, version) 0, 0, 41, size_high, size_low, 0, version, 0, 0, 0, 0

/* A query for "WwW.eX" A: ID 0x1234, RD; and its reading. */
struct reading {
	struct msg_query query;
	enum msg_status status;
	enum rcode rcode;
};

static struct reading read_bytes(const uint8_t *bytes, size_t size, bool stream)
{
	struct reading reading = {.rcode = RCODE_NOERROR};
	static uint8_t *exact;

	/* The question stays in it until the next one. */
	free(exact);
	exact = malloc(size ? size : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, size);
	memset(&reading.query, 0xa5, sizeof(reading.query));
	reading.status = msg_read(exact, size, stream, &reading.query, &reading.rcode);
	return reading;
}

#define READ(stream, ...)                                                                          \
	read_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), stream)

static void reads_a_plain_query(void **state)
{
	static const uint8_t question[] = {QUESTION};
	static const uint8_t lower[] = {3, 'w', 'w', 'w', 2, 'e', 'x', 0};
	struct reading got = READ(false, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION);

	(void)state;
	assert_int_equal(got.status, MSG_QUERY);
	assert_int_equal(got.query.type, RRTYPE_A);
	assert_int_equal(got.query.class, RRCLASS_IN);
	assert_int_equal(got.query.name.length, sizeof(lower));
	assert_memory_equal(got.query.name.wire, lower, sizeof(lower));
	assert_int_equal(got.query.context.id, 0x1234);
	assert_int_equal(got.query.context.opcode, 0);
	assert_true(got.query.context.recursion_desired);
	assert_false(got.query.context.checking_disabled);
	assert_false(got.query.context.edns);
	assert_int_equal(got.query.context.limit, 512);
	assert_int_equal(got.query.context.question_size, QUESTION_SIZE);
	assert_memory_equal(got.query.context.question, question, QUESTION_SIZE);

	got = READ(true, 0x12, 0x34, 0, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION);
	assert_int_equal(got.status, MSG_QUERY);
	assert_false(got.query.context.recursion_desired);
	assert_true(got.query.context.checking_disabled);
	assert_int_equal(got.query.context.limit, MSG_MAX);
}

static uint16_t limit_of(bool stream, uint8_t high, uint8_t low)
{
	struct reading got =
		READ(stream, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION, OPT(high, low, 0));

	assert_int_equal(got.status, MSG_QUERY);
	assert_true(got.query.context.edns);
	return got.query.context.limit;
}

static void takes_the_size_of_the_opt_record_within_bounds(void **state)
{
	(void)state;
	assert_int_equal(limit_of(false, 0, 0), 512);
	assert_int_equal(limit_of(false, 1, 0xff), 512);
	assert_int_equal(limit_of(false, 2, 0), 512);
	assert_int_equal(limit_of(false, 2, 1), 513);
	assert_int_equal(limit_of(false, 4, 0xd0), 1232);
	assert_int_equal(limit_of(false, 4, 0xd1), 1232);
	assert_int_equal(limit_of(false, 0xff, 0xff), 1232);
	assert_int_equal(limit_of(true, 2, 0), MSG_MAX);
}

static void ignores_what_is_no_query(void **state)
{
	(void)state;
	for (size_t size = 0; size < MSG_HEADER_SIZE; size++)
		assert_int_equal(read_bytes((uint8_t[12]){0}, size, false).status, MSG_IGNORE);
	assert_int_equal(
		READ(false, 0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION).status, MSG_IGNORE);
	assert_int_equal(READ(true, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0).status, MSG_IGNORE);
}

static void assert_error(struct reading got, enum rcode rcode)
{
	assert_int_equal(got.status, MSG_ERROR);
	assert_int_equal(got.rcode, rcode);
}

static void says_what_is_wrong_with_a_query(void **state)
{
	(void)state;
	/* opcodes 1 to 15, before anything else is looked at */
	for (uint8_t opcode = 1; opcode < 16; opcode++)
		assert_error(READ(false, 0, 1, (uint8_t)(opcode << 3), 0, 0, 9, 0, 0, 0, 0, 0, 0),
			RCODE_NOTIMP);
	/* questions: none, two, none there */
	assert_error(READ(false, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), RCODE_FORMERR);
	assert_error(
		READ(false, 0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, QUESTION, QUESTION), RCODE_FORMERR);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), RCODE_FORMERR);
	/* other sections, bytes behind the end */
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, QUESTION), RCODE_FORMERR);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, QUESTION), RCODE_FORMERR);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION, 0), RCODE_FORMERR);
	/* EDNS */
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION, OPT(4, 0, 1)),
		RCODE_BADVERS);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2, QUESTION, OPT(4, 0, 0),
			     OPT(4, 0, 0)),
		RCODE_FORMERR);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION), RCODE_FORMERR);
	assert_error(READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, QUESTION, OPT(4, 0, 0)),
		RCODE_FORMERR);
}

static void keeps_the_question_of_a_bad_query_if_it_was_readable(void **state)
{
	struct reading got = READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION, 0);

	(void)state;
	assert_int_equal(got.query.context.question_size, QUESTION_SIZE);
	got = READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'w');
	assert_error(got, RCODE_FORMERR);
	assert_int_equal(got.query.context.question_size, 0);
	/* a pointer, even a good one, can't be repeated byte by byte */
	got = READ(false, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 4, 0, 1, 0, 1);
	assert_error(got, RCODE_FORMERR);
	assert_int_equal(got.query.context.question_size, 0);
}

static void every_cut_of_a_query_is_an_error(void **state)
{
	static const uint8_t whole[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION, OPT(4, 0, 0)};

	(void)state;
	assert_int_equal(read_bytes(whole, sizeof(whole), false).status, MSG_QUERY);
	for (size_t size = MSG_HEADER_SIZE; size < sizeof(whole); size++)
		assert_error(read_bytes(whole, size, false), RCODE_FORMERR);
}

static const struct msg_context plain = {
	.id = 0xbeef,
	.recursion_desired = true,
	.limit = 512,
	.question_size = QUESTION_SIZE,
	.question = (const uint8_t[]){QUESTION},
};

static void writes_a_refusal(void **state)
{
	static const uint8_t expected[] = {
		0xbe, 0xef, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION};
	static const uint8_t with_edns[] = {0xbe, 0xef, 0x81, 0x93, 0, 1, 0, 0, 0, 0, 0, 1,
		QUESTION, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 8, 0, 15, 0, 4, 0, 15, 'i', 'd'};
	struct msg_context context = plain;
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];
	const struct answer *answer = answer_empty(&buffer, RCODE_NXDOMAIN, EDE_BLOCKED, "id");

	(void)state;
	assert_int_equal(msg_write_reply(&context, answer, 0, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
	context.edns = true;
	context.checking_disabled = true;
	assert_int_equal(msg_write_reply(&context, answer, 0, out), sizeof(with_edns));
	assert_memory_equal(out, with_edns, sizeof(with_edns));
}

static void writes_an_extended_rcode_and_no_question(void **state)
{
	static const uint8_t expected[] = {0xbe, 0xef, 0xa0, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41,
		0x04, 0xd0, 1, 0, 0, 0, 0, 0};
	struct msg_context context = {.id = 0xbeef, .opcode = 4, .edns = true, .limit = 512};
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];
	const struct answer *answer = answer_empty(&buffer, RCODE_BADVERS, EDE_NONE, NULL);

	(void)state;
	assert_int_equal(msg_write_reply(&context, answer, 0, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
}

static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	(void)context;
	(void)address;
	(void)ret_rule;
	*ret_leased = true;
	return true;
}

static const struct answer_judge all = {.permits = permits};

static const struct answer *some_addresses(struct answer_buffer *buffer, size_t count)
{
	struct inaddr addresses[CHANNEL_ADDRESSES_MAX];

	for (size_t i = 0; i < count; i++)
		addresses[i] = inaddr_from_ip4((uint8_t[]){192, 0, 2, (uint8_t)i});
	return answer_of_addresses(buffer, RRTYPE_A, addresses, count, &all);
}

static void writes_addresses(void **state)
{
	static const uint8_t expected[] = {0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, QUESTION,
		0xc0, 12, 0, 1, 0, 1, 0, 1, 0, 2, 0, 4, 192, 0, 2, 0, 0xc0, 12, 0, 1, 0, 1, 0, 1, 0,
		2, 0, 4, 192, 0, 2, 1};
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];

	(void)state;
	assert_int_equal(msg_write_reply(&plain, some_addresses(&buffer, 2), 0x10002, out),
		sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
}

/* 12 of header, 12 of question, 16 a record: at 488 + 16 it is 504 and 520 bytes. */
static void truncates_at_the_limit_exactly(void **state)
{
	struct msg_context context = plain;
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];

	(void)state;
	assert_int_equal(msg_write_reply(&context, some_addresses(&buffer, 30), 1, out), 504);
	assert_int_equal(out[2] & 2, 0);
	assert_int_equal(msg_write_reply(&context, some_addresses(&buffer, 31), 1, out), 24);
	assert_int_equal(out[2] & 2, 2);
	assert_int_equal(out[5], 1);
	assert_memory_equal(out + 6, ((uint8_t[]){0, 0, 0, 0, 0, 0}), 6);
	context.limit = 520;
	assert_int_equal(msg_write_reply(&context, some_addresses(&buffer, 31), 1, out), 520);
	/* the OPT record has its place in a truncated reply, too */
	context.edns = true;
	assert_int_equal(msg_write_reply(&context, some_addresses(&buffer, 31), 1, out), 35);
	assert_int_equal(out[2] & 2, 2);
	assert_int_equal(out[11], 1);
	context.limit = 531;
	assert_int_equal(msg_write_reply(&context, some_addresses(&buffer, 31), 1, out), 531);
}

static void a_long_rule_id_is_cut(void **state)
{
	struct msg_context context = plain;
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];
	char rule[1000];

	(void)state;
	memset(rule, 'r', sizeof(rule) - 1);
	rule[sizeof(rule) - 1] = '\0';
	context.edns = true;
	assert_int_equal(msg_write_reply(&context,
				 answer_empty(&buffer, RCODE_SERVFAIL, EDE_OTHER, rule), 0, out),
		24 + 11 + 6 + 120);
}

#define OPT_WITH(flags, ...)                                                                       \
	0, 0, 41, 4, 0xd0, 0, 0, flags, 0, 0, sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define QUERY_WITH(flags, ...)                                                                     \
	0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, QUESTION, OPT_WITH(flags, __VA_ARGS__)
#define COOKIE8 1, 2, 3, 4, 5, 6, 7, 8

static void flags_that_mean_nothing_in_a_query_are_ignored(void **state)
{
	/* AA, TC, RA, Z, AD and a response code */
	struct reading got = READ(false, 0, 1, 7, 0xe5, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION);
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];

	(void)state;
	assert_int_equal(got.status, MSG_QUERY);
	msg_write_reply(
		&got.query.context, answer_empty(&buffer, RCODE_NOERROR, EDE_NONE, NULL), 0, out);
	assert_int_equal(out[2] << 8 | out[3], 0x8180);
}

static void reads_and_repeats_what_options_ask_for(void **state)
{
	static const uint8_t expected[] = {0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 34, 0, 10, 0, 24,
		COOKIE8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 11, 0, 2, 0, 100};
	struct reading got = READ(true, QUERY_WITH(0xc0, 0, 3, 0, 0, 0, 10, 0, 8, COOKIE8, 0, 11, 0,
						0, 0xff, 0xff, 0, 1, 7));
	struct answer_buffer buffer;
	uint8_t out[MSG_MAX];
	size_t size;

	(void)state;
	assert_int_equal(got.status, MSG_QUERY);
	assert_true(got.query.context.dnssec_ok);
	assert_true(got.query.context.has_cookie);
	memset(got.query.context.cookie + 8, 9, 16);
	size = msg_write_reply(
		&got.query.context, answer_empty(&buffer, RCODE_NOERROR, EDE_NONE, NULL), 0, out);
	assert_int_equal(size, 24 + sizeof(expected));
	assert_memory_equal(out + 24, expected, sizeof(expected));
	/* Over UDP nothing is said of connections. */
	got = READ(false, QUERY_WITH(0, 0, 11, 0, 0));
	assert_int_equal(got.status, MSG_QUERY);
	assert_false(got.query.context.keepalive);
	assert_false(got.query.context.dnssec_ok);
	assert_false(got.query.context.has_cookie);
}

static void options_of_the_wrong_form_are_format_errors(void **state)
{
	(void)state;
	/* cut short */
	assert_error(READ(false, QUERY_WITH(0, 0)), RCODE_FORMERR);
	assert_error(READ(false, QUERY_WITH(0, 0, 3, 0, 1)), RCODE_FORMERR);
	/* cookies of 0, 7, 9 and 15 bytes */
	assert_error(READ(false, QUERY_WITH(0, 0, 10, 0, 0)), RCODE_FORMERR);
	assert_error(READ(false, QUERY_WITH(0, 0, 10, 0, 7, 1, 2, 3, 4, 5, 6, 7)), RCODE_FORMERR);
	assert_error(READ(false, QUERY_WITH(0, 0, 10, 0, 9, COOKIE8, 9)), RCODE_FORMERR);
	assert_error(READ(false, QUERY_WITH(0, 0, 10, 0, 15, COOKIE8, 1, 2, 3, 4, 5, 6, 7)),
		RCODE_FORMERR);
	/* 16 and 40, and 41 */
	assert_int_equal(
		READ(false, QUERY_WITH(0, 0, 10, 0, 16, COOKIE8, COOKIE8)).status, MSG_QUERY);
	assert_int_equal(READ(false, QUERY_WITH(0, 0, 10, 0, 40, COOKIE8, COOKIE8, COOKIE8, COOKIE8,
					     COOKIE8))
				 .status,
		MSG_QUERY);
	assert_error(READ(false, QUERY_WITH(0, 0, 10, 0, 41, COOKIE8, COOKIE8, COOKIE8, COOKIE8,
					 COOKIE8, 1)),
		RCODE_FORMERR);
	/* a client doesn't say how long connections live */
	assert_error(READ(true, QUERY_WITH(0, 0, 11, 0, 2, 0, 1)), RCODE_FORMERR);
}

/* All bytes of a label, and no others, come out in lower case. */
static void letters_are_lowered_and_nothing_else(void **state)
{
	/* a label of 63 bytes, the root, A, IN */
	uint8_t query[12 + 64 + 5] = {0, 1, 1, 0, 0, 1, [12] = 63, [78] = 1, [80] = 1};

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		struct reading got;

		for (unsigned i = 0; i < 63; i++)
			query[13 + i] = (uint8_t)(first + i);
		got = read_bytes(query, sizeof(query), false);
		assert_int_equal(got.status, MSG_QUERY);
		assert_int_equal(got.query.name.length, 65);
		for (unsigned i = 0; i < 63; i++) {
			uint8_t byte = (uint8_t)(first + i);

			assert_int_equal(got.query.name.wire[1 + i],
				byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
		}
	}
}

/* A body gives the same reply as the answer that it was made from, also over the query. */
static void bodies_are_written_as_their_answers(void **state)
{
	static const uint8_t query[] = {0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, QUESTION};
	static const struct name name = {.length = 8, .wire = {3, 'w', 'w', 'w', 2, 'e', 'x', 0}};
	static struct msg_layout layout;
	static uint8_t room[MSG_MAX], expected[MSG_MAX], out[MSG_MAX];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct answer_buffer buffer;
		const struct answer *answer =
			i > 0 ? some_addresses(&buffer, i)
			      : answer_empty(&buffer, RCODE_NXDOMAIN, EDE_FILTERED, "id");
		struct msg_context context = plain;
		size_t size = msg_write_reply(&context, answer, 77, expected);

		assert_int_equal(msg_lay_out(answer, &name, 77, room, &layout), 0);
		assert_int_equal(msg_write_body(&context, &layout.body, 77, out), size);
		assert_memory_equal(out, expected, size);
		memcpy(out, query, sizeof(query));
		context.question = out + MSG_HEADER_SIZE;
		assert_int_equal(msg_write_body(&context, &layout.body, 77, out), size);
		assert_memory_equal(out, expected, size);
		memcpy(out, query, sizeof(query));
		assert_int_equal(msg_write_reply(&context, answer, 77, out), size);
		assert_memory_equal(out, expected, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_plain_query),
		cmocka_unit_test(takes_the_size_of_the_opt_record_within_bounds),
		cmocka_unit_test(ignores_what_is_no_query),
		cmocka_unit_test(says_what_is_wrong_with_a_query),
		cmocka_unit_test(keeps_the_question_of_a_bad_query_if_it_was_readable),
		cmocka_unit_test(every_cut_of_a_query_is_an_error),
		cmocka_unit_test(flags_that_mean_nothing_in_a_query_are_ignored),
		cmocka_unit_test(reads_and_repeats_what_options_ask_for),
		cmocka_unit_test(options_of_the_wrong_form_are_format_errors),
		cmocka_unit_test(letters_are_lowered_and_nothing_else),
		cmocka_unit_test(bodies_are_written_as_their_answers),
		cmocka_unit_test(writes_a_refusal),
		cmocka_unit_test(writes_an_extended_rcode_and_no_question),
		cmocka_unit_test(writes_addresses),
		cmocka_unit_test(truncates_at_the_limit_exactly),
		cmocka_unit_test(a_long_rule_id_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
