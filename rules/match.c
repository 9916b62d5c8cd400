/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/match.h"

#include <errno.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * One hash table, open addressing, a third of it free, over three kinds of keys: exact names, the
 * suffixes behind wildcards, and the names of [dns.hosts]. The hash of a name is made from the hash
 * of its parent and its first label, so that a lookup, which starts at the root, hashes each label
 * once and has every suffix's hash on the way. It is keyed by chance, so that no list from
 * elsewhere can be made to collide. A million names take 16 bytes each for their records and 12 for
 * the slots.
 *
 * Entries with the same key are chained in their order, and a record that could never win is left
 * out, so that a chain is at most two records a port group long.
 *
 * Of two wildcards that match one name, the literal part of one is the end of the other's. So more
 * literal labels, more literal characters and a longer suffix are the same thing, and only
 * wildcards over the same suffix tie: there the order of the entries decides, `*` or `**` alike.
 */

enum key_kind { KEY_EXACT, KEY_SUFFIX, KEY_EMBEDDED };

enum { LABELS_MAX = 128 };

#define NOTHING UINT32_MAX
#define INDEX_MASK ((UINT32_C(1) << 29) - 1)

struct record {
	const uint8_t *wire;
	uint32_t next; /* the record after this in the chain, or NOTHING */
	uint32_t kind : 2;
	uint32_t any_depth : 1;
	uint32_t index : 29; /* of the rule; of the embedded host for KEY_EMBEDDED */
};

struct slot {
	uint32_t tag; /* bits of the hash that do not choose the slot */
	uint32_t first;
};

struct match {
	const struct plan *plan;
	struct hash_key key;
	struct slot *slots;
	size_t n_slots;
	struct record *records;
	size_t n_records;
	bool suffix_labels[LABELS_MAX]; /* whether there is a suffix of as many labels */
};

/* Labels of a wire name from its first to the root's, at most LABELS_MAX with the root's; returns
 * how many there are without the root's. */
static unsigned find_labels(const uint8_t *wire, const uint8_t *labels[LABELS_MAX])
{
	unsigned n_labels = 0;

	for (; wire[0] != 0; wire += 1 + wire[0])
		labels[n_labels++] = wire;
	labels[n_labels] = wire;
	return n_labels;
}

/* The hash of a name from its parent's (0 for the root's) and its first label. */
static uint64_t hash_label(const struct match *match, uint64_t parent, const uint8_t *label)
{
	uint8_t both[sizeof(parent) + 64];

	memcpy(both, &parent, sizeof(parent));
	memcpy(both + sizeof(parent), label, 1u + label[0]);
	return hash_bytes(&match->key, both, sizeof(parent) + 1 + label[0]);
}

static uint64_t hash_wire(const struct match *match, const uint8_t *wire)
{
	const uint8_t *labels[LABELS_MAX];
	uint64_t hash = 0;

	for (unsigned i = find_labels(wire, labels); i-- > 0;)
		hash = hash_label(match, hash, labels[i]);
	return hash;
}

/* Both are complete names, so the shorter ends with a difference. */
static bool same_wire(const uint8_t *a, const uint8_t *b)
{
	while (a[0] == b[0] && memcmp(a + 1, b + 1, a[0]) == 0) {
		if (a[0] == 0)
			return true;
		a += 1 + a[0];
		b += 1 + b[0];
	}
	return false;
}

/* The hash of a key from its name's. */
static uint64_t hash_key_of(enum key_kind kind, uint64_t name_hash)
{
	return name_hash ^ kind * UINT64_C(0x9e3779b97f4a7c15);
}

/* The slot of the key, or the free one where it belongs. */
static struct slot *find_slot(
	const struct match *match, enum key_kind kind, uint64_t name_hash, const uint8_t *wire)
{
	uint64_t hash = hash_key_of(kind, name_hash);
	size_t at = (size_t)((hash >> 32) * match->n_slots >> 32);

	for (;; at = at + 1 < match->n_slots ? at + 1 : 0) {
		struct slot *slot = &match->slots[at];
		const struct record *record;

		if (slot->first == NOTHING)
			return slot;
		record = &match->records[slot->first];
		if (slot->tag == (uint32_t)hash && record->kind == kind &&
			same_wire(record->wire, wire))
			return slot;
	}
}

static void append_record(struct match *match, struct slot *slot, uint64_t name_hash,
	struct record *last, struct record record)
{
	uint32_t at = (uint32_t)match->n_records++;

	match->records[at] = record;
	if (last) {
		last->next = at;
		return;
	}
	slot->tag = (uint32_t)hash_key_of((enum key_kind)record.kind, name_hash);
	slot->first = at;
}

/* Adds the record at the end of its key's chain, unless what is there before has all its groups for
 * all names that it matches. */
static void add_record(struct match *match, struct record record)
{
	uint64_t hash = hash_wire(match, record.wire);
	struct slot *slot = find_slot(match, (enum key_kind)record.kind, hash, record.wire);
	uint64_t missing = match->plan->rule_groups[record.index];
	struct record *last = NULL;

	for (uint32_t at = slot->first; at != NOTHING; at = last->next) {
		last = &match->records[at];
		if (last->any_depth || !record.any_depth)
			missing &= ~match->plan->rule_groups[last->index];
	}
	if (missing != 0)
		append_record(match, slot, hash, last, record);
}

