/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/cilium.h"

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
 * Names go to toFQDNs, and are what DNS to the cluster's resolver is permitted for: Cilium learns
 * addresses from the answers that pass its proxy. Patterns there are ours but for these
 * (pkg/fqdn/matchpattern): "*" alone has all names; "**." before a name is any depth since 1.19,
 * and one label before that; and a name has letters, digits, '-' and '_' only.
 *
 * An address that was learned is open whatever it is, so what no answer may have is denied on the
 * ports of names (rules/kube-answers.c); a denial goes before all else there, and so leaves out
 * what the policy permits by address.
 */

enum { PORTS_MAX = 40 }; /* of a toPorts item (its CRD) */

static const char *write_host(
	struct arena *arena, const struct host *host, enum host_kind *ret_kind)
{
	char text[NAME_TEXT];

	host_to_text(host->kind, host->wire, host->length, text);
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") != strlen(text) ||
		strcmp(text, "*") == 0)
		return NULL;
	*ret_kind = host->kind;
	return strcmp(text, "**") == 0 ? "*" : arena_strndup(arena, text, strlen(text));
}

/* --- Ports --- */

static void write_port(struct yaml *yaml, const char *protocol, unsigned first, unsigned last)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", first);
	yaml_begin_map(yaml);
	yaml_pair(yaml, "port", text);
	if (last > first) {
		yaml_key(yaml, "endPort");
		yaml_number(yaml, last);
	}
	yaml_pair(yaml, "protocol", protocol);
	yaml_end_map(yaml);
}

static void begin_ports(struct yaml *yaml)
{
	yaml_begin_map(yaml);
	yaml_key(yaml, "ports");
	yaml_begin_list(yaml);
}

