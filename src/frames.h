/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_FRAMES_H
#define EGRESS_FRAMES_H

#include <stdio.h>

#include "rules/plan.h"

/* Writes the table that drops frames of packet sockets (rules/nft-link.h) on all interfaces that
 * the network namespace has now, if the plan says so; else nothing. 0 or -errno. */
int frames_write(const struct plan *plan, FILE *out);

#endif
