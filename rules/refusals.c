/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/refusals.h"

#include <errno.h>
#include <string.h>

#include "rules/entry-text.h"
#include "rules/lowering.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Those of a layer have numbers in a row: its entries, its classes, its default.
 *
 * A chain is called as the rule id is, with '.' for ':'. An id holds no '.', so no two chains are
 * called the same; the back-end's own chains and the groups' have none either, and an id without
 * ':' is "allow-N", "deny-N", "block-CLASS" or "default-deny", which nothing else is called. As
 * identifiers begin with a letter, an id that begins with a digit, as a profile's name may, is put
 * behind "profile..".
 */

enum { PER_LAYER = CLASS_COUNT + 1 }; /* that are no entries */

size_t refusals_count(const struct lowering *lowering)
{
	size_t n_layers = lowering->plan->layers->n_layers;

	return lowering->first[n_layers] + n_layers * PER_LAYER;
}

uint32_t refusal_of_entry(const struct lowering *lowering, unsigned layer, size_t entry)
{
	return (uint32_t)(lowering->first[layer] + (size_t)layer * PER_LAYER + entry);
}

uint32_t refusal_of_class(const struct lowering *lowering, unsigned layer, enum address_class class)
{
	return (uint32_t)(lowering->first[layer + 1] + (size_t)layer * PER_LAYER + class);
}

uint32_t refusal_of_unknown(const struct lowering *lowering, unsigned layer)
{
	return refusal_of_class(lowering, layer, CLASS_COUNT);
}

static const char *chain_name(struct arena *arena, const char *id)
{
	bool is_digit = *id >= '0' && *id <= '9';
	char *name = arena_printf(arena, "%s%s", is_digit ? "profile.." : "", id);

	for (char *c = name; c && *c; c++)
		if (*c == ':')
			*c = '.';
	return name;
}

static int add(struct lowering *lowering, uint32_t *number, struct plan_refusal refusal)
{
	struct plan *plan = lowering->plan;

	if (!refusal.id || !refusal.about)
		return -ENOMEM;
	refusal.chain = chain_name(lowering->arena, refusal.id);
	if (!refusal.chain)
		return -ENOMEM;
	*number = (uint32_t)plan->n_refusals;
	plan->refusals[plan->n_refusals++] = refusal;
	return 0;
}

static int add_entry(struct lowering *lowering, const struct layer_entry *it, uint32_t *number)
{
	return add(lowering, number,
		(struct plan_refusal){
			.id = it->id,
			.about = entry_text(lowering->arena, it->entry),
			.observed = it->verdict == VERDICT_OBSERVE,
			.place = it->entry->place,
		});
}

static int add_class(struct lowering *lowering, const struct layer *layer, enum address_class class,
	uint32_t *number)
{
	return add(lowering, number,
		(struct plan_refusal){
			.id = arena_printf(
				lowering->arena, "%s%s", layer->prefix, class_rule(class)),
			.about = "addresses of a blocked class",
			.observed = layer->class_verdict == VERDICT_OBSERVE,
			.place = {.file = layer->policy->file},
		});
}

static int add_unknown(struct lowering *lowering, const struct layer *layer, uint32_t *number)
{
	return add(lowering, number,
		(struct plan_refusal){
			.id = arena_printf(
				lowering->arena, "%s%s", layer->prefix, PLAN_DEFAULT_DENY),
			.about = "what nothing permits",
			.observed = layer->unknown == VERDICT_OBSERVE,
			.place = {.file = layer->policy->file},
		});
}

static int add_layer(struct lowering *lowering, unsigned index, uint32_t *numbers)
{
	const struct layer *layer = &lowering->plan->layers->layers[index];
	uint32_t *unknown = &numbers[refusal_of_unknown(lowering, index)];
	int error = 0;

	for (size_t i = 0; error == 0 && i < layer->n_entries; i++) {
		uint32_t *number = &numbers[refusal_of_entry(lowering, index, i)];

		if (*number != 0)
			error = add_entry(lowering, &layer->entries[i], number);
	}
	for (unsigned class = 0; error == 0 && class < CLASS_COUNT; class ++) {
		uint32_t *number = &numbers[refusal_of_class(lowering, index, class)];

		if (*number != 0)
			error = add_class(lowering, layer, class, number);
	}
	if (error == 0 && *unknown != 0)
		error = add_unknown(lowering, layer, unknown);
	return error;
}

int refusals_make(struct lowering *lowering, uint32_t *numbers)
{
	struct plan *plan = lowering->plan;
	size_t count = 0;
	int error = 0;

	for (size_t i = 0; i < refusals_count(lowering); i++)
		count += numbers[i] != 0;
	plan->refusals = arena_array(lowering->arena, count + 1, sizeof(*plan->refusals));
	if (!plan->refusals)
		return -ENOMEM;
	for (unsigned i = 0; error == 0 && i < plan->layers->n_layers; i++)
		error = add_layer(lowering, i, numbers);
	return error;
}
