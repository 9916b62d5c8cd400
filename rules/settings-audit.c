/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/settings.h"

#include <errno.h>
#include <string.h>

#include "src/base/arena.h"

/*
 * What is recorded, and what of it stands out. Less of either is no access, but what happens under
 * a policy that is looked at less is as if more were permitted: so it is told as a gain.
 */

/* What holds of a sort of anomaly: its threshold, the higher the looser; off is above all. */
struct threshold {
	bool off;
	double value;
};

static double written_of(const struct anomaly_policy *policy, enum anomaly_sort sort)
{
	switch (sort) {
	case ANOMALY_CATEGORIES:
		return policy->categories;
	case ANOMALY_UPLOAD:
		return (double)policy->upload;
	case ANOMALY_UPLOAD_RATIO:
		return policy->upload_ratio;
	case ANOMALY_UPLOAD_BURST:
		return (double)policy->upload_burst;
	case ANOMALY_ENCODED_NAMES:
		return policy->encoded_names;
	case ANOMALY_BEACON:
		return policy->beacon;
	case ANOMALY_REFUSALS:
		return policy->refusals;
	}
	return 0;
}

static const struct {
	enum anomaly_sort sort;
	const char *key;
	double standard; /* what holds where nothing is written */
} sorts[] = {
	{ANOMALY_CATEGORIES, "anomaly.categories", 1000},
	{ANOMALY_UPLOAD, "anomaly.upload", 16 << 20},
	{ANOMALY_UPLOAD_RATIO, "anomaly.upload_ratio", 20},
	{ANOMALY_UPLOAD_BURST, "anomaly.upload_burst", 48 << 20},
	{ANOMALY_ENCODED_NAMES, "anomaly.encoded_names", 8},
	{ANOMALY_BEACON, "anomaly.beacon", 12},
	{ANOMALY_REFUSALS, "anomaly.refusals", 50},
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

double settings_anomaly_standard(enum anomaly_sort sort)
{
	for (size_t i = 0; i < ROWS(sorts); i++)
		if (sorts[i].sort == sort)
			return sorts[i].standard;
	return 0;
}

/* The policy's threshold or the standard one, and of an override's the lower, which has it told. */
static struct threshold threshold_of(
	const struct layers *layers, enum anomaly_sort sort, double standard)
{
	const struct anomaly_policy *base = &layers->layers[0].policy->anomaly;
	struct threshold threshold = {base->off >> sort & 1, standard};

	if (written_of(base, sort) > 0)
		threshold.value = written_of(base, sort);
	for (size_t i = 1; i < layers->n_layers; i++) {
		double written = written_of(&layers->layers[i].policy->anomaly, sort);

		if (written > 0)
			threshold.off = false;
		if (written > 0 && written < threshold.value)
			threshold.value = written;
	}
	return threshold;
}

static int add(
	struct changes *changes, int order, const char *key, const char *before, const char *after)
{
	const struct change change = {
		.kind = order > 0 ? CHANGE_GAINED : CHANGE_LOST,
		.what = order > 0 ? after : before,
		.rule = key,
		.other = order > 0 ? before : after,
	};

	if (order == 0)
		return 0;
	return before && after ? changes_add(changes, &change) : -ENOMEM;
}

static const char *threshold_text(struct arena *arena, struct threshold threshold)
{
	return threshold.off ? "off" : arena_printf(arena, "%.15g", threshold.value);
}

static int compare_anomalies(
	const struct layers *before, const struct layers *after, struct changes *changes)
{
	int error = 0;

	for (size_t i = 0; i < ROWS(sorts) && error >= 0; i++) {
		struct threshold was = threshold_of(before, sorts[i].sort, sorts[i].standard);
		struct threshold is = threshold_of(after, sorts[i].sort, sorts[i].standard);
		int order = (int)is.off - (int)was.off;

		if (order == 0 && !is.off)
			order = (is.value > was.value) - (is.value < was.value);
		error = add(changes, order, sorts[i].key, threshold_text(changes->arena, was),
			threshold_text(changes->arena, is));
	}
	return error;
}

static bool has_sink(const struct layers *layers, const char *path)
{
	for (size_t i = 0; i < layers->n_audit_sinks; i++)
		if (strcmp(layers->audit_sinks[i].path, path) == 0)
			return true;
	return false;
}

/* Places of one that the other hasn't. */
static int compare_sinks(
	const struct layers *one, const struct layers *other, int order, struct changes *changes)
{
	int error = 0;

	for (size_t i = 0; i < one->n_audit_sinks && error >= 0; i++) {
		const char *path = one->audit_sinks[i].path;

		if (!has_sink(other, path))
			error = add(changes, order, "audit.path", order > 0 ? path : "no records",
				order > 0 ? "no records" : path);
	}
	return error;
}

int settings_compare_audit(
	const struct layers *before, const struct layers *after, struct changes *changes)
{
	int order = (int)before->audit_allowed - (int)after->audit_allowed;
	int error = compare_sinks(before, after, 1, changes);

	if (error >= 0)
		error = compare_sinks(after, before, -1, changes);
	if (error >= 0 && before->n_audit_sinks > 0 && after->n_audit_sinks > 0)
		error = add(changes, order, "audit.allowed",
			before->audit_allowed ? "true" : "false",
			after->audit_allowed ? "true" : "false");
	return error < 0 ? error : compare_anomalies(before, after, changes);
}
