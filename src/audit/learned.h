/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_LEARNED_H
#define EGRESS_AUDIT_LEARNED_H

#include <stddef.h>
#include <stdio.h>

#include "src/audit/sessions.h"

/* What a policy's file of earlier sessions (its baseline) holds: as much of it as a resolver learns
 * from, see src/event/baseline.h. */

#define LEARNED_CATEGORIES 128

struct learned_category {
	const char *name;
	uint64_t destinations; /* in all sessions */
	size_t sessions;       /* that had some */
};

struct learned {
	const char *policy;    /* of the last session; "" there is none */
	size_t sessions;       /* that are learned from: the newest ones */
	size_t with_alerts;    /* that are not, for that */
	size_t without;        /* destinations, or an end */
	size_t older;          /* than those learned from */
	uint64_t destinations; /* of those learned from, as their categories have them */
	int64_t first, last;   /* when those began and ended */
	bool ready;            /* whether it is enough to say something of another session */
	struct learned_category categories[LEARNED_CATEGORIES]; /* the most frequent first */
	size_t n_categories; /* the last of a full table has the rest */
};

/* Of the sessions of one file; the strings stay theirs. 0 or -ENOMEM. */
int learned_from(const struct sessions *sessions, struct learned *ret_learned);

/* A table of 80 columns. */
void learned_as_text(const struct learned *learned, FILE *out);

/* One object. 0 or -ENOMEM. */
int learned_as_json(const struct learned *learned, FILE *out);

#endif
