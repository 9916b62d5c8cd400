/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_DRIFT_H
#define EGRESS_LEARN_DRIFT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/base/diag.h"

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
	struct drift *rows;
	size_t count;
};

/* "unused". */
const char *drift_kind_name(enum drift_kind kind);

/* The forms. 0 or -ENOMEM. */
int drift_as_text(const struct drifts *drifts, FILE *out);
int drift_as_json(const struct drifts *drifts, FILE *out);
int drift_as_sarif(const struct drifts *drifts, FILE *out);

#endif
