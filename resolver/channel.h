/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CHANNEL_H
#define EGRESS_RESOLVER_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * What a worker and the keeper say to each other over a SOCK_SEQPACKET pair. A message holds as
 * many requests, or replies, as there are at a time: one by one they would cost more than the
 * leases themselves. One that is not made up of whole ones is not accepted, and an unknown one ends
 * the process that got it. The keeper believes none of the contents: it looks the name up in the
 * plan itself.
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
	CHANNEL_FORGET = 5, /* keeper, unasked: what is remembered of earlier answers is void */
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
					      connecting */
		} socket;
	};
};

struct channel_reply {
	uint32_t op;      /* CHANNEL_LEASED, CHANNEL_OPENED or CHANNEL_FORGET */
	uint32_t ticket;  /* CHANNEL_FORGET: 0 */
	int32_t status;   /* 0 or -errno; -EDQUOT: [budget] destinations is spent; -EDOM: so is
			     unknown_share; -ENOSPC, -ENFILE: there is no room for any of the
			     addresses */
	uint32_t seconds; /* CHANNEL_LEASED: how long the addresses stay open from now on */
	uint64_t opened;  /* CHANNEL_LEASED: those of the request's addresses that are open, bit
			     1 << index; where there was no room for all of them, some */
};

/*
 * What the parent asks of the keeper, over a channel of its own of the same kind (crew_control()):
 * what is leased, and to take it back. Each request is answered by one reply with its ticket, in
 * their order; CONTROL_OUT_MAX may be out at once. Nothing of it changes what the policy permits: a
 * name that is asked for again is opened again.
 */
#define CONTROL_OUT_MAX 8

enum control_op {
	CONTROL_LIST = 101,   /* the leases, a page at a time */
	CONTROL_REVOKE = 102, /* closes those of an address or a name */
	CONTROL_FLUSH = 103,  /* closes all */
	/* What the running session has spent of what the kernel counts; and: it ends, and the next
	 * one begins; or one of its ceilings is raised. */
	CONTROL_SESSION = 104,
	CONTROL_SESSION_NEW = 105,
	CONTROL_SESSION_EXTEND = 106,
	CONTROL_FORGET = 107, /* as CONTROL_SESSION, and the workers forget their answers */
};

/* What a session spends and the kernel counts. */
enum spent_key { SPENT_DESTINATIONS, SPENT_CONNECTIONS, SPENT_BYTES, SPENT_KEYS };

enum control_by {
	CONTROL_BY_ADDRESS = 1,
	CONTROL_BY_NAME = 2, /* those that it opened, or was the last to ask for */
};

struct control_request {
	uint32_t op;
	uint32_t ticket;
	uint32_t by;     /* CONTROL_REVOKE: enum control_by; else 0 */
	uint32_t flows;  /* CONTROL_LIST: 1 to look which have live connections, which costs a walk
			    of conntrack's table; else 0 */
	uint64_t cursor; /* CONTROL_LIST: 0 for the first page, then the reply's; else 0 */
	uint64_t amount; /* CONTROL_SESSION_EXTEND: by which; else 0 */
	uint32_t key;    /* CONTROL_SESSION_EXTEND: enum spent_key; else 0 */
	struct inaddr address; /* CONTROL_BY_ADDRESS */
	struct name name;      /* CONTROL_BY_NAME */
};

#define CONTROL_LEASES 16

/* No rule of the policy in force has the mark: connections do not pass by this lease. */
#define CONTROL_NO_RULE UINT32_MAX

struct control_lease {
	struct inaddr address;
	uint32_t mark;    /* of its connections */
	uint32_t rule;    /* index into the plan's rules, or CONTROL_NO_RULE */
	uint32_t seconds; /* left, rounded down */
	uint16_t group;   /* index into the plan's port groups */
	uint8_t flagged;  /* 1: its connections are reported */
	uint8_t flows;    /* 1: it had live connections when that was last looked for */
	struct name name; /* length 0: not known, as of leases of a keeper before */
};

struct control_spent {
	uint64_t used;
	uint64_t of;       /* the ceiling, with what it was raised by; 0: none */
	uint64_t extended; /* that */
};

struct control_session {
	int64_t began;    /* seconds since 1970; 0: not known */
	uint32_t unknown; /* of the destinations, as far as the keeper knows them: without a
			     category */
	struct control_spent spent[SPENT_KEYS];
	struct control_spent limit_bytes; /* [limits] bytes, which is not extended */
};

