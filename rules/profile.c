/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/load.h"
#include "rules/nearest.h"
#include "rules/quote.h"
#include "rules/readers.h"
#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

enum { NAME_ROOM = 32 }; /* for a label, with its NUL */

static const char suffix[] = ".toml";

bool profile_is_name(struct text name)
{
	const char *problem;

	/* categories.toml gives well-known hosts their categories. */
	return value_label(name, &problem) == 0 && !text_is(name, "categories");
}

const char *profile_folder(const struct load_options *options, size_t index)
{
	if (index < options->n_profile_dirs)
		return options->profile_dirs[index];
	return index == options->n_profile_dirs ? EGRESS_PROFILE_DIR : NULL;
}

/* The name of the profile in a file of that name, into `out` (NAME_ROOM bytes); false if it is
 * none. */
static bool name_of_file(const char *file, char *out)
{
	struct text name = text_of(file);

	if (name.length < strlen(suffix) || name.length >= NAME_ROOM + strlen(suffix))
		return false;
	name.length -= strlen(suffix);
	if (strcmp(file + name.length, suffix) != 0 || !profile_is_name(name))
		return false;
	memcpy(out, name.start, name.length);
	out[name.length] = '\0';
	return true;
}

static void visit_folder(
	const char *path, void (*visit)(void *context, const char *name), void *context)
{
	DIR *folder = opendir(path);
	const struct dirent *file;
	char name[NAME_ROOM];

	if (!folder)
		return;
	for (file = readdir(folder); file; file = readdir(folder)) {
		if (name_of_file(file->d_name, name))
			visit(context, name);
	}
	closedir(folder);
}

void profile_visit(const struct load_options *options,
	void (*visit)(void *context, const char *name), void *context)
{
	const char *folder;

	for (size_t i = 0; (folder = profile_folder(options, i)); i++)
		visit_folder(folder, visit, context);
}

/* The search for the profile that somebody meant. */
struct guess {
	struct nearest nearest;
	char name[NAME_ROOM]; /* found */
};

static void guess_name(void *context, const char *name)
{
	struct guess *guess = context;
	const char *before = guess->nearest.found;

	nearest_offer(&guess->nearest, name);
	if (guess->nearest.found == before)
		return;
	snprintf(guess->name, sizeof(guess->name), "%s", name);
	guess->nearest.found = guess->name;
}

/* Whether the folder can be listed. 0 or -errno. */
static int try_folder(const char *path)
{
	DIR *folder = opendir(path);

	if (!folder)
		return -errno;
	closedir(folder);
	return 0;
}

bool profile_check_folders(const struct load_options *options, struct diag *diag)
{
	bool good = true;

	for (size_t i = 0; i < options->n_profile_dirs; i++) {
		const char *path = options->profile_dirs[i];
		int error = try_folder(path);

		if (error == 0)
			continue;
		diag_error(diag, CODE_READ, (struct place){.file = path},
			"there are no profiles to be found here: %s", strerror(-error));
		good = false;
	}
	return good;
}

/* Those that come with the programs may be missing as long as nobody asks for a profile. */
static bool has_folders(const struct load_options *options)
{
	return options->n_profile_dirs > 0 || try_folder(EGRESS_PROFILE_DIR) == 0;
}

static void reject_profile(struct load *load, const struct toml_node *item)
{
	struct guess guess = {.nearest.word = item->value.string};
	struct place place = walk_place(load, item->at);
	char quoted[QUOTE_TEXT];

	quote(item->value.string, quoted);
	profile_visit(load->options, guess_name, &guess);
	if (guess.nearest.found)
		diag_error(load->diag, CODE_PROFILE, place,
			"there is no profile %s, did you mean '%s'?", quoted, guess.name);
	else if (profile_is_name(item->value.string) && !has_folders(load->options))
		diag_error(load->diag, CODE_PROFILE, place,
			"there is no profile %s, since there is no folder " EGRESS_PROFILE_DIR,
			quoted);
	else
		diag_error(load->diag, CODE_PROFILE, place, "there is no profile %s", quoted);
}

/* The text of the first folder's file of that name. 0, -ENOENT, or another -errno with the path. */
static int find_profile(const struct load *load, const char *name, const char **ret_path,
	const char **ret_text, size_t *ret_size)
{
	const char *folder;
	int error = -ENOENT;

	for (size_t i = 0; (folder = profile_folder(load->options, i)); i++) {
		const char *path = arena_printf(load->arena, "%s/%s%s", folder, name, suffix);

		if (!path)
			return -ENOMEM;
		*ret_path = path;
		error = load_file(load->arena, path, ret_text, ret_size);
		if (error != -ENOENT && error != -ENOTDIR)
			return error;
	}
	return -ENOENT;
}

/* Reads a profile's text; its entries go to *ret_brought. */
static int read_text(const struct load *load, const char *name, const char *path, const char *text,
	size_t size, struct brought *ret_brought)
{
	struct load inner = {
		.arena = load->arena,
		.diag = load->diag,
		.options = load->options,
		.file = path,
		.profile = name,
		.policy = arena_alloc(load->arena, sizeof(*inner.policy)),
	};
	int error = inner.policy ? load_text(&inner, text, size) : -ENOMEM;

	/* What is wrong with it was said. */
	if (error == -EINVAL)
		return 0;
	if (error == 0)
		*ret_brought = (struct brought){inner.policy->entries, inner.policy->n_entries};
	return error;
}

static int read_profile(
	struct load *load, const struct toml_node *item, struct brought *ret_brought)
{
	struct text word = item->value.string;
	const char *name, *path, *text;
	size_t size;
	int error;

	if (!profile_is_name(word)) {
		reject_profile(load, item);
		return 0;
	}
	name = arena_strndup(load->arena, word.start, word.length);
	error = name ? find_profile(load, name, &path, &text, &size) : -ENOMEM;
	if (error == 0)
		return read_text(load, name, path, text, size, ret_brought);
	if (error == -ENOMEM)
		return error;
	if (error == -ENOENT)
		reject_profile(load, item);
	else
		diag_error(load->diag, CODE_READ, walk_place(load, item->at), "cannot read %s: %s",
			path, load_reason(error));
	return 0;
}

int read_profiles(struct load *load, const struct toml_node *value)
{
	size_t count = value->n_children;
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error;

	load->brought = arena_array(load->scratch, count, sizeof(*load->brought));
	error = places && load->brought ? seen_new(load->scratch, count, &seen) : -ENOMEM;
	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];
		struct text name = item->value.string;
		const struct place *first;

		places[i] = walk_place(load, item->at);
		first = seen_add(seen, 0, name.start, name.length, &places[i]);
		reading_reject_twice(load, item, first);
		if (!first)
			error = read_profile(load, item, &load->brought[load->n_brought++]);
	}
	return error;
}
