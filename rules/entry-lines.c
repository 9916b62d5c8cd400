/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/entry-lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"

int entry_lines_put_notes(const char *notes, const char *indent, FILE *out)
{
	const char *line = notes;

	while (line && *line) {
		const char *end = strchrnul(line, '\n');
		char *copy = strndup(line, (size_t)(end - line));

		if (!copy)
			return -ENOMEM;
		fprintf(out, "%s#%s%s\n", indent, *copy ? " " : "", text_clean(copy));
		free(copy);
		line = *end ? end + 1 : end;
	}
	return 0;
}

/* A basic string; what can't be in one, or shown, is '?'. 0 or -ENOMEM. */
static int put_string(const char *text, size_t length, FILE *out)
{
	char *copy = strndup(text, length);

	if (!copy)
		return -ENOMEM;
	fputc('"', out);
	for (const char *c = text_clean(copy); *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
	free(copy);
	return 0;
}

/* How keys are written: what stands before each, and behind. */
struct form {
	const char *before, *behind;
	const char *next; /* before all but the first */
};

static void begin_key(struct form *form, const char *key, FILE *out)
{
	fprintf(out, "%s%s = ", form->before, key);
	form->before = form->next;
}

static int put_key(struct form *form, const char *key, const char *value, FILE *out)
{
	int error;

	if (!value || !*value)
		return 0;
	begin_key(form, key, out);
	error = put_string(value, strlen(value), out);
	fputs(form->behind, out);
	return error;
}

/* Words between blanks, as an array. */
static int put_array(struct form *form, const char *key, const char *words, FILE *out)
{
	const char *comma = "";
	int error = 0;

	if (!words || !*words)
		return 0;
	begin_key(form, key, out);
	fputc('[', out);
	while (*words && !error) {
		size_t length = strcspn(words, " ");

		fputs(comma, out);
		error = put_string(words, length, out);
		comma = ", ";
		words += length + (words[length] == ' ');
	}
	fprintf(out, "]%s", form->behind);
	return error;
}

static int put_keys(const struct entry_lines *entry, struct form form, FILE *out)
{
	int error = put_key(&form, entry->key, entry->where, out);

	if (!error)
		error = put_array(&form, "ports", entry->ports, out);
	if (!error)
		error = put_array(&form, "addresses", entry->addresses, out);
	if (!error)
		error = put_key(&form, "category", entry->category, out);
	if (!error)
		error = put_key(&form, "reason", entry->reason, out);
	return error;
}

int entry_lines_put(const struct entry_lines *entry, FILE *out)
{
	const char *mark = entry->against ? "#" : "";
	int error = entry_lines_put_notes(entry->notes, "", out);

	if (!error)
		error = entry_lines_put_notes(entry->against, "", out);
	fprintf(out, "%s[[%s]]\n", mark, entry->deny ? "deny" : "allow");
	return error ? error : put_keys(entry, (struct form){mark, "\n", mark}, out);
}

int entry_lines_put_element(const struct entry_lines *entry, FILE *out)
{
	int error;

	fputc('\n', out);
	error = entry_lines_put_notes(entry->notes, "\t", out);
	if (!error)
		error = entry_lines_put_notes(entry->against, "\t", out);
	fprintf(out, "\t%s{", entry->against ? "#" : "");
	if (!error)
		error = put_keys(entry, (struct form){"", "", ", "}, out);
	fputs("},", out);
	return error;
}

static int put_heading(const char *group, FILE *out)
{
	const char *end = strchrnul(group, '\n');

	fprintf(out, "\n# --- %.*s ---\n", (int)(end - group), group);
	return *end ? entry_lines_put_notes(end + 1, "", out) : 0;
}

int entry_lines_put_all(const struct entry_lines *entries, size_t count, FILE *out)
{
	static const char apart[] = "Not permitted: take the '#' away from what is meant";
	const char *last = "";
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		const char *group = entries[i].against ? apart : entries[i].group;

		if (group && strcmp(group, last) != 0)
			error = put_heading(group, out);
		last = group ? group : "";
		fputc('\n', out);
		if (!error)
			error = entry_lines_put(&entries[i], out);
	}
	return error;
}
