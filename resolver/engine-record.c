/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/engine-own.h"

#include "resolver/filter.h"
#include "src/event/event.h"

/*
 * Records of queries: what was asked, what came of it, and what the policy says of it. The rule of
 * a refusal is the one that the answer's Extended Error names; that of a permitted name the entry
 * which permits it on the first of its ports, and the cache keeps it, so that a cached answer is
 * recorded without asking the policy.
 */

_Static_assert((int)EVENT_PERMIT == VERDICT_PERMIT && (int)EVENT_FLAG == VERDICT_FLAG &&
		       (int)EVENT_OBSERVE == VERDICT_OBSERVE && (int)EVENT_REFUSE == VERDICT_REFUSE,
	"verdicts are the policy's");

/* The first port group whose verdict is the least strict. */
static const struct match_ports *best_ports(const struct match_result *result)
{
	const struct match_ports *best = &result->groups[0];

	for (unsigned i = 1; i <= result->n_groups; i++)
		if (result->groups[i].verdict < best->verdict)
			best = &result->groups[i];
	return best;
}

/* The entry of the first layer that has the name there. */
static const char *winner_of(const struct engine *engine, const struct match_ports *ports)
{
	const struct layers *layers = engine->compiled.layers;

	for (size_t i = 0; i < layers->n_layers; i++)
		if (ports->winner[i] != MATCH_NONE)
			return layers->layers[i].entries[ports->winner[i]].id;
	return PLAN_DEFAULT_PERMIT;
}

struct engine_note engine_note(const struct engine *engine, const struct name *name)
{
	struct match_result result;
	const struct match_ports *best;

	grants_name(engine->grants, name, engine_time(engine), &result);
	best = best_ports(&result);
	if (best->verdict == VERDICT_PERMIT || best->verdict == VERDICT_FLAG)
		return (struct engine_note){best->verdict, winner_of(engine, best)};
	return (struct engine_note){best->verdict, result.rule};
}

static void record(const struct engine *engine, const struct name *name, uint16_t type,
	enum rcode rcode, enum ede ede, struct engine_note note)
{
	struct event event;

	event_begin_query(&event, engine->batch_time ? engine->batch_time : event_time());
	event.has = EVENT_HAS_VERDICT;
	event.verdict = (uint8_t)note.verdict;
	event.type = type;
	event.rcode = (int16_t)rcode;
	event.ede = (int16_t)ede;
	event_set_rule(&event, note.rule);
	event_set_name(&event, name);
	engine->io.record(engine->io.context, &event);
}

/* Whether the answer itself is a refusal. What ends with EDE_OTHER is beyond a limit. */
static bool is_refusal(enum rcode rcode, enum ede ede)
{
	return rcode == RCODE_REFUSED || ede == EDE_BLOCKED || ede == EDE_FILTERED ||
	       ede == EDE_OTHER;
}

void engine_record_answer(const struct engine *engine, const struct name *name, uint16_t type,
	const struct answer *answer, struct engine_note note)
{
	if (is_refusal(answer->rcode, answer->ede))
		note = (struct engine_note){VERDICT_REFUSE, answer->rule};
	record(engine, name, type, answer->rcode, answer->ede, note);
}

void engine_record_cached(const struct engine *engine, const struct name *name, uint16_t type,
	const struct cached *cached)
{
	const struct msg_body *body = &cached->body;
	struct engine_note note = {cached->verdict, body->rule};

	/* There the rule is the Extended Error's. */
	if (body->ede != EDE_NONE)
		note = is_refusal(body->rcode, body->ede)
			       ? (struct engine_note){VERDICT_REFUSE, body->rule}
			       : engine_note(engine, name);
	if (note.verdict != VERDICT_PERMIT || engine->recording == ENGINE_RECORD_ALL)
		record(engine, name, type, body->rcode, body->ede, note);
}

static bool is_leased(const struct pending *pending, const struct inaddr *address)
{
	const struct answer_leases *leases = &pending->buffer.leases;

	for (unsigned i = 0; i < leases->count; i++)
		if (inaddr_compare(&leases->addresses[i], address) == 0)
			return true;
	return false;
}

/* Whether addresses need no lease, so that no keeper tells of them, and by which verdict. */
static bool needs_no_lease(const struct engine *engine, enum event_verdict *ret_verdict)
{
	const struct plan *plan = engine->compiled.plan;

	*ret_verdict = plan->observed_mark != 0 ? EVENT_OBSERVE : EVENT_PERMIT;
	if (plan->observed_mark != 0)
		return engine->recording == ENGINE_RECORD_ALL;
	return engine->recording != ENGINE_RECORD_NONE &&
	       (plan->otherwise == VERDICT_PERMIT || plan->otherwise == VERDICT_FLAG);
}

void engine_record_unleased(const struct engine *engine, const struct pending *pending)
{
	enum event_verdict verdict;

	if (!needs_no_lease(engine, &verdict))
		return;
	for (unsigned i = 0; i < pending->answer->n_addresses; i++) {
		const struct inaddr address = answer_address(pending->answer, i);
		struct event event;

		if (is_leased(pending, &address))
			continue;
		event_begin(&event, EVENT_LEASE);
		event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS;
		event.verdict = (uint8_t)verdict;
		event.address = address;
		event_set_name(&event, &pending->name);
		engine->io.record(engine->io.context, &event);
	}
}

void engine_record_over(
	const struct engine *engine, const struct pending *pending, const char *rule)
{
	if (engine->recording != ENGINE_RECORD_NONE)
		record(engine, &pending->name, pending->type, RCODE_NOERROR, EDE_NONE,
			(struct engine_note){VERDICT_FLAG, rule});
}

void engine_record_local(
	const struct engine *engine, const struct msg_query *query, const struct answer *answer)
{
	/* What a search list made is not reported. */
	if (answer->rcode == RCODE_NXDOMAIN && answer->ede == EDE_NONE)
		return;
	if (engine->recording != ENGINE_RECORD_ALL && !is_refusal(answer->rcode, answer->ede))
		return;
	engine_record_answer(engine, &query->name, query->type, answer,
		(struct engine_note){VERDICT_PERMIT, SPECIAL_RULE});
}

void engine_record_failed(
	const struct engine *engine, const struct msg_query *query, enum ede ede, const char *rule)
{
	struct answer_buffer buffer;

	engine_record_answer(engine, &query->name, query->type,
		answer_empty(&buffer, RCODE_SERVFAIL, ede, rule),
		is_refusal(RCODE_SERVFAIL, ede) ? (struct engine_note){VERDICT_REFUSE, rule}
						: engine_note(engine, &query->name));
}