static void end_ports(struct yaml *yaml)
{
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

static void write_ports(
	struct yaml *yaml, const struct port_range *ports, size_t n_ports, bool sctp)
{
	yaml_key(yaml, "toPorts");
	yaml_begin_list(yaml);
	begin_ports(yaml);
	for (size_t i = 0; i < n_ports; i++) {
		if (i > 0 && i % (PORTS_MAX - 1) == 0) {
			end_ports(yaml);
			begin_ports(yaml);
		}
		write_port(yaml, ports[i].protocol == PROTOCOL_TCP ? "TCP" : "UDP", ports[i].first,
			ports[i].last);
	}
	if (sctp)
		write_port(yaml, "SCTP", 1, UINT16_MAX);
	end_ports(yaml);
	yaml_end_list(yaml);
}

static void write_echo(struct yaml *yaml)
{
	static const char *const families[] = {"IPv4", "IPv6"};

	yaml_key(yaml, "icmps");
	yaml_begin_list(yaml);
	yaml_begin_map(yaml);
	yaml_key(yaml, "fields");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		yaml_begin_map(yaml);
		yaml_pair(yaml, "family", families[i]);
		yaml_pair(yaml, "type", "EchoRequest");
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
	yaml_end_map(yaml);
	yaml_end_list(yaml);
}

/* --- Addresses --- */

static int write_addresses(
	struct arena *arena, struct yaml *yaml, const struct ranges to[PLAN_FAMILIES])
{
	struct kube_block *blocks;
	size_t count;

	if (kube_blocks_make(arena, to, &blocks, &count) < 0)
		return -ENOMEM;
	yaml_key(yaml, "toCIDRSet");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < count; i++) {
		yaml_begin_map(yaml);
		kube_write_block(yaml, &blocks[i]);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
	return 0;
}

static int write_rule(struct arena *arena, struct yaml *yaml, const struct kube_rule *rule)
{
	int error = 0;

	if (rule->n_ports > 0 || rule->sctp) {
		yaml_begin_map(yaml);
		error = write_addresses(arena, yaml, rule->to);
		write_ports(yaml, rule->ports, rule->n_ports, rule->sctp);
		yaml_end_map(yaml);
	}
	if (error == 0 && rule->echo) {
		yaml_begin_map(yaml);
		error = write_addresses(arena, yaml, rule->to);
		write_echo(yaml);
		yaml_end_map(yaml);
	}
	return error;
}

/* --- Names --- */

static void write_name(struct yaml *yaml, const char *text)
{
	yaml_begin_map(yaml);
	yaml_pair(yaml, strchr(text, '*') ? "matchPattern" : "matchName", text);
	yaml_end_map(yaml);
}

/* What may be asked of the cluster's DNS: the names, or any where there are none. */
static void write_dns(struct yaml *yaml, const struct kube_names *names)
{
	static const struct kube_label pods[] = {
		{"k8s:io.kubernetes.pod.namespace", "kube-system"}, {"k8s:k8s-app", "kube-dns"}};
	const char *last = "";

	yaml_begin_map(yaml);
	yaml_key(yaml, "toEndpoints");
	yaml_begin_list(yaml);
	kube_write_selector(yaml, pods, sizeof(pods) / sizeof(pods[0]));
	yaml_end_list(yaml);
	yaml_key(yaml, "toPorts");
	yaml_begin_list(yaml);
	begin_ports(yaml);
	write_port(yaml, "ANY", 53, 53);
	yaml_end_list(yaml);
	yaml_key(yaml, "rules");
	yaml_begin_map(yaml);
	yaml_key(yaml, "dns");
	yaml_begin_list(yaml);
	if (names->n_names == 0)
		write_name(yaml, "*");
	for (size_t i = 0; i < names->n_names; i++) {
		if (strcmp(last, names->names[i].text) != 0)
			write_name(yaml, names->names[i].text);
		last = names->names[i].text;
	}
	yaml_end_list(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

static void write_fqdns(struct yaml *yaml, const struct kube_name *names, size_t count)
{
	yaml_key(yaml, "toFQDNs");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < count; i++)
		write_name(yaml, names[i].text);
	yaml_end_list(yaml);
}

/* Names that are permitted in the same groups. */
static int write_names(struct arena *arena, struct yaml *yaml, const struct plan *plan,
	const struct kube_name *names, size_t count)
{
	struct kube_rule rule = {0};
	int error = kube_groups_ports(arena, plan, names[0].groups, &rule);

	if (error == 0 && rule.n_ports > 0) {
		yaml_begin_map(yaml);
		write_fqdns(yaml, names, count);
		write_ports(yaml, rule.ports, rule.n_ports, false);
		yaml_end_map(yaml);
	}
	if (error == 0 && rule.echo) {
		yaml_begin_map(yaml);
		write_fqdns(yaml, names, count);
		write_echo(yaml);
		yaml_end_map(yaml);
	}
	return error;
}

static int write_all_names(struct arena *arena, struct yaml *yaml, const struct plan *plan,
	const struct kube_names *names)
{
	int error = 0;

	for (size_t i = 0, next; i < names->n_names && error == 0; i = next) {
		next = kube_names_alike(names, i);
		error = write_names(arena, yaml, plan, &names->names[i], next - i);
	}
	return error;
}

/* --- The object --- */

static int write_rules(struct arena *arena, struct yaml *yaml, const struct kube_rules *rules)
{
	int error = 0;

	for (size_t i = 0; i < rules->n_rules && error == 0; i++)
		error = write_rule(arena, yaml, &rules->rules[i]);
	return error;
}

static void lose_guards(const struct kube_names *names, struct losses *losses)
{
	const struct place nowhere = {.line = 0};
	bool wild = names->n_names == 0, deep = false;

	for (size_t i = 0; i < names->n_names; i++) {
		wild |= strchr(names->names[i].text, '*') != NULL;
		deep |= strncmp(names->names[i].text, "**.", 3) == 0;
	}
	if (wild)
		losses_add(losses, LOSS_UNWATCHED, "dns", nowhere,
			"questions under wildcards are not counted, of any type, and not looked at "
			"for data");
	if (deep)
		losses_add(losses, LOSS_NARROWER, "**", nowhere,
			"'**.' is any depth since Cilium 1.19, and one label before");
}

static int write_object(const struct backend_request *request, const struct kube_rules *rules,
	const struct kube_names *names, struct yaml *yaml)
{
	const struct kube_options *kube = request->kube;
	const struct plan *plan = request->compiled->plan;
	bool wants_dns = kube_names_want_dns(names, request->compiled->layers);
	int error;

	yaml_begin_document(yaml);
	yaml_begin_map(yaml);
	kube_write_head(yaml, kube, "cilium.io/v2", "CiliumNetworkPolicy", kube->name, true);
	yaml_key(yaml, "spec");
	yaml_begin_map(yaml);
	yaml_key(yaml, "endpointSelector");
	kube_write_selector(yaml, kube->selector, kube->n_selector);
	yaml_key(yaml, "egress");
	yaml_begin_list(yaml);
	if (wants_dns)
		write_dns(yaml, names);
	error = write_rules(request->arena, yaml, rules);
	if (error == 0)
		error = write_all_names(request->arena, yaml, plan, names);
	/* An empty list refuses nothing; an empty rule refuses all. */
	if (rules->n_rules == 0 && !wants_dns) {
		yaml_begin_map(yaml);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
	if (error == 0 && names->denied.n_rules > 0) {
		yaml_key(yaml, "egressDeny");
		yaml_begin_list(yaml);
		error = write_rules(request->arena, yaml, &names->denied);
		yaml_end_list(yaml);
	}
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	yaml_end_document(yaml);
	return error;
}

int cilium_write(const struct backend_request *request, FILE *out)
{
	const struct compiled *compiled = request->compiled;
	struct kube_rules rules = {0};
	struct kube_names names = {0};
	struct yaml *yaml;
	int error, ended;

	kube_lose_settings(compiled->layers, request->losses);
	error = kube_rules_make(request->arena, compiled->plan, request->losses, &rules);
	if (error == 0)
		error = kube_names_make(
			request->arena, compiled, write_host, request->losses, &names);
	if (error < 0)
		return error;
	if (kube_names_want_dns(&names, compiled->layers))
		lose_guards(&names, request->losses);
	yaml = yaml_new(out);
	if (!yaml)
		return -ENOMEM;
	error = write_object(request, &rules, &names, yaml);
	ended = yaml_end(yaml);
	return error < 0 ? error : ended;
}
