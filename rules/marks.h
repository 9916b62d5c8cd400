/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_MARKS_H
#define EGRESS_RULES_MARKS_H

struct lowering;

/* Draws the marks of the plan's rules, and observed_mark. 0 or -ENOMEM. */
int marks_make(struct lowering *lowering);

#endif
