/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_STACK_H
#define EGRESS_TESTS_RULES_STACK_H

#include "rules/compile.h"

struct arena;

/* A policy with overrides from texts, at the time 1; each lacks its "version = 1", which is put
 * before it as a line. The base is the file "base.toml", overrides "o1.toml" and so on.
 * What is wrong with them ends the test. */
struct compiled stack_compile(
	struct arena *arena, const char *base, const char *const *overrides, size_t n_overrides);

#endif
