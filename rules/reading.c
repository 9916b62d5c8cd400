/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/reading.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/codes.h"
#include "rules/host.h"
#include "rules/nearest.h"
#include "rules/quote.h"
#include "rules/readers.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

enum {
	WORDS_SHOWN_MAX = 5, /* more are not listed in an error */
	WORDS_TEXT = 200,
};

const struct toml_node *reading_items(const struct toml_node *value, size_t *ret_count)
{
	bool is_array = value->kind == TOML_ARRAY;

	*ret_count = is_array ? value->n_children : 1;
	return is_array ? value->children : value;
}

void reading_reject(
	struct load *load, unsigned code, const struct toml_node *string, const char *problem)
{
	char quoted[QUOTE_TEXT];

	diag_error(load->diag, code, walk_place(load, string->at), "%s %s",
		quote(string->value.string, quoted), problem);
}

void reading_reject_host(
	struct load *load, unsigned code, const struct toml_node *string, const char *problem)
{
	char quoted[QUOTE_TEXT], text[INADDR_TEXT];
	struct inaddr address;

	if (!host_meant_address(string->value.string, &address)) {
		reading_reject(load, code, string, problem);
		return;
	}
	diag_error(load->diag, code, walk_place(load, string->at),
		"%s %s; if the address %s is meant, that belongs under 'ip'",
		quote(string->value.string, quoted), problem, inaddr_to_text(&address, text));
}

void reading_reject_twice(
	struct load *load, const struct toml_node *second, const struct place *first)
{
	char text[QUOTE_TEXT];

	if (!first)
		return;
	if (second->kind == TOML_INTEGER)
		snprintf(text, sizeof(text), "%lld", (long long)second->value.integer);
	else
		quote(second->value.string, text);
	diag_error(load->diag, CODE_TWICE, walk_place(load, second->at),
		"%s is given twice, first in line %u, column %u", text, first->line, first->column);
}

int reading_string(struct load *load, const struct toml_node *value,
	int (*check)(struct text, const char **), const char **ret_string)
{
	struct text text = value->value.string;
	const char *problem, *copy;

	if (check(text, &problem) < 0) {
		reading_reject(load, CODE_VALUE, value, problem);
		return 0;
	}
	copy = arena_strndup(load->arena, text.start, text.length);
	if (!copy)
		return -ENOMEM;
	*ret_string = copy;
	return 0;
}

/* `: expected "a", "b" or "c"` into `out` (WORDS_TEXT bytes); nothing for many. Returns `out`. */
static const char *list_words(const struct word *rows, char *out)
{
	size_t count = 0, at = 0;

	*out = '\0';
	while (rows[count].text)
		count++;
	for (size_t i = 0; i < count && count <= WORDS_SHOWN_MAX && at < WORDS_TEXT; i++) {
		const char *before = i == 0 ? ": expected " : i + 1 < count ? ", " : " or ";

		at += (size_t)snprintf(out + at, WORDS_TEXT - at, "%s\"%s\"", before, rows[i].text);
	}
	return out;
}

static void reject_word(
	struct load *load, const struct toml_node *string, const struct words *words)
{
	struct nearest nearest = {.word = string->value.string};
	struct place place = walk_place(load, string->at);
	char quoted[QUOTE_TEXT], list[WORDS_TEXT];

	quote(string->value.string, quoted);
	for (const struct word *word = words->rows; word->text; word++)
		nearest_offer(&nearest, word->text);
	if (nearest.found)
		diag_error(load->diag, CODE_VALUE, place, "%s is not %s, did you mean '%s'?",
			quoted, words->what, nearest.found);
	else
		diag_error(load->diag, CODE_VALUE, place, "%s is not %s%s", quoted, words->what,
			list_words(words->rows, list));
}

bool reading_word(struct load *load, const struct toml_node *string, const struct words *words,
	uint64_t *ret_value)
{
	for (const struct word *word = words->rows; word->text; word++) {
		if (text_is(string->value.string, word->text)) {
			*ret_value = word->value;
			return true;
		}
	}
	reject_word(load, string, words);
	return false;
}

double reading_points(const struct toml_node *number)
{
	return number->kind == TOML_INTEGER ? (double)number->value.integer : number->value.real;
}

/* The unit is a part of the string, and the error is shown under all of it. */
static bool read_unit(struct load *load, const struct toml_node *string, struct text unit,
	const struct words *words, uint64_t *ret_value)
{
	struct toml_node part = *string;

	part.value.string = unit;
	return reading_word(load, &part, words, ret_value);
}

static const struct words times = {
	"a unit of time",
	(const struct word[]){
		{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}, {NULL, 0}},
};

