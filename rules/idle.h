/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_IDLE_H
#define EGRESS_RULES_IDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/judge.h"

/*
 * Parts of entries that decide nothing: a host, or a range of addresses. Patterns and lists are not
 * looked at.
 */

enum idle_reason {
	IDLE_NOT,
	IDLE_SHADOWED,  /* wherever it matches, `by` beats it in its own layer */
	IDLE_REDUNDANT, /* without it the layer would decide the same: by `by`, or by default */
	IDLE_OVERRULED, /* the other layers refuse all of it anyway */
};

struct idle {
	enum idle_reason reason;
	size_t layer;
	const struct layer_entry *entry;
	struct place place; /* of the part */
	const char *text;   /* of the part; in the caller's buffer */
	struct finding by;  /* FOUND_NOTHING: the default */
	bool whole;         /* all parts of the entry are idle, this is the first */
};

/* Calls `visit` for each idle part of the layer's entries. 0, -ENOMEM, or what `visit` returned
 * other than 0. */
int idle_find(const struct layers *layers, size_t layer,
	int (*visit)(void *context, const struct idle *idle), void *context);

#endif
