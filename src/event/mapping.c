/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/mapping.h"

#include <stdint.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/event/json-out.h"
#include "src/event/sentence.h"

/*
 * Theory of operation
 *
 * A row says where a value belongs; the objects around it are opened and closed by what its path
 * has in common with that of the row before. Values are copied as they stand in the record's own
 * line, which is JSON already: so nothing is escaped twice, and what can't be in a line can't come
 * into one.
 *
 * A line has its bound. Those of our own make reach it only by a name of four labels of bytes that
 * all need escapes; then the rows that don't fit are left out, and what is there is whole.
 */

enum { DEPTH_MAX = 8 };

/* --- Paths --- */

struct place {
	struct writer *out;
	const char *path; /* of the row before; "": none */
};

/* Bytes of the segment that the path begins with. */
static size_t segment(const char *path)
{
	return strcspn(path, ".");
}

static bool is_array(const char *path)
{
	size_t length = segment(path);

	return length > 2 && path[length - 1] == ']';
}

static const char *behind_segment(const char *path)
{
	size_t length = segment(path);

	return path + length + (path[length] == '.');
}

/* How many objects around the value the two paths share. */
static unsigned shared_objects(const char *a, const char *b)
{
	unsigned count = 0;

	while (a[segment(a)] == '.' && b[segment(b)] == '.' && segment(a) == segment(b) &&
		memcmp(a, b, segment(a)) == 0) {
		a = behind_segment(a);
		b = behind_segment(b);
		count++;
	}
	return count;
}

static const char *skip_segments(const char *path, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		path = behind_segment(path);
	return path;
}

/* Closes the objects of the path from that one on. */
static void close_objects(struct writer *out, const char *path, unsigned from)
{
	const char *open[DEPTH_MAX];
	unsigned n_open = 0;

	path = skip_segments(path, from);
	for (; path[segment(path)] == '.' && n_open < DEPTH_MAX; path = behind_segment(path))
		open[n_open++] = path;
	while (n_open > 0)
		json_out_raw(out, is_array(open[--n_open]) ? "}]" : "}");
}

static void put_key(struct writer *out, const char *path)
{
	size_t length = segment(path) - (is_array(path) ? 2 : 0);

	json_out_raw(out, "\"");
	writer_bytes(out, path, length);
	json_out_raw(out, "\":");
}

/* Writes all that comes between the row before and this one's value. */
static void open_place(const struct place *place, const char *path)
{
	unsigned shared = shared_objects(place->path, path);
	struct writer *out = place->out;

	close_objects(out, place->path, shared);
	json_out_raw(out, place->path[0] == '\0' ? "{" : ",");
	path = skip_segments(path, shared);
	for (; path[segment(path)] == '.'; path = behind_segment(path)) {
		put_key(out, path);
		json_out_raw(out, is_array(path) ? "[{" : "{");
	}
	put_key(out, path);
}

/* --- Values --- */

static const char *find_word(const struct mapping_word *words, struct text value)
{
	if (!words)
		return NULL;
	while (words->is && !text_is(value, words->is))
		words++;
	return words->json;
}

static bool put_value(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	struct text value = {NULL, 0};
	const char *word;

	if (row->from < MEMBERS)
		value = members->values[row->from];
	if (value.length == 0 && (row->from < MEMBERS || !row->form)) {
		if (row->json)
			json_out_raw(out, row->json);
		return row->json;
	}
	if (row->form)
		return row->form(out, row, members);
	word = find_word(row->words, value);
	if (word)
		json_out_raw(out, word);
	else
		writer_bytes(out, value.start, value.length);
	return true;
}

size_t mapping_write(const struct mapping_row *rows, size_t count, const struct members *members,
	char out[EVENT_LINE])
{
	/* Room for what closes the deepest path. */
	struct writer writer = writer_over(out, EVENT_LINE - 2 * DEPTH_MAX - 2);
	struct place place = {&writer, ""};

	for (size_t i = 0; i < count; i++) {
		struct writer before = writer;

		if (!(rows[i].kinds & MAPPING_OF(members->kind)))
			continue;
		open_place(&place, rows[i].path);
		if (put_value(&writer, &rows[i], members) && !writer.failed)
			place.path = rows[i].path;
		else
			writer = before;
	}
	writer.size = EVENT_LINE;
	close_objects(&writer, place.path, 0);
	json_out_raw(&writer, "}\n");
	return writer.pos;
}

