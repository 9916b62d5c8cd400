/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/engine-own.h"

#include <string.h>

#include "resolver/answer.h"
#include "resolver/filter.h"

/*
 * How questions end, and what is kept of them: see the theory in engine.c.
 */

#define FAILURE_SECONDS 5
#define AHEAD_SHARE 10      /* the last one of so many parts of an answer's time */
#define AHEAD_SECONDS 2     /* and at least these */
#define AHEAD_TTL_MIN 9     /* seconds: the least TTL of an answer that is asked for ahead */
#define STALE_TTL 30        /* RFC 8767 section 5 */
#define STALE_SECONDS 43200 /* at most, for answers without a lease */

int64_t engine_time(const struct engine *engine)
{
	return grants_expire(engine->grants) ? engine->io.time(engine->io.context) : 0;
}

void engine_count_answer(struct engine *engine, const struct answer *answer, enum counter usual)
{
	bool refused = answer->ede == EDE_BLOCKED || answer->ede == EDE_FILTERED;

	if (answer->rcode == RCODE_SERVFAIL)
		usual = COUNTER_FAILED;
	else if (refused || answer->rcode == RCODE_REFUSED)
		usual = COUNTER_REFUSED;
	counters_add(engine->counters, usual, 1);
}

static void send_reply(struct engine *engine, const struct client *client,
	const struct msg_context *context, const struct answer *answer, uint32_t ttl)
{
	size_t size = msg_write_reply(context, answer, ttl, engine->reply);

	engine_count_answer(engine, answer, COUNTER_FRESH);
	engine->io.reply(engine->io.context, client, engine->reply, size);
}

/* Whether the policy is to be asked each time the name is answered from the cache: by then entries
 * may have expired, and what is only observed is told each time. */
static bool asks_policy(const struct engine *engine, const struct name *name)
{
	struct match_result result;

	if (grants_expire(engine->grants))
		return true;
	return grants_name(engine->grants, name, 0, &result) && filter_observes(&result);
}

/* How long before its end an answer is to be asked for anew, if it is in demand. */
static uint16_t ahead_seconds(uint32_t ttl)
{
	uint32_t seconds = ttl / AHEAD_SHARE;

	if (ttl < AHEAD_TTL_MIN)
		return 0;
	if (seconds < AHEAD_SECONDS)
		seconds = AHEAD_SECONDS;
	return seconds < UINT16_MAX ? (uint16_t)seconds : UINT16_MAX;
}

/* What the cache knows a name by. */
static uint64_t hash_of(const struct engine *engine, const struct name *name)
{
	struct names_walk walk;

	match_begin(engine->compiled.match, name, &walk);
	return match_hash(&walk);
}

/* Whether the cache has an answer to the question, expired or not. */
static bool find_kept(
	const struct engine *engine, const struct pending *pending, struct cached *ret_cached)
{
	struct cache_place place =
		cache_place(engine->cache, hash_of(engine, &pending->name), pending->type);

	cache_fetch(engine->cache, &place);
	return cache_find(engine->cache, &place, &pending->name, pending->type, ret_cached);
}

/* What its records say; the rule of an answer with an Extended Error is that one's. */
static void note_rule(const struct engine *engine, const struct name *name, struct cached *cached)
{
	const struct engine_note note = engine_note(engine, name);

	cached->verdict = note.verdict;
	if (cached->body.ede == EDE_NONE)
		cached->body.rule = note.rule;
}

/* Keeps an answer for `ttl` seconds, and for `stale` ones more in case of need. */
static void keep_answer(struct engine *engine, const struct pending *pending,
	const struct answer *answer, uint32_t ttl, uint16_t stale, struct mono now)
{
	struct cached cached = {.expires = mono_add(now, duration_seconds(ttl)),
		.stale_seconds = stale,
		.ahead_seconds = ahead_seconds(ttl)};

	if (ttl == 0 ||
		msg_lay_out(answer, &pending->name, ttl, engine->laid_out, &engine->layout) != 0)
		return;
	cached.ask_policy = asks_policy(engine, &pending->name);
	cached.body = engine->layout.body;
	if (engine->recording != ENGINE_RECORD_NONE)
		note_rule(engine, &pending->name, &cached);
	cache_store(engine->cache, hash_of(engine, &pending->name), &pending->name, pending->type,
		&cached);
}

static void keep(struct engine *engine, const struct pending *pending, uint32_t ttl, uint16_t stale,
	struct mono now)
{
	keep_answer(engine, pending, pending->answer, ttl, stale, now);
}

/* That no server answered, or none with what validates: whoever asks again at once is told so
 * (RFC 9520 section 3.2). */
static void keep_failure(struct engine *engine, const struct pending *pending, enum ede ede,
	const char *rule, struct mono now)
{
	struct answer_buffer buffer;

	keep_answer(engine, pending, answer_empty(&buffer, RCODE_SERVFAIL, ede, rule),
		FAILURE_SECONDS, 0, now);
}

/* Whether what was known before still holds, as the question was asked ahead: then no failure takes
 * its place. */
static bool still_holds(struct engine *engine, const struct pending *pending, struct mono now)
{
	struct cached cached;

	return find_kept(engine, pending, &cached) && mono_before(now, cached.expires);
}

/* Answers all who wait for the question, and forgets it. */
static void finish(
	struct engine *engine, struct pending *pending, const struct answer *answer, uint32_t ttl)
{
	const struct waiter *waiter;
	struct engine_note note = {VERDICT_PERMIT, NULL};

