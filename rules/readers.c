/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>

#include "rules/class.h"
#include "rules/nearest.h"
#include "rules/quote.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "src/base/arena.h"

/* An error at a string: its quoted text, and what is wrong with it. */
static void reject(struct load *load, const struct toml_node *string, const char *problem)
{
	char quoted[QUOTE_TEXT];

	diag_error(load->diag, load_place(load, string->at), "%s %s",
		quote(string->value.string, quoted), problem);
}

/* A value that may be alone or an array: its elements. */
static const struct toml_node *items_of(const struct toml_node *value, size_t *ret_count)
{
	bool is_array = value->kind == TOML_ARRAY;

	*ret_count = is_array ? value->n_children : 1;
	return is_array ? value->children : value;
}

/* An error at the second of two equal things. */
static void reject_twice(
	struct load *load, const struct toml_node *string, const struct place *first)
{
	char quoted[QUOTE_TEXT];

	diag_error(load->diag, load_place(load, string->at),
		"%s is given twice, first in line %u, column %u",
		quote(string->value.string, quoted), first->line, first->column);
}

static int read_mode(struct load *load, const struct toml_node *value)
{
	if (text_is(value->value.string, "denylist"))
		reject(load, value, "is not supported yet");
	else if (!text_is(value->value.string, "allowlist"))
		reject(load, value, "is not a mode: expected \"allowlist\"");
	return 0;
}

/* A string into *ret_string, if `check` finds nothing wrong with it. */
static int read_string(struct load *load, const struct toml_node *value,
	int (*check)(struct text, const char **), const char **ret_string)
{
	struct text text = value->value.string;
	const char *problem, *copy;

	if (check(text, &problem) < 0) {
		reject(load, value, problem);
		return 0;
	}
	copy = arena_strndup(load->arena, text.start, text.length);
	if (!copy)
		return -ENOMEM;
	*ret_string = copy;
	return 0;
}

static int read_name(struct load *load, const struct toml_node *value)
{
	return read_string(load, value, value_label, &load->policy->name);
}

/* An entry must say what it is about. */
static void check_entry(struct load *load, const struct toml_node *table)
{
	static const char *const subjects[] = {"host", "ip", "host_pattern", "list"};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (load_find(table, subjects[i]))
			return;
	}
	diag_error(
		load->diag, load_place(load, table->at), "this entry has neither 'host' nor 'ip'");
}

static int read_allow(struct load *load, const struct toml_node *value)
{
	struct policy *policy = load->policy;
	int error = 0;

	policy->allow = arena_array(load->arena, value->n_children, sizeof(struct entry));
	if (!policy->allow)
		return -ENOMEM;
	policy->n_allow = value->n_children;
	for (size_t i = 0; i < value->n_children && error == 0; i++) {
		load->entry = &policy->allow[i];
		load->entry->place = load_place(load, value->children[i].at);
		load->entry->id = arena_printf(load->arena, "allow-%zu", i + 1);
		if (!load->entry->id)
			return -ENOMEM;
		check_entry(load, &value->children[i]);
		error = load_table(load, "allow", &value->children[i]);
	}
	return error;
}

/* One host into `host`. Sets *ret_good when it is one. */
static int read_host(
	struct load *load, const struct toml_node *item, struct host *host, bool *ret_good)
{
	const char *problem;
	struct name name;

	if (value_host(item->value.string, &host->kind, &name, &problem) < 0) {
		reject(load, item, problem);
		return 0;
	}
	host->length = name.length;
	host->place = load_place(load, item->at);
	host->wire =
		(const uint8_t *)arena_strndup(load->arena, (const char *)name.wire, name.length);
	if (!host->wire)
		return -ENOMEM;
	*ret_good = true;
	return 0;
}

static int read_allow_host(struct load *load, const struct toml_node *value)
{
	size_t count;
	const struct toml_node *items = items_of(value, &count);
	struct host *hosts = arena_array(load->arena, count, sizeof(*hosts));
	struct seen *seen;
	int error = hosts ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		const struct place *first = NULL;
		bool good = false;

		error = read_host(load, &items[i], &hosts[i], &good);
		if (good)
			first = seen_add(seen, hosts[i].kind, hosts[i].wire, hosts[i].length,
				&hosts[i].place);
		if (first)
			reject_twice(load, &items[i], first);
	}
	load->entry->hosts = hosts;
	load->entry->n_hosts = count;
	return error;
}

