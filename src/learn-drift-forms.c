/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-drift.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "rules/describe.h"

static const struct {
	const char *name;
	const char *level; /* of SARIF */
	const char *says;
} kinds[DRIFT_KINDS] = {
	[DRIFT_UNUSED] = {"unused", "note", "An entry that nothing used"},
	[DRIFT_PORTS] = {"ports", "note", "Ports that nothing used"},
	[DRIFT_REFUSED] = {"refused", "warning", "A destination that is refused repeatedly"},
};

const char *drift_kind_name(enum drift_kind kind)
{
	return kinds[kind].name;
}

int drift_as_text(const struct drifts *drifts, FILE *out)
{
	for (size_t i = 0; i < drifts->count; i++) {
		const struct drift *drift = &drifts->rows[i];
		char *message = strdup(drift->message);
		char *file = strdup(drift->place.file ? drift->place.file : drifts->policy);

		if (message && file && drift->place.line > 0)
			fprintf(out, "%s:%u: %s [%s]\n", describe_clean(file), drift->place.line,
				describe_clean(message), kinds[drift->kind].name);
		else if (message && file)
			fprintf(out, "%s: %s [%s]\n", describe_clean(file), describe_clean(message),
				kinds[drift->kind].name);
		free(file);
		if (!message)
			return -ENOMEM;
		free(message);
	}
	return 0;
}

static json_t *clean_string(const char *text)
{
	char *copy = strdup(text ? text : "");
	json_t *string = copy ? json_string(describe_clean(copy)) : NULL;

	free(copy);
	return string;
}

static int put_json(json_t *root, FILE *out)
{
	int error = root && json_dumpf(root, out, JSON_INDENT(2)) == 0 ? 0 : -ENOMEM;

	if (!error)
		fputc('\n', out);
	json_decref(root);
	return error;
}

static json_t *object_of(const struct drifts *drifts, const struct drift *drift)
{
	json_t *object = json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", kinds[drift->kind].name,
		"file", clean_string(drift->place.file ? drift->place.file : drifts->policy),
		"rule", clean_string(drift->rule), "what", clean_string(drift->what), "message",
		clean_string(drift->message));

	if (object && drift->place.line > 0)
		json_object_set_new(object, "line", json_integer(drift->place.line));
	if (object && drift->kind == DRIFT_REFUSED)
		json_object_set_new(object, "times", json_integer((json_int_t)drift->times));
	return object;
}

int drift_as_json(const struct drifts *drifts, FILE *out)
{
	json_t *list = json_array();
	bool failed = !list;

	for (size_t i = 0; i < drifts->count && !failed; i++)
		failed = json_array_append_new(list, object_of(drifts, &drifts->rows[i])) < 0;
	if (failed) {
		json_decref(list);
		return -ENOMEM;
	}
	return put_json(
		json_pack("{s:o, s:o}", "policy", clean_string(drifts->policy), "drift", list),
		out);
}

/* --- SARIF 2.1.0 --- */

static json_t *rules_of_sarif(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < DRIFT_KINDS && list; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:{s:s}, s:{s:s}}", "id", kinds[i].name,
				      "shortDescription", "text", kinds[i].says,
				      "defaultConfiguration", "level", kinds[i].level));
	return list;
}

/* A path as a reference of RFC 3986: what stands for something else there is written in hex. */
static json_t *uri_of(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~/";
	size_t length = strlen(path);
	char *uri = malloc(3 * length + 1), *out = uri;
	json_t *string;

	if (!uri)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		if (strchr(plain, path[i]))
			*out++ = path[i];
		else
			out += sprintf(out, "%%%02X", (unsigned char)path[i]);
	}
	*out = '\0';
	string = json_string(uri);
	free(uri);
	return string;
}

static json_t *result_of(const struct drifts *drifts, const struct drift *drift)
{
	/* A result needs a place: what is refused stands nowhere, and is about the whole. */
	json_int_t line = drift->place.line > 0 ? drift->place.line : 1;

	return json_pack("{s:s, s:i, s:s, s:{s:o}, s:[{s:{s:{s:o}, s:{s:I}}}]}", "ruleId",
		kinds[drift->kind].name, "ruleIndex", (int)drift->kind, "level",
		kinds[drift->kind].level, "message", "text", clean_string(drift->message),
		"locations", "physicalLocation", "artifactLocation", "uri",
		uri_of(drift->place.file ? drift->place.file : drifts->policy), "region",
		"startLine", line);
}

int drift_as_sarif(const struct drifts *drifts, FILE *out)
{
	json_t *results = json_array();
	bool failed = !results;

	for (size_t i = 0; i < drifts->count && !failed; i++)
		failed = json_array_append_new(results, result_of(drifts, &drifts->rows[i])) < 0;
	if (failed) {
		json_decref(results);
		return -ENOMEM;
	}
	return put_json(json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
				"https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0",
				"runs", "tool", "driver", "name", "egress-learn", "version",
				PACKAGE_VERSION, "rules", rules_of_sarif(), "results", results),
		out);
}
