/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/clusternetworkpolicy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/host.h"
#include "rules/kube-names.h"
#include "rules/kube.h"
#include "rules/losses.h"
#include "rules/yaml.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Rules are asked in order, and the first that matches decides:
 *
 *	DNS to the cluster's resolver, if the policy has names
 *	addresses that the policy permits, by ports
 *	what no answer may have is denied (rules/kube-answers.c)
 *	names, by ports (experimental channel only)
 *	everything is denied
 *
 * An object has at most 25 rules, a rule 25 peers, a peer 25 addresses or names, and 25 ports.
 * What is more goes to another rule, and what is more than an object takes to another one, with
 * the next priority.
 *
 * '*' stands only as the first label, for one label or more: what "**." is here. So "*." is wider
 * there, and other wildcards have no place.
 */

enum { MOST = 25, PRIORITY = 100, PRIORITY_MAX = 1000 };

struct export
{
	const struct backend_request *request;
	struct yaml *yaml;
	unsigned n_objects;
	unsigned n_rules; /* of the object at hand */
	int error;
};

/* Letters, digits, '-' and '_', with a letter or digit at both ends. */
static bool is_label(const char *text, size_t length)
{
	static const char edges[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	return length > 0 && strchr(edges, text[0]) && strchr(edges, text[length - 1]) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") >= length;
}

/* Two labels at least. */
static bool is_domain(const char *text)
{
	size_t n_labels = 0;

	while (*text) {
		size_t length = strcspn(text, ".");

		if (!is_label(text, length))
			return false;
		n_labels++;
		text += length + (text[length] == '.');
	}
	return n_labels >= 2;
}

static const char *write_host(
	struct arena *arena, const struct host *host, enum host_kind *ret_kind)
{
	char text[NAME_TEXT];

	if (host->kind == HOST_GLOB)
		return NULL;
	host_to_text(HOST_EXACT, host->wire, host->length, text);
	if (!is_domain(text))
		return NULL;
	*ret_kind = host->kind == HOST_EXACT ? HOST_EXACT : HOST_ANY_DEPTH;
	return arena_printf(arena, "%s%s", host->kind == HOST_EXACT ? "" : "*.", text);
}

/* --- Objects and rules --- */

static void begin_object(struct export *export)
{
	static const char key[] = "kubernetes.io/metadata.name";
	const struct kube_options *kube = export->request->kube;
	const struct kube_label space = {key, kube->name_space};
	struct yaml *yaml = export->yaml;
	char name[80];

	if (export->n_objects == 0)
		snprintf(name, sizeof(name), "%s", kube->name);
	else
		snprintf(name, sizeof(name), "%s-%u", kube->name, export->n_objects + 1);
	if (PRIORITY + export->n_objects > PRIORITY_MAX)
		export->error = -ERANGE;
	yaml_begin_document(yaml);
	yaml_begin_map(yaml);
	kube_write_head(yaml, kube, "policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy",
		name, false);
	yaml_key(yaml, "spec");
	yaml_begin_map(yaml);
	yaml_pair(yaml, "tier", "Admin");
	yaml_key(yaml, "priority");
	yaml_number(yaml, PRIORITY + (long)export->n_objects++);
	yaml_key(yaml, "subject");
	yaml_begin_map(yaml);
	yaml_key(yaml, "pods");
	yaml_begin_map(yaml);
	yaml_key(yaml, "namespaceSelector");
	kube_write_selector(yaml, &space, kube->name_space ? 1 : 0);
	yaml_key(yaml, "podSelector");
	kube_write_selector(yaml, kube->selector, kube->n_selector);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_key(yaml, "egress");
	yaml_begin_list(yaml);
	export->n_rules = 0;
}

static void end_object(struct export *export)
{
	struct yaml *yaml = export->yaml;

	yaml_end_list(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_end_document(yaml);
}

static void begin_rule(struct export *export, const char *action)
{
	if (export->n_rules == MOST) {
		end_object(export);
		begin_object(export);
	}
	export->n_rules++;
	yaml_begin_map(export->yaml);
	yaml_pair(export->yaml, "action", action);
	yaml_key(export->yaml, "to");
	yaml_begin_list(export->yaml);
}

static void write_port(struct yaml *yaml, const char *protocol, const struct port_range *ports)
{
	yaml_begin_map(yaml);
	yaml_key(yaml, protocol);
	yaml_begin_map(yaml);
	yaml_key(yaml, "destinationPort");
	yaml_begin_map(yaml);
	if (ports->first == ports->last) {
		yaml_key(yaml, "number");
		yaml_number(yaml, ports->first);
	} else {
		yaml_key(yaml, "range");
		yaml_begin_map(yaml);
		yaml_key(yaml, "start");
		yaml_number(yaml, ports->first);
		yaml_key(yaml, "end");
		yaml_number(yaml, ports->last);
		yaml_end_map(yaml);
	}
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
}

/* The end of a rule, on these ports. */
static void end_rule(
	struct export *export, const struct port_range *ports, size_t n_ports, bool sctp)
{
	static const struct port_range all = {PROTOCOL_OTHER, 1, UINT16_MAX};
	struct yaml *yaml = export->yaml;

	yaml_end_list(yaml);
	if (n_ports > 0 || sctp) {
		yaml_key(yaml, "protocols");
		yaml_begin_list(yaml);
		for (size_t i = 0; i < n_ports; i++)
			write_port(
				yaml, ports[i].protocol == PROTOCOL_TCP ? "tcp" : "udp", &ports[i]);
		if (sctp)
			write_port(yaml, "sctp", &all);
		yaml_end_list(yaml);
	}
	yaml_end_map(yaml);
}

/* --- What they are about --- */

/* A peer's array of the key: at most MOST strings. */
static void write_peer(struct yaml *yaml, const char *key, const char *const *texts, size_t count)
{
	yaml_begin_map(yaml);
	yaml_key(yaml, key);
	yaml_begin_list(yaml);
	for (size_t i = 0; i < count; i++)
		yaml_string(yaml, texts[i]);
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

/* Rules with all the texts, on all the ports: each has as many of both as it may. */
static void write_rules(struct export *export, const char *action, const char *key,
	const char *const *texts, size_t count, const struct kube_rule *rule)
{
	bool any_port = !rule;
	size_t n_ports = rule ? rule->n_ports + rule->sctp : 1;

	for (size_t i = 0; i < count; i += (size_t)MOST * MOST) {
		for (size_t j = 0; j < n_ports; j += MOST) {
			bool last = j + MOST >= n_ports;

			begin_rule(export, action);
			for (size_t k = i; k < count && k < i + (size_t)MOST * MOST; k += MOST)
				write_peer(export->yaml, key, texts + k,
					count - k < MOST ? count - k : MOST);
			if (any_port)
				end_rule(export, NULL, 0, false);
			else
				end_rule(export, rule->ports + j, last ? rule->n_ports - j : MOST,
					last && rule->sctp);
		}
	}
}

static void write_addresses(struct export *export, const char *action,
	const struct ranges to[PLAN_FAMILIES], const struct kube_rule *rule)
{
	for (unsigned family = 0; family < PLAN_FAMILIES && export->error == 0; family++) {
		const char **texts;
		size_t count;

		export->error =
			kube_prefix_texts(export->request->arena, &to[family], &texts, &count);
		if (export->error == 0)
			write_rules(export, action, "networks", texts, count, rule);
	}
}

static void write_rules_to(
	struct export *export, const char *action, const struct kube_rules *rules)
{
	for (size_t i = 0; i < rules->n_rules && export->error == 0; i++)
		if (rules->rules[i].n_ports > 0 || rules->rules[i].sctp)
			write_addresses(export, action, rules->rules[i].to, &rules->rules[i]);
}

static void write_dns(struct export *export)
{
	static const struct port_range ports[] = {{PROTOCOL_UDP, 53, 53}, {PROTOCOL_TCP, 53, 53}};
	struct yaml *yaml = export->yaml;

	losses_add(export->request->losses, LOSS_WIDER, "dns", (struct place){.line = 0},
		"the cluster's DNS answers every name, and questions carry data out");
	begin_rule(export, "Accept");
	yaml_begin_map(yaml);
	yaml_key(yaml, "pods");
	yaml_begin_map(yaml);
	kube_write_dns_pods(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	end_rule(export, ports, 2, false);
}

static void write_names(
	struct export *export, const struct kube_name *names, size_t count, uint64_t groups)
{
	struct arena *arena = export->request->arena;
	const struct plan *plan = export->request->compiled->plan;
	const char **texts = arena_array(arena, count, sizeof(*texts));
	struct kube_rule rule = {0};

	if (!texts) {
		export->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count; i++)
		texts[i] = names[i].text;
	export->error = kube_groups_ports(arena, plan, groups, &rule);
	if (export->error == 0 && rule.n_ports > 0)
		write_rules(export, "Accept", "domainNames", texts, count, &rule);
}

static void write_all_names(struct export *export, const struct kube_names *names)
{
	for (size_t i = 0, next; i < names->n_names && export->error == 0; i = next) {
		next = kube_names_alike(names, i);
		write_names(export, &names->names[i], next - i, names->names[i].groups);
	}
}

static void write_everything(
	struct export *export, const struct kube_rules *rules, const struct kube_names *names)
{
	static const char *const everything[] = {"0.0.0.0/0", "::/0"};

	begin_object(export);
	if (kube_names_want_dns(names, export->request->compiled->layers))
		write_dns(export);
	write_rules_to(export, "Accept", rules);
	write_rules_to(export, "Deny", &names->denied);
	write_all_names(export, names);
	write_rules(export, "Deny", "networks", everything, 2, NULL);
	end_object(export);
}

int clusternetworkpolicy_write(const struct backend_request *request, FILE *out)
{
	const struct compiled *compiled = request->compiled;
	struct export export = {.request = request};
	struct kube_rules rules = {0};
	struct kube_names names = {0};
	int error, ended;

	kube_lose_settings(compiled->layers, request->losses);
	error = kube_rules_make(request->arena, compiled->plan, request->losses, &rules);
	if (error == 0)
		error = kube_names_make(
			request->arena, compiled, write_host, request->losses, &names);
	if (error < 0)
		return error;
	kube_lose_echo(compiled, &rules, request->losses);
	export.yaml = yaml_new(out);
	if (!export.yaml)
		return -ENOMEM;
	write_everything(&export, &rules, &names);
	ended = yaml_end(export.yaml);
	error = export.error;
	if (error == -ERANGE) {
		losses_add(request->losses, LOSS_IMPOSSIBLE, "priority", (struct place){.line = 0},
			"the policy takes more objects than there are priorities behind %d: %d",
			PRIORITY - 1, PRIORITY_MAX - PRIORITY + 1);
		error = 0;
	}
	return error < 0 ? error : ended;
}
