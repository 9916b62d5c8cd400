/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/sets-own.h"
#include "src/base/fd.h"
#include "src/base/log.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * The kernel's lease maps are filled here, and the set that names the resolver's own sockets. A
 * record (leases.c) says what the kernel has, so that a lease which lasts long enough costs no
 * message: see sets-open.c.
 *
 * Others may change the table under a running resolver: empty a map, delete the table, load the
 * ruleset anew. Every transaction in the network namespace, whoever's, takes the generation of its
 * rulesets to the next. So the record is right as long as the generation is the one that it would
 * be after this keeper's own transactions. Each of them tells the kernel which one that is, and is
 * refused if it is another; besides, the generation is asked for once a second. When it has moved
 * the maps are looked at, and what is missing is opened again for the rest of its time
 * (sets-read.c). So what the workers remember is wrong for a second at most.
 *
 * Where others change rulesets all the time, a few of the transactions a second are told about it,
 * the others go without; and no more than a tenth of the time goes into looking.
 *
 * A table that is gone is waited for a second; as long as it is gone nothing is refused. Then
 * nothing is left to repair: the answers that the workers remember can't be kept from being given,
 * so the keeper ends, and the parent starts all processes anew. One that never was there is waited
 * for as long as it takes.
 */

enum {
	GONE_MS = 1000,
	GONE_LOOK_MS = 50, /* between two looks while it is gone */
	RESTARTS_MAX = 10, /* transactions between two looks that may be refused */
	/* Longer than another crew needs to start, and the one before it to end (main.c). */
	OTHERS_MS = 16000,
	START_TRIES = 10, /* to put the mark into force, after what passes */
};

/* --- The table --- */

const char *sets_map_name(const struct sets *sets, uint16_t map)
{
	return sets->plan->groups[map / PLAN_FAMILIES].family[map % PLAN_FAMILIES].leases;
}

/* The element that says which sockets are the resolver's. */
static struct setlink_element mark_element(const struct sets *sets)
{
	struct setlink_element element = {.key_size = 2 * sizeof(uint32_t)};

	memcpy(element.key, &sets->mark, sizeof(sets->mark));
	memcpy(element.key + sizeof(sets->mark), &sets->uid, sizeof(sets->uid));
	return element;
}

/* The element that lets the resolver's sockets reach a server by `protocol`: address, protocol and
 * port in fields of whole words. */
static struct setlink_element server_element(const struct endpoint *at, uint8_t protocol)
{
	struct setlink_element element = {.key_size = 0};
	const uint8_t *address = inaddr_raw(&at->address, &element.key_size);
	uint8_t *key = memcpy(element.key, address, element.key_size);
	uint8_t *fields = key + element.key_size;

	fields[0] = protocol;
	fields[4] = (uint8_t)(at->port >> 8);
	fields[5] = (uint8_t)at->port;
	element.key_size += 2 * sizeof(uint32_t);
	return element;
}

/* Collects: the ruleset lets the resolver reach the servers it asks, if those are the system's,
 * which the ruleset doesn't know. Those of the keeper before stay while its workers have questions
 * out. */
static void put_servers(struct sets *sets)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	const struct dns_policy *dns = &sets->plan->policy->dns;

	if (dns->has_upstream)
		return;
	for (unsigned i = 0; i < PLAN_FAMILIES && sets->servers_at.ms == 0; i++)
		setlink_flush(sets->link, sets->plan->family[i].upstream_set);
	for (size_t i = 0; i < 2 * dns->n_upstream; i++) {
		const struct endpoint *at = &dns->upstream[i / 2].at;
		unsigned family = inaddr_is_ip4(&at->address) ? PLAN_IP4 : PLAN_IP6;
		struct setlink_element element = server_element(at, protocols[i % 2]);

		setlink_add(sets->link, sets->plan->family[family].upstream_set, &element);
	}
}

/* Puts the mark into the table, and what else it needs. 0, -ENOENT or -errno. */
static int put_mark(struct sets *sets)
{
	struct setlink_element element = mark_element(sets);

	setlink_begin(sets->link, sets->plan->table);
	setlink_flush(sets->link, sets->plan->resolver_set);
	setlink_add(sets->link, sets->plan->resolver_set, &element);
	put_servers(sets);
	return setlink_commit(sets->link);
}

