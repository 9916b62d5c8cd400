/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/changes.h"
#include "rules/decide.h"
#include "rules/idle.h"
#include "rules/judge.h"
#include "rules/pattern.h"
#include "rules/ports.h"
#include "rules/settings.h"
#include "rules/specimen.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Two compiled policies are held against each other on all ports, on names that stand for all names
 * (rules/specimen.h), and on all addresses.
 *
 * Ports: both plans cut the line of ports into groups, or none. A port class is a pair of groups,
 * one of each plan, with the ports that are in both.
 *
 * Addresses: decisions change at the edges of spans only, so each class is walked from edge to edge
 * and what is decided alike is joined.
 *
 * Names: each specimen is looked up in both. Where both permit it, what becomes of the addresses of
 * its answers is compared for some that stand for all: one public, one of each blocked class, the
 * edges of what entries name.
 *
 * Patterns can not be compared by what they match. One that permits and is not there before counts
 * as gained, and so does one that refuses and is not there any more.
 */

#define ARENA_MAX ((size_t)4 << 30)

struct port_class {
	unsigned group[2]; /* DECIDE_REST: of none */
	char ports[128];   /* as many as there is room for */
};

/* Entries that decide in each other's place. */
struct pair {
	const struct layer_entry *before, *after;
};

struct comparison {
	struct arena *arena;
	const struct compiled *sides[2];
	struct port_class *classes;
	size_t n_classes;
	struct inaddr *probes; /* of answers */
	size_t n_probes;
	size_t room_probes;
	struct pair *pairs;
	size_t n_pairs;
	size_t room_pairs;
	struct changes changes;
	int error;
};

static bool is_permitted(enum verdict verdict)
{
	return verdict != VERDICT_REFUSE;
}

/* --- Ports --- */

enum { PORTS = 65536, LINE = PROTOCOL_OTHER * PORTS, NO_GROUP = UINT8_MAX };

/* The group of each point of the line of ports, see rules/ports.c. */
static void paint_groups(const struct plan *plan, uint8_t *line)
{
	memset(line, NO_GROUP, LINE);
	for (size_t i = 0; i < plan->n_groups; i++)
		for (size_t j = 0; j < plan->groups[i].n_ports; j++) {
			const struct port_range *range = &plan->groups[i].ports[j];

			memset(line + (size_t)range->protocol * PORTS + range->first, (int)i,
				(size_t)range->last - range->first + 1);
		}
}

static struct port_class *find_class(struct comparison *comparison, uint8_t before, uint8_t after)
{
	unsigned group[2] = {
		before == NO_GROUP ? DECIDE_REST : before, after == NO_GROUP ? DECIDE_REST : after};
	struct port_class *class;

	for (size_t i = 0; i < comparison->n_classes; i++) {
		class = &comparison->classes[i];
		if (class->group[0] == group[0] && class->group[1] == group[1])
			return class;
	}
	class = &comparison->classes[comparison->n_classes++];
	memcpy(class->group, group, sizeof(group));
	return class;
}

static void put_range(struct port_class *class, uint32_t first, uint32_t last)
{
	const struct port_range range = {
		.protocol = (enum protocol)(first / PORTS),
		.first = (uint16_t)(first % PORTS),
		.last = (uint16_t)(last % PORTS),
	};
	size_t used = strlen(class->ports), room = sizeof(class->ports) - used;
	char text[PORTS_TEXT];

	if (class->group[0] == DECIDE_REST && class->group[1] == DECIDE_REST)
		return;
	port_range_to_text(&range, text);
	if (strlen(text) + sizeof(", , ...") < room)
		snprintf(class->ports + used, room, "%s%s", used > 0 ? ", " : "", text);
	else if (room > sizeof(", ...") && used > 3 && strcmp(class->ports + used - 3, "...") != 0)
		snprintf(class->ports + used, room, ", ...");
}

