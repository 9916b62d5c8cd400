/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/framing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/buf.h"

/* Moves what is in a buffer to its beginning. */
static void compact(uint8_t *bytes, size_t *start, size_t *end)
{
	if (*start == 0)
		return;
	memmove(bytes, bytes + *start, *end - *start);
	*end -= *start;
	*start = 0;
}

size_t inbox_space(struct inbox *inbox, uint8_t **ret_space)
{
	compact(inbox->bytes, &inbox->start, &inbox->end);
	*ret_space = inbox->bytes + inbox->end;
	return inbox->size - inbox->end;
}

int inbox_fill(struct inbox *inbox, int fd)
{
	uint8_t *space;
	size_t room = inbox_space(inbox, &space);
	ssize_t got;

	if (room == 0)
		return -ENOBUFS;
	do
		got = recv(fd, space, room, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	inbox->end += (size_t)got;
	return (int)got;
}

int inbox_next(struct inbox *inbox, const uint8_t **ret_message, size_t *ret_size)
{
	struct reader reader = reader_over(inbox->bytes + inbox->start, inbox->end - inbox->start);
	size_t size = reader_u16(&reader);
	const uint8_t *message = reader_bytes(&reader, size);

	if (reader.failed)
		return size > inbox->size - FRAMING_LENGTH ? -EMSGSIZE : -EAGAIN;
	inbox->start += FRAMING_LENGTH + size;
	*ret_message = message;
	*ret_size = size;
	return 0;
}

int outbox_put(struct outbox *outbox, const uint8_t *message, size_t size)
{
	struct writer writer;

	if (outbox->size - outbox->end < FRAMING_LENGTH + size)
		compact(outbox->bytes, &outbox->start, &outbox->end);
	writer = writer_over(outbox->bytes + outbox->end, outbox->size - outbox->end);
	writer_u16(&writer, (uint16_t)size);
	writer_bytes(&writer, message, size);
	if (writer.failed)
		return -ENOBUFS;
	outbox->end += writer.pos;
	return 0;
}

int outbox_send(struct outbox *outbox, int fd)
{
	while (outbox->start < outbox->end) {
		ssize_t put = send(fd, outbox->bytes + outbox->start, outbox_pending(outbox),
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		outbox->start += (size_t)put;
	}
	outbox->start = 0;
	outbox->end = 0;
	return 0;
}
