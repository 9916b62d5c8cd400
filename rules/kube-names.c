/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/kube-names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/host.h"
#include "rules/judge.h"
#include "rules/kube-answers.h"
#include "rules/kube.h"
#include "rules/list.h"
#include "rules/losses.h"
#include "rules/match.h"
#include "rules/specimen.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * A target adds names up and takes none away. So each host that some layer permits is written for
 * the port groups in which all layers permit its specimens (rules/specimen.h): the names that no
 * other host says anything about.
 *
 * What that gets wrong shows in the specimens of all hosts, which meet every difference there is
 * between two sets of hosts: each is looked up in the policy, and in the wildcards that were
 * written. What the target permits and the policy refuses is wider; the other way it is narrower.
 * An exact name needs no such look, being its own specimen.
 *
 * Of patterns nobody knows what they match. A wildcard that some layer decides by a pattern, as a
 * specimen of it shows, is not written. Where no host of a layer has a specimen, a pattern may have
 * others of the names that it stands for; if it refuses them, the wildcard is wider.
 */

/* A wildcard as the target has it. */
struct wildcard {
	struct host host;
	uint64_t groups;
	const struct layer_entry *entry;
};

struct listing {
	struct arena *arena;
	const struct compiled *compiled;
	kube_name_writer *write;
	struct losses *losses;
	struct kube_name *names;
	size_t n_names;
	size_t room;
	struct wildcard *wildcards;
	size_t n_wildcards;
	size_t room_wildcards;
	struct kube_answers *answers;
	unsigned depth;    /* of specimens */
	const char **told; /* pairs of rule ids that a loss was told of */
	size_t n_told;
	size_t room_told;
	int error;
};

/* Room for one more element of an array. NULL: there is no memory. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room > 0 ? 2 * *room : 64;
	void *grown;

	if (count < *room)
		return items;
	grown = reallocarray(items, more, size);
	if (grown)
		*room = more;
	return grown;
}

static void add_name(struct listing *listing, const char *text, uint64_t groups)
{
	struct kube_name *names =
		grow(listing->names, listing->n_names, &listing->room, sizeof(*listing->names));

	if (!names) {
		listing->error = -ENOMEM;
		return;
	}
	listing->names = names;
	names[listing->n_names++] = (struct kube_name){text, groups};
}

static void add_wildcard(struct listing *listing, const struct wildcard *wildcard)
{
	struct wildcard *wildcards = grow(listing->wildcards, listing->n_wildcards,
		&listing->room_wildcards, sizeof(*listing->wildcards));

	if (!wildcards) {
		listing->error = -ENOMEM;
		return;
	}
	listing->wildcards = wildcards;
	wildcards[listing->n_wildcards++] = *wildcard;
}

/* The groups in which all layers permit the name. */
static uint64_t permitted_groups(const struct compiled *compiled, const struct name *name)
{
	struct match_result result;
	uint64_t groups = 0;

	match_name(compiled->match, name, &result);
	for (unsigned i = 0; i < result.n_groups; i++)
		if (result.groups[i].verdict != VERDICT_REFUSE)
			groups |= UINT64_C(1) << i;
	return groups;
}

/* Those in which they permit all that stands for the host. */
static uint64_t host_groups(const struct listing *listing, const struct host *host)
{
	struct name specimens[SPECIMEN_DEPTH_MAX];
	unsigned count =
		specimen_of(host->kind, host->wire, host->length, listing->depth, specimens);
	uint64_t groups = count > 0 ? UINT64_MAX : 0;

	for (unsigned i = 0; i < count; i++)
		groups &= permitted_groups(listing->compiled, &specimens[i]);
	return groups;
}

/* The first entry of the layer that refuses names by a pattern in the group, or NULL. */
static const struct layer_entry *find_pattern(
	const struct plan *plan, const struct layer *layer, unsigned group)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (it->verdict == VERDICT_REFUSE && it->entry->n_patterns > 0 &&
			plan_entry_groups(plan, it->entry) & UINT64_C(1) << group)
			return it;
	}
	return NULL;
}

static bool has_host(const struct entry *entry, const struct name *name)
{
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (host_matches(entry->hosts[i].kind, entry->hosts[i].wire, entry->hosts[i].length,
			    name))
			return true;
	for (size_t i = 0; i < entry->n_lists; i++) {
		struct list_name listed = {0};
		size_t at = 0;

		while (list_next(entry->lists[i], &at, &listed))
			if (host_matches(listed.kind, listed.wire, listed.length, name))
				return true;
	}
	return false;
}

