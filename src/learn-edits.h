/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_EDITS_H
#define EGRESS_LEARN_EDITS_H

#include <stddef.h>
#include <stdio.h>

#include "src/base/text.h"

/* A text, and what is put into it; nothing is taken out. */

struct edit {
	size_t at;        /* in the text: a line's begin, or within a line, each line once */
	const char *text; /* with line feeds at its end if it begins a line */
};

#define EDITS_MAX 4096

struct edits {
	struct text whole;
	struct edit list[EDITS_MAX]; /* in order; of one place, as they came */
	size_t count;
};

/* Empty `text` is no edit. 0, or -E2BIG. */
int edits_add(struct edits *edits, size_t at, const char *text);

/* How the text changes, as diff -u has it, without lines around. 0 or -ENOMEM. */
int edits_show(const struct edits *edits, const char *file, FILE *out);

/* The text with them, malloc'ed. 0 or -ENOMEM. */
int edits_join(const struct edits *edits, char **ret_text, size_t *ret_size);

#endif
