/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/destinations.h"
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
 * Where [budget] destinations has a ceiling, a name takes an element of the set `destinations` in
 * the transaction that opens its first address; the kernel holds the set to its size, and takes
 * elements itself for bare addresses. What is in it is remembered, so that a name is sent once.
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

/* A mark in force. */
struct force {
	uint32_t mark;
	int64_t expires; /* its rule */
};

struct sets {
	const struct plan *plan;
	struct setlink *link;
	struct leases *leases;
	struct destinations *destinations; /* NULL: they are not counted */
	struct hash_key destinations_key;
	bool counting_stopped; /* the set of them is full */
	uint32_t mark;
	uint32_t uid;
	struct force *in_force; /* sorted by mark */
	size_t n_in_force;
	struct mono complete_at; /* from then on what isn't in `leases` isn't in the kernel */
	struct mono look_at;
	struct mono learn_at; /* not before, for a set that is missing */
	bool table_gone;
	struct change changes[CHANGES_MAX];
	size_t n_changes;
	uint32_t counted[CHANGES_MAX]; /* destinations that this transaction adds */
	size_t n_counted;
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

int sets_forget_destinations(const struct plan *plan)
{
	__attribute__((cleanup(setlink_closep))) struct setlink *link = NULL;
	int error;

	if (!plan->destinations_set)
		return 0;
	error = setlink_open(&link);
	if (error)
		return error;
	setlink_begin(link, plan->table);
	setlink_flush(link, plan->destinations_set);
	return setlink_commit(link);
}

const char *sets_load_command(const struct plan *plan, char *out)
{
	const struct layers *layers = plan->layers;
	int length = snprintf(out, SETS_COMMAND, "egress-compile %s", plan->policy->file);

	for (size_t i = 1; i < layers->n_layers && length < SETS_COMMAND; i++)
		length += snprintf(out + length, (size_t)(SETS_COMMAND - length), " --override %s",
			layers->layers[i].policy->file);
	if (length < SETS_COMMAND)
		snprintf(out + length, (size_t)(SETS_COMMAND - length), " | nft -f -");
	return out;
}

static void note_table(struct sets *sets, bool gone)
{
	char command[SETS_COMMAND];

	if (gone && !sets->table_gone)
		log_error("table inet %s is not loaded, or not from this policy; load it with: %s",
			sets->plan->table, sets_load_command(sets->plan, command));
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
	int error = read_maps(sets), counted = read_destinations(sets);

	error = settle_table(sets, error ? error : counted);

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
	const struct force *left = a, *right = b;

	return left->mark < right->mark ? -1 : left->mark > right->mark;
}

/* Whether a lease may keep its mark for a rule that expires then. */
static bool may_keep(const struct sets *sets, uint32_t mark, int64_t expires)
{
	const struct force wanted = {.mark = mark};
	const struct force *found =
		bsearch(&wanted, sets->in_force, sets->n_in_force, sizeof(wanted), compare_marks);

	return found && found->expires >= expires;
}

static void undo_changes(struct sets *sets)
{
	while (sets->n_changes > 0) {
		const struct change *change = &sets->changes[--sets->n_changes];

		*change->place = change->before;
	}
	sets->n_counted = 0;
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
	for (size_t i = 0; i < sets->n_counted; i++)
		destinations_add(sets->destinations, sets->counted[i]);
	sets->n_changes = 0;
	sets->n_counted = 0;
	return error;
}

static int make_room(struct sets *sets, struct mono now)
{
	int error;

	if (sets->n_changes < CHANGES_MAX && sets->n_counted < CHANGES_MAX &&
		setlink_room(sets->link) >= ELEMENTS_PER_CHANGE)
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

int sets_open_address(struct sets *sets, const struct match_lease *wanted,
	const struct inaddr *address, struct mono now, struct mono *until)
{
	uint16_t map = map_number(wanted->group, inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6);
	uint32_t mark = wanted->mark;
	struct mono sure = {until->ms - TICK_MS};
	struct lease *lease;
	int error = make_room(sets, now);

	if (error)
		return error;
	lease = leases_take(sets->leases, map, address, now);
	if (!lease)
		return -ENOSPC;
	if (lease->known && may_keep(sets, lease->mark, sets->plan->rules[wanted->rule].expires))
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

int sets_count_name(struct sets *sets, const struct name *name, struct mono now, bool *ret_new)
{
	struct setlink_element element = {.key_size = sizeof(uint32_t)};
	uint32_t mark;
	int error = 0;

	*ret_new = false;
	if (!sets->destinations || sets->counting_stopped)
		return 0;
	mark = destinations_mark(&sets->destinations_key, name);
	if (destinations_has(sets->destinations, mark))
		return 0;
	error = make_room(sets, now);
	if (error)
		return error;
	memcpy(element.key, &mark, sizeof(mark));
	setlink_add(sets->link, sets->plan->destinations_set, &element);
	sets->counted[sets->n_counted++] = mark;
	*ret_new = true;
	return 0;
}

void sets_stop_counting(struct sets *sets)
{
	sets->counting_stopped = true;
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
	const struct plan *plan = sets->plan;
	struct force *force = calloc(2 * plan->n_rules + 1, sizeof(*force));
	size_t count = 0;

	if (!force)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		force[count++] = (struct force){rule->mark, rule->expires};
		if (rule->flag_mark != 0)
			force[count++] = (struct force){rule->flag_mark, rule->expires};
	}
	qsort(force, count, sizeof(*force), compare_marks);
	sets->in_force = force;
	sets->n_in_force = count;
	return 0;
}

static int make_parts(struct sets *sets)
{
	struct hash_key key;
	int error = hash_key_draw(&key);

	if (!error)
		error = list_marks(sets);
	if (!error)
		error = leases_new(&key, &sets->leases);
	if (!error && sets->plan->destinations_set)
		error = destinations_new(
			sets->plan->layers->budget.destinations, &sets->destinations);
	if (!error)
		error = setlink_open(&sets->link);
	return error;
}

int sets_open(const struct sets_config *config, struct sets **ret_sets)
{
	struct sets *sets = calloc(1, sizeof(*sets));
	int error;

	if (!sets)
		return -ENOMEM;
	sets->plan = config->plan;
	sets->mark = config->mark;
	sets->uid = config->uid;
	sets->destinations_key = config->destinations_key;
	sets->complete_at = clock_now();
	if (!config->alone)
		sets->complete_at = mono_add(sets->complete_at, longest_lease(sets));
	error = make_parts(sets);
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
	destinations_free(sets->destinations);
	leases_free(sets->leases);
	free(sets->in_force);
	free(sets);
}
