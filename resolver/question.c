/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/question.h"

#include <string.h>

#include "src/base/buf.h"

enum {
	OPTION_PADDING = 12, /* RFC 7830 */
	OPTION_HEAD = 4,
	PADDING_BLOCK = 128, /* RFC 8467 section 4.1 */
	FLAGS_AT = 2,
};

#define RCODE_MASK 0x000fu

/* The name with the capitals that `letters` asks for (draft-vixie-dnsext-dns0x20): what an
 * attacker who sees nothing has to guess besides ID and port. */
static void put_name(struct writer *writer, const struct name *name, uint64_t letters)
{
	uint8_t wire[NAME_WIRE_MAX];
	unsigned count = 0;

	memcpy(wire, name->wire, name->length);
	/* Lengths of labels are no letters. No branch depends on what is drawn: it could not be
	 * foretold. */
	for (unsigned i = 0; i < name->length; i++) {
		unsigned is_letter = (unsigned)(wire[i] - 'a') <= 'z' - 'a';

		wire[i] ^= (uint8_t)((letters >> count % 64 & is_letter) * ('a' - 'A'));
		count += is_letter;
	}
	writer_bytes(writer, wire, name->length);
}

static void put_cookie(struct writer *writer, const struct question_form *form)
{
	if (!form->client_cookie)
		return;
	writer_u16(writer, MSG_OPTION_COOKIE);
	writer_u16(writer, (uint16_t)(COOKIE_CLIENT_SIZE + form->server_cookie_size));
	writer_bytes(writer, form->client_cookie, COOKIE_CLIENT_SIZE);
	if (form->server_cookie_size > 0)
		writer_bytes(writer, form->server_cookie, form->server_cookie_size);
}

static void put_padding(struct writer *writer)
{
	static const uint8_t zeros[PADDING_BLOCK];
	size_t over = (writer->pos + OPTION_HEAD) % PADDING_BLOCK;
	size_t size = over ? PADDING_BLOCK - over : 0;

	writer_u16(writer, OPTION_PADDING);
	writer_u16(writer, (uint16_t)size);
	writer_bytes(writer, zeros, size);
}

static void put_opt(struct writer *writer, const struct question_form *form)
{
	size_t length_at;

	writer_u8(writer, 0);
	writer_u16(writer, RRTYPE_OPT);
	writer_u16(writer, MSG_UDP_EDNS);
	writer_u32(writer, form->dnssec ? OPT_DO : 0);
	length_at = writer->pos;
	writer_u16(writer, 0);
	put_cookie(writer, form);
	if (form->padded)
		put_padding(writer);
	writer_u16_at(writer, length_at, (uint16_t)(writer->pos - length_at - 2));
}

size_t question_write(uint16_t id, const struct name *name, uint16_t type,
	const struct question_form *form, uint8_t out[QUESTION_MAX])
{
	struct writer writer = writer_over(out, QUESTION_MAX);

	writer_u16(&writer, id);
	writer_u16(&writer, HEADER_RD | (form->dnssec ? HEADER_CD : 0));
	writer_u16(&writer, 1);
	writer_u16(&writer, 0);
	writer_u16(&writer, 0);
	writer_u16(&writer, form->edns ? 1 : 0);
	put_name(&writer, name, form->letters);
	writer_u16(&writer, type);
	writer_u16(&writer, RRCLASS_IN);
	if (form->edns)
		put_opt(&writer, form);
	return writer.pos;
}

/* --- Replies --- */

/* Compares the reply's question with ours, as bytes: we never compress it, so nobody has to. */
static enum question_echo compare(
	struct reader *reader, const struct name *name, uint16_t type, uint64_t letters)
{
	uint8_t own[NAME_WIRE_MAX];
	struct writer writer = writer_over(own, sizeof(own));
	struct reader start = *reader;
	const uint8_t *theirs = reader_bytes(reader, name->length);
	bool same_type = reader_u16(reader) == type;
	bool same_class = reader_u16(reader) == RRCLASS_IN;
	struct name lowered = {.length = 0};

	if (reader->failed || !same_type || !same_class)
		return ECHO_FOREIGN;
	put_name(&writer, name, letters);
	if (memcmp(theirs, own, name->length) == 0)
		return ECHO_SAME;
	name_read(&start, &lowered);
	return !start.failed && name_equal(&lowered, name) ? ECHO_OTHER_CASE : ECHO_FOREIGN;
}

static void read_options(struct reader *reader, size_t end, struct question_reply *reply)
{
	while (!reader->failed && reader->pos < end) {
		unsigned option = reader_u16(reader);
		size_t size = reader_u16(reader);
		const uint8_t *data = reader_bytes(reader, size);

		if (reader->failed || option != MSG_OPTION_COOKIE)
			continue;
		reply->cookie = data;
		reply->cookie_size = size;
	}
}

static void read_opt(struct reader *reader, struct question_reply *reply)
{
	uint32_t flags;
	size_t size, end;

	reader_u16(reader);
	flags = reader_u32(reader);
	size = reader_u16(reader);
	end = reader->pos + size;
	if (reader->failed || size > reader_left(reader))
		return;
	reply->edns = true;
	reply->rcode |= flags >> 24 << 4;
	read_options(reader, end, reply);
}

/* Looks for the OPT record behind the question. */
static void find_opt(struct reader *reader, unsigned records, struct question_reply *reply)
{
	for (unsigned i = 0; i < records && !reader->failed; i++) {
		struct name owner;

		owner.length = 0;
		name_read(reader, &owner);
		if (reader_u16(reader) == RRTYPE_OPT && owner.length == 1) {
			read_opt(reader, reply);
			return;
		}
		reader_u16(reader);
		reader_u32(reader);
		reader_bytes(reader, reader_u16(reader));
	}
}

void question_read_reply(const uint8_t *bytes, size_t size, const struct name *name, uint16_t type,
	uint64_t letters, struct question_reply *ret_reply)
{
	struct reader reader = reader_over(bytes, size);
	unsigned flags, questions, records;

	reader_seek(&reader, FLAGS_AT);
	flags = reader_u16(&reader);
	questions = reader_u16(&reader);
	records = reader_u16(&reader);
	records += reader_u16(&reader);
	records += reader_u16(&reader);
	*ret_reply = (struct question_reply){.echo = ECHO_FOREIGN, .rcode = flags & RCODE_MASK};
	if (reader.failed || !(flags & HEADER_QR) || flags & HEADER_OPCODE)
		return;
	if (questions == 1)
		ret_reply->echo = compare(&reader, name, type, letters);
	else if (questions == 0 && ret_reply->rcode == RCODE_FORMERR)
		ret_reply->echo = ECHO_NONE;
	if (ret_reply->echo != ECHO_FOREIGN)
		find_opt(&reader, records, ret_reply);
}
