/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/msg.h"

#include <string.h>

#include "resolver/answer.h"

#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010
#define OPCODE(flags) (((flags) >> 11) & 0xf)

#define OPTION_EDE 15    /* RFC 8914 section 2 */
#define OPT_FIXED 11     /* root, type, size, extended rcode and flags, length */
#define EDE_TEXT_MAX 120 /* bytes of a rule id, and what it is about, that travel */
#define RECORDS_MAX 16   /* additional records of a query that are looked at */

static void read_question(struct reader *reader, struct msg_query *query)
{
	struct msg_context *context = &query->context;
	struct reader raw = *reader;

	name_read(reader, &query->name);
	query->type = reader_u16(reader);
	query->class = reader_u16(reader);

	/* A name that was compressed can't be repeated byte by byte; nobody sends one here. */
	size_t size = reader->pos - raw.pos;
	if (reader->failed || size != (size_t)query->name.length + 4) {
		reader->failed = true;
		return;
	}
	memcpy(context->question, reader_bytes(&raw, size), size);
	context->question_size = (uint16_t)size;
}

/* The OPT record's owner and type have been read (RFC 6891 section 6.1.2). */
static void read_opt(struct reader *reader, struct msg_context *context, unsigned *ret_version)
{
	uint16_t payload = reader_u16(reader);
	uint32_t extended = reader_u32(reader);

	reader_bytes(reader, reader_u16(reader));
	if (context->edns) /* section 6.1.1: more than one is a format error */
		reader->failed = true;
	context->edns = true;
	*ret_version = (extended >> 16) & 0xff;
	if (context->limit != MSG_MAX) {
		if (payload > MSG_UDP_EDNS)
			payload = MSG_UDP_EDNS;
		if (payload > context->limit)
			context->limit = payload;
	}
}

static void read_additional(
	struct reader *reader, unsigned count, struct msg_context *context, unsigned *ret_version)
{
	if (count > RECORDS_MAX)
		reader->failed = true;
	for (unsigned i = 0; i < count && !reader->failed; i++) {
		struct name owner = {.length = 0};
		name_read(reader, &owner);
		uint16_t type = reader_u16(reader);

		if (type == RRTYPE_OPT && owner.length == 1) {
			read_opt(reader, context, ret_version);
			continue;
		}
		reader_u16(reader);
		reader_u32(reader);
		reader_bytes(reader, reader_u16(reader));
	}
}

enum msg_status msg_read(const uint8_t *bytes, size_t size, bool stream,
	struct msg_query *ret_query, enum rcode *ret_rcode)
{
	struct reader reader = reader_over(bytes, size);
	struct msg_context *context = &ret_query->context;
	unsigned version = 0;

	uint16_t id = reader_u16(&reader);
	uint16_t flags = reader_u16(&reader);
	uint16_t questions = reader_u16(&reader);
	uint32_t records = reader_u16(&reader);
	records += reader_u16(&reader);
	uint16_t additional = reader_u16(&reader);
	if (reader.failed || flags & FLAG_QR)
		return MSG_IGNORE;

	context->id = id;
	context->opcode = OPCODE(flags);
	context->recursion_desired = flags & FLAG_RD;
	context->checking_disabled = flags & FLAG_CD;
	context->edns = false;
	context->limit = stream ? MSG_MAX : MSG_UDP_PLAIN;
	context->question_size = 0;

	*ret_rcode = RCODE_NOTIMP;
	if (context->opcode != 0)
		return MSG_ERROR;
	*ret_rcode = RCODE_FORMERR;
	if (questions != 1 || records != 0 || flags & FLAG_TC)
		return MSG_ERROR;
	read_question(&reader, ret_query);
	read_additional(&reader, additional, context, &version);
	if (reader.failed || reader_left(&reader) != 0)
		return MSG_ERROR;
	*ret_rcode = RCODE_BADVERS;
	return version == 0 ? MSG_QUERY : MSG_ERROR;
}

