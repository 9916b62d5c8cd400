/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>
#include <time.h>

#include "src/base/log.h"
#include "src/kernel/ceiling.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * What a session has spent is in the kernel's table: sets of destinations and connections, and
 * quotas. So it lasts for as long as what it bounds, whoever starts anew; and what has to be known
 * to count on is there too, in the map `session`: by what key names stand for destinations, when
 * the session began, and by how much its ceilings were raised. A table without it begins a session.
 *
 * A session ends by one transaction, in which the sets are emptied, the ceilings are the policy's
 * again, and the next one begins. Leases are closed in it as well: an address that stayed open
 * would be none of the next session's destinations. Quotas follow, which no transaction empties.
 *
 * Loading the ruleset gives sets and quotas the policy's ceilings. The keeper notices that another
 * ruleset is in force, and raises them again; until then less is permitted, not more. A set that
 * holds more than its size would be no ceiling at all (rules/nft-limits.c): so the table remembers
 * that there is something to raise, and takes nothing new before the keeper says that it was, which
 * it does in a second transaction, on condition that no ruleset was changed since it saw the sizes.
 */

enum {
	WORD_KEY = 1, /* and the three behind it */
	WORD_BEGAN = 5,
	WORD_EXTENDED = 16, /* of each spent_key, two */
	WORDS = WORD_EXTENDED + 2 * SPENT_KEYS,
	KEY_WORDS = 4,
	TRIES = 5,
};

_Static_assert(sizeof(struct hash_key) == KEY_WORDS * sizeof(uint32_t), "the key fits");

/* What the kernel's map says. */
struct words {
	uint32_t values[WORDS];
	uint32_t present; /* bit 1 << word */
	bool any;
};

_Static_assert(WORDS <= 32, "a bit for each word");

static int take_word(void *context, const struct setlink_element *element)
{
	struct words *words = context;
	uint32_t word;

	words->any = true;
	if (element->key_size != sizeof(word) || !element->has_mark)
		return 0;
	memcpy(&word, element->key, sizeof(word));
	if (word >= WORDS)
		return 0;
	words->values[word] = element->mark;
	words->present |= UINT32_C(1) << word;
	return 0;
}

static int read_words(struct sets *sets, struct words *words)
{
	int error = -EINTR;

	for (unsigned i = 0; i < TRIES && error == -EINTR; i++) {
		*words = (struct words){.any = false};
		error = setlink_dump(
			sets->link, sets->plan->table, sets->plan->session_map, take_word, words);
	}
	return error;
}

static uint64_t get_wide(const struct words *words, unsigned word)
{
	return (uint64_t)words->values[word + 1] << 32 | words->values[word];
}

static struct setlink_element word_element(uint32_t word, uint32_t value)
{
	struct setlink_element element = {
		.key_size = sizeof(word), .has_mark = true, .mark = value};

	memcpy(element.key, &word, sizeof(word));
	return element;
}

static void put_word(struct sets *sets, uint32_t word, uint32_t value)
{
	const struct setlink_element element = word_element(word, value);

	setlink_add(sets->link, sets->plan->session_map, &element);
}

static void put_wide(struct sets *sets, uint32_t word, uint64_t value)
{
	put_word(sets, word, (uint32_t)value);
	put_word(sets, word + 1, (uint32_t)(value >> 32));
}

/* Collects: what the map is to hold of the session. */
static void put_session(struct sets *sets, const struct sets_session *session)
{
	uint32_t key[KEY_WORDS];

	memcpy(key, &session->key, sizeof(key));
	for (uint32_t i = 0; i < KEY_WORDS; i++)
		put_word(sets, WORD_KEY + i, key[i]);
	put_wide(sets, WORD_BEGAN, (uint64_t)session->began);
	for (uint32_t i = 0; i < SPENT_KEYS; i++)
		if (session->extended[i] > 0)
			put_wide(sets, WORD_EXTENDED + 2 * i, session->extended[i]);
}

