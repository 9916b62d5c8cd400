/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/net/question.h"

#include <errno.h>
#include <string.h>

#define TYPE_OPT 41
#define CLASS_IN 1
#define OPTION_EXTENDED_ERROR 15

void question_write(struct writer *writer, uint16_t id, const struct name *name, uint16_t type)
{
	writer_u16(writer, id);
	writer_u16(writer, 0x0100); /* recursion desired */
	writer_u16(writer, 1);
	writer_u16(writer, 0);
	writer_u16(writer, 0);
	writer_u16(writer, 1);
	name_write(writer, name);
	writer_u16(writer, type);
	writer_u16(writer, CLASS_IN);
	writer_u8(writer, 0); /* the OPT record: root, type, payload size, flags, no options */
	writer_u16(writer, TYPE_OPT);
	writer_u16(writer, 1232);
	writer_u32(writer, 0);
	writer_u16(writer, 0);
}

static void read_address(struct reply *reply, const uint8_t *data, size_t size, uint32_t ttl)
{
	if (reply->n_addresses == 0 || ttl < reply->ttl)
		reply->ttl = ttl;
	if (reply->n_addresses < REPLY_ADDRESSES_MAX)
		reply->addresses[reply->n_addresses++] =
			size == 4 ? inaddr_from_ip4(data) : inaddr_from_ip6(data);
}

static void read_options(struct reply *reply, const uint8_t *data, size_t size)
{
	struct reader options = reader_over(data, size);

	while (reader_left(&options) > 0) {
		uint16_t code = reader_u16(&options);
		uint16_t length = reader_u16(&options);
		const uint8_t *value = reader_bytes(&options, length);

		if (!value || code != OPTION_EXTENDED_ERROR || length < 2)
			continue;
		length = (uint16_t)(length - 2);
		if (length >= REPLY_ERROR_TEXT)
			length = REPLY_ERROR_TEXT - 1;
		reply->has_error = true;
		reply->error = (uint16_t)(value[0] << 8 | value[1]);
		memcpy(reply->error_text, value + 2, length);
		reply->error_text[length] = '\0';
	}
}

static void read_record(struct reader *reader, uint16_t wanted, struct reply *reply)
{
	struct name owner;
	uint16_t type, size;
	uint32_t ttl;
	const uint8_t *data;

	name_read(reader, &owner);
	type = reader_u16(reader);
	reader_u16(reader);
	ttl = reader_u32(reader);
	size = reader_u16(reader);
	data = reader_bytes(reader, size);
	if (!data)
		return;
	if (type == TYPE_OPT)
		read_options(reply, data, size);
	else if (type == wanted && size == (wanted == QUESTION_A ? 4 : 16))
		read_address(reply, data, size, ttl);
}

int reply_read(const void *bytes, size_t size, uint16_t type, struct reply *ret_reply)
{
	struct reader reader = reader_over(bytes, size);
	struct reply reply = {.id = reader_u16(&reader)};
	uint16_t flags = reader_u16(&reader), questions = reader_u16(&reader);
	unsigned records = 0;

	reply.rcode = flags & 0xf;
	reply.truncated = flags & 0x0200;
	for (int section = 0; section < 3; section++)
		records += reader_u16(&reader);
	for (unsigned i = 0; i < questions && !reader.failed; i++) {
		struct name name;

		name_read(&reader, &name);
		reader_u32(&reader);
	}
	for (unsigned i = 0; i < records && !reader.failed; i++)
		read_record(&reader, type, &reply);
	if (reader.failed || !(flags & 0x8000))
		return -EBADMSG;
	*ret_reply = reply;
	return 0;
}
