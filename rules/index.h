/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_INDEX_H
#define EGRESS_RULES_INDEX_H

#include "rules/match.h"
#include "rules/names.h"
#include "rules/owners.h"
#include "rules/pattern.h"

/*
 * The tables behind rules/match.h, and how they are filled.
 */

/* A layer, ready to be asked. */
struct side {
	const struct layer *layer;
	const char *unknown_rule;    /* the rule id where it refuses what nothing matches */
	struct group_set *sets;      /* the groups of its entries */
	uint32_t *rules;             /* of its entries, by index into the plan's, or MATCH_NONE */
	size_t n_suffixes;           /* hosts that are no exact names */
	struct group_set wild;       /* groups that wildcards, globs and patterns have */
	uint64_t named;              /* groups whose ports an entry names: bit 1 << group */
	const struct owners *owners; /* NULL: nothing has any address */
};

/* A glob and whose it is. */
struct glob {
	const uint8_t *wire;
	uint8_t length;
	uint8_t suffix_length;
	uint32_t layer;
	uint32_t entry;
	uint64_t rank;
};

/* A pattern and whose it is. */
struct pattern_row {
	const struct pattern *pattern;
	uint32_t layer;
	uint32_t entry;
};

/* What rules/match.h hides. */
struct match {
	const struct plan *plan;
	struct names *names;
	struct side sides[LAYERS_MAX];
	unsigned n_sides;
	unsigned n_groups; /* also what the rest is called, behind the groups */
	struct glob *globs;
	size_t n_globs;
	struct names_globs *runs; /* of globs with one suffix */
	size_t n_runs;
	struct pattern_row *patterns; /* in the order in which they win */
	size_t n_patterns;
	size_t bytes;                /* of the names, wherever they lie, and of all tables */
	struct match_result unknown; /* what a name gets that nothing matches */
};

/* match_make(), without `unknown`. */
int index_make(struct arena *arena, const struct plan *plan, struct match **ret_match);

/*
 * How a host of the source ranks: of two that match a name, both of one layer, the one with the
 * greater number wins. `deep` are those that begin with "**".
 */
static inline uint64_t index_rank(const struct match *match, const struct names_source *source,
	uint32_t specificity, bool deep)
{
	const struct layer *layer = match->sides[source->layer].layer;
	bool deny = layer->entries[source->entry].entry->action == ACTION_DENY;

	return (uint64_t)specificity << 32 | (uint64_t)deny << 31 | (uint64_t)!deep << 30 |
	       (((uint32_t)1 << 30) - 1 - source->entry);
}

/* --- Sets of groups --- */

static inline void widen(struct group_set *set, const struct group_set *other)
{
	set->groups |= other->groups;
	set->rest |= other->rest;
}

static inline void narrow(struct group_set *set, const struct group_set *other)
{
	set->groups &= ~other->groups;
	set->rest &= !other->rest;
}

static inline bool is_none(const struct group_set *set)
{
	return set->groups == 0 && !set->rest;
}

static inline bool overlaps(const struct group_set *a, const struct group_set *b)
{
	return (a->groups & b->groups) != 0 || (a->rest && b->rest);
}

#endif
