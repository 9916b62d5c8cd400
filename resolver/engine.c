/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "resolver/engine-own.h"
#include "resolver/filter.h"
#include "resolver/judging.h"
#include "src/event/event.h"

/*
 * Theory of operation
 *
 * A query is read, judged, and then either answered at once (a refusal, a cached answer) or it
 * waits for the question's answer together with all who ask the same: resolve -> ask -> answer ->
 * lease -> finish. Each step ends the call; the next one comes with the completion it waits for, or
 * with its time-out. Whatever goes wrong ends there too, with SERVFAIL and an Extended Error.
 *
 * An answer with addresses that need a lease leaves in one place, engine_finish_leased(), and
 * enters the cache there too: both after the keeper's acknowledgement and for no longer than the
 * lease. So a cached answer needs no question to the keeper: it expires first. Addresses that are
 * reachable anyway need none (a denylist's, mostly): an answer of nothing else leaves in
 * engine_finish_open(), for as long as a lease could last at most.
 *
 * A name in demand is asked for anew before its answer ends, so that nobody waits: when a query for
 * it comes in the last tenth of the answer's time, at least the last two seconds, and is not the
 * first or second since the answer came. The client has the old answer at once; the question goes
 * the way of any other, at its price in the wildcards' accounts, and nobody waits for it. So the
 * questions for a name grow by a tenth, or by a third for the shortest TTL that this is done for;
 * and it takes clients' queries to lead to any. It is tried once for an answer. If it fails in
 * whatever way, the old answer holds to its end, and then clients wait as they would have.
 *
 * When no server answers, what expired is served as long as a lease, which outlasts the TTL by its
 * grace, still covers it; a failure is remembered for some seconds.
 *
 * An answer that the policy wants validated is, before anything else is done with it (prove.c): it
 * is read, judged, and waits with its message until it is proved. Then it goes on as others do.
 *
 * [limits] queries is spent by every well-formed query, first thing: beyond it the reply is
 * SERVFAIL, which clients take for something that passes, with the Extended Error Other (RFC 8914
 * section 4.1: none of the codes is about rates) and the limit's name; so is queries_per_client.
 * The wildcards' budgets are spent by what would be asked of an upstream and by what it answers,
 * and by nothing else.
 */

#define CACHE_BYTES_DEFAULT ((size_t)16 << 20)

/* Writes the reply to a message that is answered at once. */
static void reply_now(struct engine_message *message, const struct msg_context *context,
	const struct answer *answer)
{
	message->reply_size = msg_write_reply(context, answer, 0, message->reply);
}

static void reply_empty(struct engine_message *message, const struct msg_context *context,
	enum rcode rcode, enum ede ede, const char *rule)
{
	struct answer_buffer buffer;

	reply_now(message, context, answer_empty(&buffer, rcode, ede, rule));
}

/* Asks the keeper to open those of the answer's addresses that need it. */
static void lease(struct engine *engine, struct pending *pending, struct mono now)
{
	const struct answer_leases *leases = &pending->buffer.leases;

	pending_enter(engine->pending, pending, PENDING_LEASE, now);
	pending->since = now;
	struct channel_request request = {
		.op = CHANNEL_LEASE,
		.ticket = pending_ticket(engine->pending, pending),
		.lease = {.ttl = pending->ttl, .name = pending->name},
	};
	request.lease.count = leases->count;
	memcpy(request.lease.addresses, leases->addresses,
		leases->count * sizeof(leases->addresses[0]));
	if (engine->io.lease(engine->io.context, &request) != 0)
		engine_finish_failed(engine, pending, EDE_NOT_READY, "lease");
}

/* An answer is known: addresses may need a lease first. */
static void answered(struct engine *engine, struct pending *pending, struct mono now)
{
	uint32_t longest = (uint32_t)(engine->dns->max_lease.ms / 1000);

	if (answer_is_negative(pending->answer)) {
		engine_finish_negative(engine, pending, now);
		return;
	}
	if (pending->ttl > longest)
		pending->ttl = longest;
	engine_record_unleased(engine, pending);
	if (pending->buffer.leases.count > 0)
		lease(engine, pending, now);
	else
		engine_finish_open(engine, pending, now);
}

/* For the answers to a name; with what the policy says of it still to be filled in. */
static struct judging judging_of(const struct engine *engine, const struct embedded_host *host)
{
	return (struct judging){
		.grants = engine->grants,
		.plan = engine->compiled.plan,
		.host = host,
		.time = engine_time(engine),
	};
}