/* Takes away servers that only the keeper before has asked, if that is due. 0 or -errno. */
static int forget_servers(struct sets *sets, struct mono now)
{
	int error;

	if (sets->servers_at.ms == 0 || mono_before(now, sets->servers_at))
		return 0;
	sets->servers_at = (struct mono){0};
	error = put_mark(sets);
	if (!error && sets->generation != 0)
		sets->generation = netlink_next_generation(sets->generation);
	if (error)
		sets->servers_at = mono_add(now, (struct duration){SETS_LOOK_MS});
	/* A table that is gone is noticed by others. */
	return error == -ENOENT || sets_is_passing(error) ? 0 : error;
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

int sets_settle_table(struct sets *sets, int error)
{
	if (error && error != -ENOENT) {
		log_error("table inet %s: %s", sets->plan->table, strerror(-error));
		return error;
	}
	note_table(sets, error == -ENOENT);
	return 0;
}

/* Puts the mark into the table, and reads what is in it. 0; -ENOENT when it isn't there; or -errno.
 */
static int fill(struct sets *sets)
{
	uint32_t generation = 0;
	int error = put_mark(sets);

	if (!error)
		error = sets_read_session(sets);
	if (error == -ENOENT || sets_is_passing(error))
		return error;
	/* One that isn't known is asked for again at the next look. */
	if (!error)
		error = setlink_generation(sets->link, &generation);
	if (error && !sets_is_passing(error))
		return sets_settle_table(sets, error);
	sets->generation = generation;
	sets->was_there = true;
	sets->gone_since = (struct mono){0};
	return sets_learn(sets);
}

int sets_start(struct sets *sets)
{
	int error = -EAGAIN;

	for (unsigned i = 0; i < START_TRIES && sets_is_passing(error); i++)
		error = fill(sets);
	sets->look_at = mono_add(clock_now(), (struct duration){SETS_LOOK_MS});
	return error == -ENOENT || sets_is_passing(error) ? sets_settle_table(sets, error) : error;
}

/* The table is not there. */
static int miss(struct sets *sets, struct mono now)
{
	sets_settle_table(sets, -ENOENT);
	if (!sets->was_there)
		return 0;
	if (sets->gone_since.ms == 0)
		sets->gone_since = now;
	sets->look_at = mono_add(now, (struct duration){GONE_LOOK_MS});
	if (mono_between(sets->gone_since, now).ms < GONE_MS)
		return 0;
	log_warning("table inet %s was taken away: starting over", sets->plan->table);
	return -ESTALE;
}

/* The mark isn't in the table, which was loaded anew or is gone. */
static int fill_again(struct sets *sets, struct mono now)
{
	bool was_there = sets->was_there;
	int error = fill(sets);

	if (error == -ENOENT)
		return miss(sets, now);
	if (sets_is_passing(error))
		return 0;
	if (!error && was_there)
		log_warning("table inet %s was loaded anew: what was open is open again",
			sets->plan->table);
	return error;
}

/* As sets_look(), whether it is due or not. */
static int look_now(struct sets *sets, struct mono now)
{
	struct setlink_element wanted = mark_element(sets), found;
	uint32_t generation;
	int error;

	sets->look_at = mono_add(now, (struct duration){SETS_LOOK_MS});
	error = setlink_generation(sets->link, &generation);
	if (error)
		return sets_is_passing(error) ? 0 : error;
	if (generation == sets->generation && sets->gone_since.ms == 0)
		return 0;
	error = setlink_get(
		sets->link, sets->plan->table, sets->plan->resolver_set, &wanted, &found);
	if (error == -ENOENT)
		return fill_again(sets, now);
	if (error)
		return sets_is_passing(error) ? 0 : error;
	if (mono_before(now, sets->learn_at)) {
		sets->generation = 0;
		sets->look_at = sets->learn_at;
		return 0;
	}
	sets->generation = generation;
	error = sets_raise_again(sets);
	if (error)
		return error == -ENOENT || sets_is_passing(error) ? 0 : error;
	return sets_check(sets, now);
}

int sets_look(struct sets *sets, struct mono now)
{
	int error;

	if (sets->retired)
		return 0;
	error = sets_go_on_reading(sets, now);
	if (error || mono_before(now, sets->look_at))
		return error;
	sets->n_restarts = 0;
	error = forget_servers(sets, now);
	return error ? error : look_now(sets, now);
}

void sets_retire(struct sets *sets)
{
	sets_stop_reading(sets);
	sets->retired = true;
	sets->generation = 0;
}

void sets_stop_counting(struct sets *sets)
{
	sets->counting_stopped = true;
}

/* Whether the error says that the kernel's sets are not as they were recorded. */
static bool is_surprise(int error)
{
	return error == -ENOENT || error == -EEXIST || error == -EBUSY;
}

bool sets_is_passing(int error)
{
	return error == -ERESTART || error == -ENOBUFS || error == -EAGAIN || error == -EINTR ||
	       error == -ENOMEM;
}

int sets_recover(struct sets *sets, int error, struct mono now)
{
	/* Before reading moves leases to other places. */
	sets_undo(sets);
	if (is_surprise(error) && !sets->retired) {
		sets->generation = 0;
		return look_now(sets, now);
	}
	if (!sets_is_passing(error))
		return 0;
	if (error == -ERESTART && !sets->retired && ++sets->n_restarts <= RESTARTS_MAX)
		return look_now(sets, now);
	/* Also when it isn't known what became of the transaction: the next look reads. */
	sets->generation = 0;
	return 0;
}

void sets_forget_answers(struct sets *sets)
{
	sets->forget = true;
}

bool sets_take_forget(struct sets *sets)
{
	bool forget = sets->forget;

	sets->forget = false;
	return forget;
}

/* --- Marks in force --- */

static int compare_marks(const void *a, const void *b)
{
	const struct sets_force *left = a, *right = b;

	return left->mark < right->mark ? -1 : left->mark > right->mark;
}

const struct sets_force *sets_find_force(const struct sets *sets, uint32_t mark)
{
	const struct sets_force wanted = {.mark = mark};

	return bsearch(&wanted, sets->in_force, sets->n_in_force, sizeof(wanted), compare_marks);
}

struct mono sets_force_ends(
	const struct sets *sets, const struct sets_force *force, struct mono now)
{
	int64_t expires = sets->plan->rules[force->rule].expires, left;

	if (expires == INT64_MAX)
		return (struct mono){INT64_MAX};
	left = expires - (int64_t)time(NULL);
	return mono_add(now, duration_seconds(left > 0 ? left : 0));
}

static int list_marks(struct sets *sets)
{
	const struct plan *plan = sets->plan;
	struct sets_force *force = calloc(2 * plan->n_rules + 1, sizeof(*force));
	size_t count = 0;

	if (!force)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		force[count++] = (struct sets_force){rule->mark, (uint32_t)i, false};
		if (rule->flag_mark != 0)
			force[count++] = (struct sets_force){rule->flag_mark, (uint32_t)i, true};
	}
	qsort(force, count, sizeof(*force), compare_marks);
	sets->in_force = force;
	sets->n_in_force = count;
	return 0;
}

