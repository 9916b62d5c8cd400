/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/leases.h"
#include "src/base/log.h"
#include "src/kernel/setlink.h"

/*
 * Theory of operation
 *
 * `leases` records what the kernel has, so that a lease which lasts long enough costs no message. A
 * lease is never shortened, and keeps its mark while that is in force. To refresh one, it is added
 * as it was, deleted and added anew in one transaction. That works on kernels that ignore the new
 * time-out of an element that is there (before 6.12), works when the element has just expired, and
 * is the only way to give it another mark. Packets see the element before or after, never without.
 * A single addition will do for what surely isn't there, which the record knows only once it is
 * complete: another keeper that is still finishing its work (a reload), or a ruleset that changed
 * while it was read, may have left leases that it doesn't know.
 *
 * The ruleset can be removed and loaded again under a running resolver, which empties its sets:
 * then the resolver's mark is missing. It is looked for every few seconds, and when the kernel says
 * that a set or an element isn't what was recorded.
 *
 * Time: a lease's end is counted from before the kernel was asked. The kernel counts it in ticks,
 * from the one that went before; so it comes up to a tick earlier, and is recorded as that.
 */

enum {
	CHANGES_MAX = LEASES_STEP, /* leases in one transaction */
	ELEMENTS_PER_CHANGE = 3,
	READS_MAX = 5,    /* of a ruleset that changes meanwhile */
	LEARN_PAUSE = 10, /* after reading the maps, in times of what it took */
	TICK_MS = 10,     /* of the kernel's clock, at most */
};

/* What a lease was before the transaction. */
struct change {
	struct lease *place;
	struct lease before;
};

struct sets {
	const struct plan *plan;
	struct setlink *link;
	struct leases *leases;
	uint32_t mark;
	uint32_t uid;
	uint32_t *marks_in_force; /* sorted */
	struct mono complete_at;  /* from then on what isn't in `leases` isn't in the kernel */
	struct mono look_at;
	struct mono learn_at; /* not before, for a set that is missing */
	bool table_gone;
	struct change changes[CHANGES_MAX];
	size_t n_changes;
};

/* --- The table --- */

static struct duration longest_lease(const struct sets *sets)
{
	const struct dns_policy *dns = &sets->plan->policy->dns;

	return (struct duration){dns->max_lease.ms + dns->grace.ms + LEASES_LINGER_MS};
}

/* Which of the kernel's maps: by group and family. */
static uint16_t map_number(size_t group, unsigned family)
{
	return (uint16_t)(group * PLAN_FAMILIES + family);
}

static const char *map_name(const struct sets *sets, uint16_t map)
{
	return sets->plan->groups[map / PLAN_FAMILIES].family[map % PLAN_FAMILIES].leases;
}

struct reading {
	struct sets *sets;
	uint16_t map;
	struct mono now;
};

/* One element of a lease map, as it is in the kernel. One without a time-out was added by hand. */
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
		left = duration_seconds(INT32_MAX);
	leases_settle(reading->sets->leases, reading->now);
	lease = leases_take(reading->sets->leases, reading->map, &address, reading->now);
	if (!lease)
		return -ENOSPC;
	lease->known = true;
	lease->mark = element->mark;
	lease->expires = mono_add(reading->now, (struct duration){left.ms - TICK_MS});
	return 0;
}

/* Reads one map. 0, -EINTR when it may not have been all of it, or -errno. A full record is no
 * error: what isn't in it isn't leased either. */
static int read_map(struct sets *sets, uint16_t map)
{
	int error = -EINTR;

	for (unsigned i = 0; i < READS_MAX && error == -EINTR; i++) {
		struct reading reading = {.sets = sets, .map = map, .now = clock_now()};

		error = setlink_dump(sets->link, sets->plan->table, map_name(sets, map),
			record_element, &reading);
	}
	return error == -ENOSPC ? 0 : error;
}

/* 0; -ENOENT when a map is missing; or -errno. */
static int read_maps(struct sets *sets)
{
	bool complete = true, missing = false;

	leases_clear(sets->leases);
	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES; map++) {
		int error = read_map(sets, (uint16_t)map);

		if (error == -EINTR)
			complete = false;
		else if (error == -ENOENT)
			missing = true;
		else if (error)
			return error;
	}
	if (!complete)
		sets->complete_at = mono_add(clock_now(), longest_lease(sets));
	return missing ? -ENOENT : 0;
}