/* Reads what an upstream sent to `pending`. */
static enum answer_status on_read(
	void *context, struct pending *pending, const uint8_t *bytes, size_t size, struct mono now)
{
	struct engine *engine = context;
	struct judging judging = judging_of(engine, NULL);
	const struct answer_judge judge = judging_judge(&judging);
	enum answer_status status;
	const char *rule;

	if (pending->of_zone)
		return prover_read(engine->prover, pending, bytes, size, now);
	grants_name(engine->grants, &pending->name, judging.time, &judging.result);
	status = answer_read(bytes, size, &pending->name, pending->type, &judge, &pending->buffer,
		&pending->answer, &pending->ttl);
	if (status != ANSWER_READY)
		return status;
	rule = judging_refusal(&judging, pending->answer);
	if (rule) {
		pending->answer = filter_refuse(engine->dns, rule, &pending->buffer);
		pending->ttl = 0;
	}
	if (pending->signatures)
		prover_keep(engine->prover, pending, bytes, size);
	return status;
}

static void tell(
	struct engine *engine, const struct name *name, const struct guard_finding *finding)
{
	if (finding->first)
		engine->io.report(engine->io.context, ENGINE_WILDCARD, name, finding->rule);
}

static void finish_guarded(
	struct engine *engine, struct pending *pending, const struct guard_finding *finding)
{
	if (finding->passing)
		engine_finish_failed(engine, pending, EDE_OTHER, finding->rule);
	else
		engine_finish_refused(engine, pending, finding->rule);
}

/* The answer goes on, if the wildcards the name falls under have that much left. */
static void pass(struct engine *engine, struct pending *pending, struct mono now)
{
	struct match_result result;
	struct guard_finding finding;

	grants_name(engine->grants, &pending->name, engine_time(engine), &result);
	finding = guard_answer(
		engine->guard, &pending->name, &result, answer_told(pending->answer), now);
	tell(engine, &pending->name, &finding);
	if (finding.refused)
		finish_guarded(engine, pending, &finding);
	else
		answered(engine, pending, now);
}

static void on_answered(void *context, struct pending *pending, struct mono now)
{
	struct engine *engine = context;

	if (pending->of_zone)
		prover_answered(engine->prover, pending, now);
	else if (!pending->signatures)
		pass(engine, pending, now);
	else if (pending->proof)
		prover_begin(engine->prover, pending, now);
	else
		engine_finish_failed(engine, pending, EDE_NOT_READY, "busy");
}

/* Whether what was proved is what the answer says: both were read from one message. */
static bool is_same(const struct pending *pending, const struct validate_verdict *verdict)
{
	struct name last = pending->name, target;
	size_t at = 0;

	while (answer_next_alias(pending->answer, &at, &target))
		last = target;
	return answer_is_negative(pending->answer) ||
	       (!verdict->denied && name_equal(&last, &verdict->at));
}

static void on_unproved(
	void *context, struct pending *pending, enum ede ede, const char *rule, struct mono now)
{
	engine_finish_unproved(context, pending, ede, rule, now);
}

static void on_proved(void *context, struct pending *pending,
	const struct validate_verdict *verdict, struct mono now)
{
	struct answer *answer = pending->answer;

	if (!is_same(pending, verdict)) {
		on_unproved(context, pending, EDE_BOGUS, "dnssec", now);
		return;
	}
	if (verdict->ttl < pending->ttl)
		pending->ttl = verdict->ttl;
	/* Service bindings are not given out as they came. */
	answer->authentic = answer->ede == EDE_NONE && !answer->partial &&
			    pending->type != RRTYPE_SVCB && pending->type != RRTYPE_HTTPS;
	pass(context, pending, now);
}

static void on_failed(
	void *context, struct pending *pending, enum ede ede, const char *rule, struct mono now)
{
	struct engine *engine = context;

	if (pending->of_zone) {
		prover_failed(engine->prover, pending, now);
		return;
	}
	engine_finish_unanswered(engine, pending, ede, rule, now);
}

/* The policy's own addresses for a name ([dns.hosts]). */
static void answer_embedded(struct engine *engine, struct pending *pending,
	const struct embedded_host *host, const struct match_result *result, struct mono now)
{
	struct judging judging = judging_of(engine, host);
	const struct answer_judge judge = judging_judge(&judging);

	judging.result = *result;
	pending->answer = answer_of_addresses(
		&pending->buffer, pending->type, host->addresses, host->n_addresses, &judge);
	pending->ttl = (uint32_t)(engine->dns->min_lease.ms / 1000);
	answered(engine, pending, now);
}

