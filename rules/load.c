/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/codes.h"
#include "rules/lex.h"
#include "rules/readers.h"
#include "rules/walk.h"
#include "src/base/arena.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * Text becomes a tree (rules/toml.h); the walk (rules/walk.h) has each of its keys read into the
 * policy by the key's reader (rules/readers.h); then what only several values can get wrong is
 * checked (rules/check.h). The tree lies in an arena of its own, which ends with the file. A
 * profile goes the same way, with the reader of `profiles` as its caller, and leaves its entries.
 */

#define SCRATCH_MAX ((size_t)768 << 20) /* what LEX_VALUES_MAX nodes can come to */
#define ALLOWLIST_REFUSES 1.0
#define DENYLIST_REFUSES 3.0

/* False when the file is in another version of the language: nothing else of it is looked at. */
static bool check_version(struct load *load, const struct toml_node *root)
{
	const struct toml_node *version = walk_find(root, "version");

	if (!version) {
		diag_error(load->diag, CODE_VERSION, (struct place){.file = load->file},
			"'version' is missing: a policy starts with 'version = 1'");
		return true;
	}
	if (version->kind != TOML_INTEGER || version->value.integer == 1)
		return true;
	diag_error(load->diag, CODE_VERSION, walk_place(load, version->at),
		"version %lld is unknown: this program reads version 1",
		(long long)version->value.integer);
	return false;
}

static size_t count_tables(const struct toml_node *array)
{
	return array && array->kind == TOML_ARRAY ? array->n_children : 0;
}

static struct place find_place(
	const struct load *load, const struct toml_node *root, const char *key)
{
	const struct toml_node *table = walk_find(root, key);

	return table ? walk_place(load, table->at) : (struct place){0};
}

/* What does not come from a value of its own. */
static void finish_policy(struct load *load, const struct toml_node *root)
{
	struct policy *policy = load->policy;

	policy->has_mode = walk_find(root, "mode");
	policy->has_allow = walk_find(root, "allow");
	policy->scope_place = find_place(load, root, "scope");
	policy->dns_place = find_place(load, root, "dns");
	if (!load->has_refuse_at)
		policy->score.refuse_at = policy->denylist ? DENYLIST_REFUSES : ALLOWLIST_REFUSES;
}

/* The file's own entries, then those of its profiles. 0 or -ENOMEM. */
static int gather_entries(struct load *load)
{
	struct policy *policy = load->policy;
	size_t own = load->n_allow + load->n_deny, count = own;

	policy->entries = load->entries;
	policy->n_entries = own;
	for (size_t i = 0; i < load->n_brought; i++)
		count += load->brought[i].count;
	if (count == own)
		return 0;
	policy->entries = arena_array(load->arena, count, sizeof(struct entry));
	if (!policy->entries)
		return -ENOMEM;
	if (own > 0)
		memcpy(policy->entries, load->entries, own * sizeof(struct entry));
	for (size_t i = 0; i < load->n_brought; i++) {
		const struct brought *brought = &load->brought[i];

		if (brought->count > 0)
			memcpy(policy->entries + policy->n_entries, brought->entries,
				brought->count * sizeof(struct entry));
		policy->n_entries += brought->count;
	}
	return 0;
}

static int load_root(struct load *load, const struct toml_node *root)
{
	size_t n_deny = count_tables(walk_find(root, "deny"));
	int error;

	load->room_allow = count_tables(walk_find(root, "allow"));
	load->entries = arena_array(load->arena, load->room_allow + n_deny, sizeof(struct entry));
	if (!load->entries)
		return -ENOMEM;
	error = walk_table(load, "", root);
	if (error == 0)
		error = check_contradictions(load);
	if (error < 0)
		return error;
	finish_policy(load, root);
	error = gather_entries(load);
	return error < 0 ? error : check_globs(load);
}

int load_tree(struct load *load, const char *text, size_t size, const struct toml_node **ret_root)
{
	struct text rest = {text, size};
	const struct toml_node *root;
	int error = arena_new(SCRATCH_MAX, &load->scratch);

	if (text_starts(rest, "\xef\xbb\xbf"))
		rest = (struct text){text + 3, size - 3};
	diag_source(load->diag, load->file, rest.start, rest.length);
	if (error == 0)
		error = toml_parse(load->scratch, load->file, rest, load->diag, &root);
	if (error == 0 && !check_version(load, root))
		error = -EINVAL;
	if (error == 0)
		*ret_root = root;
	return error;
}

int load_text(struct load *load, const char *text, size_t size)
{
	const struct toml_node *root;
	int error = load_tree(load, text, size, &root);

	if (error == 0)
		error = load_root(load, root);
	arena_freep(&load->scratch);
	if (error == 0 || error == -EINVAL || error == -ENOMEM)
		return error;
	diag_error(load->diag, CODE_READ, (struct place){.file = load->file}, "cannot check it: %s",
		strerror(-error));
	return -EINVAL;
}

int policy_parse(struct arena *arena, const char *file, const char *text, size_t size,
	const struct load_options *options, struct diag *diag, const struct policy **ret_policy)
{
	struct load load = {
		.arena = arena,
		.diag = diag,
		.options = options,
		.file = arena_strndup(arena, file, strlen(file)),
		.policy = arena_alloc(arena, sizeof(*load.policy)),
	};
	int error;

	if (!load.file || !load.policy)
		return -ENOMEM;
	load.policy->file = load.file;
	error = load_text(&load, text, size);
	if (error == 0 && diag_failed(diag))
		error = -EINVAL;
	if (error == 0)
		*ret_policy = load.policy;
	return error;
}

static const struct {
	int error;
	const char *reason;
} reasons[] = {
	{-ENOENT, "there is no such file"},
	{-EACCES, "permission denied"},
	{-EISDIR, "it is a directory"},
	{-EFBIG, "it is larger than 64 MiB"},
};

const char *load_reason(int error)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].error == error)
			return reasons[i].reason;
	}
	return strerror(-error);
}

int load_file(struct arena *arena, const char *path, const char **ret_text, size_t *ret_size)
{
	const char *text;
	uint8_t *bytes;
	size_t size;
	int error = fd_read_file(path, LEX_SIZE_MAX, &bytes, &size);

	if (error < 0)
		return error;
	text = arena_strndup(arena, (const char *)bytes, size);
	free(bytes);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	*ret_size = size;
	return 0;
}

int policy_load(struct arena *arena, const char *path, const struct load_options *options,
	struct diag *diag, const struct policy **ret_policy)
{
	const char *file = arena_strndup(arena, path, strlen(path));
	const char *text;
	size_t size;
	int error = file ? load_file(arena, path, &text, &size) : -ENOMEM;

	if (error < 0 && error != -ENOMEM) {
		diag_error(diag, error == -EFBIG ? CODE_TOO_LARGE : CODE_READ,
			(struct place){.file = file}, "cannot read it: %s", load_reason(error));
		return -EINVAL;
	}
	if (error < 0)
		return error;
	return policy_parse(arena, file, text, size, options, diag, ret_policy);
}
