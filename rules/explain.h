/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_EXPLAIN_H
#define EGRESS_RULES_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/compile.h"

/* Whose traffic it is; NULL is what isn't known, and matches no part of a [scope]. */
struct explain_as {
	const char *user; /* by name or number */
	const char *group;
	const char *cgroup;    /* the path below the root of the control groups */
	const char *interface; /* that forwarded traffic came in by */
	const char *source;    /* the address that forwarded traffic came from */
};

/*
 * What a policy says of a destination (rules/destination.h), as text or as JSON. Without a port:
 * permitted on any port? `as` NULL: of traffic that is in scope; what isn't in scope is permitted.
 * 0 with *ret_permitted; -EINVAL for a destination that is none; -ESRCH when `as` has a user or a
 * group that does not exist here, or a source that is no address; or -ENOMEM.
 */
int explain(const struct compiled *compiled, const char *destination, const struct explain_as *as,
	bool json, FILE *out, bool *ret_permitted);

#endif
