/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/category.h"

#include <errno.h>
#include <string.h>

#include "rules/host.h"
#include "rules/load.h"
#include "rules/profile.h"
#include "rules/quote.h"
#include "rules/readers.h"
#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Every host of the file is a thing in one table of what was seen (rules/seen.h), by its kind and
 * its wire form. So the table that finds hosts given twice also answers for names: the name is
 * looked up as it is, then what is left of it without its first label, two labels, and so on, as
 * wildcards. What the table has of a host is where its place is kept, and the category is kept
 * beside it under the same index.
 */

#define STRING (1u << TOML_STRING)
#define INTEGER (1u << TOML_INTEGER)
#define ARRAY (1u << TOML_ARRAY)

enum { CATEGORY_NAMES = HOST_GLOB + 1 }; /* what is seen beside kinds of hosts */

struct categories {
	struct seen *seen;
	struct place *places;   /* of the hosts and of the categories' names */
	const char **of_places; /* the category that each belongs to */
	size_t n_places;
};

/* A key that a table must have. */
struct key {
	const char *name;
	unsigned kinds;
	const char *expects;
};

static const struct key top_keys[] = {
	{"version", INTEGER, "the integer 1"},
	{"category", ARRAY, "an array of tables, each under [[category]]"},
	{NULL, 0, NULL},
};

static const struct key category_keys[] = {
	{"name", STRING, "a string"},
	{"hosts", ARRAY, "an array of strings"},
	{NULL, 0, NULL},
};

static void reject_kind(
	struct load *load, const char *what, const char *expects, const struct toml_node *value)
{
	diag_error(load->diag, CODE_TYPE, walk_place(load, value->at), "%s must be %s, not %s",
		what, expects, toml_kind_name(value->kind));
}

/* Whether the table has each of its keys, as it must be, and none besides. */
static bool check_keys(struct load *load, const struct toml_node *table, struct place place,
	const struct key *keys)
{
	char quoted[QUOTE_TEXT];
	bool good = true;

	for (size_t i = 0; i < table->n_children; i++) {
		const struct toml_node *value = &table->children[i];
		const struct key *key = keys;

		while (key->name && !text_is(value->key, key->name))
			key++;
		quote(value->key, quoted);
		if (!key->name)
			diag_error(load->diag, CODE_UNKNOWN_KEY, walk_place(load, value->key_at),
				"unknown key %s", quoted);
		else if (!(key->kinds & 1u << value->kind))
			reject_kind(load, quoted, key->expects, value);
		else
			continue;
		good = false;
	}
	for (const struct key *key = keys; key->name; key++) {
		if (walk_find(table, key->name))
			continue;
		/* load_tree() has said it of the version. */
		if (keys != top_keys || key != keys)
			diag_error(load->diag, CODE_MISSING, place, "'%s' is missing", key->name);
		good = false;
	}
	return good;
}

/* Notes something of a category, which must be there for the first time. */
static void add(struct load *load, struct categories *all, unsigned kind, const void *bytes,
	size_t size, const struct toml_node *item, const char *category)
{
	struct place *place = &all->places[all->n_places];
	const struct place *first;

	*place = walk_place(load, item->at);
	first = seen_add(all->seen, kind, bytes, size, place);
	reading_reject_twice(load, item, first);
	if (first)
		return;
	all->of_places[all->n_places++] = category;
}

/* One of the hosts. 0 or -ENOMEM. */
static int read_host(struct load *load, struct categories *all, const struct toml_node *item,
	const char *category)
{
	enum host_kind kind;
	struct name name;
	const char *problem, *wire;

	if (item->kind != TOML_STRING) {
		reject_kind(load, "an element of 'hosts'", "a string", item);
		return 0;
	}
	if (host_from_text(item->value.string, &kind, &name, &problem) < 0) {
		reading_reject(load, CODE_HOST, item, problem);
		return 0;
	}
	if (kind == HOST_GLOB || name.length == 1) {
		reading_reject(load, CODE_HOST, item,
			"has no category: only a name, '*.NAME' and '**.NAME' have");
		return 0;
	}
	wire = arena_strndup(load->arena, (const char *)name.wire, name.length);
	if (!wire)
		return -ENOMEM;
	add(load, all, kind, wire, name.length, item, category);
	return 0;
}

