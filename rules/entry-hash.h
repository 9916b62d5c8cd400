/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_ENTRY_HASH_H
#define EGRESS_RULES_ENTRY_HASH_H

#include "rules/policy.h"

/*
 * Hashes of what entries say, the same on every machine and tomorrow. Sums of them do not depend on
 * the order in which something is written.
 */

/* All that the entry says of destinations, ports, believed addresses and its end; not what it is
 * called, nor what it decides. */
uint64_t entry_hash(const struct entry *entry);

uint64_t entry_hash_ports(const struct entry *entry);

/* Which answers are believed; 0 for the public ones. */
uint64_t entry_hash_believed(const struct entry *entry);

uint64_t entry_hash_host(const struct host *host);
uint64_t entry_hash_range(const struct range *range);
uint64_t entry_hash_pattern(const struct pattern *pattern);
uint64_t entry_hash_list(const struct list *list);

/* A hash of two numbers in a role, which keeps apart what they stand for. */
uint64_t hash_pair(unsigned role, uint64_t a, uint64_t b);

#endif
