/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/layers.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "rules/class.h"
#include "rules/codes.h"
#include "rules/list.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

/*
 * Theory of operation
 *
 * Each policy becomes a layer: its entries that are in force, each with the verdict that its score
 * comes to under the thresholds of its own file. A destination is judged in every layer alone and
 * the strictest verdict holds, so whatever a further layer says, it can only narrow. What is no
 * verdict is merged the same way: of two ceilings the lower one, of two demands both.
 */

enum { DATE_TEXT = sizeof("2027-01-31 00:00:00 UTC") + 16 };

enum verdict layer_refusal(const struct layer *layer)
{
	return layer->policy->observe ? VERDICT_OBSERVE : VERDICT_REFUSE;
}

enum verdict layer_verdict(const struct layer *layer, double score)
{
	const struct thresholds *thresholds = &layer->policy->score;

	if (score >= thresholds->refuse_at)
		return layer_refusal(layer);
	return score >= thresholds->flag_at ? VERDICT_FLAG : VERDICT_PERMIT;
}

static bool is_expired(const struct entry *entry, int64_t now)
{
	return entry->expires <= now;
}

/* Whether the policy lists what it permits, even if all of it has expired. */
static bool lists_allowed(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_entries; i++)
		if (policy->entries[i].action == ACTION_ALLOW)
			return true;
	return policy->has_allow;
}

static void warn_expired(struct diag *diag, const struct entry *entry)
{
	char date[DATE_TEXT] = "long ago";
	time_t when = (time_t)entry->expires;
	struct tm parts;

	if (gmtime_r(&when, &parts))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &parts);
	diag_warning(diag, CODE_EXPIRED, entry->expires_place,
		"'%s' expired on %s: it is as if it were not there", entry->id, date);
}

static int take_entries(struct arena *arena, struct layer *layer, int64_t now, struct diag *diag)
{
	const struct policy *policy = layer->policy;

	layer->entries = arena_array(arena, policy->n_entries + 1, sizeof(*layer->entries));
	if (!layer->entries)
		return -ENOMEM;
	for (size_t i = 0; i < policy->n_entries; i++) {
		const struct entry *entry = &policy->entries[i];
		struct layer_entry *taken = &layer->entries[layer->n_entries];

		if (is_expired(entry, now)) {
			warn_expired(diag, entry);
			continue;
		}
		taken->entry = entry;
		taken->id = *layer->prefix ? arena_printf(arena, "%s%s", layer->prefix, entry->id)
					   : entry->id;
		taken->verdict = layer_verdict(layer, entry->score);
		if (!taken->id)
			return -ENOMEM;
		layer->n_entries++;
	}
	return 0;
}

/* Weighs the policy that is number `index` of all. */
static int make_layer(struct arena *arena, const struct policy *policy, size_t index, int64_t now,
	struct diag *diag, struct layer *layer)
{
	bool is_override = index > 0;

	layer->policy = policy;
	layer->prefix = is_override ? arena_printf(arena, "o%zu:", index) : "";
	if (!layer->prefix)
		return -ENOMEM;
	layer->block = policy->block;
	layer->class_verdict = layer_verdict(layer, LAYERS_DENY_SCORE);
	layer->neutral =
		is_override && !lists_allowed(policy) && !(policy->has_mode && policy->denylist);
	layer->unknown_score = policy->score.unknown;
	layer->unknown =
		layer->neutral ? VERDICT_PERMIT : layer_verdict(layer, policy->score.unknown);
	return take_entries(arena, layer, now, diag);
}

/* The lower of two rates, of which 0 is none. Equal ones differ in how many may come at once: the
 * fewer. */
static struct rate lower_rate(struct rate a, struct rate b)
{
	uint64_t a_share = (uint64_t)a.count * b.seconds, b_share = (uint64_t)b.count * a.seconds;

	if (a.count == 0 || b.count == 0)
		return a.count == 0 ? b : a;
	if (a_share == b_share)
		return a.count < b.count ? a : b;
	return a_share < b_share ? a : b;
}

/* The lower of two ceilings, of which 0 is none. */
static uint64_t lower(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return a < b ? a : b;
}

/* A share of 0 is one, and the least. */
static void merge_share(struct budget *least, const struct budget *budget)
{
	if (!budget->has_unknown_share ||
		(least->has_unknown_share && least->unknown_share <= budget->unknown_share))
		return;
	least->has_unknown_share = true;
	least->unknown_share = budget->unknown_share;
}

static bool has_ceilings(const struct budget *budget, const struct limits *limits)
{
	return budget->destinations > 0 || budget->wildcard_names > 0 || budget->connections > 0 ||
	       budget->bytes > 0 || budget->has_unknown_share || limits->bytes > 0;
}

