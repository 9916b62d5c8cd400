/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Messages on a TCP connection that come in pieces: the first byte is how large the inbox is, the
 * second how large the pieces are, the rest is the stream. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/framing.h"
#include "tests/fuzz/fuzz.h"

#define INBOX_MAX (FRAMING_LENGTH + 256)
#define STREAM_MAX ((size_t)1 << 16)

struct stream {
	const uint8_t *bytes;
	size_t taken; /* bytes of it that made whole messages */
	struct inbox inbox;
	struct outbox outbox;
};

/* Whatever is taken lies where it came in the stream, and written again it is the same bytes. */
static void check_message(struct stream *stream, const uint8_t *message, size_t size)
{
	fuzz_require(FRAMING_LENGTH + size <= stream->inbox.size, "a message fits its inbox");
	fuzz_require(memcmp(message, stream->bytes + stream->taken + FRAMING_LENGTH, size) == 0,
		"a message is the stream's");
	fuzz_require(outbox_put(&stream->outbox, message, size) == 0, "it can be put again");
	stream->taken += FRAMING_LENGTH + size;
	fuzz_require(outbox_pending(&stream->outbox) == stream->taken &&
			     memcmp(stream->outbox.bytes, stream->bytes, stream->taken) == 0,
		"what is put is what was taken");
}

/* 0 to go on, or the inbox's error: the connection ends. */
static int take_messages(struct stream *stream)
{
	const uint8_t *message;
	size_t size;
	int error;

	while ((error = inbox_next(&stream->inbox, &message, &size)) == 0)
		check_message(stream, message, size);
	fuzz_require(error == -EAGAIN || error == -EMSGSIZE, "no other error");
	fuzz_require(error == -EMSGSIZE || inbox_room(&stream->inbox) > 0,
		"who waits for more has room for it");
	return error == -EAGAIN ? 0 : error;
}

static void feed(struct stream *stream, int out, int in, size_t size, size_t piece)
{
	for (size_t sent = 0; sent < size;) {
		size_t now = size - sent < piece ? size - sent : piece;

		if (now > inbox_room(&stream->inbox))
			now = inbox_room(&stream->inbox);
		fuzz_require(send(out, stream->bytes + sent, now, 0) == (ssize_t)now, "sent");
		fuzz_require(inbox_fill(&stream->inbox, in) == (int)now, "all of it is read");
		sent += now;
		if (take_messages(stream) != 0)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[STREAM_MAX];
	uint8_t inbox[INBOX_MAX];
	struct stream stream = {.outbox = {.bytes = again, .size = sizeof(again)}};
	int ends[2];

	if (size < 2 || size > STREAM_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 0;
	stream.bytes = data + 2;
	stream.inbox = (struct inbox){.bytes = inbox, .size = FRAMING_LENGTH + 1u + data[0]};
	feed(&stream, ends[0], ends[1], size - 2, 1u + data[1]);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
