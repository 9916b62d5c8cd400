/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * expat's events, with the names of the open elements on a stack of bounded depth. An element's
 * text is what stands in it before and between other elements, cut after TEXT_MAX bytes. A document
 * type that declares entities ends the reading: what they would expand to is nobody's business
 * here, and external ones are never opened.
 */

enum { TEXT_MAX = 65536, NAME_LENGTH_MAX = 256 };

struct walk {
	const struct doc_visitor *visitor;
	XML_Parser parser;
	struct text keys[DOC_DEPTH_MAX];
	char names[DOC_DEPTH_MAX][NAME_LENGTH_MAX];
	unsigned lines[DOC_DEPTH_MAX]; /* that the elements begin in */
	size_t depth;
	size_t too_deep;
	char text[TEXT_MAX + 1]; /* with a NUL behind it */
	size_t n_text;
	unsigned line; /* that the text begins in */
};

static unsigned line_of(const struct walk *walk)
{
	return (unsigned)XML_GetCurrentLineNumber(walk->parser);
}

static void visit(const struct walk *walk, size_t depth, struct text value, unsigned line)
{
	const struct doc_item item = {
		.keys = walk->keys, .depth = depth, .value = value, .line = line};

	walk->visitor->visit(walk->visitor->context, &item);
}

static void start(void *context, const char *name, const char **attributes)
{
	struct walk *walk = context;
	struct text *key = &walk->keys[walk->depth];
	char attribute[NAME_LENGTH_MAX];

	walk->n_text = 0;
	/* One level is left for an attribute. */
	if (walk->depth + 1 == DOC_DEPTH_MAX) {
		walk->too_deep++;
		return;
	}
	strncpy(walk->names[walk->depth], name, NAME_LENGTH_MAX - 1);
	*key = text_of(walk->names[walk->depth]);
	walk->lines[walk->depth++] = line_of(walk);
	for (; attributes[0]; attributes += 2) {
		attribute[0] = '@';
		strncpy(attribute + 1, attributes[0], sizeof(attribute) - 2);
		attribute[sizeof(attribute) - 1] = '\0';
		walk->keys[walk->depth] = text_of(attribute);
		visit(walk, walk->depth + 1, text_of(attributes[1]), line_of(walk));
	}
}

static void end(void *context, const char *name)
{
	struct walk *walk = context;
	struct text value = text_trim((struct text){walk->text, walk->n_text});

	(void)name;
	if (walk->too_deep > 0) {
		walk->too_deep--;
		return;
	}
	if (value.length > 0)
		visit(walk, walk->depth, value, walk->line);
	walk->n_text = 0;
	walk->depth--;
}

static void add_text(void *context, const char *text, int size)
{
	struct walk *walk = context;
	size_t room = TEXT_MAX - walk->n_text;
	size_t length = (size_t)size < room ? (size_t)size : room;

	/* Blanks before it do not belong to it; each line's end comes by itself. */
	if (walk->n_text == 0 && text_trim((struct text){text, length}).length == 0)
		return;
	if (walk->n_text == 0)
		walk->line = line_of(walk);
	memcpy(walk->text + walk->n_text, text, length);
	walk->n_text += length;
}

static void refuse_entity(void *context, const char *name, int is_parameter, const char *value,
	int length, const char *base, const char *system, const char *public, const char *notation)
{
	const struct walk *walk = context;

	(void)name;
	(void)is_parameter;
	(void)value;
	(void)length;
	(void)base;
	(void)system;
	(void)public;
	(void)notation;
	XML_StopParser(walk->parser, XML_FALSE);
}

int doc_xml(struct text text, const struct doc_visitor *visitor)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	XML_Parser parser = walk ? XML_ParserCreate(NULL) : NULL;
	int error = -ENOMEM;

	if (parser) {
		walk->visitor = visitor;
		walk->parser = parser;
		XML_SetUserData(parser, walk);
		XML_SetElementHandler(parser, start, end);
		XML_SetCharacterDataHandler(parser, add_text);
		XML_SetEntityDeclHandler(parser, refuse_entity);
		error = text.length <= INT_MAX && XML_Parse(parser, text.start, (int)text.length,
							  XML_TRUE) == XML_STATUS_OK
				? 0
				: -EBADMSG;
		if (error && XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY)
			error = -ENOMEM;
		XML_ParserFree(parser);
	}
	free(walk);
	return error;
}
