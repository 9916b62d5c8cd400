/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/learn/evidence.h"
#include "src/learn/language.h"
#include "src/learn/manifest.h"
#include "src/learn/scan-draft.h"
#include "src/learn/source.h"
#include "tests/fuzz/fuzz.h"

/* Files of a project: a path up to the first line feed, and what is in the file up to a line of
 * "--- " and another path. Whatever they have, what comes of it is a policy. */

#define ARENA_MAX ((size_t)512 << 20)

enum { FILES_MAX = 8 };

static void scan_file(const struct manifest_context *context, struct text path, struct text text)
{
	const struct manifest *manifest = manifest_find(path);
	const char *slash = memrchr(path.start, '/', path.length);
	size_t cut = slash ? (size_t)(slash + 1 - path.start) : 0;
	const struct language *language =
		language_of_name((struct text){path.start + cut, path.length - cut});
	char *copy;

	/* As a file's text is: behind it there is a NUL. */
	copy = strndup(text.start, text.length);
	if (!copy)
		return;
	text = text_of(copy);
	evidence_file(context->evidence, path, EVIDENCE_OWN);
	if (manifest)
		manifest_read(manifest, context, text);
	if (!language)
		language = language_of_text(text);
	if (language)
		source_scan(context->evidence, NULL, text, language, language->kind, 1);
	free(copy);
}

static void check_draft(struct arena *arena, const struct evidence *evidence)
{
	const struct scan_draft_options options = {.title = "fuzz", .name = "fuzz"};
	struct draft draft;
	size_t size;
	char *text;

	if (scan_draft(arena, evidence, &options, &draft) < 0 ||
		draft_text(&draft, &text, &size) < 0)
		return;
	fuzz_require(draft_check("fuzz.toml", text, size, NULL, 0, stderr) != -EINVAL,
		"a draft is a policy");
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct text rest = {(const char *)data, size}, path;
	struct manifest_context context = {NULL, NULL};

	if (arena_new(ARENA_MAX, &arena) < 0 || evidence_new(arena, &context.evidence) < 0)
		return 0;
	for (size_t i = 0; i < FILES_MAX && rest.length > 0; i++) {
		struct text text;
		const char *next;

		text_cut(rest, '\n', &path, &text);
		next = text.length > 0 ? memmem(text.start, text.length, "\n--- ", 5) : NULL;
		rest = (struct text){NULL, 0};
		if (next) {
			size_t length = (size_t)(next - text.start);

			rest = (struct text){next + 5, text.length - length - 5};
			text.length = length;
		}
		if (path.length > 0 && path.length < 4096)
			scan_file(&context, path, text);
	}
	check_draft(arena, context.evidence);
	return 0;
}
