/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_JSON_OUT_H
#define EGRESS_EVENT_JSON_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/* The values of lines of JSON, written behind what a writer has already. Whatever a text or a name
 * holds, what is written is UTF-8 without a control character. */

/* Bytes of a name as it is written, without its quotes, at most: a byte is "\\DDD". */
#define JSON_OUT_NAME (NAME_TEXT / 4 * 5 + 5)

/* As it is. */
void json_out_raw(struct writer *out, const char *text);

/* Readers mostly know numbers of 63 bits: larger ones are written as the largest of these. */
void json_out_number(struct writer *out, uint64_t number);

/* Microseconds, as seconds. */
void json_out_seconds(struct writer *out, uint64_t micros);

/* Six digits of it, of a count all; 0 for what is no number. */
void json_out_real(struct writer *out, double number);

/* Between quotes: as much of the text as takes no more than `most` bytes; microseconds since 1970;
 * an address; a name. */
void json_out_text(struct writer *out, const char *text, size_t most);
void json_out_time(struct writer *out, int64_t time);
void json_out_inaddr(struct writer *out, const struct inaddr *address);
void json_out_name(struct writer *out, const struct name *name);

struct json_word {
	unsigned number;
	const char *word;
};

/* Between quotes: the word for the number, or the number behind `prefix`. */
void json_out_word(struct writer *out, const struct json_word *words, size_t count, unsigned number,
	const char *prefix);

/* The same of the IP protocols that have a word. */
void json_out_protocol(struct writer *out, uint8_t protocol);

#endif
