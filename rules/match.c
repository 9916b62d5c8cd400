/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/host.h"
#include "rules/index.h"

/*
 * Theory of operation
 *
 * A look-up meets every host that matches the name (rules/index.h), and for each layer and port
 * group the one with the highest rank stays. The rank has the order of policy.md in one number: how
 * specific, deny before allow, `*` before `**`, then the order of the entries. An exact name leaves
 * nothing to win to wildcards: where it decided all that a wildcard could decide, the look-up ends.
 * Globs with one literal suffix are tried one by one. Patterns come last, and only where a layer is
 * still undecided. Most names that are asked for and not permitted are matched by nothing at all;
 * what they get was found out when the table was made.
 *
 * Where there are neither globs nor patterns, what a name gets that is not listed itself depends on
 * its suffixes alone: its siblings get the same. Many names are asked for at a time only below
 * wildcards; so the keeper remembers a few parents, whole, and what a name below each got.
 *
 * What an address of a name gets is put together from who won the name, and, in layers where nobody
 * did, from who has the address (rules/owners.h).
 */

void match_measure(const struct match *match, size_t *ret_bytes, size_t *ret_names)
{
	*ret_bytes = match->bytes;
	*ret_names = names_count(match->names) - match->n_runs + match->n_globs;
}

/* --- Looking up --- */

/* Who won what so far. */
struct tally {
	const struct match *match;
	struct match_result *result; /* nothing in it, before anybody won something */
	bool any;
	struct group_set open[LAYERS_MAX]; /* what wildcards could still decide */
	uint64_t ranks[LAYERS_MAX][PLAN_GROUPS_MAX + 1];
};

static void begin(const struct match *match, struct match_result *result, struct tally *ret_tally)
{
	ret_tally->match = match;
	ret_tally->result = result;
	ret_tally->any = false;
	for (unsigned i = 0; i < match->n_sides; i++)
		ret_tally->open[i] = match->sides[i].wild;
}

/* Nobody won anything. */
static void begin_result(const struct match *match, struct match_result *result)
{
	result->n_groups = match->n_groups;
	result->embedded = false;
	for (unsigned i = 0; i <= match->n_groups; i++) {
		result->groups[i].wild = 0;
		for (unsigned j = 0; j < match->n_sides; j++)
			result->groups[i].winner[j] = MATCH_NONE;
	}
}

static bool is_settled(const struct tally *tally)
{
	for (unsigned i = 0; i < tally->match->n_sides; i++)
		if (!is_none(&tally->open[i]))
			return false;
	return true;
}

/* Whether a host of the rank would take the group. */
static bool would_take(const struct tally *tally, unsigned group, uint32_t layer, uint64_t rank)
{
	return !tally->any || tally->result->groups[group].winner[layer] == MATCH_NONE ||
	       rank > tally->ranks[layer][group];
}

static void take_group(struct tally *tally, unsigned group, uint32_t layer, uint32_t entry,
	uint64_t rank, bool is_wild_host)
{
	struct match_ports *ports = &tally->result->groups[group];

	if (!would_take(tally, group, layer, rank))
		return;
	tally->ranks[layer][group] = rank;
	ports->winner[layer] = entry;
	ports->wild = (uint16_t)((ports->wild & ~(1u << layer)) | (unsigned)is_wild_host << layer);
}

static void take(
	struct tally *tally, uint32_t layer, uint32_t entry, uint64_t rank, bool is_wild_host)
{
	const struct group_set *set = &tally->match->sides[layer].sets[entry];

	if (!tally->any)
		begin_result(tally->match, tally->result);
	tally->any = true;
	for (uint64_t left = set->groups; left != 0; left &= left - 1)
		take_group(
			tally, (unsigned)__builtin_ctzll(left), layer, entry, rank, is_wild_host);
	if (set->rest)
		take_group(tally, tally->match->n_groups, layer, entry, rank, is_wild_host);
	narrow(&tally->open[layer], set);
}

static void take_exact(struct tally *tally, struct names_walk *walk)
{
	struct names_hit hit;

	if (!names_exact(tally->match->names, walk))
		return;
	while (names_left(&walk->exact) && names_next(tally->match->names, &walk->exact, &hit))
		take(tally, hit.source->layer, hit.source->entry,
			index_rank(tally->match, hit.source, UINT32_MAX, false), false);
}