/* --- */

static int make_parts(struct sets *sets, const struct sets_config *config)
{
	size_t most = config->leases_max ? config->leases_max : LEASES_MAX;
	int error = list_marks(sets);

	if (!error)
		error = leases_new(most, &sets->leases);
	if (!error && sets->plan->destinations_set)
		error = destinations_new(sets->plan->destinations_size, &sets->destinations);
	if (!error && sets->plan->destinations_set) {
		sets->claims = sets_open_claims(sets->mark);
		error = sets->claims < 0 ? sets->claims : 0;
	}
	if (!error)
		error = setlink_open(&sets->link);
	return error;
}

/* Whether the kernel refreshes what is added again; where that can't be tried, no. */
static bool probe(const struct sets *sets)
{
	bool refreshes = false;
	char name[64];

	snprintf(name, sizeof(name), "egress.probe.%08x", (unsigned)sets->mark);
	if (setlink_probe_refresh(sets->link, name, &refreshes) != 0)
		return false;
	log_debug("leases are refreshed %s", refreshes ? "in place" : "by deleting and adding");
	return refreshes;
}

int sets_open(const struct sets_config *config, struct sets **ret_sets)
{
	const struct dns_policy *dns = &config->plan->policy->dns;
	struct sets *sets = calloc(1, sizeof(*sets));
	int error;

	if (!sets)
		return -ENOMEM;
	sets->plan = config->plan;
	sets->mark = config->mark;
	sets->uid = config->uid;
	sets->claims = -1;
	sets->session.key = config->destinations_key;
	sets->names = config->names;
	sets->next_end = (struct mono){INT64_MAX};
	sets->unlisted = true;
	sets->complete_at = clock_now();
	if (!config->alone) {
		sets->servers_at = mono_add(clock_now(), (struct duration){OTHERS_MS});
		sets->complete_at.ms += dns->max_lease.ms + dns->grace.ms + LEASES_LINGER_MS;
	}
	for (size_t map = 0; map < sets->plan->n_groups * PLAN_FAMILIES; map++)
		sets->maps[map] = namering_map(
			sets->names, sets->plan->table, sets_map_name(sets, (uint16_t)map));
	error = make_parts(sets, config);
	if (error) {
		sets_close(sets);
		return error;
	}
	sets->in_place = !config->never_in_place && probe(sets);
	*ret_sets = sets;
	return 0;
}

void sets_close(struct sets *sets)
{
	if (!sets)
		return;
	sets_end_reading(sets);
	conntrack_close(sets->conntrack);
	setlink_close(sets->link);
	fd_closep(&sets->claims);
	destinations_free(sets->destinations);
	leases_free(sets->leases);
	free(sets->in_force);
	free(sets);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int sets_wait(const struct sets *sets, struct mono now)
{
	int64_t left, due = sooner(sets->look_at.ms, sets_renewal_due(sets).ms);

	if (sets->retired)
		return SETS_LOOK_MS;
	if (sets->reading.active)
		due = sooner(due, sets->reading.due.ms);
	if (sets->count.place > 0)
		due = sooner(due, sets->count_at.ms);
	left = sooner(due - now.ms, SETS_LOOK_MS);
	return left < 0 ? 0 : (int)left;
}
