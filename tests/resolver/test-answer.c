/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "rules/class.h"
#include "src/base/buf.h"

#define BLOCK (1u << CLASS_PRIVATE | 1u << CLASS_LOOPBACK)
#define TTL 300

/* A response being written: the question is "www.example.com A" unless begun otherwise. */
struct draft {
	uint8_t bytes[MSG_MAX];
	struct writer writer;
	uint16_t answers, authorities;
};

static struct draft draft;

/* What answer_read() made of it. */
static struct answer_buffer buffer;
static struct answer *answer;
static uint32_t ttl;

static struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static void put_name(const char *text)
{
	struct name name = name_of(text);

	name_write(&draft.writer, &name);
}

static void begin_with(uint16_t flags, const char *name, uint16_t type, uint16_t class)
{
	draft.writer = writer_over(draft.bytes, sizeof(draft.bytes));
	draft.answers = 0;
	draft.authorities = 0;
	writer_u16(&draft.writer, 1);
	writer_u16(&draft.writer, flags);
	writer_u16(&draft.writer, 1);
	writer_u16(&draft.writer, 0);
	writer_u32(&draft.writer, 0);
	put_name(name);
	writer_u16(&draft.writer, type);
	writer_u16(&draft.writer, class);
}

static void begin(void)
{
	begin_with(0x8180, "www.example.com", RRTYPE_A, RRCLASS_IN);
}

static void put_head(const char *owner, uint16_t type, uint32_t record_ttl, size_t size)
{
	put_name(owner);
	writer_u16(&draft.writer, type);
	writer_u16(&draft.writer, RRCLASS_IN);
	writer_u32(&draft.writer, record_ttl);
	writer_u16(&draft.writer, (uint16_t)size);
}

static void put_address(const char *owner, const char *text, uint32_t record_ttl)
{
	struct inaddr address;
	size_t size;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	const uint8_t *raw = inaddr_raw(&address, &size);
	put_head(owner, size == 4 ? RRTYPE_A : RRTYPE_AAAA, record_ttl, size);
	writer_bytes(&draft.writer, raw, size);
	draft.answers++;
}

static void put_alias(uint16_t type, const char *owner, const char *target, uint32_t record_ttl)
{
	struct name name = name_of(target);

	put_head(owner, type, record_ttl, name.length);
	name_write(&draft.writer, &name);
	draft.answers++;
}

static void put_soa(uint32_t record_ttl, uint32_t minimum)
{
	put_head("example.com", RRTYPE_SOA, record_ttl, 22);
	writer_u16(&draft.writer, 0);
	for (unsigned i = 0; i < 4; i++)
		writer_u32(&draft.writer, 1000000);
	writer_u32(&draft.writer, minimum);
	draft.authorities++;
}

/* Odd addresses need a lease. */
static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	enum address_class class;

	(void)context;
	*ret_leased = address->bytes[15] & 1;
	if (!class_find(address, BLOCK, &class))
		return true;
	*ret_rule = class_rule(class);
	return false;
}

static const struct answer_judge judge = {.permits = permits};

/* Reads `size` bytes of the draft, in memory of their own, as the answer to the question. */
static enum answer_status read_part(size_t size, const char *question, uint16_t type)
{
	struct name name = name_of(question);
	uint8_t *exact = malloc(size ? size : 1);

	assert_non_null(exact);
	memcpy(exact, draft.bytes, size);
	answer = NULL;
	ttl = 12345;
	enum answer_status status =
		answer_read(exact, size, &name, type, &judge, &buffer, &answer, &ttl);
	free(exact);
	return status;
}

static enum answer_status read_as(const char *question, uint16_t type)
{
	assert_false(draft.writer.failed);
	writer_u16_at(&draft.writer, 6, draft.answers);
	writer_u16_at(&draft.writer, 8, draft.authorities);
	return read_part(draft.writer.pos, question, type);
}

static enum answer_status read_all(void)
{
	return read_as("www.example.com", RRTYPE_A);
}

