/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/host.h"
#include "rules/list.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/fuzz/fuzz.h"

/* Any bytes as a list of destinations: an error that can be shown, or a list of which each name and
 * range prints as it would be written, and all of them together are the same list again. */

#define ARENA_MAX ((size_t)256 << 20)

/* A name of a list, written to `out`. */
static void check_name(const struct list_name *name, FILE *out)
{
	struct reader reader = reader_over(name->wire, name->length);
	struct name whole, again;
	enum host_kind kind;
	const char *problem;
	char text[NAME_TEXT];

	name_read(&reader, &whole);
	fuzz_require(!reader.failed && reader_left(&reader) == 0, "a host is a name");
	host_to_text(name->kind, name->wire, name->length, text);
	fuzz_require(host_from_text(text_of(text), &kind, &again, &problem) == 0 &&
			     kind == name->kind && name_equal(&whole, &again),
		"a host prints as itself");
	if (kind == HOST_EXACT)
		fuzz_require(host_matches(kind, name->wire, name->length, &whole),
			"a name is matched by itself");
	whole = host_suffix(kind, name->wire, name->length);
	fprintf(out, "%s\n", text);
	fuzz_require(!strchr(name_to_text(&whole, text), '*'), "no star is behind the last one");
}

static void check_range(const struct range *range, FILE *out)
{
	char text[INADDR_TEXT];

	fuzz_require(range_contains(range, &range->first) && range_contains(range, &range->last),
		"a range is in order");
	fprintf(out, "%s\n", range_to_text(range, text));
}

/* Writes the list as text, the ranges first. */
static void check_list(const struct list *list, size_t lines, FILE *out)
{
	struct list_name name = {0};
	size_t at = 0, count = 0;
	uint32_t before = 1;

	for (size_t i = 0; i < list->n_ranges; i++) {
		check_range(&list->ranges[i].range, out);
		fuzz_require(list->ranges[i].line >= before && list->ranges[i].line <= lines,
			"ranges are in the order of the lines");
		before = list->ranges[i].line;
	}
	before = 1;
	for (; list_next(list, &at, &name); count++, before = name.line) {
		check_name(&name, out);
		fuzz_require(name.line >= before && name.line <= lines,
			"names are in the order of the lines");
	}
	fuzz_require(at == list->size && count == list->n_names, "all names are there");
}

static void check_again(struct arena *arena, const struct list *list, struct text text)
{
	struct diag *diag = diag_new(arena);
	struct list *again = NULL;

	fuzz_require(diag != NULL, "memory for a diag");
	fuzz_require(list_parse(arena, "again", text, list->place, diag, &again) == 0,
		"a list that is written is one");
	fuzz_require(again->digest == list->digest && again->n_names == list->n_names &&
			     again->n_ranges == list->n_ranges,
		"a list that is written is the same");
}

static void try_list(struct arena *arena, struct text text, FILE *nowhere)
{
	struct diag *diag = diag_new(arena);
	struct list *list = NULL;
	char *written = NULL;
	size_t size = 0, lines = 1;
	FILE *out;
	int error;

	fuzz_require(diag != NULL, "memory for a diag");
	error = list_parse(arena, "list", text, (struct place){0}, diag, &list);
	fuzz_require(error == 0 || error == -EINVAL, "a known error");
	fuzz_require((error == -EINVAL) == diag_failed(diag), "a bad list has a message");
	diag_print(diag, nowhere);
	if (error < 0)
		return;

	for (size_t i = 0; i < text.length; i++)
		lines += text.start[i] == '\n';
	out = open_memstream(&written, &size);
	fuzz_require(out != NULL, "memory for a text");
	check_list(list, lines, out);
	fclose(out);
	check_again(arena, list, (struct text){written, size});
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct arena *arena;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	fuzz_require(nowhere != NULL, "/dev/null opens");
	fuzz_require(arena_new(ARENA_MAX, &arena) == 0, "memory for an arena");
	try_list(arena, (struct text){(const char *)data, size}, nowhere);
	arena_free(arena);
	return 0;
}
