/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/host.h"
#include "rules/list.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * The hosts of all layers go into one table of names (rules/names.h), where they lie: exact names,
 * what wildcards stand before, and, once each, what globs end with. Behind the latter are the globs
 * with one literal suffix, those of higher rank first.
 *
 * A host that could never win is left out: one whose groups all belong to equal hosts of its layer
 * that were added before, the denying ones first. So one name has at most two hosts a port group in
 * a layer, whatever lists say.
 */

/* A host and whose it is. */
struct placed {
	const struct names_source *source;
	enum host_kind kind;
	uint8_t length;
	const uint8_t *wire;
};

/* --- Ranks --- */

/* Whether a glob begins with "**". */
static bool is_deep(const uint8_t *wire)
{
	return wire[0] == 2 && wire[1] == '*' && wire[2] == '*';
}

static uint64_t rank_glob(const struct match *match, const struct placed *host)
{
	uint32_t specificity = host_specificity(host->kind, host->wire, host->length);
	return index_rank(match, host->source, specificity, is_deep(host->wire));
}

/* --- Filling the tables --- */

struct filling {
	struct arena *arena;
	struct match *match;
	const struct names_source **sources; /* of hosts, those win first that come first */
	size_t n_sources;
	size_t n_globs;
};

/* Calls `visit` for each host of the source. */
static void visit_hosts(struct filling *filling, const struct names_source *source,
	void (*visit)(struct filling *filling, const struct placed *host))
{
	const struct layer *layer = filling->match->sides[source->layer].layer;
	const struct entry *entry = layer->entries[source->entry].entry;
	struct list_name name = {.line = 0};
	size_t at = 0;

	for (uint32_t i = 0; source->hosts && i < entry->n_hosts; i++) {
		const struct host *host = &source->hosts[i];

		visit(filling, &(struct placed){source, host->kind, host->length, host->wire});
	}
	while (source->list && list_next(source->list, &at, &name))
		visit(filling, &(struct placed){source, name.kind, name.length, name.wire});
}

/* Whether equal hosts of the layer that are there already have all groups of this one. */
static bool is_beaten(
	const struct match *match, const struct placed *host, struct names_cursor *cursor)
{
	const struct group_set *sets = match->sides[host->source->layer].sets;
	struct group_set left = sets[host->source->entry];
	struct names_hit other;

	while (!is_none(&left) && names_next(match->names, cursor, &other))
		if (other.source->layer == host->source->layer && other.kind == host->kind)
			narrow(&left, &sets[other.source->entry]);
	return is_none(&left);
}

/* Adds the host, or counts it if it is a glob. */
static void add_host(struct filling *filling, const struct placed *host)
{
	const struct match *match = filling->match;
	enum names_key key = host->kind == HOST_EXACT ? NAMES_EXACT : NAMES_SUFFIX;
	const struct names_hit added = {.source = host->source, .kind = host->kind};
	struct names_cursor cursor;
	struct hash_state hash;

	if (host->kind == HOST_GLOB) {
		filling->n_globs++;
		return;
	}
	names_look_up(match->names, key, host->wire, &cursor, &hash);
	if (!is_beaten(match, host, &cursor))
		names_add(match->names, &added, key, host->wire, &hash);
}

static void add_glob(struct filling *filling, const struct placed *host)
{
	struct match *match = filling->match;

	if (host->kind != HOST_GLOB)
		return;
	match->globs[match->n_globs++] = (struct glob){
		.wire = host->wire,
		.length = host->length,
		.suffix_length = host_suffix(host->kind, host->wire, host->length).length,
		.layer = host->source->layer,
		.entry = host->source->entry,
		.rank = rank_glob(match, host),
	};
}

static const uint8_t *suffix_of(const struct glob *glob)
{
	return glob->wire + glob->length - glob->suffix_length;
}

static int compare_suffixes(const struct glob *a, const struct glob *b)
{
	if (a->suffix_length != b->suffix_length)
		return a->suffix_length < b->suffix_length ? -1 : 1;
	return memcmp(suffix_of(a), suffix_of(b), a->suffix_length);
}

/* By suffix, then those of higher rank first. */
static int compare_globs(const void *a, const void *b)
{
	const struct glob *left = a, *right = b;
	int order = compare_suffixes(left, right);

	if (order != 0)
		return order;
	return left->rank > right->rank ? -1 : left->rank < right->rank;
}

