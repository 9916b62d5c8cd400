/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <string.h>

#include "src/base/log.h"

/*
 * Theory of operation
 *
 * A reading walks the kernel's maps and stamps each lease that it finds with its number; then what
 * is on record and was not found is opened again (sets-mend.c). What the kernel has and the record
 * doesn't is recorded: another keeper opened it, before this one started or beside it. One whose
 * mark was changed by others is recorded as it is, and the workers are told to forget what they
 * know.
 *
 * The kernel's time to list a map grows with the square of its size (nf_tables_dump_set() starts at
 * the map's first element for each part of at most 32 KiB): 0.2 s for 100,000 leases, half a minute
 * for a million. So a reading that takes longer than READ_MS is finished in the background: a part
 * at a time, with a pause after each for what the workers ask. Until the first reading has ended, a
 * lease that isn't on record is looked for by its address before it is opened: the kernel finds one
 * at once. So nothing that stands is ever made to end sooner, and answers don't wait.
 *
 * The reading has a socket of its own, since the kernel makes each part while it hands out the one
 * before. What this keeper changed since the reading began it knows better than a part: such leases
 * bear its number already, and are passed over. A part that was made ready before leases were
 * closed is passed over as a whole.
 *
 * A ruleset that changes while it is read may hide elements, and this keeper's own leases change it
 * all the time. A map is read again then; in the background only if leases were closed meanwhile,
 * or considerably fewer were found than the kernel has, as long as that brings forth a considerable
 * number. What was
 * missed in the end is opened again though it is there, which changes nothing, and what isn't on
 * record may yet be in the kernel for as long as the longest lease. When the kernel has no memory
 * for a part, its map is begun anew.
 */

enum {
	READ_MS = 100,         /* then the reading goes on in the background */
	READS_MAX = 5,         /* of a map that changes meanwhile, or that there is no memory for */
	CONSIDERABLE = 64,     /* one in so many */
	RETRY_MS = 1000,       /* after READS_MAX failures */
	LISTING_PAUSE = 1,     /* after each part of the first reading, in times of what it took */
	LEARN_PAUSE = 10,      /* after others, and their parts */
	SHORTENED_MS = 1000,   /* what the kernel ends earlier than that was tampered with */
	FOREVER_S = INT32_MAX, /* an element without a time-out was added by hand */
};

static struct duration longest_lease(const struct sets *sets)
{
	const struct dns_policy *dns = &sets->plan->policy->dns;

	return (struct duration){dns->max_lease.ms + dns->grace.ms + LEASES_LINGER_MS};
}

/* --- Elements --- */

/* Whichever keeper opened it took note of its name; whose opened it last, that is. */
static void recall_name(struct sets *sets, struct lease *lease, bool stands)
{
	uint32_t name = namering_assigned(sets->names, lease->hash);

	if (name != 0 || !stands)
		lease->name = name;
}

/* Records what the kernel had at `made` for `left`. */
static void record(struct sets *sets, struct lease *lease, uint32_t mark, struct mono made,
	struct duration left)
{
	struct mono until = mono_add(made, (struct duration){left.ms - SETS_TICK_MS});
	bool stands = lease->known && mono_before(made, lease->expires);

	/* As good as missing: sets_collect() will refresh it. */
	if (stands && lease->mark == mark && made.ms + left.ms + SHORTENED_MS < lease->expires.ms)
		return;
	if (stands && lease->mark != mark)
		sets->forget = true;
	if (!lease->known || lease->mark != mark || mono_before(lease->expires, until))
		lease->expires = until;
	recall_name(sets, lease, stands);
	lease->known = true;
	lease->mark = mark;
	lease->seen = sets->reading.number;
	sets_remember_witness(sets, lease);
	if (mono_before(lease->expires, sets->next_end))
		sets->next_end = lease->expires;
}

/* A part of what is read. */
struct part {
	struct sets *sets;
	struct mono made; /* when the kernel made it, at the earliest */
	bool stale;
};

