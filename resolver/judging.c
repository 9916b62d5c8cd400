/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/judging.h"

#include <stddef.h>

/*
 * An answer is judged by what the policy says of the name that was asked for, on the ports that the
 * name is permitted on; grant.c knows the entries.
 */

static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	struct judging *judging = context;
	struct grant grant;

	if (!grants_address(judging->grants, &judging->result, judging->host, address,
		    judging->time, &grant)) {
		*ret_rule = grants_refusal(judging->grants, &judging->result, address);
		return false;
	}
	*ret_leased = grant.n_leases > 0;
	return true;
}

static bool permits_name(void *context, const struct name *name)
{
	const struct judging *judging = context;
	struct match_result result;

	return grants_name(judging->grants, name, judging->time, &result);
}

static bool permits_port(void *context, uint16_t port)
{
	static const enum protocol protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP};
	const struct judging *judging = context;
	const struct plan *plan = judging->plan;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		unsigned group = (unsigned)plan->n_groups;

		plan_find_group(plan, protocols[i], port, &group);
		if (judging->result.groups[group].verdict != VERDICT_REFUSE)
			return true;
	}
	return false;
}

struct answer_judge judging_judge(struct judging *judging)
{
	return (struct answer_judge){judging, permits, permits_name, permits_port};
}

const char *judging_refusal(const struct judging *judging, const struct answer *answer)
{
	const char *rule = judging->result.answered ? NULL : judging->result.rule;
	struct name target;
	size_t at = 0;

	while (!rule && answer_next_alias(answer, &at, &target))
		rule = grants_alias(judging->grants, &judging->result, &target);
	return rule;
}
