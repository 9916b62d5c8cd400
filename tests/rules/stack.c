/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

static const struct policy *load(struct arena *arena, const char *file, const char *text,
	bool is_override, struct diag *diag)
{
	const struct load_options options = {.is_override = is_override};
	const struct policy *policy = NULL;
	const char *whole = arena_printf(arena, "version = 1\n%s", text);

	assert_non_null(whole);
	if (policy_parse(arena, file, whole, strlen(whole), &options, diag, &policy) < 0) {
		diag_print(diag, stderr);
		fail_msg("%s does not load", file);
	}
	return policy;
}

struct compiled stack_compile(
	struct arena *arena, const char *base, const char *const *overrides, size_t n_overrides)
{
	const struct policy *policies[LAYERS_MAX];
	struct diag *diag = diag_new(arena);
	struct compiled compiled = {.categories = NULL};
	int error;

	policies[0] = load(arena, "base.toml", base, false, diag);
	for (size_t i = 0; i < n_overrides; i++)
		policies[i + 1] = load(
			arena, arena_printf(arena, "o%zu.toml", i + 1), overrides[i], true, diag);
	error = layers_make(arena, policies, n_overrides + 1, 1, diag, &compiled.layers);
	if (error == 0)
		error = plan_make(arena, compiled.layers, diag, &compiled.plan);
	if (error == 0)
		error = match_make(arena, compiled.plan, &compiled.match);
	if (error < 0) {
		diag_print(diag, stderr);
		fail_msg("it does not compile: %s", strerror(-error));
	}
	return compiled;
}
