/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_DESCRIBE_H
#define EGRESS_RULES_DESCRIBE_H

#include "rules/judge.h"

/* Findings in words. */

/* The word that matches, into `out` (DESCRIBE_MATCH bytes), which it returns; "" of nothing. */
#define DESCRIBE_MATCH (NAME_TEXT + 8)
const char *describe_match(const struct finding *finding, char *out);

/* Whether the entry names so much that its text does not tell which of it matches. */
bool describe_is_ambiguous(const struct entry *entry);

/* What kind of match it is: "host", "pattern", "address", "class" or "unknown". */
const char *describe_kind(const struct finding *finding);

/* A verdict as people say it: "permitted", "flagged", "observed" or "refused". */
const char *describe_verdict(enum verdict verdict);

/* Why `winner` beats `other`, as a clause: "which is less specific". */
const char *describe_defeat(const struct finding *winner, const struct finding *other);

/* "60/minute", or "no limit", into `out` (DESCRIBE_RATE bytes), which it returns. */
#define DESCRIBE_RATE 24
const char *describe_rate(const struct rate *rate, char *out);

#endif
