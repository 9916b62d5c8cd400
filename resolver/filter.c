/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/filter.h"

/*
 * A name that is not permitted does not exist (NXDOMAIN) unless the policy has it otherwise,
 * because REFUSED makes musl's resolver stop at the first suffix of its search list. What a search
 * list made is always answered that way, and with nothing that a client would report.
 *
 * Of a permitted name there are the types that [dns] types names, and nothing else.
 *
 * Special names (rules/special-names.c) come first, but for those that the policy names.
 */

static bool is_searched(const struct dns_policy *dns, const struct name *name)
{
	for (size_t i = 0; i < dns->n_search; i++)
		if (name_is_below(name, &dns->search[i]))
			return true;
	return false;
}

static bool is_served(const struct dns_policy *dns, uint16_t type)
{
	for (size_t i = 0; i < dns->n_types; i++)
		if (dns->types[i] == type)
			return true;
	return false;
}

/* The answer to a special name, or NULL for one that is none, or that the policy is right about. */
static const struct answer *answer_special(const struct grants *grants,
	const struct special_sources *from, const struct msg_query *query,
	const struct match_result *result, struct answer_buffer *buffer)
{
	const struct special *special = special_find(&query->name);

	if (!special || (result->answered && grants_leave(grants, special, &query->name, result)))
		return NULL;
	return special_answer(special, from, &query->name, query->type, buffer);
}

struct answer *filter_refuse(
	const struct dns_policy *dns, const char *rule, struct answer_buffer *buffer)
{
	static const enum rcode rcodes[] = {
		[REFUSAL_NXDOMAIN] = RCODE_NXDOMAIN,
		[REFUSAL_REFUSED] = RCODE_REFUSED,
		[REFUSAL_NODATA] = RCODE_NOERROR,
	};

	return answer_empty(buffer, rcodes[dns->refusal], EDE_BLOCKED, rule);
}

const struct answer *filter_query(const struct grants *grants, const struct special_sources *from,
	const struct msg_query *query, struct names_walk *walk, int64_t time,
	struct answer_buffer *buffer, struct match_result *ret_result)
{
	const struct dns_policy *dns = from->dns;
	const struct answer *answer;

	if (query->class != RRCLASS_IN)
		return answer_empty(buffer, RCODE_REFUSED, EDE_NONE, NULL);
	grants_prepared(grants, walk, time, ret_result);
	if (!ret_result->answered && is_searched(dns, &query->name))
		return answer_empty(buffer, RCODE_NXDOMAIN, EDE_NONE, NULL);
	answer = answer_special(grants, from, query, ret_result, buffer);
	if (answer)
		return answer;
	if (!ret_result->answered)
		return filter_refuse(dns, ret_result->rule, buffer);
	if (!is_served(dns, query->type))
		return answer_empty(buffer, RCODE_NOERROR, EDE_FILTERED, "type");
	return NULL;
}

bool filter_observes(const struct match_result *result)
{
	enum verdict best = VERDICT_REFUSE;

	for (unsigned i = 0; i <= result->n_groups; i++)
		if (result->groups[i].verdict < best)
			best = result->groups[i].verdict;
	return best == VERDICT_OBSERVE;
}
