/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_HOOKS_H
#define EGRESS_KERNEL_HOOKS_H

#include <stdbool.h>

/* Who else judges packets in the caller's network namespace. */

/*
 * Whether anything may stand in the way of forwarded packets: a chain at the forward hook, of
 * nf_tables or of the older ip_tables, in a table whose name does not begin with `own`. What its
 * rules are is not looked at. 0 or -errno.
 */
int hooks_judge_forwarded(const char *own, bool *ret_judged);

#endif
