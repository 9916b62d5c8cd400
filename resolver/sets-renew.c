/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "src/base/log.h"

/*
 * Theory of operation
 *
 * An application that keeps the address of a name connects to it again long after the answer's TTL.
 * So a lease lives on while a flow to it lives: each that ends soon is given the shortest lease's
 * time from now on, if conntrack has a flow to its address, on a port of its group, with its mark,
 * that was answered and isn't over. It ends when its rule expires, whatever flows there are, and
 * one whose mark isn't in force any more isn't renewed. There is no other bound: who keeps a
 * connection open keeps its address open, which the policy permits.
 *
 * Flows are only looked at when a lease is about to end, and a few times in the shortest lease's
 * time at most, every few seconds usually. The kernel passes over the flows of other marks; with
 * more than MARKS_MAX marks among the leases that end soon it tells all flows, once. What a walk
 * takes grows with conntrack's table, which is one for all network namespaces (some milliseconds
 * when it is empty), and leases wait for it: after a walk there is none for four times as long, and
 * leases are looked at the earlier the longer walks take.
 */

enum {
	EVERY_MAX_MS = 5000,
	EVERY_MIN_MS = 100,
	PASSES = 4,     /* in the time of the shortest lease */
	WALK_PAUSE = 4, /* after a walk, in times of what it took */
	MARKS_MAX = 4,
	FLOWS_MAX_AGE_MS = 1000, /* of what is shown */
};

/* What is looked for in a walk of flows. */
struct search {
	struct sets *sets;
	struct mono now;
	struct mono before; /* leases that end before are renewed; 0: none */
	int error;
};

/* Marks of leases that end soon. */
struct ending {
	uint32_t marks[MARKS_MAX];
	unsigned n_marks; /* MARKS_MAX + 1: more */
};

static struct duration shortest_lease(const struct sets *sets)
{
	const struct dns_policy *dns = &sets->plan->policy->dns;

	return (struct duration){dns->min_lease.ms + dns->grace.ms};
}

/* From one look to the next. */
static struct duration interval(const struct sets *sets)
{
	int64_t ms = shortest_lease(sets).ms / PASSES;

	if (ms > EVERY_MAX_MS)
		ms = EVERY_MAX_MS;
	if (ms < EVERY_MIN_MS)
		ms = EVERY_MIN_MS;
	if (ms < WALK_PAUSE * sets->walk.ms)
		ms = WALK_PAUSE * sets->walk.ms;
	return (struct duration){ms};
}

/* What ends within that time won't be looked at again before. */
static struct duration window(const struct sets *sets)
{
	return (struct duration){2 * interval(sets).ms};
}

/* --- Flows --- */

static bool find_protocol(uint8_t number, enum protocol *ret_protocol)
{
	switch (number) {
	case IPPROTO_TCP:
		*ret_protocol = PROTOCOL_TCP;
		return true;
	case IPPROTO_UDP:
		*ret_protocol = PROTOCOL_UDP;
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		*ret_protocol = PROTOCOL_ICMP_ECHO;
		return true;
	default:
		return false;
	}
}

/* The lease that a flow passes by, or NULL. */
static struct lease *find_lease(
	struct sets *sets, const struct conntrack_flow *flow, struct mono now)
{
	unsigned family = inaddr_is_ip4(&flow->to) ? PLAN_IP4 : PLAN_IP6, group;
	enum protocol protocol;
	struct lease *lease;
	uint16_t map;

	if (!flow->answered || flow->over || !find_protocol(flow->protocol, &protocol) ||
		!plan_find_group(sets->plan, protocol, flow->port, &group))
		return NULL;
	map = sets_map_number(group, family);
	lease = leases_find(sets->leases, sets_hash(sets, map, &flow->to), map, &flow->to, now);
	return lease && lease->mark == flow->mark ? lease : NULL;
}

/* The lease's name is the oldest there is, maybe, and would soon give way. */
static void keep_name(struct sets *sets, struct lease *lease)
{
	struct name name;

	if (namering_get(sets->names, lease->name, &name))
		lease->name = namering_put(sets->names, &name);
}

static void renew(struct search *search, struct lease *lease)
{
	struct sets *sets = search->sets;
	const struct sets_force *force = sets_find_force(sets, lease->mark);
	struct mono until = mono_add(search->now, shortest_lease(sets)), most;

	if (!force || search->error)
		return;
	most = sets_force_ends(sets, force, search->now);
	if (mono_before(most, until))
		until = most;
	until.ms -= SETS_TICK_MS;
	if (!mono_before(lease->expires, until))
		return;
	if (sets_is_full(sets)) {
		search->error = sets_commit(sets);
		sets_begin_walk(sets);
	}
	if (search->error)
		return;
	sets_collect(sets, lease, lease->mark, until, search->now, false);
	keep_name(sets, lease);
}

