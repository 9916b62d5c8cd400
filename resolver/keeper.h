/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_KEEPER_H
#define EGRESS_RESOLVER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/lease-record.h"
#include "rules/compile.h"
#include "src/base/hash.h"
#include "src/kernel/confine.h"

struct counters;
struct namering;

struct keeper_config {
	struct compiled compiled;
	struct confine confine;
	uint32_t mark;                    /* of the resolver's own sockets; not 0 */
	int porter;                       /* where they come from (porter_ask()); 0: its own */
	struct hash_key destinations_key; /* see struct sets_config */
	struct namering *names;           /* the same */
	struct counters *counters;        /* its own; NULL: nobody reads them */
	bool alone;                       /* no other keeper of this table is still at work */
	const int *channels;              /* the keeper's ends */
	size_t n_channels;
	int control;         /* the keeper's end of the parent's channel; -1: there is none */
	size_t leases_max;   /* see struct sets_config */
	bool never_in_place; /* the same */
	int ready;           /* gets one byte once leases are served */
	struct lease_records records;
	int leash; /* the end of a pipe that hangs up when it has to end at once */
};

/* The keeper process, from its confinement to its end: when the last channel has closed or the
 * leash has hung up, which is 0, or when something is wrong, which has been logged and is 1. Call
 * it in a child of its own. */
int keeper_run(const struct keeper_config *config);

#endif