/* The wildcards over the suffix of so many labels. */
static void take_suffix(struct tally *tally, const struct names_walk *walk, unsigned n_labels)
{
	unsigned length = walk->name->length - walk->offsets[walk->n_labels - n_labels];
	/* As host_specificity() has it: without the length bytes and the root. */
	uint32_t specificity = n_labels << 8 | (length - 1u - n_labels);
	struct names_cursor cursor;
	struct names_hit hit;

	if (!names_suffix(tally->match->names, walk, n_labels, &cursor))
		return;
	while (names_left(&cursor) && names_next(tally->match->names, &cursor, &hit)) {
		bool deep = hit.kind == HOST_ANY_DEPTH;

		if (deep || walk->n_labels == n_labels + 1)
			take(tally, hit.source->layer, hit.source->entry,
				index_rank(tally->match, hit.source, specificity, deep), true);
	}
}

static bool glob_would_take(const struct tally *tally, const struct glob *glob)
{
	const struct group_set *set = &tally->match->sides[glob->layer].sets[glob->entry];

	for (uint64_t left = set->groups; left != 0; left &= left - 1)
		if (would_take(tally, (unsigned)__builtin_ctzll(left), glob->layer, glob->rank))
			return true;
	return set->rest && would_take(tally, tally->match->n_groups, glob->layer, glob->rank);
}

/* The globs that end with the suffix of so many labels. */
static void take_globs(struct tally *tally, const struct names_walk *walk, unsigned n_labels)
{
	const struct match *match = tally->match;
	struct names_cursor cursor;
	struct names_hit hit;

	if (!names_globs(match->names, walk, n_labels, &cursor) ||
		!names_next(match->names, &cursor, &hit))
		return;
	for (uint32_t i = 0; i < hit.source->globs[hit.index].count; i++) {
		const struct glob *glob = &match->globs[hit.source->globs[hit.index].first + i];

		if (glob_would_take(tally, glob) &&
			host_matches(HOST_GLOB, glob->wire, glob->length, walk->name))
			take(tally, glob->layer, glob->entry, glob->rank, true);
	}
}

static bool has_bit(const uint64_t bits[2], unsigned bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

/* From the longest suffix, so that of wildcards the most specific comes first; a glob may be more
 * specific than a wildcard over a longer suffix. */
static void take_wildcards(struct tally *tally, const struct names_walk *walk)
{
	bool any_globs = (walk->globs[0] | walk->globs[1]) != 0;

	for (unsigned half = 2; half-- > 0;) {
		uint64_t left = walk->suffixes[half] | walk->globs[half];

		while (left != 0) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(left);
			unsigned n_labels = 64 * half + bit;

			left &= ~(UINT64_C(1) << bit);
			if (has_bit(walk->suffixes, n_labels))
				take_suffix(tally, walk, n_labels);
			if (any_globs && has_bit(walk->globs, n_labels))
				take_globs(tally, walk, n_labels);
			if (left != 0 && !any_globs && is_settled(tally))
				return;
		}
	}
}

/* A pattern that gives up is no reason to permit. */
static void take_patterns(struct tally *tally, const struct name *name)
{
	const struct match *match = tally->match;

	for (size_t i = 0; i < match->n_patterns; i++) {
		const struct pattern_row *row = &match->patterns[i];
		const struct side *side = &match->sides[row->layer];
		enum pattern_result result;

		if (!overlaps(&tally->open[row->layer], &side->sets[row->entry]))
			continue;
		result = pattern_match(row->pattern, name);
		if (result == PATTERN_YES ||
			(result == PATTERN_LIMIT &&
				side->layer->entries[row->entry].entry->action == ACTION_DENY))
			take(tally, row->layer, row->entry, 0, true);
	}
}

/* --- Verdicts --- */

static enum verdict side_verdict(const struct side *side, uint32_t winner)
{
	return winner == MATCH_NONE ? side->layer->unknown : side->layer->entries[winner].verdict;
}

static enum verdict ports_verdict(const struct match *match, const struct match_ports *ports)
{
	enum verdict verdict = VERDICT_PERMIT;

	for (unsigned i = 0; i < match->n_sides; i++) {
		enum verdict other = side_verdict(&match->sides[i], ports->winner[i]);

		if (other > verdict)
			verdict = other;
	}
	return verdict;
}

/* As judgement_rule() has it (rules/judge.h). */
static const char *ports_rule(const struct match *match, const struct match_ports *ports)
{
	bool permits = ports->verdict < VERDICT_OBSERVE;

	for (unsigned i = 0; i < match->n_sides; i++) {
		const struct side *side = &match->sides[i];
		uint32_t winner = ports->winner[i];

		if (permits ? winner == MATCH_NONE : side_verdict(side, winner) != ports->verdict)
			continue;
		return winner == MATCH_NONE ? side->unknown_rule : side->layer->entries[winner].id;
	}
	return PLAN_DEFAULT_PERMIT;
}

