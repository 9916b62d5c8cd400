/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/sketch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/dns-server.h"
#include "rules/host.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/ports.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

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

static void read_host(struct arena *arena, struct entry *entry, const char *word)
{
	struct host *host = &entry->hosts[entry->n_hosts++];
	const char *problem;
	struct name name;
	uint8_t *wire;

	host->place = entry->place;
	if (strcmp(word, "*") == 0 || strcmp(word, "**") == 0) {
		host->kind = word[1] ? HOST_ANY_DEPTH : HOST_ONE_LABEL;
		name = sketch_name("");
	} else if (host_from_text(text_of(word), &host->kind, &name, &problem) < 0) {
		bad(word);
	}
	wire = arena_alloc(arena, name.length);
	memcpy(wire, name.wire, name.length);
	host->wire = wire;
	host->length = name.length;
}

static void read_pattern(struct arena *arena, struct entry *entry, const char *word)
{
	struct text text = {word + 1, strlen(word) - 2};
	const char *problem;
	size_t offset;

	if (pattern_make(arena, text, entry->place, &entry->patterns[entry->n_patterns++], &problem,
		    &offset) < 0)
		bad(word);
}

static void read_list(struct arena *arena, struct entry *entry, const char *word)
{
	char *lines = arena_strndup(arena, word + 1, strlen(word + 1));
	struct diag *diag = diag_new(arena);

	for (char *c = lines; *c; c++)
		if (*c == ',')
			*c = '\n';
	if (list_parse(arena, "sketch.txt", text_of(lines), entry->place, diag,
		    &entry->lists[entry->n_lists++]) < 0)
		bad(word);
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

static void read_believed(struct arena *arena, struct entry *entry, const char *value)
{
	char *rest = arena_strndup(arena, value, strlen(value)), *word;

	entry->believed = BELIEVED_LISTED;
	if (strcmp(value, "any") == 0)
		entry->believed = BELIEVED_ANY;
	if (strcmp(value, "public") == 0)
		entry->believed = BELIEVED_PUBLIC;
	if (entry->believed != BELIEVED_LISTED)
		return;
	entry->believed_ranges = arena_array(arena, strlen(value), sizeof(struct range));
	while ((word = strsep(&rest, ",")))
		if (range_from_text(
			    text_of(word), &entry->believed_ranges[entry->n_believed_ranges++]) < 0)
			bad(word);
}

static void read_key(struct arena *arena, struct entry *entry, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		bad(word);
	*value++ = '\0';
	if (strcmp(word, "score") == 0)
		entry->score = strtod(value, NULL);
	else if (strcmp(word, "addresses") == 0)
		read_believed(arena, entry, value);
	else if (strcmp(word, "expires") == 0)
		entry->expires = strtoll(value, NULL, 10);
	else if (strcmp(word, "connections") == 0)
		entry->connections = (struct rate){(uint32_t)strtoul(value, NULL, 10), 60};
	else if (strcmp(word, "bytes") == 0)
		entry->bytes = strtoull(value, NULL, 10);
	else
		bad(word);
}

static void read_destination(struct arena *arena, struct entry *entry, const char *word)
{
	struct range range;

	if (*word == '/')
		read_pattern(arena, entry, word);
	else if (*word == '@')
		read_list(arena, entry, word);
	else if (range_from_text(text_of(word), &range) == 0)
		entry->addresses[entry->n_addresses++] =
			(struct address_range){.range = range, .place = entry->place};
	else
		read_host(arena, entry, word);
}

static bool is_deny(const char *line)
{
	return strncmp(line, "deny ", 5) == 0;
}

static struct entry new_entry(struct arena *arena, const char *line, unsigned number)
{
	size_t most = strlen(line) + 1;
	struct entry entry = {
		.action = is_deny(line) ? ACTION_DENY : ACTION_ALLOW,
		.score = is_deny(line) ? 4.0 : -1.0,
		.hosts = arena_array(arena, most, sizeof(struct host)),
		.addresses = arena_array(arena, most, sizeof(struct address_range)),
		.patterns = arena_array(arena, most, sizeof(struct pattern *)),
		.lists = arena_array(arena, most, sizeof(struct list *)),
		.ports = arena_array(arena, most, sizeof(struct port_range)),
		.expires = INT64_MAX,
		.place = {.file = "sketch.toml", .line = 10 * number, .column = 1, .width = 9},
	};

	entry.expires_place = entry.place;
	return entry;
}

static struct entry read_entry(struct arena *arena, const char *line, unsigned number)
{
	char *rest = arena_strndup(arena, line, strlen(line)), *word;
	enum { DESTINATIONS, PORTS, KEYS } part = DESTINATIONS;
	struct entry entry = new_entry(arena, line, number);

	if (is_deny(line) || strncmp(line, "allow ", 6) == 0)
		strsep(&rest, " ");
	while ((word = strsep(&rest, " "))) {
		if (strcmp(word, ":") == 0)
			part = PORTS;
		else if (strcmp(word, ";") == 0)
			part = KEYS;
		else if (part == PORTS)
			entry.ports[entry.n_ports++] = read_port(word);
		else if (part == KEYS)
			read_key(arena, &entry, word);
		else
			read_destination(arena, &entry, word);
	}
	entry.all_ports = entry.n_ports == 0 && is_deny(line);
	if (entry.n_ports == 0 && !is_deny(line))
		entry.ports[entry.n_ports++] = (struct port_range){PROTOCOL_TCP, 443, 443};
	return entry;
}

struct policy *sketch_policy(struct arena *arena, const char *const *lines)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	unsigned n_lines = 0, counts[2] = {0};

	policy->file = "sketch.toml";
	policy->name = "sketch";
	policy->dns.has_upstream = true;
	policy->score = (struct thresholds){.unknown = 1.0, .flag_at = 0.5, .refuse_at = 1.0};
	while (lines[n_lines])
		n_lines++;
	policy->entries = arena_array(arena, n_lines, sizeof(*policy->entries));
	for (unsigned deny = 0; deny < 2; deny++)
		for (unsigned i = 0; i < n_lines; i++) {
			struct entry *entry = &policy->entries[policy->n_entries];

			if (is_deny(lines[i]) != (deny == 1))
				continue;
			*entry = read_entry(arena, lines[i], i + 1);
			entry->id =
				arena_printf(arena, deny ? "deny-%u" : "allow-%u", ++counts[deny]);
			policy->n_entries++;
		}
	policy->has_allow = counts[0] > 0;
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
	struct dns_policy *dns = &policy->dns;
	struct dns_server *servers = arena_array(arena, dns->n_upstream + 1, sizeof(*servers));
	const char *problem;

	if (dns->n_upstream > 0)
		memcpy(servers, dns->upstream, dns->n_upstream * sizeof(*servers));
	if (dns_server_from_text(text_of(endpoint), &servers[dns->n_upstream], &problem) < 0)
		bad(endpoint);
	dns->upstream = servers;
	dns->n_upstream++;
	dns->has_upstream = true;
}