static void assert_addresses(const char *const *texts, unsigned count)
{
	char text[INADDR_TEXT];

	assert_non_null(answer);
	assert_int_equal(answer->rcode, RCODE_NOERROR);
	assert_int_equal(answer->n_addresses, count);
	for (unsigned i = 0; i < count; i++) {
		struct inaddr address = answer_address(answer, i);
		assert_string_equal(inaddr_to_text(&address, text), texts[i]);
	}
}

#define ASSERT_ADDRESSES(...)                                                                      \
	assert_addresses((const char *const[]){__VA_ARGS__},                                       \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void assert_nothing(enum rcode rcode)
{
	assert_non_null(answer);
	assert_int_equal(answer->n_addresses, 0);
	assert_int_equal(answer->n_aliases, 0);
	assert_int_equal(answer->rcode, rcode);
}

static void reads_addresses_in_their_order(void **state)
{
	(void)state;
	begin();
	put_address("www.example.com", "192.0.2.2", 300);
	put_address("WWW.example.COM", "192.0.2.1", 200);
	put_address("www.example.com", "192.0.2.2", 100);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.2", "192.0.2.1");
	assert_int_equal(ttl, 100);
	assert_int_equal(answer->n_aliases, 0);
	assert_int_equal(answer->ede, EDE_NONE);

	begin_with(0x8180, "www.example.com", RRTYPE_AAAA, RRCLASS_IN);
	put_address("www.example.com", "192.0.2.2", 1);
	put_address("www.example.com", "2001:db8::1", 300);
	assert_int_equal(read_as("www.example.com", RRTYPE_AAAA), ANSWER_READY);
	ASSERT_ADDRESSES("2001:db8::1");
	assert_int_equal(ttl, 300);
}

/* As servers send it: owner and target as pointers. */
static void reads_compressed_names(void **state)
{
	static const uint8_t records[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, 6, 3, 'c', 'd', 'n',
		0xc0, 16, 0xc0, 45, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9};

	(void)state;
	begin();
	assert_int_equal(draft.writer.pos, 33);
	writer_bytes(&draft.writer, records, sizeof(records));
	draft.answers = 2;
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.9");
	assert_int_equal(ttl, 60);
	assert_int_equal(answer->n_aliases, 1);
	assert_memory_equal(answer->data, "\3cdn\7example\3com", 17);
}

static void follows_aliases_to_their_end(void **state)
{
	(void)state;
	begin();
	put_address("www.example.com", "192.0.2.66", 1);
	put_address("b.example.net", "192.0.2.1", 300);
	put_alias(RRTYPE_CNAME, "a.example.net", "b.example.net", 50);
	put_address("a.example.net", "192.0.2.67", 1);
	put_alias(RRTYPE_CNAME, "www.example.com", "a.example.net", 90);
	put_alias(RRTYPE_CNAME, "c.example.net", "d.example.net", 2);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.1");
	assert_int_equal(ttl, 50);
	assert_int_equal(answer->n_aliases, 2);
	assert_memory_equal(answer->data, "\1a\7example\3net\0\1b\7example\3net", 30);
}

static void put_chain(unsigned steps)
{
	char owner[32] = "www.example.com", target[32];

	for (unsigned i = 0; i < steps; i++) {
		snprintf(target, sizeof(target), "a%u.example.net", i);
		put_alias(RRTYPE_CNAME, owner, target, TTL);
		memcpy(owner, target, sizeof(owner));
	}
	put_address(owner, "192.0.2.1", TTL);
}

static void follows_eight_aliases_and_no_more(void **state)
{
	(void)state;
	begin();
	put_chain(8);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.1");
	assert_int_equal(answer->n_aliases, 8);
	begin();
	put_chain(9);
	assert_int_equal(read_all(), ANSWER_FAILED);
}

static void refuses_circles(void **state)
{
	(void)state;
	begin();
	put_alias(RRTYPE_CNAME, "www.example.com", "www.example.com", TTL);
	put_address("www.example.com", "192.0.2.1", TTL);
	assert_int_equal(read_all(), ANSWER_FAILED);
	begin();
	put_alias(RRTYPE_CNAME, "www.example.com", "a.example.net", TTL);
	put_alias(RRTYPE_CNAME, "a.example.net", "b.example.net", TTL);
	put_alias(RRTYPE_CNAME, "b.example.net", "a.example.net", TTL);
	put_address("a.example.net", "192.0.2.1", TTL);
	assert_int_equal(read_all(), ANSWER_FAILED);
}

static void follows_dname_where_the_cname_is_missing(void **state)
{
	(void)state;
	begin();
	put_alias(RRTYPE_DNAME, "example.com", "example.net", 40);
	put_address("www.example.net", "192.0.2.1", TTL);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.1");
	assert_int_equal(ttl, 40);
	assert_int_equal(answer->n_aliases, 1);
	/* of two the lower one; none at the name itself */
	begin();
	put_alias(RRTYPE_DNAME, "com", "example.org", TTL);
	put_alias(RRTYPE_DNAME, "example.com", "example.net", TTL);
	put_alias(RRTYPE_DNAME, "www.example.com", "elsewhere.example", TTL);
	put_address("www.example.net", "192.0.2.1", TTL);
	put_address("example.example.org", "192.0.2.2", TTL);
	put_address("elsewhere.example", "192.0.2.3", TTL);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.1");
}

static void drops_blocked_addresses(void **state)
{
	(void)state;
	begin();
	put_address("www.example.com", "10.0.0.1", 1);
	put_address("www.example.com", "192.0.2.1", TTL);
	put_address("www.example.com", "127.0.0.1", 1);
	assert_int_equal(read_all(), ANSWER_READY);
	ASSERT_ADDRESSES("192.0.2.1");
	assert_int_equal(ttl, TTL);
	assert_int_equal(answer->ede, EDE_NONE);

	begin();
	put_address("www.example.com", "10.0.0.1", TTL);
	assert_int_equal(read_all(), ANSWER_READY);
	assert_nothing(RCODE_NOERROR);
	assert_int_equal(answer->ede, EDE_FILTERED);
	assert_string_equal(answer->rule, "block-private");
	assert_int_equal(ttl, TTL);
}

/* An IPv4-mapped AAAA would be leased in the IPv4 set: it is no address of the IPv6 Internet. */
static void drops_mapped_addresses(void **state)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};

	(void)state;
	begin_with(0x8180, "www.example.com", RRTYPE_AAAA, RRCLASS_IN);
	put_head("www.example.com", RRTYPE_AAAA, TTL, 16);
	writer_bytes(&draft.writer, mapped, sizeof(mapped));
	draft.answers++;
	assert_int_equal(read_as("www.example.com", RRTYPE_AAAA), ANSWER_READY);
	assert_nothing(RCODE_NOERROR);
	assert_int_equal(answer->ede, EDE_FILTERED);
	assert_string_equal(answer->rule, "block-reserved");
}