/* What has the name in the layer, or NULL. *ret_by_pattern: by no host. */
static const struct layer_entry *find_winner(const struct layers *layers, size_t layer,
	const struct match_ports *ports, const struct name *name, bool *ret_by_pattern)
{
	const struct layer_entry *it = NULL;

	if (ports->winner[layer] != MATCH_NONE)
		it = &layers->layers[layer].entries[ports->winner[layer]];
	*ret_by_pattern = it && it->entry->n_patterns > 0 && (ports->wild & 1u << layer) != 0 &&
			  !has_host(it->entry, name);
	return it;
}

/* The groups in which some layer decides about the name by a pattern. */
static uint64_t groups_by_pattern(const struct compiled *compiled, const struct name *name)
{
	struct match_result result;
	uint64_t groups = 0;

	match_name(compiled->match, name, &result);
	for (unsigned i = 0; i < result.n_groups; i++) {
		for (size_t j = 0; j < compiled->layers->n_layers; j++) {
			bool by_pattern;

			find_winner(compiled->layers, j, &result.groups[i], name, &by_pattern);
			if (by_pattern)
				groups |= UINT64_C(1) << i;
		}
	}
	return groups;
}

/* Takes the groups from a wildcard in which patterns decide. */
static void heed_patterns(struct listing *listing, struct wildcard *wildcard)
{
	const struct host *host = &wildcard->host;
	struct name specimens[SPECIMEN_DEPTH_MAX];
	unsigned count =
		specimen_of(host->kind, host->wire, host->length, listing->depth, specimens);
	uint64_t groups = 0;
	char text[NAME_TEXT];

	for (unsigned i = 0; i < count; i++)
		groups |= groups_by_pattern(listing->compiled, &specimens[i]);
	if (wildcard->groups & groups)
		losses_add(listing->losses, LOSS_NARROWER, wildcard->entry->id,
			wildcard->entry->entry->place,
			"'%s' is refused where patterns decide about it",
			host_to_text(host->kind, host->wire, host->length, text));
	wildcard->groups &= ~groups;
}

static void take_host(
	struct listing *listing, const struct layer_entry *it, const struct host *host)
{
	struct wildcard wildcard = {*host,
		host_groups(listing, host) & plan_entry_groups(listing->compiled->plan, it->entry),
		it};
	char text[NAME_TEXT];
	const char *written;

	if (host->kind != HOST_EXACT && wildcard.groups != 0)
		heed_patterns(listing, &wildcard);
	if (wildcard.groups == 0 || listing->error < 0)
		return;
	written = listing->write(listing->arena, host, &wildcard.host.kind);
	if (!written) {
		losses_add(listing->losses, LOSS_NARROWER, it->id, it->entry->place,
			"'%s' is refused: the target has no way to write it",
			host_to_text(host->kind, host->wire, host->length, text));
		return;
	}
	add_name(listing, written, wildcard.groups);
	if (host->kind == HOST_EXACT)
		return;
	if (wildcard.host.kind != host->kind)
		losses_add(listing->losses, LOSS_WIDER, it->id, it->entry->place,
			"'%s' has names of any depth there",
			host_to_text(host->kind, host->wire, host->length, text));
	add_wildcard(listing, &wildcard);
}

static void take_entry(struct listing *listing, const struct layer_entry *it)
{
	const struct entry *entry = it->entry;

	if (it->verdict == VERDICT_REFUSE)
		return;
	for (size_t i = 0; i < entry->n_hosts; i++)
		take_host(listing, it, &entry->hosts[i]);
	for (size_t i = 0; i < entry->n_lists; i++) {
		struct list_name listed = {0};
		size_t at = 0;

		while (list_next(entry->lists[i], &at, &listed)) {
			const struct host host = {
				listed.kind, listed.length, listed.wire, entry->place};

			take_host(listing, it, &host);
		}
	}
	if (entry->n_patterns > 0)
		losses_add(listing->losses, LOSS_NARROWER, it->id, entry->place,
			"the target has no patterns: names that match 'host_pattern' are refused");
}

/* --- What came out --- */

/* The wildcard that permits the name in one of the groups, or NULL. */
static const struct wildcard *find_wildcard(
	const struct listing *listing, const struct name *name, uint64_t groups)
{
	for (size_t i = 0; i < listing->n_wildcards; i++) {
		const struct wildcard *it = &listing->wildcards[i];

		if (it->groups & groups &&
			host_matches(it->host.kind, it->host.wire, it->host.length, name))
			return it;
	}
	return NULL;
}

