/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LOAD_H
#define EGRESS_RULES_LOAD_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct diag;
struct policy;

struct load_options {
	bool is_override; /* some keys belong to the base only, and some defaults differ */
	const char *const *profile_dirs; /* looked in before the installed profiles */
	size_t n_profile_dirs;
};

/*
 * Reads the policy file at `path` (at most 64 MiB), its lists and the profiles it names into
 * `arena`. What is wrong with it goes to `diag`, all of it. 0, -EINVAL (diag has errors, an
 * unreadable file included) or -ENOMEM.
 */
int policy_load(struct arena *arena, const char *path, const struct load_options *options,
	struct diag *diag, const struct policy **ret_policy);

/* The same from text in memory; `file` is what the diagnostics call it, and beside what its lists
 * are looked for. The text must stay. */
int policy_parse(struct arena *arena, const char *file, const char *text, size_t size,
	const struct load_options *options, struct diag *diag, const struct policy **ret_policy);

#endif
