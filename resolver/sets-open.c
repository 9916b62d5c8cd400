/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <string.h>

#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * A lease is never shortened, and keeps its mark while that is in force. One that lasts long enough
 * costs nothing; to refresh one where the kernel does that in place (since 6.12, which is tried at
 * the start) takes one element: it is added again. On other kernels, to give it another mark, and
 * when it is so near its end that it may be gone by then, it is added as it was, deleted and added
 * anew in one transaction. Packets see it before or after, never without. A single addition does,
 * too, for what surely isn't there, which the record knows only once it is complete: another keeper
 * that is still finishing its work (a reload), or a ruleset that changed while it was read, may
 * have left leases that it doesn't know.
 *
 * A transaction that the kernel refuses takes it some 15 ms (6.18), since it waits for all who may
 * still read what was undone. So a map that was found full is not tried again for a second: new
 * leases in it are refused here.
 *
 * Time: a lease's end is counted from before the kernel was asked. The kernel counts it in ticks,
 * from the one that went before; so it comes up to a tick earlier, and is recorded as that.
 */

enum {
	IN_PLACE_MS = 2000, /* what has more time left is still there when the kernel comes to it */
	LEARN_MAX = 4096,   /* leases that are looked up after a transaction was refused */
	FULL_MS = 1000,     /* that a full map is not tried again */
};

/* --- Transactions --- */

void sets_undo(struct sets *sets)
{
	while (sets->n_changes > 0) {
		const struct sets_change *change = &sets->changes[--sets->n_changes];

		*change->place = change->before;
	}
}

void sets_begin_walk(struct sets *sets)
{
	sets_undo(sets);
	setlink_begin(sets->link, sets->plan->table);
	setlink_expect(sets->link, sets->generation);
}

void sets_begin(struct sets *sets, struct mono now)
{
	sets_begin_walk(sets);
	leases_settle(sets->leases, now);
}

uint64_t sets_hash(const struct sets *sets, uint16_t map, const struct inaddr *address)
{
	return namering_lease(sets->names, sets->maps[map], address);
}

static void note_opened(struct sets *sets, const struct sets_change *change)
{
	sets_remember_witness(sets, change->place);
	namering_assign(sets->names, change->place->hash, change->place->name);
}

/* Gives another name to a lease that stands. */
static void rename_lease(struct sets *sets, struct lease *lease, uint32_t name)
{
	if (lease->name != name)
		namering_assign(sets->names, lease->hash, name);
	lease->name = name;
}

int sets_send(struct sets *sets)
{
	int error = setlink_commit(sets->link);

	if (!error && sets->generation != 0 && sets->n_changes > 0)
		sets->generation = netlink_next_generation(sets->generation);
	for (size_t i = 0; i < sets->n_changes && !error; i++)
		if (sets->changes[i].place->known)
			note_opened(sets, &sets->changes[i]);
	return error;
}

/* Reads what the kernel has in place of a lease that was to be changed. */
static void learn_before(struct sets *sets, struct sets_change *change, struct mono now)
{
	struct lease *before = &change->before;
	struct setlink_element wanted = {.key_size = 0}, found;
	const uint8_t *key = inaddr_raw(&before->address, &wanted.key_size);

	memcpy(wanted.key, key, wanted.key_size);
	if (setlink_get(sets->link, sets->plan->table, sets_map_name(sets, before->map), &wanted,
		    &found) != 0 ||
		!found.has_mark)
		return;
	before->known = true;
	before->mark = found.mark;
	before->expires = mono_add(now, (struct duration){found.timeout.ms - SETS_TICK_MS});
}

/* Some are there with other marks than were recorded. */
static void learn_marks(struct sets *sets)
{
	struct mono now = clock_now();

	for (size_t i = 0; i < sets->n_changes && i < LEARN_MAX; i++)
		learn_before(sets, &sets->changes[i], now);
}

/* There was no room for something new: if all of it was for one address, in one map at least. */
static void note_full(struct sets *sets)
{
	struct mono until = mono_add(clock_now(), (struct duration){FULL_MS});

	for (size_t i = 0; i < sets->n_changes; i++)
		if (inaddr_compare(&sets->changes[i].place->address,
			    &sets->changes[0].place->address) != 0)
			return;
	for (size_t i = 0; i < sets->n_changes; i++)
		if (!sets->changes[i].before.known)
			sets->full_until[sets->changes[i].place->map] = until;
}

