/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_MATCH_H
#define EGRESS_RULES_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/names.h"
#include "rules/plan.h"

struct arena;

/* The names of a plan, ready to be looked up. Read only once made: processes share it. */
struct match;

/* Nothing: in place of an index. */
#define MATCH_NONE UINT32_MAX

/* What a name gets in one port group. */
struct match_ports {
	enum verdict verdict;        /* of the name, before an address is known */
	uint32_t winner[LAYERS_MAX]; /* index into the layer's entries; MATCH_NONE: unknown there */
	uint16_t wild;               /* bit 1 << layer: its winner matches by a wildcard or a
					pattern */
};

/* What a name gets. */
struct match_result {
	bool answered;     /* permitted on some port: the resolver resolves it */
	enum verdict rest; /* on the ports of no group */
	const char *rule;  /* the id that the answer or the refusal is explained with */
	bool embedded;     /* match_name(): false. Set by who goes on to ask match_answer() about an
			      address that [dns.hosts] gives the name: such a one is believed whatever
			      its class, as if the winning entry said addresses = "any" */
	unsigned n_groups; /* the plan's */
	struct match_ports groups[PLAN_GROUPS_MAX + 1]; /* groups[n_groups]: the rest */
};

/* An address of a name that is to be opened in a port group. */
struct match_lease {
	unsigned group; /* index into plan->groups */
	unsigned rule;  /* index into plan->rules */
	uint32_t mark;  /* the rule's mark, or its flag_mark */
};

/* Builds the tables for `plan`. 0, -ENOMEM, or another -errno when there is no randomness. */
int match_make(struct arena *arena, const struct plan *plan, const struct match **ret_match);

/* What the policy says of `name` (policy.md, "Who wins"). No allocation. Returns
 * ret_result->answered. */
bool match_name(
	const struct match *match, const struct name *name, struct match_result *ret_result);

/*
 * The same, for who asks about many names that have a parent in common: what the last ones got is
 * kept in the memo, which is NULL where that would be no use. match_memo_new(): 0 or -ENOMEM.
 */
struct match_memo;
int match_memo_new(const struct match *match, struct match_memo **ret_memo);
void match_memo_free(struct match_memo *memo);
bool match_recall(const struct match *match, struct match_memo *memo, const struct name *name,
	struct match_result *ret_result);

/*
 * The same in three steps, each of which is done for several names before the next one: where the
 * tables are large the first two have fetched from memory what the one after them reads.
 * match_begin() hashes the name: it stays where it is from then on, and match_hash() may serve
 * others too. match_prepare() may be left out.
 */
void match_begin(const struct match *match, const struct name *name, struct names_walk *ret_walk);
void match_prepare(const struct match *match, struct names_walk *walk);
bool match_prepared(
	const struct match *match, struct names_walk *walk, struct match_result *ret_result);

/* A hash of the walk's name, keyed by a secret of the table. */
static inline uint64_t match_hash(const struct names_walk *walk)
{
	return hash_wide_first(&walk->hash);
}

/*
 * What becomes of an address that the answer for a name has. False: it must not be in the answer,
 * since nothing permits it on any port. Else the leases it needs, at most one for each group:
 * *ret_n_leases may be 0, for what is reachable anyway.
 */
bool match_answer(const struct match *match, const struct match_result *result,
	const struct inaddr *address, struct match_lease ret_leases[PLAN_GROUPS_MAX],
	unsigned *ret_n_leases);

/* Why an address is refused: the first layer that refuses it where the name is permitted. */
struct match_refusal {
	unsigned layer;
	uint32_t entry;   /* that has the name or the address; MATCH_NONE: none has */
	bool disbelieved; /* the entry has the name, and does not believe the address */
	bool is_class;    /* the address is in a class that the layer blocks */
};

/* For an address that match_answer() refused. False: nothing refuses it where the name, as `result`
 * has it, is permitted. */
bool match_refusal(const struct match *match, const struct match_result *result,
	const struct inaddr *address, struct match_refusal *ret_refusal);

/* The addresses [dns.hosts] gives the name, or NULL. */
const struct embedded_host *match_host(const struct match *match, const struct name *name);

/* Memory of the tables, in bytes, names included, and how many names they hold. */
void match_measure(const struct match *match, size_t *ret_bytes, size_t *ret_names);

#endif