/* False: it is not there, or not all of it. */
static bool get_session(const struct words *words, struct sets_session *ret_session)
{
	const uint32_t needed =
		((UINT32_C(1) << KEY_WORDS) - 1) << WORD_KEY | UINT32_C(3) << WORD_BEGAN;
	struct sets_session session = {.began = (int64_t)get_wide(words, WORD_BEGAN)};

	if ((words->present & needed) != needed)
		return false;
	memcpy(&session.key, &words->values[WORD_KEY], sizeof(session.key));
	for (unsigned i = 0; i < SPENT_KEYS; i++)
		session.extended[i] = get_wide(words, WORD_EXTENDED + 2 * i);
	*ret_session = session;
	return true;
}

/* --- Ceilings --- */

/* Sets and quotas may hold no more. */
static const uint64_t spent_max[SPENT_KEYS] = {
	[SPENT_DESTINATIONS] = UINT32_MAX,
	[SPENT_CONNECTIONS] = UINT32_MAX,
	[SPENT_BYTES] = INT64_MAX,
};

static uint64_t policy_ceiling(const struct sets *sets, enum spent_key key)
{
	const struct budget *budget = &sets->plan->layers->budget;

	switch (key) {
	case SPENT_DESTINATIONS:
		return budget->destinations;
	case SPENT_CONNECTIONS:
		return budget->connections;
	case SPENT_BYTES:
		return budget->bytes;
	case SPENT_KEYS:
		break;
	}
	return 0;
}

static const char *spent_object(const struct sets *sets, enum spent_key key)
{
	return key == SPENT_DESTINATIONS  ? sets->plan->destinations_set
	       : key == SPENT_CONNECTIONS ? sets->plan->connections_set
					  : SETS_BYTES_QUOTA;
}

/* What is in force with so much more; 0: there is no ceiling. */
static uint64_t raised(const struct sets *sets, enum spent_key key, uint64_t extended)
{
	uint64_t ceiling = policy_ceiling(sets, key);

	if (ceiling == 0)
		return 0;
	return extended < spent_max[key] - ceiling ? ceiling + extended : spent_max[key];
}

uint64_t sets_destinations_ceiling(const struct sets *sets)
{
	uint64_t ceiling =
		raised(sets, SPENT_DESTINATIONS, sets->session.extended[SPENT_DESTINATIONS]);

	return ceiling > 0 ? ceiling : sets->plan->destinations_size;
}

/* What the kernel has: 0 with the ceiling, -ENOENT or -errno. */
static int read_ceiling(
	struct sets *sets, enum spent_key key, struct ceiling_set *ret_set, uint64_t *ret_ceiling)
{
	struct netlink *netlink = setlink_netlink(sets->link);
	const char *table = sets->plan->table, *object = spent_object(sets, key);
	struct ceiling_quota quota;
	int error;

	if (key == SPENT_BYTES) {
		error = ceiling_read_quota(netlink, table, object, &quota);
		if (!error)
			*ret_ceiling = quota.bytes;
		return error;
	}
	error = ceiling_read_set(netlink, table, object, ret_set);
	if (!error)
		*ret_ceiling = ret_set->size;
	return error;
}

/* Collects: the ceiling, unless it is in force. 0 or -errno. */
static int put_ceiling(struct sets *sets, enum spent_key key, uint64_t wanted, bool *ret_put)
{
	struct netlink *netlink = setlink_netlink(sets->link);
	const char *table = sets->plan->table, *object = spent_object(sets, key);
	struct ceiling_set set;
	uint64_t ceiling;
	int error = read_ceiling(sets, key, &set, &ceiling);

	*ret_put = !error && ceiling != wanted;
	if (*ret_put && key == SPENT_BYTES)
		ceiling_put_quota(netlink, table, object, wanted);
	else if (*ret_put)
		ceiling_put_size(netlink, table, object, &set, (uint32_t)wanted);
	return error;
}

