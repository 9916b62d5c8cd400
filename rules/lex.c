/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/lex.h"

#include <stdint.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The TOML parser takes any file, but not in any time and space: each part of a dotted key is a
 * table in a table, and they are released by recursion; each part that makes a table, and each
 * array of tables, is searched for in a list later on, so that many of them take quadratic time;
 * and a value of two bytes takes some 200 in memory. So its input is bounded before it sees it, by
 * counting characters that are neither in strings nor in comments.
 *
 * This walk and the parser agree on where strings and comments are as long as the text is TOML; the
 * parser stops at the first place where it isn't.
 */

struct lex {
	struct text text;
	size_t pos;
	size_t item; /* where the last key or element started */
	bool fresh;  /* the next character that is no blank starts one */
	bool behind; /* its '=' was passed: no key can follow in it */
	unsigned depth;
	unsigned parts; /* dots of the key so far */
	unsigned values;
	unsigned headers;
	unsigned dots;
};

static char peek(const struct lex *lex, size_t ahead)
{
	return lex->text.length - lex->pos > ahead ? lex->text.start[lex->pos + ahead] : '\0';
}

static void skip(struct lex *lex, size_t count)
{
	size_t left = lex->text.length - lex->pos;

	lex->pos += count < left ? count : left;
}

static bool at_triple(const struct lex *lex, char quote)
{
	return peek(lex, 0) == quote && peek(lex, 1) == quote && peek(lex, 2) == quote;
}

/* Up to two quotes may stand before the three that end the string. */
static void skip_long_string(struct lex *lex, char quote)
{
	skip(lex, 3);
	while (lex->pos < lex->text.length && !at_triple(lex, quote))
		skip(lex, quote == '"' && peek(lex, 0) == '\\' ? 2 : 1);
	skip(lex, 3);
	for (int more = 0; more < 2 && peek(lex, 0) == quote; more++)
		skip(lex, 1);
}

static void skip_string(struct lex *lex, char quote)
{
	if (at_triple(lex, quote)) {
		skip_long_string(lex, quote);
		return;
	}
	skip(lex, 1);
	while (lex->pos < lex->text.length && peek(lex, 0) != quote && peek(lex, 0) != '\n')
		skip(lex, quote == '"' && peek(lex, 0) == '\\' ? 2 : 1);
	if (peek(lex, 0) == quote)
		skip(lex, 1);
}

static void skip_comment(struct lex *lex)
{
	const char *start = lex->text.start + lex->pos;
	const char *end = memchr(start, '\n', lex->text.length - lex->pos);

	lex->pos = end ? (size_t)(end - lex->text.start) : lex->text.length;
}

/* What follows is a key or an element of its own. */
static void start_item(struct lex *lex)
{
	lex->fresh = true;
	lex->behind = false;
	lex->parts = 0;
}

static void open_bracket(struct lex *lex, char bracket)
{
	bool header = bracket == '[' && lex->depth == 0 && lex->item == lex->pos;

	lex->headers += header;
	lex->values++;
	lex->depth++;
	start_item(lex);
}

static void take_mark(struct lex *lex, char c)
{
	switch (c) {
	case '[':
	case '{':
		open_bracket(lex, c);
		break;
	case ']':
	case '}':
		lex->depth -= lex->depth > 0;
		break;
	case ',':
		lex->values++;
		start_item(lex);
		break;
	case '=':
		lex->values++;
		lex->behind = true;
		break;
	case '.':
		lex->dots += !lex->behind;
		lex->parts += !lex->behind;
		break;
	case '\n':
		if (lex->depth == 0)
			start_item(lex);
		break;
	}
	skip(lex, 1);
}

/* One string, one comment, or one character. */
static void step(struct lex *lex)
{
	char c = peek(lex, 0);

	if (lex->fresh && !strchr(" \t\r\n#", c)) {
		lex->item = lex->pos;
		lex->fresh = false;
	}
	if (c == '"' || c == '\'')
		skip_string(lex, c);
	else if (c == '#')
		skip_comment(lex);
	else
		take_mark(lex, c);
}

bool lex_is_text(struct text text, struct lex_fault *ret_fault)
{
	const char *nul = text.length > 0 ? memchr(text.start, '\0', text.length) : NULL;
	struct text before = text;
	size_t offset;

	if (nul)
		before.length = (size_t)(nul - text.start);
	if (!text_is_utf8(before, &offset)) {
		*ret_fault = (struct lex_fault){offset, "the file is not text in UTF-8"};
		return false;
	}
	if (nul) {
		*ret_fault = (struct lex_fault){
			before.length, "the file is not text: it has a NUL byte"};
		return false;
	}
	return true;
}

static const char *find_problem(const struct lex *lex)
{
	if (lex->depth > LEX_DEPTH_MAX)
		return "brackets are nested more than 32 deep";
	if (lex->parts >= LEX_DEPTH_MAX)
		return "a key has more than 32 parts";
	if (lex->values > LEX_VALUES_MAX)
		return "the file has more than 2097152 values";
	if (lex->headers > LEX_HEADERS_MAX)
		return "the file has more than 65536 table headers";
	if (lex->dots > LEX_DOTS_MAX)
		return "the file has more than 16384 dots outside of strings and values";
	return NULL;
}

bool lex_is_bounded(struct text text, struct lex_fault *ret_fault)
{
	struct lex lex = {.text = text, .fresh = true};

	while (lex.pos < text.length) {
		size_t offset = lex.pos;
		const char *problem;

		step(&lex);
		problem = find_problem(&lex);
		if (problem) {
			*ret_fault = (struct lex_fault){offset, problem};
			return false;
		}
	}
	return true;
}

size_t lex_item(struct text text, size_t offset)
{
	struct lex lex = {.text = text, .fresh = true};

	while (lex.pos < text.length && lex.pos < offset)
		step(&lex);
	return lex.item;
}

/* Not the second and later bytes of a character. */
static bool starts_char(char c)
{
	return ((uint8_t)c & 0xc0) != 0x80;
}

void lex_place(struct text text, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < offset && i < text.length; i++) {
		column += starts_char(text.start[i]);
		if (text.start[i] == '\n') {
			line++;
			column = 1;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

size_t lex_offset(struct text text, unsigned line, unsigned column)
{
	size_t i = 0;

	for (; line > 1 && i < text.length; i++)
		line -= text.start[i] == '\n';
	while (column > 1 && i < text.length && text.start[i] != '\n') {
		i++;
		while (i < text.length && !starts_char(text.start[i]))
			i++;
		column--;
	}
	return i;
}

unsigned lex_width(struct text text)
{
	unsigned width = 0;

	for (size_t i = 0; i < text.length; i++)
		width += starts_char(text.start[i]);
	return width;
}