/* Draws the conclusion from who won. */
static void conclude(const struct match *match, struct match_result *result)
{
	const struct match_ports *best = NULL;

	for (unsigned i = 0; i <= match->n_groups; i++) {
		struct match_ports *ports = &result->groups[i];

		ports->verdict = ports_verdict(match, ports);
		if (!best || ports->verdict < best->verdict)
			best = ports;
	}
	result->rest = result->groups[match->n_groups].verdict;
	result->rule = ports_rule(match, best);
	result->answered = best->verdict != VERDICT_REFUSE;
}

static size_t result_size(const struct match *match)
{
	return offsetof(struct match_result, groups) +
	       (match->n_groups + 1) * sizeof(struct match_ports);
}

/* --- What siblings got --- */

enum { MEMOS = 16 };

/* A parent and what the names right below it get that are not listed themselves. */
struct memo {
	uint8_t length; /* 0: there is none */
	uint8_t wire[NAME_WIRE_MAX];
	struct match_result result;
};

struct match_memo {
	struct memo memos[MEMOS];
};

int match_memo_new(const struct match *match, struct match_memo **ret_memo)
{
	struct match_memo *memo = NULL;
	size_t n_suffixes = 0;

	for (unsigned i = 0; i < match->n_sides; i++)
		n_suffixes += match->sides[i].n_suffixes;
	if (n_suffixes > 0 && match->n_globs == 0 && match->n_patterns == 0) {
		memo = calloc(1, sizeof(*memo));
		if (!memo)
			return -ENOMEM;
	}
	*ret_memo = memo;
	return 0;
}

void match_memo_free(struct match_memo *memo)
{
	free(memo);
}

/* Where the name's parent is, if anywhere; or NULL: the root has none. */
static struct memo *memo_of(struct match_memo *memo, const struct name *name)
{
	unsigned first = 1u + name->wire[0];

	if (first >= name->length)
		return NULL;
	return &memo->memos[(name->length - first + name->wire[first] +
				    5u * name->wire[(name->length + first) / 2]) %
			    MEMOS];
}

static bool is_parent(const struct memo *memo, const struct name *name)
{
	return memo->length == name->length - 1u - name->wire[0] &&
	       memcmp(memo->wire, name->wire + 1 + name->wire[0], memo->length) == 0;
}

static void remember(const struct match *match, struct memo *memo, const struct name *name,
	const struct match_result *result)
{
	memo->length = (uint8_t)(name->length - 1u - name->wire[0]);
	memcpy(memo->wire, name->wire + 1 + name->wire[0], memo->length);
	memcpy(&memo->result, result, result_size(match));
}

/* --- */

/* What the name gets that is not listed itself. The suffixes are hashed only where they count. */
static void look_up_suffixes(const struct match *match, struct names_walk *walk,
	struct tally *tally, struct match_result *ret_result)
{
	if (!is_settled(tally)) {
		names_walk(match->names, walk);
		take_wildcards(tally, walk);
	}
	if (match->n_patterns > 0 && !is_settled(tally))
		take_patterns(tally, walk->name);
	if (tally->any)
		conclude(match, ret_result);
	else
		memcpy(ret_result, &match->unknown, result_size(match));
}

static bool look_up(const struct match *match, struct names_walk *walk, struct match_memo *memos,
	struct match_result *ret_result)
{
	struct memo *memo = NULL;
	struct tally tally;

	begin(match, ret_result, &tally);
	take_exact(&tally, walk);
	if (memos && !tally.any)
		memo = memo_of(memos, walk->name);
	if (memo && is_parent(memo, walk->name)) {
		memcpy(ret_result, &memo->result, result_size(match));
		return ret_result->answered;
	}
	look_up_suffixes(match, walk, &tally, ret_result);
	if (memo)
		remember(match, memo, walk->name, ret_result);
	return ret_result->answered;
}

int match_make(struct arena *arena, const struct plan *plan, const struct match **ret_match)
{
	struct match *match;
	int error = index_make(arena, plan, &match);

	if (error < 0)
		return error;
	begin_result(match, &match->unknown);
	conclude(match, &match->unknown);
	*ret_match = match;
	return 0;
}

