/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_VALUE_H
#define EGRESS_RULES_VALUE_H

#include "rules/policy.h"

/*
 * The strings of a policy, one by one. Each function is 0 or -EINVAL; then *ret_problem says what
 * is wrong, to be put after the quoted string: "'192.0.2' is not an address ...".
 */

/* "192.0.2.1", "2001:db8::/32", "192.0.2.10-192.0.2.20". */
int value_range(struct text text, struct range *ret_range, const char **ret_problem);

/* "443", "tcp/8000-8100", "udp/443", "icmp/echo". */
int value_ports(struct text text, struct port_range *ret_ports, const char **ret_problem);

/* "ADDRESS:PORT" of a socket to listen on. */
int value_listen(struct text text, struct endpoint *ret_endpoint, const char **ret_problem);

/* Whether a single host can have the address: not "this network" (0.0.0.0/8), the unspecified one,
 * multicast, or 240.0.0.0/4. */
bool value_is_unicast(const struct inaddr *address);

/* "192.0.2.1": what a name may be answered with. */
int value_address(struct text text, struct inaddr *ret_address, const char **ret_problem);

/* A policy's name: 1 to 31 of a-z, 0-9 and '-'. */
int value_label(struct text text, const char **ret_problem);

/* A category: 1 to 63 letters, digits, '.', '_', '-' and blanks between them. */
int value_category(struct text text, const char **ret_problem);

/* A reason: at most 255 bytes, all of which can be shown in one line. */
int value_reason(struct text text, const char **ret_problem);

/* A control group: its path below the root of the unified hierarchy, at most 1023 bytes of what can
 * be shown and stands in a ruleset's quotes; no part of it is empty, "." or "..". */
int value_cgroup(struct text text, const char **ret_problem);

/* An interface's name, 1 to 15 bytes; with a '*' at its end all whose names start so. */
int value_interface(struct text text, const char **ret_problem);

#endif
