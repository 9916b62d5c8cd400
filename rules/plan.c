/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/flatten.h"
#include "rules/ports.h"
#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * Lowering takes four steps: rules and their marks, port groups, addresses, names of objects.
 *
 * A mark is a hash of what an entry says and of nothing else, and a group is named after the first
 * of its ports. The two together make leases safe to keep across an edit of the policy: a lease
 * sits in the map of a group under a rule's mark. If the mark is still in force the rule says what
 * it said, so it still has the group's first port; and since a rule has all of a group or nothing
 * of it, it has all of what the group of that name is now.
 *
 * Addresses are settled per group and family by flatten(): ranges of the entries and prefixes of
 * the blocked classes compete, the narrowest wins, a class wins against an entry as wide. What an
 * entry wins is a span of the group. What a class wins against the entries of all groups together
 * is a block; elsewhere an address that one group permits is refused in the other groups as by
 * default.
 */

enum {
	RANK_BLOCK, /* deny beats allow at equal width */
	RANK_ALLOW,
};

#define OWNER_BLOCK (UINT32_C(1) << 31) /* or'ed to a class; else the owner is a rule */
#define MARK_MASK UINT32_C(0x7fffffff)
#define RULES_MAX (1u << 24)

/* Any two numbers do, as long as they stay: marks must be the same tomorrow. */
static const struct hash_key mark_key = {{0x6567726573732d6d, 0x61726b2d76657231}};

enum { DNS_PORT = 53 };

enum {
	TEXT_WHO = 62,
	TEXT_PORTS = 36,
	TEXT_MORE = sizeof(" and 16777216 more") - 1,
};

typedef void item_writer(const struct entry *entry, size_t index, char *out);

static void write_destination(const struct entry *entry, size_t index, char *out)
{
	static const char *const wildcards[] = {
		[HOST_EXACT] = "", [HOST_ONE_LABEL] = "*.", [HOST_ANY_DEPTH] = "**."};
	const struct host *host;
	struct name name;

	if (index >= entry->n_hosts) {
		range_to_text(&entry->addresses[index - entry->n_hosts].range, out);
		return;
	}
	host = &entry->hosts[index];
	name.length = host->length;
	memcpy(name.wire, host->wire, host->length);
	name_to_text(&name, stpcpy(out, wildcards[host->kind]));
}

static void write_port(const struct entry *entry, size_t index, char *out)
{
	port_range_to_text(&entry->ports[index], out);
}

/* As many of the items as `room` bytes hold, and the number of the others. */
static void write_list(
	char *out, size_t room, const struct entry *entry, size_t count, item_writer *write)
{
	char item[NAME_TEXT + 4];
	size_t used = 0, i;

	for (i = 0; i < count; i++) {
		const char *comma = i > 0 ? ", " : "";
		size_t more = i + 1 < count ? TEXT_MORE : 0;

		write(entry, i, item);
		if (used + strlen(comma) + strlen(item) + more < room) {
			used += (size_t)snprintf(out + used, room - used, "%s%s", comma, item);
			continue;
		}
		if (i > 0)
			break;
		used = (size_t)snprintf(
			out, room, "%.*s...", (int)(room - more - sizeof("...")), item);
	}
	if (i < count)
		snprintf(out + used, room - used, " and %zu more", count - i);
}

static const char *rule_text(struct arena *arena, const struct entry *entry)
{
	char who[TEXT_WHO] = "", ports[TEXT_PORTS] = "";

	write_list(who, sizeof(who), entry, entry->n_hosts + entry->n_addresses, write_destination);
	write_list(ports, sizeof(ports), entry, entry->n_ports, write_port);
	return arena_printf(arena, "%s %s", who, ports);
}

static uint64_t hash_item(char kind, const void *bytes, size_t size)
{
	uint8_t item[1 + NAME_WIRE_MAX];

	item[0] = (uint8_t)kind;
	memcpy(item + 1, bytes, size);
	return hash_bytes(&mark_key, item, 1 + size);
}

/* What the entry says, in whatever order. */
static uint64_t hash_entry(const struct entry *entry)
{
	static const char kinds[] = {
		[HOST_EXACT] = 'e', [HOST_ONE_LABEL] = 'o', [HOST_ANY_DEPTH] = 'd'};
	uint64_t sum = 0;

	for (size_t i = 0; i < entry->n_hosts; i++)
		sum += hash_item(
			kinds[entry->hosts[i].kind], entry->hosts[i].wire, entry->hosts[i].length);
	for (size_t i = 0; i < entry->n_addresses; i++) {
		uint8_t both[32];

		memcpy(both, entry->addresses[i].range.first.bytes, 16);
		memcpy(both + 16, entry->addresses[i].range.last.bytes, 16);
		sum += hash_item('a', both, sizeof(both));
	}
	for (size_t i = 0; i < entry->n_ports; i++) {
		char text[PORTS_TEXT];

		port_range_to_text(&entry->ports[i], text);
		sum += hash_item('p', text, strlen(text));
	}
	return sum;
}

