/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/*
 * Theory of operation
 *
 * libyaml's events, with the keys that led here on a stack of bounded depth; nothing is built. An
 * alias stands for nothing, so that a small file cannot stand for a large one. What is nested too
 * deeply, and what is a key without being a word, is gone over without being visited.
 */

struct level {
	bool is_map;
	bool has_key;    /* a value comes next */
	char *key;       /* malloc'ed; of a map */
	size_t length;   /* of the key, which may be as long as the file */
	unsigned before; /* values that have ended */
};

struct walk {
	const struct doc_visitor *visitor;
	struct level levels[DOC_DEPTH_MAX];
	struct text keys[DOC_DEPTH_MAX];
	unsigned before[DOC_DEPTH_MAX];
	unsigned documents;
	size_t depth;
	size_t skipped; /* collections that are open and not on the stack */
	bool failed;    /* no memory */
};

static void set_key(struct walk *walk, struct level *level, const char *text, size_t length)
{
	free(level->key);
	level->key = strndup(text, length);
	level->length = level->key ? strlen(level->key) : 0;
	level->has_key = true;
	walk->failed |= !level->key;
}

/* A value has come: of a map, a key is next. */
static void end_value(struct walk *walk)
{
	if (walk->depth == 0)
		return;
	walk->levels[walk->depth - 1].has_key = false;
	walk->levels[walk->depth - 1].before++;
}

static void take_scalar(struct walk *walk, const yaml_event_t *event)
{
	struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	bool block = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
		     event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	struct doc_item item = {
		.keys = walk->keys,
		.depth = walk->depth,
		.value = {text, length},
		.line = (unsigned)event->start_mark.line + (block ? 2 : 1),
		.before = walk->before,
		.document = walk->documents,
	};

	if (walk->skipped > 0 || !level)
		return;
	if (level->is_map && !level->has_key) {
		set_key(walk, level, text, length);
		return;
	}
	for (size_t i = 0; i < walk->depth; i++) {
		const struct level *above = &walk->levels[i];

		walk->keys[i] =
			!above->is_map ? text_of("-")
				       : (struct text){above->key ? above->key : "", above->length};
		walk->before[i] = above->before;
	}
	walk->visitor->visit(walk->visitor->context, &item);
	end_value(walk);
}

static void begin(struct walk *walk, bool is_map)
{
	struct level *above = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;

	if (walk->skipped > 0 || walk->depth == DOC_DEPTH_MAX ||
		(above && above->is_map && !above->has_key)) {
		walk->skipped++;
		return;
	}
	walk->levels[walk->depth++] = (struct level){.is_map = is_map};
}

static void end(struct walk *walk)
{
	struct level *above;

	if (walk->skipped > 0) {
		walk->skipped--;
		above = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
		if (walk->skipped > 0 || !above)
			return;
		/* It was a key, or too deep for a value. */
		if (above->is_map && !above->has_key)
			set_key(walk, above, "", 0);
		else
			end_value(walk);
		return;
	}
	if (walk->depth == 0)
		return;
	free(walk->levels[--walk->depth].key);
	end_value(walk);
}

static void take_alias(struct walk *walk)
{
	struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;

	if (walk->skipped > 0 || !level)
		return;
	if (level->is_map && !level->has_key)
		set_key(walk, level, "", 0);
	else
		end_value(walk);
}

static void take(struct walk *walk, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		take_scalar(walk, event);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		begin(walk, event->type == YAML_MAPPING_START_EVENT);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		end(walk);
		break;
	case YAML_ALIAS_EVENT:
		take_alias(walk);
		break;
	case YAML_DOCUMENT_END_EVENT:
		walk->documents++;
		break;
	default:
		break;
	}
}

int doc_yaml(struct text text, const struct doc_visitor *visitor)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	yaml_parser_t parser;
	yaml_event_t event;
	bool ended = false;
	int error = 0;

	if (!walk || !yaml_parser_initialize(&parser)) {
		free(walk);
		return -ENOMEM;
	}
	walk->visitor = visitor;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.start, text.length);
	while (error == 0 && !ended) {
		if (!yaml_parser_parse(&parser, &event)) {
			error = parser.error == YAML_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
			break;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		take(walk, &event);
		yaml_event_delete(&event);
		if (walk->failed)
			error = -ENOMEM;
	}
	while (walk->depth > 0)
		free(walk->levels[--walk->depth].key);
	yaml_parser_delete(&parser);
	free(walk);
	return error;
}
