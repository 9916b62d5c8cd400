/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_FENCE_H
#define EGRESS_RUN_FENCE_H

#include <stdbool.h>

/*
 * What this process, and all that it starts, can't do from here on, beyond what its namespaces see
 * to: set-user-id programs and file capabilities count for nothing, it has no capability (as root:
 * those over files and processes of its user namespace alone), no sockets of families that network
 * namespaces do not contain, and it can't type into its terminal. 0 or -errno.
 */
int fence_self(bool is_root);

#endif
