/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_GLOB_H
#define EGRESS_LEARN_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/* Whether the name, which has no slash that counts, matches the pattern: '*' any run of bytes, '?'
 * one, "[a-z]", "[!a-z]" and "[[:alpha:]]" one of a set, '\' takes the next one as it is
 * (gitignore(5)). Its time is at most the product of the lengths. */
bool glob_matches(struct text pattern, struct text name);

/* The same of a path, where none of them takes a slash; "**" as a part is any number of parts, at
 * the end at least one. */
bool glob_matches_path(struct text pattern, struct text path);

/* How many bytes the pattern begins with that stand for themselves. */
size_t glob_literal(struct text pattern);

#endif
