/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_EXPLAINING_H
#define EGRESS_TESTS_RULES_EXPLAINING_H

#include <stdbool.h>

#include "rules/explain.h"

struct arena;

/* Explanations, for tests. */

/* As far as an explanation needs it: the layers and their plan. */
struct compiled explaining_compile(struct arena *arena, const struct layers *layers);

/* What is said of the destination, which must be one, in the arena. */
const char *explaining_say(struct arena *arena, const struct compiled *compiled,
	const char *destination, const struct explain_as *as, bool json, bool *ret_permitted);

#endif
