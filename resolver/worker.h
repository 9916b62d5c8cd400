/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WORKER_H
#define EGRESS_RESOLVER_WORKER_H

#include <stddef.h>

#include "resolver/engine.h"
#include "resolver/guard.h"
#include "rules/compile.h"
#include "src/base/hash.h"
#include "src/kernel/confine.h"

struct anchors;
struct counters;
struct rings;
struct tls_trust;

struct worker_config {
	struct compiled compiled;
	struct guard *guard;           /* all workers' */
	struct tls_trust *trust;       /* for [dns] upstream, see resolver/tls.h */
	const struct anchors *anchors; /* engine.h */
	size_t cache_bytes;            /* the same */
	struct hash_key cookie_key;    /* all workers' */
	struct counters *counters;     /* its own */
	struct confine confine;
	enum engine_recording recording;
	struct rings *rings; /* for records; NULL: there are none */
	unsigned ring;       /* its own */
	int channel;         /* the worker's end */
	const int *udp;      /* listening sockets */
	const int *tcp;
	size_t n_sockets; /* in each of the two */
	int ready;        /* gets one byte once queries are answered */
	int leash;        /* the end of a pipe: readable when it has to finish what it has begun,
			     hung up when it has to end at once */
};

/* The worker process, from its confinement to its end: when the leash says so, which is 0, or when
 * something is wrong, which has been logged and is 1. Call it in a child of its own. */
int worker_run(const struct worker_config *config);

#endif
