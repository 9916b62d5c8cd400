/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32 };

/* The arguments as posix_spawn() wants them, which does not write to them. */
static int spawn(
	const char *const *arguments, const posix_spawn_file_actions_t *actions, pid_t *ret_child)
{
	char *vector[ARGUMENTS_MAX + 1] = {NULL};

	for (size_t i = 0; arguments[i]; i++) {
		if (i == ARGUMENTS_MAX)
			return -E2BIG;
		memcpy(&vector[i], &arguments[i], sizeof(vector[i]));
	}
	return -posix_spawnp(ret_child, vector[0], actions, NULL, vector, environ);
}

int child_run(const char *const *arguments, const char *said)
{
	posix_spawn_file_actions_t actions;
	int error = -posix_spawn_file_actions_init(&actions), status;
	pid_t child;

	if (error < 0)
		return error;
	if (said)
		error = -posix_spawn_file_actions_addopen(
			&actions, STDERR_FILENO, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	fflush(NULL);
	if (error == 0)
		error = spawn(arguments, &actions, &child);
	posix_spawn_file_actions_destroy(&actions);
	if (error < 0)
		return error;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int child_script(const char *script)
{
	const char *const arguments[] = {"sh", "-c", script, NULL};

	return child_run(arguments, NULL);
}
