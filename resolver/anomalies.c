/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/anomalies.h"

#include "rules/policy.h"

/* The rules that the language has words for. */
static const enum alert_rule rules[] = {
	[ANOMALY_CATEGORIES] = ALERT_CATEGORIES,
	[ANOMALY_UPLOAD] = ALERT_UPLOAD,
	[ANOMALY_UPLOAD_RATIO] = ALERT_RATIO,
	[ANOMALY_UPLOAD_BURST] = ALERT_UPLOAD_BURST,
	[ANOMALY_ENCODED_NAMES] = ALERT_ENCODED_NAMES,
	[ANOMALY_BEACON] = ALERT_BEACON,
	[ANOMALY_REFUSALS] = ALERT_REFUSALS,
};

/* Of two thresholds the one that is written, and of an override's the stricter one, which is the
 * lower. What an override sets is told. */
static double merge(struct anomaly_settings *settings, enum anomaly_sort sort, double present,
	double written, bool is_override)
{
	if (written <= 0)
		return present;
	if (is_override)
		settings->off[rules[sort]] = false;
	return !is_override || written < present ? written : present;
}

static void merge_policy(
	struct anomaly_settings *settings, const struct anomaly_policy *policy, bool is_override)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (policy->off >> i & 1 && !is_override)
			settings->off[rules[i]] = true;
	settings->categories = 1 / merge(settings, ANOMALY_CATEGORIES, 1 / settings->categories,
					   policy->categories, is_override);
	settings->upload = (uint64_t)merge(settings, ANOMALY_UPLOAD, (double)settings->upload,
		(double)policy->upload, is_override);
	settings->upload_ratio = merge(settings, ANOMALY_UPLOAD_RATIO, settings->upload_ratio,
		policy->upload_ratio, is_override);
	settings->upload_burst = (uint64_t)merge(settings, ANOMALY_UPLOAD_BURST,
		(double)settings->upload_burst, (double)policy->upload_burst, is_override);
	settings->encoded_names = (uint32_t)merge(settings, ANOMALY_ENCODED_NAMES,
		settings->encoded_names, policy->encoded_names, is_override);
	settings->beacon = (uint32_t)merge(
		settings, ANOMALY_BEACON, settings->beacon, policy->beacon, is_override);
	settings->refusals = (uint32_t)merge(
		settings, ANOMALY_REFUSALS, settings->refusals, policy->refusals, is_override);
}

struct anomaly_settings anomalies_of(const struct layers *layers)
{
	struct anomaly_settings settings = anomaly_defaults();

	for (size_t i = 0; i < layers->n_layers; i++)
		merge_policy(&settings, &layers->layers[i].policy->anomaly, i > 0);
	return settings;
}
