/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_FILTER_H
#define EGRESS_AUDIT_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/audit/record.h"

/* Which records are wanted. Zeroed but for `until`, which is then INT64_MAX, all are. */
struct filter {
	int64_t since, until; /* microseconds since 1970; the second is beyond the last */
	/* Globs as fnmatch(3) has them, of any letter case; NULL: any. */
	const char *policy;
	const char *session;
	const char *name; /* or the address, of a record without a name */
	const char *rule;
	const char *cgroup; /* of a connection; others have none */
	unsigned kinds;     /* bits of enum record_kind; 0: any */
	unsigned verdicts;  /* bits of enum verdict; 0: any, and none */
};

bool filter_takes(const struct filter *filter, const struct record *record);

/*
 * A moment as people say it, in UTC: "2026-11-21", "2026-11-21T13:05", "2026-11-21 13:05:02",
 * "2026-11-21T13:05:02.5Z", "13:05" of the day of `now`, or how long before `now`: "90s", "2h",
 * "7d". `now` is in microseconds since 1970, as is *ret_at. 0 or -EINVAL.
 */
int filter_time(const char *text, int64_t now, int64_t *ret_at);

#endif
