/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_TOML_H
#define EGRESS_RULES_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"

/* A TOML 1.0 document as plain nodes. */

struct arena;
struct diag;

enum toml_kind {
	TOML_STRING,
	TOML_INTEGER,
	TOML_REAL,
	TOML_BOOLEAN,
	TOML_DATE,
	TOML_TIME,
	TOML_DATE_TIME,
	TOML_ARRAY,
	TOML_TABLE,
	TOML_KINDS,
};

/* Where something stands: lines and columns count from 1, columns and widths are characters. What
 * goes over several lines has the width 1. */
struct toml_span {
	unsigned line;
	unsigned column;
	unsigned width;
};

struct toml_node {
	enum toml_kind kind;
	struct toml_span at;     /* the value; of a [table] its header */
	struct toml_span key_at; /* the last part of its key; line 0 for an array's element */
	struct text key;         /* empty for an array's element and the root */
	union {
		struct text string; /* NUL-terminated, and may hold NUL */
		int64_t integer;
		double real;
		bool boolean;
		int64_t seconds; /* since 1970 in UTC: a date's first, a date-time's own without its
				    fraction; one without an offset is taken for UTC */
	} value;                 /* of kinds up to TOML_DATE, and TOML_DATE_TIME */
	const struct toml_node *children; /* of an array or a table, in the order of the file */
	size_t n_children;
};

/* Parses a document; `file` is its name in diagnostics. The nodes lie in `arena` and refer to
 * nothing outside. 0, -EINVAL (diag has the first thing that isn't TOML, is given twice, or exceeds
 * the limits of rules/lex.h) or -ENOMEM. */
int toml_parse(struct arena *arena, const char *file, struct text text, struct diag *diag,
	const struct toml_node **ret_root);

/* "a string", "an integer", ... */
const char *toml_kind_name(enum toml_kind kind);

#endif
