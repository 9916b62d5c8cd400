/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/filter.h"

/*
 * A name that is not permitted does not exist (NXDOMAIN) unless the policy has it otherwise,
 * because REFUSED makes musl's resolver stop at the first suffix of its search list. What a search
 * list made is always answered that way, and with nothing that a client would report.
 *
 * Of a permitted name there are addresses and nothing else: other types carry data that no lease
 * bounds.
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
	if (type != RRTYPE_A && type != RRTYPE_AAAA)
		return false;
	for (size_t i = 0; i < dns->n_types; i++)
		if (dns->types[i] == type)
			return true;
	return dns->n_types == 0;
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

const struct answer *filter_query(const struct grants *grants, const struct dns_policy *dns,
	const struct msg_query *query, int64_t time, struct answer_buffer *buffer,
	struct match_result *ret_result)
{
	if (query->class != RRCLASS_IN)
		return answer_empty(buffer, RCODE_REFUSED, EDE_NONE, NULL);
	if (!grants_name(grants, &query->name, time, ret_result)) {
		if (is_searched(dns, &query->name))
			return answer_empty(buffer, RCODE_NXDOMAIN, EDE_NONE, NULL);
		return filter_refuse(dns, ret_result->rule, buffer);
	}
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
