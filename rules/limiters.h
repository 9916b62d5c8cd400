/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LIMITERS_H
#define EGRESS_RULES_LIMITERS_H

struct diag;
struct lowering;

/* Gives each rule of the plan the entries of further layers whose limits hold for all that it
 * opens. Warns of those whose limits the kernel cannot hold. 0, -EINVAL (the diag says why) or
 * -ENOMEM. */
int limiters_make(struct lowering *lowering, struct diag *diag);

#endif
