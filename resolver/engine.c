/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "resolver/cache.h"
#include "resolver/filter.h"
#include "resolver/grant.h"
#include "resolver/msg.h"
#include "resolver/pending.h"

/*
 * Theory of operation
 *
 * A query is read, judged, and then either answered at once (a refusal, a cached answer) or it
 * waits for the question's answer together with all who ask the same: resolve -> ask -> answer ->
 * lease -> finish. Each step ends the call; the next one comes with the completion it waits for, or
 * with its time-out. Whatever goes wrong ends in finish() with SERVFAIL and an Extended Error.
 *
 * An answer with addresses that need a lease leaves in one place, finish_leased(), and enters the
 * cache there too: both after the keeper's acknowledgement and for no longer than the lease. So a
 * cached answer needs no question to the keeper: it expires first. Addresses that are reachable
 * anyway need none (a denylist's, mostly): an answer of nothing else leaves in finish_open(), for
 * as long as a lease could last at most.
 *
 * [limits] queries is spent by every well-formed query, first thing: beyond it the reply is
 * SERVFAIL, which clients take for something that passes, with the Extended Error Other (RFC 8914
 * section 4.1: none of the codes is about rates) and the limit's name. The wildcards' budgets are
 * spent by what would be asked of an upstream, and by nothing else.
 */

#define CACHE_BYTES_DEFAULT ((size_t)16 << 20)
#define TRIES_MAX 4

struct engine {
	struct compiled compiled;
	const struct dns_policy *dns;
	struct grants *grants;
	struct guard *guard;
	struct engine_io io;
	struct cache *cache;
	struct pending_table *pending;
	unsigned preferred; /* the upstream server asked first */
	uint8_t reply[MSG_MAX];
};

int engine_new(const struct engine_config *config, struct engine **ret_engine)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return -ENOMEM;
	engine->compiled = config->compiled;
	engine->dns = &config->compiled.plan->policy->dns;
	engine->guard = config->guard;
	engine->io = config->io;
	size_t bytes = config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
	int error = cache_new(bytes, &config->key, &engine->cache);
	if (!error)
		error = pending_new(&config->key, &engine->pending);
	if (!error)
		error = grants_new(&config->compiled, &engine->grants);
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
	cache_free(engine->cache);
	pending_free(engine->pending);
	grants_free(engine->grants);
	free(engine);
}

/* The time that entries expire by. */
static int64_t time_of(const struct engine *engine)
{
	return grants_expire(engine->grants) ? engine->io.time(engine->io.context) : 0;
}

static void send_reply(struct engine *engine, const struct client *client,
	const struct msg_context *context, const struct answer *answer, uint32_t ttl)
{
	size_t size = msg_write_reply(context, answer, ttl, engine->reply);

	engine->io.reply(engine->io.context, client, engine->reply, size);
}

static void send_empty(struct engine *engine, const struct client *client,
	const struct msg_context *context, enum rcode rcode, enum ede ede, const char *rule)
{
	struct answer_buffer buffer;

	send_reply(engine, client, context, answer_empty(&buffer, rcode, ede, rule), 0);
}

/* Answers all who wait for the question, and forgets it. */
static void finish(
	struct engine *engine, struct pending *pending, const struct answer *answer, uint32_t ttl)
{
	const struct waiter *waiter;

	while ((waiter = pending_pop(engine->pending, pending)))
		send_reply(engine, &waiter->client, &waiter->context, answer, ttl);
	pending_remove(engine->pending, pending);
}

static void finish_failed(
	struct engine *engine, struct pending *pending, enum ede ede, const char *rule)
{
	struct answer_buffer buffer;

	finish(engine, pending, answer_empty(&buffer, RCODE_SERVFAIL, ede, rule), 0);
}

/* As the policy has names refused. */
static void finish_refused(struct engine *engine, struct pending *pending, const char *rule)
{
	struct answer_buffer buffer;

	finish(engine, pending, filter_refuse(engine->dns, rule, &buffer), 0);
}

static void finish_negative(struct engine *engine, struct pending *pending, struct mono now)
{
	struct mono expires = mono_add(now, duration_seconds(pending->ttl));

	cache_store(engine->cache, &pending->name, pending->type, pending->answer, now, expires);
	finish(engine, pending, pending->answer, pending->ttl);
}

