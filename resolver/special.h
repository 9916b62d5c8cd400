/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SPECIAL_H
#define EGRESS_RESOLVER_SPECIAL_H

#include "resolver/answer.h"
#include "resolver/guard.h"
#include "rules/policy.h"
#include "rules/special-names.h"

/* Answers to names that have a meaning of their own (rules/special-names.h). */

/* What they are made from. */
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
