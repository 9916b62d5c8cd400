/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_WALK_H
#define EGRESS_RULES_WALK_H

#include "src/base/diag.h"
#include "rules/toml.h"

struct load;

/* The walk over a file's tables by the schema. */

/* Reads a table, key by key, each by its reader, and the defaults of those that it lacks. 0 or
 * -errno as a reader. */
int walk_table(struct load *load, const char *table, const struct toml_node *node);

/* The value of a key in a table, or NULL. */
const struct toml_node *walk_find(const struct toml_node *table, const char *key);

/* A place of the file being loaded. */
struct place walk_place(const struct load *load, struct toml_span at);

#endif
