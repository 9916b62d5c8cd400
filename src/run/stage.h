/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_STAGE_H
#define EGRESS_RUN_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "rules/plan.h"
#include "src/run/forward.h"
#include "src/run/link.h"
#include "src/run/veth.h"

struct apply_rest; /* src/apply.h */
struct attach;     /* src/run/attach.h */

/* What makes the link of the network namespace: of root veth(4) where the host is ready for it,
 * else pasta(1); or one of them. */
enum stage_link { STAGE_LINK_ANY, STAGE_LINK_VETH, STAGE_LINK_PASTA };

/* What a command is to run in. */
struct stage_config {
	const struct plan *plan; /* made for a network namespace of its own */
	/* The files that the resolver reads it from, and descriptors of those that have no name,
	 * which it must inherit; -1: none. */
	const char *policy;
	int policy_fd;
	const char *added;
	int added_fd;
	const char *const *overrides;
	size_t n_overrides;
	const char *const *profile_dirs;
	size_t n_profile_dirs;
	const char *resolver;                 /* the program */
	const char *user;                     /* whom it becomes */
	bool verbose;                         /* what it logs goes to standard error */
	bool observe;                         /* the plan only observes what the base refuses */
	const struct forward_list *published; /* ports of the host's that lead in */
	const struct forward_list *loopback;  /* the host's loopback's that the command reaches */
	enum stage_link link;
	const struct attach
		*attach; /* a running process whose network is joined; NULL: a new one */
	/* Where the resolver records everything (egress-events(5)): mostly the writing end of a
	 * pipe. Only the resolver keeps it, but for the caller's own; -1 or 0: nowhere. */
	int events_fd;
	const char *session; /* what records name the run; NULL: the resolver makes one */
	const char *state;   /* the folder where sessions are kept; NULL: nowhere */
	/* Loads the plan's ruleset and compares what the kernel has. 0, or -errno with what it was
	 * in *ret_message (to be freed, may be NULL). */
	int (*load)(const struct plan *plan, struct apply_rest **ret_rest, char **ret_message);
	void (*settle)(struct apply_rest *rest); /* what is left to do of it, once */
	void (*unload)(const struct plan *plan); /* takes it out of a network that was joined */
};

/* The processes of a run but for the command's. */
struct stage {
	pid_t porter;
	pid_t relay;           /* of what is published; 0: none */
	pid_t loopback_porter; /* of the host's loopback; 0: none */
	pid_t warden;
	int warden_end; /* of what the warden says (src/run/step.h) */
	struct link link;
	struct veth veth;
	bool has_veth;              /* else it is `link` */
	struct veth_reason no_veth; /* why not, if that was to be found out; or "" */
};

/* Why there is none. */
#define STAGE_REASON 4608
struct stage_failure {
	char reason[STAGE_REASON];
};

/* Sets it all up, and proves that it works. 0, or -errno with the reason: then nothing is left. */
int stage_start(
	const struct stage_config *config, struct stage *ret_stage, struct stage_failure *ret_why);

/* Has the records finished, those of connections that are still there included: then whoever else
 * had `events_fd` has closed it. Names are no longer answered, and pasta's link has ended. */
void stage_finish(struct stage *stage);

/* Ends what keeps it up. Whoever is left in it has no way out any more, nor names. */
void stage_end(struct stage *stage);

/* Whether the process is one of the stage's own. */
bool stage_has(const struct stage *stage, pid_t pid);

#endif
