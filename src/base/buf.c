/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/buf.h"

#include <string.h>

size_t writer_left(const struct writer *writer)
{
	return writer->failed ? 0 : writer->size - writer->pos;
}

/* Where the next `size` bytes go; NULL, with `failed` set, if there is no room. */
static uint8_t *writer_take(struct writer *writer, size_t size)
{
	uint8_t *at;

	if (writer->failed || writer->size - writer->pos < size) {
		writer->failed = true;
		return NULL;
	}
	at = writer->start + writer->pos;
	writer->pos += size;
	return at;
}

static void store_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void writer_u8(struct writer *writer, uint8_t value)
{
	uint8_t *at = writer_take(writer, 1);

	if (at)
		at[0] = value;
}

void writer_u16(struct writer *writer, uint16_t value)
{
	uint8_t *at = writer_take(writer, 2);

	if (at)
		store_u16(at, value);
}

void writer_u32(struct writer *writer, uint32_t value)
{
	uint8_t *at = writer_take(writer, 4);

	if (!at)
		return;
	store_u16(at, (uint16_t)(value >> 16));
	store_u16(at + 2, (uint16_t)value);
}

void writer_bytes(struct writer *writer, const void *bytes, size_t size)
{
	uint8_t *at;

	if (size == 0)
		return;
	at = writer_take(writer, size);
	if (at)
		memcpy(at, bytes, size);
}

void writer_u16_at(struct writer *writer, size_t pos, uint16_t value)
{
	if (writer->failed)
		return;
	if (pos > writer->pos || writer->pos - pos < 2)
		writer->failed = true;
	else
		store_u16(writer->start + pos, value);
}
