/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explain.h"

#include <errno.h>
#include <string.h>

#include "rules/ports.h"

/*
 * Theory of operation
 *
 * A destination is looked up as the ruleset's chain `output` would decide about it, in that order:
 * DNS goes to the resolver, the loopback is open, then the port groups, the blocked classes and
 * default-deny. Names go through the table that the resolver uses. So the verdict comes from the
 * same data as the kernel's; only what a verdict was preferred to is found by reading the entries
 * again.
 *
 * A refused address may still be opened by a lease, which is said, but does not make it permitted.
 */

enum { ANY = -1, DNS_PORT = 53, SHOWN_MAX = 10 };

struct destination {
	bool is_address;
	struct inaddr address;
	struct name name;
	int protocol; /* enum protocol, or ANY */
	int port;     /* or ANY */
};

/* Takes "tcp/", "udp/" or "icmp/" off the beginning; -EINVAL for another word before a slash. */
static int read_protocol(struct text *text, int *ret_protocol)
{
	struct text head, tail;

	if (!text_cut(*text, '/', &head, &tail))
		return 0;
	for (int protocol = PROTOCOL_TCP; protocol <= PROTOCOL_ICMP_ECHO; protocol++) {
		if (!text_is(head, protocol_name((enum protocol)protocol)))
			continue;
		*ret_protocol = protocol;
		*text = tail;
		return 0;
	}
	return -EINVAL;
}

/* A host name; one that ends in a number would be a mistyped address (RFC 1123 section 2.1). */
static int read_name(struct text text, struct name *ret_name)
{
	const uint8_t *last;
	struct name name;
	unsigned labels;
	int error = name_from_text(text, &name);

	if (error < 0)
		return -EINVAL;
	labels = name_labels(&name);
	if (labels == 0)
		return -EINVAL;
	last = name.wire + name_label_offset(&name, labels - 1);
	if (strspn((const char *)last + 1, "0123456789") >= last[0])
		return -EINVAL;
	*ret_name = name;
	return 0;
}

static int read_destination(const char *string, struct destination *ret_destination)
{
	struct destination to = {.protocol = ANY, .port = ANY};
	struct text text = text_of(string), name, digits;
	struct endpoint endpoint;
	uint64_t port = 0;

	if (read_protocol(&text, &to.protocol) < 0)
		return -EINVAL;
	if (inaddr_from_text(text, &to.address) == 0) {
		to.is_address = true;
	} else if (endpoint_from_text(text, 0, &endpoint) == 0) {
		to.is_address = true;
		to.address = endpoint.address;
		to.port = endpoint.port;
	} else {
		if (text_cut(text, ':', &name, &digits)) {
			if (text_to_number(digits, UINT16_MAX, &port) < 0 || port == 0)
				return -EINVAL;
			to.port = (int)port;
		}
		if (read_name(name, &to.name) < 0)
			return -EINVAL;
	}
	if (to.port != ANY && to.protocol == PROTOCOL_ICMP_ECHO)
		return -EINVAL;
	if (to.port != ANY && to.protocol == ANY)
		to.protocol = PROTOCOL_TCP;
	*ret_destination = to;
	return 0;
}

static void put_destination(const struct destination *to, FILE *out)
{
	char text[NAME_TEXT];

	if (to->is_address)
		inaddr_to_text(&to->address, text);
	else
		name_to_text(&to->name, text);
	fputs(text, out);
	if (to->protocol == PROTOCOL_ICMP_ECHO)
		fputs(" icmp/echo", out);
	else if (to->port != ANY)
		fprintf(out, " %s/%d", protocol_name((enum protocol)to->protocol), to->port);
	else if (to->protocol != ANY)
		fprintf(out, " %s", protocol_name((enum protocol)to->protocol));
}

static void put_verdict(const struct destination *to, bool permitted, FILE *out)
{
	put_destination(to, out);
	fprintf(out, ": %s\n", permitted ? "permitted" : "refused");
}

static void put_rule(const struct plan_rule *rule, FILE *out)
{
	fprintf(out, "%s (%s:%u)", rule->id, rule->place.file, rule->place.line);
}

/* Where DNS for the destination is sent instead, if it is; a name may have addresses of either
 * family. */
