/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SPANS_H
#define EGRESS_RULES_SPANS_H

struct lowering;

/* Decides about all addresses: makes the plan's spans, those of its groups, `otherwise`, and the
 * refusals that they name. 0 or -ENOMEM. */
int spans_make(struct lowering *lowering);

#endif