struct taken_mark {
	uint32_t mark;  /* 0: free */
	uint32_t tries; /* of entries that began with this mark */
};

/* The mark's place in a table of `size` (a power of two): taken by it, or free. */
static struct taken_mark *find_mark(struct taken_mark *taken, size_t size, uint32_t mark)
{
	size_t at = mark & (size - 1);

	while (taken[at].mark != 0 && taken[at].mark != mark)
		at = (at + 1) & (size - 1);
	return &taken[at];
}

/* Entries that say the same draw one after the other from the same row of marks. */
static uint32_t draw_mark(const struct entry *entry, struct taken_mark *taken, size_t size)
{
	uint64_t seed[2] = {hash_entry(entry), 0};
	struct taken_mark *first = NULL;

	for (;; seed[1]++) {
		uint32_t mark = (uint32_t)hash_bytes(&mark_key, seed, sizeof(seed)) & MARK_MASK;
		struct taken_mark *place = find_mark(taken, size, mark);

		if (mark != 0 && place->mark == 0) {
			place->mark = mark;
			if (first)
				first->tries = (uint32_t)seed[1];
			return mark;
		}
		if (mark != 0 && !first) {
			first = place;
			seed[1] = first->tries;
		}
	}
}

static int make_rules(struct arena *arena, const struct policy *policy, struct plan *plan)
{
	size_t size = 16;
	struct taken_mark *taken;

	if (policy->n_allow > RULES_MAX)
		return -ENOMEM;
	while (size < 2 * policy->n_allow)
		size *= 2;
	taken = calloc(size, sizeof(*taken));
	plan->rules = arena_array(arena, policy->n_allow, sizeof(*plan->rules));
	if (!taken || !plan->rules) {
		free(taken);
		return -ENOMEM;
	}
	for (size_t i = 0; i < policy->n_allow; i++) {
		const struct entry *entry = &policy->allow[i];

		plan->rules[i] = (struct plan_rule){
			.mark = draw_mark(entry, taken, size),
			.id = entry->id,
			.text = rule_text(arena, entry),
			.place = entry->place,
			.entry = entry,
		};
		if (!plan->rules[i].text)
			break;
		plan->n_rules++;
	}
	free(taken);
	return plan->n_rules == policy->n_allow ? 0 : -ENOMEM;
}

static bool is_family(const struct inaddr *address, unsigned family)
{
	return inaddr_is_ip4(address) == (family == PLAN_IP4);
}

/* Claims of the classes in the policy's [network] block, written to `claims` unless that is NULL.
 * Returns how many. */
static size_t claim_classes(const struct policy *policy, unsigned family, struct claim *claims)
{
	size_t n_prefixes, n_claims = 0;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; i < n_prefixes; i++) {
		if (!(policy->block & 1u << prefixes[i].class) ||
			!is_family(&prefixes[i].prefix.address, family))
			continue;
		if (claims)
			claims[n_claims] = (struct claim){
				.range = prefix_to_range(&prefixes[i].prefix),
				.rank = RANK_BLOCK,
				.owner = OWNER_BLOCK | prefixes[i].class,
			};
		n_claims++;
	}
	return n_claims;
}

/* The same of the entries that have any of `groups`. */
static size_t claim_entries(
	const struct plan *plan, unsigned family, uint64_t groups, struct claim *claims)
{
	size_t n_claims = 0;

	for (size_t rule = 0; rule < plan->n_rules; rule++) {
		const struct entry *entry = plan->rules[rule].entry;

		if (!(plan->rule_groups[rule] & groups))
			continue;
		for (size_t i = 0; i < entry->n_addresses; i++) {
			const struct range *range = &entry->addresses[i].range;

			if (!is_family(&range->first, family))
				continue;
			if (claims)
				claims[n_claims] = (struct claim){
					.range = *range,
					.rank = RANK_ALLOW,
					.owner = (uint32_t)rule,
				};
			n_claims++;
		}
	}
	return n_claims;
}

/* Who has which addresses. */
struct settlement {
	struct territory *territories;
	size_t count;
};