/*
 * A page of CONTROL_LIST may hold no lease and not be the last one. The plan is the one of the
 * crew; leases that come and go while pages are read may be missed or listed. -ESTALE: the record
 * was rearranged, begin anew. -EOPNOTSUPP: this system does not tell connections (`flows`).
 * CONTROL_REVOKE and CONTROL_FLUSH answer when the kernel has acknowledged: then the addresses are
 * closed to new connections, the workers have been told to forget their answers, and `total` is how
 * many leases there were. Connections that are established go on after CONTROL_FLUSH;
 * CONTROL_REVOKE has ended those to the addresses it closed, unless something else permits them.
 * -errno: some may have been closed. CONTROL_SESSION_NEW closes leases as CONTROL_FLUSH does, so
 * that whatever is open is counted. CONTROL_SESSION_EXTEND: -ENODATA where the policy has no such
 * ceiling, -ERANGE for more than there can be, -EOPNOTSUPP where the kernel cannot do it; then, as
 * after any -errno, nothing has changed. All three answer with the session as it is then.
 */
struct control_reply {
	uint32_t op; /* the request's */
	uint32_t ticket;
	int32_t status;       /* 0 or -errno */
	uint32_t count;       /* CONTROL_LIST: of `leases` */
	uint64_t cursor;      /* CONTROL_LIST: for the next page; 0: this was the last */
	uint64_t total;       /* CONTROL_LIST, first page: leases on record; else those closed */
	uint64_t flows;       /* CONTROL_REVOKE: connections that were ended */
	int32_t flows_status; /* CONTROL_REVOKE: 0, or why connections go on: -errno */
	struct control_session session;
	struct control_lease leases[CONTROL_LEASES];
};

/* The parent's end. 0; -EAGAIN when the keeper is behind; or -errno. */
int control_send_request(int parent_end, const struct control_request *request);

/* 0; -EAGAIN when none waits; -EPIPE when the keeper is gone; -EPROTO for a message of another
 * size. */
int control_receive_reply(int parent_end, struct control_reply *ret_reply);

/* The keeper's end: the same for the next request, and the reply to it. */
int control_receive_request(int keeper_end, struct control_request *ret_request);
int control_send_reply(int keeper_end, const struct control_reply *reply);

/* Of a message. */
#define CHANNEL_BYTES 8192

/* A worker's end. All zero but for `fd` at the start. */
struct channel {
	int fd;
	unsigned n_out;     /* requests that the keeper hasn't answered yet */
	size_t n_bytes;     /* of the message that is not sent yet */
	unsigned n_replies; /* of the message that was received last */
	unsigned n_taken;   /* of these */
	uint8_t bytes[CHANNEL_BYTES];
	struct channel_reply replies[CHANNEL_OUT_MAX];
};

/* A channel: *ret_keeper_end and *ret_worker_end, neither of which ever blocks. 0 or -errno. */
int channel_make(int *ret_keeper_end, int *ret_worker_end);

/* Puts the request behind those that wait for channel_flush(). 0; -EAGAIN when CHANNEL_OUT_MAX
 * requests are out; or -errno. */
int channel_send_request(struct channel *channel, const struct channel_request *request);

/* Sends what waits, to be called before each wait for replies. 0, also when it has to wait for
 * longer because the keeper is behind; or -errno. */
int channel_flush(struct channel *channel);

/* The next reply, CHANNEL_FORGET included, and the descriptor that came with it, or -1. 0; -EAGAIN
 * when none waits; -EPIPE when the keeper is gone; -EPROTO for a message of another size. When this
 * process may have no more descriptors the reply's status is -EMFILE. */
int channel_receive_reply(
	struct channel *channel, struct channel_reply *ret_reply, int *ret_passed);

/* How many replies were received with others and not taken yet: `fd` does not tell of them. */
unsigned channel_untaken(const struct channel *channel);

/* The requests of the next message, CHANNEL_OUT_MAX at most: how many, 0 when none waits; -EPIPE
 * when the worker is gone; -EPROTO when they are malformed, or bring a descriptor. Of a lease's
 * addresses only as many as it has are set. */
int channel_receive_requests(int keeper_end, struct channel_request *ret_requests);

/* All of them at once, CHANNEL_OUT_MAX at most, which fit as long as the worker has no more out. 0
 * or -errno: then none was sent. */
int channel_send_replies(int keeper_end, const struct channel_reply *replies, size_t count);

/* With `passed`, a descriptor that stays the caller's, unless it is negative. 0 or -errno. */
int channel_send_reply(int keeper_end, const struct channel_reply *reply, int passed);

#endif