/* One element of a lease map, as it was in the kernel. */
static int record_lease(const struct part *part, const struct setlink_element *element)
{
	struct sets *sets = part->sets;
	struct duration left = element->timeout;
	struct inaddr address;
	struct lease *lease;
	uint16_t map = sets->reading.map;

	if (element->key_size == 4)
		address = inaddr_from_ip4(element->key);
	else if (element->key_size == 16)
		address = inaddr_from_ip6(element->key);
	else
		return -EPROTO;
	if (left.ms == 0)
		left = duration_seconds(FOREVER_S);
	leases_settle(sets->leases, part->made);
	lease = leases_take(
		sets->leases, sets_hash(sets, map, &address), map, &address, part->made);
	/* What there is no room for on record isn't leased either. */
	if (!lease)
		return 0;
	sets->reading.n_new += !lease->known;
	sets->reading.n_found += lease->seen != sets->reading.number;
	if (!lease->known || lease->seen != sets->reading.number)
		record(sets, lease, element->mark, part->made, left);
	return 0;
}

static size_t n_maps(const struct sets *sets)
{
	return sets->plan->n_groups * PLAN_FAMILIES;
}

static size_t n_readings(const struct sets *sets)
{
	return n_maps(sets) + (sets->destinations != NULL);
}

static int record_element(void *context, const struct setlink_element *element)
{
	const struct part *part = context;

	part->sets->reading.n_read++;
	if (part->stale)
		return 0;
	if (part->sets->reading.map < n_maps(part->sets))
		return record_lease(part, element);
	return sets_record_destination(part->sets, element);
}

int sets_look_up(struct sets *sets, struct lease *lease)
{
	struct setlink_element wanted = {.key_size = 0}, found;
	const uint8_t *key = inaddr_raw(&lease->address, &wanted.key_size);
	struct mono made = clock_now();
	int error;

	memcpy(wanted.key, key, wanted.key_size);
	error = setlink_get(
		sets->link, sets->plan->table, sets_map_name(sets, lease->map), &wanted, &found);
	if (error == -ENOENT)
		return 0;
	if (error)
		return error;
	if (found.timeout.ms == 0)
		found.timeout = duration_seconds(FOREVER_S);
	record(sets, lease, found.mark, made, found.timeout);
	return 0;
}

/* --- Maps, one after the other --- */

static void close_link(struct sets_reading *reading)
{
	setlink_closep(&reading->link);
	reading->asked = false;
}

/* Closing a netlink socket waits for what transactions before have left for the kernel to clear up,
 * some 10 ms; one whose answers were read to their end stays for the next time. */
void sets_stop_reading(struct sets *sets)
{
	if (sets->reading.asked)
		close_link(&sets->reading);
	sets->reading.active = false;
}

void sets_end_reading(struct sets *sets)
{
	close_link(&sets->reading);
}

void sets_spoil_part(struct sets *sets)
{
	sets->reading.stale = true;
}

void sets_number_reading(struct sets *sets)
{
	uint8_t *number = &sets->reading.number;

	*number = *number == UINT8_MAX ? 1 : *number + 1;
}

static void begin(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;

	sets_stop_reading(sets);
	sets_number_reading(sets);
	*reading = (struct sets_reading){
		.number = reading->number, .link = reading->link, .active = true, .complete = true};
	if (!sets->destinations)
		return;
	destinations_clear(sets->destinations);
	sets->counting_stopped = false;
}

/* All maps were read. What is missed of the destinations is only sent again. */
static int end(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;
	int error = sets_settle_table(sets, reading->missing ? -ENOENT : 0);

	sets_stop_reading(sets);
	sets->unlisted = false;
	if (!reading->complete)
		sets->complete_at = mono_add(clock_now(), longest_lease(sets));
	if (!sets->retired)
		sets_mend(sets);
	if (reading->again)
		sets->generation = 0;
	sets_pause_reading(sets, reading->spent);
	return error;
}

static int end_map(struct sets *sets, int error)
{
	struct sets_reading *reading = &sets->reading;

	if (reading->map < n_maps(sets)) {
		sets->map_gone[reading->map] = error == -ENOENT;
		reading->complete &= error != -EINTR;
	}
	reading->missing |= error == -ENOENT;
	reading->map++;
	reading->tries = 0;
	return reading->map == n_readings(sets) ? end(sets) : 0;
}

