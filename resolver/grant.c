/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/grant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/class.h"

struct grants {
	struct compiled compiled;
	const struct layers *layers;
	bool expire;
	bool deny; /* some entry refuses names */
	struct match_memo *memo;
	/* Rule ids of each layer: of its classes, "o1:block-private"; and for each entry, where it
	 * may be said of it, "allow-1:expired" and "allow-1:addresses". */
	char *classes[LAYERS_MAX][CLASS_COUNT];
	char **expired[LAYERS_MAX];
	char **disbelieving[LAYERS_MAX];
};

/* --- Making them --- */

static bool has_names(const struct entry *entry)
{
	return entry->n_hosts + entry->n_patterns + entry->n_lists > 0;
}

static int set_id(char **id, const char *first, const char *second)
{
	if (asprintf(id, "%s%s", first, second) >= 0)
		return 0;
	*id = NULL;
	return -ENOMEM;
}

static int note_entry(struct grants *grants, size_t layer, size_t index)
{
	const struct layer_entry *entry = &grants->layers->layers[layer].entries[index];
	int error = 0;

	if (entry->verdict == VERDICT_REFUSE && has_names(entry->entry))
		grants->deny = true;
	if (entry->entry->expires != INT64_MAX) {
		grants->expire = true;
		error = set_id(&grants->expired[layer][index], entry->id, ":expired");
	}
	if (entry->entry->believed == BELIEVED_LISTED && !error)
		error = set_id(&grants->disbelieving[layer][index], entry->id, ":addresses");
	return error;
}

static int note_layer(struct grants *grants, size_t index)
{
	const struct layer *layer = &grants->layers->layers[index];
	int error = 0;

	grants->expired[index] = calloc(layer->n_entries + 1, sizeof(char *));
	grants->disbelieving[index] = calloc(layer->n_entries + 1, sizeof(char *));
	if (!grants->expired[index] || !grants->disbelieving[index])
		return -ENOMEM;
	for (unsigned i = 0; i < CLASS_COUNT && !error; i++)
		error = set_id(&grants->classes[index][i], layer->prefix,
			class_rule((enum address_class)i));
	for (size_t i = 0; i < layer->n_entries && !error; i++)
		error = note_entry(grants, index, i);
	return error;
}

int grants_new(const struct compiled *compiled, struct grants **ret_grants)
{
	struct grants *grants = calloc(1, sizeof(*grants));
	int error = 0;

	if (!grants)
		return -ENOMEM;
	grants->compiled = *compiled;
	grants->layers = compiled->layers;
	for (size_t i = 0; i < grants->layers->n_layers && !error; i++)
		error = note_layer(grants, i);
	if (!error)
		error = match_memo_new(compiled->match, &grants->memo);
	if (error)
		grants_free(grants);
	else
		*ret_grants = grants;
	return error;
}

static void free_ids(char **ids, size_t count)
{
	for (size_t i = 0; i < count && ids; i++)
		free(ids[i]);
	free(ids);
}

void grants_free(struct grants *grants)
{
	if (!grants)
		return;
	for (size_t i = 0; i < grants->layers->n_layers; i++) {
		free_ids(grants->expired[i], grants->layers->layers[i].n_entries);
		free_ids(grants->disbelieving[i], grants->layers->layers[i].n_entries);
		for (unsigned j = 0; j < CLASS_COUNT; j++)
			free(grants->classes[i][j]);
	}
	match_memo_free(grants->memo);
	free(grants);
}

bool grants_expire(const struct grants *grants)
{
	return grants->expire;
}

/* --- Names --- */

/* Whether the layer permits by an entry, which then may expire. In a layer that only observes,
 * nothing is refused by that. */
static const struct layer_entry *permitting_entry(
	const struct layer *layer, const struct match_ports *ports, size_t index)
{
	uint32_t winner = ports->winner[index];

	if (winner == MATCH_NONE || layer->policy->observe ||
		layer->entries[winner].verdict > VERDICT_FLAG)
		return NULL;
	return &layer->entries[winner];
}

