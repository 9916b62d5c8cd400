/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_BUF_H
#define EGRESS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bounded reader and writer with a sticky error: after the first access out of bounds `failed` is
 * set, reads yield 0 or NULL, writes do nothing, and the position no longer moves. Callers test
 * `failed` once, at the end. Integers are in network byte order.
 */
struct reader {
	const uint8_t *start;
	size_t size;
	size_t pos;
	bool failed;
};

struct writer {
	uint8_t *start;
	size_t size;
	size_t pos;
	bool failed;
};

static inline struct reader reader_over(const void *bytes, size_t size)
{
	return (struct reader){.start = bytes, .size = size};
}

static inline struct writer writer_over(void *bytes, size_t size)
{
	return (struct writer){.start = bytes, .size = size};
}

/* Bytes not yet read (0 once failed). */
static inline size_t reader_left(const struct reader *reader)
{
	return reader->failed ? 0 : reader->size - reader->pos;
}

/* Moves to an absolute position; fails past the end. */
static inline void reader_seek(struct reader *reader, size_t pos)
{
	if (reader->failed)
		return;
	if (pos > reader->size)
		reader->failed = true;
	else
		reader->pos = pos;
}

/* Whether `size` more bytes are there; sets `failed` if not. */
static inline bool reader_has(struct reader *reader, size_t size)
{
	if (!reader->failed && reader->size - reader->pos < size)
		reader->failed = true;
	return !reader->failed;
}

static inline uint8_t reader_u8(struct reader *reader)
{
	if (!reader_has(reader, 1))
		return 0;
	return reader->start[reader->pos++];
}

static inline uint16_t reader_u16(struct reader *reader)
{
	const uint8_t *at;

	if (!reader_has(reader, 2))
		return 0;
	at = reader->start + reader->pos;
	reader->pos += 2;
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t reader_u32(struct reader *reader)
{
	const uint8_t *at;

	if (!reader_has(reader, 4))
		return 0;
	at = reader->start + reader->pos;
	reader->pos += 4;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The next `size` bytes in place, or NULL. */
static inline const uint8_t *reader_bytes(struct reader *reader, size_t size)
{
	const uint8_t *at;

	if (!reader_has(reader, size) || !reader->start)
		return NULL;
	at = reader->start + reader->pos;
	reader->pos += size;
	return at;
}

/* Room not yet written (0 once failed). */
size_t writer_left(const struct writer *writer);

void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_bytes(struct writer *writer, const void *bytes, size_t size);

/* Overwrites two bytes already written, at `pos`; fails if they weren't. */
void writer_u16_at(struct writer *writer, size_t pos, uint16_t value);

#endif
