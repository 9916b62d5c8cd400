/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/memstream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/*
 * Theory of operation
 *
 * glibc's own open_memstream(3) forgets that memory ran out: what could not be taken is missing
 * from the middle of the text, neither ferror(3) nor fclose(3) tells, and a rule or half of one
 * would be gone from a ruleset. Here a failure is remembered, nothing is taken behind it, and
 * closing fails.
 */

enum { ROOM_MIN = 1024 };

struct memstream {
	char *text;
	size_t size;
	size_t room;
	bool failed;
	char **ret_text;
	size_t *ret_size;
};

static bool make_room(struct memstream *stream, size_t size)
{
	size_t room = stream->room > 0 ? stream->room : ROOM_MIN;
	char *more;

	if (size >= SIZE_MAX / 4 - stream->size)
		return false;
	while (room <= stream->size + size)
		room *= 2;
	if (room == stream->room)
		return true;
	more = realloc(stream->text, room);
	if (!more)
		return false;
	stream->text = more;
	stream->room = room;
	return true;
}

static ssize_t take(void *cookie, const char *bytes, size_t size)
{
	struct memstream *stream = cookie;

	if (!stream->failed && !make_room(stream, size))
		stream->failed = true;
	if (stream->failed) {
		errno = ENOMEM;
		return 0;
	}
	if (size > 0)
		memcpy(stream->text + stream->size, bytes, size);
	stream->size += size;
	return (ssize_t)size;
}

static int hand_over(void *cookie)
{
	struct memstream *stream = cookie;
	bool done = !stream->failed && make_room(stream, 0);

	if (done) {
		stream->text[stream->size] = '\0';
		*stream->ret_text = stream->text;
		*stream->ret_size = stream->size;
	} else {
		free(stream->text);
		errno = ENOMEM;
	}
	free(stream);
	return done ? 0 : -1;
}

FILE *memstream_open(char **ret_text, size_t *ret_size)
{
	static const cookie_io_functions_t functions = {.write = take, .close = hand_over};
	struct memstream *stream = calloc(1, sizeof(*stream));
	FILE *out;

	if (!stream)
		return NULL;
	stream->ret_text = ret_text;
	stream->ret_size = ret_size;
	out = fopencookie(stream, "w", functions);
	if (!out)
		free(stream);
	return out;
}