bool layers_have_ceilings(const struct layers *layers)
{
	return has_ceilings(&layers->budget, &layers->limits);
}

/* The longer window is the stricter one, and the base's ceilings without a window are for good. */
static void merge_window(struct layers *layers, const struct policy *policy)
{
	const struct policy *base = layers->layers[0].policy;
	struct duration *window = &layers->budget.window;

	if (base != policy && base->budget.window.ms == 0 &&
		has_ceilings(&base->budget, &base->limits))
		return;
	if (policy->budget.window.ms > window->ms)
		*window = policy->budget.window;
}

static void merge_ceilings(struct layers *layers, const struct policy *policy)
{
	const struct limits *limits = &policy->limits;
	const struct budget *budget = &policy->budget;
	struct limits *least = &layers->limits;

	least->connections = lower_rate(least->connections, limits->connections);
	least->connections_per_destination =
		lower_rate(least->connections_per_destination, limits->connections_per_destination);
	least->queries = lower_rate(least->queries, limits->queries);
	least->queries_per_client =
		lower_rate(least->queries_per_client, limits->queries_per_client);
	least->wildcard_bytes = lower_rate(least->wildcard_bytes, limits->wildcard_bytes);
	least->wildcard_answer_bytes =
		lower_rate(least->wildcard_answer_bytes, limits->wildcard_answer_bytes);
	least->bytes = lower(least->bytes, limits->bytes);
	layers->budget.destinations =
		(uint32_t)lower(layers->budget.destinations, budget->destinations);
	layers->budget.wildcard_names =
		(uint32_t)lower(layers->budget.wildcard_names, budget->wildcard_names);
	layers->budget.connections =
		(uint32_t)lower(layers->budget.connections, budget->connections);
	layers->budget.bytes = lower(layers->budget.bytes, budget->bytes);
	merge_window(layers, policy);
	merge_share(&layers->budget, budget);
	layers->budget.refuse |= budget->refuse && !policy->observe;
	layers->audit_allowed |= policy->audit_allowed;
}

static bool has_sink(const struct layers *layers, const struct audit_sink *sink)
{
	for (size_t i = 0; i < layers->n_audit_sinks; i++)
		if (strcmp(layers->audit_sinks[i].path, sink->path) == 0)
			return true;
	return false;
}

/* Records go wherever a layer sends them. */
static void merge_sinks(struct layers *layers, const struct policy *policy, struct diag *diag)
{
	for (size_t i = 0; i < policy->n_audit_sinks; i++) {
		const struct audit_sink *sink = &policy->audit_sinks[i];

		if (has_sink(layers, sink))
			continue;
		if (layers->n_audit_sinks == AUDIT_SINKS_MAX) {
			diag_error(diag, CODE_TOO_LARGE, sink->place,
				"more than %d places for records", AUDIT_SINKS_MAX);
			return;
		}
		layers->audit_sinks[layers->n_audit_sinks++] = *sink;
	}
}

bool entry_has_names(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_lists; i++)
		if (entry->lists[i]->n_names > 0)
			return true;
	return entry->n_hosts > 0 || entry->n_patterns > 0;
}

bool entry_has_wildcards(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (entry->hosts[i].kind != HOST_EXACT)
			return true;
	return entry->n_patterns > 0 || entry->n_lists > 0;
}

/* The lower of an entry's own rate and [limits]. An entry of the base without one, where the base
 * has none in [limits], has the usual one. */
static struct rate wildcard_rate(
	struct rate own, struct rate of_base, struct rate limit, bool is_base, uint32_t usual)
{
	if (own.count == 0 && of_base.count == 0 && is_base)
		own = (struct rate){.count = usual, .seconds = 60};
	return lower_rate(own, limit);
}

/* Those of an entry of the layer with these limits of its own. */
static void set_rates(
	const struct layers *layers, size_t layer, struct rate *bytes, struct rate *answer_bytes)
{
	const struct limits *base = &layers->layers[0].policy->limits, *all = &layers->limits;

	*bytes = wildcard_rate(*bytes, base->wildcard_bytes, all->wildcard_bytes, layer == 0,
		LAYERS_WILDCARD_BYTES);
	*answer_bytes = wildcard_rate(*answer_bytes, base->wildcard_answer_bytes,
		all->wildcard_answer_bytes, layer == 0, LAYERS_WILDCARD_ANSWER_BYTES);
}

/* Names that are permitted because nothing matches them are no wildcard's: only [limits] bound
 * them. Where an override refuses what it does not name, it has made an allowlist of the base,
 * whose unknown names are as those of one wildcard. */
