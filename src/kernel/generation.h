/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_GENERATION_H
#define EGRESS_KERNEL_GENERATION_H

#include "src/base/clock.h"
#include "src/kernel/netlink.h"

/*
 * Generations of an inet table's interval maps, told apart by a number at the end of their names,
 * "addresses4.2": a new one is filled while the rules still use the one before.
 */

/*
 * Sees to it that nobody else who asks for it changes generations of the table, until the socket is
 * closed or the process ends. Waits `patience` for whoever does. 0, -EBUSY, or another -errno
 * (-EPERM: CAP_NET_ADMIN is missing).
 */
int generation_lock(struct netlink *netlink, const char *table, struct duration patience);

/*
 * Takes away what no rule leads to: sets and maps with all that they hold, but for those in `kept`,
 * which NULL ends; chains without rules; and limits, quotas and counters with what they counted.
 * *ret_free is the least number from 1 that no set still has; 0: there is no such table. 0 or
 * -errno.
 */
int generation_sweep(
	struct netlink *netlink, const char *table, const char *const *kept, unsigned *ret_free);

/* Takes the table away if nothing is in it. 0, also when there is none; -EBUSY: something is; or
 * -errno. */
int generation_remove_empty(struct netlink *netlink, const char *table);

#endif
