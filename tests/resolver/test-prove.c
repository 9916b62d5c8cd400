/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "resolver/prove.h"
#include "tests/resolver/signed.h"

/* Two upstream servers; what is sent to them is kept, and answered when a test says so. */

enum { SENT_MAX = 64, FLAGS_CD = 0x10 };

struct sent {
	uint8_t bytes[512];
	size_t size;
	unsigned server;
	bool answered;
};

static struct sent sent[SENT_MAX];
static unsigned n_sent;
static struct signed_zone root, zone;
static struct signed_message root_keys, zone_ds, zone_keys, www;
static struct anchors anchors;
static struct dns_policy dns;
static struct dns_server servers[2];
static struct pending_table *table;
static struct upstream *upstream;
static struct prover *prover;
static struct mono now;

static unsigned n_proved, n_unproved;
static enum ede last_ede;
static const char *last_rule;

static int io_ask(
	void *context, unsigned server, const uint8_t *bytes, size_t size, unsigned *ret_socket)
{
	(void)context;
	assert_true(n_sent < SENT_MAX && size <= sizeof(sent[0].bytes));
	memcpy(sent[n_sent].bytes, bytes, size);
	sent[n_sent].size = size;
	sent[n_sent].answered = false;
	sent[n_sent++].server = server;
	*ret_socket = 1;
	return 0;
}

static int io_ask_stream(
	void *context, unsigned server, uint32_t ticket, const uint8_t *bytes, size_t size)
{
	(void)context, (void)server, (void)ticket, (void)bytes, (void)size;
	return -1;
}

static int64_t io_time(void *context)
{
	(void)context;
	return SIGNED_NOW;
}

static const struct engine_io io = {.time = io_time, .ask = io_ask, .ask_stream = io_ask_stream};

static void proved(void *context, struct pending *pending, const struct validate_verdict *verdict,
	struct mono at)
{
	(void)context, (void)at;
	assert_null(pending->proof);
	assert_int_equal(verdict->status, VALIDATE_SECURE);
	n_proved++;
	pending_remove(table, pending);
}

static void unproved(
	void *context, struct pending *pending, enum ede ede, const char *rule, struct mono at)
{
	(void)context, (void)at;
	assert_null(pending->proof);
	n_unproved++;
	last_ede = ede;
	last_rule = rule;
	pending_remove(table, pending);
}

static enum answer_status on_read(
	void *context, struct pending *pending, const uint8_t *bytes, size_t size, struct mono at)
{
	(void)context;
	assert_true(pending->of_zone);
	return prover_read(prover, pending, bytes, size, at);
}

static void on_answered(void *context, struct pending *pending, struct mono at)
{
	(void)context;
	prover_answered(prover, pending, at);
}

static void on_failed(
	void *context, struct pending *pending, enum ede ede, const char *rule, struct mono at)
{
	(void)context, (void)ede, (void)rule;
	prover_failed(prover, pending, at);
}

static void make_messages(void)
{
	signed_zone_new(&root, ".", LDNS_SIGN_ECDSAP256SHA256);
	signed_zone_new(&zone, "test.", LDNS_SIGN_ED25519);
	signed_anchor(&anchors, &root);
	signed_begin(&root_keys, ".", LDNS_RR_TYPE_DNSKEY);
	signed_put_keys(&root_keys, (const struct signed_zone *const[]){&root, NULL});
	signed_end(&root_keys);
	signed_begin(&zone_ds, "test.", LDNS_RR_TYPE_DS);
	signed_put_ds(&zone_ds, &root, &zone);
	signed_end(&zone_ds);
	signed_begin(&zone_keys, "test.", LDNS_RR_TYPE_DNSKEY);
	signed_put_keys(&zone_keys, (const struct signed_zone *const[]){&zone, NULL});
	signed_end(&zone_keys);
	signed_begin(&www, "www.test.", LDNS_RR_TYPE_A);
	ANSWER(&www, &zone, "www.test. 600 IN A 192.0.2.1");
	signed_end(&www);
}

