/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_READERS_H
#define EGRESS_RULES_READERS_H

#include "rules/policy.h"
#include "rules/schema.h"

/* How values get into a policy: one reader for each key of the schema that is in use. */

struct arena;
struct seen;

/* A policy being loaded. */
struct load {
	struct arena *arena;   /* the policy's */
	struct arena *scratch; /* ends with the call */
	struct diag *diag;
	const char *file;
	struct policy *policy;
	struct entry *entry; /* the one being read */
	struct seen *hosts;  /* the names of [dns.hosts] */
	unsigned unknown;    /* keys, so far */
	const struct toml_node *defaults[SCHEMA_IDS];
};

/* Stores a value that keeps its row's kinds, counts and ranges; what else is wrong with it goes to
 * the diag. 0, -ENOMEM, or another -errno to stop at. */
typedef int reader(struct load *load, const struct toml_node *value);

/* The reader of a key, or NULL for one that is read before the others. */
reader *reader_of(enum schema_id id);

/* Reads a table, key by key, each by its reader (rules/load.c). 0 or -errno as a reader. */
int load_table(struct load *load, const char *table, const struct toml_node *node);

/* A place of the file being loaded. */
struct place load_place(const struct load *load, struct toml_span at);

/* The value of a key in a table, or NULL. */
const struct toml_node *load_find(const struct toml_node *table, const char *key);

#endif
