/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/json-out.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "src/base/bytes.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * Names and texts may hold any bytes. Names are written in presentation form, which is ASCII
 * without control characters. Of other texts, what isn't well-formed UTF-8 becomes U+FFFD, and what
 * doesn't show as itself, or steers a terminal or the direction of text, a JSON escape.
 */

void json_out_raw(struct writer *out, const char *text)
{
	writer_bytes(out, text, strlen(text));
}

/* Readers mostly know numbers of 63 bits; no kernel has counted to more. */
void json_out_number(struct writer *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	if (number > INT64_MAX)
		number = INT64_MAX;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	writer_bytes(out, digits + at, sizeof(digits) - at);
}

/* Writes `width` digits, with zeros in front; returns where the next byte goes. */
static char *write_padded(char *at, uint64_t number, unsigned width)
{
	for (unsigned i = width; i > 0; i--, number /= 10)
		at[i - 1] = (char)('0' + number % 10);
	return at + width;
}

/* What stands for a character between quotes, in `out`; its length. */
static size_t escape(uint32_t character, char out[12])
{
	static const char hex[] = "0123456789abcdef";
	uint32_t units[2] = {character};
	unsigned n_units = 1;
	size_t length = 0;

	if (character == '"' || character == '\\') {
		out[0] = '\\';
		out[1] = (char)character;
		return 2;
	}
	if (character > 0xffff) {
		units[0] = 0xd800 + ((character - 0x10000) >> 10);
		units[1] = 0xdc00 + ((character - 0x10000) & 0x3ff);
		n_units = 2;
	}
	for (unsigned i = 0; i < n_units; i++) {
		out[length++] = '\\';
		out[length++] = 'u';
		for (int shift = 12; shift >= 0; shift -= 4)
			out[length++] = hex[units[i] >> shift & 0xf];
	}
	return length;
}

#define ONES UINT64_C(0x0101010101010101)

/* The highest bit of each byte that is less than `least`, up to 0x80; bytes above one may be told
 * wrong. */
static uint64_t bytes_below(uint64_t word, uint64_t least)
{
	return (word - least * ONES) & ~word & 0x80 * ONES;
}

/* Whether all of 8 characters need no care. */
static bool are_plain(const char *text)
{
	uint64_t word, care;

	memcpy(&word, text, sizeof(word));
	care = (word & 0x80 * ONES) | bytes_below(word, ' ') | bytes_below(word ^ '"' * ONES, 1) |
	       bytes_below(word ^ '\\' * ONES, 1) | bytes_below(word ^ 0x7f * ONES, 1);
	return care == 0;
}

/* How many bytes of the text are characters that need no care. */
static size_t count_plain(struct text text)
{
	size_t count = 0;

	while (text.length - count >= sizeof(uint64_t) && are_plain(text.start + count))
		count += sizeof(uint64_t);
	while (count < text.length && text.start[count] >= ' ' && text.start[count] < 0x7f &&
		text.start[count] != '"' && text.start[count] != '\\')
		count++;
	return count;
}

/* What is written for the beginning of the text, from `*ret_from`, or `escaped`, on; its length.
 * *ret_size is how much of the text that stands for. */
static size_t take_piece(
	struct text text, char escaped[12], const char **ret_from, size_t *ret_size)
{
	uint32_t character = 0xfffd;
	size_t size = count_plain(text);

	*ret_from = text.start;
	*ret_size = size;
	if (size > 0)
		return size;
	size = text_char(text, &character);
	*ret_size = size ? size : 1;
	if (size > 0 && character != '"' && character != '\\' && text_shows(character))
		return size;
	*ret_from = escaped;
	return escape(character, escaped);
}

/* As much of the text as takes no more than `most` bytes, between quotes. */
void json_out_text(struct writer *out, const char *text, size_t most)
{
	struct text rest = text_of(text);

	json_out_raw(out, "\"");
	while (rest.length > 0 && most > 0) {
		char escaped[12];
		const char *from;
		size_t size, length = take_piece(rest, escaped, &from, &size);

		if (length > most && from == escaped)
			break;
		if (length > most && (uint8_t)from[0] >= 0x80)
			break;
		if (length > most)
			length = size = most;
		writer_bytes(out, from, length);
		most -= length;
		rest.start += size;
		rest.length -= size;
	}
	json_out_raw(out, "\"");
}