static int set_up_with(unsigned n_servers)
{
	static const struct hash_key key = {{1, 2}};
	const struct prover_sink prover_sink = {NULL, proved, unproved};
	const struct upstream_sink sink = {NULL, on_read, on_answered, on_failed};

	make_messages();
	dns.upstream = servers;
	dns.n_upstream = n_servers;
	n_sent = n_proved = n_unproved = 0;
	now = (struct mono){1000};
	assert_int_equal(pending_new(&key, &table), 0);
	assert_int_equal(upstream_new(&dns, &io, table, &sink, &upstream), 0);
	assert_int_equal(prover_new(&anchors, &key, &io, table, &prover_sink, &prover), 0);
	prover_ask_by(prover, upstream);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(1);
}

static int set_up_two(void **state)
{
	(void)state;
	return set_up_with(2);
}

static int tear_down(void **state)
{
	(void)state;
	prover_free(prover);
	upstream_free(upstream);
	pending_free(table);
	signed_zone_free(&root);
	signed_zone_free(&zone);
	return 0;
}

/* Begins to validate the message as the answer to (www.test, type). */
static struct pending *begin(uint16_t type)
{
	struct name name = signed_name("www.test.");
	struct pending *pending = pending_add(table, &name, type);

	assert_non_null(pending);
	pending->signatures = true;
	assert_true(prover_keep(prover, pending, www.bytes, www.size));
	prover_begin(prover, pending, now);
	return pending;
}

/* Answers the question `index`: the message with its ID and its letters. */
static void answer(unsigned index, const struct signed_message *message)
{
	struct sent *question = &sent[index];
	uint8_t bytes[SIGNED_MAX];
	struct reader reader = reader_over(question->bytes, question->size);
	struct name name;

	assert_true(index < n_sent && !question->answered);
	question->answered = true;
	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, &name);
	memcpy(bytes, message->bytes, message->size);
	memcpy(bytes, question->bytes, 2);
	memcpy(bytes + MSG_HEADER_SIZE, question->bytes + MSG_HEADER_SIZE, name.length);
	upstream_reply(upstream, question->server, 1, bytes, message->size, now);
}

/* The question `index` is (name, type), with DO and CD. */
static void asked(unsigned index, const char *name, uint16_t type)
{
	struct reader reader = reader_over(sent[index].bytes, sent[index].size);
	struct name own = signed_name(name), theirs;

	assert_true(index < n_sent);
	assert_int_equal(sent[index].bytes[3] & FLAGS_CD, FLAGS_CD);
	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, &theirs);
	assert_true(name_equal(&own, &theirs));
	assert_int_equal(reader_u16(&reader), type);
	reader_bytes(&reader, 2 + 1 + 2 + 2 + 2);
	assert_int_equal(reader_u16(&reader), 0x8000);
}

static void keys_are_asked_for_from_the_root_on(void **state)
{
	(void)state;
	begin(LDNS_RR_TYPE_A);
	assert_int_equal(n_sent, 1);
	asked(0, ".", LDNS_RR_TYPE_DNSKEY);
	answer(0, &root_keys);
	asked(1, "test.", LDNS_RR_TYPE_DS);
	answer(1, &zone_ds);
	asked(2, "test.", LDNS_RR_TYPE_DNSKEY);
	assert_int_equal(n_proved, 0);
	answer(2, &zone_keys);
	assert_int_equal(n_proved, 1);
	/* What is known isn't asked for again. */
	begin(LDNS_RR_TYPE_A);
	assert_int_equal(n_proved, 2);
	assert_int_equal(n_sent, 3);
	assert_null(pending_first(table));
}

