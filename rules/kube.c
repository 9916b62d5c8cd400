/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/kube.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/class.h"
#include "rules/decide.h"
#include "rules/list.h"
#include "rules/losses.h"
#include "rules/ports.h"
#include "rules/scope.h"
#include "rules/yaml.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * The plan tells ports apart by groups, and says of each group which addresses it permits; the
 * ports of no group are one more. Groups with the same addresses become one rule again. The rules
 * are additions to nothing: what none of them has is refused.
 *
 * Protocols other than TCP, UDP and SCTP have no ports there; a rule that leaves ports out would
 * have them all, DNS included. So it is never left out, and what that loses is said.
 */

enum { DNS_PORT = 53, LABEL_MAX = 63, KEY_MAX = 253 };

/* --- Labels --- */

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits and `more`, beginning and ending with a letter or a digit. */
static bool is_word(const char *text, size_t length, size_t most, const char *more)
{
	if (length == 0 || length > most || !is_alphanumeric(text[0]) ||
		!is_alphanumeric(text[length - 1]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_alphanumeric(text[i]) && !strchr(more, text[i]))
			return false;
	return true;
}

bool kube_is_name(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			return false;
	return is_word(text, length, LABEL_MAX, "-");
}

/* "app", "example.com/app" */
static bool is_key(const char *text, size_t length)
{
	const char *slash = memchr(text, '/', length);
	size_t prefix = slash ? (size_t)(slash - text) : 0;

	if (!slash)
		return is_word(text, length, LABEL_MAX, "-_.");
	return is_word(text, prefix, KEY_MAX, "-.") &&
	       is_word(slash + 1, length - prefix - 1, LABEL_MAX, "-_.");
}

int kube_label_from_text(struct arena *arena, const char *text, struct kube_label *ret_label)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	struct kube_label label;

	if (!equals || !is_key(text, length) ||
		(equals[1] != '\0' && !is_word(equals + 1, strlen(equals + 1), LABEL_MAX, "-_.")))
		return -EINVAL;
	label.key = arena_strndup(arena, text, length);
	label.value = arena_strndup(arena, equals + 1, strlen(equals + 1));
	if (!label.key || !label.value)
		return -ENOMEM;
	*ret_label = label;
	return 0;
}

/* --- Ports --- */

struct port_list {
	struct port_range *ports;
	size_t count;
};

static bool has_ports(enum protocol protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

static void add_ports(struct port_list *list, enum protocol protocol, unsigned first, unsigned last)
{
	if (first <= last)
		list->ports[list->count++] =
			(struct port_range){protocol, (uint16_t)first, (uint16_t)last};
}

/* A range without port 0, which nobody has, and DNS. */
static void add_without_dns(struct port_list *list, const struct port_range *range)
{
	unsigned first = range->first > 0 ? range->first : 1, last = range->last;

	if (first > DNS_PORT || last < DNS_PORT) {
		add_ports(list, range->protocol, first, last);
		return;
	}
	add_ports(list, range->protocol, first, DNS_PORT - 1);
	add_ports(list, range->protocol, DNS_PORT + 1, last);
}

static size_t count_ranges(const struct plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->n_groups; i++)
		count += plan->groups[i].n_ports;
	return count;
}

/* The first port behind `from` that is in a group, or 65536; *ret_last is the last of its range. */
static unsigned next_named(
	const struct plan *plan, enum protocol protocol, unsigned from, unsigned *ret_last)
{
	unsigned next = UINT16_MAX + 1;

	for (size_t i = 0; i < plan->n_groups; i++) {
		for (size_t j = 0; j < plan->groups[i].n_ports; j++) {
			const struct port_range *ports = &plan->groups[i].ports[j];

			if (ports->protocol != protocol || ports->last < from ||
				ports->first >= next)
				continue;
			next = ports->first;
			*ret_last = ports->last;
		}
	}
	return next;
}

