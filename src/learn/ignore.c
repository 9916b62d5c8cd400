/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "src/learn/glob.h"

/*
 * Theory of operation
 *
 * As git reads and matches patterns, which is a little more than gitignore(5) says: what a pattern
 * with a slash begins with is compared first, and what is left of it is a pattern of its own, so
 * that the "**" of "a**" reaches across slashes as that of "**" does.
 */

struct pattern_row {
	struct text text; /* without '!', a slash at its end, and one at its beginning */
	size_t literal;   /* bytes at its beginning that stand for themselves */
	bool in;          /* began with '!' */
	bool folder;      /* ended with '/': for folders only */
	bool anchored;    /* has a slash: against the path, else against the last part of it */
};

struct ignore {
	char *text;
	size_t count;
	struct pattern_row rows[];
};

/* Blanks at the end do not count, unless a backslash is before them. */
static struct text trim_end(struct text line)
{
	size_t end = 0;

	if (line.length > 0 && line.start[line.length - 1] == '\r')
		line.length--;
	for (size_t i = 0; i < line.length; i++) {
		if (line.start[i] == '\\')
			i++;
		else if (line.start[i] == ' ')
			continue;
		end = i + 1;
	}
	line.length = end < line.length ? end : line.length;
	return line;
}

/* False: the line is no pattern. */
static bool read_row(struct text line, struct pattern_row *row)
{
	struct text text = trim_end(line);
	bool in, folder;

	if (line.length == 0 || line.start[0] == '#')
		return false;
	in = text_starts(text, "!");
	text = text_behind(text, in);
	folder = text.length > 0 && text.start[text.length - 1] == '/';
	text.length -= folder;
	*row = (struct pattern_row){
		.in = in,
		.folder = folder,
		.anchored = text.length > 0 && memchr(text.start, '/', text.length),
		.text = text_behind(text, text_starts(text, "/")),
	};
	row->literal = glob_literal(row->text);
	return row->text.length > 0;
}

static size_t count_lines(struct text text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.length; i++)
		count += text.start[i] == '\n';
	return count < IGNORE_PATTERNS_MAX ? count : IGNORE_PATTERNS_MAX;
}

struct ignore *ignore_new(struct text text)
{
	size_t most = count_lines(text);
	struct ignore *ignore = malloc(sizeof(*ignore) + most * sizeof(ignore->rows[0]));
	struct text line, rest;

	if (!ignore)
		return NULL;
	*ignore = (struct ignore){.text = malloc(text.length + 1)};
	if (ignore->text) {
		memcpy(ignore->text, text.start, text.length);
		rest = (struct text){ignore->text, text.length};
		if (text_starts(rest, "\xef\xbb\xbf"))
			rest = text_behind(rest, 3);
		while (rest.length > 0 && ignore->count < most) {
			text_cut(rest, '\n', &line, &rest);
			ignore->count += read_row(line, &ignore->rows[ignore->count]);
		}
	}
	if (ignore->count > 0)
		return ignore;
	ignore_free(ignore);
	return NULL;
}

void ignore_free(struct ignore *ignore)
{
	if (ignore)
		free(ignore->text);
	free(ignore);
}

static bool row_matches(const struct pattern_row *row, struct text path, struct text last)
{
	struct text text = row->anchored ? path : last, pattern;

	if (text.length < row->literal || memcmp(text.start, row->text.start, row->literal) != 0)
		return false;
	pattern = text_behind(row->text, row->literal);
	text = text_behind(text, row->literal);
	return row->anchored ? glob_matches_path(pattern, text) : glob_matches(pattern, text);
}

enum ignore_verdict ignore_find(const struct ignore *ignore, struct text path, bool is_folder)
{
	const char *slash = memrchr(path.start, '/', path.length);
	struct text last = text_behind(path, slash ? (size_t)(slash + 1 - path.start) : 0);

	for (size_t i = ignore->count; i > 0; i--) {
		const struct pattern_row *row = &ignore->rows[i - 1];

		if ((is_folder || !row->folder) && row_matches(row, path, last))
			return row->in ? IGNORE_IN : IGNORE_OUT;
	}
	return IGNORE_SILENT;
}
