/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_KERNEL_COUNTERS_H
#define EGRESS_KERNEL_KERNEL_COUNTERS_H

#include <stdint.h>

/* Counters of nftables that have a name, over netlink (linux/netfilter/nf_tables.h). */

struct netlink;

/* Called for each counter; the name ends with the call. A return value other than 0 ends the walk
 * and is passed on. */
typedef int kernel_counters_visit(
	void *context, const char *name, uint64_t packets, uint64_t bytes);

/*
 * Walks the counters of an inet table; without such a table there are none. 0; the visitor's value;
 * -EINTR when any ruleset was changed meanwhile, so that some may have been missed or visited
 * twice; -ENAMETOOLONG; or -errno.
 */
int kernel_counters_walk(
	struct netlink *netlink, const char *table, kernel_counters_visit *visit, void *context);

#endif
