/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/kubed.h"

#include <arpa/inet.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include <cmocka.h>

enum { OBJECTS_MAX = 2000 };

struct kubed {
	yaml_document_t documents[OBJECTS_MAX];
	unsigned n_documents;
};

struct node {
	yaml_document_t *document;
	yaml_node_t *node; /* NULL: there is none */
};

struct address {
	unsigned bits; /* 32 or 128 */
	uint8_t bytes[16];
};

struct block {
	const char *text; /* in a document: NULL: not read yet */
	struct address address;
	unsigned length;
};

/* Blocks that were read: each is asked for many addresses. Emptied with each kubed_read(). */
static struct block blocks[1 << 14];

/* --- YAML --- */

static struct node get(struct node map, const char *key)
{
	struct node found = {map.document, NULL};

	if (!map.node)
		return found;
	assert_int_equal(map.node->type, YAML_MAPPING_NODE);
	for (yaml_node_pair_t *pair = map.node->data.mapping.pairs.start;
		pair < map.node->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(map.document, pair->key);

		if (strcmp((char *)name->data.scalar.value, key) == 0)
			found.node = yaml_document_get_node(map.document, pair->value);
	}
	return found;
}

static size_t count(struct node list)
{
	if (!list.node)
		return 0;
	assert_int_equal(list.node->type, YAML_SEQUENCE_NODE);
	return (size_t)(list.node->data.sequence.items.top - list.node->data.sequence.items.start);
}

static struct node at(struct node list, size_t index)
{
	return (struct node){list.document,
		yaml_document_get_node(list.document, list.node->data.sequence.items.start[index])};
}

static const char *text(struct node node)
{
	assert_non_null(node.node);
	assert_int_equal(node.node->type, YAML_SCALAR_NODE);
	return (const char *)node.node->data.scalar.value;
}

static long number(struct node node)
{
	char *end;
	long value = strtol(text(node), &end, 10);

	assert_int_equal(*end, '\0');
	return value;
}

