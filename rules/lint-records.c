/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/lint-records.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "rules/codes.h"
#include "src/base/diag.h"

/*
 * Theory of operation
 *
 * A setting has no effect if another one always comes first: an alert about more bytes than may be
 * sent, a threshold of what is not looked at. That is judged by all layers together, and told of
 * the layer that writes it. Defaults are nobody's mistake.
 *
 * Of files only what is there can be judged: a policy is looked at on other machines, too, and a
 * folder that is missing there may be no mistake.
 */

struct looking {
	const struct layers *layers;
	const struct policy *policy; /* the layer's */
	struct diag *diag;
};

static struct place top_of(const struct looking *looking)
{
	return (struct place){.file = looking->policy->file};
}

/* --- Without effect --- */

static void check_format(const struct looking *looking)
{
	if (looking->policy->audit_format != AUDIT_NATIVE && looking->layers->n_audit_sinks == 0)
		diag_warning(looking->diag, CODE_LINT_USELESS, top_of(looking),
			"format of [audit] has no effect: without a path nothing is recorded in "
			"it");
}

/* Sorts of anomalies that are off and have a threshold all the same. */
static void check_off(const struct looking *looking)
{
	const struct anomaly_policy *anomaly = &looking->policy->anomaly;
	const struct {
		enum anomaly_sort sort;
		bool is_set;
		const char *word;
		const char *key;
	} rows[] = {
		{ANOMALY_CATEGORIES, anomaly->categories > 0, "categories", "categories"},
		{ANOMALY_UPLOAD, anomaly->upload > 0, "upload", "upload"},
		{ANOMALY_UPLOAD_RATIO, anomaly->upload_ratio > 0, "upload-ratio", "upload_ratio"},
		{ANOMALY_UPLOAD_BURST, anomaly->upload_burst > 0, "upload-burst", "upload_burst"},
		{ANOMALY_ENCODED_NAMES, anomaly->encoded_names > 0, "encoded-names",
			"encoded_names"},
		{ANOMALY_BEACON, anomaly->beacon > 0, "beacon", "beacon"},
		{ANOMALY_REFUSALS, anomaly->refusals > 0, "refusals", "refusals"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is_set && anomaly->off & 1u << rows[i].sort)
			diag_warning(looking->diag, CODE_LINT_USELESS, top_of(looking),
				"%s of [anomaly] has no effect: '%s' is off", rows[i].key,
				rows[i].word);
}

static bool has_ceiling(const struct budget *budget)
{
	return budget->destinations > 0 || budget->wildcard_names > 0 || budget->connections > 0 ||
	       budget->bytes > 0 || budget->has_unknown_share;
}

static void check_exceed(const struct looking *looking)
{
	if (looking->policy->budget.refuse && !has_ceiling(&looking->layers->budget))
		diag_warning(looking->diag, CODE_LINT_USELESS, top_of(looking),
			"on_exceed of [budget] has no effect: there is no ceiling to be exceeded");
}

/* What may be sent at all; 0: any. */
static uint64_t most_sent(const struct layers *layers, const char **ret_table)
{
	uint64_t limit = layers->limits.bytes, ceiling = layers->budget.bytes;
	bool refuses = ceiling > 0 && layers->budget.refuse;

	*ret_table = "[limits]";
	if (!refuses || (limit > 0 && limit <= ceiling))
		return limit;
	*ret_table = "[budget]";
	return ceiling;
}

/* Alerts of more bytes than may be sent. */
static void check_bytes(const struct looking *looking)
{
	const struct policy *policy = looking->policy;
	const struct {
		const char *what;
		uint64_t bytes;
	} rows[] = {
		{"bytes of [budget]", policy->budget.bytes},
		{"upload of [anomaly]", policy->anomaly.upload},
		{"upload_burst of [anomaly]", policy->anomaly.upload_burst},
	};
	const char *table;
	uint64_t most = most_sent(looking->layers, &table);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (most > 0 && rows[i].bytes > most)
			diag_warning(looking->diag, CODE_LINT_USELESS, top_of(looking),
				"%s is never reached: bytes of %s refuses before", rows[i].what,
				table);
}

/* --- Files --- */

/* The folder that the file is in; false: that is too long. */
static bool folder_of(const char *path, char folder[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) : 1;

	if (length >= PATH_MAX)
		return false;
	snprintf(folder, PATH_MAX, "%.*s", length > 0 ? length : 1, slash ? path : ".");
	return true;
}

static void check_file(const struct looking *looking, const struct audit_sink *sink)
{
	char folder[PATH_MAX];
	struct stat about;

	if (stat(sink->path, &about) == 0 && S_ISDIR(about.st_mode)) {
		diag_warning(looking->diag, CODE_LINT_LOG, sink->place,
			"'%s' is a folder: records go to a file", sink->path);
		return;
	}
	if (!folder_of(sink->path, folder) || stat(folder, &about) < 0)
		return;
	if (!S_ISDIR(about.st_mode))
		diag_warning(looking->diag, CODE_LINT_LOG, sink->place,
			"'%s' is no folder, so that no file can be in it", folder);
	else if (about.st_mode & S_IWOTH)
		diag_warning(looking->diag, CODE_LINT_LOG, sink->place,
			"everybody may write to '%s': whoever is watched can make the file before "
			"the resolver does%s",
			folder, about.st_mode & S_ISVTX ? "" : ", or remove it");
}

static void check_files(const struct looking *looking)
{
	for (size_t i = 0; i < looking->policy->n_audit_sinks; i++)
		if (looking->policy->audit_sinks[i].kind == AUDIT_FILE)
			check_file(looking, &looking->policy->audit_sinks[i]);
}

static void (*const checks[])(const struct looking *looking) = {
	check_format,
	check_off,
	check_exceed,
	check_bytes,
	check_files,
};

void lint_records(const struct compiled *compiled, size_t layer, struct diag *diag)
{
	const struct looking looking = {
		compiled->layers, compiled->layers->layers[layer].policy, diag};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&looking);
}
