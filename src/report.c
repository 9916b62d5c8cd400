/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/report.h"

#include <jansson.h>

#include "src/base/diag.h"
#include "src/base/json-parts.h"

static void add_message(void *context, const struct diag_message *message)
{
	json_t **list = context;
	bool is_error = message->level == DIAG_ERROR;
	json_t *object = json_pack("{s:s, s:o}", "level", is_error ? "error" : "warning", "message",
		json_parts_clean(message->text));
	const struct place *place = &message->place;
	char code[8];

	snprintf(code, sizeof(code), "%c%03u", is_error ? 'E' : 'W', message->code % 1000);
	if (message->code > 0)
		object = json_parts_set(object, "code", json_string(code));
	if (place->file)
		object = json_parts_set(object, "file", json_parts_clean(place->file));
	if (place->line > 0)
		object = json_parts_set(object, "line", json_integer(place->line));
	if (place->line > 0 && place->column > 0)
		object = json_parts_join(
			object, json_pack("{s:i, s:i}", "column", (int)place->column, "width",
					(int)place->width));
	*list = json_parts_add(*list, object);
}

int report_json(const struct diag *diag, FILE *out)
{
	json_t *list = json_array();

	diag_visit(diag, add_message, &list);
	return json_parts_write(json_pack("{s:o}", "diagnostics", list), out);
}