/* The ports of no group. */
static void add_rest(const struct plan *plan, enum protocol protocol, struct port_list *list)
{
	unsigned from = 0, last = 0;

	while (from <= UINT16_MAX) {
		unsigned next = next_named(plan, protocol, from, &last);

		if (next > from)
			add_without_dns(list, &(struct port_range){protocol, (uint16_t)from,
						      (uint16_t)(next - 1)});
		if (next > UINT16_MAX)
			return;
		from = last + 1;
	}
}

int kube_group_ports(struct arena *arena, const struct plan *plan, unsigned group,
	struct port_range **ret_ports, size_t *ret_count)
{
	struct port_list list = {.count = 0};

	list.ports = arena_array(arena, 2 * count_ranges(plan) + 4, sizeof(*list.ports));
	if (!list.ports)
		return -ENOMEM;
	if (group == DECIDE_REST) {
		add_rest(plan, PROTOCOL_TCP, &list);
		add_rest(plan, PROTOCOL_UDP, &list);
	} else {
		for (size_t i = 0; i < plan->groups[group].n_ports; i++)
			if (has_ports(plan->groups[group].ports[i].protocol))
				add_without_dns(&list, &plan->groups[group].ports[i]);
	}
	*ret_ports = list.ports;
	*ret_count = list.count;
	return 0;
}

/* --- Rules --- */

static bool is_empty(const struct kube_rule *rule)
{
	return rule->to[PLAN_IP4].n_ranges == 0 && rule->to[PLAN_IP6].n_ranges == 0;
}

static bool has_echo(const struct plan *plan, unsigned group)
{
	unsigned found;

	if (!plan_find_group(plan, PROTOCOL_ICMP_ECHO, 0, &found))
		found = DECIDE_REST;
	return found == group;
}

static int make_rule(
	struct arena *arena, const struct plan *plan, unsigned group, struct kube_rule *rule)
{
	int error = 0;

	for (unsigned family = 0; family < PLAN_FAMILIES && error == 0; family++)
		error = ranges_permitted(
			arena, plan, group, (enum plan_family)family, &rule->to[family]);
	if (error == 0)
		error = kube_group_ports(arena, plan, group, &rule->ports, &rule->n_ports);
	rule->sctp = group == DECIDE_REST;
	rule->echo = has_echo(plan, group);
	return error;
}

static bool has_range(const struct kube_rule *rule, const struct port_range *range)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i].protocol == range->protocol &&
			rule->ports[i].first == range->first && rule->ports[i].last == range->last)
			return true;
	return false;
}

/* Adds the ports of `more` to a rule with the same addresses. 0 or -ENOMEM. */
static int merge_rule(struct arena *arena, const struct kube_rule *more, struct kube_rule *rule)
{
	struct port_range *ports =
		arena_array(arena, rule->n_ports + more->n_ports, sizeof(*ports));
	size_t n_ports = rule->n_ports;

	if (!ports)
		return -ENOMEM;
	memcpy(ports, rule->ports, rule->n_ports * sizeof(*ports));
	for (size_t i = 0; i < more->n_ports; i++)
		if (!has_range(rule, &more->ports[i]))
			ports[n_ports++] = more->ports[i];
	rule->ports = ports;
	rule->n_ports = n_ports;
	rule->sctp |= more->sctp;
	rule->echo |= more->echo;
	return 0;
}

static struct kube_rule *find_alike(const struct kube_rules *rules, const struct kube_rule *rule)
{
	for (size_t i = 0; i < rules->n_rules; i++)
		if (ranges_equal(&rules->rules[i].to[PLAN_IP4], &rule->to[PLAN_IP4]) &&
			ranges_equal(&rules->rules[i].to[PLAN_IP6], &rule->to[PLAN_IP6]))
			return &rules->rules[i];
	return NULL;
}

int kube_rules_add(struct arena *arena, const struct kube_rule *rule, struct kube_rules *rules)
{
	struct kube_rule *alike = find_alike(rules, rule);

	if (alike)
		return merge_rule(arena, rule, alike);
	rules->rules[rules->n_rules++] = *rule;
	return 0;
}

