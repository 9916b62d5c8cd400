/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_BARRIER_H
#define EGRESS_RUN_BARRIER_H

#include <stdbool.h>

#include "rules/plan.h"
#include "src/base/clock.h"

/* What is tried in a network namespace before anything runs in it. */

/* An address of the family that the plan refuses on `port` of UDP, as a rule one that is nobody's.
 * False: there is none, as in a policy that only observes. */
bool barrier_pick(const struct plan *plan, enum plan_family family, uint16_t port,
	struct inaddr *ret_address);

/* The port that is tried: discard. */
#define BARRIER_PORT 9

/*
 * Sends to what the plan refuses. 0 when the ruleset refuses that; -ENOTCONN when it does not,
 * which *ret_address then was; or another -errno. A family that has no route is as good.
 */
int barrier_try_refused(const struct plan *plan, struct inaddr *ret_address);

/* Asks a DNS server, once, and waits `patience_ms` for the answer. 0; -ETIMEDOUT; or -errno. */
int barrier_ask(const struct endpoint *server, int patience_ms);

#endif
