/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/categorized.h"

#include "rules/category.h"
#include "rules/decide.h"

static bool has_category(const struct layer *layer, uint32_t winner)
{
	return winner != MATCH_NONE && layer->entries[winner].entry->category;
}

bool categorized_name(
	const struct compiled *compiled, const struct name *name, const struct match_result *result)
{
	const struct layers *layers = compiled->layers;

	for (unsigned i = 0; i <= result->n_groups; i++) {
		const struct match_ports *ports = &result->groups[i];

		for (size_t j = 0; j < layers->n_layers && ports->verdict < VERDICT_REFUSE; j++)
			if (has_category(&layers->layers[j], ports->winner[j]))
				return true;
	}
	return category_find(compiled->categories, name);
}

static bool has_in_spans(
	const struct plan *plan, const struct plan_spans *spans, const struct inaddr *address)
{
	const struct plan_span *span = decide_find_span(spans, address);
	const struct layer_entry *entry = span ? plan->rules[span->index].entry : NULL;

	return entry && entry->entry->category;
}

bool categorized_address(const struct plan *plan, const struct inaddr *address)
{
	enum plan_family family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;

	for (size_t i = 0; i < plan->n_groups; i++)
		if (has_in_spans(plan, &plan->groups[i].family[family].permitted, address))
			return true;
	return has_in_spans(plan, &plan->family[family].permitted, address);
}
