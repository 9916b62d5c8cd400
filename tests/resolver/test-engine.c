/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a script is too small for: full tables. Single cases are in tests/replay. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/msg.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "tests/replay/world.h"

#define QUESTIONS_MAX 4096 /* resolver/pending.c: PENDING_MAX, WAITERS_MAX */
#define WAITERS_MAX 16384

static const char policy[] = "version = 1\n"
			     "[[allow]]\n"
			     "host = \"*.example.net\"\n"
			     "wildcard_bytes = \"1000000/minute\"\n"
			     "wildcard_answer_bytes = \"1000000/minute\"\n"
			     "[network]\n"
			     "block = []\n"
			     "[dns]\n"
			     "upstream = [\"udp://192.0.2.53\"]\n";

static struct arena *arena;
static struct compiled compiled;
static struct world *world;

static int set_up(void **state)
{
	(void)state;
	if (arena_new((size_t)16 << 20, &arena) < 0)
		return -1;
	return world_compile(arena,
		&(struct world_policy){.file = "policy", .base = text_of(policy)}, stderr,
		&compiled);
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static int make_world(void **state)
{
	(void)state;
	return world_new(&compiled, &world);
}

static int free_world(void **state)
{
	(void)state;
	world_free(world);
	return 0;
}

#define QUERY_MAX (MSG_QUESTION_MAX + MSG_HEADER_SIZE)

/* A query for the A records of a name. Returns its size. */
static size_t write_query(const char *text, unsigned who, uint8_t bytes[QUERY_MAX])
{
	struct writer writer = writer_over(bytes, QUERY_MAX);
	struct name name = {.length = 0};

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	writer_u16(&writer, (uint16_t)who);
	writer_u16(&writer, 0x0100);
	writer_u16(&writer, 1);
	writer_u16(&writer, 0);
	writer_u32(&writer, 0);
	name_write(&writer, &name);
	writer_u16(&writer, RRTYPE_A);
	writer_u16(&writer, RRCLASS_IN);
	return writer.pos;
}

static struct client client_of(unsigned who)
{
	return (struct client){.socket = who, .size = sizeof(struct sockaddr_in)};
}

/* Client number `who` asks for the A records of "n`NUMBER`.example.net". */
static void ask(unsigned number, unsigned who)
{
	struct client client = client_of(who);
	uint8_t bytes[QUERY_MAX];
	char text[64];

	snprintf(text, sizeof(text), "n%u.example.net", number);
	world_query(world, &client, bytes, write_query(text, who, bytes));
}

static size_t count_outputs(enum world_output kind)
{
	size_t count, fitting = 0;
	const struct output *outputs = world_outputs(world, &count);

	for (size_t i = 0; i < count; i++)
		fitting += outputs[i].kind == kind;
	return fitting;
}

static size_t count_rcode(enum rcode rcode)
{
	size_t count, fitting = 0;
	const struct output *outputs = world_outputs(world, &count);

	for (size_t i = 0; i < count; i++)
		fitting += outputs[i].kind == OUTPUT_ANSWER && (outputs[i].bytes[3] & 15) == rcode;
	return fitting;
}

/* The upstream server knows none of the names. */
static void deny_all(void)
{
	size_t count;

	world_outputs(world, &count);
	for (size_t i = 0; i < count; i++) {
		struct output output = world_outputs(world, &count)[i];
		uint8_t bytes[MSG_QUESTION_MAX + MSG_HEADER_SIZE] = {0};

		if (output.kind != OUTPUT_ASK)
			continue;
		memcpy(bytes, output.bytes, output.question_end);
		bytes[2] = 0x81;
		bytes[3] = 0x80 | RCODE_NXDOMAIN;
		bytes[11] = 0;
		world_reply(world, output.upstream, output.socket, bytes, output.question_end);
	}
}

/* The first question that was asked: there is no such name, for a minute. */
static void deny_first(void)
{
	static const uint8_t soa[] = {0xc0, 12, 0, RRTYPE_SOA, 0, 1, 0, 0, 0, 60, 0, 22, 0, 0, 0, 0,
		0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 60};
	uint8_t bytes[MSG_QUESTION_MAX + MSG_HEADER_SIZE + sizeof(soa)];
	size_t count;
	struct output output = world_outputs(world, &count)[0];

	assert_int_equal(output.kind, OUTPUT_ASK);
	memcpy(bytes, output.bytes, output.question_end);
	memcpy(bytes + output.question_end, soa, sizeof(soa));
	bytes[2] = 0x81;
	bytes[3] = 0x80 | RCODE_NXDOMAIN;
	bytes[9] = 1;
	bytes[11] = 0;
	world_reply(
		world, output.upstream, output.socket, bytes, output.question_end + sizeof(soa));
}

static void end(void)
{
	world_end(world);
	if (world_broken(world))
		fail_msg("%s", world_broken(world));
}

static void one_question_too_many_is_refused_and_the_others_go_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < QUESTIONS_MAX; i++)
		ask(i, i);
	assert_int_equal(count_outputs(OUTPUT_ASK), QUESTIONS_MAX);
	assert_int_equal(count_outputs(OUTPUT_ANSWER), 0);
	for (unsigned i = 0; i < 10; i++)
		ask(QUESTIONS_MAX + i, i);
	assert_int_equal(count_outputs(OUTPUT_ASK), QUESTIONS_MAX);
	assert_int_equal(count_rcode(RCODE_SERVFAIL), 10);
	/* who asks what is already asked still finds a place */
	ask(0, 77777);
	assert_int_equal(count_outputs(OUTPUT_ANSWER), 10);
	deny_all();
	assert_int_equal(count_rcode(RCODE_NXDOMAIN), QUESTIONS_MAX + 1);
	ask(QUESTIONS_MAX, 1);
	assert_int_equal(count_outputs(OUTPUT_ASK), QUESTIONS_MAX + 1);
	deny_all();
	end();
}

