/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/decide.h"

#include <stdbool.h>

enum { LISTS = 4 };

const struct plan_span *decide_find_span(
	const struct plan_spans *spans, const struct inaddr *address)
{
	size_t low = 0, high = spans->n_spans;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inaddr_compare(&spans->spans[middle].range.last, address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == spans->n_spans || !range_contains(&spans->spans[low].range, address))
		return NULL;
	return &spans->spans[low];
}

/* The lists that have a say, in the order of the chains; returns how many. */
static unsigned list_spans(const struct plan *plan, unsigned group, unsigned family,
	const struct plan_spans *lists[LISTS])
{
	unsigned count = 0;

	if (group != DECIDE_REST) {
		lists[count++] = &plan->groups[group].family[family].permitted;
		lists[count++] = &plan->groups[group].family[family].denied;
	}
	lists[count++] = &plan->family[family].permitted;
	lists[count++] = &plan->family[family].denied;
	return count;
}

struct decision decide(const struct plan *plan, unsigned group, const struct inaddr *address)
{
	const struct plan_spans *lists[LISTS];
	unsigned count =
		list_spans(plan, group, inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6, lists);

	for (unsigned i = 0; i < count; i++) {
		const struct plan_span *span = decide_find_span(lists[i], address);

		if (span)
			return (struct decision){span->verdict, span->index};
	}
	return (struct decision){plan->otherwise, plan->otherwise_index};
}

const char *decision_rule(const struct plan *plan, struct decision decision)
{
	if (decision.verdict == VERDICT_PERMIT || decision.verdict == VERDICT_FLAG)
		return plan->rules[decision.index].id;
	return plan->refusals[decision.index].id;
}

void decide_visit_edges(const struct plan *plan, unsigned group, enum plan_family family,
	void (*visit)(void *context, const struct inaddr *edge), void *context)
{
	const struct plan_spans *lists[LISTS];
	unsigned count = list_spans(plan, group, family, lists);

	for (unsigned i = 0; i < count; i++)
		for (size_t j = 0; j < lists[i]->n_spans; j++) {
			struct inaddr behind;

			visit(context, &lists[i]->spans[j].range.first);
			if (inaddr_next(&lists[i]->spans[j].range.last, &behind))
				visit(context, &behind);
		}
}
