/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/codes.h"
#include "rules/load.h"
#include "rules/quote.h"
#include "rules/readers.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * The tree of a file is walked table by table. Each key is looked up in the schema, its value is
 * checked against its row, and then the row's reader stores it. A key that a table lacks is read
 * from its default, so that the readers are the only way into a policy. Mistakes go to the diag and
 * the walk goes on: a policy with any is never given out.
 */

#define KINDS_TEXT 128   /* room for the names of all kinds */
#define GUESSES_MAX 100u /* "did you mean": as many as a diag keeps */

struct place walk_place(const struct load *load, struct toml_span at)
{
	return (struct place){load->file, at.line, at.column, at.width};
}

const struct toml_node *walk_find(const struct toml_node *table, const char *key)
{
	for (size_t i = 0; i < table->n_children; i++) {
		if (text_is(table->children[i].key, key))
			return &table->children[i];
	}
	return NULL;
}

static bool check_number(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	if (value->value.integer >= row->min && value->value.integer <= row->max)
		return true;
	diag_error(load->diag, CODE_RANGE, walk_place(load, value->at), "'%s' must be %s, not %lld",
		row->key, row->expects, (long long)value->value.integer);
	return false;
}

static bool check_duration(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	struct duration duration;
	char quoted[QUOTE_TEXT];

	if (text_to_duration(value->value.string, &duration) == 0 && duration.ms >= row->min &&
		duration.ms <= row->max)
		return true;
	diag_error(load->diag, CODE_RANGE, walk_place(load, value->at), "'%s' must be %s, not %s",
		row->key, row->expects, quote(value->value.string, quoted));
	return false;
}

static bool check_points(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	double points =
		value->kind == TOML_INTEGER ? (double)value->value.integer : value->value.real;

	/* Not a number is neither. */
	if (points >= (double)row->min && points <= (double)row->max)
		return true;
	diag_error(load->diag, CODE_RANGE, walk_place(load, value->at),
		"'%s' must be %s, not %.15g", row->key, row->expects, points);
	return false;
}

/* "a string or an integer" for a set of kinds, into `out` (KINDS_TEXT bytes); returns `out`. */
static const char *kinds_to_text(unsigned kinds, char *out)
{
	size_t at = 0;

	*out = '\0';
	for (unsigned kind = 0; kind < TOML_KINDS; kind++) {
		if (kinds & 1u << kind)
			at += (size_t)snprintf(out + at, KINDS_TEXT - at, "%s%s",
				at > 0 ? " or " : "", toml_kind_name((enum toml_kind)kind));
	}
	return out;
}

/* Whether a value that is of a kind it may be of is also in the row's range. */
static bool check_range(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	if (row->unit == SCHEMA_NUMBER && value->kind == TOML_INTEGER)
		return check_number(load, row, value);
	if (row->unit == SCHEMA_POINTS)
		return check_points(load, row, value);
	if (row->unit == SCHEMA_DURATION && value->kind == TOML_STRING)
		return check_duration(load, row, value);
	return true;
}

static bool check_value(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	char quoted[QUOTE_TEXT];

	if (row->kinds & 1u << value->kind)
		return check_range(load, row, value);
	diag_error(load->diag, CODE_TYPE, walk_place(load, value->at), "%s must be %s, not %s",
		quote(value->key, quoted), row->expects, toml_kind_name(value->kind));
	return false;
}

static bool check_item(struct load *load, const struct schema_key *row, struct text key,
	const struct toml_node *item)
{
	char quoted[QUOTE_TEXT], kinds[KINDS_TEXT];

	if (row->items & 1u << item->kind)
		return check_range(load, row, item);
	diag_error(load->diag, CODE_TYPE, walk_place(load, item->at),
		"an element of %s must be %s, not %s", quote(key, quoted),
		kinds_to_text(row->items, kinds), toml_kind_name(item->kind));
	return false;
}

static void check_count(
	struct load *load, const struct schema_key *row, const struct toml_node *array)
{
	char quoted[QUOTE_TEXT];

	quote(array->key, quoted);
	if (array->n_children < row->min_items)
		diag_error(
			load->diag, CODE_COUNT, walk_place(load, array->at), "%s is empty", quoted);
	if (row->max_items > 0 && array->n_children > row->max_items)
		diag_error(load->diag, CODE_COUNT,
			walk_place(load, array->children[row->max_items].at),
			"%s has %zu elements, more than %zu", quoted, array->n_children,
			row->max_items);
}

/* Leaves the array without the elements that don't keep its row, so that the others are looked at
 * too. */