/* Collects what `session` has raised, of all ceilings or of one (SPENT_KEYS: all). 0 or -errno. */
static int put_ceilings(
	struct sets *sets, const struct sets_session *session, enum spent_key which, bool *ret_put)
{
	*ret_put = false;
	for (unsigned i = 0; i < SPENT_KEYS; i++) {
		uint64_t wanted = raised(sets, (enum spent_key)i, session->extended[i]);
		bool put = false;
		int error = 0;

		if (wanted > 0 && (which == SPENT_KEYS || which == i))
			error = put_ceiling(sets, (enum spent_key)i, wanted, &put);
		if (error)
			return error;
		*ret_put |= put;
	}
	return 0;
}

/* A transaction of this keeper's own has taken rulesets to the next generation. */
static int commit(struct sets *sets)
{
	int error = setlink_commit(sets->link);

	if (!error && sets->generation != 0)
		sets->generation = netlink_next_generation(sets->generation);
	return error;
}

/* Whether a ceiling was raised that is the size of a set. */
static bool is_size_raised(const struct sets_session *session)
{
	return session->extended[SPENT_DESTINATIONS] > 0 ||
	       session->extended[SPENT_CONNECTIONS] > 0;
}

static struct setlink_element protocol_element(uint8_t nfproto)
{
	struct setlink_element element = {.key = {nfproto}, .key_size = sizeof(nfproto)};

	return element;
}

/* Collects: both protocols are in the set. */
static void put_protocols(struct sets *sets, const char *set)
{
	const struct setlink_element ip4 = protocol_element(NFPROTO_IPV4);
	const struct setlink_element ip6 = protocol_element(NFPROTO_IPV6);

	setlink_add(sets->link, set, &ip4);
	setlink_add(sets->link, set, &ip6);
}

/* 0: the sizes are in force; -EAGAIN: somebody else changes them; or -errno. */
static int check_sizes(struct sets *sets)
{
	for (unsigned key = 0; key < SPENT_KEYS; key++) {
		uint64_t wanted = raised(sets, (enum spent_key)key, sets->session.extended[key]);
		uint64_t ceiling = 0;
		struct ceiling_set set;
		int error;

		if (wanted == 0 || key == SPENT_BYTES)
			continue;
		error = read_ceiling(sets, (enum spent_key)key, &set, &ceiling);
		if (!error && ceiling != wanted)
			error = -EAGAIN;
		if (error)
			return error;
	}
	return 0;
}

/* Says in the table that the sizes are in force, if it says otherwise. 0; -ERESTART or -EAGAIN when
 * somebody else changed a ruleset meanwhile; or -errno. */
static int confirm_sizes(struct sets *sets)
{
	const struct setlink_element wanted = protocol_element(NFPROTO_IPV6);
	const struct plan *plan = sets->plan;
	struct setlink_element found;
	uint32_t generation;
	int error;

	if (!is_size_raised(&sets->session))
		return 0;
	error = setlink_get(sets->link, plan->table, plan->raised_set, &wanted, &found);
	if (error != -ENOENT)
		return error;
	error = setlink_generation(sets->link, &generation);
	if (!error)
		error = check_sizes(sets);
	if (error)
		return error;
	setlink_begin(sets->link, plan->table);
	setlink_expect(sets->link, generation);
	put_protocols(sets, plan->raised_set);
	return commit(sets);
}

int sets_raise_again(struct sets *sets)
{
	static const struct sets_session nothing;
	bool put = false;
	int error;

	if (!sets->plan->session_map ||
		memcmp(sets->session.extended, nothing.extended, sizeof(nothing.extended)) == 0)
		return 0;
	setlink_begin(sets->link, sets->plan->table);
	error = put_ceilings(sets, &sets->session, SPENT_KEYS, &put);
	if (!error && put)
		error = commit(sets);
	return error ? error : confirm_sizes(sets);
}

