/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PATTERN_H
#define EGRESS_RULES_PATTERN_H

#include <stdbool.h>

#include "src/base/diag.h"
#include "src/base/name.h"
#include "src/base/text.h"

struct arena;

/*
 * A host_pattern: a PCRE2 expression over a name's text without the trailing dot, anchored by its
 * author. Letter case does not count. Compiled once, with JIT where the machine has it, and run
 * with a match limit.
 */
struct pattern;

#define PATTERN_TEXT_MAX 1024 /* bytes of an expression */

enum pattern_result { PATTERN_NO, PATTERN_YES, PATTERN_LIMIT };

/* Compiles; what PCRE2 needs is freed when the arena is. 0, -ENOMEM, or -EINVAL with *ret_problem
 * (in the arena) and *ret_offset (bytes from the start of the text) of the mistake. */
int pattern_make(struct arena *arena, struct text text, struct place place,
	struct pattern **ret_pattern, const char **ret_problem, size_t *ret_offset);

const char *pattern_text(const struct pattern *pattern);
struct place pattern_place(const struct pattern *pattern);

/* Whether all alternatives of the expression start with ^ (or \A) and end with $ (or \z, \Z). */
bool pattern_is_anchored(const struct pattern *pattern);

/*
 * Whether the name matches. In the text that is matched a dot is always between two labels: bytes
 * other than letters, digits, '-' and '_' are three decimal digits behind a backslash.
 * PATTERN_LIMIT: it gave up at its match limit. No allocation. What it writes to belongs to the
 * pattern: processes that have it from before their fork(2) may all match with it, threads may not.
 */
enum pattern_result pattern_match(const struct pattern *pattern, const struct name *name);

#endif
