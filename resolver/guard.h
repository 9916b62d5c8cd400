/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_GUARD_H
#define EGRESS_RESOLVER_GUARD_H

#include <stdbool.h>

#include "rules/match.h"
#include "src/base/clock.h"

/*
 * What bounds how much can leave in questions: [limits] queries, and how many different names are
 * asked under each entry's wildcards. It lies in memory that the processes forked later share, so
 * all workers of a policy spend from one account; which lasts until the policy is read again.
 */
struct guard;

/* For the layers, which must stay. 0, or -ENOMEM, also for ceilings that no memory holds. */
int guard_new(const struct layers *layers, struct guard **ret_guard);
void guard_free(struct guard *guard);

/* Whether one more query may be served. */
bool guard_query(struct guard *guard, struct mono now);

/* What becomes of a name that is about to be asked of an upstream. */
struct guard_finding {
	const char *rule; /* the entry whose ceiling is reached: "allow-1 wildcard_names"; NULL:
			     none is. As long as the guard */
	bool refused;     /* not to be asked; else only to be told of */
	bool first;       /* nobody was told so before */
};

/* Counts the name under each entry that decides it by a wildcard, a pattern or a list's wildcard. A
 * name that was counted before costs nothing. */
struct guard_finding guard_name(
	struct guard *guard, const struct name *name, const struct match_result *result);

#endif