/* Settles the addresses of the family between the classes and the entries that have any of
 * `groups`. The territories are to be freed. */
static int settle(const struct plan *plan, unsigned family, uint64_t groups,
	struct settlement *ret_settlement)
{
	size_t n_classes = claim_classes(plan->policy, family, NULL);
	size_t n_entries = claim_entries(plan, family, groups, NULL);
	struct claim *claims = calloc(n_classes + n_entries + 1, sizeof(*claims));
	int error;

	if (!claims)
		return -ENOMEM;
	claim_classes(plan->policy, family, claims);
	claim_entries(plan, family, groups, claims + n_classes);
	error = flatten(claims, n_classes + n_entries, &ret_settlement->territories,
		&ret_settlement->count);
	free(claims);
	return error;
}

/*
 * Cuts an IPv6 range around the IPv4-mapped block: src/base/inaddr.h has that as IPv4, so no
 * address of it is in the range, but the kernel would take it for a part. Returns 1 or 2, how many
 * are left.
 */
static unsigned cut_mapped(const struct range *range, struct range parts[2])
{
	const struct inaddr behind = {{[9] = 1}};
	struct inaddr before;

	parts[0] = *range;
	if (inaddr_is_ip4(&range->first) || inaddr_compare(&range->first, &behind) >= 0 ||
		inaddr_compare(&range->last, &behind) < 0)
		return 1;
	inaddr_previous(&behind, &before);
	parts[0].last = before;
	parts[1] = (struct range){.first = behind, .last = range->last};
	return 2;
}

static int keep_spans(struct arena *arena, const struct settlement *settled,
	struct plan_span **ret_spans, size_t *ret_n_spans)
{
	size_t n_spans = 0;
	struct plan_span *spans;
	struct range parts[2];

	for (size_t i = 0; i < settled->count; i++)
		n_spans += !(settled->territories[i].owner & OWNER_BLOCK);
	spans = arena_array(arena, n_spans + 1, sizeof(*spans));
	if (!spans)
		return -ENOMEM;
	n_spans = 0;
	for (size_t i = 0; i < settled->count; i++) {
		if (settled->territories[i].owner & OWNER_BLOCK)
			continue;
		for (unsigned j = 0; j < cut_mapped(&settled->territories[i].range, parts); j++)
			spans[n_spans++] = (struct plan_span){
				.range = parts[j], .rule = settled->territories[i].owner};
	}
	*ret_spans = spans;
	*ret_n_spans = n_spans;
	return 0;
}

static int keep_blocks(struct arena *arena, const struct settlement *settled,
	struct plan_block **ret_blocks, size_t *ret_n_blocks)
{
	size_t n_blocks = 0;
	struct plan_block *blocks;
	struct range parts[2];

	for (size_t i = 0; i < settled->count; i++)
		n_blocks += settled->territories[i].owner & OWNER_BLOCK ? 1 : 0;
	blocks = arena_array(arena, n_blocks + 1, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	n_blocks = 0;
	for (size_t i = 0; i < settled->count; i++) {
		if (!(settled->territories[i].owner & OWNER_BLOCK))
			continue;
		for (unsigned j = 0; j < cut_mapped(&settled->territories[i].range, parts); j++)
			blocks[n_blocks++] = (struct plan_block){
				.range = parts[j],
				.class = (enum address_class)(
					settled->territories[i].owner & ~OWNER_BLOCK),
			};
	}
	*ret_blocks = blocks;
	*ret_n_blocks = n_blocks;
	return 0;
}

/* The group's own settlement; `all` is that of all groups together, which serves where the group
 * has every entry with addresses. */
static int make_group_addresses(struct arena *arena, struct plan *plan, size_t group,
	unsigned family, const struct settlement *all)
{
	uint64_t bit = UINT64_C(1) << group;
	struct plan_group *of = &plan->groups[group];
	struct settlement own = {0};
	size_t n_claims = claim_entries(plan, family, bit, NULL);
	bool same = n_claims == claim_entries(plan, family, UINT64_MAX, NULL);
	int error;

	if (n_claims == 0)
		return 0;
	error = same ? 0 : settle(plan, family, bit, &own);
	if (error == 0)
		error = keep_spans(arena, same ? all : &own, &of->family[family].spans,
			&of->family[family].n_spans);
	free(own.territories);
	return error;
}

static int make_family_addresses(struct arena *arena, struct plan *plan, unsigned family)
{
	struct settlement all;
	int error = settle(plan, family, UINT64_MAX, &all);

	if (error < 0)
		return error;
	error = keep_blocks(
		arena, &all, &plan->family[family].blocks, &plan->family[family].n_blocks);
	for (size_t group = 0; error == 0 && group < plan->n_groups; group++)
		error = make_group_addresses(arena, plan, group, family, &all);
	free(all.territories);
	return error;
}

static int make_addresses(struct arena *arena, struct plan *plan)
{
	int error = 0;

	for (unsigned family = 0; error == 0 && family < PLAN_FAMILIES; family++)
		error = make_family_addresses(arena, plan, family);
	return error;
}

/* "tcp-443", "tcp-8000-8100", "icmp-echo". */
static const char *group_name(struct arena *arena, const struct port_range *first)
{
	char text[PORTS_TEXT];

	port_range_to_text(first, text);
	*strchr(text, '/') = '-';
	return arena_printf(arena, "%s", text);
}

static int name_group(struct arena *arena, struct plan_group *group)
{
	static const char digits[PLAN_FAMILIES] = {[PLAN_IP4] = '4', [PLAN_IP6] = '6'};

	group->name = group_name(arena, &group->ports[0]);
	if (!group->name)
		return -ENOMEM;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		char digit = digits[family];

		group->family[family].leases =
			arena_printf(arena, "%s-leases%c", group->name, digit);
		group->family[family].addresses =
			arena_printf(arena, "%s-addresses%c", group->name, digit);
		if (!group->family[family].leases || !group->family[family].addresses)
			return -ENOMEM;
	}
	return 0;
}