static void one_client_too_many_is_refused_and_the_others_go_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WAITERS_MAX; i++)
		ask(1, i);
	assert_int_equal(count_outputs(OUTPUT_ANSWER), 0);
	ask(1, WAITERS_MAX);
	ask(2, WAITERS_MAX + 1);
	assert_int_equal(count_rcode(RCODE_SERVFAIL), 2);
	assert_int_equal(count_outputs(OUTPUT_ASK), 1);
	deny_all();
	assert_int_equal(count_rcode(RCODE_NXDOMAIN), WAITERS_MAX);
	ask(2, WAITERS_MAX + 2);
	assert_int_equal(count_outputs(OUTPUT_ASK), 2);
	deny_all();
	end();
}

static void full_tables_empty_themselves_when_all_is_silent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < QUESTIONS_MAX; i++)
		ask(i, i);
	world_wait(world, duration_seconds(60));
	assert_int_equal(count_rcode(RCODE_SERVFAIL), QUESTIONS_MAX);
	for (unsigned i = 0; i < QUESTIONS_MAX; i++)
		ask(i, i);
	assert_int_equal(count_rcode(RCODE_SERVFAIL), QUESTIONS_MAX);
	world_wait(world, duration_seconds(60));
	assert_int_equal(count_rcode(RCODE_SERVFAIL), 2 * QUESTIONS_MAX);
	end();
}

/* What is asked ahead of its time takes no place that a client may need. */
static void nothing_is_asked_ahead_while_many_questions_are_out(void **state)
{
	enum { MANY = QUESTIONS_MAX / 4 + 1 };

	(void)state;
	ask(0, 0);
	deny_first();
	world_wait(world, duration_seconds(55));
	for (unsigned i = 1; i <= MANY; i++)
		ask(i, i);
	assert_int_equal(count_outputs(OUTPUT_ASK), 1 + MANY);
	for (unsigned i = 0; i < 4; i++)
		ask(0, i);
	assert_int_equal(count_rcode(RCODE_NXDOMAIN), 5);
	assert_int_equal(count_outputs(OUTPUT_ASK), 1 + MANY);
	deny_all();
	ask(0, 0);
	assert_int_equal(count_outputs(OUTPUT_ASK), 2 + MANY);
	deny_all();
	end();
}

