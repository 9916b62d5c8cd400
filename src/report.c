/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rules/describe.h"
#include "src/base/diag.h"

struct report {
	json_t *list;
	bool failed;
};

/* What a user wrote may be anything, also in another encoding. NULL: no memory. */
static json_t *clean_string(const char *text)
{
	char *copy = strdup(text);
	json_t *string = copy ? json_string(describe_clean(copy)) : NULL;

	free(copy);
	return string;
}

/* A member, which is taken over. */
static void set(struct report *report, json_t *object, const char *key, json_t *value)
{
	report->failed |= json_object_set_new(object, key, value) < 0;
}

static void add_message(void *context, const struct diag_message *message)
{
	struct report *report = context;
	bool is_error = message->level == DIAG_ERROR;
	json_t *object = json_pack("{s:s, s:o}", "level", is_error ? "error" : "warning", "message",
		clean_string(message->text));
	char code[8];

	if (!object) {
		report->failed = true;
		return;
	}
	snprintf(code, sizeof(code), "%c%03u", is_error ? 'E' : 'W', message->code % 1000);
	if (message->code > 0)
		set(report, object, "code", json_string(code));
	if (message->place.file)
		set(report, object, "file", clean_string(message->place.file));
	if (message->place.line > 0)
		set(report, object, "line", json_integer(message->place.line));
	if (message->place.line > 0 && message->place.column > 0) {
		set(report, object, "column", json_integer(message->place.column));
		set(report, object, "width", json_integer(message->place.width));
	}
	report->failed |= json_array_append_new(report->list, object) < 0;
}

int report_json(const struct diag *diag, FILE *out)
{
	struct report report = {.list = json_array()};
	json_t *root = report.list ? json_pack("{s:o}", "diagnostics", report.list) : NULL;
	int error = -ENOMEM;

	if (root)
		diag_visit(diag, add_message, &report);
	if (root && !report.failed && json_dumpf(root, out, JSON_INDENT(2)) == 0)
		error = 0;
	if (error == 0)
		fputc('\n', out);
	json_decref(root);
	return error;
}