/* Ends the test unless all keys of the mapping are among these. */
static void expect_keys(struct node map, const char *const *keys)
{
	assert_int_equal(map.node->type, YAML_MAPPING_NODE);
	for (yaml_node_pair_t *pair = map.node->data.mapping.pairs.start;
		pair < map.node->data.mapping.pairs.top; pair++) {
		const char *key = (const char *)yaml_document_get_node(map.document, pair->key)
					  ->data.scalar.value;
		bool known = false;

		for (size_t i = 0; keys[i]; i++)
			known |= strcmp(keys[i], key) == 0;
		if (!known)
			fail_msg("a key that nobody knows: %s", key);
	}
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct kubed *kubed_read(const char *yaml)
{
	struct kubed *kubed = calloc(1, sizeof(*kubed));
	yaml_parser_t parser;

	assert_non_null(kubed);
	memset(blocks, 0, sizeof(blocks));
	assert_true(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, strlen(yaml));
	for (;;) {
		yaml_document_t *document = &kubed->documents[kubed->n_documents];

		assert_true(kubed->n_documents < OBJECTS_MAX);
		if (!yaml_parser_load(&parser, document))
			fail_msg("line %zu: %s", parser.problem_mark.line, parser.problem);
		if (!yaml_document_get_root_node(document)) {
			yaml_document_delete(document);
			break;
		}
		kubed->n_documents++;
	}
	yaml_parser_delete(&parser);
	return kubed;
}

void kubed_free(struct kubed *kubed)
{
	for (unsigned i = 0; i < kubed->n_documents; i++)
		yaml_document_delete(&kubed->documents[i]);
	free(kubed);
}

unsigned kubed_objects(const struct kubed *kubed)
{
	return kubed->n_documents;
}

static struct node object(const struct kubed *kubed, unsigned index)
{
	yaml_document_t *document = (yaml_document_t *)(uintptr_t)&kubed->documents[index];
	struct node root = {document, yaml_document_get_root_node(document)};

	expect_keys(root, KEYS("apiVersion", "kind", "metadata", "spec"));
	expect_keys(get(root, "metadata"), KEYS("name", "namespace", "labels"));
	return root;
}

/* --- Addresses, ports, names --- */

static struct address read_address(const char *text)
{
	bool is_ip6 = strchr(text, ':') != NULL;
	struct address address = {.bits = is_ip6 ? 128 : 32};

	assert_int_equal(inet_pton(is_ip6 ? AF_INET6 : AF_INET, text, address.bytes), 1);
	return address;
}

static struct block read_block(const char *text)
{
	struct block block = {.text = text};
	const char *slash = strchr(text, '/');
	char copy[80];

	assert_non_null(slash);
	assert_true((size_t)(slash - text) < sizeof(copy));
	memcpy(copy, text, (size_t)(slash - text));
	copy[slash - text] = '\0';
	block.address = read_address(copy);
	block.length = (unsigned)strtoul(slash + 1, NULL, 10);
	assert_true(block.length <= block.address.bits);
	return block;
}

static bool is_in(const char *cidr, const struct address *address)
{
	struct block *block =
		&blocks[((uintptr_t)cidr >> 4) % (sizeof(blocks) / sizeof(blocks[0]))];
	unsigned whole, rest;

	if (block->text != cidr)
		*block = read_block(cidr);
	if (block->address.bits != address->bits)
		return false;
	whole = block->length / 8;
	rest = block->length % 8;
	return memcmp(block->address.bytes, address->bytes, whole) == 0 &&
	       (rest == 0 ||
		       (block->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0);
}

/* An ipBlock, or an item of a toCIDRSet. */
static bool block_has(struct node block, const struct address *address)
{
	struct node except = get(block, "except");
	bool has = is_in(text(get(block, "cidr")), address);

	expect_keys(block, KEYS("cidr", "except"));
	for (size_t i = 0; i < count(except); i++) {
		/* Exceptions lie in the block (its API says). */
		assert_true(!strchr(text(at(except, i)), ':') ==
			    !strchr(text(get(block, "cidr")), ':'));
		has = has && !is_in(text(at(except, i)), address);
	}
	return has;
}

/* {port, endPort, protocol} */
static bool port_has(struct node port, const struct kubed_packet *packet)
{
	const char *protocol = text(get(port, "protocol"));
	long first = number(get(port, "port"));
	long last = get(port, "endPort").node ? number(get(port, "endPort")) : first;
	bool any = strcmp(protocol, "ANY") == 0 &&
		   (strcmp(packet->protocol, "TCP") == 0 || strcmp(packet->protocol, "UDP") == 0);

	expect_keys(port, KEYS("port", "endPort", "protocol"));
	assert_true(first >= 1 && first <= last && last <= 65535);
	return (any || strcmp(protocol, packet->protocol) == 0) && packet->port >= first &&
	       packet->port <= last;
}

/* Whether the name matches, with each "**." any labels and each '*' any characters of one. */
static bool pattern_has(const char *pattern, const char *name, bool deep_star)
{
	char expression[2048] = "^";
	size_t length = 1;
	regex_t regex;
	bool matches;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (strncmp(pattern, "**.", 3) == 0 || (deep_star && strncmp(pattern, "*.", 2) == 0)) {
		length += (size_t)snprintf(
			expression + length, sizeof(expression) - length, "([-a-zA-Z0-9_]+[.])+");
		pattern = strchr(pattern, '.') + 1;
	}
	for (; *pattern; pattern++)
		length += (size_t)snprintf(expression + length, sizeof(expression) - length,
			*pattern == '*'   ? "[-a-zA-Z0-9_]*"
			: *pattern == '.' ? "[.]"
					  : "%c",
			*pattern);
	snprintf(expression + length, sizeof(expression) - length, "$");
	assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB | REG_ICASE), 0);
	matches = regexec(&regex, name, 0, NULL, 0) == 0;
	regfree(&regex);
	return matches;
}

/* --- networking.k8s.io/v1 --- */

static bool peer_has(struct node peer, const struct address *address)
{
	struct node block = get(peer, "ipBlock");

	expect_keys(peer, KEYS("ipBlock", "namespaceSelector", "podSelector"));
	return block.node && block_has(block, address);
}