const struct layers *sketch_layers(
	struct arena *arena, const struct policy *const *policies, size_t n_policies)
{
	struct diag *diag = diag_new(arena);
	const struct layers *layers;

	if (layers_make(arena, policies, n_policies, 1, diag, &layers) < 0) {
		diag_print(diag, stderr);
		bad("no layers");
	}
	return layers;
}

const struct plan *sketch_plan_of(struct arena *arena, const struct layers *layers)
{
	struct diag *diag = diag_new(arena);
	const struct plan *plan;

	if (plan_make(arena, layers, diag, &plan) < 0) {
		diag_print(diag, stderr);
		bad("no plan");
	}
	return plan;
}

const struct plan *sketch_plan(struct arena *arena, const struct policy *policy)
{
	return sketch_plan_of(arena, sketch_layers(arena, &policy, 1));
}

static const char *decision_text(
	struct arena *arena, const struct plan *plan, enum verdict verdict, uint32_t index)
{
	static const char *const signs[] = {[VERDICT_PERMIT] = "",
		[VERDICT_FLAG] = "?",
		[VERDICT_OBSERVE] = "~",
		[VERDICT_REFUSE] = "!"};

	return arena_printf(arena, "%s%s", signs[verdict],
		verdict >= VERDICT_OBSERVE ? plan->refusals[index].id : plan->rules[index].id);
}

static void print_spans(
	struct arena *arena, const struct plan *plan, const struct plan_spans *spans, FILE *out)
{
	char range[INADDR_TEXT];

	for (size_t i = 0; i < spans->n_spans; i++)
		fprintf(out, "%s%s=%s", i > 0 ? " " : "",
			range_to_text(&spans->spans[i].range, range),
			decision_text(arena, plan, spans->spans[i].verdict, spans->spans[i].index));
}

static const char *copy_text(struct arena *arena, char *text, size_t size)
{
	const char *copy = arena_strndup(arena, text, size);

	free(text);
	return copy;
}

const char *sketch_spans(
	struct arena *arena, const struct plan *plan, const struct plan_spans *spans)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print_spans(arena, plan, spans, out);
	fclose(out);
	return copy_text(arena, text, size);
}

static void print_lists(struct arena *arena, const struct plan *plan, const char *who,
	unsigned family, const struct plan_spans *permitted, const struct plan_spans *denied,
	FILE *out)
{
	char digit = family == PLAN_IP4 ? '4' : '6';

	if (permitted->n_spans > 0) {
		fprintf(out, "%s %c: ", who, digit);
		print_spans(arena, plan, permitted, out);
		fputc('\n', out);
	}
	if (denied->n_spans > 0) {
		fprintf(out, "%s %c: ", who, digit);
		print_spans(arena, plan, denied, out);
		fputc('\n', out);
	}
}

static void print_rules(const struct plan *plan, FILE *out)
{
	for (size_t i = 0; i < plan->n_rules; i++) {
		fprintf(out, "rule %s", plan->rules[i].id);
		for (size_t j = 0; j < plan->n_groups; j++)
			if (plan->rule_groups[i] >> j & 1)
				fprintf(out, " %s", plan->groups[j].name);
		fprintf(out, ": %s\n", plan->rules[i].text);
	}
	for (size_t i = 0; i < plan->n_refusals; i++)
		fprintf(out, "refusal %s: %s\n", plan->refusals[i].id, plan->refusals[i].about);
}

static void print_group(
	struct arena *arena, const struct plan *plan, const struct plan_group *group, FILE *out)
{
	char ports[PORTS_TEXT];

	fprintf(out, "%s [", group->name);
	for (size_t i = 0; i < group->n_ports; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", port_range_to_text(&group->ports[i], ports));
	fputs("]\n", out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		print_lists(arena, plan, group->name, family, &group->family[family].permitted,
			&group->family[family].denied, out);
}

const char *sketch_text(struct arena *arena, const struct plan *plan)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print_rules(plan, out);
	for (size_t i = 0; i < plan->n_groups; i++)
		print_group(arena, plan, &plan->groups[i], out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		print_lists(arena, plan, "rest", family, &plan->family[family].permitted,
			&plan->family[family].denied, out);
	fprintf(out, "otherwise %s\n",
		decision_text(arena, plan, plan->otherwise, plan->otherwise_index));
	fclose(out);
	return copy_text(arena, text, size);
}