static void add_host(struct match *match, const struct host *host, size_t rule)
{
	const uint8_t *labels[LABELS_MAX];

	if (host->kind != HOST_EXACT)
		match->suffix_labels[find_labels(host->wire, labels)] = true;
	add_record(match, (struct record){
				  .wire = host->wire,
				  .next = NOTHING,
				  .kind = host->kind == HOST_EXACT ? KEY_EXACT : KEY_SUFFIX,
				  .any_depth = host->kind == HOST_ANY_DEPTH,
				  .index = (uint32_t)rule & INDEX_MASK,
			  });
}

/* The first of two embedded hosts with one name stays. */
static void add_embedded(struct match *match, const struct embedded_host *host, size_t index)
{
	uint64_t hash = hash_wire(match, host->name.wire);
	struct slot *slot = find_slot(match, KEY_EMBEDDED, hash, host->name.wire);

	struct record record = {
		.wire = host->name.wire,
		.next = NOTHING,
		.kind = KEY_EMBEDDED,
		.index = (uint32_t)index & INDEX_MASK,
	};

	if (slot->first == NOTHING)
		append_record(match, slot, hash, NULL, record);
}

/* Room for as many names. */
static int make_room(struct arena *arena, struct match *match, size_t n_names)
{
	if (n_names > INDEX_MASK)
		return -ENOMEM;
	match->n_slots = n_names + n_names / 2 + 1;
	match->slots = arena_array(arena, match->n_slots, sizeof(*match->slots));
	match->records = arena_array(arena, n_names, sizeof(*match->records));
	if (!match->slots || !match->records)
		return -ENOMEM;
	for (size_t i = 0; i < match->n_slots; i++)
		match->slots[i].first = NOTHING;
	return 0;
}

int match_make(struct arena *arena, const struct plan *plan, const struct match **ret_match)
{
	const struct dns_policy *dns = &plan->policy->dns;
	struct match *match = arena_alloc(arena, sizeof(*match));
	size_t n_names = dns->n_hosts;
	int error;

	if (!match)
		return -ENOMEM;
	match->plan = plan;
	for (size_t i = 0; i < plan->n_rules; i++)
		n_names += plan->rules[i].entry->n_hosts;
	error = hash_key_draw(&match->key);
	if (error == 0)
		error = make_room(arena, match, n_names);
	if (error < 0)
		return error;

	for (size_t i = 0; i < plan->n_rules; i++)
		for (size_t j = 0; j < plan->rules[i].entry->n_hosts; j++)
			add_host(match, &plan->rules[i].entry->hosts[j], i);
	for (size_t i = 0; i < dns->n_hosts; i++)
		add_embedded(match, &dns->hosts[i], i);
	*ret_match = match;
	return 0;
}

/* The chain's rules that match a name with `above` labels before the key take the groups that no
 * more specific rule took. */
static void grant_chain(const struct match *match, uint32_t at, unsigned above, uint64_t *taken,
	struct match_result *result)
{
	for (; at != NOTHING; at = match->records[at].next) {
		const struct record *record = &match->records[at];
		uint64_t groups = match->plan->rule_groups[record->index] & ~*taken;

		if (above > 1 && !record->any_depth)
			continue;
		*taken |= groups;
		if (groups && result->n_grants == 0)
			result->rule = record->index;
		for (; groups; groups &= groups - 1)
			result->grants[result->n_grants++] = (struct grant){
				.group = (unsigned)__builtin_ctzll(groups),
				.rule = record->index,
			};
	}
}

bool match_name(const struct match *match, const struct name *name, struct match_result *ret_result)
{
	const uint8_t *labels[LABELS_MAX];
	uint64_t hashes[LABELS_MAX];
	unsigned n_labels = find_labels(name->wire, labels);
	uint64_t taken = 0;

	hashes[n_labels] = 0;
	for (unsigned i = n_labels; i-- > 0;)
		hashes[i] = hash_label(match, hashes[i + 1], labels[i]);

	ret_result->n_grants = 0;
	grant_chain(match, find_slot(match, KEY_EXACT, hashes[0], labels[0])->first, 0, &taken,
		ret_result);
	for (unsigned i = 1; i <= n_labels; i++) {
		if (!match->suffix_labels[n_labels - i])
			continue;
		grant_chain(match, find_slot(match, KEY_SUFFIX, hashes[i], labels[i])->first, i,
			&taken, ret_result);
	}
	return ret_result->n_grants > 0;
}

const struct embedded_host *match_host(const struct match *match, const struct name *name)
{
	uint64_t hash = hash_wire(match, name->wire);
	uint32_t at = find_slot(match, KEY_EMBEDDED, hash, name->wire)->first;

	return at == NOTHING ? NULL : &match->plan->policy->dns.hosts[match->records[at].index];
}

bool match_port(const struct plan *plan, enum protocol protocol, uint16_t port, unsigned *ret_group)
{
	for (size_t i = 0; i < plan->n_groups; i++) {
		const struct plan_group *group = &plan->groups[i];

		for (size_t j = 0; j < group->n_ports; j++) {
			if (group->ports[j].protocol != protocol || port < group->ports[j].first ||
				port > group->ports[j].last)
				continue;
			*ret_group = (unsigned)i;
			return true;
		}
	}
	return false;
}

const struct plan_rule *match_address(
	const struct plan *plan, unsigned group, const struct inaddr *address)
{
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	const struct plan_span *spans = plan->groups[group].family[family].spans;
	size_t low = 0, high = plan->groups[group].family[family].n_spans;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inaddr_compare(address, &spans[middle].range.first) < 0)
			high = middle;
		else if (inaddr_compare(address, &spans[middle].range.last) > 0)
			low = middle + 1;
		else
			return &plan->rules[spans[middle].rule];
	}
	return NULL;
}