/* The classes; that of the ports which neither plan names is always there. */
static int make_classes(struct comparison *comparison)
{
	size_t most = (size_t)(PLAN_GROUPS_MAX + 1) * (PLAN_GROUPS_MAX + 1);
	uint8_t *before = malloc(LINE), *after = malloc(LINE);

	comparison->classes = arena_array(comparison->arena, most, sizeof(struct port_class));
	if (!before || !after || !comparison->classes) {
		free(before);
		free(after);
		return -ENOMEM;
	}
	paint_groups(comparison->sides[0]->plan, before);
	paint_groups(comparison->sides[1]->plan, after);
	strcpy(find_class(comparison, NO_GROUP, NO_GROUP)->ports, "other ports");
	for (uint32_t first = 0, last; first < LINE; first = last + 1) {
		for (last = first; (last + 1) % PORTS != 0 && before[last + 1] == before[first] &&
				   after[last + 1] == after[first];
			last++)
			;
		put_range(find_class(comparison, before[first], after[first]), first, last);
	}
	free(before);
	free(after);
	return 0;
}

/* --- Rules --- */

/* Who has the say on a side: a rule's id and where it is. */
struct owner {
	const char *id;
	struct place place;
};

static struct owner rule_owner(const struct plan *plan, struct decision decision)
{
	if (is_permitted(decision.verdict) && decision.verdict != VERDICT_OBSERVE)
		return (struct owner){
			plan->rules[decision.index].id, plan->rules[decision.index].place};
	return (struct owner){
		plan->refusals[decision.index].id, plan->refusals[decision.index].place};
}

/* The entry that wins in the first layer where one does, or NULL. */
static const struct layer_entry *name_winner(
	const struct compiled *side, const struct match_result *result, unsigned group)
{
	for (size_t i = 0; group != DECIDE_REST && i < side->layers->n_layers; i++)
		if (result->groups[group].winner[i] != MATCH_NONE)
			return &side->layers->layers[i].entries[result->groups[group].winner[i]];
	return NULL;
}

/* The first layer's entry that says so; what no entry says has the default's id. */
static struct owner name_owner(struct arena *arena, const struct compiled *side,
	const struct match_result *result, unsigned group)
{
	bool permitted =
		is_permitted(group == DECIDE_REST ? result->rest : result->groups[group].verdict);
	struct owner owner = {.id = permitted          ? PLAN_DEFAULT_PERMIT
				    : result->answered ? PLAN_DEFAULT_DENY
						       : result->rule};

	for (size_t i = 0; group != DECIDE_REST && i < side->layers->n_layers; i++) {
		const struct layer *layer = &side->layers->layers[i];
		uint32_t winner = result->groups[group].winner[i];
		const struct layer_entry *entry;

		if (winner == MATCH_NONE) {
			if (permitted || is_permitted(layer->unknown))
				continue;
			owner.id = arena_printf(arena, "%s%s", layer->prefix, PLAN_DEFAULT_DENY);
			return owner;
		}
		entry = &layer->entries[winner];
		if (permitted || !is_permitted(entry->verdict))
			return (struct owner){entry->id, entry->entry->place};
	}
	return owner;
}

/* Adds what one side permits and the other does not. */
static void add_change(struct comparison *comparison, bool gained, const char *what,
	const char *ports, const struct owner owners[2])
{
	const struct owner *permits = &owners[gained ? 1 : 0];
	const struct change change = {
		.kind = gained ? CHANGE_GAINED : CHANGE_LOST,
		.what = what,
		.ports = ports,
		.rule = permits->id,
		.place = permits->place,
		.other = owners[gained ? 0 : 1].id,
	};

	if (!what)
		comparison->error = -ENOMEM;
	else if (comparison->error == 0)
		comparison->error = changes_add(&comparison->changes, &change);
}

/* --- Addresses --- */

struct edges {
	struct inaddr *list;
	size_t count;
	size_t room;
	int error;
};

static void add_edge(void *context, const struct inaddr *edge)
{
	struct edges *edges = context;

	if (edges->count == edges->room) {
		size_t room = edges->room > 0 ? 2 * edges->room : 256;
		struct inaddr *list = reallocarray(edges->list, room, sizeof(*list));

		if (!list) {
			edges->error = -ENOMEM;
			return;
		}
		edges->list = list;
		edges->room = room;
	}
	edges->list[edges->count++] = *edge;
}

static int compare_addresses(const void *a, const void *b)
{
	return inaddr_compare(a, b);
}

struct stretch {
	struct range range;
	struct decision sides[2];
};

static bool decided_alike(const struct stretch *a, const struct stretch *b)
{
	for (unsigned i = 0; i < 2; i++)
		if (a->sides[i].verdict != b->sides[i].verdict ||
			a->sides[i].index != b->sides[i].index)
			return false;
	return true;
}