bool reading_rate(struct load *load, const struct toml_node *string, struct rate *ret_rate)
{
	struct text count_text, unit;
	uint64_t count = 0, seconds;
	bool whole = text_cut(string->value.string, '/', &count_text, &unit);
	int error = whole ? text_to_number(count_text, UINT32_MAX, &count) : -EINVAL;

	if (error == -EINVAL) {
		reading_reject(load, CODE_VALUE, string,
			"is not a rate: expected a number, '/', and second, minute, hour or day, "
			"as \"60/minute\"");
		return false;
	}
	if (error < 0 || count == 0) {
		reading_reject(load, CODE_RANGE, string, "counts from 1 to 4294967295 only");
		return false;
	}
	if (!read_unit(load, string, unit, &times, &seconds))
		return false;
	*ret_rate = (struct rate){.count = (uint32_t)count, .seconds = (uint32_t)seconds};
	return true;
}

static const struct words sizes = {
	"a unit of size",
	(const struct word[]){{"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
		{"TB", 1000000000000}, {"PB", 1000000000000000}, {"EB", 1000000000000000000},
		{"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30},
		{"TiB", UINT64_C(1) << 40}, {"PiB", UINT64_C(1) << 50}, {"EiB", UINT64_C(1) << 60},
		{"B", 1}, {NULL, 0}},
};

/* Cuts the text behind its digits; *ret_unit is without the blanks before it. */
static struct text cut_digits(struct text text, struct text *ret_unit)
{
	struct text digits = {text.start, 0};

	while (digits.length < text.length && text.start[digits.length] >= '0' &&
		text.start[digits.length] <= '9')
		digits.length++;
	ret_unit->start = text.start + digits.length;
	ret_unit->length = text.length - digits.length;
	while (ret_unit->length > 1 && *ret_unit->start == ' ') {
		ret_unit->start++;
		ret_unit->length--;
	}
	return digits;
}

int reading_size(struct text text, uint64_t *ret_bytes)
{
	struct text unit, digits = cut_digits(text, &unit);
	const struct word *row = sizes.rows;
	uint64_t number, factor = 1;
	int error = text_to_number(digits, INT64_MAX, &number);

	if (error)
		return error;
	while (unit.length > 0 && row->text && !text_is(unit, row->text))
		row++;
	if (unit.length > 0 && !row->text)
		return -EINVAL;
	if (unit.length > 0)
		factor = row->value;
	if (number == 0 || number > INT64_MAX / factor)
		return -ERANGE;
	*ret_bytes = number * factor;
	return 0;
}

bool reading_bytes(struct load *load, const struct toml_node *string, uint64_t *ret_bytes)
{
	struct text unit, digits = cut_digits(string->value.string, &unit);
	uint64_t number = 0, factor = 1;
	int error = text_to_number(digits, INT64_MAX, &number);

	if (error == -EINVAL) {
		reading_reject(load, CODE_VALUE, string,
			"is not a size: expected a number and a unit, as \"2 GiB\"");
		return false;
	}
	if (unit.length > 0 && !read_unit(load, string, unit, &sizes, &factor))
		return false;
	if (error < 0 || number == 0 || number > INT64_MAX / factor) {
		reading_reject(load, CODE_RANGE, string,
			"is out of range: a size is from 1 to 9223372036854775807 bytes");
		return false;
	}
	*ret_bytes = number * factor;
	return true;
}

int reading_ranges(struct load *load, const struct toml_node *value,
	struct address_range **ret_ranges, size_t *ret_count)
{
	size_t count, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct address_range *ranges = arena_array(load->arena, count, sizeof(*ranges));
	struct seen *seen;
	int error = ranges ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		struct address_range *range = &ranges[good];
		const struct place *first;
		const char *problem;

		if (value_range(items[i].value.string, &range->range, &problem) < 0) {
			reading_reject(load, CODE_ADDRESS, &items[i], problem);
			continue;
		}
		range->place = walk_place(load, items[i].at);
		first = seen_add(seen, 0, &range->range, sizeof(range->range), &range->place);
		reading_reject_twice(load, &items[i], first);
		good++;
	}
	*ret_ranges = ranges;
	*ret_count = good;
	return error;
}

int reading_plain_ranges(struct load *load, const struct toml_node *value,
	struct range **ret_ranges, size_t *ret_count)
{
	struct address_range *placed = NULL;
	struct range *ranges;
	size_t count = 0;
	int error = reading_ranges(load, value, &placed, &count);

	if (error < 0)
		return error;
	ranges = arena_array(load->arena, count, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ranges[i] = placed[i].range;
	*ret_ranges = ranges;
	*ret_count = count;
	return 0;
}

int reading_path(struct load *load, const struct toml_node *string, const char **ret_path)
{
	struct text path = string->value.string;
	const char *slash = strrchr(load->file, '/'), *whole;
	int folder;

	if (path.length == 0 || memchr(path.start, '\0', path.length)) {
		reading_reject(load, CODE_VALUE, string, "is not the path of a file");
		return 0;
	}
	folder = slash && path.start[0] != '/' ? (int)(slash + 1 - load->file) : 0;
	whole = arena_printf(load->arena, "%.*s%.*s", folder, load->file, TEXT_ARG(path));
	if (!whole)
		return -ENOMEM;
	*ret_path = whole;
	return 0;
}
