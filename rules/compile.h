/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_COMPILE_H
#define EGRESS_RULES_COMPILE_H

#include "rules/match.h"
#include "rules/plan.h"

struct arena;
struct diag;

/* A policy file's way through the compiler: load, plan, match. Every program starts here. 0,
 * -EINVAL (diag says what is wrong) or another -errno. */
struct compiled {
	const struct plan *plan;
	const struct match *match;
};

int compile_file(
	struct arena *arena, const char *path, struct diag *diag, struct compiled *ret_compiled);

/* The same for text in memory, called `file` in diagnostics. */
int compile_text(struct arena *arena, const char *file, const char *text, size_t size,
	struct diag *diag, struct compiled *ret_compiled);

#endif
