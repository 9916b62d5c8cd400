/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/journal.h"

#include <stdint.h>
#include <string.h>

#include "src/event/json-out.h"
#include "src/event/sentence.h"

/*
 * Theory of operation
 *
 * An entry is a datagram of fields. One whose value has no newline is "FIELD=value\n"; any other is
 * the field's name, a newline, the value's length in 64 bits, least significant byte first, the
 * value and a newline: so what a value holds never makes another field.
 *
 * A value is written first and its form chosen then. It is never longer than it was in the line,
 * where each character that is an escape took six bytes for three at most.
 */

enum { KEY_MAX = 32, HEADS = 256 };

_Static_assert(
	2 * EVENT_LINE + MEMBERS * (KEY_MAX + sizeof(uint64_t) + 2) + HEADS <= JOURNAL_MESSAGE,
	"an entry has room for all that a line may hold");

/* In the place of "FIELD=", which ends at `value`: what goes before a value with newlines. */
static void make_binary(struct writer *out, size_t value)
{
	size_t size = out->pos - value;

	writer_u32(out, 0);
	writer_u32(out, 0);
	if (out->failed)
		return;
	memmove(out->start + value + sizeof(uint64_t), out->start + value, size);
	out->start[value - 1] = '\n';
	for (unsigned i = 0; i < sizeof(uint64_t); i++)
		out->start[value + i] = (uint8_t)((uint64_t)size >> 8 * i);
}

/* "EGRESS_RULE=" */
static void put_key(struct writer *out, enum member member)
{
	json_out_raw(out, "EGRESS_");
	for (const char *name = member_name(member); *name; name++)
		writer_u8(out, (uint8_t)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name));
	json_out_raw(out, "=");
}

static void put_field(struct writer *out, const struct members *members, enum member member)
{
	size_t value;

	put_key(out, member);
	value = out->pos;
	member_put_utf8(out, members->values[member]);
	if (memchr(out->start + value, '\n', out->pos - value))
		make_binary(out, value);
	json_out_raw(out, "\n");
}

static void put_message(struct writer *out, const struct members *members, struct text line)
{
	char sentence[SENTENCE];

	if (line.length == 0)
		line = (struct text){sentence, sentence_write(members, sentence)};
	json_out_raw(out, "MESSAGE=");
	writer_bytes(out, line.start, line.length);
	json_out_raw(out, "\nPRIORITY=");
	json_out_number(out, (uint64_t)members_severity(members));
	/* The facility of daemons, as in syslog(3). */
	json_out_raw(out, "\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=egress\n");
}

size_t journal_write(const struct members *members, struct text line, char out[JOURNAL_MESSAGE])
{
	struct writer writer = writer_over(out, JOURNAL_MESSAGE);

	put_message(&writer, members, line);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (members->values[i].length > 0)
			put_field(&writer, members, (enum member)i);
	return writer.failed ? 0 : writer.pos;
}