/* The element that says which sockets are the resolver's. */
static struct setlink_element mark_element(const struct sets *sets)
{
	struct setlink_element element = {.key_size = 2 * sizeof(uint32_t)};

	memcpy(element.key, &sets->mark, sizeof(sets->mark));
	memcpy(element.key + sizeof(sets->mark), &sets->uid, sizeof(sets->uid));
	return element;
}

static int put_mark(struct sets *sets)
{
	struct setlink_element element = mark_element(sets);

	setlink_begin(sets->link, sets->plan->table);
	setlink_flush(sets->link, sets->plan->resolver_set);
	setlink_add(sets->link, sets->plan->resolver_set, &element);
	return setlink_commit(sets->link);
}

int sets_forget_marks(const struct plan *plan)
{
	__attribute__((cleanup(setlink_closep))) struct setlink *link = NULL;
	int error = setlink_open(&link);

	if (error)
		return error;
	setlink_begin(link, plan->table);
	setlink_flush(link, plan->resolver_set);
	return setlink_commit(link);
}

static void note_table(struct sets *sets, bool gone)
{
	if (gone && !sets->table_gone)
		log_error("table inet %s is not loaded, or not from this policy; load it with: "
			  "egress-compile %s | nft -f -",
			sets->plan->table, sets->plan->policy->file);
	if (!gone && sets->table_gone)
		log_info("table inet %s is loaded again", sets->plan->table);
	sets->table_gone = gone;
}

/* Takes note of what came of filling or reading the table. 0, also when it isn't there; or -errno.
 */
static int settle_table(struct sets *sets, int error)
{
	if (error && error != -ENOENT) {
		log_error("table inet %s: %s", sets->plan->table, strerror(-error));
		return error;
	}
	note_table(sets, error == -ENOENT);
	return 0;
}

/* Reads what is leased. 0, also when the table isn't there; or -errno. */
static int learn(struct sets *sets)
{
	struct mono start = clock_now();
	int error = settle_table(sets, read_maps(sets));

	sets->learn_at = clock_now();
	sets->learn_at.ms += LEARN_PAUSE * mono_between(start, sets->learn_at).ms;
	return error;
}

int sets_start(struct sets *sets)
{
	int error = put_mark(sets);

	return error ? settle_table(sets, error) : learn(sets);
}

static int is_mark(void *context, const struct setlink_element *element)
{
	const struct setlink_element *wanted = context;

	return element->key_size == wanted->key_size &&
	       memcmp(element->key, wanted->key, wanted->key_size) == 0;
}

static int look(struct sets *sets, struct mono now)
{
	struct setlink_element wanted = mark_element(sets);
	int found = setlink_dump(
		sets->link, sets->plan->table, sets->plan->resolver_set, is_mark, &wanted);

	sets->look_at = mono_add(now, (struct duration){SETS_LOOK_MS});
	if (found == 1 || found == -EINTR)
		return 0;
	if (sets->table_gone)
		return sets_start(sets);
	log_warning(
		"table inet %s was taken away or loaded anew: starting over", sets->plan->table);
	return -ESTALE;
}

int sets_look(struct sets *sets, struct mono now)
{
	return mono_before(now, sets->look_at) ? 0 : look(sets, now);
}

/* --- Leases --- */

