/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "rules/match.h"
#include "rules/ports.h"

/*
 * Theory of operation
 *
 * nft takes a file as one transaction. The prologue makes the objects that the policy fills, if
 * they are not there, and empties them; `flush table` takes away rules only, so the lease maps keep
 * their elements. The body then declares everything. A connection gets the mark of its rule when
 * its first packet is judged, and goes on while that mark is in `live`: a lease of a rule that is
 * no longer in force opens nothing.
 *
 * The order of chain judge: port group, and in it leases before the policy's own addresses; then
 * the blocked classes; then default-deny. Leases come first because a name's entry beats an address
 * class; the resolver leases no blocked address that the policy itself does not give the name.
 *
 * Ports are plain rules, one a range. A verdict map written into a rule ends with the rule, under
 * packets that are still at work on it: they would miss their port while a ruleset is replaced
 * (tests/net/test-atomic.sh).
 *
 * nft's own limits: a comment has at most 127 bytes, and neither strings nor `#` lines have an
 * escape, so text from the policy is cut and cleaned before it is written.
 */

enum { COMMENT_MAX = 127, LEASES_MAX = 1048576 };

/* A set or map, as it is declared. */
struct object {
	const char *about;
	const char *keyword; /* "set" or "map" */
	const char *name;
	const char *type; /* with its word: "type mark" */
	const char *more; /* another line of the declaration, or NULL */
	unsigned family;
	size_t group;
	/* Writes the elements; NULL for what the resolver fills. */
	void (*elements)(const struct plan *plan, const struct object *object, FILE *out);
};

typedef void object_visitor(const struct plan *plan, const struct object *object, FILE *out);

static const struct family {
	const char *daddr;
	const char *nat;
	const char *nfproto;
	const char *upstream_set;
	const char *upstream_type;
	const char *blocked_map;
	const char *blocked_type;
	const char *marks_type;
} families[PLAN_FAMILIES] = {
	[PLAN_IP4] = {"ip daddr", "dnat ip to", "ipv4", "upstream4",
		"type ipv4_addr . inet_proto . inet_service", "blocked4",
		"type ipv4_addr : verdict", "type ipv4_addr : mark"},
	[PLAN_IP6] = {"ip6 daddr", "dnat ip6 to", "ipv6", "upstream6",
		"type ipv6_addr . inet_proto . inet_service", "blocked6",
		"type ipv6_addr : verdict", "type ipv6_addr : mark"},
};

/* A copy that can stand in a comment: printable ASCII without quotes and backslashes. */
static const char *clean(const char *text, char out[COMMENT_MAX + 1])
{
	size_t i;

	for (i = 0; i < COMMENT_MAX && text[i]; i++) {
		bool plain = text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';

		out[i] = plain ? text[i] : '?';
	}
	out[i] = '\0';
	return out;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What goes before element `index`: the opening brace or the comma of the one before. */
static const char *before(size_t index)
{
	return index == 0 ? "\t\telements = {\n" : ",\n";
}

static void end_elements(size_t count, FILE *out)
{
	if (count > 0)
		fputs("\n\t\t}\n", out);
}

/* Addresses as nft takes them. Where src/base/inaddr.c has a prefix end before the IPv4-mapped
 * block, nft does not, so that range is written with its ends. */
static const char *span_text(const struct range *range, char out[INADDR_TEXT])
{
	const struct inaddr behind_mapped = {{[9] = 1}};
	struct inaddr behind;
	char first[INADDR_TEXT], last[INADDR_TEXT];

	if (inaddr_compare(&range->first, &range->last) == 0 ||
		!inaddr_next(&range->last, &behind) || inaddr_compare(&behind, &behind_mapped) != 0)
		return range_to_text(range, out);
	snprintf(out, INADDR_TEXT, "%s-%s", inaddr_to_text(&range->first, first),
		inaddr_to_text(&range->last, last));
	return out;
}

static void live_elements(const struct plan *plan, const struct object *object, FILE *out)
{
	char comment[COMMENT_MAX + 1], line[2 * COMMENT_MAX];

	(void)object;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		snprintf(line, sizeof(line), "%s %.100s, %.40s:%u", rule->id, rule->text,
			base_name(rule->place.file), rule->place.line);
		fprintf(out, "%s\t\t\t0x%08x comment \"%s\"", before(i), rule->mark,
			clean(line, comment));
	}
	end_elements(plan->n_rules, out);
}

static bool is_family(const struct inaddr *address, unsigned family)
{
	return inaddr_is_ip4(address) == (family == PLAN_IP4);
}

