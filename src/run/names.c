/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/memstream.h"
#include "src/base/name.h"

/* 0 with the text of a stream, which it closes; or -ENOMEM. */
static int finish(FILE *out, char **text, const size_t *size, char **ret_text, size_t *ret_size)
{
	if (fclose(out) != 0) {
		free(*text);
		return -ENOMEM;
	}
	*ret_text = *text;
	*ret_size = *size;
	return 0;
}

int names_resolv_conf(const struct dns_policy *dns, char **ret_text, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	char name[NAME_TEXT];

	if (!out)
		return -ENOMEM;
	fputs("nameserver 127.0.0.1\n", out);
	for (size_t i = 0; i < dns->n_search; i++)
		fprintf(out, "%s%s", i == 0 ? "search " : " ", name_to_text(&dns->search[i], name));
	if (dns->n_search > 0)
		fputc('\n', out);
	return finish(out, &text, &size, ret_text, ret_size);
}

/* Whether one of the line's words is this one. */
static bool has_word(struct text line, const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i + length <= line.length; i++) {
		bool begins = i == 0 || strchr(" \t:]", line.start[i - 1]);
		bool ends = i + length == line.length || strchr(" \t[#", line.start[i + length]);

		if (begins && ends && memcmp(line.start + i, word, length) == 0)
			return true;
	}
	return false;
}

int names_nsswitch(struct text before, char **ret_text, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	struct text line, rest = before;
	bool by_host_name = false;

	if (!out)
		return -ENOMEM;
	while (rest.length > 0) {
		text_cut(rest, '\n', &line, &rest);
		if (text_starts(text_trim(line), "hosts:"))
			by_host_name |= has_word(line, "myhostname");
		else
			fprintf(out, "%.*s\n", TEXT_ARG(line));
	}
	fprintf(out, "hosts: files%s dns\n", by_host_name ? " myhostname" : "");
	return finish(out, &text, &size, ret_text, ret_size);
}