/* Has the limits of two entries compared, the first time that they stand for each other. */
static void compare_entries(struct comparison *comparison, const struct layer_entry *before,
	const struct layer_entry *after)
{
	const struct pair pair = {before, after};

	if ((!before && !after) || comparison->error < 0)
		return;
	for (size_t i = 0; i < comparison->n_pairs; i++)
		if (comparison->pairs[i].before == before && comparison->pairs[i].after == after)
			return;
	if (comparison->n_pairs == comparison->room_pairs) {
		size_t room = comparison->room_pairs > 0 ? 2 * comparison->room_pairs : 64;
		struct pair *pairs = reallocarray(comparison->pairs, room, sizeof(*pairs));

		if (!pairs) {
			comparison->error = -ENOMEM;
			return;
		}
		comparison->pairs = pairs;
		comparison->room_pairs = room;
	}
	comparison->pairs[comparison->n_pairs++] = pair;
	comparison->error = settings_compare_entries(before, after, &comparison->changes);
}

/* The entry that a decision comes from, or NULL. */
static const struct layer_entry *entry_of(const struct plan *plan, struct decision decision)
{
	bool has_rule = decision.verdict == VERDICT_PERMIT || decision.verdict == VERDICT_FLAG;

	return has_rule ? plan->rules[decision.index].entry : NULL;
}

static void end_stretch(struct comparison *comparison, const struct port_class *class,
	const struct stretch *stretch)
{
	bool before = is_permitted(stretch->sides[0].verdict);
	bool after = is_permitted(stretch->sides[1].verdict);
	char text[INADDR_TEXT];
	struct owner owners[2];

	if (before && after)
		compare_entries(comparison, entry_of(comparison->sides[0]->plan, stretch->sides[0]),
			entry_of(comparison->sides[1]->plan, stretch->sides[1]));
	if (before == after)
		return;
	for (unsigned i = 0; i < 2; i++)
		owners[i] = rule_owner(comparison->sides[i]->plan, stretch->sides[i]);
	add_change(comparison, after,
		arena_printf(comparison->arena, "%s", range_to_text(&stretch->range, text)),
		class->ports, owners);
}

/* From edge to edge, where decisions change. */
static void walk_edges(struct comparison *comparison, const struct port_class *class,
	const struct edges *edges, const struct inaddr *last)
{
	struct stretch stretch = {0};

	for (size_t i = 0; i < edges->count; i++) {
		struct stretch next = {.range.first = edges->list[i]};

		if (i > 0 && inaddr_compare(&edges->list[i - 1], &edges->list[i]) == 0)
			continue;
		for (unsigned j = 0; j < 2; j++)
			next.sides[j] = decide(
				comparison->sides[j]->plan, class->group[j], &next.range.first);
		if (i == 0) {
			stretch = next;
		} else if (!decided_alike(&stretch, &next)) {
			inaddr_previous(&next.range.first, &stretch.range.last);
			end_stretch(comparison, class, &stretch);
			stretch = next;
		}
	}
	stretch.range.last = *last;
	end_stretch(comparison, class, &stretch);
}

static void compare_family(
	struct comparison *comparison, const struct port_class *class, enum plan_family family)
{
	static const struct range whole[PLAN_FAMILIES] = {
		[PLAN_IP4] = {{{[10] = 255, [11] = 255}},
			{{[10] = 255, [11] = 255, [12] = 255, [13] = 255, [14] = 255, [15] = 255}}},
		[PLAN_IP6] = {{{0}}, {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
					     255, 255, 255, 255}}},
	};
	struct edges edges = {0};

	add_edge(&edges, &whole[family].first);
	for (unsigned i = 0; i < 2; i++)
		decide_visit_edges(
			comparison->sides[i]->plan, class->group[i], family, add_edge, &edges);
	if (edges.error == 0) {
		qsort(edges.list, edges.count, sizeof(*edges.list), compare_addresses);
		walk_edges(comparison, class, &edges, &whole[family].last);
	} else {
		comparison->error = edges.error;
	}
	free(edges.list);
}

/* --- Names --- */