int kube_rules_make(struct arena *arena, const struct plan *plan, struct losses *losses,
	struct kube_rules *ret_rules)
{
	struct kube_rules rules = {
		arena_array(arena, plan->n_groups + 1, sizeof(struct kube_rule)), 0};

	if (!rules.rules)
		return -ENOMEM;
	for (size_t i = 0; i <= plan->n_groups; i++) {
		bool is_rest = i == plan->n_groups;
		struct kube_rule rule = {.n_ports = 0};
		int error = make_rule(arena, plan, is_rest ? DECIDE_REST : (unsigned)i, &rule);

		if (error < 0)
			return error;
		if (is_empty(&rule))
			continue;
		if (is_rest)
			losses_add(losses, LOSS_NARROWER, "protocols", (struct place){.line = 0},
				"only TCP, UDP and SCTP can be told apart: what the policy permits "
				"of others is refused");
		error = kube_rules_add(arena, &rule, &rules);
		if (error < 0)
			return error;
	}
	*ret_rules = rules;
	return 0;
}

int kube_groups_ports(
	struct arena *arena, const struct plan *plan, uint64_t groups, struct kube_rule *ret_rule)
{
	struct kube_rules rules = {ret_rule, 0};
	int error = 0;

	*ret_rule = (struct kube_rule){.n_ports = 0};
	for (unsigned i = 0; i < plan->n_groups && error == 0; i++) {
		struct kube_rule more = {.n_ports = 0};

		if (!(groups & UINT64_C(1) << i))
			continue;
		more.echo = has_echo(plan, i);
		error = kube_group_ports(arena, plan, i, &more.ports, &more.n_ports);
		if (error == 0)
			error = kube_rules_add(arena, &more, &rules);
	}
	return error;
}

/* --- What is lost everywhere --- */

/* Whether an entry that permits names has ICMP echo. */
static bool names_have_echo(const struct layer *layer)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];

		if (it->verdict != VERDICT_REFUSE && entry_has_names(it->entry) &&
			ports_have(it->entry->ports, it->entry->n_ports, PROTOCOL_ICMP_ECHO, 0))
			return true;
	}
	return false;
}

void kube_lose_echo(
	const struct compiled *compiled, const struct kube_rules *rules, struct losses *losses)
{
	bool echo = false;

	for (size_t i = 0; i < compiled->layers->n_layers; i++)
		echo |= names_have_echo(&compiled->layers->layers[i]);
	for (size_t i = 0; i < rules->n_rules; i++)
		echo |= rules->rules[i].echo;
	if (echo)
		losses_add(losses, LOSS_NARROWER, "icmp/echo", (struct place){.line = 0},
			"the target has no ICMP: whether echo requests pass is the network "
			"plugin's choice");
}

static void lose_limit(struct losses *losses, bool given, const char *key)
{
	const struct place nowhere = {.line = 0};

	if (given)
		losses_add(losses, LOSS_WIDER, key, nowhere, "the target counts nothing");
}

static void lose_entry(const struct layer_entry *it, struct losses *losses)
{
	const struct entry *entry = it->entry;

	if (it->verdict == VERDICT_REFUSE)
		return;
	if (entry->expires != INT64_MAX)
		losses_add(losses, LOSS_WIDER, it->id, entry->place,
			"it expires, which the target does not know: write the objects again "
			"after that");
	if (entry->bytes > 0 || entry->connections.count > 0)
		losses_add(losses, LOSS_WIDER, it->id, entry->place,
			"its limits are not kept: the target counts nothing");
	if (it->verdict == VERDICT_FLAG)
		losses_add(losses, LOSS_UNWATCHED, it->id, entry->place,
			"what it flags is permitted and not reported");
	if (it->verdict == VERDICT_OBSERVE)
		losses_add(losses, LOSS_UNWATCHED, it->id, entry->place,
			"it only observes: what it would refuse is permitted and not reported");
}