/* Sorts the globs and adds their suffixes. */
static int add_runs(struct filling *filling)
{
	struct match *match = filling->match;
	struct names_hit added = {.kind = HOST_GLOB};
	struct names_cursor cursor;
	struct hash_state hash;
	int error;

	qsort(match->globs, match->n_globs, sizeof(*match->globs), compare_globs);
	match->runs = arena_array(filling->arena, match->n_globs, sizeof(*match->runs));
	if (!match->runs)
		return -ENOMEM;
	error = names_add_source(filling->arena, match->names,
		&(struct names_source){.globs = match->runs}, match->n_globs, &added.source);
	if (error < 0)
		return error;
	for (uint32_t i = 0; i < match->n_globs; i++) {
		const struct glob *glob = &match->globs[i];
		struct names_globs *run = &match->runs[match->n_runs];

		if (i > 0 && compare_suffixes(glob - 1, glob) == 0) {
			run[-1].count++;
			continue;
		}
		*run = (struct names_globs){suffix_of(glob), glob->suffix_length, i, 1};
		names_look_up(match->names, NAMES_GLOBS, run->wire, &cursor, &hash);
		added.index = (uint32_t)match->n_runs++;
		names_add(match->names, &added, NAMES_GLOBS, run->wire, &hash);
	}
	return 0;
}

static int add_globs(struct filling *filling)
{
	struct match *match = filling->match;

	if (filling->n_globs == 0)
		return 0;
	match->globs = arena_array(filling->arena, filling->n_globs, sizeof(*match->globs));
	if (!match->globs)
		return -ENOMEM;
	for (size_t i = 0; i < filling->n_sources; i++)
		visit_hosts(filling, filling->sources[i], add_glob);
	match->bytes += match->n_globs * (sizeof(*match->globs) + sizeof(*match->runs));
	return add_runs(filling);
}

/* The names of [dns.hosts]; the first of two equal ones stays. */
static int add_embedded(struct arena *arena, struct match *match)
{
	const struct dns_policy *dns = &match->plan->policy->dns;
	struct names_hit added = {.kind = HOST_EXACT}, other;
	int error;

	if (dns->n_hosts == 0)
		return 0;
	error = names_add_source(arena, match->names,
		&(struct names_source){.embedded = dns->hosts}, dns->n_hosts, &added.source);
	for (uint32_t i = 0; error == 0 && i < dns->n_hosts; i++) {
		const struct name *name = &dns->hosts[i].name;
		struct names_cursor cursor;
		struct hash_state hash;

		names_look_up(match->names, NAMES_EMBEDDED, name->wire, &cursor, &hash);
		added.index = i;
		if (!names_next(match->names, &cursor, &other))
			names_add(match->names, &added, NAMES_EMBEDDED, name->wire, &hash);
	}
	return error;
}

/* --- Where hosts come from --- */

static int add_source(struct filling *filling, const struct names_source *source, size_t size)
{
	return names_add_source(filling->arena, filling->match->names, source, size,
		&filling->sources[filling->n_sources++]);
}

static int add_entry_sources(struct filling *filling, uint32_t layer, uint32_t index)
{
	const struct entry *entry = filling->match->sides[layer].layer->entries[index].entry;
	struct names_source source = {.layer = layer, .entry = index, .hosts = entry->hosts};
	int error = 0;

	if (entry->n_hosts > 0)
		error = add_source(filling, &source, entry->n_hosts);
	source.hosts = NULL;
	for (size_t i = 0; i < entry->n_lists && error == 0; i++) {
		source.list = entry->lists[i];
		if (source.list->n_names > 0)
			error = add_source(filling, &source, 0);
	}
	return error;
}

/* Those of denying entries first. */
static int add_sources(struct filling *filling)
{
	static const enum action actions[] = {ACTION_DENY, ACTION_ALLOW};
	const struct match *match = filling->match;
	int error = 0;

	for (uint32_t i = 0; i < 2 * match->n_sides; i++) {
		const struct layer *layer = match->sides[i / 2].layer;

		for (uint32_t j = 0; j < layer->n_entries && error == 0; j++)
			if (layer->entries[j].entry->action == actions[i % 2])
				error = add_entry_sources(filling, i / 2, j);
	}
	return error;
}

/* Counts the hosts, where they lie, and what they take. */
static size_t count_hosts(struct match *match, size_t *ret_sources)
{
	size_t n_names = 0, n_sources = 0;

	for (unsigned i = 0; i < match->n_sides; i++) {
		const struct layer *layer = match->sides[i].layer;

		for (size_t j = 0; j < layer->n_entries; j++) {
			const struct entry *entry = layer->entries[j].entry;

			n_names += entry->n_hosts;
			n_sources += 1 + entry->n_lists;
			for (size_t k = 0; k < entry->n_hosts; k++)
				match->bytes += sizeof(*entry->hosts) + entry->hosts[k].length;
			for (size_t k = 0; k < entry->n_lists; k++) {
				n_names += entry->lists[k]->n_names;
				match->bytes += entry->lists[k]->size;
			}
		}
	}
	*ret_sources = n_sources;
	return n_names;
}