static int check_items(struct load *load, const struct schema_key *row, struct toml_node *array)
{
	struct toml_node *good = NULL;
	size_t count = 0;

	for (size_t i = 0; i < array->n_children; i++) {
		const struct toml_node *item = &array->children[i];

		if (check_item(load, row, array->key, item)) {
			if (good)
				good[count] = *item;
			count++;
			continue;
		}
		if (good)
			continue;
		good = arena_array(load->scratch, array->n_children, sizeof(*good));
		if (!good)
			return -ENOMEM;
		memcpy(good, array->children, count * sizeof(*good));
	}
	array->children = good ? good : array->children;
	array->n_children = count;
	return 0;
}

/* Has a value checked against its row, and what is good of it read. */
static int read_value(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	struct toml_node good = *value;
	int error = 0;

	if (!check_value(load, row, value) || !reader_of(row->id))
		return 0;
	if (value->kind == TOML_ARRAY) {
		check_count(load, row, value);
		error = check_items(load, row, &good);
	}
	return error < 0 ? error : reader_of(row->id)(load, &good);
}

static void reject_key(struct load *load, const char *table, const struct toml_node *value)
{
	struct place place = walk_place(load, value->key_at);
	const struct schema_key *elsewhere;
	const char *near;
	char quoted[QUOTE_TEXT];

	quote(value->key, quoted);
	if (load->unknown++ >= GUESSES_MAX) {
		diag_error(load->diag, CODE_UNKNOWN_KEY, place, "unknown key %s", quoted);
		return;
	}
	elsewhere = schema_elsewhere(table, value->key);
	near = schema_nearest(table, value->key);
	if (near)
		diag_error(load->diag, CODE_UNKNOWN_KEY, place,
			"unknown key %s, did you mean '%s'?", quoted, near);
	else if (elsewhere)
		diag_error(load->diag, CODE_UNKNOWN_KEY, place,
			"unknown key %s here: it belongs to %s", quoted,
			schema_table_title(elsewhere->table));
	else
		diag_error(load->diag, CODE_UNKNOWN_KEY, place, "unknown key %s", quoted);
}

/* Whether the kind of file that is being loaded may have the key. */
static bool check_file(
	struct load *load, const struct schema_key *row, const struct toml_node *value)
{
	struct place place = walk_place(load, value->key_at);

	if (load->profile && *row->table == '\0' && row->files != SCHEMA_EVERY_FILE) {
		diag_error(load->diag, CODE_PROFILE_KEY, place,
			"a profile has no '%s': only 'version', 'name', 'allow' and 'deny'",
			row->key);
		return false;
	}
	if (load->options->is_override && row->files == SCHEMA_BASE_ONLY) {
		diag_error(load->diag, CODE_BASE_ONLY, place,
			"only the base policy has '%s', not an override", row->key);
		return false;
	}
	return true;
}

/* One key of a table; takes note of its row in `given`. */
static int read_key(
	struct load *load, const char *table, const struct toml_node *value, bool given[SCHEMA_IDS])
{
	const struct schema_key *row = schema_find(table, value->key);

	if (!row) {
		reject_key(load, table, value);
		return 0;
	}
	if (!check_file(load, row, value))
		return 0;
	given[row->id] = true;
	return read_value(load, row, value);
}

/* The default of a row, parsed once for all its tables; `cached` is where it is kept. */
static int find_default(struct load *load, const struct schema_key *row,
	const struct toml_node **cached, const struct toml_node **ret_value)
{
	const struct toml_node *root;
	const char *text;
	int error;

	if (!*cached) {
		text = arena_printf(load->scratch, "%s = %s", row->key, row->fallback);
		if (!text)
			return -ENOMEM;
		error = toml_parse(load->scratch, "default", text_of(text), load->diag, &root);
		if (error < 0)
			return error;
		*cached = &root->children[0];
	}
	*ret_value = *cached;
	return 0;
}

/* The keys that a table lacks. */
static int read_defaults(struct load *load, const char *table, const bool given[SCHEMA_IDS])
{
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		const struct schema_key *row = &rows[i];
		const struct toml_node *value;
		int error;

		if (strcmp(row->table, table) != 0 || !row->fallback || given[row->id])
			continue;
		error = find_default(load, row, &load->defaults[i], &value);
		if (error == 0)
			error = reader_of(row->id)(load, value);
		if (error < 0)
			return error;
	}
	return 0;
}

int walk_table(struct load *load, const char *table, const struct toml_node *node)
{
	bool given[SCHEMA_IDS] = {false};
	int error = 0;

	for (size_t i = 0; i < node->n_children && error == 0; i++)
		error = read_key(load, table, &node->children[i], given);
	return error < 0 ? error : read_defaults(load, table, given);
}