static const char *name_of(const struct sets *sets)
{
	uint16_t map = sets->reading.map;

	return map < n_maps(sets) ? sets_map_name(sets, map) : sets->plan->destinations_set;
}

/* Whether reading the map once more would hardly bring anything forth. */
static bool is_enough(struct sets *sets)
{
	const struct sets_reading *reading = &sets->reading;
	size_t count;

	if (reading->changed)
		return false;
	if (reading->n_new <= reading->n_read / CONSIDERABLE)
		return true;
	return setlink_count(sets->link, sets->plan->table, name_of(sets), &count) == 0 &&
	       reading->n_found >= count - count / CONSIDERABLE;
}

/* The map was read, while it changed. */
static int end_changed_map(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;

	if (++reading->tries == READS_MAX || (reading->background && is_enough(sets)))
		return end_map(sets, -EINTR);
	return 0;
}

/* The map has to be begun anew. */
static int try_again(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;

	close_link(reading);
	if (++reading->tries < READS_MAX)
		return 0;
	reading->tries = 0;
	reading->background = true;
	reading->due = mono_add(clock_now(), (struct duration){RETRY_MS});
	return 0;
}

/* Asks for the map, of which the kernel makes the first part at once. */
static int ask_for_map(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;
	int error = reading->link ? 0 : setlink_open(&reading->link);

	if (error)
		return error;
	reading->n_read = 0;
	reading->n_new = 0;
	reading->n_found = 0;
	reading->stale = false;
	reading->changed = false;
	reading->made = clock_now();
	error = setlink_dump_start(reading->link, sets->plan->table, name_of(sets));
	reading->asked = !error;
	return error;
}

static int take_part(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;
	struct part part = {.sets = sets, .made = reading->made, .stale = reading->stale};
	bool ended = false;
	int error;

	reading->changed |= reading->stale;
	reading->stale = false;
	reading->made = clock_now();
	error = setlink_dump_next(reading->link, record_element, &part, &ended);
	if (ended || error == -ENOENT)
		reading->asked = false;
	if (error || !ended)
		return error;
	return reading->changed ? -EINTR : end_map(sets, 0);
}

/* Takes the next part, or asks for the next map. 0 or -errno, which has been logged. */
static int read_on(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;
	struct mono start = clock_now();
	int error = reading->asked ? take_part(sets) : ask_for_map(sets);

	reading->spent.ms += mono_between(start, clock_now()).ms;
	if (!error)
		return 0;
	if (error == -EINTR)
		return end_changed_map(sets);
	if (sets_is_passing(error))
		return try_again(sets);
	if (error == -ENOENT)
		return end_map(sets, error);
	sets_stop_reading(sets);
	return sets_settle_table(sets, error);
}

int sets_learn(struct sets *sets)
{
	struct sets_reading *reading = &sets->reading;
	int error = 0;

	begin(sets);
	if (n_readings(sets) == 0)
		return end(sets);
	while (reading->active && !reading->background && !error) {
		error = read_on(sets);
		reading->background |= reading->spent.ms >= READ_MS;
	}
	return error;
}

int sets_go_on_reading(struct sets *sets, struct mono now)
{
	struct sets_reading *reading = &sets->reading;
	int64_t pause = sets->unlisted ? LISTING_PAUSE : LEARN_PAUSE;
	int error;

	if (!reading->active || mono_before(now, reading->due))
		return 0;
	reading->due = (struct mono){0};
	error = read_on(sets);
	if (reading->due.ms == 0) {
		reading->due = clock_now();
		reading->due.ms += pause * mono_between(now, reading->due).ms;
	}
	return error;
}

void sets_pause_reading(struct sets *sets, struct duration spent)
{
	int64_t ms = spent.ms < READ_MS ? spent.ms : READ_MS;

	sets->learn_at = mono_add(clock_now(), (struct duration){LEARN_PAUSE * ms});
	if (sets->generation == 0)
		sets->look_at = sets->learn_at;
}
