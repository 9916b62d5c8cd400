/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_EVENT_SESSIONING_H
#define EGRESS_TESTS_EVENT_SESSIONING_H

#include "src/event/session.h"

/* Sessions for tests, and what happens in them. */

#define T0 INT64_C(1763730302000000)
#define SECOND INT64_C(1000000)

/* The alerts of the session that was made last. */
#define SESSIONING_TOLD 256
extern struct alert told[SESSIONING_TOLD];
extern unsigned n_told;

unsigned count_told(enum alert_rule rule);
const struct alert *find_told(enum alert_rule rule);
struct session *make(struct session_ceilings ceilings);
void begin(struct event *event, enum event_kind kind, int64_t time, const char *name);
void set_address(struct event *event, const char *address, uint16_t port);
void take(struct session *session, const struct event *event, const char *category);
void lease(struct session *session, const char *name, const char *category);
void lease_number(struct session *session, unsigned number, const char *category);
void flow(struct session *session, const char *address, uint64_t id, uint64_t out, uint64_t in,
	bool live);
void refuse(struct session *session, int64_t time, unsigned host);
struct session_figures figures_of(const struct session *session);

#endif
