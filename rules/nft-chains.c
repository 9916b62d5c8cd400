/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-chains.h"

#include <inttypes.h>
#include <string.h>

#include "rules/nft-limits.h"
#include "rules/ports.h"

/*
 * Theory of operation
 *
 * A connection gets the mark of its rule when its first packet is judged, and goes on while that
 * mark is in `live`, answered or not: so a datagram that nobody answers is judged once, and what
 * limits new connections sees each of them once. A lease of a rule that is no longer in force opens
 * nothing. A packet that is refused leaves no connection behind, and so no mark
 * (tests/assume/marks.c).
 *
 * The order of chain judge: port group, and in it leases, the policy's own addresses, refused ones;
 * then the addresses of all ports; then what is decided about the rest. Leases come first because a
 * name's entry beats an address; the resolver leases no address that the policy does not give the
 * name.
 *
 * Ports are plain rules, one a range: see rules/nft-objects.c.
 */

/* The rules that lead one range of ports to its group's chain. */
static void put_port_range(const struct nft *nft, const struct port_range *range, const char *chain)
{
	if (range->protocol == PROTOCOL_ICMP_ECHO) {
		nft_rule(nft, "judge: echo", "icmp type echo-request jump %s", chain);
		nft_rule(nft, "judge: echo", "icmpv6 type echo-request jump %s", chain);
	} else if (range->first == range->last) {
		nft_rule(nft, "judge: port", "%s dport %u jump %s", protocol_name(range->protocol),
			range->first, chain);
	} else {
		nft_rule(nft, "judge: ports", "%s dport %u-%u jump %s",
			protocol_name(range->protocol), range->first, range->last, chain);
	}
}

static bool permits_otherwise(const struct plan *plan)
{
	return plan->otherwise == VERDICT_PERMIT || plan->otherwise == VERDICT_FLAG;
}

/* What matches nothing. */
static const char *otherwise_chain(const struct plan *plan)
{
	if (permits_otherwise(plan))
		return PLAN_DEFAULT_PERMIT;
	return plan->refusals[plan->otherwise_index].chain;
}

/* The rule that gives a connection the mark that a map has for its address. */
static void put_map_rule(const struct nft *nft, const char *comment, unsigned family,
	const char *map, const char *verdict)
{
	nft_rule(nft, comment, "ct mark set %s map @%s ct mark @%s %s", nft_families[family].daddr,
		map, nft->plan->live_set, verdict);
}

static void put_address_rules(const struct nft *nft, const char *comment, const char *map,
	const struct plan_spans *spans, unsigned family)
{
	char name[NFT_NAME];

	if (spans->n_spans > 0)
		put_map_rule(nft, comment, family, nft_map_name(&nft->options, map, name),
			nft_bare_verdict(nft->plan));
}

static void put_refused_rules(const struct nft *nft, const char *comment, const char *map,
	const struct plan_spans *spans, unsigned family)
{
	char name[NFT_NAME];

	if (spans->n_spans > 0)
		nft_rule(nft, comment, "%s vmap @%s", nft_families[family].daddr,
			nft_map_name(&nft->options, map, name));
}

static void put_judge(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	nft_open_chain(nft, "new connections: by port group, then by address", "judge");
	for (size_t i = 0; i < plan->n_groups; i++)
		for (size_t j = 0; j < plan->groups[i].n_ports; j++)
			put_port_range(nft, &plan->groups[i].ports[j], plan->groups[i].name);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		put_address_rules(nft, "judge: addresses", plan->family[family].addresses,
			&plan->family[family].permitted, family);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		put_refused_rules(nft, "judge: refused", plan->family[family].refused,
			&plan->family[family].denied, family);
	nft_rule(nft, otherwise_chain(plan), "goto %s", otherwise_chain(plan));
	nft_close_chain(nft);
}