/* Asks an upstream, if the wildcards the name falls under have that much left. */
static void ask_first(struct engine *engine, struct pending *pending,
	const struct match_result *result, struct mono now)
{
	struct guard_finding finding = guard_name(engine->guard, &pending->name, result, now);

	pending->signatures = grants_dnssec(engine->grants, result);
	tell(engine, &pending->name, &finding);
	if (finding.over_budget && !finding.refused)
		engine_record_over(engine, pending, finding.rule);
	if (finding.refused)
		finish_guarded(engine, pending, &finding);
	else
		upstream_ask(engine->upstream, pending, now);
}

static void resolve(struct engine *engine, struct pending *pending,
	const struct match_result *result, struct mono now)
{
	const struct embedded_host *host = match_host(engine->compiled.match, &pending->name);

	if (host)
		answer_embedded(engine, pending, host, result, now);
	else if (engine->dns->n_upstream == 0)
		engine_finish_failed(engine, pending, EDE_NO_REACHABLE_AUTHORITY, "no-upstream");
	else
		ask_first(engine, pending, result, now);
}

/* Answers that it can't be answered now. */
static void fail_now(struct engine *engine, struct engine_message *message,
	const struct msg_query *query, enum ede ede, const char *rule)
{
	counters_add(engine->counters, COUNTER_FAILED, 1);
	reply_empty(message, &query->context, RCODE_SERVFAIL, ede, rule);
	if (engine->recording != ENGINE_RECORD_NONE)
		engine_record_failed(engine, query, ede, rule);
}

/* Adds the client to those who wait for the question, and starts on it if nobody did. */
static void wait_for_answer(struct engine *engine, struct engine_message *message,
	const struct msg_query *query, const struct match_result *result, struct mono now)
{
	struct pending *pending = pending_find(engine->pending, &query->name, query->type);
	bool first = !pending;

	if (first)
		pending = pending_add(engine->pending, &query->name, query->type);
	if (!pending || !pending_wait(engine->pending, pending, message->client, &query->context)) {
		if (first && pending)
			pending_remove(engine->pending, pending);
		fail_now(engine, message, query, EDE_NOT_READY, "busy");
		return;
	}
	if (first)
		resolve(engine, pending, result, now);
}

/* Asks anew for what has just been answered from the cache; once for each answer. */
static void ask_ahead(struct engine *engine, const struct turn *turn, const struct cached *cached,
	struct mono now)
{
	const struct msg_query *query = &turn->query;
	struct match_result result;
	struct pending *pending;

	if (pending_is_busy(engine->pending))
		return;
	cache_asked_ahead(cached);
	if (pending_find(engine->pending, &query->name, query->type) ||
		!grants_name(engine->grants, &query->name, engine_time(engine), &result))
		return;
	pending = pending_add(engine->pending, &query->name, query->type);
	if (pending)
		resolve(engine, pending, &result, now);
}

/* Answers from the cache, if that needs the policy to be asked only when it was. */
static bool serve_cached(struct engine *engine, struct engine_message *message,
	const struct turn *turn, bool policy_asked, struct mono now)
{
	const struct msg_query *query = &turn->query;
	struct duration left;
	struct cached cached;

	if (turn->place.slots == 0 || query->class != RRCLASS_IN ||
		!cache_find(engine->cache, &turn->place, &query->name, query->type, &cached) ||
		!mono_before(now, cached.expires) || (cached.ask_policy && !policy_asked))
		return false;
	cache_given(&cached);
	left = mono_between(now, cached.expires);
	message->reply_size = msg_write_body(
		&query->context, &cached.body, (uint32_t)(left.ms / 1000), message->reply);
	counters_add(engine->counters, COUNTER_CACHED, 1);
	if (engine->recording != ENGINE_RECORD_NONE)
		engine_record_cached(engine, &query->name, query->type, &cached);
	if (cached.in_demand && left.ms <= (int64_t)cached.ahead_seconds * 1000)
		ask_ahead(engine, turn, &cached, now);
	return true;
}

/* A query that the cache alone does not answer. */
static void judge(
	struct engine *engine, struct engine_message *message, struct turn *turn, struct mono now)
{
	const struct msg_query *query = &turn->query;
	struct match_result result;
	const struct special_sources from = {engine->dns, engine->guard, now};
	struct answer_buffer buffer;
	const struct answer *answer;