/* Whether the pair is new; it isn't any more then. */
static bool is_news(struct listing *listing, const char *one, const char *other)
{
	const char **told;

	for (size_t i = 0; i < listing->n_told; i += 2)
		if (listing->told[i] == one && strcmp(listing->told[i + 1], other) == 0)
			return false;
	told = grow(listing->told, listing->n_told + 1, &listing->room_told, sizeof(*told));
	if (!told) {
		listing->error = -ENOMEM;
		return false;
	}
	listing->told = told;
	told[listing->n_told++] = one;
	told[listing->n_told++] = other;
	return true;
}

/* An entry that names exactly this, or NULL: then it is among the names. */
static bool is_exact(const struct match_ports *ports, size_t n_layers)
{
	for (size_t i = 0; i < n_layers; i++)
		if (ports->winner[i] != MATCH_NONE && !(ports->wild & 1u << i))
			return true;
	return false;
}

/* The first entry that has a say in the group, or NULL. */
static const struct layer_entry *winner_of(
	const struct layers *layers, const struct match_ports *ports)
{
	for (size_t i = 0; i < layers->n_layers; i++)
		if (ports->winner[i] != MATCH_NONE)
			return &layers->layers[i].entries[ports->winner[i]];
	return NULL;
}

/* `name`: one of those that it has there and the policy refuses; NULL: some that patterns have. */
static void tell_wider(struct listing *listing, const struct wildcard *wildcard, const char *rule,
	const struct name *name)
{
	char text[NAME_TEXT], host[NAME_TEXT];

	host_to_text(wildcard->host.kind, wildcard->host.wire, wildcard->host.length, host);
	if (!rule || !is_news(listing, wildcard->entry->id, rule))
		return;
	if (name)
		losses_add(listing->losses, LOSS_WIDER, wildcard->entry->id,
			wildcard->entry->entry->place,
			"'%s' cannot leave out what %s refuses of it, such as %s", host, rule,
			name_to_text(name, text));
	else
		losses_add(listing->losses, LOSS_WIDER, wildcard->entry->id,
			wildcard->entry->entry->place,
			"'%s' cannot leave out what a pattern of %s refuses", host, rule);
}

/* What refuses names that nothing of the layer has. */
static const char *default_deny(struct listing *listing, const struct layer *layer)
{
	const char *rule = arena_printf(listing->arena, "%s%s", layer->prefix, PLAN_DEFAULT_DENY);

	if (!rule)
		listing->error = -ENOMEM;
	return rule;
}

/* The rule that refuses the name, which some layer does. */
static const char *refusing_rule(
	struct listing *listing, const struct match_ports *ports, const struct name *name)
{
	const struct layers *layers = listing->compiled->layers;

	for (size_t i = 0; i < layers->n_layers; i++) {
		bool by_pattern;
		const struct layer_entry *it = find_winner(layers, i, ports, name, &by_pattern);

		if (it && it->verdict == VERDICT_REFUSE)
			return it->id;
		if (!it && layers->layers[i].unknown == VERDICT_REFUSE)
			return default_deny(listing, &layers->layers[i]);
	}
	return NULL;
}

/* What patterns of the layer may refuse of a wildcard's names that no host of the layer has. */
static void tell_patterns(struct listing *listing, const struct wildcard *wildcard,
	const struct layer *layer, unsigned group, bool by_pattern)
{
	const struct layer_entry *refusing = find_pattern(listing->compiled->plan, layer, group);

	if (refusing)
		tell_wider(listing, wildcard, refusing->id, NULL);
	if (by_pattern && layer->unknown == VERDICT_REFUSE &&
		is_news(listing, wildcard->entry->id, layer->policy->file))
		losses_add(listing->losses, LOSS_WIDER, wildcard->entry->id,
			wildcard->entry->entry->place,
			"names of it that no pattern of '%s' has are not refused",
			layer->policy->file);
}

/* Notes which addresses the name may have in the group, where it is open; `wildcard` NULL: by
 * itself. */
static void take_answer(struct listing *listing, const struct match_ports *ports, unsigned group,
	const struct wildcard *wildcard, const struct name *name, bool is_alone)
{
	const struct layers *layers = listing->compiled->layers;
	struct kube_answer answer = {.name = name, .is_alone = is_alone, .group = group};

	for (size_t i = 0; i < layers->n_layers; i++) {
		bool by_pattern;
		const struct layer_entry *it = find_winner(layers, i, ports, name, &by_pattern);

		answer.entries[i] = by_pattern && !is_alone ? NULL : it;
		if (wildcard && !is_alone && !answer.entries[i])
			tell_patterns(listing, wildcard, &layers->layers[i], group, by_pattern);
	}
	if (listing->error == 0)
		listing->error = kube_answers_add(listing->answers, &answer);
}

