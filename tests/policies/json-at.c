/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * json-at [PATH]: reads standard input, which must be one JSON text without a key given twice, and
 * prints what is at PATH ("diagnostics.0.code"): a string as it is, the number of elements of an
 * array, anything else as JSON. Status 1 when nothing is there, 2 when it is no JSON.
 */

/* Takes the steps of a path; NULL: there is nothing. */
static const json_t *find(const json_t *value, char *path)
{
	for (char *step = strtok(path, "."); step && value; step = strtok(NULL, ".")) {
		if (json_is_array(value))
			value = json_array_get(value, strtoul(step, NULL, 10));
		else
			value = json_object_get(value, step);
	}
	return value;
}

static void print(const json_t *value)
{
	if (json_is_string(value))
		printf("%s", json_string_value(value));
	else if (json_is_array(value))
		printf("%zu", json_array_size(value));
	else
		json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
	putchar('\n');
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	const json_t *value;
	int status = EXIT_FAILURE;

	if (!root) {
		fprintf(stderr, "json-at: %d:%d: %s\n", error.line, error.column, error.text);
		return 2;
	}
	value = argc > 1 ? find(root, argv[1]) : root;
	if (value) {
		print(value);
		status = EXIT_SUCCESS;
	}
	json_decref(root);
	return status;
}
