/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/load.h"
#include "rules/policy.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

static const char *print(struct arena *arena, const struct diag *diag)
{
	char *text = NULL;
	const char *copy;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	diag_print(diag, out);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

int parse_policy_called(struct arena *arena, const char *file, const struct load_options *options,
	const char *text, size_t size, const struct policy **ret_policy, const char **ret_said)
{
	struct diag *diag = diag_new(arena);
	int error;

	assert_non_null(diag);
	error = policy_parse(arena, file, text, size, options, diag, ret_policy);
	assert_int_equal(error == -EINVAL, diag_failed(diag));
	*ret_said = print(arena, diag);
	return error;
}

int parse_policy(struct arena *arena, const struct load_options *options, const char *text,
	size_t size, const struct policy **ret_policy, const char **ret_said)
{
	return parse_policy_called(arena, "policy.toml", options, text, size, ret_policy, ret_said);
}

static const struct load_options base;

const struct policy *parse_good_as(
	struct arena *arena, const struct load_options *options, const char *text)
{
	const struct policy *policy;
	const char *said;
	int error = parse_policy(arena, options, text, strlen(text), &policy, &said);

	if (error < 0)
		fail_msg("%s\nsaid of:\n%s", said, text);
	assert_string_equal(said, "");
	return policy;
}

const struct policy *parse_good(struct arena *arena, const char *text)
{
	return parse_good_as(arena, &base, text);
}

const char *parse_bad_as(struct arena *arena, const struct load_options *options, const char *text)
{
	static const struct policy untouched;
	const struct policy *policy = &untouched;
	const char *said;
	int error = parse_policy(arena, options, text, strlen(text), &policy, &said);

	if (error != -EINVAL)
		fail_msg("%d for:\n%s", error, text);
	assert_ptr_equal(policy, &untouched);
	return said;
}

const char *parse_bad(struct arena *arena, const char *text)
{
	return parse_bad_as(arena, &base, text);
}

void parse_expect(const char *said, const char *place, const char *message)
{
	char line[512];

	snprintf(line, sizeof(line), "policy.toml:%s%serror: %s", place, *place ? ": " : " ",
		message);
	if (!strstr(said, line))
		fail_msg("\"%s\" is not in:\n%s", line, said);
}

void parse_expect_part(const char *said, const char *place, const char *part)
{
	char head[64];
	const char *line;

	snprintf(head, sizeof(head), "policy.toml:%s: error: ", place);
	line = strstr(said, head);
	for (; line; line = strstr(line + 1, head)) {
		const char *found = strstr(line, part);

		if (found && found < line + strcspn(line, "\n"))
			return;
	}
	fail_msg("\"%s\" is not at %s in:\n%s", part, place, said);
}
