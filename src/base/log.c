/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/text.h"

/* A line is put together in one piece and leaves in one write, so that lines of several processes
 * don't mix (a pipe keeps up to PIPE_BUF, 4096 bytes, together). What is longer is cut. */
enum { LINE_MAX_BYTES = 2048 };

static struct {
	const char *program;
	const char *role;
	enum log_level most;
	bool journal;
	void (*copy)(void *context, enum log_level level, const char *message);
	void *context;
} settings = {.most = LOG_LEVEL_INFO};

/* Whether standard error is the stream that systemd connected to the journal; the variable alone
 * says little, since everything started from a service inherits it. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return text_is(text_of(stream), own);
}

void log_start(const char *program, const char *role, enum log_level most)
{
	settings.program = program;
	settings.role = role;
	settings.most = most;
	settings.journal = stderr_is_journal();
	log_copy(NULL, NULL);
}

void log_copy(void (*copy)(void *context, enum log_level level, const char *message), void *context)
{
	settings.copy = copy;
	settings.context = context;
}

bool log_shows(enum log_level level)
{
	return level <= settings.most;
}

/* What comes before the message; returns its length. */
static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	const char *role = settings.role ? settings.role : "";
	const char *colon = settings.role ? ": " : "";
	int length;

	if (settings.journal)
		length = snprintf(line, size, "<%d>%s%s", (int)level, role, colon);
	else if (settings.program)
		length = snprintf(line, size, "%s: %s%s", settings.program, role, colon);
	else
		length = snprintf(line, size, "%s%s", role, colon);
	if (length < 0)
		return 0;
	return (size_t)length < size ? (size_t)length : size - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	int kept = errno;
	size_t prefix, length;
	va_list arguments;
	int put;

	if (!log_shows(level))
		return;

	prefix = put_prefix(line, sizeof(line) - 1, level);
	errno = kept; /* for %m */
	va_start(arguments, format);
	put = vsnprintf(line + prefix, sizeof(line) - 1 - prefix, format, arguments);
	va_end(arguments);

	length = prefix + (put > 0 ? (size_t)put : 0);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\0';
	length = strlen(text_clean(line));
	if (settings.copy)
		settings.copy(settings.context, level, line + prefix);
	line[length++] = '\n';

	while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
		;
	errno = kept;
}
