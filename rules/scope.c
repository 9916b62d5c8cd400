/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/scope.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/inaddr.h"
#include "src/base/text.h"

bool scope_is_given(const struct scope *scope)
{
	return scope->n_users + scope->n_groups + scope->n_cgroups > 0 || scope_is_forwarded(scope);
}

bool scope_is_forwarded(const struct scope *scope)
{
	return scope->n_users + scope->n_groups + scope->n_cgroups == 0 &&
	       scope->n_interfaces + scope->n_sources > 0;
}

/* The number that a user or a group is written as. */
static int read_id(const char *name, uint32_t *ret_id)
{
	uint64_t number;

	if (text_to_number(text_of(name), UINT32_MAX, &number) < 0)
		return -EINVAL;
	*ret_id = (uint32_t)number;
	return 0;
}

static int find_user(const char *name, uint32_t *ret_id)
{
	const struct passwd *record;

	if (read_id(name, ret_id) == 0)
		return 0;
	record = getpwnam(name);
	if (!record)
		return errno == ENOMEM ? -ENOMEM : -ESRCH;
	*ret_id = record->pw_uid;
	return 0;
}

static int find_group(const char *name, uint32_t *ret_id)
{
	const struct group *record;

	if (read_id(name, ret_id) == 0)
		return 0;
	record = getgrnam(name);
	if (!record)
		return errno == ENOMEM ? -ENOMEM : -ESRCH;
	*ret_id = record->gr_gid;
	return 0;
}

static int has_id(const uint32_t *ids, size_t n_ids, const char *name,
	int (*find)(const char *name, uint32_t *ret_id), bool *has)
{
	uint32_t id;
	int error = name ? find(name, &id) : 0;

	for (size_t i = 0; name && error == 0 && i < n_ids; i++)
		*has |= ids[i] == id;
	return error;
}

/* Whether `path` is the control group `above`, or below it. */
static bool is_below(const char *path, const char *above)
{
	size_t length = strlen(above);

	path += strspn(path, "/");
	return strncmp(path, above, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool has_cgroup(const struct scope *scope, const char *path)
{
	for (size_t i = 0; path && i < scope->n_cgroups; i++)
		if (is_below(path, scope->cgroups[i]))
			return true;
	return false;
}

/* As nft reads it: a '*' at the end is whatever follows. */
static bool is_interface(const char *name, const char *pattern)
{
	size_t length = strlen(pattern);

	if (length > 0 && pattern[length - 1] == '*')
		return strncmp(name, pattern, length - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static bool has_interface(const struct scope *scope, const char *name)
{
	for (size_t i = 0; name && i < scope->n_interfaces; i++)
		if (is_interface(name, scope->interfaces[i]))
			return true;
	return false;
}

static int has_source(const struct scope *scope, const char *text, bool *has)
{
	struct inaddr address;

	if (!text)
		return 0;
	if (inaddr_from_text(text_of(text), &address) < 0)
		return -ESRCH;
	for (size_t i = 0; i < scope->n_sources; i++)
		*has |= range_contains(&scope->sources[i], &address);
	return 0;
}

int scope_has(const struct scope *scope, const struct explain_as *as, bool *ret_has)
{
	bool has = !scope_is_given(scope) || has_cgroup(scope, as->cgroup) ||
		   has_interface(scope, as->interface);
	int error = has_id(scope->users, scope->n_users, as->user, find_user, &has);

	if (error == 0)
		error = has_id(scope->groups, scope->n_groups, as->group, find_group, &has);
	if (error == 0)
		error = has_source(scope, as->source, &has);
	if (error == 0)
		*ret_has = has;
	return error;
}
