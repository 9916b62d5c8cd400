/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-limits.h"

#include <inttypes.h>
#include <stdint.h>

#include "rules/counter-name.h"
#include "rules/nft-limiters.h"
#include "rules/nft-objects.h"

/*
 * Theory of operation
 *
 * A packet that a rule permits has the rule's mark on its connection. From there:
 *
 *	permit-address	counts an address that no name stands for as a destination
 *	permit		what a new connection must keep to, and its record
 *	connection	counts it as one of the session's
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
 * What a session has spent of [budget] is in sets that packets fill: one with N elements is full,
 * and takes no more, on however many processors (nft_dynset.c). So its size is the ceiling, and
 * what it holds is exact, and known to whoever reads it.
 *
 * But full is only a set whose elements are as many as its size: with one more it takes all that
 * come (nft_dynset_new(): atomic_add_unless()). So there must never be one more:
 *
 *	- Nothing is added by netlink, which since 6.17 counts the element that it then refuses
 *	  (nft_add_set_elem()). The resolver adds a name by a packet of its own, to port 9 of the
 *	  loopback, whose contents are the element; it never arrives (chain count-names). Nor does
 *	  any other of its length, lest a program see by that whether it has guessed the mark.
 *	- The kernel changes the size of a set that is there, also to less than it holds. So the
 *	  ceiling is in the set's name: under another one a session begins to count anew.
 *	- A ceiling that was raised for the running session (`extended`) is the policy's again once
 *	  the ruleset is loaded again, which empties `raised`. Until the resolver has raised the
 *	  ceiling again, and filled that, nothing new is permitted.
 *
 * A limit refuses if any layer that sets it enforces; if all of them observe it only reports.
 */

enum { DESTINATIONS_MAX = 262144 }; /* addresses with a rate at the same time, in each family */

/* The destination of an IPv4 packet as an IPv6 address, ::ffff:0:0/96: the 128 bits that end with
 * it. It has no other one in the set, and none its own. */
#define MAPPED_DESTINATION "@nh,32,128 & 0xffffffff | 0xffff00000000"

/* What no other connection has: two at the same time differ in their conntrack entries, one that
 * has another's entry comes later. */
#define CONNECTION_KEY "ct id . meta time"

enum limit { LIMIT_CONNECTIONS, LIMIT_DESTINATION, LIMIT_BYTES };

enum { BYTES_CEILINGS = 2 };

/* What is sent in a session, up to one of them. */
struct bytes_ceiling {
	const char *id; /* of its quota, and its chain */
	const char *about;
	uint64_t bytes;
	bool enforced;
	bool each; /* of its packets is reported, up to the usual rate */
};

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

/* Those that there are, in `out`: each counts all that is sent, so the smaller refuses first. */
static size_t bytes_ceilings(const struct plan *plan, struct bytes_ceiling out[BYTES_CEILINGS])
{
	const struct layers *layers = plan->layers;
	size_t count = 0;

	if (layers->limits.bytes > 0)
		out[count++] =
			(struct bytes_ceiling){"limit-bytes", "more bytes than the policy permits",
				layers->limits.bytes, is_enforced(plan, LIMIT_BYTES), true};
	if (layers->budget.bytes > 0)
		out[count++] = (struct bytes_ceiling){"budget-bytes",
			"more bytes than the session's budget has", layers->budget.bytes,
			plan->refuses_bytes, plan->refuses_bytes};
	return count;
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
	struct bytes_ceiling ceilings[BYTES_CEILINGS];

	return bytes_ceilings(plan, ceilings) > 0 || nft_limiters_spend(plan);
}

/* For the metrics, each new connection that a rule permits is counted. */
static bool counts_permitted(const struct plan *plan)
{
	const struct metrics_policy *metrics = &plan->policy->metrics;

	return metrics->path || metrics->has_endpoint;
}

