/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rules/codes.h"
#include "rules/limiters.h"
#include "rules/lowering.h"
#include "rules/marks.h"
#include "rules/plan-rules.h"
#include "rules/ports.h"
#include "rules/spans.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

/*
 * Theory of operation
 *
 * Lowering takes six steps: port groups, rules, their marks, whose limits hold for them, addresses,
 * where DNS goes. Each has a file with its reasons; here are the groups, and the names of all
 * objects.
 *
 * The groups are made from the ports that entries of any layer name. An entry with all ports names
 * none, since it splits none from the others: it has every group, and the rest.
 */

enum {
	DNS_PORT = 53,
	DESTINATIONS_COUNTED = 65536, /* for [budget] unknown_share, where they have no ceiling */
};

/* The entry of that number, counted over all layers. */
static const struct entry *find_entry(const struct lowering *lowering, size_t number)
{
	unsigned layer = 0;

	while (number >= lowering->first[layer + 1])
		layer++;
	return lowering->plan->layers->layers[layer].entries[number - lowering->first[layer]].entry;
}

static int partition(struct lowering *lowering, struct diag *diag, struct port_group **ret_groups)
{
	struct plan *plan = lowering->plan;
	size_t n_entries = lowering->first[plan->layers->n_layers], count = 0, culprit;
	struct port_set *sets = calloc(n_entries + 1, sizeof(*sets));
	int error;

	if (!sets)
		return -ENOMEM;
	for (size_t i = 0; i < plan->layers->n_layers; i++) {
		const struct layer *layer = &plan->layers->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++, count++) {
			const struct entry *entry = layer->entries[j].entry;

			if (!entry->all_ports)
				sets[count] = (struct port_set){entry->ports, entry->n_ports};
		}
	}
	error = ports_partition(
		lowering->arena, sets, n_entries, ret_groups, &plan->n_groups, &culprit);
	free(sets);
	if (error != -E2BIG)
		return error;
	diag_error(diag, CODE_TOO_LARGE, find_entry(lowering, culprit)->place,
		"too many port groups: up to here the entries name ports in more than %u "
		"different combinations",
		PLAN_GROUPS_MAX);
	return -EINVAL;
}

/* "tcp-443", "tcp-8000-8100", "icmp-echo". */
static const char *group_name(struct arena *arena, const struct port_range *first)
{
	char text[PORTS_TEXT];

	port_range_to_text(first, text);
	*strchr(text, '/') = '-';
	return arena_printf(arena, "%s", text);
}

static const char family_digits[PLAN_FAMILIES] = {[PLAN_IP4] = '4', [PLAN_IP6] = '6'};

static int name_group(struct arena *arena, struct plan_group *group)
{
	group->name = group_name(arena, &group->ports[0]);
	if (!group->name)
		return -ENOMEM;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		char digit = family_digits[family];

		group->family[family].leases =
			arena_printf(arena, "%s-leases%c", group->name, digit);
		group->family[family].addresses =
			arena_printf(arena, "%s-addresses%c", group->name, digit);
		group->family[family].refused =
			arena_printf(arena, "%s-refused%c", group->name, digit);
		if (!group->family[family].leases || !group->family[family].addresses ||
			!group->family[family].refused)
			return -ENOMEM;
	}
	return 0;
}

static int make_groups(struct lowering *lowering, struct diag *diag)
{
	struct plan *plan = lowering->plan;
	struct port_group *groups;
	int error = partition(lowering, diag, &groups);

	if (error < 0)
		return error;
	plan->groups = arena_array(lowering->arena, plan->n_groups, sizeof(*plan->groups));
	if (!plan->groups)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_groups; i++) {
		plan->groups[i].ports = groups[i].ports;
		plan->groups[i].n_ports = groups[i].n_ports;
		error = name_group(lowering->arena, &plan->groups[i]);
		if (error < 0)
			return error;
	}
	for (size_t i = 0; i < lowering->first[plan->layers->n_layers]; i++)
		lowering->groups[i] = plan_entry_groups(plan, find_entry(lowering, i));
	return 0;
}

bool plan_find_group(
	const struct plan *plan, enum protocol protocol, uint16_t port, unsigned *ret_group)
{
	for (unsigned i = 0; i < plan->n_groups; i++) {
		if (ports_have(plan->groups[i].ports, plan->groups[i].n_ports, protocol, port)) {
			*ret_group = i;
			return true;
		}
	}
	return false;
}

