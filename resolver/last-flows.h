/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LAST_FLOWS_H
#define EGRESS_RESOLVER_LAST_FLOWS_H

#include "resolver/watcher.h"

/* Records the flows that conntrack still has at the end of a session, for which the watcher would
 * learn too late what they carried: for who has CAP_NET_ADMIN. Of the configuration the policy, the
 * session, the sinks and the names count. Takes a fraction of a second at most for sinks that take
 * nothing. 0 or -errno: then some may be missing. */
int last_flows_record(const struct watcher_config *config);

#endif