/* --- Forms --- */

bool mapping_text(struct writer *out, const struct mapping_row *row, const struct members *members)
{
	struct text value = members->values[row->from];

	if (member_is_string(value)) {
		writer_bytes(out, value.start, value.length);
		return true;
	}
	/* What is nested would need escapes. */
	if (memchr(value.start, '"', value.length))
		return false;
	json_out_raw(out, "\"");
	writer_bytes(out, value.start, value.length);
	json_out_raw(out, "\"");
	return true;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Seconds as a whole number of parts, of which 10 to the power of `decimals` are one. */
static bool put_parts(struct writer *out, struct text value, unsigned decimals)
{
	uint64_t number = 0;
	unsigned n_whole = 0, n_parts = 0;
	size_t at = 0;

	for (; at < value.length && is_digit(value.start[at]) && n_whole < 9; at++, n_whole++)
		number = number * 10 + (uint64_t)(value.start[at] - '0');
	if (n_whole == 0 || (at < value.length && value.start[at] != '.'))
		return false;
	for (at++; n_parts < decimals; at++, n_parts++)
		number = number * 10 + (at < value.length && is_digit(value.start[at])
						       ? (uint64_t)(value.start[at] - '0')
						       : 0);
	json_out_number(out, number);
	return true;
}

bool mapping_millis(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	return put_parts(out, members->values[row->from], 3);
}

bool mapping_nanos(struct writer *out, const struct mapping_row *row, const struct members *members)
{
	return put_parts(out, members->values[row->from], 9);
}

/* The number of `width` digits there; false: there are none. */
static bool read_digits(struct text value, size_t at, unsigned width, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < width; i++) {
		if (at + i >= value.length || !is_digit(value.start[at + i]))
			return false;
		number = number * 10 + (uint64_t)(value.start[at + i] - '0');
	}
	*ret_number = number;
	return true;
}

/* "2026-11-21T13:05:02.123456Z" between quotes. */
bool mapping_epoch(struct writer *out, const struct mapping_row *row, const struct members *members)
{
	static const struct {
		size_t at;
		unsigned width;
	} parts[] = {{1, 4}, {6, 2}, {9, 2}, {12, 2}, {15, 2}, {18, 2}, {21, 3}};
	struct text value = members->values[row->from];
	uint64_t numbers[7], seconds;

	for (size_t i = 0; i < 7; i++)
		if (!read_digits(value, parts[i].at, parts[i].width, &numbers[i]))
			return false;
	if (numbers[0] < 1970 || numbers[1] < 1 || numbers[1] > 12 || numbers[2] < 1)
		return false;
	seconds = clock_days((unsigned)numbers[0], (unsigned)numbers[1], (unsigned)numbers[2]) *
			  86400 +
		  numbers[3] * 3600 + numbers[4] * 60 + numbers[5];
	json_out_number(out, seconds * 1000 + numbers[6]);
	return true;
}

bool mapping_finding(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	static const enum member parts[] = {MEMBER_SESSION, MEMBER_RULE};

	json_out_raw(out, "\"");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct text part = members->values[parts[i]];

		if (!member_is_string(part))
			continue;
		writer_bytes(out, part.start + 1, part.length - 2);
		json_out_raw(out, "/");
	}
	writer_bytes(
		out, members->values[row->from].start + 1, members->values[row->from].length - 1);
	return true;
}

bool mapping_version(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	struct text value = members->values[row->from];

	json_out_raw(out, row->words[memchr(value.start, ':', value.length) ? 1 : 0].json);
	return true;
}

bool mapping_sentence(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	char text[SENTENCE + 1];

	(void)row;
	text[sentence_write(members, text)] = '\0';
	json_out_text(out, text, 2 * SENTENCE);
	return true;
}

bool mapping_severity(
	struct writer *out, const struct mapping_row *row, const struct members *members)
{
	const char digit[] = {(char)('0' + members_severity(members))};

	json_out_raw(out, find_word(row->words, (struct text){digit, sizeof(digit)}));
	return true;
}
