/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_TEXT_H
#define EGRESS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"

/* A piece of text owned by somebody else, not NUL-terminated. For printf: "%.*s", TEXT_ARG(t). */
struct text {
	const char *start;
	size_t length;
};

#define TEXT_ARG(t) (int)(t).length, (t).start

struct text text_of(const char *string);

/* What is left behind its first `length` bytes, which it has. */
static inline struct text text_behind(struct text text, size_t length)
{
	return (struct text){text.start + length, text.length - length};
}

bool text_is(struct text text, const char *string);
bool text_starts(struct text text, const char *prefix);

/* Whether it is one of an array of strings. */
#define TEXT_IS_ANY(text, list) text_is_any(text, list, sizeof(list) / sizeof((list)[0]))
bool text_is_any(struct text text, const char *const *list, size_t count);

/* Without the blanks (space, tab, CR, LF) at both ends. */
struct text text_trim(struct text text);

/* Cuts at the first `separator`: true and both parts, or false with *ret_head the whole text and
 * *ret_tail empty. */
bool text_cut(struct text text, char separator, struct text *ret_head, struct text *ret_tail);

/* A decimal number of digits only, at most `max`. 0, -EINVAL (no number) or -ERANGE. */
int text_to_number(struct text text, uint64_t max, uint64_t *ret_number);

/* A duration: a number and one of ms, s, m, h, d ("60s"). 0, -EINVAL or -ERANGE. */
int text_to_duration(struct text text, struct duration *ret_duration);

/* The letter in lower case if it is one of A-Z, else as it is; no locale. */
static inline char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Bytes of the UTF-8 character that `text` begins with, and which one it is; 0 if the text is empty
 * or begins with none that is well-formed. */
size_t text_char(struct text text, uint32_t *ret_character);

/* Whether a character may be shown on a terminal as it is: not a control character, nor one that
 * changes the direction of text or hides. */
bool text_shows(uint32_t character);

/* Puts '?' in the place of each character that must not go to a terminal, and of each byte that
 * isn't UTF-8. Returns `text`. */
char *text_clean(char *text);

/* True if the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). If not,
 * *ret_offset is where the first bad sequence starts. */
bool text_is_utf8(struct text text, size_t *ret_offset);

#endif
