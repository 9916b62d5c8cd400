/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_SCAN_DRAFT_H
#define EGRESS_LEARN_SCAN_DRAFT_H

#include "src/learn/draft.h"
#include "src/learn/evidence.h"

struct categories;

struct scan_draft_options {
	const char *title; /* of what was scanned, for people */
	const char *name;  /* of the policy */
	const struct categories *categories;
	const char *const *profile_dirs;
	size_t n_profile_dirs;
};

/* The narrowest policy that the evidence asks for; all of it lies in the arena. 0 or -ENOMEM. */
int scan_draft(struct arena *arena, const struct evidence *evidence,
	const struct scan_draft_options *options, struct draft *ret_draft);

#endif