uint64_t plan_entry_groups(const struct plan *plan, const struct entry *entry)
{
	uint64_t groups = 0;

	for (unsigned i = 0; i < plan->n_groups; i++) {
		const struct port_range *first = &plan->groups[i].ports[0];

		if (entry->all_ports ||
			ports_have(entry->ports, entry->n_ports, first->protocol, first->first))
			groups |= UINT64_C(1) << i;
	}
	return groups;
}

enum listening { ON_ONE, ON_LOOPBACK, ON_ALL };

static enum listening listening_on(const struct inaddr *address)
{
	size_t size, zeros = 0;
	const uint8_t *raw = inaddr_raw(address, &size);

	while (zeros < size && raw[zeros] == 0)
		zeros++;
	if (zeros == size)
		return ON_ALL;
	if (size == 4 ? raw[0] == 127 : zeros == size - 1 && raw[zeros] == 1)
		return ON_LOOPBACK;
	return ON_ONE;
}

/* The endpoint as a destination from this host itself. 0 or -ENOMEM. */
static int make_reachable(
	struct arena *arena, const struct endpoint *listen, const struct endpoint **ret_reachable)
{
	static const struct inaddr loopbacks[PLAN_FAMILIES] = {
		[PLAN_IP4] = {{[10] = 0xff, 0xff, 127, [15] = 1}}, [PLAN_IP6] = {{[15] = 1}}};
	struct endpoint *copy;

	if (listening_on(&listen->address) != ON_ALL) {
		*ret_reachable = listen;
		return 0;
	}
	copy = arena_alloc(arena, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	copy->address = loopbacks[inaddr_is_ip4(&listen->address) ? PLAN_IP4 : PLAN_IP6];
	copy->port = listen->port;
	*ret_reachable = copy;
	return 0;
}

/* The first listening address of each family, and the first that others than this host reach. */
static int choose_listen(struct arena *arena, struct plan *plan)
{
	bool chosen[PLAN_FAMILIES] = {false}, passed[PLAN_FAMILIES] = {false};
	int error = 0;

	for (size_t i = 0; error == 0 && i < plan->policy->dns.n_listen; i++) {
		const struct endpoint *listen = &plan->policy->dns.listen[i];
		unsigned family = inaddr_is_ip4(&listen->address) ? PLAN_IP4 : PLAN_IP6;
		enum listening on = listening_on(&listen->address);

		if (!chosen[family])
			error = make_reachable(arena, listen, &plan->family[family].listen);
		chosen[family] = true;
		if (passed[family] || on == ON_LOOPBACK)
			continue;
		passed[family] = true;
		if (on == ON_ONE)
			plan->family[family].listen_forwarded = listen;
		else
			plan->family[family].redirect_port = listen->port;
	}
	return error;
}

static void warn_of_dns_port(const struct entry *entry, struct diag *diag)
{
	for (size_t i = 0; i < entry->n_ports; i++) {
		const struct port_range *ports = &entry->ports[i];
		char text[PORTS_TEXT];

		if (ports->protocol == PROTOCOL_ICMP_ECHO || ports->first != DNS_PORT ||
			ports->last != DNS_PORT)
			continue;
		diag_warning(diag, CODE_DNS_PORT, entry->place,
			"%s opens nothing to this host's own programs: their DNS goes to the "
			"resolver",
			port_range_to_text(ports, text));
	}
}

/* What an entry opens of the DNS port is never reached from this host. */
static void warn_of_dns_ports(const struct plan *plan, struct diag *diag)
{
	if (!plan->family[PLAN_IP4].listen && !plan->family[PLAN_IP6].listen)
		return;
	for (size_t i = 0; i < plan->layers->n_layers; i++) {
		const struct layer *layer = &plan->layers->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++)
			if (layer->entries[j].entry->action == ACTION_ALLOW)
				warn_of_dns_port(layer->entries[j].entry, diag);
	}
}

static bool bounds_destinations(const struct budget *budget)
{
	return budget->destinations > 0;
}

static bool bounds_unknown_share(const struct budget *budget)
{
	return budget->has_unknown_share;
}

static bool bounds_connections(const struct budget *budget)
{
	return budget->connections > 0;
}

static bool bounds_bytes(const struct budget *budget)
{
	return budget->bytes > 0;
}

/* Whether what is above the ceiling is refused: a layer that enforces has one. That it refuses may
 * be said by another. */
static bool refuses(const struct layers *layers, bool (*bounds)(const struct budget *budget))
{
	for (size_t i = 0; i < layers->n_layers; i++)
		if (bounds(&layers->layers[i].policy->budget) && !layers->layers[i].policy->observe)
			return layers->budget.refuse;
	return false;
}

/* What is counted: the name of a set that has a ceiling says it (rules/nft-limits.c). 0 or -ENOMEM.
 */
