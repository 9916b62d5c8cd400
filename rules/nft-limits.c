/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-limits.h"

#include <inttypes.h>
#include <stdint.h>

#include "rules/nft-limiters.h"
#include "rules/nft-objects.h"

/*
 * Theory of operation
 *
 * A packet that a rule permits has the rule's mark on its connection. From there:
 *
 *	permit-address	takes a slot for an address that no name stands for
 *	permit		what a new connection must keep to, and its record
 *	ongoing		all packets of connections with a live mark
 *	spend		what each packet must keep to: dates of expiry, and bytes
 *
 * None of them is there when nothing is limited. Entries' own limits are in rules/nft-limiters.c.
 *
 * Rates are token buckets of the kernel. "600/minute" is a bucket of 600 that fills at 600 a
 * minute: at most 600 at once however long it was quiet, and no more than that rate from then on;
 * so a minute that begins after a pause may see up to twice as many, any longer time tends to the
 * rate. Bytes are those of IP packets of the original direction, headers included. What was spent
 * outlives a ruleset: it is in objects with a name, which a ruleset that is loaded again finds as
 * they were. The kernel does not change a limit that is there, so the name of a limit has its
 * value in it; a quota is changed in place and keeps what was spent.
 *
 * What is refused here has its mark already, so whoever refuses a new connection takes the mark
 * away: a connection that was there before (judged anew because its rule is gone) would go on with
 * it. What `spend` refuses it refuses again at the next packet.
 *
 * A set that is full takes no address (nft_dynset.c: the rule ends). For the rates of destinations
 * that must not mean "below the rate", hence the second rule, which refuses what the set does not
 * have. An element leaves after as long a silence as fills its bucket, so its end forgets nothing.
 *
 * A limit refuses if any layer that sets it enforces; if all of them observe it only reports.
 */

enum { DESTINATIONS_MAX = 262144 }; /* addresses with a rate at the same time, in each family */

/* Any number does, as long as it stays: slots are found again after a reload. What collides shares
 * a slot, which opens nothing: only a permitted address comes so far. */
#define SLOT_SEED "0x65677265"

enum limit { LIMIT_CONNECTIONS, LIMIT_DESTINATION, LIMIT_BYTES };

static bool sets_limit(const struct policy *policy, enum limit limit)
{
	switch (limit) {
	case LIMIT_CONNECTIONS:
		return policy->limits.connections.count > 0;
	case LIMIT_DESTINATION:
		return policy->limits.connections_per_destination.count > 0;
	case LIMIT_BYTES:
		return policy->limits.bytes > 0;
	}
	return false;
}

/* Whether a layer that enforces sets the limit. */
static bool is_enforced(const struct plan *plan, enum limit limit)
{
	for (size_t i = 0; i < plan->layers->n_layers; i++) {
		const struct policy *policy = plan->layers->layers[i].policy;

		if (sets_limit(policy, limit) && !policy->observe)
			return true;
	}
	return false;
}

static bool any_flagged(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].flag_mark != 0)
			return true;
	return false;
}

static bool has_spend(const struct plan *plan)
{
	return plan->layers->limits.bytes > 0 || nft_limiters_spend(plan);
}

static bool has_permit(const struct plan *plan)
{
	const struct layers *layers = plan->layers;

	return layers->audit_allowed || layers->limits.connections.count > 0 ||
	       layers->limits.connections_per_destination.count > 0 || has_spend(plan) ||
	       nft_limiters_open(plan) || any_flagged(plan);
}

const char *nft_ongoing_verdict(const struct plan *plan)
{
	return has_spend(plan) ? "goto ongoing" : "accept";
}

const char *nft_leased_verdict(const struct plan *plan)
{
	return has_permit(plan) ? "goto permit" : "accept";
}

const char *nft_bare_verdict(const struct plan *plan)
{
	return plan->destinations_set ? "goto permit-address" : nft_leased_verdict(plan);
}

/* --- Objects -----------------------------------------------------------------------------------
 */

