/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/lease-record.h"

#include "src/event/event.h"
#include "src/event/ring.h"

/* The TTL that the client gets ends before the grace begins, see engine_finish_leased(). */
static uint32_t given_ttl(const struct plan *plan, uint32_t ttl, uint32_t seconds)
{
	uint32_t grace = (uint32_t)(plan->policy->dns.grace.ms / 1000);
	uint32_t most = seconds > grace ? seconds - grace : 0;

	return ttl < most ? ttl : most;
}

void lease_record(const struct lease_records *records, const struct plan *plan,
	const struct channel_request *request, uint32_t index, const struct match_lease *lease,
	uint32_t seconds)
{
	const struct plan_rule *rule = &plan->rules[lease->rule];
	struct event event;

	if (!records->rings || records->recording == ENGINE_RECORD_NONE)
		return;
	event_begin(&event, EVENT_LEASE);
	event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS;
	event.verdict = lease->mark == rule->flag_mark ? EVENT_FLAG : EVENT_PERMIT;
	event.ttl = given_ttl(plan, request->lease.ttl, seconds);
	event.lease = seconds;
	event.address = request->lease.addresses[index];
	event_set_rule(&event, rule->id);
	event_set_ports(&event, plan->groups[lease->group].name);
	event_set_name(&event, &request->lease.name);
	ring_put(records->rings, records->ring, &event);
}

void lease_record_over(
	const struct lease_records *records, const char *rule, const struct name *name)
{
	struct event event;

	if (!records->rings || records->recording == ENGINE_RECORD_NONE)
		return;
	event_begin(&event, EVENT_LEASE);
	event.has = EVENT_HAS_VERDICT;
	event.verdict = EVENT_FLAG;
	event_set_rule(&event, rule);
	event_set_name(&event, name);
	ring_put(records->rings, records->ring, &event);
}
