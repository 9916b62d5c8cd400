/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/json-parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"

json_t *json_parts_add(json_t *array, json_t *value)
{
	if (array && json_array_append_new(array, value) == 0)
		return array;
	json_decref(array);
	return NULL;
}

json_t *json_parts_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *json_parts_join(json_t *object, json_t *more)
{
	if (!object || !more || json_object_update(object, more) < 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return object;
}

json_t *json_parts_clean(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	json_t *string = copy ? json_string(text_clean(copy)) : NULL;

	free(copy);
	return text ? string : json_null();
}

json_t *json_parts_number(bool is_known, json_int_t number)
{
	return is_known ? json_integer(number) : json_null();
}

json_t *json_parts_count(uint64_t count)
{
	return json_integer((json_int_t)(count > INT64_MAX ? INT64_MAX : count));
}

int json_parts_write(json_t *root, FILE *out)
{
	int error = root && json_dumpf(root, out, JSON_INDENT(2)) == 0 ? 0 : -ENOMEM;

	if (!error)
		fputc('\n', out);
	json_decref(root);
	return error;
}