/* "recent4-60-minute" */
static const char *recent_name(const struct plan *plan, unsigned family, char out[NFT_OBJECT_NAME])
{
	return nft_rate_name(family == PLAN_IP4 ? "recent4" : "recent6",
		&plan->layers->limits.connections_per_destination, out);
}

static void visit_recent(const struct nft *nft, nft_object_visitor *visit)
{
	uint32_t seconds = nft->plan->layers->limits.connections_per_destination.seconds;
	char name[NFT_OBJECT_NAME], type[64], more[NFT_DEFINITION];
	struct nft_object recent = {
		.about = "destinations of late, each with its rate",
		.keyword = "set",
		.name = name,
		.type = type,
		.more = more,
	};

	snprintf(more, sizeof(more), "size %u\n\t\tflags dynamic,timeout\n\t\ttimeout %" PRIu32 "s",
		DESTINATIONS_MAX, seconds);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		recent_name(nft->plan, family, name);
		snprintf(type, sizeof(type), "type %s", nft_families[family].type);
		visit(nft, &recent);
	}
}

static void visit_slots(const struct nft *nft, nft_object_visitor *visit)
{
	char size[NFT_DEFINITION];
	struct nft_object slots = {
		.about = "distinct destinations: addresses from here, names from the resolver",
		.keyword = "set",
		.name = nft->plan->destinations_set,
		.type = "type mark",
		.more = size,
	};
	struct nft_object over = {
		.about = "new connections to destinations that found no slot",
		.keyword = "counter",
		.name = "budget-destinations",
		.type = "packets 0 bytes 0",
	};

	snprintf(size, sizeof(size), "size %" PRIu32 "\n\t\tflags dynamic",
		nft->plan->layers->budget.destinations);
	visit(nft, &slots);
	visit(nft, &over);
}

void nft_visit_limit_objects(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	const struct limits *limits = &plan->layers->limits;

	nft_visit_limiters(nft, visit);
	if (limits->connections.count > 0)
		nft_visit_rate(nft, "new connections in all", "limit-connections",
			&limits->connections, visit);
	if (limits->bytes > 0)
		nft_visit_quota(nft, "bytes in all", "limit-bytes", limits->bytes, visit);
	if (limits->connections_per_destination.count > 0)
		visit_recent(nft, visit);
	if (plan->destinations_set)
		visit_slots(nft, visit);
	nft_visit_limiter_maps(nft, visit);
}

/* --- Chains ------------------------------------------------------------------------------------
 */

static void put_spend(const struct nft *nft)
{
	bool enforced = is_enforced(nft->plan, LIMIT_BYTES);

	if (nft->plan->layers->limits.bytes > 0)
		nft_put_refusal(nft, "limit-bytes", "limit-bytes",
			"more bytes than the policy permits", nft_spend_end(enforced));
	nft_open_chain(nft, "what every packet of a permitted connection must keep to", "spend");
	if (nft_limiters_spend(nft->plan))
		nft_rule(nft, "entries", "ct mark vmap @spending");
	if (nft->plan->layers->limits.bytes > 0)
		nft_rule(nft, "limit-bytes",
			"ct direction original quota name \"limit-bytes\" %s limit-bytes",
			nft_exceeded(enforced));
	nft_close_chain(nft);
	nft_open_chain(nft, "connections that a rule in force has permitted", "ongoing");
	nft_rule(nft, "spend", "jump spend");
	nft_rule(nft, "ongoing", "accept");
	nft_close_chain(nft);
}

/* A full set ends the first rule before its verdict: then the second one refuses. */
static void put_destination_rules(const struct nft *nft)
{
	const struct rate *rate = &nft->plan->layers->limits.connections_per_destination;
	const char *verdict = nft_exceeded(is_enforced(nft->plan, LIMIT_DESTINATION));
	char name[NFT_OBJECT_NAME], text[NFT_DEFINITION];

	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		const struct nft_family *words = &nft_families[family];

		recent_name(nft->plan, family, name);
		nft_rule(nft, "limit-destination",
			"ct state new meta nfproto %s update @%s { %s limit %s } %s "
			"limit-destination",
			words->nfproto, name, words->daddr, nft_rate_text(rate, text), verdict);
		nft_rule(nft, "limit-destination: no room",
			"ct state new meta nfproto %s %s != @%s %s limit-destination",
			words->nfproto, words->daddr, name, verdict);
	}
}

