/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-edits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/memstream.h"

int edits_add(struct edits *edits, size_t at, const char *text)
{
	size_t i;

	if (*text == '\0')
		return 0;
	if (edits->count == EDITS_MAX)
		return -E2BIG;
	for (i = edits->count++; i > 0 && edits->list[i - 1].at > at; i--)
		edits->list[i] = edits->list[i - 1];
	edits->list[i] = (struct edit){at, text};
	return 0;
}

/* A last line without its line feed gets one before anything comes behind it. */
static bool lacks_end(struct text whole)
{
	return whole.length > 0 && whole.start[whole.length - 1] != '\n';
}

static unsigned count_lines(const char *start, size_t length)
{
	unsigned lines = 0;

	for (size_t i = 0; i < length; i++)
		lines += start[i] == '\n';
	return lines;
}

static void put_marked(char mark, struct text text, FILE *out)
{
	struct text line;

	while (text.length > 0) {
		text_cut(text, '\n', &line, &text);
		fprintf(out, "%c%.*s\n", mark, TEXT_ARG(line));
	}
}

/* A line that something was put into, as it was and as it is. 0 or -ENOMEM. */
static int show_changed(struct text whole, const struct edit *edit, FILE *out)
{
	size_t start = edit->at, end = edit->at;
	char *changed;

	while (start > 0 && whole.start[start - 1] != '\n')
		start--;
	while (end < whole.length && whole.start[end] != '\n')
		end++;
	put_marked('-', (struct text){whole.start + start, end - start}, out);
	if (asprintf(&changed, "%.*s%s%.*s", (int)(edit->at - start), whole.start + start,
		    edit->text, (int)(end - edit->at), whole.start + edit->at) < 0)
		return -ENOMEM;
	put_marked('+', text_of(changed), out);
	free(changed);
	return 0;
}

int edits_show(const struct edits *edits, const char *file, FILE *out)
{
	int error = 0;
	struct text whole = edits->whole;
	unsigned shift = 0;

	fprintf(out, "--- %s\n+++ %s\n", file, file);
	for (size_t i = 0; i < edits->count && !error; i++) {
		const struct edit *edit = &edits->list[i];
		bool at_end = edit->at == whole.length;
		unsigned above = count_lines(whole.start, edit->at) + (at_end && lacks_end(whole));
		unsigned lines = count_lines(edit->text, strlen(edit->text));

		if (!at_end && edit->at > 0 && whole.start[edit->at - 1] != '\n') {
			fprintf(out, "@@ -%u +%u,%u @@\n", above + 1, above + 1 + shift, lines + 1);
			error = show_changed(whole, edit, out);
		} else {
			fprintf(out, "@@ -%u,0 +%u,%u @@\n", above, above + 1 + shift, lines);
			put_marked('+', text_of(edit->text), out);
		}
		shift += lines;
	}
	return error;
}

int edits_join(const struct edits *edits, char **ret_text, size_t *ret_size)
{
	struct text whole = edits->whole;
	char *text = NULL;
	size_t size = 0, at = 0;
	FILE *out = memstream_open(&text, &size);

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < edits->count; i++) {
		const struct edit *edit = &edits->list[i];

		fwrite(whole.start + at, 1, edit->at - at, out);
		if (edit->at == whole.length && at < whole.length && lacks_end(whole))
			fputc('\n', out);
		at = edit->at;
		fputs(edit->text, out);
	}
	fwrite(whole.start + at, 1, whole.length - at, out);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}