static int name_counted(struct arena *arena, struct plan *plan)
{
	const struct budget *budget = &plan->layers->budget;

	if (budget->destinations > 0) {
		plan->destinations_set =
			arena_printf(arena, "destinations-%" PRIu32, budget->destinations);
		plan->destinations_size = budget->destinations;
	} else if (budget->has_unknown_share) {
		plan->destinations_set = "destinations";
		plan->destinations_size = DESTINATIONS_COUNTED;
	}
	if (budget->connections > 0)
		plan->connections_set =
			arena_printf(arena, "connections-%" PRIu32, budget->connections);
	if (budget->destinations > 0 || budget->connections > 0) {
		plan->extended_set = "extended";
		plan->raised_set = "raised";
	}
	return (plan->destinations_size > 0 && !plan->destinations_set) ||
			       (budget->connections > 0 && !plan->connections_set)
		       ? -ENOMEM
		       : 0;
}

static int name_budget(struct arena *arena, struct plan *plan)
{
	const struct layers *layers = plan->layers;

	if (layers_have_ceilings(layers))
		plan->session_map = "session";
	plan->refuses_destinations = refuses(layers, bounds_destinations);
	plan->refuses_unknown_share = refuses(layers, bounds_unknown_share);
	plan->refuses_connections = refuses(layers, bounds_connections);
	plan->refuses_bytes = refuses(layers, bounds_bytes);
	return name_counted(arena, plan);
}

static int name_objects(struct arena *arena, struct plan *plan)
{
	plan->table = arena_printf(arena, "egress-%s", plan->policy->name);
	plan->live_set = "live";
	plan->flagged_set = "flagged";
	plan->resolver_set = "resolver";
	plan->family[PLAN_IP4].upstream_set = "upstream4";
	plan->family[PLAN_IP6].upstream_set = "upstream6";
	plan->family[PLAN_IP4].addresses = "addresses4";
	plan->family[PLAN_IP4].refused = "refused4";
	plan->family[PLAN_IP6].addresses = "addresses6";
	plan->family[PLAN_IP6].refused = "refused6";
	return plan->table ? name_budget(arena, plan) : -ENOMEM;
}

/* Numbers the entries of all layers through. */
static int number_entries(struct lowering *lowering)
{
	const struct layers *layers = lowering->plan->layers;
	size_t count = 0;

	for (size_t i = 0; i < layers->n_layers; i++) {
		lowering->first[i] = count;
		count += layers->layers[i].n_entries;
	}
	lowering->first[layers->n_layers] = count;
	lowering->groups = calloc(count + 1, sizeof(*lowering->groups));
	lowering->rules = calloc(count + 1, sizeof(*lowering->rules));
	return lowering->groups && lowering->rules ? 0 : -ENOMEM;
}

/* The mark is for flows that a chain of an observed refusal lets through. */
static void drop_observed_mark(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_refusals; i++)
		if (plan->refusals[i].observed)
			return;
	plan->observed_mark = 0;
}

static int lower(struct lowering *lowering, struct diag *diag)
{
	int error = number_entries(lowering);

	if (error == 0)
		error = make_groups(lowering, diag);
	if (error == 0)
		error = plan_rules_make(lowering);
	if (error == 0)
		error = marks_make(lowering);
	if (error == 0)
		error = limiters_make(lowering, diag);
	if (error == 0)
		error = spans_make(lowering);
	if (error == 0)
		error = choose_listen(lowering->arena, lowering->plan);
	return error;
}

/* Nobody can send frames where a command has its network namespace for itself. */
static bool drops_raw(const struct layers *layers)
{
	bool any = false;

	for (size_t i = 0; i < layers->n_layers; i++)
		any |= layers->layers[i].policy->drops_raw;
	return any && !layers->layers[0].policy->dns.elsewhere;
}

int plan_make(struct arena *arena, const struct layers *layers, struct diag *diag,
	const struct plan **ret_plan)
{
	struct plan *plan = arena_alloc(arena, sizeof(*plan));
	struct lowering lowering = {.arena = arena, .plan = plan};
	int error;

	if (!plan)
		return -ENOMEM;
	plan->layers = layers;
	plan->policy = layers->layers[0].policy;
	plan->drops_raw = drops_raw(layers);
	error = name_objects(arena, plan);
	if (error == 0)
		error = lower(&lowering, diag);
	free(lowering.groups);
	free(lowering.rules);
	if (error < 0)
		return error;
	drop_observed_mark(plan);
	warn_of_dns_ports(plan, diag);
	*ret_plan = plan;
	return 0;
}
