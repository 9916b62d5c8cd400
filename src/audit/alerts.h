/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_ALERTS_H
#define EGRESS_AUDIT_ALERTS_H

#include <stddef.h>

#include "src/audit/record.h"

/* The alerts of a log, in the order of their records. Of bounded size, whatever is recorded. */
struct alerts;

/* Alerts that are kept: the first ones; what comes after them is counted. */
#define ALERTS_KEPT 2048

struct alerts_row {
	int64_t at; /* microseconds since 1970 */
	/* "" what the record did not say; all printable ASCII */
	const char *policy;
	const char *session;
	const char *rule;
	const char *name;
	const char *protocol;
	bool refuses;
	bool has_address;
	struct inaddr address;
	int port; /* -1: none */
	double value, threshold;
	double p; /* -1: none */
	const char *evidence[RECORD_EVIDENCE];
	size_t n_evidence;
	uint64_t suppressed;
};

/* 0, -ENOMEM, or another -errno when there is no randomness. */
int alerts_new(struct alerts **ret_alerts);

/* NULL is allowed. */
void alerts_free(struct alerts *alerts);

/* Takes a record of kind RECORD_ALERT. */
void alerts_take(struct alerts *alerts, const struct record *record);

size_t alerts_count(const struct alerts *alerts);
const struct alerts_row *alerts_at(const struct alerts *alerts, size_t index);

/* Alerts that found no room, and those that the records say were not told. */
uint64_t alerts_more(const struct alerts *alerts);
uint64_t alerts_suppressed(const struct alerts *alerts);

/* Whether there was no memory for what there was room for. */
bool alerts_were_short(const struct alerts *alerts);

/* What the alert is about, "" of the session as a whole, into `out` (ALERTS_WHERE bytes), which it
 * returns. */
#define ALERTS_WHERE 1200
const char *alerts_where(const struct alerts_row *row, char *out);

/* "value 34, threshold 20; p = 0.00012", into `out` (ALERTS_NUMBERS bytes), which it returns. */
#define ALERTS_NUMBERS 160
const char *alerts_numbers(const struct alerts_row *row, char *out);

/* What a rule's alerts say, as words; NULL: it is not a known one. */
const char *alerts_meaning(const char *rule);

#endif