static int read_allow_ip(struct load *load, const struct toml_node *value)
{
	size_t count;
	const struct toml_node *items = items_of(value, &count);
	struct address_range *addresses = arena_array(load->arena, count, sizeof(*addresses));
	const char *problem;

	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		addresses[i].place = load_place(load, items[i].at);
		if (value_range(items[i].value.string, &addresses[i].range, &problem) < 0)
			reject(load, &items[i], problem);
	}
	load->entry->addresses = addresses;
	load->entry->n_addresses = count;
	return 0;
}

static int read_allow_ports(struct load *load, const struct toml_node *value)
{
	size_t count;
	const struct toml_node *items = items_of(value, &count);
	struct port_range *ports = arena_array(load->arena, count, sizeof(*ports));
	const char *problem;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint16_t port = (uint16_t)items[i].value.integer;

		if (items[i].kind == TOML_INTEGER)
			ports[i] = (struct port_range){PROTOCOL_TCP, port, port};
		else if (value_ports(items[i].value.string, &ports[i], &problem) < 0)
			reject(load, &items[i], problem);
	}
	load->entry->ports = ports;
	load->entry->n_ports = count;
	return 0;
}

static int read_allow_category(struct load *load, const struct toml_node *value)
{
	return read_string(load, value, value_category, &load->entry->category);
}

static int read_allow_reason(struct load *load, const struct toml_node *value)
{
	return read_string(load, value, value_reason, &load->entry->reason);
}

static int read_network(struct load *load, const struct toml_node *value)
{
	return load_table(load, "network", value);
}

static void reject_class(struct load *load, const struct toml_node *item)
{
	struct nearest nearest = {.word = item->value.string};
	char quoted[QUOTE_TEXT];

	for (unsigned i = 0; i < CLASS_COUNT; i++)
		nearest_offer(&nearest, class_name((enum address_class)i));
	quote(item->value.string, quoted);
	if (nearest.found)
		diag_error(load->diag, load_place(load, item->at),
			"unknown class of addresses %s, did you mean '%s'?", quoted, nearest.found);
	else
		diag_error(load->diag, load_place(load, item->at), "unknown class of addresses %s",
			quoted);
}

static int read_network_block(struct load *load, const struct toml_node *value)
{
	for (size_t i = 0; i < value->n_children; i++) {
		enum address_class class;

		if (class_from_text(value->children[i].value.string, &class) < 0)
			reject_class(load, &value->children[i]);
		else
			load->policy->block |= 1u << class;
	}
	return 0;
}

static int read_dns(struct load *load, const struct toml_node *value)
{
	const struct dns_policy *dns = &load->policy->dns;
	const struct toml_node *written;
	int error = load_table(load, "dns", value);

	/* Both are 0 while they are wrong; at their defaults they fit. */
	if (error < 0 || dns->max_lease.ms == 0 || dns->min_lease.ms <= dns->max_lease.ms)
		return error;
	written = load_find(value, "max_lease");
	if (!written)
		written = load_find(value, "min_lease");
	if (written)
		diag_error(load->diag, load_place(load, written->at),
			"'min_lease' (%llds) is more than 'max_lease' (%llds)",
			(long long)dns->min_lease.ms / 1000, (long long)dns->max_lease.ms / 1000);
	return 0;
}

/* An array of endpoints, none of them twice. */
static int read_endpoints(struct load *load, const struct toml_node *value,
	int (*read)(struct text, struct endpoint *, const char **), struct endpoint **ret_endpoints,
	size_t *ret_count)
{
	size_t count = value->n_children;
	struct endpoint *endpoints = arena_array(load->arena, count, sizeof(*endpoints));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = endpoints && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];
		const struct place *first = NULL;
		const char *problem;

		places[i] = load_place(load, item->at);
		if (read(item->value.string, &endpoints[i], &problem) < 0)
			reject(load, item, problem);
		else
			first = seen_add(seen, endpoints[i].port, &endpoints[i].address,
				sizeof(endpoints[i].address), &places[i]);
		if (first)
			reject_twice(load, item, first);
	}
	*ret_endpoints = endpoints;
	*ret_count = count;
	return error;
}

