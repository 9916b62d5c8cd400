/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_APPLY_H
#define EGRESS_APPLY_H

#include "rules/plan.h"

/*
 * Brings the plan's table into force and reads it back. 0; -EIO with *ret_message (to be freed, may
 * be NULL) what nft or the kernel said, and what was in force before still is; -ESTALE with
 * *ret_message the object that is not as it was loaded; or another -errno.
 */
int apply_plan(const struct plan *plan, char **ret_message);

/*
 * The same where there is no such table, and nobody else changes rulesets, as in a network
 * namespace that was just made: a small plan takes one transaction, which is what such a change
 * waits for. What is left to do when the rules are in force takes some 10 ms and is
 * apply_settle()'s, which takes *ret_rest, once.
 */
struct apply_rest;
int apply_first(const struct plan *plan, struct apply_rest **ret_rest, char **ret_message);
void apply_settle(struct apply_rest *rest);

/* Takes the plan's table out of the kernel. 0 also when there was none, or as above. */
int apply_remove(const struct plan *plan, char **ret_message);

#endif
