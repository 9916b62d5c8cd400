/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_SOCKDIAG_H
#define EGRESS_KERNEL_SOCKDIAG_H

#include <stddef.h>
#include <stdint.h>

#include "src/kernel/packet.h"

/* The sockets of this network namespace, as the kernel tells of them (sock_diag(7)). */
struct sockdiag;

struct sockdiag_owner {
	uint32_t user;   /* as the user namespace of who opened this has it */
	uint64_t cgroup; /* the number of the control group that the socket was made in, never 0 */
};

/* Opens the socket. Neither this nor asking takes a capability. 0 or -errno. */
int sockdiag_open(struct sockdiag **ret_sockdiag);
void sockdiag_close(struct sockdiag *sockdiag);

/* For who has to keep it open; there is nothing to poll for. */
int sockdiag_fd(const struct sockdiag *sockdiag);

/*
 * Whose the socket is that has sent the packet by the interface (its number; 0: by any). Waits for
 * nothing: the kernel answers while it is asked. 0; -ENOENT: there is no such socket, or none any
 * more; -EPROTONOSUPPORT: it is neither TCP nor UDP; -ENODATA: the kernel doesn't know the control
 * group (before Linux 5.9); or another -errno.
 */
int sockdiag_find(struct sockdiag *sockdiag, const struct packet *packet, uint32_t interface,
	struct sockdiag_owner *ret_owner);

/* Reads an answer that is at hand, which may be anybody's bytes, to the question of that number
 * about that packet. As sockdiag_find(); -EAGAIN: it is the answer to something else; -EPROTO: it
 * is none. */
int sockdiag_take(const void *bytes, size_t size, uint32_t sequence, const struct packet *packet,
	struct sockdiag_owner *ret_owner);

#endif
