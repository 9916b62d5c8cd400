/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/name.h"

#include <errno.h>
#include <string.h>

/* RFC 1035 section 4.1.4: the two high bits of a length byte tell a label (00) from a pointer (11);
 * the other two kinds are given to nobody (RFC 6891 section 5). */
enum {
	KIND_MASK = 0xc0,
	KIND_LABEL = 0x00,
	KIND_POINTER = 0xc0,
	LABEL_MAX = 63,
	JUMPS_MAX = 127,
};

/* Adds one label, in lower case; false when the name grows too long for the root's label to follow.
 */
static bool append_label(struct name *name, const uint8_t *label, size_t length)
{
	uint8_t *out = name->wire + name->length;

	if (name->length + 1 + length + 1 > NAME_WIRE_MAX)
		return false;
	*out++ = (uint8_t)length;
	for (size_t i = 0; i < length; i++)
		*out++ = (uint8_t)text_lower((char)label[i]);
	name->length = (uint8_t)(name->length + 1 + length);
	return true;
}

static void append_root(struct name *name)
{
	name->wire[name->length++] = 0;
}

/*
 * Copies labels up to the root's label (true), or to a pointer, whose target goes to *ret_target
 * (false). A bad label fails the reader, which is the same as the root's label for the loop.
 */
static bool read_labels(struct reader *walk, struct name *name, size_t *ret_target)
{
	for (;;) {
		uint8_t length = reader_u8(walk);
		const uint8_t *label;

		if (walk->failed || length == 0)
			return true;
		if ((length & KIND_MASK) == KIND_POINTER) {
			*ret_target = (size_t)(length & ~KIND_MASK) << 8 | reader_u8(walk);
			return false;
		}
		label = (length & KIND_MASK) == KIND_LABEL ? reader_bytes(walk, length) : NULL;
		if (!label || !append_label(name, label, length)) {
			walk->failed = true;
			return true;
		}
	}
}

void name_read(struct reader *reader, struct name *ret_name)
{
	struct reader walk = *reader;
	size_t behind = 0;
	struct name name;
	size_t target = 0;

	name.length = 0; /* the rest is filled as it is read: names are short */
	for (unsigned jumps = 0;; jumps++) {
		size_t begin = walk.pos;
		bool complete = read_labels(&walk, &name, &target);

		if (jumps == 0)
			behind = walk.pos;
		if (complete || walk.failed)
			break;
		/* Always before the labels just read: so no pointer is met twice. */
		if (target >= begin || jumps == JUMPS_MAX) {
			walk.failed = true;
			break;
		}
		reader_seek(&walk, target);
	}
	if (walk.failed) {
		reader->failed = true;
		return;
	}
	append_root(&name);
	reader->pos = behind;
	ret_name->length = name.length;
	memcpy(ret_name->wire, name.wire, name.length);
}

void name_write(struct writer *writer, const struct name *name)
{
	writer_bytes(writer, name->wire, name->length);
}

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* 0, -EINVAL, or -ENAMETOOLONG. */
static int check_label(struct text label)
{
	if (label.length == 0)
		return -EINVAL;
	for (size_t i = 0; i < label.length; i++) {
		if (!is_host_char(label.start[i]))
			return -EINVAL;
	}
	if (label.start[0] == '-' || label.start[label.length - 1] == '-')
		return -EINVAL;
	return label.length > LABEL_MAX ? -ENAMETOOLONG : 0;
}

int name_from_text(struct text text, struct name *ret_name)
{
	struct name name = {0};
	struct text label, rest = text;
	bool more;

	do {
		int error;

		more = text_cut(rest, '.', &label, &rest);
		error = check_label(label);
		if (error < 0)
			return error;
		if (!append_label(&name, (const uint8_t *)label.start, label.length))
			return -ENAMETOOLONG;
	} while (more && rest.length > 0);

	append_root(&name);
	*ret_name = name;
	return 0;
}

/* One byte of a label, as itself, as \X, or as \DDD; returns where the next goes. */
static char *put_byte(char *out, uint8_t byte)
{
	if (byte <= ' ' || byte >= 0x7f) {
		*out++ = '\\';
		*out++ = (char)('0' + byte / 100);
		*out++ = (char)('0' + byte / 10 % 10);
		*out++ = (char)('0' + byte % 10);
		return out;
	}
	if (strchr(".\\\"();@$", byte))
		*out++ = '\\';
	*out++ = (char)byte;
	return out;
}

const char *name_to_text(const struct name *name, char *out)
{
	char *at = out;
	unsigned labels = name_labels(name);

	for (unsigned i = 0, offset = 0; i < labels; i++) {
		unsigned length = name->wire[offset++];

		if (i > 0)
			*at++ = '.';
		for (unsigned end = offset + length; offset < end; offset++)
			at = put_byte(at, name->wire[offset]);
	}
	if (labels == 0)
		*at++ = '.';
	*at = '\0';
	return out;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->length == b->length && memcmp(a->wire, b->wire, a->length) == 0;
}

/* Which of the 8 bytes are at least `least`, which is 1 to 0x80, by their highest bits; those above
 * 0x7f are left to the caller. */
static inline uint64_t at_least(uint64_t bytes, uint8_t least)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	return (bytes & 0x7f * ones) + (0x80u - least) * ones;
}

static bool has_capitals(const uint8_t *bytes, size_t size)
{
	const uint64_t highest = UINT64_C(0x8080808080808080);
	uint64_t found = 0, word = 0;

	for (; size >= sizeof(word); bytes += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		found |= at_least(word, 'A') & ~at_least(word, 'Z' + 1) & ~word;
	}
	for (; size > 0; bytes++, size--)
		found |= *bytes >= 'A' && *bytes <= 'Z' ? highest : 0;
	return (found & highest) != 0;
}

bool name_is_sound(const struct name *name)
{
	unsigned at = 0;

	while (at < name->length && name->wire[at] != 0) {
		if (name->wire[at] > LABEL_MAX)
			return false;
		at += 1u + name->wire[at];
	}
	/* No length is a letter's. */
	return at + 1 == name->length && !has_capitals(name->wire, name->length);
}

unsigned name_labels(const struct name *name)
{
	unsigned labels = 0;

	for (unsigned offset = 0; name->wire[offset] != 0; offset += 1u + name->wire[offset])
		labels++;
	return labels;
}

struct name name_parent(const struct name *name)
{
	struct name parent = {0};
	unsigned skip = name_label_offset(name, 1);

	parent.length = (uint8_t)(name->length - skip);
	memcpy(parent.wire, name->wire + skip, parent.length);
	return parent;
}

bool name_is_below(const struct name *name, const struct name *above)
{
	unsigned offset = 0;

	while (name->length - offset > above->length)
		offset += 1u + name->wire[offset];
	return name->length - offset == above->length &&
	       memcmp(name->wire + offset, above->wire, above->length) == 0;
}

unsigned name_label_offset(const struct name *name, unsigned index)
{
	unsigned offset = 0;

	for (; index > 0 && name->wire[offset] != 0; index--)
		offset += 1u + name->wire[offset];
	return offset;
}