static const struct endpoint *redirection(const struct plan *plan, const struct destination *to)
{
	const struct endpoint *listen4 = plan->family[PLAN_IP4].listen;
	const struct endpoint *listen6 = plan->family[PLAN_IP6].listen;

	if (to->is_address)
		return inaddr_is_ip4(&to->address) ? listen4 : listen6;
	return listen4 && listen6 ? listen4 : NULL;
}

/* The part of a port range that the destination asks about; false: there is none. What is sent to
 * the resolver instead does not count. */
static bool asked_ports(const struct plan *plan, const struct destination *to,
	const struct port_range *range, struct port_range *ret_ports)
{
	struct port_range ports = *range;

	if (to->protocol != ANY && to->protocol != (int)range->protocol)
		return false;
	if (to->port != ANY) {
		if (to->port < range->first || to->port > range->last)
			return false;
		ports.first = ports.last = (uint16_t)to->port;
	}
	if (ports.protocol != PROTOCOL_ICMP_ECHO && ports.first == DNS_PORT &&
		ports.last == DNS_PORT && redirection(plan, to))
		return false;
	*ret_ports = ports;
	return true;
}

static bool is_asked(const struct plan *plan, const struct destination *to, size_t group)
{
	struct port_range ports;

	for (size_t i = 0; i < plan->groups[group].n_ports; i++)
		if (asked_ports(plan, to, &plan->groups[group].ports[i], &ports))
			return true;
	return false;
}

static void put_ports(
	const struct plan *plan, const struct destination *to, size_t group, FILE *out)
{
	struct port_range ports;
	char text[PORTS_TEXT];
	const char *comma = "";

	for (size_t i = 0; i < plan->groups[group].n_ports; i++) {
		if (!asked_ports(plan, to, &plan->groups[group].ports[i], &ports))
			continue;
		fprintf(out, "%s%s", comma, port_range_to_text(&ports, text));
		comma = ", ";
	}
}

static bool host_matches(const struct host *host, const struct name *name)
{
	unsigned labels = name_labels(name), above;

	for (above = 0; above <= labels; above++) {
		unsigned offset = name_label_offset(name, above);

		if (name->length - offset == host->length &&
			memcmp(name->wire + offset, host->wire, host->length) == 0)
			break;
	}
	switch (host->kind) {
	case HOST_EXACT:
		return above == 0;
	case HOST_ONE_LABEL:
		return above == 1;
	case HOST_ANY_DEPTH:
		return above >= 1 && above <= labels;
	}
	return false;
}

static bool entry_matches(const struct entry *entry, const struct destination *to)
{
	if (!to->is_address) {
		for (size_t i = 0; i < entry->n_hosts; i++)
			if (host_matches(&entry->hosts[i], &to->name))
				return true;
		return false;
	}
	for (size_t i = 0; i < entry->n_addresses; i++)
		if (range_contains(&entry->addresses[i].range, &to->address))
			return true;
	return false;
}

/* The blocked prefixes around an address. */
static void put_beaten_classes(const struct plan *plan, const struct inaddr *address, FILE *out)
{
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);
	char text[INADDR_TEXT];

	for (size_t i = 0; i < n_prefixes; i++) {
		struct range range = prefix_to_range(&prefixes[i].prefix);

		if (plan->policy->block & 1u << prefixes[i].class &&
			range_contains(&range, address))
			fprintf(out, "    before %s (%s), which is wider\n",
				class_rule(prefixes[i].class), range_to_text(&range, text));
	}
}

/* What else matches the destination in the group. */
static void put_beaten(const struct plan *plan, const struct destination *to, size_t group,
	const struct plan_rule *winner, FILE *out)
{
	size_t beaten = 0;

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		if (rule == winner || !(plan->rule_groups[i] >> group & 1) ||
			!entry_matches(rule->entry, to))
			continue;
		if (beaten++ >= SHOWN_MAX)
			continue;
		fputs("    before ", out);
		put_rule(rule, out);
		fputs(", which is not more specific\n", out);
	}
	if (beaten > SHOWN_MAX)
		fprintf(out, "    and %zu more\n", beaten - SHOWN_MAX);
	if (to->is_address)
		put_beaten_classes(plan, &to->address, out);
}

