/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_OWNERS_H
#define EGRESS_RESOLVER_OWNERS_H

#include <stdbool.h>

#include "src/base/clock.h"
#include "src/event/event.h"
#include "src/kernel/nflog.h"

/* Whose the packets are that the ruleset reports: control groups, as the kernel's table of sockets
 * has them. */
struct owners;

struct roster;
struct sockdiag;
struct tally;

/* Questions to the kernel in a second, records that are kept back, and for how long at most. */
#define OWNERS_RATE 1000
#define OWNERS_KEPT 64
#define OWNERS_KEPT_MS 2500

/* What is given must stay; no sockdiag: nothing is known of any; no tally: nothing is counted. 0 or
 * -ENOMEM. */
int owners_new(struct sockdiag *sockdiag, struct roster *roster, struct tally *tally,
	struct owners **ret_owners);
void owners_free(struct owners *owners);

/* Adds to the record of a packet the number of the control group that it came from, if that can be
 * told; what can't is counted. */
void owners_add(struct owners *owners, const struct nflog_record *record, struct event *event,
	struct mono now);

/* The path of the record's control group, as long as nothing else is asked for; NULL: not known. */
const char *owners_path(struct owners *owners, const struct event *event);

/* Takes a copy of the record if its path is asked for and not known yet. False: it is to be written
 * now, since it needs no path, or there is no room. */
bool owners_keep(struct owners *owners, const struct event *event, struct mono now);

/* The next of the records that were kept, in their order, whose path is known or which has waited
 * long enough; with `all` any. False: there is none. */
bool owners_release(struct owners *owners, bool all, struct mono now, struct event *ret_event);

/* How long, in milliseconds, there is nothing to release; -1: for ever. */
int owners_wait(const struct owners *owners);

#endif