	answer = filter_query(
		engine->grants, &from, query, &turn->walk, engine_time(engine), &buffer, &result);
	if (answer) {
		engine_count_answer(engine, answer, COUNTER_LOCAL);
		reply_now(message, &query->context, answer);
		if (engine->recording != ENGINE_RECORD_NONE)
			engine_record_local(engine, query, answer);
		return;
	}
	if (filter_observes(&result))
		engine->io.report(engine->io.context, ENGINE_OBSERVED, &query->name, result.rule);
	/* What the batch has led to may have answered it. */
	cache_fetch(engine->cache, &turn->place);
	if (!serve_cached(engine, message, turn, true, now))
		wait_for_answer(engine, message, query, &result, now);
}

/* Adds the server's part to a client's cookie. */
static void add_cookie(const struct engine *engine, const struct client *client, uint8_t *cookie)
{
	struct endpoint from = {.address = client->peer};

	if (!client->stream)
		endpoint_from_sockaddr(&client->address.any, &from);
	cookie_make(
		&engine->cookie_key, &from.address, engine->io.time(engine->io.context), cookie);
}

/* Reads a message, and sees to it that what the cache may have of it is at hand. */
static void begin(
	const struct engine *engine, const struct engine_message *message, struct turn *turn)
{
	turn->status = msg_read(
		message->bytes, message->size, message->client->stream, &turn->query, &turn->rcode);
	if (turn->status != MSG_IGNORE && turn->query.context.has_cookie)
		add_cookie(engine, message->client, turn->query.context.cookie);
	if (turn->status != MSG_QUERY)
		return;
	match_begin(engine->compiled.match, &turn->query.name, &turn->walk);
	turn->place = cache_place(engine->cache, match_hash(&turn->walk), turn->query.type);
}

/* [limits] queries_per_client */
static bool is_within_share(struct engine *engine, const struct client *client, struct mono now)
{
	struct endpoint from = {.address = client->peer};

	if (!client->stream)
		endpoint_from_sockaddr(&client->address.any, &from);
	return guard_client(engine->guard, &from.address, now);
}

/* Whether what is limited of queries lets it through; else it has been answered. */
static bool is_within_limits(struct engine *engine, struct engine_message *message,
	const struct turn *turn, struct mono now)
{
	const char *limit = NULL;

	if (!guard_query(engine->guard, now))
		limit = "limit-queries";
	else if (!is_within_share(engine, message->client, now))
		limit = "limit-queries-per-client";
	if (limit)
		fail_now(engine, message, &turn->query, EDE_OTHER, limit);
	return !limit;
}

/* Whether the query goes on; else it has been answered. */
static bool is_admitted(struct engine *engine, struct engine_message *message,
	const struct turn *turn, struct mono now)
{
	if (turn->status != MSG_ERROR)
		return !engine->limits || is_within_limits(engine, message, turn, now);
	counters_add(engine->counters, COUNTER_FAILED, 1);
	reply_empty(message, &turn->query.context, turn->rcode, EDE_NONE, NULL);
	return false;
}

/* Answers at once, from the cache, or has the name at hand when the policy is asked about it. */
static void serve(
	struct engine *engine, struct engine_message *message, struct turn *turn, struct mono now)
{
	message->reply_size = 0;
	turn->to_judge = turn->status != MSG_IGNORE && is_admitted(engine, message, turn, now) &&
			 !serve_cached(engine, message, turn, false, now);
	if (turn->to_judge)
		match_prepare(engine->compiled.match, &turn->walk);
}

void engine_queries(
	struct engine *engine, struct engine_message *messages, unsigned count, struct mono now)
{
	struct turn *turns = engine->turns;
	unsigned n_ignored = 0;

	for (unsigned i = 0; i < count; i++) {
		begin(engine, &messages[i], &turns[i]);
		n_ignored += turns[i].status == MSG_IGNORE;
	}
	counters_add(engine->counters, COUNTER_QUERIES, count - n_ignored);
	if (engine->recording != ENGINE_RECORD_NONE)
		engine->batch_time = event_time();
	for (unsigned i = 0; i < count; i++)
		if (turns[i].status == MSG_QUERY)
			cache_fetch(engine->cache, &turns[i].place);
	for (unsigned i = 0; i < count; i++)
		serve(engine, &messages[i], &turns[i], now);
	for (unsigned i = 0; i < count; i++)
		if (turns[i].to_judge)
			judge(engine, &messages[i], &turns[i], now);
	engine->batch_time = 0;
}

