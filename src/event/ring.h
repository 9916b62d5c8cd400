/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_RING_H
#define EGRESS_EVENT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/event/event.h"

/*
 * Rings of records, each from one process that writes to one that reads, in memory that is shared
 * with the processes forked after it was made. Who writes never waits: what a full ring has no room
 * for is counted. Who reads believes nothing that it finds.
 */
struct rings;

/* Bytes of a ring, a power of two, and how many records at least have room in it: many more of them
 * if they are of queries. */
#define RING_BYTES (1 << 20)
#define RING_RECORDS 1900

/* `count` rings, at least one, with a descriptor that becomes readable when a record comes for who
 * sleeps. 0 or -errno. Memory is only taken by what is written. */
int rings_new(unsigned count, struct rings **ret_rings);

/* For this process alone. NULL is allowed. */
void rings_free(struct rings *rings);

/* Takes all rings but one away from this process, which goes on to write to that one. */
void rings_keep(struct rings *rings, unsigned ring);

/* To be polled for reading after rings_sleep(), and kept open by who writes. */
int rings_fd(const struct rings *rings);

/* --- Who writes to a ring --- */

/* Puts a record there; one for which there is no room is counted as lost. */
void ring_put(struct rings *rings, unsigned ring, const struct event *event);

/* The same for several in a row: who reads may sleep on until ring_tell(), which who writes calls
 * before it sleeps itself. */
void ring_add(struct rings *rings, unsigned ring, const struct event *event);
void ring_tell(struct rings *rings, unsigned ring);

/* Whether there is room for any one. */
bool ring_has_room(const struct rings *rings, unsigned ring);

/* --- Who reads --- */

/*
 * Takes the oldest record: 1 with it, 0 when there is none, or -EPROTO: what is there can't be, and
 * all of it has been passed over and counted as lost. The record's bytes are a copy, and anybody's.
 */
int ring_take(struct rings *rings, unsigned ring, struct event *ret_event);

/* How many records were lost since this was last asked, by whoever reads. */
uint64_t ring_lost(struct rings *rings, unsigned ring);

/* Says that who reads is about to sleep until rings_fd() is readable. False: something has come
 * meanwhile, and it must not. */
bool rings_sleep(struct rings *rings);

/* The same of who expects more and has a time at which it will look again: rings_fd() becomes
 * readable before that only if a ring fills. */
bool rings_linger(struct rings *rings);

/* It is awake again. */
void rings_wake(struct rings *rings);

#endif
