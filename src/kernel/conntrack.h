/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_CONNTRACK_H
#define EGRESS_KERNEL_CONNTRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"

/* The flows of this network namespace, as conntrack has them (linux/netfilter/
 * nfnetlink_conntrack.h), of both families. */
struct conntrack;

struct nlattr;

struct conntrack_flow {
	struct inaddr to; /* where its packets go, after any translation of the destination */
	uint16_t port;    /* there; 0 where the protocol has none */
	uint8_t protocol; /* IPPROTO_* */
	uint32_t mark;
	uint32_t id;   /* the kernel's, as long as there is the flow; 0: not known */
	bool begins;   /* told when it began */
	bool answered; /* something came back */
	bool over;     /* a TCP connection that was reset, or that both sides have ended */
	/* What it has carried, where the namespace counts it (conntrack_count_bytes()): packets of
	 * whoever began it are out, with their IP headers. */
	bool has_bytes;
	uint64_t bytes_out, packets_out, bytes_in, packets_in;
	/* Nanoseconds since 1970, where the namespace has such; 0: not known, or not over. */
	uint64_t started, stopped;
	/* What the kernel knows it by, for conntrack_unmark(); as long as it is being visited. */
	const struct nlattr *tuple;
	const struct nlattr *zone; /* NULL: the usual one */
};

/* Opens the socket. The caller, and later whoever walks, needs CAP_NET_ADMIN. 0 or -errno. */
int conntrack_open(struct conntrack **ret_conntrack);
void conntrack_close(struct conntrack *conntrack);

/* The same to be told of flows that begin and end, from now on, by conntrack_read_ends(), for which
 * it takes no capability. */
int conntrack_open_ends(struct conntrack **ret_conntrack);

/* Has the namespace count what flows carry, and when they began, from now on. 0, or -errno where
 * that is not possible; then the bytes of flows are not known, or only their times. */
int conntrack_count_bytes(void);

/* To be polled for reading. */
int conntrack_fd(const struct conntrack *conntrack);

/* Called for each flow. A return value other than 0 ends the walk and is passed on. */
typedef int conntrack_visit(void *context, const struct conntrack_flow *flow);

/*
 * Walks the flows whose mark, as far as `mask` goes, is `mark`; the kernel passes over the others.
 * Flows that come and go meanwhile may be missed, or come twice. 0, the visitor's value, or -errno:
 * -EOPNOTSUPP, -EINVAL or -ENOENT where the kernel doesn't tell flows. Takes as long as the table
 * is large, whatever is found.
 */
int conntrack_walk(struct conntrack *conntrack, uint32_t mark, uint32_t mask,
	conntrack_visit *visit, void *context);

/* Visits the flows of the next message from the kernel that begin, with their first packet, or have
 * ended, whatever their mark is. 1; 0 when none waits; -ENOBUFS: some are missing; or another
 * -errno. */
int conntrack_read_ends(struct conntrack *conntrack, conntrack_visit *visit, void *context);

/* The same for a message that is at hand, which may be anybody's bytes. */
void conntrack_take_ends(const void *bytes, size_t size, conntrack_visit *visit, void *context);

/*
 * Takes the mark off a flow that a walk over another socket has come to: the ruleset judges its
 * next packet anew. To delete the flow would be less, since the kernel takes one up again in the
 * middle (net.netfilter.nf_conntrack_tcp_loose), be it by a packet of the other side's: then it
 * would pass as an answer to that. 0, also when it is gone; or -errno.
 */
int conntrack_unmark(struct conntrack *conntrack, const struct conntrack_flow *flow);

#endif
