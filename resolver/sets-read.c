/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <string.h>

#include "src/base/log.h"

/*
 * Theory of operation
 *
 * A reading walks the kernel's maps and stamps each lease that it finds with its number. Then those
 * on record that stand and were not found, or that the kernel would end much earlier, are opened
 * again for the rest of their time, if their mark is in force: they were opened by a policy that is
 * the same. So what an administrator takes out of a map by hand comes back; egress-ctl is for that.
 *
 * What the kernel has and the record doesn't is recorded: another keeper opened it, before this one
 * started or beside it. One whose mark was changed by others is recorded as it is, and the workers
 * are told to forget what they know; so they are when something can't be opened again.
 *
 * The kernel's time to list a map grows with the square of its size (nf_tables_dump_set() starts at
 * the map's first element for each part). So a record of more than READ_MOST leases is not compared
 * with all there is: one lease of each map is looked up, and when it is missing all of the record
 * is opened again, which changes nothing for those that are there. That finds maps that were
 * emptied or made anew, but single elements that were deleted by hand only by chance.
 *
 * A ruleset that changes while it is read may hide elements. What was missed is opened again though
 * it is there, which changes nothing, and what isn't on record may yet be in the kernel for as long
 * as the longest lease.
 */

enum {
	READS_MAX = 5,         /* of a ruleset that changes meanwhile */
	LEARN_PAUSE = 10,      /* after reading the maps, in times of what it took */
	SHORTENED_MS = 1000,   /* what the kernel ends earlier than that was tampered with */
	LEFT_MIN_MS = 100,     /* what ends sooner isn't worth it */
	REPAIRS_MAX = 5,       /* of a large record, while others change rulesets */
	READ_MOST = 8192,      /* leases, of a record that is compared with the maps */
	FOREVER_S = INT32_MAX, /* an element without a time-out was added by hand */
};

static struct duration longest_lease(const struct sets *sets)
{
	const struct dns_policy *dns = &sets->plan->policy->dns;

	return (struct duration){dns->max_lease.ms + dns->grace.ms + LEASES_LINGER_MS};
}

/* --- Reading --- */

struct reading {
	struct sets *sets;
	uint16_t map;
	struct mono start;
};

static void record(struct sets *sets, struct lease *lease, uint32_t mark, struct mono start,
	struct duration left)
{
	struct mono until = mono_add(start, (struct duration){left.ms - SETS_TICK_MS});
	struct mono now = clock_now();
	bool stands = lease->known && mono_before(now, lease->expires);

	/* As good as missing: sets_collect() will refresh it. */
	if (stands && lease->mark == mark && now.ms + left.ms + SHORTENED_MS < lease->expires.ms)
		return;
	if (stands && lease->mark != mark)
		sets->forget = true;
	if (!lease->known || lease->mark != mark || mono_before(lease->expires, until))
		lease->expires = until;
	lease->known = true;
	lease->mark = mark;
	lease->seen = sets->reading;
	sets_remember_witness(sets, lease);
	if (mono_before(lease->expires, sets->next_end))
		sets->next_end = lease->expires;
}

/* One element of a lease map, as it is in the kernel. */
static int record_element(void *context, const struct setlink_element *element)
{
	const struct reading *reading = context;
	struct duration left = element->timeout;
	struct inaddr address;
	struct lease *lease;

	if (element->key_size == 4)
		address = inaddr_from_ip4(element->key);
	else if (element->key_size == 16)
		address = inaddr_from_ip6(element->key);
	else
		return -EPROTO;
	if (left.ms == 0)
		left = duration_seconds(FOREVER_S);
	leases_settle(reading->sets->leases, reading->start);
	lease = leases_take(reading->sets->leases, reading->map, &address, reading->start);
	if (!lease)
		return -ENOSPC;
	record(reading->sets, lease, element->mark, reading->start, left);
	return 0;
}

/* Reads one map. 0, -EINTR when it may not have been all of it, or -errno. A full record is no
 * error: what isn't in it isn't leased either. */
static int read_map(struct sets *sets, uint16_t map)
{
	int error = -EINTR;

	for (unsigned i = 0; i < READS_MAX && error == -EINTR; i++) {
		struct reading reading = {.sets = sets, .map = map, .start = clock_now()};

		error = setlink_dump(sets->link, sets->plan->table, sets_map_name(sets, map),
			record_element, &reading);
	}
	return error == -ENOSPC ? 0 : error;
}

/* 0; -ENOENT when a map is missing; or -errno. */
static int read_maps(struct sets *sets)
{
	bool complete = true, missing = false;

	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES; map++) {
		int error = read_map(sets, (uint16_t)map);

		sets->map_gone[map] = error == -ENOENT;
		missing |= error == -ENOENT;
		complete &= error != -EINTR;
		if (error && error != -EINTR && error != -ENOENT)
			return error;
	}
	if (!complete)
		sets->complete_at = mono_add(clock_now(), longest_lease(sets));
	return missing ? -ENOENT : 0;
}

static int record_destination(void *context, const struct setlink_element *element)
{
	struct sets *sets = context;
	uint32_t mark;

	if (element->key_size != sizeof(mark))
		return -EPROTO;
	memcpy(&mark, element->key, sizeof(mark));
	destinations_add(sets->destinations, mark);
	return 0;
}

