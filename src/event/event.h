/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_EVENT_H
#define EGRESS_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * What happened, as a record of fixed size that processes hand on to each other; egress-events(5)
 * has the meaning of its parts. Who gets one from a process that speaks with strangers asks
 * event_is_sound() first.
 */

enum event_kind {
	EVENT_QUERY = 1,  /* a name was asked for */
	EVENT_LEASE,      /* an address was opened */
	EVENT_CONNECTION, /* the first packet of one */
	EVENT_FLOW,       /* what one has carried */
	EVENT_POLICY,     /* a policy is in force */
	EVENT_LOST,       /* records are missing */
	EVENT_KINDS,
};

/* In the order of strictness, as the policy's own verdicts are. */
enum event_verdict {
	EVENT_PERMIT,
	EVENT_FLAG,
	EVENT_OBSERVE,
	EVENT_REFUSE,
	EVENT_VERDICTS,
};

/* What records were lost of. */
enum event_loss {
	EVENT_LOST_QUERIES,
	EVENT_LOST_LEASES,
	EVENT_LOST_CONNECTIONS,
	EVENT_LOST_FLOWS,
	EVENT_LOSSES,
};

/* Which of the parts have a value that can't be told otherwise. */
enum event_part {
	EVENT_HAS_VERDICT = 1 << 0,
	EVENT_HAS_ADDRESS = 1 << 1,
	EVENT_HAS_PROTOCOL = 1 << 2,
	EVENT_HAS_PORT = 1 << 3,
	EVENT_HAS_SOURCE = 1 << 4,
	EVENT_HAS_SOURCE_PORT = 1 << 5,
	EVENT_HAS_USER = 1 << 6,
	EVENT_HAS_GROUP = 1 << 7,
	EVENT_HAS_BYTES = 1 << 8,
	EVENT_HAS_DURATION = 1 << 9,
	EVENT_IS_LIVE = 1 << 10,
	EVENT_HAS_CGROUP = 1 << 11,
	EVENT_PARTS = (1 << 12) - 1,
};

/* Room for texts, with their NUL. Rule ids are cut to that in the ruleset's log prefixes, too. */
#define EVENT_RULE 81
#define EVENT_PORTS 24

#define EVENT_NO_NUMBER (-1)

/* Numbers of control groups that records have: those that every reader of JSON keeps whole. */
#define EVENT_CGROUPS (UINT64_C(1) << 53)

struct event {
	int64_t time;     /* microseconds since 1970 */
	uint8_t kind;     /* enum event_kind */
	uint8_t verdict;  /* enum event_verdict */
	uint8_t protocol; /* IPPROTO_* */
	uint8_t loss;     /* enum event_loss */
	uint16_t has;     /* enum event_part, or'ed */
	uint16_t type;    /* of a query */
	int16_t rcode;    /* of its answer, or EVENT_NO_NUMBER, as the next */
	int16_t ede;
	uint16_t port;
	uint16_t source_port;
	char rule[EVENT_RULE];
	struct name name; /* length 0: none. Most of it is mostly unused */
	/* All zero of a query: EVENT_REST bytes. */
	uint32_t user;
	uint32_t group;
	uint32_t ttl;   /* seconds */
	uint32_t lease; /* seconds */
	struct inaddr address;
	struct inaddr source;
	uint64_t bytes_out;
	uint64_t packets_out;
	uint64_t bytes_in;
	uint64_t packets_in;
	uint64_t duration; /* microseconds */
	uint64_t count;    /* of what was lost */
	uint64_t cgroup;   /* the number of the control group of the socket, below EVENT_CGROUPS */
	uint64_t flow;     /* tells it from others to the same place; 0: not known. Not written */
	char ports[EVENT_PORTS];
};

#define EVENT_REST (sizeof(struct event) - offsetof(struct event, user))

/* Makes it one of now that has nothing but its kind; what no name uses of it stays as it was. */
void event_begin(struct event *event, enum event_kind kind);

/* The same at that time, for who knows it. */
void event_begin_at(struct event *event, enum event_kind kind, int64_t time);

/* Makes it a query at that time. What queries have nothing of stays as it was: for who hands it on
 * by a ring, which leaves that behind. */
void event_begin_query(struct event *event, int64_t time);

/* Has nothing in it of what a query hasn't. */
void event_clear_rest(struct event *event);

/* Microseconds since 1970. */
int64_t event_time(void);

/* Copies as much of a text as has room. NULL is "". */
void event_set_rule(struct event *event, const char *rule);
void event_set_ports(struct event *event, const char *ports);

/* Only as much of the name as it has. */
void event_set_name(struct event *event, const struct name *name);

/* Whether a record that may be anybody's bytes, of `size` bytes, is one of the kind, and all that
 * is said of its parts holds. */
bool event_is_sound(const struct event *event, enum event_kind kind);

/* What a kind's records are counted as when they are lost; EVENT_LOSSES for those that aren't. */
enum event_loss event_loss_of(enum event_kind kind);

#endif
