/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_SESSIONS_H
#define EGRESS_AUDIT_SESSIONS_H

#include <stddef.h>

#include "src/audit/record.h"

/* The sessions of a log: what their own records say of them, and what their other records come to.
 * Of bounded size, whatever is recorded. */
struct sessions;

/* Sessions that are kept: the first ones. */
#define SESSIONS_KEPT 4096

struct sessions_row {
	const char *policy; /* printable ASCII, as the next; "" not known */
	const char *id;
	int64_t first, last; /* of its records, in microseconds since 1970 */
	uint64_t records;
	/* The larger of what is told and what is counted. */
	uint64_t destinations;
	uint64_t connections; /* permitted */
	uint64_t refused;
	uint64_t bytes_out, bytes_in;
	uint64_t alerts;
	uint64_t lost;
	bool at_least; /* there may have been more destinations */
	/* Of its last record of its own. */
	bool told;
	bool ended;
	uint64_t unknown, wildcard_names;
	struct record_session figures; /* the names are anybody's texts */
};

/* 0, -ENOMEM, or another -errno when there is no randomness. */
int sessions_new(struct sessions **ret_sessions);

/* NULL is allowed. */
void sessions_free(struct sessions *sessions);

/* Takes a record of any kind. */
void sessions_take(struct sessions *sessions, const struct record *record);

size_t sessions_count(const struct sessions *sessions);
const struct sessions_row *sessions_at(const struct sessions *sessions, size_t index);

/* Records of sessions that found no room. */
uint64_t sessions_more(const struct sessions *sessions);

/* Whether there was no memory for what there was room for. */
bool sessions_were_short(const struct sessions *sessions);

/* All, in the order of their beginning. To be freed; the rows stay the sessions'. 0 or -ENOMEM. */
int sessions_list(const struct sessions *sessions, const struct sessions_row ***ret_rows);

/* "12 of 20", "1.2 MiB of 4.0 MiB", "12 % of 50 %", into `out` (SESSIONS_USE bytes), which it
 * returns. */
#define SESSIONS_USE 64
const char *sessions_use(const struct record_budget *budget, char *out);

/* How much of it is used: 1 is all. */
double sessions_part(const struct record_budget *budget);

/* The budget of which most is used; NULL: the session has none. */
const struct record_budget *sessions_fullest(const struct sessions_row *row);

#endif
