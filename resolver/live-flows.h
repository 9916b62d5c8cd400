/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LIVE_FLOWS_H
#define EGRESS_RESOLVER_LIVE_FLOWS_H

#include <stdbool.h>

#include "src/event/event.h"
#include "src/kernel/conntrack.h"

/* Flows that are in the kernel's table: the parent, which may, walks it and tells the watcher,
 * which may not. */

struct rings;

enum live_flows {
	LIVE_FLOWS_LARGE, /* those that have carried much, now and then */
	LIVE_FLOWS_OLDER, /* all that were there before the session began */
	LIVE_FLOWS_LAST,  /* all that are left at the end of records */
	LIVE_FLOWS_KINDS,
};

/* Walks all flows and puts them into a ring, which is the caller's; takes as long as the table is
 * large, and where there are more than a ring holds until the watcher has read them, but then not
 * longer than some 200 ms. 0 or -errno. */
int live_flows_tell(struct rings *rings, unsigned ring, enum live_flows kind);

/* The flow that such a record is of, and what it was told for. False: it isn't one. */
bool live_flows_read(
	const struct event *event, enum live_flows *ret_kind, struct conntrack_flow *ret_flow);

/* What tells a flow from others in records; 0: not known. */
uint64_t live_flows_number(const struct conntrack_flow *flow);

#endif
