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
	RECORD_ALERT,
	RECORD_SESSION,
	RECORD_POLICY,
	RECORD_LOST,
	RECORD_OTHER, /* of a later version: nothing but its time is known */
	RECORD_KINDS,
};

/* Longer lines are not read. */
#define RECORD_LINE_MAX 8192

#define RECORD_EVIDENCE 8
#define RECORD_CATEGORIES 64
#define RECORD_BUDGETS 8

/* What a budget bounds, and how far it is used. */
struct record_budget {
	const char *key; /* of [budget]: "destinations" */
	double used;
	double of;
};

struct record_category {
	const char *name;
	uint64_t destinations;
};

/* What only records of a session have. Further categories are left out; one with further budgets is
 * no record. */
struct record_session {
	struct record_budget budgets[RECORD_BUDGETS];
	size_t n_budgets;
	struct record_category categories[RECORD_CATEGORIES];
	size_t n_categories;
	const char *baseline; /* its state: "cold", "ready"; "" none */
	uint64_t baseline_sessions;
};

struct record {
	void *document; /* what the strings are part of */
	enum record_kind kind;
	int64_t at; /* microseconds since 1970 */
	/* "" is what the record does not say. All but the category and the reason are printable
	 * ASCII. */
	const char *policy;
	const char *session;
	const char *rule;
	const char *name; /* presentation form, without a trailing dot */
	const char *type;
	const char *rcode;
	const char *ports;
	const char *protocol;
	const char *cgroup; /* a path */
	const char *phase;
	const char *what;
	const char *category;
	const char *reason;
	enum verdict verdict; /* VERDICT_PERMIT if it does not say */
	bool has_verdict;
	bool has_address;
	struct inaddr address;
	int port;     /* -1: none */
	int64_t user; /* -1: not known */
	uint64_t cgroup_id;
	uint64_t ttl; /* seconds */
	uint64_t lease;
	uint64_t bytes_out, packets_out;
	uint64_t bytes_in, packets_in;
	double duration; /* seconds */
	bool live;
	uint64_t count;
	/* Of an alert; the texts are printable ASCII. */
	double value, threshold;
	double p; /* -1: it has none */
	const char *evidence[RECORD_EVIDENCE];
	size_t n_evidence;
	uint64_t suppressed;
	/* Of a session; -1: it doesn't say when. */
	int64_t since;
	uint64_t destinations, unknown, wildcard_names, connections, refused, alerts;
	const struct record_session *figures; /* NULL: it is of another kind */
};

/*
 * Reads a line without its line feed. 0, and then the record is to be freed; -EBADMSG when it is
 * no record: too long, not JSON, members of another type, twice, or with characters that they never
 * have, or without a time; or -ENOMEM.
 */
int record_read(const char *line, size_t size, struct record *ret_record);

void record_free(struct record *record);

/* "query"; "other" of RECORD_OTHER. */
const char *record_kind_name(enum record_kind kind);

/* Of such a word, RECORD_OTHER for one that is none. */
enum record_kind record_kind_of(const char *word);

/* 0 with the verdict of a word of verdict, or -EINVAL. */
int record_verdict_of(const char *word, enum verdict *ret_verdict);

/* "2026-11-21T13:05:02.123456Z"; the fraction may be missing. 0 or -EINVAL. */
int record_time_from_text(const char *text, int64_t *ret_at);

#endif
