/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/changes.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/json-parts.h"
#include "src/base/text.h"

enum { SHOWN_MAX = 20 }; /* lines of text for one rule */

static const struct {
	const char *head;  /* before the rule */
	const char *other; /* before what is on the other side */
	const char *list;  /* in JSON, where `other` is the field */
	char sign;
} kinds[] = {
	[CHANGE_GAINED] = {"gained by", "was", "gained", '+'},
	[CHANGE_LOST] = {"lost with", "now", "lost", '-'},
	[CHANGE_IDLE] = {"no effect of", "because", "no_effect", ' '},
};

int changes_add(struct changes *changes, const struct change *change)
{
	if (changes->count == changes->room) {
		size_t room = changes->room > 0 ? 2 * changes->room : 64;
		struct change *list = reallocarray(changes->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		changes->list = list;
		changes->room = room;
	}
	changes->list[changes->count++] = *change;
	return 0;
}

void changes_clear(struct changes *changes)
{
	free(changes->list);
	changes->list = NULL;
	changes->count = 0;
	changes->room = 0;
}

bool changes_gained(const struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->list[i].kind == CHANGE_GAINED)
			return true;
	return false;
}

static int compare_strings(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* Gained before lost, then by place and rule, then as they were found. */
static int compare_changes(const void *left, const void *right)
{
	const struct change *a = *(const struct change *const *)left;
	const struct change *b = *(const struct change *const *)right;
	int order = (int)a->kind - (int)b->kind;

	if (order == 0)
		order = compare_strings(a->place.file, b->place.file);
	if (order == 0)
		order = (a->place.line > b->place.line) - (a->place.line < b->place.line);
	if (order == 0)
		order = strcmp(a->rule, b->rule);
	if (order == 0)
		order = (a > b) - (a < b);
	return order;
}

/* The changes in their order; to be freed, NULL: no memory. */
static const struct change **sort(const struct changes *changes)
{
	const struct change **order = calloc(changes->count + 1, sizeof(*order));

	for (size_t i = 0; order && i < changes->count; i++)
		order[i] = &changes->list[i];
	if (order)
		qsort(order, changes->count, sizeof(*order), compare_changes);
	return order;
}

static bool same_rule(const struct change *a, const struct change *b)
{
	return a->kind == b->kind && strcmp(a->rule, b->rule) == 0 &&
	       compare_strings(a->place.file, b->place.file) == 0;
}

/* Something that a user may have written. */
static void put_clean(const char *text, FILE *out)
{
	char *copy = strdup(text);

	fputs(copy ? text_clean(copy) : "(no memory left for it)", out);
	free(copy);
}

static void print_head(const struct change *change, FILE *out)
{
	fprintf(out, "%s %s", kinds[change->kind].head, change->rule);
	if (change->place.line > 0) {
		fputs(" (", out);
		put_clean(change->place.file, out);
		fprintf(out, ":%u)", change->place.line);
	}
	fputs(":\n", out);
}

static void print_line(const struct change *change, FILE *out)
{
	fprintf(out, "  %c ", kinds[change->kind].sign);
	put_clean(change->what, out);
	if (change->ports)
		fprintf(out, " %s", change->ports);
	if (change->other)
		fprintf(out, " (%s: %s)", kinds[change->kind].other, change->other);
	fputc('\n', out);
}

int changes_print(const struct changes *changes, FILE *out)
{
	const struct change **order = sort(changes);
	size_t shown = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < changes->count; i++) {
		bool is_first = i == 0 || !same_rule(order[i - 1], order[i]);
		bool is_last = i + 1 == changes->count || !same_rule(order[i], order[i + 1]);

		if (is_first) {
			print_head(order[i], out);
			shown = 0;
		}
		if (shown++ < SHOWN_MAX)
			print_line(order[i], out);
		if (is_last && shown > SHOWN_MAX)
			fprintf(out, "    and %zu more\n", shown - SHOWN_MAX);
	}
	free(order);
	return 0;
}

static json_t *to_json(const struct change *change)
{
	json_t *object = json_pack(
		"{s:o, s:s}", "what", json_parts_clean(change->what), "rule", change->rule);

	if (change->ports)
		object = json_parts_set(object, "ports", json_string(change->ports));
	if (change->place.line > 0) {
		object = json_parts_set(object, "file", json_parts_clean(change->place.file));
		object = json_parts_set(object, "line", json_integer(change->place.line));
	}
	if (change->other)
		object = json_parts_set(
			object, kinds[change->kind].other, json_string(change->other));
	return object;
}

int changes_json(const struct changes *changes, FILE *out)
{
	const struct change **order = sort(changes);
	json_t *root = json_object();
	int error;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && root; i++)
		root = json_parts_set(root, kinds[i].list, json_array());
	error = order && root ? 0 : -ENOMEM;
	for (size_t i = 0; error == 0 && i < changes->count; i++) {
		json_t *list = json_object_get(root, kinds[order[i]->kind].list);

		if (json_array_append_new(list, to_json(order[i])) < 0)
			error = -ENOMEM;
	}
	if (error == 0 && json_dumpf(root, out, JSON_INDENT(2)) < 0)
		error = -ENOMEM;
	if (error == 0)
		fputc('\n', out);
	json_decref(root);
	free(order);
	return error;
}
