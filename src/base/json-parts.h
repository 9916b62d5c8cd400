/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_JSON_PARTS_H
#define EGRESS_BASE_JSON_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What JSON output is put together from. An object or an array that cannot be made is NULL, and so
 * is what it was to be part of. */

/* Takes both over: the array with the value behind its last one. */
json_t *json_parts_add(json_t *array, json_t *value);

/* Takes both over: the object with the value as a member. */
json_t *json_parts_set(json_t *object, const char *key, json_t *value);

/* Takes both over: the object with the members of the other one, too. */
json_t *json_parts_join(json_t *object, json_t *more);

/* A string that a user wrote, or null for NULL. */
json_t *json_parts_clean(const char *text);

json_t *json_parts_number(bool is_known, json_int_t number);

/* One that may be larger than JSON's are: then it is the largest of these. */
json_t *json_parts_count(uint64_t count);

/* Takes it over: writes it on lines of its own, with a line feed. 0 or -ENOMEM, also for NULL. */
int json_parts_write(json_t *root, FILE *out);

#endif
