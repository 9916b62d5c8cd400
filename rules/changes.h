/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CHANGES_H
#define EGRESS_RULES_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/base/diag.h"

struct arena;

/* What a comparison found, collected and then shown by rule (rules/diff.h). */

enum change_kind {
	CHANGE_GAINED,
	CHANGE_LOST,
	CHANGE_IDLE, /* written, and changes nothing */
};

struct change {
	enum change_kind kind;
	const char *what;   /* a name, addresses, or what else changed */
	const char *ports;  /* "tcp/443, udp/53", or NULL */
	const char *rule;   /* that permits it where it is permitted */
	struct place place; /* of that rule; line 0: none */
	const char *other;  /* the rule, or the value, on the other side; why it is idle */
};

struct changes {
	struct arena *arena; /* of the strings */
	struct change *list;
	size_t count;
	size_t room;
};

/* Adds a change; the strings must stay. 0 or -ENOMEM. */
int changes_add(struct changes *changes, const struct change *change);
void changes_clear(struct changes *changes);

bool changes_gained(const struct changes *changes);

/* Text: by rule, at most so many lines a rule. 0 or -ENOMEM. */
int changes_print(const struct changes *changes, FILE *out);

/* {"gained": [{"what", "ports", "rule", "file", "line", "was"}...], "lost": [...]}. 0 or -ENOMEM.
 */
int changes_json(const struct changes *changes, FILE *out);

#endif
