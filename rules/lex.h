/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LEX_H
#define EGRESS_RULES_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/*
 * A walk over TOML text that knows strings, comments and brackets only: what has to be known of a
 * file before a parser may see it, and where in it a key starts.
 */

#define LEX_SIZE_MAX (64u << 20)   /* bytes of a file */
#define LEX_DEPTH_MAX 32u          /* brackets in brackets, and parts of one dotted key */
#define LEX_VALUES_MAX (1u << 21)  /* values of a file */
#define LEX_HEADERS_MAX (1u << 16) /* [table] and [[table]] lines */
#define LEX_DOTS_MAX (1u << 14)    /* dots of dotted keys, and of floats in arrays */

/* Why a file is not given to the parser. */
struct lex_fault {
	size_t offset;
	const char *problem;
};

/* Whether the text is well-formed UTF-8 without NUL. If not, *ret_fault is the first bad byte. */
bool lex_is_text(struct text text, struct lex_fault *ret_fault);

/* Whether the text keeps all limits above but LEX_SIZE_MAX. If not, *ret_fault is where it first
 * exceeds one: what is before keeps them. */
bool lex_is_bounded(struct text text, struct lex_fault *ret_fault);

/* Where the key (or the array's element) starts that the value at `offset` belongs to. */
size_t lex_item(struct text text, size_t offset);

/* Line and column, both from 1, columns in characters; and back: the text's end if it has no such
 * place. The text is UTF-8. */
void lex_place(struct text text, size_t offset, unsigned *ret_line, unsigned *ret_column);
size_t lex_offset(struct text text, unsigned line, unsigned column);

/* Characters in the text. */
unsigned lex_width(struct text text);

#endif
