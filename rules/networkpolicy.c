/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/networkpolicy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/decide.h"
#include "rules/kube.h"
#include "rules/losses.h"
#include "rules/ports.h"
#include "rules/yaml.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * A NetworkPolicy permits by addition: what no policy of a pod permits is refused. So the objects
 * hold the addresses that the policy comes to, and nothing that it denies. They are cut into
 * several where there are many addresses, since one object has at most 1.5 MiB (etcd's limit).
 *
 * It has no names. What the policy permits by name is opened to every address that an answer may
 * have, on the entry's ports; and DNS to the cluster's resolver. Both are more than the policy has,
 * and reported as that.
 */

enum { SIZE_MOST = 4000 }; /* prefixes of an object, of some 60 bytes each */

struct export
{
	const struct backend_request *request;
	struct yaml *yaml;
	unsigned n_objects;
	size_t size; /* of the object at hand: prefixes */
	bool is_open;
};

/* --- Names --- */

/* Opens what names of the entry may lead to, on its ports. */
static int open_entry(struct arena *arena, const struct plan *plan, const struct layer *layer,
	const struct layer_entry *it, struct kube_rules *rules)
{
	uint64_t groups = plan_entry_groups(plan, it->entry);
	struct kube_rule rule = {.n_ports = 0};
	int error = 0;

	for (unsigned family = 0; family < PLAN_FAMILIES && error == 0; family++)
		error = kube_believed(arena, layer, it, (enum plan_family)family, &rule.to[family]);
	for (unsigned i = 0; i < plan->n_groups && error == 0; i++) {
		if (!(groups & UINT64_C(1) << i))
			continue;
		error = kube_group_ports(arena, plan, i, &rule.ports, &rule.n_ports);
		if (error == 0)
			error = kube_rules_add(arena, &rule, rules);
	}
	return error;
}

/* What entries permit by name. An address of a name is one that some layer's entry believes, or
 * open anyway: all that are believed by any are no less than the policy has. 0 or -ENOMEM. */
static int open_layer(
	const struct backend_request *request, const struct layer *layer, struct kube_rules *rules)
{
	int error = 0;

	for (size_t i = 0; i < layer->n_entries && error == 0; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (!entry_has_names(it->entry) || it->verdict == VERDICT_REFUSE)
			continue;
		losses_add(request->losses, LOSS_WIDER, it->id, it->entry->place,
			"it permits names, which the target does not know: every address that "
			"their answers may have is open on these ports");
		error = open_entry(request->arena, request->compiled->plan, layer, it, rules);
	}
	return error;
}

static int open_all_names(const struct backend_request *request, struct kube_rules *ret_rules)
{
	const struct layers *layers = request->compiled->layers;
	struct kube_rules rules = {.n_rules = 0};
	size_t n_entries = 0;
	int error = 0;

	for (size_t i = 0; i < layers->n_layers; i++)
		n_entries += layers->layers[i].n_entries;
	rules.rules = arena_array(request->arena, n_entries, sizeof(*rules.rules));
	if (!rules.rules)
		return -ENOMEM;
	if (layers_unknown(layers) != VERDICT_REFUSE)
		kube_lose_names(layers, request->losses);
	for (size_t i = 0; i < layers->n_layers && error == 0; i++)
		if (layers_unknown(layers) == VERDICT_REFUSE)
			error = open_layer(request, &layers->layers[i], &rules);
	*ret_rules = rules;
	return error;
}

/* --- Objects --- */

static void begin_object(struct export *export)
{
	const struct kube_options *kube = export->request->kube;
	struct yaml *yaml = export->yaml;
	char name[80];

	if (export->n_objects++ == 0)
		snprintf(name, sizeof(name), "%s", kube->name);
	else
		snprintf(name, sizeof(name), "%s-%u", kube->name, export->n_objects);
	yaml_begin_document(yaml);
	yaml_begin_map(yaml);
	kube_write_head(yaml, kube, "networking.k8s.io/v1", "NetworkPolicy", name, true);
	yaml_key(yaml, "spec");
	yaml_begin_map(yaml);
	yaml_key(yaml, "podSelector");
	kube_write_selector(yaml, kube->selector, kube->n_selector);
	yaml_key(yaml, "policyTypes");
	yaml_begin_list(yaml);
	yaml_string(yaml, "Egress");
	yaml_end_list(yaml);
	yaml_key(yaml, "egress");
	yaml_begin_list(yaml);
	export->size = 0;
	export->is_open = true;
}

static void end_object(struct export *export)
{
	struct yaml *yaml = export->yaml;

	if (!export->is_open)
		return;
	yaml_end_list(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_end_document(yaml);
	export->is_open = false;
}

static void write_port(struct yaml *yaml, const char *protocol, unsigned first, unsigned last)
{
	yaml_begin_map(yaml);
	yaml_pair(yaml, "protocol", protocol);
	yaml_key(yaml, "port");
	yaml_number(yaml, first);
	if (last > first) {
		yaml_key(yaml, "endPort");
		yaml_number(yaml, last);
	}
	yaml_end_map(yaml);
}

static void write_ports(struct yaml *yaml, const struct kube_rule *rule)
{
	yaml_key(yaml, "ports");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct port_range *ports = &rule->ports[i];

		write_port(yaml, ports->protocol == PROTOCOL_TCP ? "TCP" : "UDP", ports->first,
			ports->last);
	}
	if (rule->sctp)
		write_port(yaml, "SCTP", 1, UINT16_MAX);
	yaml_end_list(yaml);
}

static size_t size_of(const struct kube_block *block)
{
	return 1 + block->n_except;
}

/* Writes a rule to the blocks, in a new object where this one is full. */
static void write_piece(struct export *export, const struct kube_rule *rule,
	const struct kube_block *blocks, size_t count)
{
	struct yaml *yaml = export->yaml;
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += size_of(&blocks[i]);
	if (export->size > 0 && export->size + size > SIZE_MOST) {
		end_object(export);
		begin_object(export);
	}
	yaml_begin_map(yaml);
	yaml_key(yaml, "to");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < count; i++) {
		yaml_begin_map(yaml);
		yaml_key(yaml, "ipBlock");
		yaml_begin_map(yaml);
		kube_write_block(yaml, &blocks[i]);
		yaml_end_map(yaml);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
	write_ports(yaml, rule);
	yaml_end_map(yaml);
	export->size += size;
}

static int write_rule(struct export *export, const struct kube_rule *rule)
{
	struct kube_block *blocks;
	size_t count;

	if (rule->n_ports == 0 && !rule->sctp)
		return 0;
	if (kube_blocks_make(export->request->arena, rule->to, &blocks, &count) < 0)
		return -ENOMEM;
	for (size_t first = 0, next; first < count; first = next) {
		size_t size = 0;

		for (next = first; next < count &&
				   (next == first || size + size_of(&blocks[next]) <= SIZE_MOST);)
			size += size_of(&blocks[next++]);
		write_piece(export, rule, blocks + first, next - first);
	}
	return 0;
}

static void write_dns(struct yaml *yaml)
{

	yaml_begin_map(yaml);
	yaml_key(yaml, "to");
	yaml_begin_list(yaml);
	yaml_begin_map(yaml);
	kube_write_dns_pods(yaml);
	yaml_end_map(yaml);
	yaml_end_list(yaml);
	yaml_key(yaml, "ports");
	yaml_begin_list(yaml);
	write_port(yaml, "UDP", 53, 53);
	write_port(yaml, "TCP", 53, 53);
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

static int write_rules(struct export *export, const struct kube_rules *rules)
{
	int error = 0;

	for (size_t i = 0; i < rules->n_rules && error == 0; i++)
		error = write_rule(export, &rules->rules[i]);
	return error;
}

int networkpolicy_write(const struct backend_request *request, FILE *out)
{
	const struct compiled *compiled = request->compiled;
	struct kube_rules rules = {0}, named = {0};
	struct export export = {.request = request};
	int error, ended;

	kube_lose_settings(compiled->layers, request->losses);
	error = kube_rules_make(request->arena, compiled->plan, request->losses, &rules);
	if (error == 0)
		error = open_all_names(request, &named);
	if (error < 0)
		return error;
	kube_lose_echo(compiled, &rules, request->losses);
	export.yaml = yaml_new(out);
	if (!export.yaml)
		return -ENOMEM;
	begin_object(&export);
	if (kube_wants_dns(compiled->layers)) {
		losses_add(request->losses, LOSS_WIDER, "dns", (struct place){.line = 0},
			"the cluster's DNS answers every name, and questions carry data out");
		write_dns(export.yaml);
	}
	error = write_rules(&export, &rules);
	if (error == 0)
		error = write_rules(&export, &named);
	end_object(&export);
	ended = yaml_end(export.yaml);
	return error < 0 ? error : ended;
}