static int see_flow(void *context, const struct conntrack_flow *flow)
{
	struct search *search = context;
	struct lease *lease = find_lease(search->sets, flow, search->now);

	if (!lease)
		return 0;
	lease->flows = true;
	if (mono_before(lease->expires, search->before))
		renew(search, lease);
	return 0;
}

/* 0; -EOPNOTSUPP when this system doesn't tell flows, which is logged once; or -errno. */
static int open_conntrack(struct sets *sets)
{
	if (sets->no_conntrack)
		return -EOPNOTSUPP;
	return sets->conntrack ? 0 : conntrack_open(&sets->conntrack);
}

static int walk(struct search *search, uint32_t mark, uint32_t mask)
{
	struct sets *sets = search->sets;
	int error = open_conntrack(sets);

	if (!error)
		error = conntrack_walk(sets->conntrack, mark, mask, see_flow, search);
	/* What was left unread would only disturb the next walk. */
	if (error && sets->conntrack) {
		conntrack_close(sets->conntrack);
		sets->conntrack = NULL;
	}
	if (!error || sets_is_passing(error) || error == -EBUSY || sets->no_conntrack)
		return error;
	log_warning("connections are not told by this system: leases end though they are in use: "
		    "%s",
		strerror(-error));
	sets->no_conntrack = true;
	return -EOPNOTSUPP;
}

static int walk_ending(struct search *search, const struct ending *ending)
{
	int error = 0;

	if (ending->n_marks > MARKS_MAX)
		return walk(search, 0, 0);
	for (unsigned i = 0; i < ending->n_marks && !error; i++)
		error = walk(search, ending->marks[i], UINT32_MAX);
	return error;
}

/* --- What ends soon --- */

static void note_mark(struct ending *ending, uint32_t mark)
{
	for (unsigned i = 0; i < ending->n_marks && i < MARKS_MAX; i++)
		if (ending->marks[i] == mark)
			return;
	if (ending->n_marks < MARKS_MAX)
		ending->marks[ending->n_marks] = mark;
	if (ending->n_marks <= MARKS_MAX)
		ending->n_marks++;
}

/* Looks through the record for leases that end before. */
static void find_ending(
	struct sets *sets, struct mono before, struct mono now, struct ending *ret_ending)
{
	struct ending ending = {.n_marks = 0};
	struct lease *lease;
	size_t at = 0;

	sets->next_end = (struct mono){INT64_MAX};
	while ((lease = leases_walk(sets->leases, &at, SIZE_MAX, now))) {
		if (mono_before(lease->expires, sets->next_end))
			sets->next_end = lease->expires;
		if (mono_before(lease->expires, before) && sets_find_force(sets, lease->mark))
			note_mark(&ending, lease->mark);
	}
	*ret_ending = ending;
}

struct mono sets_renewal_due(const struct sets *sets)
{
	struct mono due = {sets->next_end.ms - window(sets).ms};

	if (sets->next_end.ms == INT64_MAX || sets->no_conntrack)
		return (struct mono){INT64_MAX};
	return mono_before(due, sets->renew_at) ? sets->renew_at : due;
}

int sets_renew(struct sets *sets, struct mono now)
{
	struct search search = {.sets = sets, .now = now};
	struct ending ending;
	int error;

	if (sets->retired || mono_before(now, sets_renewal_due(sets)))
		return 0;
	search.before = (struct mono){now.ms + window(sets).ms + 1};
	find_ending(sets, search.before, now, &ending);
	sets_begin_walk(sets);
	walk_ending(&search, &ending);
	error = search.error;
	if (error)
		sets_undo(sets);
	else
		error = sets_commit(sets);
	sets->walk = mono_between(now, clock_now());
	sets->renew_at = mono_add(clock_now(), interval(sets));
	return error ? sets_recover(sets, error, now) : 0;
}

int sets_see_flows(struct sets *sets, struct mono now)
{
	struct search search = {.sets = sets, .now = now};
	struct lease *lease;
	size_t at = 0;
	int error;

	if (sets->seen_at.ms != 0 && mono_between(sets->seen_at, now).ms < FLOWS_MAX_AGE_MS)
		return 0;
	while ((lease = leases_walk(sets->leases, &at, SIZE_MAX, now)))
		lease->flows = false;
	error = walk(&search, 0, 0);
	sets->walk = mono_between(now, clock_now());
	if (!error)
		sets->seen_at = clock_now();
	return error;
}