/* A specimen as a policy would write what it stands for: its made-up letters are a star again. */
static const char *specimen_text(struct arena *arena, const struct name *name)
{
	char text[NAME_TEXT], shown[NAME_TEXT];
	size_t length = 0;

	name_to_text(name, text);
	if (strcmp(text, SPECIMEN_NOBODYS) == 0)
		return "names that nothing matches";
	for (const char *at = text; *at != '\0';) {
		if (strncmp(at, SPECIMEN_FILLER, strlen(SPECIMEN_FILLER)) != 0) {
			shown[length++] = *at++;
			continue;
		}
		shown[length++] = '*';
		at += strlen(SPECIMEN_FILLER);
	}
	shown[length] = '\0';
	return arena_printf(arena, "%s", shown);
}

static enum verdict verdict_on(const struct match_result *result, unsigned group)
{
	return group == DECIDE_REST ? result->rest : result->groups[group].verdict;
}

/* Whether a connection to the address, when the answer for the name had it, is permitted. */
static bool opens(const struct compiled *side, const struct match_result *result, unsigned group,
	const struct inaddr *address)
{
	struct match_lease leases[PLAN_GROUPS_MAX];
	unsigned n_leases;

	if (!match_answer(side->match, result, address, leases, &n_leases))
		return false;
	for (unsigned i = 0; i < n_leases; i++)
		if (leases[i].group == group)
			return true;
	return is_permitted(decide(side->plan, group, address).verdict);
}

/* A name that both permit: the first probe that one believes and the other does not. */
static void compare_answers(struct comparison *comparison, const struct port_class *class,
	const struct name *name, const struct match_result results[2], const struct owner owners[2])
{
	bool told[2] = {false, false};

	for (size_t i = 0; i < comparison->n_probes; i++) {
		const struct inaddr *probe = &comparison->probes[i];
		bool before = opens(comparison->sides[0], &results[0], class->group[0], probe);
		bool after = opens(comparison->sides[1], &results[1], class->group[1], probe);
		char text[INADDR_TEXT];

		if (before == after || told[after])
			continue;
		told[after] = true;
		add_change(comparison, after,
			arena_printf(comparison->arena, "%s at addresses such as %s",
				specimen_text(comparison->arena, name),
				inaddr_to_text(probe, text)),
			class->ports, owners);
	}
}

static void compare_permitted(struct comparison *comparison, const struct port_class *class,
	const struct name *name, const struct match_result results[2], const struct owner owners[2])
{
	compare_answers(comparison, class, name, results, owners);
	compare_entries(comparison, name_winner(comparison->sides[0], &results[0], class->group[0]),
		name_winner(comparison->sides[1], &results[1], class->group[1]));
}

static void compare_name(struct comparison *comparison, const struct name *name)
{
	struct match_result results[2];

	for (unsigned i = 0; i < 2; i++)
		match_name(comparison->sides[i]->match, name, &results[i]);
	for (size_t i = 0; i < comparison->n_classes && comparison->error == 0; i++) {
		const struct port_class *class = &comparison->classes[i];
		bool before = is_permitted(verdict_on(&results[0], class->group[0]));
		bool after = is_permitted(verdict_on(&results[1], class->group[1]));
		struct owner owners[2];

		if (!before && !after)
			continue;
		for (unsigned j = 0; j < 2; j++)
			owners[j] = name_owner(comparison->arena, comparison->sides[j], &results[j],
				class->group[j]);
		if (before != after)
			add_change(comparison, after, specimen_text(comparison->arena, name),
				class->ports, owners);
		else
			compare_permitted(comparison, class, name, results, owners);
	}
}

static void add_probe(struct comparison *comparison, const struct inaddr *probe)
{
	if (comparison->n_probes == comparison->room_probes) {
		size_t room = comparison->room_probes > 0 ? 2 * comparison->room_probes : 64;
		struct inaddr *probes = reallocarray(comparison->probes, room, sizeof(*probes));

		if (!probes) {
			comparison->error = -ENOMEM;
			return;
		}
		comparison->probes = probes;
		comparison->room_probes = room;
	}
	comparison->probes[comparison->n_probes++] = *probe;
}

static void add_probe_range(struct comparison *comparison, const struct range *range)
{
	struct inaddr behind;

	add_probe(comparison, &range->first);
	if (inaddr_next(&range->last, &behind))
		add_probe(comparison, &behind);
}