static int fill_names(struct arena *arena, struct match *match)
{
	struct filling filling = {.arena = arena, .match = match};
	size_t n_sources, n_names = count_hosts(match, &n_sources), n_suffixes = 0;
	int error;

	for (unsigned i = 0; i < match->n_sides; i++)
		n_suffixes += match->sides[i].n_suffixes;
	error = names_make(arena, n_names + match->plan->policy->dns.n_hosts, n_suffixes,
		n_sources + 2, &match->names);

	if (error < 0)
		return error;
	filling.sources = calloc(n_sources + 1, sizeof(*filling.sources));
	error = filling.sources ? add_sources(&filling) : -ENOMEM;
	for (size_t i = 0; i < filling.n_sources && error == 0; i++)
		visit_hosts(&filling, filling.sources[i], add_host);
	if (error == 0)
		error = add_globs(&filling);
	if (error == 0)
		error = add_embedded(arena, match);
	free(filling.sources);
	match->bytes += names_bytes(match->names);
	return error;
}

/* --- Sides --- */

/* How many hosts of the entry are no exact names. */
static size_t count_suffixes(const struct entry *entry)
{
	struct list_name name = {.line = 0};
	size_t count = 0;

	for (size_t i = 0; i < entry->n_hosts; i++)
		count += entry->hosts[i].kind != HOST_EXACT;
	for (size_t i = 0; i < entry->n_lists; i++)
		for (size_t at = 0; list_next(entry->lists[i], &at, &name);)
			count += name.kind != HOST_EXACT;
	return count;
}

static int make_side(struct arena *arena, const struct plan *plan, size_t index, struct side *side)
{
	size_t n_suffixes;
	const struct layer *layer = &plan->layers->layers[index];

	side->layer = layer;
	side->unknown_rule = arena_printf(arena, "%s" PLAN_DEFAULT_DENY, layer->prefix);
	side->sets = arena_array(arena, layer->n_entries, sizeof(*side->sets));
	side->rules = arena_array(arena, layer->n_entries, sizeof(*side->rules));
	if (!side->unknown_rule || !side->sets || !side->rules)
		return -ENOMEM;
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct entry *entry = layer->entries[i].entry;

		side->rules[i] = MATCH_NONE;
		side->sets[i] = (struct group_set){
			.groups = plan_entry_groups(plan, entry),
			.rest = entry->all_ports,
		};
		if (!entry->all_ports)
			side->named |= side->sets[i].groups;
		n_suffixes = count_suffixes(entry);
		side->n_suffixes += n_suffixes;
		if (n_suffixes > 0 || entry->n_patterns > 0)
			widen(&side->wild, &side->sets[i]);
	}
	return owners_make(arena, layer, side->sets, (unsigned)plan->n_groups, &side->owners);
}

static int make_sides(struct arena *arena, struct match *match)
{
	const struct plan *plan = match->plan;

	for (size_t i = 0; i < plan->layers->n_layers; i++) {
		struct side *side = &match->sides[match->n_sides++];
		int error = make_side(arena, plan, i, side);

		if (error < 0)
			return error;
		if (side->owners)
			match->bytes += owners_bytes(side->owners);
	}
	for (uint32_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];
		const struct side *side = &match->sides[rule->layer];

		if (rule->entry)
			side->rules[rule->entry - side->layer->entries] = i;
	}
	return 0;
}

static void add_patterns(struct match *match, uint32_t layer, enum action action)
{
	const struct layer *from = match->sides[layer].layer;

	for (uint32_t i = 0; i < from->n_entries; i++) {
		const struct entry *entry = from->entries[i].entry;

		for (size_t j = 0; j < entry->n_patterns && entry->action == action; j++)
			match->patterns[match->n_patterns++] =
				(struct pattern_row){entry->patterns[j], layer, i};
	}
}

static int make_patterns(struct arena *arena, struct match *match)
{
	size_t count = 0;

	for (unsigned i = 0; i < match->n_sides; i++)
		for (size_t j = 0; j < match->sides[i].layer->n_entries; j++)
			count += match->sides[i].layer->entries[j].entry->n_patterns;
	match->patterns = arena_array(arena, count, sizeof(*match->patterns));
	if (!match->patterns)
		return -ENOMEM;
	for (unsigned i = 0; i < match->n_sides; i++) {
		add_patterns(match, i, ACTION_DENY);
		add_patterns(match, i, ACTION_ALLOW);
	}
	return 0;
}

int index_make(struct arena *arena, const struct plan *plan, struct match **ret_match)
{
	struct match *match = arena_alloc(arena, sizeof(*match));
	int error;

	if (!match)
		return -ENOMEM;
	match->plan = plan;
	match->n_groups = (unsigned)plan->n_groups;
	error = make_sides(arena, match);
	if (error == 0)
		error = make_patterns(arena, match);
	if (error == 0)
		error = fill_names(arena, match);
	if (error == 0)
		*ret_match = match;
	return error;
}
