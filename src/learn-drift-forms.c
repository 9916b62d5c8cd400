/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-drift.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/json-parts.h"
#include "src/base/text.h"

static const struct {
	const char *name;
	const char *level; /* of SARIF */
	const char *says;
} kinds[DRIFT_KINDS] = {
	[DRIFT_UNUSED] = {"unused", "note", "An entry that nothing used"},
	[DRIFT_PORTS] = {"ports", "note", "Ports that nothing used"},
	[DRIFT_REFUSED] = {"refused", "warning", "A destination that is refused repeatedly"},
};

int drift_as_text(const struct drifts *drifts, FILE *out)
{
	for (size_t i = 0; i < drifts->count; i++) {
		const struct drift *drift = &drifts->rows[i];
		char *message = strdup(drift->message);
		char *file = strdup(drift->place.file ? drift->place.file : drifts->policy);
		bool failed = !message || !file;

		if (!failed && drift->place.line > 0)
			fprintf(out, "%s:%u: %s [%s]\n", text_clean(file), drift->place.line,
				text_clean(message), kinds[drift->kind].name);
		else if (!failed)
			fprintf(out, "%s: %s [%s]\n", text_clean(file), text_clean(message),
				kinds[drift->kind].name);
		free(file);
		free(message);
		if (failed)
			return -ENOMEM;
	}
	return 0;
}

static json_t *clean_string(const char *text)
{
	return json_parts_clean(text ? text : "");
}

static json_t *object_of(const struct drifts *drifts, const struct drift *drift)
{
	json_t *object = json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", kinds[drift->kind].name,
		"file", clean_string(drift->place.file ? drift->place.file : drifts->policy),
		"rule", clean_string(drift->rule), "what", clean_string(drift->what), "message",
		clean_string(drift->message));

	if (drift->place.line > 0)
		object = json_parts_set(object, "line", json_integer(drift->place.line));
	if (drift->kind == DRIFT_REFUSED)
		object = json_parts_set(object, "times", json_integer((json_int_t)drift->times));
	return object;
}

int drift_as_json(const struct drifts *drifts, FILE *out)
{
	json_t *list = json_array();

	for (size_t i = 0; i < drifts->count; i++)
		list = json_parts_add(list, object_of(drifts, &drifts->rows[i]));
	return json_parts_write(
		json_pack("{s:o, s:o}", "policy", clean_string(drifts->policy), "drift", list),
		out);
}

/* --- SARIF 2.1.0 --- */

static json_t *rules_of_sarif(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < DRIFT_KINDS; i++)
		list = json_parts_add(
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

	for (size_t i = 0; i < drifts->count; i++)
		results = json_parts_add(results, result_of(drifts, &drifts->rows[i]));
	return json_parts_write(
		json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
			"https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs",
			"tool", "driver", "name", "egress-learn", "version", PACKAGE_VERSION,
			"rules", rules_of_sarif(), "results", results),
		out);
}
