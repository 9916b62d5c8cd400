/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "rules/quote.h"
#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/* [scope]: whose traffic. */

#define RECORD_MAX ((size_t)1 << 20) /* bytes of a user's or group's record: many members */

/* Both as the C library's functions: 0, or an error number; *ret_found is whether there is one. */
static int look_up_user(
	const char *name, char *room, size_t size, bool *ret_found, uint32_t *ret_id)
{
	struct passwd record, *found = NULL;
	int error = getpwnam_r(name, &record, room, size, &found);

	*ret_found = found;
	if (found)
		*ret_id = found->pw_uid;
	return error;
}

static int look_up_group(
	const char *name, char *room, size_t size, bool *ret_found, uint32_t *ret_id)
{
	struct group record, *found = NULL;
	int error = getgrnam_r(name, &record, room, size, &found);

	*ret_found = found;
	if (found)
		*ret_id = found->gr_gid;
	return error;
}

/* Users or groups. */
struct accounts {
	const char *what;
	int (*look_up)(
		const char *name, char *room, size_t size, bool *ret_found, uint32_t *ret_id);
};

static const struct accounts users = {"user", look_up_user};
static const struct accounts groups = {"group", look_up_group};

/* The number of a name, with as much room as its record takes. 0 or -errno. */
static int find_account(
	const struct accounts *accounts, const char *name, bool *ret_found, uint32_t *ret_id)
{
	int error = ERANGE;

	for (size_t size = 4096; error == ERANGE && size <= RECORD_MAX; size *= 4) {
		char *room = malloc(size);

		if (!room)
			return -ENOMEM;
		do
			error = accounts->look_up(name, room, size, ret_found, ret_id);
		while (error == EINTR);
		free(room);
	}
	/* What some sources of accounts say instead of "no such name": getpwnam(3). */
	return error == ENOENT || error == ESRCH ? 0 : -error;
}

/* One element; false with an error when it names nobody. */
static bool read_account(struct load *load, const struct accounts *accounts,
	const struct toml_node *item, uint32_t *ret_id)
{
	struct place place = walk_place(load, item->at);
	struct text name = item->value.string;
	char quoted[QUOTE_TEXT];
	bool found = false;
	int error = 0;

	if (item->kind == TOML_INTEGER) {
		*ret_id = (uint32_t)item->value.integer;
		return true;
	}
	quote(name, quoted);
	if (name.length > 0 && !memchr(name.start, '\0', name.length))
		error = find_account(accounts, name.start, &found, ret_id);
	if (error < 0)
		diag_error(load->diag, CODE_USER, place, "the %s %s cannot be looked up: %s",
			accounts->what, quoted, strerror(-error));
	else if (!found)
		diag_error(load->diag, CODE_USER, place, "there is no %s %s on this machine%s",
			accounts->what, quoted,
			strspn(name.start, "0123456789") == name.length && name.length > 0
				? ": a number goes without quotes"
				: "");
	return error == 0 && found;
}

static int read_accounts(struct load *load, const struct accounts *accounts,
	const struct toml_node *value, uint32_t **ret_ids, size_t *ret_count)
{
	size_t count = value->n_children, good = 0;
	uint32_t *ids = arena_array(load->arena, count, sizeof(*ids));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = ids && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];

		if (!read_account(load, accounts, item, &ids[good]))
			continue;
		places[good] = walk_place(load, item->at);
		reading_reject_twice(
			load, item, seen_add(seen, 0, &ids[good], sizeof(*ids), &places[good]));
		good++;
	}
	*ret_ids = ids;
	*ret_count = good;
	return error;
}

int read_scope_users(struct load *load, const struct toml_node *value)
{
	struct scope *scope = &load->policy->scope;

	return read_accounts(load, &users, value, &scope->users, &scope->n_users);
}

int read_scope_groups(struct load *load, const struct toml_node *value)
{
	struct scope *scope = &load->policy->scope;

	return read_accounts(load, &groups, value, &scope->groups, &scope->n_groups);
}

/* Strings that `check` finds nothing wrong with, none of them twice. */
static int read_strings(struct load *load, const struct toml_node *value,
	int (*check)(struct text, const char **), const char ***ret_strings, size_t *ret_count)
{
	size_t count = value->n_children, good = 0;
	const char **strings = arena_array(load->arena, count, sizeof(*strings));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = strings && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];
		struct text text = item->value.string;

		error = reading_string(load, item, check, &strings[good]);
		if (!strings[good])
			continue;
		places[good] = walk_place(load, item->at);
		reading_reject_twice(
			load, item, seen_add(seen, 0, text.start, text.length, &places[good]));
		good++;
	}
	*ret_strings = strings;
	*ret_count = good;
	return error;
}

int read_scope_cgroups(struct load *load, const struct toml_node *value)
{
	struct scope *scope = &load->policy->scope;

	return read_strings(load, value, value_cgroup, &scope->cgroups, &scope->n_cgroups);
}

int read_scope_interfaces(struct load *load, const struct toml_node *value)
{
	struct scope *scope = &load->policy->scope;

	return read_strings(load, value, value_interface, &scope->interfaces, &scope->n_interfaces);
}

int read_scope_sources(struct load *load, const struct toml_node *value)
{
	struct scope *scope = &load->policy->scope;

	return reading_plain_ranges(load, value, &scope->sources, &scope->n_sources);
}

int read_scope(struct load *load, const struct toml_node *value)
{
	load->policy->scope_place = walk_place(load, value->at);
	return walk_table(load, "scope", value);
}