bool engine_query(struct engine *engine, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct engine_message message = {client, bytes, size, engine->reply, 0};

	engine_queries(engine, &message, 1, now);
	if (message.reply_size > 0)
		engine->io.reply(engine->io.context, client, engine->reply, message.reply_size);
	return engine->turns[0].status != MSG_IGNORE;
}

void engine_reply(struct engine *engine, unsigned upstream, unsigned socket, const uint8_t *bytes,
	size_t size, struct mono now)
{
	upstream_reply(engine->upstream, upstream, socket, bytes, size, now);
}

void engine_unreachable(struct engine *engine, unsigned upstream, unsigned socket, struct mono now)
{
	upstream_unreachable(engine->upstream, upstream, socket, now);
}

void engine_stream_reply(struct engine *engine, unsigned upstream, uint32_t ticket,
	const uint8_t *bytes, size_t size, struct mono now)
{
	upstream_stream_reply(engine->upstream, upstream, ticket, bytes, size, now);
}

void engine_stream_failed(struct engine *engine, unsigned upstream, uint32_t ticket,
	enum engine_stream_failure why, struct mono now)
{
	upstream_stream_failed(engine->upstream, upstream, ticket, why, now);
}

void engine_leased(struct engine *engine, const struct channel_reply *reply, struct mono now)
{
	struct pending *pending = pending_by_ticket(engine->pending, reply->ticket, PENDING_LEASE);

	if (!pending)
		return;
	if (reply->status == 0 &&
		answer_keep_opened(pending->answer, &pending->buffer.leases, reply->opened))
		engine_finish_leased(engine, pending, reply->seconds, now);
	else if (reply->status == -EDQUOT)
		engine_finish_refused(engine, pending, "budget-destinations");
	else if (reply->status == -EDOM)
		engine_finish_refused(engine, pending, "budget-unknown-share");
	else
		engine_finish_failed(engine, pending, EDE_NOT_READY, "lease");
}

void engine_forget(struct engine *engine)
{
	cache_clear(engine->cache);
}

static void timed_out(struct engine *engine, struct pending *pending, struct mono now)
{
	if (pending->state == PENDING_LEASE)
		engine_finish_failed(engine, pending, EDE_NOT_READY, "lease");
	else if (pending->state == PENDING_PROOF)
		prover_timed_out(engine->prover, pending, now);
	else
		upstream_timed_out(engine->upstream, pending, now);
}

int engine_tick(struct engine *engine, struct mono now)
{
	struct pending *pending;

	while ((pending = pending_first(engine->pending))) {
		struct duration left = mono_between(now, pending->deadline);
		if (left.ms > 0)
			return (int)left.ms;
		timed_out(engine, pending, now);
	}
	return -1;
}

/* --- Beginning and end --- */

/* Whether queries as such are limited. */
static bool has_limits(const struct limits *limits)
{
	return limits->queries.count > 0 || limits->queries_per_client.count > 0;
}

int engine_new(const struct engine_config *config, struct engine **ret_engine)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	const struct upstream_sink sink = {engine, on_read, on_answered, on_failed};
	const struct prover_sink prover_sink = {engine, on_proved, on_unproved};

	if (!engine)
		return -ENOMEM;
	engine->compiled = config->compiled;
	engine->dns = &config->compiled.plan->policy->dns;
	engine->guard = config->guard;
	engine->io = config->io;
	engine->cookie_key = config->cookie_key;
	engine->counters = config->counters ? config->counters : &engine->unread;
	engine->recording = config->recording;
	engine->limits = has_limits(&config->compiled.layers->limits);
	size_t bytes = config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
	int error = cache_new(bytes, &engine->cache);
	if (!error)
		error = pending_new(&config->key, &engine->pending);
	if (!error)
		error = grants_new(&config->compiled, &engine->grants);
	if (!error)
		error = upstream_new(
			engine->dns, &engine->io, engine->pending, &sink, &engine->upstream);
	if (!error)
		error = prover_new(config->anchors, &config->key, &engine->io, engine->pending,
			&prover_sink, &engine->prover);
	if (!error)
		prover_ask_by(engine->prover, engine->upstream);
	if (error) {
		engine_free(engine);
		return error;
	}
	*ret_engine = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	upstream_free(engine->upstream);
	prover_free(engine->prover);
	cache_free(engine->cache);
	pending_free(engine->pending);
	grants_free(engine->grants);
	free(engine);
}
