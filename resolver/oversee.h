/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_OVERSEE_H
#define EGRESS_RESOLVER_OVERSEE_H

#include "resolver/sets.h"
#include "src/base/clock.h"

/* The keeper's side of what the parent asks about leases (struct control_request). */

/*
 * Serves the next request that waits in the channel; the reply is the caller's to send, after it
 * has seen to sets_take_forget(). 0; -EAGAIN when none waits; -EPIPE when the parent has closed its
 * end; -EPROTO for what no parent of ours sends.
 */
int oversee(struct sets *sets, int keeper_end, struct mono now, struct control_reply *ret_reply);

#endif