static void upstream_elements(const struct plan *plan, const struct object *object, FILE *out)
{
	static const char *const protocols[] = {"udp", "tcp"};
	const struct dns_policy *dns = &plan->policy->dns;
	char text[INADDR_TEXT];
	size_t count = 0;

	for (size_t i = 0; i < 2 * dns->n_upstream; i++) {
		const struct endpoint *upstream = &dns->upstream[i / 2];

		if (!is_family(&upstream->address, object->family))
			continue;
		fprintf(out, "%s\t\t\t%s . %s . %u comment \"resolver\"", before(count),
			inaddr_to_text(&upstream->address, text), protocols[i % 2], upstream->port);
		count++;
	}
	end_elements(count, out);
}

static void address_elements(const struct plan *plan, const struct object *object, FILE *out)
{
	const struct plan_group *group = &plan->groups[object->group];
	const struct plan_span *spans = group->family[object->family].spans;
	size_t n_spans = group->family[object->family].n_spans;
	char text[INADDR_TEXT];

	for (size_t i = 0; i < n_spans; i++) {
		const struct plan_rule *rule = &plan->rules[spans[i].rule];

		fprintf(out, "%s\t\t\t%s comment \"%s\" : 0x%08x", before(i),
			span_text(&spans[i].range, text), rule->id, rule->mark);
	}
	end_elements(n_spans, out);
}

static void blocked_elements(const struct plan *plan, const struct object *object, FILE *out)
{
	const struct plan_block *blocks = plan->family[object->family].blocks;
	size_t n_blocks = plan->family[object->family].n_blocks;
	char text[INADDR_TEXT];

	for (size_t i = 0; i < n_blocks; i++) {
		const char *rule = class_rule(blocks[i].class);

		fprintf(out, "%s\t\t\t%s comment \"%s\" : goto %s", before(i),
			span_text(&blocks[i].range, text), rule, rule);
	}
	end_elements(n_blocks, out);
}

static bool has_upstream(const struct plan *plan, unsigned family)
{
	for (size_t i = 0; i < plan->policy->dns.n_upstream; i++)
		if (is_family(&plan->policy->dns.upstream[i].address, family))
			return true;
	return false;
}

static void visit_group(const struct plan *plan, size_t index, object_visitor *visit, FILE *out)
{
	const struct plan_group *group = &plan->groups[index];
	char size[32];

	snprintf(size, sizeof(size), "size %u\n\t\tflags timeout", LEASES_MAX);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct object leases = {
			.about = "addresses of permitted names, each with the mark of its rule",
			.keyword = "map",
			.name = group->family[family].leases,
			.type = families[family].marks_type,
			.more = size,
		};
		struct object addresses = {
			.about = "addresses that the policy itself permits",
			.keyword = "map",
			.name = group->family[family].addresses,
			.type = families[family].marks_type,
			.more = "flags interval",
			.family = family,
			.group = index,
			.elements = address_elements,
		};

		visit(plan, &leases, out);
		if (group->family[family].n_spans > 0)
			visit(plan, &addresses, out);
	}
}

static void visit_objects(const struct plan *plan, object_visitor *visit, FILE *out)
{
	struct object live = {
		.about = "rules in force, by mark",
		.keyword = "set",
		.name = plan->live_set,
		.type = "type mark",
		.elements = live_elements,
	};
	struct object resolver = {
		.about = "mark and user of the running resolver's own sockets",
		.keyword = "set",
		.name = plan->resolver_set,
		.type = "typeof meta mark . meta skuid",
	};

	visit(plan, &live, out);
	visit(plan, &resolver, out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct object upstream = {
			.about = "servers that the resolver asks",
			.keyword = "set",
			.name = families[family].upstream_set,
			.type = families[family].upstream_type,
			.family = family,
			.elements = upstream_elements,
		};

		if (has_upstream(plan, family))
			visit(plan, &upstream, out);
	}
	for (size_t i = 0; i < plan->n_groups; i++)
		visit_group(plan, i, visit, out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct object blocked = {
			.about = "classes of addresses that are refused, less what the policy "
				 "permits of them",
			.keyword = "map",
			.name = families[family].blocked_map,
			.type = families[family].blocked_type,
			.more = "flags interval",
			.family = family,
			.elements = blocked_elements,
		};

		if (plan->family[family].n_blocks > 0)
			visit(plan, &blocked, out);
	}
}

static void add_object(const struct plan *plan, const struct object *object, FILE *out)
{
	if (object->elements)
		fprintf(out, "add %s inet %s %s { %s%s%s; }\n", object->keyword, plan->table,
			object->name, object->type, object->more ? "; " : "",
			object->more ? object->more : "");
}

