/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SYSLOG_H
#define EGRESS_EVENT_SYSLOG_H

#include <stddef.h>

#include "src/event/event-json.h"
#include "src/event/members.h"

/* A record as a message of syslog (RFC 5424). */

#define SYSLOG_MESSAGE 12288

/* Its structured data are those of this enterprise number, which is for documentation (RFC 5612)
 * and nobody's. */
#define SYSLOG_ID "egress@32473"

/* Who sends it: a host's name, NULL or "" where it isn't known, and a process. */
struct syslog_origin {
	const char *host;
	int process;
};

/* Writes it; its length. `line` is its text, without a newline, and then there are no structured
 * data; length 0: a sentence, and each member a parameter of them. */
size_t syslog_write(const struct members *members, struct text line,
	const struct syslog_origin *origin, char out[SYSLOG_MESSAGE]);

#endif
