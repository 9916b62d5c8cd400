/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PORTS_H
#define EGRESS_RULES_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"

struct arena;

/* Ports that every entry names all of or none of: sorted, disjoint, neighbours joined. */
struct port_group {
	struct port_range *ports;
	size_t n_ports;
};

/*
 * The coarsest partition of the named ports such that each entry's ports are a union of groups, in
 * the order of the groups' first ports. (*ret_groups_of)[i] has bit 1 << g where entry i has group
 * g. 0, -ENOMEM, or -E2BIG with *ret_culprit the first entry that makes it more than
 * PLAN_GROUPS_MAX groups.
 */
int ports_partition(struct arena *arena, const struct policy *policy,
	struct port_group **ret_groups, size_t *ret_count, uint64_t **ret_groups_of,
	const struct entry **ret_culprit);

/* "tcp/443", "udp/8000-8100", "icmp/echo" into `out` (PORTS_TEXT bytes); returns `out`. */
#define PORTS_TEXT 24
const char *port_range_to_text(const struct port_range *range, char *out);

/* The protocol as policies write it: "tcp". */
const char *protocol_name(enum protocol protocol);

#endif
