/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_RECORD_H
#define EGRESS_AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/layers.h"
#include "src/base/inaddr.h"

/* One line of an event log (egress-events(5)) as it was read. */

enum record_kind {
	RECORD_QUERY,
	RECORD_LEASE,
	RECORD_CONNECTION,
	RECORD_FLOW,
	RECORD_POLICY,
	RECORD_LOST,
	RECORD_OTHER, /* of a later version: nothing but its time is known */
};

/* Longer lines are not read. */
#define RECORD_LINE_MAX 8192

struct record {
	void *document; /* what the strings are part of */
	enum record_kind kind;
	int64_t at; /* microseconds since 1970 */
	/* "" is what the record does not say. All but the last two are printable ASCII. */
	const char *policy;
	const char *session;
	const char *rule;
	const char *name; /* presentation form, without a trailing dot */
	const char *type;
	const char *rcode;
	const char *protocol;
	const char *what;
	const char *category;
	const char *reason;
	enum verdict verdict; /* VERDICT_PERMIT if it does not say */
	bool has_address;
	struct inaddr address;
	int port; /* -1: none */
	uint64_t bytes_out, packets_out;
	uint64_t bytes_in, packets_in;
	double duration; /* seconds */
	bool live;
	uint64_t count;
};

/*
 * Reads a line without its line feed. 0, and then the record is to be freed; -EBADMSG when it is
 * no record: too long, not JSON, members of another type or with characters that they never have,
 * or without a time; or -ENOMEM.
 */
int record_read(const char *line, size_t size, struct record *ret_record);

void record_free(struct record *record);

/* "2026-11-21T13:05:02.123456Z"; the fraction may be missing. 0 or -EINVAL. */
int record_time_from_text(const char *text, int64_t *ret_at);

#endif
