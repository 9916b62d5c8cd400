/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <string.h>

#include "src/base/log.h"

/*
 * Theory of operation
 *
 * After a reading of the maps (sets-read.c) those leases on record that stand and were not found,
 * or that the kernel would end much earlier, are opened again for the rest of their time, if their
 * mark is in force: they were opened by a policy that is the same. So what an administrator takes
 * out of a map by hand comes back; egress-ctl is for that. When something can't be opened again the
 * workers are told to forget what they know.
 *
 * A record of more than READ_MOST leases is not compared with all there is, which takes the kernel
 * too long: one lease of each map is looked up, and when it is missing all of the record is opened
 * again, which changes nothing for those that are there. That finds maps that were emptied or made
 * anew, but single elements that were deleted by hand only by chance. So it goes while a reading
 * takes its time, too; what others changed meanwhile is looked at once more after it.
 */

enum {
	LEFT_MIN_MS = 100, /* what ends sooner isn't worth it */
	REPAIRS_MAX = 5,   /* of a large record, while others change rulesets */
	READ_MOST = 8192,  /* leases, of a record that is compared with the maps */
};

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
		if (lease->seen == sets->reading.number)
			continue;
		reopen(sets, lease, now);
		if (!sets_is_full(sets))
			continue;
		finish(sets, repair);
		sets_begin_walk(sets);
	}
	finish(sets, repair);
}

bool sets_mend(struct sets *sets)
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

void sets_remember_witness(struct sets *sets, const struct lease *lease)
{
	struct lease *witness = &sets->witness[lease->map];

	if (mono_before(witness->expires, lease->expires))
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

	if (!sets->reading.active && leases_places(sets->leases) <= READ_MOST)
		return sets_learn(sets);
	sets->reading.again = sets->reading.active;
	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES && !missing; map++)
		missing = is_witness_missing(sets, (uint16_t)map, now);
	if (missing)
		sets->repairs_left = REPAIRS_MAX;
	if (sets->repairs_left == 0)
		return 0;
	sets_number_reading(sets);
	sets->repairs_left = sets_mend(sets) ? 0 : sets->repairs_left - 1;
	sets_pause_reading(sets, mono_between(now, clock_now()));
	return 0;
}
