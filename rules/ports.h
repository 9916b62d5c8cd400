/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PORTS_H
#define EGRESS_RULES_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"

struct arena;

/* Ports that somebody names: sorted by nothing, and they may overlap. */
struct port_set {
	const struct port_range *ports;
	size_t n_ports;
};

/* Ports that every set has all of or none of: sorted, disjoint, neighbours joined. */
struct port_group {
	struct port_range *ports;
	size_t n_ports;
};

/*
 * The coarsest partition of the named ports such that each set is a union of groups, in the order
 * of the groups' first ports. 0, -ENOMEM, or -E2BIG with *ret_culprit the first set that makes it
 * more than PLAN_GROUPS_MAX groups.
 */
int ports_partition(struct arena *arena, const struct port_set *sets, size_t n_sets,
	struct port_group **ret_groups, size_t *ret_count, size_t *ret_culprit);

/* Whether the port is in one of the ranges. */
bool ports_have(
	const struct port_range *ports, size_t n_ports, enum protocol protocol, uint16_t port);

/* "tcp/443", "udp/8000-8100", "icmp/echo" into `out` (PORTS_TEXT bytes); returns `out`. */
#define PORTS_TEXT 24
const char *port_range_to_text(const struct port_range *range, char *out);

/* The protocol as policies write it: "tcp". */
const char *protocol_name(enum protocol protocol);

#endif
