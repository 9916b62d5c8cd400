/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/sketch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"

static void __attribute__((noreturn)) bad(const char *what)
{
	fprintf(stderr, "Bail out! bad sketch: %s\n", what);
	abort();
}

struct name sketch_name(const char *text)
{
	struct name name = {.length = 1};

	if (*text && name_from_text(text_of(text), &name) < 0)
		bad(text);
	return name;
}

struct inaddr sketch_address(const char *text)
{
	struct inaddr address;

	if (inaddr_from_text(text_of(text), &address) < 0)
		bad(text);
	return address;
}

static struct host read_host(struct arena *arena, const char *word)
{
	struct host host = {.kind = HOST_EXACT};
	struct name name;
	uint8_t *wire;

	if (strncmp(word, "**", 2) == 0)
		host.kind = HOST_ANY_DEPTH;
	else if (*word == '*')
		host.kind = HOST_ONE_LABEL;
	word += strspn(word, "*");
	name = sketch_name(host.kind == HOST_EXACT || !*word ? word : word + 1);
	wire = arena_alloc(arena, name.length);
	memcpy(wire, name.wire, name.length);
	host.wire = wire;
	host.length = name.length;
	return host;
}

static uint16_t read_number(struct text digits)
{
	uint64_t number;

	if (text_to_number(digits, UINT16_MAX, &number) < 0)
		bad(digits.start);
	return (uint16_t)number;
}

static struct port_range read_port(const char *word)
{
	struct port_range range = {.protocol = PROTOCOL_ICMP_ECHO};
	struct text protocol, ports, first, last;

	if (strcmp(word, "icmp/echo") == 0)
		return range;
	if (!text_cut(text_of(word), '/', &protocol, &ports))
		bad(word);
	range.protocol = text_is(protocol, "tcp") ? PROTOCOL_TCP : PROTOCOL_UDP;
	if (!text_cut(ports, '-', &first, &last))
		last = first;
	range.first = read_number(first);
	range.last = read_number(last);
	return range;
}

static struct entry read_entry(struct arena *arena, const char *line, unsigned number)
{
	size_t most = strlen(line) + 1;
	char *words = arena_strndup(arena, line, most), *rest = words, *word;
	bool is_port = false;
	struct entry entry = {
		.id = arena_printf(arena, "allow-%u", number),
		.hosts = arena_array(arena, most, sizeof(struct host)),
		.addresses = arena_array(arena, most, sizeof(struct address_range)),
		.ports = arena_array(arena, most, sizeof(struct port_range)),
		.place = {.file = "sketch.toml", .line = 10 * number, .column = 1, .width = 9},
	};

	while ((word = strsep(&rest, " "))) {
		struct range range;

		if (strcmp(word, ":") == 0)
			is_port = true;
		else if (is_port)
			entry.ports[entry.n_ports++] = read_port(word);
		else if (range_from_text(text_of(word), &range) == 0)
			entry.addresses[entry.n_addresses++].range = range;
		else
			entry.hosts[entry.n_hosts++] = read_host(arena, word);
	}
	return entry;
}

struct policy *sketch_policy(struct arena *arena, const char *const *lines)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));

	policy->file = "sketch.toml";
	policy->name = "sketch";
	while (lines[policy->n_allow])
		policy->n_allow++;
	policy->allow = arena_array(arena, policy->n_allow, sizeof(*policy->allow));
	for (unsigned i = 0; i < policy->n_allow; i++)
		policy->allow[i] = read_entry(arena, lines[i], i + 1);
	return policy;
}

void sketch_embedded(struct arena *arena, struct policy *policy, const char *line)
{
	struct dns_policy *dns = &policy->dns;
	struct embedded_host *hosts = arena_array(arena, dns->n_hosts + 1, sizeof(*hosts));
	char *rest = arena_strndup(arena, line, strlen(line)), *word;
	struct embedded_host *host = &hosts[dns->n_hosts];

	if (dns->n_hosts > 0)
		memcpy(hosts, dns->hosts, dns->n_hosts * sizeof(*hosts));
	host->name = sketch_name(strsep(&rest, " "));
	host->addresses = arena_array(arena, strlen(line), sizeof(*host->addresses));
	host->place = (struct place){.file = policy->file, .line = 900, .column = 1, .width = 1};
	while ((word = strsep(&rest, " ")))
		host->addresses[host->n_addresses++] = sketch_address(word);
	dns->hosts = hosts;
	dns->n_hosts++;
}

static void append_endpoint(
	struct arena *arena, struct endpoint **list, size_t *count, const char *text)
{
	struct endpoint *longer = arena_array(arena, *count + 1, sizeof(*longer));

	if (*count > 0)
		memcpy(longer, *list, *count * sizeof(*longer));
	if (endpoint_from_text(text_of(text), 0, &longer[*count]) < 0)
		bad(text);
	*list = longer;
	(*count)++;
}

void sketch_listen(struct arena *arena, struct policy *policy, const char *endpoint)
{
	append_endpoint(arena, &policy->dns.listen, &policy->dns.n_listen, endpoint);
}

void sketch_upstream(struct arena *arena, struct policy *policy, const char *endpoint)
{
	append_endpoint(arena, &policy->dns.upstream, &policy->dns.n_upstream, endpoint);
}

const struct plan *sketch_plan(struct arena *arena, const struct policy *policy)
{
	struct diag *diag = diag_new(arena);
	const struct plan *plan;

	if (plan_make(arena, policy, diag, &plan) < 0) {
		diag_print(diag, stderr);
		bad("no plan");
	}
	return plan;
}