/* Lets all that waits run into its time-out. */
static void pass_time(void)
{
	struct pending *pending;
	unsigned turns = 0;

	while ((pending = pending_first(table))) {
		assert_true(turns++ < 100);
		now = pending->deadline;
		if (pending->state == PENDING_PROOF)
			prover_timed_out(prover, pending, now);
		else
			upstream_timed_out(upstream, pending, now);
	}
}

static void questions_are_joined(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		begin((uint16_t)(i == 0 ? LDNS_RR_TYPE_A : 1000 + i));
	assert_int_equal(n_sent, 1);
	answer(0, &root_keys);
	answer(1, &zone_ds);
	answer(2, &zone_keys);
	/* The message has nothing for the others: whether they may be unsigned is one question. */
	assert_int_equal(n_sent, 4);
	assert_int_equal(n_proved, 1);
	assert_int_equal(n_unproved, 0);
	pass_time();
	assert_int_equal(n_unproved, 9);
}

/* Answers all that is out with the message; how many questions that were. */
static unsigned answer_all(const struct signed_message *message)
{
	unsigned first = 0, last = n_sent, count = 0;

	for (; first < last; first++) {
		if (sent[first].answered)
			continue;
		answer(first, message);
		count++;
	}
	return count;
}

static void forge(struct signed_message *forged)
{
	signed_begin(forged, "test.", LDNS_RR_TYPE_DS);
	signed_put_ds(forged, &zone, &zone);
	signed_end(forged);
}

/* Of a zone that nobody has signed anything about. */
static void forge_none(struct signed_message *forged)
{
	signed_begin(forged, "other.", LDNS_RR_TYPE_DS);
	signed_end(forged);
}

/* A server that isn't believed about a zone is as one that can't answer. */
static void another_server_is_asked(void **state)
{
	struct signed_message forged;
	unsigned before;

	(void)state;
	forge(&forged);
	begin(LDNS_RR_TYPE_A);
	answer_all(&root_keys);
	before = n_sent;
	answer(before - 1, &forged);
	assert_int_equal(n_sent, before + 1);
	assert_int_not_equal(sent[before].server, sent[before - 1].server);
	answer_all(&zone_ds);
	answer_all(&zone_keys);
	assert_int_equal(n_proved, 1);
}

static void nobody_is_believed(void **state)
{
	struct signed_message forged;

	(void)state;
	forge(&forged);
	begin(LDNS_RR_TYPE_A);
	answer_all(&root_keys);
	while (answer_all(&forged) > 0)
		assert_int_equal(n_proved, 0);
	assert_int_equal(n_unproved, 1);
	assert_int_equal(last_ede, EDE_BOGUS);
	assert_string_equal(last_rule, "dnssec");
	assert_null(pending_first(table));
}

/* What says nothing of the zone is no answer: truncated where there is no TCP, or an error. */
static void answers_of_no_use(void **state)
{
	static const uint8_t flags[][2] = {{0x83, 0x80}, {0x81, 0x82}, {0x81, 0x85}};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct signed_message useless = root_keys;

		if (i > 0) {
			tear_down(state);
			set_up_two(state);
			useless = root_keys;
		}
		memcpy(useless.bytes + 2, flags[i], 2);
		begin(LDNS_RR_TYPE_A);
		answer(0, &useless);
		assert_int_equal(n_sent, 2);
		assert_int_not_equal(sent[1].server, sent[0].server);
		assert_int_equal(n_unproved, 0);
		answer_all(&root_keys);
		answer_all(&zone_ds);
		answer_all(&zone_keys);
		assert_int_equal(n_proved, 1);
	}
}