void match_begin(const struct match *match, const struct name *name, struct names_walk *ret_walk)
{
	names_begin(match->names, name, ret_walk);
}

void match_prepare(const struct match *match, struct names_walk *walk)
{
	names_prepare(match->names, walk);
}

bool match_prepared(
	const struct match *match, struct names_walk *walk, struct match_result *ret_result)
{
	return look_up(match, walk, NULL, ret_result);
}

bool match_recall(const struct match *match, struct match_memo *memo, const struct name *name,
	struct match_result *ret_result)
{
	struct names_walk walk;

	names_begin(match->names, name, &walk);
	return look_up(match, &walk, memo, ret_result);
}

bool match_name(const struct match *match, const struct name *name, struct match_result *ret_result)
{
	return match_recall(match, NULL, name, ret_result);
}

const struct embedded_host *match_host(const struct match *match, const struct name *name)
{
	struct names_cursor cursor;
	struct hash_state hash;
	struct names_hit hit;

	if (match->plan->policy->dns.n_hosts == 0)
		return NULL;
	names_look_up(match->names, NAMES_EMBEDDED, name->wire, &cursor, &hash);
	if (!names_next(match->names, &cursor, &hit))
		return NULL;
	return &hit.source->embedded[hit.index];
}

/* --- Addresses of names --- */

/* An address of a name, before all layers. */
struct arrival {
	const struct match *match;
	const struct match_result *result;
	const struct inaddr *address;
	bool asked[LAYERS_MAX];   /* whether `blocked` is known */
	bool blocked[LAYERS_MAX]; /* whether it is in a class that the layer blocks */
};

/* What is decided about it in a group. */
struct outcome {
	enum verdict verdict;
	enum verdict bare; /* of the address without the name */
	uint32_t rule;     /* of the first layer whose winner is an entry, or MATCH_NONE */
	bool by_name;      /* that entry won by the name */
};

static bool is_listed(const struct entry *entry, const struct inaddr *address)
{
	for (size_t i = 0; i < entry->n_believed_ranges; i++)
		if (range_contains(&entry->believed_ranges[i], address))
			return true;
	return false;
}

static bool is_blocked(struct arrival *arrival, unsigned layer)
{
	enum address_class class;

	if (!arrival->asked[layer])
		arrival->blocked[layer] = class_find(
			arrival->address, arrival->match->sides[layer].layer->block, &class);
	arrival->asked[layer] = true;
	return arrival->blocked[layer];
}

/* Whether an entry that has the name believes that the name has the address. */
static bool believes(struct arrival *arrival, unsigned layer, uint32_t winner)
{
	const struct entry *entry = arrival->match->sides[layer].layer->entries[winner].entry;

	if (arrival->result->embedded || entry->believed == BELIEVED_ANY)
		return true;
	return entry->believed == BELIEVED_PUBLIC ? !is_blocked(arrival, layer)
						  : is_listed(entry, arrival->address);
}

/* What the layer's winner among names comes to with the address. */
static enum verdict name_verdict(struct arrival *arrival, unsigned layer, uint32_t winner)
{
	const struct layer *judge = arrival->match->sides[layer].layer;

	return believes(arrival, layer, winner) ? judge->entries[winner].verdict
						: layer_refusal(judge);
}

/* Whether names open anything there, as far as the layer is concerned: see rules/judge.c. */
static bool opens(const struct arrival *arrival, const struct side *side, unsigned group)
{
	return group < arrival->match->n_groups && (side->named >> group & 1);
}

static enum verdict owner_verdict(const struct side *side, uint32_t owner)
{
	return owner == OWNERS_CLASS ? side->layer->class_verdict : side_verdict(side, owner);
}

static void add_layer(
	struct arrival *arrival, unsigned group, unsigned layer, struct outcome *outcome)
{
	const struct side *side = &arrival->match->sides[layer];
	uint32_t winner = arrival->result->groups[group].winner[layer];
	uint32_t owner = OWNERS_NONE;
	enum verdict bare, verdict;

	if (side->owners)
		owner = owners_find(side->owners, group, arrival->address);
	bare = owner_verdict(side, owner);
	verdict = winner == MATCH_NONE ? bare : name_verdict(arrival, layer, winner);
	if (bare > verdict && !opens(arrival, side, group)) {
		verdict = bare;
		winner = MATCH_NONE;
	}
	outcome->bare = bare > outcome->bare ? bare : outcome->bare;
	outcome->verdict = verdict > outcome->verdict ? verdict : outcome->verdict;
	if (outcome->rule != MATCH_NONE)
		return;
	outcome->by_name = winner != MATCH_NONE;
	if (outcome->by_name)
		outcome->rule = side->rules[winner];
	else if (owner != OWNERS_CLASS && owner != OWNERS_NONE)
		outcome->rule = side->rules[owner];
}