static void flush_object(const struct plan *plan, const struct object *object, FILE *out)
{
	if (object->elements)
		fprintf(out, "flush %s inet %s %s\n", object->keyword, plan->table, object->name);
}

static void declare_object(const struct plan *plan, const struct object *object, FILE *out)
{
	fprintf(out, "\t# %s\n\t%s %s {\n\t\t%s\n", object->about, object->keyword, object->name,
		object->type);
	if (object->more)
		fprintf(out, "\t\t%s\n", object->more);
	if (object->elements)
		object->elements(plan, object, out);
	fputs("\t}\n\n", out);
}

static void open_chain(FILE *out, const char *about, const char *name)
{
	fprintf(out, "\t# %s\n\tchain %s {\n", about, name);
}

static void close_chain(FILE *out)
{
	fputs("\t}\n\n", out);
}

/* A rule of `id`, whose statement may be followed by a note on this part of it. */
static void __attribute__((format(printf, 3, 4)))
put_rule(FILE *out, const char *comment, const char *format, ...)
{
	va_list args;

	fputs("\t\t", out);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fprintf(out, " comment \"%s\"\n", comment);
}

static void put_upstream_rules(const struct plan *plan, const char *verdict, FILE *out)
{
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (has_upstream(plan, family))
			put_rule(out, "resolver",
				"meta mark . meta skuid @%s %s . meta l4proto . th dport @%s %s",
				plan->resolver_set, families[family].daddr,
				families[family].upstream_set, verdict);
}

static void put_redirect(const struct plan *plan, FILE *out)
{
	char to[INADDR_TEXT];

	open_chain(
		out, "DNS goes to the resolver, whatever server it was meant for", "redirect-dns");
	fputs("\t\ttype nat hook output priority -100; policy accept;\n", out);
	put_upstream_rules(plan, "return", out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		if (!plan->family[family].listen)
			continue;
		put_rule(out, "dns", "meta nfproto %s meta l4proto { tcp, udp } th dport 53 %s %s",
			families[family].nfproto, families[family].nat,
			endpoint_to_text(plan->family[family].listen, to));
	}
	close_chain(out);
}

/* What every chain of the packets' way begins with. */
static void put_established(const struct plan *plan, FILE *out)
{
	put_rule(out, "live", "ct state established ct mark @%s accept", plan->live_set);
	put_rule(out, "reply", "ct state established ct direction reply accept");
	put_rule(out, "icmp-error",
		"ct state related icmp type { destination-unreachable, time-exceeded, "
		"parameter-problem } accept");
	put_rule(out, "icmp-error",
		"ct state related icmpv6 type { destination-unreachable, packet-too-big, "
		"time-exceeded, parameter-problem } accept");
}

static void put_output(const struct plan *plan, FILE *out)
{
	char text[INADDR_TEXT];

	open_chain(out, "what this namespace sends", "output");
	fputs("\t\ttype filter hook output priority filter; policy drop;\n", out);
	put_established(plan, out);
	/* Resets that refuse forwarded connections start here; conntrack has them as related. */
	put_rule(out, "refuse", "ct state related ct direction reply tcp flags rst accept");
	put_rule(out, "neighbour",
		"icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
		"nd-neighbor-advert } ip6 hoplimit 255 accept");
	put_rule(out, "neighbour",
		"ip6 daddr ff02::/16 icmpv6 type { mld-listener-report, mld-listener-done, "
		"mld2-listener-report } accept");
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		const struct endpoint *listen = plan->family[family].listen;

		if (listen)
			put_rule(out, "dns", "%s %s meta l4proto { tcp, udp } th dport %u accept",
				families[family].daddr, inaddr_to_text(&listen->address, text),
				listen->port);
	}
	put_rule(out, "loopback", "oif lo accept");
	put_upstream_rules(plan, "accept", out);
	put_rule(out, "judge", "goto judge");
	close_chain(out);
}

static void put_forward(const struct plan *plan, FILE *out)
{
	open_chain(out, "what passes through this namespace", "forward");
	fputs("\t\ttype filter hook forward priority filter; policy drop;\n", out);
	put_established(plan, out);
	put_rule(out, "judge", "goto judge");
	close_chain(out);
}

/* The rules that lead one range of ports to its group's chain. */
static void put_port_range(const struct port_range *range, const char *chain, FILE *out)
{
	if (range->protocol == PROTOCOL_ICMP_ECHO) {
		put_rule(out, "judge: echo", "icmp type echo-request jump %s", chain);
		put_rule(out, "judge: echo", "icmpv6 type echo-request jump %s", chain);
	} else if (range->first == range->last) {
		put_rule(out, "judge: port", "%s dport %u jump %s", protocol_name(range->protocol),
			range->first, chain);
	} else {
		put_rule(out, "judge: ports", "%s dport %u-%u jump %s",
			protocol_name(range->protocol), range->first, range->last, chain);
	}
}