static void set_unknown_rates(struct layers *layers)
{
	if (layers_unknown(layers) == VERDICT_REFUSE) {
		set_rates(layers, 0, &layers->unknown_bytes, &layers->unknown_answer_bytes);
		return;
	}
	layers->unknown_bytes = layers->limits.wildcard_bytes;
	layers->unknown_answer_bytes = layers->limits.wildcard_answer_bytes;
}

static void set_wildcard_rates(struct layers *layers, size_t index)
{
	struct layer *layer = &layers->layers[index];

	for (size_t i = 0; i < layer->n_entries; i++) {
		struct layer_entry *it = &layer->entries[i];

		if (!entry_has_wildcards(it->entry))
			continue;
		it->wildcard_bytes = it->entry->wildcard_bytes;
		it->wildcard_answer_bytes = it->entry->wildcard_answer_bytes;
		set_rates(layers, index, &it->wildcard_bytes, &it->wildcard_answer_bytes);
	}
}

enum verdict layers_unknown(const struct layers *layers)
{
	enum verdict strictest = VERDICT_PERMIT;

	for (size_t i = 0; i < layers->n_layers; i++)
		if (layers->layers[i].unknown > strictest)
			strictest = layers->layers[i].unknown;
	return strictest;
}

static void complain_unenforceable(struct diag *diag, const struct layer_entry *it)
{
	diag_error(diag, CODE_UNENFORCEABLE, it->entry->place,
		"'%s' refuses names on some ports only, where their addresses can be reached "
		"without a name: %s",
		it->id,
		it->entry->action == ACTION_DENY ? "leave out 'ports'"
						 : "use a [[deny]] without 'ports'");
}

/*
 * What opens a name's addresses is a lease, and a lease is for ports that somebody names: where the
 * rest is refused, an entry for all ports opens none of it, whatever its score.
 */
static void check_openable(const struct layer *layer, struct diag *diag)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (it->verdict < VERDICT_OBSERVE && layer->unknown == VERDICT_REFUSE &&
			it->entry->all_ports && entry_has_names(it->entry))
			diag_error(diag, CODE_UNENFORCEABLE, it->entry->place,
				"'%s' permits names, by its score, on all ports, where what "
				"nothing "
				"matches is refused: say on which 'ports'",
				it->id);
	}
}

/*
 * A name is refused by not being resolved, and that refuses it on all ports. On some of them only,
 * the name is resolved and the refusal is up to what the kernel says of its addresses; they are
 * reached like any unknown address, so the refusal holds only where that is refused too.
 */
static void check_enforceable(const struct layers *layers, struct diag *diag)
{
	enum verdict unknown = layers_unknown(layers);

	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct layer *layer = &layers->layers[i];

		check_openable(layer, diag);
		for (size_t j = 0; j < layer->n_entries; j++) {
			const struct layer_entry *it = &layer->entries[j];

			if (it->verdict >= VERDICT_OBSERVE && it->verdict > unknown &&
				!it->entry->all_ports && entry_has_names(it->entry))
				complain_unenforceable(diag, it);
		}
	}
}

bool layers_want_dnssec(const struct layers *layers)
{
	if (layers->layers[0].policy->dns.dnssec)
		return true;
	for (size_t i = 0; i < layers->n_layers; i++)
		for (size_t j = 0; j < layers->layers[i].n_entries; j++)
			if (layers->layers[i].entries[j].entry->dnssec)
				return true;
	return false;
}

int layers_make(struct arena *arena, const struct policy *const *policies, size_t n_policies,
	int64_t now, struct diag *diag, const struct layers **ret_layers)
{
	struct layers *layers;

	if (n_policies > LAYERS_MAX) {
		diag_error(diag, CODE_TOO_LARGE, (struct place){.file = policies[LAYERS_MAX]->file},
			"more than %d overrides", LAYERS_MAX - 1);
		return -EINVAL;
	}
	layers = arena_alloc(arena, sizeof(*layers));
	if (layers)
		layers->layers = arena_array(arena, n_policies, sizeof(*layers->layers));
	if (!layers || !layers->layers)
		return -ENOMEM;
	layers->n_layers = n_policies;
	for (size_t i = 0; i < n_policies; i++) {
		int error = make_layer(arena, policies[i], i, now, diag, &layers->layers[i]);

		if (error < 0)
			return error;
		merge_ceilings(layers, policies[i]);
		merge_sinks(layers, policies[i], diag);
	}
	for (size_t i = 0; i < n_policies; i++)
		set_wildcard_rates(layers, i);
	set_unknown_rates(layers);
	check_enforceable(layers, diag);
	if (diag_failed(diag))
		return -EINVAL;
	*ret_layers = layers;
	return 0;
}
