/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/rules/layered.h"
#include "tests/rules/sketch.h"

const char *ruleset_of(
	struct arena *arena, const struct plan *plan, const struct nft_options *options)
{
	const char *copy;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(nft_write(plan, options, out), 0);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

const char *ruleset_one(struct arena *arena, const char *base)
{
	return ruleset_of(arena, sketch_plan_of(arena, layered_base(arena, base)), NULL);
}

const char *ruleset_two(struct arena *arena, const char *base, const char *override)
{
	return ruleset_of(arena, sketch_plan_of(arena, layered_two(arena, base, override)), NULL);
}

const char *ruleset_sketch(struct arena *arena, const struct policy *policy)
{
	return ruleset_of(arena, sketch_plan(arena, policy), NULL);
}

void ruleset_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s is not there:\n%s", part, text);
}

void ruleset_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("there: %s", part);
}

void ruleset_body(const char *text, const char *head, const char *body)
{
	char start[128];
	const char *at;

	snprintf(start, sizeof(start), "\n\t%s {\n", head);
	at = strstr(text, start);
	if (!at)
		fail_msg("%s is not there:\n%s", head, text);
	for (at += strlen(start); *body; body++) {
		if (*body == '%' && strspn(at, "0123456789abcdef") >= 8)
			at += 8;
		else if (*at++ != *body)
			fail_msg("%s has not: %s\nbut: %s", head, body, at - 1);
	}
	if (strncmp(at, "\t}\n", 3) != 0)
		fail_msg("%s goes on: %s", head, at);
}
