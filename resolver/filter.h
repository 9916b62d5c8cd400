/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_FILTER_H
#define EGRESS_RESOLVER_FILTER_H

#include "resolver/answer.h"
#include "resolver/msg.h"
#include "rules/match.h"

/*
 * What the policy itself answers to a query: a refusal, or that there is nothing of that type.
 * NULL: the query is permitted and has to be resolved. The answer lies in `buffer`.
 */
const struct answer *filter_query(
	const struct match *match, const struct msg_query *query, struct answer_buffer *buffer);

#endif