void kube_lose_settings(const struct layers *layers, struct losses *losses)
{
	const struct limits *limits = &layers->limits;
	const struct policy *base = layers->layers[0].policy;

	lose_limit(losses, limits->connections.count > 0, "[limits] connections");
	lose_limit(losses, limits->connections_per_destination.count > 0,
		"[limits] connections_per_destination");
	lose_limit(losses, limits->bytes > 0, "[limits] bytes");
	lose_limit(losses, layers->budget.refuse && layers->budget.destinations > 0,
		"[budget] destinations");
	if (scope_is_given(&base->scope))
		losses_add(losses, LOSS_NARROWER, "[scope]", base->scope_place,
			"it is about all that the pods send");
	if (base->dns.n_hosts > 0)
		losses_add(losses, LOSS_NARROWER, "[dns.hosts]", base->dns_place,
			"the cluster's DNS does not have these names");
	if (layers_want_dnssec(layers))
		losses_add(losses, LOSS_UNWATCHED, "dnssec", base->dns_place,
			"whether answers must validate is up to the cluster's DNS");
	if (base->observe)
		losses_add(losses, LOSS_UNWATCHED, "enforcement", (struct place){.line = 0},
			"the policy only observes: nothing is refused, and nothing is reported");
	for (size_t i = 0; i < layers->n_layers; i++)
		for (size_t j = 0; j < layers->layers[i].n_entries; j++)
			lose_entry(&layers->layers[i].entries[j], losses);
}

void kube_lose_names(const struct layers *layers, struct losses *losses)
{
	for (size_t i = 0; i < layers->n_layers; i++) {
		for (size_t j = 0; j < layers->layers[i].n_entries; j++) {
			const struct layer_entry *it = &layers->layers[i].entries[j];

			if (!entry_has_names(it->entry))
				continue;
			if (it->verdict == VERDICT_REFUSE)
				losses_add(losses, LOSS_WIDER, it->id, it->entry->place,
					"the target cannot refuse names: they are reached like "
					"any other");
			else
				losses_add(losses, LOSS_NARROWER, it->id, it->entry->place,
					"its names open no address that is refused as such");
		}
	}
}

bool kube_believes_all(const struct layer *layer, const struct layer_entry *it)
{
	return it->entry->believed == BELIEVED_ANY || it->verdict >= VERDICT_OBSERVE ||
	       layer_refusal(layer) != VERDICT_REFUSE;
}

int kube_believed(struct arena *arena, const struct layer *layer, const struct layer_entry *it,
	enum plan_family family, struct ranges *ret_ranges)
{
	const struct entry *entry = it->entry;
	struct ranges blocked;
	int error;

	if (kube_believes_all(layer, it))
		return ranges_all(arena, family, ret_ranges);
	if (entry->believed == BELIEVED_LISTED)
		return ranges_of(arena, family, entry->believed_ranges, entry->n_believed_ranges,
			ret_ranges);
	error = ranges_of_classes(arena, family, layer->block, &blocked);
	return error < 0 ? error : ranges_complement(arena, family, &blocked, ret_ranges);
}

bool kube_wants_dns(const struct layers *layers)
{
	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct layer *layer = &layers->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++)
			if (layer->entries[j].verdict != VERDICT_REFUSE &&
				entry_has_names(layer->entries[j].entry))
				return true;
	}
	return layers_unknown(layers) != VERDICT_REFUSE;
}

/* --- Writing --- */

void kube_write_labels(
	struct yaml *yaml, const char *key, const struct kube_label *labels, size_t count)
{
	yaml_key(yaml, key);
	yaml_begin_map(yaml);
	for (size_t i = 0; i < count; i++) {
		yaml_string(yaml, labels[i].key);
		yaml_string(yaml, labels[i].value);
	}
	yaml_end_map(yaml);
}