/* None of the addresses needs a lease. */
static void finish_open(struct engine *engine, struct pending *pending, struct mono now)
{
	struct mono expires = mono_add(now, duration_seconds(pending->ttl));

	cache_store(engine->cache, &pending->name, pending->type, pending->answer, now, expires);
	finish(engine, pending, pending->answer, pending->ttl);
}

/*
 * The keeper acknowledged a lease that began no earlier than `since` and lasts `seconds`: the
 * answer may leave, for a TTL that ends before it does, and is no longer than the lease less the
 * grace.
 */
static void finish_leased(
	struct engine *engine, struct pending *pending, uint32_t seconds, struct mono now)
{
	struct mono until = mono_add(pending->since, duration_seconds(seconds));
	int64_t left_ms = mono_between(now, until).ms;
	int64_t most = seconds - engine->dns->grace.ms / 1000;
	uint32_t ttl = pending->ttl;

	if (left_ms <= 0) {
		finish_failed(engine, pending, EDE_NOT_READY, "lease");
		return;
	}
	if (most > (left_ms - 1) / 1000)
		most = (left_ms - 1) / 1000;
	if (ttl > most)
		ttl = most > 0 ? (uint32_t)most : 0;
	struct mono expires = mono_add(now, duration_seconds(ttl));
	cache_store(engine->cache, &pending->name, pending->type, pending->answer, now, expires);
	finish(engine, pending, pending->answer, ttl);
}

/* Asks the keeper to open those of the answer's addresses that need it. */
static void lease(struct engine *engine, struct pending *pending, struct mono now)
{
	const struct answer *answer = pending->answer;

	pending_enter(engine->pending, pending, PENDING_LEASE, now);
	pending->since = now;
	struct channel_request request = {
		.op = CHANNEL_LEASE,
		.ticket = pending_ticket(engine->pending, pending),
		.lease = {.ttl = pending->ttl, .name = pending->name},
	};
	for (unsigned i = 0; i < answer->n_addresses; i++)
		if (pending->buffer.leased >> i & 1)
			request.lease.addresses[request.lease.count++] = answer_address(answer, i);
	if (engine->io.lease(engine->io.context, &request) != 0)
		finish_failed(engine, pending, EDE_NOT_READY, "lease");
}

/* An answer is known: addresses may need a lease first. */
static void answered(struct engine *engine, struct pending *pending, struct mono now)
{
	uint32_t longest = (uint32_t)(engine->dns->max_lease.ms / 1000);

	if (pending->answer->n_addresses == 0) {
		finish_negative(engine, pending, now);
		return;
	}
	if (pending->ttl > longest)
		pending->ttl = longest;
	if (pending->buffer.leased)
		lease(engine, pending, now);
	else
		finish_open(engine, pending, now);
}

static unsigned next_server(const struct engine *engine, unsigned upstream)
{
	return (upstream + 1) % (unsigned)engine->dns->n_upstream;
}

/* Sends the question to the next server in turn; with `tries_max` questions out, or no way to send
 * one, it has failed. */
static void ask(struct engine *engine, struct pending *pending, unsigned tries_max, struct mono now)
{
	uint8_t question[MSG_QUESTION_MAX + 32];

	while (pending->tries < tries_max) {
		pending->upstream = pending->tries++ ? next_server(engine, pending->upstream)
						     : engine->preferred;
		if (pending_draw_id(engine->pending, pending) != 0)
			break;
		size_t size =
			msg_write_question(pending->id, &pending->name, pending->type, question);
		if (engine->io.ask(engine->io.context, pending->upstream, question, size,
			    &pending->socket) == 0) {
			pending_enter(engine->pending, pending, PENDING_UPSTREAM, now);
			return;
		}
	}
	finish_failed(engine, pending, EDE_NO_REACHABLE_AUTHORITY, "upstream");
}

/* The server asked gave no usable answer: another one may, but none is asked twice for that. */
static void ask_another(struct engine *engine, struct pending *pending, struct mono now)
{
	ask(engine, pending, (unsigned)engine->dns->n_upstream, now);
}

static void ask_stream(struct engine *engine, struct pending *pending, struct mono now)
{
	uint8_t question[MSG_QUESTION_MAX + 32];

	size_t size = msg_write_question(pending->id, &pending->name, pending->type, question);
	pending_enter(engine->pending, pending, PENDING_STREAM, now);
	uint32_t ticket = pending_ticket(engine->pending, pending);
	if (engine->io.ask_stream(engine->io.context, pending->upstream, ticket, question, size) !=
		0)
		ask_another(engine, pending, now);
}