static bool has_permit(const struct plan *plan)
{
	const struct layers *layers = plan->layers;

	return layers->audit_allowed || layers->limits.connections.count > 0 ||
	       layers->limits.connections_per_destination.count > 0 || has_spend(plan) ||
	       plan->connections_set || nft_limiters_open(plan) || any_flagged(plan) ||
	       counts_permitted(plan);
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

/* A set that packets fill until it has its size. */
static void visit_counted(const struct nft *nft, const char *about, const char *name,
	const char *type, uint32_t most, nft_object_visitor *visit)
{
	char size[NFT_DEFINITION];
	struct nft_object set = {
		.about = about, .keyword = "set", .name = name, .type = type, .more = size};

	snprintf(size, sizeof(size), "size %" PRIu32 "\n\t\tflags dynamic", most);
	visit(nft, &set);
}

/* The policy fills it with nothing, so it is emptied. */
static void no_elements(const struct nft *nft, const struct nft_object *object)
{
	(void)nft;
	(void)object;
}

static void visit_session(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	struct nft_object session = {
		.about = "what the resolver knows of the session",
		.keyword = "map",
		.name = plan->session_map,
		.type = "type mark : mark",
	};
	struct nft_object extended = {
		.about = "whether a ceiling of the session was raised",
		.keyword = "set",
		.name = plan->extended_set,
		.type = "type nf_proto",
	};
	struct nft_object raised = {
		.about = "whether that is in force with this ruleset",
		.keyword = "set",
		.name = plan->raised_set,
		.type = "type nf_proto",
		.elements = no_elements,
	};

	if (plan->destinations_set)
		visit_counted(nft,
			"distinct destinations: addresses from here, names from the resolver",
			plan->destinations_set, "type ipv6_addr", plan->destinations_size, visit);
	if (plan->connections_set)
		visit_counted(nft, "new connections of the session", plan->connections_set,
			"typeof " CONNECTION_KEY, plan->layers->budget.connections, visit);
	if (plan->extended_set) {
		visit(nft, &extended);
		visit(nft, &raised);
	}
	if (plan->session_map)
		visit(nft, &session);
}

void nft_visit_limit_objects(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	const struct limits *limits = &plan->layers->limits;
	struct bytes_ceiling ceilings[BYTES_CEILINGS];
	size_t n_ceilings = bytes_ceilings(plan, ceilings);

	nft_visit_limiters(nft, visit);
	if (limits->connections.count > 0)
		nft_visit_rate(nft, "new connections in all", "limit-connections",
			&limits->connections, visit);
	for (size_t i = 0; i < n_ceilings; i++)
		nft_visit_quota(nft, "bytes in all", ceilings[i].id, ceilings[i].bytes, visit);
	if (limits->connections_per_destination.count > 0)
		visit_recent(nft, visit);
	visit_session(nft, visit);
	nft_visit_limiter_maps(nft, visit);
}

/* --- Chains ------------------------------------------------------------------------------------
 */

/* The chain of what is over a ceiling. What a session does after it was reported needs no report
 * for each packet. */
static void put_excess(
	const struct nft *nft, const char *id, const char *about, bool each, const char *end)
{
	const struct plan *plan = nft->plan;

	if (each) {
		nft_put_refusal(nft, id, id, about, end);
		return;
	}
	nft_put_counter(nft, id);
	nft_open_chain(nft, about, id);
	nft_rule(nft, id, "limit rate 1/minute burst 5 packets log prefix \"%s %s \" group %u",
		plan->table, id, plan->policy->nflog_group);
	nft_rule(nft, id, "counter name \"%s\" %s", id, end);
	nft_close_chain(nft);
}

static void put_spend(const struct nft *nft)
{
	struct bytes_ceiling ceilings[BYTES_CEILINGS];
	size_t n_ceilings = bytes_ceilings(nft->plan, ceilings);

	for (size_t i = 0; i < n_ceilings; i++)
		put_excess(nft, ceilings[i].id, ceilings[i].about, ceilings[i].each,
			nft_spend_end(ceilings[i].enforced));
	nft_open_chain(nft, "what every packet of a permitted connection must keep to", "spend");
	if (nft_limiters_spend(nft->plan))
		nft_rule(nft, "entries", "ct mark vmap @spending");
	for (size_t i = 0; i < n_ceilings; i++)
		nft_rule(nft, ceilings[i].id, "ct direction original quota name \"%s\" %s %s",
			ceilings[i].id, nft_exceeded(ceilings[i].enforced), ceilings[i].id);
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
	/* The last, so that what is refused for something else is none of the session's. */
	if (nft->plan->connections_set)
		nft_rule(nft, "budget-connections", "ct state new jump connection");
}

/* A flow that is judged anew because its rule is gone is no new connection, and isn't recorded as
 * one. Records of what is permitted are an account, so no rate holds them back. */
static void put_permit(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	char condition[NFT_NAME];

	if (any_flagged(plan))
		nft_put_counter(nft, COUNTER_FLAG);
	if (plan->layers->audit_allowed)
		nft_put_counter(nft, COUNTER_ALLOW);
	if (counts_permitted(plan))
		nft_put_counter(nft, COUNTER_PERMIT);
	nft_open_chain(nft, "connections that a rule permits", "permit");
	put_limit_rules(nft);
	if (any_flagged(plan)) {
		snprintf(condition, sizeof(condition), "ct state new ct mark @%.64s ",
			plan->flagged_set);
		nft_log_rule(nft, COUNTER_FLAG, condition);
		nft_rule(nft, COUNTER_FLAG, "%scounter name \"" COUNTER_FLAG "\"", condition);
	}
	if (counts_permitted(plan))
		nft_rule(nft, COUNTER_PERMIT, "ct state new counter name \"" COUNTER_PERMIT "\"");
	if (plan->layers->audit_allowed)
		nft_rule(nft, COUNTER_ALLOW,
			"ct state new log prefix \"%s " COUNTER_ALLOW
			" \" group %u counter name \"" COUNTER_ALLOW "\"",
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

/* Sends what is new to `id` while the ceiling is less than was promised. */
static void put_lowered(const struct nft *nft, const char *id)
{
	nft_rule(nft, id, "meta nfproto @%s meta nfproto != @%s goto %s", nft->plan->extended_set,
		nft->plan->raised_set, id);
}

/* A connection takes an element that nobody has; once the set is full the rule ends before its
 * verdict. */
static void put_connection(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	put_excess(nft, "budget-connections", "more connections than the session's budget has",
		plan->refuses_connections, nft_open_end(plan->refuses_connections));
	nft_open_chain(nft, "new connections of the session, one by one", "connection");
	put_lowered(nft, "budget-connections");
	nft_rule(nft, "budget-connections", "add @%s { " CONNECTION_KEY " } return",
		plan->connections_set);
	nft_rule(nft, "budget-connections: no room", "goto budget-connections");
	nft_close_chain(nft);
}

/* An address is counted once. Where a name stands for it the resolver has counted the name. */
static void put_destinations(const struct nft *nft)
{
	static const char *const keys[PLAN_FAMILIES] = {
		[PLAN_IP4] = MAPPED_DESTINATION, [PLAN_IP6] = "ip6 daddr"};
	const struct plan *plan = nft->plan;
	const char *permit = nft_leased_verdict(plan);
	bool bounded = plan->layers->budget.destinations > 0;

	if (bounded)
		nft_put_refusal(nft, "budget-destinations", "budget-destinations",
			"more destinations than the policy's budget has",
			plan->refuses_destinations ? nft_open_end(true) : permit);
	nft_open_chain(nft, "addresses that no name stands for: each is counted", "permit-address");
	if (bounded)
		put_lowered(nft, "budget-destinations");
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		nft_rule(nft, "budget-destinations", "meta nfproto %s add @%s { %s } %s",
			nft_families[family].nfproto, plan->destinations_set, keys[family], permit);
	nft_rule(nft, "budget-destinations: no room", "%s",
		bounded ? "goto budget-destinations" : permit);
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
	if (plan->connections_set)
		put_connection(nft);
	if (plan->destinations_set)
		put_destinations(nft);
}