static int read_dns_listen(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;

	return read_endpoints(load, value, value_listen, &dns->listen, &dns->n_listen);
}

static int read_dns_upstream(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;

	return read_endpoints(load, value, value_upstream, &dns->upstream, &dns->n_upstream);
}

static int read_dns_min_lease(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.min_lease);
}

static int read_dns_max_lease(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.max_lease);
}

static int read_dns_grace(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.grace);
}

/* The name of a [dns.hosts] key into host->name. False if it is none, or is there already. */
static bool read_hosts_key(
	struct load *load, const struct toml_node *value, struct embedded_host *host)
{
	struct toml_node key = {.at = value->key_at, .value.string = value->key};
	const struct place *first;
	enum host_kind kind;
	const char *problem;

	host->place = load_place(load, value->key_at);
	if (text_starts(value->key, "*")) {
		reject(load, &key, "is a wildcard, which has no addresses of its own");
		return false;
	}
	if (value_host(value->key, &kind, &host->name, &problem) < 0) {
		reject(load, &key, problem);
		return false;
	}
	first = seen_add(load->hosts, kind, host->name.wire, host->name.length, &host->place);
	if (first)
		reject_twice(load, &key, first);
	return !first;
}

static int read_dns_hosts_name(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	struct embedded_host *host = &dns->hosts[dns->n_hosts];
	size_t count;
	const struct toml_node *items = items_of(value, &count);
	const char *problem;

	if (value->kind == TOML_TABLE) {
		diag_error(load->diag, load_place(load, value->key_at),
			"a name with dots needs quotes, as \"db.internal\"");
		return 0;
	}
	host->addresses = arena_array(load->arena, count, sizeof(*host->addresses));
	if (!host->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (value_address(items[i].value.string, &host->addresses[i], &problem) < 0)
			reject(load, &items[i], problem);
	}
	host->n_addresses = count;
	dns->n_hosts += read_hosts_key(load, value, host);
	return 0;
}

static int read_dns_hosts(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	int error;

	dns->hosts = arena_array(load->arena, value->n_children, sizeof(*dns->hosts));
	if (!dns->hosts)
		return -ENOMEM;
	error = seen_new(load->scratch, value->n_children, &load->hosts);
	if (error < 0)
		return error;
	return load_table(load, "dns.hosts", value);
}

static int read_audit(struct load *load, const struct toml_node *value)
{
	return load_table(load, "audit", value);
}

static int read_audit_nflog_group(struct load *load, const struct toml_node *value)
{
	load->policy->nflog_group = (uint16_t)value->value.integer;
	return 0;
}

static reader *const readers[SCHEMA_IDS] = {
	[SCHEMA_NAME] = read_name,
	[SCHEMA_MODE] = read_mode,
	[SCHEMA_ALLOW] = read_allow,
	[SCHEMA_NETWORK] = read_network,
	[SCHEMA_DNS] = read_dns,
	[SCHEMA_AUDIT] = read_audit,
	[SCHEMA_ALLOW_HOST] = read_allow_host,
	[SCHEMA_ALLOW_IP] = read_allow_ip,
	[SCHEMA_ALLOW_PORTS] = read_allow_ports,
	[SCHEMA_ALLOW_CATEGORY] = read_allow_category,
	[SCHEMA_ALLOW_REASON] = read_allow_reason,
	[SCHEMA_NETWORK_BLOCK] = read_network_block,
	[SCHEMA_DNS_LISTEN] = read_dns_listen,
	[SCHEMA_DNS_UPSTREAM] = read_dns_upstream,
	[SCHEMA_DNS_MIN_LEASE] = read_dns_min_lease,
	[SCHEMA_DNS_MAX_LEASE] = read_dns_max_lease,
	[SCHEMA_DNS_GRACE] = read_dns_grace,
	[SCHEMA_DNS_HOSTS] = read_dns_hosts,
	[SCHEMA_DNS_HOSTS_NAME] = read_dns_hosts_name,
	[SCHEMA_AUDIT_NFLOG_GROUP] = read_audit_nflog_group,
};

reader *reader_of(enum schema_id id)
{
	return readers[id];
}