static size_t ede_text_size(const struct answer *answer)
{
	return answer->rule ? strnlen(answer->rule, EDE_TEXT_MAX) : 0;
}

static size_t opt_size(const struct msg_context *context, const struct answer *answer)
{
	if (!context->edns)
		return 0;
	return OPT_FIXED + (answer->ede == EDE_NONE ? 0 : 6 + ede_text_size(answer));
}

static void write_opt(
	const struct msg_context *context, const struct answer *answer, struct writer *writer)
{
	size_t size = opt_size(context, answer);

	if (size == 0)
		return;
	writer_u8(writer, 0);
	writer_u16(writer, RRTYPE_OPT);
	writer_u16(writer, MSG_UDP_EDNS);
	writer_u32(writer, (uint32_t)(answer->rcode >> 4) << 24);
	writer_u16(writer, (uint16_t)(size - OPT_FIXED));
	if (answer->ede == EDE_NONE)
		return;
	writer_u16(writer, OPTION_EDE);
	writer_u16(writer, (uint16_t)(2 + ede_text_size(answer)));
	writer_u16(writer, (uint16_t)answer->ede);
	writer_bytes(writer, answer->rule, ede_text_size(answer));
}

static uint16_t reply_flags(const struct msg_context *context, const struct answer *answer)
{
	return (uint16_t)(FLAG_QR | FLAG_RA | context->opcode << 11 |
			  (context->recursion_desired ? FLAG_RD : 0) |
			  (context->checking_disabled ? FLAG_CD : 0) | (answer->rcode & 0xf));
}

size_t msg_write_reply(
	const struct msg_context *context, const struct answer *answer, uint32_t ttl, uint8_t *out)
{
	size_t reserved = opt_size(context, answer);
	struct writer writer = writer_over(out, context->limit - reserved);
	uint16_t flags = reply_flags(context, answer);
	uint16_t answers = 0;
	uint16_t authorities = 0;

	writer_u16(&writer, context->id);
	writer_u16(&writer, flags);
	writer_u16(&writer, context->question_size ? 1 : 0);
	writer_u16(&writer, 0);
	writer_u16(&writer, 0);
	writer_u16(&writer, reserved ? 1 : 0);
	writer_bytes(&writer, context->question, context->question_size);

	size_t records = writer.pos;
	answer_write(answer, ttl, context->question_size, &writer, &answers, &authorities);
	if (writer.failed) {
		writer = (struct writer){.start = out, .size = context->limit, .pos = records};
		writer_u16_at(&writer, 2, flags | FLAG_TC);
	} else {
		writer_u16_at(&writer, 6, answers);
		writer_u16_at(&writer, 8, authorities);
	}
	writer.size = context->limit;
	write_opt(context, answer, &writer);
	return writer.pos;
}

uint64_t msg_hash_question(const struct hash_key *key, const struct name *name, uint16_t type)
{
	struct hash_key of_type = {{key->k[0] ^ type, key->k[1]}};

	return hash_bytes(&of_type, name->wire, name->length);
}

size_t msg_write_question(uint16_t id, const struct name *name, uint16_t type, uint8_t *out)
{
	struct writer writer = writer_over(out, MSG_QUESTION_MAX + 32);

	writer_u16(&writer, id);
	writer_u16(&writer, FLAG_RD);
	writer_u16(&writer, 1);
	writer_u16(&writer, 0);
	writer_u16(&writer, 0);
	writer_u16(&writer, 1);
	name_write(&writer, name);
	writer_u16(&writer, type);
	writer_u16(&writer, RRCLASS_IN);
	writer_u8(&writer, 0);
	writer_u16(&writer, RRTYPE_OPT);
	writer_u16(&writer, MSG_UDP_EDNS);
	writer_u32(&writer, 0);
	writer_u16(&writer, 0);
	return writer.pos;
}
