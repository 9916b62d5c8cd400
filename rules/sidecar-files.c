/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/sidecar-files.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rules/backend.h"
#include "rules/layers.h"
#include "rules/list.h"
#include "rules/losses.h"
#include "src/base/arena.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * The pod compiles the policy again, so it has to find the files as they were found here. Each
 * policy has a folder of its own there, with its own name in it, and what it names by a relative
 * path lies at the same path below that folder. What is named by an absolute path is mounted there.
 *
 * A volume of a ConfigMap takes no path with ".." in it.
 */

/* What a ConfigMap holds (MaxSecretSize of the API), less some for its keys. */
#define SIZE_MOST ((size_t)1000000)

struct gathering {
	const struct backend_request *request;
	struct sidecar_files files;
	size_t size; /* of all of them */
	unsigned n_lists;
	unsigned n_anchors;
	int error;
};

static void lose(struct gathering *gathering, const char *file, struct place place, const char *why)
{
	const char *name = arena_strndup(gathering->request->arena, file, strlen(file));

	if (!name)
		gathering->error = -ENOMEM;
	else
		losses_add(gathering->request->losses, LOSS_IMPOSSIBLE, name, place, "%s", why);
}

/* The path without "." and empty parts; NULL if it has another that a volume does not take. */
static const char *clean_path(struct arena *arena, const char *path, int *error)
{
	char *clean = arena_strndup(arena, path, strlen(path));
	size_t length = 0;

	if (!clean) {
		*error = -ENOMEM;
		return NULL;
	}
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part >= 2 && strncmp(path, "..", 2) == 0)
			return NULL;
		if (part > 1 || (part == 1 && *path != '.')) {
			if (length > 0)
				clean[length++] = '/';
			memcpy(clean + length, path, part);
			length += part;
		}
		path += part + (path[part] == '/');
	}
	clean[length] = '\0';
	return length > 0 ? clean : NULL;
}

/* Where the pod has what a policy of `folder` calls `path`; NULL: nowhere. */
static const char *pod_path(struct gathering *gathering, const char *folder, const char *path)
{
	struct arena *arena = gathering->request->arena;
	const char *clean = clean_path(arena, path, &gathering->error);
	const char *whole = clean;

	if (clean)
		whole = path[0] == '/' ? arena_printf(arena, "/%s", clean)
				       : arena_printf(arena, "%s/%s", folder, clean);
	if (clean && !whole)
		gathering->error = -ENOMEM;
	return whole;
}

static const struct sidecar_file *find_path(const struct sidecar_files *files, const char *path)
{
	for (size_t i = 0; i < files->n_files; i++)
		if (strcmp(files->files[i].path, path) == 0)
			return &files->files[i];
	return NULL;
}

/* Reads a file once more: a pipe would be empty by now. */
static int read_again(const char *from, uint8_t **ret_bytes, size_t *ret_size)
{
	struct stat about;

	if (stat(from, &about) < 0)
		return -errno;
	return S_ISREG(about.st_mode) ? fd_read_file(from, SIZE_MOST, ret_bytes, ret_size)
				      : -ENODEV;
}

static void read_text(struct gathering *gathering, struct sidecar_file *file, struct place place)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int error = read_again(file->from, &bytes, &size);

	if (error == -ENOMEM)
		gathering->error = error;
	else if (error == 0 && gathering->size + size > SIZE_MOST)
		error = -EFBIG;
	if (error == -EFBIG)
		lose(gathering, file->from, place,
			"with it the policy's files are larger than a ConfigMap, which holds 1 MB");
	else if (error < 0)
		lose(gathering, file->from, place, "it cannot be read again");
	if (error == 0) {
		file->text = arena_strndup(gathering->request->arena, (const char *)bytes, size);
		file->size = size;
		gathering->size += size;
		if (!file->text)
			gathering->error = -ENOMEM;
	}
	free(bytes);
}

