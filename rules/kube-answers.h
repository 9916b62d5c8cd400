/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_KUBE_ANSWERS_H
#define EGRESS_RULES_KUBE_ANSWERS_H

#include <stdbool.h>

#include "rules/compile.h"
#include "rules/kube.h"

struct arena;
struct losses;

/* Which addresses names may have, for targets to which every address is open that a permitted name
 * leads to. */
struct kube_answers;

/* Names that are permitted in a port group, and whose addresses are judged alike. */
struct kube_answer {
	const struct name *name; /* one of them */
	bool is_alone;           /* there is no other */
	unsigned group;
	/* What has them in each layer. NULL: nothing; or, unless it is alone, patterns may have
	 * some of them. */
	const struct layer_entry *entries[LAYERS_MAX];
};

/* 0 or -ENOMEM, as all of these. `compiled` stays. */
int kube_answers_new(
	struct arena *arena, const struct compiled *compiled, struct kube_answers **ret_answers);

int kube_answers_add(struct kube_answers *answers, const struct kube_answer *answer);

/*
 * The addresses that none of a group's names may have, and that are not open without one: to be
 * denied on the group's ports. Where a name may have fewer than what is left, that is a loss.
 */
int kube_answers_finish(
	struct kube_answers *answers, struct losses *losses, struct kube_rules *ret_denied);

#endif
