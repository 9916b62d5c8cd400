/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>
#include <string.h>

#include "rules/dns-server.h"
#include "rules/host.h"
#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/* [dns] and [dns.hosts]. */

typedef int read_server(struct text text, struct dns_server *ret_server, const char **ret_problem);

/* An array of servers, none of them twice. */
static int read_servers(struct load *load, const struct toml_node *value, read_server *read,
	struct dns_server **ret_servers, size_t *ret_count)
{
	size_t count = value->n_children, good = 0;
	struct dns_server *servers = arena_array(load->arena, count, sizeof(*servers));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = servers && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];
		const struct endpoint *at = &servers[good].at;
		const char *problem;

		if (read(item->value.string, &servers[good], &problem) < 0) {
			reading_reject(load, CODE_ENDPOINT, item, problem);
			continue;
		}
		places[good] = walk_place(load, item->at);
		reading_reject_twice(load, item,
			seen_add(seen, at->port, &at->address, sizeof(at->address), &places[good]));
		good++;
	}
	*ret_servers = servers;
	*ret_count = good;
	return error;
}

static int read_own(struct text text, struct dns_server *ret_server, const char **ret_problem)
{
	return value_listen(text, &ret_server->at, ret_problem);
}

int read_dns_listen(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	struct dns_server *own;
	int error = read_servers(load, value, read_own, &own, &dns->n_listen);

	if (error < 0)
		return error;
	dns->listen = arena_array(load->arena, dns->n_listen, sizeof(*dns->listen));
	for (size_t i = 0; i < dns->n_listen && dns->listen; i++)
		dns->listen[i] = own[i].at;
	return dns->listen ? 0 : -ENOMEM;
}

int read_dns_upstream(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	struct dns_server *servers;
	int error = read_servers(load, value, dns_server_from_text, &servers, &dns->n_upstream);

	dns->upstream = servers;
	dns->has_upstream = true;
	return error;
}

/* Names and numbers of the IANA registry, "DNS parameters". */
static const struct words types = {
	"a record type",
	(const struct word[]){{"A", 1}, {"AAAA", 28}, {"HTTPS", 65}, {"NS", 2}, {"CNAME", 5},
		{"SOA", 6}, {"PTR", 12}, {"HINFO", 13}, {"MX", 15}, {"TXT", 16}, {"RP", 17},
		{"AFSDB", 18}, {"LOC", 29}, {"SRV", 33}, {"NAPTR", 35}, {"CERT", 37}, {"DNAME", 39},
		{"DS", 43}, {"SSHFP", 44}, {"DNSKEY", 48}, {"TLSA", 52}, {"SMIMEA", 53},
		{"OPENPGPKEY", 61}, {"SVCB", 64}, {"SPF", 99}, {"URI", 256}, {"CAA", 257},
		{NULL, 0}},
};

int read_dns_types(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	size_t count = value->n_children;
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error;

	dns->types = arena_array(load->arena, count, sizeof(*dns->types));
	error = dns->types && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;
	for (size_t i = 0; i < count && error == 0; i++) {
		const struct toml_node *item = &value->children[i];
		uint16_t *type = &dns->types[dns->n_types];
		uint64_t number;

		if (!reading_word(load, item, &types, &number))
			continue;
		*type = (uint16_t)number;
		places[i] = walk_place(load, item->at);
		reading_reject_twice(
			load, item, seen_add(seen, 0, type, sizeof(*type), &places[i]));
		dns->n_types++;
	}
	return error;
}

static const struct words refusals = {
	"a refusal",
	(const struct word[]){{"nxdomain", REFUSAL_NXDOMAIN}, {"refused", REFUSAL_REFUSED},
		{"nodata", REFUSAL_NODATA}, {NULL, 0}},
};

int read_dns_refusal(struct load *load, const struct toml_node *value)
{
	uint64_t refusal;

	if (reading_word(load, value, &refusals, &refusal))
		load->policy->dns.refusal = (enum refusal)refusal;
	return 0;
}

