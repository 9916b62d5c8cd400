/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_COMPILE_H
#define EGRESS_RULES_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/layers.h"
#include "rules/match.h"
#include "rules/plan.h"

struct arena;
struct categories;
struct diag;

/* What a policy file's way through the compiler needs: load, layers, plan, match. Every program
 * starts here. */
struct compile_options {
	const char *policy;           /* the base's file */
	const char *text;             /* its text (which must stay), or NULL to read the file */
	size_t size;                  /* of the text */
	const char *const *overrides; /* files, in order */
	size_t n_overrides;
	const char *const *profile_dirs; /* looked in before the installed profiles */
	size_t n_profile_dirs;
	/* Those to ask where the base names no [dns] upstream; they must stay. What the base
	 * listens on itself is left out. */
	const struct dns_server *system_servers;
	size_t n_system_servers;
	const char *added;      /* the file of a policy whose entries are added to the base's; NULL:
				   there is none */
	const char *added_text; /* its text (which must stay), or NULL to read the file */
	size_t added_size;
	bool own_namespace; /* see adapt_to_namespace() */
	const char *cgroup; /* see adapt_to_cgroup(); NULL: as the policy says */
	bool observe;       /* see adapt_to_observe() */
	int64_t now;        /* seconds since 1970; 0: the clock's */
	bool plan_only;     /* for those who look nothing up: ret_compiled->match stays NULL */
};

struct compiled {
	const struct layers *layers;
	const struct plan *plan;
	const struct match *match;
	const struct categories *categories; /* rules/category.h; NULL unless they are loaded too */
};

/* 0, -EINVAL (diag says what is wrong) or another -errno. */
int compile_policy(struct arena *arena, const struct compile_options *options, struct diag *diag,
	struct compiled *ret_compiled);

/* As far as the layers only: for those who judge, and need no kernel objects. */
int compile_layers(struct arena *arena, const struct compile_options *options, struct diag *diag,
	const struct layers **ret_layers);

#endif
