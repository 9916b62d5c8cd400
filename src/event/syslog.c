/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/syslog.h"

#include <stdint.h>
#include <string.h>

#include "src/event/json-out.h"
#include "src/event/sentence.h"

/*
 * Theory of operation
 *
 *	<28>1 2026-11-21T13:05:02.123456Z host egress 4711 query [egress@32473 rule="..." ...] text
 *
 * In the value of a parameter '"', '\' and ']' have a backslash before them, and nothing else needs
 * one (RFC 5424 section 6.3.3). '?' stands for what doesn't show, which daemons and terminals
 * would act on. The text is ASCII, so there is no mark of its encoding before it.
 */

enum {
	DAEMON = 3, /* the facility */
	HOST_MAX = 255,
	HEAD_MAX = 512,
	KEY_MAX = 24,
};

/* A character may have a backslash before it. */
_Static_assert(2 * EVENT_LINE + MEMBERS * KEY_MAX + SENTENCE + HEAD_MAX <= SYSLOG_MESSAGE,
	"a message has room for all that a line may hold");

static bool is_host(const char *host)
{
	size_t length = host ? strlen(host) : 0;

	for (size_t i = 0; i < length; i++)
		if (host[i] <= ' ' || host[i] > '~')
			return false;
	return length > 0 && length <= HOST_MAX;
}

static void put_head(
	struct writer *out, const struct members *members, const struct syslog_origin *origin)
{
	json_out_raw(out, "<");
	json_out_number(out, DAEMON * UINT64_C(8) + (uint64_t)members_severity(members));
	json_out_raw(out, ">1 ");
	member_put_ascii(out, members->values[MEMBER_TIME], 32);
	json_out_raw(out, " ");
	json_out_raw(out, is_host(origin->host) ? origin->host : "-");
	json_out_raw(out, " egress ");
	json_out_number(out, (uint64_t)origin->process);
	json_out_raw(out, " ");
	member_put_ascii(out, members->values[MEMBER_KIND], 32);
}

static bool put_character(void *context, uint32_t character)
{
	struct writer *out = context;
	char bytes[4] = {'?'};
	size_t size = text_shows(character) ? utf8_encode(character, bytes) : 1;

	if (character == '"' || character == '\\' || character == ']')
		json_out_raw(out, "\\");
	writer_bytes(out, bytes, size);
	return true;
}

static void put_data(struct writer *out, const struct members *members)
{
	json_out_raw(out, " [" SYSLOG_ID);
	for (unsigned i = 0; i < MEMBERS; i++) {
		if (members->values[i].length == 0)
			continue;
		json_out_raw(out, " ");
		json_out_raw(out, member_name((enum member)i));
		json_out_raw(out, "=\"");
		member_visit(members->values[i], put_character, out);
		json_out_raw(out, "\"");
	}
	json_out_raw(out, "] ");
}

size_t syslog_write(const struct members *members, struct text line,
	const struct syslog_origin *origin, char out[SYSLOG_MESSAGE])
{
	struct writer writer = writer_over(out, SYSLOG_MESSAGE);
	char sentence[SENTENCE];

	put_head(&writer, members, origin);
	if (line.length == 0) {
		put_data(&writer, members);
		line = (struct text){sentence, sentence_write(members, sentence)};
	} else {
		json_out_raw(&writer, " - ");
	}
	writer_bytes(&writer, line.start, line.length);
	return writer.failed ? 0 : writer.pos;
}
