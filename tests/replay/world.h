/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_REPLAY_WORLD_H
#define EGRESS_TESTS_REPLAY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "resolver/engine.h"
#include "src/base/text.h"

struct arena;

/*
 * All that an engine can see: clients, upstream servers, the keeper and time, none of them real.
 * What the engine does is kept in order, and held against the ledger (ledger.h) at once.
 */
struct world;

enum world_output {
	OUTPUT_ANSWER,
	OUTPUT_ASK,
	OUTPUT_ASK_STREAM,
	OUTPUT_LEASE,
	OUTPUT_REPORT,
	OUTPUT_REPORT_SERVER,
};

/* One thing the engine did. */
struct output {
	enum world_output kind;
	bool taken;           /* for the user: it has been looked at */
	bool failed;          /* the engine was told that it didn't work */
	bool beside;          /* a question that went to another server just before */
	struct client client; /* OUTPUT_ANSWER */
	unsigned upstream;    /* OUTPUT_ASK, OUTPUT_ASK_STREAM, OUTPUT_REPORT_SERVER */
	unsigned socket;      /* OUTPUT_ASK */
	uint32_t ticket;      /* OUTPUT_ASK_STREAM */
	uint8_t *bytes;       /* of the message, where there is one */
	size_t size;
	size_t question_end;   /* OUTPUT_ASK, OUTPUT_ASK_STREAM: where the question ends */
	const uint8_t *cookie; /* the same: of the COOKIE option, or NULL */
	size_t cookie_size;
	struct channel_request request;          /* OUTPUT_LEASE */
	enum engine_report report;               /* OUTPUT_REPORT */
	enum engine_server_report server_report; /* OUTPUT_REPORT_SERVER */
	struct name name;
	const char *rule;
};

/* A policy and what narrows it, as text. */
struct world_policy {
	const char *file; /* as diagnostics call it */
	struct text base;
	const struct text *overrides;
	size_t n_overrides;
};

/* Compiles a policy, whose text must stay. 0; -EINVAL with the diagnostics in `errors`; -ENOMEM. */
int world_compile(struct arena *arena, const struct world_policy *policy, FILE *errors,
	struct compiled *ret_compiled);

/* When a world begins, in seconds since 1970: 2027-01-01 00:00 UTC. */
#define WORLD_TIME INT64_C(1798761600)

/* A world under the policy, at a monotonic time that is not 0. 0 or -errno. */
int world_new(const struct compiled *compiled, struct world **ret_world);
void world_free(struct world *world);

/* What was broken first, or NULL. */
const char *world_broken(const struct world *world);

/* The outputs so far; valid until the next call that makes the engine do something. */
struct output *world_outputs(struct world *world, size_t *ret_count);

/* From now on io calls of the kind fail with `error` (-errno); 0: they work. */
void world_fail(struct world *world, enum world_output kind, int error);

/* What goes in; then the engine does what is due. */
void world_query(
	struct world *world, const struct client *client, const uint8_t *bytes, size_t size);
/* Messages that came together, at most ENGINE_BATCH; room for replies is where the messages are. */
void world_queries(struct world *world, struct engine_message *messages, unsigned count);
void world_reply(
	struct world *world, unsigned upstream, unsigned socket, const uint8_t *bytes, size_t size);
void world_unreachable(struct world *world, unsigned upstream, unsigned socket);
void world_stream_reply(
	struct world *world, unsigned upstream, uint32_t ticket, const uint8_t *bytes, size_t size);
void world_stream_failed(
	struct world *world, unsigned upstream, uint32_t ticket, enum engine_stream_failure why);
void world_leased(struct world *world, uint32_t ticket, int32_t status, uint32_t seconds);

/* The same, of some of the addresses: bit 1 << index. */
void world_leased_some(struct world *world, uint32_t ticket, uint32_t seconds, uint64_t opened);

/* The keeper says that what was answered so far is void. */
void world_forget(struct world *world);

/* Time passes, and whenever the engine wants to be called on the way, it is. */
void world_wait(struct world *world, struct duration span);

/* Time passes until the engine does something, at most `span`. Whether it did. */
bool world_wait_for_output(struct world *world, struct duration span);

/* Checks, at the end, that nothing is owed. */
void world_end(struct world *world);

#endif
