/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/diag.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * Messages are collected in an array of fixed size and printed in the order of their places. What
 * comes after the array is full is only counted, but an error takes the place of a warning, so that
 * no flood of warnings hides it.
 *
 * The lines shown are found with a cursor that walks the file's text forward, since places come in
 * order: a file is read once for all its messages, even if it is a single line of 100 MB. The text
 * is whatever the user gave us. A byte that belongs to no well-formed UTF-8 character counts as a
 * character of its own, and is shown as '?', as control characters are.
 *
 * The caret line repeats the source line's tabs and puts as many spaces as a terminal gives cells
 * to each other character: two for East Asian wide ones, none for combining ones.
 */

enum {
	KEPT_MAX = 100,
	LINE_CHARS = 96,  /* characters shown of a line at most */
	CUT_BEHIND = 80,  /* a place behind this column cuts the line's start off */
	CUT_BEFORE = 40,  /* and this many characters before the place stay */
	NUMBER_WIDTH = 5, /* of the margin's line number */
};

struct source {
	const char *file;
	struct text text;
	struct source *next;
};

struct message {
	struct diag_message shown;
	unsigned order; /* of its recording */
};

struct diag {
	struct arena *arena;
	struct source *sources;
	struct message messages[KEPT_MAX];
	unsigned kept;
	unsigned dropped;
	bool failed;
	bool warned;
};

/* A character's place in a source: `rest` is what follows up to the end of the file. */
struct cursor {
	const struct source *source;
	struct text rest;
	unsigned line;
	unsigned column;
};

struct diag *diag_new(struct arena *arena)
{
	struct diag *diag = arena_alloc(arena, sizeof(*diag));

	if (diag)
		diag->arena = arena;
	return diag;
}

void diag_source(struct diag *diag, const char *file, const char *text, size_t size)
{
	struct source *source = arena_alloc(diag->arena, sizeof(*source));

	/* Without it the messages lack their lines, no more. */
	if (!source)
		return;
	source->file = file;
	source->text = (struct text){.start = text, .length = size};
	source->next = diag->sources;
	diag->sources = source;
}

/* A free message, or for an error the last warning's; NULL if there is none. */
static struct message *take_message(struct diag *diag, enum diag_level level)
{
	if (diag->kept < KEPT_MAX)
		return &diag->messages[diag->kept++];

	diag->dropped++;
	for (unsigned i = KEPT_MAX; level == DIAG_ERROR && i > 0; i--) {
		if (diag->messages[i - 1].shown.level == DIAG_WARNING)
			return &diag->messages[i - 1];
	}
	return NULL;
}

static void __attribute__((format(printf, 5, 0))) record(struct diag *diag, enum diag_level level,
	unsigned code, struct place place, const char *format, va_list arguments)
{
	struct message *message = take_message(diag, level);

	diag->failed |= level == DIAG_ERROR;
	diag->warned |= level == DIAG_WARNING;
	if (!message)
		return;
	message->shown = (struct diag_message){
		.level = level,
		.code = code,
		.place = place,
		.text = arena_vprintf(diag->arena, format, arguments),
	};
	message->order = diag->kept + diag->dropped;
	if (!message->shown.text)
		message->shown.text = "(no memory left for the message)";
}

void diag_error(struct diag *diag, unsigned code, struct place place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	record(diag, DIAG_ERROR, code, place, format, arguments);
	va_end(arguments);
}

void diag_warning(struct diag *diag, unsigned code, struct place place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	record(diag, DIAG_WARNING, code, place, format, arguments);
	va_end(arguments);
}

bool diag_failed(const struct diag *diag)
{
	return diag->failed;
}

bool diag_warned(const struct diag *diag)
{
	return diag->warned;
}

