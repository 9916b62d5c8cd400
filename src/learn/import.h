/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_IMPORT_H
#define EGRESS_LEARN_IMPORT_H

#include <stddef.h>

#include "src/base/text.h"
#include "src/learn/draft.h"

/* Policies of other tools. */

struct arena;

struct import_options {
	const char *file; /* its name, for people */
	const char *path; /* absolute, for a policy that refers to it */
	const char *name; /* of the policy */
	/* Told what means something else here, or nothing: a line each, which has the file's words.
	 */
	void (*say)(void *context, const char *message);
	void *context;
};

#define IMPORT_ENTRIES_MAX 16384

/* The names of the formats, in order; NULL behind the last. */
const char *import_format(size_t index);

/* Makes a draft of a file. 0, -ENOENT (no such format), -EBADMSG (it is not of its format), -E2BIG
 * (more than IMPORT_ENTRIES_MAX entries), or -ENOMEM. */
int import_read(struct arena *arena, const char *format, struct text text,
	const struct import_options *options, struct draft *ret_draft);

#endif