static void takes_64_addresses_at_most(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 200; i++) {
		char text[INADDR_TEXT];
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		put_address("www.example.com", text, TTL);
	}
	assert_int_equal(read_all(), ANSWER_READY);
	assert_int_equal(answer->n_addresses, 64);
	assert_int_equal(answer_address(answer, 63).bytes[15], 63);
}

static void assert_negative(enum rcode rcode, uint32_t expected_ttl)
{
	assert_int_equal(read_all(), ANSWER_READY);
	assert_nothing(rcode);
	assert_int_equal(ttl, expected_ttl);
}

static void negative_answers_live_as_their_soa_says(void **state)
{
	(void)state;
	begin();
	assert_negative(RCODE_NOERROR, 0);
	begin();
	put_soa(100, 200);
	assert_negative(RCODE_NOERROR, 100);
	begin_with(0x8183, "www.example.com", RRTYPE_A, RRCLASS_IN);
	put_soa(200, 100);
	assert_negative(RCODE_NXDOMAIN, 100);
	begin_with(0x8183, "www.example.com", RRTYPE_A, RRCLASS_IN);
	put_soa(86400, 86400);
	assert_negative(RCODE_NXDOMAIN, 300);
	/* an alias on the way may lead elsewhere sooner */
	begin_with(0x8183, "www.example.com", RRTYPE_A, RRCLASS_IN);
	put_alias(RRTYPE_CNAME, "www.example.com", "a.example.net", 5);
	put_soa(86400, 86400);
	assert_negative(RCODE_NXDOMAIN, 5);
	begin();
	put_soa(UINT32_MAX, 100);
	assert_negative(RCODE_NOERROR, 0);
}