static int read_category(struct load *load, struct categories *all, const struct toml_node *table)
{
	const struct toml_node *name, *hosts;
	const char *category = NULL;
	int error;

	if (table->kind != TOML_TABLE) {
		reject_kind(load, "an element of 'category'", "a table", table);
		return 0;
	}
	if (!check_keys(load, table, walk_place(load, table->at), category_keys))
		return 0;
	name = walk_find(table, "name");
	hosts = walk_find(table, "hosts");
	error = reading_string(load, name, value_category, &category);
	if (error == 0 && category)
		add(load, all, CATEGORY_NAMES, category, strlen(category), name, category);
	for (size_t i = 0; i < hosts->n_children && error == 0; i++)
		error = read_host(load, all, &hosts->children[i], category);
	return error;
}

/* Room for all hosts and the names of all categories. */
static int make_room(
	struct arena *arena, const struct toml_node *list, struct categories *ret_categories)
{
	struct categories *all = ret_categories;
	size_t count = list->n_children;

	for (size_t i = 0; i < list->n_children; i++) {
		const struct toml_node *hosts = walk_find(&list->children[i], "hosts");

		count += hosts ? hosts->n_children : 0;
	}
	/* One more: what turns out to be there already is put behind the last. */
	all->places = arena_array(arena, count + 1, sizeof(*all->places));
	all->of_places = arena_array(arena, count + 1, sizeof(*all->of_places));
	return all->places && all->of_places ? seen_new(arena, count, &all->seen) : -ENOMEM;
}

static int read_root(struct load *load, const struct toml_node *root, struct categories *all)
{
	const struct place whole = {.file = load->file};
	const struct toml_node *list;
	int error;

	if (!check_keys(load, root, whole, top_keys))
		return 0;
	list = walk_find(root, "category");
	error = make_room(load->arena, list, all);
	for (size_t i = 0; i < list->n_children && error == 0; i++)
		error = read_category(load, all, &list->children[i]);
	return error;
}

static int read_text(struct load *load, const char *text, size_t size, struct categories *all)
{
	const struct toml_node *root;
	int error = load_tree(load, text, size, &root);

	if (error == 0)
		error = read_root(load, root, all);
	arena_freep(&load->scratch);
	return error == 0 && diag_failed(load->diag) ? -EINVAL : error;
}

/* The text of the first folder's file. 0 or -errno, with the path unless that is -ENOMEM. */
static int find_text(struct arena *arena, const struct load_options *options, const char **ret_path,
	const char **ret_text, size_t *ret_size)
{
	const char *folder;
	int error = -ENOENT;

	for (size_t i = 0; (folder = profile_folder(options, i)); i++) {
		*ret_path = arena_printf(arena, "%s/%s", folder, CATEGORY_FILE);
		if (!*ret_path)
			return -ENOMEM;
		error = load_file(arena, *ret_path, ret_text, ret_size);
		if (error != -ENOENT && error != -ENOTDIR)
			return error;
	}
	return -ENOENT;
}

int category_load(struct arena *arena, const struct load_options *options, struct diag *diag,
	const struct categories **ret_categories)
{
	struct categories *all = arena_alloc(arena, sizeof(*all));
	struct load load = {.arena = arena, .diag = diag, .options = options};
	const char *text;
	size_t size;
	int error = all ? find_text(arena, options, &load.file, &text, &size) : -ENOMEM;

	if (error == -ENOENT) {
		*ret_categories = NULL;
		return 0;
	}
	if (error == 0)
		error = read_text(&load, text, size, all);
	if (error == 0)
		*ret_categories = all;
	if (error == 0 || error == -EINVAL || error == -ENOMEM)
		return error;
	diag_error(diag, CODE_READ, (struct place){.file = load.file}, "cannot read it: %s",
		load_reason(error));
	return -EINVAL;
}

static const char *find_host(
	const struct categories *all, enum host_kind kind, const uint8_t *wire, size_t length)
{
	const struct place *place = seen_find(all->seen, kind, wire, length);

	return place ? all->of_places[place - all->places] : NULL;
}

const char *category_find(const struct categories *categories, const struct name *name)
{
	const char *category;
	unsigned at = 0;

	if (!categories)
		return NULL;
	category = find_host(categories, HOST_EXACT, name->wire, name->length);
	while (!category && name->wire[at] != 0) {
		at += 1u + name->wire[at];
		if (at == 1u + name->wire[0])
			category = find_host(
				categories, HOST_ONE_LABEL, name->wire + at, name->length - at);
		if (!category)
			category = find_host(
				categories, HOST_ANY_DEPTH, name->wire + at, name->length - at);
	}
	return category;
}
