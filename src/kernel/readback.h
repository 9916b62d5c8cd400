/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_READBACK_H
#define EGRESS_KERNEL_READBACK_H

#include <stdbool.h>

#include "src/kernel/netlink.h"

/*
 * Whether what the kernel holds of an inet table is what was loaded. `written` is the ruleset that
 * was loaded, one object after the other in a `table` block, every rule and every element with a
 * comment. All of it must be there: each chain with its rules' comments, all of them, in their
 * order, and its policy; each set and map; and in those for which `written` has elements, as many
 * of each comment, and no others. What else the kernel holds does not matter.
 *
 * 0; -ESTALE with *ret_object (to be freed) the first object that differs, such as "chain judge";
 * -ENOMEM, or another -errno.
 */
int readback_compare(
	struct netlink *netlink, const char *table, const char *written, char **ret_object);

/* The same of a table of family netdev. */
int readback_compare_link(
	struct netlink *netlink, const char *table, const char *written, char **ret_object);

/* Whether there is one of that name at all, as far as the kernel tells. */
bool readback_has_link(struct netlink *netlink, const char *table);

#endif
