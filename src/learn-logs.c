/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-logs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "src/audit/lines.h"
#include "src/base/fd.h"
#include "src/options.h"

struct reading {
	struct digest *digest;
	int error;
};

static void take_line(void *context, const char *line, size_t size)
{
	struct reading *reading = context;
	int error = digest_take_line(reading->digest, line, size);

	if (error)
		reading->error = error;
}

static int read_log(const char *file, struct digest *digest, struct lines *lines)
{
	bool is_stdin = strcmp(file, "-") == 0;
	CLEANUP_FD int own = is_stdin ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = is_stdin ? STDIN_FILENO : own;
	struct reading reading = {.digest = digest, .error = 0};
	char bytes[65536];
	ssize_t got;

	if (fd < 0)
		return -errno;
	memset(lines, 0, sizeof(*lines));
	do {
		got = read(fd, bytes, sizeof(bytes));
		if (got > 0)
			lines_take(lines, bytes, (size_t)got, take_line, &reading);
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		return -errno;
	lines_finish(lines, take_line, &reading);
	return reading.error;
}

static void say_lost(const struct command *command, const struct digest *digest)
{
	const struct digest_lost *lost = digest_lost(digest);
	uint64_t missing = lost->queries + lost->connections + lost->flows + lost->others;

	if (lost->malformed > 0)
		options_complain(command, "%" PRIu64 " lines are no records", lost->malformed);
	if (missing > 0)
		options_complain(
			command, "%" PRIu64 " records were lost when they were made", missing);
}

int learn_read_logs(
	const struct command *command, char *const *files, int n_files, struct digest **ret_digest)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct digest *digest = NULL;
	int error = lines ? digest_new(&digest) : -ENOMEM;

	if (error)
		options_complain(command, "%s", strerror(-error));
	for (int i = 0; i < n_files && !error; i++) {
		error = read_log(files[i], digest, lines);
		if (error)
			options_complain(command, "%s: %s", files[i], strerror(-error));
	}
	free(lines);
	if (!error) {
		error = digest_finish(digest);
		if (error)
			options_complain(command, "%s", strerror(-error));
	}
	if (error) {
		digest_free(digest);
		return error;
	}
	say_lost(command, digest);
	*ret_digest = digest;
	return 0;
}

/* Names below `invalid` (RFC 6761) exist nowhere, so that no entry is missing for one; egress-run
 * asks for one to see whether its resolver refuses. */
static bool is_nowhere(const struct digest_row *row)
{
	static const char invalid[] = ".invalid";
	size_t length = strlen(row->name), end = sizeof(invalid) - 1;

	return length > end && strcasecmp(row->name + length - end, invalid) == 0;
}

/* Adds rows to those that there is room for. */
static void add_rows(struct learn_rows *rows, const struct digest_row *const *some, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_nowhere(some[i]))
			rows->rows[rows->count++] = some[i];
}

int learn_rows(const struct digest *digest, unsigned outcomes, struct learn_rows *ret_rows)
{
	struct learn_rows rows = {NULL, 0};

	for (unsigned outcome = 0; outcome < DIGEST_OUTCOMES; outcome++) {
		const struct digest_row **some = NULL, **more;
		size_t count = 0;

		if (!(outcomes & 1u << outcome))
			continue;
		if (digest_list(digest, outcome, &some, &count) < 0) {
			free(rows.rows);
			return -ENOMEM;
		}
		more = reallocarray(rows.rows, rows.count + count + 1, sizeof(*more));
		if (!more) {
			free(some);
			free(rows.rows);
			return -ENOMEM;
		}
		rows.rows = more;
		add_rows(&rows, some, count);
		free(some);
	}
	*ret_rows = rows;
	return 0;
}
