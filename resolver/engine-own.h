/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ENGINE_OWN_H
#define EGRESS_RESOLVER_ENGINE_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/answer.h"
#include "resolver/cache.h"
#include "resolver/counters.h"
#include "resolver/engine.h"
#include "resolver/grant.h"
#include "resolver/msg.h"
#include "resolver/pending.h"
#include "resolver/prove.h"
#include "resolver/upstream.h"

/* What the files of the engine share. */

/* A message of a batch that is being worked on. */
struct turn {
	enum msg_status status;
	enum rcode rcode;
	struct cache_place place;
	struct msg_query query;
	bool to_judge;          /* the cache alone does not answer it */
	struct names_walk walk; /* of the query's name */
};

struct engine {
	struct compiled compiled;
	const struct dns_policy *dns;
	struct grants *grants;
	struct guard *guard;
	struct engine_io io;
	struct cache *cache;
	struct pending_table *pending;
	struct upstream *upstream;
	struct prover *prover;
	struct hash_key cookie_key;
	struct counters *counters;
	struct counters unread; /* where nobody reads them */
	enum engine_recording recording;
	bool limits;        /* of queries: the guard is asked about each */
	int64_t batch_time; /* of records of what is answered at once; 0: at other times */
	struct turn turns[ENGINE_BATCH];
	struct msg_layout layout;
	uint8_t laid_out[MSG_MAX];
	uint8_t reply[MSG_MAX];
};

/* The time that entries expire by. */
int64_t engine_time(const struct engine *engine);

/* Counts an answer that is of the kind `usual`, unless it is none. */
void engine_count_answer(struct engine *engine, const struct answer *answer, enum counter usual);

/* --- Records (engine-record.c), for who has seen that engine->recording isn't
 * ENGINE_RECORD_NONE --- */

/* What the policy says of a name, and the rule that says it. */
struct engine_note {
	enum verdict verdict;
	const char *rule;
};

struct engine_note engine_note(const struct engine *engine, const struct name *name);

/* An answer that leaves, to a name of which the policy says that; a refusal says so itself. */
void engine_record_answer(const struct engine *engine, const struct name *name, uint16_t type,
	const struct answer *answer, struct engine_note note);

/* The same from the cache. */
void engine_record_cached(const struct engine *engine, const struct name *name, uint16_t type,
	const struct cached *cached);

/* Which addresses an answer has that need no lease, as the name is only observed, or whatever
 * nothing refuses is permitted: connections to them have no other name. */
void engine_record_unleased(const struct engine *engine, const struct pending *pending);

/* The name is asked about though it is more than the budget, whose rule that is, has. */
void engine_record_over(
	const struct engine *engine, const struct pending *pending, const char *rule);

/* What the policy itself answers. */
void engine_record_local(
	const struct engine *engine, const struct msg_query *query, const struct answer *answer);

/* SERVFAIL at once. */
void engine_record_failed(
	const struct engine *engine, const struct msg_query *query, enum ede ede, const char *rule);

/* --- The end of a question: all who wait for it are answered, and it is forgotten --- */

void engine_finish_failed(
	struct engine *engine, struct pending *pending, enum ede ede, const char *rule);

/* As the policy has names refused. */
void engine_finish_refused(struct engine *engine, struct pending *pending, const char *rule);

void engine_finish_negative(struct engine *engine, struct pending *pending, struct mono now);

/* None of the addresses needs a lease. */
void engine_finish_open(struct engine *engine, struct pending *pending, struct mono now);

/* The keeper acknowledged a lease that began no earlier than `since` and lasts `seconds`. */
void engine_finish_leased(
	struct engine *engine, struct pending *pending, uint32_t seconds, struct mono now);

/* No server answered: what expired is given out, where that may be, else it is a failure. */
void engine_finish_unanswered(struct engine *engine, struct pending *pending, enum ede ede,
	const char *rule, struct mono now);

/* No server had what validates. */
void engine_finish_unproved(struct engine *engine, struct pending *pending, enum ede ede,
	const char *rule, struct mono now);

#endif
