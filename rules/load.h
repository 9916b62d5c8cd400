/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LOAD_H
#define EGRESS_RULES_LOAD_H

#include <stddef.h>

struct arena;
struct diag;
struct policy;

/*
 * Reads the policy file at `path` (at most 64 MiB) into `arena`. What is wrong with it goes to
 * `diag`, all of it. 0, -EINVAL (diag has errors, an unreadable file included) or -ENOMEM.
 */
int policy_load(
	struct arena *arena, const char *path, struct diag *diag, const struct policy **ret_policy);

/* The same from text in memory; `file` is what the diagnostics call it. The text must stay. */
int policy_parse(struct arena *arena, const char *file, const char *text, size_t size,
	struct diag *diag, const struct policy **ret_policy);

#endif