static void put_port_rules(const struct plan *plan, FILE *out)
{
	for (size_t i = 0; i < plan->n_groups; i++) {
		const struct plan_group *group = &plan->groups[i];

		for (size_t j = 0; j < group->n_ports; j++)
			put_port_range(&group->ports[j], group->name, out);
	}
}

static void put_judge(const struct plan *plan, FILE *out)
{
	open_chain(out, "new connections: by port group, then by blocked class", "judge");
	put_port_rules(plan, out);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (plan->family[family].n_blocks > 0)
			put_rule(out, "judge: blocked classes", "%s vmap @%s",
				families[family].daddr, families[family].blocked_map);
	put_rule(out, MATCH_DEFAULT_DENY, "goto default-deny");
	close_chain(out);
}

static void put_group(const struct plan *plan, const struct plan_group *group, FILE *out)
{
	char comment[COMMENT_MAX + 1];

	open_chain(out, "a connection takes the mark of the rule that permits its address",
		group->name);
	for (unsigned i = 0; i < 2 * PLAN_FAMILIES; i++) {
		unsigned family = i % PLAN_FAMILIES;
		bool names = i < PLAN_FAMILIES;

		if (!names && group->family[family].n_spans == 0)
			continue;
		snprintf(comment, sizeof(comment), "%s: %s", group->name,
			names ? "names" : "addresses");
		put_rule(out, comment, "ct mark set %s map @%s ct mark @%s accept",
			families[family].daddr,
			names ? group->family[family].leases : group->family[family].addresses,
			plan->live_set);
	}
	close_chain(out);
}

static void put_refusal(const struct plan *plan, const char *rule, const char *about, FILE *out)
{
	open_chain(out, about, rule);
	put_rule(out, rule, "limit rate 20/second burst 50 packets log prefix \"%s %s \" group %u",
		plan->table, rule, plan->policy->nflog_group);
	put_rule(out, rule, "counter goto refuse");
	close_chain(out);
}

static bool has_class(const struct plan *plan, enum address_class class)
{
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		for (size_t i = 0; i < plan->family[family].n_blocks; i++)
			if (plan->family[family].blocks[i].class == class)
				return true;
	return false;
}

static void put_refusals(const struct plan *plan, FILE *out)
{
	for (unsigned class = 0; class < CLASS_COUNT; class ++)
		if (has_class(plan, class))
			put_refusal(plan, class_rule(class), "addresses of a blocked class", out);
	put_refusal(plan, MATCH_DEFAULT_DENY, "what nothing permits", out);
	open_chain(out, "refused at once, so that programs do not wait", "refuse");
	put_rule(out, "refuse", "meta l4proto tcp reject with tcp reset");
	put_rule(out, "refuse", "reject with icmpx admin-prohibited");
	fputs("\t}\n", out);
}

/* A verdict map takes only chains that exist, so those are made before its elements are read. */
static void add_class_chains(const struct plan *plan, FILE *out)
{
	for (unsigned class = 0; class < CLASS_COUNT; class ++)
		if (has_class(plan, class))
			fprintf(out, "add chain inet %s %s\n", plan->table, class_rule(class));
}

static void put_prologue(const struct plan *plan, FILE *out)
{
	char file[COMMENT_MAX + 1];

	fprintf(out,
		"# policy \"%s\" of %s, compiled by egress %s\n"
		"# Load with nft -f, any number of times: leases that the resolver made stay.\n\n",
		plan->policy->name, clean(plan->policy->file, file), PACKAGE_VERSION);
	fprintf(out, "add table inet %s\n", plan->table);
	add_class_chains(plan, out);
	visit_objects(plan, add_object, out);
	fprintf(out, "flush table inet %s\n", plan->table);
	visit_objects(plan, flush_object, out);
}

int nft_write(const struct plan *plan, FILE *out)
{
	put_prologue(plan, out);
	fprintf(out, "\ntable inet %s {\n", plan->table);
	visit_objects(plan, declare_object, out);
	put_redirect(plan, out);
	put_output(plan, out);
	put_forward(plan, out);
	put_judge(plan, out);
	for (size_t i = 0; i < plan->n_groups; i++)
		put_group(plan, &plan->groups[i], out);
	put_refusals(plan, out);
	fputs("}\n", out);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