/* An NS record. */
static void put_server(void)
{
	struct name server = name_of("ns.example.com");

	put_head("example.com", 2, TTL, server.length);
	name_write(&draft.writer, &server);
	draft.authorities++;
}

/* RFC 2308 section 2.2: with an SOA beside it, it is the answer that there is no data. */
static void a_referral_is_no_answer(void **state)
{
	(void)state;
	begin();
	put_server();
	assert_int_equal(read_all(), ANSWER_FAILED);
	begin();
	put_alias(RRTYPE_CNAME, "www.example.com", "a.example.net", 5);
	put_server();
	assert_int_equal(read_all(), ANSWER_FAILED);
	begin();
	put_server();
	put_soa(100, 200);
	assert_negative(RCODE_NOERROR, 100);
	begin_with(0x8183, "www.example.com", RRTYPE_A, RRCLASS_IN);
	put_server();
	assert_negative(RCODE_NXDOMAIN, 0);
	begin();
	put_address("www.example.com", "192.0.2.1", TTL);
	put_server();
	assert_int_equal(read_all(), ANSWER_READY);
	assert_int_equal(answer->n_addresses, 1);
}

static void a_ttl_with_the_highest_bit_is_zero(void **state)
{
	(void)state;
	begin();
	put_address("www.example.com", "192.0.2.1", 0x80000000);
	put_address("www.example.com", "192.0.2.2", 0x7fffffff);
	assert_int_equal(read_all(), ANSWER_READY);
	assert_int_equal(ttl, 0);
}

static void only_the_answer_to_the_question_counts(void **state)
{
	static const uint16_t bogus_flags[] = {0x0180, 0x8980, 0xa180, 0xf980};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		begin_with(bogus_flags[i], "www.example.com", RRTYPE_A, RRCLASS_IN);
		assert_int_equal(read_all(), ANSWER_BOGUS);
	}
	begin_with(0x8180, "www.example.org", RRTYPE_A, RRCLASS_IN);
	assert_int_equal(read_all(), ANSWER_BOGUS);
	begin_with(0x8180, "www.example.com", RRTYPE_AAAA, RRCLASS_IN);
	assert_int_equal(read_all(), ANSWER_BOGUS);
	begin_with(0x8180, "www.example.com", RRTYPE_A, 3);
	assert_int_equal(read_all(), ANSWER_BOGUS);
	begin();
	draft.bytes[5] = 0;
	assert_int_equal(read_all(), ANSWER_BOGUS);
	draft.bytes[5] = 2;
	assert_int_equal(read_all(), ANSWER_BOGUS);
}

static void rcodes_and_truncation_are_told(void **state)
{
	(void)state;
	for (uint16_t rcode = 0; rcode < 16; rcode++) {
		begin_with(0x8180 | rcode, "www.example.com", RRTYPE_A, RRCLASS_IN);
		assert_int_equal(read_all(), rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN
						     ? ANSWER_READY
						     : ANSWER_FAILED);
		begin_with(0x8380 | rcode, "www.example.com", RRTYPE_A, RRCLASS_IN);
		assert_int_equal(read_all(), ANSWER_TRUNCATED);
	}
}

static void every_cut_is_bogus_or_failed(void **state)
{
	(void)state;
	begin();
	put_chain(2);
	assert_int_equal(read_all(), ANSWER_READY);
	for (size_t size = 0; size < draft.writer.pos; size++)
		assert_int_equal(read_part(size, "www.example.com", RRTYPE_A),
			size < 33 ? ANSWER_BOGUS : ANSWER_FAILED);
}

