/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SPECIAL_H
#define EGRESS_RESOLVER_SPECIAL_H

#include <stdbool.h>

#include "resolver/answer.h"
#include "resolver/guard.h"
#include "rules/policy.h"

/* Names that are answered here whatever the policy permits, and asked of nobody (RFC 6761 and
 * others). */
struct special;

/* The row of the table that a name falls under, or NULL. */
const struct special *special_find(const struct name *name);

/* Whether a policy that names it, or a name below it, is right about it. */
bool special_yields(const struct special *special);

/* The name at the top of a row. */
struct name special_name(const struct special *special);

/* What answers are made from. */
struct special_sources {
	const struct dns_policy *dns;
	const struct guard *guard;
	struct mono now;
};

/* The answer to a question for `name`, which falls under the row; in `buffer`. */
const struct answer *special_answer(const struct special *special,
	const struct special_sources *from, const struct name *name, uint16_t type,
	struct answer_buffer *buffer);

#endif