static void tell_narrower(
	struct listing *listing, const struct match_ports *ports, const struct name *name)
{
	const struct layer_entry *it = winner_of(listing->compiled->layers, ports);
	char text[NAME_TEXT];

	if (it && is_news(listing, it->id, "narrower"))
		losses_add(listing->losses, LOSS_NARROWER, it->id, it->entry->place,
			"names that no wildcard of the target has are refused, such as %s",
			name_to_text(name, text));
}

/* Whether some entry names exactly this. */
static bool is_alone(const struct match_result *result, size_t n_layers)
{
	for (unsigned i = 0; i < result->n_groups; i++)
		if (is_exact(&result->groups[i], n_layers))
			return true;
	return false;
}

/* Compares what the policy and the target make of a name. */
static void compare(struct listing *listing, const struct name *name)
{
	size_t n_layers = listing->compiled->layers->n_layers;
	struct match_result result;
	bool alone;

	match_name(listing->compiled->match, name, &result);
	alone = is_alone(&result, n_layers);
	for (unsigned i = 0; i < result.n_groups && listing->error == 0; i++) {
		const struct match_ports *ports = &result.groups[i];
		const struct wildcard *wildcard = find_wildcard(listing, name, UINT64_C(1) << i);

		if (ports->verdict == VERDICT_REFUSE && wildcard)
			tell_wider(listing, wildcard, refusing_rule(listing, ports, name), name);
		else if (ports->verdict != VERDICT_REFUSE &&
			 (wildcard || is_exact(ports, n_layers)))
			take_answer(listing, ports, i, wildcard, name, alone);
		else if (ports->verdict != VERDICT_REFUSE)
			tell_narrower(listing, ports, name);
	}
}

static void compare_all(struct listing *listing)
{
	struct specimens specimens = {0};

	listing->error = specimens_collect(&listing->compiled->layers, 1, &specimens);
	for (size_t i = 0; i < specimens.n_names && listing->error == 0; i++)
		compare(listing, &specimens.names[i]);
	specimens_clear(&specimens);
}

/* --- All together --- */

static int by_groups(const void *a, const void *b)
{
	const struct kube_name *one = a, *other = b;

	if (one->groups != other->groups)
		return one->groups < other->groups ? -1 : 1;
	return strcmp(one->text, other->text);
}

/* Sorts them, each once. */
static int put_in_order(struct listing *listing, struct kube_names *ret_names)
{
	struct kube_names names = {
		.names = arena_array(listing->arena, listing->n_names, sizeof(struct kube_name))};

	if (!names.names)
		return -ENOMEM;
	if (listing->n_names > 0)
		qsort(listing->names, listing->n_names, sizeof(*listing->names), by_groups);
	for (size_t i = 0; i < listing->n_names; i++)
		if (i == 0 || by_groups(&listing->names[i - 1], &listing->names[i]) != 0)
			names.names[names.n_names++] = listing->names[i];
	*ret_names = names;
	return 0;
}

int kube_names_make(struct arena *arena, const struct compiled *compiled, kube_name_writer *write,
	struct losses *losses, struct kube_names *ret_names)
{
	const struct layers *layers = compiled->layers;
	struct listing listing = {
		.arena = arena, .compiled = compiled, .write = write, .losses = losses};
	struct kube_rules denied = {NULL, 0};
	struct kube_names names;

	if (layers_unknown(layers) != VERDICT_REFUSE) {
		kube_lose_names(layers, losses);
		*ret_names = (struct kube_names){.n_names = 0};
		return 0;
	}
	listing.error = specimens_depth(&layers, 1, &listing.depth);
	if (listing.error == 0)
		listing.error = kube_answers_new(arena, compiled, &listing.answers);
	for (size_t i = 0; i < layers->n_layers; i++)
		for (size_t j = 0; j < layers->layers[i].n_entries && listing.error == 0; j++)
			take_entry(&listing, &layers->layers[i].entries[j]);
	if (listing.error == 0)
		compare_all(&listing);
	if (listing.error == 0)
		listing.error = kube_answers_finish(listing.answers, losses, &denied);
	if (listing.error == 0)
		listing.error = put_in_order(&listing, &names);
	if (listing.error == 0) {
		names.denied = denied;
		*ret_names = names;
	}
	free(listing.names);
	free(listing.wildcards);
	free(listing.told);
	return listing.error;
}

size_t kube_names_alike(const struct kube_names *names, size_t first)
{
	size_t next = first + 1;

	while (next < names->n_names && names->names[next].groups == names->names[first].groups)
		next++;
	return next;
}

bool kube_names_want_dns(const struct kube_names *names, const struct layers *layers)
{
	return names->n_names > 0 || layers_unknown(layers) != VERDICT_REFUSE;
}