/* What entries write of addresses; not their lists, which may be long. */
static void probe_entry(struct comparison *comparison, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_believed_ranges; i++)
		add_probe_range(comparison, &entry->believed_ranges[i]);
	for (size_t i = 0; i < entry->n_addresses; i++)
		add_probe_range(comparison, &entry->addresses[i].range);
}

static void list_probes(struct comparison *comparison)
{
	static const struct inaddr public[] = {
		{{[10] = 255, [11] = 255, [12] = 198, [13] = 41, [14] = 0, [15] = 4}},
		{{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, [15] = 0x30}},
	};
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		add_probe(comparison, &public[i]);
	for (size_t i = 0; i < n_prefixes; i++)
		add_probe(comparison, &prefixes[i].prefix.address);
	for (unsigned side = 0; side < 2; side++) {
		const struct layers *layers = comparison->sides[side]->layers;

		for (size_t i = 0; i < layers->n_layers; i++)
			for (size_t j = 0; j < layers->layers[i].n_entries; j++)
				probe_entry(comparison, layers->layers[i].entries[j].entry);
	}
	qsort(comparison->probes, comparison->n_probes, sizeof(struct inaddr), compare_addresses);
}

static void compare_names(struct comparison *comparison)
{
	const struct layers *stacks[] = {
		comparison->sides[0]->layers, comparison->sides[1]->layers};
	struct specimens specimens = {0};

	list_probes(comparison);
	if (comparison->error == 0)
		comparison->error = specimens_collect(stacks, 2, &specimens);
	if (comparison->error < 0)
		return;
	for (size_t i = 0; i < specimens.n_names && comparison->error == 0; i++)
		compare_name(comparison, &specimens.names[i]);
	specimens_clear(&specimens);
}

/* --- Patterns --- */

static bool same_ports(const struct entry *a, const struct entry *b)
{
	return a->all_ports == b->all_ports && a->n_ports == b->n_ports &&
	       (a->n_ports == 0 || memcmp(a->ports, b->ports, a->n_ports * sizeof(*a->ports)) == 0);
}

/* Whether a layer has the pattern on the same ports with the same verdict. */
static bool has_pattern(
	const struct layer *layer, const struct layer_entry *wanted, const struct pattern *pattern)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *entry = &layer->entries[i];

		if (entry->verdict != wanted->verdict || !same_ports(entry->entry, wanted->entry))
			continue;
		for (size_t j = 0; j < entry->entry->n_patterns; j++)
			if (strcmp(pattern_text(entry->entry->patterns[j]),
				    pattern_text(pattern)) == 0)
				return true;
	}
	return false;
}

/* The patterns of a layer that the same layer of the other side lacks. */
static void compare_patterns_of(struct comparison *comparison, unsigned side, size_t layer)
{
	const struct layers *own = comparison->sides[side]->layers;
	const struct layers *others = comparison->sides[1 - side]->layers;
	static const struct layer none;
	const struct layer *other = layer < others->n_layers ? &others->layers[layer] : &none;

	for (size_t i = 0; i < own->layers[layer].n_entries; i++) {
		const struct layer_entry *entry = &own->layers[layer].entries[i];
		bool permits = is_permitted(entry->verdict);
		const struct owner owner = {entry->id, entry->entry->place};
		const struct owner owners[2] = {owner, owner};

		for (size_t j = 0; j < entry->entry->n_patterns; j++) {
			const struct pattern *pattern = entry->entry->patterns[j];

			if (has_pattern(other, entry, pattern))
				continue;
			add_change(comparison, permits == (side == 1),
				arena_printf(comparison->arena,
					"what '%s' matches, which cannot be compared",
					pattern_text(pattern)),
				NULL, owners);
		}
	}
}

static void compare_patterns(struct comparison *comparison)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < comparison->sides[side]->layers->n_layers; i++)
			compare_patterns_of(comparison, side, i);
}

/* --- */

static int compare(struct comparison *comparison)
{
	comparison->error = make_classes(comparison);
	for (size_t i = 0; i < comparison->n_classes && comparison->error == 0; i++)
		for (unsigned family = 0; family < PLAN_FAMILIES; family++)
			compare_family(
				comparison, &comparison->classes[i], (enum plan_family)family);
	if (comparison->error == 0)
		compare_names(comparison);
	if (comparison->error == 0)
		compare_patterns(comparison);
	if (comparison->error == 0)
		comparison->error = settings_compare(comparison->sides[0]->layers,
			comparison->sides[1]->layers, &comparison->changes);
	return comparison->error;
}

