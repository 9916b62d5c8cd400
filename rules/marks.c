/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/marks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "rules/lowering.h"
#include "rules/narrowing.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A flow goes on, and a lease opens, as long as the mark they carry is in force. So a mark is drawn
 * from a hash of all that could shrink what its rule opens (rules/narrowing.h), and from nothing
 * else: it changes when it has to, and stays however the files around the rule change.
 *
 * Groups are named after the first of their ports, and a lease sits in the map of a group. As the
 * rule's mark is still in force, the rule still has that port, and so all of what the group of that
 * name is now; and no entry that matters to the rule's destinations has come or gone, so that the
 * group's other ports are judged as that one.
 */

#define MARK_MASK UINT32_C(0x7fffffff)
#define FLAGGED UINT64_C(0x666c616767656421) /* tells a rule's second mark from its first */

/* Any two numbers do, as long as they stay: marks must be the same tomorrow. */
static const struct hash_key mark_key = {{0x6567726573732d6d, 0x61726b2d76657232}};

struct taken_mark {
	uint32_t mark;  /* 0: free */
	uint32_t tries; /* of those that began with this mark */
};

/* Marks that are given out. */
struct drawer {
	struct taken_mark *taken;
	size_t size; /* a power of two */
};

/* The mark's place in the table: taken by it, or free. */
static struct taken_mark *find_mark(const struct drawer *drawer, uint32_t mark)
{
	size_t at = mark & (drawer->size - 1);

	while (drawer->taken[at].mark != 0 && drawer->taken[at].mark != mark)
		at = (at + 1) & (drawer->size - 1);
	return &drawer->taken[at];
}

/* Those of one hash draw one after the other from the same row of marks. */
static uint32_t draw_mark(struct drawer *drawer, uint64_t hash)
{
	uint64_t seed[2] = {hash, 0};
	struct taken_mark *first = NULL;

	for (;; seed[1]++) {
		uint32_t mark = (uint32_t)hash_bytes(&mark_key, seed, sizeof(seed)) & MARK_MASK;
		struct taken_mark *place = find_mark(drawer, mark);

		if (mark != 0 && place->mark == 0) {
			place->mark = mark;
			if (first)
				first->tries = (uint32_t)seed[1];
			return mark;
		}
		if (mark != 0 && !first) {
			first = place;
			seed[1] = first->tries;
		}
	}
}

static bool may_flag(const struct layer *layer, bool entries)
{
	if (layer->unknown == VERDICT_FLAG ||
		(layer->block != 0 && layer->class_verdict == VERDICT_FLAG))
		return true;
	for (size_t i = 0; entries && i < layer->n_entries; i++)
		if (layer->entries[i].verdict == VERDICT_FLAG)
			return true;
	return false;
}

/* Whether some destination of the rule may have to be reported. `flagging` are the layers that may
 * ask for it of another layer's entry: bit 1 << layer. */
static bool is_flagged(const struct layers *layers, const struct plan_rule *rule, unsigned flagging)
{
	if (rule->entry) {
		if (rule->entry->verdict != VERDICT_PERMIT)
			return rule->entry->verdict == VERDICT_FLAG;
		return (flagging & ~(1u << rule->layer)) != 0;
	}
	for (size_t i = 0; i < layers->n_layers; i++)
		if (may_flag(&layers->layers[i], false))
			return true;
	return false;
}

static void draw_marks(struct plan *plan, const uint64_t *hashes, struct drawer *drawer)
{
	unsigned flagging = 0;

	for (unsigned i = 0; i < plan->layers->n_layers; i++)
		if (may_flag(&plan->layers->layers[i], true))
			flagging |= 1u << i;
	for (size_t i = 0; i < plan->n_rules; i++) {
		struct plan_rule *rule = &plan->rules[i];

		rule->mark = draw_mark(drawer, hashes[i]);
		if (is_flagged(plan->layers, rule, flagging))
			rule->flag_mark = draw_mark(drawer, hashes[i] ^ FLAGGED);
	}
}

static int make_marks(struct lowering *lowering, uint64_t *hashes)
{
	struct plan *plan = lowering->plan;
	struct drawer drawer = {.size = 16};
	uint64_t observed;
	int error = narrowing_hash(lowering, hashes, &observed);

	if (error < 0)
		return error;
	while (drawer.size < 4 * (plan->n_rules + 1))
		drawer.size *= 2;
	drawer.taken = calloc(drawer.size, sizeof(*drawer.taken));
	if (!drawer.taken)
		return -ENOMEM;
	draw_marks(plan, hashes, &drawer);
	plan->observed_mark = draw_mark(&drawer, observed);
	free(drawer.taken);
	return 0;
}

int marks_make(struct lowering *lowering)
{
	uint64_t *hashes = calloc(lowering->plan->n_rules + 1, sizeof(*hashes));
	int error = hashes ? make_marks(lowering, hashes) : -ENOMEM;

	free(hashes);
	return error;
}
