/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * Settings of editors and agents are JSON with comments, so these are blanked out in a copy first,
 * and commas in front of what closes. jansson says nothing about lines: as it keeps the order of
 * the file, each string is looked for from where the last one was found. One that is written with
 * escapes is not found, and has the line of the one before; how often that may happen is bounded,
 * since looking takes time.
 */

enum { MISSES_MAX = 1000, REACH = 65536 };

struct level {
	json_t *value;
	void *member; /* of an object: the next one */
	size_t index; /* of an array */
};

struct walk {
	const struct doc_visitor *visitor;
	struct level levels[DOC_DEPTH_MAX];
	struct text keys[DOC_DEPTH_MAX];
	size_t depth;
	struct text text;
	size_t at;
	unsigned line;
	unsigned misses;
};

/* The end of a string that begins at `at`. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
	for (at++; at < size && text[at] != '"'; at++)
		at += text[at] == '\\';
	return at < size ? at + 1 : size;
}

/* The end of a comment at `at`, or `at` if there is none. */
static size_t skip_comment(const char *text, size_t size, size_t at)
{
	const char *end = NULL;

	if (at + 1 >= size || text[at] != '/')
		return at;
	if (text[at + 1] == '/') {
		end = memchr(text + at, '\n', size - at);
		return end ? (size_t)(end - text) : size;
	}
	if (text[at + 1] != '*')
		return at;
	end = memmem(text + at + 2, size - at - 2, "*/", 2);
	return end ? (size_t)(end + 2 - text) : size;
}

/* Blanks comments out, and commas behind which nothing comes. */
static void clean(char *text, size_t size)
{
	size_t at = 0, comma = size;

	while (at < size) {
		size_t end = skip_comment(text, size, at);

		if (end > at) {
			for (; at < end; at++)
				text[at] = text[at] == '\n' ? '\n' : ' ';
			continue;
		}
		if ((text[at] == '}' || text[at] == ']') && comma < size)
			text[comma] = ' ';
		if (text[at] == ',')
			comma = at;
		else if (!strchr(" \t\r\n", text[at]))
			comma = size;
		at = text[at] == '"' ? skip_string(text, size, at) : at + 1;
	}
}

/* Goes to where the string is, if it is found. */
static void locate(struct walk *walk, const char *string, size_t length)
{
	size_t left = walk->text.length - walk->at;
	const char *from = walk->text.start + walk->at, *found = from;
	size_t reach = left < REACH ? left : REACH;

	if (walk->misses == MISSES_MAX || length == 0)
		return;
	do {
		found = memmem(found, reach - (size_t)(found - from), string, length);
		if (found && found > walk->text.start && found[-1] == '"' && found[length] == '"')
			break;
		found = found ? found + 1 : NULL;
	} while (found);
	if (!found) {
		walk->misses++;
		return;
	}
	for (; from < found; from++)
		walk->line += *from == '\n';
	walk->at = (size_t)(found - walk->text.start) + length;
}

static void visit(struct walk *walk, const json_t *value)
{
	struct doc_item item = {.keys = walk->keys, .depth = walk->depth, .line = walk->line};

	if (json_is_string(value)) {
		item.value = (struct text){json_string_value(value), json_string_length(value)};
		locate(walk, item.value.start, item.value.length);
		item.line = walk->line;
	} else if (json_is_true(value)) {
		item.value = text_of("true");
	}
	walk->visitor->visit(walk->visitor->context, &item);
}

/* Goes into what has parts, visits what hasn't, "{}" included. What is too deep is left out. */
static void take(struct walk *walk, json_t *value)
{
	if (json_object_size(value) + json_array_size(value) == 0) {
		visit(walk, value);
	} else if (walk->depth + 1 < DOC_DEPTH_MAX) {
		walk->levels[walk->depth] = (struct level){.value = value};
		if (json_is_object(value))
			walk->levels[walk->depth].member = json_object_iter(value);
		walk->depth++;
	}
}

static void walk_all(struct walk *walk, json_t *root)
{
	walk->levels[0] = (struct level){.value = root, .member = json_object_iter(root)};
	walk->depth = 1;
	while (walk->depth > 0) {
		struct level *level = &walk->levels[walk->depth - 1];
		struct text *key = &walk->keys[walk->depth - 1];
		json_t *value = NULL;

		if (json_is_array(level->value)) {
			value = json_array_get(level->value, level->index++);
			*key = text_of("-");
		} else if (level->member) {
			value = json_object_iter_value(level->member);
			*key = text_of(json_object_iter_key(level->member));
			level->member = json_object_iter_next(level->value, level->member);
			locate(walk, key->start, key->length);
		}
		if (value)
			take(walk, value);
		else
			walk->depth--;
	}
}

static bool was_short;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	was_short |= !memory;
	return memory;
}

/* Where memory runs out jansson may say that there is an invalid token, or nothing at all. */
static int load(struct text text, json_t **ret_root)
{
	json_malloc_t kept_malloc;
	json_free_t kept_free;
	json_error_t error;

	json_get_alloc_funcs(&kept_malloc, &kept_free);
	json_set_alloc_funcs(allocate, free);
	was_short = false;
	*ret_root = json_loadb(text.start, text.length, 0, &error);
	json_set_alloc_funcs(kept_malloc, kept_free);
	if (*ret_root)
		return 0;
	return was_short ? -ENOMEM : -EBADMSG;
}

int doc_json(struct text text, const struct doc_visitor *visitor)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	char *copy = malloc(text.length + 1);
	json_t *root = NULL;
	int result = -ENOMEM;

	if (walk && copy) {
		memcpy(copy, text.start, text.length);
		copy[text.length] = '\0';
		clean(copy, text.length);
		walk->visitor = visitor;
		walk->text = (struct text){copy, text.length};
		walk->line = 1;
		result = load(walk->text, &root);
	}
	if (root)
		walk_all(walk, root);
	json_decref(root);
	free(copy);
	free(walk);
	return result;
}