/* --- Sessions --- */

/* In a map that has none. 0, -EEXIST when somebody else was faster, or -errno. */
static int begin_session(struct sets *sets, const struct words *words)
{
	struct sets_session session = {.began = (int64_t)time(NULL), .key = sets->session.key};
	int error;

	setlink_begin(sets->link, sets->plan->table);
	if (words->any)
		setlink_flush(sets->link, sets->plan->session_map);
	put_session(sets, &session);
	error = setlink_commit(sets->link);
	if (!error)
		sets->session = session;
	return error;
}

int sets_read_session(struct sets *sets)
{
	struct words words;
	int error = -EEXIST;

	if (!sets->plan->session_map)
		return 0;
	for (unsigned i = 0; i < TRIES && error == -EEXIST; i++) {
		error = read_words(sets, &words);
		if (!error && get_session(&words, &sets->session))
			return sets_raise_again(sets);
		if (!error)
			error = begin_session(sets, &words);
	}
	return error;
}

/* Collects: nothing is spent of what the sets count, and nothing is leased. */
static void put_nothing(struct sets *sets)
{
	const struct plan *plan = sets->plan;

	if (plan->destinations_set)
		setlink_flush(sets->link, plan->destinations_set);
	if (plan->connections_set)
		setlink_flush(sets->link, plan->connections_set);
	if (plan->extended_set) {
		setlink_flush(sets->link, plan->extended_set);
		setlink_flush(sets->link, plan->raised_set);
	}
	if (plan->session_map)
		setlink_flush(sets->link, plan->session_map);
	for (size_t map = 0; map < plan->n_groups * PLAN_FAMILIES; map++)
		setlink_flush(sets->link, sets_map_name(sets, (uint16_t)map));
}

/* The record follows what has happened in the kernel. */
static void forget_all(struct sets *sets, const struct sets_session *session)
{
	leases_clear(sets->leases);
	if (sets->destinations)
		destinations_clear(sets->destinations);
	sets->counting_stopped = false;
	sets->session = *session;
}

static int change_sessions(struct sets *sets, const struct sets_session *next)
{
	bool put;
	int error;

	setlink_begin(sets->link, sets->plan->table);
	/* In this order, so that no set holds more than its size. */
	put_nothing(sets);
	error = put_ceilings(sets, next, SPENT_KEYS, &put);
	if (error)
		return error;
	if (sets->plan->session_map)
		put_session(sets, next);
	error = setlink_commit(sets->link);
	if (error)
		return error;
	forget_all(sets, next);
	return ceiling_reset_quotas(setlink_netlink(sets->link), sets->plan->table);
}

int sets_new_session(struct sets *sets, struct mono now, uint64_t *ret_leases)
{
	struct sets_session next = {.began = (int64_t)time(NULL)};
	uint64_t count = sets_count_leases(sets, now);
	int error = hash_key_draw(&next.key);

	if (error)
		return error;
	sets_begin_taking(sets);
	error = change_sessions(sets, &next);
	if (!error)
		*ret_leases = count;
	return error;
}

/* The words of what was raised before go, if there are any. */
static void replace_extension(struct sets *sets, enum spent_key key, uint64_t before, uint64_t now)
{
	const uint32_t word = WORD_EXTENDED + 2 * (uint32_t)key;
	const struct setlink_element low = word_element(word, (uint32_t)before);
	const struct setlink_element high = word_element(word + 1, (uint32_t)(before >> 32));

	if (before > 0) {
		setlink_delete(sets->link, sets->plan->session_map, &low);
		setlink_delete(sets->link, sets->plan->session_map, &high);
	}
	if (now > 0)
		put_wide(sets, word, now);
}

/* Collects: whether there is a size to raise after each load of the ruleset. When it is the first
 * one the table has not refused anything new so far, and needn't begin to. */
