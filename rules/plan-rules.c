/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/plan-rules.h"

#include <errno.h>
#include <stdbool.h>

#include "rules/entry-text.h"
#include "rules/lowering.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * The rule of a destination that is permitted is the winner in the first layer whose winner is an
 * entry. So an entry that refuses is never one, and neither is one of a layer behind another that
 * refuses whatever it has no entry for. What is permitted without an entry anywhere has the rule
 * default-permit, the last.
 */

#define RULES_MAX (1u << 24)

/* The mildest verdict of a layer on what none of its entries matches. */
static enum verdict without_entry(const struct layer *layer)
{
	if (layer->block != 0 && layer->class_verdict < layer->unknown)
		return layer->class_verdict;
	return layer->unknown;
}

static int add_rule(struct lowering *lowering, unsigned layer, size_t index)
{
	struct plan *plan = lowering->plan;
	const struct layer_entry *it = &plan->layers->layers[layer].entries[index];
	size_t number = lowering->first[layer] + index;
	struct plan_rule *rule = &plan->rules[plan->n_rules];

	*rule = (struct plan_rule){
		.id = it->id,
		.text = entry_text(lowering->arena, it->entry),
		.place = it->entry->place,
		.expires = it->entry->expires,
		.layer = layer,
		.entry = it,
	};
	if (!rule->text)
		return -ENOMEM;
	plan->rule_groups[plan->n_rules] = lowering->groups[number];
	lowering->rules[number] = (uint32_t)plan->n_rules++;
	return 0;
}

static int add_layer(struct lowering *lowering, unsigned index)
{
	const struct layer *layer = &lowering->plan->layers->layers[index];
	int error = 0;

	for (size_t i = 0; error == 0 && i < layer->n_entries; i++)
		if (layer->entries[i].verdict != VERDICT_REFUSE)
			error = add_rule(lowering, index, i);
	return error;
}

static void add_default(struct lowering *lowering)
{
	struct plan *plan = lowering->plan;

	plan->rules[plan->n_rules] = (struct plan_rule){
		.id = PLAN_DEFAULT_PERMIT,
		.text = "what no entry mentions",
		.place = {.file = plan->policy->file},
		.expires = INT64_MAX,
	};
	plan->rule_groups[plan->n_rules] = plan->n_groups == PLAN_GROUPS_MAX
						   ? UINT64_MAX
						   : (UINT64_C(1) << plan->n_groups) - 1;
	lowering->default_permit = (uint32_t)plan->n_rules++;
}

int plan_rules_make(struct lowering *lowering)
{
	struct plan *plan = lowering->plan;
	size_t n_entries = lowering->first[plan->layers->n_layers];
	enum verdict strictest = VERDICT_PERMIT; /* on what no entry of the layers so far has */
	int error = 0;

	if (n_entries >= RULES_MAX)
		return -ENOMEM;
	plan->rules = arena_array(lowering->arena, n_entries + 1, sizeof(*plan->rules));
	plan->rule_groups = arena_array(lowering->arena, n_entries + 1, sizeof(*plan->rule_groups));
	if (!plan->rules || !plan->rule_groups)
		return -ENOMEM;
	for (size_t i = 0; i < n_entries; i++)
		lowering->rules[i] = LOWERING_NONE;
	for (unsigned i = 0; i < plan->layers->n_layers && strictest < VERDICT_REFUSE; i++) {
		enum verdict verdict = without_entry(&plan->layers->layers[i]);

		error = add_layer(lowering, i);
		if (error < 0)
			return error;
		strictest = verdict > strictest ? verdict : strictest;
	}
	lowering->default_permit = LOWERING_NONE;
	if (strictest <= VERDICT_FLAG)
		add_default(lowering);
	return 0;
}