void kube_write_head(struct yaml *yaml, const struct kube_options *options, const char *version,
	const char *kind, const char *name, bool namespaced)
{
	yaml_pair(yaml, "apiVersion", version);
	yaml_pair(yaml, "kind", kind);
	yaml_key(yaml, "metadata");
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", name);
	if (namespaced && options->name_space)
		yaml_pair(yaml, "namespace", options->name_space);
	if (options->n_labels > 0)
		kube_write_labels(yaml, "labels", options->labels, options->n_labels);
	yaml_end_map(yaml);
}

void kube_write_selector(struct yaml *yaml, const struct kube_label *labels, size_t count)
{
	yaml_begin_map(yaml);
	if (count > 0)
		kube_write_labels(yaml, "matchLabels", labels, count);
	yaml_end_map(yaml);
}

void kube_write_dns_pods(struct yaml *yaml)
{
	static const struct kube_label space = {"kubernetes.io/metadata.name", "kube-system"};
	static const struct kube_label pods = {"k8s-app", "kube-dns"};

	yaml_key(yaml, "namespaceSelector");
	kube_write_selector(yaml, &space, 1);
	yaml_key(yaml, "podSelector");
	kube_write_selector(yaml, &pods, 1);
}

static const char *prefix_text(const struct prefix *prefix, char *out)
{
	size_t length;

	inaddr_to_text(&prefix->address, out);
	length = strlen(out);
	snprintf(out + length, INADDR_TEXT - length, "/%u", prefix->length);
	return out;
}

int kube_prefix_texts(struct arena *arena, const struct ranges *ranges, const char ***ret_texts,
	size_t *ret_count)
{
	struct prefix *prefixes;
	size_t count;
	const char **texts;

	if (ranges_prefixes(arena, ranges, &prefixes, &count) < 0)
		return -ENOMEM;
	texts = arena_array(arena, count, sizeof(*texts));
	for (size_t i = 0; texts && i < count; i++) {
		char text[INADDR_TEXT];

		texts[i] = arena_printf(arena, "%s", prefix_text(&prefixes[i], text));
		if (!texts[i])
			return -ENOMEM;
	}
	*ret_texts = texts;
	*ret_count = count;
	return texts ? 0 : -ENOMEM;
}

int kube_blocks_make(struct arena *arena, const struct ranges to[PLAN_FAMILIES],
	struct kube_block **ret_blocks, size_t *ret_count)
{
	static const char *const everything[PLAN_FAMILIES] = {
		[PLAN_IP4] = "0.0.0.0/0", [PLAN_IP6] = "::/0"};
	const char **texts[PLAN_FAMILIES], **except[PLAN_FAMILIES];
	size_t counts[PLAN_FAMILIES], n_except[PLAN_FAMILIES], count = 0;
	struct kube_block *blocks;

	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct ranges others;

		if (ranges_complement(arena, (enum plan_family)family, &to[family], &others) < 0 ||
			kube_prefix_texts(arena, &others, &except[family], &n_except[family]) < 0 ||
			kube_prefix_texts(arena, &to[family], &texts[family], &counts[family]) < 0)
			return -ENOMEM;
	}
	blocks = arena_array(arena, counts[PLAN_IP4] + counts[PLAN_IP6], sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		if (n_except[family] + 1 < counts[family]) {
			blocks[count++] = (struct kube_block){
				everything[family], except[family], n_except[family]};
			continue;
		}
		for (size_t i = 0; i < counts[family]; i++)
			blocks[count++] = (struct kube_block){texts[family][i], NULL, 0};
	}
	*ret_blocks = blocks;
	*ret_count = count;
	return 0;
}

void kube_write_block(struct yaml *yaml, const struct kube_block *block)
{
	yaml_pair(yaml, "cidr", block->cidr);
	if (block->n_except == 0)
		return;
	yaml_key(yaml, "except");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < block->n_except; i++)
		yaml_string(yaml, block->except[i]);
	yaml_end_list(yaml);
}