/* When the first of the entries behind the ports' verdict expires, and the rule that says so. */
static int64_t first_expiry(
	const struct grants *grants, const struct match_ports *ports, const char **ret_rule)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < grants->layers->n_layers; i++) {
		const struct layer_entry *entry =
			permitting_entry(&grants->layers->layers[i], ports, i);

		if (!entry || entry->entry->expires >= first)
			continue;
		first = entry->entry->expires;
		*ret_rule = grants->expired[i][ports->winner[i]];
	}
	return first;
}

static void refuse_expired(const struct grants *grants, int64_t time, struct match_result *result)
{
	bool answered = false;
	const char *rule = result->rule;

	for (unsigned i = 0; i <= result->n_groups; i++) {
		struct match_ports *ports = &result->groups[i];

		if (ports->verdict != VERDICT_REFUSE && first_expiry(grants, ports, &rule) <= time)
			ports->verdict = VERDICT_REFUSE;
		answered |= ports->verdict != VERDICT_REFUSE;
	}
	result->rest = result->groups[result->n_groups].verdict;
	if (!answered)
		result->rule = rule;
	result->answered = answered;
}

/* The entry that refuses a name which is refused on all ports: on the first of them where the first
 * layer to refuse it does so by an entry. What nothing permits there, and an entry denies here, is
 * denied. NULL: there is none. */
static const char *denial(const struct grants *grants, const struct match_result *result)
{
	for (unsigned i = 0; i <= result->n_groups; i++) {
		for (size_t j = 0; j < grants->layers->n_layers; j++) {
			const struct layer *layer = &grants->layers->layers[j];
			uint32_t winner = result->groups[i].winner[j];

			if (winner != MATCH_NONE &&
				layer->entries[winner].verdict == VERDICT_REFUSE)
				return layer->entries[winner].id;
			if (winner == MATCH_NONE && layer->unknown == VERDICT_REFUSE)
				break;
		}
	}
	return NULL;
}

/* What the time, and the entries that deny, make of what the policy says of a name. Returns whether
 * it is answered. */
static bool settle(const struct grants *grants, int64_t time, struct match_result *result)
{
	if (result->answered) {
		if (grants->expire)
			refuse_expired(grants, time, result);
	} else if (grants->deny) {
		const char *rule = denial(grants, result);

		result->rule = rule ? rule : result->rule;
	}
	return result->answered;
}

bool grants_name(const struct grants *grants, const struct name *name, int64_t time,
	struct match_result *ret_result)
{
	match_recall(grants->compiled.match, grants->memo, name, ret_result);
	return settle(grants, time, ret_result);
}

bool grants_prepared(const struct grants *grants, struct names_walk *walk, int64_t time,
	struct match_result *ret_result)
{
	match_prepared(grants->compiled.match, walk, ret_result);
	return settle(grants, time, ret_result);
}

bool grants_leave(const struct grants *grants, const struct special *special,
	const struct name *name, const struct match_result *result)
{
	for (unsigned i = 0; i <= result->n_groups; i++) {
		const struct match_ports *ports = &result->groups[i];

		for (size_t j = 0; j < grants->layers->n_layers; j++) {
			const struct layer *layer = &grants->layers->layers[j];
			uint32_t winner = ports->winner[j];

			if (ports->verdict == VERDICT_REFUSE || winner == MATCH_NONE)
				continue;
			if (special_yields(special, layer->entries[winner].entry, name,
				    ports->wild & 1u << j))
				return true;
		}
	}
	return false;
}

bool grants_dnssec(const struct grants *grants, const struct match_result *result)
{
	const struct layers *layers = grants->layers;

	if (layers->layers[0].policy->dns.dnssec)
		return true;
	for (unsigned i = 0; i <= result->n_groups; i++) {
		for (size_t j = 0; j < layers->n_layers; j++) {
			uint32_t winner = result->groups[i].winner[j];

			if (winner != MATCH_NONE && layers->layers[j].entries[winner].entry->dnssec)
				return true;
		}
	}
	return false;
}