	if (engine->recording != ENGINE_RECORD_NONE)
		note = engine_note(engine, &pending->name);
	while ((waiter = pending_pop(engine->pending, pending))) {
		send_reply(engine, &waiter->client, &waiter->context, answer, ttl);
		if (engine->recording != ENGINE_RECORD_NONE)
			engine_record_answer(engine, &pending->name, pending->type, answer, note);
	}
	pending_remove(engine->pending, pending);
}

void engine_finish_failed(
	struct engine *engine, struct pending *pending, enum ede ede, const char *rule)
{
	struct answer_buffer buffer;

	finish(engine, pending, answer_empty(&buffer, RCODE_SERVFAIL, ede, rule), 0);
}

void engine_finish_refused(struct engine *engine, struct pending *pending, const char *rule)
{
	struct answer_buffer buffer;

	finish(engine, pending, filter_refuse(engine->dns, rule, &buffer), 0);
}

void engine_finish_negative(struct engine *engine, struct pending *pending, struct mono now)
{
	keep(engine, pending, pending->ttl, 0, now);
	finish(engine, pending, pending->answer, pending->ttl);
}

void engine_finish_open(struct engine *engine, struct pending *pending, struct mono now)
{
	keep(engine, pending, pending->ttl, grants_expire(engine->grants) ? 0 : STALE_SECONDS, now);
	finish(engine, pending, pending->answer, pending->ttl);
}

/* For how long a lease of so much time outlasts a TTL. */
static uint16_t stale_seconds(int64_t left_ms, uint32_t ttl)
{
	int64_t seconds = (left_ms - 1) / 1000 - ttl;

	return seconds < 0 ? 0 : seconds > STALE_SECONDS ? STALE_SECONDS : (uint16_t)seconds;
}

/*
 * Answers all who wait with what expired (RFC 8767), if that is still covered by a lease, or needs
 * none. It is not tried to do better again before the TTL ends that they are given.
 */
static bool finish_stale(struct engine *engine, struct pending *pending, struct mono now)
{
	const struct waiter *waiter;
	struct cached cached;
	int64_t left;

	if (!find_kept(engine, pending, &cached))
		return false;
	left = mono_between(now, mono_add(cached.expires, duration_seconds(cached.stale_seconds)))
		       .ms /
	       1000;
	if (cached.stale_seconds == 0 || left <= 0)
		return false;
	uint32_t ttl = left < STALE_TTL ? (uint32_t)left : STALE_TTL;
	/* What is stored anew must not lie in the cache. */
	memcpy(engine->laid_out, cached.body.records, cached.body.size);
	memcpy(engine->layout.ttls, cached.body.ttls, cached.body.n_ttls * sizeof(uint16_t));
	cached.body.records = engine->laid_out;
	cached.body.ttls = engine->layout.ttls;
	cached.body.ede = EDE_STALE;
	cached.body.rule = NULL;
	cached.expires = mono_add(now, duration_seconds(ttl));
	cached.stale_seconds = (uint16_t)(left - ttl);
	cached.ahead_seconds = 0;
	cache_store(engine->cache, hash_of(engine, &pending->name), &pending->name, pending->type,
		&cached);
	while ((waiter = pending_pop(engine->pending, pending))) {
		counters_add(engine->counters, COUNTER_CACHED, 1);
		engine->io.reply(engine->io.context, &waiter->client, engine->reply,
			msg_write_body(&waiter->context, &cached.body, ttl, engine->reply));
		if (engine->recording != ENGINE_RECORD_NONE)
			engine_record_cached(engine, &pending->name, pending->type, &cached);
	}
	pending_remove(engine->pending, pending);
	return true;
}

/*
 * The answer may leave, for a TTL that ends before it does, and is no longer than the lease less
 * the grace.
 */
void engine_finish_leased(
	struct engine *engine, struct pending *pending, uint32_t seconds, struct mono now)
{
	struct mono until = mono_add(pending->since, duration_seconds(seconds));
	int64_t left_ms = mono_between(now, until).ms;
	int64_t most = seconds - engine->dns->grace.ms / 1000;
	uint32_t ttl = pending->ttl;

	if (left_ms <= 0) {
		engine_finish_failed(engine, pending, EDE_NOT_READY, "lease");
		return;
	}
	for (unsigned i = 0; i < pending->answer->n_addresses; i++) {
		struct inaddr address = answer_address(pending->answer, i);

		guard_opened(engine->guard, &address, &pending->name, until);
	}
	if (most > (left_ms - 1) / 1000)
		most = (left_ms - 1) / 1000;
	if (ttl > most)
		ttl = most > 0 ? (uint32_t)most : 0;
	keep(engine, pending, ttl, stale_seconds(left_ms, ttl), now);
	finish(engine, pending, pending->answer, ttl);
}

void engine_finish_unproved(struct engine *engine, struct pending *pending, enum ede ede,
	const char *rule, struct mono now)
{
	if (!still_holds(engine, pending, now))
		keep_failure(engine, pending, ede, rule, now);
	engine_finish_failed(engine, pending, ede, rule);
}

void engine_finish_unanswered(struct engine *engine, struct pending *pending, enum ede ede,
	const char *rule, struct mono now)
{
	if (!still_holds(engine, pending, now)) {
		if (finish_stale(engine, pending, now))
			return;
		keep_failure(engine, pending, EDE_CACHED_ERROR, rule, now);
	}
	engine_finish_failed(engine, pending, ede, rule);
}
