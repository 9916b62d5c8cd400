/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_FILTER_H
#define EGRESS_RESOLVER_FILTER_H

#include "resolver/answer.h"
#include "resolver/grant.h"
#include "resolver/msg.h"
#include "resolver/special.h"

/*
 * What the policy itself answers to a query as of `time`: a refusal, or that there is nothing of
 * that type. `walk` is of the query's name (match_prepare()). NULL: the query is permitted,
 * *ret_result says how, and has to be resolved. The answer lies in `buffer`.
 */
const struct answer *filter_query(const struct grants *grants, const struct special_sources *from,
	const struct msg_query *query, struct names_walk *walk, int64_t time,
	struct answer_buffer *buffer, struct match_result *ret_result);

/* How the policy has a name refused. */
struct answer *filter_refuse(
	const struct dns_policy *dns, const char *rule, struct answer_buffer *buffer);

/* Whether a permitted name is refused by layers that only observe: what would be, if they did not,
 * is to be told. */
bool filter_observes(const struct match_result *result);

#endif
