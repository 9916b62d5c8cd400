/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_PAYLOAD_H
#define EGRESS_EVENT_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "src/event/event.h"

/*
 * How much a destination, or a session, was sent and has sent, and in what form; of flows, never of
 * what is in them. payload.c has how it is counted.
 */

/* Mean sizes of the packets that a flow has sent: up to 64 bytes, 128, 256, 512, 1024, more. */
#define PAYLOAD_SIZES 6

struct payload {
	uint64_t out; /* bytes, without headers, as estimated */
	uint64_t in;
	uint64_t longest;              /* what one flow has sent */
	uint32_t flows;                /* that have ended */
	uint32_t sizes[PAYLOAD_SIZES]; /* of them */
};

/* What a flow has carried, or a part of that. */
struct payload_part {
	int64_t from, until; /* microseconds since 1970 */
	uint64_t out, in;
	uint64_t longest; /* what the flow has sent since it began */
	unsigned size;    /* of `sizes` */
	bool over;        /* the flow has ended */
};

/* Of a flow's record that has bytes: all so far. */
struct payload_part payload_of(const struct event *event);

void payload_add(struct payload *payload, const struct payload_part *part);

/* Bytes out for one in; what came in counts as 1 at least. */
double payload_ratio(const struct payload *payload);

/* What was sent lately: enough of the past that flows which are told of minutes after they ended
 * find their place. */
#define BURST_SLOTS 36
#define BURST_SLOT_S 10
#define BURST_WINDOW 6 /* slots: a minute */

struct burst {
	int64_t last;                /* slot, in BURST_SLOT_S since 1970 */
	uint64_t slots[BURST_SLOTS]; /* by their number modulo that */
};

/* Adds what was sent, evenly over its time; the most that was sent in any BURST_WINDOW slots that
 * have some of it. What is too old for the slots is left out. */
uint64_t burst_add(struct burst *burst, const struct payload_part *part);

#endif