static uint16_t id_of(size_t index)
{
	size_t count;
	const struct output *outputs = world_outputs(world, &count);

	assert_true(index < count);
	assert_int_equal(outputs[index].kind, OUTPUT_ASK);
	return (uint16_t)(outputs[index].bytes[0] << 8 | outputs[index].bytes[1]);
}

/* Questions on their way at once never share an ID, and no two engines draw the same ones although
 * all else is the same. */
static void ids_are_drawn_without_a_pattern(void **state)
{
	static uint8_t used[UINT16_MAX + 1];
	uint16_t first[64];
	unsigned same = 0, buckets[16] = {0};

	(void)state;
	memset(used, 0, sizeof(used));
	for (unsigned i = 0; i < QUESTIONS_MAX; i++)
		ask(i, i);
	for (unsigned i = 0; i < QUESTIONS_MAX; i++) {
		assert_int_equal(used[id_of(i)]++, 0);
		buckets[id_of(i) >> 12]++;
	}
	/* of 4096, 256 fall into each of 16 parts; 100 off is more than 6 standard deviations */
	for (unsigned i = 0; i < 16; i++)
		assert_in_range(buckets[i], 156, 356);
	for (unsigned i = 0; i < 64; i++)
		first[i] = id_of(i);
	world_free(world);
	assert_int_equal(world_new(&compiled, &world), 0);
	for (unsigned i = 0; i < 64; i++) {
		ask(i, i);
		same += id_of(i) == first[i];
	}
	assert_true(same < 8);
}

/* Of messages that came together each gets its own answer: from the cache, by the policy, none as a
 * response is one, an error, or later, and then one question is enough for two who ask the same. */
static void messages_that_come_together_are_answered_one_by_one(void **state)
{
	enum { CACHED, DENIED, RESPONSE, NEW, BROKEN, SAME, DENIED_TOO, COUNT };
	static const char *const names[] = {"n0.example.net", "a.example.org", "b.example.org",
		"n1.example.net", "c.example.org", "n1.example.net", "d.example.org"};
	static const int rcodes[] = {[CACHED] = RCODE_NXDOMAIN,
		[DENIED] = RCODE_NXDOMAIN,
		[RESPONSE] = -1,
		[NEW] = -1,
		[BROKEN] = RCODE_FORMERR,
		[SAME] = -1,
		[DENIED_TOO] = RCODE_NXDOMAIN};
	static uint8_t bytes[COUNT][MSG_UDP_EDNS];
	struct engine_message messages[COUNT];
	struct client clients[COUNT];

	(void)state;
	ask(0, 99);
	deny_first();
	for (unsigned i = 0; i < COUNT; i++) {
		clients[i] = client_of(i);
		messages[i] = (struct engine_message){.client = &clients[i],
			.bytes = bytes[i],
			.size = write_query(names[i], i, bytes[i]),
			.reply = bytes[i],
			.reply_size = 1};
	}
	bytes[RESPONSE][2] |= 0x80;
	messages[BROKEN].size--;
	world_queries(world, messages, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(messages[i].reply_size > 0, rcodes[i] >= 0);
		if (rcodes[i] >= 0) {
			assert_int_equal(bytes[i][1], i);
			assert_int_equal(bytes[i][3] & 15, rcodes[i]);
		}
	}
	assert_int_equal(count_outputs(OUTPUT_ASK), 2);
	assert_int_equal(count_outputs(OUTPUT_ANSWER), 5);
	deny_all();
	assert_int_equal(count_outputs(OUTPUT_ANSWER), 7);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_question_too_many_is_refused_and_the_others_go_on, make_world,
			free_world),
		cmocka_unit_test_setup_teardown(one_client_too_many_is_refused_and_the_others_go_on,
			make_world, free_world),
		cmocka_unit_test_setup_teardown(
			full_tables_empty_themselves_when_all_is_silent, make_world, free_world),
		cmocka_unit_test_setup_teardown(nothing_is_asked_ahead_while_many_questions_are_out,
			make_world, free_world),
		cmocka_unit_test_setup_teardown(
			ids_are_drawn_without_a_pattern, make_world, free_world),
		cmocka_unit_test_setup_teardown(messages_that_come_together_are_answered_one_by_one,
			make_world, free_world),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
