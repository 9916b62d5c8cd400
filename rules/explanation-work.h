/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_EXPLANATION_WORK_H
#define EGRESS_RULES_EXPLANATION_WORK_H

#include "rules/explanation.h"

/* An explanation in the making, for rules/explanation*.c. */

enum {
	EXPLANATION_EMBEDDED_MAX = 10,
	EXPLANATION_NOTES_MAX = EXPLANATION_EMBEDDED_MAX + 3 * LAYERS_MAX + 8
};

/* A port group, or the rest, as far as it is asked about. */
struct part {
	bool asked;
	bool others; /* of the rest: all of it */
	struct question question;
	struct port_range *ports;
	size_t n_ports;
};

struct work {
	struct arena *arena;
	const struct layers *layers;
	const struct plan *plan;
	const struct policy *base;
	struct explanation *it;
	bool forwarded;     /* traffic that passes through */
	struct part *parts; /* the plan's groups, and the rest */
	size_t n_parts;
	bool failed; /* no memory */
};

void explanation_note(struct work *work, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "policy.toml:12" */
const char *explanation_place(struct work *work, struct place place);

bool explanation_is_loopback(const struct inaddr *address);

/* Whether the destination is a name that the resolver answers itself; then that is all. */
bool explanation_settle_special(struct work *work);

/* What the limits are that a permitted name spends from. */
void explanation_add_limits(struct work *work);

/* What else there is to know of a destination that was judged. */
void explanation_add_notes(struct work *work);

#endif