static void embedded_addresses_are_of_the_family_asked_for(void **state)
{
	struct inaddr addresses[70];

	(void)state;
	for (unsigned i = 0; i < 70; i++)
		addresses[i] = inaddr_from_ip4((uint8_t[]){192, 0, 2, (uint8_t)(i / 2)});
	addresses[1] = inaddr_from_ip6((uint8_t[16]){0x20, 1, 0xd, 0xb8});
	answer = answer_of_addresses(&buffer, RRTYPE_A, addresses, 4, &judge);
	ASSERT_ADDRESSES("192.0.2.0", "192.0.2.1");
	assert_int_equal(buffer.leases.count, 1);
	assert_memory_equal(&buffer.leases.addresses[0], &addresses[2], sizeof(addresses[2]));
	answer = answer_of_addresses(&buffer, RRTYPE_AAAA, addresses, 4, &judge);
	ASSERT_ADDRESSES("2001:db8::");
	assert_int_equal(buffer.leases.count, 0);
	answer = answer_of_addresses(&buffer, RRTYPE_AAAA, addresses, 1, &judge);
	assert_nothing(RCODE_NOERROR);
	assert_int_equal(answer->ede, EDE_NONE);
	for (unsigned i = 0; i < 70; i++)
		addresses[i].bytes[15] = (uint8_t)i;
	answer = answer_of_addresses(&buffer, RRTYPE_A, addresses + 2, 68, &judge);
	assert_int_equal(answer->n_addresses, 64);
	assert_int_equal(buffer.leases.count, 32);
	answer = answer_of_addresses(&buffer, 15, addresses, 70, &judge);
	assert_nothing(RCODE_NOERROR);
}

static void embedded_addresses_are_judged(void **state)
{
	struct inaddr addresses[] = {
		inaddr_from_ip4((uint8_t[]){10, 0, 0, 1}),
		inaddr_from_ip4((uint8_t[]){192, 0, 2, 1}),
	};

	(void)state;
	answer = answer_of_addresses(&buffer, RRTYPE_A, addresses, 2, &judge);
	ASSERT_ADDRESSES("192.0.2.1");
	answer = answer_of_addresses(&buffer, RRTYPE_A, addresses, 1, &judge);
	assert_nothing(RCODE_NOERROR);
	assert_int_equal(answer->ede, EDE_FILTERED);
	assert_string_equal(answer->rule, "block-private");
}

/* An answer's records as they are written, behind a question that ends at offset 33. */
static void assert_written(const char *records, size_t size, uint16_t count)
{
	uint8_t out[MSG_MAX];
	struct writer writer = {.start = out, .size = sizeof(out), .pos = 33};
	uint16_t answers, authorities;

	assert_non_null(answer);
	answer_write(answer, 9, 33 - 12, &writer, &answers, &authorities);
	assert_int_equal(answers, count);
	assert_int_equal(writer.pos, 33 + size);
	assert_memory_equal(out + 33, records, size);
}

#define ASSERT_WRITTEN(records, count) assert_written(records, sizeof(records) - 1, count)

static void put_data(const char *owner, uint16_t type, const void *data, size_t size)
{
	put_head(owner, type, TTL, size);
	writer_bytes(&draft.writer, data, size);
	draft.answers++;
}

#define PUT_DATA(type, data) put_data("www.example.com", type, data, sizeof(data) - 1)

static void begin_as(uint16_t type)
{
	begin_with(0x8180, "www.example.com", type, RRCLASS_IN);
}

