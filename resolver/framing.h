/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_FRAMING_H
#define EGRESS_RESOLVER_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * DNS messages on a TCP connection, each with its length in two bytes before it (RFC 1035 section
 * 4.2.2), in buffers of the caller's and of fixed size. Descriptors don't block.
 */

#define FRAMING_LENGTH 2

/* What came in and was not taken yet: bytes[start] to bytes[end - 1]. */
struct inbox {
	uint8_t *bytes;
	size_t size;
	size_t start, end;
};

/* What still has to go out. */
struct outbox {
	uint8_t *bytes;
	size_t size;
	size_t start, end;
};

static inline size_t inbox_room(const struct inbox *inbox)
{
	return inbox->size - (inbox->end - inbox->start);
}

static inline size_t inbox_pending(const struct inbox *inbox)
{
	return inbox->end - inbox->start;
}

static inline size_t outbox_pending(const struct outbox *outbox)
{
	return outbox->end - outbox->start;
}

/* Makes room behind what came in: how many bytes, and where. What is put there has to be added to
 * `end`. */
size_t inbox_space(struct inbox *inbox, uint8_t **ret_space);

/* Reads once. How many bytes came; 0 at the end of the stream; -EAGAIN; -ENOBUFS when there is no
 * room; or -errno. */
int inbox_fill(struct inbox *inbox, int fd);

/* Takes the next message, in place until the next inbox_fill(). 0; -EAGAIN while it isn't complete;
 * -EMSGSIZE when it is longer than the inbox can ever hold. */
int inbox_next(struct inbox *inbox, const uint8_t **ret_message, size_t *ret_size);

/* Adds a message (of at most 65535 bytes). 0 or -ENOBUFS. */
int outbox_put(struct outbox *outbox, const uint8_t *message, size_t size);

/* Writes what the connection takes. 0 when nothing is left, -EAGAIN, or -errno. */
int outbox_send(struct outbox *outbox, int fd);

#endif
