/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_JUDGING_H
#define EGRESS_RESOLVER_JUDGING_H

#include <stdint.h>

#include "resolver/answer.h"
#include "resolver/grant.h"
#include "rules/compile.h"
#include "rules/match.h"

/* What is to be known of a name to judge its answers. */
struct judging {
	const struct grants *grants;
	const struct plan *plan;
	const struct embedded_host *host; /* what [dns.hosts] has of it; NULL: nothing */
	int64_t time;
	struct match_result result; /* what the policy says of the name, as of `time` */
};

/* The judge of the name's answers, as long as `judging` stays. */
struct answer_judge judging_judge(struct judging *judging);

/* The rule by which a name that was permitted when it was asked for is refused after all: since
 * then its entry expired, or its answer leads to a name that is denied. NULL: it is not. */
const char *judging_refusal(const struct judging *judging, const struct answer *answer);

#endif
