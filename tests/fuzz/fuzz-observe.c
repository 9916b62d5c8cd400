/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/compile.h"
#include "src/audit/digest.h"
#include "src/audit/lines.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/learn-drift.h"
#include "src/learn-merge.h"
#include "src/learn-observe.h"
#include "src/learn/draft.h"
#include "tests/fuzz/fuzz.h"

/* A policy, a line of "---", and an event log: what was observed is a policy; it goes into the one
 * that is there, which is one then, too, and a second time adds nothing; and where they drift apart
 * is told as JSON and SARIF that parse. */

#define ARENA_MAX ((size_t)512 << 20)

static void take_line(void *context, const char *line, size_t size)
{
	digest_take_line(context, line, size);
}

static struct digest *read_log(struct text log)
{
	static struct lines lines;
	struct digest *digest;

	if (digest_new(&digest) < 0)
		return NULL;
	memset(&lines, 0, sizeof(lines));
	lines_take(&lines, log.start, log.length, take_line, digest);
	lines_finish(&lines, take_line, digest);
	fuzz_require(digest_finish(digest) == 0, "memory for what was read");
	return digest;
}

static void check_draft(const struct draft *draft)
{
	size_t size;
	char *text;

	if (draft_text(draft, &text, &size) < 0)
		return;
	fuzz_require(draft_check("draft.toml", text, size, NULL, 0, stderr) != -EINVAL,
		"what was observed is a policy");
	free(text);
}

/* Whether something was added: then *ret_text is the policy with it, to be freed. */
static bool add(
	struct text policy, const struct draft *draft, FILE *out, char **ret_text, size_t *ret_size)
{
	const struct merge merge = {.file = "p.toml", .text = policy.start, .size = policy.length};

	*ret_text = NULL;
	return merge_make(&merge, draft, out, out, ret_text, ret_size) == 0 && *ret_text;
}

static void check_merge(struct text policy, const struct draft *draft, FILE *out)
{
	size_t once_size = 0, twice_size = 0;
	char *once, *twice;

	if (!add(policy, draft, out, &once, &once_size))
		return;
	fuzz_require(draft_check("p.toml", once, once_size, NULL, 0, stderr) != -EINVAL,
		"with what was added it is a policy");
	if (add((struct text){once, once_size}, draft, out, &twice, &twice_size)) {
		fprintf(stderr, "--- once:\n%s\n--- twice:\n%s\n", once, twice);
		fuzz_require(false, "a second time adds nothing");
	}
	free(once);
}

static void check_form(
	const struct drifts *drifts, int (*write)(const struct drifts *drifts, FILE *out))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *root;

	if (!out || write(drifts, out) < 0)
		abort();
	fclose(out);
	root = json_loadb(text, size, 0, NULL);
	fuzz_require(root != NULL, "it is JSON");
	json_decref(root);
	free(text);
}

static void check_drift(
	struct arena *arena, struct text policy, const struct digest *digest, FILE *out)
{
	const struct compile_options options = {
		.policy = "p.toml", .text = policy.start, .size = policy.length};
	struct drifts drifts = {.policy = "p.toml"};
	struct diag *diag = diag_new(arena);
	const struct layers *layers;
	bool untold;

	if (!diag || compile_layers(arena, &options, diag, &layers) < 0 ||
		drift_find(arena, layers, digest, 1, &drifts, &untold) < 0)
		return;
	check_form(&drifts, drift_as_json);
	check_form(&drifts, drift_as_sarif);
	drift_as_text(&drifts, out);
	free(drifts.rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	const char *cut = size > 0 ? memmem(data, size, "---\n", 4) : NULL;
	size_t length = cut ? (size_t)(cut - (const char *)data) : 0;
	struct text policy = {(const char *)data, length};
	struct text log = {
		(const char *)data + (cut ? length + 4 : 0), size - (cut ? length + 4 : 0)};
	const struct observe observe = {.fold = 3, .name = "fuzz"};
	struct digest *digest = read_log(log);
	FILE *out = fopen("/dev/null", "w");
	struct draft draft;

	if (digest && out && arena_new(ARENA_MAX, &arena) == 0 &&
		observe_draft(arena, &observe, digest, &draft) == 0) {
		check_draft(&draft);
		check_merge(policy, &draft, out);
		check_drift(arena, policy, digest, out);
	}
	digest_free(digest);
	if (out)
		fclose(out);
	return 0;
}
