/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_DRAFT_H
#define EGRESS_LEARN_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "rules/entry-lines.h"

struct arena;

/* A policy that was put together, and is to be looked through: what is in it, in the order it is
 * written. */

struct draft_profile {
	const char *name;
	const char *notes;
	const char *against; /* as of an entry */
};

struct draft {
	struct arena *arena;
	const char *head; /* comments at the top, a line each */
	const char *name;
	const char *top; /* further lines of the top, each with its line feed; NULL: none */
	struct draft_profile *profiles;
	size_t n_profiles;
	struct entry_lines *entries; /* those that are commented out come last */
	size_t n_entries;
	const char *tail; /* lines of further tables; NULL: none */
	const char *end;  /* comments at the end; NULL: none */
};

/* Room in an arena for so many entries and profiles. 0 or -ENOMEM. */
int draft_new(struct arena *arena, size_t n_profiles, size_t n_entries, struct draft *ret_draft);

/* A name for a policy of what is called so: [a-z0-9-], at most 31, "project" if nothing is left. */
#define DRAFT_NAME 32
const char *draft_name(const char *text, char out[DRAFT_NAME]);

/* The policy as malloc'ed text. 0 or -ENOMEM. */
int draft_text(const struct draft *draft, char **ret_text, size_t *ret_size);

/* Whether the text is a policy that compiles; what is wrong goes to `out`. 0, -EINVAL or -ENOMEM.
 */
int draft_check(const char *file, const char *text, size_t size, const char *const *profile_dirs,
	size_t n_profile_dirs, FILE *out);

/* The tables of a draft that say nothing of its destinations, with what is safe for so many of
 * them. NULL: no memory. */
const char *draft_safe_tail(struct arena *arena, const char *name, size_t destinations);

#endif
