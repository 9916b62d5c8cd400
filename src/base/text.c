/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/text.h"

#include <errno.h>
#include <string.h>

struct text text_of(const char *string)
{
	return (struct text){.start = string, .length = strlen(string)};
}

bool text_is(struct text text, const char *string)
{
	return text.length == strlen(string) && text_starts(text, string);
}

bool text_starts(struct text text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (text.length < length)
		return false;
	return length == 0 || memcmp(text.start, prefix, length) == 0;
}

bool text_is_any(struct text text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text_is(text, list[i]))
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text text)
{
	while (text.length > 0 && is_blank(text.start[0])) {
		text.start++;
		text.length--;
	}
	while (text.length > 0 && is_blank(text.start[text.length - 1]))
		text.length--;
	return text;
}

bool text_cut(struct text text, char separator, struct text *ret_head, struct text *ret_tail)
{
	const char *at = text.length > 0 ? memchr(text.start, separator, text.length) : NULL;

	*ret_head = text;
	*ret_tail = (struct text){.start = ""};
	if (!at)
		return false;

	ret_head->length = (size_t)(at - text.start);
	ret_tail->start = at + 1;
	ret_tail->length = text.length - ret_head->length - 1;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int text_to_number(struct text text, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;
	bool over = false;

	if (text.length == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.length; i++) {
		if (!is_digit(text.start[i]))
			return -EINVAL;
		over = over || __builtin_mul_overflow(number, 10, &number) ||
		       __builtin_add_overflow(number, (uint64_t)(text.start[i] - '0'), &number);
	}
	if (over || number > max)
		return -ERANGE;

	*ret_number = number;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60 * 1000},
	{"h", 60 * 60 * 1000},
	{"d", 24 * 60 * 60 * 1000},
};

int text_to_duration(struct text text, struct duration *ret_duration)
{
	struct text digits = text, unit;
	uint64_t number;
	int error;

	digits.length = 0;
	while (digits.length < text.length && is_digit(text.start[digits.length]))
		digits.length++;
	if (digits.length == 0)
		return -EINVAL;
	unit.start = text.start + digits.length;
	unit.length = text.length - digits.length;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!text_is(unit, units[i].name))
			continue;
		error = text_to_number(digits, INT64_MAX / units[i].ms, &number);
		if (error < 0)
			return error;
		ret_duration->ms = (int64_t)(number * units[i].ms);
		return 0;
	}
	return -EINVAL;
}

/* The lead bytes of RFC 3629 section 4, and what the byte after each may be: that is where overlong
 * forms, surrogates and numbers past U+10FFFF are told. All later bytes are 80 to BF. */
static const struct {
	uint8_t first, last;
	uint8_t size;
	uint8_t second_from, second_to;
} leads[] = {
	{0xc2, 0xdf, 2, 0x80, 0xbf},
	{0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf},
	{0xed, 0xed, 3, 0x80, 0x9f},
	{0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf},
	{0xf1, 0xf3, 4, 0x80, 0xbf},
	{0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* A sequence that starts with the lead byte of row `row`; its bytes, or 0. */
static size_t take_sequence(struct text text, size_t row, uint32_t *ret_character)
{
	const uint8_t *bytes = (const uint8_t *)text.start;
	size_t size = leads[row].size;
	uint32_t character = bytes[0] & (0x7fu >> size);

	if (text.length < size)
		return 0;
	if (bytes[1] < leads[row].second_from || bytes[1] > leads[row].second_to)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (bytes[i] & 0x3fu);
	}
	*ret_character = character;
	return size;
}

size_t text_char(struct text text, uint32_t *ret_character)
{
	uint8_t lead;

	if (text.length == 0)
		return 0;

	lead = (uint8_t)text.start[0];
	if (lead < 0x80) {
		*ret_character = lead;
		return 1;
	}
	for (size_t row = 0; row < sizeof(leads) / sizeof(leads[0]); row++) {
		if (lead >= leads[row].first && lead <= leads[row].last)
			return take_sequence(text, row, ret_character);
	}
	return 0;
}

/* Control characters, and the marks and overrides that make text look like another (Unicode's
 * general categories Cc, Zl, Zp, and those of Cf that reorder or vanish). */
static const struct {
	uint32_t first, last;
} unshown[] = {
	{0x00, 0x1f},
	{0x7f, 0x9f},
	{0xad, 0xad},
	{0x61c, 0x61c},
	{0x180e, 0x180e},
	{0x200b, 0x200f},
	{0x2028, 0x202e},
	{0x2060, 0x206f},
	{0xfeff, 0xfeff},
	{0xfff9, 0xfffb},
	{0xe0000, 0xe007f},
};

bool text_shows(uint32_t character)
{
	for (size_t i = 0; i < sizeof(unshown) / sizeof(unshown[0]); i++) {
		if (character >= unshown[i].first && character <= unshown[i].last)
			return false;
	}
	return true;
}

bool text_is_utf8(struct text text, size_t *ret_offset)
{
	struct text rest = text;

	while (rest.length > 0) {
		uint32_t character;
		size_t size = text_char(rest, &character);

		if (size == 0) {
			*ret_offset = text.length - rest.length;
			return false;
		}
		rest.start += size;
		rest.length -= size;
	}
	return true;
}

char *text_clean(char *text)
{
	struct text rest = text_of(text);
	char *out = text;

	while (rest.length > 0) {
		uint32_t character;
		size_t size = text_char(rest, &character);
		bool shows = size > 0 && text_shows(character);

		if (shows)
			memmove(out, rest.start, size);
		else
			*out = '?';
		out += shows ? size : 1;
		rest.start += size > 0 ? size : 1;
		rest.length -= size > 0 ? size : 1;
	}
	*out = '\0';
	return text;
}
