/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/owners.h"

#include <errno.h>
#include <stdlib.h>

#include "resolver/bucket.h"
#include "resolver/roster.h"
#include "resolver/tally.h"
#include "src/kernel/sockdiag.h"

/*
 * Theory of operation
 *
 * The kernel reports a packet with the user and the group of its process, and no more. What else
 * there is to know is asked afterwards, of its table of sockets: that has the control group, and
 * nothing of processes. A connection of TCP that was refused is over before anybody can ask; what
 * was permitted, and what sends datagrams, is there still.
 *
 * Nothing is said of a packet that came from elsewhere: a socket of this machine that has the same
 * port is not where it came from. Those that this machine has sent have a user, and what is found
 * must have the same one: so a port that somebody else has taken meanwhile is not confused with it.
 *
 * A question takes some microseconds and waits for nothing. As many are asked in a second as
 * OWNERS_RATE says; records come without an answer then, and are counted, as those that nothing is
 * found for are.
 *
 * The kernel knows control groups by numbers. Paths are the parent's to look for (roster.c), about
 * once in a second; the first record of a group waits for that, and a few more do.
 */

enum { POLL_MS = 100 };

struct kept {
	struct event event;
	struct mono until;
};

struct owners {
	struct sockdiag *sockdiag;
	struct roster *roster;
	struct tally *tally;
	struct bucket questions;
	char path[CGROUPS_PATH];
	unsigned first; /* of those kept */
	unsigned n_kept;
	struct kept kept[OWNERS_KEPT];
};

int owners_new(struct sockdiag *sockdiag, struct roster *roster, struct tally *tally,
	struct owners **ret_owners)
{
	struct owners *owners = calloc(1, sizeof(*owners));

	if (!owners)
		return -ENOMEM;
	owners->sockdiag = sockdiag;
	owners->roster = roster;
	owners->tally = tally;
	bucket_init(&owners->questions, (struct rate){OWNERS_RATE, 1});
	*ret_owners = owners;
	return 0;
}

void owners_free(struct owners *owners)
{
	free(owners);
}

static void count(struct owners *owners, enum tally_seen what)
{
	if (owners->tally)
		tally_add(owners->tally, what, 1);
}

void owners_add(struct owners *owners, const struct nflog_record *record, struct event *event,
	struct mono now)
{
	struct sockdiag_owner owner;
	int error;

	if (!owners->sockdiag || !record->has_user)
		return;
	if (!bucket_take(&owners->questions, now)) {
		count(owners, TALLY_SOCKETS_LIMITED);
		return;
	}
	error = sockdiag_find(owners->sockdiag, &record->packet, record->interface, &owner);
	if (error == -EPROTONOSUPPORT)
		return;
	if (error || owner.user != record->user || owner.cgroup >= EVENT_CGROUPS) {
		count(owners, TALLY_SOCKETS_GONE);
		return;
	}
	count(owners, TALLY_SOCKETS_FOUND);
	event->has |= EVENT_HAS_CGROUP;
	event->cgroup = owner.cgroup;
}

static enum roster_state look(struct owners *owners, const struct event *event)
{
	if (!(event->has & EVENT_HAS_CGROUP))
		return ROSTER_NONE;
	return roster_get(owners->roster, event->cgroup, owners->path);
}

const char *owners_path(struct owners *owners, const struct event *event)
{
	return look(owners, event) == ROSTER_KNOWN ? owners->path : NULL;
}

bool owners_keep(struct owners *owners, const struct event *event, struct mono now)
{
	struct kept *kept;

	if (owners->n_kept == OWNERS_KEPT || look(owners, event) != ROSTER_AWAITED)
		return false;
	kept = &owners->kept[(owners->first + owners->n_kept++) % OWNERS_KEPT];
	kept->event = *event;
	kept->until = mono_add(now, (struct duration){OWNERS_KEPT_MS});
	return true;
}

bool owners_release(struct owners *owners, bool all, struct mono now, struct event *ret_event)
{
	const struct kept *kept = &owners->kept[owners->first];

	if (owners->n_kept == 0 || (!all && mono_before(now, kept->until) &&
					   look(owners, &kept->event) == ROSTER_AWAITED))
		return false;
	*ret_event = kept->event;
	owners->first = (owners->first + 1) % OWNERS_KEPT;
	owners->n_kept--;
	return true;
}

int owners_wait(const struct owners *owners)
{
	return owners->n_kept > 0 ? POLL_MS : -1;
}
