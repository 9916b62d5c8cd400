/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_NAME_H
#define EGRESS_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/text.h"

#define NAME_WIRE_MAX 255 /* RFC 1035 section 2.3.4 */
#define NAME_TEXT 1024    /* room for any name as text, with its NUL */

/* A domain name in wire form, uncompressed, in lower case, the root's empty label included. Equal
 * names are equal bytes. */
struct name {
	uint8_t length; /* bytes used, 1 (the root) to 255 */
	uint8_t wire[NAME_WIRE_MAX];
};

/* Reads a name at the reader's position and moves behind it. Compression pointers (RFC 1035 section
 * 4.1.4) are followed only backwards and at most 127 times. On a bad name the reader fails and
 * *ret_name stays as it was. */
void name_read(struct reader *reader, struct name *ret_name);

/* The name's bytes, uncompressed. */
void name_write(struct writer *writer, const struct name *name);

/* A host name as people write it, with or without the trailing dot: labels of letters, digits, '-'
 * and '_', 1 to 63 of them, '-' at neither end. 0, -EINVAL, or -ENAMETOOLONG (a label of more, or
 * more than 255 bytes in wire form). */
int name_from_text(struct text text, struct name *ret_name);

/* Presentation form (RFC 1035 section 5.1, odd bytes as \DDD) without the trailing dot, "." for the
 * root, into `out` (NAME_TEXT bytes); returns `out`. */
const char *name_to_text(const struct name *name, char *out);

bool name_equal(const struct name *a, const struct name *b);

/* Whether the bytes, which may be anybody's, are a name in the form that names have here: reading
 * them yields them again. */
bool name_is_sound(const struct name *name);

/* Labels, without the root's. */
unsigned name_labels(const struct name *name);

/* The name without its first label; the root's parent is the root. */
struct name name_parent(const struct name *name);

/* Whether `name` is `above` or lies below it. */
bool name_is_below(const struct name *name, const struct name *above);

/* Offset in `wire` of the label `index` (0 is the first; name_labels() is the root's). */
unsigned name_label_offset(const struct name *name, unsigned index);

#endif