/* What is missed of a set that changes meanwhile is only sent again. */
static int read_destinations(struct sets *sets)
{
	int error;

	if (!sets->destinations)
		return 0;
	destinations_clear(sets->destinations);
	sets->counting_stopped = false;
	error = setlink_dump(sets->link, sets->plan->table, sets->plan->destinations_set,
		record_destination, sets);
	return error == -EINTR ? 0 : error;
}

/* --- Repairing --- */

static void lose(struct sets *sets, struct lease *lease)
{
	lease->known = false;
	sets->forget = true;
}

/* Collects what opens the lease again, or gives it up. */
static void reopen(struct sets *sets, struct lease *lease, struct mono now)
{
	if (mono_between(now, lease->expires).ms < LEFT_MIN_MS)
		return;
	if (!sets_find_force(sets, lease->mark) || sets->map_gone[lease->map])
		lose(sets, lease);
	else
		sets_collect(sets, lease, lease->mark, lease->expires, now, false);
}

/* What came of opening leases again. */
struct repair {
	size_t count; /* of leases */
	uint32_t n_transactions;
	bool failed; /* it has to be tried again */
};

/* Ends a transaction of what was collected. */
static void finish(struct sets *sets, struct repair *repair)
{
	size_t count = sets->n_changes;
	int error = sets_send(sets);

	if (!error) {
		repair->count += count;
		repair->n_transactions += count > 0;
		sets->n_changes = 0;
		return;
	}
	repair->failed = true;
	log_error("table inet %s: %zu leases cannot be opened again: %s", sets->plan->table, count,
		strerror(-error));
	for (size_t i = 0; i < count && !sets_is_passing(error); i++)
		lose(sets, &sets->changes[i].before);
	sets_undo(sets);
}

static void reopen_missing(struct sets *sets, struct repair *repair)
{
	struct mono now = clock_now();
	struct lease *lease;
	size_t at = 0;

	sets_begin_walk(sets);
	while ((lease = leases_walk(sets->leases, &at, SIZE_MAX, now))) {
		if (lease->seen == sets->reading)
			continue;
		reopen(sets, lease, now);
		if (!sets_is_full(sets))
			continue;
		finish(sets, repair);
		sets_begin_walk(sets);
	}
	finish(sets, repair);
}

/* Opens again what the reading did not find, whoever else changes rulesets; when there was anything
 * it is looked at again, soon. Whether nobody did, and all went well. */
static bool mend(struct sets *sets)
{
	uint32_t generation = sets->generation, first = 0, last = 0;
	struct repair repair = {.count = 0};

	sets->generation = 0;
	setlink_generation(sets->link, &first);
	reopen_missing(sets, &repair);
	setlink_generation(sets->link, &last);
	if (repair.count == 0 && !repair.failed && !sets->forget)
		sets->generation = generation;
	if (repair.count > 0)
		log_warning("table inet %s: leases were missing: %zu are open again",
			sets->plan->table, repair.count);
	return !repair.failed && last - first == repair.n_transactions;
}

static void pause_reading(struct sets *sets, struct mono start)
{
	sets->learn_at = clock_now();
	sets->learn_at.ms += LEARN_PAUSE * mono_between(start, sets->learn_at).ms;
	if (sets->generation == 0)
		sets->look_at = sets->learn_at;
}

static void number_reading(struct sets *sets)
{
	sets->reading = sets->reading == UINT8_MAX ? 1 : sets->reading + 1;
}

int sets_learn(struct sets *sets)
{
	struct mono start = clock_now();
	int error, counted;

	number_reading(sets);
	error = read_maps(sets);
	counted = read_destinations(sets);
	error = sets_settle_table(sets, error ? error : counted);
	if (!error && !sets->retired)
		mend(sets);
	pause_reading(sets, start);
	return error;
}

void sets_remember_witness(struct sets *sets, const struct lease *lease)
{
	struct lease *witness = &sets->witness[lease->map];

	if (!mono_before(lease->expires, witness->expires))
		*witness = *lease;
}

/* Whether the map has lost the lease that is known of it. */
static bool is_witness_missing(struct sets *sets, uint16_t map, struct mono now)
{
	const struct lease *witness = &sets->witness[map];
	struct setlink_element wanted = {.key_size = 0}, found;
	const uint8_t *key = inaddr_raw(&witness->address, &wanted.key_size);

	if (mono_between(now, witness->expires).ms < LEFT_MIN_MS)
		return false;
	memcpy(wanted.key, key, wanted.key_size);
	return setlink_get(sets->link, sets->plan->table, sets_map_name(sets, map), &wanted,
		       &found) == -ENOENT;
}

int sets_check(struct sets *sets, struct mono now)
{
	bool missing = false;

	if (leases_most(sets->leases) <= READ_MOST)
		return sets_learn(sets);
	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES && !missing; map++)
		missing = is_witness_missing(sets, (uint16_t)map, now);
	if (missing)
		sets->repairs_left = REPAIRS_MAX;
	if (sets->repairs_left == 0)
		return 0;
	number_reading(sets);
	sets->repairs_left = mend(sets) ? 0 : sets->repairs_left - 1;
	pause_reading(sets, now);
	return 0;
}