static void put_limit_rules(const struct nft *nft)
{
	const struct limits *limits = &nft->plan->layers->limits;
	char name[NFT_OBJECT_NAME];

	if (nft_limiters_open(nft->plan))
		nft_rule(nft, "entries", "ct state new ct mark vmap @opening");
	if (limits->connections_per_destination.count > 0)
		put_destination_rules(nft);
	if (limits->connections.count > 0)
		nft_rule(nft, "limit-connections",
			"ct state new limit name \"%s\" %s limit-connections",
			nft_rate_name("limit-connections", &limits->connections, name),
			nft_exceeded(is_enforced(nft->plan, LIMIT_CONNECTIONS)));
	if (has_spend(nft->plan))
		nft_rule(nft, "spend", "jump spend");
}

/* A flow that is judged anew because its rule is gone is no new connection, and isn't recorded as
 * one. Records of what is permitted are an account, so no rate holds them back. */
static void put_permit(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	char condition[NFT_NAME];

	nft_open_chain(nft, "connections that a rule permits", "permit");
	put_limit_rules(nft);
	if (any_flagged(plan)) {
		snprintf(condition, sizeof(condition), "ct state new ct mark @%.64s ",
			plan->flagged_set);
		nft_log_rule(nft, "flag", condition);
	}
	if (plan->layers->audit_allowed)
		nft_rule(nft, "allow", "ct state new log prefix \"%s allow \" group %u",
			plan->table, plan->policy->nflog_group);
	nft_rule(nft, "permit", "accept");
	nft_close_chain(nft);
}

static void put_limit_refusals(const struct nft *nft)
{
	const struct limits *limits = &nft->plan->layers->limits;

	if (limits->connections.count > 0)
		nft_put_refusal(nft, "limit-connections", "limit-connections",
			"more new connections than the policy permits",
			nft_open_end(is_enforced(nft->plan, LIMIT_CONNECTIONS)));
	if (limits->connections_per_destination.count > 0)
		nft_put_refusal(nft, "limit-destination", "limit-destination",
			"more new connections to one destination than the policy permits",
			nft_open_end(is_enforced(nft->plan, LIMIT_DESTINATION)));
}

/* A slot is taken once, and the same address finds it again. Where a name stands for the address,
 * the resolver has counted the name. Whoever finds no slot is counted by a counter with a name,
 * which a ruleset that is loaded again finds as it was. */
static void put_slots(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	const char *permit = nft_leased_verdict(plan);

	nft_open_chain(
		nft, "more destinations than the policy's budget has", "budget-destinations");
	nft_log_rule(nft, "budget-destinations", "");
	nft_rule(nft, "budget-destinations", "counter name \"budget-destinations\" %s",
		plan->refuses_destinations ? nft_open_end(true) : permit);
	nft_close_chain(nft);
	nft_open_chain(
		nft, "addresses that no name stands for: each takes a slot", "permit-address");
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		nft_rule(nft, "budget-destinations",
			"meta nfproto %s add @%s { jhash %s mod 0x7fffffff seed " SLOT_SEED
			" offset 1 } %s",
			nft_families[family].nfproto, plan->destinations_set,
			nft_families[family].daddr, permit);
	nft_rule(nft, "budget-destinations: no room", "goto budget-destinations");
	nft_close_chain(nft);
}

void nft_put_limit_chains(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	nft_put_limiter_chains(nft);
	put_limit_refusals(nft);
	if (has_spend(plan))
		put_spend(nft);
	if (has_permit(plan))
		put_permit(nft);
	if (plan->destinations_set)
		put_slots(nft);
}
