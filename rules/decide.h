/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_DECIDE_H
#define EGRESS_RULES_DECIDE_H

#include <limits.h>

#include "rules/plan.h"

/* The ports of no group, in place of one. */
#define DECIDE_REST UINT_MAX

struct decision {
	enum verdict verdict;
	uint32_t index; /* as in struct plan_span */
};

/* What the plan's kernel objects decide about a bare address on the ports of a group: looked up in
 * their order, as the chains do, leases aside. */
struct decision decide(const struct plan *plan, unsigned group, const struct inaddr *address);

/* The span that has the address, by bisection, or NULL. */
const struct plan_span *decide_find_span(
	const struct plan_spans *spans, const struct inaddr *address);

/* The rule id of a decision. */
const char *decision_rule(const struct plan *plan, struct decision decision);

/* Where a decision may change: calls `visit` with the first address of each span that has a say
 * about the family on the group's ports, and with the first behind it. */
void decide_visit_edges(const struct plan *plan, unsigned group, enum plan_family family,
	void (*visit)(void *context, const struct inaddr *edge), void *context);

#endif
