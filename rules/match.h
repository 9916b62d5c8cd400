/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_MATCH_H
#define EGRESS_RULES_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/plan.h"

struct arena;

/* The names of a plan, ready to be looked up. Read only once made: processes share it. */
struct match;

/* The rule that permits a name's addresses in one port group. */
struct grant {
	unsigned group; /* index into plan->groups */
	unsigned rule;  /* index into plan->rules */
};

/* What a name gets: for each port group at most one grant, of the most specific rule that has it.
 */
struct match_result {
	unsigned n_grants; /* 0: the name is refused */
	struct grant grants[PLAN_GROUPS_MAX];
	unsigned rule; /* the most specific rule of all; only with grants */
};

/* The rule id that refuses what no entry permits. */
#define MATCH_DEFAULT_DENY "default-deny"

/* Builds the table for `plan`. 0, -ENOMEM, or another -errno when there is no randomness. */
int match_make(struct arena *arena, const struct plan *plan, const struct match **ret_match);

/* Whether the policy permits `name`, and for what (policy.md, "Who wins"). No allocation. */
bool match_name(
	const struct match *match, const struct name *name, struct match_result *ret_result);

/* The addresses [dns.hosts] gives the name, or NULL. */
const struct embedded_host *match_host(const struct match *match, const struct name *name);

/* The group that `port` of `protocol` belongs to. False: no entry has the port. */
bool match_port(
	const struct plan *plan, enum protocol protocol, uint16_t port, unsigned *ret_group);

/* The rule of the policy's own prefixes that permits `address` in the group, or NULL. */
const struct plan_rule *match_address(
	const struct plan *plan, unsigned group, const struct inaddr *address);

#endif
