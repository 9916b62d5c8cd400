/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/prove.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * An answer that has to be validated waits (PENDING_PROOF) while the chain of trust to its zones is
 * completed: validate() says what is missing, that is asked of an upstream server as any question
 * is, and when the zones have learned it, all proofs that waited for it are run again. These
 * questions are the only ones for names that nobody asked for: zones above a permitted name, in our
 * own words. They have no waiters, and are never given out.
 *
 * A message about a zone that isn't believed is as one from a server that can't answer: another
 * server is asked. A proof is at an end after QUESTIONS_MAX questions or its time-out, whatever
 * else happens; there are PROOFS_MAX at most, and a question beyond that fails. Questions that end
 * while proofs are run are taken note of, and seen to after them, so nothing is run within itself.
 */

enum {
	PROOFS_MAX = 256,
	QUESTIONS_MAX = 40, /* of a proof: an answer of several aliases has several chains */
	FLAGS_AT = 2,
};

#define FLAG_TC 0x0200u
#define RCODE_MASK 0x000fu

/* The rules that answers are refused by. */
static const char rule_bogus[] = "dnssec";
static const char rule_unsigned[] = "dnssec:unsigned";

enum proof_state { PROOF_FREE, PROOF_KEPT, PROOF_WAITING, PROOF_READY };

struct proof {
	enum proof_state state;
	struct pending *pending;
	uint8_t *bytes;
	size_t size;
	struct validate_budget budget;
	unsigned n_asked;
	struct name waits_for; /* PROOF_WAITING */
	uint16_t type;
	enum ede ede; /* PROOF_READY: why it can't be had; EDE_NONE: it is there */
};

struct prover {
	const struct engine_io *io;
	struct pending_table *table;
	struct upstream *upstream;
	struct prover_sink sink;
	struct anchors none;
	struct zones *zones;
	bool running;
	struct proof proofs[PROOFS_MAX];
};

int prover_new(const struct anchors *anchors, const struct hash_key *key,
	const struct engine_io *io, struct pending_table *table, const struct prover_sink *sink,
	struct prover **ret_prover)
{
	struct prover *prover = calloc(1, sizeof(*prover));
	int error = prover ? zones_new(anchors ? anchors : &prover->none, key, &prover->zones)
			   : -ENOMEM;

	if (error) {
		free(prover);
		return error;
	}
	prover->io = io;
	prover->table = table;
	prover->sink = *sink;
	*ret_prover = prover;
	return 0;
}

static void drop(struct proof *proof)
{
	free(proof->bytes);
	proof->bytes = NULL;
	proof->pending->proof = NULL;
	proof->state = PROOF_FREE;
}

void prover_free(struct prover *prover)
{
	if (!prover)
		return;
	for (unsigned i = 0; i < PROOFS_MAX; i++)
		free(prover->proofs[i].bytes);
	zones_free(prover->zones);
	free(prover);
}

void prover_ask_by(struct prover *prover, struct upstream *upstream)
{
	prover->upstream = upstream;
}

bool prover_keep(struct prover *prover, struct pending *pending, const uint8_t *bytes, size_t size)
{
	struct proof *proof = NULL;
	uint8_t *copy;

	for (unsigned i = 0; i < PROOFS_MAX && !proof; i++)
		if (prover->proofs[i].state == PROOF_FREE)
			proof = &prover->proofs[i];
	copy = proof ? malloc(size) : NULL;
	if (!copy)
		return false;
	memcpy(copy, bytes, size);
	*proof = (struct proof){.state = PROOF_KEPT,
		.pending = pending,
		.bytes = copy,
		.size = size,
		.budget = validate_budget()};
	pending->proof = proof;
	return true;
}

static void end_unproved(
	struct prover *prover, struct proof *proof, enum ede ede, const char *rule, struct mono now)
{
	struct pending *pending = proof->pending;

	drop(proof);
	prover->sink.unproved(prover->sink.context, pending, ede, rule, now);
}

/* Asks for what the zones lack, unless somebody has. */
static void ask(struct prover *prover, struct proof *proof, const struct validate_verdict *verdict,
	struct mono now)
{
	struct pending *pending;