static struct outcome decide_group(struct arrival *arrival, unsigned group)
{
	struct outcome outcome = {
		.verdict = VERDICT_PERMIT, .bare = VERDICT_PERMIT, .rule = MATCH_NONE};

	for (unsigned i = 0; i < arrival->match->n_sides; i++)
		add_layer(arrival, group, i, &outcome);
	return outcome;
}

/* Whether the kernel has to be told: it refuses the address, or has another verdict or another rule
 * for it. What only an observing layer refuses is left to the kernel to record. */
static bool needs_lease(const struct outcome *outcome)
{
	if (outcome->rule == MATCH_NONE || outcome->verdict == VERDICT_REFUSE)
		return false;
	if (outcome->verdict == VERDICT_OBSERVE && outcome->bare == VERDICT_OBSERVE)
		return false;
	return outcome->by_name || outcome->verdict != outcome->bare;
}

/* Without a lease. */
static bool is_reachable(const struct outcome *outcome)
{
	return outcome->verdict != VERDICT_REFUSE && outcome->bare != VERDICT_REFUSE;
}

static struct match_lease make_lease(
	const struct plan *plan, unsigned group, const struct outcome *outcome)
{
	const struct plan_rule *rule = &plan->rules[outcome->rule];
	bool reported = outcome->verdict != VERDICT_PERMIT && rule->flag_mark != 0;

	return (struct match_lease){
		.group = group,
		.rule = outcome->rule,
		.mark = reported ? rule->flag_mark : rule->mark,
	};
}

bool match_answer(const struct match *match, const struct match_result *result,
	const struct inaddr *address, struct match_lease ret_leases[PLAN_GROUPS_MAX],
	unsigned *ret_n_leases)
{
	struct arrival arrival = {.match = match, .result = result, .address = address};
	bool reachable = false;
	unsigned n_leases = 0;

	for (unsigned i = 0; i < match->n_groups; i++) {
		struct outcome outcome = decide_group(&arrival, i);

		if (needs_lease(&outcome))
			ret_leases[n_leases++] = make_lease(match->plan, i, &outcome);
		else
			reachable |= is_reachable(&outcome);
	}
	if (n_leases == 0 && !reachable) {
		struct outcome rest = decide_group(&arrival, match->n_groups);

		if (!is_reachable(&rest))
			return false;
	}
	*ret_n_leases = n_leases;
	return true;
}

/* Whether the layer refuses the address in the group, and by what. */
static bool layer_refuses(
	struct arrival *arrival, unsigned group, unsigned layer, struct match_refusal *ret_refusal)
{
	const struct side *side = &arrival->match->sides[layer];
	uint32_t winner = arrival->result->groups[group].winner[layer];
	uint32_t owner = OWNERS_NONE;

	*ret_refusal = (struct match_refusal){.layer = layer, .entry = winner};
	if (winner != MATCH_NONE) {
		bool refuses = name_verdict(arrival, layer, winner) == VERDICT_REFUSE;

		if (refuses || opens(arrival, side, group)) {
			ret_refusal->disbelieved = side_verdict(side, winner) < VERDICT_OBSERVE &&
						   !believes(arrival, layer, winner);
			return refuses;
		}
		ret_refusal->entry = MATCH_NONE;
	}
	if (side->owners)
		owner = owners_find(side->owners, group, arrival->address);
	ret_refusal->is_class = owner == OWNERS_CLASS;
	if (owner < OWNERS_CLASS)
		ret_refusal->entry = owner;
	return owner_verdict(side, owner) == VERDICT_REFUSE;
}

bool match_refusal(const struct match *match, const struct match_result *result,
	const struct inaddr *address, struct match_refusal *ret_refusal)
{
	struct arrival arrival = {.match = match, .result = result, .address = address};
	struct match_refusal refusal;

	for (unsigned i = 0; i <= match->n_groups; i++) {
		if (result->groups[i].verdict == VERDICT_REFUSE)
			continue;
		for (unsigned j = 0; j < match->n_sides; j++) {
			if (!layer_refuses(&arrival, i, j, &refusal))
				continue;
			*ret_refusal = refusal;
			return true;
		}
	}
	return false;
}
