/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LOSSES_H
#define EGRESS_RULES_LOSSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/base/diag.h"

struct arena;

/* What a target cannot hold of a policy. */
struct losses;

enum loss_kind {
	LOSS_WIDER,      /* more can be reached than the policy permits */
	LOSS_NARROWER,   /* less */
	LOSS_UNWATCHED,  /* the same, but a guard or a record is missing */
	LOSS_IMPOSSIBLE, /* there is no such object: always an error */
	LOSS_KINDS,
};

/* NULL: the arena is full. */
struct losses *losses_new(struct arena *arena);

/* `what` is a rule's id ("allow-2") or a key ("[limits] bytes"), `place` where the policy has it;
 * line 0: nowhere. */
void losses_add(struct losses *losses, enum loss_kind kind, const char *what, struct place place,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

bool losses_have(const struct losses *losses, enum loss_kind kind);

/* Whether one of them found no memory. */
bool losses_failed(const struct losses *losses);

/* Into the diag: what is impossible as errors, what is wider too, or with `lossy` as warnings,
 * which all others are. */
void losses_to_diag(const struct losses *losses, bool lossy, struct diag *diag);

/* Each as a line of a comment: "# wider: allow-2: ...". */
void losses_to_comments(const struct losses *losses, FILE *out);

/* One JSON object, {"target", "policy", "losses": [{"kind": "wider", "what", "file", "line",
 * "text"}...]}; what has no place has no line. 0 or -ENOMEM. */
int losses_to_json(const struct losses *losses, const char *target, const char *policy, FILE *out);

#endif
