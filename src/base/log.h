/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_LOG_H
#define EGRESS_BASE_LOG_H

#include <stdbool.h>

/*
 * What a running program tells its administrator, a line each on standard error: "egress-resolver:
 * keeper: ...". When standard error is the journal (JOURNAL_STREAM names it, systemd.exec(5)) the
 * line starts with the syslog priority in angle brackets (sd-daemon(3)) and has no program name.
 * Only daemons log; library code returns errors.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* The program's name, the process's role (may be NULL) and the least important level shown. Both
 * strings must outlive the program. */
void log_start(const char *program, const char *role, enum log_level most);

/* Whether lines of that level are shown, for what it takes work to say. */
bool log_shows(enum log_level level);

/* One line; control characters in the result are shown as '?', since parts of it come from
 * strangers. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands each line that is logged from here on to `copy` as well, without what comes before the
 * message; NULL ends that, as log_start() does. */
void log_copy(
	void (*copy)(void *context, enum log_level level, const char *message), void *context);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