static void other_records_are_written_anew(void **state)
{
	(void)state;
	/* "mail" and a pointer to "example.com". */
	begin_as(15);
	PUT_DATA(15, "\0\x0a\4MAIL\xc0\x10");
	assert_int_equal(read_as("www.example.com", 15), ANSWER_READY);
	ASSERT_WRITTEN("\xc0\x0c\0\x0f\0\1\0\0\0\x09\0\x14\0\x0a\4mail\7example\3com\0", 1);
	assert_int_equal(buffer.leases.count, 0);
	/* Of others' records nothing. */
	begin_as(16);
	put_data("a.example.com", 16, "\1x", 2);
	PUT_DATA(15, "\0\x0a\4MAIL\xc0\x10");
	assert_int_equal(read_as("www.example.com", 16), ANSWER_READY);
	assert_nothing(RCODE_NOERROR);
}

static void other_records_are_cut_where_they_are_too_many(void **state)
{
	static const uint8_t text[256] = {255};

	(void)state;
	begin_as(16);
	for (unsigned i = 0; i < 100; i++)
		PUT_DATA(16, "\1x");
	assert_int_equal(read_as("www.example.com", 16), ANSWER_READY);
	assert_int_equal(answer->n_records, ANSWER_RECORDS_MAX);
	begin_as(16);
	for (unsigned i = 0; i < 100; i++)
		put_data("www.example.com", 16, text, sizeof(text));
	assert_int_equal(read_as("www.example.com", 16), ANSWER_READY);
	assert_int_equal(answer->n_records, ANSWER_RECORDS_BYTES / (sizeof(text) + 2));
	assert_true(answer->size <= ANSWER_DATA_MAX);
}

static void hints_are_leased(void **state)
{
	static const char data[] = "\0\1\0\0\4\0\x0c\xc0\0\2\1\xc0\0\2\2\xc0\0\2\3";

	(void)state;
	begin_as(65);
	PUT_DATA(65, data);
	assert_int_equal(read_as("www.example.com", 65), ANSWER_READY);
	assert_int_equal(answer->n_records, 1);
	/* Those that need it, see permits(). */
	assert_int_equal(buffer.leases.count, 2);
	assert_int_equal(buffer.leases.addresses[1].bytes[15], 3);
}

/* Of a stranger's hundred there is room for as many as a request has, each once. */
static void hints_beyond_the_leases_are_dropped(void **state)
{
	enum { HINTS = 100, HEAD = 7 };
	char data[HEAD + 4 * HINTS] = {0, 1, 0, 0, 4, HINTS * 4 >> 8, (char)(HINTS * 4 & 0xff)};

	(void)state;
	for (unsigned i = 0; i < HINTS; i++)
		memcpy(data + HEAD + 4 * (size_t)i, (const char[]){(char)192, 0, (char)(i / 2), 1},
			4);
	begin_as(65);
	put_data("www.example.com", 65, data, sizeof(data));
	assert_int_equal(read_as("www.example.com", 65), ANSWER_READY);
	assert_int_equal(buffer.leases.count, HINTS / 2);
	for (unsigned i = 0; i < HINTS; i++)
		data[HEAD + 4 * i + 2] = (char)i;
	begin_as(65);
	put_data("www.example.com", 65, data, sizeof(data));
	assert_int_equal(read_as("www.example.com", 65), ANSWER_READY);
	assert_int_equal(answer->n_records, 1);
	assert_int_equal(buffer.leases.count, CHANNEL_ADDRESSES_MAX);
	/* No hint goes without a lease. */
	assert_in_range(answer->size, 4 * CHANNEL_ADDRESSES_MAX, 4 * CHANNEL_ADDRESSES_MAX + 64);
}

/* A record whose hints are 192.0.x.2, of which the last is 192.0.x.`last`. */
static void put_hints(uint16_t count, uint8_t last)
{
	enum { HEAD = 7, COUNT_MAX = 1000 };
	uint8_t data[HEAD + 4 * COUNT_MAX] = {
		0, 1, 0, 0, 4, (uint8_t)(count * 4 >> 8), (uint8_t)(count * 4)};

	for (unsigned i = 0; i < count; i++)
		memcpy(data + HEAD + 4 * (size_t)i, (const uint8_t[]){192, 0, (uint8_t)i, 2}, 4);
	data[HEAD + 4 * count - 1] = last;
	put_data("www.example.com", 65, data, HEAD + 4 * (size_t)count);
}

