/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_RULESET_H
#define EGRESS_KERNEL_RULESET_H

#include <stdbool.h>

/* Whole rulesets, through libnftables: the only file that links it. */

/*
 * Loads (or with `dry_run` only checks against the kernel) a ruleset text as one transaction. 0,
 * -EIO when nft or the kernel refused it: then nothing changed and *ret_message (to be freed, may
 * be NULL) is what nft said, with places as "ruleset:2:16-23"; or another -errno without a message.
 * Takes /proc.
 */
int ruleset_load(const char *text, bool dry_run, char **ret_message);

/*
 * The same, and keeps the socket that it was loaded by. Tables with the flag "owner" are there
 * until it is let go, or this process has ended, however it ends; what is forked meanwhile and
 * executes nothing keeps them, too. Letting go takes some 10 ms.
 */
struct ruleset_held;
int ruleset_hold(const char *text, struct ruleset_held **ret_held, char **ret_message);
void ruleset_let_go(struct ruleset_held *held);

/* Removes the inet table `table` with all that is in it. 0 also when there was none; -EINVAL when
 * the name isn't one that nft reads (a letter, then letters, digits and /\_.-); -EIO and
 * *ret_message as above. */
int ruleset_remove(const char *table, char **ret_message);

/* The same of the table of that name in family netdev, which has to be there. */
int ruleset_remove_link(const char *table, char **ret_message);

/* Which inet tables the kernel holds, a line "table inet NAME" each (to be freed). 0, -ENOMEM or
 * -EIO. */
int ruleset_read_tables(char **ret_text);

/* What the kernel holds of the inet table, in nft's own format (to be freed). 0, -ENOENT, -EINVAL
 * as above, -ENOMEM or -EIO. */
int ruleset_read(const char *table, char **ret_text);

#endif
