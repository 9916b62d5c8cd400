/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/learn/import.h"
#include "tests/fuzz/fuzz.h"

/* A format's name up to the first line feed, then a file of that format: an error, or a policy, and
 * each thing that is said is a line. Lists are referred to by a path, where there is none here. */

#define ARENA_MAX ((size_t)256 << 20)

static void say(void *context, const char *message)
{
	(void)context;
	fuzz_require(*message != '\0', "something is said");
}

static bool refers(const char *format)
{
	return strcmp(format, "hosts") == 0 || strcmp(format, "list") == 0;
}

static void check(struct arena *arena, const char *format, struct text text)
{
	const struct import_options options = {
		.file = "fuzz", .path = "/nowhere/fuzz", .name = "fuzz", .say = say};
	struct draft draft;
	size_t size;
	char *out;

	if (import_read(arena, format, text, &options, &draft) < 0 ||
		draft_text(&draft, &out, &size) < 0)
		return;
	if (!refers(format))
		fuzz_require(draft_check("fuzz.toml", out, size, NULL, 0, stderr) != -EINVAL,
			"what was imported is a policy");
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct text format, text;
	char name[32], *copy;

	text_cut((struct text){(const char *)data, size}, '\n', &format, &text);
	if (format.length >= sizeof(name) || arena_new(ARENA_MAX, &arena) < 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s", TEXT_ARG(format));
	copy = malloc(text.length + 1);
	if (!copy)
		return 0;
	if (text.length > 0)
		memcpy(copy, text.start, text.length);
	copy[text.length] = '\0';
	check(arena, name, (struct text){copy, text.length});
	free(copy);
	return 0;
}