/* "2026-11-21", of a day since 1970-01-01, by Howard Hinnant's civil_from_days; years of 5 digits
 * don't come up. */
static void write_date(char *at, uint64_t days)
{
	uint64_t shifted = days + 719468, era = shifted / 146097, of_era = shifted % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;

	month = month < 10 ? month + 3 : month - 9;
	at = write_padded(at, year + era * 400 + (month <= 2), 4);
	*at++ = '-';
	at = write_padded(at, month, 2);
	*at++ = '-';
	write_padded(at, day, 2);
}

void json_out_time(struct writer *out, int64_t time)
{
	uint64_t micros = time > 0 ? (uint64_t)time : 0, seconds = micros / 1000000;
	char text[] = "\"2026-11-21T13:05:02.123456Z\"";

	write_date(text + 1, seconds / 86400);
	write_padded(text + 12, seconds / 3600 % 24, 2);
	write_padded(text + 15, seconds / 60 % 60, 2);
	write_padded(text + 18, seconds % 60, 2);
	write_padded(text + 21, micros % 1000000, 6);
	writer_bytes(out, text, sizeof(text) - 1);
}

void json_out_seconds(struct writer *out, uint64_t micros)
{
	char fraction[] = ".000000";

	json_out_number(out, micros / 1000000);
	write_padded(fraction + 1, micros % 1000000, 6);
	json_out_raw(out, fraction);
}

void json_out_real(struct writer *out, double number)
{
	char text[32];
	char *comma;

	if (!isfinite(number))
		number = 0;
	/* Counts are told to the last one. */
	if (fabs(number) < 1e15 && number == floor(number))
		snprintf(text, sizeof(text), "%.0f", number);
	else
		snprintf(text, sizeof(text), "%.6g", number);
	/* The decimal point is the locale's. */
	comma = strchr(text, ',');
	if (comma)
		*comma = '.';
	json_out_raw(out, text);
}

/* The word for the number, or the number behind `prefix`. */
void json_out_word(struct writer *out, const struct json_word *words, size_t count, unsigned number,
	const char *prefix)
{
	json_out_raw(out, "\"");
	for (size_t i = 0; i < count; i++) {
		if (words[i].number != number)
			continue;
		json_out_raw(out, words[i].word);
		json_out_raw(out, "\"");
		return;
	}
	json_out_raw(out, prefix);
	json_out_number(out, number);
	json_out_raw(out, "\"");
}

static const struct json_word protocols[] = {
	{IPPROTO_ICMP, "icmp"},
	{IPPROTO_TCP, "tcp"},
	{IPPROTO_UDP, "udp"},
	{IPPROTO_ICMPV6, "icmpv6"},
};

void json_out_protocol(struct writer *out, uint8_t protocol)
{
	json_out_word(out, protocols, sizeof(protocols) / sizeof(protocols[0]), protocol, "");
}

void json_out_inaddr(struct writer *out, const struct inaddr *address)
{
	char text[INADDR_TEXT];

	json_out_text(out, inaddr_to_text(address, text), INADDR_TEXT);
}

/* Bytes that a name's text has as they are: letters, digits, '-' and '_'. */
static const uint8_t plain[256] = {
	['-'] = 1,
	['_'] = 1,
	['0'] = 1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	['a'] = 1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	['n'] = 1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
	1,
};

/* A name of nothing but these, between quotes: most are. 0: it isn't. */
static size_t write_plain_name(const struct name *name, char text[NAME_TEXT])
{
	uint8_t all = 1;

	if (name->length < 2)
		return 0;
	/* The text is the wire form with quotes and dots in place of lengths. */
	bytes_copy(text, name->wire, name->length);
	for (unsigned at = 0; at < name->length && name->wire[at] != 0;) {
		unsigned end = at + name->wire[at];

		text[at] = '.';
		while (at++ < end && at < name->length)
			all &= plain[name->wire[at]];
	}
	text[0] = text[name->length - 1] = '"';
	return all ? name->length : 0;
}

void json_out_name(struct writer *out, const struct name *name)
{
	char text[NAME_TEXT];
	size_t length = write_plain_name(name, text);

	if (length > 0) {
		writer_bytes(out, text, length);
		return;
	}
	json_out_text(out, name_to_text(name, text), JSON_OUT_NAME);
}
