/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/filter.h"

/*
 * A name that is not permitted does not exist (NXDOMAIN), because REFUSED makes musl's resolver
 * stop at the first suffix of its search list. Of a permitted name there are addresses and nothing
 * else: other types carry data that no lease bounds.
 */
const struct answer *filter_query(
	const struct match *match, const struct msg_query *query, struct answer_buffer *buffer)
{
	struct match_result result;

	if (query->class != RRCLASS_IN)
		return answer_empty(buffer, RCODE_REFUSED, EDE_NONE, NULL);
	if (!match_name(match, &query->name, &result))
		return answer_empty(buffer, RCODE_NXDOMAIN, EDE_BLOCKED, MATCH_DEFAULT_DENY);
	if (query->type != RRTYPE_A && query->type != RRTYPE_AAAA)
		return answer_empty(buffer, RCODE_NOERROR, EDE_FILTERED, "type");
	return NULL;
}
