/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_VETH_H
#define EGRESS_RUN_VETH_H

#include <stdbool.h>
#include <sys/types.h>

#include "rules/plan.h"
#include "src/base/inaddr.h"

/* The way out of a network namespace for root: a pair of virtual interfaces (veth(4)), and the
 * host's own forwarding with masquerade. */

/* Of one family. */
struct veth_family {
	bool used;
	struct prefix host; /* of the host's end: the gateway inside */
	struct prefix inner;
	bool has_source;
	struct inaddr source; /* the host's own, which senders inside get */
};

struct veth {
	char name[16];  /* of the host's end */
	char table[24]; /* of the ruleset, on the host */
	unsigned mtu;
	struct veth_family families[PLAN_FAMILIES];
	struct ruleset_held *ruleset; /* NULL: the host has none of it yet */
};

/* The name inside. */
#define VETH_INNER "eth0"

/* What one can't be made for. */
struct veth_reason {
	char text[512];
};

/*
 * Chooses names and addresses that nobody has and the plan does not permit. 0; or -errno with the
 * reason, when this process may not make one or the host does not forward; unless `insists` also
 * when something there may stand in the way.
 */
int veth_choose(
	const struct plan *plan, bool insists, struct veth *ret_veth, struct veth_reason *ret_why);

/* On the host: makes it, for the network namespace of process `pid`. 0, or -errno with the reason
 * and nothing left. */
int veth_make(struct veth *veth, pid_t pid, struct veth_reason *ret_why);

/* Ends it on the host, if there is one: nothing is forwarded any more. The interfaces go with the
 * network namespace. */
void veth_end(struct veth *veth);

/* In the network namespace: gives the other end its addresses and routes. 0 or -errno. */
int veth_enter(const struct veth *veth);

/* In the network namespace: there is no way out by it any more. */
void veth_cut(const struct veth *veth);

#endif
