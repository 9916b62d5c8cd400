/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_MEMBERS_H
#define EGRESS_EVENT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/text.h"
#include "src/event/event.h"

/* A line of JSON read again, for whoever writes the same record in another form (egress-events(5)).
 */

/* All there are, in the order of the manual. */
enum member {
	MEMBER_TIME,
	MEMBER_KIND,
	MEMBER_POLICY,
	MEMBER_SESSION,
	MEMBER_VERDICT,
	MEMBER_RULE,
	MEMBER_NAME,
	MEMBER_TYPE,
	MEMBER_RCODE,
	MEMBER_EDE,
	MEMBER_SOURCE,
	MEMBER_SOURCE_PORT,
	MEMBER_USER,
	MEMBER_GROUP,
	MEMBER_CGROUP,
	MEMBER_CGROUP_ID,
	MEMBER_ADDRESS,
	MEMBER_PORTS,
	MEMBER_PORT,
	MEMBER_PROTOCOL,
	MEMBER_TTL,
	MEMBER_LEASE,
	MEMBER_BYTES_OUT,
	MEMBER_PACKETS_OUT,
	MEMBER_BYTES_IN,
	MEMBER_PACKETS_IN,
	MEMBER_DURATION,
	MEMBER_LIVE,
	MEMBER_COUNT,
	MEMBER_WHAT,
	MEMBER_VALUE,
	MEMBER_THRESHOLD,
	MEMBER_P,
	MEMBER_EVIDENCE,
	MEMBER_SUPPRESSED,
	MEMBER_PHASE,
	MEMBER_SINCE,
	MEMBER_DESTINATIONS,
	MEMBER_UNKNOWN,
	MEMBER_WILDCARD_NAMES,
	MEMBER_CONNECTIONS,
	MEMBER_REFUSED,
	MEMBER_ALERTS,
	MEMBER_CATEGORIES,
	MEMBER_BUDGET,
	MEMBER_BASELINE,
	MEMBER_SCORE,
	MEMBER_CATEGORY,
	MEMBER_REASON,
	MEMBERS,
};

/* The kinds of enum event_kind, and those that are made of many records. */
enum {
	MEMBERS_ALERT = EVENT_KINDS,
	MEMBERS_SESSION,
	MEMBERS_KINDS,
};

/* A record by its members, as they are in the line: strings with their quotes and escapes. */
struct members {
	unsigned kind;
	struct text values[MEMBERS]; /* length 0: it has none */
	unsigned unknown;            /* members that have no place here and are left out */
};

/*
 * Reads a line, which may be anybody's, with its newline or without. 0, or -EINVAL: it is no object
 * of a known kind with a time, or is no JSON in the form that records have: no blanks between its
 * parts, no control characters, UTF-8, each member at most once. The members point into the line.
 */
int members_read(const char *line, size_t size, struct members *ret_members);

/* The name of a member. */
const char *member_name(enum member member);

/* Whether the member is there and is that JSON. */
bool members_are(const struct members *members, enum member member, const char *json);

/* Whether it is a string. */
bool member_is_string(struct text value);

/*
 * Visits the characters of a string, or of any other value as it is written. What escapes stand for
 * is told as a character; half of a surrogate pair as U+FFFD. Stops when `visit` says false.
 */
void member_visit(
	struct text value, bool (*visit)(void *context, uint32_t character), void *context);

/* The value as UTF-8, as much of it as has room. */
void member_put_utf8(struct writer *out, struct text value);

/* The value in printable ASCII, with '?' for all else, no longer than `most` bytes. */
void member_put_ascii(struct writer *out, struct text value, size_t most);

/* A character in UTF-8 into `out`; its length. */
size_t utf8_encode(uint32_t character, char out[4]);

/* LOG_* of syslog(3): how much a record is worth to be looked at. */
int members_severity(const struct members *members);

#endif
