/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/explaining.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "src/base/arena.h"
#include "src/base/diag.h"

struct compiled explaining_compile(struct arena *arena, const struct layers *layers)
{
	struct diag *diag = diag_new(arena);
	struct compiled compiled = {.layers = layers};

	assert_non_null(diag);
	if (plan_make(arena, layers, diag, &compiled.plan) < 0)
		fail_msg("no plan");
	return compiled;
}

const char *explaining_say(struct arena *arena, const struct compiled *compiled,
	const char *destination, const struct explain_as *as, bool json, bool *ret_permitted)
{
	const char *copy;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (explain(compiled, destination, as, json, out, ret_permitted) != 0)
		fail_msg("not taken: %s", destination);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}