static bool rule_permits(struct node rule, const struct kubed_packet *packet)
{
	struct node to = get(rule, "to"), ports = get(rule, "ports");
	const struct address address = read_address(packet->address);
	bool peer = false, port = false;

	expect_keys(rule, KEYS("to", "ports"));
	/* Without either a rule would be about everything. */
	assert_true(count(to) > 0);
	assert_true(count(ports) > 0);
	for (size_t i = 0; i < count(to); i++)
		peer |= peer_has(at(to, i), &address);
	for (size_t i = 0; i < count(ports); i++)
		port |= port_has(at(ports, i), packet);
	return peer && port;
}

static bool policy_permits(struct node spec, const struct kubed_packet *packet)
{
	struct node egress = get(spec, "egress");
	bool permits = false;

	expect_keys(spec, KEYS("podSelector", "policyTypes", "egress"));
	assert_string_equal(text(at(get(spec, "policyTypes"), 0)), "Egress");
	for (size_t i = 0; i < count(egress); i++)
		permits |= rule_permits(at(egress, i), packet);
	return permits;
}

/* --- cilium.io/v2 --- */

static bool names_have(struct node names, const char *name)
{
	bool has = false;

	for (size_t i = 0; name && i < count(names); i++) {
		struct node exact = get(at(names, i), "matchName");
		struct node pattern = get(at(names, i), "matchPattern");

		expect_keys(at(names, i), KEYS("matchName", "matchPattern"));
		has |= exact.node ? strcasecmp(text(exact), name) == 0
				  : pattern_has(text(pattern), name, false);
	}
	return has;
}

static bool cilium_ports_have(struct node to_ports, const struct kubed_packet *packet)
{
	bool has = false;

	for (size_t i = 0; i < count(to_ports); i++) {
		struct node ports = get(at(to_ports, i), "ports");

		expect_keys(at(to_ports, i), KEYS("ports", "rules"));
		assert_true(count(ports) >= 1 && count(ports) <= 40);
		for (size_t j = 0; j < count(ports); j++)
			has |= port_has(at(ports, j), packet);
	}
	return has;
}

static bool cilium_rule_has(struct node rule, const struct kubed_packet *packet)
{
	const struct address address = read_address(packet->address);
	struct node cidrs = get(rule, "toCIDRSet"), names = get(rule, "toFQDNs");
	struct node icmps = get(rule, "icmps");
	bool peer = names_have(names, packet->name);

	expect_keys(rule, KEYS("toEndpoints", "toCIDRSet", "toFQDNs", "toPorts", "icmps"));
	for (size_t i = 0; i < count(cidrs); i++)
		peer |= block_has(at(cidrs, i), &address);
	if (icmps.node)
		return peer && strcmp(packet->protocol, "ICMP") == 0;
	return peer && cilium_ports_have(get(rule, "toPorts"), packet);
}

static bool cilium_permits(struct node spec, const struct kubed_packet *packet)
{
	struct node egress = get(spec, "egress"), deny = get(spec, "egressDeny");
	bool permits = false;

	expect_keys(spec, KEYS("endpointSelector", "egress", "egressDeny"));
	/* Without a rule the direction would not be refused by default. */
	assert_true(count(egress) > 0);
	for (size_t i = 0; i < count(deny); i++)
		if (cilium_rule_has(at(deny, i), packet))
			return false;
	for (size_t i = 0; i < count(egress); i++)
		permits |= cilium_rule_has(at(egress, i), packet);
	return permits;
}

static bool cilium_asks(struct node spec, const char *name)
{
	struct node egress = get(spec, "egress");

	for (size_t i = 0; i < count(egress); i++) {
		struct node rule = at(egress, i);

		if (get(rule, "toEndpoints").node)
			return names_have(
				get(get(at(get(rule, "toPorts"), 0), "rules"), "dns"), name);
	}
	return false;
}

/* --- policy.networking.k8s.io/v1alpha2 --- */

