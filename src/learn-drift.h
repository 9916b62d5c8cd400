/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_DRIFT_H
#define EGRESS_LEARN_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/base/diag.h"

struct arena;
struct digest;
struct layers;

/* Where a policy and what happened are apart. */

enum drift_kind {
	DRIFT_UNUSED,  /* an entry, or a host of it, that nothing was permitted by */
	DRIFT_PORTS,   /* ports of an entry that nothing used */
	DRIFT_REFUSED, /* a destination that is refused again and again */
	DRIFT_KINDS,
};

struct drift {
	enum drift_kind kind;
	struct place place;  /* in the policy; of what is refused, the file as a whole */
	const char *rule;    /* the entry's id; of what is refused, whose decision it is */
	const char *what;    /* the destination, or the ports */
	const char *message; /* a sentence */
	uint64_t times;      /* of what is refused */
};

struct drifts {
	const char *policy;
	struct drift *rows; /* malloc'ed */
	size_t count;
};

/* Finds where the layers and a finished digest, both of which must outlive it, are apart; `times`
 * refusals are repeatedly. *ret_untold: the digest has nothing that was permitted, so that what was
 * not used is not known. 0 or -ENOMEM; there may be rows in any case. */
int drift_find(struct arena *arena, const struct layers *layers, const struct digest *digest,
	uint64_t times, struct drifts *drifts, bool *ret_untold);

/* The forms. 0 or -ENOMEM. */
int drift_as_text(const struct drifts *drifts, FILE *out);
int drift_as_json(const struct drifts *drifts, FILE *out);
int drift_as_sarif(const struct drifts *drifts, FILE *out);

#endif
