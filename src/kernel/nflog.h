/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_NFLOG_H
#define EGRESS_KERNEL_NFLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/kernel/packet.h"

/* Packets that the ruleset logs to a group (linux/netfilter/nfnetlink_log.h). */
struct nflog;

#define NFLOG_PREFIX 128

struct nflog_record {
	char prefix[NFLOG_PREFIX]; /* of the rule */
	struct packet packet;
	bool has_user; /* where the packet came from a process of this machine */
	bool has_group;
	uint32_t user; /* as the socket's user namespace has it */
	uint32_t group;
	uint32_t mark;      /* of the connection; 0: none, or the kernel doesn't tell */
	uint32_t interface; /* that it leaves by, its number; 0: not told */
};

/*
 * Takes the group: packets are kept for this socket from now on, and no other socket gets any.
 * Needs CAP_NET_ADMIN; who reads does not. 0; -EBUSY: another has the group; -EPERM; or another
 * -errno.
 */
int nflog_open(uint16_t group, struct nflog **ret_nflog);
void nflog_close(struct nflog *nflog);

/* To be polled for reading. */
int nflog_fd(const struct nflog *nflog);

typedef void nflog_visit(void *context, const struct nflog_record *record);

/*
 * Visits the packets of the next message from the kernel. 1, 0 when none waits, or -errno.
 * *ret_lost is how many packets are missing since the last one, as far as that can be told.
 */
int nflog_read(struct nflog *nflog, nflog_visit *visit, void *context, uint64_t *ret_lost);

/* The same for a message that is at hand, which may be anybody's bytes; NULL for the socket: then
 * nothing is missed. */
void nflog_take(struct nflog *nflog, const void *bytes, size_t size, nflog_visit *visit,
	void *context, uint64_t *ret_lost);

#endif