static void hints_of_records_without_room_are_not_leased(void **state)
{
	(void)state;
	begin_as(65);
	put_hints(1000, 3);
	put_hints(30, 1);
	assert_int_equal(read_as("www.example.com", 65), ANSWER_READY);
	assert_int_equal(answer->n_records, 1);
	assert_int_equal(buffer.leases.count, 1);
	assert_int_equal(buffer.leases.addresses[0].bytes[15], 3);
}

static void writes_the_chain_and_one_ttl(void **state)
{
	static const uint8_t expected[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, 'a', 0, 0xc0,
		24, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1};
	uint8_t out[100];
	struct writer writer = {.start = out, .size = sizeof(out), .pos = 12};
	uint16_t answers, authorities;

	(void)state;
	begin();
	put_alias(RRTYPE_CNAME, "www.example.com", "a", TTL);
	put_address("a", "192.0.2.1", TTL);
	assert_int_equal(read_all(), ANSWER_READY);
	answer_write(answer, 9, 33 - 12, &writer, &answers, &authorities);
	assert_int_equal(answers, 2);
	assert_int_equal(authorities, 0);
	assert_int_equal(writer.pos, 12 + sizeof(expected));
	assert_memory_equal(out + 12, expected, sizeof(expected));
}

static void writes_an_soa_for_a_negative_answer_with_a_ttl(void **state)
{
	uint8_t out[100];
	struct writer writer = writer_over(out, sizeof(out));
	uint16_t answers, authorities;

	(void)state;
	answer = answer_empty(&buffer, RCODE_NXDOMAIN, EDE_NONE, NULL);
	answer_write(answer, 0, 21, &writer, &answers, &authorities);
	assert_int_equal(answers + authorities, 0);
	assert_int_equal(writer.pos, 0);
	answer_write(answer, 9, 0, &writer, &answers, &authorities);
	assert_int_equal(answers + authorities, 0);
	answer_write(answer, 9, 21, &writer, &answers, &authorities);
	assert_int_equal(answers, 0);
	assert_int_equal(authorities, 1);
	assert_int_equal(writer.pos, 34);
	assert_memory_equal(out, "\xc0\x0c\0\x06\0\x01\0\0\0\x09\0\x16", 12);
	assert_memory_equal(out + 30, "\0\0\0\x09", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses_in_their_order),
		cmocka_unit_test(reads_compressed_names),
		cmocka_unit_test(follows_aliases_to_their_end),
		cmocka_unit_test(follows_eight_aliases_and_no_more),
		cmocka_unit_test(refuses_circles),
		cmocka_unit_test(follows_dname_where_the_cname_is_missing),
		cmocka_unit_test(drops_blocked_addresses),
		cmocka_unit_test(drops_mapped_addresses),
		cmocka_unit_test(takes_64_addresses_at_most),
		cmocka_unit_test(negative_answers_live_as_their_soa_says),
		cmocka_unit_test(a_referral_is_no_answer),
		cmocka_unit_test(a_ttl_with_the_highest_bit_is_zero),
		cmocka_unit_test(only_the_answer_to_the_question_counts),
		cmocka_unit_test(rcodes_and_truncation_are_told),
		cmocka_unit_test(every_cut_is_bogus_or_failed),
		cmocka_unit_test(embedded_addresses_are_of_the_family_asked_for),
		cmocka_unit_test(embedded_addresses_are_judged),
		cmocka_unit_test(other_records_are_written_anew),
		cmocka_unit_test(other_records_are_cut_where_they_are_too_many),
		cmocka_unit_test(hints_are_leased),
		cmocka_unit_test(hints_beyond_the_leases_are_dropped),
		cmocka_unit_test(hints_of_records_without_room_are_not_leased),
		cmocka_unit_test(writes_the_chain_and_one_ttl),
		cmocka_unit_test(writes_an_soa_for_a_negative_answer_with_a_ttl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