/* --- Addresses --- */

static bool gives(const struct embedded_host *host, const struct inaddr *address)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (inaddr_compare(&host->addresses[i], address) == 0)
			return true;
	return false;
}

/* When what the lease opens is refused again. */
static int64_t lease_expiry(const struct grants *grants, const struct match_result *result,
	const struct match_lease *lease)
{
	int64_t own = grants->compiled.plan->rules[lease->rule].expires;
	const char *rule;
	int64_t first = first_expiry(grants, &result->groups[lease->group], &rule);

	return own < first ? own : first;
}

/* Takes out the leases by expired rules. Whether the address is still granted: an address with
 * leases none of which is left is, if the name is permitted on the ports of no group. */
static bool drop_expired(const struct grants *grants, const struct match_result *result,
	int64_t time, struct grant *grant)
{
	unsigned n_left = 0, n_leases = grant->n_leases;

	for (unsigned i = 0; i < n_leases; i++) {
		int64_t expires = lease_expiry(grants, result, &grant->leases[i]);

		if (expires <= time)
			continue;
		if (expires < grant->expires)
			grant->expires = expires;
		grant->leases[n_left++] = grant->leases[i];
	}
	grant->n_leases = n_left;
	return n_left > 0 || n_leases == 0 || result->rest != VERDICT_REFUSE;
}

bool grants_address(const struct grants *grants, struct match_result *result,
	const struct embedded_host *host, const struct inaddr *address, int64_t time,
	struct grant *ret_grant)
{
	result->embedded = host != NULL;
	if ((host && !gives(host, address)) ||
		!match_answer(grants->compiled.match, result, address, ret_grant->leases,
			&ret_grant->n_leases))
		return false;
	ret_grant->expires = INT64_MAX;
	return !grants->expire || drop_expired(grants, result, time, ret_grant);
}

const char *grants_refusal(const struct grants *grants, const struct match_result *result,
	const struct inaddr *address)
{
	struct match_refusal refusal;
	const struct layer *layer;
	enum address_class class;

	if (!match_refusal(grants->compiled.match, result, address, &refusal))
		return result->rule;
	layer = &grants->layers->layers[refusal.layer];
	if (refusal.disbelieved && grants->disbelieving[refusal.layer][refusal.entry])
		return grants->disbelieving[refusal.layer][refusal.entry];
	if ((refusal.disbelieved || refusal.is_class) && class_find(address, layer->block, &class))
		return grants->classes[refusal.layer][class];
	return refusal.entry == MATCH_NONE ? result->rule : layer->entries[refusal.entry].id;
}

/* --- Aliases --- */

/* The entry of a layer that refuses a name on some ports, or NULL. */
static const struct layer_entry *refusing_entry(
	const struct layers *layers, const struct match_ports *ports)
{
	for (size_t i = 0; i < layers->n_layers; i++) {
		uint32_t winner = ports->winner[i];

		if (winner != MATCH_NONE &&
			layers->layers[i].entries[winner].verdict == VERDICT_REFUSE)
			return &layers->layers[i].entries[winner];
	}
	return NULL;
}

static bool has_entry(const struct layers *layers, const struct match_ports *ports)
{
	for (size_t i = 0; i < layers->n_layers; i++)
		if (ports->winner[i] != MATCH_NONE)
			return true;
	return false;
}

const char *grants_alias(
	const struct grants *grants, const struct match_result *result, const struct name *target)
{
	struct match_result other;

	if (!grants->deny)
		return NULL;
	match_name(grants->compiled.match, target, &other);
	for (unsigned i = 0; i <= result->n_groups; i++) {
		const struct layer_entry *entry;

		if (result->groups[i].verdict == VERDICT_REFUSE)
			continue;
		entry = refusing_entry(grants->layers, &other.groups[i]);
		if (entry && (!other.answered || has_entry(grants->layers, &result->groups[i])))
			return entry->id;
	}
	return NULL;
}
