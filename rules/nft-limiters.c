/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-limiters.h"

#include <inttypes.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * Entries' own limits are found by mark, through the maps `opening` (new connections) and
 * `spending` (every packet), so that an entry with a limit costs the others nothing. A rule's chain
 * in them asks for the limits of its own entry, and of those entries of overrides that permit all
 * of what it opens (rules/limiters.c). What limits and the chains of refusals are called has the
 * rule's mark in it, or the tag of an override's entry, to which several rules may lead.
 */

/* The kernel's clock counts nanoseconds in 63 bits: it never comes to this. */
#define CLOCK_END (INT64_MAX / 1000000000)

/* Whoever has limits for the connections of a rule: the rule's own entry, or one of a further
 * layer.
 */
struct limiter {
	const struct layer_entry *it;
	unsigned layer;
	uint32_t tag; /* in the names of what is its own; a rule's is its mark */
};

/* The rule's limiter number `index`, in order; false behind the last. */
static bool next_limiter(const struct plan *plan, const struct plan_rule *rule, size_t index,
	struct limiter *ret_limiter)
{
	const struct plan_limiter *further;

	if (!rule->entry || index > rule->n_limiters)
		return false;
	if (index == 0) {
		*ret_limiter = (struct limiter){rule->entry, rule->layer, rule->mark};
		return true;
	}
	further = &plan->limiters[rule->limiters[index - 1]];
	*ret_limiter = (struct limiter){further->entry, further->layer, further->tag};
	return true;
}

static bool limiter_is_enforced(const struct plan *plan, const struct limiter *limiter)
{
	return !plan->layers->layers[limiter->layer].policy->observe;
}

static const struct rate *limiter_rate(const struct limiter *limiter)
{
	return &limiter->it->entry->connections;
}

static bool limiter_opens(const struct limiter *limiter)
{
	return limiter_rate(limiter)->count > 0;
}

static uint64_t limiter_bytes(const struct limiter *limiter)
{
	return limiter->it->entry->bytes;
}

static bool limiter_expires(const struct limiter *limiter)
{
	return limiter->it->entry->expires < CLOCK_END;
}

static bool limiter_spends(const struct limiter *limiter)
{
	return limiter_bytes(limiter) > 0 || limiter_expires(limiter);
}

static bool any_limiter(const struct plan *plan, const struct plan_rule *rule,
	bool (*is)(const struct limiter *limiter))
{
	struct limiter limiter;

	for (size_t i = 0; next_limiter(plan, rule, i, &limiter); i++)
		if (is(&limiter))
			return true;
	return false;
}

static bool rule_spends(const struct plan *plan, const struct plan_rule *rule)
{
	return any_limiter(plan, rule, limiter_spends);
}

static bool rule_opens(const struct plan *plan, const struct plan_rule *rule)
{
	return any_limiter(plan, rule, limiter_opens);
}

static bool any_rule(
	const struct plan *plan, bool (*is)(const struct plan *plan, const struct plan_rule *rule))
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (is(plan, &plan->rules[i]))
			return true;
	return false;
}

bool nft_limiters_open(const struct plan *plan)
{
	return any_rule(plan, rule_opens);
}

