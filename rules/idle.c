/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/idle.h"

#include <errno.h>
#include <stdlib.h>

#include "rules/host.h"
#include "rules/specimen.h"

/*
 * Theory of operation
 *
 * Each part of an entry is asked about at specimens of what it matches (rules/specimen.h): of a
 * range at its ends and wherever another range of the layer begins or ends in it, since decisions
 * change nowhere else. All on one port of each of the entry's ranges, and of those that other
 * entries cut out of them. A part that wins nowhere is shadowed; one whose every win decides what
 * would be decided without it is redundant; one of an override whose wins the other layers leave no
 * say is overruled.
 */

enum { PORTS_MAX = 1024, EDGES_MAX = 4096 };

/* A part of an entry while it is asked about. */
struct part {
	const struct layers *layers;
	size_t layer;
	const struct layer_entry *entry;
	unsigned depth; /* as specimens_depth() has it */
	bool wins;      /* somewhere */
	bool differs;   /* somewhere, from what would be without it */
	bool matters;   /* somewhere, to all layers together */
	struct finding by;
};

static bool is_permitted(enum verdict verdict)
{
	return verdict != VERDICT_REFUSE;
}

struct rest {
	const struct layer_entry *without;
	struct finding best;
};

static void keep_best(void *context, const struct finding *finding)
{
	struct rest *rest = context;

	if (finding->entry && finding->entry == rest->without)
		return;
	if (rest->best.kind == FOUND_NOTHING || judge_beats(finding, &rest->best))
		rest->best = *finding;
}

/* What the layer would say without the entry. */
static struct finding judge_without(
	const struct layer *layer, const struct question *question, const struct layer_entry *entry)
{
	struct rest rest = {
		.without = entry,
		.best = {.verdict = layer->unknown, .score = layer->unknown_score},
	};

	judge_visit(layer, question, keep_best, &rest);
	return rest.best;
}

/* Whether the other layers leave the layer a say. */
static bool others_permit(const struct part *part, const struct question *question)
{
	for (size_t i = 0; i < part->layers->n_layers; i++)
		if (i != part->layer &&
			!is_permitted(judge_layer(&part->layers->layers[i], question).verdict))
			return false;
	return true;
}

static bool same_ranges(const struct entry *a, const struct entry *b)
{
	if (a->n_believed_ranges != b->n_believed_ranges)
		return false;
	for (size_t i = 0; i < a->n_believed_ranges; i++)
		if (inaddr_compare(&a->believed_ranges[i].first, &b->believed_ranges[i].first) ||
			inaddr_compare(&a->believed_ranges[i].last, &b->believed_ranges[i].last))
			return false;
	return true;
}

/* Whether the same answers are believed for a name that both permit. Where nothing else has it
 * its addresses are judged as they are: as a rule that is the same. */
static bool opens_alike(const struct finding *winner, const struct finding *rest)
{
	const struct entry *it = winner->entry->entry;

	if (!is_permitted(winner->verdict) || winner->kind == FOUND_ADDRESS)
		return true;
	if (!rest->entry)
		return it->believed == BELIEVED_PUBLIC && !it->dnssec;
	return it->believed == rest->entry->entry->believed &&
	       it->dnssec == rest->entry->entry->dnssec && same_ranges(it, rest->entry->entry);
}

static void ask(struct part *part, const struct question *question)
{
	const struct layer *layer = &part->layers->layers[part->layer];
	struct finding winner = judge_layer(layer, question), rest;

	if (winner.entry != part->entry) {
		if (!part->wins)
			part->by = winner;
		return;
	}
	rest = judge_without(layer, question, part->entry);
	if (!part->wins || (!part->differs && rest.verdict == winner.verdict))
		part->by = rest;
	part->wins = true;
	part->differs |= rest.verdict != winner.verdict || !opens_alike(&winner, &rest);
	part->matters |= others_permit(part, question);
}

struct ports {
	struct port_range list[PORTS_MAX];
	size_t count;
};

static void add_port(struct ports *ports, enum protocol protocol, uint32_t port)
{
	if (ports->count < PORTS_MAX)
		ports->list[ports->count++] =
			(struct port_range){.protocol = protocol, .first = (uint16_t)port};
}

/* Where `other` cuts the entry's own ports. */
static void add_cuts(struct ports *ports, const struct entry *entry, const struct port_range *other)
{
	if (entry->all_ports)
		add_port(ports, other->protocol, other->first);
	for (size_t i = 0; i < entry->n_ports; i++) {
		const struct port_range *own = &entry->ports[i];

		if (own->protocol != other->protocol)
			continue;
		if (other->first > own->first && other->first <= own->last)
			add_port(ports, own->protocol, other->first);
		if (other->last >= own->first && other->last < own->last)
			add_port(ports, own->protocol, other->last + 1u);
	}
}