/* Takes the file under the key, if it is not among them yet. Where the pod has it, or NULL. */
static const char *add(struct gathering *gathering, const char *key, const char *from,
	const char *folder, const char *path, struct place place)
{
	struct sidecar_files *files = &gathering->files;
	struct sidecar_file file = {.key = key, .from = from};
	const struct sidecar_file *there;

	if (gathering->error < 0)
		return NULL;
	file.path = key ? pod_path(gathering, folder, path) : NULL;
	if (!file.path) {
		if (!key)
			gathering->error = -ENOMEM;
		else if (gathering->error == 0)
			lose(gathering, from, place,
				"a pod cannot have it at such a path: files have to lie beside the "
				"policy, or below");
		return NULL;
	}
	there = find_path(files, file.path);
	if (!there)
		read_text(gathering, &file, place);
	if (!there && gathering->error == 0)
		files->files[files->n_files++] = file;
	return file.path;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *add_policy(struct gathering *gathering, const struct policy *policy,
	size_t layer, const char **ret_folder)
{
	struct arena *arena = gathering->request->arena;
	const struct place whole = {.file = policy->file};
	const char *folder = layer == 0 ? "policy" : arena_printf(arena, "override-%zu", layer);
	const char *key = folder ? arena_printf(arena, "%s.toml", folder) : NULL;

	*ret_folder = folder;
	if (strcmp(policy->file, "<stdin>") != 0)
		return add(gathering, key, policy->file, folder, base_name(policy->file), whole);
	lose(gathering, policy->file, whole,
		"a policy of standard input has no file to lie beside");
	return NULL;
}

/* The lists of an entry, and its profile; `folder` is that of the policy it is in. */
static void add_entry(struct gathering *gathering, const struct entry *entry, const char *folder)
{
	struct arena *arena = gathering->request->arena;
	const char *key;

	if (entry->profile) {
		folder = "profiles";
		gathering->files.has_profiles = true;
		key = arena_printf(arena, "profile-%s.toml", entry->profile);
		add(gathering, key, entry->place.file, folder, base_name(entry->place.file),
			entry->place);
	}
	for (size_t i = 0; i < entry->n_lists && gathering->error == 0; i++) {
		const struct list *list = entry->lists[i];
		size_t before = gathering->files.n_files;

		key = arena_printf(arena, "list-%u.txt", gathering->n_lists + 1);
		add(gathering, key, list->file, folder, list->path, list->place);
		gathering->n_lists += gathering->files.n_files > before;
	}
}

static void add_layer(struct gathering *gathering, const struct policy *policy, size_t layer)
{
	struct arena *arena = gathering->request->arena;
	const char *anchor = policy->dns.trust_anchor, *folder, *key;
	const char *path = add_policy(gathering, policy, layer, &folder);

	if (layer == 0)
		gathering->files.policy = path;
	else
		gathering->files.overrides[gathering->files.n_overrides++] = path;
	for (size_t i = 0; i < policy->n_entries && gathering->error == 0; i++)
		add_entry(gathering, &policy->entries[i], folder);
	if (!anchor || gathering->error < 0)
		return;
	key = arena_printf(arena, "anchor-%u.key", ++gathering->n_anchors);
	add(gathering, key, anchor, folder, policy->dns.trust_anchor_path, policy->dns_place);
}

/* A policy, an anchor, and for each entry its lists and a profile. */
static size_t count_files(const struct layers *layers)
{
	size_t count = 2 * layers->n_layers;

	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct policy *policy = layers->layers[i].policy;

		for (size_t j = 0; j < policy->n_entries; j++)
			count += 1 + policy->entries[j].n_lists;
	}
	return count;
}

int sidecar_files_read(const struct backend_request *request, struct sidecar_files *ret_files)
{
	const struct layers *layers = request->compiled->layers;
	struct gathering gathering = {.request = request};

	gathering.files.files =
		arena_array(request->arena, count_files(layers), sizeof(*gathering.files.files));
	gathering.files.overrides =
		arena_array(request->arena, layers->n_layers, sizeof(*gathering.files.overrides));
	if (!gathering.files.files || !gathering.files.overrides)
		return -ENOMEM;
	for (size_t i = 0; i < layers->n_layers && gathering.error == 0; i++)
		add_layer(&gathering, layers->layers[i].policy, i);
	if (gathering.error == 0)
		*ret_files = gathering.files;
	return gathering.error;
}
