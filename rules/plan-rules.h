/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PLAN_RULES_H
#define EGRESS_RULES_PLAN_RULES_H

struct lowering;

/* Makes the plan's rules, all but their marks. 0 or -ENOMEM. */
int plan_rules_make(struct lowering *lowering);

#endif
