/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PLAN_H
#define EGRESS_RULES_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/class.h"
#include "rules/policy.h"

/*
 * The one lowered form of a policy: what the kernel objects are called and what is in them, each
 * with the rule it came from. Back-ends print it, the resolver leases by it, --explain evaluates
 * it. Nobody else names a kernel object.
 */

#define PLAN_GROUPS_MAX 64

/* A rule in force. `mark` is the connection mark of its flows: it depends on nothing but what the
 * entry says, so that a rule keeps it however the file around it changes. Never 0. */
struct plan_rule {
	uint32_t mark;
	const char *id;   /* "allow-3" */
	const char *text; /* "api.example.com, *.example.net tcp/443": at most 100 bytes, for
			     comments */
	struct place place;
	const struct entry *entry;
};

/* Addresses of a group that a rule permits; those of one group are sorted and disjoint. */
struct plan_span {
	struct range range;
	unsigned rule; /* index into plan->rules */
};

/* Addresses refused as a class; sorted and disjoint, without those that a longer prefix permits. */
struct plan_block {
	struct range range;
	enum address_class class;
};

enum plan_family { PLAN_IP4, PLAN_IP6, PLAN_FAMILIES };

/*
 * A port group: the ports that every entry either names all of or none of, so that a destination
 * belongs to one group and one pair of sets decides.
 */
struct plan_group {
	const char *name; /* "tcp-443": the first of its ports */
	struct port_range *ports;
	size_t n_ports;
	struct {
		const char *leases;      /* map: address -> mark, each with a time-out; set by the
					    resolver */
		const char *addresses;   /* interval map: address -> mark, from the policy */
		struct plan_span *spans; /* what `addresses` holds */
		size_t n_spans;
	} family[PLAN_FAMILIES];
};

struct plan {
	const struct policy *policy;
	const char *table;        /* "egress-default", in family inet */
	const char *live_set;     /* marks in force */
	const char *resolver_set; /* mark . uid of the resolver's own sockets */
	struct plan_rule *rules;
	size_t n_rules;
	uint64_t *rule_groups; /* for each rule: bit 1 << group */
	struct plan_group *groups;
	size_t n_groups;
	struct {
		struct plan_block *blocks;
		size_t n_blocks;
		const struct endpoint *listen; /* where DNS of the family is sent; NULL: refused */
	} family[PLAN_FAMILIES];
};

/* Lowers a policy. 0, -EINVAL (diag says why: too many port groups) or -ENOMEM. */
int plan_make(struct arena *arena, const struct policy *policy, struct diag *diag,
	const struct plan **ret_plan);

#endif