static void note_raised(struct sets *sets, const struct sets_session *session)
{
	bool before = is_size_raised(&sets->session), after = is_size_raised(session);

	if (after && !before) {
		put_protocols(sets, sets->plan->extended_set);
		put_protocols(sets, sets->plan->raised_set);
	} else if (before && !after) {
		setlink_flush(sets->link, sets->plan->extended_set);
		setlink_flush(sets->link, sets->plan->raised_set);
	}
}

/* One transaction: the ceiling, and that it was raised. */
static int extend(struct sets *sets, enum spent_key key, const struct sets_session *session)
{
	bool put;
	int error;

	setlink_begin(sets->link, sets->plan->table);
	replace_extension(sets, key, sets->session.extended[key], session->extended[key]);
	error = put_ceilings(sets, session, key, &put);
	if (error)
		return error;
	note_raised(sets, session);
	return commit(sets);
}

int sets_extend(struct sets *sets, enum spent_key key, uint64_t amount)
{
	struct sets_session session = sets->session, before = session;
	uint64_t ceiling = policy_ceiling(sets, key), is = 0;
	struct ceiling_set set;
	int error;

	if (ceiling == 0)
		return -ENODATA;
	if (amount == 0 || session.extended[key] > spent_max[key] - ceiling ||
		amount > spent_max[key] - ceiling - session.extended[key])
		return -ERANGE;
	session.extended[key] += amount;
	error = extend(sets, key, &session);
	if (error)
		return error;
	sets->session = session;
	error = read_ceiling(sets, key, &set, &is);
	if (!error && is == raised(sets, key, session.extended[key])) {
		/* What was refused may be permitted now. */
		sets->forget = true;
		sets->counting_stopped = false;
		/* A ruleset that was loaded meanwhile is noticed at the next look. */
		confirm_sizes(sets);
		return 0;
	}
	/* It is not to be said to have been raised. */
	if (extend(sets, key, &before) == 0)
		sets->session = before;
	return error ? error : -EOPNOTSUPP;
}

/* --- What was spent --- */

static struct control_spent show_set(struct sets *sets, enum spent_key key)
{
	struct control_spent spent = {.extended = sets->session.extended[key],
		.of = raised(sets, key, sets->session.extended[key])};
	const char *set = spent_object(sets, key);
	size_t count = 0;

	if (set && setlink_count(sets->link, sets->plan->table, set, &count) == 0)
		spent.used = count;
	return spent;
}

static uint64_t quota_used(struct sets *sets, const char *name)
{
	struct ceiling_quota quota = {.used = 0};

	ceiling_read_quota(setlink_netlink(sets->link), sets->plan->table, name, &quota);
	return quota.used;
}

void sets_show_session(struct sets *sets, struct control_session *ret_session)
{
	struct control_session shown = {.began = sets->session.began};

	if (sets->destinations) {
		sets_learn_destinations(sets);
		shown.unknown = destinations_count(sets->destinations).unknown;
	}
	shown.spent[SPENT_DESTINATIONS] = show_set(sets, SPENT_DESTINATIONS);
	shown.spent[SPENT_CONNECTIONS] = show_set(sets, SPENT_CONNECTIONS);
	shown.spent[SPENT_BYTES].extended = sets->session.extended[SPENT_BYTES];
	shown.spent[SPENT_BYTES].of =
		raised(sets, SPENT_BYTES, sets->session.extended[SPENT_BYTES]);
	if (shown.spent[SPENT_BYTES].of > 0)
		shown.spent[SPENT_BYTES].used = quota_used(sets, SETS_BYTES_QUOTA);
	shown.limit_bytes.of = sets->plan->layers->limits.bytes;
	if (shown.limit_bytes.of > 0)
		shown.limit_bytes.used = quota_used(sets, SETS_LIMIT_QUOTA);
	*ret_session = shown;
}