static void put_grant(const struct plan *plan, const struct destination *to, size_t group,
	const struct plan_rule *rule, FILE *out)
{
	fputs("  ", out);
	put_ports(plan, to, group, out);
	fputs(": ", out);
	put_rule(rule, out);
	fprintf(out, ": %s\n", rule->text);
	put_beaten(plan, to, group, rule, out);
}

/* If the destination is DNS, and that goes to the resolver, says so. */
static bool explain_redirection(const struct plan *plan, const struct destination *to, FILE *out)
{
	const struct endpoint *resolver = redirection(plan, to);
	char text[INADDR_TEXT];

	if (!resolver || to->port != DNS_PORT)
		return false;
	if (to->is_address && resolver->port == DNS_PORT &&
		inaddr_compare(&resolver->address, &to->address) == 0)
		return false;
	put_verdict(to, false, out);
	fprintf(out, "  dns: goes to the resolver at %s instead, like all DNS\n",
		endpoint_to_text(resolver, text));
	return true;
}

static bool is_loopback(const struct inaddr *address)
{
	static const struct inaddr loopback6 = {{[15] = 1}};

	if (inaddr_is_ip4(address))
		return address->bytes[12] == 127;
	return inaddr_compare(address, &loopback6) == 0;
}

/* The resolver's own address, and what never leaves. */
static bool explain_local(const struct plan *plan, const struct destination *to, FILE *out)
{
	const struct endpoint *resolver = redirection(plan, to);
	const char *why = NULL;

	if (resolver && to->port == resolver->port &&
		inaddr_compare(&resolver->address, &to->address) == 0)
		why = "dns: the resolver itself";
	else if (is_loopback(&to->address))
		why = "loopback: never leaves this network namespace";
	if (!why)
		return false;
	put_verdict(to, true, out);
	fprintf(out, "  %s\n", why);
	return true;
}

static const struct plan_rule *rule_on_other_ports(
	const struct plan *plan, const struct inaddr *address)
{
	const struct plan_rule *rule = NULL;

	for (unsigned group = 0; group < plan->n_groups && !rule; group++)
		rule = match_address(plan, group, address);
	return rule;
}

/* The rule that refuses an address, and why. */
static void put_refusal(const struct plan *plan, const struct inaddr *address, FILE *out)
{
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	const struct plan_rule *rule = rule_on_other_ports(plan, address);
	char text[INADDR_TEXT];

	for (size_t i = 0; i < plan->family[family].n_blocks; i++) {
		const struct plan_block *block = &plan->family[family].blocks[i];

		if (!range_contains(&block->range, address))
			continue;
		fprintf(out, "  %s: [network] block has %s\n", class_rule(block->class),
			range_to_text(&block->range, text));
		return;
	}
	fprintf(out, "  %s: ", MATCH_DEFAULT_DENY);
	if (rule) {
		fputs("the address is permitted, but on other ports, by ", out);
		put_rule(rule, out);
		fputc('\n', out);
	} else {
		fputs("no entry has the address\n", out);
	}
}

/* The embedded names that lead to the address by a lease, in a group that is asked for. */
static void put_embedded(const struct compiled *compiled, const struct destination *to, FILE *out)
{
	const struct dns_policy *dns = &compiled->plan->policy->dns;
	struct match_result result;
	char text[NAME_TEXT];

	for (size_t i = 0; i < dns->n_hosts; i++) {
		const struct embedded_host *host = &dns->hosts[i];
		bool has = false;

		for (size_t j = 0; j < host->n_addresses; j++)
			has |= inaddr_compare(&host->addresses[j], &to->address) == 0;
		if (!has || !match_name(compiled->match, &host->name, &result))
			continue;
		for (unsigned j = 0; j < result.n_grants; j++) {
			if (!is_asked(compiled->plan, to, result.grants[j].group))
				continue;
			fprintf(out, "  but open while leased to %s (%s:%u), by ",
				name_to_text(&host->name, text), host->place.file,
				host->place.line);
			put_rule(&compiled->plan->rules[result.grants[j].rule], out);
			fputc('\n', out);
		}
	}
}

