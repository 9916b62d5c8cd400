/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rules/codes.h"
#include "rules/losses.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/memstream.h"
#include "src/output.h"

/*
 * Theory of operation
 *
 * What a target of Kubernetes loses is known only once it is written, and what is wider than the
 * policy must not be written at all unless that was asked for. So the objects are put together in
 * memory; they are no larger than an API server takes.
 */

static const char *const option_problems[] = {
	[TARGET_NAME] = "is no name of Kubernetes objects: lower-case letters, digits and '-'",
	[TARGET_NAMESPACE] = "is no namespace: lower-case letters, digits and '-'",
};

const char *target_take(struct target *target, enum target_option option, const char *argument)
{
	switch (option) {
	case TARGET_BACKEND:
		target->backend = backend_find(argument);
		return target->backend ? NULL : "is no target";
	case TARGET_NAME:
		target->name = argument;
		return kube_is_name(argument) ? NULL : option_problems[option];
	case TARGET_NAMESPACE:
		target->name_space = argument;
		return kube_is_name(argument) ? NULL : option_problems[option];
	case TARGET_SELECTOR:
		target->selector = argument;
		break;
	case TARGET_LABELS:
		target->labels = argument;
		break;
	case TARGET_LOSSES:
		target->losses = argument;
		break;
	case TARGET_LOSSY:
		target->lossy = true;
		break;
	}
	return NULL;
}

bool target_is_kube(const struct target *target)
{
	return target->backend && target->backend->kube;
}

bool target_is_bundle(const struct target *target)
{
	return target->backend && target->backend->make;
}

/* Reads "app=web,tier=front". 0, -EINVAL (the diag has it) or -ENOMEM. */
static int read_labels(struct arena *arena, const char *option, const char *text, struct diag *diag,
	struct kube_label labels[KUBE_LABELS_MAX], size_t *ret_count)
{
	size_t count = 0;

	while (text && *text) {
		size_t length = strcspn(text, ",");
		const char *label = arena_strndup(arena, text, length);
		int error = label ? -EINVAL : -ENOMEM;

		if (label && count < KUBE_LABELS_MAX)
			error = kube_label_from_text(arena, label, &labels[count++]);
		if (error == -EINVAL)
			diag_error(diag, 0, (struct place){.line = 0},
				"%s: '%s' is no label: expected KEY=VALUE as Kubernetes has them, "
				"at most %d of them",
				option, label, KUBE_LABELS_MAX);
		if (error < 0)
			return error;
		text += length + (text[length] == ',');
	}
	*ret_count = count;
	return 0;
}

static int read_options(const struct target *target, struct arena *arena,
	const struct compiled *compiled, struct diag *diag, struct kube_options *options)
{
	int error;

	*options = (struct kube_options){
		.name = target->name ? target->name : compiled->plan->policy->name,
		.name_space = target->name_space,
	};
	error = read_labels(arena, "--selector", target->selector, diag, options->selector,
		&options->n_selector);
	return error < 0 ? error
			 : read_labels(arena, "--labels", target->labels, diag, options->labels,
				   &options->n_labels);
}

struct report {
	const struct losses *losses;
	const char *target;
	const char *policy;
};

static int write_losses(const void *context, FILE *out)
{
	const struct report *report = context;

	return losses_to_json(report->losses, report->target, report->policy, out);
}

static void write_comments(
	const struct backend_request *request, const struct backend *backend, FILE *out)
{
	bool any = false;

	for (unsigned kind = 0; kind < LOSS_KINDS; kind++)
		any |= losses_have(request->losses, (enum loss_kind)kind);
	fprintf(out, "# The policy '%s' as %s. What this is more or less than it:%s\n",
		request->kube->name, backend->summary, any ? "" : " nothing.");
	losses_to_comments(request->losses, out);
}

/* The objects behind what they lose, as comments. */
static int write_objects(const struct backend *backend, const struct backend_request *request,
	struct target_objects *ret_objects)
{
	size_t size = 0, objects_size = 0;
	char *objects = NULL;
	FILE *out = memstream_open(&objects, &objects_size), *all;
	int error;

	if (!out)
		return -ENOMEM;
	error = backend->write(request, out);
	if (fclose(out) != 0 && error == 0)
		error = -ENOMEM;
	all = error == 0 ? memstream_open(&ret_objects->text, &size) : NULL;
	if (all) {
		write_comments(request, backend, all);
		fwrite(objects, 1, objects_size, all);
		if (fclose(all) != 0)
			error = -ENOMEM;
	} else if (error == 0) {
		error = -ENOMEM;
	}
	free(objects);
	return error;
}

/* The first file has the comments. */
static int add_comments(const struct backend *backend, const struct backend_request *request,
	struct bundle_file *file)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = memstream_open(&text, &size);

	if (!out)
		return -ENOMEM;
	write_comments(request, backend, out);
	fwrite(file->text, 1, file->size, out);
	if (fclose(out) == 0)
		file->text = arena_strndup(request->arena, text, size);
	else
		file->text = NULL;
	file->size = size;
	free(text);
	return file->text ? 0 : -ENOMEM;
}

static int make_bundle(const struct backend *backend, const struct backend_request *request,
	struct target_objects *ret_objects)
{
	struct bundle *bundle = arena_alloc(request->arena, sizeof(*bundle));
	int error = bundle ? backend->make(request, bundle) : -ENOMEM;

	if (error == 0 && bundle->n_files > 0)
		error = add_comments(backend, request, &bundle->files[0]);
	if (error == 0)
		ret_objects->bundle = bundle;
	return error;
}

int target_make(const struct target *target, struct arena *arena, const struct compiled *compiled,
	struct diag *diag, struct target_objects *ret_objects)
{
	const struct backend *backend = target->backend;
	struct kube_options options;
	struct losses *losses = losses_new(arena);
	const struct backend_request request = {arena, compiled, &options, losses};
	const struct report report = {losses, backend->name, compiled->plan->policy->name};
	struct target_objects objects = {NULL, NULL};
	int error = losses ? read_options(target, arena, compiled, diag, &options) : -ENOMEM;

	if (error == 0)
		error = backend->make ? make_bundle(backend, &request, &objects)
				      : write_objects(backend, &request, &objects);
	if (error == -E2BIG) {
		diag_error(diag, CODE_TARGET_CANNOT, (struct place){.line = 0},
			"more of its wildcards have names in common than can be compared");
		error = -EINVAL;
	}
	if (error == 0 && losses_failed(losses))
		error = -ENOMEM;
	if (error == 0)
		losses_to_diag(losses, target->lossy, diag);
	if (error == 0 && target->losses)
		error = output_file(target->losses, write_losses, &report);
	if (error == 0 && diag_failed(diag))
		error = -EINVAL;
	if (error < 0)
		free(objects.text);
	else
		*ret_objects = objects;
	return error;
}

static int write_file(const void *context, FILE *out)
{
	const struct bundle_file *file = context;

	return fwrite(file->text, 1, file->size, out) == file->size ? 0 : -EIO;
}

int target_write_bundle(const struct bundle *bundle, const char *folder)
{
	int error = mkdir(folder, 0777) == 0 || errno == EEXIST ? 0 : -errno;

	for (size_t i = bundle->n_files; i > 0 && error == 0; i--) {
		const struct bundle_file *file = &bundle->files[i - 1];
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s", folder, file->name) >= (int)sizeof(path))
			error = -ENAMETOOLONG;
		else
			error = output_file(path, write_file, file);
	}
	return error;
}
