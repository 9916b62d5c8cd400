/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/codes.h"
#include "rules/losses.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
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

/* The objects behind what they lose, as comments. */
static int write_objects(const struct target *target, const struct backend_request *request,
	const struct kube_options *options, char **ret_text)
{
	size_t size = 0, objects_size = 0;
	char *objects = NULL;
	FILE *out = open_memstream(&objects, &objects_size), *all;
	int error;

	if (!out)
		return -ENOMEM;
	error = target->backend->write(request, out);
	if (fclose(out) != 0 && error == 0)
		error = -ENOMEM;
	all = error == 0 ? open_memstream(ret_text, &size) : NULL;
	if (all) {
		fprintf(all, "# The policy '%s' as %s. What this is more or less than it:\n",
			options->name, target->backend->summary);
		losses_to_comments(request->losses, all);
		fwrite(objects, 1, objects_size, all);
		if (fclose(all) != 0)
			error = -ENOMEM;
	} else if (error == 0) {
		error = -ENOMEM;
	}
	free(objects);
	return error;
}

int target_make(const struct target *target, struct arena *arena, const struct compiled *compiled,
	struct diag *diag, char **ret_text)
{
	struct kube_options options;
	struct losses *losses = losses_new(arena);
	const struct backend_request request = {arena, compiled, &options, losses};
	const struct report report = {losses, target->backend->name, compiled->plan->policy->name};
	char *text = NULL;
	int error = losses ? read_options(target, arena, compiled, diag, &options) : -ENOMEM;

	if (error == 0)
		error = write_objects(target, &request, &options, &text);
	if (error == 0 && losses_failed(losses))
		error = -ENOMEM;
	if (error == 0)
		losses_to_diag(losses, target->lossy, diag);
	if (error == 0 && target->losses)
		error = output_file(target->losses, write_losses, &report);
	if (error == 0 && diag_failed(diag))
		error = -EINVAL;
	if (error < 0)
		free(text);
	else
		*ret_text = text;
	return error;
}
