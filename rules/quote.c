/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/quote.h"

#include <stdio.h>

enum { SHOWN_MAX = 80 };

/* How many of the first `size` bytes are whole characters, in a longer text. */
static size_t whole_chars(struct text text, size_t size)
{
	/* Second and later bytes of a character are 10xxxxxx. */
	while (size > 0 && ((uint8_t)text.start[size] & 0xc0) == 0x80)
		size--;
	return size;
}

const char *quote(struct text text, char *out)
{
	bool cut = text.length > SHOWN_MAX;
	size_t length = cut ? whole_chars(text, SHOWN_MAX) : text.length;
	size_t at = 0;

	out[at++] = '\'';
	for (size_t i = 0; i < length; i++)
		out[at++] = text.start[i] != '\0' ? text.start[i] : '?';
	snprintf(out + at, QUOTE_TEXT - at, "%s'", cut ? "..." : "");
	return out;
}
