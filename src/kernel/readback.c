/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/readback.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * nft prints rules and elements in its own words, which differ between its versions, but it gives
 * names and comments back as they were, and a rule has a line, at depth two, of its own. So both
 * texts are brought down to objects: the head line, and a digest over the comments in it, for a set
 * without order, since nft lists elements sorted, for a chain in their order and with the number of
 * rules. An object begins with a line at depth one and ends with the brace at that depth; both
 * texts indent with tabs.
 */

struct object {
	struct text head; /* "chain judge" */
	uint64_t digest;
};

struct objects {
	struct object *list;
	size_t count;
};

static const struct hash_key plain_key;

static const char drop_policy[] = "policy drop;";
static const char before_comment[] = "comment \"";

/* Takes a line off the text. */
static bool next_line(struct text *text, struct text *ret_line)
{
	if (text->length == 0)
		return false;
	text_cut(*text, '\n', ret_line, text);
	return true;
}

/* "\tchain judge {": the object's head. */
static bool is_head(struct text line, struct text *ret_head)
{
	static const char end[] = " {";
	size_t end_length = strlen(end);

	if (!text_starts(line, "\tchain ") && !text_starts(line, "\tset ") &&
		!text_starts(line, "\tmap "))
		return false;
	if (line.length < end_length ||
		memcmp(line.start + line.length - end_length, end, end_length) != 0)
		return false;
	*ret_head = (struct text){line.start + 1, line.length - 1 - end_length};
	return true;
}

/* A rule, or a chain's type, starts at depth two; what goes on from it doesn't, but for a brace. */
static bool starts_rule(struct text line)
{
	return text_starts(line, "\t\t") && line.length > 2 && line.start[2] != '\t' &&
	       line.start[2] != '}';
}

/* Adds what the line says. */
static void digest_line(struct object *object, struct text line)
{
	bool ordered = text_starts(object->head, "chain ");
	size_t skip = strlen(before_comment);

	if (ordered && starts_rule(line))
		object->digest++;
	if (ordered && memmem(line.start, line.length, drop_policy, strlen(drop_policy)))
		object->digest++;
	for (;;) {
		const char *at = memmem(line.start, line.length, before_comment, skip);
		struct text comment;
		uint64_t hash;

		if (!at)
			return;
		line.length -= (size_t)(at + skip - line.start);
		line.start = at + skip;
		if (!text_cut(line, '"', &comment, &line))
			return;
		hash = hash_bytes(&plain_key, comment.start, comment.length);
		if (ordered)
			object->digest = object->digest * 31 + hash;
		else
			object->digest += hash;
	}
}

static int add_object(struct objects *objects, struct text head)
{
	struct object *list = reallocarray(objects->list, objects->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	objects->list = list;
	list[objects->count++] = (struct object){.head = head};
	return 0;
}

static int read_objects(const char *string, struct objects *objects)
{
	struct text rest = text_of(string), line, head;
	bool inside = false;

	while (next_line(&rest, &line)) {
		if (is_head(line, &head)) {
			if (add_object(objects, head) < 0)
				return -ENOMEM;
			inside = true;
		} else if (text_is(line, "\t}")) {
			inside = false;
		} else if (inside) {
			digest_line(&objects->list[objects->count - 1], line);
		}
	}
	return 0;
}

static bool has_object(const struct objects *objects, const struct object *wanted)
{
	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->list[i];

		if (object->head.length == wanted->head.length &&
			memcmp(object->head.start, wanted->head.start, wanted->head.length) == 0)
			return object->digest == wanted->digest;
	}
	return false;
}

static int compare(const struct objects *written, const struct objects *held, char **ret_object)
{
	for (size_t i = 0; i < written->count; i++) {
		struct text head = written->list[i].head;
		char *name;

		if (has_object(held, &written->list[i]))
			continue;
		name = strndup(head.start, head.length);
		if (!name)
			return -ENOMEM;
		*ret_object = name;
		return -ESTALE;
	}
	return 0;
}

int readback_compare(const char *written, const char *held, char **ret_object)
{
	struct objects a = {0}, b = {0};
	int error = read_objects(written, &a);

	if (error == 0)
		error = read_objects(held, &b);
	if (error == 0)
		error = compare(&a, &b, ret_object);
	free(a.list);
	free(b.list);
	return error;
}
