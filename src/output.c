/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/fd.h"

struct job {
	int (*write)(const void *context, FILE *out);
	const void *context;
};

/* Writes to `out`, which it closes. */
static int write_closing(const struct job *job, FILE *out)
{
	int error;

	errno = 0;
	error = job->write(job->context, out);
	if (error < 0 && errno != 0)
		error = -errno;
	if (error == 0 && fsync(fileno(out)) < 0 && errno != EINVAL && errno != EROFS)
		error = -errno;
	if (fclose(out) != 0 && error == 0)
		error = -errno;
	return error;
}

/* The mode a new file would have got from open(2), or that the replaced one has. */
static mode_t output_mode(const char *path)
{
	struct stat status;
	mode_t mask;

	if (stat(path, &status) == 0)
		return status.st_mode & 07777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* Gives the file its name. 0 or -errno: -EEXIST where `fresh` says that there must be none. */
static int name_file(const char *beside, const char *path, bool fresh)
{
	int result = renameat2(AT_FDCWD, beside, AT_FDCWD, path, fresh ? RENAME_NOREPLACE : 0);

	/* A file system that can't tell. */
	if (result < 0 && fresh && errno == EINVAL) {
		result = link(beside, path);
		if (result == 0)
			unlink(beside);
	}
	return result < 0 ? -errno : 0;
}

static int replace_file(const struct job *job, const char *path, bool fresh)
{
	CLEANUP_FD int fd = -1;
	char *beside;
	FILE *out;
	int error;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		free(beside);
		return error;
	}
	error = fchmod(fd, output_mode(path)) < 0 ? -errno : 0;
	out = error == 0 ? fdopen(fd, "w") : NULL;
	if (out) {
		fd_steal(&fd);
		error = write_closing(job, out);
	} else if (error == 0) {
		error = -errno;
	}
	if (error == 0)
		error = name_file(beside, path, fresh);
	if (error < 0)
		unlink(beside);
	free(beside);
	return error;
}

int output_file(const char *path, int (*write)(const void *context, FILE *out), const void *context)
{
	const struct job job = {write, context};
	struct stat status;
	char *real;
	FILE *out;
	int error;

	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		out = fopen(path, "we");
		return out ? write_closing(&job, out) : -errno;
	}
	real = realpath(path, NULL);
	error = replace_file(&job, real ? real : path, false);
	free(real);
	return error;
}

int output_replace(
	const char *path, int (*write)(const void *context, FILE *out), const void *context)
{
	const struct job job = {write, context};

	return replace_file(&job, path, false);
}

int output_new(const char *path, int (*write)(const void *context, FILE *out), const void *context)
{
	const struct job job = {write, context};

	return replace_file(&job, path, true);
}

bool output_has_colour(int fd)
{
	const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fd) && !(refused && *refused) && terminal && strcmp(terminal, "dumb") != 0;
}
