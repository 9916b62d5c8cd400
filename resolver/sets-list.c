/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The record is shown and counted a page at a time, of at most so many leases and so many of the
 * table's places, since the workers' requests wait meanwhile. A cursor is the place to go on at
 * and, above it, the epoch of the table: places are others in the next.
 *
 * To take a lease back it is added as it was and deleted, so that one which has just expired is no
 * error; those of an address are deleted by name of their maps, whatever the record says.
 */

enum {
	PLACES_PER_PAGE = 65536,
	COUNT_PAUSE_MS = 50, /* between the pages of a count */
};

static uint64_t cursor_at(const struct sets *sets, size_t place)
{
	return (uint64_t)leases_epoch(sets->leases) << 32 | place;
}

static void show(const struct sets *sets, const struct lease *lease, struct mono now,
	struct control_lease *ret_shown)
{
	const struct sets_force *force = sets_find_force(sets, lease->mark);

	*ret_shown = (struct control_lease){
		.address = lease->address,
		.mark = lease->mark,
		.rule = force ? force->rule : CONTROL_NO_RULE,
		.seconds = (uint32_t)(mono_between(now, lease->expires).ms / 1000),
		.group = lease->map / PLAN_FAMILIES,
		.flagged = force && force->flagged,
		.flows = lease->flows,
	};
	namering_get(sets->names, lease->name, &ret_shown->name);
}

uint64_t sets_count_leases(const struct sets *sets, struct mono now)
{
	uint64_t count = 0;
	size_t at = 0;

	while (leases_walk(sets->leases, &at, SIZE_MAX, now))
		count++;
	return count;
}

static void count_page(struct sets *sets, struct mono now)
{
	struct sets_count *count = &sets->count;
	size_t end;

	if (count->epoch != leases_epoch(sets->leases))
		*count = (struct sets_count){.epoch = leases_epoch(sets->leases)};
	end = count->place + PLACES_PER_PAGE;
	while (leases_walk(sets->leases, &count->place, end - count->place, now))
		count->counted++;
	if (count->place < leases_places(sets->leases))
		return;
	sets->n_leases = count->counted;
	count->counted = 0;
	count->place = 0;
}

uint64_t sets_leases(struct sets *sets)
{
	struct mono now = clock_now();

	if (!mono_before(now, sets->count_at)) {
		count_page(sets, now);
		sets->count_at = mono_add(now, (struct duration){COUNT_PAUSE_MS});
	}
	return sets->n_leases;
}

int sets_list(struct sets *sets, uint64_t cursor, bool flows, struct mono now,
	struct control_reply *ret_page)
{
	size_t at = (uint32_t)cursor, end;
	struct lease *lease;
	int error = 0;

	if (cursor != 0 && cursor >> 32 != leases_epoch(sets->leases))
		return -ESTALE;
	if (cursor == 0 && flows)
		error = sets_see_flows(sets, now);
	if (error)
		return error;
	ret_page->total = cursor == 0 ? sets_count_leases(sets, now) : 0;
	end = at + PLACES_PER_PAGE;
	while (ret_page->count < CONTROL_LEASES && at < end &&
		(lease = leases_walk(sets->leases, &at, end - at, now)))
		show(sets, lease, now, &ret_page->leases[ret_page->count++]);
	ret_page->cursor = at < leases_places(sets->leases) ? cursor_at(sets, at) : 0;
	return 0;
}

/* What is taken back is nothing to be missed. */
void sets_begin_taking(struct sets *sets)
{
	memset(sets->witness, 0, sizeof(sets->witness));
	sets_spoil_part(sets);
	sets->generation = 0;
	sets->forget = true;
}

/* One element of a map is deleted. 0; -ENOENT when it isn't there; or -errno. */
static int delete_one(struct sets *sets, uint16_t map, const struct inaddr *address)
{
	struct setlink_element element = {.key_size = 0};
	const uint8_t *key = inaddr_raw(address, &element.key_size);

	memcpy(element.key, key, element.key_size);
	setlink_begin(sets->link, sets->plan->table);
	setlink_delete(sets->link, sets_map_name(sets, map), &element);
	return setlink_commit(sets->link);
}