/* Two wait for zones of their own: that one is not believed is nothing to the other. */
static void each_waits_for_its_own_zone(void **state)
{
	struct name name = signed_name("www.other.");
	struct pending *pending;
	struct signed_message other;

	(void)state;
	signed_begin(&other, "www.other.", LDNS_RR_TYPE_A);
	ANSWER(&other, &zone, "www.other. 600 IN A 192.0.2.1");
	ldns_rdf_deep_free(ldns_rr_set_rdf(ldns_rr_list_rr(ldns_pkt_answer(other.packet), 1),
		ldns_dname_new_frm_str("other."), 7));
	signed_end(&other);
	begin(LDNS_RR_TYPE_A);
	pending = pending_add(table, &name, LDNS_RR_TYPE_A);
	pending->signatures = true;
	assert_true(prover_keep(prover, pending, other.bytes, other.size));
	prover_begin(prover, pending, now);
	assert_int_equal(n_sent, 1);
	answer(0, &root_keys);
	asked(1, "test.", LDNS_RR_TYPE_DS);
	asked(2, "other.", LDNS_RR_TYPE_DS);
	/* The one server's answer about the other zone is no proof. */
	forge_none(&other);
	answer(2, &other);
	assert_int_equal(n_unproved, 1);
	assert_int_equal(n_proved, 0);
	answer(1, &zone_ds);
	asked(3, "test.", LDNS_RR_TYPE_DNSKEY);
	answer(3, &zone_keys);
	assert_int_equal(n_proved, 1);
	assert_int_equal(n_unproved, 1);
}

/* A name of many labels, of which none begins a zone: each takes a question. */
static void questions_are_bounded(void **state)
{
	enum { LABELS = 60, QUESTIONS_MAX = 40 };
	struct signed_message deep, none;
	char text[NAME_TEXT] = "", record[NAME_TEXT + 64];
	struct pending *pending;
	struct name name;

	(void)state;
	for (unsigned i = 0; i < LABELS; i++)
		strcat(text, "a.");
	strcat(text, "test.");
	name = signed_name(text);
	signed_begin(&deep, text, LDNS_RR_TYPE_A);
	snprintf(record, sizeof(record), "%s 600 IN A 192.0.2.1", text);
	ANSWER(&deep, NULL, record);
	signed_end(&deep);
	pending = pending_add(table, &name, LDNS_RR_TYPE_A);
	pending->signatures = true;
	assert_true(prover_keep(prover, pending, deep.bytes, deep.size));
	prover_begin(prover, pending, now);
	answer(0, &root_keys);
	answer(1, &zone_ds);
	answer(2, &zone_keys);
	for (unsigned label = LABELS; n_unproved == 0; label--) {
		const char *asks = text + 2 * (size_t)(label - 1);

		asked(n_sent - 1, asks, LDNS_RR_TYPE_DS);
		signed_begin(&none, asks, LDNS_RR_TYPE_DS);
		snprintf(record, sizeof(record), "%s 600 IN NSEC test. A RRSIG NSEC", asks);
		AUTHORITY(&none, &zone, record);
		signed_end(&none);
		answer(n_sent - 1, &none);
	}
	assert_int_equal(n_sent, QUESTIONS_MAX);
	assert_int_equal(last_ede, EDE_INDETERMINATE);
	assert_string_equal(last_rule, "dnssec");
	assert_null(pending_first(table));
}

static void time_is_bounded(void **state)
{
	(void)state;
	begin(LDNS_RR_TYPE_A);
	pass_time();
	assert_int_equal(n_unproved, 1);
	assert_in_range(now.ms, 1000, 6000);
}

static void room_is_bounded(void **state)
{
	struct name name = signed_name("www.test.");
	struct pending *pending;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		begin((uint16_t)(i + 1));
	pending = pending_add(table, &name, 999);
	assert_false(prover_keep(prover, pending, www.bytes, www.size));
	assert_null(pending->proof);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_asked_for_from_the_root_on),
		TEST(questions_are_joined),
		cmocka_unit_test_setup_teardown(another_server_is_asked, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_believed, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(answers_of_no_use, set_up_two, tear_down),
		TEST(each_waits_for_its_own_zone),
		TEST(questions_are_bounded),
		TEST(time_is_bounded),
		TEST(room_is_bounded),
	};

	return cmocka_run_group_tests_name("prove", tests, NULL, NULL);
}
