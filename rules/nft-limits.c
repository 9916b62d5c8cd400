/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-limits.h"

#include <inttypes.h>
#include <stdint.h>

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
 * None of them is there when nothing is limited. Entries' own limits are found by mark, through the
 * maps `opening` (new connections) and `spending` (every packet), so that an entry with a limit
 * costs the others nothing.
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

enum {
	DESTINATIONS_MAX = 262144, /* addresses with a rate at the same time, in each family */
	OBJECT_NAME = 64,
	DEFINITION = 96,
};

/* Any number does, as long as it stays: slots are found again after a reload. What collides shares
 * a slot, which opens nothing: only a permitted address comes so far. */
#define SLOT_SEED "0x65677265"

/* The kernel's clock counts nanoseconds in 63 bits: it never comes to this. */
#define CLOCK_END (INT64_MAX / 1000000000)

enum limit { LIMIT_CONNECTIONS, LIMIT_DESTINATION, LIMIT_BYTES, LIMIT_DESTINATIONS };

static bool sets_limit(const struct policy *policy, enum limit limit)
{
	switch (limit) {
	case LIMIT_CONNECTIONS:
		return policy->limits.connections.count > 0;
	case LIMIT_DESTINATION:
		return policy->limits.connections_per_destination.count > 0;
	case LIMIT_BYTES:
		return policy->limits.bytes > 0;
	case LIMIT_DESTINATIONS:
		return policy->budget.destinations > 0;
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

static bool rule_is_enforced(const struct plan *plan, const struct plan_rule *rule)
{
	return !plan->layers->layers[rule->layer].policy->observe;
}

/* How a rule leads to the chain of a limit that is exceeded: one that is observed returns. */
static const char *exceeded(bool enforced)
{
	return enforced ? "goto" : "jump";
}

static const struct rate *rule_rate(const struct plan_rule *rule)
{
	return rule->entry && rule->entry->entry->connections.count > 0
		       ? &rule->entry->entry->connections
		       : NULL;
}

static uint64_t rule_bytes(const struct plan_rule *rule)
{
	return rule->entry ? rule->entry->entry->bytes : 0;
}

static bool rule_expires(const struct plan_rule *rule)
{
	return rule->expires < CLOCK_END;
}

static bool rule_spends(const struct plan_rule *rule)
{
	return rule_bytes(rule) > 0 || rule_expires(rule);
}

static bool rule_opens(const struct plan_rule *rule)
{
	return rule_rate(rule) != NULL;
}

static bool any_rule(const struct plan *plan, bool (*is)(const struct plan_rule *rule))
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (is(&plan->rules[i]))
			return true;
	return false;
}

static bool is_flagged(const struct plan_rule *rule)
{
	return rule->flag_mark != 0;
}

static bool has_spend(const struct plan *plan)
{
	return plan->layers->limits.bytes > 0 || any_rule(plan, rule_spends);
}

static bool has_permit(const struct plan *plan)
{
	const struct layers *layers = plan->layers;

	return layers->audit_allowed || layers->limits.connections.count > 0 ||
	       layers->limits.connections_per_destination.count > 0 || has_spend(plan) ||
	       any_rule(plan, rule_opens) || any_rule(plan, is_flagged);
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

static const char *unit_name(uint32_t seconds)
{
	switch (seconds) {
	case 1:
		return "second";
	case 60:
		return "minute";
	case 3600:
		return "hour";
	default:
		return "day";
	}
}

/* "PREFIX-600-minute" */
static const char *rate_name(const char *prefix, const struct rate *rate, char out[OBJECT_NAME])
{
	snprintf(out, OBJECT_NAME, "%.32s-%" PRIu32 "-%s", prefix, rate->count,
		unit_name(rate->seconds));
	return out;
}

/* "rate over 600/minute burst 600 packets": what is over it matches. */
static const char *rate_text(const struct rate *rate, char out[DEFINITION])
{
	snprintf(out, DEFINITION, "rate over %" PRIu32 "/%s burst %" PRIu32 " packets", rate->count,
		unit_name(rate->seconds), rate->count);
	return out;
}

/* "PREFIX-4c43c75d": by the rule's mark, so that it means the same as long as the rule does. */
static const char *rule_name(
	const char *prefix, const struct plan_rule *rule, char out[OBJECT_NAME])
{
	snprintf(out, OBJECT_NAME, "%.32s-%08" PRIx32, prefix, rule->mark);
	return out;
}

static void jump_elements(
	const struct nft *nft, const char *prefix, bool (*is)(const struct plan_rule *rule))
{
	char chain[OBJECT_NAME], clean[NFT_COMMENT_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; i < 2 * nft->plan->n_rules; i++) {
		const struct plan_rule *rule = &nft->plan->rules[i / 2];
		uint32_t mark = i % 2 == 0 ? rule->mark : rule->flag_mark;

		if (mark == 0 || !is(rule))
			continue;
		fprintf(nft->out, "%s\t\t\t0x%08" PRIx32 " comment \"%s\" : jump %s",
			nft_before_element(count++), mark, nft_clean(rule->id, clean),
			rule_name(prefix, rule, chain));
	}
	nft_end_elements(nft, count);
}

static void opening_elements(const struct nft *nft, const struct nft_object *object)
{
	(void)object;
	jump_elements(nft, "open", rule_opens);
}

static void spending_elements(const struct nft *nft, const struct nft_object *object)
{
	(void)object;
	jump_elements(nft, "spend", rule_spends);
}

static void visit_maps(const struct nft *nft, nft_object_visitor *visit)
{
	struct nft_object opening = {
		.about = "entries with a limit of new connections",
		.keyword = "map",
		.name = "opening",
		.type = "type mark : verdict",
		.elements = opening_elements,
	};
	struct nft_object spending = {
		.about = "entries that end with a date or a number of bytes",
		.keyword = "map",
		.name = "spending",
		.type = "type mark : verdict",
		.elements = spending_elements,
	};

	if (any_rule(nft->plan, rule_opens))
		visit(nft, &opening);
	if (any_rule(nft->plan, rule_spends))
		visit(nft, &spending);
}

static void visit_rate(const struct nft *nft, const char *about, const char *prefix,
	const struct rate *rate, nft_object_visitor *visit)
{
	char name[OBJECT_NAME], text[DEFINITION];
	struct nft_object object = {
		.about = about,
		.keyword = "limit",
		.name = rate_name(prefix, rate, name),
		.type = rate_text(rate, text),
	};

	visit(nft, &object);
}

static void visit_quota(const struct nft *nft, const char *about, const char *name, uint64_t bytes,
	nft_object_visitor *visit)
{
	char text[DEFINITION];
	struct nft_object object = {.about = about, .keyword = "quota", .name = name, .type = text};

	/* the kernel takes no more */
	snprintf(text, sizeof(text), "over %" PRIu64 " bytes",
		bytes < INT64_MAX ? bytes : (uint64_t)INT64_MAX);
	visit(nft, &object);
}

static void visit_rule(
	const struct nft *nft, const struct plan_rule *rule, nft_object_visitor *visit)
{
	char name[OBJECT_NAME];

	if (rule_rate(rule))
		visit_rate(nft, rule->id, rule_name("connections", rule, name), rule_rate(rule),
			visit);
	if (rule_bytes(rule) > 0)
		visit_quota(nft, rule->id, rule_name("bytes", rule, name), rule_bytes(rule), visit);
}

/* "recent4-60-minute" */
static const char *recent_name(const struct plan *plan, unsigned family, char out[OBJECT_NAME])
{
	return rate_name(family == PLAN_IP4 ? "recent4" : "recent6",
		&plan->layers->limits.connections_per_destination, out);
}

static void visit_recent(const struct nft *nft, nft_object_visitor *visit)
{
	uint32_t seconds = nft->plan->layers->limits.connections_per_destination.seconds;
	char name[OBJECT_NAME], type[64], more[DEFINITION];
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
	char size[DEFINITION];
	struct nft_object slots = {
		.about = "distinct destinations: addresses from here, names from the resolver",
		.keyword = "set",
		.name = nft->plan->destinations_set,
		.type = "type mark",
		.more = size,
	};

	snprintf(size, sizeof(size), "size %" PRIu32 "\n\t\tflags dynamic",
		nft->plan->layers->budget.destinations);
	visit(nft, &slots);
}

void nft_visit_limit_objects(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	const struct limits *limits = &plan->layers->limits;

	for (size_t i = 0; i < plan->n_rules; i++)
		visit_rule(nft, &plan->rules[i], visit);
	if (limits->connections.count > 0)
		visit_rate(nft, "new connections in all", "limit-connections", &limits->connections,
			visit);
	if (limits->bytes > 0)
		visit_quota(nft, "bytes in all", "limit-bytes", limits->bytes, visit);
	if (limits->connections_per_destination.count > 0)
		visit_recent(nft, visit);
	if (plan->destinations_set)
		visit_slots(nft, visit);
	visit_maps(nft, visit);
}

/* --- Chains ------------------------------------------------------------------------------------
 */

void nft_put_refusal(const struct nft *nft, const char *chain, const char *id, const char *about,
	const char *end)
{
	nft_open_chain(nft, about, chain);
	nft_log_rule(nft, id, "");
	nft_rule(nft, id, "counter %s", end);
	nft_close_chain(nft);
}

static const char *open_end(bool enforced)
{
	return enforced ? "ct mark set 0x0 goto refuse" : "return";
}

static const char *spend_end(bool enforced)
{
	return enforced ? "goto refuse" : "return";
}

/* The chain of what is over a limit of one rule, by an id such as "allow-3:bytes". */
static void put_rule_refusal(const struct nft *nft, const struct plan_rule *rule, const char *what,
	const char *about, const char *end)
{
	char chain[OBJECT_NAME], id[NFT_COMMENT_MAX];

	snprintf(id, sizeof(id), "%.64s:%s", rule->id, what);
	nft_put_refusal(nft, rule_name(what, rule, chain), id, about, end);
}

static void put_opening(const struct nft *nft, const struct plan_rule *rule)
{
	bool enforced = rule_is_enforced(nft->plan, rule);
	char chain[OBJECT_NAME], name[OBJECT_NAME], rate[OBJECT_NAME];

	put_rule_refusal(nft, rule, "connections", "more new connections than the entry permits",
		open_end(enforced));
	nft_open_chain(nft, "new connections of one entry", rule_name("open", rule, chain));
	rule_name("connections", rule, name);
	nft_rule(nft, rule->id, "limit name \"%s\" %s %s", rate_name(name, rule_rate(rule), rate),
		exceeded(enforced), name);
	nft_close_chain(nft);
}

static void put_spending(const struct nft *nft, const struct plan_rule *rule)
{
	bool enforced = rule_is_enforced(nft->plan, rule);
	char chain[OBJECT_NAME], name[OBJECT_NAME];

	if (rule_expires(rule))
		put_rule_refusal(
			nft, rule, "expired", "the entry's time is over", spend_end(enforced));
	if (rule_bytes(rule) > 0)
		put_rule_refusal(nft, rule, "bytes", "more bytes than the entry permits",
			spend_end(enforced));
	nft_open_chain(nft, "packets of one entry", rule_name("spend", rule, chain));
	/* Seconds since 1970: nft would read a date in the time zone of who loads it. */
	if (rule_expires(rule))
		nft_rule(nft, rule->id, "meta time >= %" PRId64 " %s %s",
			rule->expires > 0 ? rule->expires : 0, exceeded(enforced),
			rule_name("expired", rule, name));
	if (rule_bytes(rule) > 0) {
		rule_name("bytes", rule, name);
		nft_rule(nft, rule->id, "ct direction original quota name \"%s\" %s %s", name,
			exceeded(enforced), name);
	}
	nft_close_chain(nft);
}

void nft_add_limit_chains(const struct nft *nft)
{
	char chain[OBJECT_NAME];

	for (size_t i = 0; i < nft->plan->n_rules; i++) {
		const struct plan_rule *rule = &nft->plan->rules[i];

		if (rule_opens(rule))
			fprintf(nft->out, "add chain inet %s %s\n", nft->plan->table,
				rule_name("open", rule, chain));
		if (rule_spends(rule))
			fprintf(nft->out, "add chain inet %s %s\n", nft->plan->table,
				rule_name("spend", rule, chain));
	}
}

static void put_spend(const struct nft *nft)
{
	bool enforced = is_enforced(nft->plan, LIMIT_BYTES);

	if (nft->plan->layers->limits.bytes > 0)
		nft_put_refusal(nft, "limit-bytes", "limit-bytes",
			"more bytes than the policy permits", spend_end(enforced));
	nft_open_chain(nft, "what every packet of a permitted connection must keep to", "spend");
	if (any_rule(nft->plan, rule_spends))
		nft_rule(nft, "entries", "ct mark vmap @spending");
	if (nft->plan->layers->limits.bytes > 0)
		nft_rule(nft, "limit-bytes",
			"ct direction original quota name \"limit-bytes\" %s limit-bytes",
			exceeded(enforced));
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
	const char *verdict = exceeded(is_enforced(nft->plan, LIMIT_DESTINATION));
	char name[OBJECT_NAME], text[DEFINITION];

	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		const struct nft_family *words = &nft_families[family];

		recent_name(nft->plan, family, name);
		nft_rule(nft, "limit-destination",
			"ct state new meta nfproto %s update @%s { %s limit %s } %s "
			"limit-destination",
			words->nfproto, name, words->daddr, rate_text(rate, text), verdict);
		nft_rule(nft, "limit-destination: no room",
			"ct state new meta nfproto %s %s != @%s %s limit-destination",
			words->nfproto, words->daddr, name, verdict);
	}
}

static void put_limit_rules(const struct nft *nft)
{
	const struct limits *limits = &nft->plan->layers->limits;
	char name[OBJECT_NAME];

	if (any_rule(nft->plan, rule_opens))
		nft_rule(nft, "entries", "ct state new ct mark vmap @opening");
	if (limits->connections_per_destination.count > 0)
		put_destination_rules(nft);
	if (limits->connections.count > 0)
		nft_rule(nft, "limit-connections",
			"ct state new limit name \"%s\" %s limit-connections",
			rate_name("limit-connections", &limits->connections, name),
			exceeded(is_enforced(nft->plan, LIMIT_CONNECTIONS)));
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
	if (any_rule(plan, is_flagged)) {
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
			open_end(is_enforced(nft->plan, LIMIT_CONNECTIONS)));
	if (limits->connections_per_destination.count > 0)
		nft_put_refusal(nft, "limit-destination", "limit-destination",
			"more new connections to one destination than the policy permits",
			open_end(is_enforced(nft->plan, LIMIT_DESTINATION)));
}

/* A slot is taken once, and the same address finds it again. Where a name stands for the address,
 * the resolver has counted the name. */
static void put_slots(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	const char *permit = nft_leased_verdict(plan);
	bool refuse = plan->layers->budget.refuse && is_enforced(plan, LIMIT_DESTINATIONS);

	nft_put_refusal(nft, "budget-destinations", "budget-destinations",
		"more destinations than the policy's budget has",
		refuse ? "ct mark set 0x0 goto refuse" : permit);
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

	for (size_t i = 0; i < plan->n_rules; i++) {
		if (rule_opens(&plan->rules[i]))
			put_opening(nft, &plan->rules[i]);
		if (rule_spends(&plan->rules[i]))
			put_spending(nft, &plan->rules[i]);
	}
	put_limit_refusals(nft);
	if (has_spend(plan))
		put_spend(nft);
	if (has_permit(plan))
		put_permit(nft);
	if (plan->destinations_set)
		put_slots(nft);
}
