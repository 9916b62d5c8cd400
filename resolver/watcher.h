/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WATCHER_H
#define EGRESS_RESOLVER_WATCHER_H

#include <stdbool.h>

#include "rules/compile.h"
#include "src/kernel/confine.h"

struct conntrack;
struct namering;
struct nflog;
struct rings;
struct witness_past;

/* Where records go. */
struct watcher_sink {
	int fd; /* -1: there is none */
	bool all;
};

#define WATCHER_SINKS 2

struct watcher_config {
	struct compiled compiled;
	struct confine confine;
	const char *session;
	struct watcher_sink sinks[WATCHER_SINKS];
	struct rings *rings;             /* of the crews */
	unsigned n_rings;                /* of each crew the workers', then the keeper's */
	unsigned crew_rings;             /* of one crew */
	const struct witness_past *past; /* see resolver/witness.h */
	const struct namering *names;    /* of leases */
	struct nflog *nflog;             /* opened; NULL: there is none */
	struct conntrack *ends;          /* of flows; the same */
	bool announce;                   /* that the policy is in force */
	int leash; /* the end of a pipe: readable when it has to finish what there is, hung up when
		      it has to end at once */
};

/* The watcher process, from its confinement to its end: when the leash says so, which is 0, or when
 * something is wrong, which has been logged and is 1. Call it in a child of its own. */
int watcher_run(const struct watcher_config *config);

#endif
