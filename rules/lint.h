/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LINT_H
#define EGRESS_RULES_LINT_H

#include <stddef.h>

#include "rules/compile.h"

struct arena;
struct diag;

/* What is right by the language and may not be what was meant: warnings of the codes CODE_LINT_*
 * into the diag. The list of public DNS-over-HTTPS servers, doh.txt, is looked for where profiles
 * are. 0 or -ENOMEM. */
int lint(struct arena *arena, const struct compiled *compiled, const char *const *profile_dirs,
	size_t n_profile_dirs, struct diag *diag);

#endif