static void put_group(const struct nft *nft, const struct plan_group *group)
{
	char comment[NFT_COMMENT_MAX + 1];

	nft_open_chain(nft, "a connection takes the mark of the rule that permits its address",
		group->name);
	snprintf(comment, sizeof(comment), "%.64s: names", group->name);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		put_map_rule(nft, comment, family, group->family[family].leases,
			nft_leased_verdict(nft->plan));
	snprintf(comment, sizeof(comment), "%.64s: addresses", group->name);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		put_address_rules(nft, comment, group->family[family].addresses,
			&group->family[family].permitted, family);
	snprintf(comment, sizeof(comment), "%.64s: refused", group->name);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		put_refused_rules(nft, comment, group->family[family].refused,
			&group->family[family].denied, family);
	nft_close_chain(nft);
}

bool nft_refuses(const struct plan *plan)
{
	for (size_t i = 0; i < plan->layers->n_layers; i++)
		if (!plan->layers->layers[i].policy->observe)
			return true;
	return false;
}

/* A chain that permits whatever comes to it. DNS that comes so far was sent to no resolver of ours:
 * it would get around what is said of names. What conntrack cannot follow takes no mark, and with
 * limits it is refused: nobody could count it. */
static void put_permitting(
	const struct nft *nft, const char *chain, const char *about, uint32_t mark)
{
	const char *verdict = nft_bare_verdict(nft->plan);
	bool refuses = nft_refuses(nft->plan);

	nft_open_chain(nft, about, chain);
	if (refuses) {
		nft_rule(nft, "dns", "udp dport 53 goto other-dns");
		nft_rule(nft, "dns", "tcp dport 53 goto other-dns");
	}
	nft_rule(nft, chain, "ct mark set 0x%08" PRIx32 " ct mark @%s %s", mark,
		nft->plan->live_set, verdict);
	if (refuses && strcmp(verdict, "accept") != 0)
		nft_rule(nft, "untracked", "counter goto refuse");
	else
		nft_rule(nft, "untracked", "accept");
	nft_close_chain(nft);
}

static void put_default_permit(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	const struct plan_rule *rule = &plan->rules[plan->otherwise_index];

	if (plan->otherwise == VERDICT_PERMIT)
		put_permitting(nft, PLAN_DEFAULT_PERMIT, "what nothing refuses", rule->mark);
	else if (plan->otherwise == VERDICT_FLAG)
		put_permitting(nft, PLAN_DEFAULT_PERMIT, "what nothing refuses, reported",
			rule->flag_mark);
}

static bool has_observed(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_refusals; i++)
		if (plan->refusals[i].observed)
			return true;
	return false;
}

static void put_refusals(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	for (size_t i = 0; i < plan->n_refusals; i++)
		nft_put_refusal(nft, plan->refusals[i].chain, plan->refusals[i].id,
			plan->refusals[i].about,
			plan->refusals[i].observed ? "goto observed" : "goto refuse");
	if (nft_refuses(plan) && (permits_otherwise(plan) || has_observed(plan)))
		nft_put_refusal(nft, "other-dns", "dns", "DNS that does not go to the resolver",
			"goto refuse");
	if (has_observed(plan))
		put_permitting(nft, "observed",
			"what an observing layer would refuse: once a connection",
			plan->observed_mark);
	nft_open_chain(nft, "refused at once, so that programs do not wait", "refuse");
	nft_rule(nft, "refuse", "meta l4proto tcp reject with tcp reset");
	nft_rule(nft, "refuse", "reject with icmpx admin-prohibited");
	fputs("\t}\n", nft->out);
}

void nft_add_refusal_chains(const struct nft *nft)
{
	for (size_t i = 0; i < nft->plan->n_refusals; i++)
		fprintf(nft->out, "add chain inet %s %s\n", nft->plan->table,
			nft->plan->refusals[i].chain);
}

void nft_put_chains(const struct nft *nft)
{
	put_judge(nft);
	for (size_t i = 0; i < nft->plan->n_groups; i++)
		put_group(nft, &nft->plan->groups[i]);
	nft_put_limit_chains(nft);
	put_default_permit(nft);
	put_refusals(nft);
}
