/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Takes the file if it is there. 0, -ENOENT, or -errno with *ret_path as find_policy() has it. */
static int try_path(char *path, uid_t uid, char **ret_path)
{
	struct stat status;
	int error = 0;

	if (!path)
		return -ENOMEM;
	if (stat(path, &status) < 0)
		error = errno == ENOTDIR ? -ENOENT : -errno;
	else if (status.st_uid != uid && status.st_uid != 0)
		error = -EACCES;
	if (error == -ENOENT)
		free(path);
	else
		*ret_path = path;
	return error;
}

static char *join(const char *folder, size_t length, const char *name)
{
	char *path;

	return asprintf(&path, "%.*s/%s", (int)length, folder, name) < 0 ? NULL : path;
}

/* In the folder and each above it. */
static int find_above(const struct find_places *places, char **ret_path)
{
	size_t length = strlen(places->folder);
	int error = -ENOENT;

	while (length > 0 && places->folder[length - 1] == '/')
		length--;
	while (error == -ENOENT) {
		error = try_path(join(places->folder, length, FIND_NAME), places->uid, ret_path);
		if (length == 0)
			break;
		while (length > 0 && places->folder[--length] != '/')
			;
	}
	return error;
}

static int find_users(const struct find_places *places, char **ret_path)
{
	const char *folder = places->config;
	const char *name = "egress/" FIND_NAME;

	if (!folder || folder[0] != '/') {
		folder = places->home;
		name = ".config/egress/" FIND_NAME;
	}
	if (!folder || folder[0] != '/')
		return -ENOENT;
	return try_path(join(folder, strlen(folder), name), places->uid, ret_path);
}

int find_policy(const struct find_places *places, char **ret_path)
{
	int error;

	*ret_path = NULL;
	error = find_above(places, ret_path);
	if (error == -ENOENT)
		error = find_users(places, ret_path);
	if (error == -ENOENT)
		error = try_path(strdup(places->system), places->uid, ret_path);
	return error;
}