/* Whether a server's answer may open the address: the resolver leases none of a blocked class, and
 * some name's entry must have one of the ports. */
static bool may_be_answered(const struct plan *plan, const struct destination *to)
{
	enum address_class class;

	if (plan->policy->dns.n_upstream == 0 ||
		class_find(&to->address, plan->policy->block, &class))
		return false;
	for (size_t group = 0; group < plan->n_groups; group++) {
		if (!is_asked(plan, to, group))
			continue;
		for (size_t rule = 0; rule < plan->n_rules; rule++)
			if (plan->rule_groups[rule] >> group & 1 &&
				plan->rules[rule].entry->n_hosts > 0)
				return true;
	}
	return false;
}

static bool explain_address(
	const struct compiled *compiled, const struct destination *to, FILE *out)
{
	const struct plan *plan = compiled->plan;
	bool permitted = false;

	if (explain_redirection(plan, to, out))
		return false;
	if (explain_local(plan, to, out))
		return true;
	for (unsigned group = 0; group < plan->n_groups; group++)
		permitted |= is_asked(plan, to, group) && match_address(plan, group, &to->address);
	put_verdict(to, permitted, out);
	for (unsigned group = 0; group < plan->n_groups; group++) {
		const struct plan_rule *rule = match_address(plan, group, &to->address);

		if (rule && is_asked(plan, to, group))
			put_grant(plan, to, group, rule, out);
	}
	if (permitted)
		return true;
	put_refusal(plan, &to->address, out);
	put_embedded(compiled, to, out);
	if (may_be_answered(plan, to))
		fputs("  but open while leased, if the answer for a permitted name has it\n", out);
	return false;
}

/* Where a permitted name's addresses come from, without which nothing is open. */
static void put_source(const struct compiled *compiled, const struct name *name, FILE *out)
{
	const struct embedded_host *host = match_host(compiled->match, name);
	const char *comma = " ";
	char text[INADDR_TEXT];

	if (!host) {
		fputs(compiled->plan->policy->dns.n_upstream > 0
				? "  open while leased: the addresses that [dns] upstream answers, "
				  "but "
				  "for blocked classes\n"
				: "  but it has no addresses: there is neither [dns] upstream nor "
				  "[dns.hosts] for it\n",
			out);
		return;
	}
	fprintf(out, "  open while leased, from [dns.hosts] (%s:%u):", host->place.file,
		host->place.line);
	for (size_t i = 0; i < host->n_addresses; i++, comma = ", ")
		fprintf(out, "%s%s", comma, inaddr_to_text(&host->addresses[i], text));
	fputc('\n', out);
}

static void put_refused_name(const struct plan *plan, const struct match_result *result, FILE *out)
{
	fprintf(out, "  %s: ", MATCH_DEFAULT_DENY);
	if (result->n_grants == 0) {
		fputs("no entry has the name, so the resolver does not answer\n", out);
		return;
	}
	fputs("the name is permitted, but on other ports, by ", out);
	put_rule(&plan->rules[result->rule], out);
	fputc('\n', out);
}

static bool explain_name(const struct compiled *compiled, const struct destination *to, FILE *out)
{
	const struct plan *plan = compiled->plan;
	struct match_result result;
	bool permitted = false;

	if (explain_redirection(plan, to, out))
		return false;
	match_name(compiled->match, &to->name, &result);
	for (unsigned i = 0; i < result.n_grants; i++)
		permitted |= is_asked(plan, to, result.grants[i].group);
	put_verdict(to, permitted, out);
	if (!permitted) {
		put_refused_name(plan, &result, out);
		return false;
	}
	for (unsigned i = 0; i < result.n_grants; i++)
		if (is_asked(plan, to, result.grants[i].group))
			put_grant(plan, to, result.grants[i].group,
				&plan->rules[result.grants[i].rule], out);
	put_source(compiled, &to->name, out);
	return true;
}

int explain(
	const struct compiled *compiled, const char *destination, FILE *out, bool *ret_permitted)
{
	struct destination to;

	if (read_destination(destination, &to) < 0)
		return -EINVAL;
	*ret_permitted = to.is_address ? explain_address(compiled, &to, out)
				       : explain_name(compiled, &to, out);
	return 0;
}
