/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CREW_H
#define EGRESS_RESOLVER_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolver/counters.h"
#include "resolver/engine.h"
#include "resolver/guard.h"
#include "resolver/listen.h"
#include "rules/compile.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/log.h"

/* The processes that serve one policy: a keeper and its workers. They start together and end
 * together. */
struct crew;

struct anchors;
struct namering;
struct rings;
struct tls_trust;

#define CREW_WORKERS_MAX 64

struct crew_config {
	struct compiled compiled;
	struct guard *guard;              /* made before, so that it is shared */
	const struct anchors *anchors;    /* see resolver/anchor.h; NULL: none are needed */
	size_t cache_bytes;               /* of each worker; 0: as many as is usual */
	struct hash_key cookie_key;       /* of DNS cookies */
	struct tls_trust *trust;          /* see resolver/tls.h */
	struct hash_key destinations_key; /* see struct sets_config */
	struct namering *names;           /* the same; made before, so that it is shared */
	const struct listeners *listeners;
	enum engine_recording recording;
	struct rings *rings; /* for records, shared with who reads them; NULL: there are none */
	unsigned first_ring; /* of its workers', behind which comes the keeper's */
	unsigned workers;
	uid_t uid;
	gid_t gid;
	uint32_t mark; /* of the sockets to upstream servers; not 0 */
	int porter;    /* where these come from instead (src/kernel/porter.h); 0: there is none */
	bool alone;    /* no other crew is still at work on the same table */
	const char *program;
	enum log_level log_level;
};

enum crew_state {
	CREW_STARTING,
	CREW_UP,     /* queries are answered */
	CREW_FAILED, /* one of its processes has ended: crew_kill() it */
};

/* Forks the keeper; the workers follow as soon as it is ready. What `config` refers to must stay
 * until the crew is up. 0 or -errno. */
int crew_start(const struct crew_config *config, struct mono now, struct crew **ret_crew);

/* Frees it; its processes must have ended. NULL is allowed. */
void crew_free(struct crew *crew);

/* Of its configuration. */
unsigned crew_first_ring(const struct crew *crew);

/* To be polled for reading while it starts, and crew_advance() called then; -1 afterwards. */
int crew_fd(const struct crew *crew);
void crew_advance(struct crew *crew);

/* The parent's end of the channel that the keeper answers struct control_request in. It never
 * blocks; what is sent before the keeper is ready waits. */
int crew_control(const struct crew *crew);

enum crew_state crew_state(const struct crew *crew);

/* Adds what its workers have counted so far. */
void crew_count(const struct crew *crew, struct counter_sums *sums);

/* Processor time that its processes have used, in milliseconds, but those that have ended. */
uint64_t crew_cpu_ms(const struct crew *crew);

/* When it was started. */
struct mono crew_since(const struct crew *crew);

/* If the process that ended was one of its own: takes note, logs it unless it was asked for, and
 * answers true. */
bool crew_reap(struct crew *crew, pid_t pid, int status);

/* Asks it to finish what it has begun, and to end. */
void crew_dismiss(struct crew *crew);

/* Ends it at once. */
void crew_kill(struct crew *crew);

/* Whether all its processes have ended. */
bool crew_is_gone(const struct crew *crew);

#endif