static int make_groups(
	struct arena *arena, const struct policy *policy, struct diag *diag, struct plan *plan)
{
	struct port_group *groups;
	const struct entry *culprit;
	int error = ports_partition(
		arena, policy, &groups, &plan->n_groups, &plan->rule_groups, &culprit);

	if (error == -E2BIG) {
		diag_error(diag, culprit->place,
			"too many port groups: up to here the entries name ports in more than %u "
			"different combinations",
			PLAN_GROUPS_MAX);
		return -EINVAL;
	}
	if (error < 0)
		return error;
	plan->groups = arena_array(arena, plan->n_groups, sizeof(*plan->groups));
	if (!plan->groups)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_groups; i++) {
		plan->groups[i].ports = groups[i].ports;
		plan->groups[i].n_ports = groups[i].n_ports;
		error = name_group(arena, &plan->groups[i]);
		if (error < 0)
			return error;
	}
	return 0;
}

/* The first listening address of each family. */
static void choose_listen(struct plan *plan)
{
	for (size_t i = 0; i < plan->policy->dns.n_listen; i++) {
		const struct endpoint *listen = &plan->policy->dns.listen[i];
		unsigned family = inaddr_is_ip4(&listen->address) ? PLAN_IP4 : PLAN_IP6;

		if (!plan->family[family].listen)
			plan->family[family].listen = listen;
	}
}

/* What an entry says of the DNS port is never reached from this host. */
static void warn_of_dns_ports(const struct plan *plan, struct diag *diag)
{
	if (!plan->family[PLAN_IP4].listen && !plan->family[PLAN_IP6].listen)
		return;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct entry *entry = plan->rules[i].entry;

		for (size_t j = 0; j < entry->n_ports; j++) {
			const struct port_range *ports = &entry->ports[j];
			char text[PORTS_TEXT];

			if (ports->protocol == PROTOCOL_ICMP_ECHO || ports->first != DNS_PORT ||
				ports->last != DNS_PORT)
				continue;
			diag_warning(diag, entry->place,
				"%s opens nothing to this host's own programs: their DNS goes to "
				"the resolver",
				port_range_to_text(ports, text));
		}
	}
}

int plan_make(struct arena *arena, const struct policy *policy, struct diag *diag,
	const struct plan **ret_plan)
{
	struct plan *plan = arena_alloc(arena, sizeof(*plan));
	int error;

	if (!plan)
		return -ENOMEM;
	plan->policy = policy;
	plan->table = arena_printf(arena, "egress-%s", policy->name);
	plan->live_set = "live";
	plan->resolver_set = "resolver";
	if (!plan->table)
		return -ENOMEM;

	error = make_rules(arena, policy, plan);
	if (error == 0)
		error = make_groups(arena, policy, diag, plan);
	if (error == 0)
		error = make_addresses(arena, plan);
	if (error < 0)
		return error;
	choose_listen(plan);
	warn_of_dns_ports(plan, diag);
	*ret_plan = plan;
	return 0;
}