bool nft_limiters_spend(const struct plan *plan)
{
	return any_rule(plan, rule_spends);
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

const char *nft_rate_name(const char *prefix, const struct rate *rate, char out[NFT_OBJECT_NAME])
{
	snprintf(out, NFT_OBJECT_NAME, "%.32s-%" PRIu32 "-%s", prefix, rate->count,
		unit_name(rate->seconds));
	return out;
}

const char *nft_rate_text(const struct rate *rate, char out[NFT_DEFINITION])
{
	snprintf(out, NFT_DEFINITION, "rate over %" PRIu32 "/%s burst %" PRIu32 " packets",
		rate->count, unit_name(rate->seconds), rate->count);
	return out;
}

/* "PREFIX-4c43c75d": by a rule's mark, so that it means the same as long as the rule does, or by
 * the tag of an override's entry. */
static const char *tag_name(const char *prefix, uint32_t tag, char out[NFT_OBJECT_NAME])
{
	snprintf(out, NFT_OBJECT_NAME, "%.32s-%08" PRIx32, prefix, tag);
	return out;
}

static void jump_elements(const struct nft *nft, const char *prefix,
	bool (*is)(const struct plan *plan, const struct plan_rule *rule))
{
	char chain[NFT_OBJECT_NAME], clean[NFT_COMMENT_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; i < 2 * nft->plan->n_rules; i++) {
		const struct plan_rule *rule = &nft->plan->rules[i / 2];
		uint32_t mark = i % 2 == 0 ? rule->mark : rule->flag_mark;

		if (mark == 0 || !is(nft->plan, rule))
			continue;
		fprintf(nft->out, "%s\t\t\t0x%08" PRIx32 " comment \"%s\" : jump %s",
			nft_before_element(count++), mark, nft_clean(rule->id, clean),
			tag_name(prefix, rule->mark, chain));
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

void nft_visit_limiter_maps(const struct nft *nft, nft_object_visitor *visit)
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

void nft_visit_rate(const struct nft *nft, const char *about, const char *prefix,
	const struct rate *rate, nft_object_visitor *visit)
{
	char name[NFT_OBJECT_NAME], text[NFT_DEFINITION];
	struct nft_object object = {
		.about = about,
		.keyword = "limit",
		.name = nft_rate_name(prefix, rate, name),
		.type = nft_rate_text(rate, text),
	};

	visit(nft, &object);
}

void nft_visit_quota(const struct nft *nft, const char *about, const char *name, uint64_t bytes,
	nft_object_visitor *visit)
{
	char text[NFT_DEFINITION];
	struct nft_object object = {.about = about, .keyword = "quota", .name = name, .type = text};

	/* the kernel takes no more */
	snprintf(text, sizeof(text), "over %" PRIu64 " bytes",
		bytes < INT64_MAX ? bytes : (uint64_t)INT64_MAX);
	visit(nft, &object);
}

static void visit_limiter(
	const struct nft *nft, const struct limiter *limiter, nft_object_visitor *visit)
{
	char name[NFT_OBJECT_NAME];

	if (limiter_opens(limiter))
		nft_visit_rate(nft, limiter->it->id, tag_name("connections", limiter->tag, name),
			limiter_rate(limiter), visit);
	if (limiter_bytes(limiter) > 0)
		nft_visit_quota(nft, limiter->it->id, tag_name("bytes", limiter->tag, name),
			limiter_bytes(limiter), visit);
}

void nft_visit_limiters(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	struct limiter limiter;

	for (size_t i = 0; i < plan->n_rules; i++)
		if (next_limiter(plan, &plan->rules[i], 0, &limiter))
			visit_limiter(nft, &limiter, visit);
	for (size_t i = 0; i < plan->n_limiters; i++) {
		const struct plan_limiter *further = &plan->limiters[i];

		visit_limiter(nft, &(struct limiter){further->entry, further->layer, further->tag},
			visit);
	}
}

/* --- Chains ------------------------------------------------------------------------------------
 */

const char *nft_exceeded(bool enforced)
{
	return enforced ? "goto" : "jump";
}

const char *nft_open_end(bool enforced)
{
	return enforced ? "ct mark set 0x0 goto refuse" : "return";
}

const char *nft_spend_end(bool enforced)
{
	return enforced ? "goto refuse" : "return";
}

/* The chain of what is over a limit of one entry, by an id such as "allow-3:bytes". */
static void put_limiter_refusal(const struct nft *nft, const struct limiter *limiter,
	const char *what, const char *about, const char *end)
{
	char chain[NFT_OBJECT_NAME], id[NFT_COMMENT_MAX];

	snprintf(id, sizeof(id), "%.64s:%s", limiter->it->id, what);
	nft_put_refusal(nft, tag_name(what, limiter->tag, chain), id, about, end);
}

static void put_opening_refusal(const struct nft *nft, const struct limiter *limiter)
{
	if (limiter_opens(limiter))
		put_limiter_refusal(nft, limiter, "connections",
			"more new connections than the entry permits",
			nft_open_end(limiter_is_enforced(nft->plan, limiter)));
}

static void put_spending_refusals(const struct nft *nft, const struct limiter *limiter)
{
	const char *end = nft_spend_end(limiter_is_enforced(nft->plan, limiter));

	if (limiter_expires(limiter))
		put_limiter_refusal(nft, limiter, "expired", "the entry's time is over", end);
	if (limiter_bytes(limiter) > 0)
		put_limiter_refusal(
			nft, limiter, "bytes", "more bytes than the entry permits", end);
}

/* Of the entries of further layers, to which more than one rule may lead. */
static void put_further_refusals(const struct nft *nft)
{
	for (size_t i = 0; i < nft->plan->n_limiters; i++) {
		const struct plan_limiter *further = &nft->plan->limiters[i];
		const struct limiter limiter = {further->entry, further->layer, further->tag};

		put_opening_refusal(nft, &limiter);
		put_spending_refusals(nft, &limiter);
	}
}

static void put_opening_rule(const struct nft *nft, const struct limiter *limiter)
{
	char name[NFT_OBJECT_NAME], rate[NFT_OBJECT_NAME];

	if (!limiter_opens(limiter))
		return;
	tag_name("connections", limiter->tag, name);
	nft_rule(nft, limiter->it->id, "limit name \"%s\" %s %s",
		nft_rate_name(name, limiter_rate(limiter), rate),
		nft_exceeded(limiter_is_enforced(nft->plan, limiter)), name);
}

static void put_opening(const struct nft *nft, const struct plan_rule *rule)
{
	struct limiter limiter;
	char chain[NFT_OBJECT_NAME];

	if (next_limiter(nft->plan, rule, 0, &limiter))
		put_opening_refusal(nft, &limiter);
	nft_open_chain(nft, "new connections of one entry", tag_name("open", rule->mark, chain));
	for (size_t i = 0; next_limiter(nft->plan, rule, i, &limiter); i++)
		put_opening_rule(nft, &limiter);
	nft_close_chain(nft);
}

static void put_spending_rules(const struct nft *nft, const struct limiter *limiter)
{
	const char *verdict = nft_exceeded(limiter_is_enforced(nft->plan, limiter));
	int64_t expires = limiter->it->entry->expires;
	char name[NFT_OBJECT_NAME];

	/* Seconds since 1970: nft would read a date in the time zone of who loads it. */
	if (limiter_expires(limiter))
		nft_rule(nft, limiter->it->id, "meta time >= %" PRId64 " %s %s",
			expires > 0 ? expires : 0, verdict,
			tag_name("expired", limiter->tag, name));
	if (limiter_bytes(limiter) > 0) {
		tag_name("bytes", limiter->tag, name);
		nft_rule(nft, limiter->it->id, "ct direction original quota name \"%s\" %s %s",
			name, verdict, name);
	}
}

static void put_spending(const struct nft *nft, const struct plan_rule *rule)
{
	struct limiter limiter;
	char chain[NFT_OBJECT_NAME];

	if (next_limiter(nft->plan, rule, 0, &limiter))
		put_spending_refusals(nft, &limiter);
	nft_open_chain(nft, "packets of one entry", tag_name("spend", rule->mark, chain));
	for (size_t i = 0; next_limiter(nft->plan, rule, i, &limiter); i++)
		put_spending_rules(nft, &limiter);
	nft_close_chain(nft);
}

void nft_add_limiter_chains(const struct nft *nft)
{
	char chain[NFT_OBJECT_NAME];

	for (size_t i = 0; i < nft->plan->n_rules; i++) {
		const struct plan_rule *rule = &nft->plan->rules[i];

		if (rule_opens(nft->plan, rule))
			fprintf(nft->out, "add chain inet %s %s\n", nft->plan->table,
				tag_name("open", rule->mark, chain));
		if (rule_spends(nft->plan, rule))
			fprintf(nft->out, "add chain inet %s %s\n", nft->plan->table,
				tag_name("spend", rule->mark, chain));
	}
}

void nft_put_limiter_chains(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	put_further_refusals(nft);
	for (size_t i = 0; i < plan->n_rules; i++) {
		if (rule_opens(plan, &plan->rules[i]))
			put_opening(nft, &plan->rules[i]);
		if (rule_spends(plan, &plan->rules[i]))
			put_spending(nft, &plan->rules[i]);
	}
}
