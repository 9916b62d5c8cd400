/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CHECK_H
#define EGRESS_RULES_CHECK_H

struct entry;
struct load;
struct toml_node;

/* What a single value cannot get wrong. Errors go to the diag. */

/* An entry that was read from `table`: it must say what it is about, its wildcards must not be too
 * broad, and none of its keys be without effect. */
void check_entry(struct load *load, const struct entry *entry, const struct toml_node *table);

/* The entries of a file, all read: no host and no range may be both allowed and denied on the same
 * ports. 0, -ENOMEM, or another -errno. */
int check_contradictions(struct load *load);

/* All entries of a file and of its profiles: of globs with the same literal suffix there may be
 * only so many. 0, -ENOMEM, or another -errno. */
int check_globs(struct load *load);

#endif
