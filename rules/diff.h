/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_DIFF_H
#define EGRESS_RULES_DIFF_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/compile.h"

/*
 * What may be reached under `after` and not under `before`, and the other way round, as text or as
 * JSON: by entry, with an example of each. What cannot be compared exactly (patterns that differ)
 * counts as gained. 0 with whether anything was gained, -E2BIG when there are too many wildcards
 * that cross each other to compare, or -ENOMEM.
 */
int diff(const struct compiled *before, const struct compiled *after, bool json, FILE *out,
	bool *ret_gained);

/* What the overrides take away from the base, by entry of the base and by what took it, and which
 * parts of the overrides have no effect. 0, -E2BIG as above, or -ENOMEM. */
int diff_overrides(const struct compiled *compiled, bool json, FILE *out);

#endif