/* A port of each range of the entry, and of each part that entries of any layer cut off. */
static void list_ports(const struct part *part, struct ports *ports)
{
	const struct entry *entry = part->entry->entry;

	for (size_t i = 0; i < entry->n_ports; i++)
		add_port(ports, entry->ports[i].protocol, entry->ports[i].first);
	if (entry->all_ports)
		add_port(ports, PROTOCOL_OTHER, 0);
	for (size_t i = 0; i < part->layers->n_layers; i++) {
		const struct layer *layer = &part->layers->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++)
			for (size_t k = 0; k < layer->entries[j].entry->n_ports; k++)
				add_cuts(ports, entry, &layer->entries[j].entry->ports[k]);
	}
}

static void ask_on_ports(struct part *part, struct question question)
{
	struct ports ports = {.count = 0};

	list_ports(part, &ports);
	for (size_t i = 0; i < ports.count; i++) {
		question.protocol = ports.list[i].protocol;
		question.port = ports.list[i].first;
		ask(part, &question);
	}
}

static void ask_host(struct part *part, const struct host *host)
{
	struct name names[SPECIMEN_DEPTH_MAX];
	unsigned count = specimen_of(host->kind, host->wire, host->length, part->depth, names);

	for (unsigned i = 0; i < count; i++)
		ask_on_ports(part, (struct question){.name = &names[i]});
}

static void ask_edge(struct part *part, const struct range *range, const struct inaddr *edge)
{
	if (range_contains(range, edge))
		ask_on_ports(part, (struct question){.address = edge});
}

static void ask_edges(struct part *part, const struct range *range, const struct range *other)
{
	struct inaddr behind;

	ask_edge(part, range, &other->first);
	if (inaddr_next(&other->last, &behind))
		ask_edge(part, range, &behind);
}

static void ask_range(struct part *part, const struct range *range)
{
	size_t n_prefixes, asked = 0;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	ask_edge(part, range, &range->first);
	for (size_t i = 0; i < n_prefixes; i++) {
		const struct range other = prefix_to_range(&prefixes[i].prefix);

		ask_edges(part, range, &other);
	}
	for (size_t i = 0; i < part->layers->n_layers; i++) {
		const struct layer *layer = &part->layers->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++) {
			const struct entry *entry = layer->entries[j].entry;

			for (size_t k = 0; k < entry->n_addresses && asked < EDGES_MAX;
				k++, asked++)
				ask_edges(part, range, &entry->addresses[k].range);
		}
	}
}

/* Why the part is idle, once it has been asked about. */
static enum idle_reason reason_of(const struct part *part)
{
	if (!part->wins)
		return IDLE_SHADOWED;
	if (!part->differs && !part->entry->entry->connections.count && !part->entry->entry->bytes)
		return IDLE_REDUNDANT;
	return part->layers->n_layers > 1 && !part->matters ? IDLE_OVERRULED : IDLE_NOT;
}

struct search {
	const struct layers *layers;
	size_t layer;
	unsigned depth;
	int (*visit)(void *context, const struct idle *idle);
	void *context;
};

/* The part of the entry at `index`, hosts before ranges, asked about; its place and text. */
static struct idle examine(
	const struct search *search, const struct layer_entry *entry, size_t index, char *text)
{
	struct part part = {.layers = search->layers,
		.layer = search->layer,
		.entry = entry,
		.depth = search->depth};
	const struct entry *written = entry->entry;
	struct idle idle = {.layer = search->layer, .entry = entry, .text = text};

	if (index < written->n_hosts) {
		const struct host *host = &written->hosts[index];

		ask_host(&part, host);
		host_to_text(host->kind, host->wire, host->length, text);
		idle.place = host->place;
	} else {
		const struct address_range *address = &written->addresses[index - written->n_hosts];

		ask_range(&part, &address->range);
		range_to_text(&address->range, text);
		idle.place = address->place;
	}
	idle.reason = reason_of(&part);
	idle.by = part.by;
	return idle;
}

static int find_in_entry(const struct search *search, const struct layer_entry *entry)
{
	size_t n_parts = entry->entry->n_hosts + entry->entry->n_addresses, n_idle = 0;
	bool others = entry->entry->n_patterns + entry->entry->n_lists > 0;
	char text[NAME_TEXT];
	int result = 0;

	for (size_t i = 0; i < n_parts; i++)
		n_idle += examine(search, entry, i, text).reason != IDLE_NOT;
	for (size_t i = 0; i < n_parts && result == 0 && n_idle > 0; i++) {
		struct idle idle = examine(search, entry, i, text);

		idle.whole = n_idle == n_parts && !others;
		if (idle.reason != IDLE_NOT)
			result = search->visit(search->context, &idle);
	}
	return result;
}

int idle_find(const struct layers *layers, size_t layer,
	int (*visit)(void *context, const struct idle *idle), void *context)
{
	struct search search = {layers, layer, SPECIMEN_DEPTH_MAX, visit, context};
	int result = 0;

	/* Where there are deeper ones than that, the deepest specimens are as deep as it goes. */
	(void)specimens_depth(&layers, 1, &search.depth);
	for (size_t i = 0; i < layers->layers[layer].n_entries && result == 0; i++)
		result = find_in_entry(&search, &layers->layers[layer].entries[i]);
	return result;
}