static bool cluster_port_has(struct node protocol, const struct kubed_packet *packet)
{
	static const char *const names[][2] = {{"tcp", "TCP"}, {"udp", "UDP"}, {"sctp", "SCTP"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct node port = get(get(protocol, names[i][0]), "destinationPort");
		struct node range = get(port, "range");

		if (!port.node || strcmp(packet->protocol, names[i][1]) != 0)
			continue;
		if (!range.node)
			return number(get(port, "number")) == packet->port;
		assert_true(number(get(range, "start")) < number(get(range, "end")));
		return number(get(range, "start")) <= packet->port &&
		       packet->port <= number(get(range, "end"));
	}
	return false;
}

static bool cluster_peer_has(struct node peer, const struct kubed_packet *packet)
{
	const struct address address = read_address(packet->address);
	struct node networks = get(peer, "networks"), names = get(peer, "domainNames");
	bool has = false;

	expect_keys(peer, KEYS("networks", "domainNames", "pods"));
	assert_true(count(networks) <= 25 && count(names) <= 25);
	for (size_t i = 0; i < count(networks); i++)
		has |= is_in(text(at(networks, i)), &address);
	for (size_t i = 0; packet->name && i < count(names); i++)
		has |= pattern_has(text(at(names, i)), packet->name, true);
	return has;
}

static bool cluster_rule_has(struct node rule, const struct kubed_packet *packet)
{
	struct node to = get(rule, "to"), protocols = get(rule, "protocols");
	bool peer = false, port = !protocols.node;

	expect_keys(rule, KEYS("action", "to", "protocols"));
	assert_true(count(to) >= 1 && count(to) <= 25 && count(protocols) <= 25);
	for (size_t i = 0; i < count(to); i++)
		peer |= cluster_peer_has(at(to, i), packet);
	for (size_t i = 0; i < count(protocols); i++)
		port |= cluster_port_has(at(protocols, i), packet);
	return peer && port;
}

/* 1: accepted, 0: denied, -1: it says nothing. */
static int cluster_decides(struct node spec, const struct kubed_packet *packet)
{
	struct node egress = get(spec, "egress");

	expect_keys(spec, KEYS("tier", "priority", "subject", "egress"));
	assert_true(count(egress) >= 1 && count(egress) <= 25);
	for (size_t i = 0; i < count(egress); i++)
		if (cluster_rule_has(at(egress, i), packet))
			return strcmp(text(get(at(egress, i), "action")), "Accept") == 0;
	return -1;
}

static bool cluster_permits(const struct kubed *kubed, const struct kubed_packet *packet)
{
	long before = -1;

	for (unsigned i = 0; i < kubed->n_documents; i++) {
		struct node spec = get(object(kubed, i), "spec");
		int decision = cluster_decides(spec, packet);

		/* The order of the objects is that of their priorities. */
		assert_true(number(get(spec, "priority")) > before);
		before = number(get(spec, "priority"));
		if (decision >= 0)
			return decision;
	}
	/* The API's default, which no policy may be left to. */
	fail_msg("nothing decides");
	return true;
}

/* Whether pods may be asked: they are the cluster's DNS. */
static bool cluster_asks(struct node spec)
{
	struct node egress = get(spec, "egress");

	for (size_t i = 0; i < count(egress); i++)
		if (get(at(get(at(egress, i), "to"), 0), "pods").node)
			return true;
	return false;
}

/* --- All of them --- */

bool kubed_permits(const struct kubed *kubed, const struct kubed_packet *packet)
{
	bool permits = false;

	assert_true(kubed->n_documents > 0);
	for (unsigned i = 0; i < kubed->n_documents; i++) {
		struct node it = object(kubed, i);
		const char *kind = text(get(it, "kind"));

		if (strcmp(kind, "ClusterNetworkPolicy") == 0)
			return cluster_permits(kubed, packet);
		permits |= strcmp(kind, "NetworkPolicy") == 0
				   ? policy_permits(get(it, "spec"), packet)
				   : cilium_permits(get(it, "spec"), packet);
	}
	return permits;
}

bool kubed_asks(const struct kubed *kubed, const char *name)
{
	struct node it = object(kubed, 0);

	if (strcmp(text(get(it, "kind")), "ClusterNetworkPolicy") == 0)
		return cluster_asks(get(it, "spec"));
	return cilium_asks(get(it, "spec"), name);
}