static void clear_comparison(struct comparison *comparison)
{
	free(comparison->probes);
	free(comparison->pairs);
	changes_clear(&comparison->changes);
	arena_free(comparison->arena);
}

static int start_comparison(const struct compiled *before, const struct compiled *after,
	struct comparison *ret_comparison)
{
	struct comparison comparison = {.sides = {before, after}};
	int error = arena_new(ARENA_MAX, &comparison.arena);

	if (error < 0)
		return error;
	comparison.changes.arena = comparison.arena;
	*ret_comparison = comparison;
	return 0;
}

int diff(const struct compiled *before, const struct compiled *after, bool json, FILE *out,
	bool *ret_gained)
{
	struct comparison comparison;
	int error = start_comparison(before, after, &comparison);

	if (error < 0)
		return error;
	error = compare(&comparison);
	if (error == 0 && json)
		error = changes_json(&comparison.changes, out);
	else if (error == 0)
		error = changes_print(&comparison.changes, out);
	if (error == 0 && !json && comparison.changes.count == 0)
		fputs("no difference in what may be reached\n", out);
	if (error == 0)
		*ret_gained = changes_gained(&comparison.changes);
	clear_comparison(&comparison);
	return error;
}

/* The base alone. */
static int compile_base(
	struct arena *arena, const struct compiled *compiled, struct compiled *ret_base)
{
	struct layers *layers = arena_alloc(arena, sizeof(*layers));
	struct diag *diag = diag_new(arena);
	struct compiled base = {.layers = layers};
	int error;

	if (!layers || !diag)
		return -ENOMEM;
	*layers = *compiled->layers;
	layers->n_layers = 1;
	layers->limits = layers->layers[0].policy->limits;
	layers->budget = layers->layers[0].policy->budget;
	error = plan_make(arena, layers, diag, &base.plan);
	if (error == 0)
		error = match_make(arena, base.plan, &base.match);
	if (error < 0)
		return error;
	*ret_base = base;
	return 0;
}

/* Why a part of an override changes nothing. */
static const char *idle_text(struct arena *arena, const struct idle *idle)
{
	const char *by = idle->by.entry ? idle->by.entry->id : NULL;

	switch (idle->reason) {
	case IDLE_SHADOWED:
		return by ? arena_printf(arena, "%s is more specific", by) : "a class is blocked";
	case IDLE_REDUNDANT:
		return by ? arena_printf(arena, "%s says the same", by)
			  : "so is what nothing matches";
	case IDLE_OVERRULED:
		return "the other layers refuse it anyway";
	case IDLE_NOT:
		break;
	}
	return NULL;
}

static int add_idle(void *context, const struct idle *idle)
{
	struct comparison *comparison = context;
	const struct change change = {
		.kind = CHANGE_IDLE,
		.what = arena_printf(comparison->arena, "%s", idle->text),
		.rule = idle->entry->id,
		.place = idle->entry->entry->place,
		.other = idle_text(comparison->arena, idle),
	};

	return change.what && change.other ? changes_add(&comparison->changes, &change) : -ENOMEM;
}

/* What the overrides take away, and what of them does not. */
static int compare_overrides(struct comparison *comparison)
{
	const struct layers *layers = comparison->sides[1]->layers;
	int error = compare(comparison);

	for (size_t i = 1; i < layers->n_layers && error == 0; i++)
		error = idle_find(layers, i, add_idle, comparison);
	return error;
}

int diff_overrides(const struct compiled *compiled, bool json, FILE *out)
{
	struct comparison comparison;
	struct compiled base;
	int error = start_comparison(NULL, compiled, &comparison);

	if (error < 0)
		return error;
	error = compile_base(comparison.arena, compiled, &base);
	if (error == 0) {
		comparison.sides[0] = &base;
		error = compare_overrides(&comparison);
	}
	if (error == 0 && json)
		error = changes_json(&comparison.changes, out);
	else if (error == 0)
		error = changes_print(&comparison.changes, out);
	if (error == 0 && !json && comparison.changes.count == 0)
		fputs("the overrides take nothing away\n", out);
	clear_comparison(&comparison);
	return error;
}