int sets_commit(struct sets *sets)
{
	int error = sets_send(sets);

	if (error == -EEXIST)
		learn_marks(sets);
	if (error == -ENFILE)
		note_full(sets);
	if (error)
		sets_undo(sets);
	sets->n_changes = 0;
	return error;
}

bool sets_is_full(const struct sets *sets)
{
	return sets->n_changes == SETS_CHANGES_MAX ||
	       setlink_room(sets->link) < SETS_ELEMENTS_PER_CHANGE;
}

/* Makes room for one more change, if need be by a commit. */
static int make_room(struct sets *sets, struct mono now)
{
	int error;

	if (!sets_is_full(sets))
		return 0;
	error = sets_commit(sets);
	sets_begin(sets, now);
	return error;
}

/* --- Leases --- */

/* Whether adding it once more will do. */
static bool is_simple(
	const struct sets *sets, const struct lease *lease, uint32_t mark, struct mono now)
{
	if (!sets->in_place)
		return false;
	return !lease->known ||
	       (lease->mark == mark && mono_between(now, lease->expires).ms > IN_PLACE_MS);
}

void sets_collect(struct sets *sets, struct lease *lease, uint32_t mark, struct mono expires,
	struct mono now, bool certain)
{
	struct setlink_element element = {
		.has_mark = true, .timeout = {expires.ms + SETS_TICK_MS - now.ms}};
	const uint8_t *key = inaddr_raw(&lease->address, &element.key_size);
	const char *map = sets_map_name(sets, lease->map);

	memcpy(element.key, key, element.key_size);
	if (!certain && !is_simple(sets, lease, mark, now)) {
		element.mark = lease->known ? lease->mark : mark;
		setlink_add(sets->link, map, &element);
		setlink_delete(sets->link, map, &element);
	}
	element.mark = mark;
	setlink_add(sets->link, map, &element);
	sets->changes[sets->n_changes++] = (struct sets_change){lease, *lease};
	lease->known = true;
	lease->mark = mark;
	lease->seen = sets->reading.number;
	lease->expires = expires;
	if (mono_before(expires, sets->next_end))
		sets->next_end = expires;
}

uint64_t sets_expect_name(const struct sets *sets, const struct name *name)
{
	return namering_expect(sets->names, name);
}

uint32_t sets_name(struct sets *sets, const struct name *name, uint64_t expected)
{
	return namering_put_expected(sets->names, name, expected);
}

/* Whether a lease may keep its mark for a rule that expires then. */
static bool may_keep(const struct sets *sets, uint32_t mark, int64_t expires)
{
	const struct sets_force *found = sets_find_force(sets, mark);

	return found && sets->plan->rules[found->rule].expires >= expires;
}

static uint16_t map_for(const struct match_lease *wanted, const struct inaddr *address)
{
	return sets_map_number(wanted->group, inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6);
}

uint64_t sets_expect_address(
	const struct sets *sets, const struct match_lease *wanted, const struct inaddr *address)
{
	uint64_t hash = sets_hash(sets, map_for(wanted, address), address);

	leases_fetch(sets->leases, hash);
	return hash;
}

int sets_open_address(struct sets *sets, const struct match_lease *wanted,
	const struct inaddr *address, uint64_t expected, uint32_t name, struct mono now,
	struct mono *until)
{
	uint32_t mark = wanted->mark;
	struct mono sure = {until->ms - SETS_TICK_MS};
	struct lease *lease;
	int error = make_room(sets, now);

	if (error)
		return error;
	lease = leases_take(sets->leases, expected, map_for(wanted, address), address, now);
	if (lease && !lease->known && sets->unlisted)
		error = sets_look_up(sets, lease);
	if (error)
		return error;
	if (!lease || (!lease->known && mono_before(now, sets->full_until[lease->map])))
		return -ENOSPC;
	if (lease->known && may_keep(sets, lease->mark, sets->plan->rules[wanted->rule].expires))
		mark = lease->mark;
	if (lease->known && !mono_before(lease->expires, sure)) {
		sure = lease->expires;
		*until = sure;
		if (mark == lease->mark) {
			rename_lease(sets, lease, name);
			return 0;
		}
	}
	sets_collect(sets, lease, mark, sure, now,
		!lease->known && !mono_before(now, sets->complete_at));
	lease->name = name;
	*until = sure;
	return 0;
}
