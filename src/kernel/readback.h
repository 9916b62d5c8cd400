/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_READBACK_H
#define EGRESS_KERNEL_READBACK_H

/*
 * Whether what the kernel holds of a table is what was loaded. `written` is the ruleset that was
 * loaded, one object after the other in a `table` block, every rule and every element of the policy
 * with a comment; `held` is what nft lists of the table. All of `written` must be there: each chain
 * with its rules' comments, all of them, in their order, and its policy; each set and map with as
 * many elements of each comment. What else `held` has does not matter.
 *
 * 0; -ESTALE with *ret_object (to be freed) the first object that differs, such as "chain judge";
 * or -ENOMEM.
 */
int readback_compare(const char *written, const char *held, char **ret_object);

#endif