static int compare_numbers(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

static int compare_files(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int compare_messages(const void *left, const void *right)
{
	const struct message *a = *(const struct message *const *)left;
	const struct message *b = *(const struct message *const *)right;
	int order = compare_files(a->shown.place.file, b->shown.place.file);

	if (order == 0)
		order = compare_numbers(a->shown.place.line, b->shown.place.line);
	if (order == 0)
		order = compare_numbers(a->shown.place.column, b->shown.place.column);
	if (order == 0)
		order = compare_numbers(a->order, b->order);
	return order;
}

/* Characters of which a terminal's cell is not the measure: { first, last, cells }. */
static const struct {
	uint32_t first, last;
	unsigned cells;
} odd_cells[] = {
	{0x0300, 0x036f, 0},
	{0x1100, 0x115f, 2},
	{0x1ab0, 0x1aff, 0},
	{0x1dc0, 0x1dff, 0},
	{0x20d0, 0x20ff, 0},
	{0x2e80, 0x303e, 2},
	{0x3041, 0xa4cf, 2},
	{0xac00, 0xd7a3, 2},
	{0xf900, 0xfaff, 2},
	{0xfe00, 0xfe0f, 0},
	{0xfe20, 0xfe2f, 0},
	{0xfe30, 0xfe6f, 2},
	{0xff00, 0xff60, 2},
	{0xffe0, 0xffe6, 2},
	{0x1f300, 0x1f64f, 2},
	{0x1f680, 0x1f6ff, 2},
	{0x1f900, 0x1faff, 2},
	{0x20000, 0x3fffd, 2},
};

static unsigned count_cells(uint32_t character)
{
	for (size_t i = 0; i < sizeof(odd_cells) / sizeof(odd_cells[0]); i++) {
		if (character >= odd_cells[i].first && character <= odd_cells[i].last)
			return odd_cells[i].cells;
	}
	return 1;
}

/* Takes the next character off `rest` (which isn't empty). What may not be shown, and a byte that
 * is no part of a character, is '?'. Returns the character, its bytes in *ret_shown. */
static uint32_t take_char(struct text *rest, struct text *ret_shown)
{
	uint32_t character;
	size_t size = text_char(*rest, &character);

	*ret_shown = (struct text){.start = rest->start, .length = size};
	if (size == 0 || (character != '\t' && !text_shows(character))) {
		*ret_shown = text_of("?");
		character = '?';
	}
	size = size > 0 ? size : 1;
	rest->start += size;
	rest->length -= size;
	return character;
}

/* Prints a message or a file's name, in one line whatever is in it. */
static void put_clean(FILE *out, const char *string)
{
	struct text rest = text_of(string);

	while (rest.length > 0) {
		struct text shown;

		if (take_char(&rest, &shown) == '\t')
			shown = text_of("?");
		fwrite(shown.start, 1, shown.length, out);
	}
}

static const char *const level_names[] = {
	[DIAG_ERROR] = "error",
	[DIAG_WARNING] = "warning",
};

static void put_head(FILE *out, const struct diag_message *message)
{
	const struct place *place = &message->place;

	if (place->file) {
		put_clean(out, place->file);
		fputc(':', out);
	}
	if (place->line > 0)
		fprintf(out, "%u:", place->line);
	if (place->line > 0 && place->column > 0)
		fprintf(out, "%u:", place->column);
	fprintf(out, "%s%s: ", place->file || place->line > 0 ? " " : "",
		level_names[message->level]);
	put_clean(out, message->text);
	if (message->code > 0)
		fprintf(out, " [%c%03u]", message->level == DIAG_ERROR ? 'E' : 'W', message->code);
	fputc('\n', out);
}

static const struct source *find_source(const struct diag *diag, const char *file)
{
	const struct source *source = file ? diag->sources : NULL;

	while (source && strcmp(source->file, file) != 0)
		source = source->next;
	return source;
}

/* Whether a line ends here: at LF, CR LF, or the end of the file. */
static bool at_line_end(struct text rest)
{
	if (rest.length == 0 || rest.start[0] == '\n')
		return true;
	return rest.start[0] == '\r' && rest.length > 1 && rest.start[1] == '\n';
}

/* Moves to a line and a column, backwards by starting again; stops at the line's end. False if the
 * file has no such line. */
static bool cursor_seek(
	struct cursor *cursor, const struct source *source, unsigned line, unsigned column)
{
	bool behind = line < cursor->line || (line == cursor->line && column < cursor->column);
	struct text skipped;

	if (source != cursor->source || behind)
		*cursor = (struct cursor){source, source->text, 1, 1};

	for (; cursor->line < line; cursor->line++) {
		cursor->column = 1;
		if (!text_cut(cursor->rest, '\n', &skipped, &cursor->rest)) {
			*cursor = (struct cursor){0};
			return false;
		}
	}
	for (; cursor->column < column && !at_line_end(cursor->rest); cursor->column++)
		take_char(&cursor->rest, &skipped);
	return true;
}

/* The caret line's part for one character of the source line. */
static void put_mark(FILE *out, const struct place *place, unsigned column, uint32_t character)
{
	unsigned cells = count_cells(character);
	unsigned width = place->width > 0 ? place->width : 1;

	if (column < place->column && character == '\t')
		fputc('\t', out);
	else if (column < place->column)
		fprintf(out, "%*s", (int)cells, "");
	else if (column == place->column)
		fputs(cells > 1 ? "^~" : "^", out);
	else if (column - place->column < width)
		fprintf(out, "%.*s", (int)cells, "~~");
}

/* The source line from the cursor on, LINE_CHARS of it; returns the column behind what is shown. */
static unsigned put_source(FILE *out, const struct cursor *cursor)
{
	struct text rest = cursor->rest, shown;
	unsigned column = cursor->column;

	for (; !at_line_end(rest) && column < cursor->column + LINE_CHARS; column++) {
		take_char(&rest, &shown);
		fwrite(shown.start, 1, shown.length, out);
	}
	fputs(at_line_end(rest) ? "\n" : "...\n", out);
	return column;
}

/* The caret under the line shown, whose last column is before `end`. */
static void put_caret(
	FILE *out, const struct cursor *cursor, const struct place *place, unsigned end)
{
	struct text rest = cursor->rest, shown;

	for (unsigned column = cursor->column; column < end; column++)
		put_mark(out, place, column, take_char(&rest, &shown));
	if (place->column >= end)
		fputc('^', out);
	fputc('\n', out);
}

static void put_snippet(FILE *out, const struct cursor *cursor, const struct place *place)
{
	const char *cut = cursor->column > 1 ? "..." : "";
	int margin = fprintf(out, "%*u | ", NUMBER_WIDTH, place->line);
	unsigned end;

	fputs(cut, out);
	end = put_source(out, cursor);
	if (place->column == 0)
		return;
	fprintf(out, "%*s%*s", margin, "| ", (int)strlen(cut), "");
	put_caret(out, cursor, place, end);
}

/* Shows the line of a place, cut around it when it is long, if the file's text is known. */
static void put_line(const struct diag *diag, struct cursor *cursor, struct place place, FILE *out)
{
	const struct source *source = find_source(diag, place.file);
	unsigned from = place.column > CUT_BEHIND ? place.column - CUT_BEFORE : 1;

	if (!source || place.line == 0)
		return;
	if (!cursor_seek(cursor, source, place.line, from))
		return;
	/* The line is shorter than the column says: as if it were its end. */
	if (cursor->column < from) {
		place.column = cursor->column;
		from = place.column > CUT_BEHIND ? place.column - CUT_BEFORE : 1;
		cursor_seek(cursor, source, place.line, from);
	}
	put_snippet(out, cursor, &place);
}

/* The messages in the order of places; returns how many. */
static unsigned sort_messages(const struct diag *diag, const struct message *order[KEPT_MAX])
{
	for (unsigned i = 0; i < diag->kept; i++)
		order[i] = &diag->messages[i];
	qsort(order, diag->kept, sizeof(order[0]), compare_messages);
	return diag->kept;
}

void diag_visit(const struct diag *diag,
	void (*visit)(void *context, const struct diag_message *message), void *context)
{
	const struct message *order[KEPT_MAX];
	unsigned count = sort_messages(diag, order);

	for (unsigned i = 0; i < count; i++)
		visit(context, &order[i]->shown);
}

void diag_print(const struct diag *diag, FILE *out)
{
	const struct message *order[KEPT_MAX];
	unsigned count = sort_messages(diag, order);
	struct cursor cursor = {0};

	for (unsigned i = 0; i < count; i++) {
		put_head(out, &order[i]->shown);
		put_line(diag, &cursor, order[i]->shown.place, out);
	}
	if (diag->dropped > 0)
		fprintf(out, "%u more %s not shown\n", diag->dropped,
			diag->dropped == 1 ? "message is" : "messages are");
}
