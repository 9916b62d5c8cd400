/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What an upstream server sent: read as the answer to its own question, as it came and with a
 * header that makes it a response; then written out again for clients. */

#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "resolver/msg.h"
#include "rules/class.h"
#include "src/base/buf.h"
#include "tests/fuzz/fuzz.h"

#define BLOCK (1u << CLASS_PRIVATE | 1u << CLASS_LOOPBACK)

static void check_addresses(const struct answer *answer, uint16_t type, unsigned block)
{
	enum address_class class;

	fuzz_require(answer->n_addresses <= CHANNEL_ADDRESSES_MAX, "at most 64 addresses");
	fuzz_require(answer->address_size == (type == RRTYPE_A ? 4 : 16), "the type asked for");
	for (unsigned i = 0; i < answer->n_addresses; i++) {
		struct inaddr address = answer_address(answer, i);

		fuzz_require(inaddr_is_ip4(&address) == (type == RRTYPE_A), "the family asked for");
		fuzz_require(!class_find(&address, block, &class), "no blocked address");
	}
}

/* The answer fits a client's reply, whatever the client takes. */
static void check_writing(const struct answer *answer, const struct name *name, uint16_t type)
{
	static uint8_t out[MSG_MAX];
	static const uint16_t limits[] = {MSG_UDP_PLAIN, MSG_UDP_EDNS, MSG_MAX};
	static uint8_t bytes[MSG_QUESTION_MAX];
	struct msg_context context = {.edns = true, .question = bytes};
	struct writer question = writer_over(bytes, sizeof(bytes));

	name_write(&question, name);
	writer_u16(&question, type);
	writer_u16(&question, RRCLASS_IN);
	context.question_size = (uint16_t)question.pos;
	for (unsigned i = 0; i < 3; i++) {
		context.limit = limits[i];
		fuzz_require(msg_write_reply(&context, answer, 300, out) <= limits[i],
			"a reply no longer than the client takes");
	}
	fuzz_require(!(out[2] & 2), "an answer that fits a message");
}

static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	const unsigned *block = context;
	enum address_class class;

	*ret_leased = address->bytes[15] & 1;
	if (!class_find(address, *block, &class))
		return true;
	*ret_rule = class_rule(class);
	return false;
}

/* Each address once as it was judged. */
static void check_leases(const struct answer_buffer *buffer, const struct answer *answer)
{
	unsigned count = 0;

	for (unsigned i = 0; i < answer->n_addresses; i++)
		count += answer_address(answer, i).bytes[15] & 1;
	fuzz_require(buffer->leases.count <= CHANNEL_ADDRESSES_MAX, "at most 64 leases");
	if (answer->n_records == 0)
		fuzz_require(buffer->leases.count == count, "each address as it was judged");
	for (unsigned i = 0; i < buffer->leases.count; i++)
		fuzz_require(buffer->leases.addresses[i].bytes[15] & 1, "none that needs no lease");
}

static bool permits_name(void *context, const struct name *name)
{
	(void)context;
	return name->wire[name->length / 2] & 1;
}

static bool permits_port(void *context, uint16_t port)
{
	(void)context;
	return port & 1;
}

static void read_as(
	const uint8_t *bytes, size_t size, const struct name *name, uint16_t type, unsigned block)
{
	static struct answer_buffer buffer;
	struct answer *answer = NULL;
	uint32_t ttl = 0;

	const struct answer_judge judge = {&block, permits, permits_name, permits_port};

	if (answer_read(bytes, size, name, type, &judge, &buffer, &answer, &ttl) != ANSWER_READY)
		return;
	fuzz_require(answer != NULL, "an answer that is ready is there");
	fuzz_require(ttl <= INT32_MAX, "a TTL of 31 bits");
	fuzz_require(answer->n_aliases <= ANSWER_ALIASES_MAX, "at most 8 aliases");
	fuzz_require(answer->size <= ANSWER_DATA_MAX, "an answer in its buffer");
	fuzz_require(!answer_is_negative(answer) || answer->n_aliases == 0, "no alias to nothing");
	fuzz_require(answer->n_addresses == 0 || answer->n_records == 0, "records of one kind");
	fuzz_require(answer->n_records <= ANSWER_RECORDS_MAX, "at most 64 records");
	if (answer->n_addresses > 0)
		check_addresses(answer, type, block);
	check_leases(&buffer, answer);
	check_writing(answer, name, type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {
		RRTYPE_A, RRTYPE_AAAA, 65, 64, 15, 16, 33, 35, RRTYPE_CNAME, RRTYPE_SOA};
	enum { TYPES = sizeof(types) / sizeof(types[0]) };
	struct reader reader = reader_over(data, size);
	struct name name = {.length = 1};
	uint8_t *copy;

	if (size > MSG_MAX)
		return 0;
	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, &name);
	reader_u16(&reader);
	for (unsigned i = 0; i < TYPES; i++)
		read_as(data, size, &name, types[i], BLOCK);
	if (reader.failed)
		return 0;

	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	copy[2] = 0x81;
	copy[3] &= 1;
	for (unsigned i = 0; i < TYPES; i++) {
		struct writer type = {.start = copy, .size = size, .pos = size};

		writer_u16_at(&type, reader.pos - 2, types[i]);
		read_as(copy, size, &name, types[i], BLOCK);
		read_as(copy, size, &name, types[i], 0);
	}
	free(copy);
	return 0;
}
