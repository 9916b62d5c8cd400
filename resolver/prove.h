/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_PROVE_H
#define EGRESS_RESOLVER_PROVE_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/anchor.h"
#include "resolver/engine.h"
#include "resolver/pending.h"
#include "resolver/upstream.h"
#include "resolver/validate.h"
#include "src/base/clock.h"
#include "src/base/hash.h"

/* Validates answers before they are used, and asks upstream servers for the keys that takes. */
struct prover;

/* Where a proof ends: of each that prover_begin() was given one is told once, possibly within that
 * call. */
struct prover_sink {
	void *context;

	/* The answer is right, as far as `verdict` goes. */
	void (*proved)(void *context, struct pending *pending,
		const struct validate_verdict *verdict, struct mono now);

	/* It must not be used. */
	void (*unproved)(void *context, struct pending *pending, enum ede ede, const char *rule,
		struct mono now);
};

/* What is passed must stay; NULL for `anchors`: there are none, and nothing can be proved. 0 or
 * -ENOMEM. */
int prover_new(const struct anchors *anchors, const struct hash_key *key,
	const struct engine_io *io, struct pending_table *table, const struct prover_sink *sink,
	struct prover **ret_prover);
void prover_free(struct prover *prover);

/* Who asks for the keys. */
void prover_ask_by(struct prover *prover, struct upstream *upstream);

/* Keeps the message that `pending`, whose `signatures` is set, was answered with. False: there is
 * no room. */
bool prover_keep(struct prover *prover, struct pending *pending, const uint8_t *bytes, size_t size);

/* Begins with a message that was kept. */
void prover_begin(struct prover *prover, struct pending *pending, struct mono now);

/* Its deadline has passed. */
void prover_timed_out(struct prover *prover, struct pending *pending, struct mono now);

/* What became of a question with `of_zone` set: see struct upstream_sink. */
enum answer_status prover_read(struct prover *prover, struct pending *pending, const uint8_t *bytes,
	size_t size, struct mono now);
void prover_answered(struct prover *prover, struct pending *pending, struct mono now);
void prover_failed(struct prover *prover, struct pending *pending, struct mono now);

#endif