/* The connections go behind the leases, so that none finds its way back. */
static void cut(struct sets *sets, struct sets_addresses *addresses, struct control_reply *reply)
{
	reply->flows_status = sets_cut_flows(sets, addresses, &reply->flows);
}

int sets_revoke_address(struct sets *sets, const struct inaddr *address, struct mono now,
	struct control_reply *ret_reply)
{
	struct inaddr one = *address;
	struct sets_addresses addresses = {&one, 1, 1};
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	uint64_t count = 0;
	int error = 0;

	sets_begin_taking(sets);
	for (size_t group = 0; group < sets->plan->n_groups && !error; group++) {
		uint16_t map = sets_map_number(group, family);
		struct lease *lease =
			leases_find(sets->leases, sets_hash(sets, map, address), map, address, now);

		error = delete_one(sets, map, address);
		if (lease && (!error || error == -ENOENT))
			lease->known = false;
		count += !error;
		if (error == -ENOENT)
			error = 0;
	}
	if (error)
		return error;
	ret_reply->total = count;
	cut(sets, &addresses, ret_reply);
	return 0;
}

/* Collects: the lease goes. */
static void collect_end(struct sets *sets, struct lease *lease, struct mono now)
{
	struct setlink_element element = {.has_mark = true,
		.mark = lease->mark,
		.timeout = mono_between(now, lease->expires)};
	const uint8_t *key = inaddr_raw(&lease->address, &element.key_size);
	const char *map = sets_map_name(sets, lease->map);

	memcpy(element.key, key, element.key_size);
	setlink_add(sets->link, map, &element);
	setlink_delete(sets->link, map, &element);
	sets->changes[sets->n_changes++] = (struct sets_change){.place = lease, .before = *lease};
	lease->known = false;
}

/* Sends what was collected. */
static int end_collected(struct sets *sets, uint64_t *count)
{
	size_t n_changes = sets->n_changes;
	int error = sets_commit(sets);

	if (!error)
		*count += n_changes;
	sets_begin_walk(sets);
	return error;
}

/* Closes the name's leases, and lists their addresses. */
static int close_name(struct sets *sets, const struct name *name, struct mono now,
	struct sets_addresses *addresses, uint64_t *count)
{
	struct lease *lease;
	size_t at = 0;
	int error = 0;

	while (!error && (lease = leases_walk(sets->leases, &at, SIZE_MAX, now))) {
		if (!namering_has(sets->names, lease->name, name))
			continue;
		error = sets_addresses_add(addresses, &lease->address);
		if (!error)
			collect_end(sets, lease, now);
		if (!error && sets_is_full(sets))
			error = end_collected(sets, count);
	}
	return error ? error : end_collected(sets, count);
}

int sets_revoke_name(struct sets *sets, const struct name *name, struct mono now,
	struct control_reply *ret_reply)
{
	struct sets_addresses addresses = {NULL, 0, 0};
	uint64_t count = 0;
	int error;

	sets_begin_taking(sets);
	sets_begin_walk(sets);
	error = close_name(sets, name, now, &addresses, &count);
	if (!error) {
		ret_reply->total = count;
		cut(sets, &addresses, ret_reply);
	}
	sets_addresses_free(&addresses);
	return error;
}

int sets_flush(struct sets *sets, struct mono now, uint64_t *ret_count)
{
	uint64_t count = sets_count_leases(sets, now);
	int error;

	sets_begin_taking(sets);
	setlink_begin(sets->link, sets->plan->table);
	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES; map++)
		setlink_flush(sets->link, sets_map_name(sets, (uint16_t)map));
	error = setlink_commit(sets->link);
	if (error)
		return error;
	leases_clear(sets->leases);
	*ret_count = count;
	return 0;
}