/* What is to be known of a name to judge its addresses. */
struct judging {
	const struct engine *engine;
	const struct embedded_host *host;
	int64_t time;
	struct match_result result;
};

static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	struct judging *judging = context;
	const struct grants *grants = judging->engine->grants;
	struct grant grant;

	if (!grants_address(
		    grants, &judging->result, judging->host, address, judging->time, &grant)) {
		*ret_rule = grants_refusal(grants, &judging->result, address);
		return false;
	}
	*ret_leased = grant.n_leases > 0;
	return true;
}

/* The rule by which a name that was permitted when it was asked for is refused after all: since
 * then its entry expired, or its answer leads to a name that is denied. NULL: it is not. */
static const char *refused_after_all(
	const struct engine *engine, const struct judging *judging, const struct answer *answer)
{
	const char *rule = judging->result.answered ? NULL : judging->result.rule;
	struct name target;
	size_t at = 0;

	while (!rule && answer_next_alias(answer, &at, &target))
		rule = grants_alias(engine->grants, &judging->result, &target);
	return rule;
}

/* Reads what an upstream sent to `pending`. */
static enum answer_status read_answer(
	struct engine *engine, struct pending *pending, const uint8_t *bytes, size_t size)
{
	struct judging judging = {.engine = engine, .time = time_of(engine)};
	const struct answer_judge judge = {&judging, permits};
	enum answer_status status;
	const char *rule;

	grants_name(engine->grants, &pending->name, judging.time, &judging.result);
	status = answer_read(bytes, size, &pending->name, pending->type, &judge, &pending->buffer,
		&pending->answer, &pending->ttl);
	if (status != ANSWER_READY)
		return status;
	rule = refused_after_all(engine, &judging, pending->answer);
	if (rule) {
		pending->answer = filter_refuse(engine->dns, rule, &pending->buffer);
		pending->ttl = 0;
	}
	return status;
}

/* The policy's own addresses for a name ([dns.hosts]). */
static void answer_embedded(struct engine *engine, struct pending *pending,
	const struct embedded_host *host, const struct match_result *result, struct mono now)
{
	struct judging judging = {
		.engine = engine, .host = host, .time = time_of(engine), .result = *result};
	const struct answer_judge judge = {&judging, permits};

	pending->answer = answer_of_addresses(
		&pending->buffer, pending->type, host->addresses, host->n_addresses, &judge);
	pending->ttl = (uint32_t)(engine->dns->min_lease.ms / 1000);
	answered(engine, pending, now);
}

/* Asks an upstream, if the wildcards the name falls under have that much left. */
static void ask_first(struct engine *engine, struct pending *pending,
	const struct match_result *result, struct mono now)
{
	struct guard_finding finding = guard_name(engine->guard, &pending->name, result);

	if (finding.first)
		engine->io.report(
			engine->io.context, ENGINE_WILDCARD, &pending->name, finding.rule);
	if (finding.refused)
		finish_refused(engine, pending, finding.rule);
	else
		ask(engine, pending, TRIES_MAX, now);
}

static void resolve(struct engine *engine, struct pending *pending,
	const struct match_result *result, struct mono now)
{
	const struct embedded_host *host = match_host(engine->compiled.match, &pending->name);

	if (host)
		answer_embedded(engine, pending, host, result, now);
	else if (engine->dns->n_upstream == 0)
		finish_failed(engine, pending, EDE_NO_REACHABLE_AUTHORITY, "no-upstream");
	else
		ask_first(engine, pending, result, now);
}

/* Adds the client to those who wait for the question, and starts on it if nobody did. */
static void wait_for_answer(struct engine *engine, const struct client *client,
	const struct msg_query *query, const struct match_result *result, struct mono now)
{
	struct pending *pending = pending_find(engine->pending, &query->name, query->type);
	bool first = !pending;

	if (first)
		pending = pending_add(engine->pending, &query->name, query->type);
	if (!pending || !pending_wait(engine->pending, pending, client, &query->context)) {
		if (first && pending)
			pending_remove(engine->pending, pending);
		send_empty(engine, client, &query->context, RCODE_SERVFAIL, EDE_NOT_READY, "busy");
		return;
	}
	if (first)
		resolve(engine, pending, result, now);
}

