/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "src/learn/glob.h"

struct pattern_row {
	struct text text; /* without '!', and without a slash at either end */
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
	if (line.length > 0 && line.start[line.length - 1] == '\r')
		line.length--;
	while (line.length > 0 && line.start[line.length - 1] == ' ' &&
		(line.length < 2 || line.start[line.length - 2] != '\\'))
		line.length--;
	return line;
}

/* False: the line is no pattern. */
static bool read_row(struct text line, struct pattern_row *row)
{
	*row = (struct pattern_row){.text = trim_end(line)};
	if (row->text.length == 0 || row->text.start[0] == '#')
		return false;
	if (row->text.start[0] == '!') {
		row->in = true;
		row->text.start++;
		row->text.length--;
	}
	if (row->text.length > 0 && row->text.start[row->text.length - 1] == '/') {
		row->folder = true;
		row->text.length--;
	}
	row->anchored = row->text.length > 0 && memchr(row->text.start, '/', row->text.length);
	if (row->text.length > 0 && row->text.start[0] == '/') {
		row->text.start++;
		row->text.length--;
	}
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

enum ignore_verdict ignore_find(const struct ignore *ignore, struct text path, bool is_folder)
{
	const char *slash = memrchr(path.start, '/', path.length);
	size_t cut = slash ? (size_t)(slash + 1 - path.start) : 0;
	struct text last = {path.start + cut, path.length - cut};

	for (size_t i = ignore->count; i > 0; i--) {
		const struct pattern_row *row = &ignore->rows[i - 1];

		if (row->folder && !is_folder)
			continue;
		if (row->anchored ? glob_matches_path(row->text, path)
				  : glob_matches(row->text, last))
			return row->in ? IGNORE_IN : IGNORE_OUT;
	}
	return IGNORE_SILENT;
}