	if (proof->n_asked++ == QUESTIONS_MAX) {
		end_unproved(prover, proof, EDE_INDETERMINATE, rule_bogus, now);
		return;
	}
	proof->state = PROOF_WAITING;
	proof->waits_for = verdict->ask;
	proof->type = verdict->type;
	if (pending_find_zone(prover->table, &verdict->ask, verdict->type))
		return;
	pending = pending_add(prover->table, &verdict->ask, verdict->type);
	if (!pending) {
		end_unproved(prover, proof, EDE_NOT_READY, "busy", now);
		return;
	}
	pending->of_zone = true;
	pending->signatures = true;
	upstream_ask(prover->upstream, pending, now);
}

static void run(struct prover *prover, struct proof *proof, struct mono now)
{
	struct pending *pending = proof->pending;
	int64_t time = prover->io->time(prover->io->context);
	struct validate_verdict verdict;

	if (proof->ede != EDE_NONE) {
		end_unproved(prover, proof, proof->ede, rule_bogus, now);
		return;
	}
	validate(prover->zones, proof->bytes, proof->size, &pending->name, pending->type, time, now,
		&proof->budget, &verdict);
	switch (verdict.status) {
	case VALIDATE_SECURE:
		drop(proof);
		prover->sink.proved(prover->sink.context, pending, &verdict, now);
		break;
	case VALIDATE_ASK:
		ask(prover, proof, &verdict, now);
		break;
	case VALIDATE_INSECURE:
		end_unproved(prover, proof, verdict.ede, rule_unsigned, now);
		break;
	case VALIDATE_BOGUS:
		end_unproved(prover, proof, verdict.ede, rule_bogus, now);
		break;
	}
}

/* Runs all proofs that can go on, until none can. Each goes on a bounded number of times. */
static void run_ready(struct prover *prover, struct mono now)
{
	bool any = !prover->running;

	while (any) {
		any = false;
		prover->running = true;
		for (unsigned i = 0; i < PROOFS_MAX; i++) {
			if (prover->proofs[i].state != PROOF_READY)
				continue;
			any = true;
			run(prover, &prover->proofs[i], now);
		}
		prover->running = false;
	}
}

void prover_begin(struct prover *prover, struct pending *pending, struct mono now)
{
	pending_enter(prover->table, pending, PENDING_PROOF, now);
	pending->proof->state = PROOF_READY;
	pending->proof->ede = EDE_NONE;
	run_ready(prover, now);
}

void prover_timed_out(struct prover *prover, struct pending *pending, struct mono now)
{
	end_unproved(prover, pending->proof, EDE_INDETERMINATE, rule_bogus, now);
}

/* --- Zones --- */

/* The question about a zone is at an end: proofs that waited for it go on. */
static void wake(struct prover *prover, struct pending *zone, enum ede ede, struct mono now)
{
	for (unsigned i = 0; i < PROOFS_MAX; i++) {
		struct proof *proof = &prover->proofs[i];

		if (proof->state != PROOF_WAITING || proof->type != zone->type ||
			!name_equal(&proof->waits_for, &zone->name))
			continue;
		proof->state = PROOF_READY;
		proof->ede = ede;
	}
	pending_remove(prover->table, zone);
	run_ready(prover, now);
}

enum answer_status prover_read(struct prover *prover, struct pending *pending, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct reader reader = reader_over(bytes, size);
	unsigned flags, rcode;
	enum ede ede;

	reader_seek(&reader, FLAGS_AT);
	flags = reader_u16(&reader);
	rcode = flags & RCODE_MASK;
	if (reader.failed)
		return ANSWER_BOGUS;
	if (flags & FLAG_TC)
		return ANSWER_TRUNCATED;
	if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
		return ANSWER_FAILED;
	ede = zones_learn(prover->zones, &pending->name, pending->type, bytes, size,
		prover->io->time(prover->io->context), now);
	pending->ede = (int16_t)ede;
	return ede == EDE_NONE ? ANSWER_READY : ANSWER_FAILED;
}

void prover_answered(struct prover *prover, struct pending *pending, struct mono now)
{
	wake(prover, pending, EDE_NONE, now);
}

void prover_failed(struct prover *prover, struct pending *pending, struct mono now)
{
	enum ede ede = (enum ede)pending->ede;

	wake(prover, pending, ede == EDE_NONE ? EDE_NO_REACHABLE_AUTHORITY : ede, now);
}