int read_dns_min_lease(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.min_lease);
}

int read_dns_max_lease(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.max_lease);
}

int read_dns_grace(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->dns.grace);
}

int read_dns_trust_anchor(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	struct text path = value->value.string;

	dns->trust_anchor_path = arena_strndup(load->arena, path.start, path.length);
	return dns->trust_anchor_path ? reading_path(load, value, &dns->trust_anchor) : -ENOMEM;
}

/* An exact name, that is none of those seen before: false with an error otherwise. `place` is kept
 * by reference. */
static bool read_name(struct load *load, unsigned code, const struct toml_node *string,
	struct seen *seen, struct name *name, const struct place *place)
{
	enum host_kind kind;
	const char *problem;
	const struct place *first;

	if (memchr(string->value.string.start, '*', string->value.string.length)) {
		reading_reject(load, code, string, "is a wildcard: it takes a name here");
		return false;
	}
	if (host_from_text(string->value.string, &kind, name, &problem) < 0) {
		reading_reject_host(load, code, string, problem);
		return false;
	}
	first = seen_add(seen, 0, name->wire, name->length, place);
	reading_reject_twice(load, string, first);
	return !first;
}

int read_dns_search(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	size_t count = value->n_children;
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error;

	dns->search = arena_array(load->arena, count, sizeof(*dns->search));
	error = dns->search && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;
	for (size_t i = 0; i < count && error == 0; i++) {
		places[i] = walk_place(load, value->children[i].at);
		dns->n_search += read_name(load, CODE_HOST, &value->children[i], seen,
			&dns->search[dns->n_search], &places[i]);
	}
	return error;
}

int read_dns_hosts_name(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	struct embedded_host *host = &dns->hosts[dns->n_hosts];
	struct toml_node key = {.at = value->key_at, .value.string = value->key};
	size_t count;
	const struct toml_node *items = reading_items(value, &count);
	const char *problem;

	host->place = walk_place(load, value->key_at);
	if (value->kind == TOML_TABLE) {
		diag_error(load->diag, CODE_EMBEDDED, host->place,
			"a name with dots needs quotes, as \"db.internal\"");
		return 0;
	}
	host->addresses = arena_array(load->arena, count, sizeof(*host->addresses));
	if (!host->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (value_address(items[i].value.string, &host->addresses[i], &problem) < 0)
			reading_reject(load, CODE_ADDRESS, &items[i], problem);
	}
	host->n_addresses = count;
	dns->n_hosts +=
		read_name(load, CODE_EMBEDDED, &key, load->hosts, &host->name, &host->place);
	return 0;
}

int read_dns_hosts(struct load *load, const struct toml_node *value)
{
	struct dns_policy *dns = &load->policy->dns;
	int error;

	dns->hosts = arena_array(load->arena, value->n_children, sizeof(*dns->hosts));
	if (!dns->hosts)
		return -ENOMEM;
	error = seen_new(load->scratch, value->n_children, &load->hosts);
	if (error < 0)
		return error;
	return walk_table(load, "dns.hosts", value);
}

int read_dns(struct load *load, const struct toml_node *value)
{
	const struct dns_policy *dns = &load->policy->dns;
	const struct toml_node *written;
	int error;

	load->policy->dns_place = walk_place(load, value->at);
	error = walk_table(load, "dns", value);
	/* Both are 0 while they are wrong; at their defaults they fit. */
	if (error < 0 || dns->max_lease.ms == 0 || dns->min_lease.ms <= dns->max_lease.ms)
		return error;
	written = walk_find(value, "max_lease");
	if (!written)
		written = walk_find(value, "min_lease");
	if (written)
		diag_error(load->diag, CODE_RANGE, walk_place(load, written->at),
			"'min_lease' (%llds) is more than 'max_lease' (%llds)",
			(long long)dns->min_lease.ms / 1000, (long long)dns->max_lease.ms / 1000);
	return 0;
}
