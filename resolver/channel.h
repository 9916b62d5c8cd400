/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CHANNEL_H
#define EGRESS_RESOLVER_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * What a worker and the keeper say to each other over a SOCK_SEQPACKET pair. Each message has the
 * size of its struct, nothing else is accepted, and an unknown one ends the process that got it.
 * The keeper believes none of the contents: it looks the name up in the plan itself.
 */

/* Requests a worker may have out at once: what both ends' buffers surely hold, so that the keeper
 * never waits for a worker. */
#define CHANNEL_OUT_MAX 128

/* Addresses of one answer; more are cut off, which leaves the client a usable subset. */
#define CHANNEL_ADDRESSES_MAX 64

enum channel_op {
	CHANNEL_LEASE = 1,  /* worker: open these addresses for this name */
	CHANNEL_LEASED = 2, /* keeper: the kernel acknowledged, or why not */
	CHANNEL_SOCKET = 3, /* worker: a socket to an upstream, please */
	CHANNEL_OPENED = 4, /* keeper: here it is (SCM_RIGHTS), or why not */
};

struct channel_request {
	uint32_t op;     /* CHANNEL_LEASE or CHANNEL_SOCKET */
	uint32_t ticket; /* comes back with the answer */
	union {
		struct {
			uint32_t ttl; /* of the answer, in seconds */
			uint32_t count;
			struct name name;
			struct inaddr addresses[CHANNEL_ADDRESSES_MAX];
		} lease;
		struct {
			uint32_t upstream; /* index into the policy's list */
			uint32_t stream;   /* 0: UDP, connected and bound to a random port; 1: TCP,
					      not yet connected */
		} socket;
	};
};

struct channel_reply {
	uint32_t op; /* CHANNEL_LEASED or CHANNEL_OPENED */
	uint32_t ticket;
	int32_t status;   /* 0 or -errno; -EDQUOT: [budget] destinations is spent */
	uint32_t seconds; /* CHANNEL_LEASED: how long the addresses stay open from now on */
};

/* A worker's end: how many of its requests the keeper hasn't answered yet. */
struct channel {
	int fd;
	unsigned n_out;
};

/* A channel: *ret_keeper_end and *ret_worker_end, neither of which ever blocks. 0 or -errno. */
int channel_make(int *ret_keeper_end, int *ret_worker_end);

/* 0; -EAGAIN when CHANNEL_OUT_MAX requests are out; or -errno. */
int channel_send_request(struct channel *channel, const struct channel_request *request);

/* The next reply and the descriptor that came with it, or -1. 0; -EAGAIN when none waits; -EPIPE
 * when the keeper is gone; -EPROTO for a message of another size. */
int channel_receive_reply(
	struct channel *channel, struct channel_reply *ret_reply, int *ret_passed);

/* The requests that wait, at most `count` of them: how many, 0 for none; -EPIPE when the worker is
 * gone; -EPROTO when a message has another size than a request, or brings a descriptor. */
int channel_receive_requests(int keeper_end, struct channel_request *ret_requests, size_t count);

/* With `passed`, a descriptor that stays the caller's, unless it is negative. 0 or -errno. */
int channel_send_reply(int keeper_end, const struct channel_reply *reply, int passed);

#endif
