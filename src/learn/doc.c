/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "src/learn/glob.h"

struct text doc_key(const struct doc_item *item, size_t index)
{
	return index < item->depth ? item->keys[item->depth - 1 - index] : (struct text){"", 0};
}

/* The pattern of the path that begins at `path`, and where the next one does; NULL for the end. */
static struct text next_pattern(const char **path)
{
	const char *end = strchrnul(*path, '/');
	struct text pattern = {*path, (size_t)(end - *path)};

	*path = *end ? end + 1 : NULL;
	return pattern;
}

/* As glob_matches_path(): only the last "**" can still have to take more. */
bool doc_matches(const struct doc_item *item, const char *path)
{
	const char *star = NULL;
	size_t at = 0, star_at = 0;

	while (at < item->depth) {
		const char *rest = path;
		struct text pattern = rest ? next_pattern(&rest) : (struct text){NULL, 0};

		if (path && text_is(pattern, "**")) {
			if (!rest)
				return true;
			star = path = rest;
			star_at = at;
		} else if (path && glob_matches(pattern, item->keys[at])) {
			path = rest;
			at++;
		} else if (star) {
			path = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
	return !path;
}

/* --- INI --- */

struct ini {
	const struct doc_visitor *visitor;
	struct text keys[2];
	bool has_section;
	unsigned line;
};

static void visit_ini(const struct ini *ini, struct text value)
{
	const struct doc_item item = {
		.keys = ini->has_section ? ini->keys : ini->keys + 1,
		.depth = ini->has_section ? 2 : 1,
		.value = value,
		.line = ini->line,
	};

	ini->visitor->visit(ini->visitor->context, &item);
}

static struct text unquote(struct text text)
{
	if (text.length >= 2 && (text.start[0] == '"' || text.start[0] == '\'') &&
		text.start[text.length - 1] == text.start[0])
		return (struct text){text.start + 1, text.length - 2};
	return text;
}

/* "key = value", or "key: value" in a line that can't belong to the key before. */
static bool cut_key(struct text line, bool may_go_on, struct text *ret_key, struct text *ret_value)
{
	return text_cut(line, '=', ret_key, ret_value) ||
	       (!may_go_on && text_cut(line, ':', ret_key, ret_value));
}

static void read_ini_line(struct ini *ini, struct text line)
{
	bool indented = line.length > 0 && (line.start[0] == ' ' || line.start[0] == '\t');
	struct text trimmed = text_trim(line), key, value;

	if (trimmed.length == 0 || strchr("#;", trimmed.start[0]))
		return;
	if (trimmed.start[0] == '[') {
		text_cut((struct text){trimmed.start + 1, trimmed.length - 1}, ']', &ini->keys[0],
			&value);
		ini->has_section = true;
		ini->keys[1] = (struct text){"", 0};
	} else if (cut_key(trimmed, indented && ini->keys[1].length > 0, &key, &value)) {
		ini->keys[1] = text_trim(key);
		visit_ini(ini, unquote(text_trim(value)));
	} else if (indented && ini->keys[1].length > 0) {
		visit_ini(ini, unquote(trimmed));
	}
}

int doc_ini(struct text text, const struct doc_visitor *visitor)
{
	struct ini ini = {.visitor = visitor};
	struct text line;

	while (text.length > 0) {
		ini.line++;
		text_cut(text, '\n', &line, &text);
		read_ini_line(&ini, line);
	}
	return 0;
}