static int compare_marks(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static bool is_in_force(const struct sets *sets, uint32_t mark)
{
	return bsearch(
		&mark, sets->marks_in_force, sets->plan->n_rules, sizeof(mark), compare_marks);
}

static void undo_changes(struct sets *sets)
{
	while (sets->n_changes > 0) {
		const struct change *change = &sets->changes[--sets->n_changes];

		*change->place = change->before;
	}
}

void sets_begin(struct sets *sets, struct mono now)
{
	undo_changes(sets);
	setlink_begin(sets->link, sets->plan->table);
	leases_settle(sets->leases, now);
}

int sets_commit(struct sets *sets)
{
	int error = setlink_commit(sets->link);

	if (error)
		undo_changes(sets);
	sets->n_changes = 0;
	return error;
}

static int make_room(struct sets *sets, struct mono now)
{
	int error;

	if (sets->n_changes < CHANGES_MAX && setlink_room(sets->link) >= ELEMENTS_PER_CHANGE)
		return 0;
	error = sets_commit(sets);
	sets_begin(sets, now);
	return error;
}

static void collect(struct sets *sets, const struct lease *lease, uint32_t mark,
	struct duration timeout, bool certain)
{
	struct setlink_element element = {.has_mark = true, .timeout = timeout};
	const uint8_t *key = inaddr_raw(&lease->address, &element.key_size);
	const char *map = map_name(sets, lease->map);

	memcpy(element.key, key, element.key_size);
	if (!certain) {
		element.mark = lease->known ? lease->mark : mark;
		setlink_add(sets->link, map, &element);
		setlink_delete(sets->link, map, &element);
	}
	element.mark = mark;
	setlink_add(sets->link, map, &element);
}

int sets_open_address(struct sets *sets, const struct grant *grant, const struct inaddr *address,
	struct mono now, struct mono *until)
{
	uint16_t map = map_number(grant->group, inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6);
	uint32_t mark = sets->plan->rules[grant->rule].mark;
	struct mono sure = {until->ms - TICK_MS};
	struct lease *lease;
	int error = make_room(sets, now);

	if (error)
		return error;
	lease = leases_take(sets->leases, map, address, now);
	if (!lease)
		return -ENOSPC;
	if (lease->known && is_in_force(sets, lease->mark))
		mark = lease->mark;
	if (lease->known && !mono_before(lease->expires, sure)) {
		sure = lease->expires;
		*until = sure;
		if (mark == lease->mark)
			return 0;
	}
	collect(sets, lease, mark, (struct duration){sure.ms + TICK_MS - now.ms},
		!lease->known && !mono_before(now, sets->complete_at));
	sets->changes[sets->n_changes++] = (struct change){lease, *lease};
	lease->known = true;
	lease->mark = mark;
	lease->expires = sure;
	*until = sure;
	return 0;
}

/* Whether the error says that the kernel's sets are not as they were recorded. */
static bool is_surprise(int error)
{
	return error == -ENOENT || error == -EEXIST || error == -EBUSY || error == -ENOBUFS;
}

/* An element that came from elsewhere is known after one reading; a set that is missing stays
 * missing, so that is not read again and again. */
int sets_recover(struct sets *sets, int error, struct mono now)
{
	int lost;

	if (!is_surprise(error))
		return 0;
	lost = look(sets, now);
	if (lost || (error == -ENOENT && mono_before(now, sets->learn_at)))
		return lost;
	return learn(sets);
}

/* --- */

static int list_marks(struct sets *sets)
{
	sets->marks_in_force = calloc(sets->plan->n_rules + 1, sizeof(uint32_t));
	if (!sets->marks_in_force)
		return -ENOMEM;
	for (size_t i = 0; i < sets->plan->n_rules; i++)
		sets->marks_in_force[i] = sets->plan->rules[i].mark;
	qsort(sets->marks_in_force, sets->plan->n_rules, sizeof(uint32_t), compare_marks);
	return 0;
}

int sets_open(
	const struct plan *plan, uint32_t mark, uint32_t uid, bool alone, struct sets **ret_sets)
{
	struct sets *sets = calloc(1, sizeof(*sets));
	struct hash_key key;
	int error = sets ? hash_key_draw(&key) : -ENOMEM;

	if (error) {
		free(sets);
		return error;
	}
	sets->plan = plan;
	sets->mark = mark;
	sets->uid = uid;
	sets->complete_at = clock_now();
	if (!alone)
		sets->complete_at = mono_add(sets->complete_at, longest_lease(sets));
	error = list_marks(sets);
	if (!error)
		error = leases_new(&key, &sets->leases);
	if (!error)
		error = setlink_open(&sets->link);
	if (error) {
		sets_close(sets);
		return error;
	}
	*ret_sets = sets;
	return 0;
}

void sets_close(struct sets *sets)
{
	if (!sets)
		return;
	setlink_close(sets->link);
	leases_free(sets->leases);
	free(sets->marks_in_force);
	free(sets);
}
