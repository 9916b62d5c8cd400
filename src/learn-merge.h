/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_MERGE_H
#define EGRESS_LEARN_MERGE_H

#include <stddef.h>
#include <stdio.h>

struct draft;

/* A policy that is there, with what of a draft it lacks. */
struct merge {
	const char *file; /* its name */
	const char *text;
	size_t size;
	const char *const *profile_dirs;
	size_t n_profile_dirs;
};

/* Adds to the policy's text the profiles that it does not name, and entries for destinations and
 * ports of the draft that it does not permit; everything that is there stays as it is. What is
 * added is shown in `diff`, as diff -u has it. *ret_text is malloc'ed, or NULL if nothing is to be
 * added. 0, -EINVAL (the policy is wrong, which has been said on `diff`'s side of things: see
 * `said`), or -ENOMEM. */
int merge_make(const struct merge *merge, const struct draft *draft, FILE *diff, FILE *said,
	char **ret_text, size_t *ret_size);

#endif
