/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WATCHER_H
#define EGRESS_RESOLVER_WATCHER_H

#include <stdbool.h>

#include "resolver/monitor.h"
#include "rules/compile.h"
#include "src/event/sink.h"
#include "src/kernel/confine.h"

struct slate;
struct conntrack;
struct namering;
struct nflog;
struct rings;
struct roster;
struct sockdiag;
struct tally;
struct witness_past;

/* What the parent says by the leash. */
enum watcher_op {
	WATCHER_FINISH, /* what there is, and end */
	WATCHER_OVER,   /* the same, and with it the session */
	WATCHER_EXTEND, /* a ceiling of the session is raised */
};

struct watcher_message {
	uint8_t op;
	uint8_t key;     /* enum session_key */
	uint64_t amount; /* by which it is raised */
};

/* Where records go. */
struct watcher_sink {
	int fd; /* -1: there is none */
	bool all;
	struct sink_style style;
};

/* One that is given besides, and those of [audit]. */
#define WATCHER_SINKS (1 + AUDIT_SINKS_MAX)

struct watcher_config {
	struct compiled compiled;
	struct confine confine;
	const char *session;
	int64_t since;       /* when it began, in microseconds since 1970 */
	const char *earlier; /* the session before; NULL: it isn't known */
	struct watcher_sink sinks[WATCHER_SINKS];
	struct rings *rings;             /* of the crews */
	unsigned n_rings;                /* of each crew the workers', then the keeper's */
	unsigned crew_rings;             /* of one crew */
	unsigned live_ring;              /* the parent's own, of flows that go on */
	const struct witness_past *past; /* see resolver/witness.h */
	const struct namering *names;    /* of leases */
	struct nflog *nflog;             /* opened; NULL: there is none */
	struct conntrack *ends;          /* of flows; the same */
	struct sockdiag *sockdiag;       /* the same */
	struct roster *roster;           /* of control groups */
	int scraped;                     /* listens for Prometheus; -1: there is none */
	struct tally *tally;             /* of what the kernel counts; the same */
	struct slate *slate;             /* of the session; NULL: nobody asks for it */
	struct monitor_past past_session;
	enum session_phase phase; /* that a new one begins with */
	bool ends_here;           /* it ends with the parent */
	bool announce;            /* that the policy is in force */
	int leash; /* the end of a pipe with messages, hung up when it has to end at once */
};

/* The watcher process, from its confinement to its end: when the leash says so, which is 0, or when
 * something is wrong, which has been logged and is 1. Call it in a child of its own. */
int watcher_run(const struct watcher_config *config);

#endif