/* A query within the limits. */
static void serve(struct engine *engine, const struct client *client, const struct msg_query *query,
	struct mono now)
{
	struct match_result result;
	struct answer_buffer buffer;
	const struct answer *answer;
	struct mono expires;

	answer =
		filter_query(engine->grants, engine->dns, query, time_of(engine), &buffer, &result);
	if (answer) {
		send_reply(engine, client, &query->context, answer, 0);
		return;
	}
	if (filter_observes(&result))
		engine->io.report(engine->io.context, ENGINE_OBSERVED, &query->name, result.rule);
	answer = cache_find(engine->cache, &query->name, query->type, now, &expires);
	if (answer)
		send_reply(engine, client, &query->context, answer,
			(uint32_t)(mono_between(now, expires).ms / 1000));
	else
		wait_for_answer(engine, client, query, &result, now);
}

void engine_query(struct engine *engine, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct msg_query query;
	enum rcode rcode;

	enum msg_status status = msg_read(bytes, size, client->stream, &query, &rcode);
	if (status == MSG_IGNORE)
		return;
	if (status == MSG_ERROR)
		send_empty(engine, client, &query.context, rcode, EDE_NONE, NULL);
	else if (!guard_query(engine->guard, now))
		send_empty(
			engine, client, &query.context, RCODE_SERVFAIL, EDE_OTHER, "limit-queries");
	else
		serve(engine, client, &query, now);
}

void engine_reply(struct engine *engine, unsigned upstream, unsigned socket, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct reader reader = reader_over(bytes, size);
	struct pending *pending = pending_by_id(engine->pending, reader_u16(&reader));

	if (!pending || pending->state != PENDING_UPSTREAM || pending->upstream != upstream ||
		pending->socket != socket)
		return;
	switch (read_answer(engine, pending, bytes, size)) {
	case ANSWER_READY:
		answered(engine, pending, now);
		break;
	case ANSWER_TRUNCATED:
		ask_stream(engine, pending, now);
		break;
	case ANSWER_FAILED:
		ask_another(engine, pending, now);
		break;
	case ANSWER_BOGUS:
		break;
	}
}

void engine_unreachable(struct engine *engine, unsigned upstream, unsigned socket, struct mono now)
{
	struct pending *pending;

	if (engine->preferred == upstream)
		engine->preferred = next_server(engine, upstream);
	while ((pending = pending_on_socket(engine->pending, upstream, socket)))
		ask_another(engine, pending, now);
}

void engine_stream_reply(
	struct engine *engine, uint32_t ticket, const uint8_t *bytes, size_t size, struct mono now)
{
	struct pending *pending = pending_by_ticket(engine->pending, ticket, PENDING_STREAM);
	struct reader reader = reader_over(bytes, size);

	if (!pending)
		return;
	if (reader_u16(&reader) == pending->id &&
		read_answer(engine, pending, bytes, size) == ANSWER_READY)
		answered(engine, pending, now);
	else
		ask_another(engine, pending, now);
}

void engine_stream_failed(struct engine *engine, uint32_t ticket, struct mono now)
{
	struct pending *pending = pending_by_ticket(engine->pending, ticket, PENDING_STREAM);

	if (pending)
		ask_another(engine, pending, now);
}

void engine_leased(struct engine *engine, const struct channel_reply *reply, struct mono now)
{
	struct pending *pending = pending_by_ticket(engine->pending, reply->ticket, PENDING_LEASE);

	if (!pending)
		return;
	if (reply->status == 0)
		finish_leased(engine, pending, reply->seconds, now);
	else if (reply->status == -EDQUOT)
		finish_refused(engine, pending, "budget-destinations");
	else
		finish_failed(engine, pending, EDE_NOT_READY, "lease");
}

static void timed_out(struct engine *engine, struct pending *pending, struct mono now)
{
	switch (pending->state) {
	case PENDING_UPSTREAM:
		if (engine->preferred == pending->upstream)
			engine->preferred = next_server(engine, pending->upstream);
		ask(engine, pending, TRIES_MAX, now);
		break;
	case PENDING_STREAM:
		engine->io.cancel_stream(
			engine->io.context, pending_ticket(engine->pending, pending));
		ask_another(engine, pending, now);
		break;
	default:
		finish_failed(engine, pending, EDE_NOT_READY, "lease");
		break;
	}
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
